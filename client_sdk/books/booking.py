"""Booking a book: rows are read, planned and sent as one stream, so that a book of any length takes the same memory.

A chunk of rows asks the node once which of its document lines are booked: what is, is counted and left out, so an
import may be run again at any time. Envelopes are sent in the order of the rows (`sending`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from client_sdk import build
from client_sdk.books.columns import Book
from client_sdk.books.flagged import Flag, Flags, note_of
from client_sdk.books.holdings import Holdings, Stock
from client_sdk.books.line import Planned
from client_sdk.books.mapping import Mapping
from client_sdk.books.pending import Pending
from client_sdk.books.planner import Planner
from client_sdk.books.rows import BadRow, Row
from client_sdk.books.scratch import Scratch
from client_sdk.books.sending import Batch, Sender
from client_sdk.books.waiting import OpenShip, document_of
from client_sdk.build import Sealed
from client_sdk.client import Client
from client_sdk.wire import REFS_A_CALL, Side, clock_ms
from ledger.errors import Malformed
from ledger.limits import ENVELOPE_BYTES_MAX, ENVELOPE_RECORDS_MAX
from ledger.records import act_of_type
from proto.suyuan.v1 import ledger_pb2 as pb

CHUNK_ROWS: Final = REFS_A_CALL
RECORDS_AN_ENVELOPE: Final = 1000
ROW_RECORDS_MAX: Final = ENVELOPE_RECORDS_MAX // 2
ROW_BYTES_MAX: Final = ENVELOPE_BYTES_MAX // 2 - build.HEADER_ROOM_BYTES


class Totals(Struct):
    """What became of the rows of a book: `acts` counts records by kind, `reasons` bad rows by field or rule;
    `private` openings wait, since the node did not take them. `flagged` counts rows that are booked and flagged, by
    reason; `flags` names the first of them."""

    rows: int = 0
    already: int = 0
    bad: int = 0
    booked: int = 0
    private: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    flags: list[Flag] = field(default_factory=list)


Tell = Callable[[Planned | BadRow], None]


class Import:
    """One book of one member on its way into the ledger. `mapping` is as given, with the answer about the stock
    before the first book: to be kept before the book is sent. `tell` hears of every row that is planned or bad, from
    the thread that plans or from the one that books, never from both at once. `nodes` are to keep prices and
    contacts, by default the one that is connected."""

    def __init__(
        self,
        member: Client,
        kind: Book,
        mapping: Mapping,
        tell: Tell = lambda told: None,
        nodes: Sequence[str] = (),
    ) -> None:
        """Malformed where the first book of a member needs to be preceded by a count of what was there."""
        self.totals = Totals()
        self._member, self._tell, self._nodes = member, tell, nodes
        self._flags = Flags()
        self._size, holdings = _snapshot(member, self._flags.before)
        self.mapping = opened(mapping, kind, holdings.empty)
        self._planner = Planner(member, member.member_id, holdings, self.mapping)
        self._scratch = Scratch()
        self._ended = False

    def plan(self, rows: Iterable[Row | BadRow]) -> Iterator[Planned]:
        """What each row becomes, in order; bad rows and those booked before are counted and told. Nothing is sent."""
        for planned in self._planned(rows):
            if planned is not None:
                yield planned
            else:  # what was booked meanwhile is left out; what was planned is not booked, so nothing else is asked
                self._size = self._member.node_info().size

    def book(self, rows: Iterable[Row | BadRow], progress: Callable[[], None] = lambda: None) -> Totals:
        """Send what the rows become. Raises what ends the connection; run it again then. EnvelopeRefused where a node
        that is to keep prices and contacts is not known: nothing is booked then."""
        if self._nodes:
            self._member.require_nodes(self._nodes)
        pending = Pending(self._member.folder, self._nodes)
        sender = Sender(self._member, pending)
        batches = self._batches(rows)
        try:
            self.totals.private = pending.give_left_over(self._member)
            while not self._ended:
                for told in sender.send(batches):
                    if isinstance(told, BadRow):
                        self._refuse(told)
                    else:
                        self._count(told.batch)
                        self.totals.private += pending.give(self._member, told.envelope, told.receipt.leaf)
                    progress()
                if not self._ended:
                    self._look_again()
        finally:
            pending.close()
        self._flags.end(self._member)
        self.totals.flagged, self.totals.flags = self._flags.reasons, self._flags.first
        return self.totals

    # Planning; while a book is sent, this runs in the thread that sends

    def _planned(self, rows: Iterable[Row | BadRow]) -> Iterator[Planned | None]:
        """None where rows were booked that may be missing in what is known of the holdings: by an import that was
        killed a moment ago, or at a till meanwhile. What is under way is to be answered then, and asked anew."""
        iterator = iter(rows)
        while chunk := list(islice(iterator, CHUNK_ROWS)):
            twice = self._twice(chunk)
            booked = self._booked(chunk, twice)
            while any(leaf >= self._size for leaf in booked.values()):
                yield None
                booked = self._booked(chunk, twice)
            for row in chunk:
                planned = self._row(row, booked, twice)
                if planned is not None:
                    yield planned

    def _row(self, row: Row | BadRow, booked: dict[tuple[Side, str], int], twice: dict[int, int]) -> Planned | None:
        self.totals.rows += 1
        found: Planned | BadRow
        if isinstance(row, BadRow):
            found = row
        elif row.line in twice:
            found = _stands_twice(row, twice[row.line])
        elif booked and (row.side, row.ref) in booked:
            self.totals.already += 1
            self._planner.skip(row)
            return None
        else:
            found = self._planner.plan(row)
        if isinstance(found, BadRow):
            self._refuse(found)
            return None
        self._tell(found)
        return found

    def _twice(self, chunk: list[Row | BadRow]) -> dict[int, int]:
        """Line -> the earlier line of this book that has the same document line. The rules let records of one
        envelope share one, so it is seen here."""
        lines = [(hash((row.side.value, row.ref)), row.line) for row in chunk if isinstance(row, Row)]
        return self._scratch.first_seen(lines)

    def _booked(self, chunk: list[Row | BadRow], twice: dict[int, int]) -> dict[tuple[Side, str], int]:
        """The leaf of each of a chunk's document lines that is booked already."""
        asked: dict[Side, list[str]] = {side: [] for side in Side}
        for row in chunk:
            if isinstance(row, Row) and row.line not in twice:
                asked[row.side].append(row.ref)
        return {
            (side, one.ref): one.leaf
            for side, refs in asked.items()
            if refs
            for one in self._member.find_refs(side, refs)
        }

    def _refuse(self, row: BadRow) -> None:
        self.totals.bad += 1
        self.totals.reasons[row.reason] += 1
        self._tell(row)

    def _look_again(self) -> None:
        """What the ledger says now, when nothing is under way."""
        self._size, self._planner.desk.holdings = _snapshot(self._member)

    def _batches(self, rows: Iterable[Row | BadRow]) -> Iterator[Batch | None]:
        """Batches of planned rows; None where what is under way is to be answered first. A batch goes as soon as it
        is full, so that whenever this is asked for more, every row that was planned is under way."""
        batch = Batch()
        for planned in self._planned(rows):
            sealed = None if planned is None else self._sealed(planned)
            if planned is not None and sealed is not None:
                batch.add(planned.row, tuple([act.kind for act in planned.acts]), note_of(planned), sealed)
            full = len(batch.sealed) >= RECORDS_AN_ENVELOPE or batch.size > ROW_BYTES_MAX
            if batch.rows and (planned is None or full):
                yield batch
                batch = Batch()
            if planned is None:
                yield None
        if batch.rows:
            yield batch
        self._ended = True

    def _sealed(self, planned: Planned) -> list[Sealed] | None:
        """The acts of a row, sealed; what is private stands behind the first one's seal."""
        row, acts = planned.row, planned.acts
        try:
            if row.private is not None:
                acts = [build.with_private(acts[0], row.private), *acts[1:]]
            sealed = [build.sealed(act) for act in acts]
            if len(sealed) > ROW_RECORDS_MAX or sum(one.size for one in sealed) > ROW_BYTES_MAX:
                raise Malformed(
                    "数量", f"it answers {len(sealed)} ships, more than fit into one envelope; split the row"
                )
        except Malformed as error:
            self._refuse(BadRow(row.line, error.where, error.message, "correct it", row.cells, ref=row.ref))
            return None
        return sealed

    def _count(self, batch: Batch) -> None:
        self.totals.booked += len(batch.rows)
        pairs = zip(batch.rows, batch.notes, strict=True)
        self._flags.booked([(row.line, note) for row, note in pairs if note is not None], clock_ms())
        for kinds, rows in Counter(batch.kinds).items():
            for kind in kinds:
                self.totals.acts[act_of_type(kind).name.lower().replace("_", " ")] += rows


def opened(mapping: Mapping, kind: Book, empty: bool) -> Mapping:
    """The mapping as a book of this kind leaves it, of a member that holds nothing (`empty`) or something.
    Stock-takings open a member's book until another kind of book follows; Malformed where one of purchases or sales
    comes first."""
    if kind == Book.STOCK:
        return replace(mapping, opening="counting") if empty and not mapping.opening else mapping
    if mapping.opening == "counting":
        return replace(mapping, opening="counted")
    if empty and not mapping.opening and kind != Book.PRODUCTION:
        raise Malformed(
            "first book",
            "you hold nothing yet: was there stock before it? Import a stock-taking first (盘点日期, 商品条码, 批号, "
            "实盘数量), or say that there was none: suyuan import --no-opening-stock",
        )
    return mapping


def _snapshot(member: Client, see: Callable[[pb.Position], None] = lambda one: None) -> tuple[int, Holdings]:
    """(leaves of the log that it covers, what a member holds and what waits for it). `see` is shown each position."""
    size = member.node_info().size

    def held() -> Iterator[tuple[str, str, Stock]]:
        for one in member.positions():
            see(one)
            yield one.lot, one.site, Stock(one.held, one.grams, one.reserved, one.sold, one.grams_sold)

    ships = (_waits(one) for one in member.handovers() if one.to == member.member_id)
    return size, Holdings(held(), ships)


def _waits(one: pb.Handover) -> OpenShip:
    document = document_of(one.ref)
    return OpenShip(
        one.ship, one.lot, one.owner, one.to_site, document, one.open, one.time_ms, one.grams, one.returns
    )


def _stands_twice(row: Row, first: int) -> BadRow:
    message = f"the document line {row.ref} stands in line {first} already"
    remedy = (
        "drop the row if it is the same deal; else number the lines of a document, or have the column passed over: "
        "suyuan mapping column 行号 -"
    )
    return BadRow(row.line, "行号", message, remedy, row.cells)
