"""Cosigning and what waits for it: the small value on disk, the validator's own signature, quorum and exchange."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from aiohttp import ClientSession
from msgspec import Meta, Struct

from ledger import limits, policy
from ledger import note as n
from ledger.encoding import Codec
from ledger.errors import Damaged, Malformed, SuyuanError, VerifyFailed
from ledger.plan import Verdict
from ledger.storage.chainstore import ChainStore, ChainView
from node.cosigning.cosigner import Cosigner
from node.cosigning.exchange import PATH, Exchange
from node.cosigning.gathering import Gathering, OutOfHistory
from node.engine import Outcome, Stopped
from node.engine.cometbft import booked
from node.engine.cometbft.booked import Receipts
from node.receipts import CheckpointSigner
from node.slots import SLOT_BYTES, Slots
from tests.validators import NAMES, SEEDS, network_genesis, note
from tests.world import LOG_SEED, MAKER, ORIGIN, World

NOW = 1_763_000_500_000


# A small value on disk


class Value(Struct, frozen=True, kw_only=True):
    number: Annotated[int, Meta(ge=0)]


VALUE = Codec(Value, "value")


def stored(path: Path, *numbers: int) -> None:
    slots = Slots(path, VALUE)
    for number in numbers:
        slots.store(Value(number=number))
    slots.close()


def read(path: Path) -> int | None:
    slots = Slots(path, VALUE)
    slots.close()
    return None if slots.value is None else slots.value.number


def test_the_last_value_is_read_again(tmp_path: Path) -> None:
    assert read(tmp_path / "v") is None
    for number in (7, 8, 9):
        stored(tmp_path / "v", number)
        assert read(tmp_path / "v") == number


@pytest.mark.parametrize("count", [2, 3])
def test_a_torn_write_leaves_the_value_before(tmp_path: Path, count: int) -> None:
    path = tmp_path / "v"
    stored(path, *range(count))
    whole = path.read_bytes()
    newest = (count - 1) % 2 * SLOT_BYTES
    used = len(whole[newest : newest + SLOT_BYTES].rstrip(b"\x00"))
    for at in range(newest, newest + used):
        torn = bytearray(whole)
        torn[at] ^= 0xFF
        path.write_bytes(torn)
        assert read(path) == count - 2
    path.write_bytes(bytes(byte ^ 0x55 for byte in whole))
    with pytest.raises(Damaged, match="neither of its two slots"):
        read(path)


# The validator's own signature


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def signer() -> CheckpointSigner:
    return CheckpointSigner(ORIGIN, LOG_SEED, NAMES[0], SEEDS[0])


def lines(made: bytes) -> int:
    """Cosignatures beside the log's own signature."""
    return len(n.parse(made).signatures) - 1


def sign(cosigner: Cosigner, store: ChainStore) -> bytes:
    return cosigner.sign(store.head.log.size, store.head.log.root(), store.consistency_proof, NOW)


def test_heads_are_cosigned_in_order_and_never_below_what_was_signed(tmp_path: Path, world: World) -> None:
    cosigner = Cosigner(tmp_path, signer())
    earlier = (world.store.head.log.size, world.store.head.log.root())
    assert lines(sign(cosigner, world.store)) == 1
    world.do(MAKER, world.sell(MAKER, 1))
    assert [lines(sign(cosigner, world.store)) for _ in range(2)] == [1, 1]
    cosigner.close()
    restored = Cosigner(tmp_path, signer())
    assert lines(restored.sign(*earlier, world.store.consistency_proof, NOW)) == 0
    assert lines(sign(restored, world.store)) == 1
    restored.close()


def test_another_history_is_never_cosigned(tmp_path: Path, world: World) -> None:
    cosigner = Cosigner(tmp_path, signer())
    world.do(MAKER, world.sell(MAKER, 1))
    sign(cosigner, world.store)
    fork = World(tmp_path / "fork").founded()
    fork.do(MAKER, fork.sell(MAKER, 2))
    assert fork.store.head.log.size == world.store.head.log.size
    assert lines(sign(cosigner, fork.store)) == 0
    fork.do(MAKER, fork.sell(MAKER, 3))
    assert lines(sign(cosigner, fork.store)) == 0
    world.do(MAKER, world.sell(MAKER, 4))
    assert lines(sign(cosigner, world.store)) == 1
    fork.close()
    cosigner.close()


# The quorum


POLICY = policy.of_genesis(network_genesis())


def view(world: World) -> ChainView:
    """The world's head as validator 1 stores and cosigns it."""
    return world.store.view(head_note(world, 0))


def head_note(world: World, *by: int, now_ms: int = NOW) -> bytes:
    log = world.store.head.log
    return note(log.size, log.root(), by, now_ms)


def agreed(found: ChainView) -> int:
    return len(policy.check(POLICY, found.checkpoint, NOW, limits.WITNESS_WINDOW_MS).times_ms)


def test_readers_get_the_newest_version_that_a_quorum_cosigned(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    first = gathering.view
    gathering.heard(head_note(world, 1), NOW)
    with pytest.raises(VerifyFailed, match="quorum"):
        agreed(gathering.view)
    assert gathering.heard(head_note(world, 2), NOW)
    assert (gathering.view, agreed(first)) == (first, 3)
    world.do(MAKER, world.sell(MAKER, 1))
    second = view(world)
    assert not gathering.stored(second)
    assert (gathering.view, gathering.newest) == (first, second)
    assert not gathering.heard(head_note(world, 3), NOW)
    assert gathering.heard(head_note(world, 2), NOW)
    assert (gathering.view, agreed(second)) == (second, 3)
    assert gathering.heard(head_note(world, 1), NOW)
    assert agreed(second) == 4


def test_cosignatures_may_come_before_the_block(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    world.do(MAKER, world.sell(MAKER, 1))
    for number in (1, 2):
        assert not gathering.heard(head_note(world, number), NOW)
    second = view(world)
    assert gathering.stored(second)
    assert (gathering.view, agreed(second)) == (second, 3)


def test_the_unchanged_head_is_cosigned_again(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    gathering.heard(head_note(world, 1, 2), NOW)
    later = NOW + limits.WITNESS_WINDOW_MS
    for number in (1, 2):
        assert gathering.heard(head_note(world, number, now_ms=later), later)
    gathering.stored(world.store.view(head_note(world, 0, now_ms=later)))
    agreed_at = policy.check(POLICY, gathering.view.checkpoint, later, limits.WITNESS_WINDOW_MS).oldest_ms
    assert agreed_at == later // 1000 * 1000


def test_what_counts_for_no_reader_counts_for_no_quorum(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    log = world.store.head.log
    own = n.parse(head_note(world, 1))
    forged = n.NoteSignature(NAMES[1], own.signatures[1].key_id, bytes(72))
    far = limits.WITNESS_WINDOW_MS + 1000
    bad = {
        "not a note": b"hello",
        "another log": note(log.size, log.root(), [1], NOW, "another.example/log"),
        "nobody's": head_note(world),
        "old": head_note(world, 1, now_ms=NOW - far),
        "ahead": head_note(world, 1, now_ms=NOW + far),
        "forged": n.serialise(n.Note(own.text, [own.signatures[0], forged])),
    }
    for data in bad.values():
        with pytest.raises((Malformed, VerifyFailed)):
            gathering.heard(data, NOW)
    assert not gathering.heard(note(log.size, bytes(32), [3], NOW), NOW)  # one says so of another history
    assert not gathering.witnessed
    assert gathering.heard(head_note(world, 1, 2), NOW)


@pytest.mark.parametrize("early", [False, True])
def test_who_stands_outside_the_others_history_is_told_and_goes_no_further(world: World, early: bool) -> None:
    gathering = Gathering(network_genesis(), view(world))
    world.do(MAKER, world.sell(MAKER, 1))
    log = world.store.head.log
    other, third = (note(log.size, bytes(32), [number], NOW) for number in (1, 2))
    if early:
        gathering.heard(other, NOW)
        gathering.heard(third, NOW)
        with pytest.raises(OutOfHistory, match=r"validator-2, .*validator-3 cosigned"):
            gathering.stored(view(world))
        return
    gathering.stored(view(world))
    gathering.heard(other, NOW)
    gathering.heard(other, NOW)
    with pytest.raises(OutOfHistory, match="suyuan-node resync"):
        gathering.heard(third, NOW)


def test_what_waits_is_bounded(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    for size in range(1000, 1000 + 2 * limits.COSIGNED_HEADS_ENTRIES_MAX):
        gathering.heard(note(size, bytes(32), [1], NOW), NOW)
    assert len(gathering._early[NAMES[1]]) == limits.COSIGNED_HEADS_ENTRIES_MAX
    for _ in range(limits.COSIGNED_HEADS_ENTRIES_MAX + 3):
        world.do(MAKER, world.sell(MAKER, 1))
        gathering.stored(view(world))
    assert len(gathering._heads) == limits.COSIGNED_HEADS_ENTRIES_MAX


# The exchange


async def test_two_nodes_tell_each_other(world: World) -> None:
    heard: dict[str, list[bytes]] = {"a": [], "b": []}
    a = Exchange([], heard["a"].append, lambda: b"newest of a")
    port = await a.listen("127.0.0.1", 0)
    b = Exchange([f"127.0.0.1:{port}"], heard["b"].append, lambda: b"newest of b")
    running = asyncio.create_task(b.run())
    said = [head_note(world, number) for number in (1, 2, 3)]
    for one in said:
        b.tell(one)
    while len(heard["b"]) < 3:
        await asyncio.sleep(0.01)
    assert heard == {"a": said, "b": [b"newest of a"] * 3}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await a.close()


async def test_who_cannot_be_reached_is_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cosigning.exchange.AGAIN_SECONDS", 0.01)
    heard: list[bytes] = []
    a = Exchange([], heard.append, lambda: b"")
    port = await a.listen("127.0.0.1", 0)
    await a.close()
    b = Exchange([f"127.0.0.1:{port}"], lambda _: None, lambda: b"")
    running = asyncio.create_task(b.run())
    b.tell(b"said while a was away")
    await asyncio.sleep(0.05)
    a = Exchange([], heard.append, lambda: b"x")
    await a.listen("127.0.0.1", port)
    while not heard:
        await asyncio.sleep(0.01)
    assert heard == [b"said while a was away"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await a.close()


async def test_nonsense_gets_one_clear_line(world: World) -> None:
    gathering = Gathering(network_genesis(), view(world))
    exchange = Exchange([], lambda data: void(gathering.heard(data, NOW)), lambda: b"x")
    url = f"http://127.0.0.1:{await exchange.listen('127.0.0.1', 0)}{PATH}"
    async with ClientSession() as session:
        for data, status in ((b"hello", 400), (b"x" * (limits.NOTE_BYTES_MAX + 1), 413), (head_note(world, 1), 200)):
            async with session.post(url, data=data) as response:
                assert response.status == status
        async with session.get(url) as response:
            assert response.status == 405
    await exchange.close()


def void(_: object) -> None:
    return None


# Receipts, and envelopes on their way


def outcomes() -> tuple[list[Any], Any]:
    found: list[Outcome | SuyuanError] = []
    return found, found.append


async def test_a_receipt_waits_for_the_quorum_and_not_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = Receipts(lambda leaf, shown: world.store.inclusion_proof(leaf, shown.head.log))
    found, done = outcomes()
    old = view(world)
    leaf = old.head.log.size
    receipts.await_quorum(Verdict(leaf, False, ()), leaf, done)
    world.do(MAKER, world.sell(MAKER, 1))
    new = view(world)
    receipts.answer(None, new)
    receipts.answer(old, new)
    assert (found, len(receipts)) == ([], 1)
    receipts.answer(new, new)
    assert [one.checkpoint for one in found] == [new.checkpoint]
    monkeypatch.setattr(booked, "WITNESS_WAIT_MS_MAX", 0)
    receipts.await_quorum(Verdict(leaf, False, ()), leaf, done)
    receipts.answer(old, new)
    assert [one.verdict.leaf for one in found] == [leaf, leaf]
    monkeypatch.undo()
    receipts.await_quorum(Verdict(leaf, False, ()), leaf, done)
    receipts.give_up()
    assert isinstance(found[-1], Stopped)
