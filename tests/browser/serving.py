"""The page as a node serves it, and a reader who scans codes in front of it."""

import base64
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Browser, Page, Route

import web
from ledger.policy import format_policy
from tests.browser.scenes import Scene
from tests.world import POLICY

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
_TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css"}
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"


def bundle_of(scene: Scene) -> str:
    """What a node answers for a scene."""
    query = {"product": scene.query.product, "lot": scene.query.lot}
    if scene.query.voucher:
        query["voucher"] = scene.query.voucher.hex()
    if scene.query.site:
        query["site"] = scene.query.site
    proof = base64.b64encode(scene.proof).decode()
    policy = format_policy(POLICY)
    return json.dumps({"format": "suyuan product bundle v1", "query": query, "proof": proof, "policy": policy})


class _Handler(BaseHTTPRequestHandler):
    files: Mapping[str, bytes] = {}

    def do_GET(self) -> None:
        name = self.path.removeprefix("/web/") if self.path.startswith("/web/") else web.PAGE
        body = self.files.get(name)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", _TYPES.get(name.rpartition(".")[2], "text/plain"))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *arguments: Any) -> None: ...


class Server:
    def __enter__(self) -> Self:
        _Handler.files = web.served_files()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Reader:
    """Somebody with a browser. What goes wrong in a page, or is asked of anybody else, fails the test at its end."""

    def __init__(self, browser: Browser, server: Server, scenes: Mapping[str, Scene], size: Any = PHONE) -> None:
        self._browser, self.server, self.scenes, self._size = browser, server, scenes, size
        self.wrong: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        self.context = self._browser.new_context(viewport=self._size, locale="zh-CN")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.context.close()
        if kind is None:
            assert self.wrong == []
            assert [url for url in self.requests if not url.startswith((self.server.url, "data:", "blob:", "file:"))] == []

    def page(self, now_ms: int | None = None) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda request: self.requests.append(request.url))
        if now_ms is not None:
            page.clock.set_fixed_time(now_ms / 1000)
        return page

    def scan(self, scene: Scene, answer: str | None = None) -> Page:
        """The page that a scene's code leads to, once it has a verdict; `answer` takes the place of the node's."""
        page = self.page(scene.now_ms)
        body = answer if answer is not None else bundle_of(scene)

        def route(route: Route) -> None:
            if "application/json" in route.request.headers.get("accept", ""):
                route.fulfill(content_type="application/json", body=body)
            else:
                route.continue_()

        page.route(lambda url: "/web/" not in url, route)
        page.goto(self.server.url + scene.path)
        page.wait_for_selector("main:not([aria-busy])")
        return page
