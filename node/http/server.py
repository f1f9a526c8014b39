"""The HTTP server in the node's process, on the node's event loop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn

from ledger.limits import HTTP_HEAD_BYTES_MAX, HTTP_IDLE_SECONDS_MAX
from node.http.guard import AsgiApp
from node.http.protocol import Connections, Protocol
from node.ports import cannot_listen

_BACKLOG = 512


class _InProcess(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the node's own."""
        yield


class HttpServer:
    """`port` is where it listens from the beginning; it answers once it has an application and runs."""

    def __init__(self, connections: Connections, host: str, port: int) -> None:
        self._connections = connections
        self._socket = _listening(host, port)
        self.port: int = self._socket.getsockname()[1]

    async def run(self, app: AsgiApp, grace_seconds: int) -> None:
        """Until cancelled; answers that are under way get the grace to end."""
        config = uvicorn.Config(
            cast(Any, app),
            http=cast(Any, partial(Protocol, self._connections)),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=HTTP_IDLE_SECONDS_MAX,
            timeout_graceful_shutdown=grace_seconds,
            h11_max_incomplete_event_size=HTTP_HEAD_BYTES_MAX,
        )
        server = _InProcess(config)
        sweeping = asyncio.create_task(self._connections.sweep())
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await asyncio.wait([serving])
            sweeping.cancel()


def _listening(host: str, port: int) -> socket.socket:
    """OSError where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise cannot_listen("http_port", host, port, error.strerror) from None
    listener.setblocking(False)
    return listener
