"""A month of trade as the books of its enterprises tell it.

`Trade` plays the month with full knowledge and writes what each enterprise would have written into its own book.
Quantities are consistent: nobody sells what it does not hold, and each purchase is its supplier's sale. Imported
level by level (maker, dealer, shop), every row can be booked; a few rows are wrong on purpose.

    python -m demo.trade FOLDER [--seed N]    writes the books and world.json, always for the same days
"""

import argparse
import csv
import datetime as dt
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from openpyxl import Workbook

from demo.world import CANS_A_CASE, Enterprise, Product, World, make

DAYS: Final = 30
LOTS_A_PRODUCT: Final = 5
CANS_A_LOT: Final = 10_000
CASES_A_DEALER: Final = (200, 260)  # of each lot
DELIVERIES: Final = 4
LINES_A_DELIVERY: Final = 6
LINES_A_DAY: Final = (2, 6)  # of a shop's till
BOXES_A_LOT: Final = 600
SEED: Final = 20201027
LAST_DAY: Final = dt.date(2026, 11, 20)  # of the books that the command writes; never the clock

Row = dict[str, str]


@dataclass(frozen=True)
class Lot:
    product: Product
    number: str
    made: dt.date
    certificate: str = ""
    port: str = ""

    @property
    def id(self) -> str:
        return f"{self.product.gtin}#{self.number}"


class Trade:
    """The rows of each enterprise's three books; times are dates, the last of them `last_day`."""

    def __init__(self, world: World, seed: int, last_day: dt.date) -> None:
        self.world = world
        self.random = Random(seed)
        self.first_day = last_day - dt.timedelta(days=DAYS - 1)
        self.production: dict[Enterprise, list[Row]] = defaultdict(list)
        self.purchases: dict[Enterprise, list[Row]] = defaultdict(list)
        self.sales: dict[Enterprise, list[Row]] = defaultdict(list)
        self.again: dict[Enterprise, list[Row]] = defaultdict(list)  # a second book of the same sales
        self.manners: dict[Enterprise, str] = {}  # how a book is kept, where not as CSV in UTF-8
        self.lots = self._lots()
        self.imports = self._imports()
        self._documents = 0
        self._played()

    def _lots(self) -> list[Lot]:
        lots = []
        for line, product in enumerate(self.world.formula, 1):  # its number tells lots of one day apart
            for number in range(LOTS_A_PRODUCT):
                made = self.first_day - dt.timedelta(days=60 + 10 * number)
                lots.append(Lot(product, f"{made:%Y%m%d}{chr(65 + number)}{line:02d}", made))
        return lots

    def _imports(self) -> list[Lot]:
        lots = []
        for number, product in enumerate(self.world.frozen * 2):
            made = self.first_day - dt.timedelta(days=90 + number)
            certificate = f"1{self.random.randrange(10**14):014d}"
            port = self.random.choice(("宁波北仑", "上海洋山"))
            lots.append(Lot(product, f"IMP{made:%y%m%d}{number}", made, certificate, port))
        return lots

    def _day(self, number: int) -> str:
        return (self.first_day + dt.timedelta(days=number)).isoformat()

    def _document(self, kind: str, day: int) -> str:
        self._documents += 1
        return f"{kind}{self._day(day).replace('-', '')}-{self._documents:05d}"

    def _row(self, day: int, document: str, line: int, lot: Lot, quantity: int, in_cases: bool) -> Row:
        product = lot.product
        return {
            "日期": self._day(day),
            "单据号": document,
            "行号": str(line),
            "商品名称": product.name,
            "商品条码": product.case if in_cases and product.case else product.gtin,
            "规格": product.specification,
            "单位": "箱" if in_cases else "罐" if product.category == "129" else "盒",
            "数量": str(quantity),
            "生产日期": lot.made.isoformat(),
            "批号": lot.number,
            "保质期": str(product.shelf_days),
            "检验检疫证明号": lot.certificate,
        }

    def _played(self) -> None:
        for number, lot in enumerate(self.lots):
            document = self._document("SC", 0)
            row = self._row(0, document, 1, lot, CANS_A_LOT, in_cases=False)
            self.production[lot.product.maker].append(row | {"检验检疫证明号": f"JY{lot.number}{number:03d}"})
        for number, lot in enumerate(self.imports):
            row = self._row(0, self._document("JK", 0), number + 1, lot, BOXES_A_LOT, in_cases=False)
            self.production[self.world.importer].append(row)
        held = self._supply_dealers()
        self._supply_shops(held)
        self._sell_frozen()
        for shop in self.world.shops:
            self._sell(shop)

    def _hand_over(
        self, seller: Enterprise, buyer: Enterprise, day: int, lines: list[tuple[Lot, int]], in_cases: bool
    ) -> None:
        """One delivery: the seller's sale rows, and a day later the buyer's purchase rows."""
        document = self._document("XS", day)
        for line, (lot, quantity) in enumerate(lines, 1):
            row = self._row(day, document, line, lot, quantity, in_cases)
            site = {"库存地点": self.world.store.site} if seller == self.world.importer else {}
            self.sales[seller].append(row | {"客户名称": buyer.name, "客户信用代码": buyer.member} | site)
            supplier = {"供应商名称": seller.name, "供应商信用代码": seller.member}
            self.purchases[buyer].append(row | {"日期": self._day(day + 1)} | supplier)

    def _supply_dealers(self) -> dict[Enterprise, dict[Lot, int]]:
        """Each maker supplies each dealer with a share of each lot, in cases."""
        held: dict[Enterprise, dict[Lot, int]] = defaultdict(dict)
        for maker in self.world.producers:
            own = [lot for lot in self.lots if lot.product.maker == maker]
            for dealer in self.world.dealers:
                lines = [(lot, self.random.randrange(*CASES_A_DEALER)) for lot in own]
                self._hand_over(maker, dealer, 1, lines, in_cases=True)
                held[dealer].update(lines)
        return held

    def _supply_shops(self, held: dict[Enterprise, dict[Lot, int]]) -> None:
        for number, shop in enumerate(self.world.shops):
            dealer = self.world.dealers[number % len(self.world.dealers)]
            for delivery in range(DELIVERIES):
                chosen = self.random.sample(sorted(held[dealer], key=lambda lot: lot.id), LINES_A_DELIVERY)
                lines = []
                for lot in chosen:
                    cases = min(self.random.randrange(3, 6), held[dealer][lot])
                    if cases:
                        held[dealer][lot] -= cases
                        lines.append((lot, cases))
                self._hand_over(dealer, shop, 3 + 6 * delivery, lines, in_cases=True)

    def _sell_frozen(self) -> None:
        """The importer's goods lie in the cold store and go out to every third shop."""
        for shop in self.world.shops[::3]:
            lines = [(lot, self.random.randrange(3, 6)) for lot in self.random.sample(self.imports, 3)]
            self._hand_over(self.world.importer, shop, 5, lines, in_cases=False)

    def _sell(self, shop: Enterprise) -> None:
        """A shop sells single items to consumers, day by day, out of what has arrived."""
        arrivals: dict[str, list[tuple[Lot, int]]] = defaultdict(list)
        by_code = {lot.number: lot for lot in (*self.lots, *self.imports)}
        for row in self.purchases[shop]:
            items = int(row["数量"]) * (CANS_A_CASE if row["单位"] == "箱" else 1)
            arrivals[row["日期"]].append((by_code[row["批号"]], items))
        held: dict[Lot, int] = defaultdict(int)
        for day in range(DAYS):
            for lot, items in arrivals[self._day(day)]:
                held[lot] += items
            document = self._document("LS", day)
            for line in range(1, self.random.randrange(*LINES_A_DAY)):
                there = sorted((lot for lot in held if held[lot] > 0), key=lambda lot: lot.id)
                if not there:
                    break
                lot = self.random.choice(there)
                quantity = min(held[lot], self.random.choice((1, 1, 1, 2)))
                held[lot] -= quantity
                row = self._row(day, document, line, lot, quantity, in_cases=False)
                self.sales[shop].append(row | {"客户名称": "消费者", "客户信用代码": ""})

    def rows(self) -> int:
        books = (self.production, self.purchases, self.sales, self.again)
        return sum(len(rows) for book in books for rows in book.values())

    def write(self, folder: Path) -> list[tuple[Enterprise, str, Path]]:
        """Write all books; returns (enterprise, kind, file) in an order in which they can be imported."""
        levels = [*self.world.producers, self.world.importer], self.world.dealers, self.world.shops
        written = []
        for level in levels:
            for kind, books in (
                ("production", self.production),
                ("purchases", self.purchases),
                ("sales", self.sales),
                ("monthly", self.again),
            ):
                for enterprise in level:
                    if books.get(enterprise):
                        manner = self.manners.get(enterprise, "utf-8-sig")
                        ending = "xlsx" if manner == "xlsx" else "csv"
                        path = folder / f"{enterprise.role}-{enterprise.member}-{kind}.{ending}"
                        _write(path, books[enterprise], manner)
                        written.append((enterprise, kind, path))
        return written


def _write(path: Path, rows: list[Row], manner: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    headers = list(rows[0])
    if manner == "xlsx":
        _write_spreadsheet(path, headers, rows)
        return
    with path.open("w", encoding=manner, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=headers)
        writer.writeheader()
        writer.writerows(rows)


def _write_spreadsheet(path: Path, headers: list[str], rows: list[Row]) -> None:
    """As a shop's spreadsheet has it: a title above, numbers and dates as such."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("台账")
    sheet.append(["进销存台账"])
    sheet.append(headers)
    for row in rows:
        dated = {name: dt.date.fromisoformat(row[name]) for name in ("日期", "生产日期") if row.get(name)}
        sheet.append([dated.get(name) or (int(value) if name == "数量" else value) for name, value in row.items()])
    book.save(path)


def _described(trade: Trade) -> dict[str, object]:
    """Who and what the books speak of, for world.json."""
    world = trade.world
    members = [world.regulator, *world.everybody]
    return {
        "members": [{**vars(member), "site": member.site} for member in members],
        "products": [{**vars(product), "maker": product.maker.member} for product in world.products],
        "lots": [
            {
                "lot": lot.id,
                "made": lot.made.isoformat(),
                "expires": (lot.made + dt.timedelta(days=lot.product.shelf_days)).isoformat(),
                "certificate": lot.certificate,
                "port": lot.port,
            }
            for lot in (*trade.lots, *trade.imports)
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.trade", description="Write a month of books as CSV.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    trade = Trade(make(given.seed), given.seed, LAST_DAY)
    written = trade.write(given.folder)
    (given.folder / "world.json").write_text(json.dumps(_described(trade), ensure_ascii=False, indent=1), "utf-8")
    print(f"{len(written)} books with {trade.rows()} rows in {given.folder}")


if __name__ == "__main__":
    main()
