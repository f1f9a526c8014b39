"""Reading a book: CSV or .xlsx with Chinese headers, row by row; every bad row is named, none stops the rest."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeVar

from client_sdk import when
from client_sdk.books import cells, measures
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import WEIGHTS, Book
from client_sdk.books.csvfile import CsvLines
from client_sdk.books.headers import Head, head
from client_sdk.books.mapping import Mapping
from client_sdk.books.ref import Refs
from client_sdk.books.rows import BadRow, Goods, Row
from client_sdk.books.sheet import sheets
from client_sdk.books.source import Lines
from client_sdk.wire import clock_ms
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import BOOK_CACHE_ROWS_MAX, CLAIMED_TIME_AHEAD_MS_MAX, TEXT_CHARS_MAX
from ledger.private import Private

__all__ = ["BadRow", "BookFile", "Row", "read"]

T = TypeVar("T")
SUMS: Final = ("合计", "总计", "小计", "本页合计", "本月合计")
GOODS: Final = ("gtin", "lot", "unit", "specification", "production", "shelf_life")
REST: Final = (
    "date", "document", "line", "quantity", "weight", "site", "certificate", "booked", "booked_weight", "kept_ref",
)  # fmt: skip
PRIVATE: Final = ("address", "contact", "price", "amount")
_FOREIGN: Final = (  # how a file begins that is no book
    (b"\xd0\xcf\x11\xe0", "an old .xls file, or one with a password; save it as .xlsx without one, or as CSV UTF-8"),
    (b"\xff\xfe", "UTF-16; save it as CSV UTF-8"),
    (b"\xfe\xff", "UTF-16; save it as CSV UTF-8"),
    (b"%PDF", "a PDF; ask for the book as .xlsx or CSV"),
    (b"<", "a web page or XML under a spreadsheet's name; open it in a spreadsheet program and save it as .xlsx"),
)


class BookFile:
    """A book on disk: iterate over its rows, once. `unused` names columns that are not read, each with the header
    that it nearly is. Malformed where the file as a whole is no book."""

    def __init__(self, path: Path, mapping: Mapping | None = None) -> None:
        words = mapping or Mapping()
        self._head = head(_candidates(path), words.columns, str(path))
        self.headers, self.kind, self.unused = self._head.headers, self._head.kind, self._head.unused
        self._rows = _RowReader(self._head, words)

    @property
    def share(self) -> float:
        """How much of it was read, from 0 to 1."""
        return self._head.lines.share

    def __iter__(self) -> Iterator[Row | BadRow]:
        try:
            yield from self._read()
        finally:
            self._head.lines.close()

    def _read(self) -> Iterator[Row | BadRow]:
        width, row = len(self.headers), self._rows.row
        for line, texts, flaw in self._head.records:
            try:
                if flaw is not None:
                    raise flaw
                if len(texts) != width:
                    texts = _fitted(texts, width)
                texts.append("")
                found = row(line, texts)
                if found is not None:
                    yield found
            except BadCell as bad:
                yield BadRow(line, bad.field, bad.message, bad.remedy, texts)


def read(path: Path, mapping: Mapping | None = None) -> Iterator[Row | BadRow]:
    """The rows of a book in order. Malformed where the file as a whole is no book."""
    yield from BookFile(path, mapping)


def _candidates(path: Path) -> list[Lines]:
    with path.open("rb") as file:
        start = file.read(8)
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            raise Malformed(str(path), what)
    return list(sheets(path)) if start.startswith(b"PK\x03\x04") else [CsvLines(path)]


def _fitted(texts: list[str], width: int) -> list[str]:
    """As many cells as there are headers: spreadsheets leave out empty ones at the end."""
    if any(cells.clean(text) for text in texts[width:]):
        remedy = "put numbers and names that hold a comma in quotes"
        raise BadCell("row", f"{len(texts)} cells stand under {width} headers", remedy)
    return [*texts[:width], *[""] * (width - len(texts))]


def _getter(head: Head, fields: tuple[str, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    """The cells of two or more fields; those that the book has no column for stand in the empty cell at the end."""
    return itemgetter(*(head.places.get(field, len(head.headers)) for field in fields))


class _RowReader:
    """Turns the cells of one book into rows. What rows say again and again is read once."""

    def __init__(self, head: Head, mapping: Mapping) -> None:
        self._book, self._mapping, self._refs = head.kind, mapping, Refs()
        self._units = head.units
        self._code_header = head.headers[head.places["gtin"]]
        self._has_unit = "unit" in head.places
        self._private = any(field in head.places for field in PRIVATE)
        self._goods_of, self._party_of = _getter(head, GOODS), _getter(head, ("party", "party_code"))
        self._private_of, self._rest_of = _getter(head, PRIVATE), _getter(head, REST)
        self._known_goods: dict[tuple[str, ...], tuple[Goods, str]] = {}
        self._known_parties: dict[tuple[str, ...], tuple[str, str, str]] = {}

    def row(self, line: int, texts: list[str]) -> Row | None:
        """Of as many cells as there are headers, and an empty one. None where nothing stands there, a sum, or the
        headers of another page; BadCell where a cell does not say what it must."""
        said = self._goods_of(texts)
        known = self._known_goods.get(said)
        if known is None:
            code = cells.clean(said[0])
            if code == self._code_header or (not code and _is_no_row(texts)):
                return None
            known = _kept(self._known_goods, said, self._goods(*map(cells.clean, said)))
        goods, code = known
        date, document, number, amount, weight, site, certificate, booked, booked_weight, kept = self._rest_of(texts)
        undated = self._book == Book.PRODUCTION and not _clean(date)  # then it happened when the goods were made
        at = _time_ms(str(goods.production) if undated else date)
        amount, site = _clean(amount), _clean(site)
        quantity, grams, portion = self._quantity(amount, goods)
        if weight and not portion:
            grams = self._grams("weight", weight, quantity < 0)
        party_said = self._party_of(texts)
        party, party_code, party_name = self._known_parties.get(party_said) or self._party(party_said)
        unit = goods.unit
        content = (at, code, goods.lot, amount if portion else quantity, unit, party_name, site, grams or 0)
        at = _happened(at, date)
        ref = self._refs.ref(cells.clean(document), cells.clean(number), content, cells.clean(kept))
        return Row(
            line, self._book, at, ref, goods, quantity, party, party_code, site, texts, grams, portion,
            cells.count(_clean(booked), "账面数量") if booked else None,
            self._grams("booked_weight", booked_weight) if booked_weight else None,
            cells.clean(certificate),
            self._sealed(texts, quantity, grams, unit if portion else "") if self._private else None,
        )  # fmt: skip

    def _goods(self, code: str, lot: str, unit: str, specification: str, made: str, life: str) -> tuple[Goods, str]:
        """(goods, the code as the book writes it)."""
        production = cells.day(made)
        product = self._mapping.products.get(code) or cells.gtin(code)
        written = code.zfill(14) if code.isdigit() else code
        if self._has_unit and not unit and self._book in (Book.PURCHASE, Book.SALE):
            raise BadCell("单位", "it is empty", "say what was counted: 罐, 盒, 箱 …")
        if self._book == Book.PRODUCTION and production is None:
            raise BadCell("生产日期", "a production row needs its date", "fill it in")
        days = cells.shelf_days(life, production)
        return Goods(product, _lot(product, lot, production), unit, specification, production, days), written

    def _quantity(self, text: str, goods: Goods) -> tuple[int, int | None, bool]:
        """(quantity, grams, whether it is a portion by weight out of an opened item)."""
        if self._book == Book.STOCK:
            return cells.count(text, "实盘数量"), None, False
        if self._book == Book.SALE and goods.unit.lower() in WEIGHTS and goods.unit not in self._mapping.units:
            number, back = cells.without_sign(text)
            grams = measures.grams(number, goods.unit, "数量")
            return -1 if back else 0, grams, True
        return (_quantity if self._book == Book.PRODUCTION else _signed)(text), None, False

    def _grams(self, field: str, text: str, back: bool = False) -> int | None:
        """A weight; that of goods that went back may have its minus here too."""
        text = cells.clean(text)
        if back:
            text, _ = cells.without_sign(text)
        header = "账面重量" if field == "booked_weight" else "重量"
        return measures.grams(text, self._units.get(field, ""), header) if text else None

    def _party(self, said: tuple[str, ...]) -> tuple[str, str, str]:
        """(name, member code, what tells it from others in the book's own words)."""
        name, written = map(cells.clean, said)
        code = cells.party_code(written or self._mapping.parties.get(name, ""))
        found = name, code, written or name
        return _kept(self._known_parties, said, found)

    def _sealed(self, texts: list[str], quantity: int, grams: int | None, weighed_in: str) -> Private | None:
        """What of a row goes behind the private seal; None where it has nothing of that. `weighed_in` is the unit of
        a portion."""
        address, contact, price, amount = map(cells.clean, self._private_of(texts))
        total = None
        if amount:
            total = measures.fen(cells.without_sign(amount)[0] if quantity < 0 else amount, "金额")
        elif price:
            total = self._total(price, quantity, grams, weighed_in)
        for field, text in (("地址", address), ("联系方式", contact)):
            if len(text) > TEXT_CHARS_MAX:
                raise BadCell(field, f"{len(text)} characters, at most {TEXT_CHARS_MAX} are kept", "shorten it")
        if not address and not contact and total is None:
            return None
        currency = "CNY" if total is not None else None
        return Private(address=address or None, contact=contact or None, currency=currency, price=total)

    def _total(self, price: str, quantity: int, grams: int | None, weighed_in: str) -> int:
        """At the price of one unit of the row, or of the weight that the header names: 单价(元/kg)."""
        unit = self._units.get("price") or weighed_in.lower()
        if not unit:
            return measures.total_fen(price, abs(quantity))
        if grams is None:
            remedy = "add what the goods of the row weigh, or what they cost in all (金额)"
            raise BadCell("单价", f"{price} is the price of a {unit}, and the row's weight is missing", remedy)
        return measures.total_fen(price, grams, WEIGHTS[unit])


def _kept(known: dict[tuple[str, ...], T], said: tuple[str, ...], value: T) -> T:
    if len(known) >= BOOK_CACHE_ROWS_MAX:
        known.clear()
    known[said] = value
    return value


def _is_no_row(texts: list[str]) -> bool:
    """An empty line, or the sums below a page."""
    said = [text for text in map(cells.clean, texts) if text]
    return not said or said[0].rstrip(":").replace(" ", "") in SUMS


def _lot(product: str, number: str, production: int | None) -> str:
    """`#` and the lot number, or `@` and the production date of goods without one."""
    if not number and production is None:
        raise BadCell("批号", "neither lot number nor production date", "one of them tells the goods apart")
    suffix = f"#{number}" if number else f"@{production}"
    try:
        ids.check_lot_id(product + suffix)
    except Malformed as error:
        raise BadCell("批号", error.message, "use the lot number as it is printed") from None
    return suffix


# A book says the same dates and numbers again and again.
@lru_cache(maxsize=10_000)
def _time_ms(text: str) -> int:
    return cells.time_ms(cells.clean(text))


def _happened(at: int, date: str) -> int:
    """Today's date alone means noon, and before noon it means now; what lies further ahead has not happened."""
    now = clock_ms()
    if at <= now:
        return at
    if at - now <= when.HALF_DAY_MS and when.is_date(cells.clean(date)):
        return now
    if at - now > CLAIMED_TIME_AHEAD_MS_MAX:
        raise BadCell("日期", f"{date} lies ahead of this computer's clock", "correct the date, or the clock")
    return at


_clean = lru_cache(maxsize=10_000)(cells.clean)
_signed = lru_cache(maxsize=10_000)(cells.signed)
_quantity = lru_cache(maxsize=10_000)(cells.quantity)
