"""`suyuan import`: a purchase, sales, production or stock-taking book into the ledger; `mapping`: its own words."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from client_sdk import keys
from client_sdk.books import mapping as mappings
from client_sdk.books.booking import Import, Totals
from client_sdk.books.columns import COLUMNS, Book
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planned
from client_sdk.books.reader import BadRow, BookFile
from client_sdk.client import Client
from client_sdk.commands.options import Identity, Json, notes, say, unlocked
from ledger.errors import Malformed

BAD_ROWS_SHOWN_MAX: Final = 50


def import_book(
    book: Annotated[Path, typer.Argument(help="CSV (UTF-8 or GB18030) or .xlsx; see suyuan columns.", exists=False)],
    identity: Identity,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what each row would become; send nothing.")] = False,
    bad: Annotated[Path | None, typer.Option(help="Write the rows that cannot be booked here, to be mended.")] = None,
    as_json: Json = False,
) -> None:
    """Import a purchase, sales, production or stock-taking book. Safe to run again: nothing is booked twice."""
    mapping = mappings.load(identity)
    file = BookFile(book, mapping)
    with _BadRows(bad, file.headers, as_json) as bad_rows, Client(*unlocked(identity)) as member:
        tell = _told(as_json, dry_run, bad_rows)
        run = Import(member, file.kind, mapping, tell)
        if dry_run:
            for _ in run.plan(file):
                pass
        else:
            _book(run, file)
    if file.kind == Book.STOCK and run.totals.booked and not mapping.opening:
        mappings.store(identity, msgspec.structs.replace(mapping, opening="counted"))
    _say_totals(run.totals, as_json)
    if run.totals.bad:
        raise typer.Exit(1)


def _book(run: Import, file: BookFile) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task("booking", total=1.0)
        run.book(
            file,
            lambda: bar.update(task, completed=file.share, description=f"{run.totals.booked:,} rows booked"),
        )


def _told(as_json: bool, dry_run: bool, bad_rows: "_BadRows") -> Callable[[Planned | BadRow], None]:
    def tell(told: Planned | BadRow) -> None:
        if isinstance(told, BadRow):
            bad_rows.add(told)
        elif dry_run and as_json:
            values = {"line": told.row.line, "becomes": told.says, "ref": told.row.ref}
            print(json.dumps(values, ensure_ascii=False))
        elif dry_run:
            print(f"line {told.row.line}: {told.says}")

    return tell


def _say_totals(totals: Totals, as_json: bool) -> None:
    values: dict[str, Any] = {"rows": totals.rows, "booked": totals.booked, "already_booked": totals.already}
    values |= {"bad": totals.bad}
    if as_json:
        say(True, values | {"acts": dict(totals.acts), "reasons": dict(totals.reasons)})
        return
    parts = {"acts": totals.acts, "reasons": totals.reasons}
    told = {name: ", ".join(f"{n:,} {kind}" for kind, n in one.most_common()) for name, one in parts.items() if one}
    say(False, values | told)


class _BadRows:
    """Bad rows as they come: listed (the first ones), and written whole to a file that can be mended and imported."""

    def __init__(self, path: Path | None, headers: list[str], as_json: bool) -> None:
        self._path, self._headers, self._as_json = path, headers, as_json
        self._shown = 0

    def __enter__(self) -> "_BadRows":
        self._file = self._path.open("w", encoding="utf-8-sig", newline="") if self._path is not None else None
        if self._file is not None:
            csv.writer(self._file).writerow([*self._headers, "原行号", "问题", "处理"])
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if self._shown > BAD_ROWS_SHOWN_MAX and not self._as_json:
            more = self._shown - BAD_ROWS_SHOWN_MAX
            where = f"they stand in {self._path}" if self._path else "--bad FILE writes them all"
            notes.print(f"… and {more} more bad rows; {where}", markup=False, highlight=False)

    def add(self, row: BadRow) -> None:
        self._shown += 1
        if self._file is not None:
            cells = [*row.cells, *([""] * len(self._headers))][: len(self._headers)]
            csv.writer(self._file).writerow([*cells, row.line, f"{row.field}: {row.message}", row.remedy])
        if self._as_json:
            values = {"line": row.line, "field": row.field, "message": row.message, "remedy": row.remedy}
            print(json.dumps(values, ensure_ascii=False))
        elif self._shown <= BAD_ROWS_SHOWN_MAX:
            notes.print(str(row), markup=False, highlight=False, soft_wrap=True)


def columns(as_json: Json = False) -> None:
    """The columns that a book may have; those with * it must have."""
    for book in Book:
        fields = COLUMNS[book]
        say(as_json, {book.value: ", ".join(c.header + ("*" if c.needed else "") for c in fields)})


PARTS: Final = {"column": "columns", "product": "products", "party": "parties", "unit": "units", "lot": "lots"}


def mapping(
    identity: Identity,
    part: Annotated[str, typer.Argument(help="column, product, party, unit, lot or opening.")] = "",
    own: Annotated[str, typer.Argument(help="Your word: a header, article number, name, unit or lot.")] = "",
    means: Annotated[str, typer.Argument(help="A header, GTIN, member, number of items, or right lot.")] = "",
    as_json: Json = False,
) -> None:
    """Show or set what your books mean by their own words; kept in your identity folder.

    suyuan mapping column 货号 商品条码 · product K-17 06901234567892 · party 南湖配送 91330400MA… · unit 提 6 ·
    lot 06901234567892#2O25 06901234567892#2025 · opening none"""
    kept = mappings.load(identity)
    if part:
        kept = changed(kept, part, own, means)
        keys.load_public(identity)
        mappings.store(identity, kept)
    say(as_json, {name: value or "" for name, value in msgspec.to_builtins(kept).items()} or {"mapping": "empty"})


def changed(kept: Mapping, part: str, own: str, means: str) -> Mapping:
    """The mapping with one entry set; Malformed where it means nothing."""
    if part == "opening":
        if own not in ("none", "counted"):
            raise Malformed("opening", "say none (there was no stock before the first book) or counted")
        return msgspec.structs.replace(kept, opening=own)
    if part not in PARTS or not own or not means:
        raise Malformed("mapping", f"name one of {', '.join(PARTS)}, your word, and what it means; or opening none")
    if part == "unit" and not means.isdecimal():
        raise Malformed("unit", f"{means!r} is not a number of items")
    value = {**getattr(kept, PARTS[part]), own: int(means) if part == "unit" else means}
    return msgspec.structs.replace(kept, **{PARTS[part]: value})


def register(app: typer.Typer) -> None:
    app.command("import")(import_book)
    app.command()(columns)
    app.command()(mapping)
