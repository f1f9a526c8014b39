"""`suyuan import`: a purchase/sales book into the ledger."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from client_sdk import build
from client_sdk.books.columns import COLUMNS, Book
from client_sdk.books.importer import Importer, OpenShip, Planned
from client_sdk.books.reader import BadRow, read
from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, client, notes, say
from client_sdk.errors import EnvelopeRefused
from ledger.custody import side_of
from ledger.errors import SuyuanError

BAD_ROWS_SHOWN_MAX = 50


def importer_for(member: Client) -> Importer:
    """What the node knows of this member, as an import starts from it."""
    held = [(position.lot, position.site, position.held) for position in member.positions()]
    ships = [
        OpenShip(one.ship, one.lot, one.owner, one.ref, one.open, one.time_ms)
        for one in member.handovers()
        if one.to == member.member_id
    ]
    return Importer(member, member.member_id, held, ships, frozenset(_booked(member)))


def _booked(member: Client) -> Iterator[tuple[str, str]]:
    for envelope in member.own_envelopes():
        for record, amounts, _ in envelope.records:
            if amounts is not None:
                yield side_of(record), amounts.ref


def import_book(
    book: Annotated[Path, typer.Argument(help="CSV with Chinese headers; see --columns.", exists=False)],
    identity: Identity,
    dry_run: Annotated[bool, typer.Option(help="Say what each row would become, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import a purchase, sales or production book. Safe to run again: what is booked is not booked twice."""
    with client(identity) as member:
        planned, bad, already = _plan(member, book)
        if dry_run:
            _tell(planned, as_json)
        counts = Counter[str]()
        if not dry_run:
            counts, refused = submit_planned(member, planned)
            bad += refused
    _tell_bad(bad, as_json)
    says = {"rows": len(planned) + len(bad) - counts["refused"] + already, "planned": len(planned)}
    says |= {"booked": counts["booked"], "already_booked": already, "bad": len(bad)}
    say(as_json, says)
    if bad:
        raise typer.Exit(1)


def _plan(member: Client, book: Path) -> tuple[list[Planned], list[BadRow], int]:
    importer = importer_for(member)
    planned: list[Planned] = []
    bad: list[BadRow] = []
    for result in importer.plan(read(book)):
        if isinstance(result, BadRow):
            bad.append(result)
        else:
            planned.append(result)
    return planned, bad, importer.already


def submit_planned(member: Client, planned: list[Planned]) -> tuple[Counter[str], list[BadRow]]:
    """Send what was planned, in order. Where a rule refuses rows of an envelope, they are named and the rest is
    signed anew, so that one bad row does not hold up its neighbours."""
    counts: Counter[str] = Counter()
    refused: list[BadRow] = []
    todo = planned
    with Progress(console=notes, transient=True) as progress:
        task = progress.add_task("booking", total=len(planned))
        while todo:
            again: list[Planned] = []
            for rows, result in _sent(member, todo):
                if isinstance(result, EnvelopeRefused):
                    wrong = {p.record: p for p in result.problems if p.record is not None}
                    if not wrong:
                        raise result
                    refused += [BadRow(rows[i].row.line, p.field, p.message, p.remedy) for i, p in wrong.items()]
                    counts["refused"] += len(wrong)
                    again += [row for i, row in enumerate(rows) if i not in wrong]
                elif isinstance(result, SuyuanError):
                    raise result
                else:
                    counts["booked"] += len(rows)
                progress.update(task, completed=counts["booked"] + counts["refused"])
            todo = again
    return counts, refused


def _sent(member: Client, planned: list[Planned]) -> Iterator[tuple[list[Planned], object]]:
    """Each envelope's rows with its result."""
    rows_of: dict[bytes, list[Planned]] = {}

    def envelopes() -> Iterator[build.SignedEnvelope]:
        done = 0
        for envelope in member.sign(row.act for row in planned):
            rows_of[envelope.id] = planned[done : done + len(envelope.hashes)]
            done += len(envelope.hashes)
            yield envelope

    for envelope, result in member.submit_stream(envelopes()):
        yield rows_of.pop(envelope.id), result


def _tell(planned: Iterable[Planned], as_json: bool) -> None:
    for one in planned:
        if as_json:
            print(json.dumps({"line": one.row.line, "becomes": one.says, "ref": one.row.ref}, ensure_ascii=False))
        else:
            print(f"line {one.row.line}: {one.says}")


def _tell_bad(bad: list[BadRow], as_json: bool) -> None:
    if as_json:
        for row in bad:
            print(
                json.dumps(
                    {"line": row.line, "field": row.field, "message": row.message, "remedy": row.remedy},
                    ensure_ascii=False,
                )
            )
        return
    for row in bad[:BAD_ROWS_SHOWN_MAX]:
        notes.print(str(row), markup=False, highlight=False, soft_wrap=True)
    if len(bad) > BAD_ROWS_SHOWN_MAX:
        notes.print(f"… and {len(bad) - BAD_ROWS_SHOWN_MAX} more; --json lists them all")


def columns(as_json: Json = False) -> None:
    """The columns that a book may have."""
    for book in Book:
        fields = COLUMNS[book]
        say(as_json, {book.value: ", ".join(c.header + ("*" if c.needed else "") for c in fields)})


def register(app: typer.Typer) -> None:
    app.command("import")(import_book)
    app.command()(columns)
