"""Private openings from node to node: what travels, who takes what, and that each named node has it in the end, once,
whatever fails on the way."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from msgspec import structs
from nacl.public import PrivateKey
from yarl import URL

from ledger import limits
from ledger import records as r
from ledger.encoding import encode
from ledger.errors import Damaged, Malformed
from ledger.private import Private, opening_of
from ledger.seals import seal
from node import keys, peers
from node.cosigning.exchange import Exchange
from node.disk import Disk
from node.engine import ReadOnly
from node.errors import Forbidden, NotFound, NotStored
from node.openings import Openings
from node.post import sender as sending
from node.post.letters import LETTER, Desk, Given, Letter
from node.post.receiver import PATH, Receiver
from node.post.sender import Sender
from node.private import BYTES_FILE, ROWS_FILE, Erased, PrivateStore
from node.privatefiles import Contents, copy_store, gather
from node.succession import Succession
from tests.ceremony import LOG, Network, found_four
from tests.unit.test_private import Broken, no_space, points
from tests.world import DEALER, MAKER, World

HOW = Erased(MAKER.id, 1_763_000_000_000, "客户要求")
SALES = 6


def opening(number: int) -> bytes:
    return opening_of(b"salt of 16 bytes", Private(note=f"kept from others {number}", price=number))


@dataclass
class Trade:
    """A ledger with sales, each with a private part; `places` are theirs."""

    world: World
    places: list[tuple[int, int]]

    def openings(self, *numbers: int) -> list[tuple[int, int, bytes]]:
        return [(*self.places[number], opening(number)) for number in numbers or range(SALES)]


def traded(folder: Path, sales: int) -> Trade:
    world, places = World(folder).founded(), []
    for number in range(sales):
        places.append((world.store.head.log.size, 0))
        sale = world.sell(MAKER, 1)
        world.do(MAKER, world.act(r.Sell, sale.amounts, **{**sale.fields, "private": seal(opening(number))}))
    return Trade(world, places)


def stands(folder: Path, data: bytes) -> bool:
    """Whether these bytes stand in a file of a folder."""
    return any(data in path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def trade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    found = traded(tmp_path_factory.mktemp("trade") / "node", SALES)
    yield found
    found.world.close()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return found_four(tmp_path_factory.mktemp("network"))


@dataclass
class Node:
    """A node's folder with its keys, peers and private store; `world` is its ledger."""

    data: Path
    trade: Trade
    peer: peers.Peer = field(init=False)
    key: PrivateKey = field(init=False)
    private: PrivateStore = field(init=False)

    def __post_init__(self) -> None:
        self.peer = peers.read(self.data / peers.OWN_FILE)
        self.key = keys.openings_key(self.data / "keys")
        self.private = PrivateStore(self.data / ROWS_FILE)

    @property
    def name(self) -> str:
        return self.peer.name

    def reopen(self) -> None:
        """What is left after a crash."""
        self.private.close()
        self.private = PrivateStore(self.data / ROWS_FILE)

    def receiver(self, free_bytes_min: int = 0) -> Receiver:
        disk = Disk(self.data, free_bytes_min)
        return Receiver(self.data, self.name, self.key, self.trade.world.store, self.private, disk)

    def desk(self, other: "Node") -> Desk:
        return Desk(self.key, self.name, other.peer)

    def openings(self, sender: Sender | None = None) -> Openings:
        store = self.trade.world.store
        view = store.view(self.trade.world.note())
        return Openings(store, self.private, self.name, lambda: view, sender)

    def has(self, *numbers: int) -> list[bool]:
        return [self.private.get(*self.trade.places[number]) == opening(number) for number in numbers]


@pytest.fixture
def nodes(tmp_path: Path, founded: Network, trade: Trade) -> Iterator[list[Node]]:
    """Four that know one another, all with the same ledger."""
    found = [Node(shutil.copytree(folder, tmp_path / folder.name), trade) for folder in founded.folders]
    yield found
    for node in found:
        node.private.close()


# What travels


def test_a_letter_is_read_by_whom_it_is_for_and_answered(nodes: list[Node], trade: Trade) -> None:
    a, b, c, _ = nodes
    letter = a.desk(b).give(trade.openings())
    assert all(opening(number) not in LETTER.encode(letter) for number in range(SALES))
    found = b.desk(a).given(letter)
    assert (found.sender, found.receiver, found.openings) == (a.name, b.name, trade.openings())
    answer = b.desk(a).answer(letter, [trade.places[1]], "later")
    assert a.desk(b).taken(letter, answer).taken == [trade.places[1]]
    with pytest.raises(Forbidden, match="another letter"):
        a.desk(b).taken(a.desk(b).give(trade.openings()), answer)
    for reader, writer in ((c, a), (b, c), (a, b)):
        with pytest.raises(Forbidden):
            reader.desk(writer).given(letter)


def test_one_flipped_bit_is_no_letter(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    letter = a.desk(b).give(trade.openings(0))
    for at in range(len(letter.box) * 8):
        box = bytearray(letter.box)
        box[at // 8] ^= 1 << at % 8
        with pytest.raises(Forbidden, match="altered on its way"):
            b.desk(a).given(Letter(box=bytes(box), sender=a.name))


def test_a_letter_that_names_others_than_its_keys_is_refused(nodes: list[Node], trade: Trade) -> None:
    a, b, c, _ = nodes
    for sender, receiver in ((c, b), (a, c), (b, a)):
        desk = Desk(a.key, sender.name, structs.replace(b.peer, name=receiver.name))
        with pytest.raises(Forbidden, match=f"one from {a.name} for {b.name} is expected"):
            b.desk(a).given(desk.give(trade.openings(0)))


# Taking


def test_what_fits_a_seal_is_taken_and_nothing_else(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    other, block_header = (*trade.places[1], opening(0)), (trade.places[2][0] + 1, 0, opening(2))
    beyond = (2**50, 0, opening(3))
    letter = a.desk(b).give([*trade.openings(0), other, block_header, beyond, *trade.openings(4)])
    answer = a.desk(b).taken(letter, b.receiver().take(LETTER.encode(letter)))
    assert answer.taken == [trade.places[0], trade.places[4]]
    assert answer.why is not None
    assert "does not match" in answer.why
    assert b.has(0, 1, 2, 3, 4) == [True, False, False, False, True]
    assert (b.data / BYTES_FILE).stat().st_size == len(opening(0)) + len(opening(4))


def test_twice_given_is_once_kept_and_what_was_erased_stays_so(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    letter = a.desk(b).give(trade.openings())
    b.private.erase([trade.places[2]], HOW)
    for _ in range(3):
        answer = a.desk(b).taken(letter, b.receiver().take(LETTER.encode(letter)))
        assert sorted(answer.taken) == trade.places
        assert answer.why is None
        size = (b.data / BYTES_FILE).stat().st_size
        assert size == sum(len(opening(number)) for number in range(SALES) if number != 2)
        b.reopen()
    assert b.private.get(*trade.places[2]) == HOW
    assert b.has(0, 1, 3, 4, 5) == [True] * 5


def test_a_receiver_that_is_behind_takes_the_rest_later(nodes: list[Node], trade: Trade, tmp_path: Path) -> None:
    a, b, _, _ = nodes
    b.trade = traded(tmp_path / "behind", 2)
    letter = a.desk(b).give(trade.openings())
    answer = a.desk(b).taken(letter, b.receiver().take(LETTER.encode(letter)))
    assert answer.taken == trade.places[:2]
    assert answer.why == f"{b.name} has no record 0 in leaf {trade.places[2][0]} yet"
    b.trade.world.close()


def test_who_is_not_known_or_writes_for_others_is_turned_away(nodes: list[Node], trade: Trade) -> None:
    a, b, c, _ = nodes
    letter = LETTER.encode(a.desk(b).give(trade.openings()))
    with pytest.raises(Forbidden, match="does not open"):
        c.receiver().take(letter)
    stranger = Letter(box=a.desk(b).give(trade.openings()).box, sender=f"{LOG}/stranger")
    with pytest.raises(Forbidden, match="stranger is not known"):
        b.receiver().take(LETTER.encode(stranger))
    (b.data / peers.FOLDER / f"{a.data.name}.json").unlink()
    with pytest.raises(Forbidden, match=f"{a.name} is not known to {b.name}"):
        b.receiver().take(letter)
    assert b.has(*range(SALES)) == [False] * SALES


def test_a_public_file_with_another_key_opens_nothing(nodes: list[Node], trade: Trade) -> None:
    a, b, c, _ = nodes
    peers.add(b.data, structs.replace(a.peer, openings=c.peer.openings))
    with pytest.raises(Forbidden, match="another public file"):
        b.receiver().take(LETTER.encode(a.desk(b).give(trade.openings())))
    with pytest.raises(Forbidden, match="is none"):
        Desk(a.key, a.name, structs.replace(b.peer, openings=bytes(32))).give(trade.openings())


def test_nonsense_in_a_sealed_letter_is_named(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    many = [(leaf, 0, b"x") for leaf in range(limits.PEER_OPENINGS_ENTRIES_MAX + 1)]
    large = [(1, 0, bytes(limits.OPENING_BYTES_MAX + 1))]
    for openings in ([], many, large, [(-1, 0, b"x")], [(1, -1, b"x")], [(2**63, 0, b"x")]):
        data = encode(Given(openings=openings, receiver=b.name, sender=a.name))
        letter = Letter(box=a.desk(b)._seal(data), sender=a.name)
        with pytest.raises(Malformed, match="openings"):
            b.receiver().take(LETTER.encode(letter))


def test_a_full_disk_takes_nothing_and_says_so(
    nodes: list[Node], trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _, _ = nodes
    letter = LETTER.encode(a.desk(b).give(trade.openings()))
    with pytest.raises(ReadOnly):
        b.receiver(free_bytes_min=2**62).take(letter)
    with monkeypatch.context() as patch:
        points(patch, 0, False, no_space)
        with pytest.raises(NotStored):
            b.receiver().take(letter)
    b.receiver().take(letter)
    assert b.has(*range(SALES)) == [True] * SALES


# Over HTTP


class House:
    """Receivers that listen, as the exchange has them; each node's address goes into the others' peers/."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._open: dict[str, Exchange] = {}
        self._ports: dict[str, int] = {}

    async def open(self, node: Node, route: web.RouteDef | None = None) -> str:
        succession = Succession(node.data, node.trade.world.store.genesis)
        exchange = Exchange([], lambda _: None, lambda: b"", succession)
        port = await exchange.listen("127.0.0.1", self._ports.get(node.name, 0), route or node.receiver().route)
        self._open[node.name], self._ports[node.name] = exchange, port
        for other in self._nodes:
            if other is not node:
                peers.add(other.data, structs.replace(node.peer, cosign=f"127.0.0.1:{port}"))
        return f"http://127.0.0.1:{port}{PATH}"

    async def close(self, *nodes: Node) -> None:
        for name in [node.name for node in nodes] or list(self._open):
            await self._open.pop(name).close()


async def test_each_fault_has_its_status(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    house = House(nodes)
    url = await house.open(b)
    largest = a.desk(b).give([(2**50, number, bytes(limits.OPENING_BYTES_MAX)) for number in range(64)])
    stranger = Letter(box=bytes(100), sender=f"{LOG}/stranger")
    bodies = (
        (b"hello", 400),
        (bytes(limits.PEER_LETTER_BYTES_MAX + 1), 413),
        (LETTER.encode(stranger), 403),
        (LETTER.encode(largest), 200),
        (LETTER.encode(a.desk(b).give(trade.openings())), 200),
    )
    async with ClientSession() as session:
        for body, status in bodies:
            async with session.post(url, data=body) as response:
                assert response.status == status, await response.text()
        async with session.get(url) as response:
            assert response.status == 405
    await house.close()


async def test_letters_that_come_slowly_keep_no_other_waiting(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    house = House(nodes)
    url = URL(await house.open(b))
    begun = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n1".encode()
    slow = [await asyncio.open_connection(url.host, url.port) for _ in range(2 * limits.PEER_LETTERS_REQUESTS_MAX)]
    for _, writer in slow:
        writer.write(begun)
    async with asyncio.timeout(limits.PEER_LETTER_SECONDS_MAX - 10), ClientSession() as session:
        async with session.get(url) as response:
            assert response.status == 405  # by then the others' heads are read
        async with session.post(url, data=LETTER.encode(a.desk(b).give(trade.openings()))) as response:
            assert response.status == 200, await response.text()
    for _, writer in slow:
        writer.close()
    await house.close()


class Running:
    """A sender at work."""

    def __init__(self, node: Node) -> None:
        self.sender = Sender(node.data, node.name, node.key, node.private)
        self._task = asyncio.create_task(self.sender.run())

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(sending, "AGAIN_SECONDS_MAX", 0.02)


async def test_named_nodes_get_them_others_do_not_and_the_giver_forgets(nodes: list[Node], trade: Trade) -> None:
    a, b, c, d = nodes
    house = House(nodes)
    for node in (b, c, d):
        await house.open(node)
    running = Running(a)
    giving = a.openings(running.sender)
    assert giving.put(MAKER.id, trade.openings(0, 1), [b.name, d.name]) == 2
    assert giving.put(MAKER.id, trade.openings(2), [b.name, a.name, b.name]) == 1
    await running.until(lambda: not a.private.waiting)
    assert [node.has(0, 1, 2) for node in nodes] == [
        [False, False, True],
        [True, True, True],
        [False, False, False],
        [True, True, False],
    ]
    assert not any(stands(a.data, opening(number)) for number in (0, 1))
    with pytest.raises(NotFound, match="keeps no opening"):
        giving.get(MAKER.id, *trade.places[0])
    with pytest.raises(Malformed, match=f"it knows {b.name}, .*cannot give openings to nobody.example"):
        giving.put(MAKER.id, trade.openings(3), [b.name, "nobody.example"])
    with pytest.raises(Malformed, match="signed no record"):
        giving.put(DEALER.id, trade.openings(3), [b.name])
    assert not a.private.waiting
    await running.stop()
    await house.close()


async def test_who_was_away_gets_them_when_it_is_back_and_through_restarts(
    nodes: list[Node], trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c, _ = nodes
    house = House(nodes)
    for node in (b, c):
        await house.open(node)
    await house.close(b)
    told: list[str] = []
    monkeypatch.setattr(sending.log, "warning", lambda *_, **said: told.append(said["reason"]))
    running = Running(a)
    a.openings(running.sender).put(MAKER.id, trade.openings(), [b.name, c.name])
    await running.until(lambda: a.private.waiting == {b.name: SALES} and bool(told))
    assert c.has(*range(SALES)) == [True] * SALES
    await running.stop()
    a.reopen()
    running = Running(a)
    await running.until(lambda: len(told) > 1)
    assert len(told) == 2  # once by each process, not once by each try
    await house.open(b)
    await running.until(lambda: not a.private.waiting)
    assert b.has(*range(SALES)) == [True] * SALES
    assert (a.data / BYTES_FILE).stat().st_size == 0
    await running.stop()
    await house.close()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def losing(handler: Handler, faults: list[str]) -> Handler:
    """A receiver that fails before or after it took a letter, or whose answer is somebody else's, then does not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        fault = faults.pop(0) if faults else ""
        if fault == "lost":
            return web.Response(status=500, text="down")
        found = await handler(request)
        if fault == "stored":
            return web.Response(status=500, text="down")
        return web.Response(body=b"x" * 80) if fault == "forged" else found

    return answer


async def test_what_fails_before_or_after_it_was_taken_is_given_again(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    house, faults = House(nodes), ["lost", "stored", "forged", "stored"]
    await house.open(b, web.post(PATH, losing(b.receiver()._answer, faults)))
    running = Running(a)
    a.openings(running.sender).put(MAKER.id, trade.openings(), [b.name])
    await running.until(lambda: not a.private.waiting)
    assert faults == []
    assert b.has(*range(SALES)) == [True] * SALES
    assert (b.data / BYTES_FILE).stat().st_size == sum(len(opening(number)) for number in range(SALES))
    await running.stop()
    await house.close()


async def test_many_go_in_letters_of_bounded_size(
    nodes: list[Node], trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _, _ = nodes
    monkeypatch.setattr("node.private.PEER_OPENINGS_BYTES_MAX", 2 * len(opening(0)))
    house, sizes = House(nodes), list[int]()
    receiver = b.receiver()

    async def counted(request: web.Request) -> web.Response:
        sizes.append(len(receiver_body := await request.read()))
        return web.Response(body=receiver.take(receiver_body))

    await house.open(b, web.post(PATH, counted))
    a.private.put(trade.openings(), [b.name], keep=False)
    running = Running(a)
    await running.until(lambda: not a.private.waiting)
    assert b.has(*range(SALES)) == [True] * SALES
    assert len(sizes) == SALES // 2
    assert max(sizes) < 4 * len(opening(0)) + 200
    await running.stop()
    await house.close()


async def test_one_that_cannot_be_taken_holds_up_no_other(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    house = House(nodes)
    await house.open(b)
    wrong = (*trade.places[0], opening(5))
    a.private.put([wrong, *trade.openings(1, 2)], [b.name], keep=False)
    running = Running(a)
    await running.until(lambda: a.private.waiting == {b.name: 1})
    assert b.has(0, 1, 2) == [False, True, True]
    a.private.erase([trade.places[0]], HOW)
    assert not a.private.waiting
    await running.stop()
    await house.close()


async def test_what_is_erased_while_it_waits_is_not_sent(nodes: list[Node], trade: Trade) -> None:
    a, b, _, _ = nodes
    house = House(nodes)
    await house.open(b)
    await house.close(b)
    running = Running(a)
    giving = a.openings(running.sender)
    giving.put(MAKER.id, trade.openings(), [a.name, b.name])
    assert giving.erase(MAKER.id, trade.places[:3], "客户要求", 1) == 3
    assert a.private.waiting == {b.name: SALES - 3}
    assert not any(stands(a.data, opening(number)) for number in range(3))
    await house.open(b)
    await running.until(lambda: not a.private.waiting)
    assert b.has(*range(SALES)) == [False] * 3 + [True] * (SALES - 3)
    assert a.has(*range(SALES)) == [False] * 3 + [True] * (SALES - 3)
    await running.stop()
    await house.close()


async def test_a_node_whose_file_is_gone_gets_them_when_it_is_back(
    nodes: list[Node], trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _, _ = nodes
    told: list[str] = []
    monkeypatch.setattr(sending.log, "warning", lambda *_, **said: told.append(said["reason"]))
    house = House(nodes)
    await house.open(b)
    a.private.put(trade.openings(), [b.name], keep=False)
    path = a.data / peers.FOLDER / f"{b.data.name}.json"
    kept = path.rename(a.data / "aside")
    running = Running(a)
    await running.until(lambda: bool(told))
    assert "no file of it" in told[0]
    assert a.private.waiting == {b.name: SALES}
    kept.rename(path)
    await running.until(lambda: not a.private.waiting)
    assert b.has(*range(SALES)) == [True] * SALES
    await running.stop()
    await house.close()


# What waits, on disk


def test_what_waits_for_one_node_is_bounded_and_the_others_go_on(
    nodes: list[Node], trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.private.PEER_WAITING_ENTRIES_MAX", 4)
    store = nodes[0].private
    store.put(trade.openings(0, 1, 2), ["b"])
    store.put(trade.openings(0), ["b"])
    with pytest.raises(NotStored, match="3 private openings wait for b, at most 4"):
        store.put(trade.openings(3, 4), ["c", "b"])
    assert store.waiting == {"b": 3}
    store.put(trade.openings(3, 4), ["c"])
    store.given("b", trade.places[:2])
    store.put(trade.openings(3, 4), ["b"])
    nodes[0].reopen()
    assert nodes[0].private.waiting == {"b": 3, "c": 2}


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("error", [no_space, Broken], ids=["full", "crash"])
def test_each_write_point_of_passing_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], stored: bool
) -> None:
    """What was acknowledged waits until it is given; what was given is overwritten; what is kept stays."""
    kept, passing = [(1, 0, b"k" * 50)], [(2, 0, b"p" * 60), (3, 0, b"q" * 70)]
    for fail_at in range(10):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        store = PrivateStore(folder / ROWS_FILE)
        store.put(kept, ["b"])
        acknowledged = given = False
        with monkeypatch.context() as patch:
            calls = points(patch, fail_at, stored, error)
            try:
                store.put(passing, ["b", "c"], keep=False)
                acknowledged = True
                store.given("b", [(2, 0), (3, 0)])
                store.given("c", [(2, 0), (3, 0)])
                given = True
            except (NotStored, Broken):
                pass
        assert given == (len(calls) <= fail_at)
        if error is Broken:
            store.close()
            store = PrivateStore(folder / ROWS_FILE)
        assert store.get(1, 0) == b"k" * 50
        assert store.get(2, 0) is None
        assert acknowledged or store.waiting in ({"b": 1}, {"b": 3, "c": 2})
        store.put(passing, ["b", "c"], keep=False)
        waits = {node: store.batch(node, (-1, -1)) for node in ("b", "c")}
        assert waits == {"b": kept + passing, "c": passing}
        for node in ("b", "c"):
            store.given(node, [(2, 0), (3, 0)])
        assert store.waiting == {"b": 1}
        assert not any(stands(folder, one[2]) for one in passing)
        store.close()
        with closing(PrivateStore(folder / ROWS_FILE)) as again:
            assert (again.batch("b", (-1, -1)), again.get(1, 0)) == (kept, b"k" * 50)
        assert os.stat(folder / BYTES_FILE).st_size == 50
        with Contents(folder / ROWS_FILE) as contents:
            assert (contents.flaws, contents.waiting) == ([], 1)


def test_what_was_given_and_not_overwritten_before_a_crash_is_overwritten_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PrivateStore(tmp_path / ROWS_FILE)
    with monkeypatch.context() as patch:
        calls = points(patch, 99, False, Broken)
        store.put([(1, 0, b"x" * 40), (2, 0, b"y" * 40)], ["b"], keep=False)
        assert calls == ["pwrite", "fsync"]  # on disk before it is acknowledged
    with monkeypatch.context() as patch:
        points(patch, 0, False, Broken)
        with pytest.raises(Broken):
            store.given("b", [(1, 0)])
    store.close()
    assert stands(tmp_path, b"x" * 40)
    with closing(PrivateStore(tmp_path / ROWS_FILE)) as again:
        assert not stands(tmp_path, b"x" * 40)
        assert (again.waiting, again.batch("b", (-1, -1))) == ({"b": 1}, [(2, 0, b"y" * 40)])


def test_what_is_passing_and_then_given_for_this_node_too_is_kept(tmp_path: Path) -> None:
    with closing(PrivateStore(tmp_path / ROWS_FILE)) as store:
        one = [(1, 0, b"x" * 40)]
        store.put(one, ["b"], keep=False)
        assert store.get(1, 0) is None
        store.put(one, ["c"])
        assert store.get(1, 0) == b"x" * 40
        store.put(one, ["c"], keep=False)
        for node in ("b", "c"):
            store.given(node, [(1, 0)])
        assert store.get(1, 0) == b"x" * 40


def test_a_copy_and_a_restore_keep_what_waits(tmp_path: Path) -> None:
    for name in ("own", "saved", "restored"):
        (tmp_path / name).mkdir()
    kept, passing, erased, beyond = ((leaf, 0, b"%d" % leaf * 40) for leaf in (1, 2, 3, 90))
    store = PrivateStore(tmp_path / "own" / ROWS_FILE)
    store.put([kept, erased, beyond], ["b"])
    store.put([passing], ["b", "c"], keep=False)
    copy_store(tmp_path / "own" / ROWS_FILE, tmp_path / "saved" / ROWS_FILE)
    store.erase([(3, 0)], HOW)
    store.given("b", [(1, 0)])
    store.close()
    sources = [tmp_path / name / ROWS_FILE for name in ("own", "saved")]
    assert gather(sources, tmp_path / "restored" / ROWS_FILE, 50) == []
    with closing(PrivateStore(tmp_path / "restored" / ROWS_FILE)) as restored:
        assert restored.waiting == {"b": 1, "c": 1}
        assert restored.batch("b", (-1, -1)) == restored.batch("c", (-1, -1)) == [passing]
        assert (restored.get(1, 0), restored.get(2, 0), restored.get(3, 0)) == (kept[2], None, HOW)
    with Contents(tmp_path / "restored" / ROWS_FILE) as contents:
        assert (contents.flaws, contents.waiting) == ([], 2)


def test_a_damaged_row_of_what_waits_is_named(tmp_path: Path) -> None:
    store = PrivateStore(tmp_path / ROWS_FILE)
    store.put([(1, 0, b"x" * 40)], ["example.org/food/customs"], keep=False)
    store.close()
    data = (tmp_path / ROWS_FILE).read_bytes()
    (tmp_path / ROWS_FILE).write_bytes(data.replace(b"food/customs", b"food/cusToms", 1))
    with Contents(tmp_path / ROWS_FILE) as contents:
        assert contents.flaws
    with pytest.raises(Damaged):
        PrivateStore(tmp_path / ROWS_FILE)
