"""`suyuan member-link`: the way to one's own page on the node, for a quarter of an hour at most."""

from typing import Annotated

import typer

from client_sdk.commands.options import Identity, Json, say, unlocked
from client_sdk.errors import NotFound
from client_sdk.wire import clock_ms
from ledger import membertoken
from ledger.limits import MEMBER_TOKEN_SECONDS_MAX


def member_link(
    identity: Identity,
    minutes: Annotated[int, typer.Option(min=1, max=MEMBER_TOKEN_SECONDS_MAX // 60, help="How long it opens.")] = 15,
    as_json: Json = False,
) -> None:
    """Sign a link to your own page: stock, deliveries, claims, receipts, labels. Whoever has it reads them too."""
    opened = unlocked(identity)
    connection, who = opened.connection, opened.identity
    if not connection.web:
        raise NotFound("node.json names no pages; ask the operator for a new one: suyuan-node connection")
    now = clock_ms()
    token = membertoken.MemberToken(
        chain=connection.chain_id, key=who.key_id, member=who.member, node=connection.web,
        not_after=now + minutes * 60_000, time=now,
    )  # fmt: skip
    link = f"{connection.web}/member#{membertoken.sign(token, who.seed)}"
    say(as_json, {"link": link, "minutes": minutes})


def register(app: typer.Typer) -> None:
    app.command(name="member-link")(member_link)
