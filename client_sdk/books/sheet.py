"""The rows of a spreadsheet (.xlsx): each of its sheets may be a book, read row by row.

The archive is looked over before anything is believed: how much it unpacks to, every checksum, and that no part
declares entities, which could stand for gigabytes. (defusedxml would see to the last as well, but calls Python for
each tag, which is a quarter of all time. calamine is faster, but holds a sheet whole, as wide and as long as its
outermost cells: a file of 2 KB can end the process.)
"""

import datetime as dt
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from openpyxl import load_workbook

from client_sdk.books.cells import BadCell
from client_sdk.books.source import Lines, Record
from ledger.errors import Malformed
from ledger.limits import BOOK_ROW_FIELDS_MAX, XLSX_PARTS_BYTES_MAX, XLSX_SHEETS_BYTES_MAX

DIGITS_KEPT: Final = 10**15  # a spreadsheet's numbers lose digits beyond
HALF_SECOND: Final = dt.timedelta(milliseconds=500)
CHUNK_BYTES: Final = 1024 * 1024


class SheetLines(Lines):
    def __init__(self, path: Path, workbook: Any, sheet: Any) -> None:
        self._path, self._workbook, self._sheet = path, workbook, sheet
        self._done, self._rows = 0, sheet.max_row or 1
        sheet.reset_dimensions()  # some programs write a wrong size, and rows beyond it would be passed over

    @property
    def share(self) -> float:
        return min(1.0, self._done / self._rows)

    def __iter__(self) -> Iterator[Record]:
        rows = enumerate(self._sheet.iter_rows(values_only=True), 1)  # with max_col it would fill each row up
        while (found := self._next(rows)) is not None:
            self._done, values = found
            yield _record(self._done, values[:BOOK_ROW_FIELDS_MAX])

    def close(self) -> None:
        self._workbook.close()

    def _next(self, rows: Iterator[tuple[int, Any]]) -> tuple[int, Any] | None:
        try:
            return next(rows, None)
        except Exception as error:  # the library's own errors are as many as its parts
            raise broken(self._path, error, f", after row {self._done}") from None


def sheets(path: Path) -> list[SheetLines]:
    """The sheets of a workbook, in order; Malformed where it is not one, or is not whole."""
    _look_over(path)
    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
        return [SheetLines(path, workbook, one) for one in workbook.worksheets]
    except Exception as error:
        raise broken(path, error) from None


def broken(path: Path, error: BaseException | str, where: str = "") -> Malformed:
    while isinstance(error, BaseException) and (error.__cause__ or error.__context__) is not None:
        error = error.__cause__ or error.__context__ or error  # the library wraps what it met
    remedy = "open it in the spreadsheet program and save it again as .xlsx, or as CSV UTF-8"
    what = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Malformed(str(path), f"not a whole .xlsx file{where} ({what}); {remedy}")


def _look_over(path: Path) -> None:
    """Sizes first: an archive can hold a thousand times its own. Sheets are read as a stream, the other parts (texts,
    styles) whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {one.filename: one.file_size for one in archive.infolist()}
            sheet = sum(size for name, size in parts.items() if name.startswith("xl/worksheets/"))
            others = sum(parts.values()) - sheet
            if sheet > XLSX_SHEETS_BYTES_MAX or others > XLSX_PARTS_BYTES_MAX:
                unpacked = f"{sheet} bytes of sheets and {others} of texts"
                bounds = f"at most {XLSX_SHEETS_BYTES_MAX} and {XLSX_PARTS_BYTES_MAX} are read"
                raise Malformed(str(path), f"unpacked it has {unpacked}, {bounds}; save it as CSV UTF-8")
            for part in archive.infolist():
                _read_through(archive, part)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise broken(path, error) from None


def _read_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """BadZipFile where its checksum does not hold, or it declares a document type: no spreadsheet program writes
    one. Whatever it is called, it is read as the XML that it may be; what is none ends the parser."""

    def declares(*_: object) -> None:
        raise zipfile.BadZipFile(f"{part.filename} declares a document type, as no spreadsheet does")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declares
    is_xml = True
    with archive.open(part) as file:
        while chunk := file.read(CHUNK_BYTES):
            try:
                if is_xml:
                    parser.Parse(chunk)
            except (expat.ExpatError, LookupError, ValueError):
                is_xml = False


def _record(number: int, values: tuple[Any, ...]) -> Record:
    flaw = None
    cells = []
    for value in values:
        if isinstance(value, str):
            cells.append(value)
        elif value is None:
            cells.append("")
        else:
            try:
                cells.append(_text(value))
            except BadCell as bad:
                flaw = bad
                cells.append(str(value))
    return number, cells, flaw


def _text(value: object) -> str:
    """A cell as the CSV would have it: whole numbers without a point, dates without a time of day."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer():
            if abs(value) >= DIGITS_KEPT:
                remedy = "make the column text and copy the number again"
                raise BadCell("row", f"{value:.0f} has lost digits in the spreadsheet", remedy)
            return str(int(value))
        case dt.datetime():
            near = value + HALF_SECOND if value < dt.datetime.max - HALF_SECOND else value
            return near.strftime(
                "%Y-%m-%d" if near.time().replace(microsecond=0) == dt.time() else "%Y-%m-%d %H:%M:%S"
            )
        case dt.date():
            return value.isoformat()
        case _:
            return str(value)
