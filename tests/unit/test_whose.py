"""A backup is one node's: another node of the same chain neither writes into it nor is restored from it."""

import shutil
from pathlib import Path

import pytest

from ledger.errors import SuyuanError
from node.backup import back_up, read_manifest
from node.keys import VALIDATORS
from node.restore import restore
from tests.ceremony import LOG, Network, found_four
from tests.node_folder import NOW, NOW_MS

NAMED = rf"is the backup of {LOG}/association, and .*customs is {LOG}/customs: nothing was changed"
UNNAMED = "is the backup of a node with other keys"


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return found_four(tmp_path)


def keys_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "keys").iterdir()}


@pytest.mark.parametrize("says", [NAMED, UNNAMED])
def test_another_node_writes_into_no_backup(network: Network, tmp_path: Path, says: str) -> None:
    """It replaced the keys of the first, and whoever restored that had two nodes with one set of keys."""
    own, other = network.folders[:2]
    saved = keys_in(own)
    back_up(own, tmp_path / "backup", NOW_MS)
    if says == UNNAMED:
        (other / "peer.json").unlink()
    with pytest.raises(SuyuanError, match=says):
        back_up(other, tmp_path / "backup", NOW_MS)
    manifest = read_manifest(tmp_path / "backup")
    assert manifest is not None
    assert keys_in(tmp_path / "backup" / manifest.folder) == saved


@pytest.mark.parametrize("says", [NAMED, UNNAMED])
def test_a_damaged_node_is_not_restored_from_another_s_backup(network: Network, tmp_path: Path, says: str) -> None:
    own, other = network.folders[:2]
    back_up(own, tmp_path / "backup", NOW_MS)
    before = keys_in(other)
    shutil.rmtree(other / "blocks")
    if says == UNNAMED:
        (other / "peer.json").write_text("?")
    with pytest.raises(SuyuanError, match=says):
        restore(tmp_path / "backup", other, None, NOW)
    assert keys_in(other) == before


def test_a_node_with_new_keys_is_still_itself(network: Network, tmp_path: Path) -> None:
    """Without its public file as well: the keys by which its peers know it stay."""
    own = network.folders[0]
    back_up(own, tmp_path / "backup", NOW_MS)
    for name in VALIDATORS:
        (own / "keys" / name).write_text("07" * 32 + "\n")
    (own / "peer.json").unlink()
    restore(tmp_path / "backup", own, None, NOW)
    assert (own / "peer.json").exists()
