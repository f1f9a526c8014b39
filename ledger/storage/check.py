"""Reading again everything that a chain has stored, and naming every flaw with what to do about it.

Blocks, index and tiles are read in one pass over the block files. Nothing is changed, and one flaw hides no other,
except that what is derived can be compared only up to the first flaw in the blocks. Signatures and rules are the
audit's business.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger import block as b
from ledger import merkle, statemap, tiles
from ledger.errors import Damaged, Malformed, SuyuanError
from ledger.limits import TILE_HASHES
from ledger.storage import frames
from ledger.storage.blockfile import REFETCH
from ledger.storage.chainstore import BLOCK_ROW, BlockRow, ChainStore, HeadRow, block_entries, read_head
from ledger.storage.index import REBUILD, Index
from ledger.storage.tilefiles import PUBLIC_FOLDER

NAMED_MAX: Final = 20  # flaws of one kind that are named one by one
Visit = Callable[[int, bytes], None]
"""(leaf, envelope bytes) of every envelope in sound blocks, in order."""


class Finding(Struct, frozen=True):
    """One stored thing, or one flaw in it: `detail` says what was read, or what is wrong, `remedy` the way out."""

    where: str
    holds: bool
    detail: str
    remedy: str = ""


class Flaws:
    """Findings about one kind of thing; beyond NAMED_MAX they are only counted."""

    def __init__(self, what: str, remedy: str) -> None:
        self._what, self._remedy = what, remedy
        self._count = 0
        self._named: list[Finding] = []

    def add(self, where: str, detail: str) -> None:
        self._count += 1
        if len(self._named) < NAMED_MAX:
            self._named.append(Finding(where, False, detail, self._remedy))

    def __bool__(self) -> bool:
        return self._count > 0

    def findings(self, figures: str) -> list[Finding]:
        """The flaws; where there is none, one finding with these figures."""
        if not self:
            return [Finding(self._what, True, figures)]
        rest = self._count - len(self._named)
        more = [Finding(self._what, False, f"{rest} more flaws", self._remedy)] if rest else []
        return self._named + more


class Links:
    """Whether blocks follow each other: heights, hashes of headers, leaves."""

    def __init__(self, chain: bytes) -> None:
        self.chain = chain
        self.height = 0
        self.header_hash = chain
        self.size = 0
        self.time = 0

    def add(self, height: int, block: b.Block) -> b.BlockHeader:
        """The header of the next block; Malformed where it does not follow the one before."""
        header = b.HEADER.decode(block.header)
        count = len(block.envelopes)
        expected = (self.height + 1, self.chain, self.header_hash, self.size, count, height)
        names = ("height", "chain", "previous", "first", "count", "height")
        for name, value in zip(names, expected, strict=True):
            if getattr(header, name) != value:
                raise Malformed(name, f"its header's {name} does not follow the block before")
        self.height, self.header_hash = height, b.header_hash(block.header)
        self.size, self.time = header.first + count + 1, header.time
        return header


def chain_of_files(folder: Path) -> bytes | None:
    """The chain that the block files say they belong to; None where none of them can be read."""
    for path in sorted((folder / "blocks").glob("[0-9]*.blk")):
        handle = os.open(path, os.O_RDONLY)
        try:
            return frames.read_file_header(handle).chain
        except Malformed:
            continue
        finally:
            os.close(handle)
    return None


class ChainCheck:
    """One pass over the chain in a folder; `findings` says what it found."""

    def __init__(self, folder: Path, chain: bytes) -> None:
        self.findings: list[Finding] = []
        self.links = Links(chain)
        self._folder = folder
        self._blocks = Flaws("blocks", REFETCH)
        self._index = IndexCheck(folder, self.links)
        self._tiles = TileCheck(folder)
        self._note = ""

    @property
    def whole(self) -> bool:
        """Whether every block was sound, so that every envelope was visited."""
        return not self._blocks

    def run(self, visit: Visit) -> None:
        with closing(self._index):
            for path, number in self._files():
                self._file(path, number, visit)
            if not self._blocks and self.links.height < self._index.height:
                lost = f"the index knows {self._index.height} blocks, the block files end with {self.links.height}"
                self._blocks.add(f"block {self.links.height + 1}", lost)
            self.findings += self._blocks.findings(
                f"{self.links.height} blocks, {self.links.size} leaves{self._note}"
            )
            self.findings += self._index.finish(self.whole)
        self.findings += self._tiles.finish(self.whole)

    def _files(self) -> list[tuple[Path, int]]:
        paths = sorted((self._folder / "blocks").glob("[0-9]*.blk"))
        numbered = [(path, int(path.stem)) for path in paths]
        last = numbered[-1][1] if numbered else 1
        for number in sorted(set(range(1, last + 1)) - {number for _, number in numbered}):
            self._blocks.add(f"blocks/{number:06d}.blk", "the file is missing")
        return numbered

    def _file(self, path: Path, number: int, visit: Visit) -> None:
        handle = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(handle).st_size
            last = not path.with_name(f"{number + 1:06d}.blk").exists()
            if last and number > 1 and size < frames.FILE_HEADER.size:
                self._note = f"; {path.name} was just begun, and goes at the next start"
                return
            first = self._first(path, handle)
            for frame in frames.walk(handle, first, size):
                if frame.flaw and last and self._is_unfinished(handle, frame, size):
                    self._note = f"; an unfinished block behind them is cut off at the next start ({frame.flaw})"
                    return
                self._frame(path, number, frame, visit)
        finally:
            os.close(handle)

    def _first(self, path: Path, handle: int) -> int:
        """The height of a file's first block, by its header, else by the file before."""
        where = f"blocks/{path.name}"
        try:
            header = frames.read_file_header(handle)
        except Malformed as error:
            self._blocks.add(where, error.message)
            return self.links.height + 1
        if header.chain != self.links.chain:
            self._blocks.add(where, f"it belongs to chain {header.chain.hex()}, not {self.links.chain.hex()}")
        return header.first

    def _is_unfinished(self, handle: int, frame: frames.Frame, size: int) -> bool:
        """Whether a flawed frame is what a crash left of a block that was never acknowledged."""
        plain = frame.flaw == frames.CUT_SHORT or frames.is_blank(handle, frame.offset, size)
        if frame.height <= self._index.height or not (plain or self._index.opened):
            return False
        return frames.next_whole(handle, frame.offset, size, frame.height) is None

    def _frame(self, path: Path, number: int, frame: frames.Frame, visit: Visit) -> None:
        where = f"block {frame.height} in blocks/{path.name} at offset {frame.offset}"
        if frame.flaw:
            self._blocks.add(where, frame.flaw)
            return
        if self._blocks:
            return  # what follows a flaw cannot be compared, but its frames were read
        try:
            block = b.BLOCK.decode(frame.payload)
            header = self.links.add(frame.height, block)
            entries = block_entries(block)
        except (SuyuanError, ValueError) as error:
            self._blocks.add(where, str(error))
            return
        spans = b.envelope_spans(frame.payload, block.envelopes)
        self._index.add(header, BlockRow(frame.height, number, frame.offset, spans))
        self._tiles.add(entries, required=not self._index.opened or frame.height <= self._index.height)
        for leaf, wire in enumerate(block.envelopes, header.first):
            visit(leaf, wire)


class IndexCheck:
    """The index against the blocks: its own rows one by one, the state map by its root, all rows by checksum."""

    def __init__(self, folder: Path, links: Links) -> None:
        self._flaws = Flaws("index", REBUILD)
        self._links = links
        self._index: Index | None = None
        self._state = b""
        self.head = HeadRow(0, links.chain)
        try:
            self._index = Index.open(folder / "index")
            self.head = read_head(self._index)
        except Damaged as error:
            self._give_up(error)

    @property
    def opened(self) -> bool:
        return self._index is not None

    @property
    def height(self) -> int:
        return self.head.height

    def _give_up(self, error: Damaged) -> None:
        self._flaws.add("index", error.message)
        self.close()

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def add(self, header: b.BlockHeader, row: BlockRow) -> None:
        """The two rows that find this block, and where the index stands at it, its header's hash."""
        if self._index is None or header.height > self.height:
            return
        first = header.first.to_bytes(8, "big")
        expected = {b"b" + first: BLOCK_ROW.encode(row), b"g" + header.height.to_bytes(8, "big"): first}
        try:
            for key, value in expected.items():
                if self._index.get(key) != value:
                    self._flaws.add(f"index row {key.hex()}", f"it does not say where block {header.height} lies")
        except Damaged as error:
            self._give_up(error)
        if header.height == self.height:
            self._state = header.state
            if self._links.header_hash != self.head.header_hash:
                self._flaws.add("index", f"its header of block {self.height} is not the one in the block files")

    def finish(self, whole: bool) -> list[Finding]:
        """Read every row; `whole` says that all blocks were sound, so that the index can be held against them."""
        rows = own = 0
        try:
            if self._index is not None:
                state = statemap.build((key[1:], value) for key, value in self._index.scan(b"m"))
                if whole and self._state and state[0] != self._state:
                    self._flaws.add("index", f"its rows do not give the state root of block {self.height}")
                for key, _ in self._index.scan(b""):
                    rows += 1
                    own += key[:1] in (b"b", b"g")
        except Damaged as error:
            self._give_up(error)
        if self._index is not None and own != 2 * self.height:
            self._flaws.add("index", f"{own} rows find blocks, {2 * self.height} are expected")
        behind = self._links.height - self.height
        note = f"; {behind} blocks behind the block files, and brought up at the next start" if behind > 0 else ""
        unsure = "" if whole else "; not compared with the blocks, as these are damaged"
        return self._flaws.findings(f"{rows} rows, at block {self.height}{note}{unsure}")


class TileCheck:
    """Tiles and entry bundles against the log that the blocks give."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._flaws = Flaws(f"{PUBLIC_FOLDER}/tile", REBUILD)
        self._log = tiles.LogTree.empty()
        self._entries: list[bytes] = []
        self._bundles = 0
        self._expected: set[str] = set()

    def add(self, entries: list[bytes], required: bool) -> None:
        """The next block's entries. Tiles that it finishes may be missing where the index does not stand at it."""
        self._log, full = self._log.extend([merkle.leaf_hash(entry) for entry in entries])
        for tile in full:
            self._compare(_tile(tile.level, tile.index), tile.data, required)
        self._entries += entries
        while len(self._entries) >= TILE_HASHES:
            bundle = tiles.entry_bundle(self._entries[:TILE_HASHES])
            self._compare(_tile("entries", self._bundles), bundle, required)
            del self._entries[:TILE_HASHES]
            self._bundles += 1

    def _compare(self, path: str, expected: bytes, required: bool) -> None:
        self._expected.add(path)
        try:
            found = (self._folder / path).read_bytes()
        except FileNotFoundError:
            if required:
                self._flaws.add(path, "the file is missing")
        except OSError as error:
            self._flaws.add(path, error.strerror or str(error))
        else:
            if found != expected:
                self._flaws.add(path, "its bytes are not those that the block files give")

    def finish(self, whole: bool) -> list[Finding]:
        below = (self._folder / PUBLIC_FOLDER / "tile").rglob("*")
        files = (path for path in below if path.is_file() and path.suffix != ".part")
        for path in files if whole else ():
            name = path.relative_to(self._folder).as_posix()
            if path.parent.suffix == ".p":
                self._check_partial(path, name)
            elif name not in self._expected:
                self._flaws.add(name, "the log has no such tile")
        return self._flaws.findings(
            f"{len(self._expected)} files" + ("" if whole else ", up to the flaw in the blocks")
        )

    def _check_partial(self, path: Path, name: str) -> None:
        """A partial tile begins as its tile does; whether that one is right was checked before."""
        found = path.read_bytes()
        try:
            level, index, width = tiles.parse_tile_path(name.removeprefix(f"{PUBLIC_FOLDER}/"))
            fits = len(tiles.parse_entry_bundle(found)) if level == "entries" else len(found) / tiles.HASH
            holds = fits == width and self._tile_so_far(level, index).startswith(found)
        except (Malformed, LookupError):
            holds = False
        if not holds:
            self._flaws.add(name, "its bytes are not those that the block files give")

    def _tile_so_far(self, level: int | str, index: int) -> bytes:
        whole = self._folder / _tile(level, index)
        if whole.exists():
            return whole.read_bytes()
        if isinstance(level, str):
            return tiles.entry_bundle(self._entries) if index == self._bundles else b""
        return self._log.edge[level] if index == self._log.size >> tiles.TILE_LEVELS * (level + 1) else b""


def _tile(level: int | str, index: int) -> str:
    """Where a tile lies in the data folder."""
    return f"{PUBLIC_FOLDER}/{tiles.tile_path(level, index)}"


def follow(path: Path, size: int, links: Links) -> None:
    """Read the first `size` bytes of a block file that goes on where `links` stand; Damaged where it does not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            header = frames.read_file_header(handle)
        except Malformed as error:
            raise Damaged(str(path), error.message, REFETCH) from None
        if (header.chain, header.first) != (links.chain, links.height + 1):
            raise Damaged(str(path), f"it begins with block {header.first} of chain {header.chain.hex()}", REFETCH)
        for frame in frames.walk(handle, header.first, size):
            where = f"block {frame.height} in {path} at offset {frame.offset}"
            if frame.flaw:
                raise Damaged(where, frame.flaw, REFETCH)
            try:
                links.add(frame.height, b.BLOCK.decode(frame.payload))
            except Malformed as error:
                raise Damaged(where, error.message, REFETCH) from None
    finally:
        os.close(handle)


def check_rows(folder: Path, scratch: Path, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Every row of a sound index against those that a replay of all blocks gives; the replay is kept in `scratch`."""
    flaws = Flaws("index rows", REBUILD)
    with closing(Index.open(folder / "index")) as index:
        height = read_head(index).height
        with closing(ChainStore.replay(folder, scratch, height, progress)) as fresh:
            for key, flaw in _differences(index.scan(b""), fresh.scan(b"")):
                flaws.add(f"index row {key.hex()}", flaw)
    return flaws.findings(f"those that a replay of {height} blocks gives")


Rows = Iterator[tuple[bytes, bytes]]


def _differences(found: Rows, expected: Rows) -> Iterator[tuple[bytes, str]]:
    """(key, flaw) where two scans in order of key differ."""
    for key, rows in groupby(merge(_tagged(found, 0), _tagged(expected, 1)), key=lambda row: row[0]):
        values = {tag: value for _, tag, value in rows}
        if 0 not in values:
            yield key, "it is missing"
        elif 1 not in values:
            yield key, "the blocks give no such row"
        elif values[0] != values[1]:
            yield key, "its value is not the one that the blocks give"


def _tagged(rows: Rows, tag: int) -> Iterator[tuple[bytes, int, bytes]]:
    return ((key, tag, value) for key, value in rows)
