"""Commands that show what is one's own: positions, handovers, claims, records; and what is declared: show."""

import datetime as dt
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
import typer

from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, client, say, table
from client_sdk.commands.words import told
from client_sdk.errors import NotFound
from ledger import entries as e
from ledger.errors import Malformed

COUNTS: Final = (
    "held", "grams", "reserved", "claimed", "disputed", "shipped", "sold", "used", "destroyed", "lost", "missing",
    "overdrawn", "irregular", "grams_lost",
)  # fmt: skip


def positions(
    identity: Identity,
    kept: Annotated[bool, typer.Option("--kept", help="What you keep for other owners, instead.")] = False,
    as_json: Json = False,
) -> None:
    """What you own, by site and lot: what is there, what of it is packed or unconfirmed, what went out."""
    with client(identity) as member:
        rows: list[dict[str, Any]] = [
            {"lot": p.lot, "site": p.site, "owner": p.owner}
            | {name: getattr(p, name) for name in COUNTS}
            | {"status": _bits(p.status_bits), "in_force": p.in_force}
            for p in member.positions(kept)
        ]
    table(as_json, "positions", rows if as_json else [_short(row, kept) for row in rows])


def _short(row: dict[str, Any], kept: bool) -> dict[str, Any]:
    """What people look for: held, and then only the counts that are not zero."""
    others = [f"{name.replace('_', ' ')} {row[name]}" for name in COUNTS[1:] if row[name]]
    status = [row["status"], "held or recalled" if row["in_force"] else ""]
    shown = {"lot": row["lot"], "site": row["site"], "held": row["held"], "besides": ", ".join(others)}
    owner = {"owner": row["owner"]} if kept else {}
    return owner | shown | {"status": ", ".join(one for one in status if one)}


def handovers(identity: Identity, as_json: Json = False) -> None:
    """Ships that wait for your receive."""
    with client(identity) as member:
        rows = [
            {"ship": h.ship.hex(), "lot": h.lot, "from": h.owner, "open": h.open, "of": h.quantity, "ref": h.ref,
             "status": _bits(h.status_bits)}
            for h in member.handovers()
        ]  # fmt: skip
    table(as_json, "handovers", rows)


def claims(
    identity: Identity,
    against_me: Annotated[bool, typer.Option("--against-me", help="What others claim to have from you.")] = False,
    as_json: Json = False,
) -> None:
    """Open claims, which a ship of the supplier confirms."""
    with client(identity) as member:
        rows = [
            {"claim": c.claim.hex(), "lot": c.lot, "claimant": c.claimant, "supplier": c.supplier, "open": c.open,
             "of": c.quantity, "ref": c.ref, "disputed": "yes" if c.disputed else ""}
            for c in member.claims(against_me)
        ]  # fmt: skip
    table(as_json, "claims", rows)


def records(
    identity: Identity,
    from_leaf: Annotated[int, typer.Option("--from", min=0, help="Begin at this leaf of the log.")] = 0,
    newest: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """What you signed, with its place (for `correct`) and its hash (by which other records name it)."""
    rows: deque[dict[str, Any]] = deque(maxlen=newest)
    with client(identity) as member:
        for envelope in member.own_envelopes(from_leaf):
            for index, one in enumerate(envelope.records):
                place = {"place": f"{envelope.leaf}/{index}", "signed": _moment(envelope.time)}
                rows.append(place | {"what": told(one.record, one.amounts), "hash": one.hash.hex()})
    table(as_json, "records", rows)


_SHOWN: Final[dict[str, Callable[[Client, str], Any]]] = {
    "lot": Client.lot, "product": Client.product, "member": Client.member, "site": Client.site, "unit": Client.unit,
}  # fmt: skip


def show(
    identity: Identity,
    kind: Annotated[str, typer.Argument(help="lot, product, member, site or unit.")],
    name: Annotated[str, typer.Argument(help="GTIN#LOT, GTIN, credit code, MEMBER/CODE or SSCC.")],
    as_json: Json = False,
) -> None:
    """What is declared about a lot, product, member, site or logistic unit, without proof."""
    if kind not in _SHOWN:
        raise Malformed("kind", f"{kind!r} is none of {', '.join(_SHOWN)}")
    with client(identity) as member:
        entry = _SHOWN[kind](member, name)
    if entry is None:
        raise NotFound(f"no {kind} {name} is known to the ledger")
    fields = {n: v for n, v in msgspec.structs.asdict(entry).items() if v is not None and v != []}
    say(as_json, {n: _plain(n, v) for n, v in fields.items()})


def _plain(name: str, value: Any) -> Any:
    """A field of an entry as people and JSON can have it."""
    if name == "bits":
        return _bits(value) or "none"
    if isinstance(value, e.Chain):
        return value.count
    if isinstance(value, bytes):
        return value.hex()
    if name in ("admitted", "suspended", "opened"):
        return _moment(value)
    return value.name.lower() if hasattr(value, "name") else value


def _bits(bits: int) -> str:
    return ", ".join((bit.name or "").lower().replace("_", " ") for bit in e.Bit if bits & bit)


def _moment(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def register(app: typer.Typer) -> None:
    for command in (positions, handovers, claims, records, show):
        app.command()(command)
