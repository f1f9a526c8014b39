"""Commands of one's own stock: what is made, counted, destroyed, or was under a wrong lot; and its vouchers."""

import os
from typing import Annotated

import typer

from client_sdk import build, codes
from client_sdk.commands import parsing
from client_sdk.commands.options import (
    At,
    Expiry,
    Grams,
    Identity,
    Json,
    Lot,
    Made,
    Owner,
    Portion,
    Production,
    Quantity,
    Queue,
    Ref,
    Site,
    own_site,
    pages_of,
)
from client_sdk.commands.parsing import LINE_FORM, Line, lines_of
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.identifiers import split_lot
from ledger.proof.verify import voucher_hash


def commission(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    production: Made,
    ref: Ref,
    expiry: Expiry = None,
    site: Site = "",
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Bring a lot into being: its maker, or the importer at the first station."""
    one = build.commission(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site),
        production=production, expiry=expiry, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def transform(
    identity: Identity,
    used: Annotated[
        list[Line], typer.Option("--input", parser=parsing.line, metavar="LINE", help=f"{LINE_FORM}; repeatable.")
    ],
    made: Annotated[
        list[Line], typer.Option("--output", parser=parsing.line, metavar="LINE", help=f"{LINE_FORM}; repeatable.")
    ],
    production: Made,
    ref: Ref,
    expiry: Expiry = None,
    site: Site = "",
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Make lots out of lots: mixing, splitting, repacking, cutting up. What does not come out is loss."""
    inputs, grams_in = lines_of(used)
    outputs, grams_out = lines_of(made)
    one = build.transform(
        inputs=inputs, outputs=outputs, production=production, ref=ref, at=at or clock_ms(),
        site=own_site(identity, site), expiry=expiry, grams_in=grams_in, grams_out=grams_out,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def count(
    identity: Identity,
    lot: Lot,
    book: Annotated[int, typer.Option(min=0, help="What the book said, in base items.")],
    found: Annotated[int, typer.Option(min=0, help="What was found, in base items.")],
    ref: Ref,
    kind: Annotated[
        r.CountKind,
        typer.Option(
            parser=parsing.choice(r.CountKind), metavar="KIND", help="opening, periodic or recall.",
            show_default="periodic",
        ),
    ] = r.CountKind.PERIODIC,
    missing: Annotated[
        int | None, typer.Option(min=1, help="So many settled of those that receivers found short.")
    ] = None,
    owner: Owner = None,
    site: Site = "",
    production: Production = None,
    expiry: Expiry = None,
    book_grams: Annotated[int | None, typer.Option(min=0, help="What the book said, in grams, if weighed.")] = None,
    found_grams: Annotated[int | None, typer.Option(min=0, help="What the scale said, in grams.")] = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Book a stock-taking, as owner or as keeper; a late one is true as of its time (--at)."""
    one = build.count(
        lot=lot, book=book, found=found, ref=ref, at=at or clock_ms(), site=own_site(identity, site), kind=kind,
        missing=missing, owner=owner, production=production, expiry=expiry, book_grams=book_grams,
        found_grams=found_grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def destroy(
    identity: Identity,
    lot: Lot,
    quantity: Portion,
    ref: Ref,
    reason: Annotated[
        r.DestroyReason,
        typer.Option(
            parser=parsing.choice(r.DestroyReason), metavar="WHY", show_default="other",
            help="expired, damaged, recalled, tested or other.",
        ),
    ] = r.DestroyReason.OTHER,
    owner: Owner = None,
    site: Site = "",
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Book what was destroyed, as owner or as keeper."""
    one = build.destroy(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site), reason=reason,
        owner=owner, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def relabel(
    identity: Identity,
    lot: Annotated[str, typer.Option(parser=parsing.lot, metavar="LOT", help="The mistaken lot.")],
    to_lot: Annotated[str, typer.Option(parser=parsing.lot, metavar="LOT", help="The right lot.")],
    quantity: Quantity,
    ref: Ref,
    site: Site = "",
    production: Production = None,
    expiry: Expiry = None,
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Move quantity from a mistaken lot number to the right one."""
    one = build.relabel(
        lot=lot, to_lot=to_lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site),
        grams=grams, production=production, expiry=expiry,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def voucher(
    identity: Identity,
    lot: Lot,
    site: Site = "",
    host: Annotated[str, typer.Option(help="What the link begins with; the node's pages if left out.")] = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Draw a voucher for an own position, and print the consumer link that opens its way."""
    secret = os.urandom(codes.VOUCHER_BYTES)
    own = own_site(identity, site)
    one = build.act(r.Voucher, at=clock_ms(), lot=lot, site=own, voucher=voucher_hash(secret))
    product, number = split_lot(lot)
    link = codes.link(product, number, secret, host or pages_of(identity))
    sign(identity, queue, as_json, [one], voucher=secret.hex(), link=link)


def register(app: typer.Typer) -> None:
    for command in (commission, transform, count, destroy, relabel, voucher):
        app.command()(command)
