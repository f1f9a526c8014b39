"""Engines: who orders envelopes. `ledger` never knows which one runs.

An engine takes admitted envelopes, puts them into blocks with a time, has each block planned and stored, and
answers each envelope when its block is durable here.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct
from prometheus_client import Metric

from ledger.errors import SuyuanError
from ledger.plan import Checked, Verdict
from ledger.storage.chainview import ChainView


class Outcome(Struct, frozen=True):
    """A verdict, and for an accepted envelope the proof of its leaf under a signed checkpoint, and when its block was
    on disk here (seconds of time.monotonic)."""

    verdict: Verdict
    checkpoint: bytes
    proof: list[bytes]
    final_at: float = 0.0


class Cosigned(Struct, frozen=True):
    """A validator's newest cosignature that this node knows: of how many leaves, and when (Unix time in ms); both
    are 0 where it knows none."""

    validator: str
    leaves: int
    time_ms: int


class Overloaded(SuyuanError):
    """Too much is in flight; nothing was taken. Try again after `retry_after_ms`."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"too many envelopes are in flight; try again in {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


class ReadOnly(SuyuanError):
    """The node takes nothing new for a while, because of `why`; nothing was taken. Try again after
    `retry_after_ms`."""

    def __init__(self, why: str, retry_after_ms: int) -> None:
        super().__init__(f"this node only reads now: {why}; nothing was taken, try again in {retry_after_ms} ms")
        self.why = why
        self.retry_after_ms = retry_after_ms


class Stopped(SuyuanError):
    """The engine takes nothing more: the node is shutting down, or could not store a block."""


class ClockWrong(Stopped):
    """The machine's clock cannot be believed: nothing is ordered until it is set right, and then all goes on."""

    def __init__(self, now_ms: int, known_ms: int) -> None:
        days = (now_ms - known_ms) // 86_400_000
        super().__init__(
            f"the node takes nothing: its clock is {days} days ahead of what it knows from its last block. Its "
            "operator sets the clock right; or, if it is right, starts the node with SUYUAN_CLOCK_IS_RIGHT=1"
        )


Done = Callable[[Outcome | SuyuanError], None]
"""Called once, in the event loop, with what became of an envelope; Stopped means that nothing is known of it."""


class Engine(Protocol):
    @property
    def view(self) -> ChainView:
        """The newest version that readers get; they may keep it."""
        ...

    @property
    def witnessed(self) -> bool:
        """Whether a quorum of the validators cosigned `view`."""
        ...

    @property
    def waiting(self) -> int:
        """How many envelopes were taken and not answered."""
        ...

    @property
    def trouble(self) -> str:
        """Why it orders nothing now, or lags behind, in one line; empty where all is well. From any thread."""
        ...

    @property
    def cosigned(self) -> list[Cosigned]:
        """All validators, in the order of the genesis. From any thread."""
        ...

    def collect(self) -> Iterable[Metric]:
        """Metrics of its own, as it knows them already: Prometheus asks in a thread of its own."""
        ...

    def watch(self, grown: Callable[[], None]) -> None:
        """Have `grown` called in the event loop whenever `view` is a longer log."""
        ...

    def offer(self, checked: Checked, done: Done) -> None:
        """Take one envelope for ordering. Raises Overloaded or Stopped, and then `done` is never called."""
        ...

    async def run(self) -> None:
        """Until cancelled; raises what made it impossible to go on."""
        ...
