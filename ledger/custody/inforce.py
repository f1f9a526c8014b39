"""Whether goods lie under a hold or recall: asked before they are shipped or become part of others.

A scope covers goods by their lot, their position, their product or its maker. Goods that left a position while it was
held say so where they are (`HELD_BEFORE`, `RECALLED_BEFORE`), and count as held for as long as the scope lasts there.
"""

from collections.abc import Iterator
from typing import Final

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.scopes import scopes_of
from ledger.custody.step import Step, Violation, product_of
from ledger.limits import PATH_POSITIONS_MAX, TIME_MS_MAX

Kinds = tuple[r.Act, ...]
HOLDS: Final[Kinds] = (r.Act.HOLD,)
RECALLS: Final[Kinds] = (r.Act.RECALL,)
HOLDS_AND_RECALLS: Final[Kinds] = (r.Act.HOLD, r.Act.RECALL)
_BEFORE: Final = {
    HOLDS: int(e.Bit.HELD_BEFORE),
    RECALLS: int(e.Bit.RECALLED_BEFORE),
    HOLDS_AND_RECALLS: e.IN_FORCE_BEFORE,
}
ANCESTOR_OWN: Final = int(e.Bit.NOT_COMMISSIONED)  # a maker that is late shows on its lot as long as it is late


def refuse_in_force(
    step: Step,
    lot: e.LotEntry,
    product: e.ProductEntry,
    position: e.PositionEntry | None,
    at: int,
    collected: bool = False,
) -> None:
    """To ship or transform what is held or recalled is refused, unless it is claimed to lie before. What is recalled,
    and not held, may go back to where it was delivered from, or to another keeper: that is how a recall collects."""
    if in_force_at(step.draft, lot, product, position, at, HOLDS if collected else HOLDS_AND_RECALLS):
        raise Violation(
            "goods.held",
            f"{lot.lot} is held or recalled",
            "keep it where it is until the hold is lifted; what was done before it carries its earlier time",
            "lot",
        )


def in_force_now(draft: s.Draft, lot: str) -> bool:
    """Whether a lot lies under a hold or recall, of itself, its product or its maker; for those who only look."""
    entry, product = draft.lot(lot), draft.product(product_of(lot))
    return entry is not None and product is not None and in_force_at(draft, entry, product, None, TIME_MS_MAX)


def in_force_at(
    draft: s.Draft,
    lot: e.LotEntry,
    product: e.ProductEntry,
    position: e.PositionEntry | None,
    at: int,
    kinds: Kinds = HOLDS_AND_RECALLS,
) -> bool:
    """Whether goods of this lot at this position lie under a hold or recall that began by the claimed time `at`."""
    if lot.bits & e.IN_FORCE and _covers(draft, e.lot_path(lot.lot), None, at, kinds):
        return True
    if position is not None and position.bits & (e.IN_FORCE | e.IN_FORCE_BEFORE):
        if _position_covered(draft, position, at, kinds):
            return True
        if position.bits & _BEFORE[kinds] and _held_before(draft, position, at, kinds):
            return True
    return _by_kin(draft, lot, product, at, kinds)


def bits_for_another_lot(draft: s.Draft, lot: e.LotEntry, position: e.PositionEntry | None) -> int:
    """What goods carry out of a lot and a position into another lot, which does not show the first one's status."""
    bits = e.passed_on(lot.bits & ~ANCESTOR_OWN | (position.bits if position is not None else 0))
    product = draft.product(product_of(lot.lot))
    for kinds in (HOLDS, RECALLS):
        if product is not None and _by_kin(draft, lot, product, TIME_MS_MAX, kinds):
            bits |= _BEFORE[kinds]
    return bits


def _held_before(draft: s.Draft, start: e.PositionEntry, at: int, kinds: Kinds) -> bool:
    """Whether a scope lasts where the goods came through. What cannot be followed from here counts as held: only a
    regulator clears it."""
    todo, seen = [start], {(start.lot, start.owner, start.site)}
    for position in todo:
        if position.more_ways or any(way.kind in (e.WayKind.RETURN, e.WayKind.CORRECT) for way in position.ways):
            return True
        for source in sources_of(draft, position):
            if source.lot != position.lot and _lot_covered(draft, source.lot, at, kinds):
                return True
            if _position_covered(draft, source, at, kinds):
                return True
            name = (source.lot, source.owner, source.site)
            if source.bits & _BEFORE[kinds] and name not in seen:
                seen.add(name)
                todo.append(source)
        if len(todo) > PATH_POSITIONS_MAX:
            return True
    return False


def sources_of(draft: s.Draft, position: e.PositionEntry) -> Iterator[e.PositionEntry]:
    """The positions that the goods of this one came from."""
    paths = [way.source for way in position.ways if way.source]
    if any(way.kind == e.WayKind.TRANSFORM for way in position.ways):
        lot = draft.lot(position.lot)
        parents = lot.parents if lot is not None else []
        paths += [e.position_path(parent, position.owner, position.site) for parent in parents]
    for path in paths:
        source = draft.position(path)
        if source is not None:
            yield source


def _lot_covered(draft: s.Draft, name: str, at: int, kinds: Kinds) -> bool:
    lot, product = draft.lot(name), draft.product(product_of(name))
    return lot is not None and product is not None and in_force_at(draft, lot, product, None, at, kinds)


def _position_covered(draft: s.Draft, position: e.PositionEntry, at: int, kinds: Kinds) -> bool:
    path = e.position_path(position.lot, position.owner, position.site)
    return bool(position.bits & e.IN_FORCE) and _covers(draft, path, None, at, kinds)


def _by_kin(draft: s.Draft, lot: e.LotEntry, product: e.ProductEntry, at: int, kinds: Kinds) -> bool:
    """By its product (and what that is a level of), or by a maker: the product's, or whoever commissioned the lot."""
    base = draft.product(product.base) if product.base is not None else None
    for one in (product, base):
        if one is not None and one.in_force and _covers(draft, e.product_path(one.product), lot, at, kinds):
            return True
    return _maker_covers(draft, lot, product.maker, at, kinds) or (
        lot.commissioner != product.maker and _maker_covers(draft, lot, lot.commissioner, at, kinds)
    )


def _maker_covers(draft: s.Draft, lot: e.LotEntry, maker: str | None, at: int, kinds: Kinds) -> bool:
    entry = draft.member(maker) if maker is not None else None
    return entry is not None and bool(entry.in_force) and _covers(draft, e.member_path(entry.member), lot, at, kinds)


def _covers(draft: s.Draft, path: bytes, lot: e.LotEntry | None, at: int, kinds: Kinds) -> bool:
    """Of a product's or maker's scopes only those whose span covers the lot; a claim to have acted before the hold is
    believed."""
    for scope in scopes_of(draft, path):
        if at < scope.at or scope.element.act not in kinds:
            continue
        if lot is None or e.made_within(lot, scope.made_from, scope.made_until):
            return True
    return False
