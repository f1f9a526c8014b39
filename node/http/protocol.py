"""HTTP/1.1 connections that end: uvicorn's protocol over h11, with deadlines and bounds that it does not have.

A client that drips its request, or does not take its answer, costs one connection for a bounded time. Measured on
uvicorn: its keep-alive timer stops at a request's first byte, and closing waits for what the client has not read.
"""

import asyncio
import time
from collections import Counter
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from ledger.limits import (
    HTTP_ANSWER_SECONDS_MAX,
    HTTP_CLIENT_CONNECTIONS_MAX,
    HTTP_CONNECTIONS_MAX,
    HTTP_HEAD_SECONDS_MAX,
    HTTP_IDLE_SECONDS_MAX,
)
from node.http.clients import Clients
from node.http.failures import Failure

SWEEP_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 5


class Connections:
    """Those that are open; `sweep` cuts off the ones that are past their deadline."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._open: set[Protocol] = set()
        self._of_client: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: "Protocol", peer: str) -> bool:
        """False where there are too many, of all or of this client; a proxy speaks for many."""
        if len(self._open) >= HTTP_CONNECTIONS_MAX:
            return False
        client = self._clients.client_of(peer, b"")
        if self._of_client[client] >= HTTP_CLIENT_CONNECTIONS_MAX and not self._clients.is_proxy(peer):
            return False
        self._open.add(connection)
        self._of_client[client] += 1
        return True

    def leave(self, connection: "Protocol", peer: str) -> None:
        self._open.discard(connection)
        client = self._clients.client_of(peer, b"")
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for connection in [one for one in self._open if one.deadline < now]:
                connection.abort()


class Protocol(H11Protocol):
    """`deadline` is when the connection ends unless something is done by then: its first byte comes, a request's
    head is there, an answer is taken."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._connections = connections
        self._peer = ""
        self._refused = False
        self._in_head = False
        self.deadline = time.monotonic() + HTTP_IDLE_SECONDS_MAX

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        found = transport.get_extra_info("peername")
        self._peer = str(found[0]) if found else ""
        self._refused = not self._connections.admit(self, self._peer)
        if self._refused:
            transport.write(_refusal())
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._refused:
            self._connections.leave(self, self._peer)
            super().connection_lost(exc)

    def eof_received(self) -> None:
        if not self._refused:
            super().eof_received()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._in_head and not self._answering():
            self._in_head = True
            self.deadline = time.monotonic() + HTTP_HEAD_SECONDS_MAX
        super().data_received(data)
        if self._in_head and self._answering():
            self._in_head = False
            self.deadline = time.monotonic() + HTTP_ANSWER_SECONDS_MAX

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._answering():  # a pipelined request
            self.deadline = time.monotonic() + HTTP_ANSWER_SECONDS_MAX
        elif not self.transport.get_write_buffer_size():
            self._in_head = False
            self.deadline = time.monotonic() + HTTP_IDLE_SECONDS_MAX

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        """End it now: closing in order would wait for a client that does not read."""
        self.transport.abort()


def _refusal() -> bytes:
    failure = Failure(
        503, "too-many-connections", "too many connections are open", do="try again",
        retry_after_seconds=_RETRY_SECONDS,
    )  # fmt: skip
    body = failure.body()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"retry-after: {_RETRY_SECONDS}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
