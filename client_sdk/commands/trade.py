"""Commands of trade: ship, receive, withdraw, claim, dispute, enter, sell, take-back, move."""

from typing import Annotated

import typer

from client_sdk import build
from client_sdk.commands.options import Identity, Json, Lot, Quantity, Ref
from client_sdk.commands.signing import (
    At,
    Expiry,
    Grams,
    Owner,
    Production,
    Queue,
    Reason,
    RecordHash,
    Site,
    moment,
    named,
    own_site,
    record_hash,
    sign,
)
from ledger import records as r

ShipHash = Annotated[str, typer.Option("--ship", help="The ship's record hash, as `suyuan handovers` shows it.")]
Parts = Annotated[int, typer.Option(min=0, help="In base items.")]
Portion = Annotated[int, typer.Option(min=0, help="In base items; 0 with --grams for a portion by weight.")]


def ship(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    to: Annotated[str, typer.Option(help="The member that gets it.")],
    ref: Ref,
    site: Site = "",
    to_site: Annotated[str, typer.Option(help="Its site; its main site if left out.")] = "",
    owner: Owner = "",
    grams: Grams = 0,
    unit: Annotated[str, typer.Option(help="The SSCC whose line it is.")] = "",
    claim: Annotated[str, typer.Option(help="Record hash of the claim that it answers.")] = "",
    returns: Annotated[bool, typer.Option(help="It goes back to where it was delivered from.")] = False,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Hand a lot over; the receiver answers with `suyuan receive`."""
    one = build.ship(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site), to=to,
        to_site=to_site or None, owner=owner or None, grams=grams or None, unit=unit or None,
        claim=record_hash(claim) if claim else None, returns=returns,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def receive(
    identity: Identity,
    ship: ShipHash,
    lot: Lot,
    ref: Ref,
    accepted: Parts = 0,
    refused: Parts = 0,
    short: Parts = 0,
    destroyed: Parts = 0,
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Answer a ship that waits for you, in whole or in part; what is left stays open."""
    one = build.receive(
        ship=record_hash(ship), lot=lot, ref=ref, at=moment(at), accepted=accepted or None, refused=refused or None,
        short=short or None, destroyed=destroyed or None, grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def withdraw(
    identity: Identity,
    ship: ShipHash,
    lot: Lot,
    to: Annotated[str, typer.Option(help="Who was to receive it.")],
    ref: Ref,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Cancel what is still open of an own ship."""
    one = build.withdraw(ship=record_hash(ship), to=to, lot=lot, ref=ref, at=moment(at))
    sign(identity, queue, as_json, [one])


def claim(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    supplier: Annotated[str, typer.Option(help="The member that delivered it, and has not booked that yet.")],
    ref: Ref,
    site: Site = "",
    production: Production = 0,
    expiry: Expiry = 0,
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Receive goods before their supplier has booked them; its ship confirms the claim later."""
    one = build.claim(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site), supplier=supplier,
        production=production or None, expiry=expiry or None, grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def dispute(
    identity: Identity,
    claim: RecordHash,
    claimant: Annotated[str, typer.Option(help="Who claims to have got it from you.")],
    lot: Lot,
    reason: Reason,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that you delivered no such goods; `suyuan claims --against-me` lists what others claim."""
    one = build.dispute(claim=record_hash(claim), claimant=claimant, lot=lot, reason=reason, at=moment(at))
    sign(identity, queue, as_json, [one])


def enter(
    identity: Identity,
    lot: Lot,
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
    """Book stock bought from a supplier outside the ledger; it is shown as entered by one signature."""
    one = build.enter(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site),
        production=production or None, expiry=expiry or None, grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def sell(
    identity: Identity,
    lot: Lot,
    quantity: Portion,
    ref: Ref,
    site: Site = "",
    buyer: Annotated[str, typer.Option(help="consumer, business, gift, own_use or sample.")] = "consumer",
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Book what leaves the ledger: sold to a consumer or a business outside, given, used, taken as a sample."""
    one = build.sell(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site),
        buyer=named(r.SaleTo, buyer, "buyer"), grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def take_back(
    identity: Identity,
    lot: Lot,
    quantity: Portion,
    ref: Ref,
    site: Site = "",
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Book goods that a customer outside the ledger brings back, never more than were sold."""
    own = own_site(identity, site)
    one = build.take_back(lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own, grams=grams or None)
    sign(identity, queue, as_json, [one])


def move(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    to_site: Site,
    ref: Ref,
    site: Site = "",
    grams: Grams = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Move goods between own sites."""
    one = build.move(
        lot=lot, quantity=quantity, ref=ref, at=moment(at), site=own_site(identity, site),
        to_site=own_site(identity, to_site), grams=grams or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (ship, receive, withdraw, claim, dispute, enter, sell, move):
        app.command()(command)
    app.command("take-back")(take_back)
