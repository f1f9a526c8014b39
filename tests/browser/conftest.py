"""One browser for each file of tests, and a page for each test, in front of the reader's page as a node serves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import chromium
from tests.browser.scenes import Scene, play
from tests.browser.serving import Reader, Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return play(tmp_path_factory.mktemp("scenes") / "node")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def reader(browser: Browser, server: Server, scenes: dict[str, Scene]) -> Iterator[Reader]:
    with Reader(browser, server, scenes) as reader:
        yield reader
