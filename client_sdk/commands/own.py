"""Commands that show what is one's own: positions, handovers, claims, records; and what is declared: show."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Annotated, Any, Final

import msgspec
import typer

from client_sdk import when
from client_sdk.client import Client
from client_sdk.commands import meant, parsing
from client_sdk.commands.comparing import Compare, same_everywhere
from client_sdk.commands.options import (
    FromLeaf,
    Identity,
    Json,
    client,
    listing,
    out,
    own_site,
    plain_table,
    say,
)
from client_sdk.commands.words import told
from client_sdk.errors import NotFound
from client_sdk.wire import OwnEnvelope
from ledger import entries as e
from ledger.records import act_of_type
from proto.suyuan.v1 import ledger_pb2 as pb

COUNTS: Final = (
    "held", "grams", "reserved", "claimed", "disputed", "shipped", "sold", "used", "destroyed", "lost", "missing",
    "overdrawn", "irregular", "grams_lost", "grams_sold",
)  # fmt: skip
SEARCHED_LEAVES: Final = 4096  # of the log's end, in which the newest own records are looked for first


def positions(
    identity: Identity,
    kept: Annotated[bool, typer.Option("--kept", help="What you keep for other owners, instead.")] = False,
    as_json: Json = False,
) -> None:
    """What you own, by site and lot: what is there, what of it is packed or unconfirmed, what went out."""
    with client(identity) as member:
        found = map(_position, member.positions(kept))
        if as_json:
            listing(True, "positions", ((row, ()) for row in found))
        else:
            _tell_positions(list(found), kept)


def _position(one: pb.Position) -> dict[str, Any]:
    counts = {name: getattr(one, name) for name in COUNTS}
    named = {"lot": one.lot, "site": one.site, "owner": one.owner}
    return named | counts | {"status": _bits(one.status_bits), "in_force": one.in_force}


def _tell_positions(rows: list[dict[str, Any]], kept: bool) -> None:
    """A table for each site (and owner of what is kept there): what is held, and the counts that are not zero."""
    if not rows:
        out("positions: none")
    place = ("site", "owner") if kept else ("site",)
    for names, found in groupby(rows, lambda row: tuple(row[name] for name in place)):
        title = f"{names[0]}, for {names[1]}" if kept else names[0]
        columns = {"held": "right", "lot": "left", "besides": "left"}
        plain_table(title, columns, ((f"{row['held']:,}", row["lot"], _besides(row)) for row in found))


def _besides(row: dict[str, Any]) -> str:
    counts = (f"{name.replace('_', ' ')} {row[name]:,}" for name in COUNTS[1:] if row[name])
    status = (row["status"], "held or recalled" if row["in_force"] else "")
    return "; ".join(part for part in (", ".join(counts), *status) if part)


def handovers(identity: Identity, as_json: Json = False) -> None:
    """Ships that wait for your receive; --json has all fields."""
    with client(identity) as member:
        listing(as_json, "handovers", map(_handover, member.handovers()))


def _handover(one: pb.Handover) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {
        "ship": one.ship.hex(), "lot": one.lot, "open": one.open, "of": one.quantity, "grams": one.grams,
        "from": one.owner, "site": one.site, "sender": one.sender, "to": one.to, "to_site": one.to_site,
        "ref": one.ref, "at": when.iso(one.time_ms), "returns": one.returns, "status": _bits(one.status_bits),
    }  # fmt: skip
    weight = f", {one.grams:,} g," if one.grams else ""
    goods = f"{one.open:,} of {one.quantity:,} open{weight} of {one.lot}"
    back = "returned " if one.returns else ""
    lines = [
        f"ship {values['ship']}", goods, f"{back}from {one.owner} to {one.to_site}",
        f"[{one.ref}] {when.shown(one.time_ms)}", values["status"],
    ]  # fmt: skip
    return values, lines


def claims(
    identity: Identity,
    against_me: Annotated[bool, typer.Option("--against-me", help="What others claim to have from you.")] = False,
    as_json: Json = False,
) -> None:
    """Open claims, which a ship of the supplier confirms; --json has all fields."""
    with client(identity) as member:
        listing(as_json, "claims", (_claim(one, against_me) for one in member.claims(against_me)))


def _claim(one: pb.Claim, against_me: bool) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {
        "claim": one.claim.hex(), "lot": one.lot, "open": one.open, "of": one.quantity, "grams": one.grams,
        "supplier": one.supplier, "claimant": one.claimant, "site": one.site, "ref": one.ref,
        "at": when.iso(one.time_ms), "disputed": one.disputed,
    }  # fmt: skip
    other = f"by {one.claimant} at {one.site}" if against_me else f"from {one.supplier} at {one.site}"
    goods = f"{one.open:,} of {one.quantity:,} open of {one.lot}"
    lines = [f"claim {values['claim']}", goods, other, f"[{one.ref}] {when.shown(one.time_ms)}"]
    return values, [*lines, "disputed" if one.disputed else ""]


def records(
    identity: Identity,
    from_leaf: FromLeaf = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many: the newest, or the first from --from on.")] = 20,
    as_json: Json = False,
) -> None:
    """What you signed, newest last: its place (for `correct`), and its hash (by which other records name it)."""
    with client(identity) as member:
        if from_leaf:
            listing(as_json, "records", islice(_rows(member.own_envelopes(from_leaf)), limit))
        else:
            listing(as_json, "records", _newest(member, limit))


def _newest(member: Client, limit: int) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """The newest own records: the log's end is searched, and ever more of it until there are enough."""
    size, span = member.node_info().size, SEARCHED_LEAVES
    while True:
        start = max(0, size - span)
        found = deque(_rows(member.own_envelopes(start)), maxlen=limit)
        if len(found) == limit or start == 0:
            return found
        span *= 16


def _rows(envelopes: Iterable[OwnEnvelope]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    for envelope in envelopes:
        for index, one in enumerate(envelope.records):
            record: Any = one.record
            amounts: Any = one.amounts
            values: dict[str, Any] = {
                "place": f"{envelope.leaf}/{index}", "signed": when.iso(envelope.time),
                "at": when.iso(record.at), "act": act_of_type(type(record)).name.lower(),
                "lot": getattr(record, "lot", None), "quantity": getattr(amounts, "quantity", None),
                "ref": getattr(amounts, "ref", None), "says": told(record, amounts), "hash": one.hash.hex(),
            }  # fmt: skip
            yield values, [f"{values['place']}  {when.shown(record.at)}  {values['says']}", values["hash"]]


_SHOWN: Final[dict[str, tuple[Callable[[str], str], Callable[[Client, str], Any]]]] = {
    "lot": (parsing.lot, Client.lot),
    "product": (parsing.product, Client.product),
    "member": (parsing.member, Client.member),
    "site": (str, Client.site),
    "unit": (parsing.sscc, Client.unit),
}


def show(
    identity: Identity,
    what: Annotated[str, typer.Argument(help="lot, product, member, site or unit.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="GTIN#LOT, GTIN, credit code, MEMBER/CODE or SSCC.")],
    compare: Compare = False,
    as_json: Json = False,
) -> None:
    """What is declared about a lot, product, member, site or logistic unit, without proof; with --compare, as every
    node has it."""
    if what not in _SHOWN:
        raise typer.BadParameter(f"{what!r} is none of {', '.join(_SHOWN)}")
    read, look_up = _SHOWN[what]
    name = own_site(identity, name) if what == "site" else read(name)
    with client(identity) as member:
        entry = look_up(member, name)
        near = meant.declared(name, member.lot) if what == "lot" and entry is None else []
        if compare:
            same_everywhere(member, lambda one: _told(look_up(one, name)), f"{what} {name}")
    if entry is None:
        ask = f"; {meant.question(near)}" if near else ""
        raise NotFound(f"no {what} {name} is known to the ledger{ask}")
    say(
        as_json,
        _declared(entry, when.iso if as_json else when.shown)
        | (_measure(entry) if isinstance(entry, e.ProductEntry) else {}),
    )


def _declared(entry: msgspec.Struct, moment: Callable[[int], str]) -> dict[str, Any]:
    fields = {n: v for n, v in msgspec.structs.asdict(entry).items() if v is not None and v != []}
    return {"status" if n == "bits" else n: _plain(n, v, moment) for n, v in fields.items()}


def _told(entry: msgspec.Struct | None) -> str:
    """All that an entry says, in one line."""
    return "unknown" if entry is None else ", ".join(f"{n} {v}" for n, v in _declared(entry, when.iso).items())


def _measure(product: e.ProductEntry) -> dict[str, str]:
    weighed = product.tolerance_permille is not None
    return {"measure": "variable: items are weighed, acts state --grams" if weighed else "fixed: items are counted"}


def _plain(name: str, value: Any, moment: Callable[[int], str]) -> Any:
    """A field of an entry as people and JSON can have it; a chain is how long it is."""
    if name == "bits":
        return _bits(value) or "none"
    if isinstance(value, e.Chain):
        return value.count
    if isinstance(value, bytes):
        return value.hex()
    if name in ("admitted", "closed", "suspended", "opened") and value is not True:
        return moment(value)
    return value.name.lower() if hasattr(value, "name") else value


def _bits(bits: int) -> str:
    return ", ".join((bit.name or "").lower().replace("_", " ") for bit in e.Bit if bits & bit)


def register(app: typer.Typer) -> None:
    for command in (positions, handovers, claims, records, show):
        app.command()(command)
