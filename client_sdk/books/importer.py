"""From a book's rows to acts: each row becomes an act, or says why not and what would cure it.

Purchases answer the supplier's open ship; from a supplier outside the ledger they are entries. Sales to a member
are ships, others sales. Cases become base items by the product's declared levels. Nothing is sent here.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from client_sdk import build
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import Book
from client_sdk.books.reader import BadRow, Row
from client_sdk.build import Act
from ledger import entries as e
from ledger import identifiers as ids
from ledger.errors import Malformed


class Planned(Struct, frozen=True):
    """What a row becomes: its act, and one line that says so."""

    row: Row
    act: Act
    says: str


class OpenShip(Struct):
    """A ship that waits for this member, as the import uses it up."""

    ship: bytes
    lot: str
    owner: str
    ref: str
    open: int
    time_ms: int


class Ledger(Protocol):
    """What the import asks the node."""

    def product(self, product: str) -> e.ProductEntry | None: ...

    def lot(self, lot: str) -> e.LotEntry | None: ...

    def member(self, member: str) -> e.MemberEntry | None: ...

    def site(self, site: str) -> e.SiteEntry | None: ...


class Importer:
    """Plans one book of one member. Holdings and open ships are those at the start; rows use them up in order."""

    def __init__(
        self,
        ledger: Ledger,
        member: str,
        held: Iterable[tuple[str, str, int]],
        ships: Iterable[OpenShip],
        booked: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        """`held` is (lot, site, quantity); `booked` the (side, ref) of document lines that are booked already."""
        self._ledger = ledger
        self._member = member
        self._booked = booked
        self._held: dict[tuple[str, str], int] = defaultdict(int)
        for lot, site, quantity in held:
            self._held[lot, site] += quantity
        self._ships: dict[tuple[str, str], list[OpenShip]] = defaultdict(list)
        for ship in ships:
            self._ships[ship.owner, ship.lot].append(ship)
        self._products: dict[str, e.ProductEntry | None] = {}
        self._members: dict[str, bool] = {}
        self._sites: dict[str, bool] = {}
        self.already = 0

    def plan(self, rows: Iterable[Row | BadRow]) -> Iterator[Planned | BadRow]:
        """Each row's act, or why it cannot be booked; rows booked before are counted in `already`."""
        for row in rows:
            if isinstance(row, BadRow):
                yield row
            elif (_SIDES[row.book], row.ref) in self._booked:
                self.already += 1
            else:
                yield self._row(row)

    def _row(self, row: Row) -> Planned | BadRow:
        try:
            quantity, lot = self._base(row)
            site = self._site(row)
        except BadCell as bad:
            return BadRow(row.line, bad.field, bad.message, bad.remedy)
        if row.book == Book.PRODUCTION:
            return self._production(row, lot, quantity, site)
        if row.book == Book.PURCHASE:
            return self._purchase(row, lot, quantity, site)
        return self._sale(row, lot, quantity, site)

    def _base(self, row: Row) -> tuple[int, str]:
        """The quantity in base items, and the lot of the base item. A case is counted by its own code; a code and
        a unit that contradict each other are asked about, never guessed."""
        product = self._product(row.gtin)
        if product is None:
            raise BadCell(
                "商品条码", f"product {row.gtin} is not declared", "its maker or importer declares it first"
            )
        if product.base is not None and not row.in_cases:
            remedy = f"use the bar code of the single item, {product.base}, or count cases"
            raise BadCell(
                "单位", f"{row.gtin} is the code of a case of {product.contains}, the unit is an item", remedy
            )
        if product.base is not None:
            return row.quantity * (product.contains or 1), product.base + row.lot
        if row.in_cases:
            remedy = "use the bar code of the case, or count single items"
            raise BadCell("单位", f"{row.gtin} is the code of a single item, the unit is a case", remedy)
        return row.quantity, row.gtin + row.lot

    def _site(self, row: Row) -> str:
        site = row.site if "/" in row.site else f"{self._member}/{row.site or 'main'}"
        if site not in self._sites:
            try:
                ids.check_site_id(site)
            except Malformed as error:
                raise BadCell("库存地点", error.message) from None
            self._sites[site] = self._ledger.site(site) is not None
        if not self._sites[site]:
            raise BadCell("库存地点", f"site {site} is not declared", "its keeper declares it first")
        return site

    def _product(self, gtin: str) -> e.ProductEntry | None:
        if gtin not in self._products:
            self._products[gtin] = self._ledger.product(gtin)
        return self._products[gtin]

    def _is_member(self, code: str) -> bool:
        if code and code not in self._members:
            self._members[code] = self._ledger.member(code) is not None
        return bool(code) and self._members[code]

    def _production(self, row: Row, lot: str, quantity: int, site: str) -> Planned | BadRow:
        product = self._product(row.gtin)
        if product is None or self._member not in (product.maker, product.declarer):
            remedy = "a sales book names its customers (客户名称), a purchase book its suppliers (供应商名称)"
            return BadRow(
                row.line, "商品条码", f"{self._member} does not make {row.gtin}, so it is no production", remedy
            )
        if row.production is None:
            return BadRow(row.line, "生产日期", "a production row needs its date")
        expiry = _expiry(row.production, row.shelf_days)
        self._held[lot, site] += quantity
        act = build.commission(
            lot=lot, quantity=quantity, ref=row.ref, at=row.at, site=site, production=row.production, expiry=expiry
        )
        return Planned(row, act, f"commission {quantity} of {lot}")

    def _purchase(self, row: Row, lot: str, quantity: int, site: str) -> Planned | BadRow:
        if not self._is_member(row.party_code):
            expiry = _expiry(row.production, row.shelf_days) if row.production is not None else None
            self._held[lot, site] += quantity
            act = build.enter(
                lot=lot,
                quantity=quantity,
                ref=row.ref,
                at=row.at,
                site=site,
                production=row.production,
                expiry=expiry,
            )
            return Planned(row, act, f"enter {quantity} of {lot} from {row.party}, who is outside the ledger")
        found = self._best_ship(row, lot, quantity)
        if found is None:
            return BadRow(
                row.line,
                "供应商",
                f"{row.party_code} has shipped no {quantity} of {lot} that is still open",
                "ask the supplier to book its sale first (claims come in a later version), or correct the quantity",
            )
        found.open -= quantity
        self._held[lot, site] += quantity
        act = build.receive(ship=found.ship, lot=lot, ref=row.ref, at=row.at, accepted=quantity)
        part = "" if found.open == 0 else f", {found.open} stay open"
        return Planned(row, act, f"receive {quantity} of {lot} from {row.party_code}{part}")

    def _best_ship(self, row: Row, lot: str, quantity: int) -> OpenShip | None:
        """The open ship of this supplier and lot: the exact quantity first, the document number breaks ties, then
        the oldest; a part of a larger one otherwise."""
        document = row.ref.partition("/")[0]
        fits = [ship for ship in self._ships[row.party_code, lot] if ship.open >= quantity]
        return min(
            fits,
            key=lambda ship: (ship.open != quantity, not ship.ref.startswith(document), ship.time_ms),
            default=None,
        )

    def _sale(self, row: Row, lot: str, quantity: int, site: str) -> Planned | BadRow:
        held = self._held[lot, site]
        if quantity > held:
            return BadRow(
                row.line,
                "数量",
                f"{quantity} of {lot} would go out of {site}, which holds {held}",
                "book the purchase that is missing (receive, enter), or correct the quantity",
            )
        self._held[lot, site] = held - quantity
        if self._is_member(row.party_code) and row.party_code != self._member:
            act = build.ship(lot=lot, quantity=quantity, ref=row.ref, at=row.at, site=site, to=row.party_code)
            return Planned(row, act, f"ship {quantity} of {lot} to {row.party_code}")
        return Planned(
            row,
            build.sell(lot=lot, quantity=quantity, ref=row.ref, at=row.at, site=site),
            f"sell {quantity} of {lot} to {row.party or 'a consumer'}",
        )


_SIDES = {Book.PURCHASE: "i", Book.SALE: "o", Book.PRODUCTION: "w"}  # as the rules have them: custody.side_of


def _expiry(production: int, shelf_days: int | None) -> int | None:
    if shelf_days is None:
        return None
    made = dt.date(production // 10_000, production // 100 % 100, production % 100)
    last = made + dt.timedelta(days=shelf_days)
    return last.year * 10_000 + last.month * 100 + last.day
