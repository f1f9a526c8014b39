"""One bit flipped in each stored file of a node: `suyuan-node check` names the file, its remedy mends it, and then
the full check holds. A flip that goes unnoticed must change nothing that the node reads from that file."""

import datetime as dt
import shutil
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client_sdk import build
from client_sdk.wire import clock_ms
from ledger.errors import SuyuanError
from ledger.private import Private
from ledger.storage.chainstore import ChainStore, read_genesis
from ledger.storage.check import Finding
from node import keys, tls
from node.check import check_folder
from node.config import Settings
from node.private import PrivateStore
from tests.fault.full_check import acknowledged_of, full_check
from tests.fault.interrupted import ends_well
from tests.network import Network
from tests.world import LOT, MAKER

pytestmark = pytest.mark.slow
POSITIONS = 4  # of each file, besides its first and last byte
REMEDIES = {
    "backup": ("restore", "{backup}", "{data}"),
    "suyuan-node rebuild": ("rebuild", "{data}"),
    "suyuan-node renew": ("renew", "{data}"),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A node's folder after some trade: more than a full tile, private openings, an index of several files."""
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER)
    for number in range(3):
        with network.client(MAKER) as client:
            acts = [sale(f"BF-{number}-{row}") for row in range(100)]
            for envelope, receipt in client.submit_stream(client.sign(acts, records_max=1)):
                assert not isinstance(receipt, SuyuanError)
                client.put_private(receipt.leaf, envelope.private)
        assert network.stop() == 0
        network.start()
    with network.client(MAKER) as client:
        client.erase_private([(place.leaf, 0) for place in list(client.own_envelopes())[5:9]], "客户要求删除")
    assert network.stop() == 0
    assert ends_well("backup", str(network.data), str(network.folder / "backup"))
    return network


def sale(ref: str) -> build.Act:
    act = build.sell(lot=LOT, quantity=1, ref=ref, at=clock_ms(), site=MAKER.site)
    return build.with_private(act, Private(price=1250, note="老客户"))


def files_of(data: Path) -> list[str]:
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())


def flaws(data: Path) -> list[Finding]:
    now = dt.datetime.now(dt.UTC)
    return [found for found in check_folder(data, now, replay=True) if not found.holds]


def reading(data: Path) -> dict[str, Any]:
    """What a node reads from its folder: rows, blocks, tiles, settings, keys, certificates, openings."""
    folder, genesis = data / "keys", read_genesis(data)
    settings = Settings(data=data).model_dump(exclude={"data"})
    with closing(ChainStore.open(data)) as store, closing(PrivateStore(data / "private.db")) as private:
        return {
            "genesis": genesis,
            "settings": settings,
            "policy": (data / "policy.txt").read_bytes(),
            "seeds": [keys.load_own(folder, name, genesis.validators) for name in keys.VALIDATORS],
            "authority": (tls.load_authority(folder), tls.load_authority_key(folder).private_numbers()),
            "server": (tls.load_server(folder), tls.load_server_certificate(folder)),
            "openings": [private.get(leaf, 0) for leaf in range(store.head.log.size)],
            "rows": [(key, value, store.get(key)) for key, value in store.scan(b"")],
            "blocks": list(store.blocks(1)),
            "tiles": {
                path.name: path.read_bytes() for path in (data / "public" / "tile").rglob("*") if path.is_file()
            },
        }


def mended(data: Path, backup: Path, found: list[Finding]) -> None:
    """Do what the remedies say: the backup for what stands nowhere else, then anew what can be made anew."""
    for remedy, command in REMEDIES.items():
        if any(remedy in flaw.remedy for flaw in found):
            assert ends_well(*(part.format(data=data, backup=backup) for part in command)), found
            found = flaws(data)
    assert found == []


def names(flaw: Finding, name: str) -> bool:
    """Whether a finding names a file: by its path, its folder for the index, its block for a block file."""
    if name.startswith("index/"):
        return flaw.where.startswith("index")
    if name.startswith("private."):
        return flaw.where.startswith("private.")
    if name.startswith("blocks/"):
        return name in flaw.where or (flaw.where.startswith("block ") and Path(name).name in flaw.where)
    return flaw.where.startswith(name)


def positions(size: int, seed: str) -> list[int]:
    random = Random(seed)
    return sorted({0, size - 1, *(random.randrange(size) for _ in range(POSITIONS))}) if size else []


def test_every_kind_of_file_is_there(network: Network) -> None:
    found = {Path(name).suffix or Path(name).name for name in files_of(network.data)}
    assert {
        ".blk",
        ".ldb",
        ".log",
        ".json",
        ".key",
        ".pem",
        ".txt",
        ".toml",
        ".db",
        ".dat",
        "000",
        "CURRENT",
    } <= found


FILES = (
    "blocks/000001.blk", "public/tile/0/000", "public/tile/entries/000", "private.db", "private.dat",
    "genesis.json", "policy.txt", "node.toml", "keys/log.key", "keys/validator.key",
    "keys/consensus.key", "keys/ca.key",
    "keys/ca.pem", "keys/server.key", "keys/server.pem",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_named_and_mended(network: Network, tmp_path: Path, name: str) -> None:
    flip_everywhere(network, tmp_path, [name])


def test_a_flipped_bit_of_the_index_is_named_and_mended(network: Network, tmp_path: Path) -> None:
    """Each file of LevelDB: tables, log, manifest, CURRENT, and those that it only writes for people."""
    flip_everywhere(network, tmp_path, [one for one in files_of(network.data) if one.startswith("index/")])


def test_no_file_is_left_out(network: Network) -> None:
    """Locks are empty, and what is published is written anew at each start; all others are flipped above."""
    rest = [
        name for name in files_of(network.data) if name not in FILES and not name.startswith(("index/", "public/"))
    ]
    assert [name for name in rest if (network.data / name).stat().st_size] == []


def flip_everywhere(network: Network, tmp_path: Path, files: list[str]) -> None:
    sound, acknowledged = reading(shutil.copytree(network.data, tmp_path / "sound")), acknowledged_of(network.data)
    noticed = 0
    for name in files:
        for position in positions((network.data / name).stat().st_size, name):
            data = shutil.copytree(network.data, tmp_path / "node")
            bit = flip(data / name, position)
            found = flaws(data)
            where = f"bit {bit} of byte {position} of {name}"
            if found:
                noticed += 1
                assert any(names(flaw, name) for flaw in found), (where, found)
                mended(data, network.folder / "backup", found)
            else:
                assert reading(data) == sound, f"{where} was not noticed, and matters"
            full_check(data, acknowledged)
            shutil.rmtree(data)
    assert noticed > 0 or files == ["node.toml"]


def flip(path: Path, position: int) -> int:
    """Flip one bit of a byte, and say which."""
    bit = Random(f"{path.name} {position}").randrange(8)
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)
    return bit
