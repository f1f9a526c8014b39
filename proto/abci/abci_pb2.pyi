import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Request(_message.Message):
    __slots__ = ("echo", "flush", "info", "init_chain", "query", "check_tx", "commit", "list_snapshots", "offer_snapshot", "load_snapshot_chunk", "apply_snapshot_chunk", "prepare_proposal", "process_proposal", "extend_vote", "verify_vote_extension", "finalize_block")
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    INIT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CHECK_TX_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LIST_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    OFFER_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LOAD_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    APPLY_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PREPARE_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    PROCESS_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    EXTEND_VOTE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_VOTE_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    echo: Echo
    flush: Nothing
    info: Nothing
    init_chain: InitChain
    query: Query
    check_tx: CheckTx
    commit: Nothing
    list_snapshots: Nothing
    offer_snapshot: Nothing
    load_snapshot_chunk: Nothing
    apply_snapshot_chunk: Nothing
    prepare_proposal: PrepareProposal
    process_proposal: ProcessProposal
    extend_vote: Nothing
    verify_vote_extension: Nothing
    finalize_block: FinalizeBlock
    def __init__(self, echo: _Optional[_Union[Echo, _Mapping]] = ..., flush: _Optional[_Union[Nothing, _Mapping]] = ..., info: _Optional[_Union[Nothing, _Mapping]] = ..., init_chain: _Optional[_Union[InitChain, _Mapping]] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., check_tx: _Optional[_Union[CheckTx, _Mapping]] = ..., commit: _Optional[_Union[Nothing, _Mapping]] = ..., list_snapshots: _Optional[_Union[Nothing, _Mapping]] = ..., offer_snapshot: _Optional[_Union[Nothing, _Mapping]] = ..., load_snapshot_chunk: _Optional[_Union[Nothing, _Mapping]] = ..., apply_snapshot_chunk: _Optional[_Union[Nothing, _Mapping]] = ..., prepare_proposal: _Optional[_Union[PrepareProposal, _Mapping]] = ..., process_proposal: _Optional[_Union[ProcessProposal, _Mapping]] = ..., extend_vote: _Optional[_Union[Nothing, _Mapping]] = ..., verify_vote_extension: _Optional[_Union[Nothing, _Mapping]] = ..., finalize_block: _Optional[_Union[FinalizeBlock, _Mapping]] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("exception", "echo", "flush", "info", "init_chain", "query", "check_tx", "commit", "list_snapshots", "offer_snapshot", "load_snapshot_chunk", "apply_snapshot_chunk", "prepare_proposal", "process_proposal", "extend_vote", "verify_vote_extension", "finalize_block")
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    INIT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CHECK_TX_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LIST_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    OFFER_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LOAD_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    APPLY_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PREPARE_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    PROCESS_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    EXTEND_VOTE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_VOTE_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    exception: Exception
    echo: Echo
    flush: Nothing
    info: Info
    init_chain: ChainBegun
    query: QueryAnswer
    check_tx: TxChecked
    commit: Committed
    list_snapshots: Nothing
    offer_snapshot: Choice
    load_snapshot_chunk: Nothing
    apply_snapshot_chunk: Choice
    prepare_proposal: Proposal
    process_proposal: Choice
    extend_vote: Nothing
    verify_vote_extension: Choice
    finalize_block: BlockFinalized
    def __init__(self, exception: _Optional[_Union[Exception, _Mapping]] = ..., echo: _Optional[_Union[Echo, _Mapping]] = ..., flush: _Optional[_Union[Nothing, _Mapping]] = ..., info: _Optional[_Union[Info, _Mapping]] = ..., init_chain: _Optional[_Union[ChainBegun, _Mapping]] = ..., query: _Optional[_Union[QueryAnswer, _Mapping]] = ..., check_tx: _Optional[_Union[TxChecked, _Mapping]] = ..., commit: _Optional[_Union[Committed, _Mapping]] = ..., list_snapshots: _Optional[_Union[Nothing, _Mapping]] = ..., offer_snapshot: _Optional[_Union[Choice, _Mapping]] = ..., load_snapshot_chunk: _Optional[_Union[Nothing, _Mapping]] = ..., apply_snapshot_chunk: _Optional[_Union[Choice, _Mapping]] = ..., prepare_proposal: _Optional[_Union[Proposal, _Mapping]] = ..., process_proposal: _Optional[_Union[Choice, _Mapping]] = ..., extend_vote: _Optional[_Union[Nothing, _Mapping]] = ..., verify_vote_extension: _Optional[_Union[Choice, _Mapping]] = ..., finalize_block: _Optional[_Union[BlockFinalized, _Mapping]] = ...) -> None: ...

class Nothing(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Echo(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class Exception(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class Info(_message.Message):
    __slots__ = ("data", "version", "last_block_height", "last_block_app_hash")
    DATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_APP_HASH_FIELD_NUMBER: _ClassVar[int]
    data: str
    version: str
    last_block_height: int
    last_block_app_hash: bytes
    def __init__(self, data: _Optional[str] = ..., version: _Optional[str] = ..., last_block_height: _Optional[int] = ..., last_block_app_hash: _Optional[bytes] = ...) -> None: ...

class InitChain(_message.Message):
    __slots__ = ("chain_id", "initial_height")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    INITIAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    initial_height: int
    def __init__(self, chain_id: _Optional[str] = ..., initial_height: _Optional[int] = ...) -> None: ...

class ChainBegun(_message.Message):
    __slots__ = ("app_hash",)
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    app_hash: bytes
    def __init__(self, app_hash: _Optional[bytes] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class QueryAnswer(_message.Message):
    __slots__ = ("code", "log")
    CODE_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    code: int
    log: str
    def __init__(self, code: _Optional[int] = ..., log: _Optional[str] = ...) -> None: ...

class CheckTx(_message.Message):
    __slots__ = ("tx",)
    TX_FIELD_NUMBER: _ClassVar[int]
    tx: bytes
    def __init__(self, tx: _Optional[bytes] = ...) -> None: ...

class TxChecked(_message.Message):
    __slots__ = ("code", "log")
    CODE_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    code: int
    log: str
    def __init__(self, code: _Optional[int] = ..., log: _Optional[str] = ...) -> None: ...

class PrepareProposal(_message.Message):
    __slots__ = ("max_tx_bytes", "txs")
    MAX_TX_BYTES_FIELD_NUMBER: _ClassVar[int]
    TXS_FIELD_NUMBER: _ClassVar[int]
    max_tx_bytes: int
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, max_tx_bytes: _Optional[int] = ..., txs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ("txs",)
    TXS_FIELD_NUMBER: _ClassVar[int]
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, txs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ProcessProposal(_message.Message):
    __slots__ = ("txs", "height")
    TXS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    height: int
    def __init__(self, txs: _Optional[_Iterable[bytes]] = ..., height: _Optional[int] = ...) -> None: ...

class Choice(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: int
    def __init__(self, result: _Optional[int] = ...) -> None: ...

class FinalizeBlock(_message.Message):
    __slots__ = ("txs", "height", "time")
    TXS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    height: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, txs: _Optional[_Iterable[bytes]] = ..., height: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BlockFinalized(_message.Message):
    __slots__ = ("tx_results", "validator_updates", "app_hash")
    TX_RESULTS_FIELD_NUMBER: _ClassVar[int]
    VALIDATOR_UPDATES_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    tx_results: _containers.RepeatedCompositeFieldContainer[TxResult]
    validator_updates: _containers.RepeatedCompositeFieldContainer[Voter]
    app_hash: bytes
    def __init__(self, tx_results: _Optional[_Iterable[_Union[TxResult, _Mapping]]] = ..., validator_updates: _Optional[_Iterable[_Union[Voter, _Mapping]]] = ..., app_hash: _Optional[bytes] = ...) -> None: ...

class TxResult(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: int
    def __init__(self, code: _Optional[int] = ...) -> None: ...

class Voter(_message.Message):
    __slots__ = ("pub_key", "power")
    PUB_KEY_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    pub_key: VotingKey
    power: int
    def __init__(self, pub_key: _Optional[_Union[VotingKey, _Mapping]] = ..., power: _Optional[int] = ...) -> None: ...

class VotingKey(_message.Message):
    __slots__ = ("ed25519",)
    ED25519_FIELD_NUMBER: _ClassVar[int]
    ed25519: bytes
    def __init__(self, ed25519: _Optional[bytes] = ...) -> None: ...

class Committed(_message.Message):
    __slots__ = ("retain_height",)
    RETAIN_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    retain_height: int
    def __init__(self, retain_height: _Optional[int] = ...) -> None: ...
