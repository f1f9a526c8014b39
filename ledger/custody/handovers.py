"""Handovers: two signatures, and between them goods that belong to nobody's stock but are not lost."""

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.arrival import arrive, closed_by, come_back, delivered, returnable, settle, tell_sender
from ledger.custody.claims import close_by_ship
from ledger.custody.goods import is_irregular
from ledger.custody.inforce import refuse_in_force
from ledger.custody.step import (
    Step,
    Violation,
    change,
    check_measure,
    give,
    keeper_of,
    known_lot,
    known_member,
    known_site,
    lot_product,
    refuse_twice,
    take,
)
from ledger.custody.units import ship_line
from ledger.custody.weights import share, weigh


def ship(step: Step, record: r.Ship, amounts: r.Moved) -> None:
    owner = record.owner or step.member
    _signs_ship(step, record, owner)
    name = step.name
    key = s.handover_key(receiver_of(owner, record.to, record.to_site), name)
    copies = [s.handover_key(receiver, name) for receiver in (record.to, keeper_of(record.to_site))]
    open_ones = [step.draft.get(copy, s.HANDOVER.decode_trusted) for copy in copies]
    refuse_twice(*open_ones, step.draft.get(b"c" + name, s.CLOSED.decode_trusted))
    known_member(step, record.to, "to")
    known_site(step, record.to_site, record.at, "to_site")
    lot = known_lot(step, record.lot)
    product = lot_product(step, record.lot)
    position = step.draft.position(e.position_path(record.lot, owner, record.site))
    collected = bool(record.returns) or record.to == owner
    refuse_in_force(step, lot, product, position, record.at, collected)
    grams, quantity = check_measure(step, record.lot, amounts.grams), amounts.quantity
    irregular = not collected and is_irregular(step, record.lot, owner, record.site, record.at)
    if record.unit is not None:
        ship_line(step, record, amounts, owner)
    take(step, owner, record.site, record.lot, quantity, grams, shipped=quantity, irregular=quantity * irregular)
    handover = s.Handover(
        ship=name,
        sender=step.member,
        lot=record.lot,
        owner=owner,
        site=record.site,
        to=record.to,
        to_site=record.to_site,
        quantity=quantity,
        open=quantity,
        grams=grams,
        weight=grams,
        bits=e.passed_on(position.bits) if position is not None else 0,
        at=record.at,
        ref=amounts.ref,
        element=step.element,
        returns=bool(record.returns),
        facts=[],
        ends=0,
        noted=0,
    )
    if record.returns:
        _check_return(step, handover)
    elif record.to != owner:
        handover = close_by_ship(step, record, handover)
    if handover.open:
        step.draft.put(key, handover)
    else:
        step.draft.put(b"c" + name, closed_by(step, handover, in_part=False))


def _check_return(step: Step, handover: s.Handover) -> None:
    """A return reverses an earlier delivery between two members, never more."""
    there = returnable(step, handover, -handover.quantity)
    if handover.quantity > there:
        raise Violation(
            "return.more-than-delivered",
            f"{handover.to} delivered {there} of {handover.lot} to {handover.site} that were not returned, "
            f"{handover.quantity} would go back",
            "ship the rest as a sale, without `returns`",
            "quantity",
        )


def receiver_of(owner: str, to: str, to_site: str) -> str:
    """Who signs the receive: the receiving owner where title moves, else the keeper of the receiving site."""
    return to if to != owner else keeper_of(to_site)


def _signs_ship(step: Step, record: r.Ship, owner: str) -> None:
    if record.to == owner and (record.returns or record.claim is not None):
        raise Violation("ship.custody", "title stays where it is", "a return or a claimed delivery moves title", "to")
    if record.to != owner:
        if step.member != owner:
            raise Violation("ship.not-owner", f"title of {owner} would move", "the owner signs this ship", "owner")
    elif record.to_site == record.site:
        raise Violation(
            "ship.nowhere", "neither title nor custody would move", "name another site or owner", "to_site"
        )
    elif step.member != keeper_of(record.site):
        raise Violation(
            "ship.not-keeper",
            f"custody would leave {record.site}, which {keeper_of(record.site)} keeps",
            "the keeper signs this ship",
            "site",
        )


def receive(step: Step, record: r.Receive, amounts: r.Received) -> None:
    key, handover = _open_handover(step, step.member, record.ship, record.lot)
    accepted, refused = amounts.accepted or 0, amounts.refused or 0
    short, destroyed = amounts.short or 0, amounts.destroyed or 0
    total = accepted + refused + short + destroyed
    if total > handover.open:
        raise Violation(
            "handover.more-than-open",
            f"{handover.open} of {handover.quantity} are still open, {total} are accounted for",
            "correct the quantities; a surplus is not part of this handover",
            "accepted",
        )
    grams = share(handover.grams, total, handover.open)
    back = grams * refused // total
    if refused:
        handover = come_back(step, handover, refused, back)
    if accepted:
        handover = _accept(step, handover, amounts, accepted, grams * accepted // total)
    elif amounts.grams is not None:
        raise Violation("grams.nothing", "nothing was accepted, so nothing was weighed", "leave grams out", "grams")
    if destroyed:
        change(step, handover.to, handover.to_site, handover.lot, destroyed=destroyed)
    if short:
        handover = tell_sender(step, handover)  # whose goods they still are, and may be found
    if short or grams > back:
        lost = grams - back - (grams * accepted // total if accepted else 0)
        change(step, handover.owner, handover.site, handover.lot, missing=short, grams_lost=lost)
    closed = settle(step, key, handover, total, grams)
    delivered(step, handover, accepted, closed)
    if handover.returns and refused:
        returnable(step, handover, refused)


def _accept(step: Step, handover: s.Handover, amounts: r.Received, accepted: int, expected: int) -> s.Handover:
    """What was accepted enters the receiving position, with what it weighed there."""
    weighed = check_measure(step, handover.lot, amounts.grams)
    bits = weigh(step, handover.lot, handover.to, handover.to_site, expected, weighed)
    give(step, handover.to, handover.to_site, handover.lot, accepted, weighed)
    return arrive(step, handover, step.element, bits)


def withdraw(step: Step, record: r.Withdraw, amounts: r.Withdrawn) -> None:
    """The sender takes back what is still open; nothing moved, so it is no way in."""
    key, handover = _open_handover(step, record.to, record.ship, record.lot)
    if handover.sender != step.member:
        raise Violation("handover.not-sender", f"{handover.sender} shipped it", "the sender withdraws", "ship")
    handover = come_back(step, handover, handover.open, handover.grams)
    _stands(step, handover)
    settle(step, key, handover, handover.open, handover.grams)
    delivered(step, handover, 0, closed=True)
    if handover.returns:
        returnable(step, handover, handover.open)


def _stands(step: Step, handover: s.Handover) -> None:
    """What stands of a ship whose rest is withdrawn is what was received: that is what both sides may correct."""
    if handover.open < handover.quantity:
        grams = handover.weight - handover.grams
        rest = r.Moved(grams=grams or None, quantity=handover.quantity - handover.open, ref=handover.ref)
        step.draft.put(s.in_force_key(step.member, handover.ship), s.InForce(r.MOVED.encode(rest)))


def _open_handover(step: Step, receiver: str, ship_hash: bytes, lot: str) -> tuple[bytes, s.Handover]:
    key = s.handover_key(receiver, ship_hash)
    handover = step.draft.get(key, s.HANDOVER.decode_trusted)
    if handover is None:
        closed = step.draft.get(b"c" + ship_hash, s.CLOSED.decode_trusted)
        if closed is not None:
            how = "withdrawn" if closed.element.act == r.Act.WITHDRAW else "received"
            raise Violation(
                "handover.closed",
                f"this ship was {how} in full, in leaf {closed.element.leaf}, record {closed.element.index}",
                "a closed handover never reopens; goods that came again need a new ship",
                "ship",
            )
        raise Violation(
            "handover.unknown",
            f"no open ship {ship_hash.hex()} waits for {receiver}",
            "list the handovers that wait for you; the receiving owner signs, or the keeper where only custody moves",
            "ship",
        )
    if handover.lot != lot:
        raise Violation("handover.other-lot", f"it carries {handover.lot}, not {lot}", "name the ship's lot", "lot")
    return key, handover
