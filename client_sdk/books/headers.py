"""The headers of a book: which line has them, which book they belong to, and where each column stands."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from client_sdk.books import cells
from client_sdk.books.badrows import ABOUT
from client_sdk.books.columns import COLUMNS, IGNORED, Book, Column, recognise, unit_of
from client_sdk.books.source import Lines, Record
from ledger.errors import Malformed
from ledger.limits import BOOK_TITLE_LINES_MAX

SHOWN_CHARS_MAX: Final = 300
NEAR_RATIO: Final = 0.7  # of characters that two headers share: 生产批 and 生产批号, not 货号 and 批号


class Head(Struct, frozen=True):
    """`places` are the columns by field, `units` the units of weight that headers give by field; `unused` are
    the headers that mean nothing, each with what it nearly is, or nothing; `records` are those below the headers."""

    kind: Book
    headers: list[str]
    places: dict[str, int]
    units: dict[str, str]
    unused: dict[str, str]
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
                if isinstance(found, _Found):
                    lines.width = len(headers)
                    unused = _unused(headers, own, found)
                    return Head(found.kind, headers, found.places, found.units, unused, records, lines)
                flaws.append((found.missing, found.message))
    raise Malformed(where, min(flaws, key=lambda flaw: flaw[0])[1] if flaws else "it is empty")


def _shown(headers: list[str]) -> str:
    text = ", ".join(headers)[:SHOWN_CHARS_MAX]
    return text if text.isprintable() else ascii(text)


class _NoHeaders(Struct, frozen=True):
    """Why a line has not the headers of a book; `missing` is how far it is from having them."""

    missing: int
    message: str


class _Found(Struct, frozen=True):
    kind: Book
    places: dict[str, int]
    units: dict[str, str]


def _judged(headers: list[str], own: Mapping[str, str]) -> _Found | _NoHeaders:
    meant = ["" if (name := own.get(text, text)) == IGNORED else name for text in headers]
    try:
        kind = recognise(meant)
    except ValueError as error:
        return _NoHeaders(0, str(error))
    places: dict[str, int] = {}
    units: dict[str, str] = {}
    missing: list[str] = []
    for column in COLUMNS[kind]:
        names = _names(column)
        found = next((name for name in names if name in meant), None)
        if found is None:
            missing += [column.header] if column.needed else []
        elif meant.count(found) > 1:
            return _NoHeaders(0, f"the column {found} stands twice: call one of the two something else")
        else:
            places[column.field], units[column.field] = meant.index(found), unit_of(found)
    if missing:
        hints = "".join(f"; {one}" for one in asked(_unused(headers, own, _Found(kind, places, units))))
        told = f"the columns {', '.join(missing)} are missing; found: {_shown(headers)}{hints}"
        return _NoHeaders(len(missing), told)
    return _Found(kind, places, units)


def asked(unused: Mapping[str, str]) -> list[str]:
    """What to say of columns that are not used and nearly are known ones."""
    near = ((header, meant) for header, meant in unused.items() if meant)
    return [f"is {header} meant as {meant}? suyuan mapping column '{header}' '{meant}'" for header, meant in near]


def _names(column: Column) -> list[str]:
    return [cells.clean(name) for name in (column.header, *column.others)]


def _unused(headers: list[str], own: Mapping[str, str], found: _Found) -> dict[str, str]:
    """Headers of columns that are not read and that nobody said to pass over -> the header that each nearly is, of a
    column that the book lacks, or nothing."""
    used = {headers[place] for place in found.places.values()}
    lacking = [column for column in COLUMNS[found.kind] if column.field not in found.places]
    known = [name for column in lacking for name in _names(column)]
    return {
        header: _near(header, known)
        for header in headers
        if header and header not in used and header not in ABOUT and own.get(header) != IGNORED
    }


def _near(header: str, known: list[str]) -> str:
    """The header that this one is meant as, perhaps."""
    short = header.partition("(")[0].replace(" ", "")
    found = [short] if short in known else get_close_matches(header, known, n=1, cutoff=NEAR_RATIO)
    return found[0] if found else ""
