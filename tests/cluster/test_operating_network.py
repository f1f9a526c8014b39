"""Operating one node of a network: what it says of itself, how it ends, and how it comes back from a backup."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client_sdk import build, errors, wire
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from demo.localnet.net import _OverSocket
from ledger import records as r
from ledger.errors import SuyuanError
from node.engine.cometbft import process
from node.grpc_server import READINESS
from node.requests import REQUEST_ID
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.cluster.conftest import ROOT, Cluster
from tests.network import operate
from tests.world import FORMULA, LOT, MAKER

pytestmark = pytest.mark.slow
GUIDE: Final = (ROOT / "docs" / "operating.md").read_text()


def read(cluster: Cluster, node: int, where: str, path: str) -> tuple[int, bytes]:
    endpoints = json.loads((cluster.net.data(node) / "endpoints.json").read_text())
    calling = HTTPConnection(endpoints[where], timeout=10)
    try:
        calling.request("GET", path)
        answer = calling.getresponse()
        return answer.status, answer.read()
    finally:
        calling.close()


def readiness(cluster: Cluster, node: int) -> tuple[int, dict[str, Any]]:
    status, body = read(cluster, node, "http", "/readyz")
    return status, json.loads(body)


def metrics(cluster: Cluster, node: int) -> dict[str, float]:
    lines = read(cluster, node, "metrics", "/metrics")[1].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def await_ready(cluster: Cluster, *nodes: int) -> None:
    def found() -> list[tuple[int, dict[str, Any]]]:
        return [readiness(cluster, node) for node in nodes]

    cluster.wait_until(lambda: {status for status, _ in found()} == {200}, lambda: str(found()))


def logged(cluster: Cluster, node: int) -> list[dict[str, Any]]:
    lines = (cluster.net.folder / f"node{node}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def grpc_health(cluster: Cluster, node: int, name: str) -> str:
    address, credentials, options = wire.target(None, cluster.net.connection(node))
    with grpc.secure_channel(address, credentials, options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def sale(ref: str) -> build.Act:
    return build.sell(lot=LOT, quantity=1, ref=ref, at=clock_ms(), site=MAKER.site)


@pytest.fixture(scope="module")
def goods(cluster: Cluster) -> Cluster:
    """The maker has some, and all nodes are ready."""
    cluster.admit(1, MAKER)
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 10_000, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
    with cluster.client(1, cluster.identity(MAKER)) as client:
        client.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])
    cluster.settled()
    await_ready(cluster, *cluster.net.numbers)
    return cluster


class Load:
    """One client sells can by can at a node, until it is told to end, or that node does not take more."""

    def __init__(self, cluster: Cluster, node: int, name: str) -> None:
        self.accepted: list[Any] = []
        self.failure: SuyuanError | None = None
        self._stop = threading.Event()
        self._client: Client = cluster.client(node, cluster.identity(MAKER))
        self._name = name
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with self._client as client:
            for number in range(9000):
                if self._stop.is_set():
                    return
                envelope = next(client.sign([sale(f"{self._name}/{number}")], records_max=1))
                try:
                    self.accepted.append((envelope, client.submit_envelope(envelope)))
                except SuyuanError as error:
                    self.failure = error
                    return

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def cometbft_pid(cluster: Cluster, node: int) -> int:
    return int((cluster.net.data(node) / "cometbft" / process.PID).read_text())


# What a node says of itself


def test_metrics_of_consensus_and_cosigning_are_there(goods: Cluster) -> None:
    values = metrics(goods, 1)
    section = GUIDE.partition("## A network of validators")[2].partition("\n## ")[0]
    for name in ("suyuan_cometbft_height", "suyuan_cosign_lag_leaves"):
        assert name in section
    for line in section.splitlines():
        if line.startswith("| `suyuan_"):
            for name in line.split("|")[1].replace("`", "").split(","):
                plain = name.strip().split("{")[0]
                assert any(known.split("{")[0] == plain for known in values), plain
    assert values["suyuan_cometbft_peers_expected"] == 3
    goods.wait_until(lambda: metrics(goods, 1)["suyuan_cometbft_peers"] == 3, lambda: "not all are connected")
    assert values["suyuan_cometbft_height"] > 1
    assert values["suyuan_cometbft_starts_total"] == 1
    assert values["suyuan_ready"] == 1

    def cosigned() -> list[float]:
        return [value for name, value in metrics(goods, 1).items() if name.startswith("suyuan_cosigned_leaves{")]

    leaves = goods.settled().leaves
    goods.wait_until(lambda: cosigned() == [leaves] * 4, lambda: f"{cosigned()}, not {leaves}")


def test_a_ready_node_says_who_cosigned_when(goods: Cluster) -> None:
    def heads() -> list[int]:
        return [one["leaves"] for one in readiness(goods, 2)[1]["validators"]]

    goods.wait_until(lambda: heads() == [goods.settled().leaves] * 4, lambda: str(heads()))
    status, said = readiness(goods, 2)
    assert (status, said["why"]) == (200, "")
    told = operate("status", str(goods.net.data(2))).stdout
    assert "ready        yes" in told
    assert told.count(f"cosigned {said['leaves']} leaves") == 4
    goods.wait_until(lambda: grpc_health(goods, 2, READINESS) == "SERVING", lambda: "gRPC does not say so")
    with goods.client(2) as reader:
        assert reader._call("GetNodeInfo", pb.GetNodeInfoRequest()).not_ready == ""


def test_a_request_is_found_in_the_log_of_its_node_and_its_envelope_in_all(goods: Cluster) -> None:
    who = goods.identity(MAKER)
    address, credentials, options = wire.target(who, goods.net.connection(1))
    with goods.client(1, who) as client:
        envelope = next(client.sign([sale("XS-log")], records_max=1))
    with grpc.secure_channel(address, credentials, options) as channel:
        stub: Any = ledger_pb2_grpc.LedgerStub(channel)  # type: ignore[no-untyped-call]
        answer, call = stub.Submit.with_call(pb.SubmitRequest(envelope=envelope.wire), timeout=30)
        request = dict(call.trailing_metadata())[REQUEST_ID]
    with goods.client(1) as reader, pytest.raises(errors.ClientError) as failed:
        reader._call("GetReceipt", pb.GetReceiptRequest(envelope_id=b"short"))
    goods.settled()
    of_call = [line for line in logged(goods, 1) if line.get("request_id") == request]
    assert [line["envelopes"] for line in of_call] == [[answer.receipt.envelope_id.hex()]]
    for node in goods.net.numbers:
        stored = [line for line in logged(goods, node) if envelope.id.hex() in line.get("accepted", ())]
        assert [line["event"] for line in stored] == ["block stored"], node
    [refused] = [line for line in logged(goods, 1) if line.get("request_id") == failed.value.request_id]
    assert (refused["method"], refused["code"]) == ("GetReceipt", "INVALID_ARGUMENT")


def test_alive_is_not_ready(goods: Cluster) -> None:
    with paused(cometbft_pid(goods, 3)):
        goods.wait_until(lambda: readiness(goods, 3)[0] == 503, lambda: "it still says that it is ready")
        assert "CometBFT does not answer" in readiness(goods, 3)[1]["why"]
        assert read(goods, 3, "http", "/healthz")[0] == 200
        goods.wait_until(lambda: grpc_health(goods, 3, READINESS) == "NOT_SERVING", lambda: "gRPC says ready")
        assert grpc_health(goods, 3, "") == "SERVING"
        assert "no: CometBFT does not answer" in operate("status", str(goods.net.data(3))).stdout
        assert metrics(goods, 3)["suyuan_ready"] == 0
    await_ready(goods, 3)


def test_too_few_peers_are_told(goods: Cluster) -> None:
    for node in (3, 4):
        goods.net.kill(node)

    def why() -> str:
        return str(readiness(goods, 1)[1]["why"])

    goods.wait_until(lambda: "reaches 1 other validators" in why(), why)
    goods.net.start(3, 4)
    goods.net.wait_ready(3, 4)
    await_ready(goods, *goods.net.numbers)


# How it ends


def ended_in_order(cluster: Cluster, node: int, ask: Callable[[], None]) -> Load:
    with Load(cluster, node, f"end-{node}-{clock_ms()}") as load:
        cluster.wait_until(lambda: len(load.accepted) > 3, lambda: f"no load: {load.failure}")
        ask()
        assert cluster.net.ended(node) == 0
    data = cluster.net.data(node)
    left = [path for path in (*data.rglob("*.sock"), *data.rglob("*.pid"), data / "endpoints.json") if path.exists()]
    assert left == []
    assert load.failure is not None
    events = [line["event"] for line in logged(cluster, node)]
    assert events[-1] == "stopped"
    return load


def test_a_node_under_load_ends_in_order(goods: Cluster) -> None:
    load = ended_in_order(goods, 2, lambda: goods.net.terminate(2))
    goods.net.start(2)
    goods.net.wait_ready(2)
    goods.settled()
    for node in goods.net.numbers:
        with goods.client(node) as reader:
            for envelope, receipt in load.accepted:
                assert reader.receipt(envelope).leaf == receipt.leaf


def test_a_node_ends_though_its_cometbft_hangs(goods: Cluster) -> None:
    pid = cometbft_pid(goods, 2)

    def ask() -> None:
        os.kill(pid, signal.SIGSTOP)
        goods.net.terminate(2)

    ended_in_order(goods, 2, ask)
    assert "it is killed" in (goods.net.folder / "node2.log").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    goods.net.start(2)
    goods.net.wait_ready(2)
    goods.settled()
    await_ready(goods, 2)


# How it comes back


def test_a_validator_lost_under_load_comes_back_from_its_backup(goods: Cluster, tmp_path: Path) -> None:
    """As docs/operating.md says: backup while it runs, the folder lost, restore, start. It signs nothing before it
    has caught up, and then the network needs it again."""
    data, backup = goods.net.data(4), tmp_path / "backup"
    with Load(goods, 1, "restore") as load:
        goods.wait_until(lambda: len(load.accepted) > 3, lambda: f"no load: {load.failure}")
        assert json.loads(operate("backup", str(data), str(backup), "--json").stdout)["height"] > 0
        kept = {path.relative_to(backup).as_posix() for path in backup.rglob("*")}
        assert not [name for name in kept if "priv_validator_state" in name or "cosigned" in name]
        before = len(load.accepted)
        goods.wait_until(lambda: len(load.accepted) > before + 5, lambda: f"it stopped: {load.failure}")
        goods.net.kill(4)
        lost_at = int(goods.net._ask_cometbft(1)["latest_block_height"])
        shutil.rmtree(data)
        operate("restore", str(backup), str(data))
        checked = operate("check", str(data)).stdout
        assert "DAMAGED" not in checked
        assert "this validator signs nothing" in checked
        goods.net.start(4)
        goods.wait_until((data / "endpoints.json").exists, lambda: "it does not start")
        assert readiness(goods, 4)[0] == 503
        assert "does not know what it signed last, and signs nothing" in returned(goods, 4)
        goods.wait_until(lambda: "has caught up, and" in returned(goods, 4), lambda: str(logged(goods, 4)[-20:]))
        await_ready(goods, 4)
    assert load.failure is None
    goods.settled()
    [again] = [line for line in logged(goods, 4) if "has caught up, and" in line["event"]]
    own = json.loads((data / "cometbft" / "config" / "priv_validator_key.json").read_text())["address"]
    assert again["height"] > lost_at + 2
    for at in (lost_at + 2, again["height"], again["height"] + 1):
        signed = {one["validator_address"] for one in commit(goods, 1, at)["signatures"]}
        assert own not in signed, f"it voted for block {at}, and could not know that it had not before"
    goods.net.kill(3)  # now its vote and its cosignature are needed
    with goods.client(1, goods.identity(MAKER)) as client:
        client.submit([sale("XS-needed")])
    goods.settled(1, 2, 4)
    vote = json.loads((data / "cometbft" / "data" / "priv_validator_state.json").read_text())
    assert int(vote["height"]) > again["height"] + 1, "it voted since"
    goods.net.start(3)
    goods.net.wait_ready(3)
    goods.settled()
    for node in goods.net.numbers:
        assert "HISTOR" not in (goods.net.folder / f"node{node}.log").read_text()
        with goods.client(node) as reader:
            for envelope, receipt in load.accepted:
                assert reader.receipt(envelope).leaf == receipt.leaf


def commit(cluster: Cluster, node: int, at: int) -> dict[str, Any]:
    """The votes for one of CometBFT's blocks, as that node's CometBFT has them."""
    calling = _OverSocket(cluster.net.data(node) / "cometbft" / "rpc.sock")
    try:
        calling.request("GET", f"/commit?height={at}")
        return dict(json.loads(calling.getresponse().read())["result"]["signed_header"]["commit"])
    finally:
        calling.close()


def returned(cluster: Cluster, node: int) -> str:
    return " ".join(line["event"] for line in logged(cluster, node))
