"""What always holds (MODEL.md), after any sequence of acts, against a naive model of quantities."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger import statemap
from ledger.audit import Audit
from ledger.encoding import Codec
from ledger.storage.chainstore import ChainStore
from ledger.storage.memory import MemoryStore
from tests.world import (
    DEALER,
    FORMULA,
    LOT,
    MAKER,
    POWDER,
    REGULATOR,
    SHOP,
    Act,
    Member,
    Sealed,
    World,
    genesis,
)

MEMBERS = [MAKER, DEALER, SHOP]  # few, so that what one does meets what another did
BY_ID = {member.id: member for member in MEMBERS}
LOT_NAMES = [LOT, f"{FORMULA}#B2", f"{POWDER}#P1", f"{FORMULA}#NONE"]
STEPS = 1500
AMOUNTS = [1, 5, 40, 200, 1000, 4000]
T = TypeVar("T")
UNITS = ["006901234567890121", "106901234567890128"]
ROWS: dict[bytes, Codec[Any]] = {
    b"p": s.STOCK, b"h": s.HANDOVER, b"c": s.CLOSED, b"r": s.BOOKED, b"s": s.SCOPES, b"e": s.ACCEPTED,
    b"o": s.ACCEPTED, b"v": s.OPENS, b"n": s.NUMBER, b"k": s.NUMBER, b"l": s.PAIR, b"d": s.CLAIM, b"j": s.SUPPLIER,
    b"u": s.UNIT, b"x": s.PROPOSAL, b"y": s.IN_FORCE,
}  # fmt: skip
ENTRIES: list[Codec[Any]] = [e.PRODUCT, e.LOT, e.POSITION, e.MEMBER, e.KEY, e.SITE, e.UNIT, e.WAY, e.POLICY]


Rule = Callable[["Custody"], None]
RULES: list[tuple[Rule, Rule]] = []


def when(possible: Any) -> Callable[[Rule], Rule]:
    """A rule of the walk, and when it can be tried."""

    def add(rule: Rule) -> Rule:
        RULES.append((possible, rule))
        return rule

    return add


class Custody:
    """Members do what comes to mind; the model knows what each may hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(folder / "node").founded()
        self.world.do(MAKER, self.world.commission(3000, f"{FORMULA}#B2"), self.world.commission(50, f"{POWDER}#P1"))
        self.held: Counter[tuple[str, str]] = Counter(
            {(MAKER.id, LOT): 10_000, (MAKER.id, f"{FORMULA}#B2"): 3000, (MAKER.id, f"{POWDER}#P1"): 50}
        )
        self.brought: Counter[str] = Counter({LOT: 10_000, f"{FORMULA}#B2": 3000, f"{POWDER}#P1": 50})
        self.gone: Counter[str] = Counter()
        self.open: dict[bytes, tuple[Member, Member, str, int]] = {}  # in order of the ships
        self.returns: set[bytes] = set()
        self.claims: dict[bytes, tuple[Member, Member, str, int, bool]] = {}  # …, open, disputed
        self.delivered: Counter[tuple[str, str, str]] = Counter()
        self.sold: Counter[tuple[str, str]] = Counter()
        self.packed: dict[str, tuple[Member, str, int]] = {}
        self.uses: Counter[str] = Counter()
        self.packers: dict[str, Member] = {}
        self.missing: Counter[tuple[str, str]] = Counter()
        self.overdrawn: Counter[tuple[str, str]] = Counter()
        self.sales: list[tuple[Member, str, Sealed, int]] = []
        self.closed: list[tuple[bytes, Member, str]] = []
        self.scopes: dict[str, list[bytes]] = defaultdict(list)
        self.made = 0

    def step(self) -> None:
        possible, rule = self.pick(RULES)
        if possible(self):
            rule(self)
            self.quantities_are_those_of_the_model()

    def pick(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def attempt(self, who: Member, act: Act, should_hold: bool) -> Sealed | None:
        """Submit one act; the model says whether it must be accepted. Returns the sealed record if it was."""
        head = self.world.store.head
        sealed = self.world.seal(act)
        verdict = self.world.book(self.world.envelope(who, [sealed])).verdicts[0]
        assert (verdict.leaf is not None) == should_hold, (act, verdict.problems)
        if verdict.leaf is None:
            assert self.world.store.head is head
            return None
        return sealed

    def free(self, who: Member, lot: str) -> int:
        """Held and not packed."""
        packed = sum(items for owner, packed_lot, items in self.packed.values() if (owner, packed_lot) == (who, lot))
        return self.held[who.id, lot] - packed

    def some(self) -> tuple[Member, str, int]:
        """A member, a lot and a quantity, mostly of what the member can give away."""
        there = [(who, lot) for who in MEMBERS for lot in LOT_NAMES if self.free(who, lot) > 0]
        anything = [(who, lot) for who in MEMBERS for lot in LOT_NAMES]
        who, lot = self.pick(there or anything if self.random.random() < 0.9 else anything)
        free = max(1, self.free(who, lot))
        quantity = self.pick([max(1, free // 10), max(1, free // 2), 1, free, free + 1])
        return who, lot, quantity

    @when(lambda self: True)
    def ship(self) -> None:
        to = self.pick(MEMBERS)
        who, lot, quantity = self.some()
        fits = self.free(who, lot) >= quantity and who is not to and not self.scopes[lot]
        ship = self.attempt(who, self.world.ship(who, to, quantity, lot), fits)
        if ship is None:
            return
        self.held[who.id, lot] -= quantity
        for name, (supplier, claimant, claimed, left, disputed) in list(self.claims.items()):
            if (supplier, claimant, claimed, disputed) == (who, to, lot, False) and quantity:
                part = min(left, quantity)
                quantity -= part
                self.delivered[who.id, to.id, lot] += part
                self._reduce(name, part)
        if quantity:
            self.open[ship.hash] = (who, to, lot, quantity)

    def _reduce(self, claim: bytes, part: int) -> None:
        supplier, claimant, lot, left, disputed = self.claims[claim]
        self.claims[claim] = (supplier, claimant, lot, left - part, disputed)
        if left == part:
            del self.claims[claim]

    @when(lambda self: bool(any(self.delivered.values())))
    def return_goods(self) -> None:
        pairs = sorted(pair for pair, quantity in self.delivered.items() if quantity > 0)
        supplier, receiver, lot = self.pick(pairs)
        to, who = BY_ID[supplier], BY_ID[receiver]
        quantity = self.pick([1, self.delivered[supplier, receiver, lot], 4000])
        there = self.delivered[to.id, who.id, lot]
        fits = self.free(who, lot) >= quantity and who is not to and not self.scopes[lot] and quantity <= there
        ship = self.attempt(who, self.world.ship(who, to, quantity, lot, returns=True), fits)
        if ship is not None:
            self.held[who.id, lot] -= quantity
            self.delivered[to.id, who.id, lot] -= quantity
            self.open[ship.hash] = (who, to, lot, quantity)
            self.returns.add(ship.hash)

    @when(lambda self: True)
    def claim(self) -> None:
        who = self.pick(MEMBERS)
        supplier = self.pick(MEMBERS)
        lot = self.pick(LOT_NAMES)
        quantity = self.pick(AMOUNTS)
        claim = self.attempt(who, self.world.claim(who, supplier, quantity, lot), who is not supplier)
        if claim is None:
            return
        self.held[who.id, lot] += quantity
        for ship, (sender, to, shipped, left) in list(self.open.items()):
            if (sender, to, shipped) == (supplier, who, lot) and ship not in self.returns and quantity:
                part = min(left, quantity)
                quantity -= part
                self.delivered[sender.id, to.id, lot] += part
                self._settle(ship, part)
        if quantity:
            self.claims[claim.hash] = (supplier, who, lot, quantity, False)

    @when(lambda self: bool(self.claims))
    def dispute(self) -> None:
        who = self.pick(MEMBERS)
        name = self.pick(sorted(self.claims))
        supplier, claimant, lot, left, disputed = self.claims[name]
        fits = who is supplier and not disputed
        if self.attempt(who, self.world.dispute(name, claimant, lot), fits) is not None:
            self.claims[name] = (supplier, claimant, lot, left, True)

    @when(lambda self: True)
    def count(self) -> None:
        found = self.pick(AMOUNTS)
        settles = self.pick([True, False])
        who, lot, book = self.some()
        short = sorted(pair for pair, quantity in self.missing.items() if quantity > 0)
        if short:
            member, lot = self.pick(short)
            who = BY_ID[member]
        missing = max(1, self.missing[who.id, lot]) if settles else None
        fits = book - found <= self.free(who, lot) and (missing or 0) <= self.missing[who.id, lot]
        if self.attempt(who, self.world.count(who, book, found, lot, missing), fits) is not None:
            self.held[who.id, lot] += found - book
            self.missing[who.id, lot] -= missing or 0
            self.brought[lot] += found - book - (missing or 0)

    @when(lambda self: bool(any(self.sold.values())))
    def take_back(self) -> None:
        more = self.pick([True, False])
        sold = sorted(pair for pair, quantity in self.sold.items() if quantity > 0)
        member, lot = self.pick(sold)
        who, quantity = BY_ID[member], max(1, self.sold[member, lot] // 2) if not more else self.sold[member, lot] + 1
        fits = self.sold[who.id, lot] >= quantity
        if self.attempt(who, self.world.take_back(who, quantity, lot), fits) is not None:
            self.held[who.id, lot] += quantity
            self.sold[who.id, lot] -= quantity
            self.gone[lot] -= quantity

    @when(lambda self: True)
    def relabel(self) -> None:
        who, mistaken, quantity = self.some()
        right = f"{FORMULA}#C3"
        if mistaken == LOT and self.scopes[LOT]:
            return  # then the right lot's position would be held as well
        fits = mistaken.startswith(FORMULA) and self.free(who, mistaken) >= quantity
        if self.attempt(who, self.world.relabel(who, quantity, mistaken, right), fits) is not None:
            self.held[who.id, mistaken] -= quantity
            self.held[who.id, right] += quantity
            self.gone[mistaken] += quantity
            self.brought[right] += quantity

    @when(lambda self: True)
    def pack(self) -> None:
        unit = self.pick(UNITS)
        who, lot, quantity = self.some()
        own = self.packers.get(unit, who) is who  # nobody uses another's label
        fits = self.free(who, lot) >= quantity and unit not in self.packed and own
        if self.attempt(who, self.world.pack(who, unit, {lot: quantity}, use=self.uses[unit] + 1), fits) is not None:
            self.uses[unit] += 1
            self.packers[unit] = who
            self.packed[unit] = (who, lot, quantity)

    @when(lambda self: bool(self.packed))
    def unpack(self) -> None:
        who = self.pick(MEMBERS)
        unit = self.pick(UNITS)
        own = self.pick([True, True, False])
        if own and unit in self.packed:
            who = self.packed[unit][0]
        fits = unit in self.packed and self.packed[unit][0] is who
        if self.attempt(who, self.world.unpack(who, unit, max(1, self.uses[unit])), fits) is not None:
            del self.packed[unit]

    @when(lambda self: bool(self.sales))
    def correct_a_sale(self) -> None:
        right = self.pick([None, *AMOUNTS])
        number = self.random.randrange(len(self.sales))
        who, lot, sale, stands = self.sales[number]
        more = (right or 0) - stands
        fits = more != 0 and self.sold[who.id, lot] + more >= 0 and more <= self.free(who, lot)
        act = self.world.correct(sale, None if right is None else {"quantity": right})
        if self.attempt(who, act, fits) is not None:
            made_good = min(max(0, -more), self.overdrawn[who.id, lot])
            self.held[who.id, lot] -= more + made_good
            self.overdrawn[who.id, lot] -= made_good
            self.sold[who.id, lot] += more
            self.gone[lot] += more
            self.sales[number] = (who, lot, sale, right or 0)

    @when(lambda self: True)
    def hand_over(self) -> None:
        before = set(self.open)
        self.ship()
        for ship in sorted(self.open.keys() - before):
            self.answer(ship)

    @when(lambda self: bool(self.open))
    def receive(self) -> None:
        self.answer(self.pick(sorted(self.open)))

    def answer(self, ship: bytes) -> None:
        sender, to, lot, left = self.open[ship]
        parts, rest = {}, left + self.pick([0, 0, 0, 1])
        for name in ("accepted", "refused", "short", "destroyed"):
            parts[name] = self.pick([rest, rest // 2, 1 if rest else 0, 0])
            rest -= parts[name]
        if not any(parts.values()):
            return
        total = sum(parts.values())
        answer = self.world.receive(ship, lot, **{name: part for name, part in parts.items() if part})
        if self.attempt(to, answer, total <= left) is None:
            return
        self.held[to.id, lot] += parts["accepted"]
        self.held[sender.id, lot] += parts["refused"]
        self.missing[sender.id, lot] += parts["short"]
        self.gone[lot] += parts["destroyed"]
        if ship in self.returns:
            self.delivered[to.id, sender.id, lot] += parts["refused"]
        else:
            self.delivered[sender.id, to.id, lot] += parts["accepted"]
        self._settle(ship, total)

    def _settle(self, ship: bytes, quantity: int) -> None:
        sender, to, lot, left = self.open[ship]
        self.open[ship] = (sender, to, lot, left - quantity)
        if left == quantity:
            del self.open[ship]
            self.closed.append((ship, to, lot))

    @when(lambda self: bool(self.open))
    def withdraw(self) -> None:
        who = self.pick(MEMBERS)
        ship = self.pick(sorted(self.open))
        sender, to, lot, left = self.open[ship]
        if self.attempt(who, self.world.withdraw(ship, to, lot), who is sender) is not None:
            self.held[sender.id, lot] += left
            if ship in self.returns:
                self.delivered[to.id, sender.id, lot] += left
            self._settle(ship, left)

    @when(lambda self: bool(self.closed))
    def a_closed_handover_never_reopens(self) -> None:
        if self.closed:
            ship, to, lot = self.pick(self.closed)
            self.attempt(to, self.world.receive(ship, lot, accepted=1), should_hold=False)

    @when(lambda self: True)
    def sell(self) -> None:
        who, lot, quantity = self.some()
        sale = self.attempt(who, self.world.sell(who, quantity, lot), self.free(who, lot) >= quantity)
        if sale is not None:
            self.held[who.id, lot] -= quantity
            self.sold[who.id, lot] += quantity
            self.gone[lot] += quantity
            self.sales.append((who, lot, sale, quantity))

    @when(lambda self: True)
    def enter(self) -> None:
        who = self.pick(MEMBERS)
        lot = self.pick(LOT_NAMES)
        quantity = self.random.randrange(1, 50)
        self.attempt(who, self.world.enter(who, quantity, lot), should_hold=True)
        self.held[who.id, lot] += quantity
        self.brought[lot] += quantity

    @when(lambda self: True)
    def transform(self) -> None:
        quantity = self.random.randrange(1, 60)
        cans = self.random.randrange(1, 900)
        powder, blend = f"{POWDER}#P1", f"{FORMULA}#T{self.made}"
        fits = self.free(MAKER, powder) >= quantity and not self.scopes[powder]
        act = self.world.transform(MAKER, {powder: quantity}, {blend: cans})
        if self.attempt(MAKER, act, fits) is not None:
            self.made += 1
            self.held[MAKER.id, powder] -= quantity
            self.held[MAKER.id, blend] += cans
            self.gone[powder] += quantity
            self.brought[blend] += cans

    @when(lambda self: True)
    def hold(self) -> None:
        lot = self.pick([LOT, f"{POWDER}#P1"])
        act = self.world.act(r.Hold, reason="查", subject=self.world.lot_subject(lot))
        hold = self.attempt(REGULATOR, act, should_hold=True)
        self.scopes[lot].append(hold.hash if hold is not None else b"")

    @when(lambda self: True)
    def lift(self) -> None:
        lot = self.pick([LOT, f"{POWDER}#P1"])
        if self.scopes[lot]:
            act = self.world.act(
                r.Lift, reason="好", subject=self.world.lot_subject(lot), target=self.scopes[lot].pop()
            )
            self.attempt(REGULATOR, act, should_hold=True)

    def quantities_are_those_of_the_model(self) -> None:
        rows = {key: s.STOCK.decode(value) for key, value in self.world.store.scan(b"p")}
        for (member, lot), quantity in self.held.items():
            stock = rows.get(s.stock_key(member, f"{member}/main", lot), s.NO_STOCK)
            assert stock.held == quantity >= 0
        there: Counter[str] = Counter()
        for (_, lot), quantity in self.held.items():
            there[lot] += quantity
        for _, _, lot, left in self.open.values():
            there[lot] += left
        for (_, lot), quantity in self.missing.items():
            there[lot] += quantity
        for _, _, lot, left, _ in self.claims.values():
            there[lot] -= left
        for (_, lot), quantity in self.overdrawn.items():
            there[lot] -= quantity
        assert all(self.brought[lot] == there[lot] + self.gone[lot] for lot in self.brought)

    def teardown(self) -> None:
        self.every_position_is_proven_with_its_way()
        self.rows_are_canonical_and_the_root_is_theirs()
        self.audit_and_rebuild_agree()

    def every_position_is_proven_with_its_way(self) -> None:
        for who in (MAKER, DEALER, SHOP):
            public = self.world.act(r.Site, name="店", public=True, region="CN-33", site=who.site)
            self.world.do(who, public)
        for _, value in list(self.world.store.scan(b"m")):
            if _decodes(e.POSITION, value):
                position = e.POSITION.decode(value)
                proof = self.world.proof(position.lot, (position.owner, position.site))
                shown = self.world.verify(proof, position.lot, site=position.site)
                assert shown.way[0].entry == position

    def rows_are_canonical_and_the_root_is_theirs(self) -> None:
        store = self.world.store
        for prefix, codec in ROWS.items():
            for _, value in store.scan(prefix):
                codec.decode(value)
        found = list(store.scan(b"m"))
        for _, value in found:
            assert any(_decodes(codec, value) for codec in ENTRIES)
        naive = statemap.EMPTY
        for key, value in found:
            naive = statemap.update(naive, [(key[1:], statemap.leaf_of(key[1:], value))])
        assert naive[0] == store.head.state[0]

    def audit_and_rebuild_agree(self) -> None:
        head = self.world.store.head
        audit = Audit(genesis(), MemoryStore())
        for height, payload in self.world.store.blocks(1):
            audit.add(height, payload)
        assert [finding.check for finding in audit.report() if not finding.holds] == []
        assert (audit.head.log.root(), audit.head.state[0]) == (head.log.root(), head.state[0])
        self.world.close()
        again = ChainStore.rebuild(self.world.folder)
        assert (again.head.log.root(), again.head.state[0]) == (head.log.root(), head.state[0])
        again.close()


def _decodes(codec: Codec[Any], value: bytes) -> bool:
    from ledger.errors import Malformed

    try:
        codec.decode(value)
    except Malformed:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_what_always_holds_after_any_sequence_of_acts(tmp_path: Path, seed: int) -> None:
    custody = Custody(tmp_path, seed)
    for _ in range(STEPS):
        custody.step()
    custody.teardown()
