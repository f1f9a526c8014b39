"""Private openings: prices, contacts, hashes of scans, raw readings. They never go through the engine; a record holds
only their seal, so they can be erased without touching a hash."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from ledger.encoding import Codec
from ledger.errors import Malformed
from ledger.fields import Hash, Text
from ledger.limits import OPENING_BYTES_MAX, PRIVATE_HASHES_MAX, QUANTITY_MAX
from ledger.seals import SALT_BYTES, seal


class Private(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands behind a record's private seal; every field is optional.

    address, contact   of the other party, as the purchase/sales book has them
    currency, price    ISO 4217 code; the line's price as a whole, in the currency's minor units (fen)
    documents          SHA-256 of scanned documents
    readings           the raw series behind a temperature window
    """

    address: Text | None = None
    contact: Text | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    documents: Annotated[list[Hash], Meta(max_length=PRIVATE_HASHES_MAX)] = []
    note: Text | None = None
    price: Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] | None = None
    readings: bytes | None = None


PRIVATE: Final[Codec[Private]] = Codec(Private, "private")


def opening_of(salt: bytes, private: Private) -> bytes:
    """The opening (salt, then canonical bytes) whose seal a record holds; Malformed where a field is wrong, or it is
    too large, since no node would keep it."""
    data = PRIVATE.encode(private)
    PRIVATE.decode(data)
    _check_size(salt + data)
    return salt + data


def open_private(record: Any, opening: bytes) -> Private:
    """What stands behind a record's private seal; Malformed where it has none, or the opening is another."""
    _check_size(opening)
    if record.private is None:
        raise Malformed("private", "this record has no private seal")
    if seal(opening) != record.private:
        raise Malformed("private", "the opening does not match the record's private seal")
    return PRIVATE.decode(opening[SALT_BYTES:])


def _check_size(opening: bytes) -> None:
    if not SALT_BYTES < len(opening) <= OPENING_BYTES_MAX:
        raise Malformed("private", f"opening of {len(opening)} bytes, at most {OPENING_BYTES_MAX} are kept")
