"""Reading a book: CSV with Chinese headers, row by row; every bad row is named, none stops the rest."""

import csv
import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec import Struct

from client_sdk.books.columns import CASE_UNITS, COLUMNS, ITEM_UNITS, Book, recognise
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import QUANTITY_MAX, REF_CHARS_MAX

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
NOON: Final = dt.time(12)
FIELD_CHARS_MAX: Final = 4096
_DATE: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


class Row(Struct, frozen=True):
    """One row of a book, checked by itself. `line` counts in the file, `per_case` tells the unit; times in ms."""

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


class _Bad(Exception):
    def __init__(self, field: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.field, self.message, self.remedy = field, message, remedy


def read(path: Path) -> Iterator[Row | BadRow]:
    """The rows of a CSV book in order. Malformed where the file as a whole is no book."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from _rows(csv.reader(file, strict=True), str(path))
        except UnicodeDecodeError as error:
            where = f"{path}, near byte {error.start}"
            raise Malformed(where, "not UTF-8; save the book as CSV UTF-8 and try again") from None


def _rows(lines: Iterator[list[str]], where: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(FIELD_CHARS_MAX)
    reader = iter(lines)
    headers = [_clean(header) for header in next(reader, [])]
    book = recognise(headers)
    places = _places(headers, book, where)
    equal: Counter[bytes] = Counter()
    number = 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(number, "row", str(error), "check the quotes and commas of this line")
            continue
        if not any(cells):
            continue
        values = {field: _clean(cells[at]) if at < len(cells) else "" for field, at in places.items()}
        try:
            yield _row(number, book, values, equal)
        except _Bad as bad:
            yield BadRow(number, bad.field, bad.message, bad.remedy)


def _clean(text: str) -> str:
    """Full-width digits and letters become plain ones, and blanks around are dropped."""
    return unicodedata.normalize("NFKC", text).strip()


def _places(headers: list[str], book: Book, where: str) -> dict[str, int]:
    """Field -> column number; Malformed naming every needed column that is missing."""
    places: dict[str, int] = {}
    missing = []
    for column in COLUMNS[book]:
        found = [headers.index(name) for name in map(_clean, (column.header, *column.others)) if name in headers]
        if found:
            places[column.field] = found[0]
        elif column.needed:
            missing.append(column.header)
    if missing:
        raise Malformed(
            where, f"the columns {', '.join(missing)} are missing; found: {', '.join(headers) or 'nothing'}"
        )
    return places


def _row(line: int, book: Book, values: dict[str, str], equal: Counter[bytes]) -> Row:
    gtin = _gtin(values["gtin"])
    lot, production = values.get("lot", ""), _day(values.get("production", ""))
    if not lot and production is None:
        raise _Bad("批号", "neither lot number nor production date", "one of them tells the goods apart")
    suffix = f"#{lot}" if lot else f"@{production}"
    try:
        ids.check_lot_id(gtin + suffix)
    except Malformed as error:
        raise _Bad("批号", error.message, "use the lot number as it is printed") from None
    unit = values["unit"]
    if unit not in CASE_UNITS and unit not in ITEM_UNITS:
        raise _Bad("单位", f"{unit!r} is not known", f"one of {' '.join(sorted(CASE_UNITS | ITEM_UNITS))}")
    return Row(
        line=line,
        book=book,
        at=_time(values["date"]),
        ref=_ref(values, equal),
        gtin=gtin,
        name=values["name"],
        quantity=_quantity(values["quantity"]),
        in_cases=unit in CASE_UNITS,
        lot=suffix,
        production=production,
        shelf_days=_shelf_days(values.get("shelf_life", "")),
        party=values.get("party", ""),
        party_code=_party_code(values.get("party_code", "")),
        certificate=values.get("certificate", ""),
        site=values.get("site", ""),
    )


def _gtin(text: str) -> str:
    if not text.isdigit() or not text.isascii() or not 8 <= len(text) <= 14:
        raise _Bad("商品条码", f"{text!r} is not 8 to 14 digits", "copy the bar code of the goods")
    try:
        ids.check_gtin(text.zfill(14))
    except Malformed as error:
        raise _Bad("商品条码", error.message, "copy the bar code of the goods") from None
    return text.zfill(14)


def _party_code(text: str) -> str:
    if text:
        try:
            ids.check_member_id(text)
        except Malformed as error:
            raise _Bad(
                "信用代码", error.message, "check the code, or leave it empty for somebody without one"
            ) from None
    return text


def _quantity(text: str) -> int:
    digits = text.replace(",", "")
    if digits.endswith((".0", ".00")):
        digits = digits.partition(".")[0]
    if not digits.isdigit() or not digits.isascii():
        raise _Bad(
            "数量", f"{text!r} is not a whole number above zero", "returns and corrections are acts of their own"
        )
    if not 0 < int(digits) <= QUANTITY_MAX:
        raise _Bad("数量", f"{text} is not between 1 and {QUANTITY_MAX}")
    return int(digits)


def _moment(text: str, field: str) -> dt.datetime:
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part) if part else 0 for part in match.groups())
        clock = dt.time(hour, minute, second) if match[4] else NOON
        return dt.datetime.combine(dt.date(year, month, day), clock, CHINA)
    except ValueError:
        raise _Bad(field, f"{text!r} is not a date", "write it as 2026-01-31") from None


def _time(text: str) -> int:
    """The time of a deal in ms; a date without a time of day means noon in China."""
    return int(_moment(text, "日期").timestamp()) * 1000


def _day(text: str) -> int | None:
    if not text:
        return None
    moment = _moment(text, "生产日期")
    return moment.year * 10_000 + moment.month * 100 + moment.day


def _shelf_days(text: str) -> int | None:
    """天, 个月 (30 days each for display only; the lot's expiry is its maker's) or 年, or a bare number of days."""
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,5})(天|日|个月|月|年)?", text)
    if match is None:
        raise _Bad("保质期", f"{text!r} is not a number of days, months or years", "write it as 730 or 24个月")
    return int(match[1]) * {"个月": 30, "月": 30, "年": 365}.get(match[2] or "", 1)


def _ref(values: dict[str, str], equal: Counter[bytes]) -> str:
    """The row's document line. Without a document number: from its content and its ordinal among equal rows,
    so that the same file twice books nothing twice."""
    if values.get("document"):
        ref = f"{values['document']}/{values.get('line') or '1'}"
        if len(ref) > REF_CHARS_MAX:
            raise _Bad("单据号", f"{ref!r} is longer than {REF_CHARS_MAX} characters", "shorten the document number")
        return ref
    content = sha256("\x1f".join(f"{name}={values[name]}" for name in sorted(values)).encode()).digest()
    equal[content] += 1
    return f"~{content.hex()[:20]}-{equal[content]}"
