"""`suyuan outbox`: what is signed here and not witnessed yet, why, and sending it."""

import datetime as dt
import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, console, notes, say, unlocked
from client_sdk.outbox import Entry, Outbox, Sent, SetAside, State
from client_sdk.says import sealed_says
from ledger.envelope import ENVELOPE, HEADER

RETRY_SECONDS_MAX = 300
EXPLAINED = {
    State.WAITING: "waits to be sent",
    State.SENT: "was sent, its outcome is unknown: it will be asked for, not sent blindly",
    State.BOOKED: "is booked; its private openings are still to be delivered",
}

app = typer.Typer(no_args_is_help=False, help="What is signed here and waits to be witnessed by the ledger.")
Number = Annotated[int, typer.Argument(help="As `suyuan outbox` shows it.")]


def opened(folder: Identity) -> Outbox:
    connection, identity = unlocked(folder)
    return Outbox(identity, connection.chain_id)


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", envvar="SUYUAN_IDENTITY", help="Identity folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what waits, in the order in which it will be sent, and explain it."""
    if context.invoked_subcommand is not None:
        return
    if identity is None:
        raise typer.BadParameter("name the identity folder with --identity (or SUYUAN_IDENTITY)")
    with opened(identity) as outbox:
        waiting, aside = outbox.waiting(), outbox.set_aside()
        for entry in waiting:
            _tell_waiting(entry, as_json)
        for one in aside:
            _tell_refused(one, as_json)
        if not as_json:
            counts = {"waiting": len(waiting), "refused": len(aside), "receipts kept": len(outbox.receipts())}
            say(False, counts)


def _tell_waiting(entry: Entry, as_json: bool) -> None:
    envelope = ENVELOPE.decode(entry.envelope.wire)
    pairs = zip(envelope.records, envelope.openings, strict=True)
    lines = [sealed_says(record, opening) for record, opening in pairs]
    title = f"signed {_moment(HEADER.decode(envelope.header).time)}: {EXPLAINED[entry.state]}"
    _tell(as_json, title, lines, entry.note, {"id": entry.envelope.id.hex(), "state": entry.state.value})


def _tell_refused(one: SetAside, as_json: bool) -> None:
    lines = [sealed_says(sealed.record, sealed.opening) for sealed in one.records]
    why = "; ".join(str(problem) for problem in one.problems)
    title = f"{one.number}: refused {_moment(one.time_ms)}; suyuan outbox retry {one.number}, or drop {one.number}"
    _tell(as_json, title, lines, why, {"number": one.number, "state": "refused"})


def _tell(as_json: bool, title: str, lines: list[str], note: str, values: dict[str, object]) -> None:
    if as_json:
        print(json.dumps({**values, "records": lines, "note": note}, ensure_ascii=False))
        return
    for line in (title, *(f"    {one}" for one in lines), *([f"  {note}"] if note else [])):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _moment(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


@app.command()
def send(
    identity: Identity,
    keep_trying: Annotated[bool, typer.Option(help="Until all is sent; Ctrl-C ends it, and loses nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send what waits, in order. Exit code 1 where something still waits or was refused."""
    connection, me = unlocked(identity)
    with Outbox(me, connection.chain_id) as outbox, Client(connection, me) as member:
        total, pause = _send(outbox, member), 1.0
        while total.stopped and keep_trying:
            notes.print(f"{total.stopped}; trying again in {pause:.0f} s", markup=False, highlight=False)
            time.sleep(pause)
            sent = _send(outbox, member)
            pause = 1.0 if sent.booked else min(2 * pause, RETRY_SECONDS_MAX)
            total = Sent(total.booked + sent.booked, total.refused + sent.refused, sent.stopped)
    say(as_json, {"booked": total.booked, "refused": total.refused, "stopped": total.stopped or "all is sent"})
    if total.stopped or total.refused:
        raise typer.Exit(1)


def _send(outbox: Outbox, member: Client) -> Sent:
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=notes, transient=True) as bar:
        task = bar.add_task("sending")
        return outbox.send(member, lambda sent: bar.update(task, description=f"{sent.booked} records booked"))


@app.command()
def retry(identity: Identity, number: Number, as_json: Json = False) -> None:
    """Sign refused records anew; `suyuan outbox send` sends them after all that waits."""
    with opened(identity) as outbox:
        outbox.retry(number)
    say(as_json, {"number": number, "state": "waiting"})


@app.command()
def drop(identity: Identity, number: Number, as_json: Json = False) -> None:
    """Give refused records up."""
    with opened(identity) as outbox:
        outbox.drop(number)
    say(as_json, {"number": number, "state": "given up"})


@app.command()
def receipts(identity: Identity, as_json: Json = False) -> None:
    """The newest receipts of what was sent from here, as C2SP tlog-proofs."""
    with opened(identity) as outbox:
        for one in outbox.receipts():
            if as_json:
                values = {"envelope": one.id.hex(), "leaf": one.leaf, "proof": one.proof.decode()}
                print(json.dumps(values, ensure_ascii=False))
            else:
                print(f"{_moment(one.time_ms)}  leaf {one.leaf}  envelope {one.id.hex()}")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="outbox")
