"""Tales of the goods: where they are kept, packed, weighed, repacked, and what happens to them on the way."""

from hashlib import sha256

import pytest

from client_sdk import build, codes
from ledger import records as r
from ledger.custody.goods import day_of
from tests.stories.stage import Actor, Tale, ago, day, of_handover, of_lot, of_position

pytestmark = pytest.mark.slow


def test_a_cold_store_keeps_what_an_importer_owns(tale: Tale) -> None:
    importer, store, shop = tale.members("importer", "store", "shop")
    shrimp = tale.imported(importer, "shrimp", temp_max_mc=-15_000)
    lot = tale.made(importer, shrimp, 200)
    ship = importer.do(build.ship, lot=lot, quantity=200, to=importer.id, to_site=store.site)
    assert importer.refused(build.receive, ship=ship, lot=lot, accepted=200) == "handover.unknown"
    store.receives(ship, lot, accepted=200)  # custody moved, title did not
    assert importer.stock(lot, store.site) == store.stock(lot, owner=importer) == {"held": 200}
    assert store.stock(lot) == {}
    store.do(build.count, lot=lot, owner=importer.id, book=200, found=198)
    assert importer.stock(lot, store.site) == {"held": 198, "lost": 2}
    assert [type(event.record) for event in importer.told()] == [r.Receive, r.Count]

    sold = importer.ships(lot, 50, shop, site=store.site, to_site=store.site)  # title moves, the boxes stay
    assert store.refused(build.receive, ship=sold, lot=lot, accepted=50) == "handover.unknown"
    shop.receives(sold, lot, accepted=50)
    assert shop.stock(lot, store.site) == store.stock(lot, owner=shop) == {"held": 50}
    fields = {"lot": lot, "quantity": 50, "owner": shop.id, "to": shop.id, "to_site": shop.site}
    assert shop.refused(build.ship, site=store.site, **fields) == "ship.not-keeper"
    fetched = store.do(build.ship, **fields)
    shop.receives(fetched, lot, accepted=50)
    assert shop.stock(lot) == {"held": 50}
    assert shop.stock(lot, store.site) == {"shipped": 50}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.way == [
        "shop: handover", "shop at store: handover", "importer at store: handover", "importer: commission",
    ]  # fmt: skip
    assert {"importer", "store", "shop"} <= seen.members
    tale.conserved(lot, 200)


def test_a_pallet_is_packed_stacked_and_shipped_line_by_line(tale: Tale) -> None:
    maker, dealer = tale.members("maker", "dealer")
    can = tale.product(maker, "can")
    one, two = tale.made(maker, can, 100, "#ONE"), tale.made(maker, can, 100, "#TWO")
    carton, pallet = tale.sscc(), tale.sscc()
    maker.do(build.pack, unit=carton, lines={one: 12})
    maker.do(build.pack, unit=pallet, lines={two: 48, one: 24}, units=[carton])
    assert maker.stock(one) == {"held": 100, "reserved": 36}
    assert maker.refused(build.sell, lot=one, quantity=65) == "position.overdrawn"
    assert maker.refused(build.unpack, unit=carton) == "unit.stacked"
    assert maker.refused(build.ship, lot=two, quantity=47, to=dealer.id, unit=pallet) == "unit.line"
    note = {"to": dealer.id, "ref": "XS-20/1"}
    lines = [(one, 12, carton), (two, 48, pallet), (one, 24, pallet)]
    ships = maker.book(
        *(maker.act(build.ship, lot=lot, quantity=quantity, unit=unit, **note) for lot, quantity, unit in lines)
    )
    for ship, (lot, quantity, _) in zip(ships, lines, strict=True):
        dealer.receives(ship, lot, accepted=quantity)
    assert (maker.stock(one), maker.stock(two)) == ({"held": 64, "shipped": 36}, {"held": 52, "shipped": 48})
    assert (dealer.stock(one), dealer.stock(two)) == ({"held": 36}, {"held": 48})

    assert codes.parse_scan(f"(00){pallet}").sscc == pallet
    found = tale.stage.reader.unit(pallet)
    assert found is not None
    assert set(found.lots) == {one, two}
    assert found.units == [carton]
    for lot in found.lots:
        assert tale.seen(dealer, lot).way == ["dealer: handover", "maker: commission"]
        assert tale.seen(dealer, lot).verdict == "good"
        tale.conserved(lot, 100)


def window(highest: int) -> r.Window:
    """A night's temperature log, in thousandths of a degree."""
    return r.Window(
        count=480, device="TL-88", gap_s=60, max_mc=highest, mean_mc=-18_000, min_mc=-20_000,
        series=sha256(b"readings").digest(), start=ago(0.5), until=ago(0.1),
    )  # fmt: skip


def frozen(tale: Tale) -> tuple[Actor, Actor, Actor, Actor, str]:
    """Importer, dealer, shop, carrier, and a lot at the importer that is kept below -15 °C."""
    importer, dealer, shop, carrier = tale.members("importer", "dealer", "shop", "carrier")
    shrimp = tale.imported(importer, "shrimp", temp_max_mc=-15_000)
    return importer, dealer, shop, carrier, tale.made(importer, shrimp, 100)


def test_goods_that_thawed_on_the_way_are_destroyed_on_receipt(tale: Tale) -> None:
    importer, _, shop, carrier, lot = frozen(tale)
    ship = importer.ships(lot, 60, shop)
    cold = carrier.says(r.FactKind.MEASURE, of_handover(ship, shop), window=window(-16_000))
    warm = carrier.says(r.FactKind.MEASURE, of_handover(ship, shop), window=window(-9_000))
    assert cold != warm
    shop.receives(ship, lot, accepted=50, destroyed=10)
    shop.says(r.FactKind.INSPECT, of_position(lot, shop), answers=warm, text="外层十盒化冻, 已销毁")
    assert importer.stock(lot) == {"held": 40, "shipped": 60}
    assert shop.stock(lot) == {"held": 50, "destroyed": 10}
    assert shop.status(lot) == {"breached"}
    seen = tale.seen(shop, lot)
    assert seen.verdict == "breached_on_the_way"
    assert seen.found == {"breached_on_the_way: shrimp#A1 at shop", "adverse_fact: shrimp#A1 at shop"}
    assert seen.facts == [
        "carrier measure: shrimp#A1 at shop (adverse)",
        "carrier measure: shrimp#A1 at shop",
        "shop inspect: shrimp#A1 at shop",
    ]
    assert tale.seen(importer, lot).verdict == "good"  # what stayed at home was never warm
    tale.conserved(lot, 100)


def test_thawed_goods_that_are_refused_do_not_come_back_clean(tale: Tale) -> None:
    importer, dealer, shop, carrier, lot = frozen(tale)
    importer.delivers(lot, 60, dealer)
    ship = dealer.ships(lot, 60, shop)
    carrier.says(r.FactKind.MEASURE, of_handover(ship, shop), window=window(-9_000))
    shop.receives(ship, lot, refused=60)
    assert dealer.stock(lot) == {"held": 60, "shipped": 60}
    assert dealer.status(lot) == {"breached"}
    dealer.delivers(lot, 10, importer, returns=True)
    for owner in (dealer, importer):
        seen = tale.seen(owner, lot)
        assert seen.verdict == "breached_on_the_way", owner.name
        assert f"breached_on_the_way: shrimp#A1 at {owner.name}" in seen.found
    assert "carrier measure: shrimp#A1 at dealer (adverse)" in tale.seen(dealer, lot).facts
    tale.conserved(lot, 100)


def test_beef_is_weighed_on_two_scales(tale: Tale) -> None:
    importer, shop, other = tale.members("importer", "shop", "other")
    beef = tale.imported(importer, "beef", tolerance_permille=10)
    lot = tale.made(importer, beef, 40, grams=800_000)
    assert importer.refused(build.ship, lot=lot, quantity=10, to=shop.id) == "grams.missing"
    ship = importer.ships(lot, 10, shop, grams=200_000)
    too_much = {"ship": ship, "lot": lot, "accepted": 10, "grams": 202_001}
    assert shop.refused(build.receive, **too_much) == "grams.more-than-shipped"
    shop.receives(ship, lot, accepted=10, grams=198_500)  # within ten in a thousand
    far = importer.ships(lot, 10, other, grams=200_000)
    other.receives(far, lot, accepted=10, grams=190_000)
    assert importer.stock(lot) == {"held": 20, "grams": 400_000, "shipped": 20}
    assert shop.stock(lot) == {"held": 10, "grams": 198_500, "grams_lost": 1_500}
    assert other.stock(lot) == {"held": 10, "grams": 190_000, "grams_lost": 10_000}
    shop.sells(lot, 0, grams=650)  # a cut out of an opened piece
    assert shop.stock(lot)["grams_sold"] == 650
    seen, lost = tale.seen(shop, lot), tale.seen(other, lot)
    assert (seen.verdict, seen.found) == ("good", set())
    assert (lost.verdict, lost.found) == ("facts_noted", {"facts_noted: beef#A1 at other"})
    assert lost.way == ["other: handover", "importer: commission"]
    tale.conserved(lot, 40)


def test_beef_does_not_grow_on_the_shelf(tale: Tale) -> None:
    importer, shop, other = tale.members("importer", "shop", "other")
    beef = tale.imported(importer, "beef", tolerance_permille=10)
    lot = tale.made(importer, beef, 40, grams=800_000)
    for one in (shop, other):
        importer.delivers(lot, 10, one, grams=200_000)
    weighed = {"lot": lot, "book": 10, "found": 10, "book_grams": 200_000}
    shop.do(build.count, found_grams=201_000, **weighed)
    other.do(build.count, found_grams=900_000, **weighed)
    assert shop.stock(lot) == {"held": 10, "grams": 201_000, "grams_lost": -1_000}
    assert other.stock(lot) == {"held": 10, "grams": 900_000, "grams_lost": -700_000}
    assert tale.seen(shop, lot).verdict == "good"
    seen = tale.seen(other, lot)
    assert (seen.verdict, seen.way[0]) == ("entered_by_one_signature", "other: handover, count")
    tale.conserved(lot, 40)


def test_fish_is_thawed_repacked_and_certified(tale: Tale) -> None:
    importer, works, shop = tale.members("importer", "works", "shop")
    hake = tale.imported(importer, "hake", tolerance_permille=20)
    fillet = tale.product(works, "fillet", tolerance_permille=20)
    catch = tale.made(importer, hake, 100, grams=2_000_000)
    promised = importer.says(r.FactKind.CERTIFY, of_lot(catch), document="HG-2026-0017")
    importer.delivers(catch, 20, works, grams=400_000)
    bags = f"{fillet}#F1"
    fields = {"inputs": {catch: 20}, "outputs": {bags: 62}, "production": day(2), "expiry": day(-90)}
    works.do(build.transform, grams_in=[400_000], grams_out=[310_000], **fields)
    works.says(r.FactKind.CERTIFY, of_lot(bags), answers=promised, document="合格证 F1")
    works.delivers(bags, 12, shop, grams=60_000)
    assert works.stock(catch) == {"used": 20}
    assert works.stock(bags) == {"held": 50, "grams": 250_000, "shipped": 12}
    assert shop.stock(bags) == {"held": 12, "grams": 60_000}
    seen = tale.seen(shop, bags)
    assert seen.lots == ["fillet#F1", "hake#A1"]
    assert seen.way == [
        "shop: handover", "works: transform", "works hake#A1: handover", "importer hake#A1: commission",
    ]  # fmt: skip
    assert seen.facts == ["works certify: fillet#F1", "importer certify: hake#A1"]
    assert (seen.verdict, seen.found) == ("good", set())
    tale.conserved(catch, 100)
    tale.conserved(bags, 62)


def test_more_came_out_of_the_works_than_went_in(tale: Tale) -> None:
    importer, works = tale.members("importer", "works")
    hake = tale.imported(importer, "hake", tolerance_permille=20)
    fillet = tale.product(works, "fillet", tolerance_permille=20)
    catch = tale.made(importer, hake, 20, grams=400_000)
    importer.delivers(catch, 20, works, grams=400_000)
    bags = f"{fillet}#F1"
    fields = {"inputs": {catch: 20}, "outputs": {bags: 90}, "production": day(2)}
    works.do(build.transform, grams_in=[400_000], grams_out=[450_000], **fields)
    assert works.status(bags) == {"more_out_than_in"}
    seen = tale.seen(works, bags)
    assert seen.verdict == "adverse_fact"
    assert seen.found == {"adverse_fact: fillet#F1", "adverse_fact: fillet#F1 at works"}
    tale.conserved(bags, 90)


def test_goods_without_a_lot_number_go_by_their_date(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    milk = tale.product(maker, "milk")
    made = day(3)
    lot = f"{milk}@{made}"
    fields = {"lot": lot, "quantity": 500}
    maker.do(build.commission, production=made, expiry=day(-10), **fields)
    maker.delivers(lot, 40, shop)
    shop.sells(lot, 4)
    assert shop.stock(lot) == {"held": 36, "sold": 4}
    seen = tale.scanned(f"https://id.example.org/01/{milk}?11={made % 1_000_000}")
    assert (seen.verdict, seen.lots) == ("good", [f"milk@{made}"])
    assert seen.entries[0].production == made == day_of(ago(3))
    assert tale.seen(shop, lot).way == ["shop: handover", "maker: commission"]
    assert (
        tale.scanned(f"{milk}#{made}").verdict == "unknown_code"
    )  # a lot number that looks like the date is another
    tale.conserved(lot, 500)


def test_a_farmer_without_a_company_sells_by_the_crate(tale: Tale) -> None:
    farmer, market, stall = tale.members("farmer", "market", "stall")
    assert farmer.id.startswith("P-")
    cabbage = tale.product(farmer, "cabbage", f"{farmer.id}/CABBAGE")
    lot = f"{cabbage}@{day(1)}"
    farmer.do(build.commission, lot=lot, quantity=80, production=day(1))
    promise = farmer.says(r.FactKind.CERTIFY, of_lot(lot), document="承诺达标合格证", text="自产")
    farmer.delivers(lot, 80, market)
    market.delivers(lot, 6, stall)
    stall.sells(lot, 2)
    assert farmer.stock(lot) == {"shipped": 80}
    assert market.stock(lot) == {"held": 74, "shipped": 6}
    assert stall.stock(lot) == {"held": 4, "sold": 2}
    seen = tale.seen(stall, lot)
    assert seen.way == ["stall: handover", "market: handover", "farmer: commission"]
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.facts == [f"farmer certify: cabbage@{day(1)}"]
    assert promise
    tale.conserved(lot, 80)


def test_stock_moves_between_the_shops_of_a_chain(tale: Tale) -> None:
    maker, chain = tale.members("maker", "chain")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    east = f"{chain.id}/east"
    chain.book(build.act(r.Site, at=ago(0), name="东店", region="CN-33", site=east))
    maker.delivers(lot, 60, chain)
    chain.do(build.move, lot=lot, quantity=24, to_site=east)
    chain.sells(lot, 3, site=east)
    assert maker.refused(build.move, lot=lot, quantity=1, to_site=east) == "site.not-own"
    assert chain.stock(lot) == {"held": 36, "shipped": 24}
    assert chain.stock(lot, east) == {"held": 21, "sold": 3}
    seen = tale.seen(chain, lot, east)
    assert seen.verdict == "good"
    assert seen.way == ["chain at chain/east: move", "chain: handover", "maker: commission"]
    tale.conserved(lot, 100)
