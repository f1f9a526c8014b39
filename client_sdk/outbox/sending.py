"""Sending: settle one entry after another. What each step leaves on disk, the next run goes on from."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from client_sdk import build, errors, when
from client_sdk.client import Client
from client_sdk.keys import Identity
from client_sdk.nodes import may_lie_behind
from client_sdk.outbox.entry import CLOCK, Entry, State
from client_sdk.outbox.lines import line_of, set_aside
from client_sdk.outbox.rows import DAMAGED
from client_sdk.outbox.store import Store
from client_sdk.trust import Receipt
from client_sdk.wire import Side
from ledger.errors import Malformed, Problem, VerifyFailed
from ledger.limits import ENVELOPE_LIFETIME_MS_MAX

LOCK: Final = "outbox.lock"
EXPIRED: Final = "envelope.expired"
BOOKED: Final = "ref.booked"
LATER: Final = frozenset(
    {"envelope.future", "key.expired", "key.retired", "key.revoked", "key.unknown", "member.unknown"}
)
"""Why an envelope as a whole is not taken now, which holds for those behind it too: a clock, a key, an admission."""

WAITS_MAX: Final = 8  # for an overloaded node, in one run
WAIT_MS_MAX: Final = 10_000
UNKNOWN_MAX: Final = 3  # unanswered sendings in one run
FRESH_MS: Final = 3_600_000
"""An envelope younger than this by our clock that has run out by the node's: one of the clocks is days off."""

_SIDES: Final = {"i": Side.IN, "o": Side.OUT, "w": Side.OWN}


class Kind(Enum):
    SIGNED_ANEW = "signed anew"
    BOOKED = "booked"
    REFUSED = "refused"
    GIVEN = "private openings given"


class Event(Struct, frozen=True):
    """Something that happened to an entry while sending, for those who watch."""

    kind: Kind
    entry: Entry
    says: str


class Report(Struct):
    """What a run of sending did, and why it ended (`stopped` is empty where nothing is left to send). `again` says
    that a later run may get on without anybody's doing."""

    booked: int = 0
    refused: int = 0
    given: int = 0
    stopped: str = ""
    again: bool = False


@contextmanager
def sending_alone(folder: Path) -> Iterator[None]:
    """The lock of the one process that sends: SQLite's, on a file of its own. The system frees it when the process
    ends, however it ends."""
    lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise errors.OutboxError(
                f"another process is sending from {folder} ({error}); it sends what was added meanwhile too"
            ) from None
        yield


class Sender:
    """One run of sending, by the process that holds the lock."""

    def __init__(
        self,
        store: Store,
        client: Client,
        identity: Identity,
        clock: Callable[[], int],
        sleep: Callable[[float], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._client = client
        self._identity = identity
        self._clock = clock
        self._sleep = sleep
        self._tell = on_event
        self._report = Report()
        self._waits = self._unknown = 0
        self._newest = b""

    def run(self) -> Report:
        try:
            while not self._report.stopped and (entry := self._store.first()) is not None:
                self._settle(entry)
            self._give_private()
            self._store.prune()
            self._pin()
        except errors.LogForked:
            raise
        except errors.NotAuthenticated as error:
            self._stop(str(error), again=False)
        except (Malformed, VerifyFailed) as error:
            self._stop(f"the node's answer proves nothing: {error}.{self._clocks()}", again=True)
        except errors.ClientError as error:
            self._stop(str(error), again=True)
        return self._report

    def _stop(self, why: str, again: bool) -> None:
        self._report.stopped, self._report.again = why, again

    def _settle(self, entry: Entry) -> None:
        if entry.state is State.SENT and self._asked(entry):
            return
        if entry.problems and entry.problems[0].rule == DAMAGED:
            self._set_aside_whole(entry, entry.problems)
            return
        before = entry.state
        if before is State.WAITING:
            entry = self._signed(entry)
            if not self._store.sent(entry):
                return  # dropped meanwhile
        try:
            receipt = self._client.submit_envelope(entry.envelope)
        except errors.EnvelopeRefused as error:
            if before is State.SENT and may_lie_behind(error):
                self._stop(str(error), again=True)
            else:
                self._not_booked(entry, error.problems)
        except (errors.Overloaded, errors.ReadOnly) as error:
            if before is State.WAITING:  # else what was sent before may be booked yet, whatever is taken now
                self._store.not_taken(entry.number)
            self._wait(error)
        except errors.Unavailable as error:
            self._unanswered(error)
        else:
            self._book(entry, receipt)

    def _asked(self, entry: Entry) -> bool:
        """Whether an envelope that was sent is booked: then it is settled here."""
        try:
            receipt = self._client.receipt(entry.envelope)
        except errors.NotFound:
            return False
        self._book(entry, receipt)
        return True

    def _signed(self, entry: Entry) -> Entry:
        """The entry under a signature of the present key: the one it has, or a new one."""
        if entry.header and entry.signed.key == self._identity.key_id:
            return entry
        chain, now = self._client.connection.chain_id, self._clock()
        header, signature = build.signed_header(entry.sealed, self._identity, chain, now, ENVELOPE_LIFETIME_MS_MAX)
        anew = structs.replace(entry, header=header, signature=signature)
        self._tell(Event(Kind.SIGNED_ANEW, anew, "signed anew"))
        return anew

    def _book(self, entry: Entry, receipt: Receipt) -> None:
        self._store.book(entry, receipt.leaf, receipt.as_tlog_proof())
        self._newest = receipt.checkpoint
        self._report.booked += 1
        self._tell(Event(Kind.BOOKED, entry, f"booked in leaf {receipt.leaf}"))

    # What was not booked

    def _not_booked(self, entry: Entry, problems: Sequence[Problem]) -> None:
        """A node refused the envelope. Its answer is final for these bytes at this time, so that its records may be
        signed anew."""
        whole = [one for one in problems if one.record is None or one.record >= len(entry.sealed)]
        if not whole and problems:
            self._set_aside(entry, problems)
        elif whole and whole[0].rule == EXPIRED:
            self._expired(entry)
        elif whole and whole[0].rule in LATER:
            self._store.not_taken(entry.number, whole)
            again = whole[0].rule in ("envelope.future", "key.unknown", "member.unknown")
            self._stop(self._store.get(entry.number).explanation, again)
        else:
            self._set_aside_whole(entry, whole or [Problem("envelope.refused", "the node gave no reason")])

    def _expired(self, entry: Entry) -> None:
        """A block's time never goes back, so the old bytes are dead."""
        if self._clock() - entry.signed.time >= FRESH_MS:
            self._store.lapsed(entry)
            return
        late = f"what is signed now has run out long ago by the node's clock.{self._clocks()}"
        self._store.lapsed(entry, [Problem(CLOCK, late, "set the clock right")])
        self._stop(self._store.get(entry.number).explanation, again=True)

    def _set_aside_whole(self, entry: Entry, problems: Sequence[Problem]) -> None:
        self._store.refused(entry.number, problems)
        self._told_refused(entry.number)

    def _set_aside(self, entry: Entry, problems: Sequence[Problem]) -> None:
        """The records that the problems name go aside, with those that share their document lines."""
        explained = [self._explained(entry, one) for one in problems]
        aside = []
        for indexes in set_aside(entry.sealed, {one.record for one in problems if one.record is not None}):
            at = {index: number for number, index in enumerate(indexes)}
            told = [structs.replace(one, record=at[one.record]) for one in explained if one.record in at]
            aside.append((indexes, told))
        for number in self._store.split(entry, aside):
            self._told_refused(number)

    def _told_refused(self, number: int) -> None:
        self._report.refused += 1
        entry = self._store.get(number)
        self._tell(Event(Kind.REFUSED, entry, f"refused: {entry.explanation}"))

    def _explained(self, entry: Entry, problem: Problem) -> Problem:
        """A document line that is booked already: where it was this outbox that booked it, or this very record, say
        so."""
        index = problem.record or 0
        line = line_of(entry.sealed[index]) if problem.rule == BOOKED else None
        if line is None:
            return problem
        with suppress(errors.ClientError):
            for found in self._client.find_refs(_SIDES[line[0]], [line[1]]):
                known = self._store.booked_at(found.leaf)
                if known is not None:
                    message = (
                        f"already booked: entry {known} of this outbox booked line {line[1]!r}, in leaf {found.leaf}"
                    )
                    return structs.replace(problem, message=message, remedy="drop it, unless it is another delivery")
                hashes = [self._client.own_record(found.leaf, one).hash for one in found.records]
                if entry.hashes[index] in hashes:
                    message = f"already booked: this very record stands in leaf {found.leaf}"
                    return structs.replace(problem, message=message, remedy="drop it")
        return problem

    # What hinders

    def _wait(self, error: errors.Overloaded | errors.ReadOnly) -> None:
        """As long as the node asks for, and not for ever."""
        self._waits += 1
        if self._waits > WAITS_MAX or error.retry_after_ms > WAIT_MS_MAX:
            self._stop(str(error), again=True)
        else:
            self._sleep(error.retry_after_ms / 1000)

    def _unanswered(self, error: errors.Unavailable) -> None:
        """Nobody knows; the entry stays `sent`, and is asked for next."""
        self._unknown += 1
        if self._unknown >= UNKNOWN_MAX or isinstance(error, errors.NoQuorum):
            self._stop(str(error), again=True)

    def _clocks(self) -> str:
        """What a proof that does not hold often comes from."""
        with suppress(errors.ClientError, VerifyFailed):
            node = int(self._client.node_info().time_ms)
            return f" This computer's clock says {when.shown(self._clock())}, the node's {when.shown(node)}"
        return ""

    # What follows a receipt

    def _give_private(self) -> None:
        """Private openings are given once, to the node that is sent to, which hands them on to those that the member
        named; a crash before its answer is stored gives them once more, which changes nothing."""
        for number in self._store.booked():
            entry = self._store.get(number)
            if entry.problems or entry.leaf is None:
                continue
            try:
                self._client.put_private(entry.leaf, entry.private, entry.nodes)
            except errors.EnvelopeRefused as error:
                self._store.openings_refused(number, error.problems)
                self._tell(Event(Kind.REFUSED, entry, f"the node refuses its private openings: {error}"))
            else:
                self._store.given(number)
                self._report.given += 1
                whom = ", ".join(entry.nodes) or "the node"
                self._tell(Event(Kind.GIVEN, entry, f"private openings given for {whom}"))

    def _pin(self) -> None:
        """The newest checkpoint must extend the last receipt's, and what was seen before."""
        if self._newest:
            with suppress(errors.Unavailable):
                self._client.pin(self._newest)
