"""Backup and restore: what a backup holds is whole at every moment, and a restore loses nothing that it can keep."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Damaged, Malformed, SuyuanError
from ledger.storage import blockfile
from ledger.storage.chainstore import ChainStore
from node import backup as backing
from node import files
from node.backup import Made, back_up, read_manifest
from node.check import check_folder
from node.private import Erased, PrivateStore
from node.restore import BEFORE, PART, READY, Restored, restore
from tests.node_folder import NOW, NOW_MS, node_folder, opening_of, trade
from tests.world import World

ERASED = Erased("regulator", NOW_MS, "asked")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About ten block files, so that a backup has many steps."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blockfile, "BLOCK_FILE_BYTES_MAX", 5_000)
        folder = node_folder(tmp_path_factory.mktemp("backup") / "node", leaves=60)
        trade(folder, 1, [10, 20])
    return folder


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockfile, "BLOCK_FILE_BYTES_MAX", 5_000)


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "node")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def save(data: Path, dest: Path) -> Made:
    return back_up(data, dest, NOW_MS)


def bring_back(dest: Path, data: Path, private: Path | None = None) -> Restored:
    """Restore, and check what was restored."""
    done = restore(dest, data, private, NOW)
    assert sound(data)
    return done


def sound(data: Path, replay: bool = False) -> bool:
    assert [found for found in check_folder(data, NOW, replay) if not found.holds] == []
    return True


def head(data: Path) -> tuple[int, bytes, bytes]:
    with closing(ChainStore.open(data)) as store:
        return store.head.height, store.head.log.root(), store.head.state[0]


def openings(data: Path, leaves: list[int]) -> list[bytes | Erased | None]:
    with closing(PrivateStore(data / "private.db")) as store:
        return [store.get(leaf, 0) for leaf in leaves]


def erase(data: Path, leaf: int) -> None:
    with closing(PrivateStore(data / "private.db")) as store:
        assert store.erase([(leaf, 0)], ERASED) == 1


# Backup


def test_a_backup_restores_to_the_same_node(data: Path, dest: Path, tmp_path: Path) -> None:
    made = save(data, dest)
    assert (made.flaws, made.manifest.complete, made.manifest.height) == ([], True, head(data)[0])
    new = tmp_path / "new"
    done = bring_back(dest, new)
    assert (head(new), done.height, done.later, done.aside) == (head(data), made.manifest.height, 0, None)
    for path in (data / "keys").iterdir():
        assert (new / "keys" / path.name).read_bytes() == path.read_bytes()
        assert (new / "keys" / path.name).stat().st_mode & 0o777 == 0o600
    for name in ("genesis.json", "policy.txt", "node.toml"):
        assert (new / name).read_bytes() == (data / name).read_bytes()
    assert sorted(path.name for path in new.iterdir()) == sorted(path.name for path in data.iterdir())
    assert sound(new, replay=True)


def test_a_second_backup_copies_only_what_is_new(data: Path, dest: Path, tmp_path: Path) -> None:
    first = save(data, dest)
    assert first.copied_bytes == sum(path.stat().st_size for path in (data / "blocks").glob("*.blk"))
    assert save(data, dest).copied_bytes == 0
    leaves = trade(data, 2, [30])
    second = save(data, dest)
    assert 0 < second.copied_bytes < first.copied_bytes / 10
    assert len(list(dest.glob("files-*"))) == 1
    bring_back(dest, tmp_path / "new")
    assert head(tmp_path / "new") == head(data)
    assert openings(tmp_path / "new", leaves) == [opening_of(30)]


def test_a_backup_is_refused_where_it_would_mix(data: Path, dest: Path, tmp_path: Path) -> None:
    save(data, dest)
    other = node_folder(tmp_path / "other", leaves=10)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "letter.txt").write_text("mine")
    manifest = read_manifest(dest)
    with pytest.raises(SuyuanError, match="set back"):  # the same chain, and a shorter log
        save(other, dest)
    trade(other, 3, [1] * 200)
    with pytest.raises(SuyuanError, match="set back"):  # a longer log, and another one
        save(other, dest)
    (dest / "manifest.json").write_text((dest / "manifest.json").read_text().replace(manifest.chain, "ab" * 32))  # type: ignore[union-attr]
    with pytest.raises(Malformed, match="ab" * 32):
        save(data, dest)
    for bad in (elsewhere, data, data / "backup"):
        with pytest.raises(Malformed):
            save(data, bad)
    assert (elsewhere / "letter.txt").read_text() == "mine"


def test_damage_in_the_node_does_not_replace_what_was_saved(data: Path, dest: Path, tmp_path: Path) -> None:
    save(data, dest)
    (data / "keys/log.key").write_text("00" * 32)
    (data / "keys/server.pem").unlink()
    (data / "private.db").write_bytes(b"x" * 5000)
    trade_leaves = head(data)[0]
    made = save(data, dest)
    assert {flaw.split(":")[0] for flaw in made.flaws} == {"private.db", "keys/log.key", "keys/server.pem"}
    assert bring_back(dest, tmp_path / "new").height == trade_leaves
    assert openings(tmp_path / "new", [60]) == [opening_of(10)]


def test_lost_files_do_not_keep_the_blocks_from_being_saved(data: Path, dest: Path) -> None:
    shutil.rmtree(data / "keys")
    (data / "node.toml").unlink()
    made = save(data, dest)
    assert {flaw.split(":")[0] for flaw in made.flaws} == {
        "keys/log.key",
        "keys/validator.key",
        "keys/consensus.key",
        "keys/ca.pem",
    }
    assert made.manifest.height == head(data)[0]


def test_damage_in_a_backup_is_named_and_mended(data: Path, dest: Path) -> None:
    save(data, dest)
    path = dest / "blocks" / "000002.blk"
    flip(path)
    with pytest.raises(Damaged, match=r"000002\.blk.*remove this file"):
        save(data, dest)
    with pytest.raises(Damaged, match=r"000002\.blk"):
        restore(dest, dest.with_name("new"), None, NOW)
    path.unlink()
    assert save(data, dest).copied_bytes == (data / "blocks" / path.name).stat().st_size
    bring_back(dest, dest.with_name("new"))
    small = next(dest.glob("files-*")) / "genesis.json"
    flip(small)
    with pytest.raises(Damaged, match=r"genesis\.json"):
        restore(dest, dest.with_name("newer"), None, NOW)
    flip(dest / "manifest.json", 3)
    with pytest.raises(Damaged, match=r"manifest\.json"):
        save(data, dest)


def flip(path: Path, at: int = 200) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


class Crash(BaseException):
    """The process is gone at this point."""


def crashing(monkeypatch: pytest.MonkeyPatch, name: str, step: int, stored: bool) -> None:
    """The `step`th call of a function of node.files ends the process, before or after it took effect."""
    real: Callable[..., Any] = getattr(files, name)
    calls = iter(range(10_000))

    def call(*arguments: Any) -> Any:
        if next(calls) == step:
            if stored:
                real(*arguments)
            raise Crash
        return real(*arguments)

    monkeypatch.setattr(files, name, call)


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("name", ["append", "replace", "copy", "sync_folder"])
def test_an_interrupted_backup_counts_up_to_its_manifest(
    data: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, name: str, stored: bool
) -> None:
    """After each step that is interrupted what there was before still restores, and the next backup is whole."""
    heights = []
    for step in range(3):
        with monkeypatch.context() as patched:
            crashing(patched, name, step, stored)
            with suppress(Crash):
                save(data, dest)
        if read_manifest(dest) is None:
            with pytest.raises(Malformed, match="interrupted"):
                restore(dest, dest.with_name("early"), None, NOW)
        else:
            heights.append(bring_back(dest, dest.with_name(f"restored-{step}")).height)
        trade(data, 10 + step, [step] * 9)
    assert heights == sorted(heights)
    assert save(data, dest).manifest.complete
    bring_back(dest, dest.with_name("restored"))
    assert head(dest.with_name("restored")) == head(data)


def test_a_full_disk_ends_a_backup_with_what_to_do(data: Path, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See test_disk_full for a disk that is really full."""
    save(data, dest)
    trade(data, 2, [1])

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(files, "append", full)
        with pytest.raises(SuyuanError, match=r"No space left.*up to block \d+.*run the backup again"):
            save(data, dest)
    assert save(data, dest).manifest.height == head(data)[0]


def test_a_torn_block_is_not_backed_up(data: Path, dest: Path, tmp_path: Path) -> None:
    last = sorted((data / "blocks").glob("*.blk"))[-1]
    last.write_bytes(last.read_bytes() + b"\x00\x00\x01")
    save(data, dest)
    bring_back(dest, tmp_path / "new")
    assert head(tmp_path / "new") == head(data)


@pytest.mark.parametrize("tail", [bytes(4096), (300).to_bytes(4, "big") + bytes(4096)])
def test_what_a_crash_left_behind_the_last_block_is_no_damage(data: Path, dest: Path, tail: bytes) -> None:
    """`run` cuts it off; restore and check see the same node whole."""
    save(data, dest)
    last = sorted((data / "blocks").glob("*.blk"))[-1]
    last.write_bytes(last.read_bytes() + tail)
    with pytest.raises(SuyuanError, match="Nothing is to be restored"):
        restore(dest, data, None, NOW)
    ChainStore.open(data).close()


# Restore


def test_a_restore_is_refused_where_it_would_lose_something(data: Path, dest: Path, tmp_path: Path) -> None:
    save(data, dest)
    with pytest.raises(SuyuanError, match="Nothing is to be restored"):
        restore(dest, data, None, NOW)
    trade(data, 2, [1])
    with pytest.raises(SuyuanError, match="holds this chain whole"):
        restore(dest, data, None, NOW)
    shutil.rmtree(data / "index")
    with pytest.raises(SuyuanError, match="suyuan-node rebuild"):
        restore(dest, data, None, NOW)
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(Malformed, match=r"letter\.txt"):
        restore(dest, other, None, NOW)
    with pytest.raises(Malformed, match="no backup"):
        restore(tmp_path / "none", other, None, NOW)
    with pytest.raises(Malformed, match="no such file"):
        restore(dest, tmp_path / "new", tmp_path / "none.db", NOW)


def test_a_restore_is_refused_over_another_history(data: Path, dest: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    trade(data, 2, [1, 2, 3])
    save(data, dest)
    trade(copy, 3, [4])
    with pytest.raises(SuyuanError, match="two histories"):
        restore(dest, copy, None, NOW)


def test_a_restore_waits_for_no_running_node(data: Path, dest: Path) -> None:
    save(data, dest)
    world = World(data)
    with pytest.raises(SuyuanError, match="in use"):
        restore(dest, data, None, NOW)
    world.close()


def test_a_shorter_node_is_brought_forward(data: Path, dest: Path, tmp_path: Path) -> None:
    old = shutil.copytree(data, tmp_path / "old")
    trade(data, 2, [1, 2])
    save(data, dest)
    done = bring_back(dest, old)
    assert (head(old), done.log_kept) == (head(data), False)
    assert done.aside is not None
    assert (done.aside / "blocks" / "000001.blk").exists()


def test_a_damaged_block_is_mended_and_later_blocks_are_kept(data: Path, dest: Path) -> None:
    """The backup is older than the damage: nothing acknowledged is lost."""
    save(data, dest)
    leaves = trade(data, 2, [1] * 60)
    before = head(data)
    flip(data / "blocks" / "000001.blk", 3000)
    done = bring_back(dest, data)
    assert (head(data), done.later) == (before, 60)
    assert openings(data, leaves) == [opening_of(1)] * 60
    assert done.erasures_kept


def test_what_follows_a_gap_is_not_taken(data: Path, dest: Path) -> None:
    save(data, dest)
    height = head(data)[0]
    trade(data, 2, [1] * 60)
    last = sorted((data / "blocks").glob("*.blk"))[-2]
    flip(last, 3000)
    done = bring_back(dest, data)
    assert height < done.height < height + 60
    assert not done.log_kept


@pytest.mark.parametrize("name", ["keys/log.key", "genesis.json", "keys/ca.pem", "keys/server.key", "private.db"])
def test_a_damaged_file_is_restored_and_the_rest_kept(data: Path, dest: Path, name: str) -> None:
    save(data, dest)
    leaves = trade(data, 2, [7])
    before = head(data)
    (data / "node.toml").write_text('log_level = "debug"\n')
    (data / name).write_bytes(b"gone")
    done = bring_back(dest, data)
    assert head(data) == before
    assert done.log_kept
    assert (data / "node.toml").read_text() == 'log_level = "debug"\n'
    assert openings(data, leaves) == [None if name == "private.db" else opening_of(7)]
    assert done.erasures_kept == (name != "private.db")


def test_what_the_backup_lacks_is_kept(data: Path, dest: Path, tmp_path: Path) -> None:
    """A backup made while the keys were gone, restored where they are."""
    without = shutil.copytree(data, tmp_path / "without")
    shutil.rmtree(without / "keys")
    save(without, dest)
    flip(data / "blocks" / "000001.blk", 3000)
    bring_back(dest, data)


def test_erasures_are_repeated(data: Path, dest: Path, tmp_path: Path) -> None:
    """What was erased after the backup stays erased where a newer store is at hand, and comes back where none is."""
    first, second = trade(data, 2, [1, 2])
    save(data, dest)
    erase(data, first)
    bring_back(dest, tmp_path / "without")
    assert openings(tmp_path / "without", [first, second]) == [opening_of(1), opening_of(2)]
    bring_back(dest, tmp_path / "with", data / "private.db")
    assert openings(tmp_path / "with", [first, second]) == [ERASED, opening_of(2)]
    flip(data / "blocks" / "000001.blk", 3000)
    bring_back(dest, data)
    assert openings(data, [first, second]) == [ERASED, opening_of(2)]


def test_places_beyond_the_restored_log_are_forgotten(data: Path, dest: Path, tmp_path: Path) -> None:
    """Their leaves will be other records, which neither an old opening nor an old erasure may meet."""
    save(data, dest)
    lost, erased = trade(data, 2, [1, 2])
    erase(data, erased)
    new = tmp_path / "new"
    bring_back(dest, new, data / "private.db")
    again = trade(new, 3, [8, 9])
    assert again == [lost, erased]
    assert openings(new, again) == [opening_of(8), opening_of(9)]
    assert sound(new, replay=True)


@pytest.fixture
def renames(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    real = Path.rename

    def crash_at(step: int) -> None:
        calls = iter(range(10_000))

        def rename(self: Path, target: Path) -> Path:
            if next(calls) == step:
                raise Crash
            return real(self, target)

        monkeypatch.setattr(Path, "rename", rename)

    yield crash_at
    monkeypatch.setattr(Path, "rename", real)


def test_an_interrupted_restore_goes_on(
    data: Path, dest: Path, tmp_path: Path, renames: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each rename: the node does not start on a mixture, and the next restore ends where the first would have."""
    save(data, dest)
    trade(data, 2, [1] * 3)
    before = head(data)
    flip(data / "blocks" / "000001.blk", 3000)
    step = 0
    while True:
        copy = shutil.copytree(data, tmp_path / f"copy-{step}")
        renames(step)
        try:
            restore(dest, copy, None, NOW)
        except Crash:
            renames(-1)
            with pytest.raises((SuyuanError, OSError)):
                ChainStore.open(copy)
            bring_back(dest, copy)
            assert head(copy) == before
            assert not list(copy.glob("restore.*"))
            assert len(list(copy.glob(f"{BEFORE}-*"))) == 1
        else:
            break
        step += 1
    assert step > 10


def test_an_interrupted_copy_leaves_the_node_as_it_was(
    data: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(data, dest)
    flip(data / "blocks" / "000001.blk", 3000)
    before = {path: path.read_bytes() for path in sorted(data.rglob("*.blk"))}
    for step in range(3):
        with monkeypatch.context() as patched:
            crashing(patched, "append", step, stored=True)
            with pytest.raises(Crash):
                restore(dest, data, None, NOW)
        assert {path: path.read_bytes() for path in sorted(data.rglob("*.blk"))} == before
        assert not (data / PART).exists()
        assert not (data / READY).exists()
    bring_back(dest, data)


def test_a_manifest_says_what_a_backup_holds(data: Path, dest: Path) -> None:
    save(data, dest)
    told = json.loads((dest / backing.MANIFEST).read_text())
    assert told["name"] == "test.example/log"
    assert set(told["files"]) == {
        "genesis.json", "policy.txt", "node.toml", "private.db", "private.dat", "keys/log.key", "keys/validator.key",
        "keys/consensus.key",
        "keys/ca.key", "keys/ca.pem", "keys/server.key", "keys/server.pem",
    }  # fmt: skip
    assert told["files"]["policy.txt"]["sha256"] == files.sha256(data / "policy.txt")
    assert told["blocks"] == {path.name: path.stat().st_size for path in (data / "blocks").glob("*.blk")}
    assert dest.stat().st_mode & 0o077 == 0
