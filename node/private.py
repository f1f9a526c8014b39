"""The store of private openings: apart from the chain, so that an opening can be erased and every hash still holds.

    private.dat    the openings, each in one place that it never leaves: erasing overwrites it there
    private.db     SQLite: which opening lies where, and what was erased by whom, when and why

The openings do not stand in SQLite itself. Measured on 3.40 with secure_delete: of a thousand deleted values one to
five can still be read in the file, since rows that move from page to page leave copies behind; and its journal keeps
what a transaction overwrote.

`put` writes the bytes, syncs, then commits their rows: a crash in between leaves a tail that no row names. `erase`
commits who, when and why, then overwrites the bytes and syncs: a crash in between leaves bytes that are never served
again. Opening the store overwrites both. Each row carries a CRC-32; the bytes are held against their record's seal.

What is to go on to other nodes is a row in `waiting` for each; an opening in `passing` is here for that alone, is not
served, and is overwritten when the last of them has it.
"""

import os
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from msgspec import Struct

from ledger.encoding import encode
from ledger.errors import Damaged, Malformed
from ledger.limits import (
    OPENING_BYTES_MAX,
    PEER_OPENINGS_BYTES_MAX,
    PEER_OPENINGS_ENTRIES_MAX,
    PEER_WAITING_ENTRIES_MAX,
    PRIVATE_ENTRIES_MAX,
)
from node.errors import NotStored

BYTES_FILE: Final = "private.dat"
ROWS_FILE: Final = "private.db"
REMEDY: Final = (
    f"Restore {ROWS_FILE} and {BYTES_FILE} together from a backup, or move both away and let members give their "
    "openings again; the ledger itself is not touched"
)
CHUNK_BYTES: Final = 1024 * 1024
PUT_BYTES_MAX: Final = PRIVATE_ENTRIES_MAX * OPENING_BYTES_MAX  # what one call, cut off by a crash, can leave
PLACES_A_QUERY: Final = 400  # older SQLites take 999 values
BUSY_SECONDS: Final = 60  # while a backup holds the rows still
_NOT_STORED: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS opening (leaf INTEGER, idx INTEGER, start INTEGER, size INTEGER, crc INTEGER, "
    "PRIMARY KEY (leaf, idx)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS erased (leaf INTEGER, idx INTEGER, by TEXT, time_ms INTEGER, reason TEXT, "
    "crc INTEGER, PRIMARY KEY (leaf, idx)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS waiting (leaf INTEGER, idx INTEGER, node TEXT, crc INTEGER, "
    "PRIMARY KEY (leaf, idx, node)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS waiting_by_node ON waiting (node, leaf, idx)",
    "CREATE TABLE IF NOT EXISTS passing (leaf INTEGER, idx INTEGER, crc INTEGER, PRIMARY KEY (leaf, idx)) "
    "WITHOUT ROWID",
)
REGIONS: Final = "SELECT leaf, idx, start, size, crc FROM opening"
ERASED: Final = "SELECT leaf, idx, by, time_ms, reason, crc FROM erased"
WAITING: Final = "SELECT leaf, idx, node, crc FROM waiting"
PASSING: Final = "SELECT leaf, idx, crc FROM passing"
UNFINISHED: Final = "SELECT leaf, idx FROM opening JOIN erased USING (leaf, idx)"
_PASSED: Final = (
    "SELECT leaf, idx FROM passing WHERE NOT EXISTS "
    "(SELECT 1 FROM waiting WHERE waiting.leaf = passing.leaf AND waiting.idx = passing.idx)"
)
_BATCH: Final = (
    "SELECT leaf, idx, start, size, opening.crc FROM waiting CROSS JOIN opening USING (leaf, idx) "
    "WHERE node = ? AND (leaf, idx) > (?, ?) ORDER BY leaf, idx LIMIT ?"
)
INTEGRITY: Final = "PRAGMA integrity_check(20)"
_HERE: Final = " WHERE leaf = ? AND idx = ?"
Place = tuple[int, int]
"""(leaf index, record index)"""


class Erased(Struct, frozen=True):
    """Who erased an opening, when and why."""

    by: str
    time_ms: int
    reason: str


class PrivateStore:
    """Openings by their place in the log. One process opens it at a time; `path` is that of private.db."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = os.open(bytes_path(path), os.O_RDWR | os.O_CREAT, 0o600)
        self._db = connect(path, "rwc")
        path.chmod(0o600)
        self._end: int | None = None
        self._waiting: Counter[str] = Counter()
        try:
            with told():
                self._open(path.parent)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: Path) -> None:
        # A truncated journal is synced at FULL; the deletion of one would not be.
        self._db.execute("PRAGMA journal_mode = TRUNCATE")
        self._db.execute("PRAGMA synchronous = FULL")
        if self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0 and os.fstat(self._file).st_size:
            raise Damaged(ROWS_FILE, f"it is empty, and {BYTES_FILE} is not", REMEDY)
        for table in _TABLES:
            self._db.execute(table)
        flaw = str(self._db.execute(INTEGRITY).fetchone()[0])
        if flaw != "ok":
            raise Damaged(ROWS_FILE, flaw, REMEDY)
        for query in (ERASED, WAITING, PASSING):
            for row in self._db.execute(query):
                checked(row)
        sync(folder)
        self._recover()
        self._wipe(self._db.execute(UNFINISHED).fetchall())
        self._wipe(self._db.execute(_PASSED).fetchall())
        self._count()

    def _count(self) -> None:
        """How many openings wait for each node."""
        self._waiting = Counter(dict(self._db.execute("SELECT node, count(*) FROM waiting GROUP BY node")))

    def close(self) -> None:
        with self._lock:
            self._db.close()
            with suppress(OSError):
                os.close(self._file)

    # Writing

    def put(self, openings: Sequence[tuple[int, int, bytes]], nodes: Sequence[str] = (), keep: bool = True) -> None:
        """Keep openings, all or none, and let them wait for other `nodes`, or only the latter; they are on disk when
        this returns. One that is here already stays as it is, or is mended where its bytes were damaged. Malformed
        where one was erased; NotStored where the disk is full, or too much waits for a node."""
        with self._lock, told():
            self._require_room(nodes, len(openings))
            end = self._recover() if self._end is None else self._end
            rows, data, mend = self._plan(openings, end)
            for start, opening in mend:
                self._write(start, opening)
            self._end = None  # until the rows are committed, nobody knows where the openings end
            try:
                self._write(end, data)
                if data or mend:
                    os.fsync(self._file)
                self._commit(rows, [(leaf, index) for leaf, index, _ in openings], nodes, keep)
            except BaseException:
                with suppress(OSError, sqlite3.Error, Damaged):
                    self._recover()
                raise
            self._end = end + len(data)

    def _require_room(self, nodes: Sequence[str], count: int) -> None:
        for node in nodes:
            if self._waiting[node] + count > PEER_WAITING_ENTRIES_MAX:
                raise NotStored(
                    f"{self._waiting[node]} private openings wait for {node}, at most {PEER_WAITING_ENTRIES_MAX} "
                    "may; try again when it was reached, or without it"
                )

    def _commit(
        self, rows: Sequence[tuple[int, ...]], places: Sequence[Place], nodes: Sequence[str], keep: bool
    ) -> None:
        """The rows of new openings; what is to be kept is not passing (any more)."""
        added: Counter[str] = Counter()
        with self._db:
            self._db.executemany("INSERT INTO opening VALUES (?, ?, ?, ?, ?)", rows)
            if keep:
                self._db.executemany("DELETE FROM passing" + _HERE, places)
            else:
                new = [(row[0], row[1]) for row in rows]
                self._db.executemany("INSERT INTO passing VALUES (?, ?, ?)", [(*one, crc_of(one)) for one in new])
            for node in nodes:
                waits = [(leaf, index, node) for leaf, index in places]
                found = self._db.executemany(
                    "INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)", [(*one, crc_of(one)) for one in waits]
                )
                added[node] = found.rowcount
        self._waiting += added

    def _plan(
        self, openings: Sequence[tuple[int, int, bytes]], end: int
    ) -> tuple[list[tuple[int, ...]], bytes, list[tuple[int, bytes]]]:
        """New rows and their bytes behind `end`; and (start, opening) of what is to be written again in its place."""
        rows: dict[Place, tuple[int, ...]] = {}
        data: list[bytes] = []
        mend: list[tuple[int, bytes]] = []
        places = [(leaf, index) for leaf, index, _ in openings]
        erased, regions = self._rows(ERASED, places), self._rows(REGIONS, places)
        for number, (leaf, index, opening) in enumerate(openings):
            if (leaf, index) in erased:
                raise Malformed(f"openings[{number}]", "it was erased, and does not come back")
            known = regions.get((leaf, index))
            found = None if known is None else (known[2], known[3])
            if found is not None and found[1] != len(opening):
                raise Malformed(f"openings[{number}]", f"another one, of {found[1]} bytes, is kept for this record")
            if found is not None and os.pread(self._file, found[1], found[0]) != opening:
                mend.append((found[0], opening))
            if found is None and (leaf, index) not in rows:
                row = (leaf, index, end, len(opening))
                rows[leaf, index] = (*row, crc_of(row))
                data.append(opening)
                end += len(opening)
        return list(rows.values()), b"".join(data), mend

    def erase(self, places: Sequence[Place], how: Erased) -> int:
        """Erase openings for good; who did it first, when and why is kept. Returns how many there were."""
        rows = [(leaf, index, how.by, how.time_ms, how.reason) for leaf, index in places]
        with self._lock, told():
            with self._db:
                self._db.executemany(
                    "INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?, ?, ?)", [(*row, crc_of(row)) for row in rows]
                )
                self._db.executemany("DELETE FROM waiting" + _HERE, places)
            self._count()
            return self._wipe(places)

    def given(self, node: str, places: Sequence[Place]) -> None:
        """A node has these openings: they wait for it no more, and what was passing and waits for nobody is gone."""
        with self._lock, told():
            with self._db:
                rows = [(*place, node) for place in places]
                found = self._db.executemany("DELETE FROM waiting" + _HERE + " AND node = ?", rows)
            here = _PASSED + " AND leaf = ? AND idx = ?"
            try:
                if self._wipe([one for place in places for one in self._db.execute(here, place).fetchall()]):
                    self._shorten()
            finally:
                self._waiting -= Counter({node: found.rowcount})

    def _wipe(self, places: Iterable[Place]) -> int:
        """Overwrite the bytes of openings that are to go, then forget where they were."""
        found = [(place, region) for place in set(places) if (region := self._region(*place)) is not None]
        for _, (start, size) in found:
            self._write(start, bytes(size))
        os.fsync(self._file)
        with self._db:
            for table in ("opening", "passing"):
                self._db.executemany(f"DELETE FROM {table}" + _HERE, [place for place, _ in found])
        return len(found)

    def _shorten(self) -> None:
        """Give back the room behind the last opening, which is overwritten."""
        (end,) = self._db.execute("SELECT coalesce(max(start + size), 0) FROM opening").fetchone()
        if self._end is not None and end < self._end:
            self._end = None
            os.ftruncate(self._file, end)
            self._end = end

    def _recover(self) -> int:
        """Where the openings end. What lies behind belongs to a put that was never acknowledged, and is overwritten
        and cut off; Damaged where it is more than that, or less."""
        end = max((start + size for _, _, start, size in map(checked, self._db.execute(REGIONS))), default=0)
        size = os.fstat(self._file).st_size
        if not is_tail(self._file, end, size):
            raise Damaged(BYTES_FILE, f"it has {size} bytes, {ROWS_FILE} knows of {end}", REMEDY)
        if size > end:
            for start in range(end, size, CHUNK_BYTES):
                self._write(start, bytes(min(CHUNK_BYTES, size - start)))
            os.fsync(self._file)
            os.ftruncate(self._file, end)
            os.fsync(self._file)
        self._end = end
        return end

    def _write(self, start: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, start)
            view, start = view[written:], start + written

    # Reading

    def get(self, leaf: int, index: int) -> bytes | Erased | None:
        """The opening, or how it was erased; None where none was given to be kept here. Whether it is the one that
        was sealed, the caller finds out."""
        with self._lock, told():
            erased = self._erased(leaf, index)
            if erased is not None:
                return erased
            region = self._region(leaf, index)
            if region is None or self._row(PASSING + _HERE, leaf, index) is not None:
                return None
            return os.pread(self._file, region[1], region[0])

    @property
    def waiting(self) -> dict[str, int]:
        """How many openings wait for which other nodes."""
        return dict(self._waiting)

    def batch(self, node: str, after: Place) -> list[tuple[int, int, bytes]]:
        """The openings behind a place that wait for a node, as many as go into one message; the first one always."""
        with self._lock, told():
            rows = self._db.execute(_BATCH, (node, *after, PEER_OPENINGS_ENTRIES_MAX)).fetchall()
            found: list[tuple[int, int, bytes]] = []
            room = PEER_OPENINGS_BYTES_MAX
            for leaf, index, start, size in map(checked, rows):
                room -= size
                if room < 0:
                    break
                found.append((leaf, index, os.pread(self._file, size, start)))
            return found

    def _erased(self, leaf: int, index: int) -> Erased | None:
        row = self._row(ERASED + _HERE, leaf, index)
        return None if row is None else Erased(*row[2:])

    def _region(self, leaf: int, index: int) -> tuple[int, int] | None:
        """(start, size) of an opening's bytes."""
        row = self._row(REGIONS + _HERE, leaf, index)
        return None if row is None else (row[2], row[3])

    def _rows(self, query: str, places: Sequence[Place]) -> dict[Place, tuple[Any, ...]]:
        """The rows of many places: asked for one by one, they cost more than all else that `put` does."""
        found = {}
        for start in range(0, len(places), PLACES_A_QUERY):
            some = places[start : start + PLACES_A_QUERY]
            wanted = f"WITH wanted (leaf, idx) AS (VALUES {', '.join(['(?, ?)'] * len(some))}) "
            values = [number for place in some for number in place]
            for row in map(checked, self._db.execute(f"{wanted}{query} JOIN wanted USING (leaf, idx)", values)):
                found[row[0], row[1]] = row
        return found

    def _row(self, query: str, leaf: int, index: int) -> tuple[Any, ...] | None:
        row = self._db.execute(query, (leaf, index)).fetchone()
        return None if row is None else checked(row)


def bytes_path(path: Path) -> Path:
    """Where the openings lie whose rows are at `path`."""
    return path.with_name(BYTES_FILE)


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """The rows; `mode` as in an SQLite URI: with rw they have to be there."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, BUSY_SECONDS, uri=True, check_same_thread=False, isolation_level="IMMEDIATE")
    db.text_factory = lambda data: data.decode(errors="replace")  # the CRC-32 of its row judges it
    return db


def is_tail(file: int, end: int, size: int) -> bool:
    """Whether bytes behind the end can be what a crash left of one put, or are overwritten."""
    return end <= size and (size - end <= PUT_BYTES_MAX or is_blank(file, end, size))


def is_blank(file: int, start: int, stop: int) -> bool:
    chunks = range(start, stop, CHUNK_BYTES)
    return not any(os.pread(file, min(CHUNK_BYTES, stop - at), at).strip(b"\x00") for at in chunks)


@contextmanager
def told() -> Iterator[None]:
    """What SQLite and the disk say, as errors of ours."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except UnicodeDecodeError as error:  # a message about a damaged schema quotes it
        raise Damaged(ROWS_FILE, f"its schema does not hold: {error}", REMEDY) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_STORED:
            raise NotStored(f"private openings: {error}; try again later") from error
        raise Damaged(ROWS_FILE, str(error), REMEDY) from error
    except OSError as error:
        raise NotStored(f"private openings: {error}; try again later") from error


def crc_of(row: Sequence[Any]) -> int:
    return zlib.crc32(encode(list(row)))


def checked(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row without its CRC-32, which must hold."""
    *values, crc = row
    if crc_of(values) != crc:
        raise Damaged(ROWS_FILE, f"its row of record {values[1]} in leaf {values[0]} does not hold", REMEDY)
    return tuple(values)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
