"""What a verified product's proof proves, for people and as plain values: the verdict first, then why."""

from typing import Any, Final

from client_sdk import when
from client_sdk.commands.options import console, out
from ledger import entries as e
from ledger import records as r
from ledger.proof.evidence import Signed
from ledger.proof.subjects import Noted
from ledger.proof.verdict import Finding, Verdict
from ledger.proof.verify import Product
from ledger.proof.way import WayIn

GOOD_ENOUGH: Final = Verdict.FACTS_NOTED
SCOPES: Final = {Verdict.HELD: r.Hold, Verdict.RECALLED: r.Recall}


def as_values(product: Product) -> dict[str, Any]:
    """The conclusion of a verification as plain values."""
    return {
        "verdict": product.verdict.name.lower(),
        "findings": [
            {"verdict": found.verdict.name.lower(), "subject": found.subject, "detail": found.detail,
             "says": says(product, found)}
            for found in product.findings
        ],
        "as_of": when.iso(product.as_of_ms),
        "log_size": product.log_size,
        "height": product.height,
        "lots": [lot.lot for lot in product.lots],
        "way": [
            {"owner": p.owner, "site": p.site, "lot": p.lot,
             "in": [_way(way) for way in p.ways]}
            for p in product.way
        ],
        "facts": [
            {"subject": noted.subject, "adverse": noted.adverse, "by": noted.signed.member,
             "act": noted.signed.element.act.name.lower(), "says": stated(noted.signed.record),
             "at": when.iso(noted.signed.time)}
            for noted in product.facts
        ],
    }  # fmt: skip


def _way(way: WayIn) -> dict[str, Any]:
    return {"by": way.kind.name.lower(), "at": when.iso(way.newest[-1].time), "earlier": way.earlier}


def spelled(name: str) -> str:
    """A verdict or a status bit for people; programs get its name, with underscores."""
    return name.lower().replace("_", " ")


def stated(record: Any) -> str:
    """What a fact, hold or recall says: its class, why, of which production dates, and by which document."""
    named = record.kind if isinstance(record, r.Fact) else r.act_of_type(type(record))
    name = named.name.lower() + (f", class {record.grade}" if isinstance(record, r.Recall) else "")
    text = getattr(record, "text", None) or getattr(record, "reason", None)
    days = [getattr(record, field, None) for field in ("made_from", "made_until")]
    span = f"made {' to '.join(dashed(day) if day else 'any day' for day in days)}" if any(days) else None
    more = ", ".join(filter(None, (text, span, getattr(record, "document", None))))
    return f"{name}: {more}" if more else name


def dashed(day: int) -> str:
    """A day YYYYMMDD as people write it."""
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"


def says(product: Product, found: Finding) -> str:
    """What a finding rests on: a hold or recall with its class and reason, a bare subject by all that is said against
    it."""
    if found.verdict == Verdict.EXPIRED:
        return f"best before {dashed(int(found.detail.rpartition(' ')[2]))}"
    is_status = found.detail.upper() in e.Bit.__members__
    about = [noted.signed for noted in product.facts if noted.adverse and noted.subject == found.subject]
    if found.verdict in SCOPES:
        lifted = {one.record.target for one in about if isinstance(one.record, r.Lift)}
        kind = SCOPES[found.verdict]
        about = [one for one in about if isinstance(one.record, kind) and one.name not in lifted]
        about = [one for one in about if is_status or getattr(one.record, "reason", "") == found.detail]
    elif found.detail:
        about = []
    return "; ".join(stated(one.record) for one in about) or (spelled(found.detail) if is_status else found.detail)


def _said_twice(found: Finding, findings: list[Finding]) -> bool:
    """The status of a subject whose adverse facts are a finding of their own, with what they say."""
    own = Finding(found.verdict, found.subject)
    return found.detail.upper() == e.Bit.ADVERSE_FACT.name and own in findings


def show(product: Product) -> None:
    """The verdict, then why, what it is, its way, what was said about it, and what was checked."""
    colour = (
        "green" if product.verdict <= GOOD_ENOUGH else "yellow" if product.verdict < Verdict.ADVERSE_FACT else "red"
    )
    console.print(f"[bold {colour}]{spelled(product.verdict.name).upper()}[/]  as of {when.shown(product.as_of_ms)}")
    for found in product.findings:
        if _said_twice(found, product.findings):
            continue
        out(f"  {spelled(found.verdict.name)}: {found.subject}: {says(product, found)}")
    names = {name: member.name for name, member in product.members.items()}
    for lot in product.lots:
        out(_lot(lot, product, names))
    for position in product.way:
        ways = "; ".join(f"{spelled(way.kind.name)} {when.shown(way.newest[-1].time)}" for way in position.ways)
        out(f"  ← {names.get(position.owner, position.owner)} at {position.site}: {ways}")
    for noted in product.facts:
        out(_fact(noted, names))
    out(
        f"checked: checkpoint of {product.log_size} leaves, its quorum, block {product.height}, "
        f"{len(product.members)} members, every adverse fact, every way in"
    )


def _lot(lot: e.LotEntry, product: Product, names: dict[str, str]) -> str:
    entry = product.products.get(lot.lot.split("#")[0].split("@")[0])
    made, until = (dashed(day) if day else "unknown" for day in (lot.production, lot.expiry))
    maker = names.get(lot.commissioner or "", "nobody")
    holders = lot.holders.count if lot.holders is not None else 0
    name = entry.name if entry else ""
    return f"{name} {lot.lot}: commissioned by {maker}, made {made}, best before {until}, {holders} positions so far"


def _fact(noted: Noted, names: dict[str, str]) -> str:
    signed: Signed = noted.signed
    who, mark = names.get(signed.member, signed.member), "!" if noted.adverse else "·"
    return f"  {mark} {stated(signed.record)}; about {noted.subject}, signed by {who} {when.shown(signed.time)}"
