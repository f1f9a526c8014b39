"""Seals: a record holds the hash of its amounts; the opening (salt, then the canonical amounts) proves them. The salt
keeps amounts and record hashes from being guessed."""

from hashlib import sha256
from typing import Final

from ledger.errors import Malformed
from ledger.hashing import TAG_SEAL
from ledger.limits import OPENING_BYTES_MAX
from ledger.records import AMOUNTS, Amounts, Record

SALT_BYTES: Final = 16


def seal(opening: bytes) -> bytes:
    """The seal of an opening (salt || canonical bytes)."""
    return sha256(TAG_SEAL + opening).digest()


def open_amounts(record: Record, opening: bytes) -> Amounts | None:
    """The amounts behind a record's seal, None where its act has none; Malformed where the opening is another."""
    codec = AMOUNTS.get(type(record))
    if codec is None:
        if opening:
            raise Malformed("amounts", "an opening came for an act that has no amounts")
        return None
    if not SALT_BYTES < len(opening) <= OPENING_BYTES_MAX:
        raise Malformed("amounts", f"opening of {len(opening)} bytes: 16 bytes of salt and the amounts expected")
    if sha256(TAG_SEAL + opening).digest() != record.amounts:  # type: ignore[union-attr]
        raise Malformed("amounts", "the opening does not match the record's seal")
    return codec.decode(opening[SALT_BYTES:])
