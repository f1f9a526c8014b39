"""Errors of the node as gRPC statuses with google.rpc details, so that a client need not parse sentences."""

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from ledger.errors import Damaged, Malformed, ProofTooLarge, SuyuanError
from node import convert
from node.convert import READ_ONLY
from node.engine import Overloaded, ReadOnly, Stopped
from node.errors import Forbidden, NotFound, NotStored
from node.streams import Idle

DOMAIN = "suyuan"


_CODES: tuple[tuple[type[SuyuanError], int], ...] = (
    (Malformed, code_pb2.INVALID_ARGUMENT),
    (NotFound, code_pb2.NOT_FOUND),
    (Forbidden, code_pb2.PERMISSION_DENIED),
    (Overloaded, code_pb2.RESOURCE_EXHAUSTED),
    (ReadOnly, code_pb2.RESOURCE_EXHAUSTED),
    (Stopped, code_pb2.UNAVAILABLE),
    (NotStored, code_pb2.UNAVAILABLE),
    (ProofTooLarge, code_pb2.OUT_OF_RANGE),
    (Idle, code_pb2.DEADLINE_EXCEEDED),
    (Damaged, code_pb2.DATA_LOSS),
)


def status_of(error: SuyuanError, request_id: str) -> status_pb2.Status:
    """The status of an error: code, message, and what is known in details."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), code_pb2.INTERNAL)
    status = status_pb2.Status(code=code, message=str(error)[:2000])
    details = [error_details_pb2.RequestInfo(request_id=request_id), *_details(error)]
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def pushback(error: SuyuanError) -> tuple[tuple[str, str], ...]:
    """The trailer by which a client's gRPC library knows when to try again; -1 leaves that to the client itself, as
    a disk is not emptied while a call waits."""
    if isinstance(error, ReadOnly):
        return (("grpc-retry-pushback-ms", "-1"),)
    return (("grpc-retry-pushback-ms", str(error.retry_after_ms)),) if isinstance(error, Overloaded) else ()


def _details(error: SuyuanError) -> list[object]:
    if isinstance(error, Overloaded):
        return [_retry(error.retry_after_ms)]
    if isinstance(error, ReadOnly):
        reason = error_details_pb2.ErrorInfo(reason=READ_ONLY, domain=DOMAIN, metadata={"why": error.why})
        return [reason, convert.refusal(error), _retry(error.retry_after_ms)]
    if isinstance(error, Malformed):
        refusal = convert.refusal(error)
        request = error_details_pb2.BadRequest()
        request.field_violations.add(field=error.where, description=error.message)
        return [error_details_pb2.ErrorInfo(reason=refusal.problems[0].rule, domain=DOMAIN), request, refusal]
    return []


def _retry(after_ms: int) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(after_ms)
    return error_details_pb2.RetryInfo(retry_delay=delay)
