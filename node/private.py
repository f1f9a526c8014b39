"""The store of private openings: apart from the chain, so that an opening can be erased and every hash still holds.

SQLite with `secure_delete`, which overwrites what is deleted; every change is on disk before it is answered.
"""

import sqlite3
import threading
from pathlib import Path

from msgspec import Struct


class Erased(Struct, frozen=True):
    by: str
    time_ms: int
    reason: str


class PrivateStore:
    """Openings by their place in the log: (leaf index, record index)."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        path.chmod(0o600)
        with self._lock, self._db:
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS opening (leaf INTEGER, idx INTEGER, data BLOB, PRIMARY KEY (leaf, idx))"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS erased "
                "(leaf INTEGER, idx INTEGER, by TEXT, time_ms INTEGER, reason TEXT, PRIMARY KEY (leaf, idx))"
            )

    def put(self, openings: list[tuple[int, int, bytes]]) -> None:
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO opening VALUES (?, ?, ?)", openings)

    def get(self, leaf: int, index: int) -> bytes | None:
        with self._lock:
            row = self._db.execute("SELECT data FROM opening WHERE leaf = ? AND idx = ?", (leaf, index)).fetchone()
        return None if row is None else bytes(row[0])

    def erase(self, places: list[tuple[int, int]], how: Erased) -> int:
        """Erase openings; who did it, when and why is kept. Returns how many there were."""
        with self._lock, self._db:
            gone = 0
            for leaf, index in places:
                gone += self._db.execute("DELETE FROM opening WHERE leaf = ? AND idx = ?", (leaf, index)).rowcount
                self._db.execute(
                    "INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?, ?)",
                    (leaf, index, how.by, how.time_ms, how.reason),
                )
        return gone

    def erased(self, leaf: int, index: int) -> Erased | None:
        with self._lock:
            row = self._db.execute(
                "SELECT by, time_ms, reason FROM erased WHERE leaf = ? AND idx = ?", (leaf, index)
            ).fetchone()
        return None if row is None else Erased(*row)

    def close(self) -> None:
        with self._lock:
            self._db.close()
