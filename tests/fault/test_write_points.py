"""Each write point of a commit, failed and lost, failed but stored, or stored by half: then the chain is opened
again, and is what it was before the block, or after it, and nothing else; what was acknowledged is there."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.errors import Damaged, WriteFailed
from ledger.merkle import leaf_hash
from ledger.plan import Plan
from ledger.storage import blockfile
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import ChainStore
from ledger.storage.index import Index
from tests.fault import leveldb_log
from tests.fault.full_check import acknowledged_of, full_check
from tests.world import DEALER, MAKER, World


class Fault(OSError):
    """An injected failure."""


class Faults:
    """Counts the writes of a commit, and lets one of them fail: `lost` (it does nothing), `stored` (it takes effect,
    and says that it failed), `half` (half of the bytes)."""

    POINTS = (
        (os, "open"), (os, "pwrite"), (os, "fsync"), (os, "replace"), (os, "mkdir"), (io, "open"), (Index, "write"),
    )  # fmt: skip

    def __init__(self, patched: pytest.MonkeyPatch, at: int, how: str) -> None:
        self._at, self._how = at, how
        self.count = 0
        self.failed = ""
        for owner, name in self.POINTS:
            patched.setattr(owner, name, self._point(getattr(owner, name), name))

    def _point(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def operation(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count != self._at:
                return real(*arguments, **named)
            self.failed = name
            if self._how == "half" and name == "pwrite":
                handle, data, offset = arguments
                real(handle, data[: len(data) // 2], offset)
            elif self._how != "lost":
                real(*arguments, **named)
            raise Fault(5, "injected")

        return operation


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A chain one leaf short of a full tile, and a handover that waits: the next block finishes a tile and a bundle,
    deletes rows, and (where a test says so) begins a block file."""
    world = World(tmp_path_factory.mktemp("full") / "node").founded()
    while world.store.head.log.size < 252:
        world.do(MAKER, world.sell(MAKER, 1))
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 5))[0].hash
    world.close()
    world.ship = ship  # type: ignore[attr-defined]
    return world


class Case:
    """A copy of a chain, and a block that is about to be stored in it."""

    def __init__(self, full: World, folder: Path) -> None:
        shutil.copytree(full.folder, folder)
        self.world = World(folder, full.now, _refs=full._refs, _salts=full._salts)
        self.acknowledged = acknowledged_of(folder)
        ship: bytes = full.ship  # type: ignore[attr-defined]
        self.wire = self.world.envelope(DEALER, [self.world.seal(self.world.receive(ship, accepted=5))])
        checked = self.world.check(self.wire)
        self.leaf = leaf_hash(checked.opened.leaf)
        self.plan: Plan = self.world.store.plan([checked], self.world.now)
        assert None in [value for _, value in self.plan.writes]

    @property
    def standing(self) -> tuple[int, bytes, bytes]:
        head = self.world.store.head
        return head.height, head.log.root(), head.state[0]

    @property
    def after(self) -> tuple[int, bytes, bytes]:
        head = self.plan.head
        return head.height, head.log.root(), head.state[0]

    def reopen(self) -> None:
        self.world.store.close()
        self.world.store = ChainStore.open(self.world.folder)

    def finish(self) -> None:
        """The envelope comes again, as its sender never heard of it; then the full check."""
        verdict = self.world.book(self.wire).verdicts[0]
        assert verdict.leaf is not None
        assert self.standing == self.after
        assert self.world.held(DEALER) == 5
        self.world.close()
        full_check(self.world.folder, self.acknowledged | {self.leaf: verdict.leaf})
        shutil.rmtree(self.world.folder)


def commits(case: Case) -> bool:
    """Whether the block is said to be stored."""
    try:
        case.world.store.commit(case.plan)
    except (WriteFailed, Fault):
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("rotated", [False, True], ids=["same file", "new file"])
@pytest.mark.parametrize("how", ["lost", "stored", "half"])
def test_a_failed_write_leaves_before_or_after(
    full: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, rotated: bool
) -> None:
    if rotated:
        monkeypatch.setattr(blockfile, "BLOCK_FILE_BYTES_MAX", 1000)
    failed: list[str] = []
    while True:
        case = Case(full, tmp_path / f"node-{len(failed)}")
        before = case.standing
        with monkeypatch.context() as patched:
            faults = Faults(patched, len(failed) + 1, how)
            stored = commits(case)
        if not faults.failed:
            break
        failed.append(faults.failed)
        assert case.standing == (case.after if stored else before), "the head moves when all is stored"
        case.reopen()
        assert case.standing in (before, case.after)
        if "write" in failed or failed.count("replace"):
            assert case.standing == case.after, "the block was durable before tiles and index"
        case.finish()
    assert {"pwrite", "fsync", "replace", "write"} <= set(failed)
    assert failed.count("pwrite") == 1 + rotated
    assert failed.count("replace") == 2, "a tile and a bundle"
    assert case.standing == case.after


def test_after_a_failed_fsync_nothing_more_is_taken(
    full: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(full, tmp_path / "node")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(Fault(5, "injected")))
        with pytest.raises(WriteFailed):
            case.world.store.commit(case.plan)
    with pytest.raises((WriteFailed, ValueError)):
        case.world.store.commit(case.plan)
    case.reopen()
    case.finish()


# The index, after a power cut: its writes are not synced, so its log may end anywhere.


def log_of(folder: Path) -> Path:
    """The log that LevelDB writes to now."""
    return max((folder / "index").glob("*.log"))


def opened_or_rebuilt(folder: Path) -> tuple[ChainStore, str]:
    """The chain, and why its index was refused, if it was."""
    try:
        return ChainStore.open(folder), ""
    except Damaged as error:
        return ChainStore.rebuild(folder), str(error)


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["cut", "zeros", "noise"])
def test_an_index_log_that_ends_in_the_middle_of_a_batch(full: World, tmp_path: Path, tail: str) -> None:
    """The batch has puts and deletes. Whatever of it reached the disk, the block files fill the gap, or the index is
    refused and rebuilt; it is never half of a batch."""
    random = Random(11)
    for number in range(16):
        case = Case(full, tmp_path / f"node-{number}")
        start = log_of(case.world.folder).stat().st_size
        case.world.store.commit(case.plan)
        case.world.store.close()
        log = log_of(case.world.folder)
        whole = log.read_bytes()
        cut = start + (0, 1, 6, 7, 8)[number] if number < 5 else random.randrange(start, len(whole))
        lost = len(whole) - cut
        log.write_bytes(whole[:cut] + {"cut": b"", "zeros": bytes(lost), "noise": random.randbytes(lost)}[tail])
        case.world.store, refusal = opened_or_rebuilt(case.world.folder)
        assert refusal == "" or (tail != "cut" and "suyuan-node rebuild" in refusal)
        assert case.standing == case.after
        case.finish()


def test_an_index_that_lost_a_batch_from_its_middle_is_refused(full: World, tmp_path: Path) -> None:
    """A page of the log that never reached the disk reads as zeros, and LevelDB passes over it without a word; so it
    does where a batch is simply not there."""
    case = Case(full, tmp_path / "node")
    case.world.store.commit(case.plan)
    for _ in range(4):
        case.world.do(MAKER, case.world.sell(MAKER, 1))
    case.world.close()
    log = log_of(case.world.folder)
    batches = leveldb_log.batches_of(log.read_bytes())
    assert leveldb_log.log_of(batches) == log.read_bytes()
    log.write_bytes(leveldb_log.log_of(batches[:-2] + batches[-1:]))
    with pytest.raises(Damaged, match="index") as caught:
        ChainStore.open(case.world.folder)
    assert "suyuan-node rebuild" in str(caught.value)
    acknowledged = acknowledged_of(case.world.folder)
    ChainStore.rebuild(case.world.folder).close()
    full_check(case.world.folder, acknowledged)


# Rebuild, and the end of the block files


def flipped(path: Path, offset: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("index", ["whole", "lost", "half rebuilt"])
def test_a_rebuild_never_takes_a_damaged_block_for_an_unfinished_one(
    full: World, tmp_path: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is left of the index, an acknowledged last block is not cut off because a bit of it flipped."""
    folder = tmp_path / "node"
    shutil.copytree(full.folder, folder)
    acknowledged = acknowledged_of(folder)
    path = folder / "blocks" / "000001.blk"
    good = path.read_bytes()
    files = BlockFiles.open_read_only(folder, full.chain)
    last = list(files.scan())[-1][2].offset
    files.close()
    if index == "lost":
        shutil.rmtree(folder / "index")
    elif index == "half rebuilt":
        interrupt_a_rebuild(folder, monkeypatch)
    for offset in (last, last + 1, last + 2, last + 3, last + 5, last + 15, last + 16, last + 200, len(good) - 1):
        for bit in (0, 3, 7):
            flipped(path, offset, bit)
            with pytest.raises(Damaged, match=rf"block {full.store.head.height} "):
                ChainStore.rebuild(folder)
            assert path.stat().st_size == len(good)
            path.write_bytes(good)
    ChainStore.rebuild(folder).close()
    full_check(folder, acknowledged)


def interrupt_a_rebuild(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def progress(height: int, last: int) -> None:
        if height == 10:
            raise Fault(5, "injected")

    with pytest.raises(Fault):
        ChainStore.rebuild(folder, progress)


def test_what_was_torn_and_never_acknowledged_is_cut_by_a_rebuild_too(full: World, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    shutil.copytree(full.folder, folder)
    acknowledged = acknowledged_of(folder)
    path = folder / "blocks" / "000001.blk"
    with path.open("ab") as file:
        file.write(b"\x00\x00\x10\x00begun")
    shutil.rmtree(folder / "index")
    ChainStore.rebuild(folder).close()
    full_check(folder, acknowledged)
    assert list((folder / "blocks").glob("torn-*.bin"))
