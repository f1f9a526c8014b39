"""Where a handover ends: goods enter the receiving position, or come back, with their bits and the facts found on the
way, and what is accounted for is open no longer."""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.step import Step, enter_position, extend, give
from ledger.limits import INTEGER_MAX

ON_THE_WAY = int(e.Bit.FAILED_TEST | e.Bit.BREACHED | e.Bit.ADVERSE_FACT)  # what facts about a handover can set


def pair_of(step: Step, supplier: str, receiver: str, site: str, lot: str) -> s.Pair:
    """What is open and what was delivered between a supplier and a receiver's site, of one lot."""
    return step.draft.get(s.pair_key(supplier, receiver, site, lot), s.PAIR.decode_trusted) or s.NO_PAIR


def keep_pair(step: Step, supplier: str, receiver: str, site: str, lot: str, pair: s.Pair) -> None:
    if pair.delivered > INTEGER_MAX:  # over several sites, each of which counts what it ships
        pair = structs.replace(pair, delivered=INTEGER_MAX)
    step.draft.put(s.pair_key(supplier, receiver, site, lot), pair)


def arrive(step: Step, handover: s.Handover, answer: e.Element, bits: int) -> s.Handover:
    """Extend the receiving position's way in by the ship and its answer, a receive or a claim. A return comes back to
    where its way leads already, so all returns share one chain."""
    kind, source = e.WayKind.RETURN, b""
    if not handover.returns:
        kind, source = e.WayKind.HANDOVER, e.position_path(handover.lot, handover.owner, handover.site)
    lot, owner, site = handover.lot, handover.to, handover.to_site
    path = enter_position(step, lot, owner, site, kind, source, [handover.element, answer], handover.bits | bits)
    if not handover.facts:
        return handover
    _take_facts(step, path, handover, 0)
    return structs.replace(handover, facts=[])


def come_back(step: Step, handover: s.Handover, quantity: int, grams: int) -> None:
    """Goods that are refused or withdrawn are the sender's again, with what happened to them on the way, though that
    is no way in."""
    give(step, handover.owner, handover.site, handover.lot, quantity, grams)
    tell_sender(step, handover)


def tell_sender(step: Step, handover: s.Handover) -> None:
    """Let the sender's position carry what is known of the way."""
    bits = handover.bits & ON_THE_WAY
    if bits or handover.facts:
        _take_facts(step, e.position_path(handover.lot, handover.owner, handover.site), handover, bits)


def _take_facts(step: Step, path: bytes, handover: s.Handover, bits: int) -> None:
    position = step.draft.position(path)
    if position is None:
        raise ValueError(f"the position {path.hex()} of a handover has no entry")
    adverse, facts = position.adverse, position.facts
    for fact in handover.facts:
        moved = structs.replace(step, element=fact.element)
        if fact.adverse:
            adverse = extend(moved, path, e.CHAIN_ADVERSE, adverse)
        else:
            facts = extend(moved, path, e.CHAIN_FACTS, facts)
    bits |= position.bits
    step.draft.put(b"m" + path, structs.replace(position, adverse=adverse, bits=bits, facts=facts))


def closed_by(step: Step, ship: e.Element, in_part: bool) -> s.Closed:
    """How a handover ended, with the place of its ship."""
    return s.Closed(step.element, ship.leaf, ship.index, in_part)


def settle(step: Step, key: bytes, handover: s.Handover, quantity: int, grams: int) -> bool:
    """Take an accounted part off an open handover; whether that closed it."""
    left = handover.open - quantity
    if left:
        step.draft.put(key, structs.replace(handover, open=left, grams=handover.grams - grams))
        return False
    step.draft.delete(key)
    in_part = handover.open < handover.quantity or step.element.act in (r.Act.RECEIVE, r.Act.CLAIM)
    step.draft.put(b"c" + handover.ship, closed_by(step, handover.element, in_part))
    return True


def delivered(step: Step, handover: s.Handover, accepted: int, closed: bool) -> None:
    """Keep the pair's account: what arrived may be returned, what is closed waits for no claim. What of a return was
    not accepted can be returned again."""
    if handover.to == handover.owner:
        return  # custody alone moved
    pair = pair_of(step, handover.owner, handover.to, handover.to_site, handover.lot)
    ships = [one for one in pair.ships if one != handover.ship] if closed else pair.ships
    more = 0 if handover.returns else accepted
    if more or ships != pair.ships:
        pair = s.Pair(pair.claims, ships, pair.delivered + more)
        keep_pair(step, handover.owner, handover.to, handover.to_site, handover.lot, pair)


def returnable(step: Step, handover: s.Handover, by: int) -> int:
    """Change how much of an earlier delivery can still be returned, and say how much that was before."""
    pair = pair_of(step, handover.to, handover.owner, handover.site, handover.lot)
    if pair.delivered + by >= 0:
        changed = structs.replace(pair, delivered=pair.delivered + by)
        keep_pair(step, handover.to, handover.owner, handover.site, handover.lot, changed)
    return pair.delivered
