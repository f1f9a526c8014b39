"""One small value on disk that is replaced by one write and one fsync, and survives a crash at any byte.

Two slots are written in turn. A write that did not finish leaves its slot unreadable, and the other one holds the
value before.
"""

import os
import zlib
from pathlib import Path
from typing import Final, Generic, TypeVar

from ledger.encoding import Codec
from ledger.errors import Damaged, WriteFailed
from node.files import sync_folder

SLOT_BYTES: Final = 512  # a sector: what disks write whole or not at all
_HEAD_BYTES: Final = 14  # checksum, number of the write, length
T = TypeVar("T")


class Slots(Generic[T]):
    """`value` is what was stored last, None where nothing was."""

    def __init__(self, path: Path, codec: Codec[T]) -> None:
        self._path, self._codec = path, codec
        made = not path.exists()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if made:
            sync_folder(path.parent)
        self._writes, self.value = self._newest()

    def _newest(self) -> tuple[int, T | None]:
        data = os.pread(self._handle, 2 * SLOT_BYTES, 0)
        found = [self._read(data[at : at + SLOT_BYTES]) for at in (0, SLOT_BYTES)]
        whole = [slot for slot in found if slot is not None]
        if not whole and data.strip(b"\x00"):
            remedy = "docs/operating.md says how to go on, under: A network of validators"
            raise Damaged(str(self._path), "neither of its two slots can be read", remedy)
        return max(whole, key=lambda slot: slot[0], default=(0, None))

    def _read(self, slot: bytes) -> tuple[int, T] | None:
        length = int.from_bytes(slot[12:_HEAD_BYTES], "big")
        body = slot[4 : _HEAD_BYTES + length]
        if length == 0 or zlib.crc32(body) != int.from_bytes(slot[:4], "big"):
            return None
        return int.from_bytes(slot[4:12], "big"), self._codec.decode(slot[_HEAD_BYTES : _HEAD_BYTES + length])

    def store(self, value: T) -> None:
        """On disk when this returns; WriteFailed where the disk does not take it."""
        data = self._codec.encode(value)
        body = (self._writes + 1).to_bytes(8, "big") + len(data).to_bytes(2, "big") + data
        slot = zlib.crc32(body).to_bytes(4, "big") + body
        if len(slot) > SLOT_BYTES:
            raise ValueError(f"a value of {len(data)} bytes does not fit into a slot of {SLOT_BYTES}")
        try:
            os.pwrite(self._handle, slot.ljust(SLOT_BYTES, b"\x00"), self._writes % 2 * SLOT_BYTES)
            os.fdatasync(self._handle)
        except OSError as error:
            raise WriteFailed(str(self._path), error.strerror or str(error)) from error
        self._writes, self.value = self._writes + 1, value

    def close(self) -> None:
        os.close(self._handle)
