"""Rows that a spreadsheet or a hurried hand has written: read as meant, or refused, never read as something else."""

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import COLUMNS, Book
from client_sdk.books.reader import BadRow, Row, read
from client_sdk.books.ref import Refs
from ledger.errors import Malformed
from ledger.limits import QUANTITY_MAX, REF_CHARS_MAX
from ledger.private import Private
from tests.world import FORMULA

HEADERS = "日期,单据号,行号,商品名称,商品条码,单位,数量,生产日期,批号,保质期,客户名称,客户地址"
GOOD = {
    "日期": "2026-01-03", "单据号": "XS-1", "行号": "1", "商品名称": "乳粉", "商品条码": FORMULA, "单位": "罐",
    "数量": "1", "生产日期": "2025-11-01", "批号": "A1", "保质期": "730", "客户名称": "消费者", "客户地址": "南湖",
}  # fmt: skip


def line(**changed: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow((GOOD | changed).values())
    return out.getvalue()


def book(tmp_path: Path, *lines: str, headers: str = HEADERS) -> list[Row | BadRow]:
    path = tmp_path / "book.csv"
    path.write_text(f"{headers}\n{''.join(lines)}", encoding="utf-8")
    return list(read(path))


def refs(found: list[Row | BadRow]) -> list[str]:
    return [one.ref for one in found if isinstance(one, Row)]


# Cells


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


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "1.5", "1,2", "1,23,456", ",100", "1e3", "²", str(QUANTITY_MAX + 1), "9" * 5000]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(BadCell):
        cells.quantity(text)


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


CELLS = (
    cells.gtin,
    cells.party_code,
    cells.quantity,
    cells.day,
    cells.time_ms,
    partial(cells.shelf_days, production=None),
)


@given(st.sampled_from(CELLS), st.text("0123456789-/.,年月日个:ＡＢ１ ", max_size=20) | st.text(max_size=20))
def test_any_text_in_a_cell_is_read_or_refused(parse: Callable[[str], object], text: str) -> None:
    with suppress(BadCell):
        parse(cells.clean(text))


# Rows


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    bad = line(数量="0")
    found = book(tmp_path, line(商品名称="两\n行"), bad, "\n", ",,,,,,,,,,,　\n", bad, '2026,"x"y,\n', bad)
    assert [one.line for one in found] == [2, 4, 7, 8, 9]
    assert [one.field for one in found if isinstance(one, BadRow)] == ["数量", "数量", "row", "数量"]


def test_a_comma_without_quotes_shifts_no_cell(tmp_path: Path) -> None:
    shifted = line(数量="1200").replace(",1200,", ",1,200,")
    found = book(tmp_path, shifted, line())
    assert isinstance(found[0], BadRow)
    assert "13 cells" in found[0].message
    assert isinstance(found[1], Row)


def test_every_header_has_one_meaning() -> None:
    for book_kind, columns in COLUMNS.items():
        names = [cells.clean(name) for column in columns for name in (column.header, *column.others)]
        assert len(set(names)) == len(names), book_kind


@pytest.mark.parametrize("kind", list(Book))
@pytest.mark.parametrize("which", range(8))
def test_every_synonym_is_read(tmp_path: Path, kind: Book, which: int) -> None:
    """The same row under each column's n-th name."""
    named = {column.field: (column.header, *column.others) for column in COLUMNS[kind]}
    values = {
        "date": "2026-01-03", "document": "D", "line": "1", "gtin": FORMULA, "name": "乳粉", "specification": "800g",
        "unit": "箱", "quantity": "5", "production": "2025-11-01", "lot": "A1", "shelf_life": "730",
        "certificate": "JY1", "site": "main", "party": "某店", "party_code": "P-SHOP", "address": "南湖",
        "contact": "1", "weight": "1.5", "price": "2.50", "amount": "12.5", "booked": "4",
    }  # fmt: skip
    headers = ",".join(names[which % len(names)] for names in named.values())
    (found,) = book(tmp_path, ",".join(values[field] for field in named) + "\n", headers=headers)
    assert isinstance(found, Row)
    assert (found.book, found.ref, found.quantity, found.in_cases, found.lot) == (kind, "D/1", 5, True, "#A1")
    certificate = "" if kind == Book.STOCK else "JY1"
    assert (found.production, found.shelf_days, found.certificate, found.site) == (20251101, 730, certificate, "main")
    assert (found.grams, found.booked) == (1500, 4 if kind == Book.STOCK else None)
    trades = kind in (Book.PURCHASE, Book.SALE)
    private = Private(address="南湖", contact="1", currency="CNY", price=1250)
    assert found.private == (private if trades else None)
    assert (found.party, found.party_code) == (("某店", "P-SHOP") if trades else ("", ""))


def test_a_makers_book_needs_no_more_than_a_maker_writes(tmp_path: Path) -> None:
    headers = "生产日期,商品条码,批号,数量,检验报告编号"
    (found,) = book(tmp_path, f"2025-11-01,{FORMULA},A1,10000,JY-7\n", headers=headers)
    assert isinstance(found, Row)
    assert (found.book, found.production, found.quantity, found.in_cases) == (Book.PRODUCTION, 20251101, 10000, False)
    assert (found.at, found.certificate) == (cells.time_ms("2025-11-01"), "JY-7")


def test_files_that_are_no_books_say_where(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="headers cannot be read"):
        book(tmp_path, headers='日期,"批号')
    with pytest.raises(Malformed, match="two books"):
        book(tmp_path, line(), headers=HEADERS.replace("客户地址", "供应商名称"))


# Refs


def test_rows_of_one_document_without_line_numbers_have_refs_of_their_own(tmp_path: Path) -> None:
    first, second, added = (line(行号="", 数量=number) for number in ("1", "2", "3"))
    before = refs(book(tmp_path, first, second, first))
    assert len(set(before)) == 3
    assert all(ref.startswith("XS-1/~") for ref in before)
    after = refs(book(tmp_path, first, added, second, first))
    assert [after[0], *after[2:]] == before
    assert after[1] not in before


def test_a_spreadsheet_that_rewrites_the_book_makes_no_new_rows(tmp_path: Path) -> None:
    plain = {"单据号": "", "行号": ""}
    before = refs(book(tmp_path, line(**plain, 数量="1200")))
    again = line(**plain, 日期="2026/1/3", 数量="1,200", 生产日期="2025年11月1日", 保质期="24个月", 客户地址="秀洲")
    assert refs(book(tmp_path, again.replace("A1", "Ａ１"))) == before


@pytest.mark.parametrize(
    "change", [{"日期": "2026-01-04"}, {"数量": "2"}, {"批号": "A2"}, {"单位": "箱"}, {"客户名称": "某店"}]
)
def test_another_deal_is_another_ref(tmp_path: Path, change: dict[str, str]) -> None:
    plain = {"单据号": "", "行号": ""}
    one, other = refs(book(tmp_path, line(**plain), line(**(plain | change))))
    assert one.endswith("-1")
    assert other.endswith("-1")
    assert one != other


def test_refs_are_bounded() -> None:
    assert len(Refs().ref("D" * (REF_CHARS_MAX - 2), "1", ())) == REF_CHARS_MAX
    for document, number in (("D" * (REF_CHARS_MAX - 1), "1"), ("D" * (REF_CHARS_MAX - 10), "")):
        with pytest.raises(BadCell):
            Refs().ref(document, number, ())
