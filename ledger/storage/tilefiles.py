"""Full tiles and entry bundles as files, laid out as C2SP tlog-tiles serves them.

They are derived and never change, so any web server can serve the folder as it lies.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.errors import Damaged
from ledger.storage.blockfile import sync_folder
from ledger.tiles import tile_path

TILES_CACHED: Final = 1024
_REMEDY: Final = "Rebuild index and tiles from the block files: suyuan-node rebuild"


class TileFiles:
    """Tiles under FOLDER/tile. Writing what is there already is harmless: it has the same bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.read = lru_cache(maxsize=TILES_CACHED)(self._read)

    def _read(self, level: int, index: int) -> bytes:
        """The 8,192 bytes of a full tile; Damaged where it is missing."""
        return self._load(tile_path(level, index))

    def write(self, level: int, index: int, data: bytes) -> None:
        self._store(tile_path(level, index), data)

    def read_entries(self, index: int) -> bytes:
        return self._load(tile_path("entries", index))

    def write_entries(self, index: int, data: bytes) -> None:
        self._store(tile_path("entries", index), data)

    def _load(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            raise Damaged(path, "it is missing", _REMEDY) from None

    def _store(self, path: str, data: bytes) -> None:
        """Whole or not at all, and there to stay: written beside, synced, renamed, and the folder synced."""
        target = self._folder / path
        self._make(target.parent)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
