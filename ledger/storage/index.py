"""The index: LevelDB, holding what can be rebuilt from the block files.

Created only at init, never repaired, every read verified: measured on LevelDB, a flipped bit is read back without
error unless the read asks for checksums, a lost CURRENT with create_if_missing wipes nearly all tables, and a
repair can succeed with rows missing. Whatever is wrong here has one remedy.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ledger.errors import Damaged, SuyuanError, WriteFailed

try:
    import plyvel
except ImportError:  # from Python 3.13 on the maintained fork carries the wheels
    import plyvel_next as plyvel

REBUILD: Final = "Rebuild it from the block files: suyuan-node rebuild"
_NO_DAMAGE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EMFILE)
# Measured over 1 M records of trade: 64 MiB write buffers against 32 spare 10 % (fewer compactions); the bloom
# filter pays because most document lines that are looked up are new.
_OPTIONS: Final[dict[str, Any]] = {
    "paranoid_checks": True,
    "write_buffer_size": 64 * 1024 * 1024,
    "lru_cache_size": 64 * 1024 * 1024,
    "bloom_filter_bits": 10,
    "max_open_files": 500,
}


def _text(error: Exception) -> str:
    """What LevelDB says; plyvel hands it over as bytes."""
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _damaged(where: str, error: Exception) -> Damaged:
    return Damaged(where, _text(error), REBUILD)


def _cannot_open(folder: Path, error: Exception) -> SuyuanError:
    """Whether the index is damaged, or only cannot be opened now: then a rebuild would be the wrong advice."""
    text = _text(error)
    if "already held by process" in text or os.strerror(errno.EAGAIN) in text:
        return SuyuanError(f"{folder} is in use by another process; stop it first")
    if any(os.strerror(number) in text for number in _NO_DAMAGE):
        return SuyuanError(f"the index cannot be opened: {text}")
    return _damaged(str(folder), error)


def _after_prefix(prefix: bytes) -> bytes | None:
    """The first key behind all keys with this prefix; None where there is no such key."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class Snapshot:
    """The index as it was at one moment."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._handle.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise _damaged("index", error) from error
        return value

    def scan(
        self, prefix: bytes, start: bytes | None = None, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, in order. Forward from `start` on; in reverse, from `start` down."""
        if reverse:  # without a lower bound: plyvel 1.5.1 then drops a range whose only key is the bound
            bounds = {"stop": _after_prefix(prefix) if start is None else start + b"\x00"}
        else:
            bounds = {"start": prefix if start is None else max(prefix, start), "stop": _after_prefix(prefix)}
        try:
            with self._handle.iterator(**bounds, reverse=reverse, verify_checksums=True) as rows:
                for number, (key, value) in enumerate(rows):
                    if (limit is not None and number >= limit) or not key.startswith(prefix):
                        return
                    yield key, value
        except plyvel.Error as error:
            raise _damaged("index", error) from error

    def count(self, prefix: bytes) -> int:
        """How many rows begin with a prefix."""
        bounds = {"start": prefix, "stop": _after_prefix(prefix), "include_value": False}
        try:
            with self._handle.iterator(**bounds, verify_checksums=True) as keys:
                return sum(1 for _ in keys)
        except plyvel.Error as error:
            raise _damaged("index", error) from error

    def close(self) -> None:
        self._handle.close()


class Index(Snapshot):
    """The index of one chain."""

    @classmethod
    def create(cls, folder: Path) -> "Index":
        return cls._opened(folder, create_if_missing=True, error_if_exists=True)

    @classmethod
    def open(cls, folder: Path) -> "Index":
        if not (folder / "CURRENT").exists():
            raise Damaged(str(folder), "there is no index, or its CURRENT file is lost", REBUILD)
        return cls._opened(folder, create_if_missing=False)

    @classmethod
    def _opened(cls, folder: Path, **how: bool) -> "Index":
        try:
            return cls(plyvel.DB(str(folder), **how, **_OPTIONS))
        except plyvel.Error as error:
            raise _cannot_open(folder, error) from error

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes]) -> None:
        """All of it or nothing, in one batch. Not synced: after a power cut the block files fill the gap. WriteFailed
        where the disk does not take it, Damaged where LevelDB finds its files wrong."""
        batch = self._handle.write_batch()
        for key, value in puts:
            batch.put(key, value)
        for key in deletes:
            batch.delete(key)
        try:
            batch.write()
        except plyvel.IOError as error:
            raise WriteFailed("the index", _text(error)) from error
        except plyvel.Error as error:
            raise _damaged("index", error) from error

    def snapshot(self) -> Snapshot:
        return Snapshot(self._handle.snapshot())
