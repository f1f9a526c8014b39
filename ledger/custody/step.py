"""What a rule is given, and the few things that many rules do."""

from msgspec import Struct, structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.limits import ADVERSE_ENTRIES_MAX, BOOKED_LATE_MS_MIN, INTEGER_MAX, SOURCES_INLINE_MAX


class Violation(Exception):
    """A rule that a record breaks; becomes a `Problem` of the envelope."""

    def __init__(self, rule: str, message: str, remedy: str = "", field: str = "") -> None:
        super().__init__(message)
        self.rule, self.message, self.remedy, self.field = rule, message, remedy, field


class Step(Struct):
    """One record about to be applied: who signed it, when it is booked, where it will stand in the log, and the hash
    by which other records name it."""

    draft: s.Draft
    signer: e.MemberEntry
    time: int
    element: e.Element
    name: bytes

    @property
    def member(self) -> str:
        return self.signer.member

    @property
    def is_regulator(self) -> bool:
        return self.signer.kind == r.MemberKind.REGULATOR and self.signer.suspended is None


def known_lot(step: Step, lot: str) -> e.LotEntry:
    entry = step.draft.lot(lot)
    if entry is None:
        _not_a_case(step, lot)
        raise Violation(
            "lot.unknown",
            f"no lot {lot}",
            "check the lot number; its maker commissions it, or enter it as stock",
            "lot",
        )
    return entry


def known_product(step: Step, product: str) -> e.ProductEntry:
    """The base item `product`; other levels are refused with the base to use."""
    entry = step.draft.product(product)
    if entry is None:
        raise Violation("product.unknown", f"no product {product}", "register the product first", "lot")
    if entry.base is not None:
        raise Violation(
            "product.level",
            f"{product} is a level that contains {entry.contains} of {entry.base}",
            f"name the lot by its base item {entry.base} and convert the quantity",
            "lot",
        )
    return entry


def lot_product(step: Step, lot: str) -> e.ProductEntry:
    """The product of a lot: a base item. The maker's declaration may have made a level of a code that a holder had
    declared and dealt under; the lots that there are under it go on as they were counted."""
    product = step.draft.product(product_of(lot))
    if product is not None and step.draft.lot(lot) is not None:
        return product
    return known_product(step, product_of(lot))


def _not_a_case(step: Step, lot: str) -> None:
    """Where nothing is known of a lot: say so if the code of a case was taken for that of the can."""
    product = step.draft.product(product_of(lot))
    if product is not None and product.base is not None and step.draft.lot(lot) is None:
        known_product(step, product.product)


def known_site(step: Step, site: str, at: int, field: str = "site") -> e.SiteEntry:
    """A site that was open at the claimed time `at`: what an offline shop did before it closed is booked later, as
    long as a month's book may take."""
    entry = step.draft.site(site)
    if entry is None:
        raise Violation("site.unknown", f"no site {site}", "its keeper declares it first", field)
    if entry.closed is not None and (at >= entry.closed or booked_late(entry.closed, step.time)):
        raise Violation(
            "site.closed",
            f"site {site} was closed at {entry.closed}",
            "name an open site; what was done there before carries its earlier time, and is booked soon after",
            field,
        )
    return entry


def booked_late(at: int, time: int) -> bool:
    """Whether an act of time `at` was booked, at block time `time`, later than any monthly book comes (ms)."""
    return time - at > BOOKED_LATE_MS_MIN


def known_member(step: Step, member: str, field: str) -> e.MemberEntry:
    entry = step.draft.member(member)
    if entry is None:
        raise Violation("member.unknown", f"no member {member}", "a regulator admits it first", field)
    return entry


def own_site(step: Step, site: str, at: int, field: str = "site") -> None:
    known_site(step, site, at, field)
    if keeper_of(site) != step.member:
        raise Violation("site.not-own", f"site {site} is kept by {keeper_of(site)}", "name a site of your own", field)


def keeper_of(site: str) -> str:
    """The member that keeps a site, which its identifier names."""
    return site.partition("/")[0]


def owner_or_keeper(step: Step, owner: str | None, site: str) -> str:
    """The owner of a position that an act names (the signer, if it names none); its owner or its keeper signs."""
    owner = owner or step.member
    if step.member not in (owner, keeper_of(site)):
        raise Violation(
            "position.not-own", f"{owner} owns it, {keeper_of(site)} keeps it", "one of them signs", "owner"
        )
    return owner


def answers_for(member: str, product: e.ProductEntry) -> bool:
    """Whether the member is the product's maker, or the importer who declared it: not whoever declared it for want
    of them."""
    imported = product.declared_by == r.DeclaredBy.IMPORTER and member == product.declarer
    return member == product.maker or imported


def product_of(lot: str) -> str:
    """The product that a lot's identifier names."""
    at = lot.find("#")
    return lot[: at if at >= 0 else lot.index("@")]


def extend(step: Step, path: bytes, name: bytes, chain: e.Chain | None, holder: s.Holder | None = None) -> e.Chain:
    """The chain with this record appended; the element's row is written for those who list the chain."""
    count, head = (chain.count, chain.head) if chain is not None else (0, e.chain_start(path, name))
    step.draft.put(s.element_key(path, name, count), holder or s.Link(head, step.element))
    return e.Chain(count + 1, e.chain_next(head, step.element))


def room_for_adverse(step: Step, chain: e.Chain | None, most: int = ADVERSE_ENTRIES_MAX) -> None:
    """All that is adverse about a subject is shown, so nobody may pile it up until no proof of the goods can be read,
    and members leave room for what laboratories and departments find. Whoever ends or answers something (a lift, a
    dispute, a receipt) never finds the door shut, nor does a regulator."""
    official = step.signer.kind in (r.MemberKind.DEPARTMENT, r.MemberKind.LAB)
    room = most if official else most // 2
    if chain is not None and chain.count >= room and not step.is_regulator:
        raise Violation(
            "adverse.too-many",
            f"{chain.count} adverse facts, holds and corrections stand about it already",
            "count what is there instead of correcting it; else ask a regulator",
            "subject",
        )


def change(step: Step, owner: str, site: str, lot: str, /, **by: int) -> s.Stock:
    """Add to counts of a position's stock, each of which stays an integer that the encoding holds."""
    key = s.stock_key(owner, site, lot)
    stock = step.draft.get(key, s.STOCK.decode_trusted) or s.NO_STOCK
    values = {name: getattr(stock, name) + delta for name, delta in by.items() if delta}
    if values and (max(values.values()) > INTEGER_MAX or min(values.values()) < -INTEGER_MAX):
        raise Violation(
            "position.too-much", f"a count would pass {INTEGER_MAX}", "use another lot number", "quantity"
        )
    changed = structs.replace(stock, **values)
    step.draft.put(key, changed)
    return changed


def take(step: Step, owner: str, site: str, lot: str, quantity: int, grams: int, **counters: int) -> s.Stock:
    """Take a quantity out of what a position holds, or refuse; `counters` are added to the outflow counters."""
    stock = step.draft.stock(owner, site, lot)
    if quantity > stock.held - stock.reserved:
        _not_a_case(step, lot)
        packed = f", {stock.reserved} of it packed under an SSCC" if stock.reserved else ""
        raise Violation(
            "position.overdrawn",
            f"{owner} holds {stock.held} of {lot} at {site}{packed}, {quantity} would go out",
            "unpack it, or ship the unit's lines" if packed else "book what came in first, or correct the quantity",
            "quantity",
        )
    if grams > stock.grams:
        raise Violation(
            "position.overdrawn",
            f"{stock.grams} g are held, {grams} g would go out",
            "correct the weight, or count what is there",
            "grams",
        )
    return change(step, owner, site, lot, held=-quantity, grams=-grams, **counters)


def give(step: Step, owner: str, site: str, lot: str, quantity: int, grams: int = 0) -> s.Stock:
    """Add a quantity to what a position holds."""
    return change(step, owner, site, lot, held=quantity, grams=grams)


def check_measure(step: Step, lot: str, grams: int | None, field: str = "grams") -> int:
    """The grams that an act states, which a product of variable measure needs and no other has."""
    product = step.draft.product(product_of(lot))
    variable = product is not None and product.tolerance_permille is not None
    if variable and grams is None:
        raise Violation("grams.missing", f"{lot} is of variable measure", "weigh it and state grams", field)
    if not variable and grams is not None:
        raise Violation(
            "grams.not-variable",
            f"the items of {lot} all weigh the same",
            "leave grams out; a product of variable measure is declared with tolerance_permille",
            field,
        )
    return grams or 0


def enter_position(
    step: Step,
    lot: str,
    owner: str,
    site: str,
    kind: e.WayKind,
    source: bytes,
    elements: list[e.Element],
    bits: int,
) -> bytes:
    """Extend a position's way in from `source`, and set bits; a new position extends its lot's holders."""
    path = e.position_path(lot, owner, site)
    position = step.draft.position(path)
    if position is None:
        position = e.PositionEntry(lot=lot, owner=owner, site=site)
        _new_holder(step, lot, owner, site)
        if keeper_of(site) != owner:
            step.draft.put(s.kept_key(keeper_of(site), site, lot, owner), 1)
    ways, more = position.ways, position.more_ways
    at = next((i for i, way in enumerate(ways) if way.source == source and way.kind == kind), -1)
    if at >= 0:
        ways = [*ways[:at], _longer(ways[at], elements), *ways[at + 1 :]]
    elif len(ways) < SOURCES_INLINE_MAX:
        ways = [*ways, _first(path, kind, source, elements)]
    else:
        more = _further_way(step, path, more or 0, kind, source, elements)
    step.draft.put(
        b"m" + path,
        e.PositionEntry(
            adverse=position.adverse,
            bits=position.bits | bits,
            facts=position.facts,
            lot=lot,
            more_ways=more,
            owner=owner,
            site=site,
            voucher=position.voucher,
            ways=ways,
        ),
    )
    return path


def _new_holder(step: Step, lot: str, owner: str, site: str) -> None:
    entry = known_lot(step, lot)
    path = e.lot_path(lot)
    row = s.Holder(step.element, owner, site)
    chain = extend(step, path, e.CHAIN_HOLDERS, entry.holders, row)
    step.draft.put(b"m" + path, structs.replace(entry, holders=chain))


def _first(path: bytes, kind: e.WayKind, source: bytes, elements: list[e.Element]) -> e.Way:
    start = e.chain_start(path, e.CHAIN_WAY + bytes((kind,)) + source)
    return e.Way(kind, source, len(elements), start, elements)


def _longer(way: e.Way, elements: list[e.Element]) -> e.Way:
    before = way.before
    for element in way.newest:
        before = e.chain_next(before, element)
    return e.Way(way.kind, way.source, way.count + len(elements), before, elements)


def _further_way(
    step: Step, path: bytes, more: int, kind: e.WayKind, source: bytes, elements: list[e.Element]
) -> int:
    """A source beyond those inline has an entry of its own; a row tells which."""
    row = b"n" + path + bytes((kind,)) + source
    number = step.draft.get(row, s.NUMBER.decode_trusted)
    if number is not None:
        key = b"m" + e.way_path(path, number)
        way = step.draft.get(key, e.WAY.decode_trusted)
        if way is None:
            raise ValueError(f"state row names way {number} of position {path.hex()}, which has no entry")
        step.draft.put(key, _longer(way, elements))
        return more
    number = SOURCES_INLINE_MAX + more
    step.draft.put(row, number)
    step.draft.put(b"m" + e.way_path(path, number), _first(path, kind, source, elements))
    return more + 1


def came_from(step: Step, position: e.PositionEntry, source: bytes) -> bool:
    """Whether a handover brought goods from the position at `source`."""
    kind = e.WayKind.HANDOVER
    if any(way.kind == kind and way.source == source for way in position.ways):
        return True
    path = e.position_path(position.lot, position.owner, position.site)
    return step.draft.get(b"n" + path + bytes((kind,)) + source, s.NUMBER.decode_trusted) is not None


def refuse_twice(*known: object) -> None:
    """`known` are rows under this record's hash: whoever knows its opening can sign the same bytes, and what answers
    the record would then not tell the two apart."""
    if any(row is not None for row in known):
        raise Violation(
            "record.twice",
            "a record of this very hash stands in the ledger already",
            "draw a salt of its own",
            "amounts",
        )


def adverse(step: Step, lot: str, owner: str, site: str) -> None:
    """Let this record stand in the position's chain of adverse facts, always shown."""
    path = e.position_path(lot, owner, site)
    position = step.draft.position(path)
    if position is None:
        raise ValueError(f"the position of {owner} at {site}, which holds {lot}, has no entry")
    chain = extend(step, path, e.CHAIN_ADVERSE, position.adverse)
    step.draft.put(b"m" + path, structs.replace(position, adverse=chain))
