"""`suyuan import`: a purchase, sales, production or stock-taking book into the ledger; `mapping`: its own words."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from client_sdk import keys
from client_sdk.books import cells
from client_sdk.books import mapping as mappings
from client_sdk.books.badrows import BadRowFile
from client_sdk.books.booking import Import, Totals
from client_sdk.books.headers import asked
from client_sdk.books.line import Planned
from client_sdk.books.mapping import Mapping
from client_sdk.books.packing import CASE
from client_sdk.books.reader import BookFile
from client_sdk.books.rows import BadRow
from client_sdk.commands.options import Identity, Json, client, notes, progress, say, warn
from client_sdk.errors import Overloaded, Unavailable
from ledger.errors import Malformed
from ledger.records import act_of_type

BAD_ROWS_SHOWN_MAX: Final = 1000


def import_book(
    book: Annotated[Path, typer.Argument(help="CSV (UTF-8 or GB18030) or .xlsx; see suyuan columns.", exists=False)],
    identity: Identity,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what each row would become; send nothing.")] = False,
    bad: Annotated[Path | None, typer.Option(help="Write the rows that cannot be booked here, to be mended.")] = None,
    no_opening_stock: Annotated[
        bool, typer.Option("--no-opening-stock", help="There was no stock before the first book; kept.")
    ] = False,
    private_at: Annotated[
        list[str],
        typer.Option(metavar="NODE", help="Keeps prices and contacts (its name: suyuan info); repeatable."),
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Import a purchase, sales, production or stock-taking book. Safe to run again: nothing is booked twice."""
    mapping = mappings.load(identity)
    if no_opening_stock and not mapping.opening:
        mapping = msgspec.structs.replace(mapping, opening="none")
        if not dry_run:
            mappings.store(identity, mapping)
    file = BookFile(book, mapping)
    if bad is not None and bad.exists() and bad.samefile(book):
        raise Malformed(str(bad), "it is the book itself; write the bad rows to another file")
    with BadRowFile(bad, file.headers) as bad_rows, client(identity) as member:
        listed = _Listed(bad_rows, as_json, dry_run)
        run = Import(member, file.kind, mapping, listed.tell, private_at)
        if dry_run:
            for planned in run.plan(file):
                run.totals.acts.update(act_of_type(act.kind).name.lower().replace("_", " ") for act in planned.acts)
        else:
            if run.mapping != mapping:
                mappings.store(identity, run.mapping)
            _book(run, file)
    listed.end(bad)
    _say_totals(run.totals, file.unused, as_json, dry_run)
    _warn_flagged(run.totals, as_json)
    if run.totals.bad:
        raise typer.Exit(1)


def _book(run: Import, file: BookFile) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with progress(*columns) as bar:
        task = bar.add_task("booking", total=1.0)

        def tell() -> None:
            bar.update(task, completed=file.share, description=f"{run.totals.booked:,} rows booked")

        try:
            run.book(file, tell)
        except (Unavailable, Overloaded):
            told = f"{run.totals.booked:,} rows have their receipts; import the book again when the node answers: "
            notes.print(f"{told}nothing is booked twice", markup=False, highlight=False, soft_wrap=True)
            raise


class _Listed:
    """What is told of rows as they come."""

    def __init__(self, bad_rows: BadRowFile, as_json: bool, dry_run: bool) -> None:
        self._bad_rows, self._as_json = bad_rows, as_json
        self._says = self._say if dry_run else lambda planned: None
        self._shown = 0

    def tell(self, told: Planned | BadRow) -> None:
        if not isinstance(told, BadRow):
            self._says(told)
            return
        self._bad_rows.add(told)
        self._shown += 1
        if self._as_json:
            values = {"line": told.line, "field": told.field, "message": told.message, "remedy": told.remedy}
            print(json.dumps(values, ensure_ascii=False))
        elif self._shown <= BAD_ROWS_SHOWN_MAX:
            notes.print(str(told), markup=False, highlight=False, soft_wrap=True)

    def _say(self, planned: Planned) -> None:
        says = "; ".join(filter(None, (planned.says, planned.stale)))
        if self._as_json:
            values = {"line": planned.row.line, "becomes": says, "ref": planned.row.ref}
            print(json.dumps(values, ensure_ascii=False))
        else:
            print(f"line {planned.row.line}: {says}")

    def end(self, path: Path | None) -> None:
        if self._shown > BAD_ROWS_SHOWN_MAX and not self._as_json:
            where = f"they stand in {path}" if path is not None else "--bad FILE writes them all, --json lists them"
            more = self._shown - BAD_ROWS_SHOWN_MAX
            notes.print(f"… and {more} more bad rows; {where}", markup=False, highlight=False)


def _say_totals(totals: Totals, unused: dict[str, str], as_json: bool, dry_run: bool) -> None:
    left = totals.rows - totals.already - totals.bad
    booked = {"would_book": left} if dry_run else {"booked": totals.booked}
    values: dict[str, Any] = {"rows": totals.rows} | booked | {"already_booked": totals.already}
    values |= {"bad": totals.bad} | ({"private_waiting": totals.private} if totals.private else {})
    values |= {"flagged": totals.flagged.total()} if totals.flagged else {}
    if as_json:
        more: dict[str, Any] = {"columns_not_used": unused} if unused else {}
        if totals.flagged:
            first = [{"line": one.line, "reason": one.reason, "says": one.says} for one in totals.flags]
            more |= {"flagged_as": dict(totals.flagged), "flagged_first": first}
        say(True, values | {"acts": dict(totals.acts), "reasons": dict(totals.reasons)} | more)
        return
    parts = {"acts": totals.acts, "reasons": totals.reasons, "flagged as": totals.flagged}
    told = {name: ", ".join(f"{n:,} {kind}" for kind, n in one.most_common()) for name, one in parts.items() if one}
    passed_over = {"columns not used": [", ".join(unused), *asked(unused)]} if unused else {}
    say(False, values | told | passed_over)


def _warn_flagged(totals: Totals, as_json: bool) -> None:
    """Rows that are booked and count against the member: the first of them by name, in JSON as `flagged_first`."""
    if as_json:
        return
    for one in totals.flags:
        warn(f"line {one.line} is booked and flagged: {one.says}")
    if more := totals.flagged.total() - len(totals.flags):
        warn(f"and {more:,} more rows are booked and flagged; suyuan positions counts what went out irregular")


PARTS: Final = {"column": "columns", "product": "products", "party": "parties", "unit": "units", "lot": "lots"}


def mapping(
    identity: Identity,
    part: Annotated[str, typer.Argument(help="column, product, party, unit, lot or opening.")] = "",
    own: Annotated[str, typer.Argument(help="Your word: a header, article number, name, unit or lot.")] = "",
    means: Annotated[str, typer.Argument(help="A header, GTIN, member, number of items or case, or right lot.")] = "",
    forget: Annotated[bool, typer.Option("--forget", help="Forget what your word means.")] = False,
    as_json: Json = False,
) -> None:
    """Show or set what your books mean by their own words; kept in your identity folder.

    suyuan mapping column 货号 商品条码 · product K-17 06901234567892 · party 南湖配送 91330400MA… · unit 提 6 ·
    unit '06901234567892 箱' 12 · lot 06901234567892#2O25 06901234567892#2025 · opening none"""
    kept = mappings.load(identity)
    if part:
        change = forgotten if forget else changed
        kept = change(kept, cells.clean(part), cells.clean(own), cells.clean(means))
        keys.load_public(identity)
        mappings.store(identity, kept)
    say(as_json, {name: value or "" for name, value in msgspec.to_builtins(kept).items()} or {"mapping": "empty"})


def changed(kept: Mapping, part: str, own: str, means: str) -> Mapping:
    """The mapping with one entry set; Malformed where it means nothing."""
    if part == "opening":
        if own not in ("none", "counting", "counted"):
            raise Malformed("opening", "say none (there was no stock before the first book), counting or counted")
        return msgspec.structs.replace(kept, opening=own)
    _check_part(part, own)
    if not means:
        raise Malformed("mapping", f"say what {own} means, or --forget it")
    if part == "unit" and means != CASE and not (means.isascii() and means.isdigit() and 0 < int(means) < 10**12):
        raise Malformed("unit", f"{means!r} is neither a number of items nor {CASE}")
    value = int(means) if part == "unit" and means != CASE else means
    return msgspec.structs.replace(kept, **{PARTS[part]: {**getattr(kept, PARTS[part]), own: value}})


def forgotten(kept: Mapping, part: str, own: str, means: str) -> Mapping:
    """The mapping without one entry."""
    if part == "opening":
        return msgspec.structs.replace(kept, opening="")
    _check_part(part, own)
    entries = getattr(kept, PARTS[part])
    if own not in entries:
        raise Malformed(part, f"{own} is not in the mapping; it has {', '.join(entries) or 'none'}")
    return msgspec.structs.replace(kept, **{PARTS[part]: {one: v for one, v in entries.items() if one != own}})


def _check_part(part: str, own: str) -> None:
    if part not in PARTS or not own:
        raise Malformed("mapping", f"name one of {', '.join(PARTS)}, your word, and what it means; or opening none")


def register(app: typer.Typer) -> None:
    app.command("import")(import_book)
    app.command()(mapping)
