"""Every rule, broken once: the refusal names record, field and rule, says what was found and what would cure it, and
nothing has changed. `CASES` holds one way at least to break each rule that the code knows."""

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ledger import entries as e
from ledger import limits
from ledger import records as r
from ledger.custody import step
from ledger.envelope import open_envelope
from ledger.errors import Problem, Refused
from ledger.identifiers import gs1_check_digit
from tests.world import (
    CASE,
    DAY_MS,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    ORIGIN,
    POWDER,
    REGULATOR,
    SHOP,
    STORE,
    VALIDATOR,
    Act,
    Member,
    Sealed,
    World,
    gtin,
    member,
    validator,
)

Case = Callable[[World], tuple[Problem, ...]]
CASES: dict[str, list[Case]] = {}
ROOT = Path(__file__).parents[2]
UNIT, OTHER_UNIT, PALLET = "006901234567890121", "106901234567890128", "006901234567890138"
BEEF = gtin(61)
BEEF_LOT = f"{BEEF}#W1"
STRANGER = member(90)


def breaks(code: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        CASES.setdefault(code, []).append(case)
        return case

    return keep


def case(code: str, who: Member, *acts: Callable[[World], Act]) -> None:
    """A case that needs nothing before it."""
    CASES.setdefault(code, []).append(lambda world: world.refused(who, *(act(world) for act in acts)))


def refusal_of(world: World, wire: bytes) -> tuple[Problem, ...]:
    """Of bytes, wherever they are refused: when they are opened, or when their block is planned."""
    try:
        opened = open_envelope(wire, world.chain)
    except Refused as error:
        return error.problems
    return world.book(opened.wire).verdicts[0].problems


def own(world: World, who: Member, code: str = "two") -> str:
    """Another site of a member."""
    world.do(who, world.act(r.Site, name="二店", region="CN-33", site=f"{who.id}/{code}"))
    return f"{who.id}/{code}"


def weighed(world: World, quantity: int = 10, grams: int = 10_000) -> None:
    """Beef of variable measure at the importer."""
    declared = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "name": "牛肉", "tolerance_permille": 20}
    world.do(IMPORTER, world.register(BEEF, **declared))
    amounts = r.Moved(grams=grams, quantity=quantity, ref=world.ref())
    world.do(IMPORTER, world.act(r.Commission, amounts, lot=BEEF_LOT, production=20251101, site=IMPORTER.site))


def moved(world: World, site: str, to_site: str) -> Act:
    return world.act(r.Move, world.moved(1), lot=LOT, site=site, to_site=to_site)


def shipped(world: World, quantity: int = 10, **fields: Any) -> Sealed:
    return world.do(MAKER, world.ship(MAKER, DEALER, quantity, **fields))[0]


def claimed(world: World, quantity: int = 10) -> Sealed:
    return world.do(DEALER, world.claim(DEALER, MAKER, quantity))[0]


def packed(world: World, unit: str = UNIT, quantity: int = 6) -> None:
    world.do(MAKER, world.pack(MAKER, unit, {LOT: quantity}))


def key_of(world: World, who: Member, **bounds: Any) -> Member:
    """Another key of a member."""
    key = Member(who.id, b"\x11" * 32, who.kind)
    given = r.KeyLimits(**bounds) if bounds else None
    world.do(who, world.act(r.Key, change=r.KeyChange.ADMIT, key=key.key, limits=given, member=who.id))
    return key


def on_handover(world: World, ship: Sealed, **fields: Any) -> Act:
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=DEALER.id)
    return world.act(r.Fact, **{"kind": r.FactKind.NOTE, "subject": subject, "text": "看"} | fields)


# Envelopes and keys


@breaks("envelope.other-chain")
def _(world: World) -> tuple[Problem, ...]:
    return refusal_of(world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))], chain=bytes(32)))


@breaks("envelope.expired")
def _(world: World) -> tuple[Problem, ...]:
    times = {"time": world.now - 2 * DAY_MS, "not_after": world.now - DAY_MS}
    return refusal_of(world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))], **times))


@breaks("envelope.future")
def _(world: World) -> tuple[Problem, ...]:
    ahead = world.now + limits.CLAIMED_TIME_AHEAD_MS_MAX + 1
    return refusal_of(
        world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))], time=ahead, not_after=ahead + 1)
    )


@breaks("record.future")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(MAKER, world.sell(MAKER, 1, at=world.now + limits.CLAIMED_TIME_AHEAD_MS_MAX + 1))


@breaks("record.malformed")
def _(world: World) -> tuple[Problem, ...]:
    return refusal_of(world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1, lot=f"{gtin(1)[:-1]}0#A1"))]))


@breaks("record.twice")
def _(world: World) -> tuple[Problem, ...]:
    sealed = world.seal(world.ship(MAKER, DEALER, 1))
    return refusal_of(world, world.envelope(MAKER, [sealed, sealed]))


@breaks("record.twice")
def _(world: World) -> tuple[Problem, ...]:
    """A copy of another's hold, signed by one who may hold it too."""
    hold = world.do(REGULATOR, world.act(r.Hold, reason="x", subject=world.lot_subject()))[0]
    return refusal_of(world, world.envelope(MAKER, [hold]))


@breaks("member.unknown")
def _(world: World) -> tuple[Problem, ...]:
    return refusal_of(world, world.envelope(STRANGER, [world.seal(world.sell(MAKER, 1))]))


@breaks("key.unknown")
def _(world: World) -> tuple[Problem, ...]:
    return refusal_of(world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))], key=e.key_id(STRANGER.key)))


@breaks("key.revoked")
def _(world: World) -> tuple[Problem, ...]:
    key = key_of(world, MAKER)
    world.do(MAKER, world.act(r.Key, change=r.KeyChange.REVOKE, key=key.key, member=MAKER.id))
    return world.refused(key, world.sell(MAKER, 1))


@breaks("key.retired")
def _(world: World) -> tuple[Problem, ...]:
    key = key_of(world, MAKER)
    world.do(MAKER, world.act(r.Key, change=r.KeyChange.RETIRE, key=key.key, member=MAKER.id))
    world.now += limits.RETIRED_KEY_GRACE_MS + DAY_MS
    return world.refused(key, world.sell(MAKER, 1))


@breaks("key.expired")
def _(world: World) -> tuple[Problem, ...]:
    key = key_of(world, MAKER, until=world.now)
    world.now += 1000
    return world.refused(key, world.sell(MAKER, 1))


@breaks("key.act")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(key_of(world, MAKER, acts=[int(r.Act.SELL)]), world.ship(MAKER, DEALER, 1))


@breaks("key.site")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(key_of(world, MAKER, sites=[own(world, MAKER)]), world.sell(MAKER, 1))


@breaks("key.limited")
def _(world: World) -> tuple[Problem, ...]:
    key = key_of(world, MAKER, acts=[int(r.Act.KEY)])
    return world.refused(key, world.act(r.Key, change=r.KeyChange.ADMIT, key=bytes(32), member=MAKER.id))


@breaks("ref.booked")
def _(world: World) -> tuple[Problem, ...]:
    """The same document line under a new envelope, as an import of the same book would."""
    line = r.Moved(quantity=1, ref="XS-1/1")
    fields = {"buyer": r.SaleTo.CONSUMER, "lot": LOT, "site": MAKER.site}
    world.do(MAKER, world.act(r.Sell, line, **fields))
    return world.refused(MAKER, world.act(r.Sell, line, **fields))


# Members, sites, keys, products

case("member.not-regulator", MAKER, lambda world: world.admit(STRANGER))
case("member.known", REGULATOR, lambda world: world.admit(DEALER))
case("member.own", REGULATOR, lambda world: world.act(r.Suspend, member=REGULATOR.id, reason="x"))
case("member.unknown", REGULATOR, lambda world: world.act(r.Suspend, member=STRANGER.id, reason="x"))
case("site.not-own", MAKER, lambda world: world.act(r.Site, name="x", region="CN", site=f"{DEALER.id}/two"))
case("site.not-own", MAKER, lambda world: moved(world, MAKER.site, DEALER.site))
case("site.unknown", MAKER, lambda world: moved(world, MAKER.site, f"{MAKER.id}/none"))
case(
    "key.not-own", MAKER,
    lambda world: world.act(r.Key, change=r.KeyChange.ADMIT, key=bytes(32), member=DEALER.id),
)  # fmt: skip
case(
    "key.known", MAKER,
    lambda world: world.act(r.Key, change=r.KeyChange.ADMIT, key=MAKER.key, member=MAKER.id),
)  # fmt: skip
case(
    "key.unknown", MAKER,
    lambda world: world.act(r.Key, change=r.KeyChange.RETIRE, key=bytes(32), member=MAKER.id),
)  # fmt: skip
case("product.not-own", MAKER, lambda world: world.register(f"{DEALER.id}/veg", declared_by=r.DeclaredBy.HOLDER))
case("product.maker", DEALER, lambda world: world.register(gtin(40), maker=MAKER.id))
case("product.declared", DEALER, lambda world: world.register(FORMULA, maker=DEALER.id))
case("product.declared", MAKER, lambda world: world.register(FORMULA, declared_by=r.DeclaredBy.HOLDER))
case("product.looser", MAKER, lambda world: world.register(FORMULA, category="129", grams=800, temp_max_mc=60_000))
case("product.measure", MAKER, lambda world: world.register(FORMULA, tolerance_permille=10))
case("product.level", MAKER, lambda world: world.register(CASE, base=FORMULA, contains=12))
case("product.level", MAKER, lambda world: world.register(gtin(40), base=CASE, contains=2))
case("product.level", MAKER, lambda world: world.sell(MAKER, 1, f"{CASE}#A1"))
case("product.unknown", MAKER, lambda world: world.register(gtin(40), base=gtin(41), contains=2))
case("product.unknown", DEALER, lambda world: world.enter(DEALER, 1, f"{gtin(41)}#A1"))
case("lot.unknown", MAKER, lambda world: world.ship(MAKER, DEALER, 1, f"{FORMULA}#NONE"))
case("lot.not-maker", DEALER, lambda world: world.commission(1, f"{FORMULA}#D1", DEALER))
case("lot.other-date", MAKER, lambda world: world.commission(1, production=20251102))


@breaks("site.closed")
def _(world: World) -> tuple[Problem, ...]:
    site = own(world, DEALER)
    world.do(DEALER, world.act(r.Site, name="二店", region="CN-33", site=site, closed=True))
    return world.refused(MAKER, world.ship(MAKER, DEALER, 1, to_site=site))


@breaks("product.closed")
def _(world: World) -> tuple[Problem, ...]:
    world.do(MAKER, world.register(FORMULA, closed=True, temp_max_mc=30_000, temp_min_mc=0))
    return world.refused(DEALER, world.enter(DEALER, 1))


@breaks("lot.serials")
def _(world: World) -> tuple[Problem, ...]:
    world.do(MAKER, world.commission(1, serials=bytes(32)))
    return world.refused(MAKER, world.commission(1, serials=b"\x01" * 32))


@breaks("lot.known")
def _(world: World) -> tuple[Problem, ...]:
    """An output that is a lot already."""
    world.do(MAKER, world.commission(5, f"{POWDER}#P1"))
    return world.refused(MAKER, world.transform(MAKER, {f"{POWDER}#P1": 1}, {LOT: 1}))


@breaks("lot.known")
def _(world: World) -> tuple[Problem, ...]:
    """A lot that another commissioned who may: the importer who declared it, beside the maker."""
    declared = {"declared_by": r.DeclaredBy.IMPORTER, "maker": MAKER.id}
    world.do(IMPORTER, world.register(gtin(42), **declared))
    world.do(IMPORTER, world.commission(1, f"{gtin(42)}#A1", IMPORTER))
    return world.refused(MAKER, world.commission(1, f"{gtin(42)}#A1"))


# Positions and quantities

case("position.overdrawn", MAKER, lambda world: world.sell(MAKER, 10_001))
case("position.overdrawn", MAKER, lambda world: world.pack(MAKER, UNIT, {LOT: 10_001}))
case("position.overdrawn", MAKER, lambda world: world.count(MAKER, 10_001, 0))
case("position.more-than-sold", MAKER, lambda world: world.take_back(MAKER, 1))
case(
    "position.not-own", DEALER,
    lambda world: world.act(
        r.Destroy, world.moved(1), lot=LOT, owner=MAKER.id, reason=r.DestroyReason.OTHER, site=MAKER.site
    ),
)  # fmt: skip
case("position.unknown", DEALER, lambda world: world.act(r.Voucher, lot=LOT, site=DEALER.site, voucher=bytes(32)))
case("position.unknown", REGULATOR, lambda world: world.act(r.Hold, reason="x", subject=world.position_subject(SHOP)))
case("grams.not-variable", MAKER, lambda world: world.act(
    r.Sell, r.Moved(grams=5, quantity=1, ref=world.ref()), buyer=r.SaleTo.GIFT, lot=LOT, site=MAKER.site
))  # fmt: skip
case("relabel.other-product", MAKER, lambda world: world.relabel(MAKER, 1, LOT, f"{POWDER}#A1"))
case("count.missing", MAKER, lambda world: world.count(MAKER, 10, 10, missing=1))


@breaks("position.too-much")
def _(world: World) -> tuple[Problem, ...]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(step, "INTEGER_MAX", 20_000)
        return world.refused(MAKER, world.commission(10_001))


@breaks("position.overdrawn")
def _(world: World) -> tuple[Problem, ...]:
    weighed(world)
    line = r.Moved(grams=10_001, quantity=1, ref=world.ref())
    return world.refused(IMPORTER, world.act(r.Sell, line, buyer=r.SaleTo.CONSUMER, lot=BEEF_LOT, site=IMPORTER.site))


@breaks("position.overdrawn")
def _(world: World) -> tuple[Problem, ...]:
    """A book quantity that is wrong: more is missing than is held."""
    world.hand_over(MAKER, DEALER, 5)
    return world.refused(DEALER, world.count(DEALER, 20, 10))


@breaks("position.overdrawn")
def _(world: World) -> tuple[Problem, ...]:
    """What is packed does not leave by itself."""
    world.hand_over(MAKER, DEALER, 5)
    world.do(DEALER, world.pack(DEALER, UNIT, {LOT: 5}))
    return world.refused(DEALER, world.sell(DEALER, 1))


@breaks("position.overdrawn")
def _(world: World) -> tuple[Problem, ...]:
    """A sale that is corrected to more than is there."""
    world.hand_over(MAKER, DEALER, 5)
    sale = world.do(DEALER, world.sell(DEALER, 5))[0]
    return world.refused(DEALER, world.correct(sale, {"quantity": 6}))


@breaks("position.more-than-sold")
def _(world: World) -> tuple[Problem, ...]:
    world.do(MAKER, world.sell(MAKER, 3))
    world.do(MAKER, world.take_back(MAKER, 3))
    return world.refused(MAKER, world.take_back(MAKER, 1))


@breaks("voucher.known")
def _(world: World) -> tuple[Problem, ...]:
    world.do(MAKER, world.act(r.Voucher, lot=LOT, site=MAKER.site, voucher=bytes(32)))
    return world.refused(MAKER, world.act(r.Voucher, lot=LOT, site=MAKER.site, voucher=bytes(32)))


@breaks("grams.missing")
def _(world: World) -> tuple[Problem, ...]:
    weighed(world)
    return world.refused(IMPORTER, world.sell(IMPORTER, 1, BEEF_LOT))


@breaks("grams.more-than-shipped")
def _(world: World) -> tuple[Problem, ...]:
    weighed(world)
    line = r.Moved(grams=1000, quantity=1, ref=world.ref())
    route = {"lot": BEEF_LOT, "site": IMPORTER.site, "to": DEALER.id, "to_site": DEALER.site}
    ship = world.do(IMPORTER, world.act(r.Ship, line, **route))[0]
    got = r.Received(accepted=1, grams=1021, ref=world.ref())
    return world.refused(DEALER, world.act(r.Receive, got, lot=BEEF_LOT, ship=ship.hash))


@breaks("grams.nothing")
def _(world: World) -> tuple[Problem, ...]:
    got = r.Received(grams=10, ref=world.ref(), refused=1)
    return world.refused(DEALER, world.act(r.Receive, got, lot=LOT, ship=shipped(world).hash))


# Handovers

case("ship.not-owner", DEALER, lambda world: world.ship(MAKER, DEALER, 1, owner=MAKER.id))
case("ship.nowhere", MAKER, lambda world: world.ship(MAKER, MAKER, 1))
case("ship.custody", MAKER, lambda world: world.ship(MAKER, MAKER, 1, to_site=STORE.site, returns=True))
case("handover.unknown", DEALER, lambda world: world.receive(bytes(32), accepted=1))
case("return.more-than-delivered", MAKER, lambda world: world.ship(MAKER, DEALER, 1, returns=True))


@breaks("ship.not-keeper")
def _(world: World) -> tuple[Problem, ...]:
    """The owner takes out of a cold store what its keeper has to give."""
    world.do(MAKER, world.ship(MAKER, MAKER, 5, to_site=STORE.site))
    [(ship, _)] = [(key, row) for key, row in world.store.scan(b"h" + STORE.id.encode())]
    world.do(STORE, world.receive(ship.partition(b"\x00")[2], accepted=5))
    return world.refused(MAKER, world.ship(MAKER, MAKER, 5, site=STORE.site))


@breaks("handover.more-than-open")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(DEALER, world.receive(shipped(world).hash, accepted=9, refused=2))


@breaks("handover.more-than-open")
def _(world: World) -> tuple[Problem, ...]:
    """What was refused is received again."""
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=6, refused=3))
    return world.refused(DEALER, world.receive(ship.hash, accepted=3))


@breaks("handover.closed")
def _(world: World) -> tuple[Problem, ...]:
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=10))
    return world.refused(DEALER, world.receive(ship.hash, accepted=1))


@breaks("handover.closed")
def _(world: World) -> tuple[Problem, ...]:
    """What was refused whole is received after all."""
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, refused=10))
    return world.refused(DEALER, world.receive(ship.hash, accepted=10))


@breaks("handover.closed")
def _(world: World) -> tuple[Problem, ...]:
    ship = shipped(world)
    world.do(MAKER, world.withdraw(ship.hash, DEALER))
    return world.refused(DEALER, world.receive(ship.hash, accepted=1))


@breaks("handover.other-lot")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(DEALER, world.receive(shipped(world).hash, f"{FORMULA}#B2", accepted=1))


@breaks("handover.not-sender")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(SHOP, world.withdraw(shipped(world).hash, DEALER))


@breaks("handover.unknown")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(SHOP, world.receive(shipped(world).hash, accepted=1))


@breaks("handover.unknown")
def _(world: World) -> tuple[Problem, ...]:
    """It went to another."""
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=10))
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=SHOP.id)
    return world.refused(MAKER, world.act(r.Fact, kind=r.FactKind.NOTE, subject=subject, text="x"))


@breaks("fact.not-own")
def _(world: World) -> tuple[Problem, ...]:
    """Who received it speaks of its own position."""
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=10))
    return world.refused(DEALER, on_handover(world, ship))


@breaks("fact.late")
def _(world: World) -> tuple[Problem, ...]:
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=10))
    world.now += limits.BOOKED_LATE_MS_MIN + 2
    return world.refused(MAKER, on_handover(world, ship))


@breaks("handover.facts")
def _(world: World) -> tuple[Problem, ...]:
    ship = shipped(world)
    world.do(MAKER, *(on_handover(world, ship) for _ in range(limits.HANDOVER_FACTS_MAX // 2)))
    world.do(REGULATOR, *(on_handover(world, ship) for _ in range(limits.HANDOVER_FACTS_MAX // 2)))
    return world.refused(REGULATOR, on_handover(world, ship))


@breaks("return.more-than-delivered")
def _(world: World) -> tuple[Problem, ...]:
    """What was returned is returned again."""
    world.hand_over(MAKER, DEALER, 10)
    world.hand_over(MAKER, DEALER, 5)
    back = world.do(DEALER, world.ship(DEALER, MAKER, 15, returns=True))[0]
    world.do(MAKER, world.receive(back.hash, accepted=15))
    world.do(DEALER, world.enter(DEALER, 5))
    return world.refused(DEALER, world.ship(DEALER, MAKER, 1, returns=True))


@breaks("goods.held")
def _(world: World) -> tuple[Problem, ...]:
    world.do(REGULATOR, world.act(r.Hold, reason="x", subject=world.lot_subject()))
    world.now += 10
    return world.refused(MAKER, world.ship(MAKER, DEALER, 1))


# Claims

case("claim.own", DEALER, lambda world: world.claim(DEALER, DEALER, 1))
case("claim.unknown", MAKER, lambda world: world.dispute(bytes(32), DEALER))
case("claim.unknown", MAKER, lambda world: world.ship(MAKER, DEALER, 1, claim=bytes(32)))
case("member.unknown", DEALER, lambda world: world.claim(DEALER, STRANGER, 1))


@breaks("claim.disputed")
def _(world: World) -> tuple[Problem, ...]:
    """Again after the goods were sold on, which the first dispute outlives."""
    claim = claimed(world)
    world.do(DEALER, world.sell(DEALER, 10))
    world.do(MAKER, world.dispute(claim.hash, DEALER))
    return world.refused(MAKER, world.dispute(claim.hash, DEALER))


@breaks("claim.unknown")
def _(world: World) -> tuple[Problem, ...]:
    """One's own ship confirmed it."""
    claim = claimed(world)
    shipped(world)
    return world.refused(MAKER, world.dispute(claim.hash, DEALER))


@breaks("claim.unknown")
def _(world: World) -> tuple[Problem, ...]:
    claim = claimed(world)
    return world.refused(SHOP, world.dispute(claim.hash, DEALER))


@breaks("claim.too-many")
def _(world: World) -> tuple[Problem, ...]:
    world.do(DEALER, *(world.claim(DEALER, MAKER, 1) for _ in range(limits.PAIR_OPEN_ENTRIES_MAX)))
    return world.refused(DEALER, world.claim(DEALER, MAKER, 1))


# Corrections

case("correct.unknown", DEALER, lambda world: world.correct(world.seal(world.sell(DEALER, 1)), None))


@breaks("correct.unknown")
def _(world: World) -> tuple[Problem, ...]:
    """A correction of a record that somebody else signed."""
    return world.refused(DEALER, world.correct(world.do(MAKER, world.sell(MAKER, 1))[0], None))


@breaks("correct.nothing")
def _(world: World) -> tuple[Problem, ...]:
    """A correction of what a correction has put right already."""
    sale = world.do(MAKER, world.sell(MAKER, 5))[0]
    world.do(MAKER, world.correct(sale, {"quantity": 2}))
    return world.refused(MAKER, world.correct(sale, {"quantity": 2}))


@breaks("correct.undone")
def _(world: World) -> tuple[Problem, ...]:
    """A sale whose goods came back did not occur, they say."""
    sale = world.do(MAKER, world.sell(MAKER, 5))[0]
    world.do(MAKER, world.take_back(MAKER, 3))
    return world.refused(MAKER, world.correct(sale, None))


@breaks("correct.not-own")
def _(world: World) -> tuple[Problem, ...]:
    """The dates of a lot are those of whoever commissioned it last: here a repacker before its maker."""
    lot = f"{FORMULA}#R1"
    made = world.do(MAKER, world.commission(5, lot))[0]
    world.do(REGULATOR, world.register(FORMULA, declared_by=r.DeclaredBy.MAKER, maker=IMPORTER.id))
    world.do(IMPORTER, world.commission(5, lot, IMPORTER))
    return world.refused(MAKER, world.correct(made, {}, production=20251102))


@breaks("correct.dates")
def _(world: World) -> tuple[Problem, ...]:
    made = world.do(MAKER, world.commission(5, f"{FORMULA}#D1"))[0]
    days = [20251101 + day for day in range(1, limits.LOT_DATE_ENTRIES_MAX + 2)]
    for day in days[:-1]:
        world.do(MAKER, world.correct(made, {}, production=day))
    return world.refused(MAKER, world.correct(made, {}, production=days[-1]))


@breaks("correct.confirmed")
def _(world: World) -> tuple[Problem, ...]:
    claim = claimed(world)
    shipped(world, 8)
    return world.refused(DEALER, world.correct(claim, {"quantity": 7}))


@breaks("correct.confirmed")
def _(world: World) -> tuple[Problem, ...]:
    """A ship that was withdrawn."""
    ship = shipped(world)
    world.do(MAKER, world.withdraw(ship.hash, DEALER))
    return world.refused(MAKER, world.correct(ship, None))


@breaks("correct.open")
def _(world: World) -> tuple[Problem, ...]:
    """By one side only, of what was received in part."""
    ship = shipped(world)
    world.do(DEALER, world.receive(ship.hash, accepted=8))
    return world.refused(MAKER, world.correct(ship, {"quantity": 7}))


@breaks("correct.return")
def _(world: World) -> tuple[Problem, ...]:
    world.hand_over(MAKER, DEALER, 10)
    back = world.do(DEALER, world.ship(DEALER, MAKER, 5, returns=True))[0]
    return world.refused(DEALER, world.correct(back, None))


@breaks("correct.returned")
def _(world: World) -> tuple[Problem, ...]:
    """Both say that they handed nothing over, after it went back."""
    ship = shipped(world)
    got = world.do(DEALER, world.receive(ship.hash, accepted=10))[0]
    back = world.do(DEALER, world.ship(DEALER, MAKER, 10, returns=True))[0]
    world.do(MAKER, world.receive(back.hash, accepted=10))
    world.do(MAKER, world.correct(ship, None))
    return world.refused(DEALER, world.correct(got, None))


# Units

case("unit.unknown", MAKER, lambda world: world.unpack(MAKER, UNIT))
case("unit.unknown", MAKER, lambda world: world.pack(MAKER, PALLET, {}, units=[UNIT]))


@breaks("unit.in-use")
def _(world: World) -> tuple[Problem, ...]:
    """Packed twice."""
    packed(world)
    return world.refused(MAKER, world.pack(MAKER, UNIT, {LOT: 6}, use=2))


@breaks("unit.use")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    world.do(MAKER, world.unpack(MAKER, UNIT))
    return world.refused(MAKER, world.pack(MAKER, UNIT, {LOT: 6}, use=1))


@breaks("unit.use")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    return world.refused(MAKER, world.unpack(MAKER, UNIT, use=2))


@breaks("unit.not-own")
def _(world: World) -> tuple[Problem, ...]:
    """A stranger packs other goods under the label of a pallet that left."""
    packed(world)
    world.do(DEALER, world.receive(shipped(world, 6, unit=UNIT).hash, accepted=6))
    return world.refused(DEALER, world.pack(DEALER, UNIT, {LOT: 6}, use=2))


@breaks("unit.unknown")
def _(world: World) -> tuple[Problem, ...]:
    """What was shipped is unpacked."""
    packed(world)
    shipped(world, 6, unit=UNIT)
    return world.refused(MAKER, world.unpack(MAKER, UNIT))


@breaks("unit.stacked")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    world.do(MAKER, world.pack(MAKER, PALLET, {}, units=[UNIT]))
    return world.refused(MAKER, world.unpack(MAKER, UNIT))


@breaks("unit.stacked")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    world.do(MAKER, world.pack(MAKER, PALLET, {}, units=[UNIT]))
    return world.refused(MAKER, world.pack(MAKER, OTHER_UNIT, {}, units=[UNIT]))


@breaks("unit.line")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    return world.refused(MAKER, world.ship(MAKER, DEALER, 5, unit=UNIT))


@breaks("unit.line")
def _(world: World) -> tuple[Problem, ...]:
    packed(world)
    world.do(MAKER, world.commission(5, f"{FORMULA}#B2"))
    return world.refused(MAKER, world.ship(MAKER, DEALER, 5, f"{FORMULA}#B2", unit=UNIT))


@breaks("unit.lots")
def _(world: World) -> tuple[Problem, ...]:
    lots = [f"{FORMULA}#U{number}" for number in range(limits.TRANSFORM_LINES_MAX + 1)]
    world.do(MAKER, *(world.commission(1, lot) for lot in lots))
    world.do(MAKER, world.pack(MAKER, UNIT, {lots[-1]: 1}))
    return world.refused(MAKER, world.pack(MAKER, PALLET, dict.fromkeys(lots[:-1], 1), units=[UNIT]))


@breaks("unit.depth")
def _(world: World) -> tuple[Problem, ...]:
    units = [sscc(number) for number in range(limits.UNIT_LEVELS_MAX + 1)]
    packed(world, units[0])
    for inner, outer in pairwise(units[:-1]):
        world.do(MAKER, world.pack(MAKER, outer, {}, units=[inner]))
    return world.refused(MAKER, world.pack(MAKER, units[-1], {}, units=[units[-2]]))


def sscc(number: int) -> str:
    body = f"0069012345{number:07d}"
    return body + str(gs1_check_digit(body))


# Facts, holds, recalls

case(
    "fact.not-own", SHOP,
    lambda world: world.act(r.Fact, kind=r.FactKind.NOTE, subject=world.lot_subject(), text="x"),
)  # fmt: skip
case("scope.no-authority", SHOP, lambda world: world.act(r.Hold, reason="x", subject=world.lot_subject()))
case(
    "scope.unknown", REGULATOR,
    lambda world: world.act(r.Lift, reason="x", subject=world.lot_subject(), target=bytes(32)),
)  # fmt: skip


@breaks("fact.not-own")
def _(world: World) -> tuple[Problem, ...]:
    return world.refused(SHOP, on_handover(world, shipped(world)))


@breaks("scope.not-own")
def _(world: World) -> tuple[Problem, ...]:
    hold = world.do(REGULATOR, world.act(r.Hold, reason="x", subject=world.lot_subject()))[0]
    return world.refused(MAKER, world.act(r.Lift, reason="x", subject=world.lot_subject(), target=hold.hash))


@breaks("scope.closed")
def _(world: World) -> tuple[Problem, ...]:
    hold = world.do(REGULATOR, world.act(r.Hold, reason="x", subject=world.lot_subject()))[0]
    named = {"subject": world.lot_subject(), "target": hold.hash}
    world.do(REGULATOR, world.act(r.Close, reason="x", **named))
    return world.refused(REGULATOR, world.act(r.Close, reason="x", **named))


def _adverse(world: World, number: int) -> Act:
    return world.act(r.Fact, kind=r.FactKind.NOTE, adverse=True, text=f"{number}", subject=world.lot_subject())


@breaks("adverse.too-many")
def _(world: World) -> tuple[Problem, ...]:
    """Members fill half of the room, laboratories the rest, and a regulator is always heard."""
    half = limits.ADVERSE_ENTRIES_MAX // 2
    world.do(MAKER, *(_adverse(world, number) for number in range(half)))
    found = world.refused(MAKER, _adverse(world, half))
    world.do(MAKER, world.act(r.Hold, reason="x", subject=world.lot_subject()))  # facts never shut that out
    world.do(LAB, *(_adverse(world, number) for number in range(half - 1)))
    world.refused(LAB, _adverse(world, half))
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="x", subject=world.lot_subject()))
    return found


@breaks("adverse.too-many")
def _(world: World) -> tuple[Problem, ...]:
    sold = world.do(MAKER, world.sell(MAKER, 1))[0]
    for number in range(limits.ADVERSE_ENTRIES_MAX // 2):
        world.do(MAKER, world.correct(sold, {"quantity": 2 + number % 2}))
    return world.refused(MAKER, world.correct(sold, {"quantity": 9}))


@breaks("scope.too-many")
def _(world: World) -> tuple[Problem, ...]:
    subject = world.lot_subject()
    for number in range(limits.SUBJECT_SCOPES_MAX):
        world.do(REGULATOR, world.act(r.Hold, reason=f"{number}", subject=subject))
    return world.refused(REGULATOR, world.act(r.Hold, reason="x", subject=subject))


@pytest.mark.parametrize("kind", [r.SubjectKind.LOT, r.SubjectKind.PRODUCT, r.SubjectKind.MEMBER, r.SubjectKind.SITE])
def test_nothing_is_said_of_what_is_not_there(world: World, kind: r.SubjectKind) -> None:
    named = {
        r.SubjectKind.LOT: {"lot": f"{FORMULA}#NONE"},
        r.SubjectKind.PRODUCT: {"product": gtin(41)},
        r.SubjectKind.MEMBER: {"member": STRANGER.id},
        r.SubjectKind.SITE: {"site": f"{MAKER.id}/none"},
    }[kind]
    act = world.act(r.Fact, kind=r.FactKind.NOTE, subject=r.Subject(kind=kind, **named), text="x")
    [problem] = world.refused(LAB, act)
    assert problem.rule == f"{kind.name.lower()}.unknown"


# All of them


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def codes_of(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every rule code that a file's code can give, with the call that gives it."""
    for call in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in ("Violation", "Problem")
        ):
            code = call.args[0]
            if isinstance(code, ast.Constant):
                yield str(code.value), call


def all_codes() -> dict[str, list[ast.Call]]:
    found: dict[str, list[ast.Call]] = {}
    for path in sorted((ROOT / "ledger").rglob("*.py")):
        for code, call in codes_of(path):
            found.setdefault(code, []).append(call)
    return found


# Governance

OTHERS = [validator(f"{ORIGIN}/next-{n}", bytes([n]) * 32, bytes([40 + n]) * 32) for n in (1, 2)]

case("policy.number", REGULATOR, lambda world: world.policy(number=7))
case("policy.rules", REGULATOR, lambda world: world.policy(rules=3))
case("policy.expires", REGULATOR, lambda world: world.policy(expires=world.now + DAY_MS - 1))
case("policy.approval", REGULATOR, lambda world: world.policy(OTHERS, by={VALIDATOR: bytes([41]) * 32}))
case("policy.approval", REGULATOR, lambda world: world.policy(OTHERS, by={OTHERS[0].name: bytes([41]) * 32}))
case("member.not-regulator", MAKER, lambda world: world.policy())


@breaks("policy.number")
def a_second_policy_in_one_envelope(world: World) -> tuple[Problem, ...]:
    """No head would show the first, so no reader could ever step on."""
    first = world.policy()
    return world.refused(REGULATOR, first, world.policy(number=first.fields["number"] + 1))


@breaks("policy.approval")
def fewer_than_two_thirds_approve(world: World) -> tuple[Problem, ...]:
    world.do(REGULATOR, world.policy(OTHERS))
    return world.refused(REGULATOR, world.policy(by={OTHERS[0].name: bytes([41]) * 32}))


@breaks("policy.approval")
def an_approval_of_other_terms(world: World) -> tuple[Problem, ...]:
    approved = world.policy(OTHERS)
    return world.refused(REGULATOR, world.act(r.Policy, **approved.fields | {"validators": OTHERS[:1]}))


def test_every_rule_that_the_code_knows_is_broken_here() -> None:
    assert {"position.overdrawn", "unit.in-use", "envelope.expired"} < all_codes().keys()
    assert all_codes().keys() - CASES.keys() == set()
    assert CASES.keys() - all_codes().keys() == set()


def test_every_refusal_in_the_code_has_a_remedy() -> None:
    without = [
        code
        for code, calls in all_codes().items()
        for call in calls
        if len(call.args) < 3 or (isinstance(call.args[2], ast.Constant) and not call.args[2].value)
    ]
    assert without == []


@pytest.mark.parametrize(
    ("code", "number"), [(code, number) for code, cases in CASES.items() for number in range(len(cases))]
)
def test_a_broken_rule_names_record_field_and_remedy(world: World, code: str, number: int) -> None:
    problems = CASES[code][number](world)
    problem = problems[0]
    assert problem.rule == code
    assert problem.message
    assert problem.remedy
    assert problem.field
    whole = code.startswith("envelope.") or (problem.field in ("key", "member") and problem.record is None)
    assert (problem.record is None) == whole
    assert len({found.rule for found in problems}) == 1
