"""Slow, silent and abandoned streams: each holds a bounded part of the node, gives it back, and other members are
served meanwhile. Where a limit ends it, the answer says when to come again."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from client_sdk import errors, keys, wire
from client_sdk.client import Client
from client_sdk.keys import Connection
from ledger import limits
from node import grpc_server, streams
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.fault.fast_node import FastNode
from tests.fault.full_check import acknowledged_of, full_check
from tests.fault.half_call import HalfCalls
from tests.fault.inner_node import InnerNode
from tests.network import PASSPHRASE, Network
from tests.world import DEALER, FORMULA, LOT, MAKER, Member

pytestmark = pytest.mark.slow
WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER)
    for who in (MAKER, DEALER):
        network.certify(who)
    assert network.stop() == 0
    return network


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that must come, and fail where it does not."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


class Peer:
    """A member's connection without the SDK, to do what the SDK does not do."""

    def __init__(self, network: Network, address: str, who: Member) -> None:
        self.ca = keys.load_connection(network.connection).ca
        identity = keys.load(network.home(who), PASSPHRASE)
        assert identity.tls is not None
        credentials = grpc.ssl_channel_credentials(self.ca.encode(), *identity.tls)
        self.channel = grpc.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)])
        self.stub: Any = ledger_pb2_grpc.LedgerStub(self.channel)  # type: ignore[no-untyped-call]

    def silent(self) -> Any:
        """A submit stream on which nothing is ever sent."""
        self._end = threading.Event()

        def nothing() -> Iterator[pb.SubmitRequests]:
            self._end.wait()
            return
            yield

        return self.stub.SubmitStream(nothing())

    def close(self) -> None:
        if hasattr(self, "_end"):
            self._end.set()
        self.channel.close()


@pytest.fixture
def node(network: Network) -> Iterator[InnerNode]:
    """A node that is as it was, when the test is over: as many tasks, no call, no stream; and nothing is lost."""
    acknowledged = acknowledged_of(network.data)
    with InnerNode(network) as node:
        with node.client(MAKER) as client:
            sell(client)
        before = node.tasks()
        yield node
        until(lambda: node.tasks() <= before)
    acknowledged |= acknowledged_of(network.data)
    full_check(network.data, acknowledged)


_refs = iter(range(10**6))


def sell(client: Client) -> None:
    """The node serves this member as if nothing were the matter."""
    client.sell(lot=LOT, quantity=1, ref=f"{client.member_id[-3:]}-{next(_refs)}")


def test_a_silent_stream_is_sent_away(network: Network, node: InnerNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAM_IDLE_SECONDS_MAX", 0.2)
    peer = Peer(network, node.addresses[0], DEALER)
    calls = [peer.silent() for _ in range(limits.MEMBER_SUBMIT_STREAMS_MAX)]
    with node.client(MAKER) as client:
        sell(client)
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "open another stream" in caught.value.details()
    with node.client(DEALER) as again:
        assert list(again.positions()) == []
    peer.close()


def test_half_a_message_holds_its_stream_and_nothing_else(
    network: Network, node: InnerNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte now and then is not a message, so the stream counts as silent."""
    monkeypatch.setattr(streams, "STREAM_IDLE_SECONDS_MAX", 0.3)
    peer = HalfCalls(node.addresses[0], keys.load_connection(network.connection).ca, network.home(DEALER))
    stream = peer.begin("SubmitStream")
    with node.client(MAKER) as client:
        for _ in range(8):
            peer.drip(stream)
            sell(client)
            time.sleep(0.1)
    assert b"open another stream" in peer.read_until(b"open another stream")
    peer.close()


def test_who_does_not_read_is_not_read_from(network: Network, node: InnerNode) -> None:
    peer = Peer(network, node.addresses[0], DEALER)
    sent, stop = [0], threading.Event()

    def endless() -> Iterator[pb.SubmitRequests]:
        while not stop.is_set():
            sent[0] += 100
            yield pb.SubmitRequests(requests=[pb.SubmitRequest(envelope=b"nonsense")] * 100)

    held: list[streams.SubmitStream] = []
    begin = streams.SubmitStream.__init__

    def watched(self: streams.SubmitStream, app: Any) -> None:
        held.append(self)
        begin(self, app)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams.SubmitStream, "__init__", watched)
        call = peer.stub.SubmitStream(endless())
        until(lambda: bool(held) and held[0]._held == limits.STREAM_ENVELOPES_MAX)
    with node.client(MAKER) as client:
        for _ in range(20):
            sell(client)
    assert len(held[0]._results) <= limits.STREAM_ENVELOPES_MAX
    stop.set()
    answered = 0
    for message in call:
        answered += len(message.results)
    assert answered == sent[0], "what was stuck is answered when the client reads again"
    peer.close()


def test_a_message_of_too_many_envelopes_is_refused(network: Network, node: InnerNode) -> None:
    peer = Peer(network, node.addresses[0], DEALER)
    many = pb.SubmitRequests(requests=[pb.SubmitRequest()] * (limits.STREAM_ENVELOPES_MAX + 1))
    with pytest.raises(grpc.RpcError) as caught:
        list(peer.stub.SubmitStream(iter([many])))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(limits.STREAM_ENVELOPES_MAX) in caught.value.details()
    peer.close()


def test_one_member_opens_so_many_streams_and_is_told_when_to_come_again(network: Network, node: InnerNode) -> None:
    peer = Peer(network, node.addresses[0], DEALER)
    for name, open_one, most in (
        ("SubmitStream", peer.silent, limits.MEMBER_SUBMIT_STREAMS_MAX),
        ("Subscribe", lambda: peer.stub.Subscribe(pb.SubscribeRequest()), limits.MEMBER_STREAMS_MAX),
    ):
        calls = [open_one() for _ in range(most)]
        until(lambda name=name, most=most: node.open_calls(name) == most)  # type: ignore[misc]
        with pytest.raises(grpc.RpcError) as caught:
            list(open_one())
        error = wire.error_of(caught.value)
        assert isinstance(error, errors.Overloaded)
        assert error.retry_after_ms > 0
        with node.client(MAKER) as client:
            sell(client)
        for call in calls:
            call.cancel()
        until(lambda name=name: node.open_calls(name) == 0)  # type: ignore[misc]
    peer.close()


def test_too_many_calls_at_once_are_told_when_to_come_again(
    network: Network, node: InnerNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "CALLS_REQUESTS_MAX", 3)
    peer = Peer(network, node.addresses[0], DEALER)
    calls = [peer.silent() for _ in range(3)]
    until(lambda: node.open_calls("SubmitStream") == 3)
    with node.client(MAKER) as client:
        with pytest.raises(errors.Overloaded) as caught:
            client.node_info()
        assert caught.value.retry_after_ms > 0
        for call in calls:
            call.cancel()
        until(lambda: node.open_calls("SubmitStream") == 0)
        sell(client)
    peer.close()


def test_streams_opened_and_dropped_by_the_thousand_leave_nothing(network: Network, node: InnerNode) -> None:
    peer = Peer(network, node.addresses[0], DEALER)
    for number in range(1000):
        answered = number % 4 == 0
        request = pb.SubscribeRequest(from_leaf=1 + number % 3, until_now=answered)
        streams_now = [peer.silent(), peer.stub.Subscribe(request)]
        if answered:
            next(streams_now[1])
        for call in streams_now:
            call.cancel()
    with node.client(MAKER) as client:
        sell(client)
    until(lambda: node.open_calls("SubmitStream") + node.open_calls("Subscribe") == 0)
    peer.close()


def test_half_calls_of_readers_keep_no_member_out_and_end(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may connect, without a certificate, takes all calls of the readers' port and never ends one."""
    monkeypatch.setattr(grpc_server, "CALLS_REQUESTS_MAX", 20)
    monkeypatch.setattr(grpc_server, "READER_CONNECTION_SECONDS_MAX", 1)
    monkeypatch.setattr(grpc_server, "CONNECTION_GRACE_SECONDS_MAX", 1)
    ca = keys.load_connection(network.connection).ca
    with InnerNode(network) as node:
        peer = HalfCalls(node.addresses[1], ca)
        for _ in range(2 * 20):
            peer.begin("GetCheckpoint")
        with node.client(MAKER) as client:
            sell(client)
            assert peer.read_until(b"no such mark")  # the node hangs up
            peer.close()
        base = keys.load_connection(network.connection)
        connection = Connection(base.name, base.chain, *node.addresses, base.ca, base.policy)
        with Client(connection) as reader:
            assert reader.product(FORMULA) is not None


# A node of its own, and a client of its own, killed


def test_memory_comes_back(network: Network) -> None:
    node = FastNode(network)
    node.start()
    try:
        abandoned(network, node, 300)
        before = node.resident_bytes()
        abandoned(network, node, 1_000)
        assert node.resident_bytes() - before < 16 * 1024 * 1024
        with node.client(MAKER) as client:
            sell(client)
    finally:
        assert node.stop() == 0


def abandoned(network: Network, node: FastNode, number: int) -> None:
    """Streams with nonsense on the way, results that nobody reads, subscriptions without a close."""
    nonsense = pb.SubmitRequests(requests=[pb.SubmitRequest(envelope=bytes(2000))] * 20)
    for _ in range(number // 100):
        peer = Peer(network, node.connection().members, DEALER)
        for _ in range(50):
            peer.stub.SubmitStream(iter([nonsense] * 3))
            peer.stub.Subscribe(pb.SubscribeRequest())
        peer.close()


def test_a_client_killed_in_the_middle_of_its_stream(network: Network, tmp_path: Path) -> None:
    """What the client read about is booked; of the rest each envelope is booked whole or not at all, and once."""
    node = FastNode(network)
    node.start()
    receipts = tmp_path / "receipts"
    try:
        for number in range(3):
            known = len(lines_of(receipts))
            seller = node.fork_seller(MAKER, f"KC-{number}", receipts)
            until(lambda known=known: len(lines_of(receipts)) > known + 20)  # type: ignore[misc]
            seller.kill()
            seller.join()
            with node.client(DEALER) as client:
                assert list(client.positions()) == []
    finally:
        assert node.stop() == 0
    acknowledged = {bytes.fromhex(leaf): int(place) for leaf, place in map(str.split, lines_of(receipts))}
    full_check(network.data, acknowledged, acknowledged_of(network.data).keys())


def lines_of(path: Path) -> list[str]:
    """The whole lines of a file that is being written."""
    return path.read_text().split("\n")[:-1] if path.exists() else []
