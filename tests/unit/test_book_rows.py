"""Rows of a book: headers by any of their names, cells in their places, and refs that keep a row from being booked
twice."""

import re
from pathlib import Path

import pytest

from client_sdk.books import cells
from client_sdk.books.badrows import BadRowFile
from client_sdk.books.cells import BadCell
from client_sdk.books.columns import COLUMNS, Book
from client_sdk.books.mapping import Mapping
from client_sdk.books.reader import BookFile, read
from client_sdk.books.ref import Refs
from client_sdk.books.rows import BadRow, Row
from client_sdk.wire import Side
from ledger.errors import Malformed
from ledger.limits import BOOK_TITLE_LINES_MAX, REF_CHARS_MAX
from ledger.private import Private
from tests.books import GOOD, PURCHASES, SALES, STOCK, bad, good, row, text, write
from tests.world import FORMULA, MAKER

PRIVATE = (*SALES, "客户地址", "客户联系方式", "单价", "金额")


def rows(
    folder: Path, *lines: dict[str, str], headers: tuple[str, ...] = SALES, **words: dict[str, str]
) -> list[Row]:
    return good(read(write(folder / "book.csv", headers, lines), Mapping(**words)))


def found(folder: Path, content: str, mapping: Mapping | None = None) -> list[Row | BadRow]:
    path = folder / "book.csv"
    path.write_text(content, encoding="utf-8")
    return list(read(path, mapping))


def refs(folder: Path, *lines: dict[str, str], **words: dict[str, str]) -> list[str]:
    return [one.ref for one in rows(folder, *lines, **words)]


def test_a_row_and_its_fields(tmp_path: Path) -> None:
    line = row(日期="2025/11/3", 数量="1,200", 单位="箱", 规格="800g*6", 生产日期="2025年11月1日", 批号="Ａ1")
    [one] = rows(tmp_path, line)
    assert (one.ref, one.quantity, one.at, one.side) == ("D/1", 1200, cells.time_ms("2025-11-03"), Side.OUT)
    goods = one.goods
    assert (goods.code, goods.lot, goods.unit, goods.specification) == (FORMULA, "#A1", "箱", "800g*6")
    assert (goods.production, one.party, one.party_code) == (20251101, "某店", GOOD["客户信用代码"])
    [dated] = rows(tmp_path, row(商品条码=FORMULA.lstrip("0"), 批号="", 生产日期="20251101", 数量="１２"))
    assert (dated.goods.code, dated.goods.lot, dated.quantity) == (FORMULA, "@20251101", 12)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("日期", {"日期": "2026-02-30"}), ("日期", {"日期": ""}), ("商品条码", {"商品条码": FORMULA[:-1] + "9"}),
        ("商品条码", {"商品条码": "abc"}), ("商品条码", {"商品条码": "6.90123E+12"}), ("数量", {"数量": "0"}),
        ("数量", {"数量": "0.5"}), ("数量", {"数量": "99999999999999"}), ("批号", {"批号": ""}),
        ("批号", {"批号": "批号一"}),
        ("单位", {"单位": ""}), ("信用代码", {"客户信用代码": "91330400MA0000001X"}),
        ("单据号", {"单据号": "D" * 70}),
        ("生产日期", {"生产日期": "昨天"}), ("重量", {"重量(kg)": "重"}),
    ],
)  # fmt: skip
def test_bad_cells_are_named_with_line_and_cure_and_none_stops_the_rest(
    tmp_path: Path, field: str, changed: dict[str, str]
) -> None:
    first, wrong, last = read(write(tmp_path / "b.csv", SALES, [row(), row(行号="2") | changed, row(行号="3")]))
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(wrong, BadRow)
    assert (wrong.line, wrong.field, bool(wrong.remedy)) == (3, field, True)
    assert list(wrong.cells[: len(SALES)]) == [(row(行号="2") | changed)[name] for name in SALES]


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    wrong = text(SALES, [row(数量="0")]).partition("\n")[2]
    content = text(SALES, [row(商品名称="两\n行")]) + wrong + "\n" + ",,,,,　\n" + wrong + '2026,"x"y,\n' + wrong
    told = found(tmp_path, content)
    assert [one.line for one in told] == [2, 4, 7, 8, 9]
    assert [one.field for one in told if isinstance(one, BadRow)] == ["数量", "数量", "row", "数量"]


def test_a_comma_without_quotes_shifts_no_cell(tmp_path: Path) -> None:
    shifted = text(SALES, [row(数量="1200")]).replace(",1200,", ",1,200,")
    wrong, right = found(tmp_path, shifted + text(SALES, [row()]).partition("\n")[2])
    assert isinstance(wrong, BadRow)
    assert f"{len(SALES) + 1} cells stand under {len(SALES)} headers" in wrong.message
    assert isinstance(right, Row)


def test_empty_cells_at_the_end_may_be_left_out_and_sums_are_no_rows(tmp_path: Path) -> None:
    lines = text(SALES, [row(客户信用代码="")]).splitlines()
    content = (
        "\n".join(
            [lines[0], lines[1].rstrip(","), "合计,,,,,,,6", "本页合计：,,,,,,,6", lines[0], "合计(元),,,,,,,6"]
        )
        + "\n"
    )
    whole, other = found(tmp_path, content)
    assert isinstance(whole, Row)
    assert isinstance(other, BadRow)


@pytest.mark.parametrize("kind", list(Book))
@pytest.mark.parametrize("which", range(10))
def test_every_synonym_is_read(tmp_path: Path, kind: Book, which: int) -> None:
    """The same row under each column's n-th name."""
    named = {column.field: (column.header, *column.others) for column in COLUMNS[kind]}
    values = {
        "date": "2026-01-03", "document": "D", "line": "1", "gtin": FORMULA, "name": "乳粉", "specification": "800g",
        "unit": "箱", "quantity": "5", "production": "2025-11-01", "lot": "A1", "shelf_life": "730",
        "certificate": "JY1", "site": "main", "party": "某店", "party_code": "P-SHOP", "address": "南湖",
        "contact": "1", "weight": "1.5kg", "price": "2.50", "amount": "12.5", "booked": "4", "booked_weight": "2kg",
        "kept_ref": "",
    }  # fmt: skip
    headers = ",".join(names[which % len(names)] for names in named.values())
    [one] = good(found(tmp_path, f"{headers}\n{','.join(values[field] for field in named)}\n"))
    assert (one.book, one.ref, one.quantity, one.goods.unit, one.goods.lot) == (kind, "D/1", 5, "箱", "#A1")
    certificate = "" if kind == Book.STOCK else "JY1"
    assert (one.goods.production, one.goods.shelf_days, one.certificate, one.site) == (
        20251101, 730, certificate, "main",
    )  # fmt: skip
    counted = (4, 2000) if kind == Book.STOCK else (None, None)
    assert (one.grams, one.booked, one.booked_grams) == (1500, *counted)
    trades = kind in (Book.PURCHASE, Book.SALE)
    private = Private(address="南湖", contact="1", currency="CNY", price=1250)
    assert one.private == (private if trades else None)
    assert (one.party, one.party_code) == (("某店", "P-SHOP") if trades else ("", ""))


def test_every_header_has_one_meaning() -> None:
    for book_kind, columns in COLUMNS.items():
        names = [cells.clean(name) for column in columns for name in (column.header, *column.others)]
        assert len(set(names)) == len(names), book_kind


def test_a_header_gives_its_unit_to_cells_that_name_none(tmp_path: Path) -> None:
    for header, cell, grams in (("重量(kg)", "1.5", 1500), ("重量（克）", "1500", 1500), ("重量", "3斤", 1500)):
        headers = tuple(header if name == "重量(kg)" else name for name in SALES)
        assert rows(tmp_path, row(**{header: cell}), headers=headers)[0].grams == grams
    headers = tuple("重量" if name == "重量(kg)" else name for name in SALES)
    assert "no unit" in bad(read(write(tmp_path / "b.csv", headers, [row(重量="1500")]))).message
    answered = rows(tmp_path, row(重量="1500"), headers=headers, columns={"重量": "重量(g)"})
    assert answered[0].grams == 1500


def test_a_makers_book_needs_no_more_than_a_maker_writes(tmp_path: Path) -> None:
    [one] = good(found(tmp_path, f"生产日期,商品条码,批号,数量,检验报告编号\n2025-11-01,{FORMULA},A1,10000,JY-7\n"))
    assert (one.book, one.goods.production, one.quantity) == (Book.PRODUCTION, 20251101, 10000)
    assert (one.at, one.certificate, one.side) == (cells.time_ms("2025-11-01"), "JY-7", Side.OWN)
    wrong = bad(found(tmp_path, f"生产日期,商品条码,批号,数量\n,{FORMULA},A1,10000\n"))
    assert wrong.field == "生产日期"


def test_negative_quantities_went_back(tmp_path: Path) -> None:
    for headers, side in ((PURCHASES, Side.OUT), (SALES, Side.IN)):
        for quantity in ("-6", "(6)", "－６"):
            [one] = rows(tmp_path, row(数量=quantity), headers=headers)
            assert (one.quantity, one.side) == (-6, side)
    made = found(tmp_path, f"生产日期,商品条码,批号,数量\n2025-11-01,{FORMULA},A1,-1\n")
    assert bad(made).field == "数量"
    assert bad(read(write(tmp_path / "s.csv", STOCK, [row(实盘数量="-1")]))).field == "实盘数量"


def test_what_is_sold_by_weight_is_a_portion(tmp_path: Path) -> None:
    [one] = rows(tmp_path, row(数量="0.5", 单位="公斤"))
    assert (one.quantity, one.grams, one.portion) == (0, 500, True)
    [back] = rows(tmp_path, row(数量="-250", 单位="g"))
    assert (back.quantity, back.grams, back.side) == (-1, 250, Side.IN)
    assert bad(read(write(tmp_path / "p.csv", PURCHASES, [row(数量="0.5", 单位="公斤")]))).field == "数量"


def test_prices_and_contacts_go_behind_the_private_seal(tmp_path: Path) -> None:
    lines = [
        row(单价="12.5", 客户地址="中山路1号", 客户联系方式="138"), row(行号="2", 金额="¥99"),
        row(行号="3", 数量="-2", 金额="-30.00"), row(行号="4", 单价="0.333", 数量="3"), row(行号="5"),
    ]  # fmt: skip
    told = [one.private for one in rows(tmp_path, *lines, headers=PRIVATE)]
    assert told == [
        Private(address="中山路1号", contact="138", currency="CNY", price=7500), Private(currency="CNY", price=9900),
        Private(currency="CNY", price=3000), Private(currency="CNY", price=100), None,
    ]  # fmt: skip
    for changed in ({"金额": "-1"}, {"单价": "十元"}, {"客户地址": "路" * 600}):
        wrong = bad(read(write(tmp_path / "w.csv", PRIVATE, [row(**changed)])))
        assert wrong.field in ("金额", "单价", "地址")


@pytest.mark.parametrize(
    ("header", "changed", "fen"),
    [
        ("单价", {"数量": "0.5", "单位": "公斤", "单价": "30"}, 1500),
        ("单价", {"数量": "1.5", "单位": "斤", "单价": "9.99"}, 1499),
        ("单价", {"数量": "-250", "单位": "G", "单价": "0.03"}, 750),
        ("单价", {"数量": "3", "重量(kg)": "12.5", "单价": "100"}, 30_000),  # of one 罐, whatever it weighs
        ("单价(元/kg)", {"数量": "3", "重量(kg)": "12.5", "单价(元/kg)": "30"}, 37_500),
        ("单价(元/斤)", {"数量": "0.5", "单位": "公斤", "单价(元/斤)": "30"}, 3000),
        ("单价（元/公斤）", {"数量": "-3", "重量(kg)": "-2", "单价（元/公斤）": "30"}, 6000),
    ],
)  # fmt: skip
def test_a_price_is_of_one_unit_or_of_the_weight_that_its_column_names(
    tmp_path: Path, header: str, changed: dict[str, str], fen: int
) -> None:
    [one] = rows(tmp_path, row(**changed), headers=(*SALES, header))
    assert one.private == Private(currency="CNY", price=fen)


def test_a_price_by_weight_needs_the_weight(tmp_path: Path) -> None:
    headers = (*SALES, "单价(元/kg)", "金额")
    wrong = bad(read(write(tmp_path / "w.csv", headers, [row(**{"单价(元/kg)": "30"})])))
    assert (wrong.field, "weight is missing" in wrong.message) == ("单价", True)
    [one] = rows(tmp_path, row(**{"单价(元/kg)": "30", "金额": "90"}), headers=headers)
    assert one.private == Private(currency="CNY", price=9000)


# Headers


@pytest.mark.parametrize(
    ("more", "words", "unused"),
    [
        ((), {}, {}),
        (("货批", "备注", "货批"), {}, {"货批": "", "备注": ""}),
        (("客户编号",), {"客户编号": "-"}, {}),
        (("原行号", "问题", "处理"), {}, {}),
        (("库存地 点", "检验报告号"), {}, {"库存地 点": "库存地点", "检验报告号": "检验报告编号"}),
        (("保质期（天数）",), {}, {"保质期(天数)": "保质期"}),
        (("批号2", "净重(kg)"), {}, {"批号2": "", "净重(kg)": ""}),  # those columns are there
        (("供应商地址",), {}, {"供应商地址": ""}),
        (("单价(元/罐)",), {}, {"单价(元/罐)": "单价"}),
    ],
)  # fmt: skip
def test_columns_that_are_not_used_are_named(
    tmp_path: Path, more: tuple[str, ...], words: dict[str, str], unused: dict[str, str]
) -> None:
    path = write(tmp_path / "u.csv", (*SALES, *more), [row()])
    assert BookFile(path, Mapping(columns=words)).unused == unused


def test_a_missing_column_that_nearly_is_there_is_asked_about(tmp_path: Path) -> None:
    headers = tuple("商品编码" if name == "商品条码" else name for name in SALES)
    with pytest.raises(Malformed, match=re.escape("is 商品编码 meant as 商品条码? suyuan mapping column '商品编码'")):
        BookFile(write(tmp_path / "m.csv", headers, [row()]))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("日期,客户名称,商品条码,商品名称,单位\n", "数量"), ("", "empty"), ("\n\n,,\n", "empty"),
        ("日期,\"批号\n", "headers cannot be read"), ("今天天气很好\n", "missing; found: 今天天气很好"),
        (",".join((*SALES, "供应商名称")) + "\n", "two books"), (",".join((*SALES, "数量")) + "\n", "stands twice"),
        ("标题\n" * BOOK_TITLE_LINES_MAX + text(SALES, [row()]), "missing"),
    ],
)  # fmt: skip
def test_files_that_are_no_books_say_what_they_lack(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(Malformed, match=why) as caught:
        found(tmp_path, content)
    assert "book.csv" in caught.value.where


def test_titles_stand_above_the_headers(tmp_path: Path) -> None:
    for above in ("南湖母婴 销售台账\n", "销售台账,,,\n\n制表：王,,日期：2025-11\n"):
        assert len(good(found(tmp_path, above + text(SALES, [row()])))) == 1


def test_a_books_own_words(tmp_path: Path) -> None:
    own = {"货号": "商品条码", "往来单位": "客户名称", "序号": "-"}
    mapping = Mapping(columns=own, products={"K-17": FORMULA}, parties={"南湖配送": MAKER.id})
    headers = (
        "序号",
        *(name for name in SALES if name not in ("商品条码", "客户名称", "客户信用代码")),
        "货号",
        "往来单位",
    )
    lines = [row(序号="1", 货号="K-17", 往来单位="南湖配送"), row(序号="1", 行号="2", 货号=FORMULA, 往来单位="别家")]
    one, other = good(read(write(tmp_path / "b.csv", headers, lines), mapping))
    assert (one.goods.code, one.party, one.party_code) == (FORMULA, "南湖配送", MAKER.id)
    assert (other.goods.code, other.party_code) == (FORMULA, "")
    assert [one.ref, other.ref] == ["D/1", "D/2"]


# Refs


def test_rows_of_one_document_without_line_numbers_have_refs_of_their_own(tmp_path: Path) -> None:
    first, second, added = (row(行号="", 数量=number) for number in ("1", "2", "3"))
    before = refs(tmp_path, first, second, first)
    assert len(set(before)) == 3
    assert all(ref.startswith("D/~") for ref in before)
    after = refs(tmp_path, first, added, second, first)
    assert [after[0], *after[2:]] == before
    assert after[1] not in before


def test_a_spreadsheet_that_rewrites_the_book_makes_no_new_rows(tmp_path: Path) -> None:
    plain = {"单据号": "", "行号": ""}
    before = refs(tmp_path, row(**plain, 数量="1200", 生产日期="2025-11-01", 批号="A1"))
    again = row(**plain, 日期="2025/11/3", 数量="1,200", 生产日期="2025年11月1日", 批号="Ａ１", 商品名称="奶粉")
    assert refs(tmp_path, again) == before


def test_a_mapping_that_is_set_later_makes_no_new_rows(tmp_path: Path) -> None:
    plain = row(单据号="", 行号="", 客户信用代码="", 单位="提")
    before = refs(tmp_path, plain, plain)
    words = {"products": {FORMULA: f"{MAKER.id}/1"}, "parties": {"某店": MAKER.id}, "units": {"提": 4},
             "lots": {f"{FORMULA}#20250101A": f"{FORMULA}#B"}}  # fmt: skip
    assert refs(tmp_path, plain, plain, **words) == before


@pytest.mark.parametrize(
    "change",
    [
        {"日期": "2025-11-04"}, {"数量": "2"}, {"数量": "-6"}, {"批号": "A2"}, {"单位": "箱"},
        {"客户信用代码": MAKER.id},
        {"重量(kg)": "2"}, {"库存地点": "cold"},
    ],
)  # fmt: skip
def test_another_deal_is_another_ref(tmp_path: Path, change: dict[str, str]) -> None:
    plain = {"单据号": "", "行号": ""}
    headers = (*SALES, "库存地点")
    one, other = (each.ref for each in rows(tmp_path, row(**plain), row(**plain | change), headers=headers))
    assert one.endswith("-1")
    assert other.endswith("-1")
    assert one != other


def test_refs_are_bounded() -> None:
    assert len(Refs().ref("D" * (REF_CHARS_MAX - 2), "1", ())) == REF_CHARS_MAX
    for document, number in (("D" * (REF_CHARS_MAX - 1), "1"), ("D" * (REF_CHARS_MAX - 10), "")):
        with pytest.raises(BadCell):
            Refs().ref(document, number, ())


def test_a_mended_row_keeps_its_place_among_equal_ones(tmp_path: Path) -> None:
    """Of three equal rows the third could not be booked: in a file of its own it is still the third."""
    plain = row(单据号="", 行号="")
    file = BookFile(write(tmp_path / "book.csv", SALES, [plain] * 3))
    third = good(file)[2]
    out = tmp_path / "bad.csv"
    with BadRowFile(out, file.headers) as bad_rows:
        bad_rows.add(BadRow(third.line, "数量", "too many", "count", third.cells, ref=third.ref))
    again = BookFile(out)
    assert again.headers == [*SALES, "原登记号", "原行号", "问题", "处理"]
    [kept] = good(again)
    assert kept.ref == third.ref
    changed = out.read_text("utf-8-sig").replace(",6,", ",7,")
    out.write_text(changed, "utf-8")
    [mended] = good(read(out))
    assert mended.ref.endswith("-1")
    assert mended.ref[:-1] != third.ref[:-1]
    with BadRowFile(tmp_path / "again.csv", again.headers) as twice:
        twice.add(BadRow(2, "数量", "still", "", kept.cells, ref=kept.ref))
    assert BookFile(tmp_path / "again.csv").headers == again.headers
    with BadRowFile(None, []) as nothing:
        nothing.add(BadRow(2, "数量", "still"))


def test_todays_date_before_noon_means_now_and_what_lies_ahead_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = cells.time_ms("2026-11-26 08:30")
    monkeypatch.setattr("client_sdk.books.reader.clock_ms", lambda: morning)
    days = ("2026-11-25", "2026-11-26", "2026-11-26 11:00", "2026-12-24")
    books = text(SALES, [row(日期=day, 单据号=f"D{number}") for number, day in enumerate(days)])
    yesterday, today, later, mistyped = found(tmp_path, books)
    assert isinstance(yesterday, Row)
    assert yesterday.at == cells.time_ms("2026-11-25")
    assert isinstance(today, Row)
    assert today.at == morning
    assert isinstance(later, BadRow)
    assert isinstance(mistyped, BadRow)
    assert (mistyped.field, mistyped.remedy) == ("日期", "correct the date, or the clock")
