"""Corrections: a compensating delta, both records visible, and what is gone counts as overdrawn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.errors import Refused
from ledger.proof.verdict import Verdict
from tests.unit.test_claims import kinds, verdict
from tests.unit.test_custody import lot_entry, position, rules, stock
from tests.unit.test_stocktaking import CATCH, weighed, with_fish
from tests.world import (
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    POWDER,
    REGULATOR,
    SHOP,
    Act,
    Member,
    Sealed,
    World,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


@pytest.fixture
def fish(world: World) -> World:
    return with_fish(world)


def malformed(world: World, who: Member, act: Act) -> str:
    with pytest.raises(Refused) as found:
        world.submit(who, act)
    return str(found.value)


def test_a_sale_of_twenty_was_a_sale_of_two(world: World) -> None:
    world.hand_over(MAKER, SHOP, 30)
    sale = world.do(SHOP, world.sell(SHOP, 20))[0]
    world.do(SHOP, world.correct(sale, {"quantity": 2}))
    assert stock(world, SHOP) == s.Stock(held=28, sold=2)
    assert kinds(world, SHOP) == [e.WayKind.HANDOVER, e.WayKind.CORRECT]
    assert position(world, SHOP).adverse is not None
    assert verdict(world, SHOP) == Verdict.FACTS_NOTED


def test_a_correction_is_corrected_from_what_stands_now(world: World) -> None:
    world.hand_over(MAKER, SHOP, 30)
    sale = world.do(SHOP, world.sell(SHOP, 20))[0]
    world.do(SHOP, world.correct(sale, {"quantity": 2}))
    assert rules(world.refused(SHOP, world.correct(sale, {"quantity": 2}))) == ["correct.nothing"]
    world.do(SHOP, world.correct(sale, {"quantity": 5}))
    assert stock(world, SHOP) == s.Stock(held=25, sold=5)
    world.do(SHOP, world.correct(sale, None))
    assert stock(world, SHOP) == s.Stock(held=30)
    assert rules(world.refused(SHOP, world.correct(sale, None))) == ["correct.nothing"]


def test_what_is_gone_by_then_counts_as_overdrawn(world: World) -> None:
    entry = world.do(SHOP, world.enter(SHOP, 100))[0]
    world.do(SHOP, world.sell(SHOP, 95))
    world.do(SHOP, world.correct(entry, {"quantity": 10}))
    assert stock(world, SHOP) == s.Stock(sold=95, overdrawn=85)


def test_only_the_signer_corrects_and_only_what_was_booked(world: World) -> None:
    world.hand_over(MAKER, SHOP, 30)
    sale = world.do(SHOP, world.sell(SHOP, 20))[0]
    assert rules(world.refused(DEALER, world.correct(sale, None))) == ["correct.unknown"]
    assert rules(world.refused(SHOP, world.correct(world.seal(world.sell(SHOP, 1)), None))) == ["correct.unknown"]


def test_a_correction_proves_the_earlier_record_and_its_amounts(world: World) -> None:
    sale = world.do(MAKER, world.sell(MAKER, 20))[0]
    other = world.seal(world.sell(MAKER, 20))
    forged = world.correct(sale, {"quantity": 2})
    assert isinstance(forged.amounts, r.Corrected)
    wrong_target = Act(forged.kind, forged.amounts, forged.fields | {"target": other.hash})
    assert "target" in malformed(world, MAKER, wrong_target)
    amounts = r.Corrected(earlier=sale.record, opening=other.opening, ref=world.ref())
    assert "seal" in malformed(world, MAKER, Act(forged.kind, amounts, forged.fields))
    assert "stays so" in malformed(world, MAKER, world.correct(sale, {"ref": "OTHER/1"}))
    assert "lot" in malformed(world, MAKER, Act(forged.kind, forged.amounts, forged.fields | {"lot": f"{FORMULA}#X"}))


def test_what_has_its_own_undo_is_not_corrected(world: World) -> None:
    count = world.do(MAKER, world.count(MAKER, 10_000, 9_999))[0]
    assert "count again" in malformed(world, MAKER, world.correct(count, None))


def test_a_commission_of_too_many_and_with_a_wrong_date(world: World) -> None:
    lot = f"{FORMULA}#C9"
    made = world.do(MAKER, world.commission(500, lot, production=20251101, expiry=20271101))[0]
    world.do(MAKER, world.correct(made, {"quantity": 400}, production=20251102, expiry=20271102))
    entry = lot_entry(world, lot)
    assert (entry.production, entry.expiry, entry.stated) == (20251102, 20271102, [20251101])
    assert world.held(MAKER, lot) == 400
    for day in (20251101, 20251102):  # a recall of either date covers it
        recall = world.act(
            r.Recall, grade=1, made_from=day, made_until=day, reason="召回",
            subject=r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA),
        )  # fmt: skip
        issued = world.do(REGULATOR, recall)[0].hash
        assert verdict(world, MAKER, lot) == Verdict.RECALLED
        lift = world.act(r.Lift, reason="误报", subject=recall.fields["subject"], target=issued)
        world.do(REGULATOR, lift)
    assert verdict(world, MAKER, lot) == Verdict.FACTS_NOTED


def test_an_open_ship_is_corrected_by_its_sender_alone(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    world.do(MAKER, world.correct(ship, {"quantity": 80}))
    assert stock(world, MAKER) == s.Stock(held=9920, shipped=80)
    world.do(MAKER, world.correct(ship, {"quantity": 90}))
    assert rules(world.refused(SHOP, world.receive(ship.hash, accepted=91))) == ["handover.more-than-open"]
    world.do(SHOP, world.receive(ship.hash, accepted=60))
    assert rules(world.refused(MAKER, world.correct(ship, {"quantity": 59}))) == ["correct.open"]
    world.do(MAKER, world.correct(ship, {"quantity": 60}))
    assert stock(world, MAKER) == s.Stock(held=9940, shipped=60)
    assert rules(world.refused(SHOP, world.receive(ship.hash, accepted=1))) == ["handover.closed"]


@pytest.mark.parametrize("sender_first", [True, False])
@pytest.mark.parametrize("right", [60, 130])
def test_a_received_handover_is_corrected_when_both_sides_say_the_same(
    world: World, sender_first: bool, right: int
) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    receive = world.do(SHOP, world.receive(ship.hash, accepted=100))[0]
    both = [(MAKER, world.correct(ship, {"quantity": right})), (SHOP, world.correct(receive, {"accepted": right}))]
    first, second = both if sender_first else reversed(both)
    world.do(*first)
    assert (world.held(MAKER), world.held(SHOP)) == (9900, 100)
    world.do(*second)
    assert stock(world, MAKER) == s.Stock(held=10_000 - right, shipped=right)
    assert stock(world, SHOP) == s.Stock(held=right)
    assert not list(world.store.scan(b"x"))
    assert rules(world.refused(*second)) == ["ref.booked"]
    assert rules(world.refused(SHOP, world.correct(receive, {"accepted": right}))) == ["correct.nothing"]
    assert position(world, SHOP).adverse == e.Chain(2, position(world, SHOP).adverse.head)  # type: ignore[union-attr]
    assert verdict(world, SHOP) == Verdict.FACTS_NOTED


def test_sides_that_disagree_change_nothing_until_they_agree(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    receive = world.do(SHOP, world.receive(ship.hash, accepted=100))[0]
    world.do(SHOP, world.sell(SHOP, 90))
    world.do(MAKER, world.correct(ship, {"quantity": 70}))
    world.do(SHOP, world.correct(receive, {"accepted": 80}))
    assert (world.held(MAKER), world.held(SHOP)) == (9900, 10)
    world.do(MAKER, world.correct(ship, {"quantity": 80}))
    assert stock(world, SHOP) == s.Stock(sold=90, overdrawn=10)
    assert stock(world, MAKER) == s.Stock(held=9920, shipped=80)


def test_a_claim_is_corrected_while_it_is_open(world: World) -> None:
    claim = world.do(SHOP, world.claim(SHOP, MAKER, 50))[0]
    world.do(SHOP, world.correct(claim, {"quantity": 40}))
    assert stock(world, SHOP) == s.Stock(held=40, claimed=40)
    world.do(MAKER, world.ship(MAKER, SHOP, 30))
    assert rules(world.refused(SHOP, world.correct(claim, None))) == ["correct.confirmed"]
    world.do(SHOP, world.correct(claim, {"quantity": 30}))
    assert stock(world, SHOP) == s.Stock(held=30)
    assert not list(world.store.scan(b"d"))


def test_a_transformation_that_did_not_occur_gives_its_inputs_back(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(50, powder))
    made = world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))[0]
    world.do(MAKER, world.sell(MAKER, 30, blend))
    world.do(MAKER, world.correct(made, None))
    assert stock(world, MAKER, powder) == s.Stock(held=50)
    assert stock(world, MAKER, blend) == s.Stock(sold=30, overdrawn=30)
    assert lot_entry(world, blend).adverse is not None


def test_moves_relabels_destructions_and_take_backs(world: World) -> None:
    second = f"{SHOP.id}/two"
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-3304", site=second))
    world.hand_over(MAKER, SHOP, 100)
    move = world.do(SHOP, world.act(r.Move, world.moved(50), lot=LOT, site=SHOP.site, to_site=second))[0]
    world.do(SHOP, world.correct(move, {"quantity": 5}))
    assert (world.held(SHOP), world.held(SHOP, site=second)) == (95, 5)
    gone = world.do(
        SHOP, world.act(r.Destroy, world.moved(9), lot=LOT, reason=r.DestroyReason.DAMAGED, site=SHOP.site)
    )[0]
    world.do(SHOP, world.correct(gone, {"quantity": 1}))
    relabel = world.do(SHOP, world.relabel(SHOP, 10, LOT, f"{FORMULA}#B7"))[0]
    world.do(SHOP, world.correct(relabel, None))
    world.do(SHOP, world.sell(SHOP, 10))
    back = world.do(SHOP, world.take_back(SHOP, 10))[0]
    world.do(SHOP, world.correct(back, {"quantity": 2}))
    assert stock(world, SHOP) == s.Stock(held=86, shipped=5, sold=8, destroyed=1)


def second_site(world: World, who: Member = SHOP) -> str:
    site = f"{who.id}/two"
    world.do(who, world.act(r.Site, name="二店", region="CN-3304", site=site))
    return site


def test_no_correction_makes_more_go_out_than_is_there(world: World) -> None:
    """What came in may turn out to be less than went out; that more went out than is there cannot be."""
    second = second_site(world)
    world.do(SHOP, world.enter(SHOP, 10))
    place = {"lot": LOT, "site": SHOP.site}
    acts = [
        world.sell(SHOP, 1),
        world.act(r.Move, world.moved(1), to_site=second, **place),
        world.act(r.Destroy, world.moved(1), reason=r.DestroyReason.DAMAGED, **place),
        world.relabel(SHOP, 1, LOT, f"{FORMULA}#B7"),
    ]
    for act in acts:
        done = world.do(SHOP, act)[0]
        more = world.correct(done, {"quantity": 1000})
        assert rules(world.refused(SHOP, more)) == ["position.overdrawn"]
    powder = f"{POWDER}#P1"
    world.do(MAKER, world.commission(5, powder))
    made = world.do(MAKER, world.transform(MAKER, {powder: 5}, {f"{FORMULA}#T1": 100}))[0]
    assert rules(world.refused(MAKER, world.correct(made, {"inputs": [6]}))) == ["position.overdrawn"]
    ship = world.do(SHOP, world.ship(SHOP, DEALER, 1))[0]
    receive = world.do(DEALER, world.receive(ship.hash, accepted=1))[0]
    world.do(DEALER, world.correct(receive, {"accepted": 1000}))
    assert rules(world.refused(SHOP, world.correct(ship, {"quantity": 1000}))) == ["position.overdrawn"]


def test_packed_goods_are_unpacked_before_a_correction_takes_them_away(world: World) -> None:
    unit = "006901234567890121"
    entry = world.do(SHOP, world.enter(SHOP, 100))[0]
    world.do(SHOP, world.pack(SHOP, unit, {LOT: 60}))
    assert rules(world.refused(SHOP, world.correct(entry, {"quantity": 10}))) == ["position.overdrawn"]
    world.do(SHOP, world.unpack(SHOP, unit), world.correct(entry, {"quantity": 10}))
    assert stock(world, SHOP) == s.Stock(held=10)


def test_weight_that_was_overdrawn_is_made_good_first(fish: World) -> None:
    """Else a correction there and back would bring weight out of nothing."""
    entry = fish.do(SHOP, weighed(fish, r.Enter, 5, 100_000, lot=CATCH, site=SHOP.site))[0]
    fish.do(SHOP, weighed(fish, r.Sell, 4, 95_000, buyer=r.SaleTo.CONSUMER, lot=CATCH, site=SHOP.site))
    fish.do(SHOP, fish.correct(entry, {"grams": 10_000}))
    assert stock(fish, SHOP, CATCH) == s.Stock(held=1, sold=4, grams_sold=95_000, grams_overdrawn=85_000)
    fish.do(SHOP, fish.correct(entry, {"grams": 100_000}))
    assert stock(fish, SHOP, CATCH) == s.Stock(held=1, grams=5_000, sold=4, grams_sold=95_000)


def failed(world: World, who: Member, lot: str = LOT, site: str | None = None) -> None:
    """A test at a position that finds something."""
    subject = r.Subject(kind=r.SubjectKind.POSITION, lot=lot, owner=who.id, site=site or who.site)
    world.do(LAB, world.act(r.Fact, adverse=True, kind=r.FactKind.TEST, subject=subject, text="不合格"))


def bits(world: World, who: Member, lot: str = LOT, site: str | None = None) -> e.Bit:
    return e.Bit(position(world, who, lot, site).bits)


@pytest.mark.parametrize("back", [True, False])
def test_a_corrected_move_sheds_no_failed_test(world: World, back: bool) -> None:
    second = second_site(world)
    world.hand_over(MAKER, SHOP, 100)
    move = world.do(SHOP, world.act(r.Move, world.moved(50), lot=LOT, site=SHOP.site, to_site=second))[0]
    failed(world, SHOP, site=second if back else SHOP.site)
    world.do(SHOP, world.correct(move, {"quantity": 1 if back else 99}))
    assert bits(world, SHOP, site=SHOP.site if back else second) & e.Bit.FAILED_TEST


@pytest.mark.parametrize("back", [True, False])
def test_a_corrected_relabelling_sheds_no_failed_test_and_no_hold(world: World, back: bool) -> None:
    other = f"{FORMULA}#B2"
    world.hand_over(MAKER, SHOP, 100)
    relabel = world.do(SHOP, world.relabel(SHOP, 50, LOT, other))[0]
    held, free = (other, LOT) if back else (LOT, other)
    failed(world, SHOP, held)
    world.do(REGULATOR, world.act(r.Hold, reason="抽检", subject=world.lot_subject(held)))
    world.do(SHOP, world.correct(relabel, {"quantity": 1 if back else 99}))
    assert bits(world, SHOP, free) & e.Bit.FAILED_TEST
    assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 1, free))) == ["goods.held"]


def test_a_corrected_transformation_shows_what_its_inputs_carry_and_weigh(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(50, powder))
    made = world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 1}))[0]
    failed(world, MAKER, powder)
    world.do(MAKER, world.correct(made, {"outputs": [125]}))  # 100 kg of 100 kg
    assert lot_entry(world, blend).bits == bits(world, MAKER, blend) == e.Bit.FAILED_TEST
    world.do(MAKER, world.correct(made, {"outputs": [126]}))
    assert lot_entry(world, blend).bits & e.Bit.MORE_OUT_THAN_IN


def test_a_transformation_that_did_not_occur_gives_back_what_was_found_on_its_outputs(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(50, powder))
    made = world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))[0]
    world.do(LAB, world.act(r.Fact, adverse=True, kind=r.FactKind.TEST, subject=world.lot_subject(blend)))
    world.do(MAKER, world.correct(made, None))
    assert bits(world, MAKER, powder) & e.Bit.FAILED_TEST


def handed_over(world: World, quantity: int) -> tuple[Sealed, Sealed]:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, quantity))[0]
    return ship, world.do(SHOP, world.receive(ship.hash, accepted=quantity))[0]


def both(world: World, ship: Sealed, receive: Sealed, quantity: int) -> None:
    world.do(MAKER, world.correct(ship, {"quantity": quantity}))
    world.do(SHOP, world.correct(receive, {"accepted": quantity}))


def test_a_handover_that_both_sides_enlarge_carries_what_the_sender_has_now(world: World) -> None:
    ship, receive = handed_over(world, 1)
    failed(world, MAKER)
    both(world, ship, receive, 1000)
    assert bits(world, SHOP) & e.Bit.FAILED_TEST


def test_what_comes_back_by_correction_brings_what_was_found_and_no_more(world: World) -> None:
    """A slip of the pen does not make the maker's own stock one that a shop entered."""
    world.do(SHOP, world.enter(SHOP, 5))
    ship, receive = handed_over(world, 100)
    both(world, ship, receive, 90)
    assert bits(world, MAKER) == 0
    failed(world, SHOP)
    both(world, ship, receive, 80)
    assert bits(world, MAKER) == e.Bit.FAILED_TEST


def test_an_open_ship_that_grows_or_shrinks_sheds_nothing(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=SHOP.id)
    world.do(MAKER, world.act(r.Fact, adverse=True, kind=r.FactKind.INSPECT, subject=subject, text="破损"))
    failed(world, MAKER)
    world.do(MAKER, world.correct(ship, {"quantity": 200}))
    world.do(SHOP, world.receive(ship.hash, accepted=1))
    assert bits(world, SHOP) == e.Bit.FAILED_TEST | e.Bit.ADVERSE_FACT
    assert bits(world, MAKER) == e.Bit.FAILED_TEST
    world.do(MAKER, world.correct(ship, {"quantity": 1}))
    assert bits(world, MAKER) == e.Bit.FAILED_TEST | e.Bit.ADVERSE_FACT


def test_what_was_refused_whole_is_not_received_by_correction(world: World) -> None:
    """It would be a way in that leads nowhere."""
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0]
    receive = world.do(SHOP, world.receive(ship.hash, refused=10))[0]
    assert "shipped anew" in malformed(world, SHOP, world.correct(receive, {"accepted": 5}))


def test_what_was_returned_since_is_not_corrected_away(world: World) -> None:
    ship, receive = handed_over(world, 100)
    back = world.do(SHOP, world.ship(SHOP, MAKER, 60, returns=True))[0]
    world.do(MAKER, world.receive(back.hash, accepted=60), world.correct(ship, {"quantity": 30}))
    assert rules(world.refused(SHOP, world.correct(receive, {"accepted": 30}))) == ["correct.returned"]
    both(world, ship, receive, 60)
    assert (world.held(MAKER), world.held(SHOP)) == (10_000, 0)


@pytest.mark.parametrize("rest", ["withdrawn", "corrected", "claimed"])
def test_what_was_received_in_part_is_corrected_however_the_rest_ended(world: World, rest: str) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    receive = world.do(SHOP, world.receive(ship.hash, accepted=60))[0]
    if rest == "withdrawn":
        world.do(MAKER, world.withdraw(ship.hash, SHOP))
    elif rest == "corrected":
        world.do(MAKER, world.correct(ship, {"quantity": 60}))
    else:
        world.do(SHOP, world.claim(SHOP, MAKER, 40))
    world.do(MAKER, world.correct(ship, {"quantity": 90 if rest == "claimed" else 50}))
    world.do(SHOP, world.correct(receive, {"accepted": 50}))
    assert world.held(SHOP) == (90 if rest == "claimed" else 50)


def test_what_stands_of_a_ship_is_what_was_not_withdrawn(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    receive = world.do(SHOP, world.receive(ship.hash, accepted=50, refused=10))[0]
    world.do(MAKER, world.withdraw(ship.hash, SHOP))
    assert rules(world.refused(MAKER, world.correct(ship, {"quantity": 60}))) == ["correct.nothing"]
    world.do(SHOP, world.correct(receive, {"accepted": 45}))
    world.do(MAKER, world.correct(ship, {"quantity": 55}))
    assert (world.held(MAKER), world.held(SHOP)) == (9_955, 45)


def test_what_stands_of_a_weighed_ship_is_what_was_not_withdrawn(fish: World) -> None:
    ship = fish.do(IMPORTER, weighed(fish, r.Ship, 10, 200_000, lot=CATCH, site=IMPORTER.site, to=SHOP.id,
                                     to_site=SHOP.site))[0]  # fmt: skip
    before = stock(fish, IMPORTER, CATCH)
    received = r.Received(accepted=6, grams=119_000, ref=fish.ref())
    receive = fish.do(SHOP, fish.act(r.Receive, received, lot=CATCH, ship=ship.hash))[0]
    fish.do(IMPORTER, fish.withdraw(ship.hash, SHOP, CATCH))
    assert rules(fish.refused(IMPORTER, fish.correct(ship, {"quantity": 6, "grams": 120_000}))) == ["correct.nothing"]
    fish.do(IMPORTER, fish.correct(ship, {"quantity": 5, "grams": 100_000}))
    fish.do(SHOP, fish.correct(receive, {"accepted": 5, "grams": 99_000}))
    assert (stock(fish, SHOP, CATCH).held, stock(fish, SHOP, CATCH).grams) == (5, 99_000)
    assert stock(fish, IMPORTER, CATCH).grams == before.grams + 100_000


def test_weights_of_both_sides_differ_by_no_more_than_was_lost(fish: World) -> None:
    """Else two who agree could bring weight out of nothing."""
    ship = fish.do(IMPORTER, weighed(fish, r.Ship, 10, 200_000, lot=CATCH, site=IMPORTER.site, to=SHOP.id,
                                     to_site=SHOP.site))[0]  # fmt: skip
    amounts = r.Received(accepted=10, grams=190_000, ref=fish.ref())
    receive = fish.do(SHOP, fish.act(r.Receive, amounts, lot=CATCH, ship=ship.hash))[0]
    fish.do(IMPORTER, fish.correct(ship, {"grams": 200_001}))
    big = fish.correct(receive, {"grams": 900_000})
    assert rules(fish.refused(SHOP, big)) == ["grams.more-than-shipped"]
    fish.do(SHOP, fish.correct(receive, {"grams": 199_000}))
    assert stock(fish, SHOP, CATCH) == s.Stock(held=10, grams=199_000, grams_lost=1_001)


def test_a_correction_adds_no_weight_where_none_stood_and_takes_none_away(fish: World) -> None:
    sale = fish.do(MAKER, fish.sell(MAKER, 20))[0]
    assert "weights stand" in malformed(fish, MAKER, fish.correct(sale, {"grams": 500}))
    sale = fish.do(IMPORTER, weighed(fish, r.Sell, 1, 20_000, buyer=1, lot=CATCH, site=IMPORTER.site))[0]
    assert "weights stand" in malformed(fish, IMPORTER, fish.correct(sale, {"grams": None}))


def test_a_correction_hides_no_hold_from_the_reader(world: World) -> None:
    """What came back to the first lot lay at a position that is not on its way."""
    other = f"{FORMULA}#B2"
    world.hand_over(MAKER, SHOP, 100)
    relabel = world.do(SHOP, world.relabel(SHOP, 50, LOT, other))[0]
    world.do(REGULATOR, world.act(r.Hold, reason="抽检", subject=world.position_subject(SHOP, other)))
    world.do(SHOP, world.correct(relabel, None))
    assert verdict(world, SHOP) == Verdict.HELD
