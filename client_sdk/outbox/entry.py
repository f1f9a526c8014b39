"""One entry of the outbox, and what it says about itself in plain words."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, structs

from client_sdk import build, when
from client_sdk.build import Sealed, SignedEnvelope
from client_sdk.wire import OwnRecord
from ledger import merkle
from ledger import records as r
from ledger.envelope import HEADER, Header, envelope_id
from ledger.errors import Problem
from ledger.limits import CLAIMED_TIME_AHEAD_MS_MAX
from ledger.seals import open_amounts

FUTURE = "envelope.future"
CLOCK = "clock.behind"


class State(Enum):
    """See the package. `booked` is done but for private openings; `dropped` was given up by the user."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    BOOKED = "booked"
    DONE = "done"
    DROPPED = "dropped"


class Entry(Struct, frozen=True):
    """Records that are booked together. `number` names it for good, `place` is its turn; `header` and `signature`
    are empty where it is to be signed anew. What is settled has no `sealed` any more; a booked one has `leaf` and
    `receipt` (a C2SP tlog-proof). `nodes` are still to be given its private openings (none named: the one that is
    sent to). `rests_on` is an earlier refused entry about one of its lots."""

    number: int
    place: int
    state: State
    sealed: list[Sealed]
    header: bytes
    signature: bytes
    nodes: tuple[str, ...]
    problems: tuple[Problem, ...]
    leaf: int | None
    receipt: bytes
    changed_ms: int
    rests_on: int | None = None

    @property
    def id(self) -> bytes:
        """The envelope's id under its present signature; empty where it is to be signed anew."""
        return envelope_id(self.header) if self.header else b""

    @property
    def signed(self) -> Header:
        return HEADER.decode(self.header)

    @property
    def hashes(self) -> list[bytes]:
        """The record hashes, by which other records name these; they stay when it is signed anew."""
        return [merkle.leaf_hash(one.record) for one in self.sealed]

    @property
    def records(self) -> list[OwnRecord]:
        found = ((r.RECORD.decode(one.record), one) for one in self.sealed)
        return [
            OwnRecord(record, open_amounts(record, one.opening), one.record, one.opening) for record, one in found
        ]

    @property
    def lots(self) -> list[str]:
        return [lot for one in self.records if (lot := getattr(one.record, "lot", None)) is not None]

    @property
    def private(self) -> dict[int, bytes]:
        return {index: one.private for index, one in enumerate(self.sealed) if one.private}

    @property
    def envelope(self) -> SignedEnvelope:
        return build.assembled(self.sealed, self.header, self.signature)

    def resting_on(self, refused: Mapping[str, int]) -> "Entry":
        """This entry with the refused one, of those before it by lot, that it may rest on."""
        if self.state is not State.REFUSED:
            return self
        found = [refused[lot] for lot in self.lots if lot in refused]
        return structs.replace(self, rests_on=max(found)) if found else self

    @property
    def explanation(self) -> str:
        """Why it is still here, and what to do."""
        match self.state:
            case State.WAITING if not self.problems:
                return "waits for its turn" if self.header else "waits for its turn; it is signed anew then"
            case State.WAITING:
                return _blocked(self)
            case State.SENT:
                return "sent, and no witnessed receipt came: what became of it is asked before it goes out again"
            case State.REFUSED:
                before = f" It may rest on entry {self.rests_on}, which was refused too." if self.rests_on else ""
                return (
                    f"{_told(self)}.{before} When the cause is put right: suyuan outbox retry "
                    f"{self.number}; or give it up: suyuan outbox drop {self.number} --reason …"
                )
            case State.BOOKED if self.problems:
                return f"booked, but its private openings are refused: {_told(self)}"
            case State.BOOKED:
                to = f"node {', '.join(self.nodes)}" if self.nodes else "the node"
                return f"booked in leaf {self.leaf}; its private openings still go to {to}"
            case State.DROPPED:
                return f"given up: {_told(self)}"
            case State.DONE:
                return f"booked in leaf {self.leaf}"


def _blocked(entry: Entry) -> str:
    rule = entry.problems[0].rule
    if rule == FUTURE:
        taken = when.shown(entry.signed.time - CLAIMED_TIME_AHEAD_MS_MAX)
        return f"signed with a clock that was ahead: it is taken from {taken} on. Set this computer's clock right"
    if rule == CLOCK:
        return f"not taken yet: {_told(entry)}"
    return (
        f"not taken yet: {_told(entry)}. All that waits is kept; with another key in this identity folder "
        "it is signed anew when it is sent"
    )


def _told(entry: Entry) -> str:
    """The problems; of which record, where there are several."""
    alone = len(entry.sealed) == 1
    return "; ".join(str(structs.replace(one, record=None) if alone else one) for one in entry.problems)
