"""Records named by the beginning of their hash, as people copy it: looked for among those that a command can mean."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import typer

from client_sdk.access import Unlocked
from client_sdk.client import Client
from client_sdk.commands import parsing
from client_sdk.commands.options import client, unlocked
from client_sdk.errors import NotFound
from ledger import records as r

Among: TypeAlias = tuple[str, Callable[[Client], Iterable[bytes]]]
"""How they are called, with the command that lists them; and their hashes."""


def own(*kinds: type[r.Record]) -> Callable[[Client], Iterator[bytes]]:
    """The hashes of own records of these kinds; of any, where none is named."""

    def hashes(member: Client) -> Iterator[bytes]:
        for envelope in member.own_envelopes():
            yield from (one.hash for one in envelope.records if not kinds or isinstance(one.record, kinds))

    return hashes


WAITING: Final[Among] = (
    "open handovers to you; `suyuan handovers` shows them", lambda member: (one.ship for one in member.handovers())
)  # fmt: skip
CLAIMED_OF_ME: Final[Among] = (
    "open claims against you; `suyuan claims --against-me` shows them",
    lambda member: (one.claim for one in member.claims(against_me=True)),
)


WAITING_OR_SENT: Final[Among] = (
    "open handovers to you, or ships of yours; `suyuan handovers` and `suyuan records` show them",
    lambda member: chain(WAITING[1](member), own(r.Ship)(member)),
)


def own_records(*kinds: type[r.Record]) -> Among:
    return "records of yours that this can mean; `suyuan records` shows them", own(*kinds)


def named(who: Path | Unlocked, start: str, queue: bool, among: Among) -> tuple[Path | Unlocked, bytes]:
    """The whole hash that begins so, and what was unlocked to find it. Queued acts ask no node, so they need all of
    it."""
    whole = parsing.hex_bytes(start)
    if whole is not None:
        return who, whole
    if queue:
        raise typer.BadParameter(f"{start} is not a whole hash of 64 digits, which --queue needs: no node is asked")
    unlocked_once = unlocked(who) if isinstance(who, Path) else who
    with client(unlocked_once) as member:
        found = {one for one in among[1](member) if one.hex().startswith(start)}
    return unlocked_once, only(start, found, among[0])


def only(start: str, found: Collection[bytes], called: str) -> bytes:
    """The one that begins so; NotFound where there is none, wrong usage where there are several."""
    if not found:
        raise NotFound(f"{start} begins none of the {called}")
    if len(found) > 1:
        raise typer.BadParameter(f"{start} begins {len(found)} of the {called}; give more digits")
    return next(iter(found))
