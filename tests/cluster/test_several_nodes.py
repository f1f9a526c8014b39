"""A member with several nodes: another takes over with the same bytes, all are compared, and a liar is named."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from client_sdk import access, build, errors, evidence, keys, network_audit
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.compare import Comparison, compare
from client_sdk.nodes import Nodes
from client_sdk.outbox import Outbox, State
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from demo.localnet import founding
from ledger import records as r
from ledger.errors import SuyuanError
from tests.cluster.conftest import ROOT, Cluster
from tests.commands import typed
from tests.network import run
from tests.world import FORMULA, LOT, MAKER, Member

pytestmark = pytest.mark.slow

STOCK: Final = 10_000


@pytest.fixture(scope="module", autouse=True)
def goods(cluster: Cluster) -> None:
    """A maker with goods to sell."""
    cluster.admit(1, MAKER)
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": STOCK, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
    with cluster.client(1, cluster.identity(MAKER)) as client:
        client.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])
    cluster.settled()


def home(cluster: Cluster, who: Member, *numbers: int) -> Path:
    """The member's folder, with these nodes in this order; one authority certifies for all of them here."""
    identity = cluster.identity(who)
    if identity.tls is None:
        raise AssertionError("the member has no certificate")
    shutil.rmtree(identity.folder / "nodes", ignore_errors=True)
    for place, number in enumerate(numbers):
        folder = identity.folder / "nodes" / f"{place}-node{number}" if place else identity.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tls.crt").write_bytes(identity.tls[1])
        (folder / "node.json").write_bytes((cluster.net.folder / f"node{number}.json").read_bytes())
    return identity.folder


def nodes_of(cluster: Cluster, told: list[str], *numbers: int) -> Nodes:
    return Nodes.reaching(access.unlock(home(cluster, MAKER, *numbers), "x").nodes, told.append)


def sale(number: int, series: str) -> build.Act:
    return build.sell(lot=LOT, quantity=1, ref=f"{series}/{number}", at=clock_ms(), site=MAKER.site)


def shown_by(cluster: Cluster, node: int, series: str) -> list[str]:
    """The document lines of a series, as this node has them now."""
    with cluster.client(node, cluster.identity(MAKER)) as client:
        records = [record for envelope in client.own_envelopes() for record in envelope.records]
    refs = [getattr(one.amounts, "ref", "") for one in records]
    return [ref for ref in refs if ref.startswith(series)]


def booked(cluster: Cluster, series: str) -> list[str]:
    """The document lines of a series in the ledger; all nodes agree."""
    cluster.settled()
    found = [shown_by(cluster, node, series) for node in cluster.net.numbers]
    assert all(refs == found[0] for refs in found), found
    return found[0]


def in_between(act: Callable[[], object]) -> threading.Thread:
    """Do something half a second from now."""
    thread = threading.Thread(target=lambda: (time.sleep(0.5), act()))
    thread.start()
    return thread


def test_an_outbox_goes_on_while_its_node_is_killed(cluster: Cluster) -> None:
    told: list[str] = []
    with nodes_of(cluster, told, 1, 2, 3) as nodes, Outbox.open(nodes.folder, "x") as outbox:
        for number in range(30):
            outbox.add([sale(number, "OUT")])
        killing = in_between(lambda: cluster.net.kill(1))
        report = outbox.send(nodes)
        killing.join()
        assert (report.booked, report.stopped) == (30, "")
        assert all(entry.receipt for entry in outbox.settled())
    assert len(told) == 1
    assert told[0].startswith("1-node2 is asked in place of node.json")
    cluster.net.start(1)
    cluster.net.wait_ready(1)
    assert booked(cluster, "OUT") == [f"OUT/{number}" for number in range(30)]


def test_a_stream_goes_on_while_its_node_is_killed(cluster: Cluster) -> None:
    told: list[str] = []
    with nodes_of(cluster, told, 2, 3) as nodes:
        envelopes = list(nodes.sign((sale(number, "STREAM") for number in range(300)), records_max=1))
        sent: list[bytes] = []

        def feed() -> Iterator[SignedEnvelope]:
            for envelope in envelopes:
                sent.append(envelope.id)
                time.sleep(0.005)
                yield envelope

        killing = in_between(lambda: cluster.net.kill(2))
        found = {envelope.id: outcome for envelope, outcome in nodes.submit_stream(feed())}
        killing.join()
    assert sent == [one.id for one in envelopes]
    assert [type(one) for one in found.values()] == [Receipt] * 300
    leaves = {one.leaf for one in found.values() if isinstance(one, Receipt)}
    assert len(leaves) == 300
    assert len(told) == 1
    cluster.net.start(2)
    cluster.net.wait_ready(2)
    assert sorted(booked(cluster, "STREAM")) == sorted(f"STREAM/{number}" for number in range(300))


def test_a_paused_node_is_left_aside_and_what_it_got_is_booked_once(cluster: Cluster) -> None:
    told: list[str] = []
    pid = cluster.net.standing(4).pid
    assert pid is not None
    with nodes_of(cluster, told, 4, 1) as nodes:
        nodes.node_info()
        os.killpg(pid, signal.SIGSTOP)
        try:
            first = next(iter(nodes.sign([sale(0, "PAUSED")])))
            receipt = nodes.submit_envelope(first)
            assert len(told) == 1
            nodes.lines[0].away_until = 0
            nodes.lines[0].client.stalled_seconds = 3
            for envelope, outcome in nodes.submit_stream(nodes.sign([sale(1, "PAUSED"), sale(2, "PAUSED")])):
                assert isinstance(outcome, Receipt), (envelope.id.hex(), outcome)
        finally:
            os.killpg(pid, signal.SIGCONT)
        cluster.settled()
        again = nodes.lines[0].client.submit_envelope(first)
        assert (again.leaf, again.earlier) == (receipt.leaf, True)
    assert booked(cluster, "PAUSED") == ["PAUSED/0", "PAUSED/1", "PAUSED/2"]


def test_an_outbox_keeps_everything_while_two_of_four_are_down(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nodes_of(cluster, [], 1, 2, 3, 4) as nodes, Outbox.open(nodes.folder, "x") as outbox:
        for node in (2, 3):
            cluster.net.kill(node)
        entries = [outbox.add([sale(number, "TWO")])[0] for number in range(3)]
        for line in nodes.lines:
            line.client.stalled_seconds = 2
        report = outbox.send(nodes)
        assert (report.booked, report.again) == (0, True)
        assert [one.state for one in outbox.waiting()] == [State.SENT, State.WAITING, State.WAITING]
        assert [one.id for one in outbox.waiting()] == [one.id for one in entries]
        cluster.net.start(2, 3)
        cluster.net.wait_ready(2, 3)
        cluster.settled()
        for line in nodes.lines:
            line.client.stalled_seconds = 30
        assert outbox.send(nodes).booked == 3
        assert [entry.id for entry in outbox.settled()][:3][::-1] == [one.id for one in entries]
    assert booked(cluster, "TWO") == ["TWO/0", "TWO/1", "TWO/2"]


def test_commands_go_on_and_compare(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    folder = home(cluster, MAKER, 3, 1, 2, 4)
    environment = {keys.PASSPHRASE_VARIABLE: "x", "SUYUAN_IDENTITY": str(folder)}

    def ask(*arguments: str, code: int = 0) -> str:
        capfd.readouterr()
        assert typed(environment, *arguments) == code, capfd.readouterr().err
        told = capfd.readouterr()
        assert "history 2" not in told.out
        return told.out + told.err

    assert ask("info", "--node", str(folder), "--all").count("history 1") == 4
    cluster.net.kill(3)
    sell = ("sell", "--lot", LOT, "--quantity", "1", "--ref")
    assert "is asked in place of node.json" in ask(*sell, "CLI/1")
    assert "is not compared" in ask("show", "lot", LOT, "--compare")
    assert "is not compared" in ask("verify", LOT, "--node", str(folder), "--compare")
    told = ask("info", "--node", str(folder), "--all", code=1)
    assert told.count("history 1") == 3
    assert "one history: 3 of 4 nodes show it; " in told
    cluster.net.start(3)
    cluster.net.wait_ready(3)
    assert booked(cluster, "CLI") == ["CLI/1"]


def test_commands_name_who_took_it_while_two_of_four_are_down(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    for node in (2, 3):
        cluster.net.kill(node)
    for number, nodes in enumerate([(1,), (1, 4), (2, 4)]):
        folder = home(cluster, MAKER, *nodes)
        environment = {keys.PASSPHRASE_VARIABLE: "x", "SUYUAN_IDENTITY": str(folder)}
        capfd.readouterr()
        assert typed(environment, "sell", "--lot", LOT, "--quantity", "1", "--ref", f"NONE/{number}") == 1
        told = capfd.readouterr().err
        [line] = [line for line in told.splitlines() if "took it, and no quorum of validators answered" in line]
        assert ["node.json (" in line, "1-node4 (" in line] == [nodes[0] == 1, 4 in nodes]
    cluster.net.start(2, 3)
    cluster.net.wait_ready(2, 3)
    # What the nodes took goes into one of the next blocks, not into the state in which they come back.
    cluster.wait_until(
        lambda: all(len(shown_by(cluster, node, "NONE")) >= 3 for node in cluster.net.numbers),
        lambda: f"{[shown_by(cluster, node, 'NONE') for node in cluster.net.numbers]}",
    )
    assert sorted(booked(cluster, "NONE")) == [f"NONE/{number}" for number in range(3)]


# A node that lies


@contextmanager
def lying(cluster: Cluster, number: int) -> Iterator[keys.Connection]:
    """A validator leaves: a copy of its folder is served by a process that orders alone. The real one is down."""
    cluster.net.kill(number)
    folder = cluster.net.folder.parent / "liar"
    shutil.copytree(cluster.net.data(number), folder, ignore=shutil.ignore_patterns("cometbft", "endpoints.json"))
    with (folder.parent / "liar.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.lying_node", str(folder)], stdout=log, stderr=log, cwd=ROOT
        )
    try:
        Cluster.wait_until((folder / "endpoints.json").exists, lambda: (folder.parent / "liar.log").read_text())
        listening = json.loads((folder / "endpoints.json").read_text())
        shown = json.loads((cluster.net.folder / f"node{number}.json").read_text())
        file = folder.parent / "liar.json"
        file.write_text(json.dumps(shown | {name: listening[name] for name in ("members", "readers")}))
        yield keys.load_connection(file)
    finally:
        process.kill()
        process.wait()


def test_a_liar_is_named_by_compare_and_audit_and_its_evidence_stands(cluster: Cluster) -> None:
    regulator = cluster.net.folder / "members" / "regulator"
    honest = [cluster.net.folder / f"node{number}.json" for number in (1, 2)]
    liar = cluster.net.folder.parent / "liar.json"
    with lying(cluster, 4) as connection:
        with Client(connection, cluster.identity(MAKER)) as client:
            with pytest.raises(errors.NotWitnessed, match="not witnessed yet"):
                client.submit_envelope(next(iter(client.sign([sale(0, "LIE")]))))
            envelope = next(iter(client.sign([sale(1, "LIE")])))
            with pytest.raises(errors.NotWitnessed):
                client.submit_envelope(envelope)
        with nodes_of(cluster, [], 1, 2) as nodes:
            nodes.submit([sale(number, "TRUE") for number in range(3)])
            with pytest.raises(errors.NotFound):
                nodes.receipt(envelope)
        cluster.settled(1, 2, 3)
        found = of_all(*honest, liar)
        assert not found.agrees
        [truth, lie] = sorted(found.blame(), key=lambda line: line.startswith(str(liar)))
        assert "node1.json" in truth
        assert "no quorum" not in truth
        assert lie.startswith(str(liar))
        assert "validator-4, which is no quorum" in lie
        assert found.found
        assert evidence.judge(found.found[0]).contradiction
        audited = audit(str(cluster.net.data(1)), str(honest[1]), str(liar), "--identity", str(regulator))
        assert audited.returncode == 1, audited.stderr
        failed = [row for row in map(json.loads, audited.stdout.splitlines()) if not row["holds"]]
        assert {row["node"] for row in failed} == {str(liar)}
        assert [row["check"] for row in failed] == [network_audit.SAME, network_audit.WITNESSED]
        assert "No quorum cosigned it; one cosigned what" in failed[0]["detail"]
        [kept] = (regulator / "evidence").glob("*.json")
        checked = run("client_sdk.commands", "evidence", str(kept), "--json")
        assert json.loads(checked.stdout)["proven"]
        cluster.net.start(4)
        cluster.net.wait_ready(4)
        cluster.settled()
        again = of_all(cluster.net.folder / "node4.json", liar)
        assert [one for found in again.found for one in evidence.judge(found).both] == [
            f"{founding.NAME}/validator-4"
        ]
    assert booked(cluster, "LIE") == []
    assert booked(cluster, "TRUE") == [f"TRUE/{number}" for number in range(3)]


def of_all(*files: Path) -> Comparison:
    found = access.readers(files)
    clients = {one.label: Client(one.connection) for one in found}
    try:
        return compare(clients, found[0].connection.trusted())
    finally:
        for client in clients.values():
            client.close()


def audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "client_sdk.commands", "audit", *arguments, "--json"]
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: founding.PASSPHRASE}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


def test_an_audit_of_all_four_holds(cluster: Cluster) -> None:
    files = [str(cluster.net.folder / f"node{number}.json") for number in (3, 4)]
    folders = [str(cluster.net.data(number)) for number in (1, 2)]
    done = audit(*folders, *files, "--identity", str(cluster.net.folder / "members" / "regulator"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if not row["holds"]] == []
    assert done.returncode == 0, done.stderr
    assert len({row["node"] for row in rows}) == 5
    only = audit(*files)
    assert only.returncode == 2
    assert "none of these can be replayed" in only.stderr
    with pytest.raises(SuyuanError):
        evidence.load(Path(files[0]))
