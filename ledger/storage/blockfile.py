"""Block files: append-only, the truth of a chain.

    header  magic "SUYUANB1" | chain id (32) | height of the first block u64 | CRC-32 over these u32
    frame   payload length u32 | CRC-32 over height and payload u32 | height u64 | payload

Numbers are big-endian. A new file begins when one has grown past BLOCK_FILE_BYTES_MAX. `append` writes, `sync`
makes durable; nothing may be acknowledged in between. After a crash the last frame may be unfinished: it was
never acknowledged, and `open` cuts it off, keeping the bytes beside it. Any other flaw is damage.
"""

import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Packed
from typing import Final

from msgspec import Struct

from ledger.errors import Damaged, SuyuanError
from ledger.limits import BLOCK_BYTES_MAX, BLOCK_FILE_BYTES_MAX

MAGIC: Final = b"SUYUANB1"
_FILE_HEADER: Final = Packed(">8s32sQI")
_FRAME: Final = Packed(">IIQ")
_REMEDY: Final = "Fetch the block files from a peer, or restore a backup"


class Location(Struct, frozen=True):
    """Where a frame begins."""

    file: int
    offset: int


class WriteFailed(SuyuanError):
    """A write or fsync failed, so nobody knows what is on disk; the chain must be opened again."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _crc(height: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(height.to_bytes(8, "big")))


class BlockFiles:
    """The block files of one folder. One writer holds the lock; any number may read."""

    def __init__(self, folder: Path, chain: bytes, writer: bool) -> None:
        self._folder = folder / "blocks"
        self._chain = chain
        self._handles: dict[int, int] = {}
        self._lock: int | None = None
        self._broken = False
        self.last_height = 0
        self._number = 1
        self._size = 0
        if writer:
            self._take_lock()

    @classmethod
    def create(cls, folder: Path, chain: bytes) -> "BlockFiles":
        (folder / "blocks").mkdir()
        files = cls(folder, chain, writer=True)
        files._begin_file(1, 1)
        sync_folder(folder)
        return files

    @classmethod
    def open(cls, folder: Path, chain: bytes, durable_height: int | None) -> "BlockFiles":
        """Open for writing. `durable_height` is what the index says was committed at least (None: nobody knows, and
        then only a tail that is plainly unfinished is cut off)."""
        files = cls(folder, chain, writer=True)
        try:
            files._load(durable_height)
        except BaseException:
            files.close()
            raise
        return files

    @classmethod
    def open_read_only(cls, folder: Path, chain: bytes) -> "BlockFiles":
        """Open beside a running writer: no lock, nothing is cut, an unfinished last frame is not read."""
        files = cls(folder, chain, writer=False)
        files._load(None)
        return files

    # Opening

    def _take_lock(self) -> None:
        self._lock = os.open(self._folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise SuyuanError(f"{self._folder} is in use by another process; stop it first") from None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.blk"

    def _numbers(self) -> list[int]:
        numbers = sorted(int(path.stem) for path in self._folder.glob("[0-9]*.blk"))
        if numbers != list(range(1, len(numbers) + 1)) or not numbers:
            missing = sorted(set(range(1, (numbers or [1])[-1] + 1)) - set(numbers))
            raise Damaged(str(self._folder), f"block files {missing or 'all'} are missing", _REMEDY)
        return numbers

    def _load(self, durable_height: int | None) -> None:
        """Walk the frames of the last file, and cut an unfinished tail."""
        self._number = self._drop_unborn(self._numbers())
        handle = self._handle(self._number)
        self._size = os.fstat(handle).st_size
        first = self._file_first(self._number)
        self.last_height = first - 1
        offset = _FILE_HEADER.size
        while offset < self._size:
            flaw = self._flaw(handle, offset, self.last_height + 1)
            if flaw is not None:
                self._cut_or_refuse(offset, flaw, durable_height)
                break
            length, _, _ = _FRAME.unpack(os.pread(handle, _FRAME.size, offset))
            offset += _FRAME.size + length
            self.last_height += 1
        self._require_durable(durable_height)

    def _drop_unborn(self, numbers: list[int]) -> int:
        """The last file's number. A crash may leave a new file with nothing but a header, whole or not: it holds no
        block, and is removed (a reader passes it over)."""
        last = numbers[-1]
        if last > 1 and self._path(last).stat().st_size <= _FILE_HEADER.size:
            if self._lock is not None:
                self._path(last).unlink()
            return last - 1
        return last

    def _require_durable(self, durable_height: int | None) -> None:
        if durable_height is not None and self.last_height < durable_height:
            lost = self.last_height + 1
            where = f"block {lost}"
            found = f"the index knows {durable_height} blocks, the block files end with {self.last_height}"
            raise Damaged(where, found, _REMEDY)

    def _flaw(self, handle: int, offset: int, height: int) -> str | None:
        """What is wrong with the frame at an offset that should hold this block; None if nothing is."""
        head = os.pread(handle, _FRAME.size, offset)
        if len(head) < _FRAME.size:
            return "cut short"
        length, crc, found = _FRAME.unpack(head)
        if length > BLOCK_BYTES_MAX or found != height:
            return f"a frame header of {length} bytes for block {found}"
        payload = os.pread(handle, length, offset + _FRAME.size)
        holds = _crc(found, payload) == crc
        if len(payload) < length:
            return f"whole, but its length says {length} bytes" if holds else "cut short"
        return None if holds else "its checksum does not hold"

    def _cut_or_refuse(self, offset: int, flaw: str, durable_height: int | None) -> None:
        """Cut an unfinished tail that was never acknowledged; refuse anything that looks like damage."""
        height = self.last_height + 1
        where = f"block {height} in {self._path(self._number).name} at offset {offset}"
        if durable_height is not None and height <= durable_height:
            raise Damaged(where, flaw, _REMEDY)
        if flaw != "cut short" and self._follows(offset, height):
            raise Damaged(where, f"{flaw}, and whole blocks follow it", _REMEDY)
        if flaw != "cut short" and durable_height is None:
            raise Damaged(where, flaw, _REMEDY)
        if self._lock is not None:
            self._cut(offset, height)
        self._size = offset

    def _cut(self, offset: int, height: int) -> None:
        handle = self._handle(self._number)
        torn = self._folder / f"torn-{height}.bin"
        torn.write_bytes(os.pread(handle, self._size - offset, offset))
        os.ftruncate(handle, offset)
        os.fsync(handle)

    def _follows(self, offset: int, height: int) -> bool:
        """Whether a whole frame of a later block stands anywhere behind a flawed one."""
        handle = self._handle(self._number)
        rest = os.pread(handle, self._size - offset, offset)
        for later in range(height, height + 8):
            mark = later.to_bytes(8, "big")
            at = rest.find(mark, 1)
            while at >= 0:
                if at >= 8 and offset + at - 8 > offset and self._flaw(handle, offset + at - 8, later) is None:
                    return True
                at = rest.find(mark, at + 1)
        return False

    def _file_first(self, number: int) -> int:
        """The height of a file's first block, from its header."""
        data = os.pread(self._handle(number), _FILE_HEADER.size, 0)
        where = self._path(number).name
        if len(data) < _FILE_HEADER.size:
            raise Damaged(where, "its header is cut short", _REMEDY)
        magic, chain, first, crc = _FILE_HEADER.unpack(data)
        if magic != MAGIC or crc != zlib.crc32(data[:-4]):
            raise Damaged(where, "its header is not one of a block file, or its checksum does not hold", _REMEDY)
        if chain != self._chain:
            found = f"it gives chain {self._chain.hex()}, {where} belongs to chain {chain.hex()}"
            raise Damaged("genesis.json", found, "Restore the one that is wrong, from a peer or a backup")
        return int(first)

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            flags = os.O_RDWR if self._lock is not None else os.O_RDONLY
            try:
                handle = os.open(self._path(number), flags)
            except FileNotFoundError:
                raise Damaged(self._path(number).name, "the file is missing", _REMEDY) from None
            self._handles[number] = handle
        return handle

    # Writing

    def _begin_file(self, number: int, first: int) -> None:
        handle = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        header = _FILE_HEADER.pack(MAGIC, self._chain, first, 0)[:-4]
        self._write(handle, header + zlib.crc32(header).to_bytes(4, "big"), 0)
        os.fsync(handle)
        self._handles[number] = handle
        self._number, self._size = number, _FILE_HEADER.size
        sync_folder(self._folder)

    @staticmethod
    def _write(handle: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written

    def append(self, height: int, payload: bytes) -> Location:
        """Write the next block; not durable before `sync`. WriteFailed after any failed write or fsync."""
        if self._broken:
            raise WriteFailed("an earlier write failed; open the chain again")
        if height != self.last_height + 1:
            raise ValueError(f"block {height} cannot follow block {self.last_height}")
        try:
            if self._size >= BLOCK_FILE_BYTES_MAX:
                self._begin_file(self._number + 1, height)
            frame = _FRAME.pack(len(payload), _crc(height, payload), height) + payload
            self._write(self._handle(self._number), frame, self._size)
        except OSError as error:
            self._broken = True
            raise WriteFailed(f"block {height} could not be written: {error}") from error
        location = Location(self._number, self._size)
        self._size += len(frame)
        self.last_height = height
        return location

    def sync(self) -> None:
        """Make all appended blocks durable."""
        try:
            os.fsync(self._handle(self._number))
        except OSError as error:
            self._broken = True
            raise WriteFailed(f"fsync failed, so nobody knows what is on disk: {error}") from error

    # Reading

    def read(self, location: Location) -> tuple[int, bytes]:
        """(height, payload) of the block at a location; Damaged where it does not hold."""
        handle = self._handle(location.file)
        head = os.pread(handle, _FRAME.size, location.offset)
        where = f"block in {self._path(location.file).name} at offset {location.offset}"
        if len(head) < _FRAME.size:
            raise Damaged(where, "cut short", _REMEDY)
        height = _FRAME.unpack(head)[2]
        flaw = self._flaw(handle, location.offset, height)
        if flaw is not None:
            raise Damaged(f"block {height} in {where.removeprefix('block in ')}", flaw, _REMEDY)
        length = _FRAME.unpack(head)[0]
        return height, os.pread(handle, length, location.offset + _FRAME.size)

    def read_part(self, location: Location, start: int, length: int) -> bytes:
        """Some bytes of a block's payload, unchecked: the caller holds a hash of what it wants."""
        return os.pread(self._handle(location.file), length, location.offset + _FRAME.size + start)

    def scan(self, from_height: int = 1) -> Iterator[tuple[int, bytes, Location]]:
        """Blocks in order, one in memory at a time; Damaged, naming the block, where one does not hold."""
        for number in range(1, self._number + 1):
            first = self._file_first(number)
            last_file = number == self._number
            following = self.last_height + 1 if last_file else self._file_first(number + 1)
            if following <= from_height:
                continue
            yield from self._scan_file(number, first, following, from_height)

    def _scan_file(
        self, number: int, first: int, following: int, from_height: int
    ) -> Iterator[tuple[int, bytes, Location]]:
        handle = self._handle(number)
        offset = _FILE_HEADER.size
        for height in range(first, following):
            head = os.pread(handle, _FRAME.size, offset)
            where = f"block {height} in {self._path(number).name} at offset {offset}"
            if len(head) < _FRAME.size:
                raise Damaged(where, "cut short", _REMEDY)
            length, crc, found = _FRAME.unpack(head)
            if found != height or length > BLOCK_BYTES_MAX:
                raise Damaged(where, f"a frame header of {length} bytes for block {found}", _REMEDY)
            if height >= from_height:
                payload = os.pread(handle, length, offset + _FRAME.size)
                if len(payload) < length or _crc(height, payload) != crc:
                    raise Damaged(where, "its checksum does not hold", _REMEDY)
                yield height, payload, Location(number, offset)
            offset += _FRAME.size + length

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
