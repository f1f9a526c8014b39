"""Private openings that wait for their envelope's receipt, so that a crash in between loses none: prices and contacts
are sealed once, and nobody could make the same opening again.

They stand in the identity folder until the node has them, readable by their owner alone; the member's next import
gives what a crash left over.
"""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from client_sdk.build import LIFETIME_MS, SignedEnvelope
from client_sdk.client import Client
from client_sdk.errors import ClientError, NotFound
from client_sdk.wire import clock_ms

FILE: Final = "book-private.db"
_OPENINGS: Final = msgspec.msgpack.Decoder(dict[int, bytes])


class Pending:
    """Written by the thread that signs, and emptied by the one that hears of receipts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.touch(mode=0o600)
            self._opened = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._opened.execute("PRAGMA secure_delete = ON")
            self._opened.execute(
                "CREATE TABLE IF NOT EXISTS waits (id BLOB PRIMARY KEY, leaf BLOB, signed_ms INTEGER, openings BLOB)"
            )
        return self._opened

    def keep(self, envelope: SignedEnvelope) -> None:
        """Before it is sent."""
        row = (envelope.id, envelope.leaf, clock_ms(), msgspec.msgpack.encode(envelope.private))
        with self._lock:
            self._db().execute("INSERT OR REPLACE INTO waits VALUES (?, ?, ?, ?)", row)

    def drop(self, envelope_id: bytes) -> None:
        """The node has them, or the envelope was refused."""
        with self._lock:
            self._db().execute("DELETE FROM waits WHERE id = ?", (envelope_id,))

    def give(self, member: Client, envelope: SignedEnvelope, leaf: int) -> int:
        """Give the node an envelope's openings, now that its place in the log is known; how many it did not take."""
        if not envelope.private:
            return 0
        try:
            member.put_private(envelope.openings_at(leaf))
        except ClientError:
            return len(envelope.private)
        self.drop(envelope.id)
        return 0

    def give_left_over(self, member: Client) -> int:
        """What an earlier import could not give; how many openings still wait. An envelope that is nowhere when it
        has run out was never taken."""
        waiting = 0
        for envelope, signed_ms in self._rows() if self._path.exists() else ():
            try:
                waiting += self.give(member, envelope, member.receipt(envelope).leaf)
            except NotFound:
                if clock_ms() - signed_ms > LIFETIME_MS:
                    self.drop(envelope.id)
                else:
                    waiting += len(envelope.private)
        return waiting

    def _rows(self) -> Iterator[tuple[SignedEnvelope, int]]:
        with self._lock:
            ids = [row[0] for row in self._db().execute("SELECT id FROM waits")]
        for one in ids:
            with self._lock:
                found = (
                    self._db().execute("SELECT leaf, signed_ms, openings FROM waits WHERE id = ?", (one,)).fetchone()
                )
            yield SignedEnvelope(b"", one, found[0], [], _OPENINGS.decode(found[2])), int(found[1])

    def close(self) -> None:
        """An empty file is removed."""
        with self._lock:
            if self._opened is None:
                return
            [(count,)] = self._opened.execute("SELECT count(*) FROM waits").fetchall()
            self._opened.close()
            self._opened = None
            if not count:
                self._path.unlink(missing_ok=True)
