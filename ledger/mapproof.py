"""Proofs of the state map: the part of the tree that leads to some paths, everything else as hashes.

Encoded in pre-order, one byte of kind first:

    00 hash                          a subtree that is not shown
    01 left right                    an inner node
    02 n entry*n                     a bucket with n entries, in order of path; an entry is
        00 leaf                          not shown
        01 path value-hash               shown by path only, so that absence can be seen
        02 path length(u32) value        shown with its value

Several paths share their upper nodes. `read` recomputes the root and returns what was proven: the value of
each entry shown, and for which paths absence holds.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

from ledger import statemap as m
from ledger.errors import VerifyFailed
from ledger.limits import BUCKET_ENTRIES_MAX, PROOF_BYTES_MAX

DEPTH_MAX = 256
_CHECK = "state map"


def prove(root: m.Node, paths: Iterable[bytes], value_of: Callable[[bytes], bytes | None]) -> bytes:
    """The proof for these paths at this version. `value_of` reads an entry's value at the same version;
    a path without an entry gets a proof of absence."""
    out: list[bytes] = []
    _prove(root, sorted(set(paths)), 0, value_of, out)
    return b"".join(out)


def _prove(
    node: m.Node, paths: list[bytes], depth: int, value_of: Callable[[bytes], bytes | None], out: list[bytes]
) -> None:
    if not paths:
        out.append(b"\x00" + node[0])
    elif len(node) == 3:
        out.append(b"\x01")
        split = next((i for i, path in enumerate(paths) if m.bit(path, depth)), len(paths))
        _prove(node[1], paths[:split], depth + 1, value_of, out)
        _prove(node[2], paths[split:], depth + 1, value_of, out)
    else:
        _prove_bucket(node[1], paths, value_of, out)


def _prove_bucket(
    rows: bytes, paths: list[bytes], value_of: Callable[[bytes], bytes | None], out: list[bytes]
) -> None:
    wanted = set(paths)
    held = [rows[at : at + 32] for at in range(0, len(rows), 64)]
    absent = not wanted.issubset(held)
    out.append(bytes((2, len(held))))
    for number, path in enumerate(held):
        if path not in wanted and not absent:
            out.append(b"\x00" + rows[number * 64 + 32 : number * 64 + 64])
            continue
        value = value_of(path)
        if value is None:
            raise ValueError(f"the index has no value for entry {path.hex()} of the state map")
        if path in wanted:
            out.append(b"\x02" + path + len(value).to_bytes(4, "big") + value)
        else:
            out.append(b"\x01" + path + sha256(value).digest())


class Proven:
    """What a map proof proves under its root."""

    def __init__(self, root: bytes, values: dict[bytes, bytes], absent: Callable[[bytes], bool]) -> None:
        self.root = root
        self._values = values
        self._absent = absent

    def value(self, path: bytes) -> bytes | None:
        """The proven value at `path`; None where its absence is proven; VerifyFailed where neither is."""
        value = self._values.get(path)
        if value is None and not self._absent(path):
            raise VerifyFailed(_CHECK, f"the proof neither shows entry {path.hex()} nor that it is absent")
        return value


def read(data: bytes) -> Proven:
    """Recompute the root of a proof; VerifyFailed where the bytes are not a proof."""
    if len(data) > PROOF_BYTES_MAX:
        raise VerifyFailed(_CHECK, f"{len(data)} bytes, at most {PROOF_BYTES_MAX} are read")
    reader = _Reading(data)
    tree = reader.node(b"", 0)
    if reader.at != len(data):
        raise VerifyFailed(_CHECK, f"{len(data) - reader.at} bytes follow the proof")
    return Proven(tree[0], reader.values, lambda path: _is_absent(tree, path))


def _is_absent(tree: m.Node, path: bytes) -> bool:
    """Whether the walk along `path` ends in a bucket that shows all its paths, and `path` is none of them."""
    depth = 0
    while len(tree) == 3:
        tree = tree[1 + m.bit(path, depth)]
        depth += 1
    shown = tree[1]
    return shown is not None and path not in shown


class _Reading:
    """A cursor over a proof. Nodes are (hash, left, right) or (hash, paths shown | None where any is hidden)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values: dict[bytes, bytes] = {}

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise VerifyFailed(_CHECK, "the proof is cut short")
        self.at += count
        return piece

    def node(self, bits: bytes, depth: int) -> m.Node:
        """`bits` holds the path so far, one byte a bit, for the check that entries stand where they belong."""
        kind = self.take(1)[0]
        if kind == 0:
            return (self.take(32), None)
        if kind == 1:
            if depth == DEPTH_MAX:
                raise VerifyFailed(_CHECK, "an inner node below the last bit of a path")
            left = self.node(bits + b"\x00", depth + 1)
            right = self.node(bits + b"\x01", depth + 1)
            return (m.inner_hash(left[0], right[0]), left, right)
        if kind == 2:
            return self.bucket(bits, depth)
        raise VerifyFailed(_CHECK, f"unknown kind of node {kind}")

    def bucket(self, bits: bytes, depth: int) -> m.Node:
        count = self.take(1)[0]
        if count > BUCKET_ENTRIES_MAX:
            raise VerifyFailed(_CHECK, f"a bucket of {count} entries, at most {BUCKET_ENTRIES_MAX} stand in one")
        leaves: list[bytes] = []
        shown: list[bytes] = []
        for _ in range(count):
            kind = self.take(1)[0]
            if kind == 0:
                leaves.append(self.take(32))
                continue
            path = self.take(32)
            if any(m.bit(path, level) != bits[level] for level in range(depth)):
                raise VerifyFailed(_CHECK, f"entry {path.hex()} stands in the wrong subtree")
            if shown and shown[-1] >= path:
                raise VerifyFailed(_CHECK, "the entries of a bucket are not in order")
            shown.append(path)
            leaves.append(self.entry(kind, path))
        return (m.bucket_hash(leaves), frozenset(shown) if len(shown) == count else None)

    def entry(self, kind: int, path: bytes) -> bytes:
        if kind == 1:
            return m.leaf_of_hashed(path, self.take(32))
        if kind != 2:
            raise VerifyFailed(_CHECK, f"unknown kind of entry {kind}")
        value = self.take(int.from_bytes(self.take(4), "big"))
        self.values[path] = value
        return m.leaf_of(path, value)
