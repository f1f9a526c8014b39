"""Auditing a node: from its data folder, or over the network, with state kept in a temporary index."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from ledger import audit, tiles
from ledger import checkpoint as c
from ledger import genesis as g
from ledger.limits import TILE_HASHES
from ledger.plan import Plan
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import read_genesis
from ledger.storage.index import Index
from ledger.storage.tilefiles import PUBLIC_FOLDER

TILES: str = "tiles and entry bundles are those of this log"
SIGNATURE_THREADS = 2
Progress = Callable[[int, int], None]
"""(blocks done, records done)"""


class Beside(Protocol):
    """Something that is held against the replay, block by block."""

    def add(self, plan: Plan) -> None: ...

    def finding(self) -> audit.Finding: ...


def audit_blocks(
    genesis: g.Genesis,
    blocks: Iterator[tuple[int, bytes]],
    head: c.Checkpoint | None,
    progress: Progress,
    beside: Sequence["Beside"] = (),
) -> list[audit.Finding]:
    """Replay blocks and report, and hold against the replay what stands beside it. libsodium lets go of the
    interpreter lock, so signatures are verified in threads."""
    gc.set_threshold(100_000, 50, 1_000)  # the state map is millions of tuples without cycles: do not walk them
    with tempfile.TemporaryDirectory(prefix="suyuan-audit-") as folder, ThreadPoolExecutor(SIGNATURE_THREADS) as pool:
        index = Index.create(Path(folder) / "state")
        try:
            replay = audit.Audit(genesis, index, lambda signed: _verify_in(pool, signed))
            for height, payload in blocks:
                if not replay.add(height, payload):
                    break
                if replay.last_plan is not None:
                    for one in beside:
                        one.add(replay.last_plan)
                progress(height, replay.records)
            findings = replay.report(head)
            return findings if replay.failed else [*findings, *(one.finding() for one in beside)]
        finally:
            index.close()


def _verify_in(pool: ThreadPoolExecutor, signed: Sequence[audit.Signed]) -> int | None:
    """Verify in threads, each a slice; the first that does not hold is named."""
    step = max(1, -(-len(signed) // SIGNATURE_THREADS))
    starts = range(0, len(signed), step)
    results = pool.map(audit.verify_in_turn, [signed[start : start + step] for start in starts])
    wrong = [start + found for start, found in zip(starts, results, strict=True) if found is not None]
    return min(wrong, default=None)


def audit_folder(folder: Path, progress: Progress) -> list[audit.Finding]:
    """Audit a data folder, also while its node runs: block files are read beside the writer."""
    genesis = read_genesis(folder)
    files = BlockFiles.open_read_only(folder, g.chain_id(genesis))
    try:
        blocks = ((height, payload) for height, payload, _ in files.scan(1))
        return audit_blocks(genesis, blocks, None, progress, [TileCheck(folder / PUBLIC_FOLDER)])
    finally:
        files.close()


class TileCheck:
    """Compares the tile folder with the log as it is recomputed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: list[bytes] = []
        self._bundles = 0
        self._tiles = 0
        self._flaw = ""

    def add(self, plan: Plan) -> None:
        for tile in plan.tiles:
            self._compare(tiles.tile_path(tile.level, tile.index), tile.data)
            self._tiles += 1
        self._entries += plan.entries
        while len(self._entries) >= TILE_HASHES:
            bundle = tiles.entry_bundle(self._entries[:TILE_HASHES])
            self._compare(tiles.tile_path("entries", self._bundles), bundle)
            del self._entries[:TILE_HASHES]
            self._bundles += 1

    def _compare(self, path: str, expected: bytes) -> None:
        try:
            found = (self._folder / path).read_bytes()
        except OSError as error:
            self._flaw = self._flaw or f"{path}: {error.strerror}"
            return
        if found != expected:
            self._flaw = self._flaw or f"{path}: other bytes than the log gives"

    def finding(self) -> audit.Finding:
        figures = f"{self._tiles} full tiles, {self._bundles} bundles"
        return audit.Finding(TILES, not self._flaw, self._flaw or figures)
