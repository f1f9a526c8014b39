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


def ship(ref: str) -> build.Act:
    one = build.ship(lot=LOT, quantity=5, ref=ref, at=clock_ms(), site=MAKER.site, to=DEALER.id)
    return build.with_private(one, PRIVATE)


def shown(cluster: Cluster, node: int, leaf: int) -> Private | str:
    """What the other party reads at a node, or what it is told."""
    with cluster.client(node, cluster.identity(DEALER)) as dealer:
        try:
            return dealer.private(leaf, 0)
        except errors.NotFound as error:
            return str(error)


def come(cluster: Cluster, node: int, leaf: int) -> None:
    told = f"node {node} was not given it"
    cluster.wait_until(lambda: shown(cluster, node, leaf) == PRIVATE, lambda: told)


def holding(folder: Path, data: bytes) -> set[str]:
    """The names of the files that hold these bytes as they are."""
    return {path.name for path in folder.rglob("*") if path.is_file() and data in path.read_bytes()}


def test_openings_reach_the_named_nodes_once_and_never_go_through_consensus(cluster: Cluster) -> None:
    cluster.admit(1, MAKER, DEALER)
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 1000, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
    with cluster.client(1, cluster.identity(MAKER)) as maker:
        maker.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])
    cluster.settled()
    named = [name_of(cluster, node) for node in (2, 4)]
    cluster.net.kill(4)

    with cluster.client(1, cluster.identity(MAKER)) as maker:
        [receipt] = maker.submit([ship("XS-1")], nodes=named)
        with pytest.raises(
            PrivateNotDelivered, match=f"it knows .*{named[0]}.*cannot give openings to nobody.example"
        ):
            maker.submit([ship("XS-2")], nodes=[named[0], "nobody.example"])
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
    logs = [(cluster.net.folder / f"node{node}.log").read_text() for node in cluster.net.numbers]
    assert [log.count("private openings taken") for log in logs] == [0, 1, 0, 1]

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
