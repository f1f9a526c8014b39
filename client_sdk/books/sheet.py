"""The rows of a spreadsheet (.xlsx): its first sheet that has any, read row by row."""

import datetime as dt
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from openpyxl import load_workbook

from client_sdk.books.cells import BadCell
from client_sdk.books.source import Lines
from ledger.errors import Malformed

UNPACKED_BYTES_MAX: Final = 2 * 1024**3
PACKED_RATIO_MAX: Final = 200  # a sheet of trade shrinks to a twentieth; more than this is made to harm
_SMALL_BYTES: Final = 16 * 1024**2


class SheetLines(Lines):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._done, self._rows = 0, 1

    @property
    def share(self) -> float:
        return min(1.0, self._done / self._rows)

    def __iter__(self) -> Iterator[tuple[int, list[str] | BadCell]]:
        _check_size(self._path)
        try:
            workbook = load_workbook(self._path, read_only=True, data_only=True)
        except Exception as error:  # the library's own errors are as many as its parts
            raise _broken(self._path, error) from None
        try:
            sheet = next((one for one in workbook.worksheets if one.max_row != 0), workbook.worksheets[0])
            self._rows = sheet.max_row or 1
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            while (found := _next(rows, self._path)) is not None:
                number, values = found
                self._done = number
                try:
                    yield number, [_text(value) for value in values]
                except BadCell as bad:
                    yield number, bad
        finally:
            workbook.close()


def _next(rows: Iterator[tuple[int, Any]], path: Path) -> tuple[int, Any] | None:
    try:
        return next(rows, None)
    except Exception as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> Malformed:
    remedy = "open it in the spreadsheet program and save it again as .xlsx, or as CSV"
    return Malformed(str(path), f"not a whole .xlsx file ({type(error).__name__}); {remedy}")


def _check_size(path: Path) -> None:
    """Before anything is unpacked: an archive can hold a thousand times its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise _broken(path, error) from None
    packed = max(1, path.stat().st_size)
    if unpacked > UNPACKED_BYTES_MAX or (unpacked > _SMALL_BYTES and unpacked > packed * PACKED_RATIO_MAX):
        raise Malformed(str(path), f"{unpacked} bytes unpacked; save it as CSV if it really is that large")


def _text(value: object) -> str:
    """A cell as the CSV would have it: whole numbers without a point, dates without a time of day."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            if not value.is_integer():
                return repr(value)
            if abs(value) >= 1e15:
                remedy = "make the column text and copy the number again"
                raise BadCell("row", f"{value:.0f} has lost digits in the spreadsheet", remedy)
            return str(int(value))
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.strftime("%Y-%m-%d %H:%M:%S")
        case dt.date():
            return value.isoformat()
        case _:
            return str(value)
