"""Document lines: each is booked once per member and side of the book, so that a till and a monthly book cannot both
book one sale, nor a claim and its later receipt one delivery."""

from typing import Final

from ledger import records as r
from ledger import state as s
from ledger.custody.step import Step, Violation

IN_BOOK: Final = (r.Receive, r.Claim, r.Enter, r.TakeBack)
OUT_BOOK: Final = (r.Ship, r.Sell)


def side_of(record: r.Record) -> str:
    """The side of the book that a record's `ref` is unique in: i (in), o (out) or w (own)."""
    if isinstance(record, IN_BOOK):
        return "i"
    return "o" if isinstance(record, OUT_BOOK) else "w"


def book_line(step: Step, record: r.Record, ref: str) -> None:
    """Book the document line: never twice, except by several records of one envelope."""
    key = s.booked_key(step.member, side_of(record), ref)
    booked = step.draft.get(key, s.BOOKED.decode_trusted)
    here = (step.element.index, step.name)
    if booked is None:
        step.draft.put(key, s.Booked(step.element.leaf, [here]))
    elif booked.leaf == step.element.leaf:
        step.draft.put(key, s.Booked(booked.leaf, [*booked.records, here]))
    else:
        index, first = booked.records[0]
        raise Violation(
            "ref.booked",
            f"document line {ref!r} was booked in leaf {booked.leaf}, record {index} ({first.hex()})",
            "leave it out; if it is another delivery, give it a line of its own",
            "ref",
        )


def was_booked(step: Step, record: r.Record, ref: str, name: bytes) -> bool:
    """Whether the signer booked the record of this hash under this document line."""
    booked = step.draft.get(s.booked_key(step.member, side_of(record), ref), s.BOOKED.decode_trusted)
    return booked is not None and any(found == name for _, found in booked.records)
