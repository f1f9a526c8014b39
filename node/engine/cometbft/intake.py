"""Envelopes on their way into a block: handed to the node's own CometBFT, again and again until a block has them,
since CometBFT keeps its pool in memory alone."""

import asyncio
from typing import Final

import structlog
from msgspec import Struct

from node.engine import Done, Overloaded
from node.engine.cometbft.broadcast import Broadcaster, Taken
from node.engine.cometbft.transactions import name_of

SEND_AGAIN_SECONDS: Final = 5.0
RETRY_AFTER_MS: Final = 200
log = structlog.get_logger(__name__)


class Waiting(Struct):
    """A packed envelope, when it was sent last, and who waits for it."""

    tx: bytes
    sent_at: float
    done: list[Done]


class Intake:
    """Used in the event loop alone."""

    def __init__(self, envelopes_max: int, bytes_max: int) -> None:
        self._envelopes_max, self._bytes_max = envelopes_max, bytes_max
        self._waiting: dict[bytes, Waiting] = {}
        self._bytes = 0
        self._unsent: list[bytes] = []
        self._wake = asyncio.Event()
        self._ready = True

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, tx: bytes, done: Done) -> None:
        """Overloaded where too much waits already; then nothing was taken."""
        name = name_of(tx)
        if name in self._waiting:
            self._waiting[name].done.append(done)
            return
        if len(self._waiting) >= self._envelopes_max or self._bytes + len(tx) > self._bytes_max:
            raise Overloaded(RETRY_AFTER_MS)
        self._waiting[name] = Waiting(tx, 0.0, [done])
        self._bytes += len(tx)
        self._unsent.append(name)
        self._wake.set()

    def decided(self, name: bytes) -> list[Done]:
        """A block has this transaction: whoever waits for it, for the last time."""
        waiting = self._waiting.pop(name, None)
        if waiting is None:
            return []
        self._bytes -= len(waiting.tx)
        return waiting.done

    async def run(self, broadcaster: Broadcaster) -> None:
        """Hand over what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(SEND_AGAIN_SECONDS):
                    await self._wake.wait()
                names = [name for name in self._unsent if name in self._waiting]
            except TimeoutError:
                late = loop.time() - SEND_AGAIN_SECONDS
                names = [name for name, waiting in self._waiting.items() if waiting.sent_at <= late]
            self._wake.clear()
            self._unsent.clear()
            for name in names:
                self._waiting[name].sent_at = loop.time()
            outcomes = await broadcaster.send([self._waiting[name].tx for name in names])
            for name, (taken, said) in zip(names, outcomes, strict=True):
                self._tell(name, taken, said)

    def _tell(self, name: bytes, taken: Taken, said: str) -> None:
        if taken is Taken.FULL:
            for done in self.decided(name):
                done(Overloaded(RETRY_AFTER_MS))
        ready = taken is not Taken.LATER
        if ready != self._ready:
            log.info("CometBFT takes envelopes again") if ready else log.warning("CometBFT takes none now", said=said)
        self._ready = ready

    def give_up(self) -> list[Done]:
        """Everybody who still waits, when the node leaves."""
        return [done for name in list(self._waiting) for done in self.decided(name)]
