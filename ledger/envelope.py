"""Envelopes: an ordered list of records that one member signs once, accepted or refused as a whole.

    header     canonical {chain, count, key, member, not_after, root, time}
    signature  Ed25519 over TAG_ENVELOPE || header
    records    the canonical bytes of each record; `root` is the RFC 6962 tree over them
    openings   for each record its amounts' opening (16-byte salt || canonical bytes), or empty bytes

The id is a tagged hash of the header; the log leaf carries the hash of header and signature. A record's hash
is its RFC 6962 leaf hash under the root.
"""

from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger import limits, merkle
from ledger.encoding import Codec
from ledger.errors import Malformed, Problem, Refused
from ledger.hashing import TAG_ENVELOPE, TAG_ENVELOPE_ID, TAG_ENVELOPE_LEAF, digest
from ledger.records import RECORD, Amounts, Hash, KeyId, MemberId, Record, TimeMs
from ledger.seals import open_amounts
from ledger.wellformed import check_record

SIGNATURE_BYTES: Final = 64
REPEATED: Final = "leave it out, or draw a salt of its own"
MALFORMED: Final = "put this field right, and sign the record anew"
LEAF_KIND_ENVELOPE: Final = b"\x01"


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the member signs. Times are milliseconds since the Unix epoch."""

    chain: Hash
    count: Annotated[int, Meta(ge=1, le=limits.ENVELOPE_RECORDS_MAX)]
    key: KeyId
    member: MemberId
    not_after: TimeMs
    root: Hash
    time: TimeMs


class Envelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The envelope as it travels and is stored: `openings[i]` is empty where record i has no amounts."""

    header: bytes
    signature: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
    records: list[bytes]
    openings: list[bytes]


HEADER: Final = Codec(Header, "envelope header")
ENVELOPE: Final = Codec(Envelope, "envelope")


class Opened(Struct, frozen=True, gc=False):
    """An envelope that is well-formed and whose root and seals hold; its signature is not checked yet."""

    wire: bytes
    envelope: Envelope
    header: Header
    id: bytes
    records: list[Record]
    amounts: list[Amounts | None]
    hashes: list[bytes]

    @property
    def signed_message(self) -> bytes:
        return TAG_ENVELOPE + self.envelope.header

    @property
    def leaf(self) -> bytes:
        return envelope_leaf(self.envelope.header, self.envelope.signature)

    @property
    def digest(self) -> bytes:
        return envelope_digest(self.envelope.header, self.envelope.signature)


def envelope_id(header: bytes) -> bytes:
    return digest(TAG_ENVELOPE_ID, header)


def envelope_leaf(header: bytes, signature: bytes) -> bytes:
    """The log entry of an envelope: public, and silent about who signed it."""
    return LEAF_KIND_ENVELOPE + envelope_digest(header, signature)


def envelope_digest(header: bytes, signature: bytes) -> bytes:
    """What the leaf holds, and every chain element of the envelope's records binds."""
    return digest(TAG_ENVELOPE_LEAF, header, signature)


def open_envelope(wire: bytes, chain_id: bytes) -> Opened:
    """Decode and check all that can be checked without state or clock.

    Raises Malformed where the bytes do not follow the format, Refused (with every problem found in any
    record) where a record's seal or an identifier in it is wrong, or the envelope is for another chain.
    """
    if len(wire) > limits.ENVELOPE_BYTES_MAX:
        raise Malformed("envelope", f"{len(wire)} bytes, at most {limits.ENVELOPE_BYTES_MAX} are taken")
    envelope = ENVELOPE.decode(wire)
    header = HEADER.decode(envelope.header)
    _check_header(header, envelope, chain_id)
    hashes = [sha256(b"\x00" + record).digest() for record in envelope.records]
    if merkle.root(hashes) != header.root:
        raise Malformed("envelope header", "root is not the RFC 6962 root of the records")
    records: list[Record] = []
    amounts: list[Amounts | None] = []
    problems = _repeated(hashes, envelope.openings)
    for index, (data, opening) in enumerate(zip(envelope.records, envelope.openings, strict=True)):
        try:
            record, opened = open_record(data, opening)
            records.append(record)
            amounts.append(opened)
        except Malformed as error:
            field = error.where.removeprefix("record.").removeprefix("amounts.")
            problems.append(Problem("record.malformed", error.message, MALFORMED, index, field))
    if problems:
        raise Refused(problems)
    return Opened(wire, envelope, header, envelope_id(envelope.header), records, amounts, hashes)


def _repeated(hashes: list[bytes], openings: list[bytes]) -> list[Problem]:
    """A record that moves something stands once in an envelope: what answers it names it by its hash, so that two of
    one hash would move goods twice and be answered once."""
    if len(set(hashes)) == len(hashes):
        return []
    seen: dict[bytes, int] = {}
    return [
        Problem("record.twice", f"it is record {first} once more", REPEATED, index, "amounts")
        for index, (name, opening) in enumerate(zip(hashes, openings, strict=True))
        if opening and (first := seen.setdefault(name, index)) != index
    ]


def _check_header(header: Header, envelope: Envelope, chain_id: bytes) -> None:
    if header.chain != chain_id:
        raise Refused(
            [
                Problem(
                    "envelope.other-chain",
                    f"signed for chain {header.chain.hex()}, this is {chain_id.hex()}",
                    "sign it anew for this chain",
                    field="chain",
                )
            ]
        )
    if not header.count == len(envelope.records) == len(envelope.openings):
        raise Malformed(
            "envelope",
            f"header counts {header.count} records, {len(envelope.records)} records and "
            f"{len(envelope.openings)} openings came",
        )
    if not 0 <= header.not_after - header.time <= limits.ENVELOPE_LIFETIME_MS_MAX:
        raise Malformed(
            "envelope header",
            f"not_after must lie at most {limits.ENVELOPE_LIFETIME_MS_MAX} ms after time",
        )


def open_record(data: bytes, opening: bytes) -> tuple[Record, Amounts | None]:
    """A record and its opened amounts, each canonical and matching; Malformed otherwise."""
    if len(data) > limits.RECORD_BYTES_MAX:
        raise Malformed("record", f"{len(data)} bytes, at most {limits.RECORD_BYTES_MAX} are taken")
    record = RECORD.decode(data)
    amounts = open_amounts(record, opening)
    check_record(record, amounts)
    return record, amounts
