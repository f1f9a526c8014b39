"""Building envelopes: acts in, signed bytes out. No network; salts are drawn here.

An `Act` is a record with its amounts before it is sealed. `envelopes` seals acts, fills envelopes up to the
limits, and signs each once.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from msgspec import Struct, structs

from client_sdk.keys import Identity
from ledger import limits, merkle, signature
from ledger import records as r
from ledger.encoding import Codec
from ledger.envelope import ENVELOPE, HEADER, Envelope, Header, envelope_id, envelope_leaf
from ledger.errors import Malformed
from ledger.hashing import TAG_ENVELOPE
from ledger.private import Private, opening_of
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
    private: Private | None = None


class Sealed(Struct, frozen=True):
    """A record ready to be signed, with the openings of its seals (empty where it has none)."""

    record: bytes
    opening: bytes
    private: bytes = b""

    @property
    def size(self) -> int:
        return len(self.record) + len(self.opening) + ROW_ROOM_BYTES


class Earlier(Struct, frozen=True):
    """An own record that was booked, and the opening of its amounts: what a correction brings along."""

    record: bytes
    opening: bytes


class SignedEnvelope(Struct, frozen=True):
    """An envelope ready to be sent; `hashes` name its records, in order (a ship's hash is what is received);
    `private` are the private openings by index, which go to the nodes that the member names, apart."""

    wire: bytes
    id: bytes
    leaf: bytes
    hashes: list[bytes]
    private: dict[int, bytes]


def act(kind: type, amounts: r.Amounts | None = None, /, **fields: Any) -> Act:
    """An act of any kind; texts are brought into Unicode's composed form (NFC) before they are signed."""
    return Act(kind, {name: _normal(value) for name, value in fields.items() if value is not None}, amounts)


def with_private(one: Act, private: Private) -> Act:
    """The act with data behind its private seal: prices, contacts, hashes of scans."""
    texts = {name: _normal(getattr(private, name)) for name in private.__struct_fields__}
    return structs.replace(one, private=structs.replace(private, **texts))


def _normal(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) and not value.isascii() else value


def ship(
    *, lot: str, quantity: int, ref: str, at: int, site: str, to: str, to_site: str | None = None,
    grams: int | None = None, owner: str | None = None, unit: str | None = None, claim: bytes | None = None,
    returns: bool = False,
) -> Act:  # fmt: skip
    """Hand a lot over to `to` (by default at its main site). `at` is when it left, in ms since the epoch. `claim`
    names the claim that it answers, `returns` says that it goes back to where it was delivered from."""
    return act(
        r.Ship, r.Moved(grams=grams, quantity=quantity, ref=ref), at=at, claim=claim, lot=lot, owner=owner,
        returns=returns or None, site=site, to=to, to_site=to_site or f"{to}/main", unit=unit,
    )  # fmt: skip


def receive(
    *, ship: bytes, lot: str, ref: str, at: int, accepted: int | None = None, refused: int | None = None,
    short: int | None = None, destroyed: int | None = None, grams: int | None = None,
) -> Act:  # fmt: skip
    """Answer a ship, in whole or in part; `grams` is what the accepted part weighed."""
    parts = r.Received(accepted=accepted, destroyed=destroyed, grams=grams, ref=ref, refused=refused, short=short)
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


def claim(
    *, lot: str, quantity: int, ref: str, at: int, site: str, supplier: str, production: int | None = None,
    expiry: int | None = None, grams: int | None = None,
) -> Act:  # fmt: skip
    """Goods that came from a member that has not booked its ship yet; usable onward at once."""
    amounts = r.Moved(grams=grams, quantity=quantity, ref=ref)
    return act(r.Claim, amounts, at=at, expiry=expiry, lot=lot, production=production, site=site, supplier=supplier)


def dispute(*, claim: bytes, claimant: str, lot: str, reason: str, at: int) -> Act:
    """Say that one delivered no such goods; `claim` is the claim's record hash."""
    return act(r.Dispute, at=at, claim=claim, claimant=claimant, lot=lot, reason=reason)


def count(
    *, lot: str, book: int, found: int, ref: str, at: int, site: str, kind: r.CountKind = r.CountKind.PERIODIC,
    missing: int | None = None, owner: str | None = None, production: int | None = None, expiry: int | None = None,
    book_grams: int | None = None, found_grams: int | None = None,
) -> Act:  # fmt: skip
    """Stock-taking: what the book said at `at`, and what was found."""
    amounts = r.Counted(
        book=book, book_grams=book_grams, found=found, found_grams=found_grams, missing=missing, ref=ref
    )
    fields = {"expiry": expiry, "lot": lot, "owner": owner, "production": production, "site": site}
    return act(r.Count, amounts, at=at, kind=kind, **fields)


def take_back(*, lot: str, quantity: int, ref: str, at: int, site: str, grams: int | None = None) -> Act:
    return act(r.TakeBack, r.Moved(grams=grams, quantity=quantity, ref=ref), at=at, lot=lot, site=site)


def destroy(
    *, lot: str, quantity: int, ref: str, at: int, site: str, reason: r.DestroyReason = r.DestroyReason.OTHER,
    owner: str | None = None, grams: int | None = None,
) -> Act:  # fmt: skip
    amounts = r.Moved(grams=grams, quantity=quantity, ref=ref)
    return act(r.Destroy, amounts, at=at, lot=lot, owner=owner, reason=reason, site=site)


def transform(
    *, inputs: dict[str, int], outputs: dict[str, int], production: int, ref: str, at: int, site: str,
    expiry: int | None = None, grams_in: list[int] | None = None, grams_out: list[int] | None = None,
) -> Act:  # fmt: skip
    """Lots in, lots out (lot -> quantity), all outputs made on one day. Weights in the order of the lots, 0 where the
    product is not of variable measure."""
    amounts = r.Transformed(
        grams_in=grams_in, grams_out=grams_out, inputs=list(inputs.values()), outputs=list(outputs.values()), ref=ref
    )
    made = [r.Output(expiry=expiry, lot=lot, production=production) for lot in outputs]
    return act(r.Transform, amounts, at=at, inputs=list(inputs), outputs=made, site=site)


def relabel(
    *, lot: str, to_lot: str, quantity: int, ref: str, at: int, site: str, grams: int | None = None,
    production: int | None = None, expiry: int | None = None,
) -> Act:  # fmt: skip
    """Move quantity from a mistaken lot to the right one."""
    amounts = r.Moved(grams=grams, quantity=quantity, ref=ref)
    return act(r.Relabel, amounts, at=at, expiry=expiry, lot=lot, production=production, site=site, to_lot=to_lot)


def pack(
    *, unit: str, lines: dict[str, int], ref: str, at: int, site: str, use: int = 1, units: Iterable[str] = (),
    owner: str | None = None, grams: list[int] | None = None,
) -> Act:  # fmt: skip
    """Reserve lines (lot -> quantity) under an SSCC, with other packed units on it. Ship it line by line, with
    `unit`."""
    amounts = r.Packed(grams=grams, quantities=list(lines.values()), ref=ref)
    return act(
        r.Pack, amounts, at=at, lots=list(lines), owner=owner, site=site, unit=unit, units=list(units), use=use
    )


def unpack(*, unit: str, at: int, site: str, use: int = 1, owner: str | None = None) -> Act:
    return act(r.Unpack, at=at, owner=owner, site=site, unit=unit, use=use)


def correct(
    earlier: Earlier, instead: r.Amounts | None, *, reason: str, ref: str, at: int, production: int | None = None,
    expiry: int | None = None,
) -> Act:  # fmt: skip
    """An earlier own record had wrong amounts (`instead`: the right ones, under the same ref), or did not occur."""
    record: Any = r.RECORD.decode(earlier.record)
    right = None if instead is None else r.AMOUNTS[type(record)].encode(instead)
    amounts = r.Corrected(earlier=earlier.record, instead=right, opening=earlier.opening, ref=ref)
    lot = record.inputs[0] if isinstance(record, r.Transform) else getattr(record, "lot", "")
    target = merkle.leaf_hash(earlier.record)
    return act(r.Correct, amounts, at=at, expiry=expiry, lot=lot, production=production, reason=reason, target=target)


def sealed(one: Act) -> Sealed:
    """An act with its seals, under salts drawn here; Malformed where a field is wrong, before anything is signed."""
    fields, opening, private = dict(one.fields), b"", b""
    if one.private is not None:
        private = opening_of(os.urandom(SALT_BYTES), one.private)
        fields["private"] = seal(private)
    if one.amounts is not None:
        opening = os.urandom(SALT_BYTES) + _bytes(r.AMOUNTS[one.kind], one.amounts)
        fields["amounts"] = seal(opening)
    try:
        record = one.kind(**fields)
    except TypeError as error:
        raise Malformed(one.kind.__name__.lower(), str(error)) from None
    check_record(record, one.amounts)
    return Sealed(_bytes(r.RECORD, record), opening, private)


def _bytes(codec: Codec[Any], value: Any) -> bytes:
    """Canonical bytes, held against the bounds of every field."""
    try:
        data = codec.encode(value)
    except UnicodeError as error:
        raise Malformed(codec.name, f"a text is not UTF-8: {error}") from None
    except OverflowError:
        raise Malformed(codec.name, f"a number lies beyond {limits.INTEGER_MAX}") from None
    codec.decode(data)
    return data


def envelopes(
    acts: Iterable[Act],
    identity: Identity,
    chain: bytes,
    now_ms: int,
    records_max: int = RECORDS_AN_ENVELOPE,
) -> Iterator[SignedEnvelope]:
    """Sign acts in order, in as few envelopes as `records_max` and the limits allow. Neighbours that share a document
    line stay in one envelope, as the rules want it: Malformed where they do not fit into one."""
    batch: list[Sealed] = []
    size = HEADER_ROOM_BYTES
    for _, group in groupby(acts, _line):
        together = [sealed(one) for one in group]
        added = sum(one.size for one in together)
        if batch and (len(batch) + len(together) > records_max or size + added > limits.ENVELOPE_BYTES_MAX):
            yield signed(batch, identity, chain, now_ms)
            batch, size = [], HEADER_ROOM_BYTES
        if len(together) > limits.ENVELOPE_RECORDS_MAX or HEADER_ROOM_BYTES + added > limits.ENVELOPE_BYTES_MAX:
            raise Malformed(
                "ref", f"{len(together)} records share one document line; they do not fit into an envelope"
            )
        batch += together
        size += added
    if batch:
        yield signed(batch, identity, chain, now_ms)


def _line(one: Act) -> str | int:
    """What neighbours in one envelope share: a document line; an act without one stands alone."""
    return one.amounts.ref if one.amounts is not None else id(one)


def signed(batch: Sequence[Sealed], identity: Identity, chain: bytes, now_ms: int) -> SignedEnvelope:
    """One envelope over sealed records."""
    return assembled(batch, *signed_header(batch, identity, chain, now_ms))


def signed_header(
    batch: Sequence[Sealed], identity: Identity, chain: bytes, now_ms: int, lifetime_ms: int = LIFETIME_MS
) -> tuple[bytes, bytes]:
    """(header, signature) over sealed records, good for `lifetime_ms`."""
    header = HEADER.encode(
        Header(
            chain=chain,
            count=len(batch),
            key=identity.key_id,
            member=identity.member,
            not_after=now_ms + lifetime_ms,
            root=merkle.root([merkle.leaf_hash(one.record) for one in batch]),
            time=now_ms,
        )
    )
    return header, signature.sign(identity.seed, TAG_ENVELOPE + header)


def assembled(batch: Sequence[Sealed], header: bytes, signature_bytes: bytes) -> SignedEnvelope:
    """The envelope of sealed records and their signed header; the same parts give the same bytes."""
    records = [one.record for one in batch]
    wire = ENVELOPE.encode(Envelope(header, signature_bytes, records, [one.opening for one in batch]))
    private = {number: one.private for number, one in enumerate(batch) if one.private}
    hashes = [merkle.leaf_hash(record) for record in records]
    leaf = merkle.leaf_hash(envelope_leaf(header, signature_bytes))
    return SignedEnvelope(wire, envelope_id(header), leaf, hashes, private)
