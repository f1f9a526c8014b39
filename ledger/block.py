"""Blocks: the order of envelopes, and a header that binds them to time, state and all that came before.

The header is the last leaf of its block, so the last leaf of every checkpoint is a block header, and the log
root covers the state. A block in which nothing was accepted does not exist.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger import limits
from ledger.encoding import Codec
from ledger.errors import UnknownRules
from ledger.hashing import TAG_HEADER, digest
from ledger.records import Hash, TimeMs

LEAF_KIND_BLOCK: Final = b"\x02"
RULES_KNOWN: Final = (1,)  # versions of the rules that this program runs
RULES_VERSION: Final = RULES_KNOWN[-1]  # of a new chain


class BlockHeader(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`first` is the leaf index of the first envelope, `count` the number of envelopes, so the header's own leaf
    index is first + count. `previous` is the hash of the header before, or the chain id; `state` the root of the
    state map after the block; `writes` the hash of its ordered writes. Time is in ms since the Unix epoch."""

    chain: Hash
    count: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    first: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)]
    height: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    previous: Hash
    rules: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    state: Hash
    time: TimeMs
    writes: Hash


class Block(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The block as it is stored and served: the header's bytes and each envelope's bytes."""

    header: bytes
    envelopes: list[bytes]


HEADER: Final = Codec(BlockHeader, "block header")
BLOCK: Final = Codec(Block, "block")


def require_known(rules: int) -> None:
    """UnknownRules where a block is to be made by rules that came after this program."""
    if rules not in RULES_KNOWN:
        raise UnknownRules(rules, RULES_KNOWN[-1])


def header_hash(header: bytes) -> bytes:
    return digest(TAG_HEADER, header)


def header_leaf(header: bytes) -> bytes:
    return LEAF_KIND_BLOCK + header


def envelope_spans(block: bytes, envelopes: list[bytes]) -> list[tuple[int, int]]:
    """(start, length) of each envelope in the block's bytes. They stand last, each behind its bin length."""
    at = len(block)
    spans: list[tuple[int, int]] = []
    for envelope in reversed(envelopes):
        at -= len(envelope)
        spans.append((at, len(envelope)))
        at -= 2 if len(envelope) < 1 << 8 else 3 if len(envelope) < 1 << 16 else 5
    spans.reverse()
    return spans
