"""The demonstration's month: the same from one seed, conserved at every moment, and every code in it valid."""

import csv
import datetime as dt
import json
import socket
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from client_sdk.books.reader import BadRow, Row, read
from demo import run
from demo import trade as demo
from demo.trade import DAYS, LAST_DAY, SEED, Trade
from demo.world import CANS_A_CASE, Enterprise, make
from ledger import identifiers as ids


@pytest.fixture(scope="module")
def trade() -> Trade:
    return Trade(make(SEED), SEED, LAST_DAY)


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict[str, bytes]:
    monkeypatch.setattr(sys, "argv", ["demo.trade", str(folder), *more])
    demo.main()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_seed_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = written(tmp_path / "one", monkeypatch)
    assert one == written(tmp_path / "same", monkeypatch)
    other = written(tmp_path / "other", monkeypatch, "--seed", "7")
    assert one["world.json"] != other["world.json"]
    rows = sum(
        1 for name, data in one.items() if name.endswith(".csv") for _ in csv.reader(data.decode().splitlines())
    )
    assert rows - (len(one) - 1) >= 20_000


def test_every_code_is_valid(trade: Trade) -> None:
    world = trade.world
    members = [world.regulator, *world.everybody]
    for member in members:
        ids.check_uscc(member.member)
        ids.check_site_id(member.site)
    assert len({member.member for member in members}) == len(members)
    for product in world.products:
        ids.check_gtin(product.gtin)
        ids.check_country(product.origin)
    for product in world.formula:
        ids.check_gtin(product.case or "")
        ids.check_food_licence(product.licence or "")
        ids.check_formula_registration(product.registration or "")
        assert (product.licence or "")[2:5] == "129"
    for lot in (*trade.lots, *trade.imports):
        ids.check_lot_id(lot.id)
    assert all(lot.certificate and lot.port and lot.product.temp_max_mc is not None for lot in trade.imports)


@pytest.mark.parametrize("seed", range(5))
def test_lot_numbers_are_unique_for_any_seed(seed: int) -> None:
    trade = Trade(make(seed), seed, LAST_DAY)
    numbers = [lot.number for lot in (*trade.lots, *trade.imports)]
    assert len(set(numbers)) == len(numbers)


def items(row: dict[str, str]) -> int:
    return int(row["数量"]) * (CANS_A_CASE if row["单位"] == "箱" else 1)


def test_nobody_sells_what_it_does_not_hold_on_any_day(trade: Trade) -> None:
    """Day by day: what comes in before what goes out, per holder and lot."""
    moves: dict[tuple[Enterprise, str], list[tuple[str, int, int]]] = defaultdict(list)
    for books, order in ((trade.production, 0), (trade.purchases, 0), (trade.sales, 1)):
        for enterprise, rows in books.items():
            for row in rows:
                quantity = -items(row) if order else items(row)
                moves[enterprise, row["批号"]].append((row["日期"], order, quantity))
    for key, all_moves in moves.items():
        held = 0
        for day, _, quantity in sorted(all_moves):
            held += quantity
            assert held >= 0, (key, day)


def test_a_purchase_is_its_suppliers_sale_and_comes_later(trade: Trade) -> None:
    def deal(row: dict[str, str], seller: str, buyer: str) -> tuple[str, ...]:
        return (
            seller,
            buyer,
            *(row[name] for name in ("单据号", "行号", "商品条码", "批号", "数量", "单位", "生产日期")),
        )

    sold = {
        deal(row, seller.member, row["客户信用代码"]): row["日期"]
        for seller, rows in trade.sales.items()
        for row in rows
        if row["客户信用代码"]
    }
    bought = {
        deal(row, row["供应商信用代码"], buyer.member): row["日期"]
        for buyer, rows in trade.purchases.items()
        for row in rows
    }
    assert sold.keys() == bought.keys()
    assert all(sold[one] < bought[one] for one in sold)


def test_the_month_is_the_month(trade: Trade) -> None:
    first = (LAST_DAY - dt.timedelta(days=DAYS - 1)).isoformat()
    books = (trade.production, trade.purchases, trade.sales)
    days = {row["日期"] for book in books for rows in book.values() for row in rows}
    assert first == min(days)
    assert max(days) <= LAST_DAY.isoformat()


def test_books_are_read_whole(trade: Trade, tmp_path: Path) -> None:
    found = [row for _, _, path in trade.write(tmp_path) for row in read(path)]
    assert len(found) == trade.rows()
    assert [row for row in found if isinstance(row, BadRow)] == []
    shops = {shop.member for shop in trade.world.shops}
    units = Counter(row.goods.unit == "箱" for row in found if isinstance(row, Row) and row.party_code in shops)
    assert units[True] > 0  # dealers ship cases
    assert not any(row.goods.unit == "箱" for row in found if isinstance(row, Row) and row.party == "消费者")


def test_world_json_names_everybody_and_everything(
    trade: Trade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(written(tmp_path, monkeypatch)["world.json"])
    assert [one["member"] for one in told["members"]][1:] == [one.member for one in trade.world.everybody]
    assert [one["gtin"] for one in told["products"]] == [one.gtin for one in trade.world.products]
    assert [one["lot"] for one in told["lots"]] == [lot.id for lot in (*trade.lots, *trade.imports)]
    assert all(one["made"] < one["expires"] for one in told["lots"])


def test_ports_that_cannot_be_used_are_told_before_anything_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} (--http) cannot be used" in run.trouble(run.ports(0, port))
        assert "(the next one behind --grpc, for readers) cannot be used" in run.trouble(run.ports(port - 1, 0))
    assert run.trouble(run.ports(0, 0)) == ""
    assert f"port {port} is both the next one behind --grpc, for readers and --http" in run.trouble(
        run.ports(port - 1, port)
    )
    assert "cannot be used" in run.trouble(run.ports(70_000, 0))
