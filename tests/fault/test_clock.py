"""A clock that is set back, or jumps ahead and comes right again: block time never goes back, no envelope is lost,
and no jump makes a chain refuse its honest members for longer than the jump lasts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client_sdk import build
from client_sdk.outbox import Outbox, State
from client_sdk.wire import clock_ms
from ledger import block as b
from ledger import policy
from ledger.errors import SuyuanError, VerifyFailed
from ledger.limits import CLAIMED_TIME_AHEAD_MS_MAX, CLOCK_AHEAD_MS_MAX, ENVELOPE_LIFETIME_MS_MAX, WITNESS_WINDOW_MS
from ledger.merkle import leaf_hash
from ledger.storage.chainstore import ChainStore
from node.engine import ClockWrong, Outcome, embedded
from node.engine.embedded import Embedded
from node.receipts import CheckpointSigner
from node.succession import Succession
from tests.fault.full_check import acknowledged_of, full_check
from tests.fault.inner_node import InnerNode
from tests.network import Network
from tests.world import DAY_MS, LOG_SEED, LOT, MAKER, ORIGIN, POLICY, VALIDATOR, VALIDATOR_SEED, World

HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS


class Trade:
    """A world whose time passes (`later`), and a node in it whose clock is `wrong_by` off. Its engine answers each
    envelope; all that was acknowledged is remembered."""

    def __init__(self, world: World) -> None:
        self.world, self.wrong_by, self.acknowledged = world, 0, acknowledged_of(world.folder)

    def later(self, milliseconds: int) -> None:
        self.world.now += milliseconds

    @asynccontextmanager
    async def node(self, is_right: bool = False) -> AsyncIterator[Embedded]:
        """From a start of the node to its stop."""
        world = self.world
        world.store.close()
        world.store = ChainStore.open(world.folder)
        signer = CheckpointSigner(ORIGIN, LOG_SEED, VALIDATOR, VALIDATOR_SEED)
        engine = Embedded(
            world.store,
            signer,
            Succession(world.folder, world.store.genesis),
            lambda: world.now + self.wrong_by,
            100,
            10**6,
            is_right,
            lambda: world.now,
        )
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def sale(self, lifetime_ms: int = DAY_MS) -> bytes:
        world = self.world
        not_after = world.now + lifetime_ms
        return world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))], not_after=not_after)

    async def send(self, engine: Embedded, *wires: bytes) -> list[Outcome | SuyuanError]:
        answers: list[Outcome | SuyuanError] = []
        for wire in wires:
            engine.offer(self.world.check(wire), answers.append)
        while len(answers) < len(wires):
            await asyncio.sleep(0.001)
        return answers

    async def booked(self, engine: Embedded, *wires: bytes) -> None:
        for wire, answer in zip(wires, await self.send(engine, *wires), strict=True):
            assert isinstance(answer, Outcome)
            assert answer.verdict.leaf is not None, answer.verdict.problems
            leaves = self.world.check(wire).opened.leaf
            self.acknowledged[leaf_hash(leaves)] = answer.verdict.leaf

    async def refused(self, engine: Embedded, wire: bytes) -> str:
        [answer] = await self.send(engine, wire)
        assert isinstance(answer, Outcome)
        [problem] = answer.verdict.problems
        assert "wrong" in problem.remedy
        return problem.rule

    def block_times(self) -> list[int]:
        blocks = (b.BLOCK.decode(payload) for _, payload in self.world.store.blocks(1))
        return [b.HEADER.decode(block.header).time for block in blocks]


@pytest.fixture
def trade(tmp_path: Path) -> Iterator[Trade]:
    world = World(tmp_path / "node").founded()
    trade = Trade(world)
    yield trade
    times = trade.block_times()
    assert times == sorted(times)
    world.close()
    full_check(world.folder, trade.acknowledged)


@pytest.mark.parametrize("back", [HOUR_MS, 3 * DAY_MS, YEAR_MS])
async def test_set_back_between_blocks_and_across_a_restart(trade: Trade, back: int) -> None:
    """Block time stands still. Who signs much later by a clock that is right is told that one of the clocks is
    wrong; the same bytes are taken when it is right."""
    async with trade.node() as engine:
        await trade.booked(engine, trade.sale())
        trade.wrong_by = -back
        await trade.booked(engine, trade.sale(), trade.sale())
    async with trade.node() as engine:
        trade.later(CLAIMED_TIME_AHEAD_MS_MAX // 2)
        await trade.booked(engine, trade.sale())
        trade.later(CLAIMED_TIME_AHEAD_MS_MAX)
        wire = trade.sale()
        assert await trade.refused(engine, wire) == "envelope.future"
        trade.wrong_by = 0
        await trade.booked(engine, wire)
        times = trade.block_times()
        assert len(set(times[-4:-1])) == 1
        assert times[-1] == trade.world.now


async def test_cosignatures_of_a_node_with_a_wrong_clock_say_how_old_they_are(trade: Trade) -> None:
    trade.wrong_by = -DAY_MS
    async with trade.node() as engine:
        await trade.booked(engine, trade.sale())
        now = trade.world.now
        with pytest.raises(VerifyFailed, match=f"within {WITNESS_WINDOW_MS} ms of {now}"):
            policy.check(POLICY, engine.view.checkpoint, now, WITNESS_WINDOW_MS)
        trade.wrong_by = 0
        await trade.booked(engine, trade.sale())
        policy.check(POLICY, engine.view.checkpoint, now, WITNESS_WINDOW_MS)


@pytest.mark.parametrize("while_it_runs", [True, False])
async def test_a_clock_far_ahead_makes_no_block(trade: Trade, while_it_runs: bool) -> None:
    """One block a year ahead would refuse every honest envelope for a year; so there is none, whoever asks for it."""
    trade.wrong_by = 0 if while_it_runs else YEAR_MS
    async with trade.node() as engine:
        trade.wrong_by = YEAR_MS
        size = trade.world.store.head.log.size
        honest = [trade.sale() for _ in range(3)]
        trade.later(YEAR_MS)
        friend_of_the_wrong_clock = trade.sale()
        trade.later(-YEAR_MS)
        for answer in await trade.send(engine, *honest, friend_of_the_wrong_clock):
            assert isinstance(answer, ClockWrong)
            assert "365 days ahead" in str(answer)
        assert trade.world.store.head.log.size == size
        assert "365 days ahead" in engine.trouble
        stamp = trade.world.now
        assert policy.check(POLICY, engine._cosign().checkpoint, stamp, WITNESS_WINDOW_MS).oldest_ms <= stamp
        trade.wrong_by = 0
        assert engine.trouble == ""
        await trade.booked(engine, *honest)


async def test_a_jump_within_the_bound_costs_a_signature_and_nothing_else(trade: Trade) -> None:
    """Ten days ahead, and right again: block time stays ahead until the days have passed. An envelope signed for a
    day has run out by then and is told so; one signed for as long as may be is taken at once, and later all are."""
    async with trade.node() as engine:
        trade.wrong_by = 10 * DAY_MS
        await trade.booked(engine, trade.sale(ENVELOPE_LIFETIME_MS_MAX))
        ahead = trade.world.store.head.time
        trade.wrong_by = 0
        assert await trade.refused(engine, trade.sale()) == "envelope.expired"
        await trade.booked(engine, trade.sale(ENVELOPE_LIFETIME_MS_MAX))
        assert trade.world.store.head.time == ahead
    async with trade.node() as engine:
        trade.later(9 * DAY_MS + HOUR_MS)
        await trade.booked(engine, trade.sale())
        assert trade.world.store.head.time == ahead
        trade.later(DAY_MS)
        await trade.booked(engine, trade.sale())
        assert trade.world.store.head.time == trade.world.now > ahead


async def test_the_longest_envelope_outlives_the_greatest_jump(trade: Trade) -> None:
    async with trade.node() as engine:
        trade.wrong_by = CLOCK_AHEAD_MS_MAX
        await trade.booked(engine, trade.sale(ENVELOPE_LIFETIME_MS_MAX))
        trade.wrong_by = 0
        await trade.booked(engine, trade.sale(ENVELOPE_LIFETIME_MS_MAX))


async def test_weeks_without_a_block_are_no_jump(trade: Trade) -> None:
    """While the node runs its steady clock knows; after a long stop its operator says so."""
    async with trade.node() as engine:
        trade.later(60 * DAY_MS)
        await trade.booked(engine, trade.sale())
    trade.later(60 * DAY_MS)
    async with trade.node() as engine:
        wire = trade.sale()
        [answer] = await trade.send(engine, wire)
        assert isinstance(answer, ClockWrong)
        assert "SUYUAN_CLOCK_IS_RIGHT" in str(answer)
    async with trade.node(is_right=True) as engine:
        await trade.booked(engine, wire)


# Over gRPC, with an outbox


@pytest.mark.slow
def test_an_outbox_waits_for_the_nodes_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose clock came right cosigns its head anew within a minute; here at once."""
    monkeypatch.setattr(embedded, "COSIGN_AGAIN_SECONDS", 0.05)
    network = Network(tmp_path)
    network.found_with_goods(MAKER)
    network.certify(MAKER)
    assert network.stop() == 0
    acknowledged = acknowledged_of(network.data)
    wrong_by = 0
    with InnerNode(network, lambda: clock_ms() + wrong_by) as node, node.client(MAKER) as client:
        assert client.identity is not None
        with Outbox(client.identity.folder, client.connection.chain_id, client.identity) as outbox:
            for number, wrong_by in enumerate((0, YEAR_MS, -3 * DAY_MS, 0)):
                sale = build.sell(lot=LOT, quantity=1, ref=f"CL-{number}", at=clock_ms(), site=MAKER.site)
                outbox.add([sale])
                report = outbox.send(client)
                if wrong_by:
                    assert report.again
                    assert "clock" in report.stopped
                while not wrong_by and report.stopped:
                    assert report.again
                    report = outbox.send(client)
            assert list(outbox.waiting()) == []
            booked = [entry for entry in outbox.settled() if entry.state is State.DONE]
            assert len(booked) == 4
    now = acknowledged_of(network.data)
    assert len(now) == len(acknowledged) + 4
    full_check(network.data, acknowledged | now)
