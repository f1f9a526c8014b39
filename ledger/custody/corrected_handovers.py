"""Corrections of ships and receives. While a ship is open its sender corrects it alone; what both sides signed, both
correct: the second of two equal corrections applies it."""

from msgspec import structs

from ledger import entries as e
from ledger import state as s
from ledger.custody.adjust import Change, Fix, adjust, amount
from ledger.custody.arrival import ON_THE_WAY, delivered, keep_pair, pair_of, settle, tell_sender
from ledger.custody.claims import meet
from ledger.custody.handovers import receiver_of
from ledger.custody.step import Step, Violation, adverse, change, take
from ledger.custody.weights import tolerance_of

FOUND_OUT = ON_THE_WAY | e.IN_FORCE_BEFORE


def correct_ship(step: Step, fix: Fix) -> bool:
    """While it is open the sender corrects it alone; what was received, the receiver corrects as well."""
    one, delta = fix.earlier, fix.delta
    owner = one.owner or step.member
    key = s.handover_key(receiver_of(owner, one.to, one.to_site), fix.target)
    handover = step.draft.get(key, s.HANDOVER.decode_trusted)
    if one.returns:
        how = "withdraw it, or let it be refused, and ship again"
        raise Violation("correct.return", "this is a return", how, "target")
    if handover is None:
        _check_received(step, fix.target)
        return _propose(step, fix, fix.target, delta, (owner, one.site, one.to, one.to_site))
    if handover.open + delta < 0 or handover.grams + fix.grams < 0:
        raise Violation(
            "correct.open",
            f"{handover.open} are open, the rest was received",
            "withdraw what is open; of what was received both sides correct their records",
            "instead",
        )
    more, back = max(0, delta), max(0, -delta)
    if more or fix.grams > 0:
        take(step, owner, one.site, one.lot, more, max(0, fix.grams), shipped=more)
    adjust(step, Change(one.lot, owner, one.site, back, max(0, -fix.grams), {"shipped": -back}))
    if back:
        handover = tell_sender(step, handover)
    position = step.draft.position(e.position_path(one.lot, owner, one.site))
    bits = handover.bits | (e.passed_on(position.bits) if position is not None and delta > 0 else 0)
    whole = structs.replace(handover, bits=bits, quantity=handover.quantity + delta, open=handover.open + delta)
    if whole.open:
        weights = {"grams": handover.grams + fix.grams, "weight": handover.weight + fix.grams}
        step.draft.put(key, structs.replace(whole, **weights))
        if fix.grams and owner != one.to:
            meet(step, owner, one.to, one.to_site, one.lot)
    else:
        settle(step, key, handover, handover.open, handover.grams)
        delivered(step, handover, 0, closed=True)
        change(step, owner, one.site, one.lot, grams_lost=handover.grams + fix.grams)  # none is on the way any more
    return True


def _check_received(step: Step, ship: bytes) -> None:
    closed = step.draft.get(b"c" + ship, s.CLOSED.decode_trusted)
    if closed is None or not closed.in_part:
        raise Violation(
            "correct.confirmed",
            "this ship was withdrawn whole, or closed a claim",
            "ship again, or let the goods be returned",
            "target",
        )


def correct_receive(step: Step, fix: Fix) -> bool:
    delta = amount(fix.new, "accepted") - amount(fix.old, "accepted")
    return _propose(step, fix, fix.earlier.ship, delta, ("", "", "", ""))


def _propose(step: Step, fix: Fix, ship: bytes, delta: int, route: tuple[str, str, str, str]) -> bool:
    """Keep one side's correction until the other's equals it; whether it was applied now."""
    mine = s.Proposal(step.member, delta, fix.grams, fix.earlier.lot, *route, fix.target, fix.instead, step.element)
    other = step.draft.get(b"x" + ship, s.PROPOSAL.decode_trusted)
    if other is None or other.delta != delta or bool(other.owner) == bool(mine.owner):
        step.draft.put(b"x" + ship, mine)
        return False
    sent, got = (mine, other) if mine.owner else (other, mine)
    step.draft.delete(b"x" + ship)
    step.draft.put(s.in_force_key(other.member, other.target), s.InForce(other.instead))
    _apply(step, sent, got)
    earlier = structs.replace(step, element=other.element)
    adverse(earlier, sent.lot, sent.owner, sent.site)
    adverse(earlier, sent.lot, sent.to, sent.to_site)
    return True


def _apply(step: Step, sent: s.Proposal, got: s.Proposal) -> None:
    """What both sides say. Goods that come back bring along what was found out about them, and no more: that they
    ever left, both say, was a slip."""
    lost = sent.grams - got.grams
    there = Change(sent.lot, sent.to, sent.to_site, got.delta, got.grams)
    here = Change(sent.lot, sent.owner, sent.site, -sent.delta, -sent.grams, {"shipped": sent.delta}, out=True)
    _check_weight(step, there, -lost, sent.grams)
    adjust(step, here, there, carried=~0 if there.takes else FOUND_OUT)
    if lost:
        change(step, sent.to, sent.to_site, sent.lot, grams_lost=lost)
    if sent.owner != sent.to:
        _redelivered(step, sent)


def _check_weight(step: Step, there: Change, gained: int, sent: int) -> None:
    """What was lost there before may be found; a gain beyond that and the tolerance would be goods out of nothing."""
    lost = step.draft.stock(there.owner, there.site, there.lot).grams_lost
    if gained > max(0, lost) + tolerance_of(step, there.lot, abs(sent)):
        raise Violation(
            "grams.more-than-shipped",
            f"{gained} g more would come of the goods than both sides say left",
            "state the weight that the other side states, or count what is there",
            "instead",
        )


def _redelivered(step: Step, sent: s.Proposal) -> None:
    pair = pair_of(step, sent.owner, sent.to, sent.to_site, sent.lot)
    if pair.delivered + sent.delta < 0:
        raise Violation(
            "correct.returned",
            f"only {pair.delivered} of what was delivered were not returned since",
            "correct no more than that",
            "instead",
        )
    kept = structs.replace(pair, delivered=pair.delivered + sent.delta)
    keep_pair(step, sent.owner, sent.to, sent.to_site, sent.lot, kept)
