"""RFC 6962 Merkle trees (section 2.1): hashes, roots, inclusion and consistency proofs.

Checkers take primitives, look at bounds first, and raise VerifyFailed where a proof does not hold.
"""

from collections.abc import Sequence
from hashlib import sha256

from ledger.errors import VerifyFailed

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _level_up(hashes: Sequence[bytes]) -> list[bytes]:
    """The next level; an odd last hash goes up as it is, which gives the tree of RFC 6962 at every size."""
    pairs = iter(hashes)
    above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(hashes) & 1:
        above.append(hashes[-1])
    return above


def levels(leaf_hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """All levels of the tree over leaf hashes (at least one) that are all in memory; the last holds the root."""
    found = [leaf_hashes]
    while len(found[-1]) > 1:
        found.append(_level_up(found[-1]))
    return found


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes that are all in memory."""
    return levels(leaf_hashes)[-1][0] if leaf_hashes else EMPTY_ROOT


def inclusion_proof(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The audit path of leaf `index` of a tree given by its `levels`; IndexError where there is no such leaf."""
    if not 0 <= index < len(tree[0]):
        raise IndexError(f"leaf {index} of {len(tree[0])}")
    return [level[index >> up ^ 1] for up, level in enumerate(tree[:-1]) if index >> up ^ 1 < len(level)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash stands at `index` of the tree of `size` leaves under `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise VerifyFailed("inclusion", f"index {index} is outside a tree of {size} leaves")
    node, last, running = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise VerifyFailed("inclusion", f"the proof of leaf {index} has more than the hashes it needs")
        if node & 1 or node == last:
            running = node_hash(sibling, running)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            running = node_hash(running, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise VerifyFailed("inclusion", f"the proof of leaf {index} has fewer than the hashes it needs")
    if running != root:
        raise VerifyFailed("inclusion", f"leaf {index} of {size} leads to root {running.hex()}, not {root.hex()}")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (size2, root2) extends the tree (size1, root1) (RFC 9162, 2.1.4.2)."""
    if not 0 <= size1 <= size2:
        raise VerifyFailed("consistency", f"a tree of {size2} leaves cannot extend one of {size1}")
    if size1 == size2 or size1 == 0:
        if proof:
            raise VerifyFailed("consistency", "the proof must be empty here")
        if size1 == size2 and root1 != root2:
            raise VerifyFailed("consistency", f"two roots for {size1} leaves: {root1.hex()} and {root2.hex()}")
        if size1 == 0 and root1 != EMPTY_ROOT:
            raise VerifyFailed("consistency", "the root of the empty tree is wrong")
        return
    if consistency_roots(size1, size2, root1, proof) != (root1, root2):
        raise VerifyFailed("consistency", f"the tree of {size2} leaves does not extend the one of {size1}")


def consistency_roots(size1: int, size2: int, root1: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots at `size1` and `size2` that a proof leads to, 0 < size1 < size2. Where size1 is a power of two, its
    root is not in the proof, and `root1` is taken; else it has no part in them."""
    path = list(proof)
    if size1 & (size1 - 1) == 0:
        path.insert(0, root1)
    if not path:
        raise VerifyFailed("consistency", "the proof is empty")
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerifyFailed("consistency", "the proof has more than the hashes it needs")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise VerifyFailed("consistency", "the proof has fewer than the hashes it needs")
    return old, new
