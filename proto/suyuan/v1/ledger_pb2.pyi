from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitRequest(_message.Message):
    __slots__ = ("envelope", "tag")
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    tag: int
    def __init__(self, envelope: _Optional[bytes] = ..., tag: _Optional[int] = ...) -> None: ...

class SubmitRequests(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[SubmitRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[SubmitRequest, _Mapping]]] = ...) -> None: ...

class SubmitResult(_message.Message):
    __slots__ = ("tag", "receipt", "refusal")
    TAG_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    tag: int
    receipt: Receipt
    refusal: Refusal
    def __init__(self, tag: _Optional[int] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class SubmitResults(_message.Message):
    __slots__ = ("checkpoint", "results")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    results: _containers.RepeatedCompositeFieldContainer[SubmitResult]
    def __init__(self, checkpoint: _Optional[bytes] = ..., results: _Optional[_Iterable[_Union[SubmitResult, _Mapping]]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("envelope_id", "leaf", "proof", "checkpoint", "earlier")
    ENVELOPE_ID_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    EARLIER_FIELD_NUMBER: _ClassVar[int]
    envelope_id: bytes
    leaf: int
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    checkpoint: bytes
    earlier: bool
    def __init__(self, envelope_id: _Optional[bytes] = ..., leaf: _Optional[int] = ..., proof: _Optional[_Iterable[bytes]] = ..., checkpoint: _Optional[bytes] = ..., earlier: _Optional[bool] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("kind", "problems", "retry_after_ms")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Refusal.Kind]
        KIND_MALFORMED: _ClassVar[Refusal.Kind]
        KIND_REFUSED: _ClassVar[Refusal.Kind]
        KIND_UNSIGNED: _ClassVar[Refusal.Kind]
        KIND_OVERLOADED: _ClassVar[Refusal.Kind]
        KIND_READ_ONLY: _ClassVar[Refusal.Kind]
    KIND_UNSPECIFIED: Refusal.Kind
    KIND_MALFORMED: Refusal.Kind
    KIND_REFUSED: Refusal.Kind
    KIND_UNSIGNED: Refusal.Kind
    KIND_OVERLOADED: Refusal.Kind
    KIND_READ_ONLY: Refusal.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    kind: Refusal.Kind
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    retry_after_ms: int
    def __init__(self, kind: _Optional[_Union[Refusal.Kind, str]] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("rule", "message", "remedy", "record", "field")
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    rule: str
    message: str
    remedy: str
    record: int
    field: str
    def __init__(self, rule: _Optional[str] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ..., record: _Optional[int] = ..., field: _Optional[str] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("envelope_id",)
    ENVELOPE_ID_FIELD_NUMBER: _ClassVar[int]
    envelope_id: bytes
    def __init__(self, envelope_id: _Optional[bytes] = ...) -> None: ...

class GetProductProofRequest(_message.Message):
    __slots__ = ("product", "lot", "voucher", "site")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    VOUCHER_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    product: str
    lot: str
    voucher: bytes
    site: str
    def __init__(self, product: _Optional[str] = ..., lot: _Optional[str] = ..., voucher: _Optional[bytes] = ..., site: _Optional[str] = ...) -> None: ...

class GetProductProofResponse(_message.Message):
    __slots__ = ("proof",)
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    def __init__(self, proof: _Optional[bytes] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ("extends_size",)
    EXTENDS_SIZE_FIELD_NUMBER: _ClassVar[int]
    extends_size: int
    def __init__(self, extends_size: _Optional[int] = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint", "consistency")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, checkpoint: _Optional[bytes] = ..., consistency: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Page(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: bytes
    limit: int
    def __init__(self, after: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ListPositionsRequest(_message.Message):
    __slots__ = ("page", "kept")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    page: Page
    kept: bool
    def __init__(self, page: _Optional[_Union[Page, _Mapping]] = ..., kept: _Optional[bool] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("lot", "owner", "site", "held", "grams", "shipped", "sold", "used", "destroyed", "missing", "irregular", "status_bits", "lost", "reserved", "claimed", "disputed", "overdrawn", "grams_lost", "grams_sold", "in_force")
    LOT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    GRAMS_FIELD_NUMBER: _ClassVar[int]
    SHIPPED_FIELD_NUMBER: _ClassVar[int]
    SOLD_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    DESTROYED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    IRREGULAR_FIELD_NUMBER: _ClassVar[int]
    STATUS_BITS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    OVERDRAWN_FIELD_NUMBER: _ClassVar[int]
    GRAMS_LOST_FIELD_NUMBER: _ClassVar[int]
    GRAMS_SOLD_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    lot: str
    owner: str
    site: str
    held: int
    grams: int
    shipped: int
    sold: int
    used: int
    destroyed: int
    missing: int
    irregular: int
    status_bits: int
    lost: int
    reserved: int
    claimed: int
    disputed: int
    overdrawn: int
    grams_lost: int
    grams_sold: int
    in_force: bool
    def __init__(self, lot: _Optional[str] = ..., owner: _Optional[str] = ..., site: _Optional[str] = ..., held: _Optional[int] = ..., grams: _Optional[int] = ..., shipped: _Optional[int] = ..., sold: _Optional[int] = ..., used: _Optional[int] = ..., destroyed: _Optional[int] = ..., missing: _Optional[int] = ..., irregular: _Optional[int] = ..., status_bits: _Optional[int] = ..., lost: _Optional[int] = ..., reserved: _Optional[int] = ..., claimed: _Optional[int] = ..., disputed: _Optional[int] = ..., overdrawn: _Optional[int] = ..., grams_lost: _Optional[int] = ..., grams_sold: _Optional[int] = ..., in_force: _Optional[bool] = ...) -> None: ...

class ListPositionsResponse(_message.Message):
    __slots__ = ("positions", "next")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    next: bytes
    def __init__(self, positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...

class ListHandoversRequest(_message.Message):
    __slots__ = ("page",)
    PAGE_FIELD_NUMBER: _ClassVar[int]
    page: Page
    def __init__(self, page: _Optional[_Union[Page, _Mapping]] = ...) -> None: ...

class Handover(_message.Message):
    __slots__ = ("ship", "lot", "owner", "site", "to", "to_site", "quantity", "open", "grams", "ref", "time_ms", "status_bits", "sender", "returns")
    SHIP_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TO_SITE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    GRAMS_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    STATUS_BITS_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    ship: bytes
    lot: str
    owner: str
    site: str
    to: str
    to_site: str
    quantity: int
    open: int
    grams: int
    ref: str
    time_ms: int
    status_bits: int
    sender: str
    returns: bool
    def __init__(self, ship: _Optional[bytes] = ..., lot: _Optional[str] = ..., owner: _Optional[str] = ..., site: _Optional[str] = ..., to: _Optional[str] = ..., to_site: _Optional[str] = ..., quantity: _Optional[int] = ..., open: _Optional[int] = ..., grams: _Optional[int] = ..., ref: _Optional[str] = ..., time_ms: _Optional[int] = ..., status_bits: _Optional[int] = ..., sender: _Optional[str] = ..., returns: _Optional[bool] = ...) -> None: ...

class ListHandoversResponse(_message.Message):
    __slots__ = ("handovers", "next")
    HANDOVERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    handovers: _containers.RepeatedCompositeFieldContainer[Handover]
    next: bytes
    def __init__(self, handovers: _Optional[_Iterable[_Union[Handover, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...

class ListClaimsRequest(_message.Message):
    __slots__ = ("page", "against_me")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    AGAINST_ME_FIELD_NUMBER: _ClassVar[int]
    page: Page
    against_me: bool
    def __init__(self, page: _Optional[_Union[Page, _Mapping]] = ..., against_me: _Optional[bool] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("claim", "supplier", "claimant", "lot", "site", "quantity", "open", "grams", "ref", "time_ms", "disputed")
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    SUPPLIER_FIELD_NUMBER: _ClassVar[int]
    CLAIMANT_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    GRAMS_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    claim: bytes
    supplier: str
    claimant: str
    lot: str
    site: str
    quantity: int
    open: int
    grams: int
    ref: str
    time_ms: int
    disputed: bool
    def __init__(self, claim: _Optional[bytes] = ..., supplier: _Optional[str] = ..., claimant: _Optional[str] = ..., lot: _Optional[str] = ..., site: _Optional[str] = ..., quantity: _Optional[int] = ..., open: _Optional[int] = ..., grams: _Optional[int] = ..., ref: _Optional[str] = ..., time_ms: _Optional[int] = ..., disputed: _Optional[bool] = ...) -> None: ...

class ListClaimsResponse(_message.Message):
    __slots__ = ("claims", "next")
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    claims: _containers.RepeatedCompositeFieldContainer[Claim]
    next: bytes
    def __init__(self, claims: _Optional[_Iterable[_Union[Claim, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("from_leaf", "until_now")
    FROM_LEAF_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NOW_FIELD_NUMBER: _ClassVar[int]
    from_leaf: int
    until_now: bool
    def __init__(self, from_leaf: _Optional[int] = ..., until_now: _Optional[bool] = ...) -> None: ...

class Events(_message.Message):
    __slots__ = ("from_leaf", "next_leaf", "events")
    FROM_LEAF_FIELD_NUMBER: _ClassVar[int]
    NEXT_LEAF_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    from_leaf: int
    next_leaf: int
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, from_leaf: _Optional[int] = ..., next_leaf: _Optional[int] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("leaf", "index", "member", "time_ms", "record", "opening")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    leaf: int
    index: int
    member: str
    time_ms: int
    record: bytes
    opening: bytes
    def __init__(self, leaf: _Optional[int] = ..., index: _Optional[int] = ..., member: _Optional[str] = ..., time_ms: _Optional[int] = ..., record: _Optional[bytes] = ..., opening: _Optional[bytes] = ...) -> None: ...

class PutPrivateRequest(_message.Message):
    __slots__ = ("openings", "nodes")
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    openings: _containers.RepeatedCompositeFieldContainer[PrivateOpening]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, openings: _Optional[_Iterable[_Union[PrivateOpening, _Mapping]]] = ..., nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class PrivateOpening(_message.Message):
    __slots__ = ("leaf", "index", "opening")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    leaf: int
    index: int
    opening: bytes
    def __init__(self, leaf: _Optional[int] = ..., index: _Optional[int] = ..., opening: _Optional[bytes] = ...) -> None: ...

class PutPrivateResponse(_message.Message):
    __slots__ = ("kept",)
    KEPT_FIELD_NUMBER: _ClassVar[int]
    kept: int
    def __init__(self, kept: _Optional[int] = ...) -> None: ...

class GetPrivateRequest(_message.Message):
    __slots__ = ("leaf", "index")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    leaf: int
    index: int
    def __init__(self, leaf: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class GetPrivateResponse(_message.Message):
    __slots__ = ("opening", "record", "member")
    OPENING_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    opening: bytes
    record: bytes
    member: str
    def __init__(self, opening: _Optional[bytes] = ..., record: _Optional[bytes] = ..., member: _Optional[str] = ...) -> None: ...

class ErasePrivateRequest(_message.Message):
    __slots__ = ("openings", "reason")
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    openings: _containers.RepeatedCompositeFieldContainer[PrivateOpening]
    reason: str
    def __init__(self, openings: _Optional[_Iterable[_Union[PrivateOpening, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class ErasePrivateResponse(_message.Message):
    __slots__ = ("erased",)
    ERASED_FIELD_NUMBER: _ClassVar[int]
    erased: int
    def __init__(self, erased: _Optional[int] = ...) -> None: ...

class FindRefsRequest(_message.Message):
    __slots__ = ("side", "refs")
    class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SIDE_UNSPECIFIED: _ClassVar[FindRefsRequest.Side]
        SIDE_IN: _ClassVar[FindRefsRequest.Side]
        SIDE_OUT: _ClassVar[FindRefsRequest.Side]
        SIDE_OWN: _ClassVar[FindRefsRequest.Side]
    SIDE_UNSPECIFIED: FindRefsRequest.Side
    SIDE_IN: FindRefsRequest.Side
    SIDE_OUT: FindRefsRequest.Side
    SIDE_OWN: FindRefsRequest.Side
    SIDE_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    side: FindRefsRequest.Side
    refs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, side: _Optional[_Union[FindRefsRequest.Side, str]] = ..., refs: _Optional[_Iterable[str]] = ...) -> None: ...

class BookedRef(_message.Message):
    __slots__ = ("ref", "leaf", "records")
    REF_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    ref: str
    leaf: int
    records: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ref: _Optional[str] = ..., leaf: _Optional[int] = ..., records: _Optional[_Iterable[int]] = ...) -> None: ...

class FindRefsResponse(_message.Message):
    __slots__ = ("booked",)
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    booked: _containers.RepeatedCompositeFieldContainer[BookedRef]
    def __init__(self, booked: _Optional[_Iterable[_Union[BookedRef, _Mapping]]] = ...) -> None: ...

class ListOwnEnvelopesRequest(_message.Message):
    __slots__ = ("page", "from_leaf")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    FROM_LEAF_FIELD_NUMBER: _ClassVar[int]
    page: Page
    from_leaf: int
    def __init__(self, page: _Optional[_Union[Page, _Mapping]] = ..., from_leaf: _Optional[int] = ...) -> None: ...

class OwnEnvelope(_message.Message):
    __slots__ = ("leaf", "envelope")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    leaf: int
    envelope: bytes
    def __init__(self, leaf: _Optional[int] = ..., envelope: _Optional[bytes] = ...) -> None: ...

class ListOwnEnvelopesResponse(_message.Message):
    __slots__ = ("envelopes", "next")
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedCompositeFieldContainer[OwnEnvelope]
    next: bytes
    def __init__(self, envelopes: _Optional[_Iterable[_Union[OwnEnvelope, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...

class LookupRequest(_message.Message):
    __slots__ = ("product", "lot", "member", "site", "unit")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    product: str
    lot: str
    member: str
    site: str
    unit: str
    def __init__(self, product: _Optional[str] = ..., lot: _Optional[str] = ..., member: _Optional[str] = ..., site: _Optional[str] = ..., unit: _Optional[str] = ...) -> None: ...

class LookupResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: bytes
    def __init__(self, entry: _Optional[bytes] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("known",)
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    known: int
    def __init__(self, known: _Optional[int] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("entry", "steps")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    entry: bytes
    steps: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, entry: _Optional[bytes] = ..., steps: _Optional[_Iterable[bytes]] = ...) -> None: ...

class StreamBlocksRequest(_message.Message):
    __slots__ = ("from_height",)
    FROM_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    from_height: int
    def __init__(self, from_height: _Optional[int] = ...) -> None: ...

class StoredBlock(_message.Message):
    __slots__ = ("height", "block")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    height: int
    block: bytes
    def __init__(self, height: _Optional[int] = ..., block: _Optional[bytes] = ...) -> None: ...

class GetNodeInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeInfo(_message.Message):
    __slots__ = ("name", "chain_id", "genesis", "height", "size", "checkpoint", "version", "time_ms", "node", "read_only", "not_ready")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_FIELD_NUMBER: _ClassVar[int]
    name: str
    chain_id: bytes
    genesis: bytes
    height: int
    size: int
    checkpoint: bytes
    version: str
    time_ms: int
    node: str
    read_only: str
    not_ready: str
    def __init__(self, name: _Optional[str] = ..., chain_id: _Optional[bytes] = ..., genesis: _Optional[bytes] = ..., height: _Optional[int] = ..., size: _Optional[int] = ..., checkpoint: _Optional[bytes] = ..., version: _Optional[str] = ..., time_ms: _Optional[int] = ..., node: _Optional[str] = ..., read_only: _Optional[str] = ..., not_ready: _Optional[str] = ...) -> None: ...
