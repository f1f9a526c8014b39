"""What rows of real books become: claims, surplus, returns, weights, cases said in words, lots typed wrongly."""

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from client_sdk.books import cells, lots, mapping
from client_sdk.books.cells import BadCell
from client_sdk.books.holdings import Holdings, OpenShip
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planned, Planner
from client_sdk.books.reader import BadRow, BookFile, Row, read
from client_sdk.wire import Side
from ledger import entries as e
from ledger import records as r
from ledger.errors import Malformed
from tests.world import CASE, DEALER, FORMULA, MAKER, SHOP, SHRIMP, uscc

LOT = f"{FORMULA}#20250101A"
PURCHASES = "日期,单据号,行号,商品名称,商品条码,规格,单位,数量,批号,供应商名称,供应商信用代码,重量(kg)"
SALES = PURCHASES.replace("供应商", "客户")
STOCK = "盘点日期,单据号,行号,商品条码,单位,账面数量,实盘数量,批号,重量(kg)"


class Ledger:
    """A node that knows a can, its case, weighed shrimps, and one lot."""

    def product(self, product: str) -> e.ProductEntry | None:
        given: dict[str, Any] = {
            "declared_by": r.DeclaredBy.MAKER, "declarer": MAKER.id, "maker": MAKER.id, "name": "乳粉",
            "product": product,
        }  # fmt: skip
        known = {FORMULA: {}, CASE: {"base": FORMULA, "contains": 6}, SHRIMP: {"tolerance_permille": 20}}
        return e.ProductEntry(**given | known[product]) if product in known else None

    def lot(self, lot: str) -> e.LotEntry | None:
        return e.LotEntry(lot=lot) if lot == LOT else None

    def member(self, member: str) -> e.MemberEntry | None:
        fields: dict[str, Any] = {"admitted": 0, "kind": r.MemberKind.ENTERPRISE, "name": "x", "region": "CN"}
        return e.MemberEntry(member=member, **fields) if member in (DEALER.id, MAKER.id) else None

    def site(self, site: str) -> e.SiteEntry | None:
        return e.SiteEntry(name="x", region="CN", site=site)


def plan(
    tmp_path: Path, headers: str, *lines: str, held: int = 0, ships: list[OpenShip] | None = None, **words: Any
) -> list[Planned | BadRow]:
    path = tmp_path / "book.csv"
    path.write_text("\n".join((headers, *lines)) + "\n", encoding="utf-8")
    words_of = Mapping(**words)
    planner = Planner(Ledger(), SHOP.id, Holdings([(LOT, SHOP.site, held, 0)] if held else [], ships or []), words_of)
    return [one if isinstance(one, BadRow) else planner.plan(one) for one in read(path, words_of)]


def acts(found: list[Planned | BadRow]) -> list[tuple[str, int]]:
    names = ("quantity", "accepted", "found")
    return [
        (act.kind.__name__, next(n for name in names if (n := getattr(act.amounts, name, None)) is not None))
        for one in found
        if isinstance(one, Planned)
        for act in one.acts
    ]


def row(quantity: str = "6", unit: str = "罐", **changed: str) -> str:
    values = {
        "date": "2026-01-03", "document": "D", "line": "1", "name": "乳粉", "gtin": FORMULA, "specification": "",
        "unit": unit, "quantity": quantity, "lot": "20250101A", "party": "某店", "code": DEALER.id, "weight": "",
    }  # fmt: skip
    return ",".join((values | changed).values())


def ship(number: int, quantity: int) -> OpenShip:
    return OpenShip(bytes([number]) * 32, LOT, DEALER.id, SHOP.site, f"XS-{number}/1", quantity, number)


def only(found: list[Planned | BadRow]) -> BadRow:
    [one] = found
    assert isinstance(one, BadRow), one
    return one


def test_a_late_supplier_is_claimed_and_a_surplus_too(tmp_path: Path) -> None:
    assert acts(plan(tmp_path, PURCHASES, row("24"))) == [("Claim", 24)]
    both = plan(tmp_path, PURCHASES, row("24"), ships=[ship(1, 10), ship(2, 8)])
    assert acts(both) == [("Receive", 10), ("Receive", 8), ("Claim", 6)]
    assert isinstance(both[0], Planned)
    assert {act.amounts.ref for act in both[0].acts if act.amounts} == {"D/1"}
    part = plan(tmp_path, PURCHASES, row("4"), ships=[ship(1, 10)])
    assert acts(part) == [("Receive", 4)]
    assert isinstance(part[0], Planned)
    assert "6 stay open" in part[0].says


def test_goods_go_back_and_come_back(tmp_path: Path) -> None:
    [back] = plan(tmp_path, PURCHASES, row("-6"), held=10)
    assert isinstance(back, Planned)
    assert (back.acts[0].kind, back.acts[0].fields["returns"], back.row.side) == (r.Ship, True, Side.OUT)
    assert acts(plan(tmp_path, SALES, row("(2)", code=""), held=10)) == [("TakeBack", 2)]
    assert acts(plan(tmp_path, SALES, row("-8"), ships=[ship(1, 8)])) == [("Receive", 8)]
    assert "has not shipped 9" in only(plan(tmp_path, SALES, row("-9"), ships=[ship(1, 8)])).message
    assert "--buyer business" in only(plan(tmp_path, PURCHASES, row("-1", code=""), held=10)).remedy


def test_what_is_held_bounds_what_goes_out_and_the_cure_is_named(tmp_path: Path) -> None:
    found = plan(tmp_path, SALES, row("6"), row("5", line="2"), held=10)
    assert acts(found[:1]) == [("Ship", 6)]
    assert isinstance(found[1], BadRow)
    assert "holds 4" in found[1].message
    for cure in ("receipt", "claim", "entry", "count"):
        assert cure in found[1].remedy
    typed = only(plan(tmp_path, SALES, row("1", lot="2O25O1O1A"), held=10))
    assert (typed.field, LOT in typed.message) == ("批号", True)


def test_a_count_takes_what_the_ledger_says_where_the_book_does_not(tmp_path: Path) -> None:
    line = f"2026-01-03,P,1,{FORMULA},罐,{{book}},8,20250101A,"
    for book, expected in (("", 10), ("12", 12)):
        [one] = plan(tmp_path, STOCK, line.format(book=book), held=10)
        assert isinstance(one, Planned)
        assert one.acts[0].amounts == r.Counted(book=expected, found=8, ref="P/1")
        assert one.acts[0].fields["kind"] == r.CountKind.OPENING
    [later] = plan(tmp_path, STOCK, line.format(book=""), held=10, opening="counted")
    assert isinstance(later, Planned)
    assert later.acts[0].fields["kind"] == r.CountKind.PERIODIC
    [cases] = plan(tmp_path, STOCK, f"2026-01-03,P,1,{CASE},箱,2,3,20250101A,")
    assert isinstance(cases, Planned)
    assert cases.acts[0].amounts == r.Counted(book=12, found=18, ref="P/1")


def test_cases_said_in_the_specification_or_the_mapping(tmp_path: Path) -> None:
    said = row("2", unit="箱", specification="800g*6罐/箱")
    assert acts(plan(tmp_path, PURCHASES, said)) == [("Claim", 12)]
    assert "suyuan mapping unit" in only(plan(tmp_path, PURCHASES, row("2", unit="提"))).remedy
    assert acts(plan(tmp_path, PURCHASES, row("2", unit="提"), units={"提": 4})) == [("Claim", 8)]
    wrong = row("2", unit="箱", gtin=CASE, specification="800g*12罐/箱")
    assert only(plan(tmp_path, PURCHASES, wrong)).field == "规格"
    assert "800g*6罐/箱" in only(plan(tmp_path, PURCHASES, row("2", unit="箱"))).remedy


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("800g*6罐/箱", 6), ("800g×6", 6), ("1*12", 12), ("6罐/箱", 6), ("24盒/件", 24), ("800g x 6 罐/箱", 6),
        ("800g", None), ("800g/罐", None), ("2kg/盒", None), ("800g*6罐*2盒/箱", None), ("", None), ("*", None),
    ],
)  # fmt: skip
def test_items_a_case(text: str, items: int | None) -> None:
    assert cells.items_a_case(text) == items


def test_what_is_weighed_needs_its_weight_and_nothing_else_does(tmp_path: Path) -> None:
    shrimp = row("3", gtin=SHRIMP, weight="6.125")
    [one] = plan(tmp_path, PURCHASES, shrimp)
    assert isinstance(one, Planned)
    assert one.acts[0].amounts == r.Moved(grams=6125, quantity=3, ref="D/1")
    assert only(plan(tmp_path, PURCHASES, row("3", gtin=SHRIMP))).field == "重量(kg)"
    [cans] = plan(tmp_path, PURCHASES, row("3", weight="2.4"))
    assert isinstance(cans, Planned)
    assert cans.acts[0].amounts == r.Moved(quantity=3, ref="D/1")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2O25", "2025", True), ("l23S", "1235", True), ("A-01B", "A018", True), ("20250101", "2025101", True),
        ("20251010", "20251001", True), ("20250101A01", "20250101A02", False), ("2025", "2025", False),
        ("ABC", "AB", False), ("L000001", "L000002", False),
    ],
)  # fmt: skip
def test_lot_numbers_that_are_meant_as_one(one: str, other: str, alike: bool) -> None:
    assert lots.alike(one, other) is alike
    assert lots.alike(other, one) is alike


def test_a_lot_typed_wrongly_is_asked_about_once(tmp_path: Path) -> None:
    typed = row("6", lot="2O250101A")
    asked = only(plan(tmp_path, PURCHASES, typed, ships=[ship(1, 10)]))
    wrong = f"{FORMULA}#2O250101A"
    assert f"suyuan mapping lot '{wrong}' '{LOT}'" in asked.remedy
    answered = plan(tmp_path, PURCHASES, typed, ships=[ship(1, 10)], lots={wrong: LOT})
    assert acts(answered) == [("Receive", 6)]
    own = plan(tmp_path, PURCHASES, typed, ships=[ship(1, 10)], lots={wrong: wrong})
    assert acts(own) == [("Claim", 6)]


def test_own_words_are_understood(tmp_path: Path) -> None:
    headers = PURCHASES.replace("商品条码", "货号").replace("供应商名称", "往来单位")
    words = {
        "columns": {"货号": "商品条码", "往来单位": "供应商名称"},
        "products": {"K-17": FORMULA},
        "parties": {"南湖配送": DEALER.id},
    }
    found = plan(tmp_path, headers, row("6", gtin="K-17", party="南湖配送", code=""), **words)
    assert acts(found) == [("Claim", 6)]


def test_prices_and_contacts_go_behind_the_private_seal(tmp_path: Path) -> None:
    headers = SALES + ",客户地址,客户联系方式,单价,金额"
    [first, second] = read_rows(tmp_path, headers, row("6") + ",中山路1号,138,12.5,", row("6", line="2") + ",,,,¥99")
    assert first.private is not None
    assert (first.private.address, first.private.contact, first.private.price) == ("中山路1号", "138", 7500)
    assert second.private is not None
    assert (second.private.address, second.private.price, second.private.currency) == (None, 9900, "CNY")
    with pytest.raises(BadCell):
        cells.fen("12,5", "单价")


def read_rows(tmp_path: Path, *lines: str) -> list[Row]:
    path = tmp_path / "book.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = [one for one in read(path) if isinstance(one, Row)]
    assert len(found) == len(lines) - 1
    return found


# Files


def same(path: Path) -> list[tuple[Any, ...]]:
    return [
        (one.ref, one.gtin, one.quantity, one.lot, one.at, one.party) for one in read(path) if isinstance(one, Row)
    ]


def test_one_book_in_every_encoding_and_as_a_spreadsheet(tmp_path: Path) -> None:
    lines = [PURCHASES, row("6"), row("12", line="2", party="嘉兴，南湖")]
    expected = None
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        path = tmp_path / f"{encoding}.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        found = same(path)
        expected = expected or found
        assert found == expected
        assert len(found) == 2
    assert same(spreadsheet(tmp_path, lines)) == expected


def spreadsheet(tmp_path: Path, lines: list[str]) -> Path:
    """With a title, real dates and numbers."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["进货台账"])
    for number, line in enumerate(lines):
        values: list[Any] = list(line.split(","))
        if number:
            values[0] = dt.datetime.fromisoformat(values[0])
            values[4], values[7] = int(values[4]), float(values[7])
        sheet.append(values)
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


def test_a_line_in_another_encoding_is_a_bad_row_and_the_others_go_on(tmp_path: Path) -> None:
    good, other, last = row("6"), row("7", line="2"), row("8", line="3")
    path = tmp_path / "book.csv"
    for first, second in (("utf-8", "gb18030"), ("gb18030", "utf-8")):
        path.write_bytes(
            f"{PURCHASES}\n{good}\n".encode(first) + f"{other}\n".encode(second) + f"{last}\n".encode(first)
        )
        found = list(read(path))
        assert [isinstance(one, BadRow) for one in found] == [False, True, False]
        assert isinstance(found[1], BadRow)
        assert (found[1].line, "one encoding" in found[1].remedy) == (3, True)


def test_truncated_and_foreign_files_say_what_they_are(tmp_path: Path) -> None:
    whole = spreadsheet(tmp_path, [PURCHASES, row("6")]).read_bytes()
    path = tmp_path / "cut.xlsx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Malformed, match=r"not a whole \.xlsx"):
        list(read(path))
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100))
    with pytest.raises(Malformed, match=r"old \.xls"):
        list(read(path))
    path.write_bytes("日期".encode("utf-16"))
    with pytest.raises(Malformed, match="UTF-16"):
        list(read(path))
    path.write_text(f'{PURCHASES}\n{row("6")}\n2026-01-03,"D')
    [good, bad] = list(read(path))
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    path.write_text(f"{PURCHASES}\n{row('6')[:30]}")
    [cut] = list(read(path))
    assert isinstance(cut, BadRow)


@pytest.mark.parametrize("cut", range(0, 6000, 293))
def test_a_spreadsheet_with_a_byte_changed_is_read_or_refused(tmp_path: Path, cut: int) -> None:
    data = bytearray(
        spreadsheet(tmp_path, [PURCHASES, *(row(str(n), line=str(n)) for n in range(1, 40))]).read_bytes()
    )
    data[cut % len(data)] ^= 0x55
    path = tmp_path / "broken.xlsx"
    path.write_bytes(bytes(data))
    with suppress(Malformed):
        assert all(isinstance(one, Row | BadRow) for one in read(path))


def test_an_archive_made_to_harm_is_not_unpacked(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(64 * 1024 * 1024))
    with pytest.raises(Malformed, match="unpacked"):
        list(read(path))


def test_how_far_a_book_was_read(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("\n".join((PURCHASES, *(row("6", line=str(n)) for n in range(2000)))) + "\n")
    file = BookFile(path)
    rows = iter(file)
    next(rows)
    assert file.share < 0.5
    assert sum(1 for _ in rows) == 1999
    assert file.share == 1


@settings(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300), st.integers(0, 600), st.sampled_from(["utf-8", "gb18030"]))
def test_any_bytes_in_a_book_are_read_or_refused(tmp_path: Path, junk: bytes, at: int, encoding: str) -> None:
    whole = f"{PURCHASES}\n{row('6')}\n{row('7', line='2')}\n".encode(encoding)
    path = tmp_path / "junk.csv"
    for data in (junk, whole[:at] + junk + whole[at:], whole[:at] + junk):
        path.write_bytes(data)
        with suppress(Malformed):
            assert all(isinstance(one, Row | BadRow) for one in read(path))


# The mapping


def test_a_mapping_is_kept_and_checked(tmp_path: Path) -> None:
    assert mapping.load(tmp_path) == Mapping()
    kept = Mapping(
        products={"K": FORMULA}, parties={"南湖": DEALER.id}, units={"提": 6}, lots={LOT: LOT}, opening="none"
    )
    mapping.store(tmp_path, kept)
    assert mapping.load(tmp_path) == kept
    for wrong in (
        Mapping(columns={"货号": "条形"}), Mapping(products={"K": "1"}), Mapping(parties={"x": uscc(1)[:-1]}),
        Mapping(lots={LOT: "x"}), Mapping(opening="maybe"),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            mapping.store(tmp_path, wrong)
    assert mapping.load(tmp_path) == kept
    (tmp_path / mapping.FILE).write_text("{")
    with pytest.raises(Malformed, match="not a mapping"):
        mapping.load(tmp_path)
