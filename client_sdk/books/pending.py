"""Private openings that wait for their envelope's receipt, so that a crash in between loses none: prices and contacts
are sealed once, and nobody could make the same opening again.

They stand in the identity folder until the node has them, readable by their owner alone: one file for each import
that runs, locked while it does, with the names of the nodes that are to keep them. The member's next import gives
what a crash left over.
"""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from client_sdk.build import LIFETIME_MS, SignedEnvelope
from client_sdk.client import Client
from client_sdk.errors import ClientError, NotFound
from client_sdk.wire import clock_ms
from ledger.errors import Malformed

PREFIX: Final = "book-private-"
_OPENINGS: Final = msgspec.msgpack.Decoder(dict[int, bytes])


class Pending:
    """Written by the thread that signs, and emptied by the one that hears of receipts. `nodes` are to keep what is
    given, by default the one that it is given to."""

    def __init__(self, folder: Path, nodes: Sequence[str] = ()) -> None:
        self._folder = folder
        self._nodes = list(nodes)
        self._lock = threading.Lock()
        self._own: _File | None = None

    def keep(self, envelope: SignedEnvelope) -> None:
        """Before it is sent."""
        if not envelope.private:
            return
        with self._lock:
            if self._own is None:
                handle, name = tempfile.mkstemp(".db", PREFIX, self._folder)
                os.close(handle)
                self._own = _File(Path(name))
                self._own.name(self._nodes)
            self._own.add(envelope)

    def drop(self, envelope: SignedEnvelope) -> None:
        """The node has them, or the envelope was refused."""
        with self._lock:
            if envelope.private and self._own is not None:
                self._own.remove(envelope.id)

    def give(self, member: Client, envelope: SignedEnvelope, leaf: int) -> int:
        """Give the node an envelope's openings, now that its place in the log is known; how many it did not take."""
        if not _given(member, envelope, leaf, self._nodes):
            return len(envelope.private)
        self.drop(envelope)
        return 0

    def give_left_over(self, member: Client) -> int:
        """What earlier imports could not give; how many openings still wait."""
        waiting = 0
        for path in sorted(self._folder.glob(f"{PREFIX}*.db")):
            try:
                file = _File(path)
            except sqlite3.OperationalError:
                continue  # of an import that runs now
            except sqlite3.DatabaseError as error:
                told = f"damaged ({error}); what is in it is lost: remove it, and import again"
                raise Malformed(str(path), told) from None
            waiting += file.give_all(member)
            file.close()
        return waiting

    def close(self) -> None:
        with self._lock:
            if self._own is not None:
                self._own.close()
                self._own = None


class _File:
    """One import's openings by envelope. OperationalError where another process has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS waits (id BLOB PRIMARY KEY, leaf BLOB, signed_ms INTEGER, openings BLOB)"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS keeps (node TEXT PRIMARY KEY)")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def name(self, nodes: Sequence[str]) -> None:
        """The nodes that are to keep all that is in it."""
        self._db.executemany("INSERT OR IGNORE INTO keeps VALUES (?)", [(node,) for node in nodes])

    def add(self, envelope: SignedEnvelope) -> None:
        row = (envelope.id, envelope.leaf, clock_ms(), msgspec.msgpack.encode(envelope.private))
        self._db.execute("INSERT OR REPLACE INTO waits VALUES (?, ?, ?, ?)", row)

    def remove(self, envelope_id: bytes) -> None:
        self._db.execute("DELETE FROM waits WHERE id = ?", (envelope_id,))

    def give_all(self, member: Client) -> int:
        """How many still wait. An envelope that is nowhere when it has run out was never taken."""
        waiting = 0
        nodes = [node for (node,) in self._db.execute("SELECT node FROM keeps ORDER BY rowid")]
        for envelope, signed_ms in self._all():
            done = False
            with suppress(NotFound):
                done = _given(member, envelope, member.receipt(envelope).leaf, nodes)
            if done or clock_ms() - signed_ms > LIFETIME_MS:
                self.remove(envelope.id)
            else:
                waiting += len(envelope.private)
        return waiting

    def _all(self) -> Iterator[tuple[SignedEnvelope, int]]:
        for (one,) in self._db.execute("SELECT id FROM waits").fetchall():
            row = "SELECT leaf, signed_ms, openings FROM waits WHERE id = ?"
            [(leaf, signed_ms, openings)] = self._db.execute(row, (one,)).fetchall()
            yield SignedEnvelope(b"", one, leaf, [], _OPENINGS.decode(openings)), signed_ms

    def close(self) -> None:
        """An empty file is removed."""
        [(count,)] = self._db.execute("SELECT count(*) FROM waits").fetchall()
        if not count:
            self._path.unlink(missing_ok=True)
        self._db.close()


def _given(member: Client, envelope: SignedEnvelope, leaf: int, nodes: Sequence[str]) -> bool:
    """Whether the node took an envelope's openings."""
    try:
        if envelope.private:
            member.put_private(leaf, envelope.private, nodes)
    except ClientError:
        return False
    return True
