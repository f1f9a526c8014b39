"""A member's subscription: what others did that concerns it, read from the stored blocks, so that it is in order and
without gaps from any place in the log on, and costs nobody a row.

Each block is read and decoded once for all subscribers who stand at the same place; the newest ones are remembered.
"""

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from msgspec import Struct

from ledger import block as b
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER
from ledger.errors import Malformed
from ledger.limits import EVENT_BLOCKS_MAX, EVENTS_BYTES_MAX, PAGE_BYTES_MAX
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from node.parties import Concerned, Parties, concerns_everybody

EVENT_OVERHEAD_BYTES = 200  # of an event in memory and on the wire, beside its record and opening


class Event(Struct, frozen=True):
    """One record of somebody else; `opening` where the member is a party to it."""

    leaf: int
    index: int
    member: str
    time: int
    record: bytes
    opening: bytes

    @property
    def size(self) -> int:
        return len(self.record) + len(self.opening) + EVENT_OVERHEAD_BYTES


class Told(Struct, frozen=True):
    """A record that concerns others: these, or everybody."""

    event: Event
    concerned: Concerned
    everybody: bool

    def to(self, member: str) -> Event | None:
        """What this member is told of it: all, only the record, or nothing."""
        if member == self.event.member:
            return None
        if member in self.concerned.parties:
            return self.event
        if self.everybody or member in self.concerned.keepers:
            return Event(
                self.event.leaf, self.event.index, self.event.member, self.event.time, self.event.record, b""
            )
        return None


class BlockEvents(Struct, frozen=True):
    """What of one block concerns anybody but its signers, and the leaf behind the block."""

    told: list[Told]
    next_leaf: int

    @property
    def size(self) -> int:
        return EVENT_OVERHEAD_BYTES + sum(told.event.size for told in self.told)


class Feed:
    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._parties = Parties(store)
        self._remembered: OrderedDict[int, BlockEvents] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def read(self, view: ChainView, member: str, from_leaf: int) -> tuple[list[Event], int]:
        """Events from a leaf on, and the leaf to go on from: behind the last envelope that was read. At most
        EVENT_BLOCKS_MAX blocks are read, and little more than PAGE_BYTES_MAX answered. Malformed where the leaf is
        beyond the log."""
        size = view.head.log.size
        if from_leaf > size:
            raise Malformed("from_leaf", f"{from_leaf} is beyond this log's {size} leaves")
        events: list[Event] = []
        room, reached = PAGE_BYTES_MAX, from_leaf
        for block in self._blocks(view, from_leaf):
            for told in block.told:
                event = told.to(member) if told.event.leaf >= from_leaf else None
                if event is None:
                    continue
                if room <= 0 and event.leaf != events[-1].leaf:
                    return events, event.leaf
                room -= event.size
                events.append(event)
            reached = block.next_leaf
        return events, reached

    def _blocks(self, view: ChainView, from_leaf: int) -> Iterator[BlockEvents]:
        if from_leaf == view.head.log.size:
            return
        first = self._store.height_at(from_leaf)
        for height in range(first, min(view.head.height, first + EVENT_BLOCKS_MAX - 1) + 1):
            yield self._of_block(view, height)

    def _of_block(self, view: ChainView, height: int) -> BlockEvents:
        with self._lock:
            known = self._remembered.get(height)
        if known is not None:
            return known
        found = self._read(view, self._store.block_at(height))
        with self._lock:
            if height not in self._remembered:
                self._remembered[height] = found
                self._bytes += found.size
            while self._bytes > EVENTS_BYTES_MAX:
                _, oldest = self._remembered.popitem(last=False)
                self._bytes -= oldest.size
        return found

    def _read(self, view: ChainView, payload: bytes) -> BlockEvents:
        block = b.BLOCK.decode_trusted(payload)
        header = b.HEADER.decode_trusted(block.header)
        told: list[Told] = []
        for leaf, wire in enumerate(block.envelopes, header.first):
            told += self._of_envelope(view, header.time, leaf, wire)
        return BlockEvents(told, header.first + header.count + 1)

    def _of_envelope(self, view: ChainView, time: int, leaf: int, wire: bytes) -> Iterator[Told]:
        envelope = ENVELOPE.decode_trusted(wire)
        signer = HEADER.decode_trusted(envelope.header).member
        for index, (data, opening) in enumerate(zip(envelope.records, envelope.openings, strict=True)):
            record = r.RECORD.decode_trusted(data)
            concerned = self._parties.of(view.get, signer, record, opening)
            everybody = concerns_everybody(record)
            if everybody or (concerned.parties | concerned.keepers) - {signer}:
                yield Told(Event(leaf, index, signer, time, data, opening), concerned, everybody)
