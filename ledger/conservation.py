"""Conservation: quantity per lot is what came into being less what went out. Counted from the records alone, in items
and in grams, and held against the rows that the rules keep.

brought + open claims + overdrawn = held + in transit + missing + taken out
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ledger import records as r
from ledger import state as s
from ledger.seals import SALT_BYTES

Scan = Callable[[bytes], Iterator[tuple[bytes, bytes]]]
_BROUGHT = (r.Commission, r.Enter)
_TAKEN = (r.Sell, r.Destroy)


class Account:
    """Add every accepted record in order, then compare."""

    def __init__(self) -> None:
        self.items: Counter[str] = Counter()  # brought less taken
        self.grams: Counter[str] = Counter()
        self._since: dict[tuple[str, bytes], Any] = {}  # amounts in force of corrected records

    def add(self, record: r.Record, amounts: Any, signer: str) -> None:
        """Whoever signed a record corrects it, by its hash."""
        if isinstance(record, r.Correct):
            self._correct(record, amounts, (signer, record.target))
        elif amounts is not None:
            self._add(record, amounts, 1)

    def _correct(self, record: r.Correct, amounts: r.Corrected, name: tuple[str, bytes]) -> None:
        earlier: Any = r.RECORD.decode_trusted(amounts.earlier)
        if isinstance(earlier, r.Receive | r.Ship):
            return  # it brings nothing in and takes nothing out, whether the other side agrees or not
        codec = r.AMOUNTS[type(earlier)]
        stood = codec.decode_trusted(amounts.opening[SALT_BYTES:])
        old = self._since.get(name, stood)
        new = codec.decode_trusted(amounts.instead) if amounts.instead else None
        self._since[name] = new
        for these, sign in ((old, -1), (new, 1)):
            if these is not None:
                self._add(earlier, these, sign)

    def _add(self, record: Any, amounts: Any, sign: int) -> None:
        kind = type(record)
        if kind in _TAKEN:
            self._move(record.lot, -sign * amounts.quantity, -sign * (amounts.grams or 0))
        elif kind in _BROUGHT or kind is r.TakeBack:
            self._move(record.lot, sign * amounts.quantity, sign * (amounts.grams or 0))
        elif kind is r.Receive:
            self.items[record.lot] -= sign * (amounts.destroyed or 0)
        elif kind is r.Relabel:
            self._move(record.lot, -sign * amounts.quantity, -sign * (amounts.grams or 0))
            self._move(record.to_lot, sign * amounts.quantity, sign * (amounts.grams or 0))
        elif kind is r.Transform:
            self._transform(record, amounts, sign)
        elif kind is r.Count:
            self.items[record.lot] += amounts.found - amounts.book - (amounts.missing or 0)

    def _transform(self, record: r.Transform, amounts: r.Transformed, sign: int) -> None:
        weighed_in = amounts.grams_in or [0] * len(record.inputs)
        weighed_out = amounts.grams_out or [0] * len(record.outputs)
        for lot, items, grams in zip(record.inputs, amounts.inputs, weighed_in, strict=True):
            self._move(lot, -sign * items, -sign * grams)
        for output, items, grams in zip(record.outputs, amounts.outputs, weighed_out, strict=True):
            self._move(output.lot, sign * items, sign * grams)

    def _move(self, lot: str, items: int, grams: int) -> None:
        self.items[lot] += items
        if grams:
            self.grams[lot] += grams

    def compare(self, scan: Scan) -> tuple[str, int, int]:
        """(the first flaw, or empty; lots; positions) against the rows of stock, open handovers and open claims."""
        items: Counter[str] = Counter()
        grams: Counter[str] = Counter()
        for _, value in scan(b"h"):
            handover = s.HANDOVER.decode(value)
            items[handover.lot] += handover.open
            grams[handover.lot] += handover.grams
        claimed: Counter[tuple[str, str, str]] = Counter()
        for _, value in scan(b"d"):
            claim = s.CLAIM.decode(value)
            claimed[claim.claimant, claim.site, claim.lot] += claim.open
            grams[claim.lot] -= claim.grams
        rows = 0
        for key, value in scan(b"p"):
            owner, site, lot = key[1:].decode().split("\x00")
            stock = s.STOCK.decode(value)
            if stock.claimed != claimed.pop((owner, site, lot), 0):
                return f"the open claims of {lot} at {site} are not those of the position", 0, 0
            if stock.reserved > stock.held or stock.disputed > stock.claimed:
                return (
                    f"a position of {lot} at {site} holds less than stands packed, or claims less than is disputed",
                    0,
                    0,
                )
            items[lot] += stock.held + stock.missing - stock.claimed - stock.overdrawn
            grams[lot] += stock.grams + stock.grams_lost - stock.grams_overdrawn
            rows += 1
        for name, there, brought in (("", items, self.items), (" in grams", grams, self.grams)):
            for lot in set(there) | set(brought):
                if there[lot] != brought[lot]:
                    return f"{lot}{name}: {brought[lot]} came in and did not go out, {there[lot]} are there", 0, 0
        return "", len(set(items)), rows
