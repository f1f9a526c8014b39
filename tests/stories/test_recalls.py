"""Tales of what is forbidden: recalls, holds, failed tests, expiry; booked because it happened, and shown."""

import pytest

from client_sdk import build
from ledger import records as r
from tests.stories.stage import Tale, ago, day, of_lot, of_position, set_aside

pytestmark = pytest.mark.slow


def test_an_offline_shop_sold_under_a_recall(tale: Tale) -> None:
    maker, shop, other = tale.members("maker", "shop", "other")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 600)
    maker.delivers(lot, 48, shop, at=ago(9))
    recall = maker.recalls(of_lot(lot), at=ago(4), grade=1)  # Monday
    with shop.outbox() as outbox:
        outbox.add([shop.act(build.sell, lot=lot, quantity=5, at=ago(5))])  # Sunday
        outbox.add([shop.act(build.sell, lot=lot, quantity=3, at=ago(3))])  # Tuesday, with the line down
        outbox.add([shop.act(build.ship, lot=lot, quantity=6, to=other.id, at=ago(3))])
        sent = outbox.send(shop.client)  # Friday
        assert (sent.booked, sent.refused, sent.stopped) == (2, 1, "")
        [aside] = set_aside(outbox)
        assert [one.rule for one in aside.problems] == ["goods.held"]
        outbox.drop(aside.number, "召回中,不发货")
    assert shop.stock(lot) == {"held": 40, "sold": 8, "irregular": 3}
    assert shop.status(lot) == {"in_force"}
    assert recall in [event.hash for event in shop.told()]
    shop.do(build.take_back, lot=lot, quantity=2)
    shop.do(build.destroy, lot=lot, quantity=42, reason=r.DestroyReason.RECALLED)
    assert shop.stock(lot) == {"sold": 6, "irregular": 3, "destroyed": 42}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("recalled", {"recalled: can#A1", "facts_noted: can#A1"})
    assert seen.way == ["shop: handover, take_back", "maker: commission"]
    assert seen.facts == ["maker recall: can#A1 (adverse)"]
    tale.conserved(lot, 600)


def test_what_was_done_before_the_hold_is_booked_after_it(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 600)
    maker.delivers(lot, 200, dealer, at=ago(9))
    hold = tale.regulator.holds_back(of_lot(lot), at=ago(2))
    dealer.sells(lot, 10, at=ago(3))
    ship = dealer.ships(lot, 60, shop, at=ago(3))
    assert dealer.refused(build.ship, lot=lot, quantity=60, to=shop.id, at=ago(1)) == "goods.held"
    shop.receives(ship, lot, accepted=60)
    shop.sells(lot, 1)
    assert dealer.stock(lot) == {"held": 130, "shipped": 60, "sold": 10}
    assert shop.stock(lot) == {"held": 59, "sold": 1, "irregular": 1}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("held", ["shop: handover", "dealer: handover", "maker: commission"])
    tale.regulator.lifts(hold, of_lot(lot))
    dealer.delivers(lot, 6, shop)
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("facts_noted", {"facts_noted: can#A1"})
    assert seen.facts == ["regulator hold: can#A1 (adverse)", "regulator lift: can#A1 (adverse)"]
    assert shop.stock(lot) == {"held": 65, "sold": 1, "irregular": 1}
    tale.conserved(lot, 600)


def test_a_hold_of_one_shelf_follows_what_left_it(tale: Tale) -> None:
    maker, dealer, shop, other = tale.members("maker", "dealer", "shop", "other")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 600)
    maker.delivers(lot, 200, dealer, at=ago(9))
    maker.delivers(lot, 60, other, at=ago(9))
    hold = dealer.holds_back(of_position(lot, dealer), at=ago(2), reason="仓库进水")
    ship = dealer.ships(lot, 48, shop, at=ago(3))  # left the day before
    shop.receives(ship, lot, accepted=48)
    assert shop.status(lot) == {"held_before"}
    assert (tale.seen(shop, lot).verdict, tale.seen(other, lot).verdict) == ("held", "good")
    own = shop.holds_back(of_position(lot, shop))
    shop.lifts(own, of_position(lot, shop))  # by which nothing is shaken off
    assert shop.refused(build.ship, lot=lot, quantity=6, to=other.id) == "goods.held"
    shop.sells(lot, 2)
    dealer.lifts(hold, of_position(lot, dealer))
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("facts_noted", ["shop: handover", "dealer: handover", "maker: commission"])
    looked = tale.regulator.holds_back(of_position(lot, shop), reason="现场核查")
    tale.regulator.lifts(looked, of_position(lot, shop))
    shop.delivers(lot, 6, other)
    assert shop.stock(lot) == {"held": 40, "shipped": 6, "sold": 2, "irregular": 2}
    assert dealer.stock(lot) == {"held": 152, "shipped": 48}
    assert tale.seen(other, lot).verdict == "facts_noted"
    tale.conserved(lot, 600)


def test_a_recalled_ingredient_shows_in_the_formula(tale: Tale) -> None:
    dairy, maker, shop = tale.members("dairy", "maker", "shop")
    powder = tale.product(dairy, "powder", grams=25_000)
    can = tale.product(maker, "can", category="129", grams=800)
    bags = tale.made(dairy, powder, 40, "#P7")
    clean = tale.made(dairy, powder, 40, "#P8")
    for lot in (bags, clean):
        dairy.delivers(lot, 40, maker)
    made = {"production": day(10), "expiry": day(-700)}
    first, second = f"{can}#F1", f"{can}#F2"
    maker.do(build.transform, inputs={bags: 32}, outputs={first: 1000}, **made)
    maker.do(build.transform, inputs={clean: 32}, outputs={second: 1000}, **made)
    for lot in (first, second):
        maker.delivers(lot, 60, shop)
    assert shop.refused(build.transform, inputs={first: 1}, outputs={f"{can}#F9": 1}, **made) == "lot.not-maker"
    assert tale.seen(shop, first).found == {"facts_noted: can#F1"}  # nobody has inspected it
    for lot in (first, second):
        maker.says(r.FactKind.TEST, of_lot(lot), document="CC-2026-0117")
    assert tale.seen(shop, first).verdict == "good"
    recall = dairy.recalls(of_lot(bags), reason="阪崎肠杆菌")
    seen, other = tale.seen(shop, first), tale.seen(shop, second)
    assert (seen.verdict, other.verdict) == ("recalled", "good")
    assert seen.lots == ["can#F1", "powder#P7"]
    assert seen.found == {"recalled: powder#P7", "facts_noted: powder#P7"}
    assert seen.way == [
        "shop: handover", "maker: transform", "maker powder#P7: handover", "dairy powder#P7: commission",
    ]  # fmt: skip
    assert maker.refused(build.transform, inputs={bags: 8}, outputs={f"{can}#F3": 200}, **made) == "goods.held"
    assert maker.stock(bags) == {"held": 8, "used": 32}
    assert maker.stock(first) == {"held": 940, "shipped": 60}
    dairy.lifts(recall, of_lot(bags))
    assert tale.seen(shop, first).verdict == "facts_noted"
    tale.conserved(bags, 40)
    tale.conserved(first, 1000)


def test_an_ingredient_is_commissioned_after_it_was_used(tale: Tale) -> None:
    mill, maker, shop = tale.members("mill", "maker", "shop")
    flour, bun = tale.product(mill, "flour", grams=25_000), tale.product(maker, "bun", grams=80)
    bags, more = f"{flour}#M1", tale.made(mill, flour, 20, "#M2")
    maker.claims(bags, 10, mill, at=ago(5))
    mill.delivers(more, 20, maker)
    buns, made = f"{bun}#B1", {"production": day(4), "expiry": day(-20)}
    maker.do(build.transform, inputs={bags: 8}, outputs={buns: 2000}, **made)
    assert maker.refused(build.transform, inputs={more: 8}, outputs={buns: 2000}, **made) == "lot.known"
    maker.delivers(buns, 120, shop)
    seen = tale.seen(shop, buns)
    assert (seen.verdict, seen.lots) == ("not_commissioned_by_maker", ["bun#B1", "flour#M1"])
    assert seen.found == {"not_commissioned_by_maker: flour#M1", "supplier_not_confirmed: flour#M1 at maker"}

    mill.do(build.commission, lot=bags, quantity=50, production=day(9))
    mill.ships(bags, 10, maker, at=ago(5))
    seen = tale.seen(shop, buns)
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.way[1:] == ["maker: transform", "maker flour#M1: claim, handover", "mill flour#M1: commission"]
    tale.regulator.recalls(of_lot(bags))
    assert tale.seen(shop, buns).verdict == "recalled"
    assert maker.stock(bags) == {"held": 2, "used": 8}
    assert shop.stock(buns) == {"held": 120}
    tale.conserved(bags, 50)
    tale.conserved(buns, 2000)


def test_an_imported_lot_fails_its_test(tale: Tale) -> None:
    importer, shop, lab = tale.members("importer", "shop", "lab")
    shrimp = tale.imported(importer, "shrimp", temp_max_mc=-15_000)
    bad, fine = tale.made(importer, shrimp, 100, "#B1"), tale.made(importer, shrimp, 100, "#B2")
    for lot in (bad, fine):
        importer.delivers(lot, 40, shop)
    holds = {lot: importer.holds_back(of_lot(lot)) for lot in (bad, fine)}
    assert (
        shop.refused(build.transform, inputs={bad: 1}, outputs={f"{shrimp}#X": 1}, production=day(1)) == "goods.held"
    )
    lab.says(r.FactKind.TEST, of_lot(bad), adverse=True, document="JC-4417", text="核酸阳性")
    lab.says(r.FactKind.TEST, of_lot(fine), document="JC-4418", text="合格")
    importer.lifts(holds[fine], of_lot(fine))
    recall = tale.regulator.recalls(of_lot(bad), grade=1)
    gone = shop.do(build.destroy, lot=bad, quantity=40, reason=r.DestroyReason.RECALLED)
    tale.regulator.says(r.FactKind.INSPECT, of_position(bad, shop), answers=gone, text="监督销毁")
    assert importer.refused(build.ship, lot=bad, quantity=1, to=shop.id) == "goods.held"
    importer.lifts(holds[bad], of_lot(bad))
    tale.regulator.closes(recall, of_lot(bad))
    assert shop.stock(bad) == {"destroyed": 40}
    assert shop.stock(fine) == {"held": 40}
    seen = tale.seen(shop, bad)
    assert seen.verdict == "recalled"  # closed, and red for good
    assert seen.found >= {"recalled: shrimp#B1", "failed_test: shrimp#B1"}
    assert [fact.split(":")[0] for fact in seen.facts] == [
        "importer hold", "lab test", "regulator recall", "importer lift", "regulator close", "regulator inspect",
    ]  # fmt: skip
    cleared = tale.seen(shop, fine)
    assert (cleared.verdict, cleared.found) == ("facts_noted", {"facts_noted: shrimp#B2"})
    tale.conserved(bad, 100)


def test_an_expired_can_was_sold(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can", shelf_days=365)
    lot = tale.made(maker, can, 100, production=day(375), expiry=day(10), at=ago(375))
    maker.delivers(lot, 24, shop, at=ago(300))
    shop.sells(lot, 6, at=ago(30))
    shop.sells(lot, 2, at=ago(2))
    assert shop.stock(lot) == {"held": 16, "sold": 8, "irregular": 2}
    shop.do(build.destroy, lot=lot, quantity=16, reason=r.DestroyReason.EXPIRED)
    assert shop.stock(lot) == {"sold": 8, "destroyed": 16, "irregular": 2}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == (
        "expired",
        {"expired: can#A1", "facts_noted: can#A1 at maker", "facts_noted: can#A1 at shop"},
    )  # months late
    assert seen.way == ["shop: handover", "maker: commission"]
    tale.conserved(lot, 100)


def test_a_complaint_is_answered(tale: Tale) -> None:
    maker, shop, lab = tale.members("maker", "shop", "lab")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    lab.says(r.FactKind.TEST, of_lot(lot), document="JC-2026-0031", text="全项合格")
    maker.delivers(lot, 24, shop)
    assert shop.refused(build.sell, lot=lot, quantity=25) == "position.overdrawn"
    subject = of_position(lot, shop)
    complaint = tale.regulator.says(r.FactKind.NOTE, subject, adverse=True, text="消费者投诉: 结块")
    shop.says(r.FactKind.NOTE, subject, answers=complaint, text="同批抽查无结块, 已换货")
    finding = tale.regulator.says(r.FactKind.INSPECT, subject, answers=complaint, text="投诉不成立")
    assert finding != complaint
    assert shop.status(lot) == {"adverse_fact"}
    assert shop.stock(lot) == {"held": 24}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("adverse_fact", {"adverse_fact: can#A1 at shop"})
    assert seen.facts == [
        "lab test: can#A1",
        "regulator note: can#A1 at shop (adverse)",
        "shop note: can#A1 at shop",
        "regulator inspect: can#A1 at shop",
    ]
    tale.conserved(lot, 100)


def test_a_recall_of_a_maker_covers_the_days_it_names(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.product(maker, "can")
    before = tale.made(maker, can, 100, "#BEFORE", production=day(60))
    within = tale.made(maker, can, 100, "#WITHIN", production=day(40))
    undated = f"{can}#UNDATED"
    for lot in (before, within):
        maker.delivers(lot, 24, shop)
    shop.claims(undated, 24, maker)
    subject = r.Subject(kind=r.SubjectKind.MEMBER, member=maker.id)
    tale.regulator.recalls(subject, made_from=day(45), made_until=day(35), at=ago(1))
    shop.sells(before, 1)
    shop.sells(within, 1)
    assert shop.stock(before) == {"held": 23, "sold": 1}
    assert shop.stock(within) == {"held": 23, "sold": 1, "irregular": 1}
    assert (shop.status(before), shop.status(within)) == (set(), {"in_force"})
    assert tale.seen(shop, before).verdict == "facts_noted"
    assert tale.seen(shop, within).found == {"recalled: maker", "facts_noted: maker"}
    assert tale.seen(shop, undated).verdict == "recalled"  # an unknown date lies in every span
    for lot in (before, within):
        tale.conserved(lot, 100)
