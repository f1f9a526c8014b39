"""What always holds (MODEL.md), after any sequence of acts, against a naive model of quantities."""

import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger import statemap
from ledger.audit import Audit
from ledger.encoding import Codec
from ledger.storage.chainstore import ChainStore
from ledger.storage.memory import MemoryStore
from tests.world import DEALER, FORMULA, LOT, MAKER, OTHER_SHOP, POWDER, REGULATOR, SHOP, Act, Member, World, genesis

WHO = st.sampled_from([MAKER, DEALER, SHOP, OTHER_SHOP])
LOTS = st.sampled_from([LOT, f"{FORMULA}#B2", f"{POWDER}#P1", f"{FORMULA}#NONE"])
AMOUNT = st.integers(1, 4000)
ROWS: dict[bytes, Codec[Any]] = {
    b"p": s.STOCK, b"h": s.HANDOVER, b"c": s.CLOSED, b"r": s.BOOKED, b"s": s.SCOPES, b"e": s.ACCEPTED,
    b"o": s.ACCEPTED, b"v": s.OPENS, b"n": s.NUMBER,
}  # fmt: skip
ENTRIES: list[Codec[Any]] = [e.PRODUCT, e.LOT, e.POSITION, e.MEMBER, e.KEY, e.SITE, e.WAY]


class Custody(RuleBasedStateMachine):
    """Members do what comes to mind; the model knows what each may hold."""

    @initialize()
    def found(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "node").founded()
        self.world.do(MAKER, self.world.commission(3000, f"{FORMULA}#B2"), self.world.commission(50, f"{POWDER}#P1"))
        self.held: Counter[tuple[str, str]] = Counter(
            {(MAKER.id, LOT): 10_000, (MAKER.id, f"{FORMULA}#B2"): 3000, (MAKER.id, f"{POWDER}#P1"): 50}
        )
        self.brought: Counter[str] = Counter({LOT: 10_000, f"{FORMULA}#B2": 3000, f"{POWDER}#P1": 50})
        self.gone: Counter[str] = Counter()
        self.open: dict[bytes, tuple[Member, Member, str, int]] = {}
        self.closed: list[tuple[bytes, Member, str]] = []
        self.scopes: dict[str, list[bytes]] = defaultdict(list)
        self.made = 0

    def attempt(self, who: Member, act: Act, should_hold: bool) -> bytes | None:
        """Submit one act; the model says whether it must be accepted. Returns the record's hash if it was."""
        head = self.world.store.head
        sealed = self.world.seal(act)
        verdict = self.world.book(self.world.envelope(who, [sealed])).verdicts[0]
        assert (verdict.leaf is not None) == should_hold, (act, verdict.problems)
        if verdict.leaf is None:
            assert self.world.store.head is head
            return None
        return sealed.hash

    @rule(who=WHO, to=WHO, lot=LOTS, quantity=AMOUNT)
    def ship(self, who: Member, to: Member, lot: str, quantity: int) -> None:
        fits = self.held[who.id, lot] >= quantity and who is not to and not self.scopes[lot]
        ship = self.attempt(who, self.world.ship(who, to, quantity, lot), fits)
        if ship is not None:
            self.held[who.id, lot] -= quantity
            self.open[ship] = (who, to, lot, quantity)

    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        if not self.open:
            return
        ship = data.draw(st.sampled_from(sorted(self.open)))
        sender, to, lot, left = self.open[ship]
        parts = {name: data.draw(st.integers(0, left + 1)) for name in ("accepted", "refused", "short", "destroyed")}
        if not any(parts.values()):
            return
        total = sum(parts.values())
        answer = self.world.receive(ship, lot, **{name: part for name, part in parts.items() if part})
        if self.attempt(to, answer, total <= left) is None:
            return
        self.held[to.id, lot] += parts["accepted"]
        self.held[sender.id, lot] += parts["refused"]
        self.gone[lot] += parts["short"] + parts["destroyed"]
        self._settle(ship, total)

    def _settle(self, ship: bytes, quantity: int) -> None:
        sender, to, lot, left = self.open.pop(ship)
        if left > quantity:
            self.open[ship] = (sender, to, lot, left - quantity)
        else:
            self.closed.append((ship, to, lot))

    @rule(data=st.data(), who=WHO)
    def withdraw(self, data: st.DataObject, who: Member) -> None:
        if not self.open:
            return
        ship = data.draw(st.sampled_from(sorted(self.open)))
        sender, to, lot, left = self.open[ship]
        if self.attempt(who, self.world.withdraw(ship, to, lot), who is sender) is not None:
            self.held[sender.id, lot] += left
            self._settle(ship, left)

    @rule(data=st.data())
    def a_closed_handover_never_reopens(self, data: st.DataObject) -> None:
        if self.closed:
            ship, to, lot = data.draw(st.sampled_from(self.closed))
            self.attempt(to, self.world.receive(ship, lot, accepted=1), should_hold=False)

    @rule(who=WHO, lot=LOTS, quantity=AMOUNT)
    def sell(self, who: Member, lot: str, quantity: int) -> None:
        if self.attempt(who, self.world.sell(who, quantity, lot), self.held[who.id, lot] >= quantity) is not None:
            self.held[who.id, lot] -= quantity
            self.gone[lot] += quantity

    @rule(who=WHO, lot=LOTS, quantity=st.integers(1, 50))
    def enter(self, who: Member, lot: str, quantity: int) -> None:
        self.attempt(who, self.world.enter(who, quantity, lot), should_hold=True)
        self.held[who.id, lot] += quantity
        self.brought[lot] += quantity

    @rule(quantity=st.integers(1, 60), cans=st.integers(1, 900))
    def transform(self, quantity: int, cans: int) -> None:
        powder, blend = f"{POWDER}#P1", f"{FORMULA}#T{self.made}"
        fits = self.held[MAKER.id, powder] >= quantity and not self.scopes[powder]
        act = self.world.transform(MAKER, {powder: quantity}, {blend: cans})
        if self.attempt(MAKER, act, fits) is not None:
            self.made += 1
            self.held[MAKER.id, powder] -= quantity
            self.held[MAKER.id, blend] += cans
            self.gone[powder] += quantity
            self.brought[blend] += cans

    @rule(lot=st.sampled_from([LOT, f"{POWDER}#P1"]))
    def hold(self, lot: str) -> None:
        act = self.world.act(r.Hold, reason="查", subject=self.world.lot_subject(lot))
        hold = self.attempt(REGULATOR, act, should_hold=True)
        self.scopes[lot].append(hold or b"")

    @rule(lot=st.sampled_from([LOT, f"{POWDER}#P1"]))
    def lift(self, lot: str) -> None:
        if self.scopes[lot]:
            act = self.world.act(
                r.Lift, reason="好", subject=self.world.lot_subject(lot), target=self.scopes[lot].pop()
            )
            self.attempt(REGULATOR, act, should_hold=True)

    @invariant()
    def quantities_are_those_of_the_model(self) -> None:
        if not hasattr(self, "world"):
            return
        rows = {key: s.STOCK.decode(value) for key, value in self.world.store.scan(b"p")}
        for (member, lot), quantity in self.held.items():
            stock = rows.get(s.stock_key(member, f"{member}/main", lot), s.NO_STOCK)
            assert stock.held == quantity >= 0
        there: Counter[str] = Counter()
        for (_, lot), quantity in self.held.items():
            there[lot] += quantity
        for _, _, lot, left in self.open.values():
            there[lot] += left
        assert all(self.brought[lot] == there[lot] + self.gone[lot] for lot in self.brought)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.rows_are_canonical_and_the_root_is_theirs()
        self.audit_and_rebuild_agree()
        self.folder.cleanup()

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


TestCustody = Custody.TestCase
TestCustody.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
