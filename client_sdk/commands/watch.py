"""`suyuan watch`: what others do that concerns you, as it happens, and how it is named.

The place in the log up to which everything was printed stands in the identity folder, and is written after the lines
are out: nothing is ever left out, and a crash in between prints the last lines once more.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from client_sdk import when
from client_sdk.client import Client
from client_sdk.commands.answers import Answers
from client_sdk.commands.options import INDENT, Identity, Json, client, notes, unlocked
from client_sdk.commands.words import answer_to, told
from client_sdk.errors import EnvelopeRefused, Overloaded, Unavailable
from client_sdk.wire import Event, News
from ledger import records as r
from ledger.errors import Malformed

PLACE_FILE: Final = "watched.json"
PAUSE_SECONDS: Final = 1
PAUSE_SECONDS_MAX: Final = 60


class Place:
    """Where one reader of one chain stands, in a file that is replaced whole."""

    def __init__(self, folder: Path, chain: str) -> None:
        self._path = folder / PLACE_FILE
        self._chain = chain
        self.leaf = 0
        if self._path.exists():
            try:
                kept = json.loads(self._path.read_bytes())
                chain, self.leaf = str(kept["chain"]), int(kept["leaf"])
            except (ValueError, KeyError, TypeError) as error:
                raise Malformed(str(self._path), f"{error}; remove it, or say where to begin with --from") from None
        if chain != self._chain:
            raise Malformed(str(self._path), f"it is about chain {chain}; remove it to watch {self._chain}")

    def store(self, leaf: int) -> None:
        part = self._path.with_suffix(".part")
        with part.open("w") as file:
            file.write(json.dumps({"chain": self._chain, "leaf": leaf}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        self.leaf = leaf


def watch(
    identity: Identity,
    once: Annotated[bool, typer.Option("--once", help="Stop when everything up to now was told.")] = False,
    from_leaf: Annotated[
        int | None, typer.Option("--from", min=0, help="Begin at this leaf of the log, not where the last run ended.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what others do that concerns you: handovers, claims, disputes, corrections, holds and recalls.

    Goes on where the last run ended, without gaps; what was printed right before a crash may be printed again.
    """
    who = unlocked(identity)
    place = Place(identity, who.connection.chain)
    if from_leaf is not None:
        place.leaf = from_leaf
    with client(who) as member:
        names, answers = _Names(member), Answers(member)
        _follow(member, place, once, lambda event: _print(event, names, answers, as_json))


def _follow(member: Client, place: Place, once: bool, show: Callable[[Event], None]) -> None:
    """Read on from the stored place; where the node cannot be reached, again and again."""
    pause = PAUSE_SECONDS
    while True:
        try:
            for news in member.subscribe(place.leaf, until_now=once):
                _tell(news, place, show)
                pause = PAUSE_SECONDS
            if once:
                return
        except EnvelopeRefused as error:
            raise Malformed(
                "watch", f"{error}. This log is shorter than what was watched: another node, or one put back? "
                "Ask its operator; begin anew with --from 0",
            ) from None  # fmt: skip
        except (Unavailable, Overloaded) as error:
            if once:
                raise
            notes.print(f"{error}; trying again in {pause} s", markup=False, highlight=False, soft_wrap=True)
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _tell(news: News, place: Place, show: Callable[[Event], None]) -> None:
    for event in news.events:
        show(event)
    sys.stdout.flush()
    place.store(news.next_leaf)


class _Names:
    """Members' names, asked for once each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known = {client.member_id: "you"}

    def __call__(self, member: str) -> str:
        if member not in self._known:
            entry = self._client.member(member)
            self._known[member] = f"{entry.name} {member}" if entry is not None else member
        return self._known[member]


def _print(event: Event, name: Callable[[str], str], answers: Answers, as_json: bool) -> None:
    says, answered = told(event.record, event.amounts, name), answers.place_of(event)
    answer = "" if answered or answers.counts_alone(event) else answer_to(event.record, event.amounts)
    target = getattr(event.record, "target", None)
    about = target.hex() if target is not None else ""
    if not as_json:
        print(f"{event.leaf}/{event.index}  {when.shown(event.time_ms)}  {name(event.member)} {says}")
        print(f"{INDENT}{event.hash.hex()}")
        asks = answer and f"counts when you sign the same, once: {answer}"
        for text in (about and f"about {about}", asks, answered and f"you signed the same: {answered}"):
            if text:
                print(f"{INDENT}{text}")
        return
    act = r.act_of_type(type(event.record)).name.lower()
    values = {"leaf": event.leaf, "index": event.index, "place": f"{event.leaf}/{event.index}"}
    values |= {"time_ms": event.time_ms, "time": when.iso(event.time_ms), "member": event.member, "act": act}
    values |= {"record": event.hash.hex(), "says": says}
    values |= ({"target": about} if about else {}) | ({"answer": answer} if answer else {})
    values |= {"answered": answered} if answered else {}
    print(json.dumps(values, ensure_ascii=False))


def register(app: typer.Typer) -> None:
    app.command()(watch)
