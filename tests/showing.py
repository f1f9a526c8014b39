"""Nodes of a network of four validators, each over a ledger of its own in this process: honest ones, and such as lie.
Only the lines to them are made here; ledgers, signatures and proofs are real."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from client_sdk import errors, keys
from client_sdk.trust import Trust
from client_sdk.wire import clock_ms
from ledger import genesis as g
from ledger.errors import Problem
from ledger.policy import format_policy, of_genesis
from ledger.storage.chainstore import ChainStore
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.loopback import Loopback
from tests.validators import network_genesis, note
from tests.world import DEALER, MAKER, ORIGIN, SHOP, World

GENESIS = network_genesis()
POLICY = of_genesis(GENESIS)
QUORUM = (0, 1, 2)


def ledger(folder: Path, sales: int, otherwise: Callable[[World], None] = lambda world: None) -> World:
    """A ledger after a delivery and some sales in the shop, each a block; `otherwise` happens before the sales. The
    same steps give the same bytes, so ledgers that differ in the number of sales are of one history."""
    ChainStore.create(folder, GENESIS)
    world = World(folder).founded()
    world.hand_over(MAKER, DEALER, 500)
    world.hand_over(DEALER, SHOP, 50)
    otherwise(world)
    for _ in range(sales):
        world.do(SHOP, world.sell(SHOP, 1))
    return world


class Node(Loopback):
    """A node that shows its ledger's head with the cosignatures of `by`, at `age_ms`. `blocks` may be set to others
    than the ledger's."""

    def __init__(self, world: World, by: Sequence[int] = QUORUM, folder: Path | None = None) -> None:
        self.world, self.by, self.age_ms = world, by, 0
        self.identity = None
        address = f"127.0.0.1:{id(self) % 50_000}"
        policy = format_policy(POLICY)
        self.connection = keys.Connection(ORIGIN, world.chain.hex(), address, address, "", policy)
        self.trust = Trust(POLICY, folder)
        self.faults, self.calls, self.fault = {}, [], self._listed
        self.blocks_shown = [payload for _, payload in world.store.blocks(1)]
        world.note = self.shown  # type: ignore[method-assign]

    def shown(self, at_ms: int | None = None) -> bytes:
        head = self.world.store.head.log
        return note(head.size, head.root(), self.by, clock_ms() - self.age_ms)

    def _GetCheckpoint(self, request: pb.GetCheckpointRequest) -> pb.GetCheckpointResponse:  # noqa: N802
        if request.extends_size > self.world.store.head.log.size:
            raise errors.EnvelopeRefused((Problem("extends_size", "beyond this log"),))
        return super()._GetCheckpoint(request)

    def _GetNodeInfo(self, request: pb.GetNodeInfoRequest) -> pb.NodeInfo:  # noqa: N802
        head = self.world.store.head
        return pb.NodeInfo(
            name=ORIGIN, chain_id=self.world.chain, genesis=g.to_json(GENESIS), height=head.height,
            size=head.log.size, checkpoint=self.shown(), node="itself",
        )  # fmt: skip

    def _stream(self, method: str, request: Any) -> Iterator[pb.StoredBlock]:
        if method != "StreamBlocks":
            raise NotImplementedError(method)
        for height, payload in enumerate(self.blocks_shown, 1):
            yield pb.StoredBlock(height=height, block=payload)
