"""From ABCI's messages to the application and back. The application works in one thread beside the event loop, so
that checking signatures and planning hold up nobody's call, and every call sees the one before done."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import structlog

from ledger.errors import Malformed
from ledger.limits import STRANGERS_ENTRIES_MAX
from node.engine.cometbft.application import Application, Decided
from proto.abci import abci_pb2 as pb

ACCEPT: Final = 1  # of a proposal, of a vote's extension
REJECT_PROPOSAL: Final = 2
REJECT_SNAPSHOT: Final = 3
ABORT_SNAPSHOT: Final = 2
REFUSED: Final = 1  # of a transaction: CometBFT forgets it, so that the same bytes may come again later
TELL_AGAIN_SECONDS: Final = 600.0  # of a stranger, who tries again a hundred times a second
_PEER_ID: Final = "/p2p/filter/id/"
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class Dispatch:
    """`commit` stores what the application decided, in the worker; `peers` are the ids that CometBFT may speak to."""

    def __init__(
        self,
        application: Application,
        worker: ThreadPoolExecutor,
        commit: Callable[[], Decided],
        chain: str,
        peers: frozenset[str],
    ) -> None:
        self._application = application
        self._worker = worker
        self._commit = commit
        self._chain = chain
        self._peers = peers
        self._turned_away: dict[str, float] = {}

    async def answer(self, request: pb.Request) -> pb.Response:
        """Raises what makes it impossible to go on."""
        call = request.WhichOneof("call")
        match call:
            case "echo":
                return pb.Response(echo=request.echo)
            case "info":
                return pb.Response(info=await self._work(self._info))
            case "init_chain":
                return pb.Response(init_chain=await self._work(self._init_chain, request.init_chain))
            case "query":
                return pb.Response(query=self._query(request.query.path))
            case "check_tx":
                return pb.Response(check_tx=await self._work(self._check, request.check_tx.tx))
            case "prepare_proposal":
                asked = request.prepare_proposal
                txs = await self._work(self._application.prepare, list(asked.txs), asked.max_tx_bytes)
                return pb.Response(prepare_proposal=pb.Proposal(txs=txs))
            case "process_proposal":
                return pb.Response(process_proposal=await self._work(self._process, request.process_proposal))
            case "finalize_block":
                return pb.Response(finalize_block=await self._work(self._finalize, request.finalize_block))
            case "commit":
                await self._work(self._commit)
                return pb.Response(commit=pb.Committed(retain_height=0))
        return _without_state(call)

    async def _work(self, call: Callable[..., Result], *arguments: object) -> Result:
        """Finished even where its connection ends meanwhile: nothing is stored by half."""
        future = asyncio.get_running_loop().run_in_executor(self._worker, partial(call, *arguments))
        try:
            return await asyncio.shield(future)
        finally:
            await asyncio.wait([future])

    def _info(self) -> pb.Info:
        app = self._application
        return pb.Info(
            data="suyuan", last_block_height=app.height, last_block_app_hash=app.app_hash if app.height else b""
        )

    def _init_chain(self, asked: pb.InitChain) -> pb.ChainBegun:
        if asked.chain_id != self._chain or asked.initial_height > 1:
            found = f"chain {asked.chain_id!r} from height {asked.initial_height}"
            raise Malformed("cometbft/config/genesis.json", f"{found}; expected {self._chain!r} from height 1")
        return pb.ChainBegun(app_hash=self._application.app_hash)

    def _query(self, path: str) -> pb.QueryAnswer:
        """Only whether a peer may connect: by its id, which its handshake has proven; any address will do."""
        peer = path.removeprefix(_PEER_ID)
        if peer == path or peer in self._peers:
            return pb.QueryAnswer()
        now = asyncio.get_running_loop().time()
        if now - self._turned_away.get(peer, -TELL_AGAIN_SECONDS) >= TELL_AGAIN_SECONDS:
            log.warning("a stranger's CometBFT was turned away", peer=peer)
            if len(self._turned_away) >= STRANGERS_ENTRIES_MAX:
                self._turned_away.clear()
            self._turned_away[peer] = now
        return pb.QueryAnswer(code=1, log="not a node of this network")

    def _check(self, tx: bytes) -> pb.TxChecked:
        why = self._application.check(tx)
        return pb.TxChecked(code=REFUSED if why else 0, log=why)

    def _process(self, asked: pb.ProcessProposal) -> pb.Choice:
        why = self._application.process(asked.txs)
        if why:
            log.error("a proposal is rejected", height=asked.height, reason=why)
        return pb.Choice(result=REJECT_PROPOSAL if why else ACCEPT)

    def _finalize(self, asked: pb.FinalizeBlock) -> pb.BlockFinalized:
        time_ms = asked.time.seconds * 1000 + asked.time.nanos // 1_000_000
        decided = self._application.finalize(asked.height, time_ms, asked.txs)
        results = [pb.TxResult(code=0 if accepted else REFUSED) for accepted in decided.accepted]
        voters = [pb.Voter(pub_key=pb.VotingKey(ed25519=key), power=power) for key, power in decided.voters.items()]
        root = decided.plan.head.log.root()
        return pb.BlockFinalized(tx_results=results, validator_updates=voters, app_hash=root)


def _without_state(call: str | None) -> pb.Response:
    """Snapshots are not offered and not taken, votes carry no extension."""
    match call:
        case "flush":
            return pb.Response(flush=pb.Nothing())
        case "list_snapshots":
            return pb.Response(list_snapshots=pb.Nothing())
        case "offer_snapshot":
            return pb.Response(offer_snapshot=pb.Choice(result=REJECT_SNAPSHOT))
        case "load_snapshot_chunk":
            return pb.Response(load_snapshot_chunk=pb.Nothing())
        case "apply_snapshot_chunk":
            return pb.Response(apply_snapshot_chunk=pb.Choice(result=ABORT_SNAPSHOT))
        case "extend_vote":
            return pb.Response(extend_vote=pb.Nothing())
        case "verify_vote_extension":
            return pb.Response(verify_vote_extension=pb.Choice(result=ACCEPT))
    raise Malformed("ABCI message", "a call that this node does not know; is this CometBFT 0.39.4?")
