"""Stands before every answer: what is asked too often, too long or with a body gets a short no; every answer gets the
headers that keep a browser from doing what the page did not ask for; every error becomes one clear line.

No address and no query is ever logged: vouchers stand in queries.
"""

import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ledger.errors import SuyuanError
from ledger.limits import HTTP_HEAD_BYTES_MAX, HTTP_TARGET_BYTES_MAX
from node import requests
from node.http.answers import Scope, header
from node.http.clients import Clients
from node.http.failures import Failure, failure_of
from node.metrics import Metrics
from node.requests import REQUEST_ID

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
]
_METHODS: Final = ("GET", "HEAD")


class Guard:
    def __init__(self, app: AsgiApp, clients: Clients, metrics: Metrics) -> None:
        self._app, self._clients, self._metrics = app, clients, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = time.monotonic()
        given = header(scope, REQUEST_ID.encode())
        request_id = requests.begin(given.decode("latin-1")).encode("latin-1")
        told = [(REQUEST_ID.encode(), request_id)] if given else []
        sent: list[int] = []

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])
                message["headers"] = [*message.get("headers", ()), *HEADERS, *told]
            await send(message)

        try:
            self._admit(scope, begun)
            await self._app(_as_get(scope), receive, send_guarded)
        except Failure as refused:
            await answer_failure(refused)(scope, receive, send_guarded)
        except Exception:
            if not sent:  # else `on_error` has logged it, and answered
                raise
        finally:
            self._metrics.http_requests.labels(_route(scope), str(sent[0] if sent else 0)).inc()

    def _admit(self, scope: Scope, now: float) -> None:
        """Failure where the request is not even looked at."""
        peer = scope["client"][0] if scope.get("client") else ""
        client = self._clients.client_of(peer, header(scope, b"x-forwarded-for"))
        wait = self._clients.take(client, now)
        if wait:
            raise Failure(
                429, "too-many-requests", "this address asks too often", "fewer requests a second",
                "wait, then try again", math.ceil(wait),
            )  # fmt: skip
        if scope["method"] not in _METHODS:
            raise Failure(405, "method", f"{scope['method'][:20]} is not served here", "GET or HEAD", "use GET")
        if header(scope, b"content-length") not in (b"", b"0") or header(scope, b"transfer-encoding"):
            raise Failure(413, "body", "this request has a body", "a request without one", "leave the body out")
        target = len(scope["raw_path"]) + len(scope["query_string"])
        if target > HTTP_TARGET_BYTES_MAX:
            expected = f"at most {HTTP_TARGET_BYTES_MAX}"
            raise Failure(
                414, "target", f"this address has {target} bytes", expected, "use the link as it was printed"
            )
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HTTP_HEAD_BYTES_MAX:
            raise Failure(431, "headers", "the headers are too large", f"at most {HTTP_HEAD_BYTES_MAX} bytes", "")


async def on_error(request: Request, error: Exception) -> Response:
    """What a page raised, as its answer. What nobody foresaw is logged with a name that the answer has too."""
    if isinstance(error, SuyuanError):
        return answer_failure(failure_of(error))
    if isinstance(error, HTTPException):
        return answer_failure(_of_framework(error))
    name = structlog.contextvars.get_contextvars().get("request_id", "")
    log.error("an HTTP answer failed", route=_route(request.scope), exc_info=error)
    return answer_failure(
        Failure(500, "internal", "the node could not answer", do=f"tell the node's operator: {name}")
    )


def answer_failure(failure: Failure) -> Response:
    headers = {"cache-control": "no-store"}
    if failure.retry_after_seconds:
        headers["retry-after"] = str(failure.retry_after_seconds)
    if failure.status == 401:
        headers["www-authenticate"] = "Bearer"
    if failure.status == 405:
        headers["allow"] = ", ".join(_METHODS)
    if failure.code == "body":
        headers["connection"] = "close"  # what comes of the body is not read
    return Response(failure.body(), failure.status, headers, "application/json")


def _as_get(scope: Scope) -> Scope:
    """HEAD has the headers of GET, without a range; the server leaves the body out."""
    if scope["method"] != "HEAD":
        return scope
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
    return {**scope, "method": "GET"}


def _of_framework(error: HTTPException) -> Failure:
    """What the router says by itself."""
    if error.status_code == 404:
        return Failure(404, "no-such-page", "there is no such page", "see /docs", "check the address")
    return Failure(error.status_code, "request", str(error.detail))


def _route(scope: Scope) -> str:
    """The route's template: what was asked in it stays unsaid."""
    return getattr(scope.get("route"), "path", "none")
