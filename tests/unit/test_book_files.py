"""Files of books: encodings, quotes, spreadsheets; whole, cut, mixed and made to harm."""

import datetime as dt
import random
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from client_sdk.books.reader import BookFile, read
from client_sdk.books.rows import BadRow, Row
from ledger import limits
from ledger.errors import Malformed
from tests.books import PURCHASES, bad, good, row, text, write
from tests.world import FORMULA

LINES = [row(), row(行号="2", 数量="12", 供应商名称="嘉兴,南湖"), row(行号="3", 商品名称='"特"价')]
Edit = Callable[[bytes, int], bytes]


def said(path: Path) -> list[tuple[Any, ...]]:
    """What the rows of a book say, apart from where they stand."""
    return [(one.ref, one.goods.code, one.quantity, one.goods.lot, one.at, one.party) for one in good(read(path))]


def spreadsheet(folder: Path, lines: list[dict[str, str]], title: bool = True, name: str = "book.xlsx") -> Path:
    """With an empty sheet before it, a title, and real dates and numbers."""
    book = Workbook()
    book.create_sheet("封面", 0).append(["说明"])
    sheet = book.worksheets[1]
    if title:
        sheet.append(["进货台账"])
    sheet.append(list(PURCHASES))
    for one in lines:
        values: list[Any] = [one.get(header, "") or None for header in PURCHASES]
        values[0] = dt.datetime.fromisoformat(one["日期"])
        values[4], values[7] = int(one["商品条码"]), float(one["数量"])
        sheet.append(values)
    path = folder / name
    book.save(path)
    return path


# Encodings


def test_one_book_in_every_encoding_and_as_a_spreadsheet(tmp_path: Path) -> None:
    expected = said(write(tmp_path / "book.csv", PURCHASES, LINES))
    assert len(expected) == 3
    for encoding in ("utf-8-sig", "gb18030", "gbk"):
        assert said(write(tmp_path / "book.csv", PURCHASES, LINES, encoding)) == expected
    for end in ("\r\n", "\n"):
        (tmp_path / "book.csv").write_bytes(("进货台账\n" + text(PURCHASES, LINES, end)).rstrip().encode("gb18030"))
        assert said(tmp_path / "book.csv") == expected
    assert said(spreadsheet(tmp_path, LINES)) == expected


@pytest.mark.parametrize(("first", "second"), [("utf-8", "gb18030"), ("gb18030", "utf-8")])
def test_a_line_in_another_encoding_is_a_bad_row_and_the_others_go_on(
    tmp_path: Path, first: str, second: str
) -> None:
    lines = text(PURCHASES, LINES).splitlines(keepends=True)
    path = tmp_path / "book.csv"
    path.write_bytes(b"".join(line.encode(second if number == 2 else first) for number, line in enumerate(lines)))
    one, wrong, last = read(path)
    assert isinstance(wrong, BadRow)
    assert (wrong.line, "one encoding" in wrong.remedy) == (3, True)
    assert wrong.cells[0] == "2025-11-03"
    assert [type(one), type(last)] == [Row, Row]


def test_a_byte_that_is_no_text_spoils_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    for encoding in ("utf-8", "gb18030"):
        data = text(PURCHASES, LINES).encode(encoding)
        at = data.index(b"\n") + 1
        path.write_bytes(data[:at] + b"\xff" + data[at:])
        assert [isinstance(one, BadRow) for one in read(path)] == [True, False, False]


# Quotes and ends of lines


def test_a_quote_that_nothing_closes_spoils_its_row_alone(tmp_path: Path) -> None:
    lines = text(PURCHASES, LINES).splitlines(keepends=True)
    path = tmp_path / "book.csv"
    path.write_text("".join([lines[0], lines[1].replace("乳粉", '"乳粉'), *lines[2:], *lines[1:2] * 100]), "utf-8")
    found = list(read(path))
    assert [isinstance(one, BadRow) for one in found[:3]] == [True, False, False]
    assert "never closed" in found[0].message  # type: ignore[union-attr]
    assert len(found) == 103
    path.write_text("".join([*lines[:3], lines[1].replace("乳粉", '"乳粉')]), "utf-8")
    assert [isinstance(one, BadRow) for one in read(path)] == [False, False, True]


def test_a_cell_in_quotes_may_span_lines_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    for lines, whole in ((limits.BOOK_QUOTED_LINES_MAX - 1, True), (limits.BOOK_QUOTED_LINES_MAX, False)):
        path.write_text(text(PURCHASES, [row(商品名称="乳" + "\n" * lines), row(行号="2")]), "utf-8")
        found = list(read(path))
        assert isinstance(found[0], Row) == whole
        assert isinstance(found[-1], Row)


def test_a_row_that_the_end_of_the_file_cuts_is_bad(tmp_path: Path) -> None:
    """The quantity may have lost digits, and the customer its code: nothing of it is believed."""
    whole = text(PURCHASES, [row(), row(行号="2", 数量="120")]).encode()
    last = whole.rstrip().rindex(b"\n") + 1
    path = tmp_path / "book.csv"
    for end in range(last + 1, len(whole)):
        path.write_bytes(whole[:end])
        first, *rest = read(path)
        assert isinstance(first, Row)
        cut = whole[last:end].count(b",") < len(PURCHASES) - 1
        assert [isinstance(one, BadRow) for one in rest] == [True] or not cut
        if cut and "ends in the middle" not in rest[0].message:  # type: ignore[union-attr]
            assert "not in UTF-8" in rest[0].message  # type: ignore[union-attr]


def test_a_line_without_end_is_read_no_further_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    long = row(商品名称="乳" * limits.BOOK_LINE_BYTES_MAX)
    path.write_text(text(PURCHASES, [row(), long, row(行号="2")]), "utf-8")
    assert [isinstance(one, BadRow) for one in read(path)] == [False, True, False]
    path.write_text(text(PURCHASES, LINES).replace("\n", "\r"), "utf-8", newline="")
    with pytest.raises(Malformed):
        list(read(path))


def test_how_far_a_book_was_read(tmp_path: Path) -> None:
    lines = [row(行号=str(number)) for number in range(2000)]
    for path in (write(tmp_path / "book.csv", PURCHASES, lines), spreadsheet(tmp_path, lines)):
        file = BookFile(path)
        rows = iter(file)
        next(rows)
        assert file.share < 0.5
        assert sum(1 for _ in rows) == 1999
        assert file.share == 1


# Files of other kinds


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), r"old \.xls"), ("日期".encode("utf-16"), "UTF-16"),
        (b"%PDF-1.7", "PDF"), (b"<html><table>", "web page"), (b"PK\x03\x04" + bytes(50), r"not a whole \.xlsx"),
        (b"", "empty"), (bytes(100), "missing"),
    ],
)  # fmt: skip
def test_foreign_files_say_what_they_are(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(data)
    with pytest.raises(Malformed, match=why):
        BookFile(path)
    with pytest.raises(OSError, match="none"):
        BookFile(tmp_path / "none.csv")


# Spreadsheets


def test_cells_of_a_spreadsheet_are_read_as_a_csv_would_have_them(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(PURCHASES))
    line: list[Any] = [row()[name] for name in PURCHASES]
    times = [dt.datetime(2025, 11, 3, 9, 30), dt.date(2025, 11, 3), dt.datetime(2025, 11, 2, 23, 59, 59, 999_999)]
    for number, moment in enumerate(times):
        sheet.append([moment, "D", number, *line[3:]])
    sheet.append([times[1], "D", 9, "乳粉", 6_901_234_567_892_123_456, *line[5:]])
    sheet.append([times[1], "D", 10, *line[3:7], True, *line[8:]])
    book.save(tmp_path / "book.xlsx")
    *rows, lost, truth = read(tmp_path / "book.xlsx")
    at = [one.at for one in rows if isinstance(one, Row)]
    assert at == [1_762_133_400_000, 1_762_142_400_000, 1_762_142_400_000]
    assert isinstance(lost, BadRow)
    assert isinstance(truth, BadRow)
    assert (lost.field, truth.field) == ("row", "数量")


def changed(source: Path, target: Path, **parts: Callable[[bytes], bytes]) -> Path:
    """The workbook with some of its parts rewritten; `sheet2` names xl/worksheets/sheet2.xml."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            data = before.read(info)
            after.writestr(info.filename, parts.get(Path(info.filename).stem, lambda same: same)(data))
    return target


def test_a_sheet_that_lies_about_its_size_is_read_whole(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path, LINES)
    lies = changed(
        path, tmp_path / "lies.xlsx", sheet2=lambda data: re.sub(rb'ref="A1:[A-Z]+\d+"', b'ref="A1"', data)
    )
    assert said(lies) == said(path)


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    """No part may declare any, in whatever encoding, and whether a sheet or another."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    path = spreadsheet(tmp_path, LINES)

    def armed(data: bytes) -> bytes:
        return re.sub(rb"(<(?:worksheet|workbook|Properties)\b)", bomb + rb"\1", data, count=1)

    def in_utf_16(data: bytes) -> bytes:
        return re.sub("encoding='.*?'", "encoding='utf-16'", armed(data).decode()).encode("utf-16")

    for part in ("sheet2", "workbook", "app"):
        for arm in (armed, in_utf_16):
            harmful = changed(path, tmp_path / "harm.xlsx", **{part: arm})
            with pytest.raises(Malformed, match="declares a document type"):
                list(read(harmful))


def test_an_archive_made_to_harm_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w") as part,
    ):
        for _ in range(limits.XLSX_PARTS_BYTES_MAX // 2**20 + 1):
            part.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(Malformed, match="unpacked"):
        BookFile(path)
    monkeypatch.setattr("client_sdk.books.sheet.XLSX_SHEETS_BYTES_MAX", 100)
    with pytest.raises(Malformed, match="bytes of sheets"):
        BookFile(spreadsheet(tmp_path, LINES))


def test_a_broken_spreadsheet_is_refused_before_a_row_is_read(tmp_path: Path) -> None:
    whole = spreadsheet(tmp_path, [row(行号=str(number)) for number in range(40)]).read_bytes()
    path = tmp_path / "broken.xlsx"
    for end in range(1, len(whole), 997):
        path.write_bytes(whole[:end])
        with pytest.raises(Malformed):
            list(read(path))
    picks = random.Random(5)
    for _ in range(40):
        data = bytearray(whole)
        data[picks.randrange(len(data))] ^= 1 << picks.randrange(8)
        path.write_bytes(bytes(data))
        with suppress(Malformed):  # a bit in a name or a date of the archive itself may not matter
            assert len(good(read(path))) == 40


# Anything


def mutated(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for kind, place, piece in edits:
        at = place % (len(data) + 1)
        data = data[:at] + (piece if kind else b"") + data[at + (kind != 1) * max(1, len(piece)) :]
    return data


EDIT = st.tuples(
    st.integers(0, 2),
    st.integers(0, 10**6),
    st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b"\xff", "罐".encode()]),
)


@given(st.sampled_from(["utf-8", "gb18030", "utf-8-sig"]), st.lists(EDIT, max_size=12))
@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True, deadline=None
)
def test_a_mutated_book_is_read_or_refused(
    tmp_path: Path, encoding: str, edits: list[tuple[int, int, bytes]]
) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(mutated(text(PURCHASES, LINES * 3).encode(encoding), edits))
    with suppress(Malformed):
        assert all(isinstance(one, Row | BadRow) for one in read(path))


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True, deadline=None
)
def test_any_bytes_below_the_headers_are_rows_or_bad_rows(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(text(PURCHASES, [row()]).encode() + data + b"\n")
    found = list(read(path))
    assert isinstance(found[0], Row)
    assert all(isinstance(one, Row | BadRow) and str(one) for one in found)
    path.write_bytes(data)
    with suppress(Malformed):
        list(read(path))


def test_good_codes_are_not_spoilt(tmp_path: Path) -> None:
    """The rows around a bad one are as they would be without it."""
    path = write(tmp_path / "book.csv", PURCHASES, [row(行号="1"), row(行号="2", 商品条码="1"), row(行号="3")])
    first, wrong, last = read(path)
    assert bad([wrong]).field == "商品条码"
    assert [one.goods.code for one in (first, last) if isinstance(one, Row)] == [FORMULA, FORMULA]
