"""Tales of deliveries: late, short, refused, withdrawn, returned, and booked without a network."""

import pytest

from client_sdk import build, errors
from client_sdk.outbox import Outbox
from ledger import records as r
from tests.stories.stage import Actor, Tale, ago, day, set_aside

pytestmark = pytest.mark.slow


def test_a_late_supplier_books_after_the_shop_has_sold(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 600)
    maker.delivers(lot, 600, dealer)
    claim = shop.claims(lot, 100, dealer, at=ago(2), ref="JH-7/1")
    shop.sells(lot, 30, at=ago(1))
    assert shop.stock(lot) == {"held": 70, "sold": 30, "claimed": 100}
    assert [(one.claim, one.open) for one in dealer.client.claims(against_me=True)] == [(claim, 100)]
    assert [type(event.record) for event in dealer.told()] == [r.Ship, r.Claim]
    early = tale.seen(shop, lot)
    assert early.verdict == "supplier_not_confirmed"
    assert early.way == ["shop: claim"]

    ship = dealer.ships(lot, 100, shop, at=ago(3))
    assert shop.stock(lot) == {"held": 70, "sold": 30}
    assert dealer.stock(lot) == {"held": 500, "shipped": 100}
    assert list(shop.client.claims()) == list(shop.client.handovers()) == []
    with pytest.raises(errors.EnvelopeRefused, match=r"ref\.booked"):
        shop.receives(ship, lot, accepted=100, ref="JH-7/1")
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.way == ["shop: claim, handover", "dealer: handover", "maker: commission"]
    tale.conserved(lot, 600)


def test_a_case_holds_six_cans(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can", grams=800)
    case = tale.product(maker, "case", base=can, contains=6)
    lot = tale.made(maker, can, 600)
    number = lot.removeprefix(can)
    for make, fields in ((build.ship, {"to": shop.id}), (build.sell, {}), (build.commission, {"production": day(1)})):
        assert maker.refused(make, lot=case + number, quantity=10, **fields) == "product.level"
    declared = shop.client.product(case)
    assert declared is not None
    assert declared.contains == 6
    ship = maker.ships(lot, 10 * declared.contains, shop)
    shop.receives(ship, lot, accepted=60)
    shop.sells(lot, 7)
    assert shop.stock(lot) == {"held": 53, "sold": 7}
    for code in (can, case):
        seen = tale.scanned(f"(01){code}(10){number[1:]}")
        assert (seen.verdict, seen.lots) == ("good", ["can#A1"])
    assert tale.seen(shop, lot).way == ["shop: handover", "maker: commission"]
    tale.conserved(lot, 600)


def test_two_suppliers_fill_the_shelf_week_by_week(tale: Tale) -> None:
    maker, north, south, shop = tale.members("maker", "north", "south", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 1000)
    maker.delivers(lot, 300, north, at=ago(28))
    maker.delivers(lot, 300, south, at=ago(28))
    for week in (3, 2, 1):
        north.delivers(lot, 24, shop, at=ago(7 * week))
        shop.sells(lot, 20, at=ago(7 * week - 2))
    south.delivers(lot, 12, shop, at=ago(3))
    assert shop.stock(lot) == {"held": 24, "sold": 60}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.way == ["shop: handover, handover", "north: handover", "south: handover", "maker: commission"]
    assert seen.deliveries("shop") == {"north": 3, "south": 1}
    tale.conserved(lot, 1000)


def test_a_short_delivery_is_missing_until_the_sender_counts(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 100, dealer)
    ship = dealer.ships(lot, 60, shop)
    shop.receives(ship, lot, accepted=54, short=6)
    assert dealer.stock(lot) == {"held": 40, "shipped": 60, "missing": 6}
    assert shop.refused(build.receive, ship=ship, lot=lot, accepted=6) == "handover.closed"
    assert dealer.refused(build.count, lot=lot, book=40, found=40, missing=7) == "count.missing"
    tale.conserved(lot, 100)

    dealer.do(build.count, lot=lot, book=40, found=42, missing=6)  # two stood behind the door, four are lost
    assert dealer.stock(lot) == {"held": 42, "shipped": 60, "lost": 4}
    assert shop.stock(lot) == {"held": 54}
    for owner, way in ((shop, ["shop: handover", "dealer: handover"]), (dealer, ["dealer: handover"])):
        seen = tale.seen(owner, lot)
        assert (seen.verdict, seen.way) == ("good", [*way, "maker: commission"])
    tale.conserved(lot, 100)


def test_refused_goods_go_back_to_the_sender(tale: Tale) -> None:
    maker, dealer, shop, other = tale.members("maker", "dealer", "shop", "other")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 100, dealer)
    ship = dealer.ships(lot, 60, shop)
    shop.receives(ship, lot, accepted=40, refused=20)
    assert (dealer.stock(lot), shop.stock(lot)) == ({"held": 60, "shipped": 60}, {"held": 40})
    assert shop.refused(build.receive, ship=ship, lot=lot, accepted=20) == "handover.closed"
    dealer.delivers(lot, 20, other)
    whole = other.ships(lot, 20, shop)
    shop.receives(whole, lot, refused=20)
    assert other.stock(lot) == {"held": 20, "shipped": 20}
    assert tale.seen(dealer, lot).way == ["dealer: handover", "maker: commission"]  # what came back is no way in
    assert tale.seen(shop, lot).way == ["shop: handover", "dealer: handover", "maker: commission"]
    assert tale.seen(other, lot).verdict == "good"
    tale.conserved(lot, 100)


def test_a_ship_to_the_wrong_customer_is_withdrawn(tale: Tale) -> None:
    maker, shop, other = tale.members("maker", "shop", "other")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    ship = maker.ships(lot, 48, other)
    assert maker.stock(lot) == {"held": 52, "shipped": 48}
    assert other.refused(build.withdraw, ship=ship, to=other.id, lot=lot) == "handover.not-sender"
    maker.do(build.withdraw, ship=ship, to=other.id, lot=lot)
    assert [type(event.record) for event in other.told()] == [r.Ship, r.Withdraw]
    assert other.refused(build.receive, ship=ship, lot=lot, accepted=48) == "handover.closed"
    assert list(other.client.handovers()) == list(other.client.positions()) == []
    maker.delivers(lot, 48, shop)
    assert maker.stock(lot)["held"] == 52
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("good", ["shop: handover", "maker: commission"])
    tale.conserved(lot, 100)


def test_a_delivery_goes_back_to_the_supplier(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 100, dealer)
    dealer.delivers(lot, 60, shop)
    shop.sells(lot, 10)
    assert shop.refused(build.ship, lot=lot, quantity=1, to=maker.id, returns=True) == "return.more-than-delivered"
    back = shop.ships(lot, 50, dealer, returns=True)
    dealer.receives(back, lot, accepted=45, refused=5)
    assert (dealer.stock(lot)["held"], shop.stock(lot)["held"]) == (85, 5)
    assert shop.refused(build.ship, lot=lot, quantity=16, to=dealer.id, returns=True) == "position.overdrawn"
    seen = tale.seen(dealer, lot)
    assert (seen.verdict, seen.way) == ("good", ["dealer: handover, return", "maker: commission"])
    assert tale.seen(shop, lot).way == ["shop: handover", "dealer: handover, return", "maker: commission"]
    tale.conserved(lot, 100)


def send(actor: Actor, outbox: Outbox) -> None:
    sent = outbox.send(actor.client)
    assert (sent.refused, sent.stopped) == (0, "")
    assert list(outbox.waiting()) == []


@pytest.mark.parametrize("shipped", [40, 100, 140])
def test_two_who_are_offline_end_the_same_in_either_order(tale: Tale, shipped: int) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lots = [tale.made(maker, can, 500, lot) for lot in ("#DEALER-FIRST", "#SHOP-FIRST")]
    for lot in lots:
        maker.delivers(lot, 200, dealer)
    ends = []
    for lot, first in zip(lots, (dealer, shop), strict=True):
        with dealer.outbox() as at_the_dealer, shop.outbox() as in_the_shop:
            at_the_dealer.add([dealer.act(build.ship, lot=lot, quantity=shipped, to=shop.id, at=ago(2))])
            in_the_shop.add([shop.act(build.claim, lot=lot, quantity=100, supplier=dealer.id, at=ago(1))])
            in_the_shop.add([shop.act(build.sell, lot=lot, quantity=25)])
            queue = [(dealer, at_the_dealer), (shop, in_the_shop)]
            for actor, outbox in queue if first is dealer else reversed(queue):
                send(actor, outbox)
        waiting = [one.open for one in shop.client.handovers() if one.lot == lot]
        seen = tale.seen(shop, lot)
        ends.append((dealer.stock(lot), shop.stock(lot), waiting, seen.verdict, seen.way[-1]))
        tale.conserved(lot, 500)
    assert ends[0] == ends[1]
    confirmed, whole = min(100, shipped), ({"sold": 25, "held": 75})
    assert ends[0][:3] == (
        {"held": 200 - shipped, "shipped": shipped},
        whole if confirmed == 100 else whole | {"claimed": 100 - confirmed},
        [shipped - 100] if shipped > 100 else [],
    )
    assert ends[0][3] == ("good" if confirmed == 100 else "supplier_not_confirmed")


def test_a_receipt_that_comes_before_its_ship_waits_and_is_sent_again(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    with maker.outbox() as at_the_maker, shop.outbox() as in_the_shop:
        at_the_maker.add([maker.act(build.ship, lot=lot, quantity=60, to=shop.id, at=ago(2))])
        [[ship]] = [entry.hashes for entry in at_the_maker.waiting()]  # stands on the delivery note
        in_the_shop.add([shop.act(build.receive, ship=ship, lot=lot, accepted=60, at=ago(1))])
        assert in_the_shop.send(shop.client).refused == 1
        [aside] = set_aside(in_the_shop)
        assert [problem.rule for problem in aside.problems] == ["handover.unknown"]
        send(maker, at_the_maker)
        in_the_shop.retry(aside.number)
        send(shop, in_the_shop)
        assert set_aside(in_the_shop) == []
    assert (maker.stock(lot), shop.stock(lot)) == ({"held": 40, "shipped": 60}, {"held": 60})
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("good", ["shop: handover", "maker: commission"])
    tale.conserved(lot, 100)
