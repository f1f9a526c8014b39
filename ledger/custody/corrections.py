"""Corrections: an earlier own record did not occur, or had wrong amounts. The difference is made good now, both
records stay visible, and what is gone by then counts as overdrawn.

State keeps no row for each record, so a correction brings the earlier record and its opening along; the booked
document line proves that they are what was booked, and a row keeps what is in force since, so that a correction can
itself be corrected. What both sides of a handover signed, both correct: the second of two equal corrections applies.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.adjust import Change, adjust
from ledger.custody.arrival import delivered, keep_pair, pair_of, settle
from ledger.custody.claims import reduce
from ledger.custody.handovers import receiver_of
from ledger.custody.lines import was_booked
from ledger.custody.step import Step, Violation, adverse, change, extend, known_lot, take
from ledger.custody.weights import tolerance_of
from ledger.seals import SALT_BYTES


class Fix(Struct, frozen=True):
    """The earlier record and its hash, its amounts as they stand and as they should be (None: it does not occur)."""

    earlier: Any
    target: bytes
    old: Any
    new: Any
    instead: bytes

    @property
    def delta(self) -> int:
        """Change of the one quantity that the record moves, in base items."""
        return _field(self.new, "quantity") - _field(self.old, "quantity")

    @property
    def grams(self) -> int:
        return _field(self.new, "grams") - _field(self.old, "grams")


def _field(amounts: Any, name: str) -> int:
    return (getattr(amounts, name) or 0) if amounts is not None else 0


def correct(step: Step, record: r.Correct, amounts: r.Corrected) -> None:
    fix = _read(step, record, amounts)
    dated = record.production is not None or record.expiry is not None
    if dated:
        _mend_dates(step, record, fix)
    if fix.old != fix.new:
        if _FIXES[type(fix.earlier)](step, fix):
            step.draft.put(s.in_force_key(step.member, fix.target), s.InForce(fix.instead))
    elif not dated:
        raise Violation("correct.nothing", "this is what stands already", "say what is different", "instead")


def _read(step: Step, record: r.Correct, amounts: r.Corrected) -> Fix:
    """What is corrected, as it stands now; the form of the earlier record and its seal were checked at admission."""
    earlier: Any = r.RECORD.decode_trusted(amounts.earlier)
    codec = r.AMOUNTS[type(earlier)]
    old: Any = codec.decode_trusted(amounts.opening[SALT_BYTES:])
    if not was_booked(step, earlier, old.ref, record.target):
        raise Violation(
            "correct.unknown",
            f"{step.member} booked no record {record.target.hex()} under {old.ref!r}",
            "name a record that you signed and that was accepted",
            "target",
        )
    since = step.draft.get(s.in_force_key(step.member, record.target), s.IN_FORCE.decode_trusted)
    if since is not None:
        old = codec.decode_trusted(since.amounts) if since.amounts else None
    instead = amounts.instead or b""
    return Fix(earlier, record.target, old, codec.decode_trusted(instead) if instead else None, instead)


def _mend_dates(step: Step, record: r.Correct, fix: Fix) -> None:
    """A recall of either production date covers the lot: the stricter reading stands."""
    lot = known_lot(step, fix.earlier.lot)
    if lot.commissioner != step.member or lot.bits & e.Bit.NOT_COMMISSIONED:
        raise Violation("correct.not-own", f"{lot.commissioner} stands for {lot.lot}", "its maker corrects its dates")
    stated = lot.stated
    if record.production is not None and lot.production is not None and record.production != lot.production:
        stated = [*(day for day in stated if day != lot.production), lot.production]
    mended = structs.replace(
        lot, production=record.production or lot.production, expiry=record.expiry or lot.expiry, stated=stated
    )
    step.draft.put(b"m" + e.lot_path(lot.lot), mended)
    _lot_adverse(step, lot.lot)


def _lot_adverse(step: Step, lot: str) -> None:
    entry = known_lot(step, lot)
    path = e.lot_path(lot)
    step.draft.put(
        b"m" + path, structs.replace(entry, adverse=extend(step, path, e.CHAIN_ADVERSE, entry.adverse))
    )  # fmt: skip


def _commission(step: Step, fix: Fix) -> bool:
    adjust(step, Change(fix.earlier.lot, step.member, fix.earlier.site, fix.delta, fix.grams))
    _lot_adverse(step, fix.earlier.lot)
    return True


def _enter(step: Step, fix: Fix) -> bool:
    adjust(step, Change(fix.earlier.lot, step.member, fix.earlier.site, fix.delta, fix.grams))
    return True


def _take_back(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    counters = {"sold": -fix.delta, "grams_sold": -fix.grams}
    adjust(step, Change(one.lot, step.member, one.site, fix.delta, fix.grams, counters))
    return True


def _sell(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    counters = {"sold": fix.delta, "grams_sold": fix.grams}
    adjust(step, Change(one.lot, step.member, one.site, -fix.delta, -fix.grams, counters, out=True))
    return True


def _destroy(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    owner = one.owner or step.member
    adjust(step, Change(one.lot, owner, one.site, -fix.delta, -fix.grams, {"destroyed": fix.delta}, out=True))
    return True


def _move(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    there = Change(one.lot, step.member, one.to_site, fix.delta, fix.grams)
    here = Change(one.lot, step.member, one.site, -fix.delta, -fix.grams, {"shipped": fix.delta}, out=True)
    adjust(step, here, there)
    return True


def _relabel(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    right = Change(one.to_lot, step.member, one.site, fix.delta, fix.grams)
    mistaken = Change(one.lot, step.member, one.site, -fix.delta, -fix.grams, {"used": fix.delta}, out=True)
    adjust(step, mistaken, right)
    return True


def _transform(step: Step, fix: Fix) -> bool:
    one = fix.earlier
    inputs = zip(one.inputs, _deltas(fix, "inputs"), _deltas(fix, "grams_in"), strict=True)
    outputs = zip((made.lot for made in one.outputs), _deltas(fix, "outputs"), _deltas(fix, "grams_out"), strict=True)
    used = [
        Change(lot, step.member, one.site, -items, -grams, {"used": items}, out=True) for lot, items, grams in inputs
    ]
    made = [Change(lot, step.member, one.site, items, grams) for lot, items, grams in outputs]
    adjust(step, *(each for each in used + made if each.items or each.grams))
    for each in made:
        if each.items or each.grams:
            _lot_adverse(step, each.lot)
    return True


def _deltas(fix: Fix, name: str) -> list[int]:
    lines = len(fix.earlier.inputs if name in ("inputs", "grams_in") else fix.earlier.outputs)
    old, new = (
        (getattr(amounts, name) if amounts is not None else None) or [0] * lines for amounts in (fix.old, fix.new)
    )
    return [after - before for before, after in zip(old, new, strict=True)]


def _claim(step: Step, fix: Fix) -> bool:
    """Only what is open can still be corrected by the claimant alone."""
    one, delta = fix.earlier, fix.delta
    row = step.draft.get(s.claim_key(one.supplier, fix.target), s.CLAIM.decode_trusted)
    if row is None or row.open + delta < 0 or row.grams + fix.grams < 0:
        left = row.open if row is not None else 0
        raise Violation(
            "correct.confirmed",
            f"{left} of this claim are open, the supplier's ship confirmed the rest",
            "return what was not meant to come",
            "instead",
        )
    if row.open + delta == 0:
        _weigh_confirmed(step, fix, row.grams + fix.grams)
        pair = pair_of(step, one.supplier, step.member, one.site, one.lot)
        rest = structs.replace(pair, claims=[claim for claim in pair.claims if claim != fix.target])
        keep_pair(step, one.supplier, step.member, one.site, one.lot, rest)
    reduce(step, one.supplier, fix.target, row, -delta, -fix.grams)
    adjust(step, Change(one.lot, step.member, one.site, delta, fix.grams))
    return True


def _weigh_confirmed(step: Step, fix: Fix, more: int) -> None:
    """What is left of a claim is what its supplier confirmed: the claimant may have weighed more within tolerance."""
    one = fix.earlier
    if more > tolerance_of(step, one.lot, _field(fix.new, "grams")):
        raise Violation(
            "grams.more-than-shipped",
            f"{more} g more than the supplier confirmed would be left",
            "correct the weight too, to that of the items that were confirmed",
            "instead",
        )
    if more:
        change(step, step.member, one.site, one.lot, grams_lost=-more)


def _ship(step: Step, fix: Fix) -> bool:
    """While it is open the sender corrects it alone; what was received, the receiver corrects as well."""
    one, delta = fix.earlier, fix.delta
    owner = one.owner or step.member
    key = s.handover_key(receiver_of(owner, one.to, one.to_site), fix.target)
    handover = step.draft.get(key, s.HANDOVER.decode_trusted)
    if one.returns:
        raise Violation("correct.return", "this is a return", "withdraw it, or let it be refused, and ship again")
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
    whole = structs.replace(handover, quantity=handover.quantity + delta, open=handover.open + delta)
    if whole.open:
        step.draft.put(key, structs.replace(whole, grams=handover.grams + fix.grams))
    else:
        settle(step, key, handover, handover.open, handover.grams)
        delivered(step, handover, 0, closed=True)
        change(step, owner, one.site, one.lot, grams_lost=handover.grams + fix.grams)  # none is on the way any more
    return True


def _check_received(step: Step, ship: bytes) -> None:
    closed = step.draft.get(b"c" + ship, s.CLOSED.decode_trusted)
    if closed is None or closed.element.act != r.Act.RECEIVE:
        raise Violation(
            "correct.confirmed",
            "this ship was withdrawn, or closed a claim",
            "ship again, or let the goods be returned",
            "target",
        )


def _receive(step: Step, fix: Fix) -> bool:
    delta = _field(fix.new, "accepted") - _field(fix.old, "accepted")
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
    there = Change(sent.lot, sent.to, sent.to_site, delta, got.grams)
    here = Change(sent.lot, sent.owner, sent.site, -delta, -sent.grams, {"shipped": delta}, out=True)
    adjust(step, here, there)
    if sent.grams != got.grams:
        change(step, sent.to, sent.to_site, sent.lot, grams_lost=sent.grams - got.grams)
    earlier = structs.replace(step, element=other.element)
    adverse(earlier, sent.lot, sent.owner, sent.site)
    adverse(earlier, sent.lot, sent.to, sent.to_site)
    if sent.owner != sent.to:
        pair = pair_of(step, sent.owner, sent.to, sent.to_site, sent.lot)
        kept = structs.replace(pair, delivered=max(0, pair.delivered + delta))
        keep_pair(step, sent.owner, sent.to, sent.to_site, sent.lot, kept)
    return True


_FIXES: Final[dict[type, Callable[[Step, Fix], bool]]] = {
    r.Commission: _commission,
    r.Enter: _enter,
    r.TakeBack: _take_back,
    r.Sell: _sell,
    r.Destroy: _destroy,
    r.Move: _move,
    r.Relabel: _relabel,
    r.Transform: _transform,
    r.Claim: _claim,
    r.Ship: _ship,
    r.Receive: _receive,
}
