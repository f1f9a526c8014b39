"""Commands of trade: what comes from suppliers, goes to members and customers, and comes back."""

from typing import Annotated

import typer

from client_sdk import build
from client_sdk.commands import naming, parsing
from client_sdk.commands.naming import named
from client_sdk.commands.options import (
    At,
    Expiry,
    Grams,
    Identity,
    Json,
    Lot,
    Owner,
    Portion,
    Production,
    Quantity,
    Queue,
    Reason,
    Ref,
    Site,
    To,
    ToSite,
    own_site,
)
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import records as r

ShipHash = Annotated[
    str,
    typer.Option("--ship", parser=parsing.hash_start, metavar="HASH", help="The ship, as `suyuan handovers` shows."),
]
ClaimHash = typer.Option(
    "--claim", parser=parsing.hash_start, metavar="HASH", help="The claim, as `suyuan claims --against-me` shows."
)
Parts = Annotated[int | None, typer.Option(min=1, help="In base items.")]


def ship(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    to: To,
    ref: Ref,
    site: Site = "",
    to_site: ToSite = None,
    owner: Owner = None,
    grams: Grams = None,
    unit: Annotated[
        str | None, typer.Option(parser=parsing.sscc, metavar="SSCC", help="The packed unit whose line it is.")
    ] = None,
    claim: Annotated[str | None, ClaimHash] = None,
    returns: Annotated[bool, typer.Option("--returns", help="It goes back to where it was delivered from.")] = False,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Hand a lot over; the receiver answers with `suyuan receive`."""
    who, answered = named(identity, claim, queue, naming.CLAIMED_OF_ME) if claim is not None else (identity, None)
    one = build.ship(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site), to=to,
        to_site=to_site, owner=owner, grams=grams, unit=unit, claim=answered, returns=returns,
    )  # fmt: skip
    sign(who, queue, as_json, [one])


def receive(
    identity: Identity,
    ship: ShipHash,
    lot: Lot,
    ref: Ref,
    accepted: Parts = None,
    refused: Parts = None,
    short: Parts = None,
    destroyed: Parts = None,
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Answer a ship that waits for you, in whole or in part; what is left stays open."""
    who, shipped = named(identity, ship, queue, naming.WAITING)
    one = build.receive(
        ship=shipped, lot=lot, ref=ref, at=at or clock_ms(), accepted=accepted, refused=refused, short=short,
        destroyed=destroyed, grams=grams,
    )  # fmt: skip
    sign(who, queue, as_json, [one])


def withdraw(
    identity: Identity,
    ship: Annotated[
        str,
        typer.Option(parser=parsing.hash_start, metavar="HASH", help="The own ship, as `suyuan records` shows."),
    ],
    lot: Lot,
    to: Annotated[str, typer.Option(parser=parsing.member, metavar="MEMBER", help="Who was to receive it.")],
    ref: Ref,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Cancel what is still open of an own ship."""
    who, shipped = named(identity, ship, queue, naming.own_records(r.Ship))
    one = build.withdraw(ship=shipped, to=to, lot=lot, ref=ref, at=at or clock_ms())
    sign(who, queue, as_json, [one])


def claim(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    supplier: Annotated[
        str, typer.Option(parser=parsing.member, metavar="MEMBER", help="Who delivered it, and has not booked that.")
    ],
    ref: Ref,
    site: Site = "",
    production: Production = None,
    expiry: Expiry = None,
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Receive goods before their supplier has booked them; its ship confirms the claim later."""
    one = build.claim(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site), supplier=supplier,
        production=production, expiry=expiry, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def dispute(
    identity: Identity,
    claim: Annotated[str, ClaimHash],
    claimant: Annotated[
        str, typer.Option(parser=parsing.member, metavar="MEMBER", help="Who claims to have got it from you.")
    ],
    lot: Lot,
    reason: Reason,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that you delivered no such goods; `suyuan claims --against-me` lists what others claim."""
    who, disputed = named(identity, claim, queue, naming.CLAIMED_OF_ME)
    one = build.dispute(claim=disputed, claimant=claimant, lot=lot, reason=reason, at=at or clock_ms())
    sign(who, queue, as_json, [one])


def enter(
    identity: Identity,
    lot: Lot,
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
    """Book stock bought from a supplier outside the ledger; it is shown as entered by one signature."""
    one = build.enter(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site),
        production=production, expiry=expiry, grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def sell(
    identity: Identity,
    lot: Lot,
    quantity: Portion,
    ref: Ref,
    site: Site = "",
    buyer: Annotated[
        r.SaleTo,
        typer.Option(
            parser=parsing.choice(r.SaleTo), metavar="WHOM", help="consumer, business, gift, own-use or sample.",
            show_default="consumer",
        ),
    ] = r.SaleTo.CONSUMER,
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Book what leaves the ledger: sold to a consumer or a business outside, given, used, taken as a sample."""
    one = build.sell(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site), buyer=buyer,
        grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def take_back(
    identity: Identity,
    lot: Lot,
    quantity: Portion,
    ref: Ref,
    site: Site = "",
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Book goods that a customer outside the ledger brings back, never more than were sold."""
    own = own_site(identity, site)
    one = build.take_back(lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own, grams=grams)
    sign(identity, queue, as_json, [one])


def move(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    to_site: Annotated[str, typer.Option(help="CODE or MEMBER/CODE of the own site that gets it.")],
    ref: Ref,
    site: Site = "",
    grams: Grams = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Move goods between own sites."""
    one = build.move(
        lot=lot, quantity=quantity, ref=ref, at=at or clock_ms(), site=own_site(identity, site),
        to_site=own_site(identity, to_site), grams=grams,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (ship, receive, withdraw, claim, dispute, enter, sell, move):
        app.command()(command)
    app.command("take-back")(take_back)
