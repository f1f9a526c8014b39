"""Commands of one's own stock: commission, transform, count, destroy, relabel, pack, unpack, ship-unit, correct,
voucher."""

import os
from typing import Annotated, Any

import typer
from msgspec import structs

from client_sdk import build, codes, errors
from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, Lot, Quantity, Ref, client
from client_sdk.commands.signing import (
    LINE_HELP,
    At,
    Expiry,
    Grams,
    Lines,
    Owner,
    Production,
    Queue,
    Reason,
    Site,
    lines_of,
    moment,
    named,
    own_site,
    sign,
)
from client_sdk.wire import OwnRecord
from ledger import records as r
from ledger.errors import Malformed
from ledger.identifiers import split_lot
from ledger.proof.verify import voucher_hash

Unit = Annotated[str, typer.Option(help="SSCC, 18 digits.")]
Use = Annotated[int, typer.Option(min=1, help="Which use of this label it is.")]


def commission(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    production: Annotated[int, typer.Option(help="Production date, YYYYMMDD.")],
    ref: Ref,
    expiry: Expiry = 0,
    site: Site = "",
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Bring a lot into being: its maker, or the importer at the first station."""
    one = build.commission(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site), production=production,
        expiry=expiry or None, grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def transform(
    identity: Identity,
    into: Annotated[list[str], typer.Option("--input", help=LINE_HELP)],
    out: Annotated[list[str], typer.Option("--output", help=LINE_HELP)],
    production: Annotated[int, typer.Option(help="The day on which the outputs were made, YYYYMMDD.")],
    ref: Ref,
    expiry: Expiry = 0,
    site: Site = "",
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Make lots out of lots: mixing, splitting, repacking, cutting up. The rest is loss."""
    inputs, grams_in = lines_of(into)
    outputs, grams_out = lines_of(out)
    one = build.transform(
        inputs=inputs, outputs=outputs, production=production, ref=ref, at=moment(at), site=own_site(identity, site),
        expiry=expiry or None, grams_in=grams_in, grams_out=grams_out,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def count(
    identity: Identity,
    lot: Lot,
    book: Annotated[int, typer.Option(min=0, help="What the book said, in base items.")],
    found: Annotated[int, typer.Option(min=0, help="What was found, in base items.")],
    ref: Ref,
    kind: Annotated[str, typer.Option(help="opening, periodic or recall.")] = "periodic",
    missing: Annotated[int, typer.Option(min=0, help="Of what receivers found short, so many are settled.")] = 0,
    owner: Owner = "",
    site: Site = "",
    production: Production = 0,
    expiry: Expiry = 0,
    book_grams: Annotated[int | None, typer.Option(min=0, help="What the book said, in grams.")] = None,
    found_grams: Annotated[int | None, typer.Option(min=0, help="What was weighed.")] = None,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Book a stock-taking; a late one is true as of its time (--at)."""
    one = build.count(
        lot=lot, book=book, found=found, ref=ref, at=moment(at), site=own_site(identity, site),
        kind=named(r.CountKind, kind, "kind"), missing=missing or None, owner=owner or None,
        production=production or None, expiry=expiry or None, book_grams=book_grams, found_grams=found_grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def destroy(
    identity: Identity,
    lot: Lot,
    quantity: Annotated[int, typer.Option(min=0, help="In base items.")],
    ref: Ref,
    reason: Annotated[str, typer.Option(help="expired, damaged, recalled, tested or other.")] = "other",
    owner: Owner = "",
    site: Site = "",
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Book what was destroyed."""
    one = build.destroy(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site),
        reason=named(r.DestroyReason, reason, "reason"), owner=owner or None, grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def relabel(
    identity: Identity,
    lot: Annotated[str, typer.Option(help="The mistaken lot.")],
    to_lot: Annotated[str, typer.Option(help="The right lot.")],
    quantity: Quantity,
    ref: Ref,
    site: Site = "",
    production: Production = 0,
    expiry: Expiry = 0,
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Move quantity from a mistaken lot number to the right one."""
    one = build.relabel(
        lot=lot, to_lot=to_lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site),
        grams=grams or None, production=production or None, expiry=expiry or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def pack(
    identity: Identity,
    unit: Unit,
    ref: Ref,
    line: Lines = [],  # noqa: B006
    on: Annotated[list[str], typer.Option(help="SSCC of a packed unit that stands on it; may be repeated.")] = [],  # noqa: B006
    use: Use = 1,
    owner: Owner = "",
    site: Site = "",
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Reserve lines under an SSCC: a carton, a pallet."""
    lines, grams = lines_of(line)
    one = build.pack(
        unit=unit, lines=lines, ref=ref, at=moment(at), site=own_site(identity, site), use=use, units=on,
        owner=owner or None, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def unpack(
    identity: Identity,
    unit: Unit,
    use: Use = 1,
    owner: Owner = "",
    site: Site = "",
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Release what stands under an SSCC."""
    own = own_site(identity, site)
    one = build.unpack(unit=unit, at=moment(at), site=own, use=use, owner=owner or None)
    sign(identity, queue, as_json, [one])


def ship_unit(
    identity: Identity,
    unit: Unit,
    to: Annotated[str, typer.Option(help="The member that gets it.")],
    ref: Ref,
    to_site: Annotated[str, typer.Option(help="Its site; its main site if left out.")] = "",
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Ship all that you packed under an SSCC, and under those that stand on it, line by line in one envelope."""
    with client(identity) as member:
        packed = list(_packed(member, unit))
    when = moment(at)
    acts = [
        build.ship(
            lot=lot, quantity=quantity, grams=grams, ref=ref, at=when, site=record.site, to=to,
            to_site=to_site or None, owner=record.owner, unit=record.unit,
        )
        for record, lot, quantity, grams in packed
    ]  # fmt: skip
    sign(identity, queue, as_json, acts)


def _packed(member: Client, unit: str) -> list[tuple[r.Pack, str, int, int | None]]:
    """(pack, lot, quantity, grams) of every line under a unit and those on it, from the own pack records."""
    packs: dict[str, tuple[r.Pack, r.Packed]] = {}
    for envelope in member.own_envelopes():
        for one in envelope.records:
            if isinstance(one.record, r.Pack) and isinstance(one.amounts, r.Packed):
                packs[one.record.unit] = one.record, one.amounts  # its newest use is the last
    found: list[tuple[r.Pack, str, int, int | None]] = []
    wanted = [unit]
    while wanted:
        name = wanted.pop()
        if name not in packs:
            raise errors.NotFound(f"you packed no unit {name}; pack it first, or ship its lines one by one")
        record, amounts = packs[name]
        weights = amounts.grams or [0] * len(record.lots)
        for lot, quantity, grams in zip(record.lots, amounts.quantities, weights, strict=True):
            found.append((record, lot, quantity, grams or None))
        wanted += record.units
    return found


def correct(
    identity: Identity,
    place: Annotated[str, typer.Argument(help="LEAF/INDEX of the own record, as `suyuan records` shows it.")],
    reason: Reason,
    ref: Ref,
    quantity: Annotated[int | None, typer.Option(min=0, help="What the quantity should have been.")] = None,
    accepted: Annotated[int | None, typer.Option(min=0, help="Of a receive: what was accepted.")] = None,
    grams: Annotated[int | None, typer.Option(min=0, help="What the weight should have been.")] = None,
    did_not_occur: Annotated[bool, typer.Option("--did-not-occur", help="It never happened.")] = False,
    production: Production = 0,
    expiry: Expiry = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that an own record was wrong, and what is right. Both stay visible."""
    leaf, _, index = place.partition("/")
    if not (leaf.isdecimal() and index.isdecimal()):
        raise Malformed("place", f"{place!r} is not LEAF/INDEX; list with: suyuan records")
    given = {"quantity": quantity, "accepted": accepted, "grams": grams}
    changes = {name: value for name, value in given.items() if value is not None}
    dated = bool(production or expiry)
    if did_not_occur == bool(changes or dated):
        raise Malformed("correct", "say what should have stood there, or --did-not-occur")
    with client(identity) as member:
        wrong = member.own_record(int(leaf), int(index))
    one = build.correct(
        wrong.earlier, None if did_not_occur else _instead(wrong, changes), reason=reason, ref=ref, at=moment(at),
        production=production or None, expiry=expiry or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def _instead(wrong: OwnRecord, changes: dict[str, Any]) -> r.Amounts:
    """The amounts of the wrong record with what is right."""
    if wrong.amounts is None:
        raise Malformed("place", f"a {type(wrong.record).__name__.lower()} has no amounts to correct")
    unknown = [name for name in changes if name not in wrong.amounts.__struct_fields__]
    if unknown:
        known = ", ".join(name for name in wrong.amounts.__struct_fields__ if name != "ref")
        raise Malformed(unknown[0], f"a {type(wrong.record).__name__.lower()} has {known}")
    return structs.replace(wrong.amounts, **{name: value or None for name, value in changes.items()})


def voucher(
    identity: Identity,
    lot: Lot,
    site: Site = "",
    host: Annotated[str, typer.Option(help="Host in the consumer link.")] = "id.example.org",
    as_json: Json = False,
) -> None:
    """Draw a voucher for an own position, and print the consumer link that opens its way."""
    secret = os.urandom(codes.VOUCHER_BYTES)
    own = own_site(identity, site)
    one = build.act(r.Voucher, at=moment(""), lot=lot, site=own, voucher=voucher_hash(secret))
    product, number = split_lot(lot)
    link = codes.link(product, number, secret, host)
    sign(identity, False, as_json, [one], voucher=secret.hex(), link=link)


def register(app: typer.Typer) -> None:
    for command in (commission, transform, count, destroy, relabel, pack, unpack, correct, voucher):
        app.command()(command)
    app.command("ship-unit")(ship_unit)
