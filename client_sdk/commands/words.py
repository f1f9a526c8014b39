"""Records in plain words: what was done, with how much of which lot, and under which document line."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger import records as r
from ledger.seals import open_amounts

Name = Callable[[str], str]
"""How a member is called, by its id; unknown ids stay as they are."""

PHRASES: Final[Mapping[type, str]] = {
    r.Register: "declared product {product} ({name})",
    r.Admit: "admitted member {member} ({name})",
    r.Suspend: "suspended member {member}: {reason}",
    r.Site: "declared site {site} ({name})",
    r.Key: "{change} key {key} of {member}",
    r.Commission: "made {quantity} of {lot} at {site}",
    r.Transform: "made {lots_out} out of {lots_in} at {site}",
    r.Enter: "entered {quantity} of {lot}, bought outside the ledger, at {site}",
    r.Count: "counted {found} of {lot} at {site}, {book} in the book",
    r.Pack: "packed {lots} under {unit} at {site}",
    r.Unpack: "unpacked {unit} at {site}",
    r.Ship: "shipped {quantity} of {lot} to {to} ({to_site})",
    r.Receive: "answered a delivery of {lot}: {parts}",
    r.Withdraw: "withdrew what was open of a delivery of {lot} to {to}",
    r.Claim: "claimed {quantity} of {lot}, as delivered by {supplier} to {site}",
    r.Dispute: "disputed a claim of {claimant} to {lot}: {reason}",
    r.Move: "moved {quantity} of {lot} from {site} to {to_site}",
    r.Sell: "sold {quantity} of {lot} at {site}",
    r.TakeBack: "took back {quantity} of {lot} at {site}",
    r.Destroy: "destroyed {quantity} of {lot} at {site}",
    r.Fact: "stated about {about}: {text}",
    r.Hold: "put a hold on {about}: {reason}",
    r.Recall: "recalled {about}, class {grade}: {reason}",
    r.Close: "closed the hold or recall of {about}: {reason}",
    r.Lift: "lifted the hold or recall of {about}, which was wrong: {reason}",
    r.Voucher: "drew a voucher for {lot} at {site}",
    r.Correct: "corrected {earlier} of {lot}: {instead}{reason}",
    r.Policy: "named the validators from here on, policy {number}: {validators}",
    r.Relabel: "relabelled {quantity} of {lot} as {to_lot} at {site}",
}
_MEMBERS: Final = ("member", "to", "supplier", "claimant", "owner")
_CHANGES: Final = {r.KeyChange.ADMIT: "admitted", r.KeyChange.RETIRE: "retired", r.KeyChange.REVOKE: "revoked"}
_PARTS: Final = {"accepted": "accepted", "refused": "refused", "short": "short", "destroyed": "destroyed"}


class _Values(dict[str, Any]):
    """What a reader is not told (amounts of others) is called so."""

    def __missing__(self, key: str) -> str:
        return "an unknown number" if key in ("quantity", "found", "book") else "…"


def told(record: Any, amounts: Any, name: Name = str) -> str:
    """One line about a record; `amounts` is None where the reader is no party to it, or the act has none."""
    values = _Values({field: value for field, value in _fields(record).items() if value is not None})
    values |= _fields(amounts)
    values |= {field: name(values[field]) for field in _MEMBERS if field in values}
    if isinstance(record, r.Receive):
        values["parts"] = _parts(values)
    elif isinstance(record, r.Key):
        values["key"], values["change"] = record.key.hex(), _CHANGES[record.change]
    elif isinstance(record, r.Correct):
        values["earlier"], values["instead"] = _corrected(amounts)
    elif isinstance(record, r.Transform):
        values["lots_in"] = ", ".join(record.inputs)
        values["lots_out"] = ", ".join(output.lot for output in record.outputs)
    elif isinstance(record, r.Pack):
        values["lots"] = ", ".join([*record.lots, *record.units])
    elif isinstance(record, r.Policy):
        values["validators"] = ", ".join(validator.name for validator in record.validators)
    elif hasattr(record, "subject"):
        values["about"] = _subject(record.subject, name)
    if isinstance(record, r.Fact):
        values["text"] = ", ".join(filter(None, (record.kind.name.lower(), record.text, record.document)))
    text = PHRASES[type(record)].format_map(values)
    returns = " as a return" if isinstance(record, r.Ship) and record.returns else ""
    return text + returns + (f", line {amounts.ref}" if amounts is not None else "")


def _fields(one: Any) -> dict[str, Any]:
    return {} if one is None else {field: getattr(one, field) for field in one.__struct_fields__}


def _parts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{values[part]} {word}" for part, word in _PARTS.items() if values.get(part)) or "…"


def _corrected(amounts: r.Corrected | None) -> tuple[str, str]:
    """(which act was corrected, what is right), as far as the reader may know."""
    if amounts is None:
        return "an earlier record", ""
    earlier: Any = r.RECORD.decode(amounts.earlier)
    act = r.act_of_type(type(earlier)).name.lower().replace("_", " ")
    if amounts.instead is None:
        return f"a {act}", "it did not occur, "
    old, new = (
        _fields(open_amounts(earlier, amounts.opening)),
        _fields(r.AMOUNTS[type(earlier)].decode(amounts.instead)),
    )
    parts = (f"{name} {new[name] or 0} instead of {old[name] or 0}, " for name in new if new[name] != old[name])
    return f"a {act}", "".join(parts)


def answer_to(record: Any, amounts: Any) -> str:
    """The command by which the other side of a handover says the same as this correction; empty where there is none
    to say: until then a correction of what was received changes nothing."""
    if not isinstance(record, r.Correct) or amounts is None:
        return ""
    earlier: Any = r.RECORD.decode(amounts.earlier)
    if not isinstance(earlier, r.Ship | r.Receive):
        return ""
    ship, field, option = (
        (earlier.ship, "accepted", "--quantity")
        if isinstance(earlier, r.Receive)
        else (record.target, "quantity", "--accepted")
    )
    right = "--did-not-occur"
    if amounts.instead is not None:
        old, new = open_amounts(earlier, amounts.opening), r.AMOUNTS[type(earlier)].decode(amounts.instead)
        more = (getattr(new, field) or 0) - (getattr(old, field) or 0)
        right = f"{option} N (yours {more:+})"
    return f"suyuan correct {ship.hex()} {right} --reason … --ref …"


def _subject(subject: r.Subject, name: Name) -> str:
    member = name(subject.member) if subject.member else None
    kept = f"{name(subject.owner)} at {subject.site}" if subject.owner else None
    delivery = "a delivery" if subject.ship else None
    site = subject.site if subject.kind == r.SubjectKind.SITE else None
    named = (subject.lot, subject.product, delivery, kept, member and f"all that {member} makes", site)
    return ", ".join(filter(None, named))
