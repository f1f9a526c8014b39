"""Where each validator stands, and when it said so last, as this node heard it: for whoever operates the node.

A cosignature is told as soon as it is made, so its time beside this node's clock says whether that clock is right.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Sighting(Struct, frozen=True):
    """A validator's newest cosignature: the leaves of the head that it signed, its time, and by how much that time
    lay ahead of this node's clock when it came."""

    leaves: int
    time_ms: int
    ahead_ms: int


class Sightings:
    """Written in the event loop alone; no entry is ever changed."""

    def __init__(self) -> None:
        self._newest: dict[str, Sighting] = {}

    @property
    def newest(self) -> Mapping[str, Sighting]:
        """By the validator's name, of those who were heard since the node began."""
        return self._newest

    def note(self, name: str, leaves: int, time_ms: int, now_ms: int) -> None:
        known = self._newest.get(name)
        if known is None or (time_ms, leaves) > (known.time_ms, known.leaves):  # several heads a second
            self._newest[name] = Sighting(leaves, time_ms, time_ms - now_ms)

    def clock_ahead_ms(self, own: str) -> int:
        """By how much this node's clock is ahead of the others', 0 where none was heard. Of several that differ, the
        middle one in size counts, so that no single validator can accuse a clock that is right."""
        found: Final = sorted((one.ahead_ms for name, one in self._newest.items() if name != own), key=abs)
        return -found[(len(found) - 1) // 2] if found else 0
