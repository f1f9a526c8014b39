"""Files that survive a crash: copied, replaced and locked so that what stands there is whole."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import SuyuanError

CHUNK_BYTES = 1024 * 1024
Copied = Callable[[int], None]
"""Told how many bytes more were copied."""


def reason(error: OSError) -> str:
    """What the operating system says, and about which file if it says so."""
    return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def copy(source: Path, target: Path) -> None:
    """A small file, readable for its owner alone, on disk when this returns."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as reader, os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(reader, file)
        file.flush()
        os.fsync(file.fileno())


def replace_folder(folder: Path) -> None:
    """An empty folder, for its owner alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def append(source: Path, target: Path, start: int, size: int, copied: Copied) -> None:
    """Make `target` the first `size` bytes of `source`, of which it holds the first `start`; on disk when this
    returns. The source's bytes are made durable first: a node that crashes must not lose what its backup holds."""
    handle = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
    with source.open("rb") as reader, os.fdopen(handle, "r+b") as file:
        os.fsync(reader.fileno())
        file.truncate(start)
        file.seek(start)
        reader.seek(start)
        while start < size:
            data = reader.read(min(CHUNK_BYTES, size - start))
            if not data:
                raise SuyuanError(f"{source} became shorter while it was copied")
            file.write(data)
            start += len(data)
            copied(len(data))
        file.flush()
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder; SuyuanError where somebody does."""
    handle = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SuyuanError(f"{folder} is in use by another backup or restore") from None
        yield
    finally:
        os.close(handle)
