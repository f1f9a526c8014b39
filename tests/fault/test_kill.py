"""kill -9 under load, at random moments: every acknowledged envelope is present once, nothing else, and all still
holds. Every member trades in all kinds of acts, and what a killed node did not answer is sent again as it was."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from client_sdk import build, wire
from client_sdk.audit import audit_folder
from client_sdk.errors import NotFound
from ledger import records as r
from tests.fault.fast_node import FastNode
from tests.fault.full_check import acknowledged_of, check_present_once, full_check
from tests.fault.traders import PRODUCTION, SECOND_SITE, Memory, Trader, now
from tests.network import Network
from tests.world import DEALER, LOT, MAKER, SHOP

pytestmark = pytest.mark.slow
ROUNDS = 100  # for each of two seeds
AUDIT_ROUNDS = 25
MEMBERS = (MAKER, DEALER, SHOP)
UNDER_LOAD = (
    "Ship", "Receive", "Claim", "Count", "Sell", "Correct", "TakeBack", "Destroy", "Move", "Pack", "Unpack",
    "Commission", "Transform", "Fact",
)  # fmt: skip


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """A founded network whose members have a second site each; its node does not run."""
    network = Network(tmp_path)
    network.found_with_goods(MAKER, DEALER, SHOP)
    for who in MEMBERS:
        with network.client(who) as client:
            site = {"name": "二店", "region": "CN-33", "site": f"{who.id}/{SECOND_SITE}"}
            client.submit([build.act(r.Site, at=now(), **site)])
    with network.client(MAKER) as maker:
        more = {"lot": LOT, "quantity": 10**6, "ref": "SC-2", "site": MAKER.site, "production": PRODUCTION}
        maker.submit([build.commission(at=now(), **more)])
    assert network.stop() == 0
    return network


@pytest.mark.parametrize("seed", [5, 6])
def test_kill_dash_nine_loses_and_doubles_nothing(
    network: Network, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "grpc.service_config"  # by which a client waits for a node; this one is dead
    monkeypatch.setattr(wire, "OPTIONS", tuple(one for one in wire.OPTIONS if one[0] != patient))
    random = Random(seed)
    node = FastNode(network)
    memory = Memory(acknowledged=acknowledged_of(network.data))
    traders = [
        Trader(who, [other for other in MEMBERS if other != who], memory, random.randrange(2**32)) for who in MEMBERS
    ]
    for number in range(ROUNDS):
        if random.random() < 0.15:
            killed_at_start(node, random)
        node.start()
        if number % AUDIT_ROUNDS == 0:
            check_holds(network.data, memory)
        killed_under_load(node, traders, random)
    node.start()
    for trader in traders:
        with node.client(trader.who) as client:
            trader.settle(client)
    check_openings(node, memory)
    assert node.stop() == 0
    full_check(network.data, memory.acknowledged, memory.sent - memory.refused.keys())
    assert min(memory.booked[name] for name in UNDER_LOAD) > 0, memory.booked
    assert memory.resent > 0
    assert len(memory.acknowledged) > ROUNDS
    assert memory.kept
    assert memory.erased


def killed_at_start(node: FastNode, random: Random) -> None:
    """While it opens its files, catches up, or begins to listen."""
    node.fork()
    time.sleep(random.uniform(0, 0.12))
    node.kill()


def killed_under_load(node: FastNode, traders: list[Trader], random: Random) -> None:
    clients = [node.client(trader.who) for trader in traders]
    with ThreadPoolExecutor(len(traders)) as pool:
        trading = [pool.submit(trader.run, client) for trader, client in zip(traders, clients, strict=True)]
        time.sleep(random.uniform(0.02, 0.4))
        node.kill()
        for trade in trading:
            trade.result()
    for client in clients:
        client.close()


def check_holds(folder: Path, memory: Memory) -> None:
    """Beside the running node."""
    check_present_once(folder, memory.acknowledged, memory.sent - memory.refused.keys())
    findings = audit_folder(folder, lambda blocks, records: None)
    assert [f"{finding.check}: {finding.detail}" for finding in findings if not finding.holds] == []


def check_openings(node: FastNode, memory: Memory) -> None:
    """What was kept is there as it was given, what was erased is gone and says so."""
    for who in MEMBERS:
        with node.client(who) as client:
            for (leaf, index), (owner, private) in memory.kept.items():
                if owner == who:
                    assert client.private(leaf, index) == private
            for (leaf, index), owner in memory.erased.items():
                if owner == who:
                    with pytest.raises(NotFound, match="erased"):
                        client.private(leaf, index)
