"""Block files: append-only, the truth of a chain.

A file is a header and one frame a block (`frames`). A new file begins when one has grown past BLOCK_FILE_BYTES_MAX.
`append` writes, `sync` makes durable; nothing may be acknowledged in between. After a crash the last frame may be
unfinished: it was never acknowledged, and `open` cuts it off, keeping the bytes beside it. Any other flaw is damage.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.errors import Damaged, Malformed, SuyuanError, WriteFailed
from ledger.limits import BLOCK_BYTES_MAX, BLOCK_FILE_BYTES_MAX
from ledger.storage import frames
from ledger.storage.frames import CUT_SHORT, FILE_HEADER, FRAME

REFETCH: Final = (
    "Restore a backup (suyuan-node restore), or fetch the chain anew from the other validators (suyuan-node resync)"
)


class Location(Struct, frozen=True):
    """Where a frame begins."""

    file: int
    offset: int


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class InUse(SuyuanError):
    """Another process writes to this chain."""


class BlockFiles:
    """The block files of one folder. One writer holds the lock; any number may read."""

    def __init__(self, folder: Path, chain: bytes, writer: bool) -> None:
        self._folder = folder / "blocks"
        self.chain = chain
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
            files.load(durable_height)
        except BaseException:
            files.close()
            raise
        return files

    @classmethod
    def open_read_only(cls, folder: Path, chain: bytes, durable_height: int | None = None) -> "BlockFiles":
        """Open beside a running writer: no lock, nothing is cut, an unfinished last frame is not read."""
        files = cls(folder, chain, writer=False)
        files.load(durable_height)
        return files

    # Opening

    def _take_lock(self) -> None:
        if not self._folder.is_dir():
            raise Damaged(str(self._folder), "the folder of the block files is missing", REFETCH)
        self._lock = os.open(self._folder / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise InUse(f"{self._folder} is in use by another process; stop it first") from None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.blk"

    def _numbers(self) -> list[int]:
        numbers = sorted(int(path.stem) for path in self._folder.glob("[0-9]*.blk"))
        if numbers != list(range(1, len(numbers) + 1)) or not numbers:
            missing = sorted(set(range(1, (numbers or [1])[-1] + 1)) - set(numbers))
            raise Damaged(str(self._folder), f"block files {missing or 'all'} are missing", REFETCH)
        return numbers

    def load(self, durable_height: int | None) -> None:
        """Walk the frames of the last file, and cut an unfinished tail (with the lock held)."""
        self._number = self._drop_unborn(self._numbers())
        handle = self._handle(self._number)
        self._size = os.fstat(handle).st_size
        first = self._file_first(self._number)
        self.last_height = first - 1
        offset = FILE_HEADER.size
        while offset < self._size:
            frame = frames.read_frame(handle, offset, self.last_height + 1)
            if frame.flaw:
                self._cut_or_refuse(offset, frame.flaw, durable_height)
                break
            offset += FRAME.size + len(frame.payload)
            self.last_height += 1
        self._require_durable(durable_height)

    def _drop_unborn(self, numbers: list[int]) -> int:
        """The last file's number. A crash may leave a new file with nothing but a header, whole or not: it holds no
        block, and is removed (a reader passes it over)."""
        last = numbers[-1]
        if last > 1 and self._path(last).stat().st_size <= FILE_HEADER.size:
            if self._lock is not None:
                self._path(last).unlink()
            return last - 1
        return last

    def _require_durable(self, durable_height: int | None) -> None:
        if durable_height is not None and self.last_height < durable_height:
            lost = self.last_height + 1
            where = f"block {lost}"
            found = f"the index knows {durable_height} blocks, the block files end with {self.last_height}"
            raise Damaged(where, found, REFETCH)

    def _cut_or_refuse(self, offset: int, flaw: str, durable_height: int | None) -> None:
        """Cut an unfinished tail that was never acknowledged; refuse anything that looks like damage."""
        height = self.last_height + 1
        where = f"block {height} in {self._path(self._number).name} at offset {offset}"
        if durable_height is not None and height <= durable_height:
            raise Damaged(where, flaw, REFETCH)
        handle = self._handle(self._number)
        plain = flaw == CUT_SHORT or frames.is_blank(handle, offset, self._size)
        if not plain and frames.next_whole(handle, offset, self._size, height) is not None:
            raise Damaged(where, f"{flaw}, and whole blocks follow it", REFETCH)
        if not plain and durable_height is None:
            raise Damaged(where, flaw, REFETCH)
        if self._lock is not None:
            self._cut(offset, height)
        self._size = offset

    def _cut(self, offset: int, height: int) -> None:
        handle = self._handle(self._number)
        torn = self._folder / f"torn-{height}.bin"
        torn.write_bytes(os.pread(handle, self._size - offset, offset))
        os.ftruncate(handle, offset)
        os.fsync(handle)

    def _file_first(self, number: int) -> int:
        """The height of a file's first block, from its header."""
        where = self._path(number).name
        try:
            header = frames.read_file_header(self._handle(number))
        except Malformed as error:
            raise Damaged(where, error.message, REFETCH) from None
        if header.chain != self.chain:
            found = f"it gives chain {self.chain.hex()}, {where} belongs to chain {header.chain.hex()}"
            raise Damaged("genesis.json", found, "Restore the one that is wrong, from a backup or another node")
        return header.first

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            flags = os.O_RDWR if self._lock is not None else os.O_RDONLY
            try:
                handle = os.open(self._path(number), flags)
            except FileNotFoundError:
                raise Damaged(self._path(number).name, "the file is missing", REFETCH) from None
            self._handles[number] = handle
        return handle

    # Writing

    def _begin_file(self, number: int, first: int) -> None:
        handle = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._write(handle, frames.file_header_of(self.chain, first), 0)
        os.fsync(handle)
        self._handles[number] = handle
        self._number, self._size = number, FILE_HEADER.size
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
            raise WriteFailed("the chain", "an earlier write failed")
        if height != self.last_height + 1:
            raise ValueError(f"block {height} cannot follow block {self.last_height}")
        try:
            if self._size >= BLOCK_FILE_BYTES_MAX:
                self._begin_file(self._number + 1, height)
            frame = frames.frame_of(height, payload)
            self._write(self._handle(self._number), frame, self._size)
        except OSError as error:
            self._broken = True
            raise WriteFailed(f"block {height}", error.strerror or str(error)) from error
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
            raise WriteFailed(f"block {self.last_height}", f"fsync: {error.strerror or error}") from error

    # Reading

    def read(self, location: Location) -> tuple[int, bytes]:
        """(height, payload) of the block at a location; Damaged where it does not hold."""
        handle = self._handle(location.file)
        head = os.pread(handle, FRAME.size, location.offset)
        where = f"in {self._path(location.file).name} at offset {location.offset}"
        if len(head) < FRAME.size:
            raise Damaged(f"block {where}", CUT_SHORT, REFETCH)
        frame = frames.read_frame(handle, location.offset, FRAME.unpack(head)[2])
        if frame.flaw:
            raise Damaged(f"block {frame.height} {where}", frame.flaw, REFETCH)
        return frame.height, frame.payload

    def read_part(self, location: Location, start: int, length: int) -> bytes:
        """Some bytes of a block's payload, unchecked: the caller holds a hash of what it wants."""
        return os.pread(self._handle(location.file), length, location.offset + FRAME.size + start)

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
        offset = FILE_HEADER.size
        for height in range(first, following):
            head = os.pread(handle, FRAME.size, offset)
            length, _, found = FRAME.unpack(head) if len(head) == FRAME.size else (0, 0, 0)
            if height >= from_height or length > BLOCK_BYTES_MAX or found != height:
                frame = frames.read_frame(handle, offset, height)
                if frame.flaw:
                    where = f"block {height} in {self._path(number).name} at offset {offset}"
                    raise Damaged(where, frame.flaw, REFETCH)
                yield height, frame.payload, Location(number, offset)
            offset += FRAME.size + length

    def extent(self) -> list[tuple[Path, int]]:
        """Each file, with how many of its bytes hold whole blocks."""
        earlier = [(self._path(number), self._path(number).stat().st_size) for number in range(1, self._number)]
        return [*earlier, (self._path(self._number), self._size)]

    def __enter__(self) -> "BlockFiles":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
