"""Tales of who signs and who may look: keys, liquidators, private data, posters, late makers, unknown codes."""

import pytest

from client_sdk import build, errors
from ledger import records as r
from ledger.private import Private
from tests.stories.stage import Actor, Tale, ago, day, of_lot

pytestmark = pytest.mark.slow


def key(actor: Actor, change: r.KeyChange, public: bytes, of: Actor, **fields: object) -> bytes:
    return actor.book(build.act(r.Key, at=ago(0), change=change, key=public, member=of.id, **fields))[0]


def test_a_market_terminal_is_stolen(tale: Tale) -> None:
    maker, stall, shop = tale.members("maker", "stall", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 500)
    terminal = tale.actor(tale.another_key(stall))
    public = terminal.identity.public.key
    assert terminal.refused(build.sell, lot=lot, quantity=1) == "key.unknown"
    limits = r.KeyLimits(acts=[r.Act.RECEIVE, r.Act.SHIP, r.Act.SELL], sites=[stall.site], until=ago(-90))
    key(stall, r.KeyChange.ADMIT, public, stall, label="7号摊位终端", limits=limits)
    terminal.receives(maker.ships(lot, 100, stall), lot, accepted=100)
    terminal.sells(lot, 5)
    assert terminal.refused(build.enter, lot=lot, quantity=50) == "key.act"
    lost = ago(0)
    sold = terminal.ships(lot, 20, shop)  # by the thief
    shop.receives(sold, lot, accepted=20)
    key(stall, r.KeyChange.REVOKE, public, stall, suspect_from=lost)
    assert terminal.refused(build.sell, lot=lot, quantity=1, ref="T-9/1") == "key.revoked"
    assert stall.stock(lot) == {"held": 75, "shipped": 20, "sold": 5}
    assert shop.stock(lot) == {"held": 20}
    seen = tale.seen(shop, lot)
    assert seen.way == ["shop: handover", "stall: handover", "maker: commission"]  # what it signed stays valid
    assert seen.verdict == "key_suspect"  # and is flagged
    assert seen.found == {"key_suspect: stall"}
    assert tale.seen(stall, lot).verdict == "good"  # what it received before was its owner's doing
    stall.sells(lot, 1)
    tale.conserved(lot, 500)


def test_a_liquidator_sells_the_stock_of_a_bankrupt_dealer(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 500)
    maker.delivers(lot, 300, dealer)
    liquidator = tale.actor(tale.another_key(dealer))
    limits = r.KeyLimits(acts=[r.Act.SHIP, r.Act.SELL, r.Act.COUNT, r.Act.DESTROY])
    public = liquidator.identity.public.key
    assert shop.refused(key_act, change=r.KeyChange.ADMIT, key=public, member=dealer.id) == "key.not-own"
    key(tale.regulator, r.KeyChange.ADMIT, public, dealer, label="破产管理人 王律师", limits=limits)
    key(tale.regulator, r.KeyChange.REVOKE, dealer.identity.public.key, dealer)
    tale.regulator.book(build.act(r.Suspend, at=ago(0), member=dealer.id, reason="破产清算"))
    assert dealer.refused(build.sell, lot=lot, quantity=300) == "key.revoked"
    liquidator.do(build.count, lot=lot, book=300, found=290)
    liquidator.delivers(lot, 250, shop)
    liquidator.sells(lot, 40, buyer=r.SaleTo.BUSINESS)
    assert liquidator.stock(lot) == {"shipped": 250, "sold": 40, "lost": 10}
    assert shop.stock(lot) == {"held": 250}
    seen = tale.seen(shop, lot)
    assert seen.way == ["shop: handover", "dealer: handover", "maker: commission"]
    assert (seen.verdict, seen.found) == ("member_suspended", {"member_suspended: dealer"})
    tale.conserved(lot, 500)


def key_act(at: int, **fields: object) -> build.Act:
    return build.act(r.Key, at=at, **fields)


def test_private_data_is_erased_and_every_proof_holds(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    private = Private(address="嘉兴市南湖区中山路1号", contact="张三 138-0000-0000", currency="CNY", price=129_900)
    act = build.with_private(maker.act(build.ship, lot=lot, quantity=60, to=dealer.id), private)
    [envelope] = list(maker.client.sign([act]))
    leaf = maker.client.submit_envelope(envelope).leaf
    maker.client.put_private(leaf, envelope.private)
    for reader in (maker, dealer, tale.regulator):
        assert reader.client.private(leaf, 0) == private
    with pytest.raises(errors.NotAuthenticated, match="no party"):
        shop.client.private(leaf, 0)
    dealer.receives(envelope.hashes[0], lot, accepted=60)
    before = tale.seen(dealer, lot)
    assert maker.client.erase_private([(leaf, 0)], "当事人要求删除") == 1
    with pytest.raises(errors.NotFound, match="当事人要求删除"):
        dealer.client.private(leaf, 0)
    with pytest.raises(errors.EnvelopeRefused, match="does not come back"):
        maker.client.put_private(leaf, envelope.private)
    record = maker.client.own_record(leaf, 0)
    assert record.record.private is not None  # the seal stays, and opens nothing any more
    assert dealer.stock(lot) == {"held": 60}
    after = tale.seen(dealer, lot)
    assert (after.verdict, after.found, after.way) == (before.verdict, before.found, before.way)
    assert (after.verdict, after.way) == ("good", ["dealer: handover", "maker: commission"])
    tale.conserved(lot, 100)


def test_a_shop_hangs_a_poster_at_its_door(tale: Tale) -> None:
    maker, shop, quiet = tale.members("maker", "shop", "quiet")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    for one in (shop, quiet):
        maker.delivers(lot, 24, one)
    shop.book(build.act(r.Site, at=ago(0), name="爱婴坊", public=True, region="CN-33", site=shop.site))
    seen = tale.seen_in(shop.site, lot)
    assert (seen.verdict, seen.way) == ("good", ["shop: handover", "maker: commission"])
    with pytest.raises(errors.NotFound, match="not a public site"):
        tale.seen_in(quiet.site, lot)
    bare = tale.scanned(lot)
    assert (bare.verdict, bare.way, bare.holders) == ("good", [], 3)  # the code alone tells how many, not who
    assert "quiet" not in bare.members
    assert (shop.stock(lot), quiet.stock(lot)) == ({"held": 24}, {"held": 24})
    tale.conserved(lot, 100)


def test_a_maker_commissions_what_shops_have_sold_already(tale: Tale) -> None:
    maker, shop, other = tale.members("maker", "shop", "other")
    can = tale.product(maker, "can")
    lot = f"{can}#LATE"
    claim = shop.claims(lot, 60, maker, at=ago(5))
    shop.sells(lot, 12, at=ago(3))
    other.do(build.enter, lot=lot, quantity=10, at=ago(3))
    early = tale.seen(shop, lot)
    assert early.verdict == "not_commissioned_by_maker"
    assert early.found == {"not_commissioned_by_maker: can#LATE", "supplier_not_confirmed: can#LATE at shop"}
    tale.conserved(lot, 10)

    maker.do(build.commission, lot=lot, quantity=500, production=day(20), expiry=day(-700), at=ago(20))
    assert tale.seen(shop, lot).verdict == "supplier_not_confirmed"
    maker.ships(lot, 60, shop, claim=claim, at=ago(5))
    assert shop.stock(lot) == {"held": 48, "sold": 12}
    assert maker.stock(lot) == {"held": 440, "shipped": 60}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.found) == ("good", set())
    assert seen.entries[0].production == day(20)
    assert seen.way == ["shop: claim, handover", "maker: commission"]
    assert tale.seen(other, lot).verdict == "entered_by_one_signature"
    tale.conserved(lot, 510)


def test_a_code_that_nobody_declared_is_proven_unknown(tale: Tale) -> None:
    [maker] = tale.members("maker")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 10)
    strange, wrong = tale.scanned(f"{tale.gtin()}#A1"), tale.scanned(f"(01){can}(10)B2")
    for seen in (strange, wrong):
        assert (seen.verdict, seen.lots, seen.way) == ("unknown_code", [], [])
    assert wrong.found == {"unknown_code: can#B2"}
    assert tale.scanned(lot).verdict == "good"
    assert maker.stock(lot) == {"held": 10}
    tale.conserved(lot, 10)


def test_a_suspended_dealer_still_says_what_happened(tale: Tale) -> None:
    maker, dealer, shop = tale.members("maker", "dealer", "shop")
    can = tale.product(maker, "can")
    lot = tale.made(maker, can, 100)
    maker.delivers(lot, 60, dealer)
    suspend = {"at": ago(0), "member": dealer.id}
    tale.regulator.book(build.act(r.Suspend, reason="许可证过期", **suspend))
    dealer.delivers(lot, 24, shop)
    assert tale.seen(shop, lot).found == {"member_suspended: dealer"}
    tale.regulator.book(build.act(r.Suspend, reason="已换证", ended=True, **suspend))
    assert (dealer.stock(lot), shop.stock(lot)) == ({"held": 36, "shipped": 24}, {"held": 24})
    assert tale.seen(shop, lot).verdict == "good"
    tale.conserved(lot, 100)


def test_a_shop_declares_what_the_maker_has_not(tale: Tale) -> None:
    maker, shop = tale.members("maker", "shop")
    can = tale.gtin()
    shop.book(
        build.act(r.Register, at=ago(0), declared_by=r.DeclaredBy.HOLDER, maker=maker.id, name="某乳粉", product=can)
    )  # fmt: skip
    lot = f"{can}#A1"
    shop.do(build.count, lot=lot, book=0, found=6, kind=r.CountKind.OPENING)
    assert shop.refused(build.commission, lot=lot, quantity=6, production=day(9)) == "lot.not-maker"
    assert tale.seen(shop, lot).verdict == "not_commissioned_by_maker"
    tale.product(maker, "can", can)
    maker.do(build.commission, lot=lot, quantity=100, production=day(9))
    tale.regulator.says(r.FactKind.CERTIFY, of_lot(lot), document="补录")
    assert shop.stock(lot) == {"held": 6}
    seen = tale.seen(shop, lot)
    assert (seen.verdict, seen.way) == ("entered_by_one_signature", ["shop: count"])
    assert seen.lots == ["can#A1"]
    tale.conserved(lot, 106)
