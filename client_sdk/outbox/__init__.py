"""The outbox: what a member signed, kept on disk until the quorum's receipt for it is there too.

An *entry* is a list of sealed records that are booked together. Its records, and the hashes that name them, never
change; the signed header over them is made anew where the one before can no longer be accepted.

    waiting  ──►  sent  ──►  done        a verified receipt is stored; private openings, if any, are given (booked)
       ▲           │ ▲                   first, then records and openings are forgotten
       │           └─┘                   no answer: the node is asked by the envelope's id, and only where it knows
       │           │                     of none the same bytes go out again
       └───────────┤                     not now (overloaded, a clock that is ahead, a key that does not hold), or
       │           │                     expired: signed anew at its next turn, in its old place
       └─ retry ─ refused                the records that were named, set aside; the rest of the entry is signed
                                         anew and goes first. `retry` brings them back, `drop` gives them up

What makes it safe to crash anywhere: each arrow is one SQLite transaction, on disk before the next thing happens;
`sent` is stored, with the very bytes, before the first of them leaves; a header is replaced only after a node's
answer that its envelope is not booked. An old envelope that somebody kept back is dead after its `not_after`, and
before that the document lines (`ref`) of its records refuse it.

Entries go out one after another: one is sent when all before it are settled. One process sends at a time (a lock on
`outbox.lock`); any number may add.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.errors import NotAuthenticated, OutboxError
from client_sdk.outbox.entry import Entry, State
from client_sdk.outbox.lines import batches
from client_sdk.outbox.sending import Event, Kind, Report, Sender, sending_alone
from client_sdk.outbox.store import DATABASE, Store
from client_sdk.wire import clock_ms
from ledger.limits import ENVELOPE_LIFETIME_MS_MAX

__all__ = ["Entry", "Event", "Kind", "Outbox", "Report", "State"]


class Outbox:
    """The outbox of an identity folder for one chain. Use as a context manager, in one thread.

    `identity` signs what is added; without one the outbox can be read, retried and dropped from.
    """

    def __init__(
        self,
        folder: Path,
        chain: bytes,
        identity: keys.Identity | None = None,
        clock: Callable[[], int] = clock_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._chain = chain
        self._identity = identity
        self._clock = clock
        self._sleep = sleep
        member = identity.member if identity is not None else keys.load_public(folder).member
        self._store = Store(folder / DATABASE, chain, member, clock)

    @classmethod
    def open(cls, folder: Path | str, passphrase: str | None = None) -> "Outbox":
        """The outbox of an identity folder with its `node.json`; no node needs to be reached. The passphrase may
        stand in SUYUAN_PASSPHRASE."""
        connection, identity = keys.open_folder(Path(folder), passphrase)
        return cls(identity.folder, connection.chain_id, identity)

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()

    def add(self, acts: Iterable[Act], nodes: Sequence[str] = ()) -> list[Entry]:
        """Seal, sign and store acts, in order and all or none: they are on disk when this returns.

        `nodes` names the nodes that are to keep private openings, by default the one that is sent to. Malformed
        where an act is wrong, OutboxError where the outbox is full.
        """
        if self._identity is None:
            raise NotAuthenticated("only a member with an identity can sign")
        groups = list(batches(build.sealed(one) for one in acts))
        now = self._clock()
        signed = [
            (group, *build.signed_header(group, self._identity, self._chain, now, ENVELOPE_LIFETIME_MS_MAX))
            for group in groups
        ]
        return self._store.add(signed, nodes)

    def waiting(self) -> Iterator[Entry]:
        """What is not done yet, in order; `Entry.explanation` says in plain words what stands in its way."""
        refused: dict[str, int] = {}
        for entry in self._store.unsettled():
            yield entry.resting_on(refused)
            if entry.state is State.REFUSED:
                refused |= dict.fromkeys(entry.lots, entry.number)

    def settled(self) -> Iterator[Entry]:
        """What was booked (with its receipt) or dropped, the newest first; bounded (OUTBOX_DONE_ROWS_MAX)."""
        return self._store.settled()

    def send(self, client: Client, on_event: Callable[[Event], None] = lambda event: None) -> Report:
        """Send what waits, in order, until nothing is left that can be sent now. The report says what happened and
        why it stopped; OutboxError where another process is sending, LogForked where the node shows another past."""
        if client.identity is None or client.member_id != self._store.member:
            raise OutboxError(f"this is the outbox of {self._store.member}; send with its identity")
        if client.connection.chain_id != self._chain:
            raise OutboxError(f"this outbox is for chain {self._chain.hex()}, the node serves another")
        with sending_alone(self._folder):
            return Sender(self._store, client, client.identity, self._clock, self._sleep, on_event).run()

    def retry(self, number: int) -> None:
        """Let a refused entry, or one that waits for a clock or a key, be signed anew at its place in the order."""
        self._store.retry(number)

    def drop(self, number: int, reason: str) -> None:
        """Give up an entry that is not booked; its number and the reason are kept. OutboxError where it may be."""
        self._store.drop(number, reason)
