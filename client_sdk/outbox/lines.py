"""Which records go into one envelope: a document line is booked by one envelope only, so records that share a line
stay together, both when envelopes are made and when records are set aside."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from client_sdk.build import HEADER_ROOM_BYTES, RECORDS_AN_ENVELOPE, Sealed
from ledger import records as r
from ledger.custody import side_of
from ledger.errors import Malformed
from ledger.limits import ENVELOPE_BYTES_MAX, ENVELOPE_RECORDS_MAX
from ledger.seals import open_amounts

Line: TypeAlias = tuple[str, str]
"""A side of the member's book (i, o, w), and the document line in it."""


def line_of(one: Sealed) -> Line | None:
    record = r.RECORD.decode(one.record)
    amounts = open_amounts(record, one.opening)
    return None if amounts is None else (side_of(record), amounts.ref)


def batches(sealed: Iterable[Sealed]) -> Iterator[list[Sealed]]:
    """Records in order, in as few envelopes as RECORDS_AN_ENVELOPE allows; more only where they share a line.
    Malformed where one envelope cannot hold those that do."""
    batch: list[Sealed] = []
    for run in _runs(list(sealed)):
        if batch and (len(batch) + len(run) > RECORDS_AN_ENVELOPE or _size(batch) + _size(run) > _ROOM_BYTES):
            yield batch
            batch = []
        batch = batch + run
    if batch:
        yield batch


_ROOM_BYTES = ENVELOPE_BYTES_MAX - HEADER_ROOM_BYTES


def _size(records: Sequence[Sealed]) -> int:
    return sum(one.size for one in records)


def _runs(sealed: list[Sealed]) -> Iterator[list[Sealed]]:
    """The shortest runs between which no document line is shared."""
    lines = [line_of(one) for one in sealed]
    last = {line: index for index, line in enumerate(lines) if line is not None}
    start = reach = 0
    for index, line in enumerate(lines):
        reach = max(reach, index if line is None else last[line])
        if index == reach:
            run = sealed[start : index + 1]
            if len(run) > ENVELOPE_RECORDS_MAX or _size(run) > _ROOM_BYTES:
                raise Malformed(
                    "acts",
                    f"{len(run)} of them, from number {start}, share document lines, more than one envelope holds "
                    f"({ENVELOPE_RECORDS_MAX} records, {ENVELOPE_BYTES_MAX} bytes): give each delivery its own lines",
                )
            yield run
            start = index + 1


def set_aside(sealed: Sequence[Sealed], wrong: Iterable[int]) -> list[list[int]]:
    """The indexes of records that are set aside with the wrong ones, grouped as they must be booked together."""
    lines = [line_of(one) for one in sealed]
    groups: dict[object, list[int]] = {}
    for index in sorted(wrong):
        line = lines[index]
        if line is None:
            groups[index] = [index]
        else:
            groups[line] = [other for other, found in enumerate(lines) if found == line]
    return list(groups.values())
