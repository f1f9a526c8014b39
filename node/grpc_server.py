"""The gRPC service over TLS: one port for members (client certificate required), one for readers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import grpc
import structlog
from google.rpc import code_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from ledger import genesis as g
from ledger.errors import Malformed, SuyuanError
from ledger.limits import (
    BLOCK_BYTES_MAX,
    CALLS_REQUESTS_MAX,
    EVENT_LEAVES_MAX,
    MEMBER_STREAMS_MAX,
    STREAM_BYTES_MAX,
    STREAM_ENVELOPES_MAX,
)
from node import convert, tls
from node.app import App, Receipt
from node.engine import Overloaded
from node.errors import Forbidden
from node.grpc_errors import pushback, status_of
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc

log = structlog.get_logger(__name__)

MESSAGE_BYTES_MAX = BLOCK_BYTES_MAX + 64 * 1024
RESULTS_A_MESSAGE_MAX = 1024
REQUEST_ID = "x-request-id"
SUBSCRIBE_AGAIN_MS = 5_000
VERSION = "0.1.0"
Answer = TypeVar("Answer")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Method = Callable[[Any, Any, Context], Awaitable[Answer]]


def _request_id(context: Context) -> str:
    """The client's request id if it is a sane one, else a new one; it stands in logs and in errors."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable():
            return value
    return uuid4().hex


def unary(method: _Method[Answer]) -> _Method[Answer]:
    """Request id, metrics, log and error details around a method that answers once."""

    @wraps(method)
    async def call(self: "LedgerService", request: Any, context: Context) -> Answer:
        request_id = _request_id(context)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        name = method.__name__
        try:
            answer = await method(self, request, context)
        except SuyuanError as error:
            await self.fail(name, request_id, error, context)
            raise
        self.app.metrics.calls.labels(name, "OK").inc()
        return answer

    return call


class LedgerService(ledger_pb2_grpc.LedgerServicer):
    def __init__(self, app: App) -> None:
        self.app = app
        self._subscriptions: Counter[str] = Counter()

    async def fail(self, name: str, request_id: str, error: SuyuanError, context: Context) -> None:
        """End the call with the status of an error; never returns."""
        status = status_of(error, request_id)
        code = code_pb2.Code.Name(status.code)
        self.app.metrics.calls.labels(name, code).inc()
        log.info("call refused", method=name, code=code, request_id=request_id, reason=str(error)[:300])
        answer: Any = rpc_status.to_status(status)
        trailers = (*answer.trailing_metadata, (REQUEST_ID, request_id), *pushback(error))
        await context.abort_with_status(answer._replace(trailing_metadata=trailers))

    def member(self, context: Context) -> str:
        """The member that the caller's certificate names. Readers have none."""
        names = list(context.auth_context().get("x509_common_name", []))
        if len(names) != 1:
            raise Forbidden(
                "a member's client certificate is needed: the node's operator issues it: suyuan-node certify"
            )
        member = bytes(names[0]).decode()
        if not self.app.lookup("member", member):
            raise Forbidden(f"{member} is not a member of this ledger")
        return member

    # Writing

    @unary
    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResult:  # noqa: N802
        self.member(context)
        start = time.perf_counter()
        receipt = await self.app.submit(request.envelope)
        self.app.metrics.seconds.observe(time.perf_counter() - start)
        return pb.SubmitResult(tag=request.tag, receipt=convert.receipt(receipt))

    async def SubmitStream(  # noqa: N802
        self, requests: AsyncIterator[pb.SubmitRequests], context: Context
    ) -> AsyncIterator[pb.SubmitResults]:
        request_id = _request_id(context)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        try:
            self.member(context)
            async for message in _Stream(self.app).run(requests):
                yield message
        except SuyuanError as error:
            await self.fail("SubmitStream", request_id, error, context)
        self.app.metrics.calls.labels("SubmitStream", "OK").inc()

    # Reading

    @unary
    async def GetReceipt(self, request: pb.GetReceiptRequest, context: Context) -> pb.Receipt:  # noqa: N802
        if len(request.envelope_id) != 32:
            raise Malformed("envelope_id", f"{len(request.envelope_id)} bytes, 32 are expected")
        return convert.receipt(self.app.receipt(request.envelope_id))

    @unary
    async def GetProductProof(  # noqa: N802
        self, request: pb.GetProductProofRequest, context: Context
    ) -> pb.GetProductProofResponse:
        opens = request.WhichOneof("opens")
        proof = await asyncio.to_thread(
            self.app.product_proof,
            request.product,
            request.lot,
            request.voucher if opens == "voucher" else None,
            request.site if opens == "site" else None,
        )
        return pb.GetProductProofResponse(proof=proof)

    @unary
    async def GetCheckpoint(  # noqa: N802
        self, request: pb.GetCheckpointRequest, context: Context
    ) -> pb.GetCheckpointResponse:
        checkpoint, consistency = self.app.checkpoint(request.extends_size)
        return pb.GetCheckpointResponse(checkpoint=checkpoint, consistency=consistency)

    @unary
    async def ListPositions(  # noqa: N802
        self, request: pb.ListPositionsRequest, context: Context
    ) -> pb.ListPositionsResponse:
        page = request.page
        rows, following = self.app.positions(self.member(context), request.kept, page.after, page.limit)
        return pb.ListPositionsResponse(positions=[convert.position(row) for row in rows], next=following)

    @unary
    async def ListClaims(self, request: pb.ListClaimsRequest, context: Context) -> pb.ListClaimsResponse:  # noqa: N802
        page = request.page
        rows, following = self.app.claims(self.member(context), request.against_me, page.after, page.limit)
        return pb.ListClaimsResponse(claims=[convert.claim(*row) for row in rows], next=following)

    async def Subscribe(  # noqa: N802
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncIterator[pb.Events]:
        request_id = _request_id(context)
        try:
            member = self.member(context)
            with self._subscription(member):
                async for events in self._events(member, request):
                    yield events
        except SuyuanError as error:
            await self.fail("Subscribe", request_id, error, context)

    @contextmanager
    def _subscription(self, member: str) -> Iterator[None]:
        """Streams that stay open are bounded for each member, so that nobody takes all calls of the node."""
        if self._subscriptions[member] >= MEMBER_STREAMS_MAX:
            raise Overloaded(SUBSCRIBE_AGAIN_MS)
        self._subscriptions[member] += 1
        try:
            yield
        finally:
            self._subscriptions[member] -= 1
            if not self._subscriptions[member]:
                del self._subscriptions[member]

    async def _events(self, member: str, request: pb.SubscribeRequest) -> AsyncIterator[pb.Events]:
        leaf, told = request.from_leaf, request.from_leaf
        while True:
            growth, view = self.app.growth(), self.app.view
            found, leaf = await asyncio.to_thread(self.app.feed.read, view, member, leaf)
            caught_up = leaf >= view.head.log.size
            if found or leaf - told >= EVENT_LEAVES_MAX or (request.until_now and caught_up and leaf > told):
                yield pb.Events(from_leaf=told, next_leaf=leaf, events=[convert.event(one) for one in found])
                told = leaf
            if caught_up and request.until_now:
                return
            if caught_up:
                await growth.wait()

    @unary
    async def PutPrivate(self, request: pb.PutPrivateRequest, context: Context) -> pb.PutPrivateResponse:  # noqa: N802
        openings = [(one.leaf, one.index, one.opening) for one in request.openings]
        kept = await asyncio.to_thread(self.app.openings.put, self.member(context), openings, list(request.nodes))
        return pb.PutPrivateResponse(kept=kept)

    @unary
    async def GetPrivate(self, request: pb.GetPrivateRequest, context: Context) -> pb.GetPrivateResponse:  # noqa: N802
        member = self.member(context)
        found = await asyncio.to_thread(self.app.openings.get, member, request.leaf, request.index)
        return pb.GetPrivateResponse(opening=found.opening, record=found.record, member=found.member)

    @unary
    async def ErasePrivate(  # noqa: N802
        self, request: pb.ErasePrivateRequest, context: Context
    ) -> pb.ErasePrivateResponse:
        places = [(one.leaf, one.index) for one in request.openings]
        now_ms = time.time_ns() // 1_000_000
        member = self.member(context)
        erased = await asyncio.to_thread(self.app.openings.erase, member, places, request.reason, now_ms)
        return pb.ErasePrivateResponse(erased=erased)

    @unary
    async def ListHandovers(  # noqa: N802
        self, request: pb.ListHandoversRequest, context: Context
    ) -> pb.ListHandoversResponse:
        rows, following = self.app.handovers(self.member(context), request.page.after, request.page.limit)
        return pb.ListHandoversResponse(handovers=[convert.handover(*row) for row in rows], next=following)

    @unary
    async def FindRefs(self, request: pb.FindRefsRequest, context: Context) -> pb.FindRefsResponse:  # noqa: N802
        side = convert.side(request.side)
        found = await asyncio.to_thread(self.app.find_refs, self.member(context), side, list(request.refs))
        return pb.FindRefsResponse(booked=[convert.booked(ref, row) for ref, row in found])

    @unary
    async def ListOwnEnvelopes(  # noqa: N802
        self, request: pb.ListOwnEnvelopesRequest, context: Context
    ) -> pb.ListOwnEnvelopesResponse:
        page = request.page
        member = self.member(context)
        rows, following = self.app.own_envelopes(member, request.from_leaf, page.after, page.limit)
        envelopes = [pb.OwnEnvelope(leaf=leaf, envelope=wire) for leaf, wire in rows]
        return pb.ListOwnEnvelopesResponse(envelopes=envelopes, next=following)

    @unary
    async def Lookup(self, request: pb.LookupRequest, context: Context) -> pb.LookupResponse:  # noqa: N802
        kind = request.WhichOneof("subject")
        if kind is None:
            raise Malformed("subject", "name a product, lot, member, site or unit")
        return pb.LookupResponse(entry=self.app.lookup(kind, getattr(request, kind)))

    async def StreamBlocks(  # noqa: N802
        self, request: pb.StreamBlocksRequest, context: Context
    ) -> AsyncIterator[pb.StoredBlock]:
        request_id = _request_id(context)
        try:
            self.app.may_replay(self.member(context))
            blocks = self.app.blocks(request.from_height)
            while (found := await asyncio.to_thread(next, blocks, None)) is not None:
                yield pb.StoredBlock(height=found[0], block=found[1])
        except SuyuanError as error:
            await self.fail("StreamBlocks", request_id, error, context)

    @unary
    async def GetNodeInfo(self, request: pb.GetNodeInfoRequest, context: Context) -> pb.NodeInfo:  # noqa: N802
        view = self.app.view
        return pb.NodeInfo(
            name=self.app.store.genesis.name,
            chain_id=view.head.chain,
            genesis=g.to_json(self.app.store.genesis),
            height=view.head.height,
            size=view.head.log.size,
            checkpoint=view.checkpoint,
            version=VERSION,
            time_ms=time.time_ns() // 1_000_000,
            node=self.app.name,
        )


class _Stream:
    """One submit stream: reads requests while too much is not in flight, and answers as blocks are stored."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._results: list[tuple[int, Receipt | SuyuanError]] = []
        self._changed = asyncio.Event()
        self._in_flight = 0
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    async def run(self, requests: AsyncIterator[pb.SubmitRequests]) -> AsyncIterator[pb.SubmitResults]:
        reading = asyncio.create_task(self._read(requests))
        try:
            while not (reading.done() and self._in_flight == 0 and not self._results):
                if not self._results:
                    self._changed.clear()
                    await self._wait(reading)
                    continue
                taken, self._results = (
                    self._results[:RESULTS_A_MESSAGE_MAX],
                    self._results[RESULTS_A_MESSAGE_MAX:],
                )
                for message in convert.results(taken):
                    yield message
            reading.result()
        finally:
            reading.cancel()

    async def _wait(self, reading: "asyncio.Task[None]") -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        waiting = {changed} if reading.done() else {changed, reading}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

    async def _read(self, requests: AsyncIterator[pb.SubmitRequests]) -> None:
        async for message in requests:
            for request in message.requests:
                await self._room.wait()
                self._offer(request.tag, request.envelope)
            await asyncio.sleep(0)

    def _offer(self, tag: int, wire: bytes) -> None:
        size = len(wire)

        def done(result: Receipt | SuyuanError) -> None:
            self._in_flight -= 1
            self._bytes -= size
            self._room.set()
            self._add(tag, result)

        self._in_flight += 1
        self._bytes += size
        if self._in_flight >= STREAM_ENVELOPES_MAX or self._bytes >= STREAM_BYTES_MAX:
            self._room.clear()
        try:
            self._app.offer(wire, done)
        except SuyuanError as error:
            done(error)

    def _add(self, tag: int, result: Receipt | SuyuanError) -> None:
        self._results.append((tag, result))
        self._changed.set()


async def serve(
    app: App, keys: Path, host: str, members_port: int, readers_port: int
) -> tuple[grpc.aio.Server, int, int]:
    """Start the service; returns the server and the two ports it listens on. OSError where one is taken."""
    server = grpc.aio.server(
        maximum_concurrent_rpcs=CALLS_REQUESTS_MAX,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_concurrent_streams", 256),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.max_ping_strikes", 4),
            ("grpc.so_reuseport", 0),
        ],
    )
    ledger_pb2_grpc.add_LedgerServicer_to_server(LedgerService(app), server)  # type: ignore[no-untyped-call]
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    service = pb.DESCRIPTOR.services_by_name["Ledger"].full_name
    for name in ("", service):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection([service, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    pair = [((keys / tls.SERVER_KEY).read_bytes(), (keys / tls.SERVER_CERT).read_bytes())]
    ca = (keys / tls.CA_CERT).read_bytes()
    for_members = grpc.ssl_server_credentials(pair, ca, require_client_auth=True)
    members = server.add_secure_port(f"{host}:{members_port}", for_members)
    readers = server.add_secure_port(f"{host}:{readers_port}", grpc.ssl_server_credentials(pair))
    await server.start()
    return server, members, readers
