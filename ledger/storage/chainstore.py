"""A chain on disk: block files (the truth), the index and the tiles (both derived), opened and kept as one.

    FOLDER/genesis.json   what the chain starts from
    FOLDER/blocks/        block files, append-only, fsync before anything is acknowledged
    FOLDER/index/         LevelDB: state rows (`ledger.state`), and local rows that no hash covers:
        b leaf                where the block whose first leaf this is lies, and its envelopes in it
        g height              the first leaf of the block at this height
        !head                 height and header hash that the index stands at
        !blocks               while a rebuild is under way: how many blocks there were when it began
    FOLDER/public/        tiles and entry bundles as tlog-tiles lays them out, and the published checkpoint

`commit` stores a plan in the order block, fsync, tiles, index, head. A crash between any two leaves the index
behind the block files, and `open` runs the missing blocks through the same code.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger import block as b
from ledger import genesis as g
from ledger import merkle, statemap, tiles
from ledger import state as s
from ledger.encoding import Codec
from ledger.envelope import ENVELOPE, HEADER, Envelope, envelope_leaf, open_envelope
from ledger.errors import Damaged, Malformed, SuyuanError, UnknownRules, WriteFailed
from ledger.limits import TILE_HASHES
from ledger.plan import Checked, Head, Plan, genesis_head, genesis_writes, plan_block
from ledger.storage.blockfile import REFETCH, BlockFiles, Location
from ledger.storage.chainview import ChainView
from ledger.storage.index import REBUILD, Index, Snapshot
from ledger.storage.tilefiles import PUBLIC_FOLDER, TileFiles

ENVELOPES_CACHED: Final = 64  # what many proofs show: the commission of a lot, a dealer's deliveries
HEAD_KEY: Final = b"!head"
_BLOCKS_KEY: Final = b"!blocks"
GENESIS_FILE: Final = "genesis.json"
UNFINISHED_FILE: Final = "init.unfinished"  # stands in a folder whose making is under way, or was interrupted


class BlockRow(Struct, frozen=True, array_like=True, gc=False):
    """Where a block lies: its height, file number, offset of its frame, and (start, length) of each envelope
    in its payload."""

    height: int
    file: int
    offset: int
    envelopes: list[tuple[int, int]]


class HeadRow(Struct, frozen=True, array_like=True, gc=False):
    """What the index stands at."""

    height: int
    header_hash: bytes


BLOCK_ROW: Final = Codec(BlockRow, "block row")
HEAD_ROW: Final = Codec(HeadRow, "head row")


def verified_under(wire: bytes, chain: bytes, draft: s.Draft) -> Checked:
    """Open a stored envelope again; its signature was checked before its block was stored.

    Replays that must not trust this node (audits) check signatures themselves.
    """
    opened = open_envelope(wire, chain)
    key = draft.key(opened.header.member, opened.header.key)
    return Checked(opened, b"" if key is None else key.key)


class ChainStore:
    """The chain in one folder. One writer; `view` gives readers a version that stays as it is."""

    def __init__(self, folder: Path, genesis: g.Genesis, blocks: BlockFiles, index: Index) -> None:
        self.genesis = genesis
        self.cache = s.Cache()
        self._blocks = blocks
        self._index = index
        self._tiles = TileFiles(folder)
        self.envelope_at = lru_cache(maxsize=ENVELOPES_CACHED)(self._envelope_at)
        self._bundle: list[bytes] = []  # entries of the unfinished bundle at the log's right edge
        self.head = genesis_head(genesis, genesis_writes(genesis))

    # Opening

    @classmethod
    def create(cls, folder: Path, genesis: g.Genesis) -> None:
        """Lay out a new chain in `folder`, which must not hold one."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / GENESIS_FILE).open("xb") as file:
            file.write(g.to_json(genesis))
        BlockFiles.create(folder, g.chain_id(genesis)).close()
        cls._create_index(folder, genesis)

    @staticmethod
    def _create_index(folder: Path, genesis: g.Genesis, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        index = Index.create(folder / "index")
        row = HEAD_ROW.encode(HeadRow(0, g.chain_id(genesis)))
        writes = [(key, value) for key, value in genesis_writes(genesis) if value is not None]
        index.write([*writes, (HEAD_KEY, row), *more], [])
        index.close()

    @classmethod
    def rebuild(cls, folder: Path, progress: Callable[[int, int], None] | None = None) -> "ChainStore":
        """Make index and tiles anew from the block files, and open the chain. Nothing is thrown away before the block
        files are locked and their end is found whole: what the old index knew to be stored, or a rebuild before this
        one that did not finish, must be there."""
        genesis = read_genesis(folder)
        blocks = BlockFiles.open(folder, g.chain_id(genesis), known_blocks(folder))
        try:
            shutil.rmtree(folder / "index", ignore_errors=True)
            shutil.rmtree(folder / PUBLIC_FOLDER, ignore_errors=True)
            cls._create_index(folder, genesis, ((_BLOCKS_KEY, s.NUMBER.encode(blocks.last_height)),))
        finally:
            blocks.close()
        return cls.open(folder, progress)

    @classmethod
    def replay(
        cls, folder: Path, scratch: Path, height: int, progress: Callable[[int, int], None] | None = None
    ) -> "ChainStore":
        """The chain in `folder` run anew up to a height, with its index and tiles in `scratch`: to compare with."""
        genesis = read_genesis(folder)
        blocks = BlockFiles.open_read_only(folder, g.chain_id(genesis))
        try:
            cls._create_index(scratch, genesis)
            store = cls(scratch, genesis, blocks, Index.open(scratch / "index"))
        except BaseException:
            blocks.close()
            raise
        try:
            store._catch_up(progress, height)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, folder: Path, progress: Callable[[int, int], None] | None = None) -> "ChainStore":
        """Open a chain, bring its index up to the block files, and refuse it where they disagree (Damaged)."""
        genesis = read_genesis(folder)
        blocks = BlockFiles(folder, g.chain_id(genesis), writer=True)
        try:
            index = Index.open(folder / "index")
        except BaseException:
            blocks.close()
            raise
        store = cls(folder, genesis, blocks, index)
        try:
            row = read_head(index)
            rebuilt = _rebuilt_from(index)
            blocks.load(max(row.height, rebuilt))
            store._load(row)
            store._catch_up(progress)
            index.write([], [_BLOCKS_KEY] if rebuilt else [])
        except BaseException:
            store.close()
            raise
        return store

    def _load(self, row: HeadRow) -> None:
        """Restore the head from the index, and compare it with the block it stands at. Each block was written in one
        batch, so an index that names them all has lost none."""
        named = self._index.count(b"g")
        if named != row.height:
            raise Damaged("index", f"it names {named} of its {row.height} blocks", REBUILD)
        if row.height == 0:
            return
        first = self._first_leaf(row.height)
        _, payload = self._blocks.read(self._location(self._block_row(first)))
        block = b.BLOCK.decode_trusted(payload)
        header = b.HEADER.decode_trusted(block.header)
        where = f"index at block {row.height}"
        if b.header_hash(block.header) != row.header_hash:
            raise Damaged(where, "its header is not the one in the block files", REBUILD)
        state = statemap.build((key[1:], value) for key, value in self._index.scan(b"m"))
        if state[0] != header.state:
            raise Damaged(where, "its rows do not give the block's state root", REBUILD)
        size = header.first + header.count + 1
        self._bundle = self._entries(size - size % TILE_HASHES, size)
        log = tiles.LogTree.restore(size, self._tiles.read, [merkle.leaf_hash(entry) for entry in self._bundle])
        self.head = Head(header.chain, header.height, header.time, header, row.header_hash, log, state)

    def _entries(self, start: int, stop: int) -> list[bytes]:
        """Log entries, recomputed from the block files."""
        entries: list[bytes] = []
        if start == stop:
            return entries
        key, _ = next(iter(self._index.scan(b"b", start=b"b" + start.to_bytes(8, "big"), reverse=True, limit=1)))
        leaf = int.from_bytes(key[1:], "big")
        while leaf < stop:
            row = self._block_row(leaf)
            block = b.BLOCK.decode_trusted(self._blocks.read(self._location(row))[1])
            made = block_entries(block)
            entries += made[max(0, start - leaf) : stop - leaf]
            leaf += len(made)
        return entries

    def _catch_up(self, progress: Callable[[int, int], None] | None, last: int | None = None) -> None:
        """Run blocks that are stored but not indexed through the same code that planned them."""
        last = self._blocks.last_height if last is None else last
        if self.head.height >= last:
            return
        for height, payload, location in self._blocks.scan(self.head.height + 1):
            if height > last:
                return
            plan = self._replan(height, payload)
            self._store_derived(plan, location)
            if progress is not None:
                progress(height, last)

    def _replan(self, height: int, payload: bytes) -> Plan:
        where = f"block {height}"
        try:
            block = b.BLOCK.decode(payload)
            header = b.HEADER.decode(block.header)
            draft = s.Draft(self._index, self.cache)
            checked = [verified_under(wire, self.head.chain, draft) for wire in block.envelopes]
            plan = plan_block(self.head, self._index, checked, header.time, self.cache)
        except UnknownRules:
            raise
        except (SuyuanError, ValueError) as error:
            raise Damaged(where, str(error), REFETCH) from error
        if plan.block != payload:
            raise Damaged(where, "applying it again gives another block", REFETCH)
        return plan

    # Writing

    def plan(self, envelopes: Sequence[Checked], time: int) -> Plan:
        return plan_block(self.head, self._index, envelopes, time, self.cache)

    def commit(self, plan: Plan) -> None:
        """Store a planned block so that it survives a crash, then move the head. WriteFailed where the disk does not
        take it; then the head stays, and the chain must be opened again."""
        if plan.block is None:
            return
        location = self._blocks.append(plan.head.height, plan.block)
        self._blocks.sync()
        try:
            self._store_derived(plan, location)
        except OSError as error:
            raise WriteFailed(f"a tile of block {plan.head.height}", error.strerror or str(error)) from error

    def _store_derived(self, plan: Plan, location: Location) -> None:
        """Tiles first: the index must not say that the log is longer than its full tiles."""
        header = plan.head.header
        if header is None or plan.block is None:
            raise ValueError("a plan without a block cannot be stored")
        for tile in plan.tiles:
            self._tiles.write(tile.level, tile.index, tile.data)
        self._extend_bundle(header.first, plan.entries)
        row = BlockRow(header.height, location.file, location.offset, plan.spans)
        puts = [(key, value) for key, value in plan.writes if value is not None]
        puts.append((b"b" + header.first.to_bytes(8, "big"), BLOCK_ROW.encode(row)))
        puts.append((b"g" + header.height.to_bytes(8, "big"), header.first.to_bytes(8, "big")))
        puts.append((HEAD_KEY, HEAD_ROW.encode(HeadRow(header.height, plan.head.header_hash))))
        self._index.write(puts, [key for key, value in plan.writes if value is None])
        plan.draft.publish()
        self.head = plan.head

    def _extend_bundle(self, first: int, entries: list[bytes]) -> None:
        self._bundle += entries
        number = first // TILE_HASHES
        while len(self._bundle) >= TILE_HASHES:
            self._tiles.write_entries(number, tiles.entry_bundle(self._bundle[:TILE_HASHES]))
            del self._bundle[:TILE_HASHES]
            number += 1

    def publish(self, view: ChainView) -> None:
        """Let the public folder show a version of the log."""
        size = view.head.log.size
        tail = self._entries(size - size % TILE_HASHES, size)
        self._tiles.publish(view.head.log, tail, view.checkpoint)

    def show(self, name: str, text: str) -> None:
        """Put a file into the public folder."""
        self._tiles.show(name, text)

    # Reading

    def tile(self, log: tiles.LogTree, level: int, index: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile of `log`; None where it has fewer."""
        count = log.size >> tiles.TILE_LEVELS * level
        if index * TILE_HASHES + width > count:
            return None
        at_edge = index == count // TILE_HASHES
        data = log.edge[level] if at_edge else self._tiles.read(level, index)
        return data[: width * tiles.HASH]

    def entries_of(self, log: tiles.LogTree, index: int, width: int) -> bytes | None:
        """The entry bundle of the first `width` leaves under a tile of `log`; None where it has fewer."""
        start = index * TILE_HASHES
        if start + width > log.size:
            return None
        if width == TILE_HASHES:
            return self._tiles.read_entries(index)
        return tiles.entry_bundle(self._entries(start, start + width))

    def view(self, note: bytes) -> ChainView:
        """The chain as it stands now, for proofs; `note` is signed over this head."""
        return ChainView(self, self.head, self._index.snapshot(), note)

    def get(self, key: bytes) -> bytes | None:
        return self._index.get(key)

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._index.scan(prefix, start=start, limit=limit)

    def accepted(self, envelope_id: bytes) -> s.Accepted | None:
        data = self._index.get(b"e" + envelope_id)
        return None if data is None else s.ACCEPTED.decode_trusted(data)

    def inclusion_proof(self, leaf: int, log: tiles.LogTree | None = None) -> list[bytes]:
        return tiles.inclusion_proof(log or self.head.log, leaf, self._tiles.read)

    def consistency_proof(self, old_size: int, log: tiles.LogTree | None = None) -> list[bytes]:
        return tiles.consistency_proof(log or self.head.log, old_size, self._tiles.read)

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` leaves; IndexError where there are fewer."""
        return tiles.root_at(self.head.log, size, self._tiles.read)

    def envelope_bytes_at(self, leaf: int) -> bytes:
        """The stored bytes of the envelope at a leaf; KeyError where the leaf is a block header or beyond."""
        found = list(self._index.scan(b"b", start=b"b" + leaf.to_bytes(8, "big"), reverse=True, limit=1))
        if not found:
            raise KeyError(f"leaf {leaf} is not in this log")
        key, data = found[0]
        row = BLOCK_ROW.decode_trusted(data)
        number = leaf - int.from_bytes(key[1:], "big")
        if number >= len(row.envelopes):
            raise KeyError(f"leaf {leaf} is a block header, or beyond the log")
        return self._blocks.read_part(self._location(row), *row.envelopes[number])

    def _envelope_at(self, leaf: int) -> tuple[Envelope, list[Sequence[bytes]]]:
        """The stored envelope at a leaf and the tree over its records, level by level; Damaged where they do not
        match what was signed."""
        where = f"envelope at leaf {leaf}"
        try:
            envelope = ENVELOPE.decode(self.envelope_bytes_at(leaf))
            header = HEADER.decode(envelope.header)
        except Malformed as error:
            raise Damaged(where, str(error), REFETCH) from error
        tree = merkle.levels([merkle.leaf_hash(record) for record in envelope.records])
        if tree[-1][0] != header.root:
            raise Damaged(where, "its records are not those that were signed", REFETCH)
        return envelope, tree

    def height_at(self, leaf: int) -> int:
        """The height of the block that a leaf stands in; KeyError beyond the log."""
        found = list(self._index.scan(b"b", start=b"b" + leaf.to_bytes(8, "big"), reverse=True, limit=1))
        if not found or leaf >= self.head.log.size:
            raise KeyError(f"leaf {leaf} is not in this log")
        return BLOCK_ROW.decode_trusted(found[0][1]).height

    def block_at(self, height: int) -> bytes:
        """The stored bytes of the block at a height; Damaged where they do not hold."""
        return self._blocks.read(self._location(self._block_row(self._first_leaf(height))))[1]

    def blocks(self, from_height: int) -> Iterator[tuple[int, bytes]]:
        """(height, payload) of the stored blocks from a height on, in order."""
        for height, payload, _ in self._blocks.scan(from_height):
            yield height, payload

    def _first_leaf(self, height: int) -> int:
        data = self._index.get(b"g" + height.to_bytes(8, "big"))
        if data is None:
            raise Damaged(f"index at block {height}", "it does not know this block", REBUILD)
        return int.from_bytes(data, "big")

    def _block_row(self, first_leaf: int) -> BlockRow:
        data = self._index.get(b"b" + first_leaf.to_bytes(8, "big"))
        if data is None:
            raise Damaged(f"index at leaf {first_leaf}", "no block begins there", REBUILD)
        return BLOCK_ROW.decode_trusted(data)

    @staticmethod
    def _location(row: BlockRow) -> Location:
        return Location(row.file, row.offset)

    def check(self) -> dict[str, int]:
        """Read every block, tile and bundle again and compare the log that they give with the head's. Damaged,
        naming what does not hold; else what was read. Signatures and rules are the audit's business."""
        log, entries, found = tiles.LogTree.empty(), list[bytes](), {"blocks": 0, "envelopes": 0, "tiles": 0}
        for height, payload in self.blocks(1):
            made = block_entries(b.BLOCK.decode(payload))
            log, full = log.extend([merkle.leaf_hash(entry) for entry in made])
            entries += made
            for tile in full:
                self._compare(
                    tiles.tile_path(tile.level, tile.index), self._tiles.read(tile.level, tile.index), tile.data
                )
            while len(entries) >= TILE_HASHES:
                number = found["tiles"]
                bundle = tiles.entry_bundle(entries[:TILE_HASHES])
                self._compare(tiles.tile_path("entries", number), self._tiles.read_entries(number), bundle)
                del entries[:TILE_HASHES]
                found["tiles"] += 1
            found["blocks"], found["envelopes"] = height, found["envelopes"] + len(made) - 1
        if log.root() != self.head.log.root():
            raise Damaged("log", "the block files give another root than the index", REBUILD)
        return found

    @staticmethod
    def _compare(path: str, stored: bytes, expected: bytes) -> None:
        if stored != expected:
            raise Damaged(path, "its bytes are not those that the block files give", REBUILD)

    def close(self) -> None:
        self._index.close()
        self._blocks.close()


def _rebuilt_from(index: Snapshot) -> int:
    """How many blocks there were when a rebuild began that is not finished; 0 where none is under way."""
    data = index.get(_BLOCKS_KEY)
    return 0 if data is None else s.NUMBER.decode_trusted(data)


def known_blocks(folder: Path) -> int | None:
    """How many blocks the index of a chain that nobody uses knows to be stored; None where it does not say."""
    try:
        with closing(Index.open(folder / "index")) as index:
            return max(read_head(index).height, _rebuilt_from(index))
    except Damaged:
        return None


def read_genesis(folder: Path) -> g.Genesis:
    """The genesis of the chain in `folder`. Malformed where there is none, Damaged where it cannot be read."""
    if (folder / UNFINISHED_FILE).exists():
        raise Malformed(str(folder), "its init was interrupted: run suyuan-node init again")
    try:
        return g.from_json((folder / GENESIS_FILE).read_bytes())
    except FileNotFoundError:
        raise Malformed(str(folder), "there is no genesis.json: make a chain with suyuan-node init") from None
    except Malformed as error:
        remedy = "Restore it from a backup, or take it from another node of this chain"
        raise Damaged(str(folder / GENESIS_FILE), error.message, remedy) from None


def read_head(index: Snapshot) -> HeadRow:
    """What an index stands at; Damaged where it does not say so."""
    data = index.get(HEAD_KEY)
    if data is None:
        raise Damaged("index", "it does not say which block it stands at", REBUILD)
    try:
        return HEAD_ROW.decode(data)
    except Malformed as error:
        raise Damaged("index", str(error), REBUILD) from None


def block_entries(block: b.Block) -> list[bytes]:
    """The log entries of a block: one for each envelope, and its header's."""
    entries = []
    for wire in block.envelopes:
        envelope = ENVELOPE.decode_trusted(wire)
        entries.append(envelope_leaf(envelope.header, envelope.signature))
    entries.append(b.header_leaf(block.header))
    return entries
