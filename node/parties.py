"""Whom a record concerns besides its signer: who may read its private opening, and whom a subscription tells."""

from collections.abc import Callable
from typing import Any

from ledger import records as r
from ledger import state as s
from ledger.custody.handovers import receiver_of
from ledger.custody.step import keeper_of
from ledger.envelope import ENVELOPE, HEADER
from ledger.storage.chainstore import ChainStore

Get = Callable[[bytes], bytes | None]
SCOPES = (r.Hold, r.Recall, r.Close, r.Lift)


class Parties:
    def __init__(self, store: ChainStore) -> None:
        self._store = store

    def of(self, get: Get, signer: str, record: r.Record, amounts: Any = None) -> set[str]:
        """The members that a record names as the other side; for holds and recalls see `concerns_everybody`."""
        match record:
            case r.Ship():
                owner = record.owner or signer
                return {record.to, owner, receiver_of(owner, record.to, record.to_site)}
            case r.Receive():
                return self._senders(get, signer, record.ship)
            case r.Withdraw():
                return {record.to}
            case r.Claim():
                return {record.supplier}
            case r.Dispute():
                return {record.claimant}
            case r.Correct() if amounts is not None:
                return self.of(get, signer, r.RECORD.decode_trusted(amounts.earlier))
            case r.Key() | r.Suspend():
                return {record.member}
            case r.Count() | r.Destroy() | r.Pack() | r.Unpack():
                return {record.owner or signer, keeper_of(record.site)}
            case r.Fact() | r.Hold() | r.Recall() | r.Close() | r.Lift():
                subject = record.subject
                kept = {keeper_of(subject.site)} if subject.site is not None else set()
                return kept | {name for name in (subject.owner, subject.to, subject.member) if name is not None}
            case _:
                return set()

    def _senders(self, get: Get, receiver: str, ship: bytes) -> set[str]:
        row = get(s.handover_key(receiver, ship))
        if row is not None:
            handover = s.HANDOVER.decode_trusted(row)
            return {handover.sender, handover.owner}
        row = get(b"c" + ship)
        if row is None:
            return set()
        closed = s.CLOSED.decode_trusted(row)
        envelope, _ = self._store.envelope_at(closed.leaf)
        record = r.RECORD.decode_trusted(envelope.records[closed.index])
        sender = HEADER.decode_trusted(envelope.header).member
        return {sender, record.owner or sender} if isinstance(record, r.Ship) else {sender}

    def record_at(self, leaf: int, index: int) -> tuple[str, r.Record, bytes] | None:
        """(signer, record, opening of its amounts) at a place in the log."""
        try:
            envelope = ENVELOPE.decode_trusted(self._store.envelope_bytes_at(leaf))
        except KeyError:
            return None
        if index >= len(envelope.records):
            return None
        record = r.RECORD.decode_trusted(envelope.records[index])
        return HEADER.decode_trusted(envelope.header).member, record, envelope.openings[index]


def concerns_everybody(record: r.Record) -> bool:
    """Holds and recalls are public; only a position's concern its owner and keeper alone."""
    return isinstance(record, SCOPES) and record.subject.kind != r.SubjectKind.POSITION
