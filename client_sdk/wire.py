"""Between the SDK's values and the messages of proto/suyuan/v1; shared by the sync and the async client."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from msgspec import Struct

from client_sdk import errors
from client_sdk.build import Earlier, SignedEnvelope
from client_sdk.keys import Connection, Identity
from client_sdk.trust import Receipt, Trust
from ledger import merkle
from ledger.envelope import ENVELOPE, HEADER
from ledger.errors import Malformed, Problem, VerifyFailed
from ledger.records import RECORD, Amounts, Record
from ledger.seals import open_amounts
from proto.suyuan.v1 import ledger_pb2 as pb

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
SMALL_ENVELOPE_BYTES: Final = 16 * 1024  # below this several may travel in one message
ENVELOPES_A_MESSAGE: Final = 32
IN_FLIGHT_MAX: Final = 1024
REFS_A_CALL: Final = 4096
IN_FLIGHT_BYTES_MAX: Final = 6 * 1024 * 1024
BUSY_AGAIN_MS: Final = 1000  # where a node is overloaded and gives no hint

_SERVICE: Final = "suyuan.v1.Ledger"
_READS: Final = (
    "FindRefs", "GetCheckpoint", "GetNodeInfo", "GetPolicy", "GetPrivate", "GetProductProof", "GetReceipt",
    "ListClaims", "ListHandovers", "ListOwnEnvelopes", "ListPositions", "Lookup",
)  # fmt: skip
"""Calls that change nothing, so that they may be made again whenever no answer came."""


def _retried(methods: Iterable[str], code: str, attempts: int, backoff_seconds: float) -> dict[str, Any]:
    policy = {
        "maxAttempts": attempts,
        "initialBackoff": f"{backoff_seconds}s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": [code],
    }
    return {"name": [{"service": _SERVICE, "method": method} for method in methods], "retryPolicy": policy}


SERVICE_CONFIG: Final = {
    "methodConfig": [
        _retried(_READS, "UNAVAILABLE", 4, 0.2),
        # By this code alone: the node took nothing. With any other the outcome is unknown, and is asked for.
        _retried(["Submit"], "RESOURCE_EXHAUSTED", 5, 0.2),
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5},
}
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
)


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Side(Enum):
    """The sides of a member's book, in each of which a document line is booked once."""

    IN = pb.FindRefsRequest.SIDE_IN
    OUT = pb.FindRefsRequest.SIDE_OUT
    OWN = pb.FindRefsRequest.SIDE_OWN


class OwnRecord(Struct, frozen=True):
    """A record as it was booked; `amounts` are opened, None where its act has none."""

    record: Record
    amounts: Amounts | None
    data: bytes
    opening: bytes

    @property
    def hash(self) -> bytes:
        """The record hash, by which other records name it."""
        return merkle.leaf_hash(self.data)

    @property
    def earlier(self) -> Earlier:
        """What `build.correct` brings along of it."""
        return Earlier(self.data, self.opening)


class OwnEnvelope(Struct, frozen=True):
    """An own envelope as the node keeps it."""

    leaf: int
    time: int
    records: list[OwnRecord]


class Event(Struct, frozen=True):
    """A record of another member that concerns this one; `amounts` where this member is a party to it."""

    leaf: int
    index: int
    member: str
    time_ms: int
    record: Record
    amounts: Amounts | None
    hash: bytes


class News(Struct, frozen=True):
    """Events up to `next_leaf`, from which a subscription goes on."""

    events: list[Event]
    next_leaf: int


def target(identity: Identity | None, connection: Connection) -> tuple[str, grpc.ChannelCredentials, Any]:
    """(address, credentials, options): the members' port with a certificate, the readers' port without."""
    ca = connection.ca.encode()
    if identity is not None and identity.tls is not None:
        key, certificate = identity.tls
        return connection.members, grpc.ssl_channel_credentials(ca, key, certificate), OPTIONS
    return connection.readers, grpc.ssl_channel_credentials(ca), OPTIONS


def metadata() -> tuple[tuple[str, str], ...]:
    return (("x-request-id", os.urandom(8).hex()),)


def error_of(call: grpc.RpcError) -> errors.ClientError:
    """The typed error of a failed call, from its code and its google.rpc details."""
    status = rpc_status.from_call(call)
    error = _kind_of(call, status)
    for detail in status.details if status is not None else ():
        if detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request = error_details_pb2.RequestInfo()
            detail.Unpack(request)
            error.request_id = request.request_id
    return error


def _kind_of(call: grpc.RpcError, status: Any) -> errors.ClientError:
    code = call.code()
    message = call.details() or code.name
    for detail in status.details if status is not None else ():
        if detail.Is(pb.Refusal.DESCRIPTOR):
            refusal = pb.Refusal()
            detail.Unpack(refusal)
            return refused(refusal)
        if code == grpc.StatusCode.RESOURCE_EXHAUSTED and detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            return errors.Overloaded(retry.retry_delay.ToMilliseconds())
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" not in message:
        return errors.Overloaded(BUSY_AGAIN_MS)
    if code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        return errors.NotAuthenticated(message)
    if code == grpc.StatusCode.NOT_FOUND:
        return errors.NotFound(message)
    if code == grpc.StatusCode.UNAVAILABLE and status is None:
        return errors.Unavailable(
            f"the node cannot be reached; does it run, at the address in its node.json? ({message})"
        )
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return errors.Unavailable(message)
    return errors.ClientError(f"{code.name}: {message}")


def ran_out(error: grpc.RpcError) -> bool:
    """Whether a call ended because its time was over."""
    return bool(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED)


def refused(refusal: pb.Refusal) -> errors.ClientError:
    if refusal.kind == pb.Refusal.KIND_OVERLOADED:
        return errors.Overloaded(refusal.retry_after_ms)
    if refusal.kind == pb.Refusal.KIND_READ_ONLY:
        why = "; ".join(found.message for found in refusal.problems) or "this node only reads now"
        return errors.ReadOnly(why, refusal.retry_after_ms)
    problems = tuple(
        Problem(p.rule, p.message, p.remedy, p.record if p.HasField("record") else None, p.field)
        for p in refusal.problems
    )
    return errors.EnvelopeRefused(problems)


def requests(
    envelopes: Iterable[SignedEnvelope], in_flight: Callable[[], int]
) -> Iterator[tuple[pb.SubmitRequests, int]]:
    """Messages of one large or several small envelopes, tagged in order, each with its size in bytes.

    How many small ones wait for company grows with what is in flight: alone, an envelope leaves at once.
    """
    message, size = pb.SubmitRequests(), 0
    for tag, envelope in enumerate(envelopes):
        message.requests.add(envelope=envelope.wire, tag=tag)
        size += len(envelope.wire)
        enough = min(ENVELOPES_A_MESSAGE, in_flight() // 16)
        if size > SMALL_ENVELOPE_BYTES or len(message.requests) >= enough:
            yield message, size
            message, size = pb.SubmitRequests(), 0
    if message.requests:
        yield message, size


def receipt(trust: Trust, envelope: SignedEnvelope, answer: pb.Receipt, checkpoint: bytes, now_ms: int) -> Receipt:
    """A verified receipt; VerifyFailed where the node's answer does not prove what it says, NotWitnessed where the
    quorum is missing."""
    note = answer.checkpoint or checkpoint
    proof = list(answer.proof)
    trust.check_inclusion(envelope.leaf, answer.leaf, proof, note, now_ms)
    return Receipt(envelope.id, answer.leaf, proof, note, answer.earlier, envelope.hashes)


def outcome(
    trust: Trust, envelope: SignedEnvelope, result: pb.SubmitResult, checkpoint: bytes, now_ms: int
) -> Receipt | errors.ClientError:
    """What a stream says of an envelope: its verified receipt, or why there is none. VerifyFailed as in `receipt`."""
    if result.WhichOneof("result") != "receipt":
        return refused(result.refusal)
    try:
        return receipt(trust, envelope, result.receipt, checkpoint, now_ms)
    except errors.NotWitnessed as error:
        return error


def own_envelope(message: pb.OwnEnvelope) -> OwnEnvelope:
    envelope = ENVELOPE.decode(message.envelope)
    records = []
    for data, opening in zip(envelope.records, envelope.openings, strict=True):
        record = RECORD.decode(data)
        records.append(OwnRecord(record, open_amounts(record, opening), data, opening))
    return OwnEnvelope(message.leaf, HEADER.decode(envelope.header).time, records)


def news(message: pb.Events, expected: int) -> News:
    """A message of a subscription, which must begin where the one before ended; VerifyFailed otherwise."""
    if message.from_leaf != expected:
        raise VerifyFailed("subscription", f"events from leaf {message.from_leaf}, expected from {expected}")
    return News([_event(one) for one in message.events], message.next_leaf)


def _event(message: pb.Event) -> Event:
    record = RECORD.decode(message.record)
    amounts = open_amounts(record, message.opening) if message.opening else None
    name = merkle.leaf_hash(message.record)
    return Event(message.leaf, message.index, message.member, message.time_ms, record, amounts, name)


def lookup_request(kind: str, name: str) -> pb.LookupRequest:
    if kind not in ("product", "lot", "member", "site", "unit"):
        raise Malformed("kind", f"{kind!r} is none of product, lot, member, site, unit")
    return pb.LookupRequest(**{kind: name})


def proof_request(product: str, lot: str, voucher: bytes | None, site: str | None) -> pb.GetProductProofRequest:
    request = pb.GetProductProofRequest(product=product, lot=lot)
    if voucher is not None:
        request.voucher = voucher
    elif site is not None:
        request.site = site
    return request
