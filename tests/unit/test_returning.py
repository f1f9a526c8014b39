"""A lost validator of a network: what its backup has and has not, what a restore makes of it, what check says of
CometBFT's folder, and that it signs nothing before it stands where the others stand."""

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from ledger.errors import Damaged
from ledger.limits import QUORUM_OLD_MS_MAX
from node.backup import back_up
from node.check import check_folder
from node.cosigning.cosigner import Cosigner
from node.cosigning.sightings import Sighting
from node.engine.cometbft import home
from node.engine.cometbft.returning import SILENT_HEIGHT, Returning
from node.receipts import CheckpointSigner
from node.restore import restore
from tests.ceremony import found_four
from tests.unit.test_standing import SEEN
from tests.validators import NAMES, SEEDS
from tests.world import LOG_SEED, ORIGIN

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)
VOTED = Path("cometbft/data") / home.VOTED
SECRET = "what this validator signed last"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One node's folder of four, which voted and cosigned."""
    data = found_four(tmp_path / "net").folders[0]
    vote(data, 41)
    (data / "cometbft/progress").write_text(SECRET)
    (data / "cometbft/data/blockstore.db").mkdir()
    (data / "cosigned").write_text(SECRET)
    (data / "evidence").mkdir()
    (data / "evidence/7-a.note").write_text("two heads")
    return data


def vote(data: Path, height: int) -> None:
    (data / VOTED).parent.mkdir(parents=True, exist_ok=True)
    (data / VOTED).write_text(json.dumps({"height": str(height), "round": 0, "step": 3, "signature": "eA=="}))


def voted(data: Path) -> int:
    return int(json.loads((data / VOTED).read_text())["height"])


def flaws(data: Path) -> dict[str, str]:
    return {found.where: found.detail for found in check_folder(data, NOW) if not found.holds}


# Backup, restore, check


def test_a_backup_has_the_keys_and_not_what_was_signed_last(data: Path, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "backup", NOW_MS)
    assert made.flaws == []
    assert {"peer.json", "keys/consensus.key", "keys/peer.key", "keys/validator.key"} < set(made.manifest.files)
    assert len([name for name in made.manifest.files if name.startswith("peers/")]) == 3
    saved = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert not [path for path in saved if SECRET.encode() in path.read_bytes() or path.name == home.VOTED]


def test_a_lost_folder_comes_back_without_a_last_vote(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup", NOW_MS)
    key = (data / "keys/consensus.key").read_bytes()
    shutil.rmtree(data)
    done = restore(tmp_path / "backup", data, None, NOW)
    assert done.resync is not None
    assert (done.resync / "blocks/000001.blk").exists()
    assert (data / "keys/consensus.key").read_bytes() == key
    assert (data / "evidence/7-a.note").read_text() == "two heads"
    assert not (data / VOTED).exists()
    assert not (data / "cosigned").exists()
    found = {one.where: one for one in check_folder(data, NOW)}
    assert all(one.holds for one in found.values()), found
    assert "signs nothing" in found[VOTED.as_posix()].detail
    assert "signs nothing" in found["cosigned"].detail
    assert Returning(data / "cometbft", has_cosigned=False).active
    assert voted(data) == SILENT_HEIGHT


def test_a_damaged_folder_keeps_what_it_signed_last(data: Path, tmp_path: Path) -> None:
    (data / "cosigned").unlink()
    back_up(data, tmp_path / "backup", NOW_MS)
    (data / "keys/validator.key").unlink()
    shutil.rmtree(data / "peers")
    assert flaws(data)
    done = restore(tmp_path / "backup", data, None, NOW)
    assert flaws(data) == {}
    assert done.aside is not None
    assert len(list((data / "peers").iterdir())) == 3
    assert voted(data) == 41
    assert not (data / "cometbft/progress").exists(), "the chain is fetched anew"
    assert not Returning(data / "cometbft", has_cosigned=True).active


def test_check_looks_at_what_a_network_needs(data: Path) -> None:
    assert set(flaws(data)) == {"cosigned"}, "it holds no two slots"
    (data / "cosigned").unlink()
    found = {one.where: one.detail for one in check_folder(data, NOW)}
    assert found["peers"] == "3 other nodes"
    assert "signs nothing" in found["cosigned"]
    vote(data, 0)
    assert {one.where: one.detail for one in check_folder(data, NOW)}["cosigned"] == "", "it never signed"
    (data / VOTED).write_text("torn")
    next((data / "peers").iterdir()).write_text("torn")
    assert set(flaws(data)) == {VOTED.as_posix(), "peers"}


# Signing again


def others(*leaves: int, age_ms: int = 1000) -> list[Sighting]:
    return [Sighting(size, NOW_MS - age_ms) for size in leaves]


def test_who_knows_its_last_vote_just_goes_on(data: Path) -> None:
    assert not Returning(data / "cometbft", has_cosigned=True).active
    assert Returning(data / "cometbft", has_cosigned=False).active, "it voted, and does not know what it cosigned"
    vote(data, 0)
    assert not Returning(data / "cometbft", has_cosigned=False).active, "a network that is founded"
    (data / VOTED).write_text("torn")
    with pytest.raises(Damaged, match="Remove it"):
        Returning(data / "cometbft", has_cosigned=True)


def test_it_signs_again_when_it_has_what_the_others_had(data: Path) -> None:
    (data / VOTED).unlink()
    returning = Returning(data / "cometbft", has_cosigned=False)
    at, ahead = SEEN.height, SEEN.height + 2
    synced = structs.replace(SEEN, peers=frozenset("abcx"), peer_heights={"a": 10**9, "b": at, "c": at, "x": 10**9})

    def may(leaves: int, *heard: Sighting, seen: object = synced) -> bool:
        return returning.may_end(seen, leaves, heard, frozenset("abc"), 3, 1, NOW_MS)  # type: ignore[arg-type]

    assert not may(99, *others(10, 10)), "two others are no quorum"
    assert not may(99, *others(10, 10), *others(10, age_ms=QUORUM_OLD_MS_MAX + 1)), "the third is long gone"
    assert not may(19, *others(12, 20, 10**9)), "one may lie about its height, two do not"
    assert may(20), "what it has to reach is settled; one claims any block, and so does an observer"
    assert not may(20, seen=None)
    lagging = {"peer_heights": {"a": ahead, "b": ahead, "c": at}}
    for wrong in ({"catching_up": True}, {"peers": frozenset("abx")}, lagging, {"peer_heights": {"a": at, "x": at}}):
        assert not may(20, seen=structs.replace(synced, **wrong))
    again = Returning(data / "cometbft", has_cosigned=False)
    assert again.active, "after a crash too"
    assert again.end(300)
    assert voted(data) == SILENT_HEIGHT, "until CometBFT has ended"
    again.prepare()
    assert voted(data) == 301
    assert not again.active
    assert not Returning(data / "cometbft", has_cosigned=True).active


def test_what_it_cosigned_alone_may_be_lost(data: Path) -> None:
    returning = Returning(data / "cometbft", has_cosigned=False)
    assert returning.active
    assert not returning.end(300), "CometBFT knows its last vote, and runs on"
    returning.prepare()
    assert voted(data) == 41


def test_a_cosigner_that_is_held_signs_for_the_log_alone(tmp_path: Path) -> None:
    cosigner = Cosigner(tmp_path, CheckpointSigner(ORIGIN, LOG_SEED, NAMES[0], SEEDS[0]))
    assert not cosigner.has_signed
    cosigner.held = True
    assert cosigner.sign(5, bytes(32), lambda size: [], NOW_MS).count("— ".encode()) == 1
    assert not cosigner.has_signed
    cosigner.held = False
    assert cosigner.sign(5, bytes(32), lambda size: [], NOW_MS).count("— ".encode()) == 2
    assert cosigner.has_signed
    cosigner.close()
