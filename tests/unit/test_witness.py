"""A validator as a C2SP witness: each answer of the specification, and what is never signed."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from ledger import checkpoint as c
from ledger import limits, merkle, tlogwitness
from ledger import note as n
from ledger.errors import Malformed
from ledger.tlogwitness import AddCheckpoint, encode
from node.cosigning import witness as w
from node.cosigning.clock import CosignerClock
from node.cosigning.cosigner import Cosigner
from node.cosigning.evidence import FOLDER, Evidence
from node.cosigning.exchange import Exchange
from node.receipts import CheckpointSigner
from tests.validators import NAMES, SEEDS, SUCCESSION, network_genesis, note, validators_of
from tests.world import LOG_SEED, MAKER, ORIGIN, World

NOW = 1_763_000_500_000
OTHER = bytes(32)
VALIDATORS = validators_of(network_genesis())
KEY = VALIDATORS.keys[0]


class Node:
    """A world's ledger, cosigned as the engine does, behind a real port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "node").founded()
        self.worker = ThreadPoolExecutor(1)
        self.session = ClientSession()
        self.cosigner = self._cosigner()

    def _cosigner(self) -> Cosigner:
        return Cosigner(self.folder, CheckpointSigner(ORIGIN, LOG_SEED, NAMES[0], SEEDS[0]))

    async def serve(self) -> None:
        clock = CosignerClock(NAMES[0], VALIDATORS, lambda: NOW, lambda: NOW)
        found = w.Witness(self.world.store, self.cosigner, clock, Evidence(self.folder))
        self.exchange = Exchange([], lambda _: None, lambda: b"", SUCCESSION)
        self.port = await self.exchange.listen("127.0.0.1", 0, w.Endpoint(found, VALIDATORS, self.worker).route)

    async def restart(self) -> None:
        """The same folder, another process."""
        await self.exchange.close()
        self.cosigner.close()
        self.cosigner = self._cosigner()
        await self.serve()

    @property
    def size(self) -> int:
        return self.world.store.head.log.size

    @property
    def root(self) -> bytes:
        return self.world.store.head.log.root()

    def cosign(self) -> bytes:
        """As at the end of a block."""
        return self.cosigner.sign(self.size, self.root, self.world.store.consistency_proof, NOW)

    def grow(self) -> None:
        self.world.do(MAKER, self.world.sell(MAKER, 1))

    async def post(self, body: bytes) -> tuple[int, str, str, Any]:
        async with self.session.post(f"http://127.0.0.1:{self.port}{tlogwitness.PATH}", data=body) as response:
            return response.status, response.content_type, await response.text(), response.headers

    async def add(self, old: int, made: bytes, proof: Sequence[bytes] = ()) -> tuple[int, str]:
        status, kind, text, headers = await self.post(encode(AddCheckpoint(old, list(proof), made)))
        assert (kind == tlogwitness.SIZE_TYPE) == (status == 409)
        assert ("Retry-After" in headers) == (status == 503)
        return status, text

    def evidence(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / FOLDER).glob("*.txt"))]

    async def close(self) -> None:
        await self.session.close()
        await self.exchange.close()
        self.worker.shutdown()
        self.cosigner.close()
        self.world.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path)
    await node.serve()
    node.cosign()
    yield node
    await node.close()


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[World]:
    """The same beginning, and then something else."""
    fork = World(tmp_path / "fork").founded()
    fork.do(MAKER, fork.sell(MAKER, 7))
    yield fork
    fork.close()


def holds(text: str, made: bytes) -> int:
    """The time of the one line in an answer, which must be this validator's over that head."""
    signed = n.parse(n.parse(made).text.encode() + b"\n" + text.encode())
    assert len(signed.signatures) == 1
    return n.verify(signed, KEY, n.find(signed, KEY)[0]) or 0


async def test_the_newest_head_is_cosigned_for_whoever_has_it(node: Node) -> None:
    assert await node.add(0, note(node.size, node.root, [], NOW)) == (409, f"{node.size}\n")
    for made in (note(node.size, node.root, [], NOW), note(node.size, node.root, [1, 2], NOW)):
        status, text = await node.add(node.size, made)
        assert (status, holds(text, made)) == (200, NOW // 1000)
    assert node.evidence() == []


async def test_bytes_that_are_no_request_are_refused(node: Node) -> None:
    good = encode(AddCheckpoint(node.size, [], note(node.size, node.root, [], NOW)))
    assert (await node.post(good))[0] == 200
    head, _, signed = good.partition(b"\n\n")
    bad = {
        "nothing": b"",
        "no old size": signed,
        "a leading zero": b"old 0" + good.removeprefix(b"old "),
        "a sign": b"old +" + good.removeprefix(b"old "),
        "beyond 64 bits": b"old 99999999999999999999" + good[len(head) :],
        "no blank line": head + b"\n" + signed,
        "not base64": head + b"\nx!\n\n" + signed,
        "a short hash": head + b"\naGVsbG8=\n\n" + signed,
        "another base64 of it": head + b"\n" + b"A" * 42 + b"B=\n\n" + signed,
        "64 hashes": head + (b"\n" + b"A" * 43 + b"=") * 64 + b"\n\n" + signed,
        "not a note": head + b"\n\nhello\n",
        "no checkpoint": head
        + b"\n\n"
        + n.serialise(n.Note(f"{ORIGIN}\nx\n", [n.sign(f"{ORIGIN}\nx\n", ORIGIN, LOG_SEED)])),
        "an old size beyond it": b"old 1" + good.removeprefix(b"old "),
    }
    assert {name: (await node.post(body))[0] for name, body in bad.items()} == dict.fromkeys(bad, 400)
    assert (await node.post(good + b"x" * limits.NOTE_BYTES_MAX))[0] == 413
    async with node.session.get(f"http://127.0.0.1:{node.port}{tlogwitness.PATH}") as response:
        assert response.status == 405


async def test_another_log_and_another_key(node: Node) -> None:
    other = "other.example/log"
    strange = f"{other}\n1\n{'A' * 43}=\nwith an extension\n"
    assert (await node.add(0, note(node.size, node.root, [], NOW, other)))[0] == 404
    assert (await node.add(0, n.serialise(n.Note(strange, [n.sign(strange, other, LOG_SEED)]))))[0] == 404
    head = c.Checkpoint(ORIGIN, node.size, node.root)
    assert (await node.add(node.size, c.sign_checkpoint(head, ORIGIN, SEEDS[1])))[0] == 403
    good = n.parse(c.sign_checkpoint(head, ORIGIN, LOG_SEED))
    forged = n.NoteSignature(ORIGIN, good.signatures[0].key_id, bytes(64))
    assert (await node.add(node.size, n.serialise(n.Note(good.text, [forged]))))[0] == 403
    unknown = n.NoteSignature(ORIGIN, b"none", bytes(64))
    assert (await node.add(node.size, n.serialise(n.Note(good.text, [unknown, *good.signatures]))))[0] == 200


async def test_a_head_that_is_not_stored_here_yet_is_answered_later(node: Node) -> None:
    old, old_root = node.size, node.root
    node.grow()
    proof, made = node.world.store.consistency_proof(old), note(node.size, node.root, [], NOW)
    ahead = World(node.folder / "ahead").founded()
    for _ in range(2):
        ahead.do(MAKER, ahead.sell(MAKER, 1))
    await node.restart()  # the block is stored, and not cosigned: as if it had ended in between
    log = ahead.store.head.log
    assert old_root == ahead.store.root_at(old)
    assert (await node.add(old, note(log.size, log.root(), [], NOW), ahead.store.consistency_proof(old)))[0] == 503
    status, text = await node.add(old, made, proof)
    assert (status, holds(text, made)) == (200, NOW // 1000)
    assert await node.add(old, made, proof) == (409, f"{node.size}\n")
    assert node.evidence() == []
    ahead.close()


async def test_a_head_that_is_not_the_newest_is_not_cosigned(node: Node) -> None:
    old = node.size
    node.grow()
    passed = AddCheckpoint(old, node.world.store.consistency_proof(old), note(node.size, node.root, [], NOW))
    node.grow()  # stored, and for the test not cosigned
    status, text = await node.add(passed.old, passed.note, passed.proof)
    assert (status, text) == (503, f"this node stands at {node.size} leaves; try again\n")


async def test_what_was_signed_once_binds_after_a_restart(node: Node, fork: World) -> None:
    node.grow()
    node.cosign()
    size, made = node.size, note(node.size, node.root, [], NOW)
    await node.restart()
    assert await node.add(0, made) == (409, f"{size}\n")
    log = fork.store.head.log
    assert (log.size, log.root() == node.root) == (size, False)
    assert await node.add(size, note(size, log.root(), [], NOW)) == (409, f"{size}\n")
    assert (await node.add(size, made))[0] == 200


async def test_a_restored_node_signs_nothing_until_it_stands_where_it_stood(node: Node) -> None:
    earlier = World(node.folder / "earlier").founded()
    node.grow()
    node.cosign()
    size, made = node.size, note(node.size, node.root, [], NOW)
    here, node.world = node.world, earlier
    await node.restart()
    assert node.size < size
    assert await node.add(node.size, note(node.size, node.root, [], NOW)) == (409, f"{size}\n")
    assert (await node.add(size, made))[0] == 503
    node.world = here
    await node.restart()
    assert (await node.add(size, made))[0] == 200
    earlier.close()


async def test_a_fork_is_never_signed_and_both_heads_are_kept(node: Node, fork: World) -> None:
    old = node.size
    node.grow()
    node.cosign()
    log = fork.store.head.log
    forged = note(log.size, log.root(), [1], NOW)
    proof = fork.store.consistency_proof(old)
    merkle.verify_consistency(old, log.size, fork.store.root_at(old), log.root(), proof)
    for asked in ((old, proof), (0, ()), (log.size, ()), (log.size, proof)):
        assert (await node.add(asked[0], forged, asked[1]))[0] in (409, 422)
    here, there = node.evidence()
    assert here == c.sign_checkpoint(c.Checkpoint(ORIGIN, node.size, node.root), ORIGIN, LOG_SEED)
    assert there == c.sign_checkpoint(c.Checkpoint(ORIGIN, log.size, log.root()), ORIGIN, LOG_SEED)
    assert (await node.add(node.size, note(node.size, node.root, [], NOW)))[0] == 200


async def test_a_fork_is_not_signed_where_nothing_was_signed_yet(tmp_path: Path, fork: World) -> None:
    node = Node(tmp_path)
    await node.serve()
    node.grow()
    log = fork.store.head.log
    assert (await node.add(0, note(log.size, log.root(), [], NOW)))[0] == 422
    assert len(node.evidence()) == 2
    assert (await node.add(0, note(node.size, node.root, [], NOW), [OTHER]))[0] == 422
    assert (await node.add(0, note(node.size, node.root, [], NOW)))[0] == 200
    await node.close()


async def test_a_longer_head_that_does_not_extend_this_log_is_kept(node: Node, fork: World) -> None:
    for _ in range(2):
        fork.do(MAKER, fork.sell(MAKER, 1))
    node.grow()
    node.cosign()
    log, size = fork.store.head.log, node.size
    assert (await node.add(size, note(log.size, log.root(), [], NOW), fork.store.consistency_proof(size)))[0] == 422
    here, there = map(n.parse, node.evidence())
    assert [c.parse(one.text).size for one in (here, there)] == [size, log.size]
    assert (await node.add(size, note(log.size, log.root(), [], NOW)))[0] == 422
    assert len(node.evidence()) == 2


async def test_evidence_is_bounded_and_none_is_replaced(node: Node) -> None:
    for number in range(limits.EVIDENCE_ENTRIES_MAX + 2):
        root = number.to_bytes(32, "big")
        assert (await node.add(node.size, note(node.size, root, [], NOW)))[0] == 409
    kept = node.evidence()
    assert len(kept) == 2 * limits.EVIDENCE_ENTRIES_MAX
    assert all(c.parse(n.parse(one).text).size == node.size for one in kept)


async def test_what_anybody_can_make_leaves_room_for_forks(node: Node, fork: World) -> None:
    """Without any key: honest heads that this node lacks yet, seen anywhere, and a proof that is none."""
    signed = [note(node.size + 1 + number, OTHER, [], NOW) for number in range(limits.EVIDENCE_ENTRIES_MAX)]
    for made in signed:
        assert (await node.add(node.size, made))[0] == 422
    few = len(node.evidence())
    assert 0 < few < limits.EVIDENCE_ENTRIES_MAX
    assert (await node.add(node.size, note(node.size, fork.store.head.log.root(), [], NOW)))[0] == 409
    assert len(node.evidence()) == few + 2


async def test_an_answer_never_falls_between_a_block_and_its_cosignature(node: Node) -> None:
    """Blocks end in the worker, one after another, while everybody asks: no size is signed below one before."""
    loop = asyncio.get_running_loop()
    signed: list[int] = []

    def block() -> None:
        node.grow()
        node.cosign()
        signed.append(node.size)

    async def ask() -> None:
        size, root = node.size, node.root
        status, text = await node.add(size, note(size, root, [], NOW))
        if status == 200:
            signed.append(size)
        else:
            assert (status, int(text) > size) == (409, True)

    for _ in range(10):
        await asyncio.gather(loop.run_in_executor(node.worker, block), *(ask() for _ in range(4)))
    assert node.cosigner.last.size == node.size == max(signed)


async def test_few_may_wait_for_the_worker(node: Node) -> None:
    held = asyncio.Event()
    loop = asyncio.get_running_loop()
    busy = node.worker.submit(lambda: asyncio.run_coroutine_threadsafe(held.wait(), loop).result())
    made = note(node.size, node.root, [], NOW)
    asking = [asyncio.create_task(node.add(node.size, made)) for _ in range(limits.WITNESS_REQUESTS_MAX + 3)]
    first, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert {one.result()[0] for one in first} == {503}
    held.set()
    statuses = sorted(status for status, _ in await asyncio.gather(*asking))
    assert statuses == [200] * limits.WITNESS_REQUESTS_MAX + [503] * 3
    busy.result()


async def test_who_stands_outside_history_cosigns_for_nobody(node: Node) -> None:
    node.cosigner.stop()
    assert (await node.add(node.size, note(node.size, node.root, [], NOW)))[0] == 503


def test_a_request_is_read_as_it_was_written() -> None:
    asked = AddCheckpoint(3, [bytes([number]) * 32 for number in range(5)], b"note\n")
    assert tlogwitness.decode(encode(asked)) == asked
    assert encode(AddCheckpoint(0, [], b"note\n")) == b"old 0\n\nnote\n"
    assert tlogwitness.decode_size(b"12\n") == 12
    for body in (b"12", b"012\n", b"-1\n", b"", b"1\n\n"):
        with pytest.raises(Malformed):
            tlogwitness.decode_size(body)
