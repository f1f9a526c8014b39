"""State as the rules see it: typed rows over a key-value reader, and a draft of what a block writes.

Rows, by the first byte of their key (identifiers are separated by zero bytes):

    m path                       an entry of the state map (`ledger.entries`)
    p owner 0 site 0 lot         Stock: the quantities of a position
    h receiver 0 ship            Handover: an open ship, under the member that is to sign the receive
    c ship                       Closed: how a handover ended, and between whom it was
    r member 0 side ref          Booked: the records that a document line was booked with
    s path                       the holds and recalls in force on a subject
    e envelope id                Accepted: where an envelope stands
    o member 0 leaf              the envelopes of a member, in order
    f path chain number          one element of a chain
    n position kind source       number of a source that has an entry of its own
    v voucher hash               Opens: the position that a voucher opens
    k keeper 0 site 0 lot 0 owner   1 for each position that another member keeps
    l supplier 0 receiver 0 site 0 lot   Pair: what is open and what was delivered between two members
    d supplier 0 claim           Claim: an open claim, under the supplier that is to confirm it
    j claimant 0 claim           the supplier of an open claim
    u unit                       Unit: what is reserved under an SSCC in its newest use
    x ship                       Proposal: one side's correction of a handover that was received
    y member 0 record            InForce: the amounts of a record that was corrected, under its signer
    w gln 0 site                 1 for each site that has this GLN as its code

All rows are canonical, all are covered by the hash of a block's writes.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import IntFlag
from typing import Annotated, Any, Final, Protocol, TypeVar

from msgspec import Meta, Struct

from ledger import entries as e
from ledger.encoding import Codec, encode
from ledger.hashing import HASH_BYTES, TAG_WRITES, digest
from ledger.records import Hash, LotId, MemberId, Quantity, SiteId, TimeMs

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0)]


class Reader(Protocol):
    def get(self, key: bytes) -> bytes | None: ...


class Stock(Struct, frozen=True, array_like=True, gc=False):
    """Quantities of one position in base items, grams beside them where the product is of variable measure.

    held, grams        what is there; `reserved` of it stands packed under an SSCC
    shipped, sold, used, destroyed, lost    what went out: used by transforms and relabels, lost by counts
    missing            shipped, but not received: ended by a count
    irregular          outflows that were accepted but forbidden: after expiry, while held, booked late
    claimed            received, but not booked by the supplier yet; `disputed` of it
    overdrawn          taken away by a correction although it was gone already
    grams_lost         weighing differences: lost less gained
    grams_sold         bounds what can be taken back
    """

    held: Count = 0
    grams: Count = 0
    shipped: Count = 0
    sold: Count = 0
    used: Count = 0
    destroyed: Count = 0
    missing: Count = 0
    irregular: Count = 0
    lost: Count = 0
    reserved: Count = 0
    claimed: Count = 0
    disputed: Count = 0
    overdrawn: Count = 0
    grams_lost: int = 0
    grams_sold: Count = 0
    grams_overdrawn: Count = 0


class End(IntFlag):
    """Where goods of a ship got to: the receiving position, or back to the sender's."""

    ARRIVED = 1
    CAME_BACK = 2


class HandoverFact(Struct, frozen=True, array_like=True):
    """A fact about goods on the way, which each position takes that they get to."""

    adverse: bool
    element: e.Element


class Handover(Struct, frozen=True, array_like=True):
    """An open ship, by its record hash. `sender` signed it; `bits` are those that travel with the goods. `grams` are
    those of what is open, `weight` those of the whole `quantity`; `ends` says where some of it got to, `noted` counts
    the facts about it."""

    ship: Hash
    sender: MemberId
    lot: LotId
    owner: MemberId
    site: SiteId
    to: MemberId
    to_site: SiteId
    quantity: Quantity
    open: Count
    grams: Count
    weight: Count
    bits: Count
    at: TimeMs
    ref: str
    element: e.Element
    returns: bool
    facts: list[HandoverFact]
    ends: Count
    noted: Count


class Closed(Struct, frozen=True, array_like=True, gc=False):
    """How a handover ended: the record that closed it (a receive, a withdraw, a claim, a correction; or the ship
    itself, where it closed claims), and where in the log its ship stands. `in_part` says that some of it had been
    answered before, or was by this. The rest is what a later fact about the way needs."""

    element: e.Element
    leaf: Count
    index: Count
    in_part: bool
    lot: LotId
    owner: MemberId
    site: SiteId
    to: MemberId
    to_site: SiteId
    ends: Count
    noted: Count


class Pair(Struct, frozen=True, array_like=True):
    """Between a supplier and a receiver's site, of one lot: claims and ships that are open, oldest first, so that
    each finds the other in whichever order they come; and how much was delivered and not returned. Their names stand
    one behind the other (`names_in`, `without`): as a list of 64 they took a third of the time of a receive."""

    claims: bytes
    ships: bytes
    delivered: Count


class Claim(Struct, frozen=True, array_like=True):
    """An open claim: so much of it is not confirmed by a ship."""

    claimant: MemberId
    site: SiteId
    lot: LotId
    quantity: Quantity
    open: Count
    grams: Count
    at: TimeMs
    ref: str
    disputed: bool
    element: e.Element


class Line(Struct, frozen=True, array_like=True, gc=False):
    """A quantity of a lot that stands packed."""

    lot: LotId
    quantity: Count
    grams: Count


class Unit(Struct, frozen=True, array_like=True):
    """An SSCC in its newest use: where it was packed, its own lines that are still reserved, and the units on it.
    `depth` counts how deep units stood in one another when it was packed, itself included."""

    use: Count
    owner: MemberId
    site: SiteId
    lines: list[Line]
    units: list[str]
    parent: str
    depth: Count


class Proposal(Struct, frozen=True, array_like=True):
    """One side's correction of a received handover, until the other side's equals it. `owner` to `to_site` are empty
    where the receiver proposed."""

    member: MemberId
    delta: int
    grams: int
    lot: LotId
    owner: str
    site: str
    to: str
    to_site: str
    target: Hash
    instead: bytes
    element: e.Element


class InForce(Struct, frozen=True, array_like=True):
    """What a corrected record's amounts are now; empty: it did not occur."""

    amounts: bytes


class Booked(Struct, frozen=True, array_like=True):
    """Where a document line was booked first: one envelope, in it one record or several, by hash."""

    leaf: Count
    records: list[tuple[int, Hash]]


class Scope(Struct, frozen=True, array_like=True, gc=False):
    """A hold or recall in force, by its record hash (`name`), for lots made from one day to another (YYYYMMDD;
    0 to 99991231: all)."""

    element: e.Element
    name: Hash
    issuer: MemberId
    at: TimeMs
    made_from: Count
    made_until: Count
    closed: bool


class Scopes(Struct, frozen=True, array_like=True):
    scopes: list[Scope]


class Accepted(Struct, frozen=True, array_like=True, gc=False):
    """Where an accepted envelope stands: block height, index in the block, leaf index."""

    height: Count
    index: Count
    leaf: Count


class Link(Struct, frozen=True, array_like=True, gc=False):
    """One element of a chain, with the running hash before it, so that the newest can be shown alone."""

    before: Hash
    element: e.Element


class Holder(Struct, frozen=True, array_like=True):
    """An element of a lot's chain of holders, with the position that came into being."""

    element: e.Element
    owner: MemberId
    site: SiteId


class Opens(Struct, frozen=True, array_like=True):
    """The position that a voucher opens."""

    lot: LotId
    owner: MemberId
    site: SiteId


STOCK: Final = Codec(Stock, "stock row")
HANDOVER: Final = Codec(Handover, "handover row")
CLOSED: Final = Codec(Closed, "closed row")
BOOKED: Final = Codec(Booked, "booked row")
SCOPES: Final = Codec(Scopes, "scopes row")
ACCEPTED: Final = Codec(Accepted, "accepted row")
LINK: Final = Codec(Link, "chain element row")
HOLDER: Final = Codec(Holder, "holder row")
OPENS: Final = Codec(Opens, "voucher row")
NUMBER: Final = Codec(int, "number row")
PAIR: Final = Codec(Pair, "pair row")
CLAIM: Final = Codec(Claim, "claim row")
SUPPLIER: Final = Codec(str, "supplier row")
UNIT: Final = Codec(Unit, "unit row")
PROPOSAL: Final = Codec(Proposal, "proposal row")
IN_FORCE: Final = Codec(InForce, "amounts in force row")

NO_STOCK: Final = Stock()
POLICY_KEY: Final = b"m" + e.POLICY_PATH
NO_PAIR: Final = Pair(b"", b"", 0)


def names_in(row: bytes) -> list[bytes]:
    """The names of a pair's open ships or claims, in order."""
    return [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]


def without(row: bytes, name: bytes) -> bytes:
    """The names but for one; the same where it is not among them."""
    at = row.find(name)
    while at >= 0 and at % HASH_BYTES:
        at = row.find(name, at + 1)
    return row if at < 0 else row[:at] + row[at + HASH_BYTES :]


def stock_key(owner: str, site: str, lot: str) -> bytes:
    return f"p{owner}\x00{site}\x00{lot}".encode()


def handover_key(receiver: str, ship: bytes) -> bytes:
    return b"h" + receiver.encode() + b"\x00" + ship


def kept_key(keeper: str, site: str, lot: str, owner: str) -> bytes:
    return f"k{keeper}\x00{site}\x00{lot}\x00{owner}".encode()


def pair_key(supplier: str, receiver: str, site: str, lot: str) -> bytes:
    return f"l{supplier}\x00{receiver}\x00{site}\x00{lot}".encode()


def claim_key(supplier: str, claim: bytes) -> bytes:
    return b"d" + supplier.encode() + b"\x00" + claim


def own_claim_key(claimant: str, claim: bytes) -> bytes:
    return b"j" + claimant.encode() + b"\x00" + claim


def in_force_key(signer: str, record: bytes) -> bytes:
    return b"y" + signer.encode() + b"\x00" + record


def unit_key(unit: str) -> bytes:
    return b"u" + unit.encode()


def gln_key(gln: str, site: str) -> bytes:
    return f"w{gln}\x00{site}".encode()


def booked_key(member: str, side: str, ref: str) -> bytes:
    return f"r{member}\x00{side}{ref}".encode()


def own_key(member: str, leaf: int) -> bytes:
    return b"o" + member.encode() + b"\x00" + leaf.to_bytes(8, "big")


def element_key(path: bytes, chain: bytes, number: int) -> bytes:
    return b"f" + path + chain + number.to_bytes(8, "big")


class Cache:
    """Decoded rows across blocks, in two generations: what is not asked for again is dropped.

    Rows are immutable, so a cached one is as good as a read one; the writer of blocks keeps it current.
    """

    def __init__(self, rows_max: int = 100_000) -> None:
        self._young: dict[bytes, Any] = {}
        self._old: dict[bytes, Any] = {}
        self._rows_max = rows_max

    def get(self, key: bytes) -> Any:
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self._young[key] = value
        return value

    def put(self, key: bytes, value: Any) -> None:
        self._young[key] = value
        if len(self._young) > self._rows_max:
            self._old, self._young = self._young, {}

    def drop(self, key: bytes) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


DELETED: Final = object()


class Draft:
    """What the envelopes of one block read and write. Nothing reaches the reader; `writes` hands it out.

    Writes of the envelope at hand are kept apart until `keep`, so that `drop` undoes a refused one.
    """

    def __init__(self, reader: Reader, cache: Cache | None = None) -> None:
        self._read = reader.get
        self._cache = cache if cache is not None else Cache()
        self._block: dict[bytes, Any] = {}
        self._envelope: dict[bytes, Any] = {}

    def get(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """The row at `key`, or None. `decode` is the trusted decoder of its codec."""
        value = self._envelope.get(key)
        if value is None:
            value = self._block.get(key)
            if value is None:
                value = self._cache.get(key)
                if value is None:
                    data = self._read(key)
                    if data is None:
                        return None
                    value = decode(data)
                    self._cache.put(key, value)
        return None if value is DELETED else value

    def put(self, key: bytes, value: Struct | int | str) -> None:
        self._envelope[key] = value

    def delete(self, key: bytes) -> None:
        self._envelope[key] = DELETED

    def wrote(self, key: bytes) -> bool:
        """Whether a kept envelope writes this row."""
        return key in self._block

    def keep(self) -> None:
        self._block.update(self._envelope)
        self._envelope.clear()

    def drop(self) -> None:
        self._envelope.clear()

    def writes(self) -> list[tuple[bytes, bytes | None]]:
        """All kept writes in order of key; None deletes."""
        rows = self._block
        return [(key, None if rows[key] is DELETED else encode(rows[key])) for key in sorted(rows)]

    def publish(self) -> None:
        """After the writes were stored: let later blocks see them in the cache."""
        for key, value in self._block.items():
            if value is DELETED:
                self._cache.drop(key)
            else:
                self._cache.put(key, value)

    # Typed reads of the map's entries, which nearly every rule needs.

    def product(self, product: str) -> e.ProductEntry | None:
        return self.get(b"m" + e.product_path(product), e.PRODUCT.decode_trusted)

    def lot(self, lot: str) -> e.LotEntry | None:
        return self.get(b"m" + e.lot_path(lot), e.LOT.decode_trusted)

    def member(self, member: str) -> e.MemberEntry | None:
        return self.get(b"m" + e.member_path(member), e.MEMBER.decode_trusted)

    def key(self, member: str, key: bytes) -> e.KeyEntry | None:
        return self.get(b"m" + e.key_path(member, key), e.KEY.decode_trusted)

    def site(self, site: str) -> e.SiteEntry | None:
        return self.get(b"m" + e.site_path(site), e.SITE.decode_trusted)

    def policy(self) -> e.PolicyEntry:
        """Of the validators in office; the genesis writes the first one."""
        entry = self.get(POLICY_KEY, e.POLICY.decode_trusted)
        if entry is None:
            raise ValueError("the state names no validators")
        return entry

    def position(self, path: bytes) -> e.PositionEntry | None:
        return self.get(b"m" + path, e.POSITION.decode_trusted)

    def stock(self, owner: str, site: str, lot: str) -> Stock:
        return self.get(stock_key(owner, site, lot), STOCK.decode_trusted) or NO_STOCK


def policy_in(reader: Reader) -> e.PolicyEntry:
    """Of the validators in office at one version of a chain."""
    return Draft(reader).policy()


def writes_hash(writes: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """Hash of a block's ordered writes: key length u16, key, value length u32 (all ones: deleted), value."""
    parts: list[bytes] = []
    for key, value in writes:
        if value is None:
            parts += (len(key).to_bytes(2, "big"), key, b"\xff\xff\xff\xff")
        else:
            parts += (len(key).to_bytes(2, "big"), key, len(value).to_bytes(4, "big"), value)
    return digest(TAG_WRITES, *parts)


def map_entries(writes: Sequence[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes]]:
    """(path, value) of the writes that are entries of the state map, in order of path."""
    for key, value in writes:
        if key[:1] == b"m" and value is not None:
            yield key[1:], value
