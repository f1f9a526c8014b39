"""The product proof: everything a reader needs to check a product's way, in one canonical file.

checkpoint   signed note with the cosignatures
header       the block header that is the log's last leaf, and `header_proof`, its inclusion path
map          state-map proof (`ledger.mapproof`) of every entry that is used
chains       the lists behind chain heads: adverse facts whole, other facts their newest
envelopes    leaf index, header and signature of each envelope that a shown record came in
hashes       the hashes of all inclusion paths of records, each once
records      each record shown, with its place in its envelope and the path to the envelope's root
steps        from each policy of the validators to its successor, for readers who pinned an earlier one
position     owner and site of the position that the way starts from; absent without a way
product      what was asked for, as scanned: the trade item's code
lot          ... and its lot number, in the form that follows the product in a lot id (`#L1`, `@20260101`)
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger.encoding import Codec
from ledger.entries import Count, Element
from ledger.errors import VerifyFailed
from ledger.limits import FACTS_SHOWN_MAX, POLICY_STEPS_ENTRIES_MAX, PROOF_BYTES_MAX
from ledger.records import Hash, MemberId, ProductId, SiteId
from ledger.succession import Step

MAGIC: Final = b"suyuan product proof v1\n"
BUNDLE_FORMAT: Final = "suyuan product bundle v1"  # the same as JSON, with the question


class ShownChain(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A chain of the entry at `path`: `skipped` elements stand only in `before`, the others are shown."""

    path: Hash
    name: bytes
    skipped: Count
    before: Hash
    elements: list[Element]


class ShownEnvelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`leaf` is where it stands in the log, by which the elements of chains name it."""

    leaf: Count
    header: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class ShownRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`envelope` counts in `envelopes`, `index` is the record's place in it, `path` its RFC 6962 inclusion, each
    hash as a number in `hashes`: records of one envelope share most of theirs."""

    envelope: Count
    index: Count
    record: bytes
    path: Annotated[list[Count], Meta(max_length=16)]


class PositionName(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    owner: MemberId
    site: SiteId


class ProductProof(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    chains: list[ShownChain]
    checkpoint: bytes
    envelopes: list[ShownEnvelope]
    hashes: list[Hash]
    header: bytes
    header_proof: Annotated[list[Hash], Meta(max_length=64)]
    lot: Annotated[str, Meta(min_length=2, max_length=32)]
    map: bytes
    position: PositionName | None = None
    product: ProductId
    records: list[ShownRecord]
    steps: Annotated[list[Step], Meta(max_length=POLICY_STEPS_ENTRIES_MAX)] = []


PROOF: Final = Codec(ProductProof, "product proof")
SHOWN_OF_OTHER_FACTS: Final = FACTS_SHOWN_MAX


def to_file(proof: bytes) -> bytes:
    return MAGIC + proof


def from_file(data: bytes) -> bytes:
    """The proof in a file; VerifyFailed where it is not one."""
    if not data.startswith(MAGIC):
        raise VerifyFailed("file", f"it does not begin with {MAGIC!r}, so it is no product proof")
    if len(data) > PROOF_BYTES_MAX:
        raise VerifyFailed("file", f"{len(data)} bytes, at most {PROOF_BYTES_MAX} are read")
    return data[len(MAGIC) :]
