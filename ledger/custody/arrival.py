"""Where a handover ends: goods enter the receiving position, or come back, with their bits and the facts found on the
way, and what is accounted for is open no longer."""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.behind import carried_back
from ledger.custody.step import Step, came_from, enter_position, extend, give, room_for_adverse
from ledger.limits import ARRIVING_ENTRIES_MAX, INTEGER_MAX

ON_THE_WAY = int(e.Bit.FAILED_TEST | e.Bit.BREACHED | e.Bit.ADVERSE_FACT)  # what facts about a handover can set


def pair_of(step: Step, supplier: str, receiver: str, site: str, lot: str) -> s.Pair:
    """What is open and what was delivered between a supplier and a receiver's site, of one lot."""
    return step.draft.get(s.pair_key(supplier, receiver, site, lot), s.PAIR.decode_trusted) or s.NO_PAIR


def keep_pair(step: Step, supplier: str, receiver: str, site: str, lot: str, pair: s.Pair) -> None:
    if pair.delivered > INTEGER_MAX:  # over several sites, each of which counts what it ships
        pair = structs.replace(pair, delivered=INTEGER_MAX)
    step.draft.put(s.pair_key(supplier, receiver, site, lot), pair)


def arrive(step: Step, handover: s.Handover, answer: e.Element, bits: int) -> s.Handover:
    """Extend the receiving position's way in by the ship and its answer, a receive or a claim."""
    kind, source = e.WayKind.HANDOVER, e.position_path(handover.lot, handover.owner, handover.site)
    lot, owner, site = handover.lot, handover.to, handover.to_site
    brought = handover.bits
    if handover.returns and _came_from(step, source, e.position_path(lot, owner, site)):
        brought = carried_back(step.draft, [(source, brought)], e.position_path(lot, owner, site))
        kind, source = e.WayKind.RETURN, b""
    path = enter_position(step, lot, owner, site, kind, source, [handover.element, answer], brought | bits)
    return _reach(step, handover, s.End.ARRIVED, path, 0)


def _came_from(step: Step, sender: bytes, source: bytes) -> bool:
    """Whether the sender's way leads to where its goods return: then all returns share one chain, not followed. At
    another site of the supplier a return is followed like any handover, or it would hide where the goods had been."""
    position = step.draft.position(sender)
    return position is not None and came_from(step, position, source)


def come_back(step: Step, handover: s.Handover, quantity: int, grams: int) -> s.Handover:
    """Goods that are refused or withdrawn are the sender's again, with what happened to them on the way, though that
    is no way in."""
    give(step, handover.owner, handover.site, handover.lot, quantity, grams)
    return tell_sender(step, handover)


def tell_sender(step: Step, handover: s.Handover) -> s.Handover:
    """Let the sender's position carry what is known of the way."""
    path = e.position_path(handover.lot, handover.owner, handover.site)
    return _reach(step, handover, s.End.CAME_BACK, path, handover.bits & ON_THE_WAY)


def _reach(step: Step, handover: s.Handover, end: s.End, path: bytes, bits: int) -> s.Handover:
    """Goods reached one end: the position there takes the facts about the way, each once."""
    facts = [] if handover.ends & end else handover.facts
    if bits or facts:
        _take_facts(step, path, facts, bits)
    return structs.replace(handover, ends=int(handover.ends | end))


def ends_of(journey: s.Handover | s.Closed) -> list[bytes]:
    """The positions at which goods of a ship are, or were, by now."""
    into = e.position_path(journey.lot, journey.to, journey.to_site)
    source = e.position_path(journey.lot, journey.owner, journey.site)
    return [path for end, path in ((s.End.ARRIVED, into), (s.End.CAME_BACK, source)) if journey.ends & end]


def tell_late(step: Step, path: bytes, fact: s.HandoverFact, bits: int) -> None:
    """Let a position where the goods are already carry what was found out about their way since."""
    position = step.draft.position(path)
    if fact.adverse:
        room_for_adverse(step, position.adverse if position is not None else None)
    _take_facts(step, path, [fact], bits)


def _take_facts(step: Step, path: bytes, known: list[s.HandoverFact], bits: int) -> None:
    position = step.draft.position(path)
    if position is None:
        raise ValueError(f"the position {path.hex()} of a handover has no entry")
    adverse, facts = position.adverse, position.facts
    for fact in known:
        if fact.adverse and adverse is not None and adverse.count >= ARRIVING_ENTRIES_MAX:
            continue  # no sender fills a receiver's room: beyond it the bits alone tell
        moved = structs.replace(step, element=fact.element)
        if fact.adverse:
            adverse = extend(moved, path, e.CHAIN_ADVERSE, adverse)
        else:
            facts = extend(moved, path, e.CHAIN_FACTS, facts)
    bits |= position.bits
    step.draft.put(b"m" + path, structs.replace(position, adverse=adverse, bits=bits, facts=facts))


def closed_by(step: Step, handover: s.Handover, in_part: bool) -> s.Closed:
    """How a handover ended, with the place of its ship."""
    ship = handover.element
    route = (handover.lot, handover.owner, handover.site, handover.to, handover.to_site)
    return s.Closed(step.element, ship.leaf, ship.index, in_part, *route, handover.ends, handover.noted)


def settle(step: Step, key: bytes, handover: s.Handover, quantity: int, grams: int) -> bool:
    """Take an accounted part off an open handover; whether that closed it."""
    left = handover.open - quantity
    if left:
        step.draft.put(key, structs.replace(handover, open=left, grams=handover.grams - grams))
        return False
    step.draft.delete(key)
    in_part = handover.open < handover.quantity or step.element.act in (r.Act.RECEIVE, r.Act.CLAIM)
    step.draft.put(b"c" + handover.ship, closed_by(step, handover, in_part))
    return True


def delivered(step: Step, handover: s.Handover, accepted: int, closed: bool) -> None:
    """Keep the pair's account: what arrived may be returned, what is closed waits for no claim. What of a return was
    not accepted can be returned again."""
    if handover.to == handover.owner:
        return  # custody alone moved
    pair = pair_of(step, handover.owner, handover.to, handover.to_site, handover.lot)
    ships = s.without(pair.ships, handover.ship) if closed else pair.ships
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
