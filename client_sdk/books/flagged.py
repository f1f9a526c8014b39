"""Rows that the ledger booked and counts against the member all the same: what went out late, past its date, or under
a hold or recall; and counts of a book that had changed since.

The ledger says how much of a position's outflow it counted as irregular. Positions are read when an import begins,
for what is held; they are read once more when something went out, and where the count has grown, the rows that took
from that position are looked at. Of every row that takes a few numbers stand in a temporary file; none is asked for.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from client_sdk.books.line import Planned
from client_sdk.books.scratch import Scratch
from client_sdk.client import Client
from ledger import records as r
from ledger.custody.goods import is_past_date
from ledger.custody.step import booked_late
from ledger.limits import BOOKED_LATE_MS_MIN
from proto.suyuan.v1 import ledger_pb2 as pb

FIRST_ROWS: Final = 20
LATE, PAST_DATE, HELD, STALE = "booked late", "past its date", "held or recalled", "book out of date"
_DAYS: Final = BOOKED_LATE_MS_MIN // (24 * 3_600_000)


class Note(Struct, frozen=True):
    """What to remember of a row that may be flagged: what it takes from where (a position, by its hash), and what the
    planner found stale about its count."""

    place: int
    quantity: int
    at: int
    stale: str


class Flag(Struct, frozen=True, order=True):
    """A row that is booked and flagged: `reason` is what rows are counted by."""

    line: int
    reason: str
    says: str


class Flags:
    """What is flagged of one import: `reasons` counts all rows, `first` holds the first of them in the book."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.first: list[Flag] = []
        self._db = Scratch().db
        self._db.execute("CREATE TABLE before (place INTEGER PRIMARY KEY, irregular INTEGER)")
        self._db.execute("CREATE TABLE out (place INTEGER, line INTEGER, quantity INTEGER, at INTEGER, late INTEGER)")
        self._some_out = False

    def before(self, position: pb.Position) -> None:
        """A position as the import found it."""
        if position.irregular:
            row = (_place(position.lot, position.site), position.irregular)
            self._db.execute("INSERT INTO before VALUES (?, ?)", row)

    def booked(self, notes: list[tuple[int, Note]], now_ms: int) -> None:
        """Rows, by line, that were booked at about this time."""
        out = [
            (one.place, line, one.quantity, one.at, booked_late(one.at, now_ms))
            for line, one in notes
            if one.quantity
        ]
        self._db.executemany("INSERT INTO out VALUES (?, ?, ?, ?, ?)", out)
        self._some_out = self._some_out or bool(out)
        for line, one in notes:
            if one.stale:
                self._add(Flag(line, STALE, one.stale))

    def end(self, member: Client) -> None:
        """All is booked: name the rows whose outflow was counted as irregular."""
        if not self._some_out:
            return
        indexed = False
        for position in member.positions():
            place = _place(position.lot, position.site)
            if position.irregular == (before := self._before(place)):
                continue
            if not indexed:
                self._db.execute("CREATE INDEX of_place ON out (place)")
                indexed = True
            for flag in self._of(member, position, place, position.irregular - before):
                self._add(flag)

    def _before(self, place: int) -> int:
        row = self._db.execute("SELECT irregular FROM before WHERE place = ?", (place,)).fetchone()
        return int(row[0]) if row is not None else 0

    def _of(self, member: Client, position: pb.Position, place: int, irregular: int) -> Iterator[Flag]:
        """The rows of a position that make up so many irregular items: those that were late or past the lot's date,
        and for what is left, which a hold or recall covered, the newest, since it covers what happened after it."""
        where = f"of {position.lot} at {position.site} went out"
        lot = None
        for line, quantity, _ in self._taken(place, late=True):
            irregular -= quantity
            yield Flag(line, LATE, f"{quantity} {where} more than {_DAYS} days before it was booked")
        if irregular > 0:
            lot = member.lot(position.lot)
        for line, quantity, at in self._taken(place, late=False):
            if lot is not None and is_past_date(lot, at):
                irregular -= quantity
                yield Flag(line, PAST_DATE, f"{quantity} {where} past its date, {lot.expiry}")
        newest = None
        for line, quantity, at in self._taken(place, late=False):
            if lot is not None and is_past_date(lot, at):
                continue
            if irregular <= 0 and at != newest:
                return
            newest, irregular = at, irregular - quantity
            yield Flag(line, HELD, f"{quantity} {where} while it was held or recalled")

    def _taken(self, place: int, late: bool) -> Iterator[tuple[int, int, int]]:
        """(line, quantity, time) of the rows that took from a position, the newest first."""
        query = "SELECT line, quantity, at FROM out WHERE place = ? AND late = ? ORDER BY at DESC"
        return self._db.execute(query, (place, late))

    def _add(self, flag: Flag) -> None:
        self.reasons[flag.reason] += 1
        if len(self.first) < FIRST_ROWS or flag < self.first[-1]:
            insort(self.first, flag)
            del self.first[FIRST_ROWS:]


def note_of(planned: Planned) -> Note | None:
    """None of a row that nothing can be flagged of."""
    fields: Any = planned.acts[0].fields
    amounts: Any = planned.acts[0].amounts
    kind = planned.acts[0].kind
    goes_out = kind is r.Sell or (kind is r.Ship and not fields.get("returns"))
    if not goes_out and not planned.stale:
        return None
    quantity = amounts.quantity if goes_out else 0
    return Note(_place(fields["lot"], fields["site"]), quantity, fields["at"], planned.stale)


def _place(lot: str, site: str) -> int:
    return hash((lot, site))
