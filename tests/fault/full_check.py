"""The full check after a fault: the audit holds, index and tiles are those that the block files give, every
acknowledged envelope stands exactly once where its receipt says, and nothing stands there that nobody sent."""

from collections.abc import Mapping, Set
from pathlib import Path

from client_sdk.audit import audit_folder
from ledger import block as b
from ledger import genesis as g
from ledger.merkle import leaf_hash
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import ChainStore, block_entries, read_genesis


def leaves_of(folder: Path) -> tuple[list[bytes], set[bytes]]:
    """(leaf hashes in the log's order, those of them that are block headers), from the block files alone; also beside
    a running node."""
    files = BlockFiles.open_read_only(folder, g.chain_id(read_genesis(folder)))
    try:
        blocks = [b.BLOCK.decode(payload) for _, payload, _ in files.scan(1)]
    finally:
        files.close()
    leaves = [leaf_hash(entry) for block in blocks for entry in block_entries(block)]
    return leaves, {leaf_hash(b.header_leaf(block.header)) for block in blocks}


def acknowledged_of(folder: Path) -> dict[bytes, int]:
    """Every envelope that stands in the log now, by its leaf hash: what a test that is about to do harm calls
    acknowledged."""
    leaves, headers = leaves_of(folder)
    return {leaf: index for index, leaf in enumerate(leaves) if leaf not in headers}


def check_present_once(folder: Path, acknowledged: Mapping[bytes, int], sent: Set[bytes]) -> None:
    leaves, headers = leaves_of(folder)
    assert {leaf: leaves[index] for leaf, index in acknowledged.items()} == {leaf: leaf for leaf in acknowledged}
    assert len(set(leaves)) == len(leaves)
    assert set(leaves) - headers <= sent | acknowledged.keys()


def full_check(folder: Path, acknowledged: Mapping[bytes, int], sent: Set[bytes] = frozenset()) -> None:
    """`acknowledged` are leaf hashes with their places, `sent` those of envelopes that may be there or not. Nobody
    else has the chain open."""
    check_present_once(folder, acknowledged, sent)
    findings = audit_folder(folder, lambda blocks, records: None)
    assert [f"{finding.check}: {finding.detail}" for finding in findings if not finding.holds] == []
    store = ChainStore.open(folder)
    try:
        store.check()
    finally:
        store.close()
