"""The state map against a naive reference: the definition, computed from a set of entries."""

from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import mapproof
from ledger import statemap as m
from ledger.errors import VerifyFailed
from ledger.hashing import TAG_MAP_BUCKET, TAG_MAP_LEAF, TAG_MAP_NODE
from ledger.limits import BUCKET_ENTRIES_MAX

Entries = dict[bytes, bytes]


def naive_root(entries: Entries, prefix: str = "") -> bytes:
    """The definition in the docstring, over bit strings."""
    under = sorted(path for path in entries if bits(path).startswith(prefix))
    if len(under) <= BUCKET_ENTRIES_MAX:
        leaves = [sha256(TAG_MAP_LEAF + path + sha256(entries[path]).digest()).digest() for path in under]
        return sha256(TAG_MAP_BUCKET + b"".join(leaves)).digest()
    return sha256(TAG_MAP_NODE + naive_root(entries, prefix + "0") + naive_root(entries, prefix + "1")).digest()


def bits(path: bytes) -> str:
    return f"{int.from_bytes(path, 'big'):0256b}"


def changes(entries: Entries) -> list[tuple[bytes, bytes]]:
    return [(path, m.leaf_of(path, entries[path])) for path in sorted(entries)]


def spread(count: int) -> Entries:
    return {sha256(b"%d" % number).digest(): b"value %d" % number for number in range(count)}


def crowded(count: int, shared_bits: int) -> Entries:
    """Entries whose paths share a long prefix, as nobody could choose them but as the trie must bear."""
    paths = [(0b1011 << 252 | number << (252 - shared_bits)).to_bytes(32, "big") for number in range(count)]
    return {path: b"v%d" % number for number, path in enumerate(paths)}


@pytest.mark.parametrize("count", range(40))
def test_every_small_set_has_the_defined_root_in_any_order(count: int) -> None:
    entries = spread(count)
    root = naive_root(entries)
    assert m.build(sorted(entries.items()))[0] == root
    assert m.update(m.EMPTY, changes(entries))[0] == root if entries else m.EMPTY[0] == root
    one_by_one = m.EMPTY
    shuffled = list(entries)
    Random(count).shuffle(shuffled)
    for path in shuffled:
        one_by_one = m.update(one_by_one, [(path, m.leaf_of(path, entries[path]))])
    assert one_by_one[0] == root


@pytest.mark.parametrize("count", [7, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("shared_bits", [8, 60, 200, 246])
def test_paths_with_long_common_prefixes(count: int, shared_bits: int) -> None:
    entries = crowded(count, shared_bits)
    root = naive_root(entries)
    assert m.update(m.EMPTY, changes(entries))[0] == root
    node = m.update(m.EMPTY, changes(spread(20)))
    node = m.update(node, changes(entries))
    assert node[0] == naive_root(entries | spread(20))
    proof = mapproof.read(mapproof.prove(node, entries, (entries | spread(20)).get))
    assert proof.root == node[0]
    assert all(proof.value(path) == value for path, value in entries.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=5)), max_size=40), max_size=6))
def test_any_sequence_of_updates_and_every_old_version(batches: list[list[tuple[int, bytes]]]) -> None:
    entries: Entries = {}
    node = m.EMPTY
    versions = []
    for batch in batches:
        changed = {sha256(b"%d" % number).digest(): value for number, value in batch}
        entries = entries | changed
        if changed:
            node = m.update(node, changes(changed))
        versions.append((node, entries))
    for old, at_the_time in versions:
        assert old[0] == naive_root(at_the_time)


def test_membership_and_absence() -> None:
    entries = spread(300)
    node = m.build(sorted(entries.items()))
    present = list(entries)[:5]
    absent = [sha256(b"absent %d" % number).digest() for number in range(5)]
    proof = mapproof.prove(node, present + absent, entries.get)
    proven = mapproof.read(proof)
    assert proven.root == node[0]
    assert [proven.value(path) for path in present] == [entries[path] for path in present]
    assert [proven.value(path) for path in absent] == [None] * 5
    for unproven in (list(entries)[200], sha256(b"other").digest()):
        try:
            value = proven.value(unproven)
        except VerifyFailed:
            continue
        assert value == entries.get(unproven)


def test_every_flipped_bit_of_a_map_proof_changes_root_or_is_refused() -> None:
    entries = spread(100)
    node = m.build(sorted(entries.items()))
    path, missing = next(iter(entries)), sha256(b"missing").digest()
    proof = mapproof.prove(node, [path, missing], entries.get)
    for bit in range(len(proof) * 8):
        bad = bytearray(proof)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            proven = mapproof.read(bytes(bad))
        except VerifyFailed:
            continue
        assert proven.root != node[0], f"bit {bit}"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_refused(data: bytes) -> None:
    try:
        mapproof.read(data)
    except VerifyFailed:
        return


def test_a_hidden_subtree_proves_nothing() -> None:
    node = m.build(sorted(spread(50).items()))
    proven = mapproof.read(b"\x00" + node[0])
    assert proven.root == node[0]
    with pytest.raises(VerifyFailed):
        proven.value(bytes(32))


@pytest.mark.slow
def test_proofs_stay_small_in_a_large_map() -> None:
    entries = {sha256(b"%d" % number).digest(): bytes(100) for number in range(200_000)}
    node = m.build(sorted(entries.items()))
    paths = [sha256(b"%d" % number).digest() for number in range(0, 200_000, 997)]
    largest = max(len(mapproof.prove(node, [path], entries.get)) for path in paths)
    assert largest - 100 <= 2048
    absent = [sha256(b"x%d" % number).digest() for number in range(200)]
    assert max(len(mapproof.prove(node, [path], entries.get)) for path in absent) <= 2048
