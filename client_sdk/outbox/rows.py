"""How an entry stands in its row; what the disk changed in it shows."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from client_sdk.build import Sealed
from client_sdk.outbox.entry import Entry, State
from ledger.errors import Problem

DAMAGED: Final = "outbox.damaged"

TABLES: Final = """
CREATE TABLE IF NOT EXISTS outbox (version INTEGER, chain BLOB, member TEXT);
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER, state TEXT, sealed BLOB, header BLOB, signature BLOB,
    sum BLOB, nodes TEXT, problems TEXT, leaf INTEGER, receipt BLOB, changed_ms INTEGER);
CREATE INDEX IF NOT EXISTS entry_by_turn ON entry (place, number);
CREATE INDEX IF NOT EXISTS entry_by_state ON entry (state, place, number);
CREATE INDEX IF NOT EXISTS entry_by_leaf ON entry (leaf);
"""
COLUMNS: Final = "number, place, state, sealed, header, signature, sum, nodes, problems, leaf, receipt, changed_ms"
FORGOTTEN: Final = {"sealed": None, "sum": None}
"""The columns of records that are not needed any more; header, signature, leaf and receipt prove what was booked."""

_SEALED: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, bytes]])
_PROBLEMS: Final = msgspec.json.Decoder(tuple[Problem, ...])
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])


def content(sealed: Sequence[Sealed], header: bytes = b"", signature: bytes = b"") -> dict[str, Any]:
    """The columns of an envelope's parts, with the hash that shows whether they are what was stored."""
    data = msgspec.msgpack.encode([(one.record, one.opening, one.private) for one in sealed])
    return {"sealed": data, "header": header, "signature": signature, "sum": _sum(data, header, signature)}


def _sum(data: bytes, header: bytes, signature: bytes) -> bytes:
    return sha256(sha256(data).digest() + header + signature).digest()


def text(values: Sequence[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()


def entry(row: Sequence[Any]) -> Entry:
    """The entry of a row; one that the disk changed is shown as such, so that it can be seen and dropped."""
    number, place, state, data, header, signature, stored, nodes, problems, leaf, receipt, changed_ms = row
    try:
        if data is not None and _sum(data, header, signature) != stored:
            raise ValueError("the records do not match their hash")
        sealed = [] if data is None else [Sealed(*parts) for parts in _SEALED.decode(data)]
        named, found = _NAMES.decode(nodes), _PROBLEMS.decode(problems)
        known = State(state)
    except (TypeError, ValueError) as error:  # msgspec's errors are ValueErrors
        message = f"the disk changed what was stored here ({error})"
        found = (Problem(DAMAGED, message, "see whether it is booked, else book it again; and drop this entry"),)
        sealed, named = [], ()
        known = State.SENT if state == State.SENT.value else State.REFUSED
    return Entry(
        number, place, known, sealed, header, signature, named, found, leaf, receipt or b"", changed_ms
    )  # fmt: skip
