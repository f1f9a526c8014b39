"""The synchronous client: submit acts and get verified receipts, read what is one's own, fetch proofs."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import grpc

from client_sdk import build, errors, keys, wire
from client_sdk.build import Act, SignedEnvelope
from client_sdk.openings import Submission, Undelivered, requests
from client_sdk.reads import STREAM_SECONDS, Reads
from client_sdk.trust import Receipt, Trust
from client_sdk.wire import clock_ms
from ledger.errors import SuyuanError, VerifyFailed
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc

CALL_SECONDS: Final = 30
STALLED_SECONDS: Final = 30  # so long an answer to an envelope may be owed


class Client(Reads):
    """One member's (or, without identity, a reader's) connection to a node. Use as a context manager."""

    call_seconds: float = CALL_SECONDS
    stalled_seconds: float = STALLED_SECONDS
    _node = ""  # the connected node's name, once it was asked for

    def __init__(self, connection: keys.Connection, identity: keys.Identity | None = None) -> None:
        self.connection = connection
        self.identity = identity
        self.trust = Trust(connection.trusted(), identity.folder if identity is not None else None)
        self.trust.learn = lambda known: self.policy(known)[1]
        address, credentials, options = wire.target(identity, connection)
        self._channel = grpc.secure_channel(address, credentials, options)
        self._stub: Any = ledger_pb2_grpc.LedgerStub(self._channel)  # type: ignore[no-untyped-call]

    @classmethod
    def open(cls, folder: Path | str, passphrase: str | None = None) -> "Client":
        """A client from an identity folder with its `node.json`. The passphrase may stand in SUYUAN_PASSPHRASE."""
        return cls(*keys.open_folder(Path(folder), passphrase))

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: str, request: Any) -> Any:
        submits = method == "Submit"
        try:
            seconds = self.stalled_seconds if submits else self.call_seconds
            return getattr(self._stub, method)(request, timeout=seconds, metadata=wire.metadata())
        except grpc.RpcError as error:
            if submits and wire.ran_out(error):
                raise self._no_quorum() from None
            raise wire.error_of(error) from None

    def _no_quorum(self) -> errors.NoQuorum:
        return errors.NoQuorum([self.connection.members], self.stalled_seconds)

    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        call = getattr(self._stub, method)(request, timeout=STREAM_SECONDS, metadata=wire.metadata())
        try:
            yield from call
        except grpc.RpcError as error:
            raise wire.error_of(error) from None
        finally:
            call.cancel()

    def _me(self) -> keys.Identity:
        if self.identity is None:
            raise errors.NotAuthenticated("only a member with an identity can do this")
        return self.identity

    @property
    def member_id(self) -> str:
        return self._me().member

    @property
    def folder(self) -> Path:
        """The identity folder."""
        return self._me().folder

    # Writing

    def submit(self, acts: Iterable[Act], nodes: Sequence[str] = ()) -> list[Receipt]:
        """Sign and send acts, in as few envelopes as fit, and give their private openings for the node that is
        connected, or for the `nodes` named, to which it hands them on; returns verified receipts, in order.

        EnvelopeRefused names what is wrong in the first envelope that was refused; those before it are booked, those
        behind it may be. PrivateNotDelivered: booked, but no node took all of the openings. A crash in
        between loses them: where that matters, submit through the outbox.
        """
        submission = Submission(nodes)
        try:
            for envelope, result in self.submit_stream(self.sign(acts, records_max=4096)):
                submission.add(envelope, result)
        except SuyuanError as error:
            submission.broken(error)
        for one in submission.waiting:
            self._deliver(submission, one)
        return submission.receipts()

    def _deliver(self, submission: Submission, one: Undelivered) -> None:
        try:
            self.put_private(one.leaf, one.openings, one.nodes)
        except SuyuanError as error:
            submission.missed(one, str(error))

    def sign(self, acts: Iterable[Act], records_max: int = build.RECORDS_AN_ENVELOPE) -> Iterator[SignedEnvelope]:
        return build.envelopes(acts, self._me(), self.connection.chain_id, clock_ms(), records_max)

    def sign_sealed(self, batch: Sequence[build.Sealed]) -> SignedEnvelope:
        """One envelope over records that are sealed already."""
        return build.signed(batch, self._me(), self.connection.chain_id, clock_ms())

    def submit_stream(
        self, envelopes: Iterable[SignedEnvelope]
    ) -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """Send many envelopes, bounded in flight; yields each with its verified receipt or its refusal, as blocks
        are stored. What is still unanswered when the connection breaks, or when no answer comes for `stalled_seconds`
        (NoQuorum), is asked for by its id."""
        flow = Flow(envelopes)
        try:
            yield from self._flow(flow)
        except errors.ClientError as failure:
            if flow.failure is not None:
                raise
            yield from self._ask(flow.unanswered(), failure)
            if isinstance(failure, errors.NoQuorum):
                return  # nor has anybody cosigned of late
        self.pin(flow.last_checkpoint)

    def _flow(self, flow: "Flow") -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """What becomes of the envelopes of a flow, over one stream to one node; raises what ended it too early."""
        try:
            stream = self._stub.SubmitStream(flow.messages(), timeout=STREAM_SECONDS, metadata=wire.metadata())
            watched = (stream.cancel, self.stalled_seconds)
            threading.Thread(target=flow.watch, args=watched, daemon=True).start()
            for message in stream:
                yield from flow.answers(message, self.trust, clock_ms())
        except grpc.RpcError as error:
            stalled = self._no_quorum() if flow.stalled else None
            raise flow.failure or stalled or wire.error_of(error) from None
        finally:
            flow.stop()
        if flow.failure is not None:
            raise flow.failure

    def _ask(
        self, envelopes: Sequence[SignedEnvelope], failure: errors.ClientError
    ) -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """The outcomes of envelopes that were sent but not answered, without sending them again. A node that cannot
        be reached is asked once, not once for each."""
        lost = isinstance(failure, errors.NotAuthenticated)
        for envelope in envelopes:
            outcome: Receipt | SuyuanError = failure
            try:
                outcome = failure if lost else self.receipt(envelope)
            except errors.NotWitnessed as error:
                outcome = error
            except errors.Unavailable:
                lost = True
            except SuyuanError:
                pass
            yield envelope, outcome

    def pin(self, note: bytes) -> None:
        """Pin the newest checkpoint, which must extend the pinned one and that of the last receipt."""
        now = clock_ms()
        if note:
            answer = self._extending(self.trust.checkpoint(note, now).size)
            self.trust.require_extension(note, answer.checkpoint, list(answer.consistency), now)
        self.refresh()

    def refresh(self) -> None:
        """Fetch the newest checkpoint and pin it; LogForked where it does not extend what was seen before."""
        pinned = self.trust.pinned
        answer = self._extending(pinned.size if pinned else 0)
        self.trust.advance(answer.checkpoint, list(answer.consistency), clock_ms())

    def _extending(self, size: int) -> pb.GetCheckpointResponse:
        """The newest checkpoint, with the proof that it extends `size` leaves; without one where the log is shorter,
        so that the pin judges."""
        try:
            return self.checkpoint(size)
        except errors.EnvelopeRefused:
            return self.checkpoint()

    def submit_envelope(self, envelope: SignedEnvelope) -> Receipt:
        """Send one signed envelope. EnvelopeRefused, Overloaded and ReadOnly: nothing of it is booked; with any
        other error, NoQuorum after `stalled_seconds` among them, the outcome is unknown: ask with `receipt` before it
        is sent again."""
        answer = self._call("Submit", pb.SubmitRequest(envelope=envelope.wire))
        if answer.WhichOneof("result") == "refusal":
            raise wire.refused(answer.refusal)
        return wire.receipt(self.trust, envelope, answer.receipt, b"", clock_ms())

    def receipt(self, envelope: SignedEnvelope) -> Receipt:
        """The verified receipt of an envelope sent before; NotFound where it was not accepted."""
        answer = self._call("GetReceipt", pb.GetReceiptRequest(envelope_id=envelope.id))
        return wire.receipt(self.trust, envelope, answer, b"", clock_ms())

    def name(self) -> str:
        """The connected node's own name."""
        if not self._node:
            self._node = self.node_info().node
        return self._node

    def put_private(self, leaf: int, openings: Mapping[int, bytes], nodes: Sequence[str] = ()) -> None:
        """Give the connected node the private openings of an accepted envelope (`SignedEnvelope.private`). `nodes`
        names those that are to keep them, by default this one, which hands them on to the others. The same again
        changes nothing."""
        for request in requests(leaf, openings, list(nodes) or [self.name()]):
            self._call("PutPrivate", request)

    def require_nodes(self, nodes: Sequence[str]) -> None:
        """EnvelopeRefused where the connected node could not give private openings to one of `nodes`, so that this is
        known before their records are booked."""
        self._call("PutPrivate", pb.PutPrivateRequest(nodes=nodes))

    def erase_private(self, places: Iterable[tuple[int, int]], reason: str) -> int:
        """Have the node erase private openings of own records, by (leaf, index); how many there were."""
        rows = [pb.PrivateOpening(leaf=leaf, index=index) for leaf, index in places]
        return int(self._call("ErasePrivate", pb.ErasePrivateRequest(openings=rows, reason=reason)).erased)

    def ship(self, **fields: Any) -> Receipt:
        """`build.ship` and submit: hand over one lot; `receipt.hashes[0]` is what the receiver answers."""
        return self._one(build.ship, fields)

    def receive(self, **fields: Any) -> Receipt:
        return self._one(build.receive, fields)

    def sell(self, **fields: Any) -> Receipt:
        return self._one(build.sell, fields)

    def _one(self, maker: Callable[..., Act], fields: dict[str, Any]) -> Receipt:
        fields.setdefault("at", clock_ms())
        if maker is not build.receive:
            fields.setdefault("site", self._me().site)
        return self.submit([maker(**fields)])[0]


class Flow:
    """What is in flight on one stream: feeds messages while there is room, and matches answers by tag."""

    def __init__(self, envelopes: Iterable[SignedEnvelope]) -> None:
        self._envelopes = iter(envelopes)
        self._waiting: dict[int, SignedEnvelope] = {}
        self._bytes = 0
        self._room = threading.Condition()
        self._turn = threading.Lock()  # of whoever takes the next envelope
        self._stopped = False
        self._answered = 0
        self.stalled = False
        self.last_checkpoint = b""
        self.failure: Exception | None = None

    def messages(self) -> Iterator[pb.SubmitRequests]:
        """Runs in gRPC's sending thread, which would swallow what is raised there: whatever ends the acts early is
        raised to the caller instead."""
        try:
            for message, size in wire.requests(self._counted(), lambda: len(self._waiting)):
                with self._room:
                    self._room.wait_for(partial(self._fits, size))
                    self._bytes += size
                if self._stopped:
                    return
                yield message
        except Exception as error:
            self.failure = error

    def _fits(self, size: int) -> bool:
        few = len(self._waiting) <= wire.IN_FLIGHT_MAX + wire.ENVELOPES_A_MESSAGE
        return self._stopped or self._bytes == 0 or (few and self._bytes + size <= wire.IN_FLIGHT_BYTES_MAX)

    def _counted(self) -> Iterator[SignedEnvelope]:
        for tag in count():
            with self._turn:
                envelope = None if self._stopped else next(self._envelopes, None)
                if envelope is None:
                    return
                with self._room:
                    self._waiting[tag] = envelope
            yield envelope

    def answers(
        self, message: pb.SubmitResults, trust: Trust, now_ms: int
    ) -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        for result in message.results:
            with self._room:
                envelope = self._waiting.pop(result.tag, None)
                if envelope is None:
                    raise VerifyFailed("stream", f"the node answered tag {result.tag}, which does not wait")
                self._bytes -= len(envelope.wire)
                self._answered += 1
                self._room.notify_all()
            outcome = wire.outcome(trust, envelope, result, message.checkpoint, now_ms)
            yield envelope, outcome
            if isinstance(outcome, Receipt):
                self.last_checkpoint = message.checkpoint

    def watch(self, cancel: Callable[[], object], seconds: float) -> None:
        """Runs in a thread of its own: cancel the stream when nothing is answered for so long, and the envelope that
        waited longest at its beginning still does."""
        with self._room:
            while not self._stopped:
                before, oldest = self._answered, next(iter(self._waiting), None)
                moved = self._room.wait_for(partial(self._moved, before), seconds)
                if not moved and oldest in self._waiting:
                    self.stalled = True
                    cancel()
                    return

    def _moved(self, before: int) -> bool:
        return self._stopped or self._answered != before

    def unanswered(self) -> list[SignedEnvelope]:
        return list(self._waiting.values())

    def rest(self) -> Iterator[SignedEnvelope]:
        """Those that a stopped flow did not take; `unanswered` before them is complete then."""
        with self._turn:
            return self._envelopes

    def stop(self) -> None:
        with self._room:
            self._stopped = True
            self._room.notify_all()
