"""Block files, index and chain store: what survives, and what is refused with its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Damaged, SuyuanError
from ledger.storage import blockfile
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import ChainStore
from ledger.storage.index import Index
from ledger.storage.memory import MemoryStore
from tests.world import DEALER, MAKER, SHOP, World

CHAIN = b"c" * 32
PAYLOADS = [b"first", b"", b"third " * 10]


def stored(folder: Path, payloads: list[bytes] = PAYLOADS) -> Path:
    """Block files with these payloads; returns the first file."""
    files = BlockFiles.create(folder, CHAIN)
    for height, payload in enumerate(payloads, 1):
        files.append(height, payload)
        files.sync()
    files.close()
    return folder / "blocks" / "000001.blk"


def read_all(folder: Path, durable: int | None = None) -> list[bytes]:
    files = BlockFiles.open(folder, CHAIN, durable)
    try:
        return [payload for _, payload, _ in files.scan()]
    finally:
        files.close()


def test_blocks_come_back_in_order(tmp_path: Path) -> None:
    stored(tmp_path)
    assert read_all(tmp_path, 3) == PAYLOADS
    files = BlockFiles.open(tmp_path, CHAIN, 3)
    with pytest.raises(ValueError, match="block 6 cannot follow block 3"):
        files.append(6, b"")
    location = files.append(4, b"fourth")
    assert files.read(location) == (4, b"fourth")
    assert files.read_part(location, 1, 3) == b"our"
    files.close()


def test_a_new_file_begins_where_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockfile, "BLOCK_FILE_BYTES_MAX", 100)
    payloads = [bytes([number]) * 40 for number in range(20)]
    stored(tmp_path, payloads)
    assert len(list((tmp_path / "blocks").glob("*.blk"))) > 5
    assert read_all(tmp_path, 20) == payloads
    (tmp_path / "blocks" / "000003.blk").unlink()
    with pytest.raises(Damaged, match="3"):
        BlockFiles.open(tmp_path, CHAIN, 20)


def test_a_new_file_without_a_whole_header_holds_no_block(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "blocks" / "000002.blk").write_bytes(b"SUYU")
    assert read_all(tmp_path, 3) == PAYLOADS
    assert not (tmp_path / "blocks" / "000002.blk").exists()


def test_every_flipped_bit_is_found_and_named(tmp_path: Path) -> None:
    path = stored(tmp_path)
    good = path.read_bytes()
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        with pytest.raises(Damaged, match=r"block|blk"):
            read_all(tmp_path, 3)
    path.write_bytes(good)
    assert read_all(tmp_path, 3) == PAYLOADS


def test_every_cut_is_a_torn_tail_or_damage(tmp_path: Path) -> None:
    """What the index knows as committed must be there; what was never acknowledged is cut off and kept."""
    path = stored(tmp_path)
    good = path.read_bytes()
    ends = [52, 52 + 16 + 5, 52 + 16 + 5 + 16, len(good)]
    for cut in range(52, len(good)):
        whole = sum(cut >= end for end in ends) - 1
        path.write_bytes(good[:cut])
        assert read_all(tmp_path, whole) == PAYLOADS[:whole]
        if cut not in ends:
            assert (tmp_path / "blocks" / f"torn-{whole + 1}.bin").read_bytes() == good[ends[whole] : cut]
        path.write_bytes(good[:cut])
        with pytest.raises(Damaged, match=f"block {whole + 1}"):
            read_all(tmp_path, whole + 1)


def test_a_tail_of_zeros_is_one_that_was_never_written(tmp_path: Path) -> None:
    """File systems give room before they write. Whether anybody knows of more, only the index says."""
    path = stored(tmp_path)
    good = path.read_bytes()
    for zeros in (1, 15, 16, 4096):
        for durable in (None, 3):
            path.write_bytes(good + bytes(zeros))
            with BlockFiles.open_read_only(tmp_path, CHAIN, durable) as files:
                assert files.last_height == 3
            assert read_all(tmp_path, durable) == PAYLOADS
            assert path.read_bytes() == good
        path.write_bytes(good + bytes(zeros))
        with pytest.raises(Damaged, match="block 4"):
            read_all(tmp_path, 4)
    path.write_bytes(good + bytes(40) + b"\x01")
    with pytest.raises(Damaged, match="block 4"):
        read_all(tmp_path, None)


def test_damage_before_whole_blocks_is_no_torn_tail(tmp_path: Path) -> None:
    path = stored(tmp_path)
    bad = bytearray(path.read_bytes())
    bad[52 + 16] ^= 1
    path.write_bytes(bad)
    with pytest.raises(Damaged, match="block 1"):
        read_all(tmp_path, 0)


def test_one_writer_many_readers(tmp_path: Path) -> None:
    stored(tmp_path)
    writer = BlockFiles.open(tmp_path, CHAIN, 3)
    with pytest.raises(SuyuanError, match="in use"):
        BlockFiles.open(tmp_path, CHAIN, 3)
    reader = BlockFiles.open_read_only(tmp_path, CHAIN)
    writer.append(4, b"later")
    assert [height for height, _, _ in reader.scan()] == [1, 2, 3]
    assert [height for height, _, _ in BlockFiles.open_read_only(tmp_path, CHAIN).scan()] == [1, 2, 3, 4]
    writer.close()


def test_files_of_another_chain_are_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    with pytest.raises(Damaged, match="belongs to chain"):
        BlockFiles.open(tmp_path, bytes(32), 3)


ROW = st.tuples(st.binary(min_size=1, max_size=4), st.binary(max_size=8))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(ROW, max_size=8), st.lists(st.binary(min_size=1, max_size=4), max_size=4)), max_size=5
    )
)
def test_the_index_and_memory_agree(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[tuple[bytes, bytes]], list[bytes]]]
) -> None:
    index = Index.create(tmp_path_factory.mktemp("index") / "index")
    memory = MemoryStore()
    for puts, deletes in batches:
        before, old = index.snapshot(), memory.snapshot()
        index.write(puts, deletes)
        memory.write(puts, deletes)
        assert list(before.scan(b"")) == list(old.scan(b""))
        before.close()
    for prefix in (b"", b"\x00", b"\xff", b"ab"):
        for start in (None, prefix + b"\x01"):
            for reverse in (False, True):
                arguments = {"start": start, "reverse": reverse, "limit": 3}
                assert list(index.scan(prefix, **arguments)) == list(memory.scan(prefix, **arguments))  # type: ignore[arg-type]
    index.close()


# The chain store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    world.hand_over(MAKER, DEALER, 500)
    world.hand_over(DEALER, SHOP, 50)
    yield world
    world.close()


def roots(store: ChainStore) -> tuple[int, bytes, bytes]:
    return store.head.height, store.head.log.root(), store.head.state[0]


def test_a_chain_opens_where_it_was_closed_and_goes_on(world: World) -> None:
    before = roots(world.store)
    world.close()
    world.store = ChainStore.open(world.folder)
    assert roots(world.store) == before
    world.do(SHOP, world.sell(SHOP, 1))
    assert world.store.check()["blocks"] == before[0] + 1


def test_a_lost_or_broken_index_is_refused_and_rebuilt(world: World) -> None:
    before = roots(world.store)
    world.close()
    (world.folder / "index" / "CURRENT").unlink()
    with pytest.raises(Damaged, match="suyuan-node rebuild"):
        ChainStore.open(world.folder)
    assert not (world.folder / "index" / "CURRENT").exists()
    world.store = ChainStore.rebuild(world.folder)
    assert roots(world.store) == before


def test_an_index_behind_the_block_files_catches_up(world: World, tmp_path: Path) -> None:
    """A crash after the fsync of a block and before the index: the block is there, and is applied at start."""
    sealed = world.seal(world.sell(MAKER, 7))
    plan = world.store.plan([world.check(world.envelope(MAKER, [sealed]))], world.now)
    assert plan.block is not None
    held = world.held(MAKER)
    world.store._blocks.append(plan.head.height, plan.block)
    world.store._blocks.sync()
    world.close()
    world.store = ChainStore.open(world.folder)
    assert roots(world.store) == (plan.head.height, plan.head.log.root(), plan.head.state[0])
    assert world.held(MAKER) == held - 7


def test_an_index_ahead_of_the_block_files_is_damage(world: World) -> None:
    height = world.store.head.height
    world.close()
    path = world.folder / "blocks" / "000001.blk"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Damaged, match=f"block {height}"):
        ChainStore.open(world.folder)


def test_a_changed_row_of_the_index_is_found_at_start(world: World) -> None:
    key, value = next(iter(world.store.scan(b"m")))
    world.store._index.write([(key, value[:-1] + bytes((value[-1] ^ 1,)))], [])
    world.close()
    with pytest.raises(Damaged, match="state root"):
        ChainStore.open(world.folder)
    world.store = ChainStore.rebuild(world.folder)


def test_a_flipped_bit_in_a_stored_record_is_found_when_it_is_read(world: World) -> None:
    leaf = next(leaf for leaf in range(100) if world.store.envelope_at(leaf)[0].records)
    envelope, _ = world.store.envelope_at(leaf)
    record = envelope.records[0]
    world.close()
    path = world.folder / "blocks" / "000001.blk"
    good = path.read_bytes()
    at = good.index(record) + 20
    path.write_bytes(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
    with pytest.raises(Damaged, match="block 1 "):
        world.store = ChainStore.open(world.folder)
    path.write_bytes(good)
    world.store = ChainStore.open(world.folder)
    path.write_bytes(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
    with pytest.raises(Damaged, match="leaf 0"):
        world.store.envelope_at(leaf)
    path.write_bytes(good)
