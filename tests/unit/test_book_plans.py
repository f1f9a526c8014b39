"""What rows of real books become: receipts, claims, returns, counts; and what is asked, with the cure."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from client_sdk.books.cells import CHINA
from client_sdk.books.columns import Book
from client_sdk.books.holdings import Holdings, Stock
from client_sdk.books.line import Planned
from client_sdk.books.lots import NearLots, alike, one_edit
from client_sdk.books.rows import BadRow
from client_sdk.books.scratch import Scratch, Spill
from client_sdk.books.waiting import Waiting, Wanted
from client_sdk.wire import Side
from ledger import records as r
from tests.books import LOT, PURCHASES, SALES, STOCK, Node, acts, bad, plan, row, ship
from tests.world import CASE, DEALER, FORMULA, MAKER, OTHER_SHOP, SHOP, SHRIMP, gtin

ONE = {"供应商信用代码": "", "客户信用代码": ""}  # somebody outside the ledger
WEIGHED = f"{SHRIMP}#20250101A"


def only(found: list[Planned | BadRow]) -> Planned:
    [one] = found
    assert isinstance(one, Planned), one
    return one


def received(found: list[Planned | BadRow]) -> list[int]:
    """The number of each ship that is received, in order."""
    planned = [one for one in found if isinstance(one, Planned)]
    return [act.fields["ship"][0] for one in planned for act in one.acts if act.kind is r.Receive]


# Purchases


def test_a_late_supplier_is_claimed_and_a_surplus_too(tmp_path: Path) -> None:
    late = plan(tmp_path, PURCHASES, [row(数量="24", 生产日期="2025-01-01")])
    assert acts(late) == [("Claim", 24)]
    assert only(late).acts[0].fields["supplier"] == DEALER.id
    both = plan(tmp_path, PURCHASES, [row(数量="24")], ships=[ship(1, 10), ship(2, 8)])
    assert acts(both) == [("Receive", 10), ("Receive", 8), ("Claim", 6)]
    assert {act.amounts.ref for act in only(both).acts if act.amounts} == {"D/1"}
    assert only(both).says == (
        f"receive 10 of {LOT} from {DEALER.id}; receive 8 of {LOT} from {DEALER.id}; "
        f"claim 6 of {LOT}, which {DEALER.id} has not booked yet"
    )


@pytest.mark.parametrize(
    ("ships", "quantity", "document", "expected"),
    [
        ([(1, 12, "XS-1"), (2, 12, "XS-2"), (3, 100, "XS-3")], 12, "NN", [(1, 12)]),  # the oldest of the exact ones
        ([(1, 12, "XS-1"), (2, 12, "XS-2"), (3, 100, "XS-3")], 12, "XS-2", [(2, 12)]),  # the document breaks the tie
        ([(1, 12, "XS-1"), (2, 12, "XS-2"), (3, 100, "XS-3")], 30, "XS-1", [(3, 30)]),  # a part of a larger one
        ([(1, 6, "XS-1"), (2, 6, "XS-1"), (3, 100, "XS-3")], 12, "XS-1", [(1, 6), (2, 6)]),  # a whole document
        ([(1, 40, "XS-10"), (2, 50, "XS-1")], 30, "XS-1", [(2, 30)]),  # XS-1 is not XS-10
        ([(1, 12, "XS-1"), (2, 8, "XS-2")], 20, "XS-2", [(2, 8), (1, 12)]),
        ([(1, 12, "XS-1"), (2, 8, "XS-2")], 24, "", [(1, 12), (2, 8)]),
        ([], 24, "XS-1", []),
    ],
)  # fmt: skip
def test_the_ships_that_so_many_goods_answer(
    ships: list[tuple[int, int, str]], quantity: int, document: str, expected: list[tuple[int, int]]
) -> None:
    waiting = Holdings((), [ship(number, n, document=name) for number, n, name in ships]).waiting
    found = waiting.answers(Wanted(LOT, DEALER.id), quantity, document)
    assert [(one.ship[0], part) for one, part in found] == expected


@pytest.mark.parametrize("document", ["", "JH-1", "XS-7"])
def test_a_row_costs_the_same_among_many_ships_as_among_few(document: str) -> None:
    """In steps of SQLite's machine: all ships are of one lot and one party."""

    def steps(count: int) -> int:
        scratch = Scratch()
        waiting = Waiting(scratch, [replace(ship(1, n, document=f"XS-{n}"), time_ms=n) for n in range(1, count)])
        taken = [0]

        def step() -> None:
            taken[0] += 1

        scratch.db.set_progress_handler(step, 1)
        for quantity in (5, count // 2, count - 2):
            for one, part in waiting.answers(Wanted(LOT, DEALER.id), quantity, document):
                waiting.take(one, part)
        return taken[0]

    assert steps(3000) < 2 * steps(30)


def test_rows_use_up_what_waits_in_order(tmp_path: Path) -> None:
    lines = [row(行号=str(n), 数量=str(quantity)) for n, quantity in enumerate((4, 8, 8))]
    found = plan(tmp_path, PURCHASES, lines, ships=[ship(1, 12), ship(2, 4)])
    assert acts(found) == [("Receive", 4), ("Receive", 8), ("Receive", 4), ("Claim", 4)]
    assert received(found) == [2, 1, 1]


def test_a_ship_to_another_site_of_mine_is_found_unless_the_row_names_one(tmp_path: Path) -> None:
    cold = f"{SHOP.id}/cold"
    headers = (*PURCHASES, "库存地点")
    there = [ship(1, 6, site=cold)]
    assert acts(plan(tmp_path, headers, [row()], ships=there)) == [("Receive", 6)]
    assert acts(plan(tmp_path, headers, [row(库存地点="cold")], ships=there)) == [("Receive", 6)]
    named = plan(tmp_path, headers, [row(库存地点="main")], ships=[ship(1, 6, site=cold)])
    assert acts(named) == [("Claim", 6)]
    assert bad(plan(tmp_path, headers, [row(库存地点="nowhere")])).field == "库存地点"
    assert bad(plan(tmp_path, headers, [row(库存地点="店铺")])).field == "库存地点"


def test_from_outside_the_ledger_it_is_an_entry(tmp_path: Path) -> None:
    headers = (*PURCHASES, "保质期")
    entered = only(plan(tmp_path, headers, [row(**ONE, 生产日期="2025-01-31", 保质期="1个月")]))
    assert [entered.acts[0].fields[name] for name in ("production", "expiry")] == [20250131, 20250228]
    assert entered.acts[0].kind is r.Enter
    stranger = plan(tmp_path, PURCHASES, [row(供应商信用代码=OTHER_SHOP.id)])
    assert acts(stranger) == [("Enter", 6)]
    closed = row(**ONE, 商品条码="X", 批号="1")
    refused = bad(plan(tmp_path, PURCHASES, [closed], products={"X": f"{MAKER.id}/CLOSED"}))
    assert "suyuan mapping party" in refused.remedy
    assert "own code" in bad(plan(tmp_path, PURCHASES, [row(供应商信用代码=SHOP.id)])).message


def test_what_goes_back_to_its_supplier(tmp_path: Path) -> None:
    back = only(plan(tmp_path, PURCHASES, [row(数量="-6")], held=10))
    assert (back.acts[0].kind, back.acts[0].fields["returns"], back.row.side) == (r.Ship, True, Side.OUT)
    outside = only(plan(tmp_path, PURCHASES, [row(**ONE, 数量="-6")], held=10))
    assert (outside.acts[0].kind, outside.acts[0].fields["buyer"]) == (r.Sell, r.SaleTo.BUSINESS)
    assert "holds 5" in bad(plan(tmp_path, PURCHASES, [row(数量="-6")], held=5)).message


# Sales


def test_sales_are_ships_and_sells_in_base_items(tmp_path: Path) -> None:
    lines = [
        row(行号="1", 商品条码=CASE, 单位="箱", 数量="2"), row(行号="2", 数量="3", **ONE),
        row(行号="3", 单位="箱", 数量="1"), row(行号="4", 数量="99"),
        row(行号="5", 数量="1", 客户信用代码=OTHER_SHOP.id),
    ]  # fmt: skip
    found = plan(tmp_path, SALES, lines, held=20)
    assert acts(found) == [("Ship", 12), ("Sell", 3), ("Sell", 1)]
    told = [(one.line, one.field) for one in found if isinstance(one, BadRow)]
    assert told == [(4, "单位"), (5, "数量")]
    planned = [one for one in found if isinstance(one, Planned)]
    assert [act.fields["buyer"] for one in planned[1:] for act in one.acts] == [r.SaleTo.CONSUMER, r.SaleTo.BUSINESS]
    assert "own code" in bad(plan(tmp_path, SALES, [row(客户信用代码=SHOP.id)], held=9)).message


def test_more_sold_than_held_names_what_would_cure_it(tmp_path: Path) -> None:
    first, wrong = plan(tmp_path, SALES, [row(), row(行号="2", 数量="5")], held=10)
    assert isinstance(first, Planned)
    assert isinstance(wrong, BadRow)
    assert "holds 4" in wrong.message
    for cure in ("purchase", "claim", "entry", "count"):
        assert cure in wrong.remedy
    packed = {LOT: Stock(10, reserved=6)}
    assert "holds 4" in bad(plan(tmp_path, SALES, [row()], held=packed)).message
    typed = {LOT: Stock(10), f"{FORMULA}#20250101B": Stock(0)}
    known = Node([LOT, f"{FORMULA}#20250101B"])
    near = bad(plan(tmp_path, SALES, [row(批号="20250101B")], held=typed, node=known))
    assert f"is it {LOT}" in near.remedy


def test_what_comes_back_from_customers(tmp_path: Path) -> None:
    sold = {LOT: Stock(1, sold=3)}
    lines = [row(**ONE, 数量="(2)"), row(**ONE, 行号="2", 数量="-2")]
    back, more = plan(tmp_path, SALES, lines, held=sold)
    assert acts([back]) == [("TakeBack", 2)]
    assert isinstance(more, BadRow)
    assert "sold 1" in more.message
    returned = [ship(1, 8, returns=True), ship(2, 50)]
    assert acts(plan(tmp_path, SALES, [row(数量="-8")], ships=returned)) == [("Receive", 8)]
    told = bad(plan(tmp_path, SALES, [row(数量="-9")], ships=returned))
    assert ("has shipped 8" in told.message, "purchase book" in told.remedy) == (True, True)
    assert received(plan(tmp_path, PURCHASES, [row(数量="8")], ships=returned)) == [2]


def test_a_sale_then_its_return_in_one_book(tmp_path: Path) -> None:
    lines = [row(**ONE), row(**ONE, 行号="2", 数量="-6"), row(**ONE, 行号="3", 数量="10")]
    assert acts(plan(tmp_path, SALES, lines, held=10)) == [("Sell", 6), ("TakeBack", 6), ("Sell", 10)]


# Variable measure


def test_what_is_weighed_needs_its_weight_and_nothing_else_does(tmp_path: Path) -> None:
    shrimp = row(数量="3", 商品条码=SHRIMP, 单位="盒")
    one = only(plan(tmp_path, PURCHASES, [shrimp | {"重量(kg)": "6.125"}]))
    assert one.acts[0].amounts == r.Moved(grams=6125, quantity=3, ref="D/1")
    missing = bad(plan(tmp_path, PURCHASES, [shrimp]))
    assert (missing.field, "重量(kg)" in missing.remedy) == ("重量", True)
    cans = only(plan(tmp_path, PURCHASES, [row(**{"重量(kg)": "2.4"})]))
    assert cans.acts[0].amounts == r.Moved(quantity=6, ref="D/1")


def test_a_delivery_in_parts_weighs_as_its_senders_scales_said(tmp_path: Path) -> None:
    """Ships of 10 and 5 heavier boxes, received as 18 boxes of 1 % less: each within tolerance, the surplus by
    number."""
    boxes = row(数量="18", 商品条码=SHRIMP, 单位="盒", **{"重量(kg)": "19.8"})
    ships = [ship(1, 10, WEIGHED, grams=10_000), ship(2, 5, WEIGHED, grams=6_667)]
    found = only(plan(tmp_path, PURCHASES, [boxes], ships=ships))
    weights = [act.amounts.grams for act in found.acts if isinstance(act.amounts, r.Received | r.Moved)]
    assert weights == [9_899, 6_601, 3_300]
    assert sum(weight or 0 for weight in weights) == 19_800


def test_portions_by_weight(tmp_path: Path) -> None:
    held = {WEIGHED: Stock(3, grams=6000)}
    portion = row(**ONE, 数量="0.5", 单位="公斤", 商品条码=SHRIMP)
    lines = [portion, portion | {"行号": "2", "数量": "-250", "单位": "g"}, portion | {"行号": "3", "数量": "6"}]
    sold, back, more = plan(tmp_path, SALES, lines, held=held)
    assert isinstance(sold, Planned)
    assert isinstance(back, Planned)
    assert sold.acts[0].amounts == r.Moved(grams=500, quantity=0, ref="D/1")
    assert (back.acts[0].kind, back.acts[0].amounts) == (r.TakeBack, r.Moved(grams=250, quantity=0, ref="D/2"))
    assert isinstance(more, BadRow)
    assert "holds 5750 g" in more.message
    member = portion | {"客户信用代码": DEALER.id}
    assert "whole items" in bad(plan(tmp_path, SALES, [member], held=held)).message
    cans = row(**ONE, 数量="0.5", 单位="公斤")
    assert "all weigh the same" in bad(plan(tmp_path, SALES, [cans], held=9)).message


# Stock-taking


def counted(found: list[Planned | BadRow]) -> list[tuple[int, int]]:
    """(what the book said, what was found) of each count."""
    amounts = [one.acts[0].amounts for one in found if isinstance(one, Planned)]
    return [(one.book, one.found) for one in amounts if isinstance(one, r.Counted)]


def test_a_count_takes_what_the_ledger_says_where_the_book_does_not(tmp_path: Path) -> None:
    for book, expected in (("", (10, 8)), ("12", (12, 8))):
        found = plan(tmp_path, STOCK, [row(账面数量=book, 实盘数量="8")], held=10, opening="counted")
        assert counted(found) == [expected]
        assert only(found).acts[0].fields["kind"] == r.CountKind.PERIODIC
    cases = row(商品条码=CASE, 单位="箱", 账面数量="2", 实盘数量="3")
    assert counted(plan(tmp_path, STOCK, [cases], held=12)) == [(12, 18)]
    assert counted(plan(tmp_path, STOCK, [row(单位="", 商品条码=CASE, 实盘数量="2")])) == [(0, 12)]
    fewer = bad(plan(tmp_path, STOCK, [row(账面数量="12", 实盘数量="1")], held=10))
    assert "账面数量" in fewer.remedy
    assert counted(plan(tmp_path, STOCK, [row(实盘数量="0")], held=10)) == [(10, 0)]


def test_an_opening_count_begins_with_what_the_ledger_says(tmp_path: Path) -> None:
    """The book before the ledger may have said 100; the ledger said nothing."""
    found = plan(tmp_path, STOCK, [row(账面数量="100", 实盘数量="98")], opening="counting")
    assert counted(found) == [(0, 98)]
    assert only(found).acts[0].fields["kind"] == r.CountKind.OPENING


@pytest.mark.parametrize("opening", ["counting", "counted"])
def test_a_lot_that_is_counted_on_two_shelves_is_counted_together(tmp_path: Path, opening: str) -> None:
    lines = [row(实盘数量="5"), row(行号="2", 商品条码=CASE, 单位="箱", 实盘数量="2"), row(行号="3", 实盘数量="1")]
    found = plan(tmp_path, STOCK, lines, held=7, opening=opening)
    assert counted(found) == [(7, 5), (5, 17), (17, 18)]


def test_a_count_of_what_is_weighed(tmp_path: Path) -> None:
    boxes = row(商品条码=SHRIMP, 单位="盒", 实盘数量="2", **{"重量(kg)": "3.9"})
    held = {WEIGHED: Stock(3, grams=6000)}
    one = only(plan(tmp_path, STOCK, [boxes], held=held, opening="counted"))
    assert one.acts[0].amounts == r.Counted(book=3, book_grams=6000, found=2, found_grams=3900, ref="D/1")
    nothing = boxes | {"实盘数量": "0", "重量(kg)": ""}
    gone = only(plan(tmp_path, STOCK, [nothing], held=held, opening="counted"))
    assert gone.acts[0].amounts == r.Counted(book=3, book_grams=6000, found=0, found_grams=0, ref="D/1")
    late = boxes | {"账面数量": "4"}
    asked = bad(plan(tmp_path, STOCK, [late], held=held, opening="counted"))
    assert asked.field == "账面重量"
    said = only(plan(tmp_path, STOCK, [late | {"账面重量(kg)": "8"}], held={WEIGHED: Stock(6, grams=12_000)}))
    assert said.acts[0].amounts == r.Counted(book=4, book_grams=8000, found=2, found_grams=3900, ref="D/1")


# Production


def test_only_a_maker_makes(tmp_path: Path) -> None:
    headers = ("生产日期", "商品条码", "批号", "数量", "检验报告编号")
    made = row(生产日期="2025-01-01", 检验报告编号="JY-7")
    one = only(plan(tmp_path, headers, [made], member=MAKER.id))
    assert [act.kind for act in one.acts] == [r.Commission, r.Fact]
    refused = bad(plan(tmp_path, headers, [made]))
    assert ("does not make" in refused.message, "客户名称" in refused.remedy) == (True, True)


# Lots


@pytest.mark.parametrize(
    ("one", "other", "same", "edited"),
    [
        ("2O25", "2025", True, False), ("l23S", "1235", True, False), ("A-01B", "A018", True, False),
        ("a01z", "A012", True, False), ("20250101", "2025101", False, True), ("20251010", "20251001", False, True),
        ("20250101A01", "20250101A02", False, True), ("2025", "2025", False, False), ("ABC", "AB", False, False),
        ("L000001", "L000022", False, False), ("20250101A", "20250103B", False, False),
    ],
)  # fmt: skip
def test_lot_numbers_that_are_nearly_the_same(one: str, other: str, same: bool, edited: bool) -> None:
    for first, second in ((one, other), (other, one)):
        assert (alike(first, second), one_edit(first, second)) == (same, edited)
        near = NearLots(Scratch())
        near.add(f"P#{first}")
        near.add(f"Q#{second}")
        assert near.near(f"P#{second}") == ([(f"P#{first}", same)] if same or edited else [])


def test_a_lot_typed_wrongly_is_asked_about_once(tmp_path: Path) -> None:
    typed, wrong = row(批号="2O250101A"), f"{FORMULA}#2O250101A"
    for headers, book in ((PURCHASES, {"ships": [ship(1, 6)]}), (SALES, {"held": 10}), (STOCK, {"held": 10})):
        asked = bad(plan(tmp_path, headers, [typed], **book))  # type: ignore[arg-type]
        assert asked.field == "批号"
        assert f"suyuan mapping lot '{wrong}' '{LOT}'" in asked.remedy
        assert f"suyuan mapping lot '{wrong}' '{wrong}'" in asked.remedy
    ships = [ship(1, 6)]
    assert acts(plan(tmp_path, PURCHASES, [typed], ships=ships, lots={wrong: LOT})) == [("Receive", 6)]
    assert acts(plan(tmp_path, PURCHASES, [typed], ships=[ship(1, 6)], lots={wrong: wrong})) == [("Claim", 6)]


def test_a_lot_typed_wrongly_on_a_case_is_the_same_question(tmp_path: Path) -> None:
    typed, wrong = row(批号="2O250101A", 商品条码=CASE, 单位="箱", 数量="1"), f"{FORMULA}#2O250101A"
    assert wrong in bad(plan(tmp_path, PURCHASES, [typed], ships=[ship(1, 6)])).remedy
    assert acts(plan(tmp_path, PURCHASES, [typed], ships=[ship(1, 6)], lots={wrong: LOT})) == [("Receive", 6)]


@pytest.mark.parametrize(
    ("number", "made", "asked"),
    [
        ("20250101B", "2025-01-01", True), ("20250101B", "2025-01-02", False), ("20250101B", "", True),
        ("2O250101A", "2025-01-02", True), ("20250302C", "2025-01-01", False),
    ],
)  # fmt: skip
def test_lots_of_other_days_may_differ_in_one_character(tmp_path: Path, number: str, made: str, asked: bool) -> None:
    line = row(**ONE, 批号=number, 生产日期=made)
    found = plan(tmp_path, PURCHASES, [line], held=10, node=Node(made=20250101))
    assert isinstance(found[0], BadRow) is asked


def test_lots_that_a_book_brings_up_are_known_to_its_later_rows(tmp_path: Path) -> None:
    lines = [
        row(**ONE, 批号="L202501A", 生产日期="2025-01-01"),
        row(**ONE, 行号="2", 批号="L202501B", 生产日期="2025-01-02"),
        row(**ONE, 行号="3", 批号="L2O2501A", 生产日期="2025-01-01"), row(**ONE, 行号="4", 批号="L202501A"),
    ]  # fmt: skip
    found = plan(tmp_path, PURCHASES, lines, node=Node([]))
    assert [isinstance(one, BadRow) for one in found] == [False, False, True, False]


def test_a_lot_that_is_on_the_ledger_is_no_question(tmp_path: Path) -> None:
    known = Node([LOT, f"{FORMULA}#2O250101A"])
    assert acts(plan(tmp_path, PURCHASES, [row(批号="2O250101A")], ships=[ship(1, 6)], node=known)) == [("Claim", 6)]


def test_what_is_not_declared_is_named_with_the_cure(tmp_path: Path) -> None:
    asked = bad(plan(tmp_path, PURCHASES, [row(商品条码=gtin(88))]))
    assert (asked.field, "suyuan register" in asked.remedy) == ("商品条码", True)


# Time


@pytest.mark.parametrize(
    ("written", "clock", "at"),
    [
        ("2025-11-03", "2025-11-03 09:00", "2025-11-03 09:00"),  # today, before noon: now
        ("2025-11-03", "2025-11-03 15:00", "2025-11-03 12:00"),
        ("2025-11-02", "2025-11-03 09:00", "2025-11-02 12:00"),
        ("2025-11-03 09:03", "2025-11-03 09:00", "2025-11-03 09:03"), ("2025-11-03 13:00", "2025-11-03 09:00", None),
        ("2025-11-04", "2025-11-03 23:00", None),
    ],
)  # fmt: skip
def test_a_deal_of_today_is_not_ahead_of_the_clock(tmp_path: Path, written: str, clock: str, at: str | None) -> None:
    def ms(text: str) -> int:
        return int(dt.datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)

    found = plan(tmp_path, SALES, [row(日期=written)], held=10, now_ms=ms(clock))
    if at is None:
        assert bad(found).field == "日期"
    else:
        assert only(found).acts[0].fields["at"] == ms(at)


# Tables beyond memory


def test_what_is_spilled_is_found_again() -> None:
    spill: Spill[list[int]] = Spill(Scratch(), "numbers", list[int], rows_max=3)
    for number in range(20):
        spill.put(str(number), [number])
        kept: Any = spill.get(str(number // 2))
        kept.append(-number)
    assert [spill.get(str(number)) for number in range(20)] == [
        [number, *(-at for at in (2 * number, 2 * number + 1) if at < 20)] for number in range(20)
    ]
    assert sorted(spill, key=int) == [str(number) for number in range(20)]
    assert spill.get("none") is None


def test_lines_that_stand_twice_are_seen_however_far_apart() -> None:
    scratch = Scratch()
    assert scratch.first_seen([(key, key) for key in range(5000)]) == {}
    assert scratch.first_seen([(4999, 6000), (7000, 6001), (7000, 6002)]) == {6000: 4999, 6002: 6001}
    assert scratch.first_seen([(4999, 4999)]) == {}


def test_every_kind_of_book_has_its_side() -> None:
    assert {kind.value for kind in Book} == {"purchase", "sale", "production", "stock"}
