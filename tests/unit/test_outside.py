"""Outside witnesses: what is submitted, what becomes of the answers, and which version readers get meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError

from ledger import checkpoint as c
from ledger import merkle, policy, signature
from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import NOTE_BYTES_MAX, WITNESS_WINDOW_MS
from ledger.storage.chainview import ChainView
from ledger.tlogwitness import PATH, SIZE_TYPE, decode
from node.config import Settings
from node.cosigning import outside
from node.cosigning.address import Address, parse_address
from node.cosigning.outside import Outside
from tests import outside as stock
from tests.validators import NAMES, SEEDS, network_genesis, note
from tests.world import MAKER, ORIGIN, World

NOW = 1_763_000_500_000
OWN = policy.of_genesis(network_genesis())
STRICT = policy.parse_policy(stock.strict_policy(policy.format_policy(OWN)))


class Ordering:
    """In the place of an engine: its view is the world's head, cosigned by three validators."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "node").founded()
        self.witnessed = True
        self.view = self._cosigned()
        self.grown = asyncio.Event()

    def _cosigned(self) -> ChainView:
        log = self.world.store.head.log
        return self.world.store.view(note(log.size, log.root(), [0, 1, 2], NOW))

    def growth(self) -> asyncio.Event:
        return self.grown

    def grow(self) -> None:
        self.world.do(MAKER, self.world.sell(MAKER, 1))
        self.view = self._cosigned()
        self.grown.set()
        self.grown = asyncio.Event()


class Small:
    """A witness straight from the specification; `mood` answers in its place."""

    def __init__(self, name: str = stock.NAME, seed: bytes = stock.SEED) -> None:
        self.name, self.seed = name, seed
        self.size, self.root = 0, merkle.EMPTY_ROOT
        self.asked: list[tuple[int, int]] = []
        self.mood: Callable[[bytes], web.Response] | None = None
        self.stalled: asyncio.Event | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_post("/w" + PATH, self._answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", port).start()
        self.port = int(self.runner.addresses[0][1])

    async def stop(self) -> None:
        await self.runner.cleanup()

    @property
    def address(self) -> Address:
        key = n.VerifierKey(self.name, n.COSIGNATURE, signature.public_key(self.seed))
        return parse_address(f"{key} http://127.0.0.1:{self.port}/w/")

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        asked = decode(body)
        head = c.parse(n.parse(asked.note).text)
        self.asked.append((asked.old, head.size))
        if self.stalled is not None:
            await self.stalled.wait()
        if self.mood is not None:
            return self.mood(asked.note)
        if asked.old != self.size or (head.size == self.size and head.root != self.root):
            return web.Response(status=409, content_type=SIZE_TYPE, body=b"%d\n" % self.size)
        merkle.verify_consistency(self.size, head.size, self.root, head.root, asked.proof)
        self.size, self.root = head.size, head.root
        return self.signed(asked.note)

    def signed(self, made: bytes, at_ms: int = NOW) -> web.Response:
        line = n.cosign(n.parse(made).text, self.name, self.seed, at_ms // 1000)
        other = n.cosign(n.parse(made).text, "somebody.example", SEEDS[3], at_ms // 1000)
        return web.Response(body=n.signature_lines([other, line]))


@pytest.fixture
async def ordering(tmp_path: Path) -> AsyncIterator[Ordering]:
    ordering = Ordering(tmp_path)
    yield ordering
    ordering.world.close()


@pytest.fixture
async def small() -> AsyncIterator[Small]:
    small = Small()
    await small.start()
    yield small
    await small.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is not what these tests are about."""
    monkeypatch.setattr(outside, "SUBMIT_SECONDS", 0.01)
    monkeypatch.setattr(outside, "OUTSIDE_PAUSE_SECONDS_MAX", 0.02)


class Running:
    def __init__(self, ordering: Ordering, *witnesses: Small) -> None:
        self.ordering = ordering
        self.outside = Outside([one.address for one in witnesses], ordering, ordering.world.store, lambda: NOW)  # type: ignore[arg-type]

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(self.outside.run(self.ordering.growth))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                assert not self.task.done()
                await asyncio.sleep(0.005)

    @property
    def size(self) -> int:
        return self.outside.shown.head.log.size

    @property
    def strict(self) -> bool:
        """Whether the reader who demands the outside witness believes what is shown."""
        policy.check(OWN, self.outside.shown.checkpoint, NOW, WITNESS_WINDOW_MS)
        try:
            return len(policy.check(STRICT, self.outside.shown.checkpoint, NOW, WITNESS_WINDOW_MS).times_ms) > 0
        except VerifyFailed:
            return False


@pytest.mark.usefixtures("quick")
async def test_readers_get_versions_that_the_witness_cosigned(ordering: Ordering, small: Small) -> None:
    async with Running(ordering, small) as running:
        for _ in range(3):
            await running.until(lambda: running.strict and running.size == ordering.view.head.log.size)
            ordering.grow()
        assert all(size > old for old, size in small.asked)
        assert len(small.asked) <= 4
        submitted = n.parse(ordering.view.checkpoint)
        assert [line.name for line in submitted.signatures][:4] == [ORIGIN, *NAMES[:3]]


@pytest.mark.usefixtures("quick")
async def test_who_cosigned_more_than_is_known_here_is_followed(ordering: Ordering, small: Small) -> None:
    log = ordering.view.head.log
    small.size, small.root = log.size, log.root()
    ordering.grow()
    async with Running(ordering, small) as running:
        await running.until(lambda: running.strict)
    assert small.asked == [(0, log.size + 2), (log.size, log.size + 2)]


async def test_a_head_that_the_witness_is_beyond_waits_for_the_next(ordering: Ordering, small: Small) -> None:
    """Another node submitted a newer head before; this one stores it a moment later, and readers see no gap."""
    other = World(ordering.folder / "other").founded()
    for _ in range(2):
        other.do(MAKER, other.sell(MAKER, 1))
    async with Running(ordering, small) as running:
        await running.until(lambda: running.strict)
        ordering.grow()
        small.size, small.root = other.store.head.log.size, other.store.head.log.root()
        await running.until(lambda: len(small.asked) == 2)
        ordering.grow()
        while running.size < small.size:
            assert running.strict
            await asyncio.sleep(0.005)
        assert ordering.view.head.log.size == small.size
    other.close()


@pytest.mark.usefixtures("quick")
async def test_without_a_quorum_nothing_is_submitted(ordering: Ordering, small: Small) -> None:
    ordering.witnessed = False
    async with Running(ordering, small) as running:
        ordering.grow()
        await running.until(lambda: running.size == ordering.view.head.log.size)
        assert small.asked == []
        ordering.witnessed = True
        await running.until(lambda: running.strict)


async def test_readers_wait_for_the_witness_and_not_for_ever(
    ordering: Ordering, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "SUBMIT_SECONDS", 0.01)
    monkeypatch.setattr(outside, "OUTSIDE_WAIT_SECONDS_MAX", 0.5)
    async with Running(ordering, small) as running:
        await running.until(lambda: running.strict)
        before = running.size
        small.stalled = asyncio.Event()
        ordering.grow()
        await running.until(lambda: len(small.asked) == 2)
        assert (running.size, running.strict) == (before, True)
        await running.until(lambda: running.size > before)
        assert not running.strict
        small.stalled.set()


@pytest.mark.usefixtures("quick")
async def test_a_lost_witness_is_told_once_and_tried_until_it_is_back(
    ordering: Ordering, small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Running(ordering, small) as running:
        await running.until(lambda: running.strict)
        await small.stop()
        ordering.grow()
        await running.until(lambda: running.size == ordering.view.head.log.size and not running.strict)
        await asyncio.sleep(0.2)
        await small.start(small.port)
        await running.until(lambda: running.strict)
    said = capsys.readouterr().out
    assert said.count("an outside witness does not cosign") == 1
    assert said.count("an outside witness cosigns again") == 1


@pytest.mark.usefixtures("quick")
async def test_an_answer_that_proves_nothing_is_not_merged(
    ordering: Ordering, small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    other = n.serialise(n.Note(f"{ORIGIN}\n9\n{'A' * 43}=\n", [n.sign("x", ORIGIN, SEEDS[0])]))
    stranger = Small("stranger.example", SEEDS[3])
    moods: dict[str, Callable[[bytes], web.Response]] = {
        "it answers 403: unknown": lambda _: web.Response(status=403, text="unknown\n"),
        "it answers 302": lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        "signature": lambda _: small.signed(other),
        "has no cosignature by": stranger.signed,
        "is not a signature line": lambda _: web.Response(text="yes\n"),
        "longer than a note may be": lambda _: web.Response(body=b"x" * (NOTE_BYTES_MAX + 1)),
        "is off by 601 s": lambda made: small.signed(made, NOW + WITNESS_WINDOW_MS + 1000),
        "is not a decimal number": lambda _: web.Response(status=409, content_type=SIZE_TYPE, text="many\n"),
        "ANOTHER HEAD of 0 leaves": lambda _: web.Response(status=409, content_type=SIZE_TYPE, text="0\n"),
    }
    async with Running(ordering, small) as running:
        for why, mood in moods.items():
            small.mood = mood
            ordering.grow()
            said = ""
            while why not in said:
                said += capsys.readouterr().out
                await asyncio.sleep(0.01)
            assert not running.strict
        small.mood = None
        await running.until(lambda: running.strict)


@pytest.mark.usefixtures("quick")
async def test_several_witnesses_cosign_one_version(ordering: Ordering, small: Small) -> None:
    second = Small("second.example", SEEDS[3])
    await second.start()
    async with Running(ordering, small, second) as running:
        for _ in range(2):
            await running.until(lambda: running.strict and running.size == ordering.view.head.log.size)
            names = [line.name for line in n.parse(running.outside.shown.checkpoint).signatures]
            assert names == [ORIGIN, *NAMES[:3], stock.NAME, "second.example"]
            ordering.grow()
        await second.stop()
        ordering.grow()
        await running.until(lambda: running.size == ordering.view.head.log.size)
        await running.until(lambda: running.strict)


@pytest.mark.usefixtures("quick")
async def test_the_unchanged_head_is_cosigned_again(
    ordering: Ordering, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "COSIGN_AGAIN_SECONDS", 0.05)
    size = ordering.view.head.log.size
    async with Running(ordering, small) as running:
        await running.until(lambda: len(small.asked) >= 3)
        assert small.asked[1:3] == [(size, size), (size, size)]


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    log = n.VerifierKey("log.example", n.ED25519, stock.KEY.key)
    assert parse_address(f"{stock.KEY} https://w.example/a/").url == "https://w.example/a/add-checkpoint"
    for text, why in (
        (str(stock.KEY), "one space"),
        (f"{stock.KEY} w.example", "one space"),
        (f"{stock.KEY}  https://w.example", "one space"),
        (f"{log} https://w.example", "not of type 04"),
        (f"{str(stock.KEY)[:-2]} https://w.example", "base64"),
    ):
        with pytest.raises(Malformed, match=why):
            parse_address(text)
        with pytest.raises(ValidationError, match=why):
            Settings(data=tmp_path, witnesses=[text])
    assert Settings(data=tmp_path, witnesses=[f"{stock.KEY} http://w.example"]).witnesses
