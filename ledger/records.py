"""Records: one act each, in canonical form. The fields that a path shows stand in the record; the amounts,
which only parties, regulators and validators see, stand behind a seal.

Every Struct declares its fields in byte order (see `ledger.encoding`); the tag `act` sorts before them all.
Numbers of acts are permanent. Reserved for the acts that come next: 13 count, 14 pack, 15 unpack,
23 claim, 24 dispute, 31 take back, 51 correct, 52 relabel, 60 policy.
"""

from enum import IntEnum
from typing import Annotated, Final, get_args

from msgspec import Meta, Struct

from ledger import limits
from ledger.encoding import Codec

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
    SHIP = 20
    RECEIVE = 21
    WITHDRAW = 22
    MOVE = 25
    SELL = 30
    DESTROY = 32
    FACT = 40
    HOLD = 41
    RECALL = 42
    CLOSE = 43
    LIFT = 44
    VOUCHER = 50


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

    acts: Annotated[list[int], Meta(min_length=1, max_length=32)] | None = None
    sites: Annotated[list[SiteId], Meta(min_length=1, max_length=32)] | None = None
    until: TimeMs | None = None


class _Record(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="act",
    gc=False,
):
    """Base of all records; declares no field, since fields of a base would come first."""


class Register(_Record, tag=1, kw_only=True, frozen=True):
    """Declares a product: the base item, or (with `base` and `contains`) another level of one."""

    at: TimeMs
    base: ProductId | None = None
    category: Code | None = None
    closed: bool | None = None
    contains: Small | None = None
    declared_by: DeclaredBy
    grams: Small | None = None
    licence: Code | None = None
    maker: MemberId | None = None
    name: Name
    origin: Annotated[str, Meta(min_length=2, max_length=2)] | None = None
    private: Hash | None = None
    product: ProductId
    registration: Code | None = None
    shelf_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    specification: Name | None = None
    temp_max_mc: MilliCelsius | None = None
    temp_min_mc: MilliCelsius | None = None


class Admit(_Record, tag=2, kw_only=True, frozen=True):
    """A regulator admits a member with its first key and its main site `{member}/main`."""

    at: TimeMs
    key: PublicKey
    kind: MemberKind
    member: MemberId
    name: Name
    private: Hash | None = None
    region: Code


class Suspend(_Record, tag=3, kw_only=True, frozen=True):
    """A regulator suspends a member, or (`ended`) ends that. What it does meanwhile is shown so."""

    at: TimeMs
    ended: bool | None = None
    member: MemberId
    private: Hash | None = None
    reason: Text


class Site(_Record, tag=4, kw_only=True, frozen=True):
    """The keeper declares a site, or changes what it said of it."""

    at: TimeMs
    closed: bool | None = None
    name: Name
    private: Hash | None = None
    public: bool | None = None
    region: Code
    site: SiteId


class Key(_Record, tag=5, kw_only=True, frozen=True):
    """Admits, retires or revokes a key of a member; signed by the member, or by a regulator."""

    at: TimeMs
    change: KeyChange
    key: PublicKey
    label: Name | None = None
    limits: KeyLimits | None = None
    member: MemberId
    private: Hash | None = None
    suspect_from: TimeMs | None = None


class Commission(_Record, tag=10, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    lot: LotId
    private: Hash | None = None
    production: Day
    serials: Hash | None = None
    site: SiteId


class Output(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One lot that a transformation makes."""

    expiry: Day | None = None
    lot: LotId
    production: Day


class Transform(_Record, tag=11, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    inputs: Annotated[list[LotId], Meta(min_length=1, max_length=limits.TRANSFORM_LINES_MAX)]
    outputs: Annotated[list[Output], Meta(min_length=1, max_length=limits.TRANSFORM_LINES_MAX)]
    private: Hash | None = None
    site: SiteId


class Enter(_Record, tag=12, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    lot: LotId
    private: Hash | None = None
    production: Day | None = None
    site: SiteId


class Ship(_Record, tag=20, kw_only=True, frozen=True):
    """Opens a handover of one lot from (`owner` or the signer, `site`) to (`to`, `to_site`)."""

    amounts: Hash
    at: TimeMs
    lot: LotId
    owner: MemberId | None = None
    private: Hash | None = None
    site: SiteId
    to: MemberId
    to_site: SiteId
    unit: Code | None = None


class Receive(_Record, tag=21, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    lot: LotId
    private: Hash | None = None
    ship: Hash


class Withdraw(_Record, tag=22, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    lot: LotId
    private: Hash | None = None
    ship: Hash
    to: MemberId


class Move(_Record, tag=25, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    lot: LotId
    private: Hash | None = None
    site: SiteId
    to_site: SiteId


class Sell(_Record, tag=30, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    buyer: SaleTo
    lot: LotId
    private: Hash | None = None
    site: SiteId


class Destroy(_Record, tag=32, kw_only=True, frozen=True):
    amounts: Hash
    at: TimeMs
    lot: LotId
    owner: MemberId | None = None
    private: Hash | None = None
    reason: DestroyReason
    site: SiteId


class Fact(_Record, tag=40, kw_only=True, frozen=True):
    adverse: bool | None = None
    answers: Hash | None = None
    at: TimeMs
    document: Name | None = None
    kind: FactKind
    private: Hash | None = None
    subject: Subject
    text: Text | None = None
    window: Window | None = None


class Hold(_Record, tag=41, kw_only=True, frozen=True):
    at: TimeMs
    made_from: Day | None = None
    made_until: Day | None = None
    private: Hash | None = None
    reason: Text
    subject: Subject


class Recall(_Record, tag=42, kw_only=True, frozen=True):
    at: TimeMs
    grade: Annotated[int, Meta(ge=1, le=3)]
    made_from: Day | None = None
    made_until: Day | None = None
    private: Hash | None = None
    reason: Text
    subject: Subject


class Close(_Record, tag=43, kw_only=True, frozen=True):
    at: TimeMs
    private: Hash | None = None
    reason: Text
    subject: Subject
    target: Hash


class Lift(_Record, tag=44, kw_only=True, frozen=True):
    at: TimeMs
    private: Hash | None = None
    reason: Text
    subject: Subject
    target: Hash


class Voucher(_Record, tag=50, kw_only=True, frozen=True):
    at: TimeMs
    lot: LotId
    private: Hash | None = None
    site: SiteId
    voucher: Hash


Record = (
    Register | Admit | Suspend | Site | Key | Commission | Transform | Enter | Ship | Receive | Withdraw | Move
    | Sell | Destroy | Fact | Hold | Recall | Close | Lift | Voucher
)  # fmt: skip


class _Amounts(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Base of all amounts. `ref` names document and line, unique per member and side of the book."""


class Moved(_Amounts, kw_only=True, frozen=True):
    """Amounts of commission, enter, ship, move, sell and destroy, in base items; `grams` where the product
    is of variable measure."""

    grams: Quantity | None = None
    quantity: Quantity
    ref: Ref


class Received(_Amounts, kw_only=True, frozen=True):
    """What became of the open handover; the parts left out are zero, and their sum is at least one."""

    accepted: Quantity | None = None
    destroyed: Quantity | None = None
    ref: Ref
    refused: Quantity | None = None
    short: Quantity | None = None


class Withdrawn(_Amounts, kw_only=True, frozen=True):
    ref: Ref


class Transformed(_Amounts, kw_only=True, frozen=True):
    """Quantities in the order of the record's inputs and outputs."""

    inputs: Annotated[list[Quantity], Meta(min_length=1, max_length=limits.TRANSFORM_LINES_MAX)]
    outputs: Annotated[list[Quantity], Meta(min_length=1, max_length=limits.TRANSFORM_LINES_MAX)]
    ref: Ref


Amounts = Moved | Received | Withdrawn | Transformed

RECORD: Final[Codec[Record]] = Codec(Record, "record")  # type: ignore[arg-type]

MOVED: Final = Codec(Moved, "amounts")
AMOUNTS: Final[dict[type, Codec[Amounts]]] = {
    Commission: MOVED,
    Transform: Codec(Transformed, "amounts"),
    Enter: MOVED,
    Ship: MOVED,
    Receive: Codec(Received, "amounts"),
    Withdraw: Codec(Withdrawn, "amounts"),
    Move: MOVED,
    Sell: MOVED,
    Destroy: MOVED,
}
"""The codec of the amounts that each act seals; acts that are absent here carry no amounts."""


RECORD_TYPES: Final[tuple[type, ...]] = get_args(Record)


def act_of_type(kind: type) -> Act:
    """The act that a record type stands for."""
    return Act(kind.__struct_config__.tag)  # type: ignore[attr-defined]
