"""What every test folder shares."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests run last, in the same session: a mistake shows early, and one closing line counts all."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
