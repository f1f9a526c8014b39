"""Goods that are weighed, through any sequence of acts with any weights: grams are conserved, and no count but that
of weighing differences passes below zero."""

from pathlib import Path
from random import Random

import pytest

from ledger import records as r
from ledger import state as s
from ledger.errors import Refused
from tests.unit.test_audit import blocks, replay
from tests.world import DEALER, IMPORTER, SHOP, Act, Member, Sealed, World, gtin

FISH, FILLET = gtin(60), gtin(61)
CATCH = f"{FISH}#C1"
PEOPLE = (IMPORTER, DEALER, SHOP)
STEPS = 200
KINDS = (
    "ship", "ship", "claim", "claim", "receive", "receive", "receive", "withdraw", "give_back", "sell", "take_back",
    "enter", "destroy", "count", "relabel", "transform", "correct", "correct", "correct", "correct", "dispute",
)  # fmt: skip


class Fishmongers:
    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(seed)
        self.ships: list[tuple[Member, bytes]] = []
        self.claims: list[tuple[bytes, Member, Member]] = []
        self.done: list[tuple[Member, Sealed]] = []
        self.accepted = 0
        given = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "tolerance_permille": 20}
        world.do(IMPORTER, world.register(FISH, name="带鱼", **given), world.register(FILLET, name="鱼片", **given))
        made = {"lot": CATCH, "production": 20251101, "site": IMPORTER.site}
        world.do(IMPORTER, self.moved(r.Commission, 100, 2_000_000, **made))

    def moved(self, kind: type, quantity: int, grams: int, **fields: object) -> Act:
        return self.world.act(kind, r.Moved(grams=grams, quantity=quantity, ref=self.world.ref()), **fields)

    def step(self, number: int) -> None:
        """One act, often a wrong one; what it is about is remembered if it was accepted."""
        kind, pick = self.random.choice(KINDS), self.random.choice
        who = pick(PEOPLE)
        to = pick([one for one in PEOPLE if one is not who])
        quantity = pick([0, 1, 2, 3, 4, 5])
        grams = pick([1, 500, 20_000, 100_000, *(quantity * 20_000 + self.random.randint(-500, 500) for _ in "123")])
        if kind in ("receive", "withdraw") and self.ships:
            to, ship = pick(self.ships)
            who, act = (to, self.receive(ship)) if kind == "receive" else (pick(PEOPLE), self.withdraw(ship, to))
        elif kind == "correct" and self.done:
            who, earlier = pick(self.done)
            act = self.world.correct(earlier, self.instead(earlier, quantity, grams))
        elif kind == "dispute" and self.claims:
            claim, claimant, who = pick(self.claims)
            act = self.world.dispute(claim, claimant, CATCH)
        else:
            act = self.own(kind, who, to, quantity, max(1, grams), number)
        self.submit(kind, who, to, act)

    def own(self, kind: str, who: Member, to: Member, quantity: int, grams: int, number: int) -> Act:
        base = {"lot": CATCH, "site": who.site}
        near = max(0, grams + self.random.randint(-300, 300))
        match kind:
            case "claim":
                return self.moved(r.Claim, quantity, grams, supplier=to.id, **base)
            case "sell":
                return self.moved(r.Sell, quantity, grams, buyer=r.SaleTo.CONSUMER, **base)
            case "take_back" | "enter":
                return self.moved(r.TakeBack if kind == "take_back" else r.Enter, quantity, grams, **base)
            case "destroy":
                return self.moved(r.Destroy, quantity, grams, reason=r.DestroyReason.DAMAGED, **base)
            case "relabel":
                return self.moved(r.Relabel, quantity, grams, to_lot=f"{FISH}#C2", **base)
            case "count":
                counted = {"book": quantity, "book_grams": grams, "found_grams": near, "ref": self.world.ref()}
                missing = self.random.choice([None, None, 1])
                found = max(0, quantity + self.random.randint(-1, 1))
                amounts = r.Counted(found=found, missing=missing, **counted)
                return self.world.act(r.Count, amounts, kind=r.CountKind.PERIODIC, **base)
            case "transform":
                weights = {"grams_in": [grams], "grams_out": [max(1, near - 500)]}
                ref = self.world.ref()
                used = r.Transformed(inputs=[max(1, quantity)], outputs=[3], ref=ref, **weights)
                made = [r.Output(lot=f"{FILLET}#F{number}", production=20251110)]
                return self.world.act(r.Transform, used, inputs=[CATCH], outputs=made, site=who.site)
            case _:
                back = {"returns": True} if kind == "give_back" else {}
                return self.moved(r.Ship, quantity, grams, to=to.id, to_site=to.site, **base, **back)

    def receive(self, ship: bytes) -> Act:
        parts = {name: self.random.choice([0, 0, 1, 2]) for name in ("accepted", "refused", "short", "destroyed")}
        given = {name: part for name, part in parts.items() if part}
        grams = given.get("accepted", 0) * 20_000 + self.random.randint(-400, 400) if "accepted" in given else None
        amounts = r.Received(grams=grams, ref=self.world.ref(), **given)
        return self.world.act(r.Receive, amounts, lot=CATCH, ship=ship)

    def withdraw(self, ship: bytes, to: Member) -> Act:
        return self.world.act(r.Withdraw, r.Withdrawn(ref=self.world.ref()), lot=CATCH, ship=ship, to=to.id)

    def instead(self, earlier: Sealed, quantity: int, grams: int) -> dict[str, object] | None:
        record = r.RECORD.decode(earlier.record)
        if self.random.random() < 0.3:
            return None
        if isinstance(record, r.Transform):
            return {"grams_out": [max(1, grams)], "outputs": [max(1, quantity)]}
        name = "accepted" if isinstance(record, r.Receive) else "quantity"
        return {name: quantity, "grams": grams} if quantity and grams > 0 else None

    def submit(self, kind: str, who: Member, to: Member, act: Act) -> None:
        sealed = self.world.seal(act)
        try:
            verdict = self.world.book(self.world.envelope(who, [sealed])).verdicts[0]
        except Refused:  # malformed: it never reaches the rules
            return
        if verdict.leaf is None:
            return
        self.accepted += 1
        if act.kind is r.Ship:
            self.ships.append((to, sealed.hash))
        if act.kind is r.Claim:
            self.claims.append((sealed.hash, who, to))
        if kind not in ("correct", "withdraw", "count", "dispute"):
            self.done.append((who, sealed))


@pytest.mark.parametrize("seed", [*range(8), 15, 22, 29, 47])  # the last four found something once
def test_grams_are_conserved_after_any_sequence_of_acts(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path / "node").founded()
    trade = Fishmongers(world, seed)
    for number in range(STEPS):
        trade.step(number)
    assert trade.accepted > STEPS // 4
    assert [finding for finding in replay(blocks(world)) if not finding.holds] == []
    for _, value in world.store.scan(b"p"):
        stock = s.STOCK.decode(value)
        counts = {name: getattr(stock, name) for name in stock.__struct_fields__ if name != "grams_lost"}
        assert min(counts.values()) >= 0, counts
    world.close()
