"""Every answer to overload says when to come again: in gRPC's details, and in the trailer that its clients obey."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from client_sdk import errors, wire
from ledger.limits import FREE_BYTES_MIN, MEMBER_STREAMS_MAX
from node import grpc_server, tls
from node.app import App
from node.disk import Disk
from node.engine.embedded import Embedded
from node.metrics import Metrics
from node.private import ROWS_FILE, PrivateStore
from node.run import signer_of
from node.succession import Succession
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.node_folder import node_folder
from tests.unit.test_node import request
from tests.world import DAY_MS, MAKER, START_MS, World


@dataclass
class Served:
    """A node whose engine does not run, so that what is offered waits; at most two envelopes may."""

    world: World
    app: App
    stub: Any

    def request(self) -> pb.SubmitRequest:
        return pb.SubmitRequest(envelope=self.world.envelope(MAKER, [self.world.seal(self.world.sell(MAKER, 1))]))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    folder = node_folder(tmp_path / "node", leaves=10)
    world = World(folder, now=START_MS + DAY_MS)
    succession = Succession(folder, world.store.genesis)
    engine = Embedded(world.store, signer_of(world.store, folder), succession, lambda: world.now, 2, 10**6)
    private = PrivateStore(folder / ROWS_FILE)
    app = App(world.store, engine, Metrics(), private, Disk(folder, FREE_BYTES_MIN), succession)
    server, members, _ = await grpc_server.serve(app, folder / "keys", "127.0.0.1", 0, 0)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = tls.certify(folder / "keys", request(MAKER.id, key), MAKER.id, dt.datetime.now(dt.UTC))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = grpc.ssl_channel_credentials((folder / "keys" / tls.CA_CERT).read_bytes(), pem, certificate)
    async with grpc.aio.secure_channel(f"127.0.0.1:{members}", credentials) as channel:
        yield Served(world, app, ledger_pb2_grpc.LedgerStub(channel))  # type: ignore[no-untyped-call]
    await server.stop(0)
    private.close()
    world.close()


async def hint_of(call: Any) -> int:
    """The retry hint of a call that must be refused for overload, which stands in its details and in its trailer."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    mapped = wire.error_of(caught.value)
    assert isinstance(mapped, errors.Overloaded)
    assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == str(mapped.retry_after_ms)
    return mapped.retry_after_ms


async def waiting(served: Served, count: int) -> list[Any]:
    """Subscriptions that wait for news, each known to be open by its first message."""
    calls = [served.stub.Subscribe(pb.SubscribeRequest()) for _ in range(count)]
    for call in calls:
        assert await call.read() is not grpc.aio.EOF
    return calls


async def test_too_many_envelopes_in_flight(served: Served) -> None:
    async def requests() -> AsyncIterator[pb.SubmitRequests]:
        yield pb.SubmitRequests(requests=[served.request() for _ in range(3)])

    stream = served.stub.SubmitStream(requests())
    [refused] = (await stream.read()).results
    assert refused.refusal.kind == pb.Refusal.KIND_OVERLOADED
    assert refused.refusal.retry_after_ms > 0
    assert await hint_of(served.stub.Submit(served.request())) > 0
    counted = served.app.metrics.envelopes.labels("overloaded")
    assert counted._value.get() == 2


async def test_too_many_subscriptions_of_one_member(served: Served) -> None:
    calls = await waiting(served, MEMBER_STREAMS_MAX)
    assert await hint_of(served.stub.Subscribe(pb.SubscribeRequest()).read()) > 0
    for call in calls:
        call.cancel()


async def test_too_many_calls(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "CALLS_REQUESTS_MAX", 2)
    calls = await waiting(served, 2)
    assert await hint_of(served.stub.GetNodeInfo(pb.GetNodeInfoRequest())) > 0
    assert await hint_of(served.stub.Subscribe(pb.SubscribeRequest()).read()) > 0
    assert await hint_of(served.stub.SubmitStream(nothing()).read()) > 0
    calls[0].cancel()
    while True:  # until the server has seen it
        try:
            assert (await served.stub.GetNodeInfo(pb.GetNodeInfoRequest())).height > 0
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.01)
        else:
            break
    calls[1].cancel()


async def nothing() -> AsyncIterator[pb.SubmitRequests]:
    for one in ():
        yield one
