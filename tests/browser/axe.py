"""axe-core, which looks for what people with other eyes or hands than ours would stumble over. Installed once with
npm into .cache; where that cannot be had the tests that need it skip, and fail in CI."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

VERSION: Final = "4.14.1"
FOLDER: Final = Path(__file__).resolve().parents[2] / ".cache" / f"axe-core-{VERSION}"
_SCRIPT: Final = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
_INSTALL_SECONDS: Final = 120


@cache
def _source() -> str | None:
    npm = shutil.which("npm")
    if not _SCRIPT.exists() and npm is not None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", f"axe-core@{VERSION}"]
        subprocess.run(command, check=False, capture_output=True, timeout=_INSTALL_SECONDS)
    return _SCRIPT.read_text() if _SCRIPT.exists() else None


def violations(page: Page) -> list[str]:
    """What axe objects to, in short."""
    source = _source()
    if source is None:
        advice = "axe-core could not be installed: it needs npm, and its registry once"
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    page.evaluate(source)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}" for one in found]
