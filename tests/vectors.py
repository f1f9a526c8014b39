"""The one helper that finds published test vectors, which lie beside the checkout and not in it."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def load(name: str) -> Any:
    """The vectors in a file; skips the test, saying why, where the folder is absent (a user's clone)."""
    if not FOLDER.is_dir():
        pytest.skip(f"published vectors are not beside this checkout ({FOLDER})")
    return json.loads((FOLDER / name).read_text())
