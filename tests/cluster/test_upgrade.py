"""An upgrade by one node at a time: each is started with the newer program, the network goes on, and all switch to
the new rules together, at a block. Whoever did not upgrade stops, says so, and loses nothing."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from client_sdk import build
from client_sdk.audit import audit_folder
from client_sdk.wire import clock_ms
from demo.localnet import founding
from ledger import block as b
from ledger import governance
from ledger import records as r
from ledger.fields import Approval
from ledger.storage.blockfile import BlockFiles
from node import governing
from tests.cluster.conftest import Cluster, Nodes, cometbft, free_port
from tests.world import MAKER

pytestmark = pytest.mark.slow


class Upgraded(Nodes):
    """The nodes in `newer` run the newer program."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.newer: set[int] = set()

    def command(self, number: int) -> list[str]:
        if number not in self.newer:
            return super().command(number)
        return [sys.executable, "-m", "tests.cluster.newer_node", str(self.data(number))]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    program = cometbft()
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        founding.found(Path(folder) / "net", 4, free_port(4), program)
        net = Upgraded(Path(folder) / "net")
        try:
            net.start()
            net.wait_ready()
            yield Cluster(net)
        finally:
            net.stop()


def upgrade(cluster: Cluster, number: int) -> None:
    assert isinstance(cluster.net, Upgraded)
    cluster.net.newer.add(number)
    cluster.net.restart(number)
    cluster.net.wait_ready(number)


def versions(cluster: Cluster, number: int) -> list[int]:
    """Of the rules by which a node's blocks were made."""
    files = BlockFiles.open_read_only(cluster.net.data(number), cluster.chain)
    try:
        return [b.HEADER.decode(b.BLOCK.decode(payload).header).rules for _, payload, _ in files.scan(1)]
    finally:
        files.close()


def switch(cluster: Cluster) -> None:
    """What the regulator and three of four owners do, with `suyuan policy propose --next-rules` and so on."""
    with cluster.client(1, cluster.regulator()) as regulator:
        current, _ = regulator.policy()
        terms = governance.Terms(
            chain=current.chain,
            number=current.number + 1,
            rules=current.rules + 1,
            validators=current.validators,
        )
        data = msgspec.json.encode(terms)
        made = [governing.approve(cluster.net.data(number), data, "terms")[0] for number in (1, 2, 3)]
        approvals = [msgspec.json.decode(one, type=Approval) for one in made]
        act = build.act(
            r.Policy, approvals=approvals, at=clock_ms(), number=terms.number, rules=terms.rules,
            validators=terms.validators,
        )  # fmt: skip
        regulator.submit([act])


def test_nodes_are_upgraded_one_by_one_under_the_rules_as_they_are(cluster: Cluster) -> None:
    cluster.admit(1, MAKER)
    cluster.found_goods(1000)
    for number in (1, 2, 3):
        upgrade(cluster, number)
        cluster.submit(number, MAKER, cluster.sale(MAKER, 1, f"LS-{number}"))
    cluster.settled()
    assert set(versions(cluster, 4)) == {1}


def test_all_switch_at_one_block_and_who_was_left_behind_stops(cluster: Cluster) -> None:
    before = len(versions(cluster, 1))
    switch(cluster)
    cluster.submit(1, MAKER, cluster.sale(MAKER, 1, "LS-new"))
    assert cluster.net.ended(4) == 1
    assert "version 2 of the rules, and this program knows those up to 1" in cluster.net.log(4)
    cluster.submit(2, MAKER, cluster.sale(MAKER, 1, "LS-go-on"))
    cluster.settled(1, 2, 3)
    found = versions(cluster, 1)
    assert found[: before + 1] == [1] * (before + 1)  # the block that brings the policy is the last by the old ones
    assert set(found[before + 1 :]) == {2}
    assert versions(cluster, 4) == [1] * (before + 1)


def test_the_old_program_says_so_again_and_the_newer_one_catches_up(cluster: Cluster) -> None:
    cluster.net.start(4)
    assert cluster.net.ended(4) == 1
    upgrade(cluster, 4)
    cluster.submit(4, MAKER, cluster.sale(MAKER, 1, "LS-back"))
    cluster.settled()
    assert versions(cluster, 4) == versions(cluster, 1)


def test_an_audit_by_the_old_program_does_not_judge_what_it_does_not_know(cluster: Cluster) -> None:
    flaws = [one for one in audit_folder(cluster.net.data(1), lambda height, records: None) if not one.holds]
    assert len(flaws) == 1
    assert "install the newer one" in flaws[0].detail
    with cluster.client(1) as reader:
        assert reader.policy()[0].rules == 2
