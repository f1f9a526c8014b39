"""Full tiles and entry bundles as files, laid out as C2SP tlog-tiles serves them.

They are derived and never change, so any web server can serve the folder as it lies.
"""

import os
from functools import lru_cache
from pathlib import Path

from ledger.tiles import tile_path

TILES_CACHED = 1024


class TileFiles:
    """Tiles under FOLDER/tile. Writing what is there already is harmless: it has the same bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.read = lru_cache(maxsize=TILES_CACHED)(self._read)

    def _read(self, level: int, index: int) -> bytes:
        """The 8,192 bytes of a full tile; OSError where it is missing."""
        return (self._folder / tile_path(level, index)).read_bytes()

    def write(self, level: int, index: int, data: bytes) -> None:
        self._store(tile_path(level, index), data)

    def read_entries(self, index: int) -> bytes:
        return (self._folder / tile_path("entries", index)).read_bytes()

    def write_entries(self, index: int, data: bytes) -> None:
        self._store(tile_path("entries", index), data)

    def _store(self, path: str, data: bytes) -> None:
        """Whole or not at all: written beside, synced, then renamed."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
