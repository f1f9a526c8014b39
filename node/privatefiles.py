"""The files of the private store as others read them: a check, a backup, a restore."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ledger.errors import Damaged
from ledger.limits import PRIVATE_ENTRIES_MAX
from node.errors import NotStored
from node.private import (
    BYTES_FILE,
    ERASED,
    INTEGRITY,
    PASSING,
    REGIONS,
    ROWS_FILE,
    UNFINISHED,
    WAITING,
    Place,
    PrivateStore,
    bytes_path,
    checked,
    connect,
    crc_of,
    is_blank,
    is_tail,
    sync,
    told,
)


class Contents:
    """A store that no node uses, read without changing it: the `flaws` in it, how many openings lie at which of
    `leaves`, how many were `erased`, how many are `waiting` to go on to other nodes. Use as a context manager;
    Damaged where it cannot be read at all."""

    def __init__(self, path: Path) -> None:
        self.flaws: list[str] = []
        self.leaves: Counter[int] = Counter()
        self.erased = self.waiting = 0
        with told():
            self._db = connect(path)
            self._file = os.open(bytes_path(path), os.O_RDONLY)
            try:
                self._read()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> "Contents":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()
        os.close(self._file)

    def _read(self) -> None:
        """Every row; and that what no row names is overwritten, or the tail that the next start cuts off."""
        self.flaws += [f"{ROWS_FILE}: {row[0]}" for row in self._db.execute(INTEGRITY) if row[0] != "ok"]
        self.erased = sum(1 for _ in self._sound(ERASED))
        self.waiting = sum(1 for _ in self._sound(WAITING))
        for leaf, index in self._sound(PASSING):
            if not self._db.execute(REGIONS + " WHERE leaf = ? AND idx = ?", (leaf, index)).fetchone():
                self.flaws.append(f"{ROWS_FILE}: record {index} in leaf {leaf} is passing, and is not there")
        end = 0
        for leaf, _, start, size in self._sound(REGIONS + " ORDER BY start"):
            if start < end or not is_blank(self._file, end, start):
                self.flaws.append(f"{BYTES_FILE}: what lies before offset {start} is not accounted for")
            end = start + size
            self.leaves[leaf] += 1
        if not is_tail(self._file, end, os.fstat(self._file).st_size):
            self.flaws.append(f"{BYTES_FILE}: it does not end at offset {end}")
        for leaf, index in self._db.execute(UNFINISHED):
            self.flaws.append(f"{ROWS_FILE}: record {index} in leaf {leaf} was erased, and is kept still")

    def _sound(self, query: str, *values: int) -> Iterator[tuple[Any, ...]]:
        """The rows whose CRC-32 holds; the others are flaws."""
        for row in self._db.execute(query, values).fetchall():
            try:
                yield checked(row)
            except Damaged as error:
                self.flaws.append(f"{error.where}: {error.message}")

    def erasures(self) -> Iterator[tuple[Any, ...]]:
        """The rows of what was erased, each with its CRC-32."""
        yield from self.rows(ERASED)

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The sound rows of a query, each with its CRC-32."""
        with told():
            for row in self._sound(query):
                yield (*row, crc_of(row))

    def openings(self, leaf: int) -> Iterator[tuple[int, bytes]]:
        """(record index, opening) of what is kept for a leaf; whether it is what was sealed, the chain says."""
        with told():
            for _, index, start, size in self._sound(REGIONS + " WHERE leaf = ?", leaf):
                yield index, os.pread(self._file, size, start)


def copy_store(path: Path, target: Path) -> None:
    """Copy a store as it stands at one moment, also while a node writes to it: `target` is the new private.db, beside
    which the openings come to lie. FileExistsError where either is there."""
    for one in (target, bytes_path(target)):
        os.close(os.open(one, os.O_CREAT | os.O_EXCL, 0o600))
    with told():
        held, rows, copy = connect(path), connect(path), connect(target)
        try:
            held.execute("BEGIN IMMEDIATE")  # no row is committed while the bytes are copied
            shutil.copyfile(bytes_path(path), bytes_path(target))
            rows.backup(copy)
        finally:
            for db in (held, rows, copy):
                db.close()
        for one in (bytes_path(target), target, target.parent):
            sync(one)


def gather(sources: Iterable[Path], target: Path, size: int) -> list[str]:
    """A new store at `target` of what several keep for a log of `size` leaves: all erasures, and of each opening that
    is left the first source's, with the nodes that it waits for there. Returns why a source could not be read."""
    notes: list[str] = []
    PrivateStore(target).close()
    with ExitStack() as stack:
        found: list[Contents] = []
        for source in sources:
            try:
                found.append(stack.enter_context(Contents(source)))
            except (Damaged, NotStored) as error:
                notes.append(f"{source} could not be read, so erasures that it alone knows must be repeated: {error}")
        rows = [row for contents in found for row in contents.erasures() if row[0] < size]
        with told(), closing(connect(target)) as db, db:
            db.executemany("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?, ?, ?)", rows)
        taken: set[Place] = {(row[0], row[1]) for row in rows}
        for contents in found:
            with closing(PrivateStore(target)) as store:
                new = _take(contents, store, size, taken)
            with told(), closing(connect(target)) as db, db:
                for table, query, marks in (("waiting", WAITING, "?, ?, ?, ?"), ("passing", PASSING, "?, ?, ?")):
                    going = [row for row in contents.rows(query) if row[:2] in new]
                    db.executemany(f"INSERT INTO {table} VALUES ({marks})", going)
            taken |= new
    return notes


def _take(contents: Contents, store: PrivateStore, size: int, taken: set[Place]) -> set[Place]:
    """Put what was not taken from a source before; the places of what was."""
    batch: list[tuple[int, int, bytes]] = []
    new: set[Place] = set()
    for leaf in sorted(leaf for leaf in contents.leaves if leaf < size):
        for index, opening in contents.openings(leaf):
            if (leaf, index) not in taken:
                new.add((leaf, index))
                batch.append((leaf, index, opening))
        if len(batch) >= PRIVATE_ENTRIES_MAX // 2:
            store.put(batch)
            batch = []
    store.put(batch)
    return new
