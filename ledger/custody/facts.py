"""Facts: what was seen, tested, certified or measured. They move nothing; adverse ones stay in sight."""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.arrival import ends_of, tell_late
from ledger.custody.handovers import receiver_of
from ledger.custody.scopes import subject_path
from ledger.custody.step import (
    Step,
    Violation,
    answers_for,
    booked_late,
    extend,
    keeper_of,
    product_of,
    room_for_adverse,
)
from ledger.encoding import Codec
from ledger.limits import HANDOVER_FACTS_MAX

WITNESSES = (r.MemberKind.REGULATOR, r.MemberKind.DEPARTMENT, r.MemberKind.LAB, r.MemberKind.CARRIER)


def fact(step: Step, record: r.Fact) -> None:
    if record.subject.kind == r.SubjectKind.HANDOVER:
        _on_handover(step, record)
        return
    path = subject_path(record.subject)
    entry = _entry(step, record.subject, path)
    if step.signer.kind not in WITNESSES and not _is_own(step, entry):
        raise Violation(
            "fact.not-own",
            f"{step.member} is a party to it neither as maker, owner nor keeper",
            "members speak of their own; labs, carriers, departments and regulators of all",
            "subject",
        )
    adverse, bits = _weigh(step, record, _product_id(entry))
    if adverse:
        room_for_adverse(step, entry.adverse)
    name = e.CHAIN_ADVERSE if adverse else e.CHAIN_FACTS
    chain = extend(step, path, name, entry.adverse if adverse else entry.facts)
    changes: dict[str, object] = {"adverse" if adverse else "facts": chain}
    if bits and isinstance(entry, e.LotEntry | e.PositionEntry):
        changes["bits"] = int(entry.bits | bits)
    step.draft.put(b"m" + path, structs.replace(entry, **changes))


_Subject = e.LotEntry | e.PositionEntry | e.ProductEntry | e.MemberEntry | e.SiteEntry


_CODECS: Final[dict[r.SubjectKind, Codec[_Subject]]] = {
    r.SubjectKind.LOT: e.LOT,
    r.SubjectKind.POSITION: e.POSITION,
    r.SubjectKind.PRODUCT: e.PRODUCT,
    r.SubjectKind.MEMBER: e.MEMBER,
    r.SubjectKind.SITE: e.SITE,
}


def _entry(step: Step, subject: r.Subject, path: bytes) -> _Subject:
    decode: Callable[[bytes], _Subject] = _CODECS[subject.kind].decode_trusted
    entry = step.draft.get(b"m" + path, decode)
    if entry is None:
        kind = subject.kind.name.lower()
        raise Violation(f"{kind}.unknown", f"there is no such {kind}", "check its identifiers", "subject")
    return entry


def _is_own(step: Step, entry: _Subject) -> bool:
    match entry:
        case e.LotEntry():
            product = step.draft.product(product_of(entry.lot))
            return step.member == entry.commissioner or (product is not None and answers_for(step.member, product))
        case e.PositionEntry():
            return step.member in (entry.owner, keeper_of(entry.site))
        case e.ProductEntry():
            return step.member in (entry.maker, entry.declarer)
        case e.SiteEntry():
            return step.member == keeper_of(entry.site)
        case _:
            return step.member == entry.member


def _product_id(entry: _Subject) -> str | None:
    match entry:
        case e.LotEntry() | e.PositionEntry():
            return product_of(entry.lot)
        case e.ProductEntry():
            return entry.product
        case _:
            return None


def _weigh(step: Step, record: r.Fact, product_id: str | None) -> tuple[bool, int]:
    """Whether it is adverse, and the status bits that follow. A breach is decided here, not by its reporter."""
    adverse = bool(record.adverse)
    if record.window is not None and product_id is not None:
        product = step.draft.product(product_id)
        if product is not None and _breaches(record.window, product):
            return True, e.Bit.BREACHED
    if not adverse:
        return False, 0
    if record.kind == r.FactKind.TEST:
        return True, e.Bit.FAILED_TEST
    return True, e.Bit.BREACHED if record.kind == r.FactKind.MEASURE else e.Bit.ADVERSE_FACT


def _breaches(window: r.Window, product: e.ProductEntry) -> bool:
    too_warm = product.temp_max_mc is not None and window.max_mc > product.temp_max_mc
    too_cold = product.temp_min_mc is not None and window.min_mc < product.temp_min_mc
    return too_warm or too_cold


def _on_handover(step: Step, record: r.Fact) -> None:
    """Kept with the open ship for every position that its goods get to; those that have some take it at once."""
    to, ship = record.subject.to, record.subject.ship
    if to is None or ship is None:
        raise ValueError("a handover subject without its fields got past the check of its form")
    key, journey = journey_of(step.draft, to, ship)
    if journey is None:
        how = "name a ship by its record hash, and who signs its receive"
        raise Violation("handover.unknown", f"no ship {ship.hex()} went to {to}", how, "subject")
    _may_report(step, journey, to)
    adverse, bits = _weigh(step, record, product_of(journey.lot))
    fact = s.HandoverFact(adverse, step.element)
    told: s.Handover | s.Closed = structs.replace(journey, noted=journey.noted + 1)
    if isinstance(told, s.Handover):
        told = structs.replace(told, bits=int(told.bits | bits), facts=[*told.facts, fact])
    step.draft.put(key, told)
    for path in ends_of(journey):
        tell_late(step, path, fact, int(bits))


def journey_of(draft: s.Draft, receiver: str, ship: bytes) -> tuple[bytes, s.Handover | s.Closed | None]:
    """A ship on the way to `receiver`, or what is kept of it since it ended; with the key of its row."""
    key = s.handover_key(receiver, ship)
    handover = draft.get(key, s.HANDOVER.decode_trusted)
    if handover is not None:
        return key, handover
    closed = draft.get(b"c" + ship, s.CLOSED.decode_trusted)
    if closed is None or receiver != receiver_of(closed.owner, closed.to, closed.to_site):
        return b"c" + ship, None
    return b"c" + ship, closed


def _may_report(step: Step, journey: s.Handover | s.Closed, receiver: str) -> None:
    """Both sides while it is open. Afterwards whoever sent it, whose log of the way may come later, for as long as a
    month's book may take; the receiver speaks of its own position then. Parties leave room for witnesses."""
    room = HANDOVER_FACTS_MAX
    if step.signer.kind not in WITNESSES:
        room //= 2
        parties = [journey.owner] if journey.to != journey.owner else [journey.owner, keeper_of(journey.site)]
        if isinstance(journey, s.Handover):
            parties += [journey.to, receiver]
        if step.member not in parties:
            how = "its sender reports, and while it is open its receiver; then each of them of its own position"
            raise Violation("fact.not-own", f"{step.member} did not send it, or received it already", how, "subject")
        if isinstance(journey, s.Closed) and booked_late(journey.element.time, step.time):
            how = "tell its holder, a laboratory or a regulator"
            raise Violation("fact.late", f"the way ended long ago, at {journey.element.time}", how, "subject")
    if journey.noted >= room:
        how = "sum them up in one, or ask a laboratory"
        raise Violation("handover.facts", f"{journey.noted} facts stand on it already", how, "subject")
