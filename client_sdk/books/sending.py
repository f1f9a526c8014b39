"""Sending what rows became, in their order, and naming the rows that a rule refuses.

Envelopes go out on one stream. When one is refused, those behind it may depend on it, so nothing more is sent until
all that is under way is answered; then what was refused is dealt with one by one, in order. The first one's problems
are its own: its rows are named, and the rest is signed anew. Those behind it are sent whole before they are judged.
"""

import time
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from client_sdk.books.flagged import Note
from client_sdk.books.pending import Pending
from client_sdk.books.rows import BadRow, Row
from client_sdk.build import Sealed, SignedEnvelope
from client_sdk.client import Client
from client_sdk.errors import EnvelopeRefused, Overloaded, ReadOnly
from client_sdk.trust import Receipt
from ledger.errors import SuyuanError

OVERLOADED_SECONDS_MAX: Final = 60


class Batch(Struct):
    """The rows of one envelope, the kinds of each one's acts, what may be flagged of it, and the acts of all of them
    as they were sealed."""

    rows: list[Row] = field(default_factory=list)
    kinds: list[tuple[type, ...]] = field(default_factory=list)
    notes: list[Note | None] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)
    size: int = 0

    def add(self, row: Row, kinds: tuple[type, ...], note: Note | None, sealed: list[Sealed]) -> None:
        self.rows.append(row)
        self.kinds.append(kinds)
        self.notes.append(note)
        self.sealed += sealed
        for one in sealed:
            self.size += one.size

    def without(self, refused: EnvelopeRefused) -> tuple[list[BadRow], "Batch"]:
        """(the rows that were refused, what is left); raises the refusal where it is about the whole envelope."""
        row_of = [number for number, kinds in enumerate(self.kinds) for _ in kinds]
        wrong = {row_of[p.record]: p for p in reversed(refused.problems) if p.record is not None}
        if not wrong:
            raise refused
        bad, left, at = [], Batch(), 0
        for number, (row, kinds) in enumerate(zip(self.rows, self.kinds, strict=True)):
            sealed = self.sealed[at : at + len(kinds)]
            at += len(kinds)
            if (problem := wrong.get(number)) is None:
                left.add(row, kinds, self.notes[number], sealed)
                continue
            what = problem.field or problem.rule
            bad.append(BadRow(row.line, what, problem.message, problem.remedy, row.cells, problem.rule, row.ref))
        return bad, left


class Booked(Struct, frozen=True):
    """An envelope that has its receipt."""

    batch: Batch
    envelope: SignedEnvelope
    receipt: Receipt


class Sender:
    """Sends batches of one member."""

    def __init__(self, member: Client, pending: Pending) -> None:
        self._member, self._pending = member, pending
        self._sent: dict[bytes, tuple[int, Batch]] = {}
        self._halted = False

    def send(self, batches: Iterator[Batch | None]) -> Iterator[Booked | BadRow]:
        """Until the batches end, or None comes in their place, or one is refused: then all is answered, and more may
        be asked of the same iterator."""
        self._halted = False
        refused: list[tuple[int, Batch, SuyuanError]] = []
        for envelope, result in self._member.submit_stream(self._envelopes(batches)):
            number, batch = self._sent.pop(envelope.id)
            if isinstance(result, Receipt):
                yield Booked(batch, envelope, result)
            elif isinstance(result, EnvelopeRefused | Overloaded):
                self._halted = True
                self._pending.drop(envelope)
                refused.append((number, batch, result))
            else:
                raise result
        refused.sort(key=lambda one: one[0])
        first = True
        for _, batch, error in refused:
            yield from self._mend(batch, error if first else None)
            first = False
        self.refused = bool(refused)

    def _envelopes(self, batches: Iterator[Batch | None]) -> Iterator[SignedEnvelope]:
        """Runs in the thread that sends."""
        number = 0
        while not self._halted and (batch := next(batches, None)) is not None:
            envelope = self._signed(batch)
            self._sent[envelope.id] = number, batch
            number += 1
            yield envelope

    def _signed(self, batch: Batch) -> SignedEnvelope:
        envelope = self._member.sign_sealed(batch.sealed)
        self._pending.keep(envelope)
        return envelope

    def _mend(self, batch: Batch, error: SuyuanError | None) -> Iterator[Booked | BadRow]:
        """Send what is left of a batch until it is booked; `error` is what is known to be wrong with it."""
        give_up = time.monotonic() + OVERLOADED_SECONDS_MAX
        while True:
            if isinstance(error, EnvelopeRefused):
                bad, batch = batch.without(error)
                yield from bad
            elif isinstance(error, Overloaded):
                _wait(error, give_up)
            if not batch.rows:
                return
            envelope = self._signed(batch)
            try:
                receipt = self._member.submit_envelope(envelope)
            except (EnvelopeRefused, Overloaded) as found:
                self._pending.drop(envelope)
                error = found
            else:
                yield Booked(batch, envelope, receipt)
                return


def _wait(error: Overloaded, give_up: float) -> None:
    """As long as the node asks for; raises where it takes nothing at all, or has asked for too long."""
    if isinstance(error, ReadOnly) or time.monotonic() > give_up:
        raise error
    time.sleep(error.retry_after_ms / 1000)
