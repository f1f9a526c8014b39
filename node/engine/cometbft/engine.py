"""The engine for a network of validators: CometBFT orders; this node executes, stores and cosigns what was decided.

An envelope is answered when the block with it is stored here and a quorum of validators cosigned a head that has it,
or after a bounded time with what is there. CometBFT runs as a child of this process; what it asks is worked out in
one thread, everything else in the event loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import Metric

from ledger import checkpoint as c
from ledger import note as n
from ledger.plan import Checked, Verdict, timely
from ledger.state import policy_in
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from node.cosigning.clock import CosignerClock
from node.cosigning.cosigner import Cosigner
from node.cosigning.evidence import Evidence
from node.cosigning.exchange import Exchange
from node.cosigning.gathering import Gathering, OutOfHistory
from node.cosigning.validators import Validators
from node.cosigning.witness import Endpoint, Witness
from node.engine import Cosigned, Done, Outcome, Stopped
from node.engine.clock import steady_ms
from node.engine.cometbft import standing
from node.engine.cometbft.application import Application, Decided
from node.engine.cometbft.booked import Receipts
from node.engine.cometbft.broadcast import Broadcaster
from node.engine.cometbft.checker import Checker
from node.engine.cometbft.dispatch import Dispatch
from node.engine.cometbft.home import ABCI_SOCKET, FOLDER, RPC_SOCKET, address_of, chain_name, write_config
from node.engine.cometbft.intake import Intake
from node.engine.cometbft.process import Process
from node.engine.cometbft.progress import Progress
from node.engine.cometbft.returning import Returning
from node.engine.cometbft.server import AbciServer
from node.engine.cometbft.transactions import name_of
from node.engine.cometbft.watch import Watch
from node.peers import Peer
from node.succession import Succession
from proto.abci import abci_pb2 as pb

COSIGN_AGAIN_SECONDS: Final = 60
EXPIRED: Final = "envelope.expired"
LOOK_AGAIN_SECONDS: Final = 1
OUTDATED: Final = "its keys are no longer those in office: start it again, so that it takes its next ones"
UNTOLD_SECONDS: Final = 1.0  # by then every validator has told what it cosigned
RETURNING: Final = "it does not know what it signed last, and signs nothing until it stands where the others stand"
log = structlog.get_logger(__name__)


class Cometbft:
    """Made in the event loop that it runs in."""

    def __init__(
        self,
        store: ChainStore,
        cosigner: Cosigner,
        succession: Succession,
        data: Path,
        program: Path,
        listen: str,
        peers: Sequence[Peer],
        clock_ms: Callable[[], int],
        intake: Intake,
    ) -> None:
        self._store, self._cosigner, self._clock_ms = store, cosigner, clock_ms
        self._home = data / FOLDER
        self._loop = asyncio.get_running_loop()
        self._returning = Returning(self._home, cosigner.has_signed)
        cosigner.held = self._returning.active
        write_config(self._home, data / "keys", store.genesis, listen, peers)
        allowed = frozenset(address_of(peer.peer) for peer in peers)
        self._peers = {peer.name: address_of(peer.peer) for peer in peers}
        self._progress = Progress(self._home, store.head)
        self._checker = Checker(store.head.chain, store)
        self._application = Application(store, self._checker, self._progress)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        chain = chain_name(store.genesis)
        self._dispatch = Dispatch(self._application, self._worker, self._commit, chain, allowed)
        self._server = AbciServer(self._answer)
        validators = Validators(store.genesis.name, succession, policy_in(store))
        evidence = Evidence(data)
        self._validators = validators
        self._clock = CosignerClock(cosigner.name, validators, clock_ms, steady_ms)
        self._gathering = Gathering(validators, succession, self._cosign(), self._clock, evidence)
        self._endpoint = Endpoint(Witness(store, cosigner, self._clock, evidence), validators, self._worker)
        addresses = [peer.cosign for peer in peers]
        self._exchange = Exchange(addresses, self._heard, lambda: self._gathering.newest.checkpoint, succession)
        self._intake = intake
        self._receipts = Receipts(lambda leaf, view: store.inclusion_proof(leaf, view.head.log))
        self._process = Process(program, self._home, self._returning.prepare)
        self._watch = Watch(self._home / RPC_SOCKET)
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._grown: Callable[[], None] = lambda: None
        self._stopped = False
        self._unknown: tuple[str, ...] = ()
        self._standing = self._look()

    # What the node asks

    @property
    def view(self) -> ChainView:
        return self._gathering.view

    @property
    def witnessed(self) -> bool:
        return self._gathering.witnessed

    @property
    def waiting(self) -> int:
        return len(self._intake) + len(self._receipts)

    def watch(self, grown: Callable[[], None]) -> None:
        self._grown = grown

    @property
    def trouble(self) -> str:
        return standing.trouble(self._standing)

    @property
    def cosigned(self) -> list[Cosigned]:
        return list(self._standing.cosigned)

    def collect(self) -> Iterable[Metric]:
        return standing.collect(self._standing)

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
        problem = timely(checked.opened, self._store.head.time)
        if problem is not None and problem.rule == EXPIRED:  # for good; no block needs to say so
            done(Outcome(Verdict(None, False, (problem,)), b"", []))
            return
        self._intake.take(checked, done)

    async def listen(self, host: str, port: int, *others: web.RouteDef) -> int:
        """Hear the other validators' cosignatures, be a witness, and hear what goes to the others' routes; the port.
        OSError where it cannot be listened on."""
        return await self._exchange.listen(host, port, self._endpoint.route, *others)

    async def run(self) -> None:
        try:
            await self._server.listen(self._home / ABCI_SOCKET)
            self._tell(self._gathering.newest)
            async with Broadcaster(self._home / RPC_SOCKET) as broadcaster, asyncio.TaskGroup() as group:
                for part in (
                    self._process.keep_running(),
                    self._watch.run(),
                    self._intake.run(broadcaster, self._remember),
                    self._exchange.run(),
                    self._exchange.look(self._lacks_quorum, lambda: self._validators.is_behind, self._is_stored),
                    self._cosign_again(),
                    self._look_again(),
                    self._until_failure(),
                ):
                    group.create_task(part)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._stop()

    def _lacks_quorum(self) -> bool:
        """Whether the others' cosignatures have to be asked for: nobody tells an observer, and not all are told
        to a validator that only some have let in."""
        return not self._is_validator() or self._gathering.lag()[1] > UNTOLD_SECONDS

    def _is_validator(self) -> bool:
        """Whether this node's cosignatures count."""
        return self._cosigner.key in self._validators.keys

    def _is_stored(self, note: bytes) -> bool:
        """Whether the head in a note is one of the log that is stored here."""
        head = c.parse(n.parse(note).text)
        return head.size <= self._store.head.log.size and self._store.root_at(head.size) == head.root

    async def _until_failure(self) -> None:
        """From its end on nothing is taken, while CometBFT is still being ended."""
        try:
            await self._failure
        finally:
            self._stopped = True

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
        """From here on nothing is taken, cosigned or answered; what waits is told so when the node has stopped."""
        self._stopped = True
        self._cosigner.stop()
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
        note = self._cosigner.sign(head.size, head.root(), self._store.consistency_proof, self._clock.stamp_ms())
        return self._store.view(note)

    # What follows, in the event loop

    def _stored(self, decided: Decided, view: ChainView | None) -> None:
        if view is not None:
            self._signed(view)
        if self._failure.done():
            return
        for envelope_id, verdict in zip(decided.ids, decided.verdicts, strict=True):
            for done in self._intake.booked(envelope_id):
                if verdict.leaf is None:
                    done(Outcome(verdict, b"", []))
                else:
                    self._receipts.await_quorum(verdict, verdict.leaf, done)
        self._answer_receipts()

    def _signed(self, view: ChainView) -> None:
        """This node signed a head: the others hear of it, and perhaps it was the one that was missing."""
        self._tell(view)
        try:
            if self._gathering.stored(view):
                self._shown()
        except OutOfHistory as error:
            self._fail(error)

    def _tell(self, view: ChainView) -> None:
        if self._is_validator() and not self._cosigner.held:
            self._exchange.tell(view.checkpoint)

    def _heard(self, note: bytes) -> None:
        try:
            if self._gathering.heard(note):
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
        """Whoever waited too long for the quorum gets what there is; and how all stands is looked at."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            self._answer_receipts()
            self._standing = self._look()
            if self._returning.active:
                await self._try_to_return()

    async def _try_to_return(self) -> None:
        """Vote and cosign again, once this node stands where the others stand."""
        seen, newest, office = self._watch.seen, self._gathering.sightings.newest, self._validators.office
        names = {key.name for key in office.keys}
        others = [one for name, one in newest.items() if name in names - {self._cosigner.name}]
        needed, liars = min(office.needed, len(names - {self._cosigner.name})), len(names) - office.needed
        leaves, voters = self._store.head.log.size, self._voters()
        if (
            self._returning.may_end(seen, leaves, others, voters, needed, liars, self._clock_ms())
            and seen is not None
        ):
            if self._returning.end(seen.height):
                await self._process.start_again()
                self._watch.seen = None  # what was seen before says nothing of this one
            self._cosigner.held = False

    def _voters(self) -> frozenset[str]:
        """The other validators in office whose files this node has, by CometBFT's id."""
        names = {key.name for key in self._validators.office.keys} - {self._cosigner.name}
        return frozenset(self._peers[name] for name in names if name in self._peers)

    async def _cosign_again(self) -> None:
        """The unchanged head again, so that readers see that it is still the newest."""
        while True:
            await asyncio.sleep(COSIGN_AGAIN_SECONDS)
            self._signed(await self._loop.run_in_executor(self._worker, self._cosign))

    def _look(self) -> standing.Standing:
        gathering, office = self._gathering, self._validators.office
        seen = {key.name: gathering.sightings.newest.get(key.name) for key in office.keys}
        others = [name for name in seen if name != self._cosigner.name]
        unknown = tuple(name for name in others if name not in self._peers)
        if unknown != self._unknown and self._is_validator():
            log.warning("peers/ lacks the files of validators: suyuan-node peer", validators=unknown)
        self._unknown = unknown
        is_outdated = self._cosigner.name in seen and self._cosigner.key not in office.keys
        lag_leaves, lag_seconds = gathering.lag()
        return standing.Standing(
            now_ms=self._clock_ms(),
            reasons=(
                "the node is stopping" if self._stopped else "",
                "" if self._server.connected else "CometBFT does not run; it is being started",
                RETURNING if self._returning.active else "",
                OUTDATED if is_outdated else "",
            ),
            seen=self._watch.seen,
            peers_expected=len(self._peers),
            voters=self._voters(),
            voters_needed=office.needed - 1 if self._is_validator() else 0,
            liars=len(office.keys) - office.needed,
            unknown=unknown,
            cosigned=tuple(
                Cosigned(name, one.leaves, one.time_ms) if one else Cosigned(name, 0, 0) for name, one in seen.items()
            ),
            clock_ahead_ms=self._clock.ahead_ms(),
            quorum_ms=gathering.witnessed_ms,
            lag_leaves=lag_leaves,
            lag_seconds=lag_seconds,
            unwitnessed=len(self._receipts),
            stalled_seconds=self._loop.time() - self._watch.grown_at,
            starts=self._process.starts,
        )
