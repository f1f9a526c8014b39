"""Commands of holds and recalls: hold, recall, close, lift."""

from typing import Annotated

import typer

from client_sdk import build
from client_sdk.commands import naming, parsing
from client_sdk.commands.naming import named
from client_sdk.commands.options import At, Identity, Json, Queue, Reason
from client_sdk.commands.signing import sign
from client_sdk.commands.subjects import OfLot, OfMaker, OfOwner, OfProduct, OfSite, subject_of
from client_sdk.wire import clock_ms
from ledger import records as r

MadeFrom = Annotated[
    int | None, typer.Option(parser=parsing.day, metavar="DATE", help="First production date, of a product or maker.")
]
MadeUntil = Annotated[int | None, typer.Option(parser=parsing.day, metavar="DATE", help="Last production date.")]
Target = Annotated[
    str,
    typer.Option(parser=parsing.hash_start, metavar="HASH", help="The hold or recall, by its record hash."),
]


def hold(
    identity: Identity,
    reason: Reason,
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfSite = None,
    product: OfProduct = None,
    maker: OfMaker = None,
    made_from: MadeFrom = None,
    made_until: MadeUntil = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Hold a lot, a position, a product or all of a maker: nothing of it is shipped on."""
    one = build.act(
        r.Hold, at=at or clock_ms(), made_from=made_from, made_until=made_until, reason=reason,
        subject=subject_of(lot=lot, owner=owner, site=site, product=product, member=maker),
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def recall(
    identity: Identity,
    reason: Reason,
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfSite = None,
    product: OfProduct = None,
    maker: OfMaker = None,
    grade: Annotated[int, typer.Option(min=1, max=3, help="Class I, II or III.")] = 1,
    made_from: MadeFrom = None,
    made_until: MadeUntil = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Recall a lot, a position, a product or everything of a maker."""
    one = build.act(
        r.Recall, at=at or clock_ms(), grade=grade, made_from=made_from, made_until=made_until, reason=reason,
        subject=subject_of(lot=lot, owner=owner, site=site, product=product, member=maker),
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def close(
    identity: Identity,
    target: Target,
    reason: Reason,
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfSite = None,
    product: OfProduct = None,
    maker: OfMaker = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that a recall is finished. It stays visible and red."""
    subject = subject_of(lot=lot, owner=owner, site=site, product=product, member=maker)
    who, ended = named(identity, target, queue, naming.own_records(r.Hold, r.Recall))
    one = build.act(r.Close, at=at or clock_ms(), reason=reason, subject=subject, target=ended)
    sign(who, queue, as_json, [one])


def lift(
    identity: Identity,
    target: Target,
    reason: Reason,
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfSite = None,
    product: OfProduct = None,
    maker: OfMaker = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that a hold or recall was wrong: it no longer counts."""
    subject = subject_of(lot=lot, owner=owner, site=site, product=product, member=maker)
    who, ended = named(identity, target, queue, naming.own_records(r.Hold, r.Recall))
    one = build.act(r.Lift, at=at or clock_ms(), reason=reason, subject=subject, target=ended)
    sign(who, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (hold, recall, close, lift):
        app.command()(command)
