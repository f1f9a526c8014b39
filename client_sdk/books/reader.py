"""Reading a book: CSV or .xlsx with Chinese headers, row by row; every bad row is named, none stops the rest."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import CASE_UNITS, COLUMNS, ITEM_UNITS, Book, recognise
from client_sdk.books.csvfile import CsvLines
from client_sdk.books.mapping import Mapping
from client_sdk.books.ref import Refs
from client_sdk.books.sheet import SheetLines
from client_sdk.books.source import Lines
from client_sdk.wire import Side
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import TEXT_CHARS_MAX
from ledger.private import Private

TITLE_LINES_MAX: Final = 5  # above the headers, as spreadsheets have them
NOTHING_PRIVATE: Final = Private()


class Row(Struct, frozen=True, gc=False):
    """One row of a book, checked by itself. `line` is its first in the file, `at` in ms.

    quantity     in units of `in_cases`; `a_case` how many items a case holds, where the row says so itself
    returned     it was negative: goods that went back
    booked       of a stock-taking, what the book said, if the row says so
    grams        in all
    cells        as they stand in the file, for a list of bad rows
    """

    line: int
    book: Book
    at: int
    ref: str
    gtin: str
    quantity: int
    in_cases: bool
    lot: str
    party: str
    party_code: str
    site: str
    cells: Sequence[str]
    a_case: int | None = None
    returned: bool = False
    booked: int | None = None
    grams: int | None = None
    production: int | None = None
    shelf_days: int | None = None
    certificate: str = ""
    private: Private | None = None

    @property
    def side(self) -> Side:
        """The side of the book that its document line stands on, as the rules have it (`custody.side_of`)."""
        if self.book in (Book.PRODUCTION, Book.STOCK):
            return Side.OWN
        return Side.IN if (self.book == Book.PURCHASE) != self.returned else Side.OUT


class BadRow(Struct, frozen=True):
    """Why a row cannot be booked, and what would cure it."""

    line: int
    field: str
    message: str
    remedy: str = ""
    cells: Sequence[str] = ()

    def __str__(self) -> str:
        cure = f"; {self.remedy}" if self.remedy else ""
        return f"line {self.line}, {self.field}: {self.message}{cure}"


class BookFile:
    """A book on disk: iterate over its rows, once. Malformed where the file as a whole is no book."""

    def __init__(self, path: Path, mapping: Mapping | None = None) -> None:
        self._lines: Lines = _opened(path)
        self._records = iter(self._lines)
        self._mapping = mapping or Mapping()
        self.headers, places, self.kind = self._head(str(path))
        self._reader = _RowReader(self.kind, places, len(self.headers), self._mapping)

    @property
    def share(self) -> float:
        """How much of it was read, from 0 to 1."""
        return self._lines.share

    def _head(self, where: str) -> tuple[list[str], dict[str, int], Book]:
        """The first line that has the columns of a book; what stands above it is a title. Malformed with what the
        likeliest line lacks."""
        flaws: list[tuple[int, str]] = []
        for _, record in self._records:
            if isinstance(record, BadCell):
                flaws.append((len(COLUMNS), f"the headers cannot be read: {record.message}; {record.remedy}"))
            elif any(texts := [cells.clean(cell) for cell in record]):
                headers = [self._mapping.columns.get(text, text) for text in texts]
                try:
                    kind = recognise(headers)
                except ValueError as error:
                    raise Malformed(where, str(error)) from None
                places, missing = _places(headers, kind)
                if not missing:
                    return texts, places, kind
                found = f"the columns {', '.join(missing)} are missing; found: {', '.join(headers)}"
                flaws.append((len(missing), found))
            if len(flaws) >= TITLE_LINES_MAX:
                break
        raise Malformed(where, min(flaws)[1] if flaws else "it is empty")

    def __iter__(self) -> Iterator[Row | BadRow]:
        for line, record in self._records:
            texts: list[str] = []
            try:
                if isinstance(record, BadCell):
                    raise record
                texts = [cells.clean(cell) for cell in record]
                if any(texts):
                    yield self._reader.row(line, texts)
            except BadCell as bad:
                yield BadRow(line, bad.field, bad.message, bad.remedy, texts)


def read(path: Path, mapping: Mapping | None = None) -> Iterator[Row | BadRow]:
    """The rows of a book in order. Malformed where the file as a whole is no book."""
    yield from BookFile(path, mapping)


def _opened(path: Path) -> Lines:
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"PK\x03\x04"):
        return SheetLines(path)
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise Malformed(str(path), "an old .xls file; save it as .xlsx or as CSV")
    if magic[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Malformed(str(path), "UTF-16; save it as CSV UTF-8")
    return CsvLines(path)


def _places(headers: list[str], book: Book) -> tuple[dict[str, int], list[str]]:
    """Field -> column number, and the headers of needed columns that are missing."""
    places: dict[str, int] = {}
    missing = []
    for column in COLUMNS[book]:
        found = [headers.index(name) for name in map(cells.clean, (column.header, *column.others)) if name in headers]
        if found:
            places[column.field] = found[0]
        elif column.needed:
            missing.append(column.header)
    return places, missing


class _RowReader:
    """Turns the cells of one book into rows."""

    def __init__(self, book: Book, places: dict[str, int], columns: int, mapping: Mapping) -> None:
        self._book, self._places, self._columns, self._mapping = book, places, columns, mapping
        self._refs = Refs()

    def row(self, line: int, texts: list[str]) -> Row:
        """BadCell where a cell does not say what it must."""
        if any(texts[self._columns :]):
            remedy = "put numbers and names that hold a comma in quotes"
            raise BadCell("row", f"{len(texts)} cells stand under {self._columns} headers", remedy)
        get = {field: texts[at] if at < len(texts) else "" for field, at in self._places.items()}.get
        gtin = _gtin(self._mapping.products.get(get("gtin", ""), get("gtin", "")))
        production = _day(get("production", ""))
        lot = _lot(gtin, get("lot", ""), production)
        at = _time_ms(get("date", "") or (get("production", "") if self._book == Book.PRODUCTION else ""))
        quantity, returned = self._quantity(get("quantity", ""))
        in_cases, a_case = self._unit(get("unit"), get("specification", ""))
        party = get("party", "")
        code = _party_code(get("party_code", "") or self._mapping.parties.get(party, ""))
        site, grams = get("site", ""), cells.grams(get("weight", ""))
        signed = -quantity if returned else quantity
        content = at, gtin, lot, signed, in_cases, code or party, site, *(() if grams is None else (grams,))
        return Row(
            line=line,
            book=self._book,
            at=at,
            ref=self._refs.ref(get("document", ""), get("line", ""), content),
            gtin=gtin,
            quantity=quantity,
            in_cases=in_cases,
            lot=self._meant(gtin, lot),
            party=party,
            party_code=code,
            site=site,
            cells=texts,
            a_case=a_case,
            returned=returned,
            booked=cells.count(get("booked", ""), "账面数量") if get("booked", "") else None,
            grams=grams,
            production=production,
            shelf_days=_shelf_days(get("shelf_life", ""), production),
            certificate=get("certificate", ""),
            private=_private(get("address", ""), get("contact", ""), get("price", ""), get("amount", ""), quantity),
        )

    def _quantity(self, text: str) -> tuple[int, bool]:
        """(quantity, whether it went back): a negative quantity, or one in brackets, is a return."""
        if self._book == Book.STOCK:
            return cells.count(text, "实盘数量"), False
        if self._book != Book.PRODUCTION and text[:1] in ("-", "\u2212", "("):
            return cells.quantity(text.strip("-\u2212()")), True
        return cells.quantity(text), False

    def _unit(self, unit: str | None, specification: str) -> tuple[bool, int | None]:
        """(in cases, items a case). A book may leave the column out; it counts items then."""
        if unit is None or unit in ITEM_UNITS or (not unit and self._book == Book.STOCK):
            return False, None
        if unit in self._mapping.units:
            return True, self._mapping.units[unit]
        if unit not in CASE_UNITS:
            known = " ".join(sorted(CASE_UNITS | ITEM_UNITS))
            raise BadCell(
                "单位", f"{unit!r} is not known", f"one of {known}; or say: suyuan mapping unit {unit} ITEMS"
            )
        return True, _items_a_case(specification)

    def _meant(self, gtin: str, lot: str) -> str:
        """The right lot, where this one was asked about before."""
        right = self._mapping.lots.get(gtin + lot)
        return right[len(gtin) :] if right is not None and right.startswith(gtin) else lot


def _private(address: str, contact: str, price: str, amount: str, quantity: int) -> Private | None:
    """What of a row goes behind the private seal; None where it has nothing of that."""
    if not (address or contact or price or amount):
        return None
    total = cells.fen(amount, "金额")
    if total is None:
        each = cells.fen(price, "单价")
        total = each * quantity if each is not None else None
    for field, text in (("地址", address), ("联系方式", contact)):
        if len(text) > TEXT_CHARS_MAX:
            raise BadCell(field, f"{len(text)} characters, at most {TEXT_CHARS_MAX} are kept", "shorten it")
    currency = "CNY" if total is not None else None
    return Private(address=address or None, contact=contact or None, currency=currency, price=total)


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


# A book says the same dates, codes and specifications again and again.
_gtin = lru_cache(maxsize=10_000)(cells.gtin)
_day = lru_cache(maxsize=10_000)(cells.day)
_time_ms = lru_cache(maxsize=10_000)(cells.time_ms)
_party_code = lru_cache(maxsize=10_000)(cells.party_code)
_shelf_days = lru_cache(maxsize=10_000)(cells.shelf_days)
_items_a_case = lru_cache(maxsize=1_000)(cells.items_a_case)
