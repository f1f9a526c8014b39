"""The state map: an authenticated map with proofs of membership and of absence.

A binary trie over the 256-bit paths of its entries. A subtree with at most BUCKET_ENTRIES_MAX entries is one
bucket, any larger one is an inner node, so the root is a function of the set of entries, whatever the order
in which they came. Entries are replaced, never removed.

    leaf    = H(TAG_MAP_LEAF, path, SHA-256(value))
    bucket  = H(TAG_MAP_BUCKET, leaf of each entry, in order of path)
    inner   = H(TAG_MAP_NODE, left, right)

Nodes are immutable and shared between versions: whoever keeps an old root can go on reading that version, and
it costs only the nodes that changed since. An inner node is (hash, left, right), a bucket (hash, rows), where
rows are 64 bytes each: path || leaf.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias

from ledger.hashing import TAG_MAP_BUCKET, TAG_MAP_KEY, TAG_MAP_LEAF, TAG_MAP_NODE, digest
from ledger.limits import BUCKET_ENTRIES_MAX

Node: TypeAlias = tuple[Any, ...]
"""(hash, left, right) or (hash, rows): see above. A tuple, because millions of them are kept."""
PUBLIC: Final = 0x00
POSITIONS: Final = 0x80
_ROW: Final = 64
_BUCKET_BYTES: Final = BUCKET_ENTRIES_MAX * _ROW


def path_of(key: bytes, half: int) -> bytes:
    """The 32-byte path of a key; its first bit tells public subjects (0) from positions (1)."""
    hashed = sha256(TAG_MAP_KEY + key).digest()
    return bytes((hashed[0] & 0x7F | half,)) + hashed[1:]


def leaf_of(path: bytes, value: bytes) -> bytes:
    return sha256(TAG_MAP_LEAF + path + sha256(value).digest()).digest()


def leaf_of_hashed(path: bytes, value_hash: bytes) -> bytes:
    return sha256(TAG_MAP_LEAF + path + value_hash).digest()


def bucket_hash(leaves: Iterable[bytes]) -> bytes:
    return digest(TAG_MAP_BUCKET, *leaves)


def inner_hash(left: bytes, right: bytes) -> bytes:
    return sha256(TAG_MAP_NODE + left + right).digest()


def bit(path: bytes, depth: int) -> int:
    return path[depth >> 3] >> (7 - (depth & 7)) & 1


EMPTY: Final[Node] = (bucket_hash(()), b"")


def update(node: Node, changes: Sequence[tuple[bytes, bytes]], depth: int = 0) -> Node:
    """A new version with (path, leaf) pairs set; `changes` is sorted by path, each path once."""
    if len(node) == 2:
        return _build(_merge(node[1], changes), depth)
    if len(changes) == 1:
        return _update_one(node, changes[0], depth)
    split = _split(changes, depth)
    _, left, right = node
    if split:
        left = update(left, changes[:split], depth + 1)
    if split < len(changes):
        right = update(right, changes[split:], depth + 1)
    return (sha256(TAG_MAP_NODE + left[0] + right[0]).digest(), left, right)


def _split(changes: Sequence[tuple[bytes, bytes]], depth: int) -> int:
    """Index of the first change whose path has a one at this depth."""
    byte, mask = depth >> 3, 0x80 >> (depth & 7)
    low, high = 0, len(changes)
    while low < high:
        middle = (low + high) // 2
        if changes[middle][0][byte] & mask:
            high = middle
        else:
            low = middle + 1
    return low


def _update_one(node: Node, change: tuple[bytes, bytes], depth: int) -> Node:
    """The same for a single path, without recursion: most of the lower tree is walked by one change."""
    path = int.from_bytes(change[0], "big")
    above: list[Node] = []
    shift = 255 - depth
    while len(node) == 3:
        above.append(node)
        node = node[1 + (path >> shift & 1)]
        shift -= 1
    node = _build(_merge(node[1], (change,)), 255 - shift)
    while above:
        shift += 1
        _, left, right = above.pop()
        if path >> shift & 1:
            right = node
        else:
            left = node
        node = (sha256(TAG_MAP_NODE + left[0] + right[0]).digest(), left, right)
    return node


def _merge(rows: bytes, changes: Sequence[tuple[bytes, bytes]]) -> bytes:
    if len(changes) == 1:
        path, leaf = changes[0]
        at = 0
        end = len(rows)
        while at < end:
            here = rows[at : at + 32]
            if here >= path:
                after = at + _ROW if here == path else at
                return rows[:at] + path + leaf + rows[after:]
            at += _ROW
        return rows + path + leaf
    merged = {rows[at : at + 32]: rows[at + 32 : at + _ROW] for at in range(0, len(rows), _ROW)}
    merged.update(changes)
    return b"".join([path + merged[path] for path in sorted(merged)])


def _build(rows: bytes, depth: int) -> Node:
    """The subtree of these rows: a bucket, or as many splits as it takes to make buckets of it."""
    if len(rows) <= _BUCKET_BYTES:
        leaves = [rows[at : at + 32] for at in range(32, len(rows), _ROW)]
        return (sha256(TAG_MAP_BUCKET + b"".join(leaves)).digest(), rows)
    byte, mask = depth >> 3, 0x80 >> (depth & 7)
    low, high = 0, len(rows) // _ROW
    while low < high:
        middle = (low + high) // 2
        if rows[middle * _ROW + byte] & mask:
            high = middle
        else:
            low = middle + 1
    left = _build(rows[: low * _ROW], depth + 1)
    right = _build(rows[low * _ROW :], depth + 1)
    return (sha256(TAG_MAP_NODE + left[0] + right[0]).digest(), left, right)


def build(entries: Iterable[tuple[bytes, bytes]]) -> Node:
    """The tree of (path, value) pairs that come in order of path, as a scan of the index gives them."""
    return _build(b"".join([path + leaf_of(path, value) for path, value in entries]), 0)
