"""What the fields of records are made of: bounded texts and numbers, the permanent numbers of acts and kinds, and the
small structures that stand inside a record."""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from ledger import limits

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
KeyId = Annotated[bytes, Meta(min_length=8, max_length=8)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
TimeMs = Annotated[int, Meta(ge=0, le=limits.TIME_MS_MAX)]
Day = Annotated[int, Meta(ge=19000101, le=99991231)]  # a date as the number YYYYMMDD
Quantity = Annotated[int, Meta(ge=1, le=limits.QUANTITY_MAX)]
Part = Annotated[int, Meta(ge=0, le=limits.QUANTITY_MAX)]
Code = Annotated[str, Meta(min_length=1, max_length=limits.CODE_CHARS_MAX)]
LotId = Annotated[str, Meta(min_length=3, max_length=64)]
SiteId = Annotated[str, Meta(min_length=3, max_length=64)]
ProductId = Annotated[str, Meta(min_length=3, max_length=64)]
MemberId = Annotated[str, Meta(min_length=3, max_length=limits.CODE_CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Text = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS_MAX)]
Ref = Annotated[str, Meta(min_length=1, max_length=limits.REF_CHARS_MAX)]
MilliCelsius = Annotated[int, Meta(ge=-273_150, le=200_000)]
Small = Annotated[int, Meta(ge=1, le=1_000_000)]
Permille = Annotated[int, Meta(ge=0, le=1000)]


class Act(IntEnum):
    """The permanent numbers of the acts of MODEL.md that this version applies."""

    REGISTER = 1
    ADMIT = 2
    SUSPEND = 3
    SITE = 4
    KEY = 5
    COMMISSION = 10
    TRANSFORM = 11
    ENTER = 12
    COUNT = 13
    PACK = 14
    UNPACK = 15
    SHIP = 20
    RECEIVE = 21
    WITHDRAW = 22
    CLAIM = 23
    DISPUTE = 24
    MOVE = 25
    SELL = 30
    TAKE_BACK = 31
    DESTROY = 32
    FACT = 40
    HOLD = 41
    RECALL = 42
    CLOSE = 43
    LIFT = 44
    VOUCHER = 50
    CORRECT = 51
    RELABEL = 52
    POLICY = 60


class DeclaredBy(IntEnum):
    MAKER = 1
    IMPORTER = 2
    HOLDER = 3


class MemberKind(IntEnum):
    ENTERPRISE = 1
    PERSON = 2
    REGULATOR = 3
    DEPARTMENT = 4
    LAB = 5
    CARRIER = 6


class KeyChange(IntEnum):
    ADMIT = 1
    RETIRE = 2
    REVOKE = 3


class SaleTo(IntEnum):
    CONSUMER = 1
    BUSINESS = 2
    GIFT = 3
    OWN_USE = 4
    SAMPLE = 5


class CountKind(IntEnum):
    OPENING = 1
    PERIODIC = 2
    RECALL = 3


class DestroyReason(IntEnum):
    EXPIRED = 1
    DAMAGED = 2
    RECALLED = 3
    TESTED = 4
    OTHER = 5


class FactKind(IntEnum):
    INSPECT = 1
    TEST = 2
    CERTIFY = 3
    MEASURE = 4
    NOTE = 5


class SubjectKind(IntEnum):
    LOT = 1
    POSITION = 2
    HANDOVER = 3
    PRODUCT = 4
    MEMBER = 5
    SITE = 6


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a fact, hold or recall is about. Fields by kind: LOT lot; POSITION lot, owner, site;
    HANDOVER ship, to; PRODUCT product; MEMBER member (as a maker); SITE site."""

    kind: SubjectKind
    lot: LotId | None = None
    member: MemberId | None = None
    owner: MemberId | None = None
    product: ProductId | None = None
    ship: Hash | None = None
    site: SiteId | None = None
    to: MemberId | None = None


class Window(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A temperature log in short: `count` readings from `start` to `until`, in thousandths of a degree
    Celsius; `gap_s` the longest time without a reading; `series` the SHA-256 of the raw readings."""

    count: Small
    device: Code
    gap_s: Annotated[int, Meta(ge=0, le=31_622_400)]
    max_mc: MilliCelsius
    mean_mc: MilliCelsius
    min_mc: MilliCelsius
    series: Hash
    start: TimeMs
    until: TimeMs


class KeyLimits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a limited key may sign: only these acts, only at these sites, only until this time."""

    acts: Annotated[list[Annotated[int, Meta(ge=1, le=255)]], Meta(min_length=1, max_length=32)] | None = None
    sites: Annotated[list[SiteId], Meta(min_length=1, max_length=32)] | None = None
    until: TimeMs | None = None


class Output(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One lot that a transformation makes."""

    expiry: Day | None = None
    lot: LotId
    production: Day


class Validator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that orders and whose cosignature counts, by its C2SP key name and three Ed25519 public keys: by one it
    votes (`consensus`), by one it cosigns (`key`), by one it signs the log's checkpoints (`log`)."""

    consensus: PublicKey
    key: PublicKey
    log: PublicKey
    name: Name


class Approval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A validator's consent to its successors: its signature, by the key that cosigns, over the terms."""

    name: Name
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


Validators = Annotated[list[Validator], Meta(min_length=1, max_length=limits.VALIDATORS_ENTRIES_MAX)]
RulesVersion = Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
