"""`suyuan watch`: what others did that concerns a member, as it happens."""

import datetime as dt
import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from client_sdk import errors
from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, client, console, notes
from client_sdk.says import says
from client_sdk.wire import Event, News
from ledger.errors import Malformed

PLACE_FILE: Final = "watched-leaf.txt"
RETRY_SECONDS_MAX: Final = 60


def watch(
    identity: Identity,
    once: Annotated[bool, typer.Option(help="End when all that happened so far is told.")] = False,
    from_leaf: Annotated[int, typer.Option("--from", help="Begin at this leaf, instead of where it ended.")] = -1,
    as_json: Json = False,
) -> None:
    """Tell handovers, claims, corrections, holds and recalls that concern you, from where it ended the last time.

    The place is kept after a message was told, so nothing is left out; after a crash the last one may come twice."""
    place = identity / PLACE_FILE
    leaf = from_leaf if from_leaf >= 0 else _read(place)
    with client(identity) as member:
        while True:
            try:
                leaf = _follow(member, leaf, once, as_json, place)
                if once:
                    return
            except errors.Unavailable as error:
                if once:
                    raise
                notes.print(f"{error}; trying again", markup=False, highlight=False)
                _wait_for(member)


def _follow(member: Client, leaf: int, once: bool, as_json: bool, place: Path) -> int:
    for news in member.subscribe(leaf, until_now=once):
        _tell(news, as_json)
        leaf = news.next_leaf
        _write(place, leaf)
    return leaf


def _wait_for(member: Client) -> None:
    pause = 1.0
    while True:
        time.sleep(pause)
        try:
            member.node_info()
        except errors.Unavailable:
            pause = min(2 * pause, RETRY_SECONDS_MAX)
        else:
            return


def _tell(news: News, as_json: bool) -> None:
    for event in news.events:
        if as_json:
            values = {"leaf": event.leaf, "index": event.index, "member": event.member, "hash": event.hash.hex()}
            print(json.dumps({**values, "says": says(event.record, event.amounts)}, ensure_ascii=False), flush=True)
        else:
            console.print(_line(event), markup=False, highlight=False, soft_wrap=True)


def _line(event: Event) -> str:
    when = dt.datetime.fromtimestamp(event.time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{when}  {event.member}: {says(event.record, event.amounts)}  {event.hash.hex()}"


def _read(place: Path) -> int:
    try:
        return int(place.read_text())
    except FileNotFoundError:
        return 0
    except ValueError:
        raise Malformed(str(place), "not the number of a leaf; remove it to be told all from the beginning") from None


def _write(place: Path, leaf: int) -> None:
    """Whole or not at all."""
    part = place.with_suffix(".part")
    part.write_text(f"{leaf}\n")
    part.replace(place)


def register(app: typer.Typer) -> None:
    app.command()(watch)
