"""The asynchronous client: the same calls as `client.Client`, for programs that run an event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import grpc

from client_sdk import build, errors, keys, wire
from client_sdk.build import Act, SignedEnvelope
from client_sdk.client import CALL_SECONDS, STALLED_SECONDS
from client_sdk.openings import Submission, Undelivered, opened, requests
from client_sdk.reads import PAGE_ROWS, STREAM_SECONDS
from client_sdk.trust import Receipt, Trust
from client_sdk.wire import clock_ms
from ledger.errors import SuyuanError, VerifyFailed
from ledger.private import Private
from ledger.proof.verify import Product, Query, verify_product
from ledger.succession import STEP
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc

T = TypeVar("T")


class AsyncClient:
    """One member's (or reader's) connection to a node. Use as an async context manager."""

    stalled_seconds: float = STALLED_SECONDS

    def __init__(self, connection: keys.Connection, identity: keys.Identity | None = None) -> None:
        self.connection = connection
        self.identity = identity
        self.trust = Trust(connection.trusted(), identity.folder if identity is not None else None)
        address, credentials, options = wire.target(identity, connection)
        self._channel = grpc.aio.secure_channel(address, credentials, options)
        self._stub: Any = ledger_pb2_grpc.LedgerStub(self._channel)  # type: ignore[no-untyped-call]

    @classmethod
    def open(cls, folder: Path | str, passphrase: str | None = None) -> "AsyncClient":
        """A client from an identity folder with its `node.json`. The passphrase may stand in SUYUAN_PASSPHRASE."""
        return cls(*keys.open_folder(Path(folder), passphrase))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def _call(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, timeout=CALL_SECONDS, metadata=wire.metadata())
        except grpc.RpcError as error:
            raise wire.error_of(error) from None

    async def _judged(self, judge: Callable[[], T]) -> T:
        """What a judgement under the policy at hand gives, or one under those that lead on from it."""
        try:
            found = judge()
        except VerifyFailed:
            if not await self._learned():
                raise
            return judge()
        if self.trust.is_to_ask(clock_ms()):
            with suppress(SuyuanError):  # a node's nonsense says nothing against what holds
                if await self._learned():
                    return judge()
        return found

    async def _learned(self) -> bool:
        """Ask who follows on the policy at hand; whether that led on."""
        answer = await self._call("GetPolicy", pb.GetPolicyRequest(known=self.trust.policy.number))
        return self.trust.follow([STEP.decode(step) for step in answer.steps], clock_ms())

    # Writing

    async def submit(self, acts: Iterable[Act], nodes: Sequence[str] = ()) -> list[Receipt]:
        """As `Client.submit`: sign and send acts, give their private openings; returns verified receipts, or raises
        EnvelopeRefused or PrivateNotDelivered."""
        submission = Submission(nodes)
        try:
            async for envelope, result in self.submit_stream(self.sign(acts, records_max=4096)):
                submission.add(envelope, result)
        except SuyuanError as error:
            submission.broken(error)
        for one in submission.waiting:
            await self._deliver(submission, one)
        return submission.receipts()

    async def _deliver(self, submission: Submission, one: Undelivered) -> None:
        try:
            await self.put_private(one.leaf, one.openings, one.nodes)
        except SuyuanError as error:
            submission.missed(one, str(error))

    async def put_private(self, leaf: int, openings: Mapping[int, bytes], nodes: Sequence[str] = ()) -> None:
        """As `Client.put_private`: give the connected node the private openings of an accepted envelope."""
        for request in requests(leaf, openings, list(nodes) or [(await self.node_info()).node]):
            await self._call("PutPrivate", request)

    async def erase_private(self, places: Iterable[tuple[int, int]], reason: str) -> int:
        """As `Client.erase_private`: have the node erase private openings; how many there were."""
        rows = [pb.PrivateOpening(leaf=leaf, index=index) for leaf, index in places]
        return int((await self._call("ErasePrivate", pb.ErasePrivateRequest(openings=rows, reason=reason))).erased)

    def sign(self, acts: Iterable[Act], records_max: int = build.RECORDS_AN_ENVELOPE) -> Iterable[SignedEnvelope]:
        if self.identity is None:
            raise errors.NotAuthenticated("only a member with an identity can sign")
        return build.envelopes(acts, self.identity, self.connection.chain_id, clock_ms(), records_max)

    async def submit_stream(
        self, envelopes: Iterable[SignedEnvelope]
    ) -> AsyncIterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """Send many envelopes, bounded in flight; yields each with its verified receipt or its refusal. Where the
        connection breaks, or owes an answer for `stalled_seconds`, the outcome of what was sent is asked for."""
        waiting: dict[int, SignedEnvelope] = {}
        room = asyncio.Semaphore(wire.IN_FLIGHT_MAX)
        last_checkpoint = b""
        ended: list[Exception] = []  # by what the acts ended early: gRPC would cancel the call, and hide it

        async def messages() -> AsyncIterator[pb.SubmitRequests]:
            try:
                for tag, envelope in enumerate(envelopes):
                    await room.acquire()
                    waiting[tag] = envelope
                    yield pb.SubmitRequests(requests=[pb.SubmitRequest(envelope=envelope.wire, tag=tag)])
            except Exception as error:
                ended.append(error)

        try:
            stream = self._stub.SubmitStream(messages(), timeout=STREAM_SECONDS, metadata=wire.metadata())
            answers = aiter(stream)
            while (message := await self._owed(anext(answers, None), waiting)) is not None:
                for result in message.results:
                    envelope = waiting.pop(result.tag, None)
                    if envelope is None:
                        raise VerifyFailed("stream", f"the node answered tag {result.tag}, which does not wait")
                    room.release()
                    outcome = await self._judged(
                        partial(wire.outcome, self.trust, envelope, result, message.checkpoint, clock_ms())
                    )
                    if isinstance(outcome, Receipt):
                        last_checkpoint = message.checkpoint
                    yield envelope, outcome
        except (grpc.RpcError, errors.NoQuorum) as error:
            failure = error if isinstance(error, errors.NoQuorum) else wire.error_of(error)
            async for asked in self._ask(list(waiting.values()), failure):
                yield asked
            return
        if ended:
            raise ended[0]
        await self._pin(last_checkpoint)

    async def _owed(self, answer: Awaitable[T], waiting: Mapping[int, SignedEnvelope]) -> T:
        """The stream's next answer; NoQuorum where an envelope waited for one too long."""
        reading = asyncio.ensure_future(answer)
        try:
            while True:
                oldest = next(iter(waiting), None)
                done, _ = await asyncio.wait({reading}, timeout=self.stalled_seconds)
                if done:
                    return reading.result()
                if oldest in waiting:
                    raise errors.NoQuorum([self.connection.members], self.stalled_seconds)
        finally:
            reading.cancel()

    async def _ask(
        self, envelopes: list[SignedEnvelope], failure: errors.ClientError
    ) -> AsyncIterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """As `Client._ask`: a node that cannot be reached is asked once, not once for each."""
        lost = isinstance(failure, errors.NotAuthenticated)
        for envelope in envelopes:
            outcome: Receipt | SuyuanError = failure
            try:
                outcome = failure if lost else await self.receipt(envelope)
            except errors.NotWitnessed as error:
                outcome = error
            except errors.Unavailable:
                lost = True
            except SuyuanError:
                pass
            yield envelope, outcome

    async def receipt(self, envelope: SignedEnvelope) -> Receipt:
        """The verified receipt of an envelope sent before; NotFound where it was not accepted."""
        answer = await self._call("GetReceipt", pb.GetReceiptRequest(envelope_id=envelope.id))
        return await self._judged(partial(wire.receipt, self.trust, envelope, answer, b"", clock_ms()))

    async def _pin(self, note: bytes) -> None:
        """As `Client.pin`: the newest checkpoint extends the last receipt's and the pinned one."""
        if note:
            head = await self._judged(partial(self.trust.checkpoint, note, clock_ms()))
            answer = await self._call("GetCheckpoint", pb.GetCheckpointRequest(extends_size=head.size))
            self.trust.require_extension(note, answer.checkpoint, list(answer.consistency), clock_ms())
        await self.refresh()

    async def refresh(self) -> None:
        """Fetch the newest checkpoint and pin it; LogForked where it does not extend what was seen before."""
        pinned = self.trust.pinned
        request = pb.GetCheckpointRequest(extends_size=pinned.size if pinned else 0)
        try:
            answer = await self._call("GetCheckpoint", request)
        except errors.EnvelopeRefused:  # the node knows no log of the pinned size: let the pin judge
            answer = await self._call("GetCheckpoint", pb.GetCheckpointRequest())
        await self._judged(partial(self.trust.advance, answer.checkpoint, list(answer.consistency), clock_ms()))

    # Reading

    async def private(self, leaf: int, index: int, known: bytes | None = None) -> Private:
        """As `Client.private`: what stands behind a record's private seal, checked against it."""
        return opened(await self._call("GetPrivate", pb.GetPrivateRequest(leaf=leaf, index=index)), known).private

    async def _pages(self, method: str, request: Callable[[pb.Page], Any], field: str) -> AsyncIterator[Any]:
        after = b""
        while True:
            answer = await self._call(method, request(pb.Page(after=after, limit=PAGE_ROWS)))
            for found in getattr(answer, field):
                yield found
            after = answer.next
            if not after:
                return

    def positions(self, kept: bool = False) -> AsyncIterator[pb.Position]:
        """What the member owns, by site and lot; or, with `kept`, what it keeps for other owners."""
        return self._pages("ListPositions", lambda page: pb.ListPositionsRequest(page=page, kept=kept), "positions")

    def claims(self, against_me: bool = False) -> AsyncIterator[pb.Claim]:
        """Open claims: one's own, or those of others against the member."""
        return self._pages(
            "ListClaims", lambda page: pb.ListClaimsRequest(page=page, against_me=against_me), "claims"
        )

    async def subscribe(self, from_leaf: int = 0, until_now: bool = False) -> AsyncIterator[wire.News]:
        """As `Client.subscribe`: what others did that concerns the member, in order and without gaps."""
        request = pb.SubscribeRequest(from_leaf=from_leaf, until_now=until_now)
        expected = from_leaf
        call = self._stub.Subscribe(request, timeout=STREAM_SECONDS, metadata=wire.metadata())
        try:
            async for message in call:
                news = wire.news(message, expected)
                expected = news.next_leaf
                yield news
        except grpc.RpcError as error:
            raise wire.error_of(error) from None
        finally:
            call.cancel()

    def handovers(self) -> AsyncIterator[pb.Handover]:
        """Ships that wait for the member's receive."""
        return self._pages("ListHandovers", lambda page: pb.ListHandoversRequest(page=page), "handovers")

    async def own_envelopes(self) -> AsyncIterator[wire.OwnEnvelope]:
        """What the member signed, with opened amounts, in the order of the log."""
        async for found in self._pages(
            "ListOwnEnvelopes", lambda page: pb.ListOwnEnvelopesRequest(page=page), "envelopes"
        ):
            yield wire.own_envelope(found)

    async def product_proof(
        self, product: str, lot: str, voucher: bytes | None = None, site: str | None = None
    ) -> bytes:
        """The proof of a product, unverified: `verify` says what it proves."""
        return bytes((await self._call("GetProductProof", wire.proof_request(product, lot, voucher, site))).proof)

    def verify(self, query: Query, proof: bytes) -> Product:
        return verify_product(self.trust.policy, query, proof, clock_ms())

    async def node_info(self) -> pb.NodeInfo:
        info: pb.NodeInfo = await self._call("GetNodeInfo", pb.GetNodeInfoRequest())
        if info.chain_id != self.connection.chain_id:
            raise VerifyFailed("node", f"it serves chain {info.chain_id.hex()}, not {self.connection.chain}")
        return info
