"""The records of a CSV book: in UTF-8, with or without a mark at its beginning, or in GB18030, as spreadsheets write.

The first line with other than ASCII, its headers or a title above them, decides. A line that does not fit, a quote
that nothing closes, a row that the end of the file cuts short: each is a bad row, and the others go on.
"""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from client_sdk.books.cells import BadCell
from client_sdk.books.source import Lines, Record
from ledger.limits import BOOK_LINE_BYTES_MAX, BOOK_QUOTED_LINES_MAX

_MARK: Final = b"\xef\xbb\xbf"
_NAMES: Final = {"utf-8": "UTF-8", "gb18030": "GB18030"}
_Line: TypeAlias = tuple[int, str, BadCell | None]


class CsvLines(Lines):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._read = 0
        self._encoding = _encoding_of(path)

    @property
    def share(self) -> float:
        return min(1.0, self._read / self._size)

    def __iter__(self) -> Iterator[Record]:
        with self._path.open("rb") as file:
            lines = self._decoded(file)
            again: deque[_Line] = deque()
            while (line := again.popleft() if again else next(lines, None)) is not None:
                number, text, flaw = line
                if flaw is None and ('"' in text or "\r" in text):
                    yield _quoted(line, lines, again)
                else:
                    yield number, text.split(","), flaw

    def _decoded(self, file: BinaryIO) -> Iterator[_Line]:
        """(number, text without its end, what is wrong with it); what cannot be read is replaced."""
        for number, line in enumerate(_bounded(file), 1):
            self._read += len(line)
            flaw = None
            if number == 1 and line.startswith(_MARK):
                line = line[len(_MARK) :]
            try:
                text = line.decode(self._encoding)
                if self._encoding != "utf-8" and not line.isascii() and _is_utf8_chinese(line):
                    raise UnicodeError
            except UnicodeError:
                text, flaw = line.decode(self._encoding, errors="replace"), self._misfit()
            if text.endswith("\n"):
                text = text[:-2] if text.endswith("\r\n") else text[:-1]
            else:
                flaw = self._unended(line, text) or flaw
            yield number, text, flaw

    def _misfit(self) -> BadCell:
        name = _NAMES[self._encoding]
        remedy = "save the book as CSV in one encoding, UTF-8 or GB18030; or type this row anew"
        return BadCell("row", f"not in {name} as the headers are", remedy)

    def _unended(self, line: bytes, text: str) -> BadCell | None:
        """What is wrong with a line that has no end: too long, or the last one and cut short."""
        if len(line) > BOOK_LINE_BYTES_MAX:
            return BadCell("row", f"longer than {BOOK_LINE_BYTES_MAX} bytes", "check the line ends of the file")
        if text and text.count(",") + 1 < self.width:
            message = f"the file ends in the middle of this row, after {text.count(',') + 1} of {self.width} cells"
            return BadCell("row", message, "copy the file again, whole; what was booked is not booked twice")
        return None


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long its beginning alone."""
    readline = file.readline
    while line := readline(BOOK_LINE_BYTES_MAX + 1):
        if len(line) > BOOK_LINE_BYTES_MAX:
            while (more := readline(BOOK_LINE_BYTES_MAX)) and not more.endswith(b"\n"):
                pass
        yield line


def _quoted(first: _Line, lines: Iterator[_Line], again: deque[_Line]) -> Record:
    """The record that begins in a line with quotes; it ends where they are closed. Lines that were looked at in vain
    come again."""
    number, text, flaw = first
    taken: list[_Line] = []
    parts = [text]
    open_quote = text.count('"') % 2 == 1
    while open_quote and len(parts) < BOOK_QUOTED_LINES_MAX:
        line = again.popleft() if again else next(lines, None)
        if line is None:
            break
        taken.append(line)
        parts.append(line[1])
        flaw = flaw or line[2]
        open_quote ^= line[1].count('"') % 2 == 1
    try:
        if open_quote:
            raise csv.Error("a quote is never closed")
        [record] = csv.reader(["\n".join(parts)], strict=True)
    except (csv.Error, ValueError) as error:
        again.extendleft(reversed(taken))
        said = str(error) if isinstance(error, csv.Error) else "a line end stands inside of it"
        return number, text.split(","), BadCell("row", said, "check the quotes and commas there")
    return number, record, flaw


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        for line in _bounded(file):
            if not line.isascii():
                return "utf-8" if _decodes(line[:BOOK_LINE_BYTES_MAX]) else "gb18030"
    return "utf-8"


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_utf8_chinese(line: bytes) -> bool:
    """GB18030 decodes nearly anything; a line that is UTF-8 with Chinese in it was not written in GB18030."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= char <= "\u9fff" for char in text)
