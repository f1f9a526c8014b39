"""Counts, taking back, relabelling, packing and goods that are weighed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import entries as e
from ledger import limits
from ledger import records as r
from ledger import state as s
from ledger.identifiers import gs1_check_digit
from ledger.proof.verdict import Verdict
from tests.unit.test_claims import kinds, verdict
from tests.unit.test_custody import lot_entry, position, rules, stock
from tests.world import DEALER, FORMULA, IMPORTER, LOT, MAKER, SHOP, STORE, Act, Member, World, gtin

PALLET, CARTON, OTHER = "006901234567890121", "106901234567890128", "206901234567890125"
FISH, FILLET = gtin(60), gtin(61)
CATCH = f"{FISH}#C1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def weighed(world: World, kind: type, quantity: int, grams: int, **fields: object) -> Act:
    return world.act(kind, r.Moved(grams=grams, quantity=quantity, ref=world.ref()), **fields)


@pytest.fixture
def fish(world: World) -> World:
    return with_fish(world)


def with_fish(world: World) -> World:
    """100 boxes of fish, 2,000 kg, at the importer; boxes are weighed, within 2 %."""
    given = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "tolerance_permille": 20}
    world.do(IMPORTER, world.register(FISH, name="带鱼", **given), world.register(FILLET, name="鱼片", **given))
    world.do(
        IMPORTER,
        weighed(world, r.Commission, 100, 2_000_000, lot=CATCH, production=20251101, site=IMPORTER.site),
    )
    return world


def test_an_opening_count_brings_stock_in_with_one_signature(world: World) -> None:
    world.do(SHOP, world.count(SHOP, 0, 40, kind=r.CountKind.OPENING))
    assert stock(world, SHOP) == s.Stock(held=40)
    assert kinds(world, SHOP) == [e.WayKind.COUNT]
    assert verdict(world, SHOP) == Verdict.ENTERED_BY_ONE_SIGNATURE
    unknown = f"{FORMULA}#OLD"
    world.do(SHOP, world.count(SHOP, 0, 3, unknown, kind=r.CountKind.OPENING))
    assert lot_entry(world, unknown).bits & e.Bit.NOT_COMMISSIONED


def test_a_late_count_is_true_as_of_its_day(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    world.do(SHOP, world.sell(SHOP, 20))
    world.do(SHOP, world.count(SHOP, 100, 97))  # counted before the sale was booked
    assert stock(world, SHOP) == s.Stock(held=77, sold=20, lost=3)
    assert rules(world.refused(SHOP, world.count(SHOP, 100, 20))) == ["position.overdrawn"]


def test_a_count_ends_what_is_missing_found_again_or_lost(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0].hash
    world.do(SHOP, world.receive(ship, accepted=4, short=6))
    assert rules(world.refused(MAKER, world.count(MAKER, 0, 0, missing=7))) == ["count.missing"]
    world.do(MAKER, world.count(MAKER, 9990, 9994, missing=5))
    assert stock(world, MAKER) == s.Stock(held=9994, shipped=10, missing=1, lost=1)
    assert kinds(world, MAKER) == [e.WayKind.COMMISSION]  # what never left is no way in


def test_the_keeper_counts_for_the_owner_and_strangers_do_not(world: World) -> None:
    site = STORE.site
    ship = world.do(MAKER, world.ship(MAKER, MAKER, 50, to_site=site))[0].hash
    world.do(STORE, world.receive(ship, accepted=50))
    world.do(STORE, world.count(STORE, 50, 49, owner=MAKER.id))
    assert world.held(MAKER, site=site) == 49
    found = world.refused(SHOP, world.count(SHOP, 49, 49, owner=MAKER.id, site=site))
    assert rules(found) == ["position.not-own"]
    assert [key for key, _ in world.store.scan(b"k")] == [s.kept_key(STORE.id, site, LOT, MAKER.id)]


def test_no_more_is_taken_back_than_went_out(world: World) -> None:
    world.hand_over(MAKER, SHOP, 10)
    world.do(SHOP, world.sell(SHOP, 4))
    assert rules(world.refused(SHOP, world.take_back(SHOP, 5))) == ["position.more-than-sold"]
    world.do(SHOP, world.take_back(SHOP, 3))
    assert stock(world, SHOP) == s.Stock(held=9, sold=1)
    assert kinds(world, SHOP) == [e.WayKind.HANDOVER, e.WayKind.TAKE_BACK]


def test_path_and_verdict_follow_a_mistaken_and_the_right_lot(world: World) -> None:
    mistaken = f"{FORMULA}#AI"
    world.hand_over(MAKER, SHOP, 10)
    world.do(SHOP, world.enter(SHOP, 6, mistaken))
    assert rules(world.refused(SHOP, world.relabel(SHOP, 7, mistaken, LOT))) == ["position.overdrawn"]
    world.do(SHOP, world.relabel(SHOP, 6, mistaken, LOT))
    assert (world.held(SHOP), world.held(SHOP, mistaken)) == (16, 0)
    assert verdict(world, SHOP) == Verdict.NOT_COMMISSIONED_BY_MAKER
    from tests.world import REGULATOR

    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="召回", subject=world.lot_subject(mistaken)))
    assert verdict(world, SHOP) == Verdict.RECALLED


def test_a_hold_is_not_shaken_off_by_relabelling(world: World) -> None:
    from tests.world import REGULATOR

    other = f"{FORMULA}#B2"
    world.do(MAKER, world.commission(10, other))
    world.do(REGULATOR, world.act(r.Hold, reason="抽检", subject=world.lot_subject()))
    world.do(MAKER, world.relabel(MAKER, 5, LOT, other))
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 5, other))) == ["goods.held"]


def test_packed_goods_are_reserved_until_they_are_unpacked_or_shipped(world: World) -> None:
    world.hand_over(MAKER, DEALER, 100)
    world.do(DEALER, world.pack(DEALER, CARTON, {LOT: 60}))
    assert rules(world.refused(DEALER, world.sell(DEALER, 41))) == ["position.overdrawn"]
    assert rules(world.refused(DEALER, world.pack(DEALER, OTHER, {LOT: 41}))) == ["position.overdrawn"]
    assert rules(world.refused(DEALER, world.pack(DEALER, CARTON, {LOT: 1}, use=2))) == ["unit.in-use"]
    world.do(DEALER, world.unpack(DEALER, CARTON))
    assert rules(world.refused(DEALER, world.unpack(DEALER, CARTON))) == ["unit.unknown"]
    assert rules(world.refused(DEALER, world.pack(DEALER, CARTON, {LOT: 1}, use=1))) == ["unit.use"]
    world.do(DEALER, world.pack(DEALER, CARTON, {LOT: 100}, use=2))
    assert stock(world, DEALER) == s.Stock(held=100, reserved=100)


def unit_entry(world: World, unit: str) -> e.UnitEntry:
    row = world.store.get(b"m" + e.unit_path(unit))
    assert row is not None
    return e.UNIT.decode(row)


def test_a_pallet_of_cartons_ships_line_by_line_and_its_label_is_free_again(world: World) -> None:
    other = f"{FORMULA}#B2"
    world.do(MAKER, world.commission(50, other))
    world.do(MAKER, world.pack(MAKER, CARTON, {LOT: 12}), world.pack(MAKER, PALLET, {other: 6}, [CARTON]))
    assert unit_entry(world, PALLET) == e.UnitEntry(lots=[other, LOT], unit=PALLET, units=[CARTON], use=1)
    assert unit_entry(world, CARTON).parent == PALLET
    assert rules(world.refused(MAKER, world.unpack(MAKER, CARTON))) == ["unit.stacked"]
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 11, unit=CARTON))) == ["unit.line"]
    world.do(MAKER, world.ship(MAKER, SHOP, 12, unit=CARTON), world.ship(MAKER, SHOP, 6, other, unit=PALLET))
    assert stock(world, MAKER) == s.Stock(held=9988, shipped=12)
    world.do(MAKER, world.pack(MAKER, PALLET, {LOT: 1}, use=2))
    assert unit_entry(world, PALLET).lots == [LOT]


def sscc(number: int) -> str:
    body = f"00690123456{number:06d}"
    return body + str(gs1_check_digit(body))


def test_units_stand_in_one_another_up_to_a_bound(world: World) -> None:
    """Each would be looked at when the innermost line leaves."""
    world.do(MAKER, world.pack(MAKER, sscc(0), {LOT: 12}))
    for number in range(1, limits.UNIT_LEVELS_MAX):
        world.do(MAKER, world.pack(MAKER, sscc(number), {}, [sscc(number - 1)]))
    number = limits.UNIT_LEVELS_MAX
    deeper = world.pack(MAKER, sscc(number), {LOT: 1}, [sscc(number - 1)])
    assert rules(world.refused(MAKER, deeper)) == ["unit.depth"]
    world.do(MAKER, world.ship(MAKER, SHOP, 12, unit=sscc(0)))
    world.do(MAKER, *(world.pack(MAKER, sscc(each), {LOT: 1}, use=2) for each in range(number)))
    assert stock(world, MAKER) == s.Stock(held=9988, shipped=12, reserved=number)


def test_unpacking_a_pallet_leaves_its_cartons_packed(world: World) -> None:
    world.do(MAKER, world.pack(MAKER, CARTON, {LOT: 12}), world.pack(MAKER, PALLET, {}, [CARTON]))
    world.do(MAKER, world.unpack(MAKER, PALLET))
    assert unit_entry(world, PALLET).opened is not None
    assert unit_entry(world, CARTON).parent is None
    assert stock(world, MAKER).reserved == 12
    world.do(MAKER, world.unpack(MAKER, CARTON))
    assert stock(world, MAKER).reserved == 0


def test_goods_of_variable_measure_state_their_weight_and_others_do_not(fish: World) -> None:
    assert rules(fish.refused(IMPORTER, fish.sell(IMPORTER, 1, CATCH))) == ["grams.missing"]
    act = weighed(fish, r.Sell, 1, 800, buyer=r.SaleTo.CONSUMER, lot=LOT, site=MAKER.site)
    assert rules(fish.refused(MAKER, act)) == ["grams.not-variable"]


def ship_fish(world: World, quantity: int, grams: int, to: Member = SHOP) -> bytes:
    act = weighed(world, r.Ship, quantity, grams, lot=CATCH, site=IMPORTER.site, to=to.id, to_site=to.site)
    return world.do(IMPORTER, act)[0].hash


def receive_fish(world: World, ship: bytes, grams: int, **parts: int) -> Act:
    return world.act(r.Receive, r.Received(grams=grams, ref=world.ref(), **parts), lot=CATCH, ship=ship)


def test_a_weighing_difference_is_counted_within_tolerance_and_no_goods_come_of_it(fish: World) -> None:
    ship = ship_fish(fish, 10, 200_000)
    assert rules(fish.refused(SHOP, receive_fish(fish, ship, 204_001, accepted=10))) == ["grams.more-than-shipped"]
    fish.do(SHOP, receive_fish(fish, ship, 199_000, accepted=10))
    assert stock(fish, SHOP, CATCH) == s.Stock(held=10, grams=199_000, grams_lost=1000)
    assert verdict(fish, SHOP, CATCH) == Verdict.GOOD


def test_a_larger_loss_is_taken_and_shown(fish: World) -> None:
    ship = ship_fish(fish, 10, 200_000)
    fish.do(SHOP, receive_fish(fish, ship, 170_000, accepted=9, short=1))
    assert stock(fish, SHOP, CATCH).grams_lost == 10_000
    assert position(fish, SHOP, CATCH).bits & e.Bit.WEIGHT_LOST
    assert verdict(fish, SHOP, CATCH) == Verdict.FACTS_NOTED


def test_a_stall_sells_portions_out_of_a_box_and_counts_the_rest_away(fish: World) -> None:
    fish.do(SHOP, receive_fish(fish, ship_fish(fish, 1, 20_000), 20_000, accepted=1))
    sale = {"buyer": r.SaleTo.CONSUMER, "lot": CATCH, "site": SHOP.site}
    fish.do(SHOP, weighed(fish, r.Sell, 0, 1_500, **sale), weighed(fish, r.Sell, 1, 18_200, **sale))
    assert stock(fish, SHOP, CATCH).grams == 300
    amounts = r.Counted(book=0, book_grams=300, found=0, found_grams=0, ref=fish.ref())
    fish.do(SHOP, fish.act(r.Count, amounts, kind=r.CountKind.PERIODIC, lot=CATCH, site=SHOP.site))
    assert stock(fish, SHOP, CATCH) == s.Stock(sold=1, grams_lost=300, grams_sold=19_700)
    back = weighed(fish, r.TakeBack, 0, 1_500, lot=CATCH, site=SHOP.site)
    fish.do(SHOP, back)
    assert stock(fish, SHOP, CATCH).grams == 1_500


def test_repacking_with_thaw_loss(fish: World) -> None:
    fillet = f"{FILLET}#F1"
    amounts = r.Transformed(grams_in=[400_000], grams_out=[310_000], inputs=[20], outputs=[62], ref=fish.ref())
    made = [r.Output(lot=fillet, production=20251110)]
    fish.do(IMPORTER, fish.act(r.Transform, amounts, inputs=[CATCH], outputs=made, site=IMPORTER.site))
    assert stock(fish, IMPORTER, CATCH).grams == 1_600_000
    assert stock(fish, IMPORTER, fillet) == s.Stock(held=62, grams=310_000)
    assert not lot_entry(fish, fillet).bits & e.Bit.MORE_OUT_THAN_IN


def test_a_claim_of_weighed_goods_meets_its_ship_within_tolerance(fish: World) -> None:
    claim = {"lot": CATCH, "site": SHOP.site, "supplier": IMPORTER.id}
    fish.do(SHOP, weighed(fish, r.Claim, 10, 201_000, **claim))
    ship_fish(fish, 10, 200_000)
    assert stock(fish, SHOP, CATCH) == s.Stock(held=10, grams=201_000, grams_lost=-1000)


def test_a_ship_that_is_corrected_to_what_was_received_loses_no_gram_unseen(fish: World) -> None:
    act = weighed(fish, r.Ship, 10, 200_000, lot=CATCH, site=IMPORTER.site, to=SHOP.id, to_site=SHOP.site)
    ship = fish.do(IMPORTER, act)[0]
    fish.do(SHOP, receive_fish(fish, ship.hash, 160_000, accepted=8))
    fish.do(IMPORTER, fish.correct(ship, {"quantity": 8, "grams": 165_000}))
    assert stock(fish, IMPORTER, CATCH) == s.Stock(held=92, grams=1_835_000, shipped=8, grams_lost=5_000)
    assert not list(fish.store.scan(b"h"))


def test_a_claim_that_is_corrected_to_what_was_confirmed_gains_no_weight(fish: World) -> None:
    claim = {"lot": CATCH, "site": SHOP.site, "supplier": IMPORTER.id}
    made = fish.do(SHOP, weighed(fish, r.Claim, 5, 100_000, **claim))[0]
    ship_fish(fish, 2, 40_000)
    heavy = fish.correct(made, {"quantity": 2, "grams": 90_000})
    assert rules(fish.refused(SHOP, heavy)) == ["grams.more-than-shipped"]
    fish.do(SHOP, fish.correct(made, {"quantity": 2, "grams": 40_500}))
    assert stock(fish, SHOP, CATCH) == s.Stock(held=2, grams=40_500, grams_lost=-500)
