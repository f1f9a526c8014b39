"""A member's subscription: what others did that concerns it, read from the stored blocks, so that it is in order and
without gaps from any place in the log on, and costs nobody a row.

Each block is read and decoded once for all subscribers who stand at the same place; the newest blocks are remembered.
"""

from collections import OrderedDict
from threading import Lock

from msgspec import Struct

from ledger import block as b
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER
from ledger.errors import Malformed
from ledger.limits import EVENT_BLOCKS_MAX
from ledger.seals import SALT_BYTES
from ledger.storage.chainstore import ChainStore, ChainView
from node.parties import Parties, concerns_everybody

BLOCKS_REMEMBERED = 2 * EVENT_BLOCKS_MAX


class Event(Struct, frozen=True):
    """One record of somebody else; `opening` where the member is a party to it."""

    leaf: int
    index: int
    member: str
    time: int
    record: bytes
    opening: bytes


class Told(Struct, frozen=True):
    """A record that concerns others: its parties, or everybody."""

    event: Event
    parties: set[str]
    everybody: bool


class BlockEvents(Struct, frozen=True):
    """What of one block concerns anybody but its signers, and the leaf behind the block."""

    told: list[Told]
    next_leaf: int


class Feed:
    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._parties = Parties(store)
        self._remembered: OrderedDict[int, BlockEvents] = OrderedDict()
        self._lock = Lock()

    def read(self, view: ChainView, member: str, from_leaf: int) -> tuple[list[Event], int]:
        """Events from a leaf on, and the leaf to go on from: behind the last block that was read. At most
        EVENT_BLOCKS_MAX blocks are read. Malformed where the leaf is beyond the log."""
        size = view.head.log.size
        if from_leaf > size:
            raise Malformed("from_leaf", f"{from_leaf} is beyond this log's {size} leaves")
        if from_leaf == size:
            return [], size
        events: list[Event] = []
        first = self._store.height_at(from_leaf)
        for height in range(first, min(view.head.height, first + EVENT_BLOCKS_MAX - 1) + 1):
            block = self._of_block(view, height)
            size = block.next_leaf
            for told in block.told:
                party = member in told.parties
                if told.event.leaf >= from_leaf and told.event.member != member and (party or told.everybody):
                    events.append(told.event if party else _without_opening(told.event))
        return events, size

    def _of_block(self, view: ChainView, height: int) -> BlockEvents:
        with self._lock:
            known = self._remembered.get(height)
        if known is not None:
            return known
        found = self._read(view, self._store.block_at(height))
        with self._lock:
            self._remembered[height] = found
            while len(self._remembered) > BLOCKS_REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def _read(self, view: ChainView, payload: bytes) -> BlockEvents:
        block = b.BLOCK.decode_trusted(payload)
        header = b.HEADER.decode_trusted(block.header)
        told: list[Told] = []
        for number, wire in enumerate(block.envelopes):
            told += self._of_envelope(view, header, header.first + number, wire)
        return BlockEvents(told, header.first + header.count + 1)

    def _of_envelope(self, view: ChainView, header: b.BlockHeader, leaf: int, wire: bytes) -> list[Told]:
        envelope = ENVELOPE.decode_trusted(wire)
        signer = HEADER.decode_trusted(envelope.header).member
        found = []
        for index, data in enumerate(envelope.records):
            record = r.RECORD.decode_trusted(data)
            opening = envelope.openings[index]
            amounts = None
            if isinstance(record, r.Correct):
                amounts = r.AMOUNTS[r.Correct].decode_trusted(opening[SALT_BYTES:])
            parties = self._parties.of(view.get, signer, record, amounts) - {signer}
            everybody = concerns_everybody(record)
            if parties or everybody:
                event = Event(leaf, index, signer, header.time, data, opening)
                found.append(Told(event, parties, everybody))
        return found


def _without_opening(event: Event) -> Event:
    return Event(event.leaf, event.index, event.member, event.time, event.record, b"")
