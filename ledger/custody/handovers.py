"""Handovers: two signatures, and between them goods that belong to nobody's stock but are not lost."""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.goods import is_irregular
from ledger.custody.scopes import refuse_in_force
from ledger.custody.step import (
    Step,
    Violation,
    enter_position,
    extend,
    give,
    keeper_of,
    known_lot,
    known_member,
    known_product,
    known_site,
    product_of,
    take,
)


def ship(step: Step, record: r.Ship, amounts: r.Moved) -> None:
    owner = record.owner or step.member
    _signs_ship(step, record, owner)
    known_member(step, record.to, "to")
    known_site(step, record.to_site, "to_site")
    lot = known_lot(step, record.lot)
    product = known_product(step, product_of(record.lot))
    position = step.draft.position(e.position_path(record.lot, owner, record.site))
    refuse_in_force(step, lot, product, position, record.at)
    irregular = amounts.quantity if is_irregular(step, record.lot, owner, record.site, record.at) else 0
    take(step, owner, record.site, record.lot, amounts, shipped=amounts.quantity, irregular=irregular)
    handover = s.Handover(
        sender=step.member,
        lot=record.lot,
        owner=owner,
        site=record.site,
        to=record.to,
        to_site=record.to_site,
        quantity=amounts.quantity,
        open=amounts.quantity,
        grams=amounts.grams or 0,
        bits=int(position.bits & e.PASSED_ON) if position is not None else 0,
        at=record.at,
        ref=amounts.ref,
        element=step.element,
        facts=[],
    )
    step.draft.put(s.handover_key(receiver_of(owner, record.to, record.to_site), step.element.record), handover)


def receiver_of(owner: str, to: str, to_site: str) -> str:
    """Who signs the receive: the receiving owner where title moves, else the keeper of the receiving site."""
    return to if to != owner else keeper_of(to_site)


def _signs_ship(step: Step, record: r.Ship, owner: str) -> None:
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
    grams = _grams_part(handover, total)
    grams_refused = grams * refused // total
    grams_accepted = grams * accepted // total if short or destroyed or not accepted else grams - grams_refused
    if accepted:
        give(step, handover.to, handover.to_site, handover.lot, accepted, grams_accepted)
        handover = _arrive(step, handover)
    if destroyed:
        _count(step, handover.to, handover.to_site, handover.lot, destroyed=destroyed)
    if refused:
        give(step, handover.owner, handover.site, handover.lot, refused, grams_refused)
    if short:
        _count(step, handover.owner, handover.site, handover.lot, missing=short)
    _settle(step, key, handover, record.ship, total, grams)


def _grams_part(handover: s.Handover, quantity: int) -> int:
    """The share of the weight that goes with this part: all of what is left with the last part."""
    if quantity == handover.open:
        return handover.grams
    return handover.grams * quantity // handover.open


def _arrive(step: Step, handover: s.Handover) -> s.Handover:
    """Enter the receiving position: its way in, the bits of the goods, and the facts found on the way."""
    source = e.position_path(handover.lot, handover.owner, handover.site)
    bits = handover.bits
    path = enter_position(
        step,
        handover.lot,
        handover.to,
        handover.to_site,
        e.WayKind.HANDOVER,
        source,
        [handover.element, step.element],
        bits,
    )
    if not handover.facts:
        return handover
    position = step.draft.position(path)
    if position is None:
        raise ValueError("the position just entered is gone")
    adverse, facts = position.adverse, position.facts
    for fact in handover.facts:
        moved = structs.replace(step, element=fact.element)
        if fact.adverse:
            adverse = extend(moved, path, e.CHAIN_ADVERSE, adverse)
        else:
            facts = extend(moved, path, e.CHAIN_FACTS, facts)
    step.draft.put(b"m" + path, structs.replace(position, adverse=adverse, facts=facts))
    return structs.replace(handover, facts=[])


def _count(step: Step, owner: str, site: str, lot: str, missing: int = 0, destroyed: int = 0) -> None:
    stock = step.draft.stock(owner, site, lot)
    changed = structs.replace(stock, missing=stock.missing + missing, destroyed=stock.destroyed + destroyed)
    step.draft.put(s.stock_key(owner, site, lot), changed)


def _settle(step: Step, key: bytes, handover: s.Handover, ship_hash: bytes, quantity: int, grams: int) -> None:
    left = handover.open - quantity
    if left:
        step.draft.put(key, structs.replace(handover, open=left, grams=handover.grams - grams))
    else:
        step.draft.delete(key)
        step.draft.put(b"c" + ship_hash, s.Closed(step.element))


def withdraw(step: Step, record: r.Withdraw, amounts: r.Withdrawn) -> None:
    """The sender takes back what is still open; nothing moved, so it is no way in."""
    key, handover = _open_handover(step, record.to, record.ship, record.lot)
    if handover.sender != step.member:
        raise Violation("handover.not-sender", f"{handover.sender} shipped it", "the sender withdraws", "ship")
    give(step, handover.owner, handover.site, handover.lot, handover.open, handover.grams)
    _settle(step, key, handover, record.ship, handover.open, handover.grams)


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
