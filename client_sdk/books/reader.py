"""Reading a book: CSV with Chinese headers, row by row; every bad row is named, none stops the rest."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import CASE_UNITS, COLUMNS, ITEM_UNITS, Book, recognise
from client_sdk.books.ref import Refs
from ledger import identifiers as ids
from ledger.errors import Malformed

FIELD_CHARS_MAX: Final = 4096


class Row(Struct, frozen=True):
    """One row of a book, checked by itself. `line` is its first in the file, `in_cases` the unit, `at` in ms."""

    line: int
    book: Book
    at: int
    ref: str
    gtin: str
    name: str
    quantity: int
    in_cases: bool
    lot: str
    production: int | None
    shelf_days: int | None
    party: str
    party_code: str
    certificate: str
    site: str


class BadRow(Struct, frozen=True):
    """Why a row cannot be booked, and what would cure it."""

    line: int
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        cure = f"; {self.remedy}" if self.remedy else ""
        return f"line {self.line}, {self.field}: {self.message}{cure}"


def read(path: Path) -> Iterator[Row | BadRow]:
    """The rows of a CSV book in order. Malformed where the file as a whole is no book."""
    with path.open("rb") as file:
        yield from _rows(_records(_decoded(file, str(path))), str(path))


def _decoded(file: Iterable[bytes], where: str) -> Iterator[str]:
    """Line by line, so that the line that is not UTF-8 can be named."""
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            remedy = "save the book as CSV UTF-8 (a spreadsheet's plain CSV is GB18030) and try again"
            raise Malformed(f"{where}, line {number}", f"not UTF-8; {remedy}") from None


def _records(lines: Iterator[str]) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """(first line, cells), or the error in place of the cells. A quoted cell may span lines."""
    csv.field_size_limit(FIELD_CHARS_MAX)
    reader = csv.reader(lines, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, csv.Error(f"{error}, in lines {first} to {reader.line_num}")
        else:
            yield first, record


def _rows(records: Iterator[tuple[int, list[str] | csv.Error]], where: str) -> Iterator[Row | BadRow]:
    _, first = next(records, (1, []))
    if isinstance(first, csv.Error):
        raise Malformed(where, f"the headers cannot be read: {first}")
    headers = [cells.clean(header) for header in first]
    try:
        book = recognise(headers)
    except ValueError as error:
        raise Malformed(where, str(error)) from None
    places = _places(headers, book, where)
    refs = Refs()
    for line, record in records:
        try:
            if isinstance(record, csv.Error):
                raise BadCell("row", str(record), "check the quotes and commas there")
            texts = [cells.clean(cell) for cell in record]
            if any(texts):
                yield _row(line, book, _values(texts, places, len(headers)), refs)
        except BadCell as bad:
            yield BadRow(line, bad.field, bad.message, bad.remedy)


def _places(headers: list[str], book: Book, where: str) -> dict[str, int]:
    """Field -> column number; Malformed naming every needed column that is missing."""
    places: dict[str, int] = {}
    missing = []
    for column in COLUMNS[book]:
        found = [headers.index(name) for name in map(cells.clean, (column.header, *column.others)) if name in headers]
        if found:
            places[column.field] = found[0]
        elif column.needed:
            missing.append(column.header)
    if missing:
        raise Malformed(
            where, f"the columns {', '.join(missing)} are missing; found: {', '.join(headers) or 'nothing'}"
        )
    return places


def _values(texts: list[str], places: dict[str, int], columns: int) -> dict[str, str]:
    if any(texts[columns:]):
        remedy = "put numbers and names that hold a comma in quotes"
        raise BadCell("row", f"{len(texts)} cells stand under {columns} headers", remedy)
    return {field: texts[at] if at < len(texts) else "" for field, at in places.items()}


def _row(line: int, book: Book, values: dict[str, str], refs: Refs) -> Row:
    gtin = cells.gtin(values["gtin"])
    production = cells.day(values.get("production", ""))
    lot = _lot(gtin, values.get("lot", ""), production)
    at = cells.time_ms(values.get("date") or (values["production"] if book == Book.PRODUCTION else ""))
    quantity, in_cases = cells.quantity(values["quantity"]), _in_cases(values)
    party, code = values.get("party", ""), cells.party_code(values.get("party_code", ""))
    site = values.get("site", "")
    content = at, gtin, lot, quantity, in_cases, code or party, site
    return Row(
        line=line,
        book=book,
        at=at,
        ref=refs.ref(values.get("document", ""), values.get("line", ""), content),
        gtin=gtin,
        name=values.get("name", ""),
        quantity=quantity,
        in_cases=in_cases,
        lot=lot,
        production=production,
        shelf_days=cells.shelf_days(values.get("shelf_life", ""), production),
        party=party,
        party_code=code,
        certificate=values.get("certificate", ""),
        site=site,
    )


def _lot(gtin: str, number: str, production: int | None) -> str:
    """`#` and the lot number, or `@` and the production date of goods without one."""
    if not number and production is None:
        raise BadCell("批号", "neither lot number nor production date", "one of them tells the goods apart")
    suffix = f"#{number}" if number else f"@{production}"
    try:
        ids.check_lot_id(gtin + suffix)
    except Malformed as error:
        raise BadCell("批号", error.message, "use the lot number as it is printed") from None
    return suffix


def _in_cases(values: dict[str, str]) -> bool:
    """A production book may leave the column out; it counts items then."""
    unit = values.get("unit")
    if unit is None or unit in ITEM_UNITS:
        return False
    if unit not in CASE_UNITS:
        raise BadCell("单位", f"{unit!r} is not known", f"one of {' '.join(sorted(CASE_UNITS | ITEM_UNITS))}")
    return True
