"""The lines of a CSV book: in UTF-8, with or without a mark at its beginning, or in GB18030, as spreadsheets write.

The first line decides; a line that does not fit is a bad row, and the others go on.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from client_sdk.books.cells import BadCell
from client_sdk.books.source import Lines

FIELD_CHARS_MAX: Final = 4096
LINE_BYTES_MAX: Final = 1024 * 1024
_CLEAN: Final = "save the book as CSV in one encoding, UTF-8 or GB18030"


class CsvLines(Lines):
    """(first line, cells) of each record, or what is wrong with it. A quoted cell may span lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._read = 0
        self._bad: BadCell | None = None
        self._encoding = "utf-8"

    @property
    def share(self) -> float:
        return self._read / self._size

    def __iter__(self) -> Iterator[tuple[int, list[str] | BadCell]]:
        csv.field_size_limit(FIELD_CHARS_MAX)
        with self._path.open("rb") as file:
            self._encoding = _encoding_of(file.readline(LINE_BYTES_MAX))
            file.seek(0)
            reader = csv.reader(self._decoded(file), strict=True)
            while True:
                first = reader.line_num + 1
                try:
                    record = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    where = f"{error}, in lines {first} to {reader.line_num}"
                    yield first, BadCell("row", where, "check the quotes and commas there")
                else:
                    bad, self._bad = self._bad, None
                    yield first, bad or record

    def _decoded(self, file: "Iterator[bytes]") -> Iterator[str]:
        """Text for the parser; what cannot be read is replaced, and noted for the record that it stands in."""
        for number, line in enumerate(file, 1):
            self._read += len(line)
            try:
                text = line.decode("utf-8-sig" if number == 1 and self._encoding == "utf-8" else self._encoding)
                if self._encoding != "utf-8" and not line.isascii() and _is_utf8_chinese(line):
                    raise UnicodeError
            except UnicodeError:
                name = "UTF-8" if self._encoding == "utf-8" else "GB18030"
                self._bad = BadCell("row", f"not in {name} as the first line is", _CLEAN)
                text = line.decode(self._encoding, errors="replace")
            yield text.replace("\x00", "\ufffd")


def _encoding_of(first: bytes) -> str:
    try:
        first.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _is_utf8_chinese(line: bytes) -> bool:
    """GB18030 decodes nearly anything; a line that is UTF-8 with Chinese in it was not written in GB18030."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= char <= "\u9fff" for char in text)
