"""The bytes of a block file, read without believing them.

    header  magic "SUYUANB1" | chain id (32) | height of the first block u64 | CRC-32 over these u32
    frame   payload length u32 | CRC-32 over height and payload u32 | height u64 | payload

Numbers are big-endian. `blockfile` writes and serves them; `check` walks them to name every flaw.
"""

import os
import zlib
from collections.abc import Iterator
from struct import Struct as Packed
from typing import Final

from msgspec import Struct

from ledger.errors import Malformed
from ledger.limits import BLOCK_BYTES_MAX

MAGIC: Final = b"SUYUANB1"
FILE_HEADER: Final = Packed(">8s32sQI")
FRAME: Final = Packed(">IIQ")
CUT_SHORT: Final = "cut short"
SEARCHED_BLOCKS: Final = 8  # how far ahead of a flawed frame a whole one is looked for


class FileHeader(Struct, frozen=True):
    chain: bytes
    first: int


class Frame(Struct, frozen=True):
    """One block's place in a file. `flaw` says what is wrong with it, and then `payload` is empty."""

    height: int
    offset: int
    payload: bytes
    flaw: str


def frame_of(height: int, payload: bytes) -> bytes:
    return FRAME.pack(len(payload), crc_of(height, payload), height) + payload


def crc_of(height: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(height.to_bytes(8, "big")))


def file_header_of(chain: bytes, first: int) -> bytes:
    header = FILE_HEADER.pack(MAGIC, chain, first, 0)[:-4]
    return header + zlib.crc32(header).to_bytes(4, "big")


def read_file_header(handle: int) -> FileHeader:
    """The header of an open block file; Malformed, saying what is wrong, where it does not hold."""
    data = os.pread(handle, FILE_HEADER.size, 0)
    if len(data) < FILE_HEADER.size:
        raise Malformed("file header", "its header is cut short")
    magic, chain, first, crc = FILE_HEADER.unpack(data)
    if magic != MAGIC or crc != zlib.crc32(data[:-4]):
        raise Malformed("file header", "its header is not one of a block file, or its checksum does not hold")
    return FileHeader(chain, first)


def read_frame(handle: int, offset: int, height: int) -> Frame:
    """The frame at an offset, where this block is expected."""
    head = os.pread(handle, FRAME.size, offset)
    if len(head) < FRAME.size:
        return Frame(height, offset, b"", CUT_SHORT)
    length, crc, found = FRAME.unpack(head)
    if length > BLOCK_BYTES_MAX or found != height:
        return Frame(height, offset, b"", f"a frame header of {length} bytes for block {found}")
    payload = os.pread(handle, length, offset + FRAME.size)
    whole = crc_of(found, payload) == crc
    if len(payload) < length:
        flaw = f"it is whole, but its length says {length} bytes" if whole else CUT_SHORT
        return Frame(height, offset, b"", flaw)
    if not whole:
        return Frame(height, offset, b"", "its checksum does not hold")
    return Frame(height, offset, payload, "")


def is_blank(handle: int, offset: int, size: int) -> bool:
    """Whether nothing but zeros lies from `offset` on: room that a file system gave before it wrote."""
    return not os.pread(handle, size - offset, offset).strip(b"\x00")


def next_whole(handle: int, offset: int, size: int, height: int) -> Frame | None:
    """The first whole frame of this block or of one soon after it, anywhere behind a flawed frame at `offset`."""
    rest = os.pread(handle, size - offset, offset)
    found: list[Frame] = []
    for later in range(height, height + SEARCHED_BLOCKS):
        mark = later.to_bytes(8, "big")
        at = rest.find(mark, 9)
        while at >= 0:
            frame = read_frame(handle, offset + at - 8, later)
            if not frame.flaw:
                found.append(frame)
                break
            at = rest.find(mark, at + 1)
    return min(found, key=lambda frame: frame.offset, default=None)


def walk(handle: int, first: int, size: int) -> Iterator[Frame]:
    """The frames of an open file up to `size` bytes, whole ones and flawed ones; behind a flaw it goes on with the
    next whole frame that can be found."""
    offset, height = FILE_HEADER.size, first
    while offset < size:
        frame = read_frame(handle, offset, height)
        yield frame
        height += 1
        if not frame.flaw:
            offset += FRAME.size + len(frame.payload)
            continue
        found = next_whole(handle, offset, size, height)
        if found is None:
            return
        yield from (Frame(lost, offset, b"", "its frame cannot be found") for lost in range(height, found.height))
        offset, height = found.offset, found.height
