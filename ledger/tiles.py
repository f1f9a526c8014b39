"""The log as tiles (C2SP tlog-tiles): 256 hashes a tile, eight levels of the tree apart.

A `LogTree` is a value: its size, and the hashes of the unfinished tile of each level. Extending one gives another
and the tiles that were finished on the way, so a block can be planned without touching what is published.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ledger.errors import Malformed
from ledger.limits import LOG_LEAF_BYTES_MAX, TILE_HASHES
from ledger.merkle import EMPTY_ROOT, node_hash

HASH: Final = 32
TILE_BYTES: Final = TILE_HASHES * HASH
TILE_LEVELS: Final = 8  # levels of the tree in one tile
ReadTile = Callable[[int, int], bytes]
"""(level, index) -> the 8,192 bytes of a full tile."""


class Tile(Struct, frozen=True):
    """A full tile: `data` holds its 256 hashes."""

    level: int
    index: int
    data: bytes


class LogTree(Struct, frozen=True):
    """A log of `size` leaves; `edge[level]` holds the hashes of that level's unfinished tile."""

    size: int
    edge: tuple[bytes, ...]

    @staticmethod
    def empty() -> "LogTree":
        return LogTree(0, (b"",))

    def extend(self, leaf_hashes: Sequence[bytes]) -> tuple["LogTree", list[Tile]]:
        """The tree with these leaves appended, and the tiles that this finished, lowest level first."""
        tiles: list[Tile] = []
        edge = list(self.edge)
        fresh = b"".join(leaf_hashes)
        level = 0
        while fresh:
            if level == len(edge):
                edge.append(b"")
            first = (self.size >> TILE_LEVELS * (level + 1)) if level else self.size // TILE_HASHES
            data = edge[level] + fresh
            full = len(data) // TILE_BYTES
            roots = []
            for number in range(full):
                tile = data[number * TILE_BYTES : (number + 1) * TILE_BYTES]
                tiles.append(Tile(level, first + number, tile))
                roots.append(_subtree(tile))
            edge[level] = data[full * TILE_BYTES :]
            fresh = b"".join(roots)
            level += 1
        return LogTree(self.size + len(leaf_hashes), tuple(edge)), tiles

    def root(self) -> bytes:
        """The root over all leaves."""
        if self.size == 0:
            return EMPTY_ROOT
        running: bytes | None = None
        for hashes in self.edge:
            for peak in reversed(_peaks(hashes)):
                running = peak if running is None else node_hash(peak, running)
        if running is None:
            raise ValueError("a log with leaves has no hashes")
        return running

    @staticmethod
    def restore(size: int, read_tile: ReadTile, tail_leaf_hashes: Sequence[bytes]) -> "LogTree":
        """The tree of `size` leaves from its full tiles and the leaf hashes of its unfinished lowest tile."""
        if len(tail_leaf_hashes) != size % TILE_HASHES:
            raise ValueError(f"{len(tail_leaf_hashes)} tail hashes for a log of {size} leaves")
        edge = [b"".join(tail_leaf_hashes)]
        level, count = 1, size // TILE_HASHES
        while count:
            start = count - count % TILE_HASHES
            edge.append(b"".join(_subtree(read_tile(level - 1, index)) for index in range(start, count)))
            level, count = level + 1, count // TILE_HASHES
        return LogTree(size, tuple(edge))


@lru_cache(maxsize=512)
def _levels(hashes: bytes) -> list[list[bytes]]:
    """The complete nodes over the hashes of a tile, level by level. Remembered, because every proof under one
    checkpoint reads the same few tiles."""
    levels = [[hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]]
    while len(levels[-1]) > 1:
        pairs = iter(levels[-1])
        levels.append([node_hash(left, right) for left, right in zip(pairs, pairs, strict=False)])
    return levels


def _subtree(tile: bytes) -> bytes:
    """The root over the hashes of a full tile."""
    return _levels(tile)[TILE_LEVELS][0]


def _peaks(hashes: bytes) -> list[bytes]:
    """Roots of the perfect subtrees that an unfinished tile consists of, from left to right."""
    levels = _levels(hashes)
    count = len(hashes) // HASH
    return [levels[bit][(count >> bit) - 1] for bit in range(TILE_LEVELS, -1, -1) if count >> bit & 1]


class _Hashes:
    """Reads any complete node of a tree: (level of the tree, index) -> hash."""

    def __init__(self, tree: LogTree, read_tile: ReadTile) -> None:
        self._tree = tree
        self._read = read_tile

    def node(self, level: int, index: int) -> bytes:
        tile_level, inner = divmod(level, TILE_LEVELS)
        tile_index, at = divmod(index, TILE_HASHES >> inner)
        edge = self._tree.edge
        count = self._tree.size >> TILE_LEVELS * tile_level
        data = edge[tile_level] if tile_index == count // TILE_HASHES else self._read(tile_level, tile_index)
        return _levels(data)[inner][at]

    def range(self, start: int, stop: int) -> bytes:
        """The root over leaves [start, stop), a subtree of RFC 6962's tree."""
        width = stop - start
        if width & (width - 1) == 0 and start % width == 0:
            return self.node(width.bit_length() - 1, start // width)
        middle = start + (1 << (width - 1).bit_length() - 1)
        return node_hash(self.range(start, middle), self.range(middle, stop))


def inclusion_proof(tree: LogTree, index: int, read_tile: ReadTile) -> list[bytes]:
    """The audit path of leaf `index` (RFC 6962, 2.1.1); IndexError where there is no such leaf."""
    if not 0 <= index < tree.size:
        raise IndexError(f"leaf {index} of {tree.size}")
    hashes = _Hashes(tree, read_tile)
    proof: list[bytes] = []
    start, stop = 0, tree.size
    while stop - start > 1:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if index < middle:
            proof.append(hashes.range(middle, stop))
            stop = middle
        else:
            proof.append(hashes.range(start, middle))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(tree: LogTree, old_size: int, read_tile: ReadTile) -> list[bytes]:
    """The proof that the tree extends its first `old_size` leaves (RFC 6962, 2.1.2)."""
    if not 0 <= old_size <= tree.size:
        raise IndexError(f"size {old_size} of {tree.size}")
    if old_size in (0, tree.size):
        return []
    hashes = _Hashes(tree, read_tile)
    proof: list[bytes] = []
    start, stop, whole = 0, tree.size, True
    while old_size != stop:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if old_size <= middle:
            proof.append(hashes.range(middle, stop))
            stop = middle
        else:
            proof.append(hashes.range(start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(hashes.range(start, stop))
    proof.reverse()
    return proof


def root_at(tree: LogTree, size: int, read_tile: ReadTile) -> bytes:
    """The root over the tree's first `size` leaves; IndexError where it has fewer."""
    if not 0 <= size <= tree.size:
        raise IndexError(f"size {size} of {tree.size}")
    return _Hashes(tree, read_tile).range(0, size) if size else EMPTY_ROOT


_INDEX = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")
_PATH = re.compile(rf"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/({_INDEX.pattern})(?:\.p/([1-9][0-9]{{0,2}}))?")


def tile_path(level: int | str, index: int, width: int = TILE_HASHES) -> str:
    """The path of a tile, or of an entry bundle (`level` "entries"), as tlog-tiles spells it."""
    digits = f"{index:03d}" if index < 1000 else f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    spelled = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{spelled}" + ("" if width == TILE_HASHES else f".p/{width}")


def parse_tile_path(path: str) -> tuple[int | str, int, int]:
    """(level or "entries", index, width) of a path; Malformed where it is not the one spelling of a tile."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed("tile path", f"{path!r} is not tile/L/N or tile/entries/N")
    level: int | str = match[1] if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else TILE_HASHES
    if tile_path(level, index, width) != path or width > TILE_HASHES:
        raise Malformed("tile path", f"{path!r} is not spelled as tlog-tiles spells it")
    return level, index, width


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries with their 16-bit big-endian lengths, as tlog-tiles serves them."""
    for entry in entries:
        if len(entry) > LOG_LEAF_BYTES_MAX:
            raise ValueError(f"a log entry of {len(entry)} bytes, at most {LOG_LEAF_BYTES_MAX} fit")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entry_bundle(data: bytes) -> list[bytes]:
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise Malformed("entry bundle", f"entry {len(entries)} is cut short")
        entries.append(entry)
        at += 2 + length
    if len(entries) > TILE_HASHES:
        raise Malformed("entry bundle", f"{len(entries)} entries, at most {TILE_HASHES} stand in one")
    return entries
