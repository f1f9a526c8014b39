"""`suyuan-node check`: every stored file damaged in turn is named, alone, with what to do about it."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import records as r
from ledger.errors import SuyuanError
from ledger.private import PRIVATE, Private
from ledger.seals import seal
from ledger.storage.check import Finding
from ledger.storage.index import Index
from node import keys, tls
from node.check import check_folder
from node.keys import LOG_KEY
from node.private import PrivateStore
from tests.node_folder import NOW, node_folder
from tests.world import DAY_MS, LOG_SEED, MAKER, START_MS, VALIDATOR_SEED, World, genesis


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return node_folder(tmp_path_factory.mktemp("check") / "node")


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "node")


def flaws(data: Path, replay: bool = False) -> list[Finding]:
    return [found for found in check_folder(data, NOW, replay) if not found.holds]


def flip(path: Path, at: int | bytes = 40) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(at) if isinstance(at, bytes) else at] ^= 1
    path.write_bytes(data)


def test_a_sound_folder_holds(data: Path) -> None:
    assert flaws(data, replay=True) == []


DAMAGE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "genesis": (lambda data: flip(data / "genesis.json"), "genesis.json", "another node"),
    "genesis of another chain": (
        lambda data: flip(data / "genesis.json", b"1763000000000"), "genesis.json", "another node"
    ),
    "block": (lambda data: flip(data / "blocks/000001.blk", 5000), "block ", "backup"),
    "file header": (lambda data: flip(data / "blocks/000001.blk", 9), "blocks/000001.blk", "backup"),
    "block file lost": (lambda data: (data / "blocks/000001.blk").unlink(), "blocks", "backup"),
    "tile": (lambda data: flip(data / "public/tile/0/000"), "public/tile/0/000", "rebuild"),
    "tile lost": (lambda data: (data / "public/tile/0/001").unlink(), "public/tile/0/001", "rebuild"),
    "bundle": (lambda data: flip(data / "public/tile/entries/001"), "public/tile/entries/001", "rebuild"),
    "index lost": (lambda data: shutil.rmtree(data / "index"), "index", "rebuild"),
    "index": (lambda data: (data / "index/CURRENT").write_text("MANIFEST-999999\n"), "index", "rebuild"),
    "log key": (lambda data: flip(data / "keys/log.key"), "keys/log.key", "no other key"),
    "validator key lost": (lambda data: (data / "keys/validator.key").unlink(), "keys/validator.key", "no other key"),
    "key open to others": (lambda data: (data / "keys/log.key").chmod(0o644), "keys/log.key", "no other key"),
    "authority": (lambda data: flip(data / "keys/ca.pem", 200), "keys/ca.pem", "every member"),
    "authority's key": (lambda data: flip(data / "keys/ca.key", 100), "keys/ca.key", "every member"),
    "server": (lambda data: flip(data / "keys/server.pem", 200), "keys/server.pem", "suyuan-node renew"),
    "server's key": (lambda data: flip(data / "keys/server.key", 100), "keys/server.key", "suyuan-node renew"),
    "policy": (lambda data: flip(data / "policy.txt"), "policy.txt", "suyuan-node rebuild"),
    "settings": (lambda data: flip(data / "node.toml", 2), "node.toml", "docs/operating.md"),
    "private store": (lambda data: flip(data / "private.db", 3), "private.db", "backup"),
    "private store lost": (lambda data: (data / "private.db").unlink(), "private.db", "backup"),
    "private bytes lost": (lambda data: (data / "private.dat").unlink(), "private.db", "backup"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_with_its_remedy(data: Path, name: str) -> None:
    damage, where, remedy = DAMAGE[name]
    damage(data)
    [found] = flaws(data)
    assert found.where.startswith(where)
    assert remedy in found.remedy


def test_independent_flaws_are_all_named(data: Path) -> None:
    for name in ("tile", "log key", "server", "settings", "policy"):
        DAMAGE[name][0](data)
    assert {found.where for found in flaws(data)} == {
        "public/tile/0/000", "keys/log.key", "keys/server.pem", "node.toml", "policy.txt"
    }  # fmt: skip


def test_two_damaged_blocks_are_both_named(data: Path) -> None:
    flip(data / "blocks/000001.blk", 5000)
    flip(data / "blocks/000001.blk", 90_000)
    assert len(flaws(data)) == 2


def test_rows_of_the_index_are_held_against_the_blocks(data: Path) -> None:
    """A changed row that LevelDB itself finds sound: the block's place, an entry of the state map, plain state."""
    cases = ((b"b", False, "where block"), (b"m", False, "state root"), (b"p", True, "its value"))
    for prefix, replay, says in cases:
        copy = shutil.copytree(data, data.with_name(prefix.decode()))
        index = Index.open(copy / "index")
        key, value = next(iter(index.scan(prefix)))
        index.write([(key, value[:-1] + bytes((value[-1] ^ 1,)))], [])
        index.close()
        found = flaws(copy, replay)
        assert any(says in flaw.detail and "rebuild" in flaw.remedy for flaw in found), (prefix, found)
        assert all(flaw.where.startswith("index") for flaw in found)


def test_a_lost_and_a_foreign_row_are_found_by_a_replay(data: Path) -> None:
    index = Index.open(data / "index")
    [key] = [key for key, _ in index.scan(b"p", limit=1)]
    index.write([(b"p" + bytes(9), b"")], [key])
    index.close()
    assert flaws(data) == []
    assert {found.detail for found in flaws(data, replay=True)} == {"it is missing", "the blocks give no such row"}


def test_an_unfinished_block_and_an_index_behind_are_no_damage(data: Path) -> None:
    path = data / "blocks/000001.blk"
    path.write_bytes(path.read_bytes() + b"\x00\x00\x00")
    assert flaws(data) == []
    assert any("unfinished" in found.detail for found in check_folder(data, NOW))


def test_a_cut_block_file_is_damage_where_the_index_knows_better(data: Path) -> None:
    path = data / "blocks/000001.blk"
    path.write_bytes(path.read_bytes()[:-10])
    [found] = flaws(data)
    assert found.where.startswith("block ")


def test_private_openings_are_held_against_their_records(data: Path) -> None:
    world = World(data, now=START_MS + DAY_MS)
    world._refs = 10_000
    opening = bytes(16) + PRIVATE.encode(Private(price=1))
    sale = world.sell(MAKER, 1)
    world.do(MAKER, world.act(r.Sell, sale.amounts, **{**sale.fields, "private": seal(opening)}))
    size = world.store.head.log.size
    leaf = size - 2
    world.close()
    store = PrivateStore(data / "private.db")
    store.put([(leaf, 0, opening)])
    assert flaws(data) == []
    store.put([(leaf, 1, opening), (size, 0, opening)])
    store.close()
    flip(data / "private.dat", 18)
    found = {flaw.where: flaw.detail for flaw in flaws(data)}
    assert "does not match" in found.pop(f"private.dat, record 0 in leaf {leaf}")
    assert found.pop(f"private.dat, record 1 in leaf {leaf}") == "there is no such record"
    assert found.pop(f"private.db, leaf {size}") == "the log has no envelope there"
    assert found == {}


def test_a_certificate_that_ends_soon_is_told(data: Path) -> None:
    later = NOW + dt.timedelta(days=tls.LEAF_DAYS - 20)
    [found] = [found for found in check_folder(data, later) if not found.holds]
    assert (found.where, "renew" in found.remedy) == ("keys/server.pem", True)


def test_a_folder_that_is_no_node_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SuyuanError, match="no node keeps anything there"):
        check_folder(tmp_path / "elsewhere", NOW)


def test_nothing_is_checked_beside_a_running_node(data: Path) -> None:
    world = World(data)
    with pytest.raises(SuyuanError, match="in use by another process"):
        check_folder(data, NOW)
    world.close()


def test_own_keys_are_held_against_the_genesis(data: Path) -> None:
    assert keys.load_own(data / "keys", LOG_KEY, genesis().validators) == LOG_SEED
    (data / "keys/log.key").write_text(VALIDATOR_SEED.hex())
    with pytest.raises(SuyuanError, match="expected is"):
        keys.load_own(data / "keys", LOG_KEY, genesis().validators)
