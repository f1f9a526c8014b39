"""Whom a record concerns besides its signer: who may read its amounts and its private part, and who is told of it.

All is read from the record itself and, where it answers a ship or corrects an earlier record, from that one. So it is
the same for ever: no later act makes or unmakes a party, and a block read live and read years later tells the same.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.handovers import receiver_of
from ledger.custody.step import keeper_of
from ledger.envelope import HEADER
from ledger.seals import SALT_BYTES
from ledger.storage.chainstore import ChainStore

Get = Callable[[bytes], bytes | None]
SCOPES: Final = (r.Hold, r.Recall, r.Close, r.Lift)


class Concerned(Struct, frozen=True):
    """`parties` stand on one side of the act: they may read its amounts and its private part. `keepers` keep a site
    where its goods lie or come to: they are told of the record, and no more."""

    parties: frozenset[str] = frozenset()
    keepers: frozenset[str] = frozenset()


class Signed(Struct, frozen=True):
    """A record where it stands in the log; `opening` is that of its amounts, empty where it has none."""

    member: str
    record: Any
    data: bytes
    opening: bytes


class Parties:
    def __init__(self, store: ChainStore) -> None:
        self._store = store

    def at(self, leaf: int, index: int) -> Signed | None:
        """The record at a place in the log; None where there is none, Damaged where its block does not hold."""
        try:
            envelope, _ = self._store.envelope_at(leaf)
        except KeyError:
            return None
        if index >= len(envelope.records):
            return None
        data = envelope.records[index]
        member = HEADER.decode_trusted(envelope.header).member
        return Signed(member, r.RECORD.decode_trusted(data), data, envelope.openings[index])

    def of(self, get: Get, signer: str, record: Any, opening: bytes = b"") -> Concerned:
        """Whom an accepted record concerns; `get` reads the state after its block, or any later one."""
        match record:
            case r.Ship():
                return _by_ship(signer, record)
            case r.Receive():
                return self._by_ship_named(get, signer, record.ship)
            case r.Withdraw():
                return self._by_ship_named(get, record.to, record.ship)
            case r.Correct():
                earlier = r.AMOUNTS[r.Correct].decode_trusted(opening[SALT_BYTES:]).earlier  # type: ignore[union-attr]
                return self.of(get, signer, r.RECORD.decode_trusted(earlier))
            case r.Claim():
                return Concerned(frozenset({record.supplier}), frozenset({keeper_of(record.site)}))
            case r.Enter() | r.Sell():
                return Concerned(keepers=frozenset({keeper_of(record.site)}))
            case r.Dispute():
                return Concerned(frozenset({record.claimant}))
            case r.Count() | r.Destroy() | r.Pack() | r.Unpack():
                return Concerned(frozenset({record.owner or signer, keeper_of(record.site)}))
            case r.Admit() | r.Suspend() | r.Key():
                return Concerned(frozenset({record.member}))
            case r.Fact() | r.Hold() | r.Recall() | r.Close() | r.Lift():
                return self._by_subject(get, record.subject)
            case _:
                return Concerned()

    def _by_subject(self, get: Get, subject: r.Subject) -> Concerned:
        """What is said of a lot or a product has nobody for the other side."""
        if subject.ship is not None and subject.to is not None:
            return self._by_ship_named(get, subject.to, subject.ship)
        kept = {keeper_of(subject.site)} if subject.site is not None else set()
        return Concerned(frozenset(kept | {name for name in (subject.owner, subject.member) if name is not None}))

    def _by_ship_named(self, get: Get, receiver: str, ship: bytes) -> Concerned:
        """Of a handover, by the ship's hash and who was to sign the receive; open or closed, state says where its
        ship stands."""
        signed = self._ship(get, receiver, ship)
        if signed is None or not isinstance(signed.record, r.Ship):
            return Concerned()
        found = _by_ship(signed.member, signed.record)
        return Concerned(found.parties | {signed.member}, found.keepers)

    def _ship(self, get: Get, receiver: str, ship: bytes) -> Signed | None:
        row = get(s.handover_key(receiver, ship))
        if row is not None:
            element = s.HANDOVER.decode_trusted(row).element
            return self.at(element.leaf, element.index)
        row = get(b"c" + ship)
        if row is None:
            return None
        closed = s.CLOSED.decode_trusted(row)
        return self.at(closed.leaf, closed.index)


def _by_ship(signer: str, ship: r.Ship) -> Concerned:
    """Both owners where title moves; the owner and both keepers where custody alone does."""
    owner = ship.owner or signer
    parties = frozenset({owner, ship.to, receiver_of(owner, ship.to, ship.to_site)})
    return Concerned(parties, frozenset({keeper_of(ship.site), keeper_of(ship.to_site)}))


def concerns_everybody(record: Any) -> bool:
    """Holds and recalls are public; only a position's concern its owner and keeper alone. Everybody trusts the
    validators."""
    if isinstance(record, r.Policy):
        return True
    return isinstance(record, SCOPES) and record.subject.kind != r.SubjectKind.POSITION


def is_regulator(get: Get, member: str) -> bool:
    row = get(b"m" + e.member_path(member))
    return row is not None and e.MEMBER.decode_trusted(row).kind == r.MemberKind.REGULATOR
