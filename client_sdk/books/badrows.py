"""A file of bad rows: the cells as they stood, with line, reason and cure, to be mended and imported as a book."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Final

from client_sdk.books.rows import BadRow

KEPT_REF: Final = "原登记号"  # read again, so that a row keeps its place among equal ones
ABOUT: Final = ("原行号", "问题", "处理")


class BadRowFile:
    """`path` None: nothing is written. Columns that an earlier file of bad rows added are written anew."""

    def __init__(self, path: Path | None, headers: list[str]) -> None:
        added = (KEPT_REF, *ABOUT)
        self._path = path
        self._places = [at for at, header in enumerate(headers) if header not in added]
        self._headers = [headers[at] for at in self._places] + list(added)

    def __enter__(self) -> "BadRowFile":
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(self._headers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            self._file.close()

    def add(self, row: BadRow) -> None:
        if self._path is None:
            return
        cells = [row.cells[at] if at < len(row.cells) else "" for at in self._places]
        self._writer.writerow([*cells, row.ref, row.line, f"{row.field}: {row.message}", row.remedy])
