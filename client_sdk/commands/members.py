"""Commands about members and sites: admit, suspend, site."""

from pathlib import Path
from typing import Annotated

import typer

from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.commands import parsing
from client_sdk.commands.options import At, Identity, Json, Queue, Reason, client, own_site, unlocked
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.errors import Malformed


def admit(
    identity: Identity,
    member: Annotated[list[Path], typer.Argument(help="member.json of each newcomer.")],
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Admit members; for regulators."""
    acts = [_admit(keys.load_public_file(path)) for path in member]
    sign(identity, queue, as_json, acts, admitted=len(acts))


def _admit(new: keys.Public) -> Act:
    kinds = {kind.name.lower(): kind for kind in r.MemberKind}
    if new.kind not in kinds:
        raise Malformed("kind", f"{new.member} says {new.kind!r}, which is none of {', '.join(kinds)}")
    return build.act(
        r.Admit, at=clock_ms(), key=new.key, kind=kinds[new.kind], member=new.member, name=new.name, region=new.region
    )


def suspend(
    identity: Identity,
    member: Annotated[str, typer.Argument(parser=parsing.member, metavar="MEMBER", help="Its code.")],
    reason: Reason,
    ended: Annotated[bool, typer.Option("--ended", help="The suspension ends.")] = False,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Suspend a member, or end that; for regulators. What it does meanwhile is taken, and shown so."""
    one = build.act(r.Suspend, at=at or clock_ms(), ended=ended or None, member=member, reason=reason)
    sign(identity, queue, as_json, [one])


def site(
    identity: Identity,
    site: Annotated[str, typer.Argument(help="Its code; one of 13 digits is a GLN.")],
    name: Annotated[str | None, typer.Option(help="Name of the place.")] = None,
    region: Annotated[
        str | None,
        typer.Option(parser=parsing.region, metavar="CODE", help="Such as CN-3304.", show_default="CN"),
    ] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--not-public", help="A shop whose code opens the way of its goods.")
    ] = None,
    closed: Annotated[bool | None, typer.Option("--closed/--open", help="It is given up.")] = None,
    as_json: Json = False,
) -> None:
    """Declare an own site, or change what was said of it; what is not named stays as it is."""
    who = unlocked(identity)
    where = own_site(identity, site)
    with client(who) as member:
        old = member.site(where)
    if old is None and name is None:
        raise typer.BadParameter(f"{where} is new: say its --name")
    if old is not None:
        name, region = name or old.name, region or old.region
        public = old.public if public is None else public
        closed = old.closed is not None if closed is None else closed
    one = build.act(
        r.Site, at=clock_ms(), closed=closed or None, name=name, public=public or None, region=region or "CN",
        site=where,
    )  # fmt: skip
    sign(who, False, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (admit, suspend, site):
        app.command()(command)
