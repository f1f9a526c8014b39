"""What the outbox keeps on disk: one SQLite file, each change of it on disk before anything follows from it.

envelope   what is not done, in the order of `place`; an envelope signed anew takes the place of the old one
refused    records that the ledger refused, until somebody retries or drops them
receipt    the newest receipts of what is done, as tlog-proofs
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from client_sdk import build
from client_sdk.build import Sealed, SignedEnvelope
from client_sdk.trust import Receipt
from ledger.errors import Problem
from ledger.limits import OUTBOX_RECEIPT_ROWS_MAX

DB_FILE: Final = "outbox.db"
BUSY_SECONDS: Final = 10
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS envelope (
    place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, state TEXT NOT NULL, wire BLOB NOT NULL,
    private BLOB NOT NULL, note TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS refused (
    number INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, records BLOB NOT NULL,
    problems BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS receipt (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, leaf INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    proof BLOB NOT NULL);
"""
_encode: Final = msgspec.msgpack.encode
_SEALED: Final = msgspec.msgpack.Decoder(list[Sealed])
_PROBLEMS: Final = msgspec.msgpack.Decoder(list[Problem])
_PRIVATE: Final = msgspec.msgpack.Decoder(dict[int, bytes])


class State(Enum):
    WAITING = "waiting"  # signed, and certainly not in the ledger
    SENT = "sent"  # on its way, or lost on it: what became of it must be asked
    BOOKED = "booked"  # witnessed; private openings are still to be delivered


class Entry(Struct, frozen=True):
    """An envelope that is not done; `note` is what was last heard of it."""

    place: int
    state: State
    envelope: SignedEnvelope
    note: str


class SetAside(Struct, frozen=True):
    """Records that the ledger refused, with its problems, numbered as the records are here."""

    number: int
    time_ms: int
    records: list[Sealed]
    problems: list[Problem]


class Done(Struct, frozen=True):
    """The receipt of an envelope that was booked, as a C2SP tlog-proof."""

    id: bytes
    leaf: int
    time_ms: int
    proof: bytes


class Store:
    """The file `outbox.db` of an identity folder."""

    def __init__(self, folder: Path) -> None:
        path = folder / DB_FILE
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # what is sealed for others lies open here
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of it on disk, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Envelopes

    def add(self, envelopes: Iterable[SignedEnvelope]) -> None:
        """Behind all others, all or none."""
        with self._change():
            for envelope in envelopes:
                self._insert(envelope)

    def _insert(self, envelope: SignedEnvelope) -> None:
        self._db.execute(
            "INSERT INTO envelope (id, state, wire, private) VALUES (?, ?, ?, ?)",
            (envelope.id, State.WAITING.value, envelope.wire, _encode(envelope.private)),
        )

    def entries(self) -> Iterator[Entry]:
        """In the order in which they are to be sent."""
        for row in self._db.execute("SELECT place, state, wire, private, note FROM envelope ORDER BY place"):
            place, state, wire, private, note = row
            yield Entry(place, State(state), build.reopened(wire, _PRIVATE.decode(private)), note)

    def mark(self, entry: Entry, state: State) -> Entry:
        with self._change():
            self._db.execute("UPDATE envelope SET state = ? WHERE place = ?", (state.value, entry.place))
        return msgspec.structs.replace(entry, state=state)

    def note(self, entry: Entry, note: str) -> None:
        with self._change():
            self._db.execute("UPDATE envelope SET note = ? WHERE place = ?", (note, entry.place))

    def replace(self, entry: Entry, envelope: SignedEnvelope) -> None:
        """The same acts, signed anew, in the same place."""
        with self._change():
            self._replace(entry, envelope)

    def _replace(self, entry: Entry, envelope: SignedEnvelope) -> None:
        self._db.execute(
            "UPDATE envelope SET id = ?, state = ?, wire = ?, private = ?, note = '' WHERE place = ?",
            (envelope.id, State.WAITING.value, envelope.wire, _encode(envelope.private), entry.place),
        )

    def split(
        self, entry: Entry, aside: list[Sealed], problems: list[Problem], rest: SignedEnvelope | None, now_ms: int
    ) -> None:
        """Set refused records aside; the rest, if any, takes the place of the whole."""
        with self._change():
            self._db.execute(
                "INSERT INTO refused (time_ms, records, problems) VALUES (?, ?, ?)",
                (now_ms, _encode(aside), _encode(problems)),
            )
            if rest is not None:
                self._replace(entry, rest)
            else:
                self._forget(entry)

    def booked(self, entry: Entry, receipt: Receipt, now_ms: int) -> None:
        """Keep the receipt, and forget the envelope unless private openings must follow it."""
        with self._change():
            self._db.execute(
                "INSERT INTO receipt (id, leaf, time_ms, proof) VALUES (?, ?, ?, ?)",
                (receipt.envelope_id, receipt.leaf, now_ms, receipt.as_tlog_proof()),
            )
            oldest = "(SELECT MAX(number) FROM receipt) - ?"
            self._db.execute(f"DELETE FROM receipt WHERE number <= {oldest}", (OUTBOX_RECEIPT_ROWS_MAX,))
            if entry.envelope.private:
                values = (State.BOOKED.value, entry.place)
                self._db.execute("UPDATE envelope SET state = ? WHERE place = ?", values)
            else:
                self._forget(entry)

    def forget(self, entry: Entry) -> None:
        with self._change():
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._db.execute("DELETE FROM envelope WHERE place = ?", (entry.place,))

    # What was refused, and what is done

    def set_aside(self) -> list[SetAside]:
        rows = self._db.execute("SELECT number, time_ms, records, problems FROM refused ORDER BY number")
        return [SetAside(row[0], row[1], _SEALED.decode(row[2]), _PROBLEMS.decode(row[3])) for row in rows]

    def take_up(self, one: SetAside, again: SignedEnvelope | None) -> None:
        """Refused records leave: signed anew, behind all that waits, or given up."""
        with self._change():
            self._db.execute("DELETE FROM refused WHERE number = ?", (one.number,))
            if again is not None:
                self._insert(again)

    def receipts(self) -> list[Done]:
        rows = self._db.execute("SELECT id, leaf, time_ms, proof FROM receipt ORDER BY number")
        return [Done(*row) for row in rows]

    def leaf_of(self, envelope_id: bytes) -> int:
        """Where a booked envelope stands in the log."""
        [(leaf,)] = self._db.execute("SELECT leaf FROM receipt WHERE id = ?", (envelope_id,)).fetchall()
        return int(leaf)
