"""The engine for a network of validators: CometBFT orders; this node executes, stores and cosigns what was decided.

An envelope is answered when the block with it is stored here and a quorum of validators cosigned a head that has it,
or after a bounded time with what is there. CometBFT runs as a child of this process; what it asks is worked out in
one thread, everything else in the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from ledger.plan import Checked, Verdict
from ledger.storage.chainstore import ChainStore, ChainView
from node.cosigning.cosigner import Cosigner
from node.cosigning.exchange import Exchange
from node.cosigning.gathering import Gathering, OutOfHistory
from node.engine import Done, Outcome, Stopped
from node.engine.cometbft.application import Application, Decided
from node.engine.cometbft.booked import Receipts
from node.engine.cometbft.broadcast import Broadcaster
from node.engine.cometbft.checker import Checker
from node.engine.cometbft.dispatch import Dispatch
from node.engine.cometbft.home import ABCI_SOCKET, FOLDER, RPC_SOCKET, allowed_peers, chain_name
from node.engine.cometbft.intake import Intake
from node.engine.cometbft.process import keep_running, require_version
from node.engine.cometbft.progress import Progress
from node.engine.cometbft.server import AbciServer
from node.engine.cometbft.transactions import name_of
from proto.abci import abci_pb2 as pb

COSIGN_AGAIN_SECONDS: Final = 60
LOOK_AGAIN_SECONDS: Final = 1
log = structlog.get_logger(__name__)


class Cometbft:
    """Made in the event loop that it runs in."""

    def __init__(
        self,
        store: ChainStore,
        cosigner: Cosigner,
        data: Path,
        program: Path,
        peers: Sequence[str],
        clock_ms: Callable[[], int],
        intake: Intake,
    ) -> None:
        self._store, self._cosigner, self._clock_ms = store, cosigner, clock_ms
        self._home, self._program = data / FOLDER, program
        self._loop = asyncio.get_running_loop()
        allowed = allowed_peers(self._home)
        self._progress = Progress(self._home, store.head)
        self._checker = Checker(store.head.chain, store)
        self._application = Application(store, self._checker, self._progress)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        chain = chain_name(store.genesis)
        self._dispatch = Dispatch(self._application, self._worker, self._commit, chain, allowed)
        self._server = AbciServer(self._answer)
        self._gathering = Gathering(store.genesis, self._cosign())
        self._exchange = Exchange(peers, self._heard, lambda: self._gathering.newest.checkpoint)
        self._intake = intake
        self._receipts = Receipts(lambda leaf, view: store.inclusion_proof(leaf, view.head.log))
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._grown: Callable[[], None] = lambda: None
        self._stopped = False

    # What the node asks

    @property
    def view(self) -> ChainView:
        return self._gathering.view

    @property
    def waiting(self) -> int:
        return len(self._intake) + len(self._receipts)

    def watch(self, grown: Callable[[], None]) -> None:
        self._grown = grown

    def offer(self, checked: Checked, done: Done) -> None:
        if self._stopped:
            raise Stopped("the node is stopping and takes nothing more")
        if not self._server.connected:
            raise Stopped("this node's CometBFT does not run, so nothing is ordered here; it is being started")
        earlier = self._store.accepted(checked.opened.id)
        if earlier is not None:
            self._receipts.await_quorum(Verdict(earlier.leaf, True, ()), earlier.leaf, done)
            self._loop.call_soon(self._answer_receipts)
            return
        self._intake.take(checked, done)

    async def listen(self, host: str, port: int) -> int:
        """Hear the other validators' cosignatures; the port. OSError where it cannot be listened on."""
        return await self._exchange.listen(host, port)

    async def run(self) -> None:
        try:
            await require_version(self._program)
            await self._server.listen(self._home / ABCI_SOCKET)
            self._exchange.tell(self._gathering.newest.checkpoint)
            async with Broadcaster(self._home / RPC_SOCKET) as broadcaster, asyncio.TaskGroup() as group:
                for part in (
                    keep_running(self._program, self._home),
                    self._intake.run(broadcaster, self._remember),
                    self._exchange.run(),
                    self._cosign_again(),
                    self._look_again(),
                    self._until_failure(),
                ):
                    group.create_task(part)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._stop()

    async def _until_failure(self) -> None:
        await self._failure

    async def _stop(self) -> None:
        """CometBFT has ended. Nobody is left without an answer."""
        self._stopped = True
        await self._server.close()
        await self._exchange.close()
        await self._loop.run_in_executor(None, self._worker.shutdown)
        await asyncio.sleep(0)  # what the worker still told
        for done in self._intake.give_up():
            done(Stopped("the node stopped before a block had this envelope, and nobody knows whether one will"))
        self._receipts.give_up()
        self._progress.close()
        self._cosigner.close()

    # What CometBFT asks

    async def _answer(self, request: pb.Request) -> pb.Response:
        """What cannot be answered ends the node: a disk that does not take a block, a history that does not fit."""
        if request.HasField("process_proposal"):
            self._intake.proposed(request.process_proposal.txs)
        elif request.HasField("finalize_block"):
            self._intake.decided(request.finalize_block.txs)
        try:
            return await self._dispatch.answer(request)
        except Exception as error:
            self._fail(error)
            raise

    def _remember(self, tx: bytes, checked: list[Checked]) -> None:
        """What this node admitted itself is not checked again."""
        self._worker.submit(self._checker.remember, name_of(tx), checked)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _commit(self) -> Decided:
        """In the worker: store, cosign, and let the event loop know."""
        decided = self._application.commit()
        view = None if decided.plan.block is None else self._cosign()
        self._loop.call_soon_threadsafe(self._stored, decided, view)
        return decided

    def _cosign(self) -> ChainView:
        """The stored head, signed; in the worker, or before it begins."""
        head = self._store.head.log
        note = self._cosigner.sign(head.size, head.root(), self._store.consistency_proof, self._clock_ms())
        return self._store.view(note)

    # What follows, in the event loop

    def _stored(self, decided: Decided, view: ChainView | None) -> None:
        for envelope_id, verdict in zip(decided.ids, decided.verdicts, strict=True):
            for done in self._intake.booked(envelope_id):
                if verdict.leaf is None:
                    done(Outcome(verdict, b"", []))
                else:
                    self._receipts.await_quorum(verdict, verdict.leaf, done)
        if view is not None:
            self._signed(view)
        self._answer_receipts()

    def _signed(self, view: ChainView) -> None:
        """This node signed a head: the others hear of it, and perhaps it was the one that was missing."""
        self._exchange.tell(view.checkpoint)
        try:
            if self._gathering.stored(view):
                self._shown()
        except OutOfHistory as error:
            self._fail(error)

    def _heard(self, note: bytes) -> None:
        try:
            if self._gathering.heard(note, self._clock_ms()):
                self._shown()
        except OutOfHistory as error:
            self._fail(error)

    def _shown(self) -> None:
        """Readers get another version, or the same with more cosignatures."""
        self._grown()
        self._answer_receipts()

    def _answer_receipts(self) -> None:
        if self._failure.done():
            return
        gathering = self._gathering
        self._receipts.answer(gathering.view if gathering.witnessed else None, gathering.newest)

    async def _look_again(self) -> None:
        """Whoever waited too long for the quorum gets what there is."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            self._answer_receipts()

    async def _cosign_again(self) -> None:
        """The unchanged head again, so that readers see that it is still the newest."""
        while True:
            await asyncio.sleep(COSIGN_AGAIN_SECONDS)
            self._signed(await self._loop.run_in_executor(self._worker, self._cosign))
