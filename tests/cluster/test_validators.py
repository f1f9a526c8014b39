"""A network of four validators: one ledger, whichever node is asked, and through the loss of one or two of them."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from client_sdk import build, errors
from client_sdk import client as sdk
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from demo.localnet.run import Supervisor
from ledger import note as n
from ledger import policy
from ledger.errors import SuyuanError, VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS
from ledger.proof.verify import Query
from tests.cluster.conftest import Cluster, random_seed
from tests.cluster.load import Load
from tests.network import operate
from tests.world import DEALER, FORMULA, LOT, MAKER, SHOP, Member

pytestmark = pytest.mark.slow

STOCK: Final = 10_000


def held(cluster: Cluster, node: int, who: Member) -> int:
    with cluster.client(node, cluster.identity(who)) as client:
        return sum(row.held for row in client.positions() if row.lot == LOT)


def everywhere(cluster: Cluster, question: Callable[[int], object]) -> object:
    """The one answer that all four nodes give."""
    answers = [question(number) for number in cluster.net.numbers]
    assert all(answer == answers[0] for answer in answers), answers
    return answers[0]


def test_trade_over_four_nodes_ends_in_one_ledger(cluster: Cluster) -> None:
    cluster.admit(1, MAKER, DEALER, SHOP)
    cluster.found_goods(STOCK)
    given = {"lot": LOT, "quantity": 480, "ref": "XS-1", "site": MAKER.site, "to": DEALER.id}
    ship = cluster.submit(3, MAKER, build.ship(at=clock_ms(), **given)).hashes[0]
    cluster.settled()
    cluster.submit(4, DEALER, build.receive(lot=LOT, ship=ship, accepted=480, ref="RK-1", at=clock_ms()))
    cluster.settled()
    assert everywhere(cluster, lambda node: held(cluster, node, DEALER)) == 480
    assert everywhere(cluster, lambda node: held(cluster, node, MAKER)) == STOCK - 480


def test_any_nodes_proof_holds_under_the_quorum_and_not_below(cluster: Cluster) -> None:
    trusted = cluster.net.connection(1).trusted()
    assert (trusted.groups["validators"].needed, len(trusted.witnesses)) == (3, 4)
    for node in cluster.net.numbers:
        with cluster.client(node) as reader:
            proof = reader.product_proof(FORMULA, LOT.removeprefix(FORMULA))
            assert (
                reader.verify(Query(product=FORMULA, lot=LOT.removeprefix(FORMULA)), proof).lots[0].commissioner
                == MAKER.id
            )
            shown = n.parse(reader.node_info().checkpoint)
        agreed = policy.check(trusted, n.serialise(shown), clock_ms(), WITNESS_WINDOW_MS)
        assert len(agreed.times_ms) >= 3
        too_few = n.serialise(n.Note(shown.text, shown.signatures[:3]))  # the log's, and two validators'
        with pytest.raises(VerifyFailed, match="quorum"):
            policy.check(trusted, too_few, clock_ms(), WITNESS_WINDOW_MS)


def test_two_nodes_that_admit_the_same_last_cans_book_them_once(cluster: Cluster) -> None:
    outcomes: list[Receipt | SuyuanError] = []

    def sell_all(node: int) -> None:
        try:
            outcomes.append(cluster.submit(node, DEALER, cluster.sale(DEALER, 480, f"LS-all-{node}")))
        except SuyuanError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=sell_all, args=(node,)) for node in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [one for one in outcomes if isinstance(one, errors.EnvelopeRefused)]
    assert [one.problems[0].rule for one in refused] == ["position.overdrawn"]
    assert len(outcomes) == 2
    cluster.settled()
    assert everywhere(cluster, lambda node: held(cluster, node, DEALER)) == 0


def test_one_killed_under_load_comes_back_with_everything(cluster: Cluster) -> None:
    with Load(cluster, random_seed("one killed"), clients=2, nodes=(1, 3)) as load:
        load.goes_on(8)
        cluster.net.kill(2)
        load.goes_on(8)
        cluster.net.start(2)
        cluster.net.wait_ready(2)
    cluster.settled()
    everywhere(cluster, lambda node: held(cluster, node, MAKER))


def test_a_killed_cometbft_is_started_again(cluster: Cluster) -> None:
    pid_file = cluster.net.data(4) / "cometbft" / "cometbft.pid"
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    cluster.wait_until(lambda: started_again(pid_file, pid), lambda: "CometBFT was not started again")
    cluster.net.wait_ready(4)
    cluster.submit(4, MAKER, cluster.sale(MAKER, 1, "LS-4-again"))
    cluster.settled()


def test_a_node_killed_alone_takes_its_cometbft_along(cluster: Cluster) -> None:
    cluster.net.kill_alone(4)
    cluster.net.start(4)
    cluster.net.wait_ready(4)
    cluster.submit(4, MAKER, cluster.sale(MAKER, 1, "LS-4-alone"))
    cluster.settled()


def test_a_paused_node_catches_up(cluster: Cluster) -> None:
    pid = cluster.net.standing(3).pid
    assert pid is not None
    os.killpg(pid, signal.SIGSTOP)
    try:
        for number in range(4):
            cluster.submit(1 + number % 2, MAKER, cluster.sale(MAKER, 1, f"LS-paused-{number}"))
    finally:
        os.killpg(pid, signal.SIGCONT)
    cluster.settled()
    cluster.submit(3, MAKER, cluster.sale(MAKER, 1, "LS-woken"))


def test_the_supervisor_says_how_each_node_stands(cluster: Cluster) -> None:
    supervisor = Supervisor(cluster.net)
    lines = supervisor._do(["status"]).splitlines()
    assert [line.split()[:2] for line in lines] == [["node", str(number)] for number in cluster.net.numbers]
    assert all("cosigned by" in line for line in lines)
    for words in (["kill", "5"], ["restart", "x"], ["start"], []):
        assert "and nodes 1 to 4" in supervisor._do(words)


def started_again(pid_file: Path, before: int) -> bool:
    return pid_file.exists() and pid_file.read_text().strip() not in ("", str(before))


def test_two_down_stop_the_network_and_what_was_sent_then_is_booked_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cluster.settled()
    for node in (2, 3):
        cluster.net.kill(node)
    monkeypatch.setattr(sdk, "CALL_SECONDS", 3)
    with cluster.client(1, cluster.identity(MAKER)) as client:
        envelope = next(client.sign([cluster.sale(MAKER, 5, "LS-alone")], records_max=1))
        with pytest.raises(errors.Unavailable):
            client.submit_envelope(envelope)
        monkeypatch.undo()
        assert [cluster.net.standing(node).leaves for node in (1, 4)] == [before.leaves] * 2
        cluster.net.start(2, 3)
        cluster.net.wait_ready(2, 3)
        cluster.keep(envelope, client.submit_envelope(envelope))
    assert cluster.settled().leaves == before.leaves + 2
    with cluster.client(3, cluster.identity(MAKER)) as client:
        assert client.submit_envelope(envelope).earlier


def test_a_lost_copy_is_fetched_from_the_others(cluster: Cluster) -> None:
    data, log = cluster.net.data(2), cluster.net.folder / "node2.log"
    cluster.net.kill(2)
    (data / "cometbft" / "progress").unlink()
    cluster.net.start(2)
    assert cluster.net.ended(2) == 1
    assert "suyuan-node resync" in log.read_text()
    operate("resync", str(data))
    cluster.net.start(2)
    cluster.net.wait_ready(2)
    cluster.settled()
    assert len(list(data.glob("before-resync-*/blocks/*.blk"))) == 1
    cluster.submit(2, MAKER, cluster.sale(MAKER, 1, "LS-2-again"))


def test_at_the_end_every_node_has_all_that_was_acknowledged_once(cluster: Cluster) -> None:
    cluster.check()
