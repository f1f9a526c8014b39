"""A full disk: the node reads on and takes nothing new. Where a write fails all the same it ends, and a restart finds
everything that was acknowledged, once, and nothing else."""

import json
import os
import re
import resource
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from client_sdk import build, errors, keys, wire
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.trust import Receipt
from ledger import block as b
from ledger import genesis as g
from ledger.errors import Damaged, SuyuanError, WriteFailed
from ledger.limits import FREE_BYTES_MIN
from ledger.merkle import leaf_hash
from ledger.private import Private
from ledger.proof.verify import Query
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import block_entries, read_genesis
from ledger.storage.index import Index
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.fault.small_disk import DISK_BYTES, MIB, fill, mounted
from tests.network import Network, operate, run
from tests.world import FORMULA, LOT, MAKER

pytestmark = pytest.mark.slow


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.kill()


@pytest.fixture
def small_disk(network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A node on a disk of its own."""
    unmount = mounted(network.data, DISK_BYTES)
    monkeypatch.setenv("SUYUAN_FREE_BYTES_MIN", str(FREE_BYTES_MIN))
    monkeypatch.setenv("SUYUAN_LOG_FILE", "node.log")
    try:
        network.found_with_goods(MAKER)
        yield network
    finally:
        network.kill()
        unmount()


class Trade:
    """Sales of one maker, each an envelope; which of them were sent, and which acknowledged at which leaf."""

    def __init__(self) -> None:
        self.sent: set[bytes] = set()
        self.acknowledged: dict[bytes, int] = {}
        self.refused: list[SuyuanError] = []
        self._rows = 0

    def sell(self, client: Client, count: int) -> None:
        def acts() -> Iterator[build.Act]:
            for _ in range(count):
                self._rows += 1
                yield build.sell(lot=LOT, quantity=1, ref=f"LS-{self._rows}", at=now(), site=MAKER.site)

        def envelopes() -> Iterator[SignedEnvelope]:
            for envelope in client.sign(acts(), records_max=1):
                self.sent.add(envelope.leaf)
                yield envelope

        for envelope, result in client.submit_stream(envelopes()):
            if isinstance(result, Receipt):
                self.acknowledged[envelope.leaf] = result.leaf
            else:
                self.refused.append(result)

    def check(self, network: Network) -> None:
        """The node is stopped: everything holds, and what was acknowledged is there once, where its receipt says."""
        found = operate("check", str(network.data), "--replay")
        assert "DAMAGED" not in found.stdout
        audit = run("client_sdk.commands", "audit", str(network.data))
        assert "FAILS" not in audit.stdout
        with BlockFiles.open_read_only(network.data, g.chain_id(read_genesis(network.data))) as files:
            blocks = [b.BLOCK.decode(payload) for _, payload, _ in files.scan(1)]
        leaves = [leaf_hash(entry) for block in blocks for entry in block_entries(block)]
        headers = {leaf_hash(b.header_leaf(block.header)) for block in blocks}
        assert {leaf: leaves[place] for leaf, place in self.acknowledged.items()} == {
            leaf: leaf for leaf in self.acknowledged
        }
        assert len(set(leaves)) == len(leaves)
        setup = 2  # the regulator's admission, the maker's first envelope
        assert len(set(leaves) - headers - self.sent) == setup


def read_only(client: Client) -> str:
    return str(client.node_info().read_only)


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def metric(network: Network, name: str) -> float:
    address = json.loads((network.data / "endpoints.json").read_text())["metrics"]
    lines = urlopen(f"http://{address}/metrics", timeout=5).read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


def test_below_its_reserve_a_node_only_reads_and_goes_on_when_there_is_room(small_disk: Network) -> None:
    network, trade = small_disk, Trade()
    with network.client(MAKER) as maker:
        trade.sell(maker, 20)
        place, opening, node = private_sale(maker, trade)
        ballast = fill(network.data, FREE_BYTES_MIN // 2)
        wait_until(lambda: read_only(maker))
        assert re.search(r"[78]\.\d MiB are free on its disk, 16\.0 MiB are needed", read_only(maker))
        trade.sell(maker, 3)
        assert len(trade.refused) == 3
        for refused in trade.refused:
            assert isinstance(refused, errors.ReadOnly)
            assert refused.retry_after_ms >= 1000
            assert "nothing was taken" in str(refused)
        with pytest.raises(errors.ReadOnly):
            maker.put_private(place, {0: opening}, [node])
        assert_a_single_call_is_told_when_to_come_again(network)
        assert_reading_goes_on(network, maker)
        assert maker.erase_private([(place, 0)], "asked for") == 1
        assert metric(network, "suyuan_read_only") == 1
        assert metric(network, "suyuan_ready") == 0
        assert metric(network, "suyuan_free_bytes") < FREE_BYTES_MIN
        ballast.unlink()
        wait_until(lambda: not read_only(maker))
        trade.sell(maker, 5)
        assert len(trade.acknowledged) == 20 + 5
        assert metric(network, "suyuan_read_only") == 0
        assert metric(network, "suyuan_ready") == 1
        lose_log_lines(network, maker)
    assert network.stop() == 0
    log = (network.data / "node.log").read_text()
    assert log.index('"event": "read-only"') < log.index('"event": "taking envelopes again"')
    assert "log lines could not be written" in log
    trade.check(network)
    start_on_a_full_disk(network, trade)


def private_sale(maker: Client, trade: Trade) -> tuple[int, bytes, str]:
    """(leaf, opening, node) of a sale whose price the node keeps."""
    sale = build.sell(lot=LOT, quantity=1, ref="LS-private", at=now(), site=MAKER.site)
    [(envelope, receipt)] = maker.submit_stream(maker.sign([build.with_private(sale, Private(price=1))]))
    assert isinstance(receipt, Receipt)
    trade.sent.add(envelope.leaf)
    node = maker.node_info().node
    maker.put_private(receipt.leaf, envelope.private, [node])
    return receipt.leaf, envelope.private[0], node


def lose_log_lines(network: Network, maker: Client) -> None:
    """The log lies on the same disk, which is full to the last byte: that costs lines, and not the node."""
    ballast = fill(network.data, 0)
    wait_until(lambda: read_only(maker))
    for _ in range(100):  # each one logged
        with pytest.raises(errors.ReadOnly):
            maker.put_private(0, {0: b""}, ["x"])
    assert list(maker.positions())
    ballast.unlink()
    wait_until(lambda: not read_only(maker))


def start_on_a_full_disk(network: Network, trade: Trade) -> None:
    ballast = fill(network.data, MIB)
    network.start()
    with network.client(MAKER) as maker:
        trade.sell(maker, 1)
        assert isinstance(trade.refused[-1], errors.ReadOnly)
        assert list(maker.positions())
    assert network.stop() == 0
    ballast.unlink()


def assert_a_single_call_is_told_when_to_come_again(network: Network) -> None:
    """The unary call of any gRPC client: code, details and trailer."""
    identity, connection = keys.load(network.home(MAKER), "test"), keys.load_connection(network.connection)
    address, credentials, options = wire.target(identity, connection)
    with grpc.secure_channel(address, credentials, options) as channel:
        stub = ledger_pb2_grpc.LedgerStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Submit(pb.SubmitRequest(envelope=b"any"), timeout=5)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("grpc-retry-pushback-ms", "-1") in caught.value.trailing_metadata()
    details = {detail.type_url.split("/")[1]: detail for detail in rpc_status.from_call(caught.value).details}
    reason, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    details["google.rpc.ErrorInfo"].Unpack(reason)
    details["google.rpc.RetryInfo"].Unpack(retry)
    assert (reason.reason, retry.retry_delay.ToMilliseconds()) == ("node.read_only", 30_000)
    assert isinstance(wire.error_of(caught.value), errors.ReadOnly)


def assert_reading_goes_on(network: Network, maker: Client) -> None:
    assert [one.lot for one in maker.positions()] == [LOT]
    assert list(maker.subscribe(until_now=True))
    reader = network.reader()
    query = Query(product=FORMULA, lot="#A1", voucher=None)
    assert reader.verify(query, reader.product_proof(FORMULA, "#A1")).lots
    address, credentials, options = wire.target(None, reader.connection)
    with grpc.secure_channel(address, credentials, options) as channel:
        asked = health_pb2.HealthCheckRequest(service="suyuan.v1.Ledger")
        status = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5).status
    assert status == health_pb2.HealthCheckResponse.SERVING


def test_a_disk_that_fills_up_under_load_costs_nothing_acknowledged(small_disk: Network) -> None:
    """To the last byte and at once, so that the reserve does not help: the node reads on, or ends and says why."""
    network, trade = small_disk, Trade()
    for round_number in range(2):
        with network.client(MAKER) as maker:
            reached = threading.Event()

            def ballast(reached: threading.Event = reached) -> None:
                reached.wait()
                fill(network.data, 0)

            filler = threading.Thread(target=ballast)
            filler.start()
            before = len(trade.acknowledged)
            try:
                for _ in range(40):
                    trade.sell(maker, 25)
                    if len(trade.acknowledged) > before + 50:
                        reached.set()
            except errors.ClientError:
                pass
            reached.set()
            filler.join()
        assert len(trade.acknowledged) > before + 50, round_number
        code = network.stop()
        assert code in (0, 1)
        if code == 1:
            assert_it_says_what_to_do(network)
        (network.data / "ballast").unlink()
        trade.check(network)
        network.start()
    with network.client(MAKER) as maker:
        before = len(trade.acknowledged)
        trade.sell(maker, 5)
        assert len(trade.acknowledged) == before + 5
    assert network.stop() == 0
    trade.check(network)


def assert_it_says_what_to_do(network: Network) -> None:
    last = (network.folder / "node.log").read_text().splitlines()[-1]
    assert last.startswith("suyuan-node: ")
    assert "could not be stored" in last
    assert "Make room" in last


def test_a_write_that_fails_ends_the_node_and_nothing_acknowledged_is_lost(network: Network) -> None:
    """The operating system takes only a few more bytes, so the block file is torn in the middle of a block."""
    network.found_with_goods(MAKER)
    trade = Trade()
    with network.client(MAKER) as maker:
        trade.sell(maker, 50)
        assert network.process is not None
        size = (network.data / "blocks" / "000001.blk").stat().st_size
        resource.prlimit(network.process.pid, resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
        with pytest.raises(errors.Unavailable):
            maker.submit([build.sell(lot=LOT, quantity=1, ref="LS-torn", at=now(), site=MAKER.site)])
    assert network.process.wait(30) == 1
    assert_it_says_what_to_do(network)
    network.start()
    assert (network.data / "blocks" / f"torn-{operator_height(network) + 1}.bin").stat().st_size == 100
    with network.client(MAKER) as maker:
        assert maker.find_refs(wire.Side.OUT, ["LS-torn"]) == []
        trade.sell(maker, 5)
    assert len(trade.acknowledged) == 55
    assert network.stop() == 0
    trade.check(network)


def operator_height(network: Network) -> int:
    return int(network.reader().node_info().height)


def test_an_index_on_a_full_disk_says_so_and_not_that_it_is_damaged(tmp_path: Path) -> None:
    unmount = mounted(tmp_path / "disk", 2 * MIB)
    try:
        index = Index.create(tmp_path / "disk" / "index")
        rows = ((bytes([number]) * 4, os.urandom(1 << 16)) for number in range(64))
        with pytest.raises(WriteFailed, match="No space left"):
            deque((index.write([row], []) for row in rows), maxlen=0)
        index.close()
        with pytest.raises(SuyuanError, match="No space left") as caught:
            Index.open(tmp_path / "disk" / "index")
        assert not isinstance(caught.value, Damaged)
    finally:
        unmount()


def test_a_backup_onto_a_full_disk_says_so_and_goes_on_later(network: Network) -> None:
    network.found_with_goods(MAKER)
    dest = network.folder / "backup"
    unmount = mounted(dest, MIB // 4)
    try:
        trade = Trade()
        with network.client(MAKER) as maker:
            trade.sell(maker, 1)
            assert operate("backup", str(network.data), str(dest)).returncode == 0
            trade.sell(maker, 600)
        failed = run("node.commands", "backup", str(network.data), str(dest), check=False)
        assert failed.returncode == 1
        assert failed.stderr.startswith(
            f"suyuan-node: {dest}: No space left on device; what it holds counts up to block"
        )
        assert failed.stderr.count("\n") == 1
        restored = network.folder / "restored"
        operate("restore", str(dest), str(restored))
        subprocess.run(["mount", "-o", f"remount,size={8 * MIB}", str(dest)], check=True)
        assert operate("backup", str(network.data), str(dest)).returncode == 0
        assert network.stop() == 0
    finally:
        unmount()
