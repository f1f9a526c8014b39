"""Which corrections of a handover both sides have signed: the second of two equal ones makes both count.

What the other side signed comes from the subscription, what one signed oneself from the own records, which are read
when the first such correction is told, and from there on only what is new.
"""

from typing import Any

from msgspec import Struct

from client_sdk.client import Client
from client_sdk.wire import Event
from ledger import records as r
from ledger.seals import open_amounts


class Said(Struct, frozen=True):
    """One side's correction of its record about a handover: `of_ship` where that is the ship. `was` and `right` are
    its quantity as first signed and as it should be."""

    leaf: int
    index: int
    mine: bool
    of_ship: bool
    target: bytes
    at: int
    received_at: int
    was: int
    right: int

    @property
    def place(self) -> str:
        return f"{self.leaf}/{self.index}"


class Answers:
    def __init__(self, member: Client) -> None:
        self._member = member
        self._next_leaf = 0
        self._said: dict[bytes, list[Said]] = {}

    def place_of(self, event: Event) -> str:
        """Where the own correction stands that says the same as this one; empty where there is none, or where there
        is none to say."""
        ship = self._add(event.leaf, event.index, event.record, event.amounts, mine=False)
        if ship is None:
            return ""
        for envelope in self._member.own_envelopes(self._next_leaf):
            for index, one in enumerate(envelope.records):
                self._add(envelope.leaf, index, one.record, one.amounts, mine=True)
            self._next_leaf = envelope.leaf + 1
        return _pairs(self._said[ship]).get(f"{event.leaf}/{event.index}", "")

    def counts_alone(self, event: Event) -> bool:
        """Whether it is a sender's correction of a ship that is open still: that needs no answer."""
        record: Any = event.record
        if not isinstance(record, r.Correct) or event.amounts is None:
            return False
        return any(one.ship == record.target for one in self._member.handovers())

    def _add(self, leaf: int, index: int, record: r.Record, amounts: Any, mine: bool) -> bytes | None:
        """The ship that a correction is about; None where it is about something else."""
        if not isinstance(record, r.Correct) or amounts is None:
            return None
        earlier: Any = r.RECORD.decode(amounts.earlier)
        if not isinstance(earlier, r.Ship | r.Receive):
            return None
        if isinstance(earlier, r.Ship):
            field, ship, received_at = "quantity", record.target, 0
        else:
            field, ship, received_at = "accepted", earlier.ship, earlier.at
        instead = r.AMOUNTS[type(earlier)].decode(amounts.instead) if amounts.instead is not None else None
        old, new = (getattr(one, field, 0) or 0 for one in (open_amounts(earlier, amounts.opening), instead))
        of_ship = isinstance(earlier, r.Ship)
        said = Said(leaf, index, mine, of_ship, record.target, record.at, received_at, old, new)
        self._said.setdefault(ship, []).append(said)
        return ship


def _pairs(said: list[Said]) -> dict[str, str]:
    """Place -> place of the equal correction of the other side, as the ledger pairs them: a correction waits until
    the next one, which answers it or takes its place. What a sender corrected before the goods were received counted
    by itself."""
    pairs: dict[str, str] = {}
    stands: dict[bytes, int] = {}
    waits: Said | None = None
    received_at = min((one.received_at for one in said if not one.of_ship), default=0)
    for one in sorted(said, key=lambda one: (one.leaf, one.index)):
        if one.of_ship and one.at < received_at:
            stands[one.target] = one.right
        elif waits is not None and _equal(waits, one, stands):
            pairs |= {waits.place: one.place, one.place: waits.place}
            stands |= {waits.target: waits.right, one.target: one.right}
            waits = None
        else:
            waits = one
    return pairs


def _equal(one: Said, other: Said, stands: dict[bytes, int]) -> bool:
    """Whether both sides say the same change."""
    first, second = (each.right - stands.get(each.target, each.was) for each in (one, other))
    return one.mine != other.mine and one.of_ship != other.of_ship and first == second
