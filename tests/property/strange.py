"""Strange but well-formed acts of every kind, from a seed: any subject, owner and site, quantities at their bounds,
the same record again, targets that were ended long ago; often enough near to what there is that rules take them."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from ledger import limits
from ledger import records as r
from ledger import state as s
from ledger.custody.handovers import receiver_of
from ledger.custody.step import product_of
from ledger.errors import Malformed, Refused
from ledger.identifiers import gs1_check_digit
from ledger.plan import Verdict
from ledger.wellformed import CORRECTABLE
from tests.world import (
    CASE,
    DAY_MS,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    POWDER,
    REGULATOR,
    SHOP,
    SHRIMP,
    STORE,
    Act,
    Member,
    Sealed,
    World,
    gtin,
    member,
)

T = TypeVar("T")
CARRIER = member(90, r.MemberKind.CARRIER)
STRANGER = member(91)
MEMBERS = (REGULATOR, MAKER, IMPORTER, STORE, DEALER, SHOP, LAB, CARRIER)
BY_ID = {who.id: who for who in MEMBERS}
FISH, HELD, VEGETABLE = gtin(60), gtin(61), f"{DEALER.id}/veg"
PRODUCTS = (FORMULA, CASE, POWDER, SHRIMP, FISH, HELD, VEGETABLE, gtin(62))
LOTS = (
    LOT, f"{FORMULA}#B2", f"{POWDER}#P1", f"{POWDER}#P2", f"{SHRIMP}@20251101", f"{SHRIMP}#S1", f"{FISH}#C1",
    f"{FISH}#C2", f"{HELD}#H1", f"{HELD}#H2", f"{VEGETABLE}@20251110", f"{CASE}#A1", f"{gtin(62)}#X",
)  # fmt: skip
SITES = (*(who.site for who in MEMBERS), *(f"{who.id}/two" for who in (MAKER, DEALER, SHOP)), STRANGER.site)
UNITS = tuple(f"{body}{gs1_check_digit(body)}" for body in (f"{n}0690123456789012" for n in range(9)))
BOUNDS: Final = (1, 1, 1, 2, 5, 40, 600, limits.QUANTITY_MAX - 1, limits.QUANTITY_MAX)
TRADE = (r.Move, r.Transform, r.Relabel, r.Pack, r.Withdraw, r.Claim, r.Ship, r.Receive, r.Ship, r.Receive, r.Correct)
KINDS = (*r.RECORD_TYPES, *TRADE, *TRADE)
DAYS = (20240229, 20251101, 20251101, 20251110, 20301231)


class Strange:
    """A world in which anybody tries anything."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(seed)
        self.positions: list[tuple[str, str, str, s.Stock]] = []
        self.ships: list[tuple[bytes, str, str]] = []  # of all times: record, receiver, lot
        self.claims: list[tuple[bytes, str, str, str]] = []  # record, claimant, supplier, lot
        self.scopes: list[tuple[bytes, r.Subject, str]] = []  # record, subject, issuer
        self.booked: list[tuple[Member, Sealed]] = []
        self.accepted: dict[str, int] = {}
        self.keys = 0
        world.do(REGULATOR, world.admit(CARRIER))
        holder = {"declared_by": r.DeclaredBy.HOLDER, "maker": None}
        fish = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "tolerance_permille": 20}
        world.do(IMPORTER, world.register(FISH, **fish))
        world.do(SHOP, world.register(HELD, **holder))
        world.do(DEALER, world.register(VEGETABLE, **holder | {"tolerance_permille": 1000}))
        for who in (MAKER, DEALER, SHOP):
            world.do(who, world.act(r.Site, name="二", public=True, region="CN-33", site=f"{who.id}/two"))

    # Doing

    def block(self, envelopes: int) -> None:
        """Envelopes of one to three records each; what is not well-formed never reaches the block."""
        sent: list[tuple[Member, list[tuple[Act, Sealed]]]] = []
        checked = []
        for _ in range(envelopes):
            who, acts = self.some_acts()
            try:
                checked.append(self.world.check(self.world.envelope(who, [sealed for _, sealed in acts])))
            except (Malformed, Refused):
                continue
            sent.append((who, acts))
        plan = self.world.store.plan(checked, self.world.now)
        self.world.store.commit(plan)
        for (who, acts), verdict in zip(sent, plan.verdicts, strict=True):
            self.learn(who, acts, verdict)
        self.world.now += self.pick([1, 1, 1000, 3_600_000, DAY_MS // 4])

    def some_acts(self) -> tuple[Member, list[tuple[Act, Sealed]]]:
        if self.booked and self.maybe(0.03):  # the very record again, by whoever knows its opening
            _, sealed = self.pick(self.booked)
            record = r.RECORD.decode(sealed.record)
            return self.pick(MEMBERS), [(Act(type(record), None, {}), sealed)]
        kind = self.pick(KINDS)
        who, act = self.one(kind)
        acts = [act]
        while self.maybe(0.3):
            other, more = self.one(self.pick([kind, self.pick(KINDS)]))
            acts += [more] if other is who else []
        return who, [(one, self.world.seal(one)) for one in acts]

    def learn(self, who: Member, acts: list[tuple[Act, Sealed]], verdict: Verdict) -> None:
        if verdict.leaf is None or verdict.earlier:
            return
        for act, sealed in acts:
            self.accepted[act.kind.__name__] = self.accepted.get(act.kind.__name__, 0) + 1
            record: Any = r.RECORD.decode(sealed.record)
            if isinstance(record, r.Ship):
                receiver = receiver_of(record.owner or who.id, record.to, record.to_site)
                self.ships.append((sealed.hash, receiver, record.lot))
            elif isinstance(record, r.Claim):
                self.claims.append((sealed.hash, who.id, record.supplier, record.lot))
            elif isinstance(record, r.Hold | r.Recall):
                self.scopes.append((sealed.hash, record.subject, who.id))
            if isinstance(record, CORRECTABLE):
                self.booked.append((who, sealed))
        if self.maybe(0.3):
            self.look()

    def look(self) -> None:
        """At what there is, so that acts meet it."""
        rows = [(*key[1:].decode().split("\0"), s.STOCK.decode(row)) for key, row in self.world.store.scan(b"p")]
        self.positions = [(owner, site, lot, stock) for owner, site, lot, stock in rows]

    # Choosing

    def pick(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def one(self, kind: type) -> tuple[Member, Act]:
        """An act of this kind, by whom it would fit or by anybody."""
        if kind is r.Correct:
            return self.correct()
        who, fields, amounts = self.shape(kind)
        given = {"at": self.at()} | fields
        if self.maybe(0.05):
            given["private"] = self.random.randbytes(32)
        signer = who if self.maybe(0.9) else self.pick(MEMBERS)
        return signer, Act(kind, amounts, {name: value for name, value in given.items() if value is not None})

    def shape(self, kind: type) -> tuple[Member, dict[str, Any], r.Amounts | None]:
        shapes: dict[type, Callable[[], tuple[Member, dict[str, Any], r.Amounts | None]]] = {
            r.Register: self.register, r.Admit: self.admit, r.Suspend: self.suspend, r.Site: self.site,
            r.Key: self.key, r.Transform: self.transform, r.Count: self.count, r.Pack: self.pack,
            r.Unpack: self.unpack, r.Ship: self.ship, r.Receive: self.receive, r.Withdraw: self.withdraw,
            r.Dispute: self.dispute, r.Fact: self.fact, r.Hold: self.hold, r.Recall: self.recall,
            r.Close: self.end, r.Lift: self.end, r.Voucher: self.voucher, r.Policy: self.policy,
        }  # fmt: skip
        return shapes[kind]() if kind in shapes else self.moved(kind)

    def at(self) -> int:
        now = self.world.now
        return self.pick([now, now, now, now - DAY_MS, now - 44 * DAY_MS, now - 50 * DAY_MS, 0, now + 290_000])

    def place(self, own: bool = False) -> tuple[Member, str, str, s.Stock]:
        """Mostly a position that holds something: owner, site, lot, stock; `own`: at a site of the owner."""
        if self.positions and self.maybe(0.9):
            full = [one for one in self.positions if one[3].held and one[1].startswith(one[0] if own else "")]
            owner, site, lot, stock = self.pick(full if full and self.maybe(0.9) else self.positions)
            return BY_ID[owner], site, lot, stock
        who = self.pick(MEMBERS)
        return who, who.site if self.maybe(0.7) else self.pick(SITES), self.pick(LOTS), s.NO_STOCK

    def much(self, of: int) -> int:
        return self.pick([max(1, of // 2), max(1, of), of + 1, *BOUNDS])

    def ref(self) -> str:
        return self.world.ref() if self.maybe(0.97) else "SAME/1"

    def weight(self, lot: str, grams: int) -> int | None:
        """What is weighed gets a weight, and now and then something else does."""
        weighed = lot.startswith((FISH, VEGETABLE))
        return max(1, grams) if weighed != self.maybe(0.03) else None

    def flag(self) -> bool | None:
        return True if self.maybe(0.1) else None

    def day(self) -> int | None:
        return self.pick(DAYS) if self.maybe(0.3) else None

    def name(self) -> str:
        return self.pick([who.id for who in (*MEMBERS, STRANGER)])

    # Members and products

    def register(self) -> tuple[Member, dict[str, Any], None]:
        level = self.maybe(0.3)
        declared_by = self.pick(list(r.DeclaredBy))
        who = self.pick([MAKER, IMPORTER, SHOP, REGULATOR])
        product = self.pick([HELD, gtin(62), gtin(63), CASE, VEGETABLE, FISH])
        return who, {
            "base": self.pick(PRODUCTS) if level else None, "contains": 6 if level else None, "closed": self.flag(),
            "declared_by": declared_by, "maker": self.pick([None, who.id, self.name()]), "name": "物",
            "grams": self.pick([None, 800]), "product": product, "temp_max_mc": self.pick([None, 4_000]),
            "tolerance_permille": self.pick([None, None, 0, 20, 1000]),
        }, None  # fmt: skip

    def admit(self) -> tuple[Member, dict[str, Any], None]:
        who = member(self.random.randrange(200, 260), self.pick(list(r.MemberKind)))
        return REGULATOR, {"key": who.key, "kind": who.kind, "member": who.id, "name": "新", "region": "CN-33"}, None

    def policy(self) -> tuple[Member, dict[str, Any], None]:
        number = self.pick([None, None, None, 1, 7])
        act = self.world.policy(expires=self.pick([None, self.world.now + 400 * DAY_MS, 5]))
        return REGULATOR, act.fields | ({"number": number} if number else {}), None

    def suspend(self) -> tuple[Member, dict[str, Any], None]:
        return REGULATOR, {"ended": self.flag(), "member": self.name(), "reason": "查"}, None

    def site(self) -> tuple[Member, dict[str, Any], None]:
        who, name = self.pick(MEMBERS), self.pick(["main", "two", "three"])
        fields = {
            "closed": self.flag() if name != "main" else None,
            "name": "店",
            "public": self.pick([True, None]),
            "region": "CN-33",
        }
        return who, fields | {"site": f"{who.id}/{name}"}, None

    def key(self) -> tuple[Member, dict[str, Any], None]:
        """Keys beside the first ones, without which nobody would act."""
        who, change = self.pick(MEMBERS), self.pick(list(r.KeyChange))
        self.keys += change == r.KeyChange.ADMIT
        bounds = r.KeyLimits(acts=[30, 51], sites=[who.site]) if self.maybe(0.5) else None
        return who, {
            "change": change, "key": self.random.randrange(1, self.keys + 2).to_bytes(32, "big"), "limits": bounds,
            "member": who.id if self.maybe(0.9) else self.name(), "suspect_from": self.pick([None, self.world.now]),
        }, None  # fmt: skip

    # Goods

    def moved(self, kind: type) -> tuple[Member, dict[str, Any], r.Moved]:
        """The acts that move one quantity of one lot."""
        who, site, lot, stock = self.place(own=kind in (r.Move, r.Relabel, r.TakeBack))
        fields: dict[str, Any] = {"lot": lot, "site": site}
        if kind is r.Commission:
            who = MAKER if lot.startswith((FORMULA, POWDER)) else IMPORTER
            lot = self.pick([lot, f"{product_of(lot)}#N{self.random.randrange(90)}"])
            dates = {"production": self.pick(DAYS), "expiry": self.pick([None, 20301231])}
            fields |= dates | {"lot": lot, "site": who.site}
        elif kind is r.Enter:
            fields |= {"production": self.day(), "expiry": self.day()}
        elif kind is r.Claim:
            fields |= {"supplier": self.name(), "production": self.day()}
        elif kind is r.Move:
            fields["to_site"] = self.pick([who.site, f"{who.id}/two", self.pick(SITES)])
        elif kind is r.Sell:
            fields["buyer"] = self.pick(list(r.SaleTo))
        elif kind is r.Destroy:
            fields |= {"owner": self.pick([None, who.id]), "reason": self.pick(list(r.DestroyReason))}
        elif kind is r.Relabel:
            new = f"{product_of(lot)}#R{self.random.randrange(9)}"
            fields["to_lot"] = new if self.maybe(0.8) else self.pick(LOTS)
        brings = kind in (r.Commission, r.Enter, r.Claim)
        quantity = self.pick([1, 5, 40, 1000, *BOUNDS]) if brings else self.much(stock.held - stock.reserved)
        if kind is r.TakeBack:
            quantity = self.much(stock.sold)
        quantity = 0 if self.maybe(0.03) else min(quantity, limits.QUANTITY_MAX)
        return who, fields, self.amounts(lot, quantity, stock, brings)

    def amounts(self, lot: str, quantity: int, stock: s.Stock, brings: bool) -> r.Moved:
        share = stock.grams * min(quantity, stock.held) // max(1, stock.held)
        grams = self.pick([share, share, stock.grams, 1]) if not brings else self.pick([quantity * 20_000, 1, 7])
        weight = self.weight(lot, min(grams, limits.QUANTITY_MAX))
        return r.Moved(grams=weight, quantity=quantity, ref=self.ref())

    def transform(self) -> tuple[Member, dict[str, Any], r.Transformed]:
        who, site, lot, stock = self.place(own=True)
        more = [other for owner, where, other, _ in self.positions if (owner, where) == (who.id, site)]
        inputs = list(dict.fromkeys([lot, *(self.random.sample(more, min(len(more), self.random.randrange(3))))]))
        new = [f"{product}#T{self.random.randrange(300)}" for product in (HELD, HELD, self.pick(PRODUCTS))]
        made = [self.pick([self.pick(LOTS), *new, *new]) for _ in range(self.random.randrange(1, 3))]
        made = [lot for lot in dict.fromkeys(made) if lot not in inputs] or [f"{POWDER}#T0"]
        outputs = [r.Output(lot=lot, production=self.pick(DAYS), expiry=self.day()) for lot in made]
        amounts = r.Transformed(
            inputs=[self.much(stock.held // 3) for _ in inputs], outputs=[self.pick(BOUNDS) for _ in made],
            grams_in=[self.weight(lot, stock.grams // 2) or 0 for lot in inputs],
            grams_out=[self.weight(lot, 5) or 0 for lot in made], ref=self.ref(),
        )  # fmt: skip
        return who, {"inputs": inputs, "outputs": outputs, "site": site}, amounts

    def count(self) -> tuple[Member, dict[str, Any], r.Counted]:
        who, site, lot, stock = self.place()
        grams = self.weight(lot, stock.grams)
        amounts = r.Counted(
            book=self.pick([stock.held, stock.held, 0, limits.QUANTITY_MAX]), book_grams=grams,
            found=self.pick([stock.held, stock.held + 1, 0, 3, *BOUNDS]), found_grams=grams and max(0, grams - 3),
            missing=self.pick([None, None, 1, stock.missing or None]), ref=self.ref(),
        )  # fmt: skip
        owner = self.pick([None, who.id])
        return who, {"kind": self.pick(list(r.CountKind)), "lot": lot, "owner": owner, "site": site}, amounts

    def pack(self) -> tuple[Member, dict[str, Any], r.Packed]:
        who, site, lot, stock = self.place()
        lots = [lot] if self.maybe(0.8) else []
        quantities = [self.much(stock.held // 4) for _ in lots]
        grams = [self.weight(lot, stock.grams // 4) or 0 for _ in lots]
        amounts = r.Packed(quantities=quantities, grams=grams if any(grams) else None, ref=self.ref())
        mine = [key[1:].decode() for key, row in self.world.store.scan(b"u") if s.UNIT.decode(row).owner == who.id]
        unit = self.pick([*mine, *mine, *UNITS])
        units = [other for other in mine if other != unit and self.maybe(0.3)]
        row = self.world.store.get(s.unit_key(unit))
        use = 1 + (s.UNIT.decode(row).use if row is not None else self.random.randrange(3))
        return who, {"lots": lots, "site": site, "unit": unit, "units": units, "use": use}, amounts

    def unpack(self) -> tuple[Member, dict[str, Any], None]:
        rows = [(key[1:].decode(), s.UNIT.decode(row)) for key, row in self.world.store.scan(b"u")]
        if not rows:
            return SHOP, {"site": SHOP.site, "unit": UNITS[0], "use": 1}, None
        name, unit = self.pick(rows)
        return BY_ID[unit.owner], {"owner": unit.owner, "site": unit.site, "unit": name, "use": unit.use}, None

    # Handovers

    def ship(self) -> tuple[Member, dict[str, Any], r.Moved]:
        who, site, lot, stock = self.place()
        to = self.pick(MEMBERS)
        fields: dict[str, Any] = {"lot": lot, "site": site, "to": to.id, "to_site": to.site, "returns": None}
        if self.maybe(0.2):
            fields["to_site"] = self.pick(SITES)
        if self.maybe(0.2):
            fields["returns"] = True
        elif self.claims and self.maybe(0.2):
            claim, claimant, supplier, lot = self.pick(self.claims)
            fields |= {"claim": claim, "lot": lot, "to": claimant, "to_site": BY_ID[claimant].site}
            who = BY_ID.get(supplier, who)
            fields["site"] = who.site
        if self.maybe(0.2):
            fields |= {"owner": who.id, "to": who.id, "returns": None, "claim": None}
            who = BY_ID.get(site.partition("/")[0], who)
        if self.maybe(0.1):
            fields["unit"] = self.pick(UNITS)
        return who, fields, self.amounts(lot, min(self.much(stock.held // 3), limits.QUANTITY_MAX), stock, False)

    def handover(self) -> tuple[bytes, str, str]:
        """An open one, or any of all times."""
        rows = list(self.world.store.scan(b"h"))
        if rows and self.maybe(0.8):
            key, row = self.pick(rows)
            return key[-32:], key[1:-33].decode(), s.HANDOVER.decode(row).lot
        return self.pick(self.ships) if self.ships else (bytes(32), self.name(), LOT)

    def receive(self) -> tuple[Member, dict[str, Any], r.Received]:
        ship, receiver, lot = self.handover()
        row = self.world.store.get(s.handover_key(receiver, ship))
        handover = s.HANDOVER.decode(row) if row is not None else None
        left = handover.open if handover is not None else 2
        parts: dict[str, int] = {}
        for name in self.random.sample(["accepted", "refused", "short", "destroyed"], self.random.randrange(1, 4)):
            parts[name] = self.pick([max(1, left), max(1, left // 2), 1, 1])
            left -= parts[name]
        share = handover.grams * parts.get("accepted", 0) // max(1, handover.open) if handover is not None else 5
        grams = self.weight(lot, share) if "accepted" in parts else None
        return BY_ID.get(receiver, SHOP), {"lot": lot, "ship": ship}, r.Received(grams=grams, ref=self.ref(), **parts)

    def withdraw(self) -> tuple[Member, dict[str, Any], r.Withdrawn]:
        ship, receiver, lot = self.handover()
        row = self.world.store.get(s.handover_key(receiver, ship))
        sender = s.HANDOVER.decode(row).sender if row is not None else self.pick(MEMBERS).id
        return BY_ID[sender], {"lot": lot, "ship": ship, "to": receiver}, r.Withdrawn(ref=self.ref())

    def dispute(self) -> tuple[Member, dict[str, Any], None]:
        claim, claimant, supplier, lot = (
            self.pick(self.claims) if self.claims else (bytes(32), SHOP.id, MAKER.id, LOT)
        )
        fields = {"claim": claim, "claimant": claimant, "lot": lot, "reason": "未供货"}
        return BY_ID.get(supplier, MAKER), fields, None

    def correct(self) -> tuple[Member, Act]:
        """Of something that was accepted: it did not occur, or other numbers stand for it."""
        if not self.booked:
            return MAKER, self.world.sell(MAKER, 1)
        who, sealed = self.pick(self.booked[-40:] if self.maybe(0.5) else self.booked)
        record: Any = r.RECORD.decode(sealed.record)
        amounts = r.AMOUNTS[type(record)].decode(sealed.opening[16:])
        numbers: dict[str, Any] = {}
        for name in amounts.__struct_fields__:
            value = getattr(amounts, name)
            if type(value) is int and name not in ("refused", "short", "destroyed"):
                numbers[name] = self.pick([max(1, value - 1), value + 1, max(1, value // 2), *BOUNDS])
            elif isinstance(value, list):
                numbers[name] = [one and self.pick([1, one, max(1, one // 2), one + 1]) for one in value]
        dates = {"production": self.day(), "expiry": self.day()} if isinstance(record, r.Commission) else {}
        signer = who if self.maybe(0.9) else self.pick(MEMBERS)
        return signer, self.world.correct(sealed, None if self.maybe(0.25) else numbers, **dates)

    # What is said

    def subject(self) -> r.Subject:
        who, site, lot, _ = self.place()
        kinds = r.SubjectKind
        ship, receiver, _ = self.handover()
        return self.pick([
            r.Subject(kind=kinds.LOT, lot=lot),
            r.Subject(kind=kinds.POSITION, lot=lot, owner=who.id, site=site),
            r.Subject(kind=kinds.HANDOVER, ship=ship, to=receiver),
            r.Subject(kind=kinds.PRODUCT, product=self.pick(PRODUCTS)),
            r.Subject(kind=kinds.MEMBER, member=self.name()),
            r.Subject(kind=kinds.SITE, site=site),
        ])  # fmt: skip

    def fact(self) -> tuple[Member, dict[str, Any], None]:
        kind, subject = self.pick(list(r.FactKind)), self.subject()
        warmest = self.pick([-20_000, 10_000, 200_000])
        window = r.Window(
            count=1, device="D", gap_s=0, max_mc=warmest, mean_mc=warmest, min_mc=-273_150, series=bytes(32), start=0,
            until=self.world.now,
        )  # fmt: skip
        who = self.pick([LAB, CARRIER, REGULATOR, BY_ID.get(subject.owner or subject.to or "", SHOP), MAKER])
        return who, {
            "adverse": self.pick([True, None]), "kind": kind, "subject": subject, "text": "某",
            "window": window if kind == r.FactKind.MEASURE else None,
        }, None  # fmt: skip

    def hold(self) -> tuple[Member, dict[str, Any], None]:
        """Seldom, and ended often: else nothing would move any more."""
        subject = self.subject()
        if self.maybe(0.8):
            lot = self.pick([f"{HELD}#H1", f"{FISH}#C2", f"{POWDER}#P2"])
            subject = r.Subject(kind=r.SubjectKind.LOT, lot=lot)
        spans = subject.kind in (r.SubjectKind.PRODUCT, r.SubjectKind.MEMBER)
        made_from = self.day() if spans else None
        return self.pick([REGULATOR, MAKER, SHOP]), {"made_from": made_from, "reason": "查", "subject": subject}, None

    def recall(self) -> tuple[Member, dict[str, Any], None]:
        who, fields, _ = self.hold()
        return who, fields | {"grade": 1}, None

    def end(self) -> tuple[Member, dict[str, Any], None]:
        if not self.scopes:
            return REGULATOR, {"reason": "好", "subject": self.subject(), "target": bytes(32)}, None
        target, subject, issuer = self.pick(self.scopes[-12:])
        who = self.pick([REGULATOR, REGULATOR, BY_ID[issuer]])
        return who, {"reason": "好", "subject": subject, "target": target}, None

    def voucher(self) -> tuple[Member, dict[str, Any], None]:
        who, site, lot, _ = self.place()
        return who, {"lot": lot, "site": site, "voucher": self.random.randbytes(1) * 32}, None
