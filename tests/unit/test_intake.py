"""Envelopes on their way into CometBFT: together, in order, again and again, and no more than there is room for."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.plan import Checked
from node.admission import Admission
from node.engine import Overloaded
from node.engine.cometbft import intake
from node.engine.cometbft.broadcast import Taken
from node.engine.cometbft.intake import Intake
from node.engine.cometbft.transactions import unpack
from tests.world import MAKER, World


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Checked]]:
    world = World(tmp_path).founded()
    admission = Admission(world.chain, world.store)
    sales = [world.envelope(MAKER, [world.seal(world.sell(MAKER, quantity))]) for quantity in (1, 2, 3)]
    yield [admission.admit(wire) for wire in sales]
    world.close()


class Pool:
    """In the place of CometBFT's: answers as told, then YES. `sent` has the envelopes of each transaction."""

    def __init__(self, *answers: Taken) -> None:
        self.answers = list(answers)
        self.txs: list[bytes] = []

    async def send(self, txs: list[bytes]) -> list[tuple[Taken, str]]:
        self.txs += txs
        return [(self.answers.pop(0) if self.answers else Taken.YES, "") for _ in txs]

    def sent(self, count: int) -> Any:
        return until(lambda: len(self.txs) >= count)


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(taking: Intake, pool: Pool, remembered: dict[bytes, list[Checked]] | None = None) -> Any:
    remember = ({} if remembered is None else remembered).__setitem__
    task = asyncio.create_task(taking.run(pool, remember))  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def nobody(_: Any) -> None:
    """Waits for an outcome."""


async def test_what_comes_together_travels_together_and_is_not_checked_again(three: list[Checked]) -> None:
    taking, pool, remembered = Intake(10, 10**6), Pool(), dict[bytes, list[Checked]]()
    for one in three:
        taking.take(one, nobody)
    async with running(taking, pool, remembered):
        await pool.sent(1)
    assert unpack(pool.txs[0]) == [one.opened.wire for one in three]
    assert remembered == {pool.txs[0]: three}


async def test_the_next_leaves_when_the_one_before_is_proposed_or_decided(three: list[Checked]) -> None:
    taking, pool = Intake(10, 10**6), Pool()
    async with running(taking, pool):
        for number, (one, reached) in enumerate(zip(three, (taking.proposed, taking.decided, None), strict=True)):
            taking.take(one, nobody)
            await pool.sent(number + 1)
            if reached is not None:
                taking.take(three[number + 1], nobody)
                taking.proposed([b"another"])
                await asyncio.sleep(0.02)
                assert len(pool.txs) == number + 1
                reached(pool.txs[-1:])
    assert [unpack(tx) for tx in pool.txs] == [[one.opened.wire] for one in three]


@pytest.mark.parametrize("answer", [Taken.LATER, Taken.FULL])
async def test_it_is_handed_over_until_a_block_has_it(
    three: list[Checked], answer: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEND_AGAIN_SECONDS", "NOT_TAKEN_SECONDS", "LOOK_AGAIN_SECONDS"):
        monkeypatch.setattr(intake, name, 0.01)
    taking, pool = Intake(10, 10**6), Pool(answer)
    for one in three[:2]:
        taking.take(one, nobody)
        taking.take(one, nobody)
    async with running(taking, pool):
        await pool.sent(2)
        taking.proposed(pool.txs)
        await pool.sent(4)
        assert len(set(pool.txs)) == 1
        taking.decided(pool.txs)
        count = len(pool.txs)
        await asyncio.sleep(0.05)
        assert len(pool.txs) == count
    first, second = (one.opened.id for one in three[:2])
    assert (len(taking.booked(first)), taking.booked(first), len(taking)) == (2, [], 1)
    assert (len(taking.booked(second)), len(taking)) == (2, 0)


async def test_what_others_brought_into_a_block_is_not_handed_over_again(
    three: list[Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEND_AGAIN_SECONDS", "LOOK_AGAIN_SECONDS"):
        monkeypatch.setattr(intake, name, 0.01)
    taking, pool = Intake(10, 10**6), Pool()
    taking.take(three[0], nobody)
    async with running(taking, pool):
        await pool.sent(2)
        taking.booked(three[0].opened.id)
        taking.take(three[1], nobody)
        await until(lambda: len(set(pool.txs)) == 2)
    assert unpack(pool.txs[-1]) == [three[1].opened.wire]


async def test_a_transaction_holds_no_more_than_others_take(
    three: list[Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BLOCK_ENVELOPES_MAX", 2)
    taking, pool = Intake(10, 10**6), Pool()
    for one in three:
        taking.take(one, nobody)
    async with running(taking, pool):
        await pool.sent(1)
        assert len(unpack(pool.txs[0])) == 2
        monkeypatch.setattr(intake, "TX_UNPACKED_BYTES_MAX", 20 + len(three[2].opened.wire))
        taking.take(three[0], nobody)
        taking.decided(pool.txs)
        await pool.sent(2)
    assert unpack(pool.txs[1]) == [three[2].opened.wire]


async def test_beyond_its_bounds_nothing_is_taken(three: list[Checked]) -> None:
    few = Intake(2, 10**6)
    for one in three[:2]:
        few.take(one, nobody)
    with pytest.raises(Overloaded):
        few.take(three[2], nobody)
    assert (len(few), len(few.give_up()), len(few)) == (2, 2, 0)
    small = Intake(10, len(three[0].opened.wire) + 1)
    small.take(three[0], nobody)
    with pytest.raises(Overloaded):
        small.take(three[1], nobody)
