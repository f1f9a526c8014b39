"""Claims: late suppliers, in whichever order the two sides come, disputes, returns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.proof.verdict import Verdict
from ledger.proof.verify import voucher_hash
from tests.unit.test_custody import position, rules, stock
from tests.world import DEALER, FORMULA, LOT, MAKER, OTHER_SHOP, SHOP, STORE, Member, Sealed, World

VOUCHER = b"0123456789abcdef"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def verdict(world: World, who: Member, lot: str = LOT) -> Verdict:
    if position(world, who, lot).voucher is None:
        world.do(who, world.act(r.Voucher, lot=lot, site=who.site, voucher=voucher_hash(VOUCHER)))
    proof = world.proof(lot, position=(who.id, who.site))
    return world.verify(proof, lot, voucher=VOUCHER).verdict


def kinds(world: World, who: Member, lot: str = LOT) -> list[e.WayKind]:
    return [way.kind for way in position(world, who, lot).ways]


def pairs(world: World) -> list[s.Pair]:
    return [s.PAIR.decode(value) for _, value in world.store.scan(b"l")]


def test_a_claim_is_usable_onward_and_a_late_ship_confirms_it(world: World) -> None:
    world.hand_over(MAKER, DEALER, 600)
    world.do(SHOP, world.claim(SHOP, DEALER, 100))
    world.do(SHOP, world.sell(SHOP, 30))
    assert stock(world, SHOP) == s.Stock(held=70, sold=30, claimed=100)
    assert verdict(world, SHOP) == Verdict.SUPPLIER_NOT_CONFIRMED
    world.do(DEALER, world.ship(DEALER, SHOP, 100))
    assert stock(world, SHOP) == s.Stock(held=70, sold=30)
    assert stock(world, DEALER) == s.Stock(held=500, shipped=100)
    assert not list(world.store.scan(b"h"))
    assert not list(world.store.scan(b"d"))
    assert not list(world.store.scan(b"j"))
    assert kinds(world, SHOP) == [e.WayKind.CLAIM, e.WayKind.HANDOVER]
    assert verdict(world, SHOP) == Verdict.GOOD


@pytest.mark.parametrize("claimed", [60, 100, 140])
def test_claim_and_ship_end_the_same_in_either_order(tmp_path: Path, claimed: int) -> None:
    ends = []
    for claim_first in (True, False):
        world = World(tmp_path / str(claim_first)).founded()
        world.hand_over(MAKER, DEALER, 600)
        ship, claim = world.ship(DEALER, SHOP, 100), world.claim(SHOP, DEALER, claimed)
        for who, act in [(SHOP, claim), (DEALER, ship)] if claim_first else [(DEALER, ship), (SHOP, claim)]:
            world.do(who, act)
        opened = sum(s.HANDOVER.decode(value).open for _, value in world.store.scan(b"h"))
        ends.append((stock(world, SHOP), stock(world, DEALER), opened, [pair.delivered for pair in pairs(world)]))
        world.close()
    assert ends[0] == ends[1]
    assert ends[0][0].claimed == max(0, claimed - 100)
    assert ends[0][2] == max(0, 100 - claimed)


def test_two_claims_are_closed_oldest_first_and_the_surplus_waits(world: World) -> None:
    world.do(SHOP, world.claim(SHOP, MAKER, 10))
    world.do(SHOP, world.claim(SHOP, MAKER, 20))
    world.do(MAKER, world.ship(MAKER, SHOP, 25))
    assert stock(world, SHOP).claimed == 5
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 12))[0].hash
    assert stock(world, SHOP).claimed == 0
    world.do(SHOP, world.receive(ship, accepted=7))
    assert rules(world.refused(SHOP, world.receive(ship, accepted=1))) == ["handover.closed"]
    assert stock(world, SHOP).held == 37


def test_a_ship_may_name_the_claim_that_it_closes(world: World) -> None:
    world.do(SHOP, world.claim(SHOP, MAKER, 10))
    second = world.do(SHOP, world.claim(SHOP, MAKER, 20))[0].hash
    world.do(MAKER, world.ship(MAKER, SHOP, 20, claim=second))
    assert stock(world, SHOP).claimed == 10
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 1, claim=second))) == ["claim.unknown"]
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 1, claim=second))) == ["claim.unknown"]


def test_a_claim_and_its_later_receipt_are_one_document_line(world: World) -> None:
    act = world.claim(SHOP, MAKER, 10)
    world.do(SHOP, act)
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 30))[0].hash
    again = world.act(r.Receive, r.Received(accepted=20, ref=act.amounts.ref), lot=LOT, ship=ship)  # type: ignore[union-attr]
    assert rules(world.refused(SHOP, again)) == ["ref.booked"]


def test_a_claim_of_an_unknown_lot_brings_it_up_and_a_late_maker_completes_it(world: World) -> None:
    lot = f"{FORMULA}#LATE"
    world.do(SHOP, world.claim(SHOP, MAKER, 10, lot))
    assert verdict(world, SHOP, lot) == Verdict.NOT_COMMISSIONED_BY_MAKER
    world.do(MAKER, world.commission(1000, lot), world.certify(lot))
    world.do(MAKER, world.ship(MAKER, SHOP, 10, lot))
    assert verdict(world, SHOP, lot) == Verdict.GOOD


def test_a_dispute_flags_the_claim_even_when_its_goods_were_sold_on(world: World) -> None:
    claim = world.do(DEALER, world.claim(DEALER, MAKER, 50))[0].hash
    world.hand_over(DEALER, SHOP, 50)
    world.do(MAKER, world.dispute(claim, DEALER))
    assert stock(world, DEALER) == s.Stock(shipped=50, claimed=50, disputed=50)
    assert verdict(world, SHOP) == Verdict.DISPUTED
    assert rules(world.refused(MAKER, world.dispute(claim, DEALER))) == ["claim.disputed"]
    assert rules(world.refused(OTHER_SHOP, world.dispute(claim, DEALER))) == ["claim.unknown"]
    world.do(MAKER, world.ship(MAKER, DEALER, 50))  # a ship that does not name it leaves the dispute alone
    assert stock(world, DEALER).disputed == 50
    world.do(MAKER, world.ship(MAKER, DEALER, 50, claim=claim))
    assert stock(world, DEALER) == s.Stock(shipped=50)
    assert verdict(world, SHOP) == Verdict.FACTS_NOTED  # the dispute stays visible


def test_a_confirmed_claim_cannot_be_disputed(world: World) -> None:
    claim = world.do(SHOP, world.claim(SHOP, MAKER, 10))[0].hash
    world.do(MAKER, world.ship(MAKER, SHOP, 10))
    assert rules(world.refused(MAKER, world.dispute(claim, SHOP))) == ["claim.unknown"]


def test_nobody_claims_from_itself_or_from_a_stranger(world: World) -> None:
    assert rules(world.refused(SHOP, world.claim(SHOP, SHOP, 1))) == ["claim.own"]
    from tests.world import member

    assert rules(world.refused(SHOP, world.claim(SHOP, member(77), 1))) == ["member.unknown"]


def test_a_claim_that_was_open_before_shows_downstream_only_while_it_is_open(world: World) -> None:
    world.do(DEALER, world.claim(DEALER, MAKER, 50))
    world.hand_over(DEALER, SHOP, 20)
    assert position(world, SHOP).bits & e.Bit.OPEN_CLAIM_BEFORE
    assert verdict(world, SHOP) == Verdict.SUPPLIER_NOT_CONFIRMED
    world.do(MAKER, world.ship(MAKER, DEALER, 50))
    assert verdict(world, SHOP) == Verdict.GOOD


def test_measurements_on_the_way_reach_the_claimed_position(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0].hash
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=SHOP.id)
    world.do(MAKER, world.act(r.Fact, adverse=True, kind=r.FactKind.INSPECT, subject=subject, text="破损"))
    world.do(SHOP, world.claim(SHOP, MAKER, 10))
    assert position(world, SHOP).adverse is not None
    assert verdict(world, SHOP) == Verdict.ADVERSE_FACT


def test_a_return_reverses_an_earlier_delivery_and_never_more(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    world.do(SHOP, world.enter(SHOP, 50))
    assert rules(world.refused(SHOP, world.ship(SHOP, MAKER, 101, returns=True))) == ["return.more-than-delivered"]
    assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 1, returns=True))) == ["return.more-than-delivered"]
    ship = world.do(SHOP, world.ship(SHOP, MAKER, 40, returns=True))[0].hash
    world.do(MAKER, world.receive(ship, accepted=30, refused=10))
    assert stock(world, MAKER).held == 9930
    assert stock(world, SHOP).held == 120
    assert kinds(world, MAKER) == [e.WayKind.COMMISSION, e.WayKind.RETURN]
    assert rules(world.refused(SHOP, world.ship(SHOP, MAKER, 71, returns=True))) == ["return.more-than-delivered"]
    world.do(SHOP, world.ship(SHOP, MAKER, 70, returns=True))


def test_bits_travel_back_with_a_return(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    fact = world.act(r.Fact, adverse=True, kind=r.FactKind.TEST, subject=world.position_subject(SHOP), text="不合格")
    world.do(SHOP, fact)
    ship = world.do(SHOP, world.ship(SHOP, MAKER, 5, returns=True))[0].hash
    world.do(MAKER, world.receive(ship, accepted=5))
    assert position(world, MAKER).bits & e.Bit.FAILED_TEST
    assert verdict(world, MAKER) == Verdict.FAILED_TEST


def test_a_withdrawn_return_may_be_returned_again(world: World) -> None:
    world.hand_over(MAKER, SHOP, 10)
    ship = world.do(SHOP, world.ship(SHOP, MAKER, 10, returns=True))[0].hash
    world.do(SHOP, world.withdraw(ship, MAKER))
    world.do(SHOP, world.ship(SHOP, MAKER, 10, returns=True))
    assert rules(world.refused(MAKER, world.receive(ship, accepted=10))) == ["handover.closed"]


def copied(world: World, who: Member, sealed: Sealed) -> list[str]:
    """`who` signs another member's record, whose opening it was given."""
    return rules(world.book(world.envelope(who, [sealed])).verdicts[0].problems)


def test_a_copy_of_anothers_ship_or_claim_takes_nothing_from_it(world: World) -> None:
    """A record does not name its signer: a second owner at the same site can sign the same bytes."""
    world.do(DEALER, world.enter(DEALER, 100, site=MAKER.site))
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100))[0]
    assert copied(world, DEALER, ship) == ["record.twice"]
    world.do(SHOP, world.receive(ship.hash, accepted=100))
    assert copied(world, DEALER, ship) == ["record.twice"]
    claim = world.do(SHOP, world.claim(SHOP, MAKER, 10, site=STORE.site))[0]
    assert copied(world, DEALER, claim) == ["record.twice"]


def test_a_copied_record_is_corrected_by_each_of_its_signers(world: World) -> None:
    entered = world.do(SHOP, world.enter(SHOP, 100, site=STORE.site))[0]
    assert copied(world, DEALER, entered) == []
    world.do(SHOP, world.correct(entered, {"quantity": 1}))
    assert rules(world.refused(DEALER, world.correct(entered, {"quantity": 100}))) == ["correct.nothing"]
    world.do(DEALER, world.correct(entered, {"quantity": 90}))
    assert (world.held(SHOP, site=STORE.site), world.held(DEALER, site=STORE.site)) == (1, 90)


def test_a_return_elsewhere_casts_no_doubt_on_a_claim_that_was_confirmed(world: World) -> None:
    """The maker, on the way of everybody's goods, once got some back from another shop."""
    world.hand_over(MAKER, OTHER_SHOP, 10)
    back = world.do(OTHER_SHOP, world.ship(OTHER_SHOP, MAKER, 5, returns=True))[0].hash
    world.do(MAKER, world.receive(back, accepted=5))
    world.do(DEALER, world.claim(DEALER, MAKER, 50))
    world.hand_over(DEALER, SHOP, 20)
    assert verdict(world, SHOP) == Verdict.SUPPLIER_NOT_CONFIRMED
    world.do(MAKER, world.ship(MAKER, DEALER, 50))
    assert verdict(world, SHOP) == Verdict.GOOD


def test_an_open_claim_behind_a_return_is_not_hidden(world: World) -> None:
    """The shop's own position is not on the way of the dealer's goods."""
    world.hand_over(MAKER, DEALER, 50)
    world.hand_over(DEALER, SHOP, 50)
    world.do(SHOP, world.claim(SHOP, OTHER_SHOP, 50))
    back = world.do(SHOP, world.ship(SHOP, DEALER, 50, returns=True))[0].hash
    world.do(DEALER, world.receive(back, accepted=50))
    assert verdict(world, DEALER) == Verdict.SUPPLIER_NOT_CONFIRMED


def give_back(world: World, who: Member, to: Member, quantity: int) -> None:
    back = world.do(who, world.ship(who, to, quantity, returns=True))[0].hash
    world.do(to, world.receive(back, accepted=quantity))


@pytest.mark.parametrize("disputed", [False, True])
def test_goods_that_come_back_cast_no_lasting_doubt_on_the_claim_they_came_by(world: World, disputed: bool) -> None:
    """The dealer's late supplier has booked its ship: what the shop sent back meanwhile is as good as the rest."""
    claim = world.do(DEALER, world.claim(DEALER, MAKER, 50))[0].hash
    if disputed:
        world.do(MAKER, world.dispute(claim, DEALER))
    world.hand_over(DEALER, SHOP, 20)
    give_back(world, SHOP, DEALER, 10)
    assert verdict(world, DEALER) == (Verdict.DISPUTED if disputed else Verdict.SUPPLIER_NOT_CONFIRMED)
    world.do(MAKER, world.ship(MAKER, DEALER, 50, claim=claim))
    assert verdict(world, DEALER) == (Verdict.FACTS_NOTED if disputed else Verdict.GOOD)


def test_a_return_between_others_casts_no_lasting_doubt_on_a_claim_before_them(world: World) -> None:
    """The way of the middle one shows its supplier, whose claim was confirmed."""
    world.do(DEALER, world.claim(DEALER, MAKER, 50))
    world.hand_over(DEALER, SHOP, 20)
    world.hand_over(SHOP, OTHER_SHOP, 10)
    give_back(world, OTHER_SHOP, SHOP, 5)
    assert verdict(world, SHOP) == Verdict.SUPPLIER_NOT_CONFIRMED
    world.do(MAKER, world.ship(MAKER, DEALER, 50))
    assert verdict(world, SHOP) == Verdict.GOOD


def test_a_claim_two_returns_away_is_not_hidden(world: World) -> None:
    """The claimant is on the way of neither."""
    world.hand_over(MAKER, DEALER, 50)
    world.hand_over(DEALER, SHOP, 50)
    world.hand_over(SHOP, OTHER_SHOP, 20)
    world.do(OTHER_SHOP, world.claim(OTHER_SHOP, STORE, 50))
    give_back(world, OTHER_SHOP, SHOP, 20)
    give_back(world, SHOP, DEALER, 20)
    assert position(world, DEALER).bits & e.Bit.OPEN_CLAIM_BEHIND
    world.hand_over(DEALER, STORE, 5)
    assert verdict(world, STORE) == Verdict.SUPPLIER_NOT_CONFIRMED


@pytest.mark.parametrize("more", [True, False])
def test_a_corrected_move_casts_no_lasting_doubt_on_a_claim_and_hides_none(world: World, more: bool) -> None:
    two = f"{SHOP.id}/two"
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=two))
    world.do(SHOP, world.claim(SHOP, MAKER, 50))
    move = world.do(SHOP, world.act(r.Move, world.moved(20), lot=LOT, site=SHOP.site, to_site=two))[0]
    if not more:
        world.do(SHOP, world.claim(SHOP, STORE, 5, site=two))
    world.do(SHOP, world.correct(move, {"quantity": 30 if more else 10}))
    site = two if more else SHOP.site
    world.do(SHOP, world.act(r.Voucher, lot=LOT, site=site, voucher=voucher_hash(VOUCHER)))

    def shown() -> Verdict:
        return world.verify(world.proof(LOT, position=(SHOP.id, site)), voucher=VOUCHER).verdict

    assert shown() == Verdict.SUPPLIER_NOT_CONFIRMED
    world.do(MAKER, world.ship(MAKER, SHOP, 50))
    assert shown() == (Verdict.FACTS_NOTED if more else Verdict.SUPPLIER_NOT_CONFIRMED)
