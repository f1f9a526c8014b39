"""Debian's Chromium for the browser tests, driven by Playwright; found as `find_chromium` in scripts/lib.sh does.

Without one the tests skip and say how to install it; where CI=true they fail.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find() -> str | None:
    """The path of a Chromium: the one that SUYUAN_CHROMIUM names, else one on PATH."""
    named = os.environ.get("SUYUAN_CHROMIUM")
    found = (shutil.which(name) for name in ([named] if named else NAMES))
    return next((path for path in found if path), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser; skips the test (fails it in CI) where there is none."""
    path = find()
    if path is None:
        advice = "there is no Chromium: sudo apt-get install chromium, or name one in SUYUAN_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(FLAGS), chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            browser.close()
