"""Commands of logistic units: pack and unpack what stands under an SSCC, and ship it whole."""

from typing import Annotated, Any

import typer

from client_sdk import build, when
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.commands import parsing
from client_sdk.commands.options import (
    At,
    FromLeaf,
    Identity,
    Json,
    Owner,
    Queue,
    Ref,
    Site,
    To,
    ToSite,
    client,
    own_site,
    unlocked,
)
from client_sdk.commands.parsing import LINE_FORM, Line, lines_of
from client_sdk.commands.signing import sign
from client_sdk.errors import NotFound
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.errors import Malformed

Unit = Annotated[str, typer.Argument(parser=parsing.sscc, metavar="SSCC", help="18 digits.")]
Use = Annotated[int, typer.Option(min=1, help="Which use of this label it is.")]


def pack(
    identity: Identity,
    unit: Unit,
    ref: Ref,
    line: Annotated[
        list[Line], typer.Option(parser=parsing.line, metavar="LINE", help=f"{LINE_FORM}; repeatable.")
    ] = [],  # noqa: B006
    on: Annotated[
        list[str], typer.Option(parser=parsing.sscc, metavar="SSCC", help="A packed unit on top of it; repeatable.")
    ] = [],  # noqa: B006
    use: Use = 1,
    owner: Owner = None,
    site: Site = "",
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Reserve lines of own stock, or of what you keep, under an SSCC: a carton, a pallet."""
    lines, grams = lines_of(line)
    one = build.pack(
        unit=unit, lines=lines, ref=ref, at=at or clock_ms(), site=own_site(identity, site), use=use, units=on,
        owner=owner, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def unpack(
    identity: Identity,
    unit: Unit,
    use: Use = 1,
    owner: Owner = None,
    site: Site = "",
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Release what stands under an SSCC."""
    one = build.unpack(unit=unit, at=at or clock_ms(), site=own_site(identity, site), use=use, owner=owner)
    sign(identity, queue, as_json, [one])


def ship_unit(
    identity: Identity,
    unit: Unit,
    to: To,
    ref: Ref,
    to_site: ToSite = None,
    packed_from: FromLeaf = 0,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Ship all that you packed under an SSCC and under the units on top of it, line by line in one envelope.

    Its pack records are looked for in what you signed, from --from on."""
    who = unlocked(identity)
    with client(who) as member:
        packed = _packed(member, unit, packed_from)
    common = {"ref": ref, "at": at or clock_ms(), "to": to, "to_site": to_site}
    sign(who, queue, as_json, [one for found in packed for one in _ships(*found, common)])


def _ships(record: r.Pack, amounts: r.Packed, common: dict[str, Any]) -> list[Act]:
    weights = amounts.grams or [0] * len(record.lots)
    return [
        build.ship(
            lot=lot, quantity=quantity, grams=grams or None, site=record.site, owner=record.owner, unit=record.unit,
            **common,
        )
        for lot, quantity, grams in zip(record.lots, amounts.quantities, weights, strict=True)
    ]  # fmt: skip


def _packed(member: Client, unit: str, from_leaf: int) -> list[tuple[r.Pack, r.Packed]]:
    """The own pack records of a unit and of those on top of it, each in the use that its entry names."""
    wanted = _uses(member, unit)
    found: dict[str, tuple[r.Pack, r.Packed]] = {}
    for envelope in member.own_envelopes(from_leaf):
        for one in envelope.records:
            record, amounts = one.record, one.amounts
            if isinstance(record, r.Pack) and isinstance(amounts, r.Packed) and wanted.get(record.unit) == record.use:
                found[record.unit] = record, amounts
        if len(found) == len(wanted):
            return [found[name] for name in wanted]
    missing = ", ".join(name for name in wanted if name not in found)
    raise NotFound(f"you did not pack {missing}; whoever did ships it, or ship its lines one by one with --unit")


def _uses(member: Client, unit: str) -> dict[str, int]:
    """unit -> its newest use, of a unit and of those on top of it."""
    uses: dict[str, int] = {}
    waiting: list[tuple[str, str | None]] = [(unit, None)]
    while waiting:
        name, under = waiting.pop()
        entry = member.unit(name)
        if entry is None:
            raise NotFound(f"nobody packed a unit {name}; pack it first, or ship its lines one by one")
        if under is not None and entry.parent != under:
            raise Malformed("unit", f"{name} was packed anew since it stood on {under}; that is not whole any more")
        if entry.opened is not None:
            raise Malformed("unit", f"{name} was unpacked on {when.shown(entry.opened)}; pack it again")
        uses[name] = entry.use
        waiting += [(inner, name) for inner in entry.units]
    return uses


def register(app: typer.Typer) -> None:
    for command in (pack, unpack):
        app.command()(command)
    app.command("ship-unit")(ship_unit)
