"""One browser for each file of tests, and a page for each test, in front of the reader's page as a node serves it."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests import chromium
from tests.browser.scenes import Scene, play
from tests.browser.serving import Reader
from tests.network import Network
from tests.world import MAKER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return play(tmp_path_factory.mktemp("scenes") / "node")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A running node with a lot of its own; it serves the pages of all scenes."""
    network = Network(tmp_path_factory.mktemp("node"))
    network.found_with_goods(MAKER)
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="session")
def url(node: Network) -> str:
    return f"http://{json.loads((node.data / 'endpoints.json').read_text())['http']}"


@pytest.fixture
def reader(browser: Browser, url: str, scenes: dict[str, Scene]) -> Iterator[Reader]:
    with Reader(browser, url, scenes) as reader:
        yield reader
