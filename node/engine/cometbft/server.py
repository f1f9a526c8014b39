"""ABCI over a unix socket: CometBFT opens four connections (consensus, mempool, query, snapshots), and each is
answered in strict order. A connection is read on when its answers were taken; Flush is answered like any call."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from ledger.errors import Malformed
from ledger.limits import ABCI_MESSAGE_BYTES_MAX
from proto.abci import abci_pb2 as pb

UVARINT_BYTES_MAX: Final = 5
SOCKET_PATH_BYTES_MAX: Final = 107
Answer = Callable[[pb.Request], Awaitable[pb.Response]]
log = structlog.get_logger(__name__)


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """The next message, None at the end of the stream; Malformed where it is none."""
    size = shift = 0
    for number in range(UVARINT_BYTES_MAX):
        byte = await reader.read(1)
        if not byte:
            if number:
                raise Malformed("ABCI message", "it ends in its length")
            return None
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
    else:
        raise Malformed("ABCI message", f"a length of more than {UVARINT_BYTES_MAX} bytes")
    if size > ABCI_MESSAGE_BYTES_MAX:
        raise Malformed("ABCI message", f"{size} bytes, at most {ABCI_MESSAGE_BYTES_MAX} are read")
    return await reader.readexactly(size)


def framed(message: bytes) -> bytes:
    """A message behind its length."""
    size, head = len(message), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + message


class AbciServer:
    """`answer` may raise: then CometBFT is told, and stops; what to do about it is for whoever gave `answer`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether CometBFT is there."""
        return bool(self._connections)

    async def listen(self, path: Path) -> None:
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise Malformed(
                str(path), f"a unix socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes: move the folder"
            )
        path.unlink(missing_ok=True)
        self._path = path
        self._server = await asyncio.start_unix_server(self._connected, path)

    async def close(self) -> None:
        """What was asked is answered; then nothing more is heard."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._serve(reader, writer)
        except (Malformed, ConnectionError, asyncio.IncompleteReadError) as error:
            log.warning("an ABCI connection broke", reason=str(error))
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await read_message(reader)) is not None:
            try:
                request = pb.Request.FromString(message)
            except DecodeError as error:
                raise Malformed("ABCI message", str(error)) from None
            try:
                response = await self._answer(request)
            except Exception as error:
                log.exception("a call of CometBFT cannot be answered", call=request.WhichOneof("call"))
                writer.write(framed(pb.Response(exception=pb.Exception(error=str(error))).SerializeToString()))
                await writer.drain()
                return
            if writer.is_closing():
                raise ConnectionResetError("CometBFT left before its answer")
            writer.write(framed(response.SerializeToString()))
            await writer.drain()
