"""`suyuan import`: a purchase/sales book into the ledger."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from client_sdk.books import booking
from client_sdk.books.columns import COLUMNS, Book
from client_sdk.books.importer import Planned
from client_sdk.books.reader import BadRow, read
from client_sdk.commands.options import Identity, Json, client, notes, say

BAD_ROWS_SHOWN_MAX = 50


def import_book(
    book: Annotated[Path, typer.Argument(help="CSV with Chinese headers; see --columns.", exists=False)],
    identity: Identity,
    dry_run: Annotated[bool, typer.Option(help="Say what each row would become, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import a purchase, sales or production book. Safe to run again: what is booked is not booked twice."""
    with client(identity) as member:
        planned, bad, already = booking.plan(member, read(book))
        counts = Counter[str]()
        if dry_run:
            _tell(planned, as_json)
        else:
            with Progress(console=notes, transient=True) as bar:
                task = bar.add_task("booking", total=len(planned))
                counts, refused = booking.book(member, planned, lambda rows: bar.update(task, completed=rows))
            bad += refused
    _tell_bad(bad, as_json)
    says = {"rows": len(planned) + len(bad) - counts["refused"] + already, "planned": len(planned)}
    says |= {"booked": counts["booked"], "already_booked": already, "bad": len(bad)}
    say(as_json, says)
    if bad:
        raise typer.Exit(1)


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
