"""Booking a book: rows are read, planned and sent as one stream, so that a book of any length takes the same memory.

A chunk of rows asks the node once which of its document lines are booked: what is, is counted and left out, so an
import may be run again at any time. Where a rule refuses records of an envelope, their rows are named and the others
are signed anew, so that one bad row does not hold up its neighbours.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from client_sdk import build
from client_sdk.books.columns import Book
from client_sdk.books.holdings import Holdings, OpenShip
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planned, Planner
from client_sdk.books.reader import BadRow, Row
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.errors import EnvelopeRefused
from client_sdk.trust import Receipt
from client_sdk.wire import Side
from ledger.errors import Malformed, SuyuanError
from ledger.records import act_of_type

CHUNK_ROWS: Final = 2000
RECORDS_AN_ENVELOPE: Final = 250
RECENT_REFS_MAX: Final = 50_000  # rows in which a document line that stands twice is seen before it is sent


class Totals(Struct):
    """What became of the rows of a book."""

    rows: int = 0
    already: int = 0
    bad: int = 0
    booked: int = 0
    acts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()


Tell = Callable[[Planned | BadRow], None]


def holdings_of(member: Client) -> Holdings:
    """What the node says that a member holds, and what waits for it."""
    held = [(one.lot, one.site, one.held - one.reserved, one.grams) for one in member.positions()]
    ships = [
        OpenShip(one.ship, one.lot, one.owner, one.to_site, one.ref, one.open, one.time_ms)
        for one in member.handovers()
        if one.to == member.member_id
    ]
    return Holdings(held, ships)


class Import:
    """One book of one member on its way into the ledger. `tell` hears of every row that is planned or bad."""

    def __init__(self, member: Client, kind: Book, mapping: Mapping, tell: Tell = lambda told: None) -> None:
        """Malformed where the first book of a member needs to be preceded by a count of what was there."""
        holdings = holdings_of(member)
        if holdings.empty and kind in (Book.PURCHASE, Book.SALE) and not mapping.opening:
            raise Malformed(
                "first book",
                "you hold nothing yet: was there stock before it? Import a stock-taking first (盘点日期, 商品条码, "
                "批号, 实盘数量), or say that there was none: suyuan mapping opening none",
            )
        self.totals = Totals(acts=Counter(), reasons=Counter())
        self._member, self._tell = member, tell
        self._planner = Planner(member, member.member_id, holdings, mapping)
        self._recent: dict[str, int] = {}

    def plan(self, rows: Iterable[Row | BadRow]) -> Iterator[Planned]:
        """What each row becomes, in order; bad rows and those booked before are counted and told."""
        for chunk in _chunks(rows, CHUNK_ROWS):
            booked = self._booked(chunk)
            for row in chunk:
                self.totals.rows += 1
                if isinstance(row, BadRow):
                    self._refuse(row)
                elif (row.side, row.ref) in booked:
                    self.totals.already += 1
                else:
                    planned = self._planned(row)
                    if isinstance(planned, BadRow):
                        self._refuse(planned)
                    else:
                        self._tell(planned)
                        yield planned

    def _planned(self, row: Row) -> Planned | BadRow:
        """The rules let records of one envelope share a document line, so one that stands twice is seen here."""
        earlier = self._recent.setdefault(row.ref, row.line)
        if earlier != row.line:
            message = f"the document line {row.ref} stands in line {earlier} already"
            return BadRow(row.line, "行号", message, "give each line of a document a number of its own", row.cells)
        if len(self._recent) > RECENT_REFS_MAX:
            del self._recent[next(iter(self._recent))]
        return self._planner.plan(row)

    def _booked(self, chunk: list[Row | BadRow]) -> set[tuple[Side, str]]:
        """Which of a chunk's document lines are booked already."""
        found: set[tuple[Side, str]] = set()
        for side in Side:
            refs = [row.ref for row in chunk if isinstance(row, Row) and row.side == side]
            if refs:
                found |= {(side, one.ref) for one in self._member.find_refs(side, refs)}
        return found

    def _refuse(self, row: BadRow) -> None:
        self.totals.bad += 1
        self.totals.reasons[row.field] += 1
        self._tell(row)

    def book(self, rows: Iterable[Row | BadRow], progress: Callable[[], None] = lambda: None) -> Totals:
        """Send what the rows become. Raises what ends the connection; run it again then."""
        sending = _Sending(self._member, self.plan(rows))
        for planned, envelope, result in sending.results():
            if isinstance(result, EnvelopeRefused):
                for row in sending.again(planned, result):
                    self._refuse(row)
            elif isinstance(result, SuyuanError):
                raise result
            else:
                self._count(planned)
                if envelope.private:
                    self._member.put_private(result.leaf, envelope.private)
            progress()
        return self.totals

    def _count(self, planned: list[Planned]) -> None:
        self.totals.booked += len(planned)
        for one in planned:
            for act in one.acts:
                self.totals.acts[act_of_type(act.kind).name.lower().replace("_", " ")] += 1


class _Sending:
    """Envelopes of planned rows on one stream, those that are signed anew first."""

    def __init__(self, member: Client, planned: Iterator[Planned]) -> None:
        self._member, self._planned = member, planned
        self._again: deque[Planned] = deque()
        self._rows_of: dict[bytes, list[Planned]] = {}

    def results(self) -> Iterator[tuple[list[Planned], SignedEnvelope, Receipt | SuyuanError]]:
        """Each envelope's rows, and its receipt or what refused it."""
        while True:
            for envelope, result in self._member.submit_stream(self._envelopes()):
                yield self._rows_of.pop(envelope.id), envelope, result
            if not self._again:
                return

    def _envelopes(self) -> Iterator[SignedEnvelope]:
        while rows := self._next():
            acts = [act for row in rows for act in _acts(row)]
            for envelope in self._member.sign(acts, RECORDS_AN_ENVELOPE + len(acts)):
                self._rows_of[envelope.id] = rows
                yield envelope

    def _next(self) -> list[Planned]:
        """The rows of the next envelope."""
        rows: list[Planned] = []
        records = 0
        while records < RECORDS_AN_ENVELOPE:
            row = self._again.popleft() if self._again else next(self._planned, None)
            if row is None:
                break
            rows.append(row)
            records += len(row.acts)
        return rows

    def again(self, planned: list[Planned], error: EnvelopeRefused) -> Iterator[BadRow]:
        """The rows that were refused; the others of their envelope are sent again. Raises the refusal where it is
        about the envelope as a whole."""
        row_of = [number for number, one in enumerate(planned) for _ in one.acts]
        wrong = {row_of[p.record]: p for p in reversed(error.problems) if p.record is not None}
        if not wrong:
            raise error
        self._again.extend(one for number, one in enumerate(planned) if number not in wrong)
        for number, problem in sorted(wrong.items()):
            row = planned[number].row
            yield BadRow(row.line, problem.field or problem.rule, problem.message, problem.remedy, row.cells)


def _acts(planned: Planned) -> Iterable[build.Act]:
    """The acts of a row; what is private stands behind the seal of the first."""
    private = planned.row.private
    if private is None:
        return planned.acts
    first, *others = planned.acts
    return [build.with_private(first, private), *others]


def _chunks(rows: Iterable[Row | BadRow], size: int) -> Iterator[list[Row | BadRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
