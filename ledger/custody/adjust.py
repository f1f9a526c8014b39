"""What corrections change at positions: a difference made good now, with what the goods carry."""

from typing import Any

from msgspec import Struct, structs

from ledger import entries as e
from ledger import state as s
from ledger.custody.behind import carried_back
from ledger.custody.inforce import bits_for_another_lot
from ledger.custody.step import Step, Violation, adverse, change, enter_position, known_lot, room_for_adverse
from ledger.custody.weights import tolerance_of


class Fix(Struct, frozen=True):
    """The earlier record and its hash, its amounts as they stand and as they should be (None: it does not occur)."""

    earlier: Any
    target: bytes
    old: Any
    new: Any
    instead: bytes

    @property
    def delta(self) -> int:
        """Change of the one quantity that the record moves, in base items."""
        return amount(self.new, "quantity") - amount(self.old, "quantity")

    @property
    def grams(self) -> int:
        return amount(self.new, "grams") - amount(self.old, "grams")


def amount(amounts: Any, name: str) -> int:
    """A quantity or weight that amounts state; 0 where they do not, or nothing occurred."""
    return (getattr(amounts, name) or 0) if amounts is not None else 0


class Change(Struct, frozen=True):
    """What a correction changes at one position: what it holds, and other counts. `out` says that it takes more out,
    as a larger sale does, where a smaller delivery only means that less came in."""

    lot: str
    owner: str
    site: str
    items: int
    grams: int
    counters: dict[str, int] = {}
    out: bool = False

    @property
    def path(self) -> bytes:
        return e.position_path(self.lot, self.owner, self.site)

    @property
    def gives(self) -> bool:
        return self.items < 0 or self.grams < 0

    @property
    def takes(self) -> bool:
        return self.items > 0 or self.grams > 0


def adjust(step: Step, *changes: Change, carried: int = ~0) -> None:
    """Change what positions hold. What is gone already is overdrawn: more went out than came in, and wherever this
    correction reached carries the mark, so that no goods come out of it unseen. Where less is here and more there,
    status bits go along, those of `carried`."""
    overdrawn = [_change(step, one) for one in changes]
    given = [(one.path, _bits_of(step, one, changes) & carried) for one in changes if one.gives]
    for one in changes:
        if one.takes:
            mark(step, one.path, carried_back(step.draft, given, one.path))
    for one in changes if any(overdrawn) else ():
        mark(step, one.path, int(e.Bit.MORE_OUT_THAN_IN))


def _bits_of(step: Step, one: Change, changes: tuple[Change, ...]) -> int:
    position = step.draft.position(one.path)
    if any(other.lot != one.lot for other in changes):
        return bits_for_another_lot(step.draft, known_lot(step, one.lot), position)
    return e.passed_on(position.bits) if position is not None else 0


def mark(step: Step, path: bytes, bits: int) -> None:
    """Set bits of a position that is there."""
    position = step.draft.position(path)
    if position is not None and bits & ~position.bits:
        step.draft.put(b"m" + path, structs.replace(position, bits=position.bits | bits))


def _change(step: Step, one: Change) -> bool:
    """Whether it overdrew, in items or in weight. What comes back makes good what was overdrawn before, and the rest
    came in by this."""
    stock = step.draft.stock(one.owner, one.site, one.lot)
    items, grams = one.items, one.grams
    gone, thin = max(0, -items - (stock.held - stock.reserved)), max(0, -grams - stock.grams)
    _check(one, stock, gone, thin)
    good, heavy = min(max(0, items), stock.overdrawn), min(max(0, grams), stock.grams_overdrawn)
    change(
        step, one.owner, one.site, one.lot,
        held=items + gone - good, grams=grams + thin - heavy, overdrawn=gone - good, grams_overdrawn=thin - heavy,
        **one.counters,
    )  # fmt: skip
    if one.takes:
        enter_position(step, one.lot, one.owner, one.site, e.WayKind.CORRECT, b"", [step.element], 0)
    position = step.draft.position(one.path)
    room_for_adverse(step, position.adverse if position is not None else None)
    adverse(step, one.lot, one.owner, one.site)
    return gone > 0 or thin > tolerance_of(step, one.lot, -grams)


def _check(one: Change, stock: s.Stock, gone: int, thin: int) -> None:
    if (gone or thin) and one.out:
        raise Violation(
            "position.overdrawn",
            f"{one.owner} does not hold so much more of {one.lot} at {one.site} as would have gone out",
            "book or count what came in first",
            "instead",
        )
    if gone and stock.reserved:
        raise Violation(
            "position.overdrawn",
            f"goods of {one.owner} stand packed under an SSCC, {gone} of them would be taken away",
            "unpack them first",
            "instead",
        )
    for name, by in one.counters.items():
        if getattr(stock, name) + by < 0:
            raise Violation(
                "correct.undone",
                f"{-by} of {name} would be undone, {getattr(stock, name)} are left",
                "correct first what took the rest back",
                "instead",
            )
