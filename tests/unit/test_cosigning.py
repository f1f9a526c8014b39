"""Cosigning and what waits for it: the small value on disk, the validator's own signature, quorum and exchange."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from aiohttp import ClientSession, web
from msgspec import Meta, Struct, structs

from ledger import checkpoint as c
from ledger import limits, policy
from ledger import note as n
from ledger.encoding import Codec
from ledger.errors import Damaged, Malformed, SuyuanError, VerifyFailed
from ledger.plan import Verdict
from ledger.state import policy_in
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from node import keys
from node.cosigning.clock import CosignerClock
from node.cosigning.cosigner import Cosigner
from node.cosigning.evidence import FOLDER, Evidence
from node.cosigning.exchange import PATH, Exchange
from node.cosigning.gathering import Gathering, OutOfHistory
from node.cosigning.validators import Validators
from node.engine import Outcome, Stopped
from node.engine.cometbft import booked, home
from node.engine.cometbft.booked import Receipts
from node.engine.cometbft.engine import Cometbft
from node.engine.cometbft.intake import Intake
from node.engine.cometbft.transactions import pack
from node.receipts import CheckpointSigner
from node.slots import SLOT_BYTES, Slots
from node.succession import Succession, step_at
from tests.validators import NAMES, SEEDS, SUCCESSION, network_genesis, note, validators_of
from tests.world import (
    LOG_SEED,
    MAKER,
    ORIGIN,
    REGULATOR,
    VALIDATOR,
    VALIDATOR_SEED,
    World,
    genesis,
    validator,
)

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
VALIDATORS = validators_of(network_genesis())


def view(world: World) -> ChainView:
    """The world's head as validator 1 stores and cosigns it."""
    return world.store.view(head_note(world, 0))


def head_note(world: World, *by: int, now_ms: int = NOW) -> bytes:
    log = world.store.head.log
    return note(log.size, log.root(), by, now_ms)


def agreed(found: ChainView) -> int:
    return len(policy.check(POLICY, found.checkpoint, NOW, limits.WITNESS_WINDOW_MS).times_ms)


class Time:
    """Both clocks of a validator, as told."""

    def __init__(self) -> None:
        self.wall_ms = self.steady_ms = NOW

    def clock(self) -> CosignerClock:
        return CosignerClock(NAMES[0], VALIDATORS, lambda: self.wall_ms, lambda: self.steady_ms)

    def passes(self, by_ms: int) -> None:
        self.wall_ms += by_ms
        self.steady_ms += by_ms


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gathering(world: World, time: Time, tmp_path: Path) -> Gathering:
    return Gathering(VALIDATORS, SUCCESSION, view(world), time.clock(), Evidence(tmp_path))


def test_readers_get_the_newest_version_that_a_quorum_cosigned(world: World, gathering: Gathering) -> None:
    first = gathering.view
    gathering.heard(head_note(world, 1))
    with pytest.raises(VerifyFailed, match="quorum"):
        agreed(gathering.view)
    assert gathering.heard(head_note(world, 2))
    assert (gathering.view, agreed(first)) == (first, 3)
    world.do(MAKER, world.sell(MAKER, 1))
    second = view(world)
    assert not gathering.stored(second)
    assert (gathering.view, gathering.newest) == (first, second)
    assert not gathering.heard(head_note(world, 3))
    assert gathering.heard(head_note(world, 2))
    assert (gathering.view, agreed(second)) == (second, 3)
    assert gathering.heard(head_note(world, 1))
    assert agreed(second) == 4


def test_cosignatures_may_come_before_the_block(world: World, gathering: Gathering) -> None:
    world.do(MAKER, world.sell(MAKER, 1))
    for number in (1, 2):
        assert not gathering.heard(head_note(world, number))
    second = view(world)
    assert gathering.stored(second)
    assert (gathering.view, agreed(second)) == (second, 3)


def test_the_unchanged_head_is_cosigned_again(world: World, gathering: Gathering, time: Time) -> None:
    gathering.heard(head_note(world, 1, 2))
    later = NOW + limits.WITNESS_WINDOW_MS
    time.passes(limits.WITNESS_WINDOW_MS)
    for number in (1, 2):
        assert gathering.heard(head_note(world, number, now_ms=later))
    gathering.stored(world.store.view(head_note(world, 0, now_ms=later)))
    agreed_at = policy.check(POLICY, gathering.view.checkpoint, later, limits.WITNESS_WINDOW_MS).oldest_ms
    assert agreed_at == later // 1000 * 1000


def test_what_outside_witnesses_cosigned_stays(world: World, gathering: Gathering) -> None:
    outside = n.cosign(n.parse(gathering.view.note).text, "university", SEEDS[3], NOW // 1000)
    gathering.view.outside = n.signature_lines([outside])
    assert gathering.heard(head_note(world, 1))
    assert [line.name for line in n.parse(gathering.view.checkpoint).signatures] == [ORIGIN, *NAMES[:2], "university"]


def test_what_counts_for_no_reader_counts_for_no_quorum(world: World, gathering: Gathering) -> None:
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
            gathering.heard(data)
    assert not gathering.heard(note(log.size, bytes(32), [3], NOW))  # one says so of another history
    assert not gathering.witnessed
    assert gathering.heard(head_note(world, 1, 2))


@pytest.mark.parametrize("early", [False, True])
def test_who_stands_outside_the_others_history_is_told_and_goes_no_further(
    world: World, gathering: Gathering, early: bool
) -> None:
    world.do(MAKER, world.sell(MAKER, 1))
    log = world.store.head.log
    other, third = (note(log.size, bytes(32), [number], NOW) for number in (1, 2))
    if early:
        gathering.heard(other)
        gathering.heard(third)
        with pytest.raises(OutOfHistory, match=r"validator-2, .*validator-3 cosigned"):
            gathering.stored(view(world))
        return
    gathering.stored(view(world))
    gathering.heard(other)
    gathering.heard(other)
    with pytest.raises(OutOfHistory, match="suyuan-node resync"):
        gathering.heard(third)


def test_two_histories_are_kept_and_told_once_of_each_validator(
    world: World, gathering: Gathering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = world.store.head.log
    other = note(log.size, bytes(32), [1], NOW)
    for now in (NOW, NOW, NOW + 60_000):
        assert not gathering.heard(note(log.size, bytes(32), [1], now))
    here, there = sorted((tmp_path / FOLDER).glob("*.txt"))
    assert here.read_bytes() == gathering.view.checkpoint
    assert n.parse(there.read_bytes()).signatures == n.parse(other).signatures[1:]
    assert capsys.readouterr().out.count("TWO HISTORIES") == 1


def test_what_waits_is_bounded(world: World, gathering: Gathering) -> None:
    for size in range(1000, 1000 + 2 * limits.COSIGNED_HEADS_ENTRIES_MAX):
        gathering.heard(note(size, bytes(32), [1], NOW))
    assert len(gathering._early[VALIDATORS.keys[1]]) == limits.COSIGNED_HEADS_ENTRIES_MAX
    for _ in range(limits.COSIGNED_HEADS_ENTRIES_MAX + 3):
        world.do(MAKER, world.sell(MAKER, 1))
        gathering.stored(view(world))
    assert len(gathering._heads) == limits.COSIGNED_HEADS_ENTRIES_MAX


# The time that is signed

MINUTE_MS = 60_000


def stamped(clock: CosignerClock, time: Time, others_ms: int, *by: int) -> int:
    """What is signed when these validators were heard, whose clocks differ by so much from the steady one."""
    for number in by:
        clock.heard(NAMES[number], time.steady_ms + others_ms)
    return clock.stamp_ms() - time.steady_ms


def test_a_clock_that_runs_ahead_signs_the_others_time(time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    clock = time.clock()
    time.wall_ms += 10 * MINUTE_MS
    assert stamped(clock, time, 0) == 10 * MINUTE_MS  # nobody was heard
    assert stamped(clock, time, 0, 0, 1) == 10 * MINUTE_MS  # its own word and one other are no quorum
    assert stamped(clock, time, 0, 2) == 0
    assert capsys.readouterr().out == ""
    time.passes(MINUTE_MS)
    assert stamped(clock, time, 0, 1, 2) == 0
    said = capsys.readouterr().out
    assert "THE CLOCK IS WRONG" in said
    assert "600" in said
    time.wall_ms = time.steady_ms
    for _ in range(2):
        time.passes(MINUTE_MS)
        assert stamped(clock, time, 0, 1, 2, 3) == 0
    assert capsys.readouterr().out.count("the clock agrees") == 1


def test_a_clock_that_runs_behind_is_told_and_signs_no_later_time(
    time: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = time.clock()
    time.wall_ms -= 10 * MINUTE_MS
    for _ in range(2):
        time.passes(MINUTE_MS)
        assert stamped(clock, time, 0, 1, 2, 3) == -10 * MINUTE_MS
    assert "-600" in capsys.readouterr().out


def test_a_liar_moves_nobodys_time(time: Time) -> None:
    for lie in (-100 * MINUTE_MS, 100 * MINUTE_MS):
        clock = time.clock()
        stamped(clock, time, lie, 3)
        assert stamped(clock, time, 0, 1, 2) == 0
        time.wall_ms += 10 * MINUTE_MS
        assert stamped(clock, time, 0, 1, 2) == 0
        time.wall_ms -= 10 * MINUTE_MS


def test_what_was_said_long_ago_says_nothing_of_the_time(time: Time) -> None:
    clock = time.clock()
    stamped(clock, time, 0, 1, 2, 3)
    time.passes(10 * MINUTE_MS)
    assert stamped(clock, time, -9 * MINUTE_MS, 1) == 0  # one old cosignature that comes now
    time.wall_ms += 10 * MINUTE_MS
    assert stamped(clock, time, 0, 1, 2) == 0
    assert stamped(clock, time, -9 * MINUTE_MS, 1, 2) == 0  # of the last minutes, the latest


def test_there_is_no_gap_between_what_is_heard(time: Time) -> None:
    """Each cosigns once a minute, and all but the first of them are a second on their way."""
    clock = time.clock()
    time.wall_ms += 10 * MINUTE_MS
    assert stamped(clock, time, 0, 1, 2, 3) == 0
    for _ in range(10):
        for _ in range(6):
            time.passes(10_000)
            assert -1000 <= stamped(clock, time, 0) <= 0
        stamped(clock, time, -1000, 1, 2, 3)


def test_with_a_wrong_clock_the_others_are_still_heard(world: World, gathering: Gathering, time: Time) -> None:
    time.wall_ms += 11 * MINUTE_MS
    with pytest.raises(VerifyFailed):
        gathering.heard(head_note(world, 1))
    gathering.heard(head_note(world, 2))
    assert not gathering.witnessed
    gathering.heard(head_note(world, 1))
    assert gathering.witnessed


# The exchange


async def test_two_nodes_tell_each_other(world: World) -> None:
    heard: dict[str, list[bytes]] = {"a": [], "b": []}
    a = Exchange([], heard["a"].append, lambda: b"newest of a", SUCCESSION)
    port = await a.listen("127.0.0.1", 0)
    b = Exchange([f"127.0.0.1:{port}"], heard["b"].append, lambda: b"newest of b", SUCCESSION)
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
    a = Exchange([], heard.append, lambda: b"", SUCCESSION)
    port = await a.listen("127.0.0.1", 0)
    await a.close()
    b = Exchange([f"127.0.0.1:{port}"], lambda _: None, lambda: b"", SUCCESSION)
    running = asyncio.create_task(b.run())
    b.tell(b"said while a was away")
    await asyncio.sleep(0.05)
    a = Exchange([], heard.append, lambda: b"x", SUCCESSION)
    await a.listen("127.0.0.1", port)
    while not heard:
        await asyncio.sleep(0.01)
    assert heard == [b"said while a was away"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await a.close()


@pytest.mark.parametrize("answer", ["packed", "elsewhere"])
async def test_an_answer_is_read_as_it_comes_and_from_nobody_else(answer: str) -> None:
    """Packed, it would unpack to a thousand times its length; elsewhere, a node would ask for a stranger."""
    packed, heard, elsewhere = gzip.compress(bytes(10_000_000)), list[bytes](), list[str]()

    async def answered(request: web.Request) -> web.Response:
        if request.path != PATH:
            elsewhere.append(request.path)
        if answer == "elsewhere":
            return web.Response(status=307, headers={"Location": "/other"})
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answered)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer = f"127.0.0.1:{runner.addresses[0][1]}"
    own = Exchange([peer], heard.append, lambda: b"", SUCCESSION)
    running = asyncio.create_task(own.run())
    own.tell(b"note")
    own.tell(b"another")
    async with asyncio.timeout(20):
        while own._waiting[peer]:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await runner.cleanup()
    assert elsewhere == []
    assert heard == ([packed, packed] if answer == "packed" else [])


def test_validators_that_are_confirmed_after_their_end_go_on(tmp_path: Path, time: Time) -> None:
    """A reader steps there no more; the nodes must not stop over it."""
    ended = structs.replace(network_genesis(), expires=NOW - 3_600_000)
    for name in ("ledger", "node"):
        (tmp_path / name).mkdir()
    ChainStore.create(tmp_path / "ledger", ended)
    world = World(tmp_path / "ledger", now=NOW).founded()
    succession = Succession(tmp_path / "node", ended)
    validators = Validators(ORIGIN, succession, policy_in(world.store))
    gathering = Gathering(validators, succession, view(world), time.clock(), Evidence(tmp_path))
    world.do(REGULATOR, world.policy(ended.validators, by=dict(zip(NAMES, SEEDS, strict=True))))
    gathering.stored(view(world))
    for number in (1, 2, 3):
        gathering.heard(head_note(world, number))
    gathering.stored(view(world))
    assert gathering.witnessed
    assert succession.trusted.number == 1
    world.close()


@pytest.mark.parametrize("fresh", [17, limits.VALIDATORS_ENTRIES_MAX])
def test_the_note_of_a_hand_over_is_one_that_readers_can_read(tmp_path: Path, time: Time, fresh: int) -> None:
    """All keys are new, and outside witnesses cosigned: those in office have their lines, others if there is room."""
    leaving, coming = (
        {f"{ORIGIN}/{kind}-{i}": (bytes([i]) * 32, bytes([at + i]) * 32) for i in range(fresh)}
        for at, kind in ((64, "old"), (128, "new"))
    )
    sets = [[validator(name, log, key) for name, (key, log) in one.items()] for one in (leaving, coming)]
    for name in ("ledger", "node"):
        (tmp_path / name).mkdir()
    founded = structs.replace(network_genesis(), validators=sets[0])
    ChainStore.create(tmp_path / "ledger", founded)
    world = World(tmp_path / "ledger", now=NOW).founded()
    world.do(REGULATOR, world.policy(sets[1], by={name: key for name, (key, _) in leaving.items()}))
    succession = Succession(tmp_path / "node", founded)
    validators = Validators(ORIGIN, succession, policy_in(world.store))
    text = c.Checkpoint(ORIGIN, world.store.head.log.size, world.store.head.log.root()).text()

    def told(seeds: dict[str, tuple[bytes, bytes]], name: str) -> bytes:
        key, log = seeds[name]
        return n.serialise(n.Note(text, [n.sign(text, ORIGIN, log), n.cosign(text, name, key, NOW // 1000)]))

    first, *others_told = [(seeds, name) for seeds in (coming, leaving) for name in seeds]
    shown = world.store.view(told(*first))
    gathering = Gathering(validators, succession, shown, time.clock(), Evidence(tmp_path))
    names: list[set[str]] = []
    for one in others_told:
        if succession.trusted.number:
            break
        shown.outside = n.signature_lines(
            [
                n.cosign(text, f"outside-{i}", SEEDS[0], NOW // 1000)
                for i in range(limits.OUTSIDE_WITNESSES_ENTRIES_MAX)
            ]
        )
        gathering.heard(told(*one))
        names.append({line.name for line in n.parse(gathering.view.checkpoint).signatures})
    assert gathering.witnessed
    assert succession.trusted.number == 1
    assert {ORIGIN, *coming} <= names[-2]
    assert names[-2] & set(leaving), "whoever knows those who leave may find a quorum of them"
    assert {ORIGIN, *coming} <= names[-1]
    world.close()


@pytest.mark.parametrize("stored", [True, False])
async def test_a_step_counts_where_its_head_is_stored_here(world: World, tmp_path: Path, stored: bool) -> None:
    """A node that was away asks for it; who bought the keys of former validators could hand it any other."""
    told, kept = Succession(tmp_path / "told", genesis()), Succession(tmp_path / "kept", genesis())
    for folder in ("told", "kept"):
        (tmp_path / folder).mkdir()
    following = validator("test.example/next", SEEDS[1], SEEDS[2])
    world.do(REGULATOR, world.policy([following], by={VALIDATOR: VALIDATOR_SEED}))
    head, asked = world.store.head.log, list[bytes]()
    made = c.sign_checkpoint(c.Checkpoint(ORIGIN, head.size, head.root()), ORIGIN, LOG_SEED)
    signed = c.cosign(made, VALIDATOR, VALIDATOR_SEED, NOW // 1000)
    assert told.add(step_at(world.store.view(signed), signed))
    peer = Exchange([], lambda _: None, lambda: b"", told)
    port = await peer.listen("127.0.0.1", 0)
    own = Exchange([f"127.0.0.1:{port}"], lambda _: None, lambda: b"", kept)

    def is_stored(note: bytes) -> bool:
        asked.append(note)
        return stored

    looking = asyncio.create_task(own.look(lambda: True, lambda: not kept.steps, is_stored))
    async with asyncio.timeout(20):
        while not asked:
            await asyncio.sleep(0.01)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await peer.close()
    assert asked[0] == signed
    assert kept.steps == (told.steps if stored else [])


async def test_nonsense_gets_one_clear_line(world: World, gathering: Gathering) -> None:
    exchange = Exchange([], lambda data: void(gathering.heard(data)), lambda: b"x", SUCCESSION)
    url = f"http://127.0.0.1:{await exchange.listen('127.0.0.1', 0)}{PATH}"
    async with ClientSession() as session:
        for data, status in ((b"hello", 400), (b"x" * (limits.NOTE_BYTES_MAX + 1), 413), (head_note(world, 1), 200)):
            async with session.post(url, data=data) as response:
                assert response.status == status
        async with session.get(url) as response:
            assert await response.read() == b"x"
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


# A node outside the others' history


async def test_it_takes_cosigns_and_answers_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.world.genesis", network_genesis)
    world = World(tmp_path)
    home.create(tmp_path / home.FOLDER)
    for name in (keys.CONSENSUS_KEY, keys.PEER_KEY):
        keys.store_seed(tmp_path / "keys", name, SEEDS[0])
    cosigner, taking = Cosigner(tmp_path, signer()), Intake(10, 1 << 20)
    program = Path("cometbft")
    engine = Cometbft(world.store, cosigner, SUCCESSION, tmp_path, program, "127.0.0.1:0", [], lambda: NOW, taking)
    world.founded()
    engine._signed(engine._cosign())
    found, done = outcomes()
    wire, beyond = (world.envelope(MAKER, [world.seal(world.sell(MAKER, count))]) for count in (1, 10**9))
    for one in (wire, beyond):
        engine._intake.take(world.check(one), done)
    log = world.store.head.log
    for number in (1, 2):
        engine._heard(note(log.size, bytes(32), [number], NOW))
    with pytest.raises(OutOfHistory, match="validator-2"):
        await engine._until_failure()
    with pytest.raises(Stopped):
        engine.offer(world.check(wire), done)
    decided = engine._application.finalize(1, world.now, [pack([wire, beyond])])
    await asyncio.get_running_loop().run_in_executor(engine._worker, engine._commit)
    for number in (1, 2, 3):
        engine._heard(head_note(world, number))
    engine._answer_receipts()
    assert ([one.leaf for one in decided.verdicts], found) == ([log.size, None], [])
    assert lines(sign(cosigner, world.store)) == 0
    await engine._stop()
    assert [type(one) for one in found] == [Stopped, Stopped]
    world.close()
