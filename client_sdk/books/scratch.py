"""An import's own tables: what must be remembered of every row stands in a temporary file, which the system removes
with the process, so that a book of any length takes the same memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec

from ledger.limits import BOOK_CACHE_ROWS_MAX

T = TypeVar("T")
_SIGNED: Final = 1 << 63


class Scratch:
    """One temporary database. Used by one thread at a time."""

    def __init__(self) -> None:
        self.db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = OFF")
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("CREATE TABLE equal (key INTEGER PRIMARY KEY, count INTEGER)")
        self.db.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, line INTEGER)")
        self.db.execute("BEGIN")

    def ordinal(self, digest: bytes) -> int:
        """How often this was asked for, with this time."""
        [(count,)] = self.db.execute(
            "INSERT INTO equal VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET count = count + 1 RETURNING count",
            (int.from_bytes(digest[:8], "big") - _SIGNED,),
        ).fetchall()
        return int(count)

    def first_seen(self, rows: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Remember (key, line) of rows; line -> the first line with its key, of those that are not the first."""
        rows = list(rows)
        before = self.db.total_changes
        self.db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        if self.db.total_changes - before == len(rows):
            return {}
        firsts = ((line, self.db.execute("SELECT line FROM seen WHERE key = ?", (key,))) for key, line in rows)
        return {line: first for line, found in firsts for (first,) in found if first != line}


class Spill(Generic[T]):
    """A dictionary from texts to values, of which only a part stands in memory. A value may be changed in place until
    the next one is asked for."""

    def __init__(self, scratch: Scratch, table: str, kind: Any, rows_max: int = BOOK_CACHE_ROWS_MAX) -> None:
        self._db, self._table, self._rows_max = scratch.db, table, rows_max
        self._db.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._near: dict[str, T] = {}
        self._spilled = False

    def get(self, key: str) -> T | None:
        value = self._near.get(key)
        if value is None and self._spilled:
            row = self._db.execute(f"SELECT value FROM {self._table} WHERE key = ?", (key,)).fetchone()
            if row is not None:
                value = self._decode(row[0])
                self.put(key, value)
        return value

    def put(self, key: str, value: T) -> None:
        if len(self._near) >= self._rows_max and key not in self._near:
            self._spill()
        self._near[key] = value

    def _spill(self) -> None:
        rows = ((key, self._encode(value)) for key, value in self._near.items())
        self._db.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)", rows)
        self._near.clear()
        self._spilled = True

    def __iter__(self) -> Iterator[str]:
        """All of them; nothing may be put meanwhile."""
        if not self._spilled:
            return iter(self._near)
        self._spill()
        return (key for (key,) in self._db.execute(f"SELECT key FROM {self._table}"))
