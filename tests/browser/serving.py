"""The page as a node serves it, and a reader who scans codes in front of it."""

import base64
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Browser, Page, Route

from ledger.policy import format_policy
from tests.browser.scenes import Scene
from tests.world import POLICY

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
POLICY_TEXT = format_policy(POLICY)


def bundle_of(scene: Scene, **instead: Any) -> str:
    """What a node answers for a scene."""
    query = {"product": scene.query.product, "lot": scene.query.lot}
    if scene.query.voucher:
        query["voucher"] = scene.query.voucher.hex()
    if scene.query.site:
        query["site"] = scene.query.site
    proof = base64.b64encode(scene.proof).decode()
    return json.dumps(
        {"format": "suyuan product bundle v1", "query": query, "proof": proof, "policy": POLICY_TEXT} | instead
    )


class Reader:
    """Somebody with a browser at a node's site. What goes wrong in a page, or is asked of anybody else than the node,
    fails the test at its end."""

    def __init__(self, browser: Browser, url: str, scenes: Mapping[str, Scene]) -> None:
        self._browser, self.url, self.scenes = browser, url, scenes
        self.wrong: list[str] = []
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self.context = self._browser.new_context(viewport=PHONE, locale="zh-CN", accept_downloads=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.context.close()
        strangers = [url for url in self.asked if not url.startswith((self.url, "data:", "blob:", "file:"))]
        if kind is None and (self.wrong or strangers):
            raise AssertionError(f"{self.wrong} {strangers}")

    def page(self, now_ms: int | None = None) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda request: self.asked.append(request.url))
        if now_ms is not None:
            page.clock.set_fixed_time(now_ms / 1000)
        return page

    def scan(self, scene: Scene, answer: str | None = None, page: Page | None = None) -> Page:
        """The page that a scene's code leads to, once it has a verdict; `answer` takes the place of the node's."""
        page = page or self.page(scene.now_ms)
        body = answer if answer is not None else bundle_of(scene)

        def route(route: Route) -> None:
            if "application/json" in route.request.headers.get("accept", ""):
                route.fulfill(content_type="application/json", body=body)
            else:
                route.continue_()

        page.route(lambda url: "/web/" not in url, route)
        page.goto(self.url + scene.path)
        return shown(page)


def shown(page: Page) -> Page:
    page.wait_for_selector("main:not([aria-busy])")
    return page
