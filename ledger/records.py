"""Records: one act each, in canonical form. The fields that a path shows stand in the record; the amounts,
which only parties, regulators and validators see, stand behind a seal.

Every Struct declares its fields in byte order (see `ledger.encoding`); the tag `act` sorts before them all.
Numbers of acts are permanent.
"""

from typing import Annotated, Final, get_args

from msgspec import Meta, Struct

from ledger import fields, limits
from ledger.amounts import (
    Amounts,
    Corrected,
    Counted,
    Moved,
    Packed,
    Received,
    Transformed,
    Withdrawn,
)
from ledger.encoding import Codec
from ledger.fields import (
    Act,
    Code,
    CountKind,
    Day,
    DeclaredBy,
    DestroyReason,
    FactKind,
    Hash,
    KeyChange,
    KeyId,
    KeyLimits,
    LotId,
    MemberId,
    MemberKind,
    MilliCelsius,
    Name,
    Output,
    Part,
    Permille,
    ProductId,
    PublicKey,
    Quantity,
    Ref,
    SaleTo,
    SiteId,
    Small,
    Subject,
    SubjectKind,
    Text,
    TimeMs,
    Window,
)

__all__ = [
    "AMOUNTS", "MOVED", "RECORD", "RECORD_TYPES", "Act", "Admit", "Amounts", "Claim", "Close", "Code", "Commission",
    "Correct", "Corrected", "Count", "CountKind", "Counted", "Day", "DeclaredBy", "Destroy", "DestroyReason",
    "Dispute", "Enter", "Fact", "FactKind", "Hash", "Hold", "Key", "KeyChange", "KeyId", "KeyLimits", "Lift", "LotId",
    "MemberId", "MemberKind", "MilliCelsius", "Move", "Moved", "Name", "Output", "Pack", "Packed", "Part", "Permille",
    "Policy", "ProductId", "PublicKey", "Quantity", "Recall", "Receive", "Received", "Record", "Ref", "Register",
    "Relabel", "SaleTo", "Sell", "Ship", "Site", "SiteId", "Small", "Subject", "SubjectKind", "Suspend", "TakeBack",
    "Text", "TimeMs", "Transform", "Transformed", "Unpack", "Voucher", "Window", "Withdraw", "Withdrawn",
    "act_of_type",
]  # fmt: skip


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
    """Declares a product: the base item, or (with `base` and `contains`) another level of one. With
    `tolerance_permille` it is of variable measure: each item is weighed, and weights may differ by so much."""

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
    tolerance_permille: Permille | None = None


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


class Count(_Record, tag=13, kw_only=True, frozen=True):
    """A stock-taking of one position, true as of its time; what was found too much has one signature."""

    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    kind: CountKind
    lot: LotId
    owner: MemberId | None = None
    private: Hash | None = None
    production: Day | None = None
    site: SiteId


class Pack(_Record, tag=14, kw_only=True, frozen=True):
    """Reserves lines of one position's owner at a site under an SSCC, with other packed units on top of it (`units`).
    `use` numbers the uses of a label that is used again."""

    amounts: Hash
    at: TimeMs
    lots: Annotated[list[LotId], Meta(max_length=limits.TRANSFORM_LINES_MAX)]
    owner: MemberId | None = None
    private: Hash | None = None
    site: SiteId
    unit: Code
    units: Annotated[list[Code], Meta(max_length=limits.TRANSFORM_LINES_MAX)] = []
    use: Small


class Unpack(_Record, tag=15, kw_only=True, frozen=True):
    at: TimeMs
    owner: MemberId | None = None
    private: Hash | None = None
    site: SiteId
    unit: Code
    use: Small


class Ship(_Record, tag=20, kw_only=True, frozen=True):
    """Opens a handover of one lot from (`owner` or the signer, `site`) to (`to`, `to_site`). `claim` names the claim
    that it answers; `returns` says that the goods go back to where they were delivered from; `unit` is the SSCC whose
    line it is."""

    amounts: Hash
    at: TimeMs
    claim: Hash | None = None
    lot: LotId
    owner: MemberId | None = None
    private: Hash | None = None
    returns: bool | None = None
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


class Claim(_Record, tag=23, kw_only=True, frozen=True):
    """Goods received from a member that has not booked its ship yet."""

    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    lot: LotId
    private: Hash | None = None
    production: Day | None = None
    site: SiteId
    supplier: MemberId


class Dispute(_Record, tag=24, kw_only=True, frozen=True):
    """The claimed supplier says that it delivered no such goods."""

    at: TimeMs
    claim: Hash
    claimant: MemberId
    lot: LotId
    private: Hash | None = None
    reason: Text


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


class TakeBack(_Record, tag=31, kw_only=True, frozen=True):
    """What was sold comes back from outside the ledger, never more than went out."""

    amounts: Hash
    at: TimeMs
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


class Correct(_Record, tag=51, kw_only=True, frozen=True):
    """An earlier own record (`target`) did not occur, or had wrong amounts or, of a commission, wrong dates."""

    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    lot: LotId
    private: Hash | None = None
    production: Day | None = None
    reason: Text
    target: Hash


class Relabel(_Record, tag=52, kw_only=True, frozen=True):
    """Moves quantity from a mistaken lot (`lot`) to the right one; its dates count where that is new."""

    amounts: Hash
    at: TimeMs
    expiry: Day | None = None
    lot: LotId
    private: Hash | None = None
    production: Day | None = None
    site: SiteId
    to_lot: LotId


class Policy(_Record, tag=60, kw_only=True, frozen=True):
    """A regulator books who the validators are from here on; those in office have approved of it, more than two
    thirds of them (`ledger.governance`). `rules` is the version of the rules from the next block on."""

    approvals: Annotated[list[fields.Approval], Meta(min_length=1, max_length=limits.VALIDATORS_ENTRIES_MAX)]
    at: TimeMs
    expires: TimeMs | None = None
    number: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    private: Hash | None = None
    rules: fields.RulesVersion
    validators: fields.Validators


Record = (
    Register | Admit | Suspend | Site | Key | Commission | Transform | Enter | Count | Pack | Unpack | Ship | Receive
    | Withdraw | Claim | Dispute | Move | Sell | TakeBack | Destroy | Fact | Hold | Recall | Close | Lift | Voucher
    | Correct | Relabel | Policy
)  # fmt: skip


RECORD: Final[Codec[Record]] = Codec(Record, "record")  # type: ignore[arg-type]

MOVED: Final = Codec(Moved, "amounts")
AMOUNTS: Final[dict[type, Codec[Amounts]]] = {
    Commission: MOVED,
    Transform: Codec(Transformed, "amounts"),
    Enter: MOVED,
    Ship: MOVED,
    Receive: Codec(Received, "amounts"),
    Withdraw: Codec(Withdrawn, "amounts"),
    Count: Codec(Counted, "amounts"),
    Pack: Codec(Packed, "amounts"),
    Claim: MOVED,
    Move: MOVED,
    Sell: MOVED,
    TakeBack: MOVED,
    Destroy: MOVED,
    Correct: Codec(Corrected, "amounts"),
    Relabel: MOVED,
}
"""The codec of the amounts that each act seals; acts that are absent here carry no amounts."""


RECORD_TYPES: Final[tuple[type, ...]] = get_args(Record)


def act_of_type(kind: type) -> Act:
    """The act that a record type stands for."""
    return Act(kind.__struct_config__.tag)  # type: ignore[attr-defined]
