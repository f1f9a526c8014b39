"""Where each validator stands, and when it said so last, as this node heard it: for whoever operates the node."""

from collections.abc import Mapping

from msgspec import Struct


class Sighting(Struct, frozen=True):
    """A validator's newest cosignature: the leaves of the head that it signed, and its time."""

    leaves: int
    time_ms: int


class Sightings:
    """Written in the event loop alone; no entry is ever changed."""

    def __init__(self) -> None:
        self._newest: dict[str, Sighting] = {}

    @property
    def newest(self) -> Mapping[str, Sighting]:
        """By the validator's name, of those who were heard since the node began."""
        return self._newest

    def note(self, name: str, leaves: int, time_ms: int) -> None:
        known = self._newest.get(name)
        if known is None or (time_ms, leaves) > (known.time_ms, known.leaves):  # several heads a second
            self._newest[name] = Sighting(leaves, time_ms)
