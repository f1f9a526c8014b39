"""Tiles and entry bundles as files, laid out as C2SP tlog-tiles serves them, so that any web server can serve the
folder as it lies. Everybody may read it, whatever the process's umask says.

Full ones are derived from the blocks and never change. Partial ones are written for published checkpoints only, and
go when the full one is there; they are not synced, since the next publication writes them again.
"""

import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.errors import Damaged
from ledger.limits import TILE_HASHES
from ledger.storage.blockfile import sync_folder
from ledger.tiles import HASH, TILE_LEVELS, LogTree, entry_bundle, tile_path

PUBLIC_FOLDER: Final = "public"
CHECKPOINT_FILE: Final = "checkpoint"
TILES_CACHED: Final = 1024
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644
_REMEDY: Final = "Rebuild index and tiles from the block files: suyuan-node rebuild"


class TileFiles:
    """Tiles under FOLDER/public/tile. Writing what is there already is harmless: it has the same bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / PUBLIC_FOLDER
        self._published: LogTree | None = None
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
            raise Damaged(f"{PUBLIC_FOLDER}/{path}", "it is missing", _REMEDY) from None

    def publish(self, log: LogTree, tail: Sequence[bytes], checkpoint: bytes) -> None:
        """Let the folder show a checkpoint over `log`, whose unfinished bundle is `tail`: partial tiles first, since
        a client that saw the checkpoint asks for them."""
        fresh = [
            (tile_path(level, log.size >> TILE_LEVELS * (level + 1), len(hashes) // HASH), hashes)
            for level, hashes in enumerate(log.edge)
            if hashes
        ]
        if tail:
            fresh.append((tile_path("entries", log.size // TILE_HASHES, len(tail)), entry_bundle(tail)))
        for path, data in fresh:
            self._replace(path, data)
        self._replace(CHECKPOINT_FILE, checkpoint)
        if self._published is None:
            self._remove_partial({path for path, _ in fresh})
        else:
            self._remove_filled(self._published.size, log.size)
        self._published = log

    def show(self, name: str, text: str) -> None:
        """Put a file beside the checkpoint."""
        self._replace(name, text.encode())

    def _remove_filled(self, old_size: int, size: int) -> None:
        """Partial tiles of the last publication whose full tile is there."""
        for level in range(len(self._published.edge) if self._published else 0):
            index = old_size >> TILE_LEVELS * (level + 1)
            if size >> TILE_LEVELS * (level + 1) > index:
                self._forget(tile_path(level, index))
                if level == 0:
                    self._forget(tile_path("entries", index))

    def _forget(self, path: str) -> None:
        shutil.rmtree(self._folder / f"{path}.p", ignore_errors=True)

    def _remove_partial(self, kept: set[str]) -> None:
        """What another process published before: after a crash nobody knows what became of it."""
        for folder in (self._folder / "tile").rglob("*.p"):
            for path in folder.iterdir():
                if path.relative_to(self._folder).as_posix() not in kept:
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()

    def _store(self, path: str, data: bytes) -> None:
        """Whole or not at all, and there to stay: written beside, synced, renamed, and the folder synced."""
        target = self._folder / path
        self._make(target.parent)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)

    def _replace(self, path: str, data: bytes) -> None:
        """Whole or not at all."""
        target = self._folder / path
        self._make(target.parent)
        part = target.with_name(target.name + ".part")
        with part.open("wb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)
            file.write(data)
        part.replace(target)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            folder.chmod(_FOLDER_MODE)
            sync_folder(folder.parent)
