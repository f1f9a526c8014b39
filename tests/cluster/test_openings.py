"""Private openings over four real nodes: to those that the member named and to nobody else, through the absence of
one of them and the death of the one that was given them; and never through CometBFT."""

import os
from pathlib import Path

import pytest

from client_sdk import build, errors
from client_sdk.openings import PrivateNotDelivered
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.private import Private
from tests.cluster.conftest import Cluster
from tests.network import operate
from tests.world import DEALER, FORMULA, LOT, MAKER

pytestmark = pytest.mark.slow

READINGS = os.urandom(400)  # which nothing packs smaller, so that they can be found wherever they went
PRIVATE = Private(
    address="嘉兴市南湖区中山路1号", contact="0573-8200", price=129_900, currency="CNY", readings=READINGS
)
LACKS = "keeps no opening"


def name_of(cluster: Cluster, node: int) -> str:
    with cluster.client(node) as reader:
        return reader.node_info().node


def supplied(cluster: Cluster) -> None:
    """A maker with goods, and a dealer."""
    cluster.admit(1, MAKER, DEALER)
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 1000, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
    with cluster.client(1, cluster.identity(MAKER)) as maker:
        maker.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])
    cluster.settled()


def ship(ref: str, private: Private) -> build.Act:
    one = build.ship(lot=LOT, quantity=5, ref=ref, at=clock_ms(), site=MAKER.site, to=DEALER.id)
    return build.with_private(one, private)


def shown(cluster: Cluster, node: int, leaf: int, index: int = 0) -> Private | str:
    """What the other party reads at a node, or what it is told."""
    with cluster.client(node, cluster.identity(DEALER)) as dealer:
        try:
            return dealer.private(leaf, index)
        except errors.NotFound as error:
            return str(error)


def come(cluster: Cluster, node: int, leaf: int, private: Private = PRIVATE, index: int = 0) -> None:
    told = f"node {node} was not given record {index} in leaf {leaf}"
    cluster.wait_until(lambda: shown(cluster, node, leaf, index) == private, lambda: told)


def taken(cluster: Cluster, node: int) -> list[str]:
    """What a node's log says of the letters that it took something of."""
    lines = (cluster.net.folder / f"node{node}.log").read_text().splitlines()
    return [line for line in lines if "private openings taken" in line]


def holding(folder: Path, data: bytes) -> set[str]:
    """The names of the files that hold these bytes as they are."""
    return {path.name for path in folder.rglob("*") if path.is_file() and data in path.read_bytes()}


def test_what_was_acknowledged_reaches_every_named_node_whoever_is_killed(cluster: Cluster) -> None:
    supplied(cluster)
    named = [name_of(cluster, node) for node in (2, 4)]
    acts = [ship(f"FH-{number}", Private(price=number)) for number in range(24)]
    with cluster.client(1, cluster.identity(MAKER)) as maker:
        envelope = next(maker.sign(acts, records_max=100))
        leaf = maker.submit_envelope(envelope).leaf
    for index, opening in envelope.private.items():
        with cluster.client(1, cluster.identity(MAKER)) as maker:
            maker.put_private(leaf, {index: opening}, named)
        victim = {4: 1, 9: 2, 14: 4, 19: 1}.get(index)
        if victim is not None:  # while what was just acknowledged is on its way
            cluster.net.kill(victim)
            cluster.net.start(victim)
            cluster.net.wait_ready(victim)
    for node in (2, 4):
        for index in range(len(acts)):
            come(cluster, node, leaf, Private(price=index), index)
    cluster.wait_until(
        lambda: (cluster.net.data(1) / "private.dat").stat().st_size == 0, lambda: "node 1 keeps what it handed on"
    )
    assert all(LACKS in str(shown(cluster, node, leaf, index)) for node in (1, 3) for index in (0, 23))


def test_openings_reach_the_named_nodes_once_and_never_go_through_consensus(cluster: Cluster) -> None:
    cluster.settled()
    named = [name_of(cluster, node) for node in (2, 4)]
    earlier = len(taken(cluster, 2)), len(taken(cluster, 4))
    cluster.net.kill(4)

    with cluster.client(1, cluster.identity(MAKER)) as maker:
        [receipt] = maker.submit([ship("XS-1", PRIVATE)], nodes=named)
        with pytest.raises(
            PrivateNotDelivered, match=f"it knows .*{named[0]}.*cannot give openings to nobody.example"
        ):
            maker.submit([ship("XS-2", PRIVATE)], nodes=[named[0], "nobody.example"])
        seal = maker.own_record(receipt.leaf, 0).record.private
    come(cluster, 2, receipt.leaf)
    cluster.settled(1, 2, 3)
    assert all(LACKS in str(shown(cluster, node, receipt.leaf)) for node in (1, 3))
    assert holding(cluster.net.data(1), READINGS) == {"private.dat"}

    cluster.net.kill(1)
    [line] = [one for one in operate("check", str(cluster.net.data(1))).stdout.splitlines() if "private.db" in one]
    assert "1 openings, 0 erased, 1 wait for other nodes" in line
    cluster.net.start(1, 4)
    cluster.net.wait_ready(1, 4)
    come(cluster, 4, receipt.leaf)
    kept = "node 1 keeps what it handed on"
    cluster.wait_until(lambda: not holding(cluster.net.data(1), READINGS), lambda: kept)
    assert all(LACKS in str(shown(cluster, node, receipt.leaf)) for node in (1, 3))
    assert (len(taken(cluster, 2)), len(taken(cluster, 4))) == (earlier[0] + 1, earlier[1] + 1)
    assert taken(cluster, 1) == taken(cluster, 3) == []

    with cluster.client(2, cluster.identity(MAKER)) as maker:
        assert maker.erase_private([(receipt.leaf, 0)], "客户要求") == 1
    assert "erased by" in str(shown(cluster, 2, receipt.leaf))
    assert shown(cluster, 4, receipt.leaf) == PRIVATE
    assert set(cluster.net.stop().values()) == {0}
    assert [holding(cluster.net.data(node), READINGS) for node in cluster.net.numbers] == [
        set(), set(), set(), {"private.dat"},
    ]  # fmt: skip
    for node in cluster.net.numbers:  # what does go through consensus is found so
        assert holding(cluster.net.data(node) / "blocks", seal)
        assert holding(cluster.net.data(node) / "cometbft", seal)
