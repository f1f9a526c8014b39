"""Between the node's values and the messages of proto/suyuan/v1."""

from collections.abc import Iterable

from ledger import state as s
from ledger.errors import Malformed, Problem, Refused, SuyuanError
from node.admission import Unsigned
from node.app import Held, Receipt
from node.engine import Overloaded, ReadOnly
from node.feed import Event
from proto.suyuan.v1 import ledger_pb2 as pb

READ_ONLY = "node.read_only"


def receipt(value: Receipt, with_checkpoint: bool = True) -> pb.Receipt:
    return pb.Receipt(
        envelope_id=value.envelope_id,
        leaf=value.leaf,
        proof=value.proof,
        checkpoint=value.checkpoint if with_checkpoint else b"",
        earlier=value.earlier,
    )


def problem(value: Problem) -> pb.Problem:
    return pb.Problem(
        rule=value.rule, message=value.message, remedy=value.remedy, record=value.record, field=value.field
    )


def refusal(error: SuyuanError) -> pb.Refusal:
    """Why an envelope was not taken. Stopped and other failures are not refusals: nothing is known then."""
    if isinstance(error, Overloaded):
        return pb.Refusal(kind=pb.Refusal.KIND_OVERLOADED, retry_after_ms=error.retry_after_ms)
    if isinstance(error, ReadOnly):
        found = Problem(READ_ONLY, str(error), "wait, or tell the node's operator")
        return pb.Refusal(
            kind=pb.Refusal.KIND_READ_ONLY, problems=[problem(found)], retry_after_ms=error.retry_after_ms
        )
    if isinstance(error, Malformed):
        found = Problem("envelope.malformed", error.message, "put this right, and sign it anew", None, error.where)
        return pb.Refusal(kind=pb.Refusal.KIND_MALFORMED, problems=[problem(found)])
    if isinstance(error, Refused):
        kind = pb.Refusal.KIND_UNSIGNED if isinstance(error, Unsigned) else pb.Refusal.KIND_REFUSED
        return pb.Refusal(kind=kind, problems=[problem(found) for found in error.problems])
    raise error


def results(tagged: Iterable[tuple[int, Receipt | SuyuanError]]) -> list[pb.SubmitResults]:
    """Results in messages, one for each checkpoint, which stands once for all receipts under it."""
    by_checkpoint: dict[bytes, pb.SubmitResults] = {}
    for tag, value in tagged:
        checkpoint = value.checkpoint if isinstance(value, Receipt) else b""
        message = by_checkpoint.get(checkpoint)
        if message is None:
            message = by_checkpoint[checkpoint] = pb.SubmitResults(checkpoint=checkpoint)
        if isinstance(value, Receipt):
            message.results.append(pb.SubmitResult(tag=tag, receipt=receipt(value, with_checkpoint=False)))
        else:
            message.results.append(pb.SubmitResult(tag=tag, refusal=refusal(value)))
    return list(by_checkpoint.values())


def position(found: Held) -> pb.Position:
    stock = found.stock
    return pb.Position(
        lot=found.lot,
        owner=found.owner,
        site=found.site,
        held=stock.held,
        grams=stock.grams,
        shipped=stock.shipped,
        sold=stock.sold,
        used=stock.used,
        destroyed=stock.destroyed,
        missing=stock.missing,
        irregular=stock.irregular,
        status_bits=found.bits,
        lost=stock.lost,
        reserved=stock.reserved,
        claimed=stock.claimed,
        disputed=stock.disputed,
        overdrawn=stock.overdrawn,
        grams_lost=stock.grams_lost,
        grams_sold=stock.grams_sold,
        in_force=found.in_force,
    )


def handover(ship: bytes, value: s.Handover) -> pb.Handover:
    return pb.Handover(
        ship=ship,
        lot=value.lot,
        owner=value.owner,
        site=value.site,
        to=value.to,
        to_site=value.to_site,
        quantity=value.quantity,
        open=value.open,
        grams=value.grams,
        ref=value.ref,
        time_ms=value.at,
        status_bits=value.bits,
        sender=value.sender,
        returns=value.returns,
    )


def claim(supplier: str, name: bytes, value: s.Claim) -> pb.Claim:
    return pb.Claim(
        claim=name,
        supplier=supplier,
        claimant=value.claimant,
        lot=value.lot,
        site=value.site,
        quantity=value.quantity,
        open=value.open,
        grams=value.grams,
        ref=value.ref,
        time_ms=value.at,
        disputed=value.disputed,
    )


def event(value: Event) -> pb.Event:
    return pb.Event(
        leaf=value.leaf,
        index=value.index,
        member=value.member,
        time_ms=value.time,
        record=value.record,
        opening=value.opening,
    )


_SIDES = {pb.FindRefsRequest.SIDE_IN: "i", pb.FindRefsRequest.SIDE_OUT: "o", pb.FindRefsRequest.SIDE_OWN: "w"}


def side(value: "pb.FindRefsRequest.Side") -> str:
    """The side of a member's book, as state rows have it (`custody.side_of`)."""
    if value not in _SIDES:
        raise Malformed("side", "name SIDE_IN, SIDE_OUT or SIDE_OWN")
    return _SIDES[value]


def booked(ref: str, row: s.Booked) -> pb.BookedRef:
    return pb.BookedRef(ref=ref, leaf=row.leaf, records=[index for index, _ in row.records])
