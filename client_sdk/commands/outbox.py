"""`suyuan outbox`: what was signed and waits for its receipt; send it, try it again, give it up."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import keys, when
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, client, console, notes, progress, say, unlocked
from client_sdk.commands.words import told
from client_sdk.outbox import Entry, Event, Kind, Outbox, Report, State

RECORDS_SHOWN_MAX = 3
BACKOFF_SECONDS = 1
BACKOFF_SECONDS_MAX = 60

app = typer.Typer(help="What was signed and is not booked yet. Without a command: list it, in order.")
Number = Annotated[int, typer.Argument(help="The entry's number, as `suyuan outbox` lists it.")]


def queue(identity: keys.Identity, chain: bytes, acts: Iterable[Act]) -> dict[str, Any]:
    """Sign acts and leave them in the outbox of an identity, on disk when this returns; what there is to say about
    it. No node is asked."""
    with Outbox(identity.folder, chain, identity) as outbox:
        entries = outbox.add(acts)
    hashes = [name.hex() for entry in entries for name in entry.hashes]
    named = {"record": hashes[0]} if len(hashes) == 1 else {"records": len(hashes)}
    return named | {"entry": entries[-1].number, "waits": "in the outbox; send it with: suyuan outbox send"}


def _outbox(folder: Path) -> Outbox:
    """For what needs no signature, and so no passphrase."""
    return Outbox(folder, keys.load_connection(folder / "node.json").chain_id)


@app.callback(invoke_without_command=True)
def listing(
    context: typer.Context,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", envvar="SUYUAN_IDENTITY", help="Identity folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what waits, in order, and what to do about it."""
    if context.invoked_subcommand is not None:
        return
    if identity is None:
        raise typer.BadParameter("name the identity folder: --identity")
    with _outbox(identity) as outbox:
        show = _print if as_json else _show
        entry = None
        for entry in outbox.waiting():
            show(entry)
        if entry is None and not as_json:
            console.print("nothing waits")


def _print(entry: Entry) -> None:
    print(json.dumps(_as_values(entry), ensure_ascii=False))


def _as_values(entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.number,
        "state": entry.state.value,
        "envelope": entry.id.hex(),
        "records": [{"record": one.hash.hex(), "says": told(one.record, one.amounts)} for one in entry.records],
        "explanation": entry.explanation,
        "problems": [
            {"rule": one.rule, "record": one.record, "field": one.field, "message": one.message, "remedy": one.remedy}
            for one in entry.problems
        ],
        "leaf": entry.leaf,
    }


def _show(entry: Entry) -> None:
    records = entry.records
    _line(f"{entry.number:>4}  {entry.state.value}: {entry.explanation}")
    for one in records[:RECORDS_SHOWN_MAX]:
        _line(f"      {told(one.record, one.amounts)}")
    if len(records) > RECORDS_SHOWN_MAX:
        _line(f"      and {len(records) - RECORDS_SHOWN_MAX} more")


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command()
def send(
    identity: Identity,
    keep_trying: Annotated[
        bool, typer.Option("--keep-trying", help="Go on, with pauses, until nothing is left to send.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send what waits, in order. Exit code 1 where something still waits or was refused."""
    who = unlocked(identity)
    with Outbox(identity, who.chain_id, who.identity) as outbox, client(who) as member:
        total = _send(outbox, member, keep_trying)
        left = sum(1 for _ in outbox.waiting())
    stands = {"booked": total.booked, "refused": total.refused, "private_given": total.given, "left": left}
    say(as_json, stands | ({"stopped": total.stopped} if total.stopped else {}))
    if left:
        notes.print("suyuan: see what is left, and why, with: suyuan outbox", markup=False, highlight=False)
        raise typer.Exit(1)


def _send(outbox: Outbox, member: Client, keep_trying: bool) -> Report:
    """One run, or runs until one gets through; pauses grow while nothing is booked."""
    total, pause = Report(), BACKOFF_SECONDS
    waiting = sum(1 for entry in outbox.waiting() if entry.state is not State.REFUSED)
    with progress() as bar:
        task = bar.add_task("sending", total=waiting)

        def tell(event: Event) -> None:
            if event.kind is Kind.BOOKED:
                bar.advance(task)
            if event.kind is Kind.REFUSED:
                bar.print(f"{event.entry.number}: {event.says}", markup=False, highlight=False, soft_wrap=True)

        while True:
            run = outbox.send(member, tell)
            total = Report(
                total.booked + run.booked,
                total.refused + run.refused,
                total.given + run.given,
                run.stopped,
                run.again,
            )
            if not (keep_trying and run.stopped and run.again):
                return total
            pause = BACKOFF_SECONDS if run.booked else min(2 * pause, BACKOFF_SECONDS_MAX)
            bar.print(f"{run.stopped}; trying again in {pause} s", markup=False, highlight=False, soft_wrap=True)
            time.sleep(pause)


@app.command()
def retry(identity: Identity, number: Number, as_json: Json = False) -> None:
    """Let an entry that was refused be signed anew; `suyuan outbox send` sends it at its old place in the order."""
    with _outbox(identity) as outbox:
        outbox.retry(number)
    say(as_json, {"entry": number, "state": "waiting", "next": "suyuan outbox send"})


@app.command()
def drop(
    identity: Identity,
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the number.")],
    as_json: Json = False,
) -> None:
    """Give up an entry that is not booked."""
    with _outbox(identity) as outbox:
        outbox.drop(number, reason)
    say(as_json, {"entry": number, "state": "dropped", "reason": reason})


@app.command()
def done(identity: Identity, as_json: Json = False) -> None:
    """List what was booked or given up lately; as JSON with its receipt, a C2SP tlog-proof that anybody can check."""
    with _outbox(identity) as outbox:
        for entry in outbox.settled():
            if as_json:
                receipt = {
                    "time_ms": entry.changed_ms,
                    "time": when.iso(entry.changed_ms),
                    "receipt": entry.receipt.decode(),
                }
                print(json.dumps(_as_values(entry) | receipt, ensure_ascii=False))
            else:
                _line(f"{entry.number:>4}  {when.shown(entry.changed_ms)}  {entry.explanation}  {entry.id.hex()}")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="outbox")
