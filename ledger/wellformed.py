"""What makes a single record well-formed beyond its shape: identifiers whose check digits hold, fields that
belong together. Needs no state, so it is checked once at admission, before any order is known."""

from collections.abc import Callable
from typing import Any, Final

from ledger import identifiers as ids
from ledger import merkle
from ledger import records as r
from ledger.errors import Malformed
from ledger.governance import check_validators
from ledger.seals import open_amounts

SUBJECT_FIELDS = {
    r.SubjectKind.LOT: {"lot"},
    r.SubjectKind.POSITION: {"lot", "owner", "site"},
    r.SubjectKind.HANDOVER: {"ship", "to"},
    r.SubjectKind.PRODUCT: {"product"},
    r.SubjectKind.MEMBER: {"member"},
    r.SubjectKind.SITE: {"site"},
}

PORTIONS = (r.Sell, r.Destroy, r.TakeBack)  # acts that may move grams out of an opened item
CORRECTABLE = (
    r.Commission, r.Transform, r.Enter, r.Ship, r.Receive, r.Claim, r.Move, r.Sell, r.TakeBack, r.Destroy, r.Relabel,
)  # fmt: skip

SCOPE_KINDS = (r.SubjectKind.LOT, r.SubjectKind.POSITION, r.SubjectKind.PRODUCT, r.SubjectKind.MEMBER)


IDENTIFIERS: Final[dict[str, Callable[[str], None]]] = {
    "lot": ids.check_lot_id,
    "to_lot": ids.check_lot_id,
    "inputs": ids.check_lot_id,
    "lots": ids.check_lot_id,
    "site": ids.check_site_id,
    "to_site": ids.check_site_id,
    "sites": ids.check_site_id,
    "member": ids.check_member_id,
    "owner": ids.check_member_id,
    "maker": ids.check_member_id,
    "supplier": ids.check_member_id,
    "claimant": ids.check_member_id,
    "to": ids.check_member_id,
    "product": ids.check_product_id,
    "base": ids.check_product_id,
    "unit": ids.check_sscc,
    "units": ids.check_sscc,
    "licence": ids.check_food_licence,
    "registration": ids.check_formula_registration,
    "origin": ids.check_country,
}
"""What a field of this name holds, in whatever record or structure: one identifier or a list of them."""

_Named = tuple[tuple[str, Callable[[str], None]], ...]


def _named(kind: type) -> _Named:
    names = kind.__struct_fields__  # type: ignore[attr-defined]
    return tuple((name, IDENTIFIERS[name]) for name in names if name in IDENTIFIERS)


_NAMED: Final[dict[type, _Named]] = {
    kind: _named(kind) for kind in (*r.RECORD_TYPES, r.Subject, r.Output, r.KeyLimits)
}


def check_record(record: r.Record, amounts: r.Amounts | None) -> None:
    """Raise Malformed, naming the field, where an identifier or a combination of fields is wrong."""
    _check_identifiers(record)
    if isinstance(amounts, r.Moved) and not amounts.quantity and (type(record) not in PORTIONS or not amounts.grams):
        raise Malformed("quantity", "0 items: only a portion by weight may be sold, destroyed or taken back")
    check = _CHECKS.get(type(record))
    if check is not None:
        check(record, amounts)


def _check_identifiers(one: Any, where: str = "") -> None:
    """Check digits of every identifier in a record, or in the structure that its field `where` holds."""
    for name, check in _NAMED[type(one)]:
        value = getattr(one, name)
        if value is None:
            continue
        try:
            if type(value) is str:
                check(value)
            else:
                for each in value:
                    check(each)
        except Malformed as error:
            raise Malformed(f"{where}.{name}" if where else name, error.message) from None


def _policy(record: r.Policy, amounts: Any) -> None:
    check_validators(record.validators)
    if len({one.name for one in record.approvals}) != len(record.approvals):
        raise Malformed("approvals", "each validator approves once")


def _ship(record: r.Ship, amounts: Any) -> None:
    if record.returns and record.claim is not None:
        raise Malformed("claim", "a return answers no claim")
    if record.returns is False:
        raise Malformed("returns", "true, or left out")


def _count(record: r.Count, amounts: r.Counted) -> None:
    _lot_birth(record, amounts)
    if (amounts.book_grams is None) != (amounts.found_grams is None):
        raise Malformed("found_grams", "what the book says and what was weighed stand together, or neither")


def _pack(record: r.Pack, amounts: r.Packed) -> None:
    if len(set(record.lots)) != len(record.lots) or len({record.unit, *record.units}) != len(record.units) + 1:
        raise Malformed("lots", "each lot and each unit may stand once")
    if not record.lots and not record.units:
        raise Malformed("lots", "a unit holds at least one lot or one unit")
    if len(amounts.quantities) != len(record.lots) or len(amounts.grams or record.lots) != len(record.lots):
        raise Malformed("quantities", "one quantity (and weight) for each lot is expected")


def _relabel(record: r.Relabel, amounts: Any) -> None:
    _check_days(record.to_lot, record.production, record.expiry)
    if record.lot == record.to_lot:
        raise Malformed("to_lot", "it is the mistaken lot itself")


def _correct(record: r.Correct, amounts: r.Corrected) -> None:
    """The earlier record proves itself by its hash, its opening by the seal in it."""
    if merkle.leaf_hash(amounts.earlier) != record.target:
        raise Malformed("target", "it is not the record hash of the earlier record that is brought along")
    earlier: Any = r.RECORD.decode(amounts.earlier)
    if not isinstance(earlier, CORRECTABLE):
        how = "count again, unpack, withdraw, lift, or correct what it corrected"
        raise Malformed("target", f"a {type(earlier).__name__.lower()} is not corrected: {how}")
    old: Any = open_amounts(earlier, amounts.opening)
    if record.lot != (earlier.inputs[0] if isinstance(earlier, r.Transform) else earlier.lot):
        raise Malformed("lot", "it is not the (first) lot of the earlier record")
    new: Any = r.AMOUNTS[type(earlier)].decode(amounts.instead) if amounts.instead else None
    if new is not None:
        check_record(earlier, new)
        if new.ref != old.ref:
            raise Malformed("instead", f"the document line is {old.ref!r}, and stays so")
    if isinstance(earlier, r.Receive):
        _only_accepted(old, new)
    none_left = isinstance(new, r.Received) and not new.accepted
    if new is not None and _weighs(new) != ([False] if none_left else _weighs(old)):
        raise Malformed("instead", "weights stand where they stood before, and nowhere else")
    if record.production is not None or record.expiry is not None:
        if not isinstance(earlier, r.Commission) or new is None:
            raise Malformed("production", "dates are those of a commission that did occur")
        _check_days(record.lot, record.production or earlier.production, record.expiry or earlier.expiry)


def _only_accepted(old: r.Received, new: r.Received | None) -> None:
    """What was refused, short or destroyed is accounted for; the other side has acted on it."""
    parts = ("refused", "short", "destroyed")
    if any(getattr(old, part) != (getattr(new, part) if new is not None else None) for part in parts):
        raise Malformed("instead", "of a receive only what was accepted is corrected")
    if not old.accepted:
        raise Malformed("target", "nothing was accepted of that ship: goods that did come are shipped anew")


def _weighs(amounts: Any) -> list[bool]:
    """For each quantity whether a weight stands beside it."""
    if isinstance(amounts, r.Transformed):
        weighed_in = amounts.grams_in or [0] * len(amounts.inputs)
        return [grams > 0 for grams in [*weighed_in, *(amounts.grams_out or [0] * len(amounts.outputs))]]
    return [amounts.grams is not None]


def _receive(record: r.Receive, amounts: r.Received) -> None:
    if not (amounts.accepted or amounts.refused or amounts.short or amounts.destroyed):
        raise Malformed("accepted", "a receive accepts, refuses, misses or destroys at least one item")


def _move(record: r.Move, amounts: Any) -> None:
    if record.site == record.to_site:
        raise Malformed("to_site", "a move needs two different sites")


def _lot_birth(record: Any, amounts: Any) -> None:
    _check_days(record.lot, record.production, record.expiry)


def _check_days(lot: str, production: int | None, expiry: int | None) -> None:
    if production is not None:
        ids.check_day(production, "production")
    if expiry is not None:
        ids.check_day(expiry, "expiry")
        if production is not None and expiry < production:
            raise Malformed("expiry", f"{expiry} lies before the production date {production}")
    dated = ids.lot_day(lot)
    if dated is not None and production is not None and dated != production:
        raise Malformed("production", f"{production} differs from the date that names the lot, {dated}")


def _transform(record: r.Transform, amounts: r.Transformed) -> None:
    for number, output in enumerate(record.outputs):
        _check_identifiers(output, f"outputs[{number}]")
        _check_days(output.lot, output.production, output.expiry)
    names = [*record.inputs, *(output.lot for output in record.outputs)]
    if len(set(names)) != len(names):
        raise Malformed("outputs", "each lot may stand once, as an input or as an output")
    if len(amounts.inputs) != len(record.inputs) or len(amounts.outputs) != len(record.outputs):
        raise Malformed("amounts", "one quantity for each input and each output is expected")
    for weights, lines in ((amounts.grams_in, record.inputs), (amounts.grams_out, record.outputs)):
        if weights is not None and len(weights) != len(lines):
            raise Malformed("amounts", "one weight for each line is expected, 0 where it is not weighed")


def _register(record: r.Register, amounts: Any) -> None:
    if (record.base is None) != (record.contains is None):
        raise Malformed("base", "`base` and `contains` declare a level together, or neither stands")
    if record.base == record.product:
        raise Malformed("base", "a product is not a level of itself")
    low, high = record.temp_min_mc, record.temp_max_mc
    if low is not None and high is not None and low > high:
        raise Malformed("temp_min_mc", f"{low} lies above temp_max_mc {high}")


def _key(record: r.Key, amounts: Any) -> None:
    if record.limits is None:
        return
    _check_identifiers(record.limits, "limits")
    unknown = set(record.limits.acts or ()) - set(r.Act)
    if unknown:
        raise Malformed("limits.acts", f"{sorted(unknown)} are numbers of no act")


def check_subject(subject: r.Subject) -> None:
    """A subject has the fields of its kind and no others, each with its check digits right."""
    named = {name for name in subject.__struct_fields__ if getattr(subject, name) is not None} - {"kind"}
    wanted = SUBJECT_FIELDS[subject.kind]
    if named != wanted:
        raise Malformed("subject", f"a {subject.kind.name.lower()} is named by {sorted(wanted)}, not {sorted(named)}")
    _check_identifiers(subject, "subject")


def _fact(record: r.Fact, amounts: Any) -> None:
    check_subject(record.subject)
    window = record.window
    if (record.kind == r.FactKind.MEASURE) != (window is not None):
        raise Malformed("window", "a measurement carries a window, and no other fact does")
    if window is not None:
        if not window.min_mc <= window.mean_mc <= window.max_mc:
            raise Malformed("window", "min, mean and max are not in order")
        if window.start > window.until:
            raise Malformed("window", "start lies after until")


def _scope(record: r.Hold | r.Recall, amounts: Any) -> None:
    _check_scope_subject(record.subject)
    start, until = record.made_from, record.made_until
    if (start is not None or until is not None) and record.subject.kind not in (
        r.SubjectKind.PRODUCT,
        r.SubjectKind.MEMBER,
    ):
        raise Malformed("made_from", "a span of production dates belongs to a product or a maker")
    for name, day in (("made_from", start), ("made_until", until)):
        if day is not None:
            ids.check_day(day, name)
    if start is not None and until is not None and start > until:
        raise Malformed("made_from", f"{start} lies after made_until {until}")


def _check_scope_subject(subject: r.Subject) -> None:
    check_subject(subject)
    if subject.kind not in SCOPE_KINDS:
        raise Malformed("subject", "a hold or recall is about a lot, a position, a product or a maker")


def _end_of_scope(record: r.Close | r.Lift, amounts: Any) -> None:
    _check_scope_subject(record.subject)


_CHECKS: dict[type, Callable[[Any, Any], None]] = {
    r.Policy: _policy,
    r.Register: _register,
    r.Key: _key,
    r.Commission: _lot_birth,
    r.Transform: _transform,
    r.Enter: _lot_birth,
    r.Ship: _ship,
    r.Receive: _receive,
    r.Count: _count,
    r.Pack: _pack,
    r.Claim: _lot_birth,
    r.Move: _move,
    r.Relabel: _relabel,
    r.Correct: _correct,
    r.Fact: _fact,
    r.Hold: _scope,
    r.Recall: _scope,
    r.Close: _end_of_scope,
    r.Lift: _end_of_scope,
}
