"""Corrections: an earlier own record did not occur, or had wrong amounts. The difference is made good now, both
records stay visible, and what is gone by then counts as overdrawn.

State keeps no row for each record, so a correction brings the earlier record and its opening along; the booked
document line proves that they are what was booked, and a row keeps what is in force since, so that a correction can
itself be corrected.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.adjust import Change, Fix, adjust, amount, mark
from ledger.custody.arrival import keep_pair, pair_of
from ledger.custody.claims import meet, reduce
from ledger.custody.corrected_handovers import correct_receive, correct_ship
from ledger.custody.goods import LOT_INHERITS, weighs_more
from ledger.custody.inforce import bits_for_another_lot
from ledger.custody.lines import was_booked
from ledger.custody.step import Step, Violation, change, extend, known_lot, room_for_adverse
from ledger.custody.weights import tolerance_of
from ledger.limits import LOT_DATE_ENTRIES_MAX
from ledger.seals import SALT_BYTES


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
        raise Violation(
            "correct.not-own", f"{lot.commissioner} stands for {lot.lot}", "its maker corrects its dates", "target"
        )
    stated = lot.stated
    if record.production is not None and lot.production is not None and record.production != lot.production:
        stated = [*(day for day in stated if day != lot.production), lot.production]
    if len(stated) > LOT_DATE_ENTRIES_MAX:
        often = f"{lot.lot} was dated {len(stated)} times"
        raise Violation("correct.dates", often, "ask a regulator to hold it", "production")
    mended = structs.replace(
        lot, production=record.production or lot.production, expiry=record.expiry or lot.expiry, stated=stated
    )
    step.draft.put(b"m" + e.lot_path(lot.lot), mended)
    _lot_adverse(step, lot.lot)


def _lot_adverse(step: Step, lot: str) -> None:
    entry = known_lot(step, lot)
    room_for_adverse(step, entry.adverse)
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
    bits = int(e.Bit.MORE_OUT_THAN_IN) if fix.new is not None and weighs_more(step, one, fix.new) else 0
    for lot in one.inputs:
        position = step.draft.position(e.position_path(lot, step.member, one.site))
        bits |= bits_for_another_lot(step.draft, known_lot(step, lot), position)
    for each in made:
        if each.items or each.grams:
            _mend_made(step, each, bits if each.takes else 0)
    return True


def _mend_made(step: Step, made: Change, bits: int) -> None:
    """A lot that was made shows the correction; what more there is of it carries what its inputs carry now."""
    mark(step, made.path, bits)
    lot = known_lot(step, made.lot)
    step.draft.put(b"m" + e.lot_path(made.lot), structs.replace(lot, bits=int(lot.bits | bits & LOT_INHERITS)))
    _lot_adverse(step, made.lot)


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
        rest = structs.replace(pair, claims=s.without(pair.claims, fix.target))
        keep_pair(step, one.supplier, step.member, one.site, one.lot, rest)
    reduce(step, one.supplier, fix.target, row, -delta, -fix.grams)
    adjust(step, Change(one.lot, step.member, one.site, delta, fix.grams))
    if row.disputed:  # what both sides disagreed about stays in sight, whoever gave in
        mark(step, e.position_path(one.lot, step.member, one.site), int(e.Bit.ADVERSE_FACT))
    if fix.grams:
        meet(step, one.supplier, step.member, one.site, one.lot)
    return True


def _weigh_confirmed(step: Step, fix: Fix, more: int) -> None:
    """What is left of a claim is what its supplier confirmed: the claimant may have weighed more within tolerance."""
    one = fix.earlier
    if more > tolerance_of(step, one.lot, amount(fix.new, "grams")):
        raise Violation(
            "grams.more-than-shipped",
            f"{more} g more than the supplier confirmed would be left",
            "correct the weight too, to that of the items that were confirmed",
            "instead",
        )
    if more:
        change(step, step.member, one.site, one.lot, grams_lost=-more)


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
    r.Ship: correct_ship,
    r.Receive: correct_receive,
}
