"""The outbox on disk: one SQLite table, one row an entry, each change of state one transaction.

A change names the states that it starts from, so that of two processes that would change one entry, one does.
TRUNCATE with synchronous=FULL: a commit is on disk when it returns, the journal's end too (in DELETE mode a journal
that is gone can come back after a power loss, and with it the state before).
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from client_sdk.build import Sealed
from client_sdk.errors import OutboxError
from client_sdk.outbox.entry import Entry, State
from client_sdk.outbox.rows import COLUMNS, DAMAGED, FORGOTTEN, TABLES, content, entry, text
from ledger.errors import Damaged, Problem
from ledger.limits import OUTBOX_DONE_ROWS_MAX, OUTBOX_ENVELOPES_MAX

DATABASE: Final = "outbox.db"
VERSION: Final = 1
BUSY_SECONDS: Final = 10
PAGE_ROWS: Final = 100

Signed: TypeAlias = tuple[list[Sealed], bytes, bytes]
"""Sealed records, and the header and signature over them."""

_SETTLED: Final = "state IN ('done', 'dropped')"


class Store:
    def __init__(self, path: Path, chain: bytes, member: str, clock: Callable[[], int]) -> None:
        self._path = path
        self._clock = clock
        self.member = member
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._found(chain)
        except BaseException:
            self._db.close()
            raise

    def _found(self, chain: bytes) -> None:
        mine = (VERSION, chain, self.member)
        with self._named():
            for pragma in ("journal_mode = TRUNCATE", "synchronous = FULL", "secure_delete = ON"):
                self._db.execute(f"PRAGMA {pragma}")
        with self._change():
            for statement in TABLES.split(";"):
                self._db.execute(statement)
            row = self._db.execute("SELECT version, chain, member FROM outbox").fetchone()
            if row is None:
                self._db.execute("INSERT INTO outbox VALUES (?, ?, ?)", mine)
        if row not in (None, mine):
            raise OutboxError(
                f"{self._path} (version {row[0]}) is the outbox of {row[2]} for chain {row[1].hex()}, not of "
                f"{self.member} for {chain.hex()}: send it with its own identity and node.json, or move it away"
            )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """SQLite's errors as the project's: in the way (try again, make room), or damaged."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.OperationalError as error:
            raise OutboxError(f"{self._path}: {error}; nothing in it was changed") from None
        except sqlite3.DatabaseError as error:
            remedy = "Move the file away and book again what waited in it: a document line is never booked twice"
            raise Damaged(str(self._path), str(error), remedy) from None

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction, whole or not at all."""
        with self._named():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    # Reading

    def first(self) -> Entry | None:
        """What is to be settled next: what was sent and not answered, else the first that waits."""
        for state in ("sent", "waiting"):
            for found in self._entries("state = ? ORDER BY place, number LIMIT 1", state):
                return found
        return None

    def unsettled(self) -> Iterator[Entry]:
        """In order; read in pages, so that nobody who adds has to wait for a reader."""
        after = (-1, -1)
        where = f"NOT {_SETTLED} AND (place, number) > (?, ?) ORDER BY place, number LIMIT {PAGE_ROWS}"
        while page := self._entries(where, *after):
            yield from page
            after = (page[-1].place, page[-1].number)

    def booked(self) -> list[int]:
        """Numbers of entries whose private openings are still to be given."""
        with self._named():
            found = self._db.execute("SELECT number FROM entry WHERE state = 'booked' ORDER BY number")
            return [number for (number,) in found]

    def settled(self) -> Iterator[Entry]:
        return iter(self._entries(f"{_SETTLED} ORDER BY changed_ms DESC, number DESC"))

    def get(self, number: int) -> Entry:
        found = self._entries("number = ?", number)
        if not found:
            raise OutboxError(f"the outbox has no entry {number}")
        return found[0]

    def booked_at(self, leaf: int) -> int | None:
        """The number of the entry that was booked in this leaf, if this outbox knows one."""
        found = self._entries("leaf = ?", leaf)
        return found[0].number if found else None

    def _entries(self, where: str, *values: Any) -> list[Entry]:
        with self._named():
            return [entry(row) for row in self._db.execute(f"SELECT {COLUMNS} FROM entry WHERE {where}", values)]

    # Changing

    def add(self, signed: Sequence[Signed], nodes: Sequence[str]) -> list[Entry]:
        with self._change():
            (count,) = self._db.execute(f"SELECT count(*) FROM entry WHERE NOT {_SETTLED}").fetchone()
            if count + len(signed) > OUTBOX_ENVELOPES_MAX:
                raise OutboxError(
                    f"{count} envelopes wait and {len(signed)} would come, at most {OUTBOX_ENVELOPES_MAX} may wait: "
                    "send them first (suyuan outbox send); nothing was added"
                )
            (last,) = self._db.execute("SELECT coalesce(max(place), 0) FROM entry").fetchone()
            numbers = [
                self._insert(place, State.WAITING, content(*parts), nodes, ())
                for place, parts in enumerate(signed, start=last + 1)
            ]
            return [self.get(number) for number in numbers]

    def _insert(
        self, place: int, state: State, parts: dict[str, Any], nodes: Sequence[str], problems: Sequence[Problem]
    ) -> int:
        columns = {"place": place, "state": state.value, "nodes": text(nodes), "problems": text(problems), **parts}
        columns["changed_ms"] = self._clock()
        marks = ", ".join("?" * len(columns))
        row = self._db.execute(f"INSERT INTO entry ({', '.join(columns)}) VALUES ({marks})", (*columns.values(),))
        return int(row.lastrowid or 0)

    def _update(self, number: int, states: str, **columns: Any) -> bool:
        """Change an entry that is in one of the states; False where it is not (any more)."""
        columns["changed_ms"] = self._clock()
        names = ", ".join(f"{name} = ?" for name in columns)
        marks = ", ".join(f"'{state}'" for state in states.split())
        statement = f"UPDATE entry SET {names} WHERE number = ? AND state IN ({marks})"
        return self._db.execute(statement, (*columns.values(), number)).rowcount == 1

    def sent(self, signed: Entry) -> bool:
        """From here on the envelope's bytes may be at a node. False where the entry was dropped meanwhile."""
        parts = content(signed.sealed, signed.header, signed.signature)
        with self._change():
            return self._update(signed.number, "waiting", state="sent", problems=text(()), **parts)

    def not_taken(self, number: int, problems: Sequence[Problem] = ()) -> None:
        """A node said that the envelope is not booked, and that it is not its records' fault."""
        with self._change():
            self._update(number, "sent", state="waiting", problems=text(problems))

    def lapsed(self, one: Entry, problems: Sequence[Problem] = ()) -> None:
        """A node said that the envelope can never be booked any more: its records are to be signed anew."""
        with self._change():
            self._update(one.number, "sent", state="waiting", problems=text(problems), **content(one.sealed))

    def refused(self, number: int, problems: Sequence[Problem]) -> None:
        """The entry as a whole is set aside."""
        with self._change():
            self._update(number, "waiting sent", state="refused", problems=text(problems))

    def split(self, one: Entry, aside: Sequence[tuple[list[int], Sequence[Problem]]]) -> list[int]:
        """Set groups of records aside, each an entry of its own; what is left keeps number and place, to be signed
        anew. Where nothing is left, the first group keeps them. Returns the numbers of what is set aside."""
        taken = {index for indexes, _ in aside for index in indexes}
        rest = [sealed for index, sealed in enumerate(one.sealed) if index not in taken]
        numbers: list[int] = []
        with self._change():
            if rest:
                self._update(one.number, "sent", state="waiting", **content(rest))
            for indexes, problems in aside:
                parts = content([one.sealed[index] for index in indexes])
                if rest or numbers:
                    numbers.append(self._insert(one.place, State.REFUSED, parts, one.nodes, problems))
                else:
                    self._update(one.number, "sent", state="refused", problems=text(problems), **parts)
                    numbers.append(one.number)
        return numbers

    def book(self, one: Entry, leaf: int, receipt: bytes) -> None:
        """The receipt is verified. Records are forgotten, unless private openings are still to be given."""
        state, forgotten = ("booked", {}) if one.private else ("done", FORGOTTEN)
        with self._change():
            self._update(one.number, "sent", state=state, leaf=leaf, receipt=receipt, **forgotten)

    def given(self, number: int) -> None:
        """A node took the private openings, for all that are to have them."""
        with self._change():
            self._update(number, "booked", state="done", **FORGOTTEN)

    def openings_refused(self, number: int, problems: Sequence[Problem]) -> None:
        with self._change():
            self._update(number, "booked", problems=text(problems))

    def retry(self, number: int) -> None:
        with self._change():
            one = self.get(number)
            if one.problems and one.problems[0].rule == DAMAGED:
                raise OutboxError(f"entry {number} is damaged, there is nothing to send: {one.problems[0].remedy}")
            blocked = one.problems and one.state in (State.WAITING, State.BOOKED)
            if not blocked and one.state is not State.REFUSED:
                raise OutboxError(f"entry {number}: {one.explanation}; only what was refused is tried again")
            if one.state is State.BOOKED:
                self._update(number, "booked", problems=text(()))
            else:
                self._update(number, one.state.value, state="waiting", problems=text(()), **content(one.sealed))

    def drop(self, number: int, reason: str) -> None:
        if not reason.strip():
            raise OutboxError("say why, for whoever looks for it later; nothing was dropped")
        with self._change():
            one = self.get(number)
            told = text([Problem("dropped", reason)])
            if one.state is State.BOOKED and one.problems:  # only its private openings are given up
                self._update(number, "booked", state="done", **FORGOTTEN)
            elif one.state in (State.WAITING, State.REFUSED):
                self._update(number, "waiting refused", state="dropped", problems=told, **FORGOTTEN)
            else:
                raise OutboxError(f"entry {number} cannot be dropped: {one.explanation}")

    def prune(self) -> None:
        """Forget the oldest of what is settled, beyond OUTBOX_DONE_ROWS_MAX."""
        with self._change():
            self._db.execute(
                f"DELETE FROM entry WHERE number IN (SELECT number FROM entry WHERE {_SETTLED} "
                "ORDER BY changed_ms DESC, number DESC LIMIT -1 OFFSET ?)",
                (OUTBOX_DONE_ROWS_MAX,),
            )
