"""The outbox: acts that are signed and on disk here until the ledger has witnessed them, through crashes and days
without a network.

Envelopes go one by one, so the ledger has them in the order in which they were signed. Each is marked as sent before
its first byte leaves; after that its outcome is unknown until it is asked for by its id, and only where the node has
not booked it the same bytes go again, under the same id. It is forgotten when its receipt is verified under the
policy's quorum, and its private openings are with the nodes that are to keep them.

Nothing is signed anew while its outcome is unknown. An expired envelope is, after the node's word that it expired
(block time never goes back, so the old bytes are dead); so is what is left of a refused one, whose document lines
would refuse the old bytes if somebody played them later. Refused records are set aside with their problems until
somebody retries or drops them; of records that share a document line either all go or none.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from client_sdk import build, errors
from client_sdk.build import Act, Sealed, SignedEnvelope
from client_sdk.client import Client
from client_sdk.keys import Identity
from client_sdk.outbox.store import Done, Entry, SetAside, State, Store
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger import limits
from ledger.envelope import ENVELOPE, HEADER, Header
from ledger.errors import Problem
from ledger.records import RECORD
from ledger.seals import open_amounts

__all__ = ["Busy", "Done", "Entry", "Outbox", "Sent", "SetAside", "State"]

LOCK_FILE: Final = "outbox.lock"
LIFETIME_MS: Final = limits.ENVELOPE_LIFETIME_MS_MAX // 2  # a week offline; what is older is signed anew
OVERLOAD_RETRIES_MAX: Final = 5
OVERLOAD_WAIT_MS_MAX: Final = 5_000


class Sent(Struct):
    """What one `send` came to, in records; `stopped` says why something still waits, or is empty."""

    booked: int = 0
    refused: int = 0
    stopped: str = ""


class Busy(errors.ClientError):
    """Another process is sending from this outbox."""


class _Stop(Exception):
    """Nothing more can be sent now, and why."""


class Outbox:
    """One identity's outbox. Use as a context manager. Several processes may add to it; one at a time sends."""

    def __init__(self, identity: Identity, chain: bytes, clock: Callable[[], int] = clock_ms) -> None:
        self._identity, self._chain, self._clock = identity, chain, clock
        self._store = Store(identity.folder)

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def add(self, acts: Iterable[Act]) -> list[bytes]:
        """Sign acts and keep them, all or none; the envelopes' ids. They are on disk when this returns. Malformed
        where an act is wrong in itself, whatever the ledger says."""
        made = list(build.envelopes(acts, self._identity, self._chain, self._clock(), lifetime_ms=LIFETIME_MS))
        self._store.add(made)
        return [envelope.id for envelope in made]

    def waiting(self) -> list[Entry]:
        """What is not done, in the order in which it will be sent."""
        return list(self._store.entries())

    def set_aside(self) -> list[SetAside]:
        """What the ledger refused, until `retry` or `drop`."""
        return self._store.set_aside()

    def receipts(self) -> list[Done]:
        """The newest receipts, at most limits.OUTBOX_RECEIPT_ROWS_MAX."""
        return self._store.receipts()

    def retry(self, number: int) -> None:
        """Sign refused records anew, to be sent behind all that waits."""
        one = self._aside(number)
        self._store.take_up(one, self._signed(one.records))

    def drop(self, number: int) -> None:
        """Give refused records up."""
        self._store.take_up(self._aside(number), None)

    def _aside(self, number: int) -> SetAside:
        for one in self._store.set_aside():
            if one.number == number:
                return one
        raise errors.NotFound(f"nothing with the number {number} is set aside; list with: suyuan outbox")

    def send(self, client: Client, told: Callable[[Sent], None] = lambda sent: None) -> Sent:
        """Send what waits, in order, until all is done or something must be waited for. Busy where another process
        is at it; VerifyFailed where a node's receipt does not hold, and then nothing is forgotten."""
        sent = Sent()
        with self._alone():
            while (entry := next(self._store.entries(), None)) is not None:
                try:
                    self._advance(client, entry, sent)
                except _Stop as stop:
                    sent.stopped = str(stop)
                    self._store.note(entry, sent.stopped)
                    break
                told(sent)
        return sent

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A lock that ends with the process, however it ends."""
        handle = os.open(self._identity.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy("another process is sending from this outbox; wait until it is done") from None
            yield
        finally:
            os.close(handle)

    def _advance(self, client: Client, entry: Entry, sent: Sent) -> None:
        """One step of one envelope, on disk before the next begins."""
        if entry.state == State.BOOKED:
            self._deliver(client, entry)
        elif entry.state == State.SENT:
            self._ask(client, entry, sent)
        elif _header(entry.envelope).key != self._identity.key_id:
            self._sign_anew(entry)  # another key is in the folder now
        else:
            self._submit(client, self._store.mark(entry, State.SENT), sent)

    def _ask(self, client: Client, entry: Entry, sent: Sent) -> None:
        try:
            receipt = client.receipt(entry.envelope)
        except errors.NotFound:
            self._submit(client, entry, sent)
        except errors.ClientError as error:
            raise _unknown(error) from None
        else:
            self._store.booked(entry, receipt, self._clock())
            sent.booked += len(entry.envelope.hashes)

    def _submit(self, client: Client, entry: Entry, sent: Sent) -> None:
        try:
            receipt = self._send_patiently(client, entry)
        except (errors.Overloaded, errors.NotAuthenticated) as error:
            self._store.mark(entry, State.WAITING)
            raise _Stop(f"{error}; nothing was taken") from None
        except errors.EnvelopeRefused as error:
            self._refused(self._store.mark(entry, State.WAITING), error, sent)
        except errors.ClientError as error:
            raise _unknown(error) from None
        else:
            self._store.booked(entry, receipt, self._clock())
            sent.booked += len(entry.envelope.hashes)

    @staticmethod
    def _send_patiently(client: Client, entry: Entry) -> Receipt:
        """Wait as an overloaded node asks to, a few times."""
        for _ in range(OVERLOAD_RETRIES_MAX):
            try:
                return client.send(entry.envelope)
            except errors.Overloaded as error:
                time.sleep(min(error.retry_after_ms, OVERLOAD_WAIT_MS_MAX) / 1000)
        return client.send(entry.envelope)

    def _deliver(self, client: Client, entry: Entry) -> None:
        """Give the private openings to the node; it keeps them once, however often they come."""
        try:
            client.put_private(entry.envelope.openings_at(self._store.leaf_of(entry.envelope.id)))
        except errors.EnvelopeRefused:
            pass  # erased since: it must not come back
        except errors.ClientError as error:
            raise _Stop(f"{error}; it is booked, its private openings are not delivered yet") from None
        self._store.forget(entry)

    def _refused(self, entry: Entry, error: errors.EnvelopeRefused, sent: Sent) -> None:
        problems = {problem.record: problem for problem in error.problems if problem.record is not None}
        if problems:
            sent.refused += self._split(entry, problems)
        elif _has_expired(error) and _header(entry.envelope).not_after < self._clock():
            self._sign_anew(entry)
        else:
            raise _Stop(_advice(error))

    def _split(self, entry: Entry, problems: dict[int, Problem]) -> int:
        """Set aside what was named as wrong, with what shares its document line; returns how many records."""
        records = _sealed(entry.envelope)
        lines = {_line(records[number]) for number in problems} - {None}
        wrong = [number for number, one in enumerate(records) if number in problems or _line(one) in lines]
        rest = [one for number, one in enumerate(records) if number not in wrong]
        told = [
            msgspec.structs.replace(problems[number], record=place)
            for place, number in enumerate(wrong)
            if number in problems
        ]
        aside = [records[number] for number in wrong]
        self._store.split(entry, aside, told, self._signed(rest) if rest else None, self._clock())
        return len(aside)

    def _sign_anew(self, entry: Entry) -> None:
        self._store.replace(entry, self._signed(_sealed(entry.envelope)))

    def _signed(self, records: Sequence[Sealed]) -> SignedEnvelope:
        return build.signed(records, self._identity, self._chain, self._clock(), LIFETIME_MS)


def _unknown(error: errors.ClientError) -> _Stop:
    return _Stop(f"{error}; whether it was booked is unknown, and will be asked")


def _header(envelope: SignedEnvelope) -> Header:
    return HEADER.decode(ENVELOPE.decode(envelope.wire).header)


def _sealed(envelope: SignedEnvelope) -> list[Sealed]:
    """The records of an envelope as they were before it was signed."""
    opened = ENVELOPE.decode(envelope.wire)
    pairs = zip(opened.records, opened.openings, strict=True)
    return [Sealed(record, opening, envelope.private.get(n, b"")) for n, (record, opening) in enumerate(pairs)]


def _line(one: Sealed) -> str | None:
    """The document line of a record; None where its act has no amounts."""
    amounts = open_amounts(RECORD.decode(one.record), one.opening)
    return amounts.ref if amounts is not None else None


def _has_expired(error: errors.EnvelopeRefused) -> bool:
    return {problem.rule for problem in error.problems} == {"envelope.expired"}


def _advice(error: errors.EnvelopeRefused) -> str:
    """Why an envelope as a whole waits, and what would help."""
    rule = error.problems[0].rule if error.problems else ""
    if rule in ("envelope.future", "envelope.expired"):
        return f"{error}; this machine's clock differs from the ledger's: set it right"
    if rule.startswith("key."):
        return f"{error}; put another key of this member into the folder: what waits is then signed with that one"
    return str(error)
