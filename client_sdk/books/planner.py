"""From a book's rows to acts: each row becomes one act or several, or says why not and what would cure it.

Purchases answer the supplier's open ships, and are claims for what a member has not shipped yet; from a supplier
outside the ledger they are entries. Sales to a member are ships, others sales. What went back is a return, or is
taken back. A stock-taking is a count. Cases become base items. Nothing is sent here.
"""

import datetime as dt
from collections.abc import Callable
from typing import Final

from client_sdk.books import incoming, outgoing, own
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import Book
from client_sdk.books.holdings import Holdings
from client_sdk.books.known import Known, Ledger
from client_sdk.books.line import Desk, Line, Planned, Thing
from client_sdk.books.mapping import Mapping
from client_sdk.books.packing import items_a_unit
from client_sdk.books.rows import BadRow, Goods, Row
from client_sdk.books.scratch import Scratch, Spill
from client_sdk.wire import clock_ms
from ledger.limits import BOOK_CACHE_ROWS_MAX, CLAIMED_TIME_AHEAD_MS_MAX

__all__ = ["Planned", "Planner"]

HALF_DAY_MS: Final = 12 * 3_600_000
CHINA_MS: Final = 8 * 3_600_000


class Planner:
    """Plans the rows of one member's book in order, using up what it holds and what waits for it."""

    def __init__(
        self,
        ledger: Ledger,
        member: str,
        holdings: Holdings,
        mapping: Mapping | None = None,
        now_ms: Callable[[], int] = clock_ms,
    ) -> None:
        self._mapping = mapping or Mapping()
        self._now_ms = now_ms
        opening = self._mapping.opening == "counting"
        counted: Spill[bool] = Spill(Scratch(), "counted", bool)
        self.desk = Desk(member, Known(ledger), holdings, opening, counted)
        self._things: dict[Goods, Thing] = {}
        self._settled: dict[str, int | None] = {}

    def plan(self, row: Row) -> Planned | BadRow:
        """What a row becomes, or why it cannot be booked."""
        try:
            line = self._line(row)
            if line.lot not in self._settled:
                self._settle(line)
            return _PLANS[row.book, row.quantity < 0](self.desk, line)
        except BadCell as bad:
            return BadRow(row.line, bad.field, bad.message, bad.remedy, row.cells, ref=row.ref)

    def skip(self, row: Row) -> None:
        """A row that was booked before: a lot that it counted is counted."""
        if row.book == Book.STOCK:
            try:
                own.counted(self.desk, self._line(row))
            except BadCell:
                return  # it was booked when more was declared

    def _line(self, row: Row) -> Line:
        """The row in the ledger's terms."""
        thing = self._things.get(row.goods) or self._thing(row)
        quantity = 0 if row.portion else abs(row.quantity) * thing.items
        grams = row.grams
        if not thing.variable:
            grams = None
            if row.portion:
                message = f"{thing.product.product} is counted: its items all weigh the same"
                raise BadCell("单位", message, "count the items, as 罐 or 盒")
        elif grams is None:
            if quantity:
                message = f"{thing.product.product} is of variable measure, and its weight is missing"
                raise BadCell("重量", message, "add a column 重量(kg) with what the goods of the row weigh")
            grams = 0  # a stock-taking that found nothing
        code = row.site
        site = self.desk.known.site(code if "/" in code else f"{self.desk.member}/{code or 'main'}")
        return Line(row, thing, thing.lot, quantity, site, self._at(row.at), grams)

    def _thing(self, row: Row) -> Thing:
        goods = row.goods
        product = self.desk.known.product(goods.code)
        base = self.desk.known.product(product.base) if product.base is not None else product
        items = 0 if row.portion else items_a_unit(product, goods.unit, goods.specification, self._mapping.units)
        lot = base.product + goods.lot
        thing = Thing(base, self._mapping.lots.get(lot, lot), items, _expiry(goods))
        if len(self._things) >= BOOK_CACHE_ROWS_MAX:
            self._things.clear()
        self._things[goods] = thing
        return thing

    def _at(self, at: int) -> int:
        """The time of a deal. A date of today means noon, which before noon is now."""
        now = self._now_ms()
        if at <= now:
            return at
        if at - now <= HALF_DAY_MS and (at + CHINA_MS) % (2 * HALF_DAY_MS) == HALF_DAY_MS:
            return now
        if at - now <= CLAIMED_TIME_AHEAD_MS_MAX:
            return at
        raise BadCell("日期", "it lies ahead", "correct the date, or import the row when it has come")

    def _settle(self, line: Line) -> None:
        """BadCell asks about a lot that nobody knows and that nearly is a known one. Two lots of different production
        dates may differ in one character; what looks the same is asked about all the same."""
        near = None
        if line.row.book != Book.PRODUCTION and self._mapping.lots.get(line.lot) != line.lot:
            near = self._near(line)
        if near is not None:
            answers = f"suyuan mapping lot '{line.lot}' '{near}'"
            remedy = (
                f"if {near} is meant, correct the row, or say so once: {answers}; if {line.lot} is a lot of its own: "
                f"suyuan mapping lot '{line.lot}' '{line.lot}'"
            )
            raise BadCell("批号", f"nobody knows {line.lot}, which nearly is {near}", remedy)
        if len(self._settled) >= BOOK_CACHE_ROWS_MAX:
            self._settled.clear()
        self._settled[line.lot] = line.row.goods.production

    def _near(self, line: Line) -> str | None:
        desk, lot = self.desk, line.lot
        if desk.holdings.knows(lot, line.site):
            return None
        found = desk.holdings.near(lot)
        if not found or desk.known.lot(lot) is not None:
            return None
        made = line.row.goods.production
        return next((near for near, same in found if same or self._may_be_one(made, near)), None)

    def _may_be_one(self, made: int | None, near: str) -> bool:
        other = self._production(near)
        return made is None or other is None or made == other

    def _production(self, lot: str) -> int | None:
        if (made := self._settled.get(lot)) is not None:
            return made
        entry = self.desk.known.lot(lot)
        return entry.production if entry is not None else None


_PLANS: Final = {
    (Book.PRODUCTION, False): own.production,
    (Book.STOCK, False): own.count,
    (Book.PURCHASE, False): incoming.purchase,
    (Book.PURCHASE, True): outgoing.goes_back,
    (Book.SALE, False): outgoing.sale,
    (Book.SALE, True): incoming.came_back,
}


def _expiry(goods: Goods) -> int | None:
    """The day that shelf life leads to, as YYYYMMDD."""
    day, days = goods.production, goods.shelf_days
    if day is None or days is None:
        return None
    last = dt.date(day // 10_000, day // 100 % 100, day % 100) + dt.timedelta(days=days)
    return last.year * 10_000 + last.month * 100 + last.day
