"""One submit stream. What a client may hold of the node is bounded: answers that it does not fetch count like
envelopes in flight, so who does not read is not read from; and who says nothing for long is sent away."""

import asyncio
from collections.abc import AsyncIterator

import structlog

from ledger.errors import Malformed, SuyuanError
from ledger.limits import STREAM_BYTES_MAX, STREAM_ENVELOPES_MAX, STREAM_IDLE_SECONDS_MAX
from node import convert
from node.app import App, Receipt
from proto.suyuan.v1 import ledger_pb2 as pb

RESULTS_A_MESSAGE_MAX = 1024
log = structlog.get_logger(__name__)


class Idle(SuyuanError):
    """Nothing came on a stream for too long, and nothing was in flight."""

    def __init__(self) -> None:
        super().__init__(f"nothing came for {STREAM_IDLE_SECONDS_MAX} s; open another stream when there is something")


class SubmitStream:
    """Reads requests while too much is not in flight, and answers as blocks are stored."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._results: list[tuple[int, int, Receipt | SuyuanError]] = []
        self._held = 0  # envelopes that were taken and not answered on the wire
        self._held_bytes = 0
        self._heard = False
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self, requests: AsyncIterator[pb.SubmitRequests]) -> AsyncIterator[pb.SubmitResults]:
        """The reader is not cancelled, since gRPC would write into what a cancelled read has freed: it ends with the
        call, which ends when this generator does."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(self._read_to_its_end)
        try:
            while not (reading.done() and self._held == 0):
                if self._results:
                    for message in convert.results(self._fetch()):
                        yield message
                else:
                    await self._wait()
            reading.result()
        finally:
            self._ended = True
            self._room.set()

    def _read_to_its_end(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # `run` raises it, unless it has ended already
        self._changed.set()

    async def _wait(self) -> None:
        """Until there are results, or the client has said its last; Idle where nothing happens for long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(STREAM_IDLE_SECONDS_MAX):
                await self._changed.wait()
        except TimeoutError:
            if not (self._heard or self._held):
                raise Idle from None
            self._heard = False

    def _fetch(self) -> list[tuple[int, Receipt | SuyuanError]]:
        """The next results to send; they make room for as many envelopes."""
        taken, self._results = self._results[:RESULTS_A_MESSAGE_MAX], self._results[RESULTS_A_MESSAGE_MAX:]
        self._held -= len(taken)
        self._held_bytes -= sum(size for _, size, _ in taken)
        self._room.set()
        return [(tag, result) for tag, _, result in taken]

    async def _read(self, requests: AsyncIterator[pb.SubmitRequests]) -> None:
        async for message in requests:
            self._heard = True
            if len(message.requests) > STREAM_ENVELOPES_MAX:
                found = f"{len(message.requests)} envelopes in one message"
                raise Malformed("requests", f"{found}, at most {STREAM_ENVELOPES_MAX} are taken")
            taken: list[str] = []
            try:
                for request in message.requests:
                    await self._room.wait()
                    if self._ended:
                        return
                    taken += self._offer(request.tag, request.envelope)
            finally:
                if taken:
                    log.info("envelopes taken", envelopes=taken)
            await asyncio.sleep(0)

    def _offer(self, tag: int, wire: bytes) -> list[str]:
        """The envelope's id, if it was taken."""
        size = len(wire)

        def done(result: Receipt | SuyuanError) -> None:
            self._results.append((tag, size, result))
            self._changed.set()

        self._held += 1
        self._held_bytes += size
        if self._held >= STREAM_ENVELOPES_MAX or self._held_bytes >= STREAM_BYTES_MAX:
            self._room.clear()
        try:
            return [self._app.offer(wire, done).hex()]
        except SuyuanError as error:
            done(error)
            return []
