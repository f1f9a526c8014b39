"""Connections of the port where nodes talk to each other: few enough, and ones that end. aiohttp by itself takes any
number of them, waits for a request's head as long as it takes, and logs a traceback of each that it cannot read.

`Connections` counts them and serves an application on them; what an application does before its answer is its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from ledger.limits import (
    PEER_ANSWER_SECONDS_MAX,
    PEER_CLIENT_CONNECTIONS_MAX,
    PEER_CONNECTION_ANSWER_SECONDS_MAX,
    PEER_CONNECTIONS_MAX,
    PEER_HEAD_SECONDS_MAX,
    PEER_IDLE_SECONDS_MAX,
)
from node.http.clients import group_of

_SAY_AGAIN_SECONDS: Final = 60.0
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\nretry-after: 5\r\n"
    b"content-length: 32\r\n\r\ntoo many connections; try again\n"
)
log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Complaints:
    """What clients do wrong, and what goes wrong over it: a line a minute of each kind, however many there are."""

    def __init__(self) -> None:
        self._again_at: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def take(self, error: BaseException | None, client: str) -> None:
        """What nobody foresaw is told with its traceback."""
        kind, now = type(error).__name__, time.monotonic()
        if now < self._again_at.get(kind, 0.0):
            self._unsaid[kind] += 1
            return
        self._again_at[kind] = now + _SAY_AGAIN_SECONDS
        before = self._unsaid.pop(kind, 0)
        if isinstance(error, HttpProcessingError):
            log.warning("a request to cosign_port cannot be read", kind=kind, client=client, unsaid_before=before)
        else:
            log.error(
                "an answer of cosign_port failed", kind=kind, client=client, unsaid_before=before, exc_info=error
            )


class Connections:
    """Those that are open."""

    def __init__(self, app: web.Application) -> None:
        app.middlewares.append(_answered)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=PEER_ANSWER_SECONDS_MAX)
        self._server: asyncio.Server | None = None
        self._of_client: Counter[str] = Counter()
        self.complaints = Complaints()

    async def listen(self, host: str, port: int) -> int:
        """The port. OSError where it cannot be listened on."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        manager = cast(web.Server, self._runner.server)
        self._server = await loop.create_server(lambda: Connection(self, manager, loop), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """What is under way gets the time of one answer."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def admit(self, client: str) -> bool:
        """False where there are too many, of all or of this client."""
        of_client = self._of_client[client]
        if self._of_client.total() >= PEER_CONNECTIONS_MAX or of_client >= PEER_CLIENT_CONNECTIONS_MAX:
            return False
        self._of_client[client] = of_client + 1
        return True

    def leave(self, client: str) -> None:
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]


class Connection(web.RequestHandler):
    """It ends unless something is done in time: its first byte comes, a request's head is there, an answer is
    taken."""

    def __init__(self, connections: Connections, manager: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(manager, loop=loop, access_log=cast(Any, None), auto_decompress=False)
        self._connections, self._event_loop = connections, loop
        self._client = ""
        self._line: asyncio.Transport | None = None  # None where it was refused, or is lost
        self._timer: asyncio.TimerHandle | None = None
        self._has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        line = cast(asyncio.Transport, transport)
        found = line.get_extra_info("peername")
        self._client = group_of(str(found[0]) if found else "")
        if not self._connections.admit(self._client):
            line.write(_TOO_MANY)
            line.close()
            return
        self._line = line
        self._end_in(PEER_IDLE_SECONDS_MAX)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._line is None:
            return
        self._line = None
        self._connections.leave(self._client)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._line is None:
            return
        if not self._has_begun:
            self._has_begun = True
            self._end_in(PEER_HEAD_SECONDS_MAX)
        try:
            super().data_received(data)
        except Exception as error:
            self._connections.complaints.take(error, self._client)
            self._line.abort()

    def begin_answer(self) -> None:
        """The head is there."""
        self._has_begun = True
        self._end_in(PEER_CONNECTION_ANSWER_SECONDS_MAX)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._has_begun = False
            self._end_in(PEER_IDLE_SECONDS_MAX)

    def log_exception(self, *_: Any, **named: Any) -> None:
        self._connections.complaints.take(named.get("exc_info"), self._client)

    def _end_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._line is not None:
            self._timer = self._event_loop.call_later(seconds, self._line.abort)


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A body that breaks off, or is none, is the client's fault."""
    cast(Connection, request.protocol).begin_answer()
    try:
        return await handler(request)
    except (web.RequestPayloadError, ConnectionError):
        return web.Response(status=400, text="the body is broken, or did not come wholly\n")
