"""What happens to a disk under one of four: one flipped bit, an older copy, no room. The others go on; the node says
what to do, and when that is done it stands with them again."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from client_sdk import errors
from ledger.limits import FREE_BYTES_MIN
from node.engine.cometbft.home import VOTED
from tests.cluster.conftest import Cluster, Nodes, random_seed
from tests.cluster.load import Load
from tests.fault.small_disk import DISK_BYTES, fill, mounted
from tests.network import operate
from tests.world import MAKER

pytestmark = pytest.mark.slow
HARMED = 3
OTHERS = (1, 2, 4)
REMEDIES = {
    "suyuan-node resync": lambda data: operate("resync", str(data)),
    "suyuan-node rebuild": lambda data: operate("rebuild", str(data)),
    f"{VOTED}: ": lambda data: (data / "cometbft/data" / VOTED).unlink(),
}
"""What a node says, and what its operator does then."""


def flip(path: Path, random: Random) -> str:
    content = bytearray(path.read_bytes())
    place, bit = random.randrange(len(content)), random.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {path}"


def largest(folder: Path) -> Path:
    return max((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_size)


def files_of(data: Path, random: Random) -> dict[str, list[Path]]:
    """In each of which a bit is flipped."""
    comet = data / "cometbft"
    stores = [comet / "data" / name for name in ("blockstore.db", "state.db", "cs.wal")]
    return {
        "blocks": [largest(data / "blocks")],
        "index": [largest(data / "index")],
        "store of CometBFT": [largest(random.choice(stores))],
        "progress and cosigned": [comet / "progress", data / "cosigned"],
        "last vote": [comet / "data" / VOTED],
    }


@pytest.fixture(scope="module")
def may_harm(network: Nodes) -> None:
    network.faulty.add(HARMED)


@pytest.fixture(scope="module")
def harmed(may_harm: None, trading: Cluster) -> Cluster:
    return trading


def stands_again(cluster: Cluster, node: int) -> list[str]:
    """Start a node, and do what it says until it stands with the others; what was done."""
    done: list[str] = []
    while len(done) <= len(REMEDIES):
        before = len(cluster.net.log(node))
        cluster.net.start(node)
        cluster.wait_until(lambda: not cluster.net.runs(node) or cluster.agree(), lambda: cluster.net.log(node))
        if cluster.net.runs(node):
            return done
        assert cluster.net.ended(node) == 1
        done.append(remedied(cluster, node, cluster.net.log(node)[before:]))
    pytest.fail(f"what it says does not help: {done}")


def remedied(cluster: Cluster, node: int, said: str) -> str:
    remedy = next((words for words in REMEDIES if words in said), "")
    assert remedy, said
    REMEDIES[remedy](cluster.net.data(node))
    return remedy


@pytest.mark.parametrize("what", ["blocks", "index", "store of CometBFT", "progress and cosigned", "last vote"])
def test_one_flipped_bit_is_found_and_mended(harmed: Cluster, what: str) -> None:
    seed = random_seed("flip")
    random = Random(seed)
    with Load(harmed, seed, clients=2, nodes=OTHERS) as load:
        load.goes_on()
        harmed.net.kill(HARMED)
        for path in files_of(harmed.net.data(HARMED), random)[what]:
            print(flip(path, random))
        load.goes_on(2)
    print(stands_again(harmed, HARMED))


def test_an_older_copy_catches_up_and_signs_nothing_again(harmed: Cluster) -> None:
    """Everything is set back but what it cosigned and voted for last, which no copy may bring back."""
    data, copied = harmed.net.data(HARMED), harmed.net.folder / "copied"
    newest = ("cosigned", f"cometbft/data/{VOTED}")
    harmed.net.kill(HARMED)
    shutil.copytree(data, copied, ignore=shutil.ignore_patterns("*.sock"))
    harmed.net.start(HARMED)
    harmed.net.wait_ready(HARMED)
    with Load(harmed, random_seed("copy"), clients=2) as load:
        load.goes_on(20)
    size = harmed.settled().leaves
    harmed.net.kill(HARMED)
    for name in newest:
        shutil.copy(data / name, copied / name)
    shutil.rmtree(data)
    copied.rename(data)
    before = len(harmed.net.log(HARMED))
    harmed.net.start(HARMED)
    harmed.net.wait_ready(HARMED)
    harmed.settled()
    said = [json.loads(line) for line in harmed.net.log(HARMED)[before:].splitlines()]
    held_back = [
        one["size"] for one in said if one["event"].startswith("not cosigned: this validator signed a longer")
    ]
    assert held_back
    assert max(held_back) < size


def test_a_full_disk_ends_one_node_and_room_brings_it_back(harmed: Cluster) -> None:
    with on_a_small_disk(harmed, HARMED) as data:
        with Load(harmed, random_seed("disk"), clients=3, nodes=OTHERS) as load:
            ballast = fill(data, FREE_BYTES_MIN // 2)
            with harmed.client(HARMED, harmed.identity(MAKER)) as client:
                harmed.wait_until(lambda: bool(client.node_info().read_only), lambda: "it sees no shortage")
                with pytest.raises(errors.ReadOnly):
                    client.submit_envelope(next(client.sign([harmed.sale(MAKER, 1, "LS-full")], records_max=1)))
            at = harmed.net.standing(HARMED).leaves
            harmed.wait_until(lambda: harmed.net.standing(HARMED).leaves > at, lambda: "it follows no more")
            fill(data, 0)
            harmed.wait_until(lambda: not harmed.net.runs(HARMED), lambda: "a full disk does not end it")
            assert harmed.net.ended(HARMED) == 1
            load.goes_on()
            ballast.unlink()
        print(stands_again(harmed, HARMED))


@contextmanager
def on_a_small_disk(cluster: Cluster, node: int) -> Iterator[Path]:
    """A node's folder lies on a disk of its own meanwhile, and the node knows how little room it needs at least."""
    data, disk = cluster.net.data(node), cluster.net.folder / "disk"
    unmount = mounted(disk, DISK_BYTES)
    try:
        move(cluster, node, data, disk / "data")
        with (disk / "data/node.toml").open("a") as settings:
            settings.write(f"free_bytes_min = {FREE_BYTES_MIN}\n")
        data.symlink_to(disk / "data")
        cluster.net.start(node)
        cluster.net.wait_ready(node)
        yield disk
        data.unlink()
        move(cluster, node, disk / "data", data)
        cluster.net.start(node)
        cluster.net.wait_ready(node)
    finally:
        cluster.net.kill(node) if data.is_symlink() else None
        unmount()


def move(cluster: Cluster, node: int, source: Path, target: Path) -> None:
    cluster.net.kill(node)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))
    shutil.rmtree(source)


def test_one_that_leaves_the_others_history_says_so_and_acknowledges_no_more(harmed: Cluster) -> None:
    harmed.settled()
    with Load(harmed, random_seed("history"), clients=3) as load, harmed.net.fault(HARMED, "forgets"):
        harmed.wait_until(lambda: not harmed.net.runs(HARMED), lambda: harmed.net.log(HARMED))
        assert harmed.net.ended(HARMED) == 1
        load.goes_on()
    said = harmed.net.log(HARMED)
    assert "this node stands outside the others' history" in said or "CometBFT's consensus failed" in said
    assert "resync" in remedied(harmed, HARMED, said)
    assert stands_again(harmed, HARMED) == []


def test_at_the_end_all_that_was_acknowledged_is_there_once(harmed: Cluster) -> None:
    harmed.check(forks=True)
