"""Cells that a spreadsheet or a hurried hand has written: read as meant, or refused, never read as something else."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sdk.books import cells, measures, packing
from client_sdk.books.cells import BadCell
from ledger import entries as e
from ledger import records as r
from ledger.limits import QUANTITY_MAX
from tests.world import CASE, FORMULA, MAKER


@pytest.mark.parametrize("text", ["2026-01-03", "2026/1/3", "2026.01.03", "20260103", "2026年1月3日"])
def test_a_date_in_every_spelling(text: str) -> None:
    assert cells.day(text) == 20260103
    assert cells.time_ms(text) == 1_767_412_800_000  # noon in China
    assert cells.time_ms(f"{text} 12:00:30") == 1_767_412_830_000


@pytest.mark.parametrize(
    "text", ["202613", "2026113", "2026-1103", "2026/1-3", "2026-02-29", "26-01-03", "2026年1月", "2026-01-03 25:00"]
)
def test_a_date_that_could_be_another_is_refused(text: str) -> None:
    with pytest.raises(BadCell):
        cells.day(text)
    with pytest.raises(BadCell):
        cells.time_ms(text)


def test_years_that_nothing_was_made_or_sold_in() -> None:
    with pytest.raises(BadCell, match="1970"):
        cells.time_ms("1026-01-03")
    with pytest.raises(BadCell):
        cells.day("0026-01-03")


@given(st.integers(1, QUANTITY_MAX))
def test_quantities_with_and_without_separators(number: int) -> None:
    for text in (f"{number}", f"{number:,}", f"{number}.00", f"0{number}"):
        assert cells.quantity(text) == number
        assert cells.signed(text) == number
        for back in (f"-{text}", f"\u2212{text}", f"({text})", f"- {text}"):
            assert cells.signed(back) == -number


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "1.5", "1,2", "1,23,456", ",100", "1e3", "²", str(QUANTITY_MAX + 1), "9" * 5000]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(BadCell):
        cells.quantity(text)


@pytest.mark.parametrize("text", ["-0", "--1", "(1", "-", "()", "(-1)", "1-", "-1.5"])
def test_what_is_no_quantity_that_went_back(text: str) -> None:
    with pytest.raises(BadCell):
        cells.signed(text)


def test_a_stock_taking_may_find_nothing() -> None:
    assert [cells.count(text, "x") for text in ("0", "0.0", "00", "12")] == [0, 0, 0, 12]
    for text in ("", ".", ",", "-1", "0x"):
        with pytest.raises(BadCell):
            cells.count(text, "x")


@pytest.mark.parametrize(
    ("text", "made", "days"),
    [
        ("730", 20250131, 730), ("730天", 20250131, 730), ("12个月", 20250131, 365), ("1个月", 20250131, 28),
        ("1月", 20240131, 29), ("2年", 20240229, 730), ("2027-01-31", 20250131, 730), ("730", None, 730),
        ("24个月", None, None), ("", 20250131, None),
    ],
)  # fmt: skip
def test_shelf_life_ends_on_the_calendars_day(text: str, made: int | None, days: int | None) -> None:
    assert cells.shelf_days(text, made) == days


@pytest.mark.parametrize(
    ("text", "made"), [("很久", 20250131), ("2025-01-30", 20250131), ("2027-01-31", None), ("99999年", 20250131)]
)
def test_shelf_life_that_is_none(text: str, made: int | None) -> None:
    with pytest.raises(BadCell):
        cells.shelf_days(text, made)


# Weights and money


@pytest.mark.parametrize(
    ("text", "unit", "grams"),
    [
        ("6.125", "kg", 6125), ("6125", "g", 6125), ("6.125kg", "", 6125), ("6.125 KG", "g", 6125),
        ("500克", "kg", 500),
        ("2斤", "", 1000), ("1.5公斤", "", 1500), ("1,200.5", "kg", 1_200_500), ("0.001", "kg", 1),
        ("12.5000", "kg", 12500),
        ("3千克", "", 3000),
    ],
)  # fmt: skip
def test_a_weight_in_the_unit_that_is_named(text: str, unit: str, grams: int) -> None:
    assert measures.grams(text, unit) == grams


@pytest.mark.parametrize(
    ("text", "unit", "why"),
    [
        ("6.125", "", "no unit"), ("6磅", "kg", "磅"), ("1.0005", "kg", "whole grams"), ("0", "kg", "above zero"),
        ("-1", "kg", "not a weight"), ("12.5", "g", "whole grams"), ("1,5", "kg", "not a weight"),
        ("", "kg", "not a weight"),
        (f"{QUANTITY_MAX}", "kg", "not a weight"),
    ],
)  # fmt: skip
def test_what_is_no_weight(text: str, unit: str, why: str) -> None:
    with pytest.raises(BadCell) as caught:
        measures.grams(text, unit)
    assert why in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "fen"), [("99", 9900), ("¥1,299.5", 129950), ("12.30元", 1230), ("0", 0), ("0.10", 10), ("¥ 5", 500)]
)
def test_yuan_in_fen(text: str, fen: int) -> None:
    assert measures.fen(text, "金额") == fen


@pytest.mark.parametrize("text", ["12.345", "12,5", "-3", "abc", "", "$5", "9" * 12])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadCell):
        measures.fen(text, "金额")


def test_a_price_may_have_decimals_beyond_fen() -> None:
    assert measures.total_fen("12.345", 3) == 3704  # 37.035, half up
    assert measures.total_fen("138.5", 8) == 110_800
    assert measures.total_fen("30", 250, 1000) == 750
    assert measures.total_fen("9.99", 125, 500) == 250  # 249.75
    assert measures.total_fen("0.01", 1, 2) == 1  # half a fen, up
    with pytest.raises(BadCell, match="more than"):
        measures.total_fen("99999999999", QUANTITY_MAX)


# Cases


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("800g*6罐/箱", 6), ("800g×6", 6), ("1*12", 12), ("1×6", 6), ("6罐/箱", 6), ("24盒/件", 24),
        ("800g x 6 罐/箱", 6), ("6*800g", 6), ("400g/罐*24罐/箱", 24), ("800g(6罐/箱)", 6), ("800g/罐,6罐/箱", 6),
        ("250ml*24", 24), ("6罐装", 6), ("3段800g*6罐/箱", 6),
        ("800g", None), ("800g/罐", None), ("2kg/盒", None), ("800g*6罐*2盒/箱", None), ("", None), ("*", None),
        ("2*12", None), ("0*6", None), ("1*1", None), ("6", None), ("800g*0", None), ("大箱", None),
        ("800g*6*罐", None),
    ],
)  # fmt: skip
def test_items_a_case(text: str, items: int | None) -> None:
    assert packing.items_a_case(text) == items


def product(code: str) -> e.ProductEntry:
    level = {"base": FORMULA, "contains": 6} if code == CASE else {}
    fields = {"declared_by": r.DeclaredBy.MAKER, "declarer": MAKER.id, "name": "乳粉", "product": code}
    return e.ProductEntry(**fields | level)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "unit", "specification", "units", "items"),
    [
        (FORMULA, "罐", "", {}, 1), (FORMULA, "罐", "800g*6罐/箱", {}, 1), (FORMULA, "", "", {}, 1),
        (FORMULA, "箱", "800g*6罐/箱", {}, 6), (FORMULA, "箱", "1×6", {}, 6), (FORMULA, "件", "12罐/件", {}, 12),
        (CASE, "箱", "", {}, 6), (CASE, "箱", "800g*6罐/箱", {}, 6), (CASE, "", "", {}, 6),
        (FORMULA, "提", "", {"提": 4}, 4), (FORMULA, "大件", "800g*6", {"大件": "case"}, 6),
        (FORMULA, "箱", "", {f"{FORMULA} 箱": 12}, 12), (FORMULA, "箱", "800g*6", {f"{FORMULA} 箱": 12}, 12),
        (CASE, "罐", "", {f"{CASE} 罐": 1}, 1), (CASE, "提", "", {"提": 6}, 6),
        (CASE, "盘", "", {f"{CASE} 盘": "case"}, 6),
    ],
)  # fmt: skip
def test_what_code_unit_and_specification_say_together(
    code: str, unit: str, specification: str, units: dict[str, int | str], items: int
) -> None:
    assert packing.items_a_unit(product(code), unit, specification, units) == items


@pytest.mark.parametrize(
    ("code", "unit", "specification", "units", "field", "cure"),
    [
        (FORMULA, "箱", "", {}, "单位", f"suyuan mapping unit '{FORMULA} 箱' ITEMS"),
        (FORMULA, "箱", "2*12", {}, "单位", "800g*6罐/箱"),
        (CASE, "罐", "", {}, "单位", FORMULA),
        (CASE, "箱", "800g*12罐/箱", {}, "规格", "wrong"),
        (CASE, "提", "", {"提": 4}, "单位", "count cases"),
        (FORMULA, "打", "", {}, "单位", "suyuan mapping unit 打 ITEMS"),
        (FORMULA, "公斤", "", {}, "单位", "重量(kg)"),
    ],
)  # fmt: skip
def test_contradictions_are_asked_about(
    code: str, unit: str, specification: str, units: dict[str, int | str], field: str, cure: str
) -> None:
    with pytest.raises(BadCell) as caught:
        packing.items_a_unit(product(code), unit, specification, units)
    assert caught.value.field == field
    assert cure in caught.value.remedy


CELLS: tuple[Callable[[str], object], ...] = (
    cells.gtin, cells.party_code, cells.quantity, cells.signed, cells.day, cells.time_ms,
    partial(cells.count, field="x"), partial(cells.shelf_days, production=None), partial(measures.grams, unit="kg"),
    partial(measures.fen, field="x"), partial(measures.total_fen, much=3), packing.items_a_case,
)  # fmt: skip


@given(st.sampled_from(CELLS), st.text("0123456789-/.,年月日个:ＡＢ１ kg*×箱罐¥", max_size=20) | st.text(max_size=20))
def test_any_text_in_a_cell_is_read_or_refused(parse: Callable[[str], object], text: str) -> None:
    with suppress(BadCell):
        parse(cells.clean(text))
