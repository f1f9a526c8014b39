"""Envelopes on their way into a block, in the order in which they came.

CometBFT keeps no order between transactions, and a sale must not overtake the delivery before it. So this node hands
its own CometBFT one transaction after the other: what comes while one waits for a proposal travels together in the
next, which leaves when the validators vote on the one before. By then everybody has had that one for longer than it
takes to pass on, so only a round that fails could still turn them round. CometBFT keeps its pool in memory alone, so
each is handed over again until a block has it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from ledger.limits import BLOCK_ENVELOPES_MAX, ENVELOPE_OVERHEAD_BYTES_MAX, TX_UNPACKED_BYTES_MAX
from ledger.plan import Checked
from node.engine import Done, Overloaded
from node.engine.cometbft.broadcast import Broadcaster, Taken
from node.engine.cometbft.transactions import pack

GATHER_SECONDS: Final = 0.005  # that the first of several waits for those behind it
SEND_AGAIN_SECONDS: Final = 5.0
NOT_TAKEN_SECONDS: Final = 0.5  # after which what CometBFT did not take is handed over again
LOOK_AGAIN_SECONDS: Final = 0.5
RETRY_AFTER_MS: Final = 200
_HEAD_BYTES: Final = 8  # of a transaction, beside its envelopes
Remember = Callable[[bytes, list[Checked]], None]
log = structlog.get_logger(__name__)


class Waiting(Struct):
    """An envelope, and who waits for it."""

    checked: Checked
    done: list[Done]


class Underway(Struct):
    """A transaction that no block has yet, when to hand it over (again), and whether it was proposed."""

    tx: bytes
    names: list[bytes]
    due: float = 0.0
    proposed: bool = False


class Intake:
    """Used in the event loop alone."""

    def __init__(self, envelopes_max: int, bytes_max: int) -> None:
        self._envelopes_max, self._bytes_max = envelopes_max, bytes_max
        self._waiting: dict[bytes, Waiting] = {}
        self._bytes = 0
        self._unsent: deque[bytes] = deque()
        self._underway: list[Underway] = []
        self._wake = asyncio.Event()
        self._ready = True

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, checked: Checked, done: Done) -> None:
        """Overloaded where too much waits already; then nothing was taken."""
        name, size = checked.opened.id, len(checked.opened.wire)
        if name in self._waiting:
            self._waiting[name].done.append(done)
            return
        if len(self._waiting) >= self._envelopes_max or self._bytes + size > self._bytes_max:
            raise Overloaded(RETRY_AFTER_MS)
        self._waiting[name] = Waiting(checked, [done])
        self._bytes += size
        self._unsent.append(name)
        self._wake.set()

    def proposed(self, txs: Container[bytes]) -> None:
        """The validators vote on a block of these."""
        for one in self._underway:
            one.proposed |= one.tx in txs
        self._wake.set()

    def decided(self, txs: Container[bytes]) -> None:
        """These are in a block now, which is yet to be planned and stored."""
        self._underway = [one for one in self._underway if one.tx not in txs]
        self._wake.set()

    def booked(self, name: bytes) -> list[Done]:
        """A stored block has this envelope, or refused it: whoever waits for it, for the last time."""
        waiting = self._waiting.pop(name, None)
        if waiting is None:
            return []
        self._bytes -= len(waiting.checked.opened.wire)
        return waiting.done

    def give_up(self) -> list[Done]:
        """Everybody who still waits, when the node leaves."""
        return [done for name in list(self._waiting) for done in self.booked(name)]

    async def run(self, broadcaster: Broadcaster, remember: Remember) -> None:
        """Hand over what comes, until cancelled. `remember` gets each transaction with its envelopes."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if self._unsent and all(one.proposed for one in self._underway):
                await asyncio.sleep(GATHER_SECONDS)
                await self._begin(self._next(), remember)
            await self._hand_over(broadcaster)

    async def _begin(self, envelopes: list[Checked], remember: Remember) -> None:
        wires = [one.opened.wire for one in envelopes]
        if wires:
            tx = await asyncio.get_running_loop().run_in_executor(None, pack, wires)
            remember(tx, envelopes)
            self._underway.append(Underway(tx, [one.opened.id for one in envelopes]))

    def _next(self) -> list[Checked]:
        """The next envelopes, as many as fit into one transaction."""
        taken, room = list[Checked](), TX_UNPACKED_BYTES_MAX - _HEAD_BYTES
        while self._unsent and len(taken) < BLOCK_ENVELOPES_MAX:
            waiting = self._waiting.get(self._unsent[0])
            if waiting is not None:
                room -= len(waiting.checked.opened.wire) + ENVELOPE_OVERHEAD_BYTES_MAX
                if room < 0:
                    break
                taken.append(waiting.checked)
            self._unsent.popleft()
        return taken

    async def _hand_over(self, broadcaster: Broadcaster) -> None:
        """In order, those whose time has come, and for whose envelopes somebody still waits."""
        now = asyncio.get_running_loop().time()
        self._underway = [one for one in self._underway if any(name in self._waiting for name in one.names)]
        due = [one for one in self._underway if one.due <= now]
        for one, (taken, said) in zip(due, await broadcaster.send([one.tx for one in due]), strict=True):
            one.due = now + (SEND_AGAIN_SECONDS if taken is Taken.YES else NOT_TAKEN_SECONDS)
            self._tell(taken, said)

    def _tell(self, taken: Taken, said: str) -> None:
        ready = taken is Taken.YES
        if ready != self._ready:
            log.info("CometBFT takes envelopes again") if ready else log.warning("CometBFT takes none now", said=said)
        self._ready = ready
