"""The custody rules: what each act changes and what is refused, one story a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import entries as e
from ledger import limits
from ledger import records as r
from ledger import state as s
from ledger.custody import Step, Violation
from ledger.custody.arrival import keep_pair, pair_of
from ledger.custody.step import change
from ledger.proof.verdict import Verdict
from ledger.proof.verify import voucher_hash
from tests.world import (
    CASE,
    DAY_MS,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    OTHER_SHOP,
    POWDER,
    REGULATOR,
    SHOP,
    SHRIMP,
    STORE,
    Member,
    World,
    gtin,
    member,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def rules(problems: Any) -> list[str]:
    return [problem.rule for problem in problems]


def stock(world: World, who: Member, lot: str = LOT, site: str | None = None) -> s.Stock:
    row = world.store.get(s.stock_key(who.id, site or who.site, lot))
    return s.STOCK.decode(row) if row is not None else s.Stock()


def position(world: World, who: Member, lot: str = LOT, site: str | None = None) -> e.PositionEntry:
    row = world.store.get(b"m" + e.position_path(lot, who.id, site or who.site))
    assert row is not None
    return e.POSITION.decode(row)


def lot_entry(world: World, lot: str = LOT) -> e.LotEntry:
    row = world.store.get(b"m" + e.lot_path(lot))
    assert row is not None
    return e.LOT.decode(row)


def test_a_lot_passes_through_two_hands_and_is_sold(world: World) -> None:
    world.hand_over(MAKER, DEALER, 600)
    world.hand_over(DEALER, SHOP, 100)
    world.do(SHOP, world.sell(SHOP, 3))
    assert (world.held(MAKER), world.held(DEALER), world.held(SHOP)) == (9400, 500, 97)
    assert stock(world, SHOP).sold == 3
    assert [way.kind for way in position(world, SHOP).ways] == [e.WayKind.HANDOVER]
    assert lot_entry(world).holders == e.Chain(3, lot_entry(world).holders.head)  # type: ignore[union-attr]


def test_nobody_ships_what_they_do_not_hold(world: World) -> None:
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 10_001))) == ["position.overdrawn"]
    assert rules(world.refused(SHOP, world.sell(SHOP, 1))) == ["position.overdrawn"]
    found = world.refused(MAKER, world.ship(MAKER, DEALER, 6000), world.ship(MAKER, SHOP, 6000))
    assert rules(found) == ["position.overdrawn"]
    assert found[0].record == 1


def test_all_bad_records_of_an_envelope_are_named_and_none_is_booked(world: World) -> None:
    good = world.sell(MAKER, 1)
    unknown = f"{gtin(99)}#Z"
    found = world.refused(MAKER, world.ship(MAKER, DEALER, 10_001), good, world.sell(MAKER, 1, unknown))
    assert [(problem.record, problem.rule) for problem in found] == [
        (0, "position.overdrawn"),
        (2, "position.overdrawn"),
    ]
    assert world.held(MAKER) == 10_000
    world.do(MAKER, good)


def test_a_handover_is_received_in_parts_and_closes_for_good(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 100))[0].hash
    world.do(DEALER, world.receive(ship, accepted=60))
    assert rules(world.refused(DEALER, world.receive(ship, accepted=41))) == ["handover.more-than-open"]
    world.do(DEALER, world.receive(ship, accepted=30, refused=5, short=3, destroyed=2))
    assert rules(world.refused(DEALER, world.receive(ship, accepted=1))) == ["handover.closed"]
    assert rules(world.refused(MAKER, world.withdraw(ship, DEALER))) == ["handover.closed"]
    assert stock(world, MAKER) == s.Stock(held=9905, shipped=100, missing=3)
    assert stock(world, DEALER) == s.Stock(held=90, destroyed=2)


def test_only_the_addressee_receives_and_only_the_sender_withdraws(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 100))[0].hash
    assert rules(world.refused(SHOP, world.receive(ship, accepted=100))) == ["handover.unknown"]
    assert rules(world.refused(SHOP, world.withdraw(ship, DEALER))) == ["handover.not-sender"]
    world.do(MAKER, world.withdraw(ship, DEALER))
    assert rules(world.refused(DEALER, world.receive(ship, accepted=100))) == ["handover.closed"]
    assert world.held(MAKER) == 10_000


def test_a_receive_names_the_lot_that_was_shipped(world: World) -> None:
    world.do(MAKER, world.commission(5, f"{FORMULA}#B2"))
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 5))[0].hash
    assert rules(world.refused(DEALER, world.receive(ship, f"{FORMULA}#B2", accepted=5))) == ["handover.other-lot"]


def test_a_cold_store_keeps_what_an_importer_owns(world: World) -> None:
    lot = f"{SHRIMP}#EC7"
    world.do(IMPORTER, world.commission(500, lot, IMPORTER))
    into = world.do(IMPORTER, world.ship(IMPORTER, IMPORTER, 500, lot, to_site=STORE.site))[0].hash
    assert rules(world.refused(IMPORTER, world.receive(into, lot, accepted=500))) == ["handover.unknown"]
    world.do(STORE, world.receive(into, lot, accepted=500))
    assert world.held(IMPORTER, lot, STORE.site) == 500
    away = world.ship(STORE, SHOP, 10, lot, owner=IMPORTER.id, site=STORE.site)
    assert rules(world.refused(STORE, away)) == ["ship.not-owner"]
    sale = world.do(IMPORTER, world.ship(IMPORTER, SHOP, 10, lot, site=STORE.site))[0].hash
    world.do(SHOP, world.receive(sale, lot, accepted=10))
    back = world.ship(STORE, IMPORTER, 90, lot, owner=IMPORTER.id, site=STORE.site, to_site=IMPORTER.site)
    assert rules(world.refused(IMPORTER, world.ship(IMPORTER, IMPORTER, 90, lot, site=STORE.site))) == [
        "ship.not-keeper"
    ]
    home = world.do(STORE, back)[0].hash
    world.do(IMPORTER, world.receive(home, lot, accepted=90))
    assert world.held(IMPORTER, lot, STORE.site) == 400
    assert world.held(IMPORTER, lot) == 90


def test_a_document_line_is_booked_once_on_each_side_of_the_book(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    world.do(SHOP, world.act(r.Sell, r.Moved(quantity=1, ref="T-1/1"), buyer=1, lot=LOT, site=SHOP.site))
    again = world.act(r.Sell, r.Moved(quantity=1, ref="T-1/1"), buyer=1, lot=LOT, site=SHOP.site)
    found = world.refused(SHOP, again)
    assert rules(found) == ["ref.booked"]
    assert "leaf" in found[0].message
    twice = [world.act(r.Sell, r.Moved(quantity=1, ref="T-2/1"), buyer=1, lot=LOT, site=SHOP.site) for _ in range(2)]
    world.do(SHOP, *twice)
    entered = world.act(r.Enter, r.Moved(quantity=1, ref="T-1/1"), lot=LOT, site=SHOP.site)
    world.do(SHOP, entered)
    assert world.held(SHOP) == 98


def test_only_maker_or_importer_commissions(world: World) -> None:
    assert rules(world.refused(DEALER, world.commission(5, f"{FORMULA}#X", DEALER))) == ["lot.not-maker"]
    elsewhere = world.commission(5, f"{FORMULA}#X", MAKER, site=STORE.site)
    assert rules(world.refused(MAKER, elsewhere)) == ["site.not-own"]


def test_a_second_commission_with_another_date_is_refused_with_advice(world: World) -> None:
    found = world.refused(MAKER, world.commission(5, production=20251102))
    assert rules(found) == ["lot.other-date"]
    assert "date" in found[0].remedy
    world.do(MAKER, world.commission(5))
    assert world.held(MAKER) == 10_005


def test_stock_from_outside_is_entered_by_one_signature_and_completed_by_its_maker(world: World) -> None:
    lot = f"{FORMULA}#LATE"
    world.do(DEALER, world.enter(DEALER, 12, lot, production=20251101))
    assert lot_entry(world, lot).bits == e.Bit.NOT_COMMISSIONED
    assert position(world, DEALER, lot).bits == e.Bit.ONE_SIGNATURE
    world.hand_over(DEALER, SHOP, 6, lot)
    assert position(world, SHOP, lot).bits == e.Bit.ONE_SIGNATURE
    world.do(MAKER, world.commission(100, lot))
    assert lot_entry(world, lot).bits == 0
    assert lot_entry(world, lot).commissioner == MAKER.id
    world.do(DEALER, world.enter(DEALER, 1))
    assert position(world, DEALER).bits == e.Bit.ONE_SIGNATURE | e.Bit.REENTRY


def test_a_maker_may_close_a_product_to_entries(world: World) -> None:
    world.do(
        MAKER, world.register(FORMULA, category="129", grams=800, closed=True, temp_max_mc=30_000, temp_min_mc=0)
    )
    assert rules(world.refused(DEALER, world.enter(DEALER, 1))) == ["product.closed"]


def test_transform_makes_lots_with_parents_and_passes_bits_on(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(10, powder))
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, subject=world.lot_subject(powder)))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))
    assert world.held(MAKER, powder) == 6
    assert world.held(MAKER, blend) == 100
    assert lot_entry(world, blend).parents == [powder]
    assert lot_entry(world, blend).bits == e.Bit.FAILED_TEST
    assert rules(world.refused(MAKER, world.transform(MAKER, {powder: 1}, {blend: 1}))) == ["lot.known"]
    world.do(MAKER, world.transform(MAKER, {powder: 1}, {f"{FORMULA}#T2": 1000}))
    assert lot_entry(world, f"{FORMULA}#T2").bits & e.Bit.MORE_OUT_THAN_IN


def test_infant_formula_is_made_by_its_maker_only(world: World) -> None:
    powder = f"{POWDER}#P1"
    world.do(MAKER, world.commission(10, powder))
    world.hand_over(MAKER, DEALER, 5, powder)
    found = world.refused(DEALER, world.transform(DEALER, {powder: 1}, {f"{FORMULA}#FAKE": 30}))
    assert rules(found) == ["lot.not-maker"]


def test_move_between_own_sites(world: World) -> None:
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=f"{SHOP.id}/two"))
    world.hand_over(MAKER, SHOP, 10)
    world.do(SHOP, world.act(r.Move, world.moved(4), lot=LOT, site=SHOP.site, to_site=f"{SHOP.id}/two"))
    assert world.held(SHOP, site=f"{SHOP.id}/two") == 4
    foreign = world.act(r.Move, world.moved(4), lot=LOT, site=SHOP.site, to_site=DEALER.site)
    assert rules(world.refused(SHOP, foreign)) == ["site.not-own"]


def test_destroy_by_owner_or_keeper(world: World) -> None:
    fields = {"lot": LOT, "reason": r.DestroyReason.DAMAGED, "site": MAKER.site}
    world.do(MAKER, world.act(r.Destroy, world.moved(5), **fields))
    assert stock(world, MAKER).destroyed == 5
    assert rules(world.refused(SHOP, world.act(r.Destroy, world.moved(5), owner=MAKER.id, **fields))) == [
        "position.not-own"
    ]


@pytest.mark.parametrize("kind", [r.Hold, r.Recall])
def test_what_is_held_is_not_shipped_but_its_sale_is_told(world: World, kind: type) -> None:
    world.hand_over(MAKER, SHOP, 10)
    more = {"grade": 1} if kind is r.Recall else {}
    issued = world.do(REGULATOR, world.act(kind, reason="抽检不合格", subject=world.lot_subject(), **more))[0]
    world.now += 1000
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 1))) == ["goods.held"]
    world.do(MAKER, world.ship(MAKER, DEALER, 1, at=world.now - DAY_MS))
    world.do(SHOP, world.sell(SHOP, 2))
    world.do(SHOP, world.sell(SHOP, 1, at=world.now - 46 * DAY_MS))  # long before the hold, and booked late
    assert stock(world, SHOP).irregular == 3
    lift = world.act(r.Lift, reason="误报", subject=world.lot_subject(), target=issued.hash)
    assert rules(world.refused(SHOP, lift)) == ["scope.not-own"]
    world.do(REGULATOR, lift)
    assert lot_entry(world).bits == 0
    world.do(MAKER, world.ship(MAKER, DEALER, 1))
    assert lot_entry(world).adverse is not None
    assert lot_entry(world).adverse.count == 2  # type: ignore[union-attr]


def test_a_closed_recall_stays_red(world: World) -> None:
    recall = world.act(r.Recall, grade=2, reason="召回", subject=world.lot_subject())
    issued = world.do(MAKER, recall)[0]
    world.do(MAKER, world.act(r.Close, reason="已完成", subject=world.lot_subject(), target=issued.hash))
    assert lot_entry(world).bits == e.Bit.RECALLED


def test_a_product_recall_covers_a_span_of_production_dates(world: World) -> None:
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    outside = world.act(r.Recall, grade=1, reason="r", subject=subject, made_from=20251201, made_until=20251231)
    world.do(MAKER, outside)
    world.do(MAKER, world.ship(MAKER, DEALER, 1))
    world.do(
        MAKER, world.act(r.Recall, grade=1, reason="r", subject=subject, made_from=20251101, made_until=20251101)
    )
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 1))) == ["goods.held"]


def test_who_may_hold_what(world: World) -> None:
    hold = {"reason": "x"}
    assert rules(world.refused(SHOP, world.act(r.Hold, subject=world.lot_subject(), **hold))) == [
        "scope.no-authority"
    ]
    world.hand_over(MAKER, SHOP, 10)
    world.do(SHOP, world.act(r.Hold, subject=world.position_subject(SHOP), **hold))
    assert position(world, SHOP).bits == e.Bit.HELD
    assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 1))) == ["goods.held"]
    world.do(MAKER, world.ship(MAKER, DEALER, 1))


def test_a_breach_on_the_way_is_decided_by_the_rules_and_travels(world: World) -> None:
    lot = f"{SHRIMP}#EC7"
    world.do(IMPORTER, world.commission(500, lot, IMPORTER))
    ship = world.do(IMPORTER, world.ship(IMPORTER, DEALER, 100, lot))[0].hash
    window = r.Window(
        count=60, device="T-1", gap_s=60, max_mc=-9_000, mean_mc=-17_000, min_mc=-19_000, series=bytes(32),
        start=world.now - 3_600_000, until=world.now,
    )  # fmt: skip
    on_the_way = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=DEALER.id)
    world.do(IMPORTER, world.act(r.Fact, kind=r.FactKind.MEASURE, subject=on_the_way, window=window))
    world.do(DEALER, world.receive(ship, lot, accepted=100))
    entry = position(world, DEALER, lot)
    assert entry.bits == e.Bit.BREACHED
    assert entry.adverse is not None
    assert entry.adverse.count == 1
    world.hand_over(DEALER, SHOP, 10, lot)
    assert position(world, SHOP, lot).bits == e.Bit.BREACHED


def test_members_speak_of_their_own_and_labs_of_all(world: World) -> None:
    note = {"kind": r.FactKind.NOTE, "text": "好"}
    assert rules(world.refused(SHOP, world.act(r.Fact, subject=world.lot_subject(), **note))) == ["fact.not-own"]
    world.do(LAB, world.act(r.Fact, subject=world.lot_subject(), **note))
    world.do(MAKER, world.act(r.Fact, subject=world.lot_subject(), **note))
    assert lot_entry(world).facts.count == 3  # type: ignore[union-attr]
    nobody = r.Subject(kind=r.SubjectKind.PRODUCT, product=gtin(77))
    assert rules(world.refused(LAB, world.act(r.Fact, subject=nobody, **note))) == ["product.unknown"]


def test_unknown_member_site_and_product(world: World) -> None:
    stranger = member(99)
    assert rules(world.refused(MAKER, world.ship(MAKER, stranger, 1))) == ["member.unknown"]
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 1, to_site=f"{DEALER.id}/none"))) == ["site.unknown"]
    assert rules(world.refused(MAKER, world.commission(1, f"{gtin(50)}#A"))) == ["product.unknown"]
    assert rules(world.refused(MAKER, world.commission(1, f"{CASE}#A"))) == ["product.level"]
    world.do(DEALER, world.act(r.Site, name="旧库", region="CN-33", site=f"{DEALER.id}/old", closed=True))
    assert rules(world.refused(MAKER, world.ship(MAKER, DEALER, 1, to_site=f"{DEALER.id}/old"))) == ["site.closed"]


def test_members_are_admitted_and_suspended_by_regulators(world: World) -> None:
    newcomer = member(50)
    assert rules(world.refused(MAKER, world.admit(newcomer))) == ["member.not-regulator"]
    world.do(REGULATOR, world.admit(newcomer))
    assert rules(world.refused(REGULATOR, world.admit(newcomer))) == ["member.known"]
    world.do(REGULATOR, world.act(r.Suspend, member=MAKER.id, reason="吊销"))
    world.do(MAKER, world.ship(MAKER, DEALER, 1))
    row = world.store.get(b"m" + e.member_path(MAKER.id))
    assert row is not None
    assert e.MEMBER.decode(row).suspended == world.now - 2


def test_a_holders_declaration_gives_way_to_the_makers(world: World) -> None:
    product = gtin(60)
    world.do(DEALER, world.register(product, declared_by=r.DeclaredBy.HOLDER, maker=None, name="代填"))
    assert rules(world.refused(SHOP, world.register(product, declared_by=r.DeclaredBy.HOLDER, maker=None))) == [
        "product.declared"
    ]
    world.do(MAKER, world.register(product))
    assert rules(world.refused(DEALER, world.register(product, declared_by=r.DeclaredBy.IMPORTER, maker=None))) == [
        "product.declared"
    ]
    assert rules(world.refused(MAKER, world.register(CASE, base=POWDER, contains=6))) == ["product.level"]
    assert rules(world.refused(MAKER, world.register(gtin(61), base=CASE, contains=4))) == ["product.level"]


def test_many_sources_go_to_entries_of_their_own(world: World) -> None:
    world.hand_over(MAKER, DEALER, 1000)
    sites = [f"{DEALER.id}/s{number}" for number in range(12)]
    world.do(DEALER, *(world.act(r.Site, name="库", region="CN-33", site=site) for site in sites))
    for site in sites:
        world.do(DEALER, world.act(r.Move, world.moved(20), lot=LOT, site=DEALER.site, to_site=site))
        for _ in range(2):
            ship = world.do(DEALER, world.ship(DEALER, SHOP, 2, site=site))[0].hash
            world.do(SHOP, world.receive(ship, accepted=2))
    entry = position(world, SHOP)
    assert (len(entry.ways), entry.more_ways) == (8, 4)
    further = world.store.get(b"m" + e.way_path(e.position_path(LOT, SHOP.id, SHOP.site), 11))
    assert further is not None
    assert e.WAY.decode(further).count == 4
    voucher = b"v" * 16
    world.do(SHOP, world.act(r.Voucher, lot=LOT, site=SHOP.site, voucher=_voucher_hash(voucher)))
    product = world.verify(world.proof(position=(SHOP.id, SHOP.site)), voucher=voucher)
    assert len(product.way) == 1 + 12 + 1 + 1
    assert len(product.way[0].ways) == 12


def _voucher_hash(voucher: bytes) -> bytes:
    from ledger.proof.verify import voucher_hash

    return voucher_hash(voucher)


def test_a_voucher_belongs_to_a_position_of_ones_own(world: World) -> None:
    world.hand_over(MAKER, SHOP, 10)
    voucher = {"lot": LOT, "site": SHOP.site, "voucher": bytes(32)}
    assert rules(world.refused(OTHER_SHOP, world.act(r.Voucher, **voucher))) == ["position.unknown"]
    world.do(SHOP, world.act(r.Voucher, **voucher))
    assert rules(world.refused(SHOP, world.act(r.Voucher, **voucher))) == ["voucher.known"]
    world.do(SHOP, world.act(r.Voucher, **voucher | {"voucher": b"\x01" * 32}))
    stolen = world.act(r.Voucher, lot=LOT, site=MAKER.site, voucher=bytes(32))
    assert rules(world.refused(MAKER, stolen)) == ["voucher.known"]  # on old labels it leads to nobody else's goods


def test_no_count_grows_beyond_what_the_encoding_holds(world: World) -> None:
    from ledger.limits import QUANTITY_MAX

    lot = f"{FORMULA}#HUGE"
    made = [world.commission(QUANTITY_MAX, lot) for _ in range(4000)]
    world.do(MAKER, *made)
    world.do(MAKER, *[world.commission(QUANTITY_MAX, lot) for _ in range(4000)])
    assert (
        rules(world.refused(MAKER, *[world.commission(QUANTITY_MAX, lot) for _ in range(1008)]))[0]
        == "position.too-much"
    )


def test_no_loss_of_weight_falls_below_what_the_encoding_holds(world: World) -> None:
    lot = f"{gtin(60)}#C1"
    importer = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "tolerance_permille": 20}
    world.do(IMPORTER, world.register(gtin(60), name="带鱼", **importer))
    step = step_of(world, IMPORTER)
    change(step, IMPORTER.id, IMPORTER.site, lot, grams_lost=-limits.INTEGER_MAX)
    with pytest.raises(Violation, match="a count would pass"):
        change(step, IMPORTER.id, IMPORTER.site, lot, grams_lost=-1)


def test_what_was_delivered_is_counted_up_to_what_the_encoding_holds(world: World) -> None:
    """Over several sites more can be delivered than each of them can count."""
    step = step_of(world, SHOP)
    keep_pair(step, MAKER.id, SHOP.id, SHOP.site, LOT, s.Pair(b"", b"", limits.INTEGER_MAX + 5))
    assert pair_of(step, MAKER.id, SHOP.id, SHOP.site, LOT).delivered == limits.INTEGER_MAX


def step_of(world: World, who: Member) -> Step:
    draft = s.Draft(world.store)
    signer = draft.member(who.id)
    assert signer is not None
    return Step(draft, signer, world.now, e.Element(r.Act.FACT, world.now, 0, 0, bytes(32)), bytes(32))


def test_a_limited_key_admits_no_other(world: World) -> None:
    till = Member(MAKER.id, b"t" * 32, MAKER.kind)
    limits = r.KeyLimits(until=world.now + DAY_MS)
    world.do(MAKER, world.act(r.Key, change=r.KeyChange.ADMIT, key=till.key, limits=limits, member=MAKER.id))
    mine = world.act(r.Key, change=r.KeyChange.ADMIT, key=b"k" * 32, member=MAKER.id)
    assert rules(world.refused(till, mine)) == ["key.limited"]


def key_of(world: World, who: Member, **bounds: Any) -> Member:
    """A limited key of a member."""
    limited = Member(who.id, b"limited key of a member.".ljust(32, b"."), who.kind)
    given = r.KeyLimits(**bounds)
    world.do(who, world.act(r.Key, change=r.KeyChange.ADMIT, key=limited.key, limits=given, member=who.id))
    return limited


def test_a_limited_key_does_not_escape_through_corrections(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    second = f"{SHOP.id}/two"
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=second))
    till = key_of(world, SHOP, acts=[r.Act.SELL, r.Act.CORRECT], sites=[SHOP.site])
    entered = world.do(SHOP, world.enter(SHOP, 10))[0]
    there = world.do(SHOP, world.enter(SHOP, 10, site=second), world.sell(SHOP, 5, site=second))[1]
    sold = world.do(till, world.sell(SHOP, 20))[0]
    assert rules(world.refused(till, world.correct(entered, {"quantity": 1000}))) == ["key.act"]
    assert rules(world.refused(till, world.correct(there, None))) == ["key.site"]
    world.do(till, world.correct(sold, {"quantity": 2}))


def test_a_limited_key_acts_at_every_site_that_it_touches(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    second = f"{SHOP.id}/two"
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=second))
    till = key_of(world, SHOP, sites=[SHOP.site])
    away = world.act(r.Move, world.moved(4), lot=LOT, site=SHOP.site, to_site=second)
    assert rules(world.refused(till, away)) == ["key.site"]
    for subject, holds in [
        (world.position_subject(SHOP), True),
        (r.Subject(kind=r.SubjectKind.SITE, site=SHOP.site), True),
        (r.Subject(kind=r.SubjectKind.SITE, site=second), False),
        (r.Subject(kind=r.SubjectKind.MEMBER, member=SHOP.id), False),
    ]:
        fact = world.act(r.Fact, kind=r.FactKind.NOTE, subject=subject, text="好")
        assert (world.submit(till, fact).leaf is not None) == holds
    ship = world.do(till, world.ship(SHOP, DEALER, 5))[0].hash
    on_the_way = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=DEALER.id)
    world.do(till, world.act(r.Fact, kind=r.FactKind.NOTE, subject=on_the_way, text="好"))
    world.do(till, world.withdraw(ship, DEALER))
    hold = world.do(till, world.act(r.Hold, reason="自查", subject=world.position_subject(SHOP)))[0].hash
    world.do(till, world.act(r.Lift, reason="好", subject=world.position_subject(SHOP), target=hold))
    assert rules(world.refused(till, world.withdraw(ship, DEALER))) == ["key.site"]


def test_a_maker_takes_back_a_lot_number_that_a_repacker_used(world: World) -> None:
    code = gtin(73)
    sack, squatted = f"{POWDER}#P1", f"{code}#P2"
    world.do(MAKER, world.commission(10, sack))
    world.hand_over(MAKER, DEALER, 5, sack)
    world.do(DEALER, world.register(code, declared_by=r.DeclaredBy.HOLDER, maker=None))
    assert rules(world.refused(DEALER, world.transform(DEALER, {sack: 1}, {f"{POWDER}#P3": 1}))) == ["lot.not-maker"]
    world.do(DEALER, world.transform(DEALER, {sack: 1}, {squatted: 1}))
    assert lot_entry(world, squatted).commissioner == DEALER.id
    findings = world.verify(world.proof(squatted), squatted).findings
    assert [found.verdict.name for found in findings] == ["NOT_COMMISSIONED_BY_MAKER"]
    world.do(MAKER, world.register(code))
    world.do(MAKER, world.commission(100, squatted))
    assert (lot_entry(world, squatted).commissioner, lot_entry(world, squatted).parents) == (MAKER.id, [sack])


def test_a_maker_corrects_a_holders_case(world: World) -> None:
    case = gtin(70)
    world.do(SHOP, world.register(case, declared_by=r.DeclaredBy.HOLDER, maker=None, base=FORMULA, contains=1000))
    world.do(MAKER, world.register(case, base=FORMULA, contains=12))
    assert rules(world.refused(MAKER, world.register(case, base=FORMULA, contains=6))) == ["product.level"]


def test_who_declared_for_want_of_a_maker_does_not_answer_for_the_product(world: World) -> None:
    product = gtin(71)
    world.do(DEALER, world.register(product, declared_by=r.DeclaredBy.HOLDER, maker=None))
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=product)
    assert rules(world.refused(DEALER, world.act(r.Hold, reason="x", subject=subject))) == ["scope.no-authority"]
    assert rules(world.refused(DEALER, world.commission(1, f"{product}#A", DEALER))) == ["lot.not-maker"]


def test_a_regulator_settles_whose_code_it_is(world: World) -> None:
    product = gtin(72)
    world.do(SHOP, world.register(product, declared_by=r.DeclaredBy.IMPORTER, maker=None))
    assert rules(world.refused(MAKER, world.register(product))) == ["product.declared"]
    world.do(REGULATOR, world.register(product))
    world.do(MAKER, world.commission(1, f"{product}#A"))
    assert rules(world.refused(SHOP, world.commission(1, f"{product}#B", SHOP))) == ["lot.not-maker"]


def test_recalled_goods_go_back_and_held_ones_stay(world: World) -> None:
    world.hand_over(MAKER, DEALER, 60)
    recall = world.do(REGULATOR, world.act(r.Recall, grade=1, reason="不合格", subject=world.lot_subject()))[0].hash
    assert rules(world.refused(DEALER, world.ship(DEALER, SHOP, 10))) == ["goods.held"]
    back = world.do(DEALER, world.ship(DEALER, MAKER, 40, returns=True))[0].hash
    world.do(MAKER, world.receive(back, accepted=40))
    assert (world.held(DEALER), world.held(MAKER)) == (20, 9_980)
    world.do(REGULATOR, world.act(r.Hold, reason="查封", subject=world.position_subject(DEALER)))
    assert rules(world.refused(DEALER, world.ship(DEALER, MAKER, 5, returns=True))) == ["goods.held"]
    lift = world.act(r.Lift, reason="误判", subject=world.lot_subject(), target=recall)
    world.do(REGULATOR, lift)
    assert rules(world.refused(DEALER, world.ship(DEALER, MAKER, 5, returns=True))) == ["goods.held"]


def test_ancestors_are_counted_up_to_a_bound(world: World) -> None:
    """With repetition their number grows by a factor with every transformation, and would pass every integer."""
    lots = [f"{POWDER}#P{number}" for number in range(64)]
    world.do(MAKER, *(world.commission(2, lot) for lot in lots))
    for generation in range(5):
        made = [f"{POWDER}#G{generation}-{number}" for number in range(64)]
        world.do(MAKER, world.transform(MAKER, dict.fromkeys(lots, 1), dict.fromkeys(made, 1)))
        lots = made
    assert lot_entry(world, lots[0]).ancestors == limits.ANCESTORS_COUNTED_MAX
    assert lot_entry(world, lots[0]).bits & e.Bit.ANCESTRY_IN_PART


def hold_own(world: World, who: Member, lot: str = LOT) -> bytes:
    return world.do(who, world.act(r.Hold, reason="自查", subject=world.position_subject(who, lot)))[0].hash


def test_what_left_before_a_hold_is_free_when_that_is_lifted(world: World) -> None:
    """The dealer holds its stock; of what it had shipped that morning, the shop had sold on an hour later."""
    world.hand_over(MAKER, DEALER, 100)
    morning = world.now
    world.now += 3_600_000
    hold = hold_own(world, DEALER)
    ship = world.do(DEALER, world.ship(DEALER, SHOP, 50, at=morning))[0].hash
    world.do(SHOP, world.receive(ship, accepted=50))
    assert position(world, SHOP).bits == e.Bit.HELD_BEFORE
    assert rules(world.refused(SHOP, world.ship(SHOP, OTHER_SHOP, 5))) == ["goods.held"]
    further = world.do(SHOP, world.ship(SHOP, OTHER_SHOP, 5, at=morning + 1000))[0].hash
    world.do(OTHER_SHOP, world.receive(further, accepted=5))
    assert rules(world.refused(OTHER_SHOP, world.ship(OTHER_SHOP, DEALER, 1))) == ["goods.held"]
    world.do(DEALER, world.act(r.Lift, reason="误报", subject=world.position_subject(DEALER), target=hold))
    world.do(SHOP, world.ship(SHOP, OTHER_SHOP, 5))
    world.do(OTHER_SHOP, world.ship(OTHER_SHOP, DEALER, 1))


def test_no_hold_is_shaken_off_through_a_return(world: World) -> None:
    """A way that does not lead back through the holder counts as held, until a regulator lifts it there."""
    world.hand_over(MAKER, DEALER, 100)
    morning = world.now
    world.now += 3_600_000
    hold_own(world, DEALER)
    back = world.do(DEALER, world.ship(DEALER, MAKER, 50, at=morning, returns=True))[0].hash
    world.do(MAKER, world.receive(back, accepted=50))
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 5))) == ["goods.held"]
    subject = world.position_subject(MAKER)
    cure = world.do(REGULATOR, world.act(r.Hold, reason="查", subject=subject))[0].hash
    world.do(REGULATOR, world.act(r.Lift, reason="好", subject=subject, target=cure))
    world.do(MAKER, world.ship(MAKER, SHOP, 5))


def test_recalled_goods_are_collected_by_another_keeper(world: World) -> None:
    """Bought where they lay, in a store, and brought home: from home they go back to the store, and from there."""
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 100, to_site=STORE.site))[0].hash
    world.do(SHOP, world.receive(ship, accepted=100))
    home = world.do(STORE, world.ship(STORE, SHOP, 100, owner=SHOP.id, site=STORE.site))[0].hash
    world.do(SHOP, world.receive(home, accepted=100))
    world.do(MAKER, world.act(r.Recall, grade=1, reason="召回", subject=world.lot_subject()))
    to_store = world.do(SHOP, world.ship(SHOP, SHOP, 100, to_site=STORE.site))[0].hash
    world.do(STORE, world.receive(to_store, accepted=100))
    back = world.do(SHOP, world.ship(SHOP, MAKER, 100, site=STORE.site, returns=True))[0].hash
    world.do(MAKER, world.receive(back, accepted=100))
    assert world.held(MAKER) == 10_000
    assert stock(world, SHOP).irregular == 0


def test_relabelled_goods_of_a_recall_still_go_back(world: World) -> None:
    mistaken = f"{FORMULA}#B2"
    world.hand_over(MAKER, SHOP, 100)
    world.do(SHOP, world.enter(SHOP, 5, mistaken))
    world.do(MAKER, world.act(r.Recall, grade=1, reason="召回", subject=world.lot_subject(mistaken)))
    world.do(SHOP, world.relabel(SHOP, 5, mistaken, LOT))
    assert position(world, SHOP).bits & e.IN_FORCE_BEFORE == e.Bit.RECALLED_BEFORE
    assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 5))) == ["goods.held"]
    world.do(SHOP, world.ship(SHOP, MAKER, 5, returns=True))


def test_a_recall_by_production_dates_is_not_shaken_off_by_another_lot(world: World) -> None:
    """The span covers the mistaken lot, and not the one that it is given out for."""
    other = f"{FORMULA}#B2"
    world.do(MAKER, world.commission(10, other, production=20251201))
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    span = {"made_from": 20251101, "made_until": 20251101}
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="召回", subject=subject, **span))
    world.do(MAKER, world.ship(MAKER, SHOP, 1, other))
    world.do(MAKER, world.relabel(MAKER, 5, LOT, other))
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 5, other))) == ["goods.held"]


def test_what_is_used_after_its_date_is_taken_and_counted(world: World) -> None:
    powder = f"{POWDER}#P1"
    world.do(MAKER, world.commission(10, powder, expiry=20251101))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {f"{FORMULA}#T1": 100}))
    assert stock(world, MAKER, powder) == s.Stock(held=6, used=4, irregular=4)


def test_a_second_revocation_does_not_clear_the_first(world: World) -> None:
    """Whoever holds another key of the member could else take the suspicion away."""
    times = []
    for suspect in (world.now - 500, None, world.now - 900, world.now - 100):
        change = {"change": r.KeyChange.REVOKE, "key": SHOP.key, "member": SHOP.id, "suspect_from": suspect}
        world.do(REGULATOR, world.act(r.Key, **change))
        row = world.store.get(b"m" + e.key_path(SHOP.id, e.key_id(SHOP.key)))
        assert row is not None
        times.append((e.KEY.decode(row).revoked, e.KEY.decode(row).suspect_from))
    first = times[0][0]
    start = times[0][1] or 0
    assert times == [(first, start), (first, start), (first, start - 400), (first, start - 400)]


def test_an_importer_does_not_shake_off_the_maker_that_it_declared(world: World) -> None:
    """A maker's recall covers all that is made by it."""
    declared = {"declared_by": r.DeclaredBy.IMPORTER, "name": "奶酪"}
    cheese = gtin(70)
    world.do(IMPORTER, world.register(cheese, maker=MAKER.id, **declared))
    for maker in (None, DEALER.id):
        refused = world.refused(IMPORTER, world.register(cheese, maker=maker, **declared))
        assert rules(refused) == ["product.maker"]
    world.do(REGULATOR, world.register(cheese, maker=DEALER.id, **declared))


def closed_site(world: World) -> tuple[str, int]:
    """The shop's second site, given up now, with five cans there; and the time before."""
    two = f"{SHOP.id}/two"
    site = {"name": "二店", "region": "CN-33", "site": two}
    world.do(SHOP, world.act(r.Site, **site))
    before = world.now
    world.do(SHOP, world.enter(SHOP, 5, site=two))
    world.do(SHOP, world.act(r.Site, closed=True, **site))
    world.now += 1000
    world.do(SHOP, world.act(r.Site, closed=True, **site | {"name": "旧二店"}))  # closed it stays, since then
    return two, before


def test_what_happened_before_a_site_was_closed_is_booked_later(world: World) -> None:
    two, before = closed_site(world)
    world.do(SHOP, world.enter(SHOP, 3, site=two, at=before), world.count(SHOP, 8, 9, site=two, at=before))
    world.do(MAKER, world.ship(MAKER, SHOP, 4, to_site=two, at=before))
    move = {"lot": LOT, "site": two, "to_site": SHOP.site}
    world.do(SHOP, world.act(r.Move, world.moved(9), **move | {"at": before}))
    assert (world.held(SHOP), world.held(SHOP, site=two)) == (9, 0)
    world.now += 44 * DAY_MS
    world.do(SHOP, world.enter(SHOP, 1, site=two, at=before))


def test_no_new_trade_goes_through_a_closed_site(world: World) -> None:
    two, before = closed_site(world)
    for act in (world.enter(SHOP, 3, site=two), world.count(SHOP, 5, 6, site=two)):
        assert rules(world.refused(SHOP, act)) == ["site.closed"]
    assert rules(world.refused(MAKER, world.ship(MAKER, SHOP, 4, to_site=two))) == ["site.closed"]
    world.now += 46 * DAY_MS  # nor does an old date help for ever
    assert rules(world.refused(SHOP, world.enter(SHOP, 3, site=two, at=before))) == ["site.closed"]
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=two))
    world.do(SHOP, world.enter(SHOP, 3, site=two))


def warm(world: World) -> r.Window:
    return r.Window(
        count=60, device="T-1", gap_s=60, max_mc=40_000, mean_mc=20_000, min_mc=1_000, series=bytes(32),
        start=world.now - 3_600_000, until=world.now,
    )  # fmt: skip


@pytest.mark.parametrize("closes", ["receive", "claim", "ship"])
def test_a_log_that_comes_after_the_receipt_reaches_the_goods(world: World, closes: str) -> None:
    """As it would have, had it come before."""
    if closes == "ship":
        world.do(SHOP, world.claim(SHOP, MAKER, 10))
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0].hash
    if closes != "ship":
        world.do(SHOP, world.receive(ship, accepted=10) if closes == "receive" else world.claim(SHOP, MAKER, 10))
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=SHOP.id)
    log = {"kind": r.FactKind.MEASURE, "subject": subject, "window": warm(world)}
    assert rules(world.refused(DEALER, world.act(r.Fact, **log))) == ["fact.not-own"]
    logger = key_of(world, MAKER, acts=[r.Act.FACT], sites=[MAKER.site])
    world.do(logger, world.act(r.Fact, **log))
    entry = position(world, SHOP)
    assert entry.bits & e.Bit.BREACHED
    assert entry.adverse is not None
    assert position(world, MAKER).bits == 0


def test_a_log_in_between_reaches_both_ends_of_a_ship_that_was_refused_in_part(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0].hash
    world.do(SHOP, world.receive(ship, accepted=3))
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=SHOP.id)
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.MEASURE, subject=subject, window=warm(world)))
    assert position(world, SHOP).bits & e.Bit.BREACHED
    world.do(SHOP, world.receive(ship, accepted=1, refused=6))
    for who in (MAKER, SHOP):
        entry = position(world, who)
        assert entry.bits & e.Bit.BREACHED
        assert entry.adverse is not None
        assert entry.adverse.count == 1


def test_stock_is_not_frozen_by_a_code_that_becomes_a_case(world: World) -> None:
    """A shop had declared a case as an item of its own, for want of the maker's declaration."""
    case = gtin(73)
    lot, other = f"{case}#L1", f"{case}#L2"
    world.do(SHOP, world.register(case, declared_by=r.DeclaredBy.HOLDER, maker=None))
    world.do(SHOP, world.enter(SHOP, 20, lot))
    sale = world.do(SHOP, world.sell(SHOP, 2, lot))[0]
    world.do(MAKER, world.register(case, base=FORMULA, contains=6))
    gone = world.act(r.Destroy, world.moved(1), lot=lot, reason=r.DestroyReason.DAMAGED, site=SHOP.site)
    world.do(SHOP, world.sell(SHOP, 3, lot), gone, world.count(SHOP, 14, 15, lot), world.take_back(SHOP, 1, lot))
    world.do(SHOP, world.correct(sale, {"quantity": 1}), world.relabel(SHOP, 2, lot, other))
    world.hand_over(SHOP, DEALER, 4, lot)
    assert stock(world, SHOP, lot) == s.Stock(held=11, shipped=4, sold=3, used=2, destroyed=1)
    world.do(REGULATOR, world.act(r.Hold, reason="抽检", subject=world.lot_subject(lot)))
    assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 1, lot))) == ["goods.held"]
    voucher = b"V" * 16
    world.do(DEALER, world.act(r.Voucher, lot=lot, site=DEALER.site, voucher=voucher_hash(voucher)))
    shown = world.verify(world.proof(lot, (DEALER.id, DEALER.site)), lot, voucher=voucher)
    assert (shown.verdict, [place.owner for place in shown.way]) == (Verdict.HELD, [DEALER.id, SHOP.id])
    for act in (world.enter(SHOP, 1, lot), world.count(SHOP, 0, 1, f"{case}#L3")):
        assert rules(world.refused(SHOP, act)) == ["product.level"]


def test_what_is_said_of_the_can_holds_for_stock_under_the_code_of_its_case(world: World) -> None:
    """Neither a recall of the item, nor one of the same lot number, is shaken off by the other code."""
    case = gtin(73)
    lot = f"{case}#A1"
    world.do(SHOP, world.register(case, declared_by=r.DeclaredBy.HOLDER, maker=None))
    world.do(SHOP, world.enter(SHOP, 20, lot, production=20251101))
    world.do(MAKER, world.register(case, base=FORMULA, contains=6))
    assert world.verify(world.proof(lot), lot).verdict == Verdict.NOT_COMMISSIONED_BY_MAKER
    for subject in (r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA), world.lot_subject(LOT)):
        issued = world.do(REGULATOR, world.act(r.Recall, grade=1, reason="召回", subject=subject))[0].hash
        assert world.verify(world.proof(lot), lot).verdict == Verdict.RECALLED
        if subject.product is not None:
            assert rules(world.refused(SHOP, world.ship(SHOP, DEALER, 1, lot))) == ["goods.held"]
        world.do(REGULATOR, world.act(r.Lift, reason="误报", subject=subject, target=issued))
