"""The gRPC service over TLS: one port for members (client certificate required), one for readers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from google.rpc import code_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from ledger import genesis as g
from ledger.errors import Malformed, Refused, SuyuanError
from ledger.limits import (
    BLOCK_BYTES_MAX,
    CALLS_REQUESTS_MAX,
    CONNECTION_GRACE_SECONDS_MAX,
    CONNECTION_STREAMS_MAX,
    EVENT_LEAVES_MAX,
    MEMBER_CONNECTION_SECONDS_MAX,
    MEMBER_STREAMS_MAX,
    MEMBER_SUBMIT_STREAMS_MAX,
    READER_CONNECTION_SECONDS_MAX,
)
from node import convert, requests, tls
from node.app import App
from node.engine import Overloaded
from node.errors import Forbidden
from node.grpc_errors import pushback, status_of
from node.ports import cannot_listen
from node.requests import REQUEST_ID
from node.streams import SubmitStream
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc

log = structlog.get_logger(__name__)

MESSAGE_BYTES_MAX = BLOCK_BYTES_MAX + 64 * 1024
READINESS = "readiness"
"""The name that asks the health service whether the node is ready; its other names say whether it can be read."""
CALL_AGAIN_MS = 1_000
STREAM_AGAIN_MS = 5_000
VERSION = "0.1.0"
Answer = TypeVar("Answer")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Method = Callable[[Any, Any, Context], Awaitable[Answer]]
_StreamMethod = Callable[[Any, Any, Context], AsyncIterator[Answer]]


def _begin(context: Context) -> str:
    """The call's request id, which the client is told."""
    given = (value for key, value in context.invocation_metadata() or () if key == REQUEST_ID)
    request_id = requests.begin(next(given, None))
    context.set_trailing_metadata(((REQUEST_ID, request_id),))
    return request_id


def unary(method: _Method[Answer]) -> _Method[Answer]:
    """Request id, metrics, log and error details around a method that answers once."""

    @wraps(method)
    async def call(self: "LedgerService", request: Any, context: Context) -> Answer:
        request_id = _begin(context)
        name = method.__name__
        try:
            with self.one_call(name):
                answer = await method(self, request, context)
        except SuyuanError as error:
            await self.fail(name, request_id, error, context)
            raise
        self.app.metrics.calls.labels(name, "OK").inc()
        return answer

    return call


def streaming(method: _StreamMethod[Answer]) -> _StreamMethod[Answer]:
    """The same around a method that answers with a stream."""

    @wraps(method)
    async def call(self: "LedgerService", request: Any, context: Context) -> AsyncIterator[Answer]:
        request_id = _begin(context)
        name = method.__name__
        try:
            with self.one_call(name):
                async with aclosing(method(self, request, context)) as messages:  # type: ignore[type-var]
                    async for message in messages:
                        yield message
        except SuyuanError as error:
            await self.fail(name, request_id, error, context)
        self.app.metrics.calls.labels(name, "OK").inc()

    return call


class LedgerService(ledger_pb2_grpc.LedgerServicer):
    def __init__(self, app: App) -> None:
        self.app = app
        self._calls = 0
        self._streams: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one_call(self, name: str) -> Iterator[None]:
        """Calls at once are bounded; gRPC's own bound lies above, and gives no hint when to come again."""
        if self._calls >= CALLS_REQUESTS_MAX:
            raise Overloaded(CALL_AGAIN_MS)
        self._calls += 1
        try:
            with self.app.metrics.open_calls.labels(name).track_inprogress():
                yield
        finally:
            self._calls -= 1

    @contextmanager
    def _stream_of(self, member: str, name: str, streams_max: int) -> Iterator[None]:
        """Streams that stay open are bounded for each member, so that nobody takes all calls of the node."""
        key = (member, name)
        if self._streams[key] >= streams_max:
            raise Overloaded(STREAM_AGAIN_MS)
        self._streams[key] += 1
        try:
            yield
        finally:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]

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
            raise Forbidden(f"{member} is not a member of this ledger; a regulator admits members: suyuan admit")
        return member

    # Writing

    @unary
    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitResult:  # noqa: N802
        self.member(context)
        try:
            receipt = await self.app.submit(request.envelope)
        except (Malformed, Refused) as error:  # it may name every record, which is more than a trailer holds
            return pb.SubmitResult(tag=request.tag, refusal=convert.refusal(error))
        return pb.SubmitResult(tag=request.tag, receipt=convert.receipt(receipt))

    @streaming
    async def SubmitStream(  # noqa: N802
        self, requests: AsyncIterator[pb.SubmitRequests], context: Context
    ) -> AsyncIterator[pb.SubmitResults]:
        with self._stream_of(self.member(context), "SubmitStream", MEMBER_SUBMIT_STREAMS_MAX):
            async with aclosing(SubmitStream(self.app).run(requests)) as messages:  # type: ignore[type-var]
                async for message in messages:
                    yield message

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

    @streaming
    async def Subscribe(  # noqa: N802
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncIterator[pb.Events]:
        member = self.member(context)
        with self._stream_of(member, "Subscribe", MEMBER_STREAMS_MAX):
            async for events in self._events(member, request):
                yield events

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
        self.app.disk.require_room()
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

    @unary
    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Context) -> pb.GetPolicyResponse:  # noqa: N802
        entry, steps = self.app.policy(request.known)
        return pb.GetPolicyResponse(entry=entry, steps=steps)

    @streaming
    async def StreamBlocks(  # noqa: N802
        self, request: pb.StreamBlocksRequest, context: Context
    ) -> AsyncIterator[pb.StoredBlock]:
        member = self.member(context)
        self.app.may_replay(member)
        with self._stream_of(member, "StreamBlocks", MEMBER_STREAMS_MAX):
            blocks = self.app.blocks(request.from_height)
            while (found := await asyncio.to_thread(next, blocks, None)) is not None:
                yield pb.StoredBlock(height=found[0], block=found[1])

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
            read_only=self.app.disk.shortage,
            not_ready=self.app.not_ready,
        )


class Servers:
    """The members' server and the readers', each with calls of its own: readers cannot take those of members."""

    def __init__(self, *servers: tuple[grpc.aio.Server, health.aio.HealthServicer]) -> None:
        self._servers = [server for server, _ in servers]
        self._health = [servicer for _, servicer in servers]

    async def tell(self, ready: bool) -> None:
        """The health service answers so from now on, and tells whoever watches."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for servicer in self._health:
            await servicer.set(READINESS, status)

    async def stop(self, grace_seconds: float) -> None:
        await asyncio.gather(*(server.stop(grace_seconds) for server in self._servers))


async def serve(app: App, keys: Path, host: str, members_port: int, readers_port: int) -> tuple[Servers, int, int]:
    """Start the service; returns the servers and the two ports they listen on. OSError where one is taken."""
    pair = [((keys / tls.SERVER_KEY).read_bytes(), (keys / tls.SERVER_CERT).read_bytes())]
    ca = (keys / tls.CA_CERT).read_bytes()
    for_members = grpc.ssl_server_credentials(pair, ca, require_client_auth=True)
    members = await _server(app, MEMBER_CONNECTION_SECONDS_MAX)
    readers = await _server(app, READER_CONNECTION_SECONDS_MAX)
    ports = (
        _listen(members[0], "members_port", host, members_port, for_members),
        _listen(readers[0], "readers_port", host, readers_port, grpc.ssl_server_credentials(pair)),
    )
    for server, _ in (members, readers):
        await server.start()
    return Servers(members, readers), *ports


async def _server(app: App, connection_seconds_max: int) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """One server, and its health service. Connections end after a time: a client that does not read its answers, or
    never ends its request, holds a call as long as its connection lasts."""
    server = grpc.aio.server(
        maximum_concurrent_rpcs=2 * CALLS_REQUESTS_MAX,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_concurrent_streams", CONNECTION_STREAMS_MAX),
            ("grpc.max_connection_age_ms", connection_seconds_max * 1000),
            ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_SECONDS_MAX * 1000),
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
    await healthy.set(READINESS, health_pb2.HealthCheckResponse.NOT_SERVING)
    reflection.enable_server_reflection([service, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return server, healthy


def _listen(server: grpc.aio.Server, setting: str, host: str, port: int, credentials: grpc.ServerCredentials) -> int:
    """The port; OSError where the address cannot be listened on."""
    try:
        return server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError:
        why = "the port is taken, or the address is not this machine's"
        raise cannot_listen(setting, host, port, why) from None
