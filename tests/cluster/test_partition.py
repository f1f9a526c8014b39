"""A network in two parts, and its healing: only a part with three of four goes on, and no part goes its own way."""

import threading
import time
from collections.abc import Iterator

import pytest

from client_sdk import errors
from client_sdk.build import SignedEnvelope
from ledger.errors import SuyuanError
from tests.cluster.conftest import Cluster, Nodes, random_seed
from tests.cluster.load import Load
from tests.cluster.relay import Relays
from tests.world import MAKER

pytestmark = pytest.mark.slow
APART_SECONDS = 12  # longer than a round of consensus


@pytest.fixture(scope="module")
def relays(network: Nodes) -> Iterator[Relays]:
    with Relays(network) as relays:
        yield relays


@pytest.fixture(scope="module")
def parted(relays: Relays, trading: Cluster) -> Cluster:
    """Trading, with all nodes' lines through relays."""
    return trading


def sent_in_vain(cluster: Cluster, node: int, ref: str) -> SignedEnvelope:
    """To a node that cannot get it ordered now."""
    with cluster.client(node, cluster.identity(MAKER)) as client:
        envelope = next(client.sign([cluster.sale(MAKER, 1, ref)], records_max=1))
        with pytest.raises(errors.Unavailable):
            client.submit_envelope(envelope)
    return envelope


def booked_by_itself(cluster: Cluster, node: int, envelope: SignedEnvelope) -> None:
    """What a node took while it was cut off, it gets ordered when it can, though nobody sends it again."""
    with cluster.client(node) as reader:

        def booked() -> bool:
            try:
                cluster.keep(envelope, reader.receipt(envelope))
            except SuyuanError:
                return False
            return True

        cluster.wait_until(booked, lambda: f"node {node} forgot what it took")


def test_with_two_on_each_side_neither_goes_on(relays: Relays, parted: Cluster) -> None:
    before = parted.settled()
    relays.part({1, 2})
    sent: dict[int, SignedEnvelope] = {}
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda node=node: sent.update({node: sent_in_vain(parted, node, f"LS-half-{node}")}))
        for node in (1, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(max(0.0, APART_SECONDS - (time.monotonic() - began)))
    assert [parted.net.standing(node).leaves for node in parted.net.numbers] == [before.leaves] * 4
    relays.heal()
    assert set(sent) == {1, 3}
    for node, envelope in sent.items():
        booked_by_itself(parted, node, envelope)
    assert parted.settled().leaves > before.leaves


def test_three_go_on_and_the_fourth_catches_up(relays: Relays, parted: Cluster) -> None:
    seed = random_seed("partition")
    with Load(parted, seed, clients=3, nodes=(1, 2, 3)) as load:
        relays.part({4}, broken=True)
        load.goes_on(10)
        alone = sent_in_vain(parted, 4, "LS-alone")
        load.goes_on(10)
        relays.heal()
        load.goes_on()
    parted.settled()
    booked_by_itself(parted, 4, alone)
    parted.settled()


def test_one_and_then_another_is_cut_off_under_load(relays: Relays, parted: Cluster) -> None:
    with Load(parted, random_seed("turns")) as load:
        for node, broken in ((1, False), (2, True)):
            relays.part({node}, broken)
            load.goes_on(4)
            relays.heal()
    parted.settled()


def test_at_the_end_all_that_was_acknowledged_is_there_once(parted: Cluster) -> None:
    parted.check()
