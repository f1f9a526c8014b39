"""Merkle trees and tiles against the recursive definition of RFC 6962, exhaustively for small sizes."""

from hashlib import sha256

import pytest

from ledger import merkle, tiles
from ledger.errors import Malformed, VerifyFailed
from ledger.tiles import LogTree, Tile

SMALL = 40


def leaves(count: int) -> list[bytes]:
    return [sha256(b"leaf %d" % number).digest() for number in range(count)]


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(hashes) <= 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*naive_path(index, hashes[:split]), naive_root(hashes[split:])]
    return [*naive_path(index - split, hashes[split:]), naive_root(hashes[:split])]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class Log:
    """A log fed in steps, with its tiles kept."""

    def __init__(self) -> None:
        self.tree = LogTree.empty()
        self.tiles: dict[tuple[int, int], bytes] = {}

    def extend(self, hashes: list[bytes]) -> list[Tile]:
        self.tree, made = self.tree.extend(hashes)
        self.tiles.update({(tile.level, tile.index): tile.data for tile in made})
        return made

    def read(self, level: int, index: int) -> bytes:
        return self.tiles[level, index]


@pytest.mark.parametrize("size", range(SMALL))
def test_every_inclusion_proof_of_every_small_tree(size: int) -> None:
    hashes = leaves(size)
    log = Log()
    log.extend(hashes)
    root = naive_root(hashes)
    assert merkle.root(hashes) == log.tree.root() == root
    for index in range(size):
        proof = naive_path(index, hashes)
        assert merkle.inclusion_proof(merkle.levels(hashes), index) == proof
        assert tiles.inclusion_proof(log.tree, index, log.read) == proof
        merkle.verify_inclusion(hashes[index], index, size, proof, root)
        for number, sibling in enumerate(proof):
            bad = [*proof[:number], flipped(sibling, index * 7 % 256), *proof[number + 1 :]]
            with pytest.raises(VerifyFailed):
                merkle.verify_inclusion(hashes[index], index, size, bad, root)
        wrongs = [
            (flipped(hashes[index], 3), index, size, proof, root),
            (hashes[index], index + 1, size, proof, root),
            (hashes[index], -1, size, proof, root),
            (hashes[index], size, size, proof, root),
            (hashes[index], index, size, [*proof, root], root),
            (hashes[index], index, size, proof, flipped(root, 9)),
        ]
        if proof:
            wrongs.append((hashes[index], index, size, proof[:-1], root))
        for wrong in wrongs:
            with pytest.raises(VerifyFailed):
                merkle.verify_inclusion(*wrong)


@pytest.mark.parametrize("size", range(1, SMALL))
def test_every_consistency_proof_of_every_small_tree(size: int) -> None:
    hashes = leaves(size)
    log = Log()
    log.extend(hashes)
    root = naive_root(hashes)
    for old in range(1, size + 1):
        old_root = naive_root(hashes[:old])
        proof = tiles.consistency_proof(log.tree, old, log.read)
        merkle.verify_consistency(old, size, old_root, root, proof)
        for number, sibling in enumerate(proof):
            bad = [*proof[:number], flipped(sibling, old * 5 % 256), *proof[number + 1 :]]
            with pytest.raises(VerifyFailed):
                merkle.verify_consistency(old, size, old_root, root, bad)
        for wrong_root in (flipped(old_root, 1), bytes(32)):
            with pytest.raises(VerifyFailed):
                merkle.verify_consistency(old, size, wrong_root, root, proof)
        with pytest.raises(VerifyFailed):
            merkle.verify_consistency(old, size, old_root, root, [*proof, bytes(32)])
        if size > old:
            with pytest.raises(VerifyFailed):
                merkle.verify_consistency(size, old, root, old_root, proof)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 65535, 65536, 65537, 65536 + 256 + 1])
@pytest.mark.parametrize("step", [97, 256, 5000])
def test_tiles_at_their_boundaries_in_whatever_steps_they_were_filled(size: int, step: int) -> None:
    hashes = leaves(size)
    log = Log()
    for start in range(0, size, step):
        log.extend(hashes[start : start + step])
    assert log.tree.root() == merkle.root(hashes)
    assert {index for level, index in log.tiles if level == 0} == set(range(size // 256))
    assert {index for level, index in log.tiles if level == 1} == set(range(size // 65536))
    restored = LogTree.restore(size, log.read, hashes[size - size % 256 :])
    assert restored.root() == log.tree.root()
    for index in (0, size // 2, size - 1):
        proof = tiles.inclusion_proof(restored, index, log.read)
        assert proof == merkle.inclusion_proof(merkle.levels(hashes), index)
    for old in (1, 255, size // 2, size - 1):
        proof = tiles.consistency_proof(restored, old, log.read)
        merkle.verify_consistency(old, size, merkle.root(hashes[:old]), merkle.root(hashes), proof)


def test_a_planned_extension_leaves_the_tree_as_it_was() -> None:
    log = Log()
    log.extend(leaves(300))
    before = log.tree.root()
    log.tree.extend(leaves(5))
    assert log.tree.root() == before
    assert log.tree.size == 300


def test_indexes_outside_the_tree_are_errors() -> None:
    log = Log()
    log.extend(leaves(5))
    for index in (-1, 5):
        with pytest.raises(IndexError):
            tiles.inclusion_proof(log.tree, index, log.read)
        with pytest.raises(IndexError):
            merkle.inclusion_proof(merkle.levels(leaves(5)), index)
    with pytest.raises(IndexError):
        tiles.consistency_proof(log.tree, 6, log.read)


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (1, 1000, 256, "tile/1/x001/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (2, 67, 5, "tile/2/067.p/5"),
        ("entries", 1067, 256, "tile/entries/x001/067"),
    ],
)
def test_tile_paths(level: int | str, index: int, width: int, path: str) -> None:
    assert tiles.tile_path(level, index, width) == path
    assert tiles.parse_tile_path(path) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0", "tile/0/x000/001", "tile/0/1000", "tile/64/000", "tile/00/000", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/01", "tile/0/001/x000", "tile/-1/000", "tile/0/٠٠٠",
        "/tile/0/000", "tile/0/000/",
    ],
)  # fmt: skip
def test_paths_that_tlog_tiles_does_not_spell(path: str) -> None:
    with pytest.raises(Malformed):
        tiles.parse_tile_path(path)


def test_entry_bundles_round_trip_and_refuse_cuts() -> None:
    entries = [b"", b"a", b"x" * 65535]
    bundle = tiles.entry_bundle(entries)
    assert tiles.parse_entry_bundle(bundle) == entries
    for cut in (1, 3, len(bundle) - 1):
        with pytest.raises(Malformed):
            tiles.parse_entry_bundle(bundle[:cut])
    with pytest.raises(Malformed):
        tiles.parse_entry_bundle(b"\x00\x00" * 257)
    with pytest.raises(ValueError, match="65536"):
        tiles.entry_bundle([b"x" * 65536])
