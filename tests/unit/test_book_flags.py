"""Rows that an import booked and the ledger counts against the member are named: late, past the date, under a hold,
counted against a book that had changed. What the positions count is the reference."""

import random
from collections import Counter
from pathlib import Path

import pytest

from client_sdk import when
from client_sdk.books import booking, flagged
from client_sdk.books.booking import Totals
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger import state as s
from tests.books import SALES, STOCK, Importer, founded, imported, row, write
from tests.world import DEALER, FORMULA, MAKER, REGULATOR, World

DAY_MS = 24 * 3_600_000
ONE = {"客户信用代码": "", "供应商信用代码": "", "数量": "1"}


def days_ago(days: int) -> str:
    """A date, in China."""
    return when.iso(clock_ms() - days * DAY_MS)[:10]


def day_number(days: int) -> int:
    return int(days_ago(days).replace("-", ""))


def sale(line: int, lot: str, days: int, quantity: int, **changed: str) -> dict[str, str]:
    return row(**ONE | {"行号": str(line), "批号": lot, "日期": days_ago(days), "数量": str(quantity)} | changed)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A1 without a date, E1 that expired ten days ago, H1 that is held since five days."""
    world = founded(tmp_path / "world")
    world.do(MAKER, world.commission(1000, f"{FORMULA}#E1", expiry=day_number(10)))
    world.do(MAKER, world.commission(1000, f"{FORMULA}#H1"))
    subject = world.lot_subject(f"{FORMULA}#H1")
    world.do(REGULATOR, world.act(r.Hold, reason="抽检", subject=subject, at=clock_ms() - 5 * DAY_MS))
    return world


def irregular(world: World) -> Counter[str]:
    """What the maker's positions count, by lot number."""
    rows = world.store.scan(b"p" + MAKER.id.encode() + b"\x00")
    return Counter({key.decode()[-2:]: s.STOCK.decode(value).irregular for key, value in rows})


def named(totals: Totals) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in totals.flags]


def test_rows_that_went_out_late_past_their_date_or_held_are_named(world: World, tmp_path: Path) -> None:
    maker = Importer(world, tmp_path / "maker", MAKER)
    rows = [
        sale(1, "A1", 100, 2), sale(2, "E1", 1, 3), sale(3, "E1", 20, 1), sale(4, "H1", 1, 4), sale(5, "H1", 8, 1),
        sale(6, "A1", 1, 1), sale(7, "H1", 1, 1, 客户信用代码=DEALER.id), sale(8, "E1", 60, 5),
    ]  # fmt: skip
    totals, told = imported(maker, write(tmp_path / "sold.csv", SALES, rows))
    assert [(one.line, one.rule) for one in told] == [(8, "goods.held")]
    assert named(totals) == [
        (2, flagged.LATE), (3, flagged.PAST_DATE), (5, flagged.HELD), (9, flagged.LATE),
    ]  # fmt: skip
    assert totals.flagged == {flagged.LATE: 2, flagged.PAST_DATE: 1, flagged.HELD: 1}
    assert irregular(world) == {"A1": 2, "E1": 8, "H1": 4}
    assert totals.flags[1].says == f"3 of {FORMULA}#E1 at {MAKER.site} went out past its date, {day_number(10)}"
    again, _ = imported(maker, write(tmp_path / "more.csv", SALES, [sale(9, "E1", 20, 1), sale(10, "E1", 0, 1)]))
    assert named(again) == [(3, flagged.PAST_DATE)], "what was irregular before this book is not told again"
    world.close()


def test_positions_are_read_once_more_where_something_went_out(world: World, tmp_path: Path) -> None:
    maker = Importer(world, tmp_path / "maker", MAKER)
    imported(maker, write(tmp_path / "count.csv", STOCK, [row(**ONE, 批号="A1", 实盘数量="10000")]))
    assert maker.calls.count("ListPositions") == 1
    imported(maker, write(tmp_path / "sold.csv", SALES, [sale(1, "A1", 1, 1)]))
    assert maker.calls.count("ListPositions") == 3
    world.close()


def test_a_count_of_a_book_that_has_changed_is_named(world: World, tmp_path: Path) -> None:
    maker = Importer(world, tmp_path / "maker", MAKER)
    lines = [
        row(行号="1", 批号="A1", 账面数量="10000", 实盘数量="9999"),
        row(行号="2", 批号="E1", 账面数量="990", 实盘数量="988"),
    ]
    totals, _ = imported(maker, write(tmp_path / "count.csv", STOCK, lines))
    assert named(totals) == [(3, flagged.STALE)]
    assert totals.flags[0].says.startswith("its book said 990, the ledger 1000: -2 is booked on top of that")
    assert world.held(MAKER, f"{FORMULA}#E1") == 998
    world.close()


def test_the_first_are_named_and_all_are_counted(world: World, tmp_path: Path) -> None:
    maker = Importer(world, tmp_path / "maker", MAKER)
    rows = [sale(line, ("A1", "E1", "H1")[line % 3], 90, 1) for line in range(1, 51)]
    totals, _ = imported(maker, write(tmp_path / "sold.csv", SALES, rows))
    assert [one.line for one in totals.flags] == list(range(2, 2 + flagged.FIRST_ROWS))
    assert totals.flagged == {flagged.LATE: 50}
    world.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_named_make_up_what_the_positions_count(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(booking, "RECORDS_AN_ENVELOPE", 3)
    monkeypatch.setattr(flagged, "FIRST_ROWS", 1000)
    chosen = random.Random(seed)
    maker = Importer(world, tmp_path / "maker", MAKER)
    rows = [
        sale(n, chosen.choice(("A1", "E1", "H1")), chosen.choice((0, 2, 4, 7, 9, 12, 30, 50)), chosen.randint(1, 9))
        for n in range(1, 60)
    ]
    totals, told = imported(maker, write(tmp_path / "sold.csv", SALES, rows))
    assert (told, totals.booked) == ([], 59)
    found = Counter[str]()
    for one in totals.flags:
        found[rows[one.line - 2]["批号"]] += int(rows[one.line - 2]["数量"])
    assert found == irregular(world)
    assert len({one.line for one in totals.flags}) == len(totals.flags) == totals.flagged.total()
    world.close()
