"""What the state map proves: one canonical value per subject, and the chains inside it.

The key of an entry is a kind and the subject's identifiers, separated by zero bytes (no identifier holds one);
its path in the map is a tagged hash of the key. Members, keys, sites, products and lots live in the public
half, positions and their further ways in the other.
"""

from enum import IntEnum, IntFlag
from functools import lru_cache
from hashlib import sha256
from struct import Struct as Packed
from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger import limits
from ledger.encoding import Codec
from ledger.fields import RulesVersion, Validators
from ledger.hashing import TAG_CHAIN, TAG_SIGNED_RECORD, digest
from ledger.records import (
    Act,
    Code,
    Day,
    DeclaredBy,
    Hash,
    KeyLimits,
    LotId,
    MemberId,
    MemberKind,
    MilliCelsius,
    Name,
    Permille,
    ProductId,
    PublicKey,
    SiteId,
    Small,
    TimeMs,
)
from ledger.statemap import POSITIONS, PUBLIC, path_of


class Bit(IntFlag):
    """Status bits of lots and positions, set by the rules."""

    HELD = 1
    RECALLED = 2
    FAILED_TEST = 4
    BREACHED = 8
    OPEN_CLAIM = 16
    DISPUTED_CLAIM = 32
    ONE_SIGNATURE = 64
    REENTRY = 128
    NOT_COMMISSIONED = 256
    ANCESTRY_IN_PART = 512
    ADVERSE_FACT = 1024
    MORE_OUT_THAN_IN = 2048
    WEIGHT_LOST = 4096
    OPEN_CLAIM_BEFORE = 8192
    DISPUTED_CLAIM_BEFORE = 16384
    HELD_BEFORE = 32768
    RECALLED_BEFORE = 65536
    OPEN_CLAIM_BEHIND = 131072
    DISPUTED_CLAIM_BEHIND = 262144


# Plain integers, since rules test them for every record and a flag's operators are slow.
IN_FORCE: Final = int(Bit.HELD | Bit.RECALLED)
OWN_CLAIMS: Final = int(Bit.OPEN_CLAIM | Bit.DISPUTED_CLAIM)
CLAIMS_BEFORE: Final = int(Bit.OPEN_CLAIM_BEFORE | Bit.DISPUTED_CLAIM_BEFORE)
CLAIMS_BEHIND: Final = int(Bit.OPEN_CLAIM_BEHIND | Bit.DISPUTED_CLAIM_BEHIND)
IN_FORCE_BEFORE: Final = int(Bit.HELD_BEFORE | Bit.RECALLED_BEFORE)
_CLAIM_SHIFT: Final = 9  # from a claim's bit to the bit that says: claimed before it came here
_BEHIND_SHIFT: Final = 4  # from the bit for a claim before to the bit that says: its position is not on the way
_IN_FORCE_SHIFT: Final = 15  # from a hold's bit to the bit that says: held before it came here


def passed_on(bits: int) -> int:
    """What travels with the goods: every bit. A hold and an open claim stay where they are, since they may yet be
    lifted or confirmed there; what leaves carries that it was held, or claimed."""
    stay = bits & (OWN_CLAIMS | IN_FORCE | CLAIMS_BEHIND)
    before = (stay & OWN_CLAIMS) << _CLAIM_SHIFT | (stay & CLAIMS_BEHIND) >> _BEHIND_SHIFT
    return bits & ~stay | before | (stay & IN_FORCE) << _IN_FORCE_SHIFT


def behind(bits: int) -> int:
    """Bits that goods carry, where they come to out of sight of the way: a claim before shows there for good."""
    return bits & ~CLAIMS_BEFORE | (bits & CLAIMS_BEFORE) << _BEHIND_SHIFT


Count = Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)]


class WayKind(IntEnum):
    """How goods got into a position. Handovers, moves and relabels come from another position; returns do too, and
    are counted, not followed."""

    HANDOVER = 1
    MOVE = 2
    COMMISSION = 3
    TRANSFORM = 4
    ENTER = 5
    CLAIM = 6
    COUNT = 7
    TAKE_BACK = 8
    CORRECT = 9
    RELABEL = 10
    RETURN = 11


class Element(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One record in a chain: its act, the block's time, where in the log it stands, and `signed_record` of it."""

    act: Act
    time: TimeMs
    leaf: Count
    index: Annotated[int, Meta(ge=0, le=limits.ENVELOPE_RECORDS_MAX - 1)]
    signed: Hash


_ELEMENT = Packed(">BQQI")


def signed_record(envelope: bytes, record: bytes) -> bytes:
    """Binds a record, by its hash, to the envelope it came in, by the digest of header and signature in the log's
    leaf: who shows the record under another member's or key's signature shows another chain."""
    return sha256(TAG_SIGNED_RECORD + envelope + record).digest()


def chain_start(path: bytes, name: bytes) -> bytes:
    """h0 of a chain of the entry at `path`; `name` is one of CHAIN_ADVERSE, CHAIN_FACTS, CHAIN_HOLDERS, CHAIN_WAY."""
    return digest(TAG_CHAIN, path, name)


def chain_next(head: bytes, element: Element) -> bytes:
    """h(n) = H(tag, h(n-1), act, block time, leaf index, record index, signed record)."""
    where = _ELEMENT.pack(element.act, element.time, element.leaf, element.index)
    return sha256(TAG_CHAIN + head + where + element.signed).digest()


CHAIN_ADVERSE: Final = b"a"
CHAIN_FACTS: Final = b"f"
CHAIN_HOLDERS: Final = b"h"
CHAIN_WAY: Final = b"w"


class Chain(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A list in short: how many elements, and the running hash over them. An absent chain is empty."""

    count: Count
    head: Hash


class Way(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One source from which goods came in: the chain of all deliveries from it, its newest spelled out.

    `source` is the path of the sending position, or empty where the goods began here. `count` is the number
    of chain elements, `before` the running hash before the newest delivery, `newest` its elements: the ship and the
    receive (or claim) of a handover or return, else the one record.
    """

    kind: WayKind
    source: bytes
    count: Count
    before: Hash
    newest: list[Element]


class ProductEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A product as declared; `in_force` counts the holds and recalls that are neither lifted nor undone."""

    adverse: Chain | None = None
    base: ProductId | None = None
    category: Code | None = None
    closed: bool | None = None
    contains: Small | None = None
    declared_by: DeclaredBy
    declarer: MemberId
    facts: Chain | None = None
    grams: Small | None = None
    in_force: Count | None = None
    licence: Code | None = None
    maker: MemberId | None = None
    name: Name
    origin: str | None = None
    product: ProductId
    registration: Code | None = None
    shelf_days: Count | None = None
    specification: Name | None = None
    temp_max_mc: MilliCelsius | None = None
    temp_min_mc: MilliCelsius | None = None
    tolerance_permille: Permille | None = None


class LotEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A lot: `parents` are the direct ones, `ancestors` counts all of them (with repetition, up to a bound). `stated`
    are production dates that were corrected since: a recall of any of them covers the lot."""

    adverse: Chain | None = None
    ancestors: Count | None = None
    bits: Count = 0
    commissioner: MemberId | None = None
    expiry: Day | None = None
    facts: Chain | None = None
    holders: Chain | None = None
    lot: LotId
    parents: list[LotId] = []
    production: Day | None = None
    serials: Hash | None = None
    stated: list[Day] = []


def made_within(lot: LotEntry, start: int, until: int) -> bool:
    """Whether a span of production dates covers a lot: an unknown date lies in every span, and a corrected one still
    counts."""
    return lot.production is None or any(start <= day <= until for day in (lot.production, *lot.stated))


class PositionEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A position without its quantity: `ways` spells out the first sources, `more_ways` counts the sources
    that have entries of their own."""

    adverse: Chain | None = None
    bits: Count = 0
    facts: Chain | None = None
    lot: LotId
    more_ways: Count | None = None
    owner: MemberId
    site: SiteId
    voucher: Hash | None = None
    ways: list[Way] = []


class UnitEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A logistic unit in its newest use: the lots on it, those of its inner units included. `opened` is when it was
    unpacked, `parent` the unit that it stands on."""

    lots: list[LotId]
    opened: TimeMs | None = None
    parent: Code | None = None
    unit: Code
    units: list[Code] = []
    use: Small


class MemberEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    admitted: TimeMs
    adverse: Chain | None = None
    facts: Chain | None = None
    in_force: Count | None = None
    kind: MemberKind
    member: MemberId
    name: Name
    region: Code
    suspended: TimeMs | None = None


class KeyEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A key, forever, with its times (block times, except `suspect_from`, which only flags)."""

    admitted: TimeMs
    key: PublicKey
    label: Name | None = None
    limits: KeyLimits | None = None
    member: MemberId
    retired: TimeMs | None = None
    revoked: TimeMs | None = None
    suspect_from: TimeMs | None = None


class SiteEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A place; `closed` is the block time at which it was given up."""

    adverse: Chain | None = None
    closed: TimeMs | None = None
    facts: Chain | None = None
    name: Name
    public: bool | None = None
    region: Code
    site: SiteId


class PolicyEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The validators in office, of the chain `chain`: the policy of every head whose tree holds the leaf `beyond`
    (absent for the first policy, which the genesis names). It ends at `expires` (ms); `rules` is the version of the
    rules by which blocks behind it are made."""

    beyond: Count | None = None
    chain: Hash
    expires: TimeMs | None = None
    number: Count
    rules: RulesVersion
    validators: Validators


Entry = ProductEntry | LotEntry | PositionEntry | MemberEntry | KeyEntry | SiteEntry | UnitEntry | Way | PolicyEntry

PRODUCT: Final = Codec(ProductEntry, "product entry")
LOT: Final = Codec(LotEntry, "lot entry")
POSITION: Final = Codec(PositionEntry, "position entry")
MEMBER: Final = Codec(MemberEntry, "member entry")
KEY: Final = Codec(KeyEntry, "key entry")
SITE: Final = Codec(SiteEntry, "site entry")
UNIT: Final = Codec(UnitEntry, "unit entry")
WAY: Final = Codec(Way, "way entry")
POLICY: Final = Codec(PolicyEntry, "policy entry")


def key_id(public_key: bytes) -> bytes:
    """The 8 bytes by which an envelope names its key."""
    return sha256(public_key).digest()[:8]


@lru_cache(maxsize=100_000)
def product_path(product: str) -> bytes:
    return path_of(b"product\x00" + product.encode(), PUBLIC)


@lru_cache(maxsize=100_000)
def lot_path(lot: str) -> bytes:
    return path_of(b"lot\x00" + lot.encode(), PUBLIC)


@lru_cache(maxsize=100_000)
def member_path(member: str) -> bytes:
    return path_of(b"member\x00" + member.encode(), PUBLIC)


@lru_cache(maxsize=100_000)
def key_path(member: str, key: bytes) -> bytes:
    """`key` is the 8-byte key id."""
    return path_of(b"key\x00" + member.encode() + b"\x00" + key, PUBLIC)


@lru_cache(maxsize=100_000)
def site_path(site: str) -> bytes:
    return path_of(b"site\x00" + site.encode(), PUBLIC)


@lru_cache(maxsize=100_000)
def unit_path(unit: str) -> bytes:
    return path_of(b"unit\x00" + unit.encode(), PUBLIC)


@lru_cache(maxsize=100_000)
def position_path(lot: str, owner: str, site: str) -> bytes:
    return path_of(f"position\x00{lot}\x00{owner}\x00{site}".encode(), POSITIONS)


POLICY_PATH: Final = path_of(b"policy\x00", PUBLIC)


def way_path(position: bytes, number: int) -> bytes:
    """The entry of a position's source `number` (0-based, from SOURCES_INLINE_MAX on)."""
    return path_of(b"way\x00" + position + number.to_bytes(4, "big"), POSITIONS)
