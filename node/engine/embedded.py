"""The embedded engine: this process alone orders, by group commit.

While one block is planned and stored in the worker thread, the next one gathers. It cosigns for itself: the
quorum is one of one. No memory of what it last cosigned is needed beside the block file, whose fsync comes
before the signature and whose headers give size and root of every checkpoint.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import Metric

from ledger import note as n
from ledger import state as s
from ledger.errors import SuyuanError, VerifyFailed
from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_ENVELOPES_MAX,
    BLOCK_OVERHEAD_BYTES_MAX,
    ENVELOPE_OVERHEAD_BYTES_MAX,
)
from ledger.plan import Checked, Verdict
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from node.engine import ClockWrong, Cosigned, Done, Outcome, Overloaded, Stopped, journal
from node.engine.clock import Clock, steady_ms
from node.engine.isolate import INTERNAL_ERRORS, internal_verdict
from node.receipts import CheckpointSigner
from node.succession import Succession, step_at

COSIGN_AGAIN_SECONDS = 60
RETRY_AFTER_MS = 200

log = structlog.get_logger(__name__)


class Embedded:
    """`view` is the newest version that is stored and cosigned; readers take it and may keep it."""

    def __init__(
        self,
        store: ChainStore,
        signer: CheckpointSigner,
        succession: Succession,
        clock_ms: Callable[[], int],
        envelopes_max: int,
        bytes_max: int,
        clock_is_right: bool = False,
        steady_ms: Callable[[], int] = steady_ms,
    ) -> None:
        self._store = store
        self._signer = signer
        self._succession = succession
        last_block_ms = None if store.head.header is None else store.head.time
        self._clock = Clock(clock_ms, steady_ms, last_block_ms, clock_is_right)
        self._envelopes_max = envelopes_max
        self._bytes_max = bytes_max
        self._queue: deque[tuple[Checked, Done]] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._stopped = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._grown: Callable[[], None] = lambda: None
        self.witnessed = True
        self.view: ChainView = self._cosign()
        self._keep_step()

    def watch(self, grown: Callable[[], None]) -> None:
        self._grown = grown

    def offer(self, checked: Checked, done: Done) -> None:
        if self._stopped:
            raise Stopped("the node is stopping and takes nothing more")
        size = len(checked.opened.wire)
        if len(self._queue) >= self._envelopes_max or self._queued_bytes + size > self._bytes_max:
            raise Overloaded(RETRY_AFTER_MS)
        self._queue.append((checked, done))
        self._queued_bytes += size
        self._wake.set()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def trouble(self) -> str:
        try:
            self._clock.now_ms()
        except ClockWrong as error:
            return str(error)
        return "the node is stopping" if self._stopped else ""

    @property
    def cosigned(self) -> list[Cosigned]:
        view = self.view
        seconds = int.from_bytes(n.parse(view.checkpoint).signatures[-1].signature[:8], "big")
        return [Cosigned(self._signer.validator, view.head.log.size, 1000 * seconds)]

    def collect(self) -> Iterable[Metric]:
        return ()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                if not self._queue:
                    await self._wait_or_cosign_again(loop)
                    continue
                batch = self._take()
                await self._finish(batch, loop.run_in_executor(self._worker, self._make_block, batch))
        finally:
            self._stop()

    async def _finish(
        self, batch: list[tuple[Checked, Done]], future: "asyncio.Future[list[Outcome | SuyuanError]]"
    ) -> None:
        """A block that was begun is finished even while the node stops, and its envelopes get their answer; where
        it cannot be stored, they are told that nobody knows."""
        try:
            await asyncio.shield(future)
        finally:
            await asyncio.wait([future])
            failed = future.exception() is not None
            self._grown()
            outcomes = [] if failed else future.result()
            unknown = Stopped("the block could not be stored, so nobody knows whether this envelope is in it")
            for number, (_, done) in enumerate(batch):
                done(unknown if failed else outcomes[number])

    async def _wait_or_cosign_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), COSIGN_AGAIN_SECONDS)
        except TimeoutError:
            self.view = await loop.run_in_executor(self._worker, self._cosign)

    def _take(self) -> list[tuple[Checked, Done]]:
        """The next envelopes, as many as fit into one block."""
        batch: list[tuple[Checked, Done]] = []
        room = BLOCK_BYTES_MAX - BLOCK_OVERHEAD_BYTES_MAX
        while self._queue and len(batch) < BLOCK_ENVELOPES_MAX:
            size = len(self._queue[0][0].opened.wire) + ENVELOPE_OVERHEAD_BYTES_MAX
            if size > room:
                break
            room -= size
            self._queued_bytes -= size - ENVELOPE_OVERHEAD_BYTES_MAX
            batch.append(self._queue.popleft())
        return batch

    def _make_block(self, batch: list[tuple[Checked, Done]]) -> list[Outcome | SuyuanError]:
        """In the worker thread: plan, store, cosign, prove. What fails to be stored stops the engine."""
        store = self._store
        try:
            time_ms = max(self._clock.now_ms(), store.head.time)
        except ClockWrong as error:
            return [error] * len(batch)
        try:
            plan = store.plan([checked for checked, _ in batch], time_ms)
        except INTERNAL_ERRORS:
            return self._isolate(batch)
        store.commit(plan)
        if plan.block is not None:
            self.view = self._cosign()
            if plan.draft.wrote(s.POLICY_KEY):
                self._keep_step()
        ids = [checked.opened.id for checked, _ in batch]
        journal.tell(store.head.height, zip(ids, plan.verdicts, strict=True))
        return [self._outcome(verdict) for verdict in plan.verdicts]

    def _keep_step(self) -> None:
        """How readers get to a policy that they cannot know yet: that of the block at hand, or of one behind which
        the node ended before it kept the step."""
        if s.policy_in(self._store).number > self._succession.trusted.number:
            try:
                self._succession.add(step_at(self.view, self.view.checkpoint))
            except VerifyFailed as error:
                log.error("no step leads readers to the policy in force", reason=str(error))

    def _isolate(self, batch: list[tuple[Checked, Done]]) -> list[Outcome | SuyuanError]:
        """An error of ours in a rule: planning changes nothing, so the batch is halved until the envelope that
        meets the error stands alone, and only that one is refused."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return self._make_block(batch[:middle]) + self._make_block(batch[middle:])
        log.exception("planning failed", envelope=batch[0][0].opened.id.hex())
        return [Outcome(internal_verdict(), b"", [])]

    def _outcome(self, verdict: Verdict) -> Outcome:
        if verdict.leaf is None:
            return Outcome(verdict, b"", [])
        view = self.view
        proof = self._store.inclusion_proof(verdict.leaf, view.head.log)
        return Outcome(verdict, view.checkpoint, proof, time.monotonic())

    def _cosign(self) -> ChainView:
        head = self._store.head
        return self._store.view(self._signer.sign(head.log.size, head.log.root(), self._clock.stamp_ms()))

    def _stop(self) -> None:
        """Nobody is left without an answer: what was not begun is answered as not taken."""
        self._stopped = True
        while self._queue:
            _, done = self._queue.popleft()
            done(Stopped("the node stopped before this envelope's turn"))
        self._worker.shutdown(wait=True)
