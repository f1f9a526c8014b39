"""Tales of mistakes: wrong lots, wrong quantities, double bookings, false claims, and goods that come back."""

import pytest
from msgspec import structs

from client_sdk import build, errors
from client_sdk.wire import Side
from ledger import records as r
from tests.stories.stage import Actor, Tale, ago, day, of_lot, set_aside

pytestmark = pytest.mark.slow


def amounts_of(actor: Actor, name: bytes) -> r.Amounts:
    record = actor.record(name)
    return r.AMOUNTS[type(r.RECORD.decode(record.record))].decode(record.opening[16:])


def corrects(actor: Actor, name: bytes, /, **instead: int) -> bytes:
    """Correct an own record's amounts; without any it did not occur."""
    right = structs.replace(amounts_of(actor, name), **instead) if instead else None
    return actor.do(build.correct, earlier=actor.record(name), instead=right, reason="录入错误")


def refused(actor: Actor, name: bytes, /, **instead: int) -> str:
    right = structs.replace(amounts_of(actor, name), **instead) if instead else None
    return actor.refused(build.correct, earlier=actor.record(name), instead=right, reason="录入错误")


def test_a_mistyped_lot_number_is_relabelled(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100, "#2025-07")
    typo = f"{can}#2O25-07"
    shop.do(build.count, lot=typo, book=0, found=30, kind=r.CountKind.OPENING, production=day(30))
    shop.sells(typo, 4)
    assert tale.seen(shop, typo).verdict == "not_commissioned_by_maker"
    assert shop.refused(build.relabel, lot=typo, to_lot=lot, quantity=27) == "position.overdrawn"
    other = tale.made(maker, tale.product(maker, "infant formula", category="129"), 100)
    assert shop.refused(build.relabel, lot=typo, to_lot=other, quantity=26) == "relabel.other-product"
    shop.do(build.relabel, lot=typo, to_lot=lot, quantity=26)
    assert shop.stock(typo) == {"sold": 4, "used": 26}
    assert shop.stock(lot) == {"held": 26}
    seen = tale.seen(shop, lot)
    assert seen.way == ["shop: relabel", "shop can#2O25-07: count"]
    assert seen.verdict == "not_commissioned_by_maker"  # the way leads through the mistaken number
    assert "entered_by_one_signature: can#2025-07 at shop" in seen.found
    tale.conserved(typo, 30)
    tale.conserved(lot, 126)

    recall = tale.regulator.recalls(of_lot(typo))
    assert tale.seen(shop, lot).verdict == "recalled"
    tale.regulator.lifts(recall, of_lot(typo))
    tale.regulator.recalls(of_lot(lot))
    assert "recalled: can#2025-07" in tale.seen(shop, lot).found


def test_a_claim_under_a_mistyped_lot_is_taken_back_and_made_again(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100, "#2025-07")
    typo = f"{can}#2O25-07"
    claim = shop.claims(typo, 30, maker)
    assert next(iter(maker.client.claims(against_me=True))).lot == typo
    corrects(shop, claim)
    assert list(maker.client.claims(against_me=True)) == []
    shop.claims(lot, 30, maker)
    maker.ships(lot, 30, shop)
    assert (shop.stock(typo), shop.stock(lot)) == ({}, {"held": 30})
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("good", ["shop: claim, handover", "maker: commission"])
    tale.conserved(typo, 0)
    tale.conserved(lot, 100)


def test_a_sale_is_not_booked_by_the_till_and_by_the_monthly_book(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 60, shop)
    shop.sells(lot, 2, ref="LS-1/1")
    shop.book(*(shop.act(build.sell, lot=lot, quantity=1, ref="LS-3/1") for _ in range(2)))  # two lines of one ticket
    lines = [("LS-1/1", 2), ("LS-2/1", 3), ("LS-3/1", 2)]
    book = [shop.act(build.sell, lot=lot, quantity=quantity, ref=ref) for ref, quantity in lines]
    with pytest.raises(errors.EnvelopeRefused) as caught:
        shop.book(*book)
    assert [(one.record, one.rule) for one in caught.value.problems] == [(0, "ref.booked"), (2, "ref.booked")]
    assert shop.stock(lot) == {"held": 56, "sold": 4}
    with shop.outbox() as outbox:
        outbox.add(book)
        sent = outbox.send(shop.client)
        assert (sent.booked, sent.refused, sent.stopped) == (1, 2, "")
        for one in set_aside(outbox):
            outbox.drop(one.number, "收银台已入账")
    assert shop.stock(lot) == {"held": 53, "sold": 7}
    assert [one.ref for one in shop.client.find_refs(Side.OUT, [ref for ref, _ in lines])] == [
        ref for ref, _ in lines
    ]
    assert tale.seen(shop, lot).verdict == "good"
    tale.conserved(lot, 100)


def test_both_sides_correct_what_was_received(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 200)
    maker.delivers(lot, 200, dealer)
    ship = dealer.ships(lot, 100, shop)
    receive = shop.receives(ship, lot, accepted=100)
    corrects(shop, receive, accepted=90)  # ninety came, a hundred were typed
    assert (dealer.stock(lot), shop.stock(lot)) == ({"held": 100, "shipped": 100}, {"held": 100})
    assert [type(event.record) for event in dealer.told()] == [r.Ship, r.Receive, r.Correct]
    corrects(dealer, ship, quantity=80)  # the dealer says eighty: not the same
    assert shop.stock(lot) == {"held": 100}
    corrects(dealer, ship, quantity=90)
    corrects(shop, receive, accepted=90)
    assert (dealer.stock(lot), shop.stock(lot)) == ({"held": 110, "shipped": 90}, {"held": 90})
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == (
        "facts_noted",
        ["shop: handover", "dealer: handover, correct", "maker: commission"],
    )
    assert sorted(seen.facts) == sorted(
        f"{who} correct: can#A1 at {where} (adverse)" for who in ("shop", "dealer") for where in ("shop", "dealer")
    )
    tale.conserved(lot, 200)


def test_what_is_corrected_away_was_sold_already(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 500)
    entry = shop.do(build.enter, lot=lot, quantity=100)
    shop.sells(lot, 95)
    corrects(shop, entry, quantity=10)
    assert shop.stock(lot) == {"sold": 95, "overdrawn": 85}
    assert refused(shop, entry, quantity=10) == "correct.nothing"
    seen = tale.seen(shop, lot)
    assert seen.verdict == "adverse_fact"  # more went out than came in
    assert {one.split(":")[0] for one in seen.found} == {"adverse_fact", "entered_by_one_signature", "facts_noted"}
    assert seen.facts == ["shop correct: can#A1 at shop (adverse)"]
    tale.conserved(lot, 510)

    corrects(shop, entry, quantity=95)  # the paper was read again: it was ninety-five after all
    assert shop.stock(lot) == {"sold": 95}
    tale.conserved(lot, 595)


def test_the_same_cans_are_not_sold_twice_by_a_correction(tale: Tale) -> None:
    maker, chain, shop = tale.members("maker", "chain", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    east = f"{chain.id}/east"
    chain.book(build.act(r.Site, at=ago(0), name="东店", region="CN-33", site=east))
    maker.delivers(lot, 60, chain)
    move = chain.do(build.move, lot=lot, quantity=60, to_site=east)
    chain.sells(lot, 60, site=east)
    assert tale.seen(chain, lot).verdict == "good"
    corrects(chain, move)  # "it was never moved"
    assert chain.stock(lot) == {"held": 60}
    assert chain.stock(lot, east) == {"sold": 60, "overdrawn": 60}
    chain.delivers(lot, 60, shop)
    assert shop.status(lot) == {"more_out_than_in"}
    seen = tale.seen(shop, lot)
    assert seen.verdict == "adverse_fact"
    assert seen.found >= {"adverse_fact: can#A1 at chain", "adverse_fact: can#A1 at shop"}
    assert seen.way == ["shop: handover", "chain: handover, correct", "maker: commission"]
    tale.conserved(lot, 100)


def test_a_sale_of_twenty_was_a_sale_of_two(tale: Tale) -> None:
    maker, shop, other = tale.members("maker", "shop", "other")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 30, shop)
    sale = shop.sells(lot, 20)
    with pytest.raises(errors.EnvelopeRefused, match=r"correct\.unknown"):
        other.do(build.correct, earlier=shop.record(sale), instead=None, reason="不是我的")
    corrects(shop, sale, quantity=2)
    assert shop.stock(lot) == {"held": 28, "sold": 2}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("facts_noted", ["shop: handover, correct", "maker: commission"])
    tale.conserved(lot, 100)


def test_a_claim_is_disputed_after_the_goods_were_sold_on(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 500)
    claim = dealer.claims(lot, 50, maker)
    dealer.delivers(lot, 20, shop)
    shop.sells(lot, 5)
    assert tale.seen(shop, lot).verdict == "supplier_not_confirmed"
    maker.do(build.dispute, claim=claim, claimant=dealer.id, lot=lot, reason="未供货")
    assert dealer.stock(lot) == {"held": 30, "shipped": 20, "claimed": 50, "disputed": 50}
    assert shop.stock(lot) == {"held": 15, "sold": 5}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("disputed", ["shop: handover", "dealer: claim"])
    assert seen.found >= {"disputed: can#A1 at dealer", "supplier_not_confirmed: can#A1 at dealer"}
    assert seen.facts == ["maker dispute: can#A1 at dealer (adverse)"]
    tale.conserved(lot, 500)

    maker.ships(lot, 50, dealer)  # another delivery, on a truck now: it does not settle the quarrel by itself
    assert tale.seen(shop, lot).verdict == "disputed"
    [waiting] = list(dealer.client.handovers())
    maker.do(build.withdraw, ship=waiting.ship, to=dealer.id, lot=lot)
    maker.ships(lot, 50, dealer, claim=claim)  # the driver's paper was found
    assert dealer.stock(lot) == {"held": 30, "shipped": 20}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way[-1]) == ("facts_noted", "maker: commission")
    assert seen.facts == ["maker dispute: can#A1 at dealer (adverse)"]  # that it was disputed stays in sight
    tale.conserved(lot, 500)


def test_a_consumer_brings_cans_back(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 24, shop)
    shop.sells(lot, 6)
    assert shop.refused(build.take_back, lot=lot, quantity=7) == "position.more-than-sold"
    shop.do(build.take_back, lot=lot, quantity=2)
    assert shop.stock(lot) == {"held": 20, "sold": 4}
    shop.sells(lot, 2)
    assert shop.stock(lot) == {"held": 18, "sold": 6}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("good", ["shop: handover, take_back", "maker: commission"])
    tale.conserved(lot, 100)


def test_a_maker_mends_a_production_date(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    wrong, right = day(40), day(30)
    lot = f"{can}#A1"
    fields = {"lot": lot, "quantity": 100, "production": wrong}
    made = maker.do(build.commission, **fields)
    assert maker.refused(build.commission, lot=lot, quantity=10, production=right) == "lot.other-date"
    maker.delivers(lot, 40, shop)
    earlier = {"earlier": maker.record(made), "instead": amounts_of(maker, made)}
    maker.do(build.correct, **earlier, production=right, reason="日期录入错误")
    seen = tale.seen(shop, lot)
    assert (seen.entries[0].production, seen.entries[0].stated) == (right, [wrong])
    assert (seen.verdict, seen.facts) == ("facts_noted", ["maker correct: can#A1 (adverse)"])
    product = r.Subject(kind=r.SubjectKind.PRODUCT, product=can)
    for made_on in (wrong, right):  # whichever date a recall names, it covers the lot
        recall = tale.regulator.recalls(product, made_from=made_on, made_until=made_on)
        assert tale.seen(shop, lot).verdict == "recalled"
        tale.regulator.lifts(recall, product)
    assert (maker.stock(lot), shop.stock(lot)) == ({"held": 60, "shipped": 40}, {"held": 40})
    tale.conserved(lot, 100)


def test_goods_from_elsewhere_carry_a_mark(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    closed = tale.product(maker, "closed can", closed=True)
    lot, kept = tale.made(maker, can, 100), tale.made(maker, closed, 100)
    assert shop.refused(build.enter, lot=kept, quantity=12) == "product.closed"
    shop.do(build.enter, lot=lot, quantity=12, at=ago(1))
    assert shop.status(lot) == {"one_signature", "reentry"}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("entered_by_one_signature", ["shop: enter"])
    tale.conserved(lot, 112)
