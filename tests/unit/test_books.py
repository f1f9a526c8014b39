"""Books: rows read and checked one by one, and what each would become."""

from pathlib import Path
from typing import Any

import pytest

from client_sdk.books.holdings import Holdings, OpenShip
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planned, Planner
from client_sdk.books.reader import BadRow, Row, read
from demo.trade import Trade
from demo.world import make
from ledger import entries as e
from ledger import records as r
from ledger.errors import Malformed
from tests.world import CASE, DEALER, FORMULA, MAKER, SHOP, gtin

SALES = "日期,单据号,行号,商品名称,商品条码,单位,数量,生产日期,批号,客户名称,客户信用代码"
PURCHASES = "日期,单号,序号,品名,条码,规格,单位,数量,生产日期,批次,保质期,供货商,供应商信用代码"


def book(tmp_path: Path, *lines: str, encoding: str = "utf-8") -> list[Row | BadRow]:
    path = tmp_path / "book.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return list(read(path))


def row(found: Row | BadRow) -> Row:
    assert isinstance(found, Row), found
    return found


def test_a_sale_and_its_fields(tmp_path: Path) -> None:
    line = f'2026-01-03,XS-1,2,乳粉,{FORMULA},箱,"1,200",2025年11月1日,A1,消费者,'
    for encoding in ("utf-8", "utf-8-sig"):
        found = row(book(tmp_path, SALES, line, encoding=encoding)[0])
        assert (found.ref, found.quantity, found.in_cases, found.lot, found.production) == (
            "XS-1/2",
            1200,
            True,
            "#A1",
            20251101,
        )
        assert found.at == 1_767_412_800_000  # noon in China on that day


def test_synonyms_full_width_digits_and_dates(tmp_path: Path) -> None:
    line = f"2026/1/3,,,乳粉,{FORMULA.lstrip('0')},800g,听,１２,20251101,,24个月,外地供货商,"
    found = row(book(tmp_path, PURCHASES, line)[0])
    assert (found.gtin, found.quantity, found.lot, found.shelf_days) == (FORMULA, 12, "@20251101", 730)
    assert found.ref.startswith("~")


def test_rows_without_a_document_are_told_apart_by_content_and_ordinal(tmp_path: Path) -> None:
    line = f"2026-01-03,,,乳粉,{FORMULA},罐,1,,A1,消费者,"
    other = line.replace(",1,,A1", ",2,,A1")
    refs = [row(found).ref for found in book(tmp_path, SALES, line, other, line)]
    assert len(set(refs)) == 3
    assert refs == [row(found).ref for found in book(tmp_path, SALES, line, other, line)]


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("日期", f"2026-02-30,D,1,乳粉,{FORMULA},罐,1,,A1,x,"),
        ("日期", f",D,1,乳粉,{FORMULA},罐,1,,A1,x,"),
        ("商品条码", f"2026-01-03,D,1,乳粉,{FORMULA[:-1]}9,罐,1,,A1,x,"),
        ("商品条码", "2026-01-03,D,1,乳粉,abc,罐,1,,A1,x,"),
        ("数量", f"2026-01-03,D,1,乳粉,{FORMULA},罐,0,,A1,x,"),
        ("数量", f"2026-01-03,D,1,乳粉,{FORMULA},罐,0.5,,A1,x,"),
        ("数量", f"2026-01-03,D,1,乳粉,{FORMULA},罐,1.5,,A1,x,"),
        ("数量", f"2026-01-03,D,1,乳粉,{FORMULA},罐,99999999999999,,A1,x,"),
        ("批号", f"2026-01-03,D,1,乳粉,{FORMULA},罐,1,,,x,"),
        ("批号", f"2026-01-03,D,1,乳粉,{FORMULA},罐,1,,批号一,x,"),
        ("单位", f"2026-01-03,D,1,乳粉,{FORMULA},打,1,,A1,x,"),
        ("信用代码", f"2026-01-03,D,1,乳粉,{FORMULA},罐,1,,A1,x,91330400MA0000001X"),
        ("单据号", f"2026-01-03,{'D' * 70},1,乳粉,{FORMULA},罐,1,,A1,x,"),
        ("row", '2026-01-03,"D'),
    ],
)
def test_bad_rows_are_named_with_line_and_field_and_none_stops_the_rest(
    tmp_path: Path, field: str, line: str
) -> None:
    good = f"2026-01-03,D,9,乳粉,{FORMULA},罐,1,,A1,消费者,"
    found = book(tmp_path, SALES, good, line, *([] if field == "row" else [good.replace(",9,", ",10,")]))
    assert isinstance(found[0], Row)
    assert isinstance(found[1], BadRow)
    assert (found[1].field, found[1].line) == (field, 3)
    assert len(found) == 2 or isinstance(found[2], Row)


def test_files_that_are_no_books(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="数量"):
        book(tmp_path, "日期,客户名称,商品条码,商品名称,单位")
    with pytest.raises(Malformed, match="empty"):
        book(tmp_path, "")


class Ledger:
    """What a node would say."""

    def product(self, product: str) -> e.ProductEntry | None:
        fields = {"declared_by": r.DeclaredBy.MAKER, "declarer": MAKER.id, "name": "乳粉"}
        if product == CASE:
            return e.ProductEntry(base=FORMULA, contains=6, product=CASE, **fields)  # type: ignore[arg-type]
        return e.ProductEntry(product=product, **fields) if product == FORMULA else None  # type: ignore[arg-type]

    def lot(self, lot: str) -> e.LotEntry | None:
        return None

    def member(self, member: str) -> e.MemberEntry | None:
        if member not in (DEALER.id, MAKER.id):
            return None
        return e.MemberEntry(admitted=0, kind=r.MemberKind.ENTERPRISE, member=member, name="x", region="CN")

    def site(self, site: str) -> e.SiteEntry | None:
        return e.SiteEntry(name="x", region="CN", site=site) if site == SHOP.site else None


def plan(
    rows: list[Row | BadRow], held: int = 0, ships: list[OpenShip] | None = None, **more: Any
) -> list[Planned | BadRow]:
    holdings = Holdings([(f"{FORMULA}#A1", SHOP.site, held, 0)] if held else [], ships or [])
    planner = Planner(Ledger(), SHOP.id, holdings, Mapping(**more))
    return [one if isinstance(one, BadRow) else planner.plan(one) for one in rows]


def planned(found: list[Planned | BadRow]) -> list[tuple[str, int]]:
    """(act, quantity) of every act."""
    names = ("quantity", "accepted", "found")
    return [
        (act.kind.__name__, next(n for name in names if (n := getattr(act.amounts, name, None)) is not None))
        for one in found
        if isinstance(one, Planned)
        for act in one.acts
        if act.amounts is not None
    ]


def bad(found: list[Planned | BadRow]) -> list[BadRow]:
    return [one for one in found if isinstance(one, BadRow)]


def test_sales_become_ships_and_sells_in_base_items(tmp_path: Path) -> None:
    rows = book(
        tmp_path, SALES,
        f"2026-01-03,X,1,乳粉,{CASE},箱,2,,A1,经销商,{DEALER.id}",
        f"2026-01-03,X,2,乳粉,{FORMULA},罐,3,,A1,消费者,",
        f"2026-01-03,X,3,乳粉,{FORMULA},箱,1,,A1,消费者,",
        f"2026-01-03,X,4,乳粉,{FORMULA},罐,99,,A1,消费者,",
        f"2026-01-03,X,5,乳粉,{gtin(88)},罐,1,,A1,消费者,",
    )  # fmt: skip
    found = plan(rows, held=20)
    assert planned(found) == [("Ship", 12), ("Sell", 3)]
    assert [(one.line, one.field) for one in bad(found)] == [(4, "单位"), (5, "数量"), (6, "商品条码")]
    assert "holds 5" in bad(found)[1].message


def test_purchases_find_their_open_ship(tmp_path: Path) -> None:
    lot = f"{FORMULA}#A1"
    ships = [
        OpenShip(b"a" * 32, lot, DEALER.id, SHOP.site, "XS-1/1", 12, 1),
        OpenShip(b"b" * 32, lot, DEALER.id, SHOP.site, "XS-2/1", 12, 2),
        OpenShip(b"c" * 32, lot, DEALER.id, SHOP.site, "XS-3/1", 100, 3),
    ]
    line = "2026-01-03,{doc},1,乳粉,{gtin},800g,罐,{quantity},2025-11-01,A1,730,供货商,{code}"
    rows = book(
        tmp_path, PURCHASES,
        line.format(doc="XS-2", gtin=FORMULA, quantity=12, code=DEALER.id),
        line.format(doc="NN-1", gtin=FORMULA, quantity=12, code=DEALER.id),
        line.format(doc="NN-2", gtin=FORMULA, quantity=30, code=DEALER.id),
        line.format(doc="NN-3", gtin=FORMULA, quantity=500, code=DEALER.id),
        line.format(doc="NN-4", gtin=FORMULA, quantity=7, code=""),
    )  # fmt: skip
    found = plan(rows, ships=ships)
    acts = [act for one in found if isinstance(one, Planned) for act in one.acts]
    received = [act.fields["ship"][:1] for act in acts if act.kind is r.Receive]
    assert received == [b"b", b"a", b"c", b"c"]
    assert planned(found)[3:] == [("Receive", 70), ("Claim", 430), ("Enter", 7)]


def test_the_demonstrations_trade_is_conserved_and_the_same_each_time(tmp_path: Path) -> None:
    import datetime as dt
    from collections import Counter

    day = dt.date(2026, 11, 20)
    trade, again = (Trade(make(1), 1, day) for _ in range(2))
    assert trade.rows() >= 20_000
    assert trade.sales == again.sales
    assert trade.purchases == again.purchases
    cans: Counter[tuple[str, str]] = Counter()
    for books, sign in ((trade.production, 1), (trade.purchases, 1), (trade.sales, -1)):
        for enterprise, rows in books.items():
            for one in rows:
                cans[enterprise.member, one["批号"]] += sign * int(one["数量"]) * (6 if one["单位"] == "箱" else 1)
    assert min(cans.values()) >= 0
    written = trade.write(tmp_path)
    assert [found for _, _, path in written for found in read(path) if isinstance(found, BadRow)] == []
