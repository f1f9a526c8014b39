"""Booking a book: ask the node what it knows, plan every row, send what can be booked, name what cannot."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from client_sdk.books.importer import Importer, OpenShip, Planned
from client_sdk.books.reader import BadRow, Row
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.errors import EnvelopeRefused
from client_sdk.trust import Receipt
from ledger.custody import side_of
from ledger.errors import SuyuanError


def importer_for(member: Client) -> Importer:
    """What the node knows of this member, as an import starts from it."""
    held = [(position.lot, position.site, position.held) for position in member.positions()]
    ships = [
        OpenShip(one.ship, one.lot, one.owner, one.ref, one.open, one.time_ms)
        for one in member.handovers()
        if one.to == member.member_id
    ]
    return Importer(member, member.member_id, held, ships, frozenset(_booked(member)))


def _booked(member: Client) -> Iterator[tuple[str, str]]:
    for envelope in member.own_envelopes():
        for one in envelope.records:
            if one.amounts is not None:
                yield side_of(one.record), one.amounts.ref


def plan(member: Client, rows: Iterable[Row | BadRow]) -> tuple[list[Planned], list[BadRow], int]:
    """(planned rows, bad rows, rows booked before). Nothing is sent."""
    importer = importer_for(member)
    planned: list[Planned] = []
    bad: list[BadRow] = []
    for result in importer.plan(rows):
        if isinstance(result, BadRow):
            bad.append(result)
        else:
            planned.append(result)
    return planned, bad, importer.already


def book(
    member: Client, planned: list[Planned], progress: Callable[[int], None] = lambda rows: None
) -> tuple[Counter[str], list[BadRow]]:
    """Send what was planned, in order. Where a rule refuses rows of an envelope, they are named and the rest is
    signed anew, so that one bad row does not hold up its neighbours."""
    counts: Counter[str] = Counter()
    refused: list[BadRow] = []
    todo = planned
    while todo:
        again: list[Planned] = []
        for rows, result in _sent(member, todo):
            if isinstance(result, EnvelopeRefused):
                wrong = {p.record: p for p in result.problems if p.record is not None}
                if not wrong:
                    raise result
                refused += [BadRow(rows[i].row.line, p.field, p.message, p.remedy) for i, p in wrong.items()]
                counts["refused"] += len(wrong)
                again += [row for i, row in enumerate(rows) if i not in wrong]
            elif isinstance(result, SuyuanError):
                raise result
            else:
                counts["booked"] += len(rows)
            progress(counts["booked"] + counts["refused"])
        todo = again
    return counts, refused


def _sent(member: Client, planned: list[Planned]) -> Iterator[tuple[list[Planned], Receipt | SuyuanError]]:
    """Each envelope's rows with its result."""
    rows_of: dict[bytes, list[Planned]] = {}

    def envelopes() -> Iterator[SignedEnvelope]:
        done = 0
        for envelope in member.sign(row.act for row in planned):
            rows_of[envelope.id] = planned[done : done + len(envelope.hashes)]
            done += len(envelope.hashes)
            yield envelope

    for envelope, result in member.submit_stream(envelopes()):
        yield rows_of.pop(envelope.id), result
