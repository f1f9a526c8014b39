"""A network founded as its owners would, without a process."""

from dataclasses import dataclass
from pathlib import Path

from ledger import genesis as g
from ledger import records as r
from node import network, peers
from tests.world import REGULATOR

LOG = "test.example/log"
NAMES = ("association", "customs", "regulator", "university")


@dataclass
class Network:
    genesis: g.Genesis
    folders: list[Path]
    peers: list[peers.Peer]


def found_four(folder: Path) -> Network:
    folders = [folder / name for name in NAMES]
    public = [make(data, number) for number, data in enumerate(folders)]
    founder = g.Founder(
        key=REGULATOR.key, kind=r.MemberKind.REGULATOR, member=REGULATOR.id, name="市场监管局", region="CN-33"
    )
    genesis = network.collect(LOG, [founder], public, "CN-33", None)
    for data in folders:
        network.join(data, genesis, public)
    return Network(genesis, folders, public)


def make(data: Path, number: int) -> peers.Peer:
    """The keys of one node, as `init --node` makes them."""
    network.init(data, LOG, data.name, f"127.0.0.1:{9000 + number}", f"127.0.0.1:{9100 + number}", ["127.0.0.1"])
    return peers.read(data / peers.OWN_FILE)
