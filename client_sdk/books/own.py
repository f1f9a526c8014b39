"""Rows about one's own goods: what a maker made, and what a stock-taking found."""

from client_sdk import build
from client_sdk.books.cells import BadCell
from client_sdk.books.holdings import Stock
from client_sdk.books.line import Desk, Line, Planned
from ledger import records as r
from ledger.custody.step import answers_for


def production(desk: Desk, line: Line) -> Planned:
    """The commissioning of a lot, certified where the row names the inspection."""
    row, product = line.row, line.thing.product
    if not answers_for(desk.member, product):
        remedy = "a sales book names its customers (客户名称), a purchase book its suppliers (供应商名称)"
        raise BadCell("商品条码", f"{desk.member} does not make {product.product}, so it is no production", remedy)
    if row.goods.production is None:
        raise BadCell("生产日期", "a production row needs its date", "fill it in")
    stock = desk.holdings.stock(line.lot, line.site)
    stock.held += line.quantity
    stock.grams += line.grams or 0
    act = build.commission(
        lot=line.lot, quantity=line.quantity, ref=row.ref, at=line.at, site=line.site, grams=line.grams,
        production=row.goods.production, expiry=line.thing.expiry,
    )  # fmt: skip
    acts, says = [act], f"commission {line.quantity} of {line.lot}"
    if row.certificate:
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=line.lot)
        acts.append(build.act(r.Fact, at=line.at, document=row.certificate, kind=r.FactKind.CERTIFY, subject=subject))
        says += f"; certify it by {row.certificate}"
    return Planned(row, acts, says)


def count(desk: Desk, line: Line) -> Planned:
    """A stock-taking. Where the row does not say what the book said, and where stock-takings open the book, that is
    what the ledger says; a lot that the same book counts twice (two shelves; cases and loose cans) is counted
    together."""
    row = line.row
    stock = desk.holdings.stock(line.lot, line.site)
    before = counted(desk, line)
    found, grams = line.quantity, line.grams
    if desk.opening or row.booked is None:
        book, book_grams = stock.held, stock.grams
        if before:
            found, grams = found + stock.held, None if grams is None else grams + stock.grams
    else:
        book, book_grams = row.booked * line.thing.items, _book_grams(line, stock)
    if stock.free < book - found:
        message = f"{book - found} fewer were found, but the ledger has {stock.free} of {line.lot} at {line.site}"
        raise BadCell("账面数量", message, "leave 账面数量 empty to count against what the ledger says")
    stale = _stale(book, found, stock.held)
    stock.held += found - book
    stock.grams += 0 if grams is None else grams - book_grams
    kind = r.CountKind.OPENING if desk.opening else r.CountKind.PERIODIC
    act = build.count(
        lot=line.lot, book=book, found=found, ref=row.ref, at=line.at, site=line.site, kind=kind,
        book_grams=None if grams is None else book_grams, found_grams=grams, production=row.goods.production,
        expiry=line.thing.expiry,
    )  # fmt: skip
    return Planned(row, [act], f"count {found} of {line.lot}, the book said {book}", stale)


def _stale(book: int, found: int, held: int) -> str:
    """A count books found less book; where the ledger has something else, a difference may be booked twice."""
    if book == held:
        return ""
    return (
        f"its book said {book}, the ledger {held}: {found - book:+} is booked on top of that; count again if in doubt"
    )


def counted(desk: Desk, line: Line) -> bool:
    """Whether this book counted the lot at this site before; from now on it has."""
    key = f"{line.lot}\x00{line.site}"
    before = desk.counted.get(key)
    desk.counted.put(key, True)
    return bool(before)


def _book_grams(line: Line, stock: Stock) -> int:
    if line.grams is None or line.row.booked_grams is not None:
        return line.row.booked_grams or 0
    if line.row.booked is not None and line.row.booked * line.thing.items == stock.held:
        return stock.grams
    message = f"the book said {line.row.booked}, the ledger {stock.held}, and nothing says what the book's weighed"
    raise BadCell("账面重量", message, "add a column 账面重量(kg), or leave 账面数量 empty")
