"""Logistic units: an SSCC over reserved lines of one owner at one site. Shipping a unit is shipping its lines, each
with a record of its own; the paths know lots only."""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.step import Step, Violation, change, check_measure, known_site, owner_or_keeper
from ledger.limits import TRANSFORM_LINES_MAX, UNIT_LEVELS_MAX


def pack(step: Step, record: r.Pack, amounts: r.Packed) -> None:
    owner = owner_or_keeper(step, record.owner, record.site)
    known_site(step, record.site, record.at)
    _free_label(step, record, owner)
    weighed = amounts.grams or [0] * len(record.lots)
    lines = []
    for lot, quantity, stated in zip(record.lots, amounts.quantities, weighed, strict=True):
        grams = check_measure(step, lot, stated or None)
        _reserve(step, owner, record.site, lot, quantity)
        lines.append(s.Line(lot, quantity, grams))
    lots, below = list(record.lots), 0
    for inner in record.units:
        stacked, height = _stack(step, record, owner, inner)
        lots += [lot for lot in stacked if lot not in lots]
        below = max(below, height)
    if len(lots) > TRANSFORM_LINES_MAX:
        raise Violation(
            "unit.lots", f"{len(lots)} lots on one unit, at most {TRANSFORM_LINES_MAX}", "use several units", "lots"
        )
    if below >= UNIT_LEVELS_MAX:
        raise Violation(
            "unit.depth",
            f"units would stand {below + 1} deep, at most {UNIT_LEVELS_MAX}",
            "unpack an inner one",
            "units",
        )
    unit = s.Unit(record.use, owner, record.site, lines, record.units, "", below + 1)
    step.draft.put(s.unit_key(record.unit), unit)
    entry = e.UnitEntry(lots=lots, unit=record.unit, units=record.units, use=record.use)
    step.draft.put(b"m" + e.unit_path(record.unit), entry)


def _free_label(step: Step, record: r.Pack, owner: str) -> None:
    """A label is used again only when it is empty, under a later number, and by whom it belongs to: a company draws
    its SSCCs from its own prefix (GS1 General Specifications), so that no stranger's goods answer to them."""
    old = step.draft.get(s.unit_key(record.unit), s.UNIT.decode_trusted)
    if old is None:
        return
    if old.lines or old.units:
        raise Violation(
            "unit.in-use", f"{record.unit} stands packed in its use {old.use}", "unpack or ship it first", "unit"
        )
    if owner != old.owner:
        raise Violation(
            "unit.not-own", f"{record.unit} is a label of {old.owner}", "pack under an SSCC of your own", "unit"
        )
    if record.use <= old.use:
        raise Violation(
            "unit.use", f"{record.unit} was in use {old.use}, {record.use} is not later", "count its uses on", "use"
        )


def _reserve(step: Step, owner: str, site: str, lot: str, quantity: int) -> None:
    stock = step.draft.stock(owner, site, lot)
    if quantity > stock.held - stock.reserved:
        raise Violation(
            "position.overdrawn",
            f"{owner} holds {stock.held} of {lot} at {site}, {stock.reserved} packed already, not {quantity} more",
            "pack what is there, or book what came in first",
            "quantities",
        )
    change(step, owner, site, lot, reserved=quantity)


def _stack(step: Step, record: r.Pack, owner: str, inner: str) -> tuple[list[str], int]:
    """Put an inner unit on this one; the lots that it brings along, and how deep units stand in it."""
    unit = step.draft.get(s.unit_key(inner), s.UNIT.decode_trusted)
    if unit is None or not (unit.lines or unit.units) or (unit.owner, unit.site) != (owner, record.site):
        raise Violation(
            "unit.unknown", f"no packed unit {inner} of {owner} at {record.site}", "pack it first", "units"
        )
    if unit.parent:
        raise Violation("unit.stacked", f"{inner} stands on {unit.parent}", "unpack that first", "units")
    step.draft.put(s.unit_key(inner), structs.replace(unit, parent=record.unit))
    entry = _entry(step, inner)
    step.draft.put(b"m" + e.unit_path(inner), structs.replace(entry, parent=record.unit))
    return entry.lots, unit.depth


def _entry(step: Step, unit: str) -> e.UnitEntry:
    entry = step.draft.get(b"m" + e.unit_path(unit), e.UNIT.decode_trusted)
    if entry is None:
        raise ValueError(f"the packed unit {unit} has no entry")
    return entry


def unpack(step: Step, record: r.Unpack) -> None:
    owner = owner_or_keeper(step, record.owner, record.site)
    unit = step.draft.get(s.unit_key(record.unit), s.UNIT.decode_trusted)
    if unit is None or (unit.owner, unit.site) != (owner, record.site) or not (unit.lines or unit.units):
        raise Violation(
            "unit.unknown", f"no packed unit {record.unit} of {owner} at {record.site}", "check the SSCC", "unit"
        )
    if unit.use != record.use:
        raise Violation("unit.use", f"{record.unit} is in use {unit.use}, not {record.use}", "name that use", "use")
    if unit.parent:
        raise Violation("unit.stacked", f"it stands on {unit.parent}", "unpack that first", "unit")
    for line in unit.lines:
        change(step, owner, record.site, line.lot, reserved=-line.quantity)
    _emptied(step, record.unit, structs.replace(unit, lines=[]))


def _emptied(step: Step, name: str, unit: s.Unit) -> None:
    """Nothing stands on the label any more: the inner units stand for themselves again."""
    for inner in unit.units:
        row = step.draft.get(s.unit_key(inner), s.UNIT.decode_trusted)
        if row is not None and row.parent == name:
            step.draft.put(s.unit_key(inner), structs.replace(row, parent=""))
            step.draft.put(b"m" + e.unit_path(inner), structs.replace(_entry(step, inner), parent=None))
    step.draft.put(s.unit_key(name), structs.replace(unit, units=[]))
    entry = structs.replace(_entry(step, name), opened=step.time)
    step.draft.put(b"m" + e.unit_path(name), entry)


def ship_line(step: Step, record: r.Ship, amounts: r.Moved, owner: str) -> None:
    """Release the line of a unit that a ship names, whole: what is on a pallet leaves with it. The label goes with
    the goods, so its entry keeps naming the lots; the last line that leaves makes it free for its next use."""
    name = record.unit or ""
    unit = step.draft.get(s.unit_key(name), s.UNIT.decode_trusted)
    if unit is None or (unit.owner, unit.site) != (owner, record.site):
        return  # a label that nobody packed here, such as the supplier's: the lot says what it is
    line = next((line for line in unit.lines if line.lot == record.lot), None)
    if line is None:
        raise Violation("unit.line", f"no {record.lot} is left on {name}", "ship the unit's own lines", "unit")
    if (line.quantity, line.grams) != (amounts.quantity, amounts.grams or 0):
        raise Violation(
            "unit.line",
            f"{line.quantity} of {record.lot} stand on {name}, {amounts.quantity} would be shipped",
            "ship the whole line, or unpack the unit first",
            "quantity",
        )
    change(step, owner, record.site, record.lot, reserved=-line.quantity)
    _left(step, name, structs.replace(unit, lines=[left for left in unit.lines if left is not line]))


def _left(step: Step, name: str, unit: s.Unit) -> None:
    """Keep what still stands on a label; an empty one stands on no other any more, and may leave that empty too."""
    if not unit.parent or unit.lines or unit.units:
        step.draft.put(s.unit_key(name), unit)
        return
    step.draft.put(s.unit_key(name), structs.replace(unit, parent=""))
    outer = step.draft.get(s.unit_key(unit.parent), s.UNIT.decode_trusted)
    if outer is not None:
        _left(step, unit.parent, structs.replace(outer, units=[one for one in outer.units if one != name]))
