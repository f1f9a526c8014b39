"""From a book's rows to acts: each row becomes one act or several, or says why not and what would cure it.

Purchases answer the supplier's open ships, and are claims for what a member has not shipped yet; from a supplier
outside the ledger they are entries. Sales to a member are ships, others sales. What went back is a return, or is
taken back. A stock-taking is a count. Cases become base items by the product's levels, or by what the row itself
says. Nothing is sent here.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct, structs

from client_sdk import build
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import Book
from client_sdk.books.holdings import Holdings
from client_sdk.books.lots import nearest
from client_sdk.books.mapping import Mapping
from client_sdk.books.reader import BadRow, Row
from client_sdk.build import Act
from ledger import entries as e
from ledger import identifiers as ids
from ledger import records as r
from ledger.errors import Malformed


class Planned(Struct, frozen=True):
    """What a row becomes: its acts, which share its document line, and one line that says so."""

    row: Row
    acts: Sequence[Act]
    says: str


class Ledger(Protocol):
    """What the import asks the node."""

    def product(self, product: str) -> e.ProductEntry | None: ...

    def lot(self, lot: str) -> e.LotEntry | None: ...

    def member(self, member: str) -> e.MemberEntry | None: ...

    def site(self, site: str) -> e.SiteEntry | None: ...


class Line(Struct, frozen=True):
    """A row in the ledger's terms: lot of the base item, quantity in base items, site, weight."""

    row: Row
    lot: str
    quantity: int
    site: str
    grams: int | None


class Planner:
    """Plans the rows of one member's book in order, using up what it holds and what waits for it."""

    def __init__(self, ledger: Ledger, member: str, holdings: Holdings, mapping: Mapping | None = None) -> None:
        self._ledger, self._member, self._holdings = ledger, member, holdings
        self._mapping = mapping or Mapping()
        self._products: dict[str, e.ProductEntry | None] = {}
        self._members: dict[str, bool] = {}
        self._sites: dict[str, bool] = {}
        self._lots: dict[str, bool] = {}
        self._opening = not self._mapping.opening

    def plan(self, row: Row) -> Planned | BadRow:
        """What a row becomes, or why it cannot be booked."""
        try:
            line = self._line(row)
            return _PLANS[row.book](self, line)
        except BadCell as bad:
            return BadRow(row.line, bad.field, bad.message, bad.remedy, row.cells)

    # A row in the ledger's terms

    def _line(self, row: Row) -> Line:
        product = self._product(row.gtin)
        quantity, lot = self._base(row, product)
        base = self._product(product.base) if product.base is not None else product
        if base is not None and (base.tolerance_permille is not None) != (row.grams is not None) and row.quantity:
            if row.grams is not None:
                row = structs.replace(row, grams=None)  # all its items weigh the same
            else:
                remedy = "add a column 重量(kg) with what the goods of the row weigh"
                raise BadCell("重量(kg)", f"{row.gtin} is of variable measure", remedy)
        if self._near(lot) is not None and row.book != Book.PRODUCTION:
            raise self._question(lot)
        return Line(row, lot, quantity, self._site(row), row.grams)

    def _base(self, row: Row, product: e.ProductEntry) -> tuple[int, str]:
        """The quantity in base items, and the lot of the base item. Where code, unit and specification contradict
        each other, the row is asked about, never guessed."""
        if product.base is not None and not row.in_cases and row.quantity:
            remedy = f"use the bar code of the single item, {product.base}, or count cases"
            message = f"{row.gtin} is the code of a case of {product.contains}, the unit is an item"
            raise BadCell("单位", message, remedy)
        if product.base is not None:
            if row.a_case not in (None, product.contains):
                message = f"the specification says {row.a_case} a case, the code is one of {product.contains}"
                raise BadCell("规格", message, "correct the one that is wrong")
            return row.quantity * (product.contains or 1), product.base + row.lot
        if not row.in_cases:
            return row.quantity, row.gtin + row.lot
        if row.a_case is None:
            remedy = "use the bar code of the case, count single items, or say in 规格 how many: 800g*6罐/箱"
            raise BadCell("单位", f"{row.gtin} is the code of a single item, the unit is a case", remedy)
        return row.quantity * row.a_case, row.gtin + row.lot

    def _site(self, row: Row) -> str:
        site = row.site if "/" in row.site else f"{self._member}/{row.site or 'main'}"
        if site not in self._sites:
            try:
                ids.check_site_id(site)
            except Malformed as error:
                raise BadCell("库存地点", error.message) from None
            self._sites[site] = self._ledger.site(site) is not None
        if not self._sites[site]:
            raise BadCell("库存地点", f"site {site} is not declared", "its keeper declares it first: suyuan site")
        return site

    def _product(self, gtin: str) -> e.ProductEntry:
        if gtin not in self._products:
            self._products[gtin] = self._ledger.product(gtin)
        found = self._products[gtin]
        if found is None:
            raise BadCell("商品条码", f"product {gtin} is not declared", "its maker or importer declares it first")
        return found

    def _is_member(self, code: str) -> bool:
        if code and code not in self._members:
            self._members[code] = self._ledger.member(code) is not None
        return bool(code) and self._members[code]

    def _near(self, lot: str) -> str | None:
        """A known lot that this one, which nobody knows, may be meant as."""
        if self._mapping.lots.get(lot) == lot or self._holdings.knows(lot):
            return None
        if lot not in self._lots:
            self._lots[lot] = self._ledger.lot(lot) is not None
        return None if self._lots[lot] else nearest(lot, self._holdings.lots_like(lot))

    def _question(self, lot: str) -> BadCell:
        other = self._near(lot) or ""
        remedy = (
            f"if it is meant, correct the row, or say once: suyuan mapping lot '{lot}' '{other}'; "
            f"if {lot} is a lot of its own: suyuan mapping lot '{lot}' '{lot}'"
        )
        return BadCell("批号", f"nobody knows {lot}, which nearly is {other}", remedy)

    # Production and stock

    def _production(self, line: Line) -> Planned:
        row = line.row
        product = self._product(line.lot.partition("#")[0].partition("@")[0])
        if self._member not in (product.maker, product.declarer):
            remedy = "a sales book names its customers (客户名称), a purchase book its suppliers (供应商名称)"
            raise BadCell("商品条码", f"{self._member} does not make {row.gtin}, so it is no production", remedy)
        if row.production is None:
            raise BadCell("生产日期", "a production row needs its date")
        self._holdings.add(line.lot, line.site, line.quantity)
        act = build.commission(
            lot=line.lot, quantity=line.quantity, ref=row.ref, at=row.at, site=line.site, grams=line.grams,
            production=row.production, expiry=_expiry(row),
        )  # fmt: skip
        acts, says = [act], f"commission {line.quantity} of {line.lot}"
        if row.certificate:
            subject = r.Subject(kind=r.SubjectKind.LOT, lot=line.lot)
            acts.append(
                build.act(r.Fact, at=row.at, document=row.certificate, kind=r.FactKind.CERTIFY, subject=subject)
            )
            says += f"; certify it by {row.certificate}"
        return Planned(row, acts, says)

    def _count(self, line: Line) -> Planned:
        row = line.row
        held = self._holdings.held(line.lot, line.site)
        scale = line.quantity // row.quantity if row.quantity else 1
        book = held if row.booked is None else row.booked * scale
        self._holdings.add(line.lot, line.site, line.quantity - book)
        weighed = None if line.grams is None else self._holdings.grams(line.lot, line.site)
        kind = r.CountKind.OPENING if self._opening else r.CountKind.PERIODIC
        act = build.count(
            lot=line.lot, book=book, found=line.quantity, ref=row.ref, at=row.at, site=line.site, kind=kind,
            book_grams=weighed, found_grams=line.grams, production=row.production, expiry=_expiry(row),
        )  # fmt: skip
        return Planned(row, [act], f"count {line.quantity} of {line.lot}, the book said {book}")

    # What comes in

    def _purchase(self, line: Line) -> Planned:
        row = line.row
        if row.returned:
            return self._return(line)
        if not self._is_member(row.party_code):
            self._holdings.add(line.lot, line.site, line.quantity)
            act = build.enter(
                lot=line.lot, quantity=line.quantity, ref=row.ref, at=row.at, site=line.site, grams=line.grams,
                production=row.production, expiry=_expiry(row),
            )  # fmt: skip
            says = f"enter {line.quantity} of {line.lot} from {row.party}, who is outside the ledger"
            return Planned(row, [act], says)
        acts, told, left, grams = self._answers(line)
        if left:
            self._holdings.add(line.lot, line.site, left)
            acts.append(self._claim(line, left, grams))
            told.append(f"claim {left} of {line.lot}, which {row.party_code} has not booked yet")
        return Planned(row, acts, "; ".join(told))

    def _answers(self, line: Line) -> tuple[list[Act], list[str], int, int | None]:
        """Receives of as much of the party's open ships as the row names, what they say, and what is left of the
        row's quantity and weight."""
        row, left, grams = line.row, line.quantity, line.grams
        acts: list[Act] = []
        says: list[str] = []
        for ship in self._holdings.ships(row.party_code, line.lot, line.quantity, row.ref.partition("/")[0]):
            part = min(ship.open, left)
            if not part:
                break
            weight = None if grams is None else grams if part == left else grams * part // left
            grams = None if grams is None or weight is None else grams - weight
            left -= part
            self._holdings.receive(ship, part)
            acts.append(
                build.receive(ship=ship.ship, lot=line.lot, ref=row.ref, at=row.at, accepted=part, grams=weight)
            )
            rest = f", {ship.open} stay open" if ship.open else ""
            says.append(f"receive {part} of {line.lot} from {row.party_code}{rest}")
        return acts, says, left, grams

    def _claim(self, line: Line, quantity: int, grams: int | None) -> Act:
        row = line.row
        return build.claim(
            lot=line.lot, quantity=quantity, ref=row.ref, at=row.at, site=line.site, supplier=row.party_code,
            grams=grams, production=row.production, expiry=_expiry(row),
        )  # fmt: skip

    def _return(self, line: Line) -> Planned:
        row = line.row
        if not self._is_member(row.party_code):
            remedy = "what goes back outside leaves the ledger: suyuan sell --buyer business"
            raise BadCell("供应商", f"{row.party} is outside the ledger", remedy)
        self._take(line)
        act = build.ship(
            lot=line.lot, quantity=line.quantity, ref=row.ref, at=row.at, site=line.site, to=row.party_code,
            grams=line.grams, returns=True,
        )  # fmt: skip
        return Planned(row, [act], f"return {line.quantity} of {line.lot} to {row.party_code}")

    # What goes out

    def _sale(self, line: Line) -> Planned:
        row = line.row
        if row.returned:
            return self._came_back(line)
        self._take(line)
        fields = {"lot": line.lot, "quantity": line.quantity, "ref": row.ref, "at": row.at, "site": line.site}
        if self._is_member(row.party_code) and row.party_code != self._member:
            act = build.ship(to=row.party_code, grams=line.grams, **fields)  # type: ignore[arg-type]
            return Planned(row, [act], f"ship {line.quantity} of {line.lot} to {row.party_code}")
        act = build.sell(grams=line.grams, **fields)  # type: ignore[arg-type]
        return Planned(row, [act], f"sell {line.quantity} of {line.lot} to {row.party or 'a consumer'}")

    def _came_back(self, line: Line) -> Planned:
        row = line.row
        if self._is_member(row.party_code) and row.party_code != self._member:
            acts, told, left, _ = self._answers(line)
            if left:
                remedy = "the customer books what it sends back as a return; import the row again then"
                raise BadCell("客户", f"{row.party_code} has not shipped {line.quantity} of {line.lot} back", remedy)
            return Planned(row, acts, "; ".join(told))
        self._holdings.add(line.lot, line.site, line.quantity)
        act = build.take_back(
            lot=line.lot, quantity=line.quantity, ref=row.ref, at=row.at, site=line.site, grams=line.grams
        )  # fmt: skip
        return Planned(row, [act], f"take back {line.quantity} of {line.lot}")

    def _take(self, line: Line) -> None:
        held = self._holdings.held(line.lot, line.site)
        if line.quantity > held:
            near = nearest(line.lot, self._holdings.lots_like(line.lot)) if held == 0 else None
            remedy = (
                f"is it {near}? Correct the lot number"
                if near is not None
                else "book what is missing: the purchase (it becomes a receipt, a claim or an entry), or a count"
            )
            message = f"{line.quantity} of {line.lot} would go out of {line.site}, which holds {held}"
            raise BadCell("数量", message, remedy)
        self._holdings.add(line.lot, line.site, -line.quantity)


_PLANS: Final = {
    Book.PRODUCTION: Planner._production,
    Book.STOCK: Planner._count,
    Book.PURCHASE: Planner._purchase,
    Book.SALE: Planner._sale,
}


def _expiry(row: Row) -> int | None:
    if row.shelf_days is None or row.production is None:
        return None
    return _day_after(row.production, row.shelf_days)


def _day_after(day: int, days: int) -> int:
    last = dt.date(day // 10_000, day // 100 % 100, day % 100) + dt.timedelta(days=days)
    return last.year * 10_000 + last.month * 100 + last.day
