"""The headers of a book: which line has them, which book they belong to, and where each column stands."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from client_sdk.books import cells
from client_sdk.books.columns import COLUMNS, IGNORED, Book, recognise, unit_of
from client_sdk.books.source import Lines, Record
from ledger.errors import Malformed
from ledger.limits import BOOK_TITLE_LINES_MAX

SHOWN_CHARS_MAX: Final = 300


class Head(Struct, frozen=True):
    """`places` are the columns by field, `units` the units of weight that headers give by field; `records` are those
    below the headers."""

    kind: Book
    headers: list[str]
    places: dict[str, int]
    units: dict[str, str]
    records: Iterator[Record]
    lines: Lines


def head(candidates: Iterable[Lines], own: Mapping[str, str], where: str) -> Head:
    """The first of the candidates (the sheets of a workbook) that has the headers of a book, below a title perhaps.
    `own` are headers of the member's own, to usual ones. Malformed with what the likeliest line lacks."""
    flaws: list[tuple[int, str]] = []
    for lines in candidates:
        records = iter(lines)
        for _, (_, texts, flaw) in zip(range(BOOK_TITLE_LINES_MAX), records, strict=False):
            headers = [cells.clean(text) for text in texts]
            if flaw is not None:
                flaws.append((99, f"the headers cannot be read: {flaw.message}; {flaw.remedy}"))
            elif any(headers):
                found = _judged(headers, own)
                if isinstance(found, tuple):
                    kind, places, units = found
                    lines.width = len(headers)
                    return Head(kind, headers, places, units, records, lines)
                flaws.append((found.missing, found.message))
    raise Malformed(where, min(flaws, key=lambda flaw: flaw[0])[1] if flaws else "it is empty")


def _shown(headers: list[str]) -> str:
    text = ", ".join(headers)[:SHOWN_CHARS_MAX]
    return text if text.isprintable() else ascii(text)


class _NoHeaders(Struct, frozen=True):
    """Why a line has not the headers of a book; `missing` is how far it is from having them."""

    missing: int
    message: str


def _judged(headers: list[str], own: Mapping[str, str]) -> tuple[Book, dict[str, int], dict[str, str]] | _NoHeaders:
    meant = ["" if (name := own.get(text, text)) == IGNORED else name for text in headers]
    try:
        kind = recognise(meant)
    except ValueError as error:
        return _NoHeaders(0, str(error))
    places, units, missing = {}, {}, []
    for column in COLUMNS[kind]:
        names = [cells.clean(name) for name in (column.header, *column.others)]
        found = next((name for name in names if name in meant), None)
        if found is None:
            missing += [column.header] if column.needed else []
        elif meant.count(found) > 1:
            return _NoHeaders(0, f"the column {found} stands twice: call one of the two something else")
        else:
            places[column.field], units[column.field] = meant.index(found), unit_of(found)
    if missing:
        return _NoHeaders(len(missing), f"the columns {', '.join(missing)} are missing; found: {_shown(headers)}")
    return kind, places, units
