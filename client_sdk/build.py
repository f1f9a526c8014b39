"""Building envelopes: acts in, signed bytes out. No network; salts are drawn here.

An `Act` is a record with its amounts before it is sealed. `envelopes` seals acts, fills envelopes up to the
limits, and signs each once.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from client_sdk.keys import Identity
from ledger import limits, merkle, signature
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER, Envelope, Header, envelope_id, envelope_leaf
from ledger.errors import Malformed
from ledger.hashing import TAG_ENVELOPE
from ledger.seals import SALT_BYTES, seal
from ledger.wellformed import check_record

LIFETIME_MS: Final = 24 * 3600 * 1000
RECORDS_AN_ENVELOPE: Final = 100
HEADER_ROOM_BYTES: Final = 1024
ROW_ROOM_BYTES: Final = 8  # lengths of a record and its opening


class Act(Struct, frozen=True):
    """One act: the record's type and fields (without its seal), and its amounts if it has any."""

    kind: type
    fields: dict[str, Any]
    amounts: r.Amounts | None = None


class SignedEnvelope(Struct, frozen=True):
    """An envelope ready to be sent; `hashes` name its records, in order (a ship's hash is what is received)."""

    wire: bytes
    id: bytes
    leaf: bytes
    hashes: list[bytes]


def act(kind: type, amounts: r.Amounts | None = None, /, **fields: Any) -> Act:
    """An act of any kind; texts are brought into Unicode's composed form (NFC) before they are signed."""
    return Act(kind, {name: _normal(value) for name, value in fields.items() if value is not None}, amounts)


def _normal(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) and not value.isascii() else value


def ship(
    *, lot: str, quantity: int, ref: str, at: int, site: str, to: str, to_site: str | None = None,
    grams: int | None = None, owner: str | None = None, unit: str | None = None,
) -> Act:  # fmt: skip
    """Hand a lot over to `to` (by default at its main site). `at` is when it left, in ms since the epoch."""
    return act(
        r.Ship, r.Moved(grams=grams, quantity=quantity, ref=ref),
        at=at, lot=lot, owner=owner, site=site, to=to, to_site=to_site or f"{to}/main", unit=unit,
    )  # fmt: skip


def receive(
    *, ship: bytes, lot: str, ref: str, at: int, accepted: int | None = None, refused: int | None = None,
    short: int | None = None, destroyed: int | None = None,
) -> Act:  # fmt: skip
    """Answer a ship, in whole or in part."""
    parts = r.Received(accepted=accepted, destroyed=destroyed, ref=ref, refused=refused, short=short)
    return act(r.Receive, parts, at=at, lot=lot, ship=ship)


def withdraw(*, ship: bytes, to: str, lot: str, ref: str, at: int) -> Act:
    """Cancel what is still open of an own ship; `to` is the member that was to sign the receive."""
    return act(r.Withdraw, r.Withdrawn(ref=ref), at=at, lot=lot, ship=ship, to=to)


def sell(
    *, lot: str, quantity: int, ref: str, at: int, site: str, buyer: r.SaleTo = r.SaleTo.CONSUMER,
    grams: int | None = None,
) -> Act:  # fmt: skip
    return act(r.Sell, r.Moved(grams=grams, quantity=quantity, ref=ref), at=at, buyer=buyer, lot=lot, site=site)


def enter(
    *, lot: str, quantity: int, ref: str, at: int, site: str, production: int | None = None,
    expiry: int | None = None, grams: int | None = None,
) -> Act:  # fmt: skip
    """Stock bought from a supplier outside the ledger; shown as one signature."""
    amounts = r.Moved(grams=grams, quantity=quantity, ref=ref)
    return act(r.Enter, amounts, at=at, expiry=expiry, lot=lot, production=production, site=site)


def commission(
    *, lot: str, quantity: int, ref: str, at: int, site: str, production: int, expiry: int | None = None,
    serials: bytes | None = None, grams: int | None = None,
) -> Act:  # fmt: skip
    amounts = r.Moved(grams=grams, quantity=quantity, ref=ref)
    return act(
        r.Commission, amounts, at=at, expiry=expiry, lot=lot, production=production, serials=serials, site=site
    )


def move(*, lot: str, quantity: int, ref: str, at: int, site: str, to_site: str, grams: int | None = None) -> Act:
    return act(r.Move, r.Moved(grams=grams, quantity=quantity, ref=ref), at=at, lot=lot, site=site, to_site=to_site)


def sealed(one: Act, salt: bytes) -> tuple[bytes, bytes]:
    """(record bytes, opening) of an act; Malformed where a field is wrong, before anything is signed."""
    try:
        if one.amounts is None:
            record = one.kind(**one.fields)
            opening = b""
        else:
            opening = salt + r.AMOUNTS[one.kind].encode(one.amounts)
            record = one.kind(amounts=seal(opening), **one.fields)
    except TypeError as error:
        raise Malformed(one.kind.__name__.lower(), str(error)) from None
    check_record(record, one.amounts)
    return r.RECORD.encode(record), opening


def envelopes(
    acts: Iterable[Act], identity: Identity, chain: bytes, now_ms: int, records_max: int = RECORDS_AN_ENVELOPE
) -> Iterator[SignedEnvelope]:
    """Sign acts in order, in as few envelopes as `records_max` and the limits allow."""
    records: list[bytes] = []
    openings: list[bytes] = []
    size = HEADER_ROOM_BYTES
    for one in acts:
        record, opening = sealed(one, os.urandom(SALT_BYTES))
        added = len(record) + len(opening) + ROW_ROOM_BYTES
        if len(records) >= records_max or size + added > limits.ENVELOPE_BYTES_MAX:
            yield signed(records, openings, identity, chain, now_ms)
            records, openings, size = [], [], HEADER_ROOM_BYTES
        records.append(record)
        openings.append(opening)
        size += added
    if records:
        yield signed(records, openings, identity, chain, now_ms)


def signed(
    records: list[bytes], openings: list[bytes], identity: Identity, chain: bytes, now_ms: int
) -> SignedEnvelope:
    """One envelope over sealed records."""
    hashes = [merkle.leaf_hash(record) for record in records]
    header = HEADER.encode(
        Header(
            chain=chain,
            count=len(records),
            key=identity.key_id,
            member=identity.member,
            not_after=now_ms + LIFETIME_MS,
            root=merkle.root(hashes),
            time=now_ms,
        )
    )
    signature_bytes = signature.sign(identity.seed, TAG_ENVELOPE + header)
    wire = ENVELOPE.encode(Envelope(header, signature_bytes, records, openings))
    return SignedEnvelope(wire, envelope_id(header), _leaf(header, signature_bytes), hashes)


def _leaf(header: bytes, signature_bytes: bytes) -> bytes:
    return merkle.leaf_hash(envelope_leaf(header, signature_bytes))
