"""The gRPC service config against a server that fails: reads are tried again, an envelope only where the node took
nothing, and never where nobody knows."""

from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from client_sdk import wire
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc


class Failing(ledger_pb2_grpc.LedgerServicer):
    """Each call meets the next of `codes`, then an answer."""

    def __init__(self) -> None:
        self.codes: list[grpc.StatusCode] = []
        self.hint_ms = "1"
        self.calls = 0

    def _meet(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        if self.codes:
            context.set_trailing_metadata((("grpc-retry-pushback-ms", self.hint_ms),))
            context.abort(self.codes.pop(0), "not now")

    def Submit(self, request: pb.SubmitRequest, context: grpc.ServicerContext) -> pb.SubmitResult:  # noqa: N802
        self._meet(context)
        return pb.SubmitResult(tag=request.tag)

    def GetReceipt(self, request: pb.GetReceiptRequest, context: grpc.ServicerContext) -> pb.Receipt:  # noqa: N802
        self._meet(context)
        return pb.Receipt(leaf=1)


@pytest.fixture
def service() -> Iterator[tuple[Failing, ledger_pb2_grpc.LedgerStub]]:
    failing = Failing()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    ledger_pb2_grpc.add_LedgerServicer_to_server(failing, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=wire.OPTIONS) as channel:
        yield failing, ledger_pb2_grpc.LedgerStub(channel)  # type: ignore[no-untyped-call]
    server.stop(None)


BUSY, GONE = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE


def test_an_envelope_is_sent_again_where_the_node_took_nothing(
    service: tuple[Failing, ledger_pb2_grpc.LedgerStub],
) -> None:
    failing, stub = service
    failing.codes = [BUSY, BUSY]
    assert stub.Submit(pb.SubmitRequest(tag=7), timeout=20).tag == 7
    assert failing.calls == 3


def test_and_not_where_the_node_says_never(
    service: tuple[Failing, ledger_pb2_grpc.LedgerStub],
) -> None:
    failing, stub = service
    failing.codes, failing.hint_ms = [BUSY], "-1"
    with pytest.raises(grpc.RpcError):
        stub.Submit(pb.SubmitRequest(), timeout=20)
    assert failing.calls == 1


@pytest.mark.parametrize("code", [GONE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_an_envelope_is_never_sent_again_blindly(
    service: tuple[Failing, ledger_pb2_grpc.LedgerStub], code: grpc.StatusCode
) -> None:
    failing, stub = service
    failing.codes = [code]
    with pytest.raises(grpc.RpcError):
        stub.Submit(pb.SubmitRequest(), timeout=20)
    assert failing.calls == 1


def test_a_read_is_made_again_while_the_node_is_away(service: tuple[Failing, ledger_pb2_grpc.LedgerStub]) -> None:
    failing, stub = service
    failing.codes = [GONE, GONE]
    assert stub.GetReceipt(pb.GetReceiptRequest(), timeout=20).leaf == 1
    assert failing.calls == 3


def test_every_call_of_the_service_is_a_read_a_submission_or_not_repeated() -> None:
    named = {one["method"] for config in wire.SERVICE_CONFIG["methodConfig"] for one in config["name"]}
    methods = {method.name: method for method in pb.DESCRIPTOR.services_by_name["Ledger"].methods}
    assert named <= set(methods)
    assert not any(methods[name].server_streaming or methods[name].client_streaming for name in named)
    assert set(methods) - named == {"ErasePrivate", "PutPrivate", "StreamBlocks", "SubmitStream", "Subscribe"}
