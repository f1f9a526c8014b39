"""Attacks on what the rules promise, each as a liar would try it: every one once succeeded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger import entries as e
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER, Envelope
from ledger.errors import VerifyFailed
from ledger.proof import build
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Query, voucher_hash
from tests.twins import verify_both
from tests.world import (
    DAY_MS,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOT,
    MAKER,
    OTHER_SHOP,
    POLICY,
    REGULATOR,
    SHOP,
    STORE,
    Member,
    World,
    gtin,
    member,
)

BEEF = gtin(61)
BEEF_LOT = f"{BEEF}#W1"
VOUCHER = b"v" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def refused(world: World, who: Member, *acts: object) -> list[str]:
    return [problem.rule for problem in world.refused(who, *acts)]  # type: ignore[arg-type]


def limited(world: World, who: Member, *, acts: list[r.Act] | None = None, sites: list[str] | None = None) -> Member:
    """A second key of a member, with limits."""
    clerk = Member(who.id, b"\x77" * 32, who.kind)
    limits = r.KeyLimits(acts=acts, sites=sites)
    world.do(who, world.act(r.Key, change=r.KeyChange.ADMIT, key=clerk.key, member=who.id, limits=limits))
    return clerk


def test_a_copied_ship_opens_no_second_handover(world: World) -> None:
    """Whoever is told a ship's opening signs the same bytes as one where custody alone moves, to another receiver."""
    world.hand_over(MAKER, DEALER, 500)
    world.do(SHOP, world.enter(SHOP, 100, site=DEALER.site))
    ship = world.do(DEALER, world.ship(DEALER, SHOP, 40, to_site=STORE.site))[0]
    copied = world.book(world.envelope(SHOP, [ship])).verdicts[0]
    assert [problem.rule for problem in copied.problems] != []
    world.do(DEALER, world.withdraw(ship.hash, SHOP))
    assert world.held(DEALER) == 500


def test_a_limited_key_of_a_regulator_admits_nobody(world: World) -> None:
    clerk = limited(world, REGULATOR, acts=[r.Act.ADMIT, r.Act.HOLD])
    assert refused(world, clerk, world.admit(member(81))) == ["key.limited"]


def test_a_limited_key_corrects_only_what_it_may_sign(world: World) -> None:
    world.hand_over(MAKER, DEALER, 50)
    sold = world.do(DEALER, world.sell(DEALER, 10))[0]
    clerk = limited(world, DEALER, acts=[r.Act.CORRECT, r.Act.SHIP])
    assert refused(world, clerk, world.correct(sold, {"quantity": 1})) == ["key.act"]


def test_a_retired_key_admits_no_successor(world: World) -> None:
    world.do(DEALER, world.act(r.Key, change=r.KeyChange.RETIRE, key=DEALER.key, member=DEALER.id))
    other = Member(DEALER.id, b"\x78" * 32, DEALER.kind)
    act = world.act(r.Key, change=r.KeyChange.ADMIT, key=other.key, member=DEALER.id)
    assert refused(world, DEALER, act) == ["key.retired"]


def test_who_stole_a_key_does_not_clear_it(world: World) -> None:
    stolen = Member(DEALER.id, b"\x79" * 32, DEALER.kind)
    world.do(DEALER, world.act(r.Key, change=r.KeyChange.ADMIT, key=stolen.key, member=DEALER.id))
    suspect = world.now
    for since in (suspect, suspect + 1000, None):
        revoke = world.act(r.Key, change=r.KeyChange.REVOKE, key=stolen.key, member=DEALER.id, suspect_from=since)
        world.do(DEALER, revoke)
    row = world.store.get(b"m" + e.key_path(DEALER.id, e.key_id(stolen.key)))
    assert row is not None
    assert e.KEY.decode(row).suspect_from == suspect


def test_a_suspended_regulator_does_not_end_that(world: World) -> None:
    other = member(82, r.MemberKind.REGULATOR)
    world.do(REGULATOR, world.admit(other))
    world.do(REGULATOR, world.act(r.Suspend, member=other.id, reason="accepted money"))
    end = world.act(r.Suspend, member=other.id, reason="did not", ended=True)
    assert refused(world, other, end) == ["member.not-regulator"]


def test_an_importer_does_not_drop_a_recalled_maker(world: World) -> None:
    product = gtin(60)
    declared = {"declared_by": r.DeclaredBy.IMPORTER}
    world.do(IMPORTER, world.register(product, maker=OTHER_SHOP.id, **declared))
    assert refused(world, IMPORTER, world.register(product, maker=None, **declared)) == ["product.maker"]
    assert refused(world, IMPORTER, world.register(product, maker=SHOP.id, **declared)) == ["product.maker"]


def test_a_recall_issued_twice_is_refused(world: World) -> None:
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    recall = world.seal(world.act(r.Recall, grade=1, reason="salmonella", subject=subject))
    assert not world.book(world.envelope(REGULATOR, [recall])).verdicts[0].problems
    again = world.book(world.envelope(REGULATOR, [recall])).verdicts[0]
    assert [problem.rule for problem in again.problems] == ["record.twice"]


def test_a_maker_does_not_fill_the_room_for_recalls(world: World) -> None:
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    empty = {"made_from": 19000101, "made_until": 19000101, "subject": subject}
    world.do(MAKER, *(world.act(r.Hold, reason=str(number), **empty) for number in range(128)))
    assert refused(world, MAKER, world.act(r.Hold, reason="more", **empty)) == ["scope.too-many"]
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="salmonella", subject=subject))


def test_parties_leave_room_for_what_a_laboratory_finds(world: World) -> None:
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 10))[0]
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=DEALER.id)

    def note(number: int) -> object:
        return world.act(r.Fact, kind=r.FactKind.NOTE, text=str(number), subject=subject)

    world.do(MAKER, *(note(number) for number in range(32)))  # type: ignore[arg-type]
    assert refused(world, MAKER, note(32)) == ["handover.facts"]
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, text="lead", subject=subject))


def test_a_count_of_an_empty_position_gains_no_weight_unseen(world: World) -> None:
    """The tolerance is that of what is held, not of what a book claims."""
    world.do(IMPORTER, world.register(BEEF, declared_by=r.DeclaredBy.IMPORTER, maker=None, tolerance_permille=20))
    counted = world.act(
        r.Count,
        r.Counted(book=1, found=1, book_grams=10_000_000, found_grams=10_100_000, ref=world.ref()),
        kind=r.CountKind.PERIODIC,
        lot=BEEF_LOT,
        site=SHOP.site,
    )
    world.do(SHOP, counted)
    row = world.store.get(b"m" + e.position_path(BEEF_LOT, SHOP.id, SHOP.site))
    assert row is not None
    assert e.POSITION.decode(row).bits & e.Bit.ONE_SIGNATURE


def test_a_return_to_a_fresh_site_hides_nothing(world: World) -> None:
    """It is a handover like any other: its way leads back through whoever returned the goods."""
    world.hand_over(MAKER, DEALER, 100)
    world.hand_over(DEALER, SHOP, 100)
    recall = world.act(r.Recall, grade=1, reason="salmonella", subject=world.position_subject(SHOP))
    world.do(REGULATOR, recall)
    elsewhere = {"to_site": OTHER_SHOP.site, "returns": True}
    assert refused(world, SHOP, world.ship(SHOP, DEALER, 101, **elsewhere)) == ["position.overdrawn"]
    ship = world.do(SHOP, world.ship(SHOP, DEALER, 90, **elsewhere))[0]
    world.do(DEALER, world.receive(ship.hash, accepted=90))
    there = {"lot": LOT, "site": OTHER_SHOP.site}
    world.do(DEALER, world.act(r.Voucher, voucher=voucher_hash(VOUCHER), **there))
    shown = world.verify(world.proof(LOT, (DEALER.id, OTHER_SHOP.site)), voucher=VOUCHER)
    assert shown.verdict == Verdict.RECALLED
    assert [place.owner for place in shown.way] == [DEALER.id, SHOP.id, DEALER.id, MAKER.id]
    assert refused(world, DEALER, world.ship(DEALER, STORE, 1, site=OTHER_SHOP.site)) == ["goods.held"]


def test_returns_to_several_sites_never_pass_what_was_delivered(world: World) -> None:
    world.hand_over(MAKER, DEALER, 100)
    world.hand_over(DEALER, SHOP, 60)
    world.do(SHOP, world.enter(SHOP, 40))
    elsewhere = {"to_site": OTHER_SHOP.site, "returns": True}
    assert refused(world, SHOP, world.ship(SHOP, DEALER, 61, **elsewhere)) == ["return.more-than-delivered"]
    world.do(SHOP, world.ship(SHOP, DEALER, 50, **elsewhere))
    assert refused(world, SHOP, world.ship(SHOP, DEALER, 11, returns=True)) == ["return.more-than-delivered"]
    world.do(SHOP, world.ship(SHOP, DEALER, 10, returns=True))


def test_who_was_sent_goods_smears_no_sender_afterwards(world: World) -> None:
    """Sent by mistake and withdrawn, or refused: from then on it is the sender's position alone."""
    withdrawn, refused_whole = (world.do(MAKER, world.ship(MAKER, DEALER, 10))[0].hash for _ in range(2))
    world.do(MAKER, world.withdraw(withdrawn, DEALER))
    world.do(DEALER, world.receive(refused_whole, refused=10))
    for ship in (withdrawn, refused_whole):
        for to in (DEALER, SHOP):
            subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=to.id)
            report = world.act(r.Fact, adverse=True, kind=r.FactKind.INSPECT, subject=subject, text="rotten")
            assert refused(world, DEALER, report) == ["fact.not-own" if to is DEALER else "handover.unknown"]


def test_no_sender_smears_a_position_that_its_goods_never_reached(world: World) -> None:
    world.hand_over(MAKER, SHOP, 10)
    ship = world.do(MAKER, world.ship(MAKER, SHOP, 10))[0].hash
    world.do(SHOP, world.receive(ship, refused=10))
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=SHOP.id)
    report = world.act(r.Fact, adverse=True, kind=r.FactKind.INSPECT, subject=subject, text="rotten")
    world.do(MAKER, report)
    for who, found in ((SHOP, False), (MAKER, True)):
        row = world.store.get(b"m" + e.position_path(LOT, who.id, who.site))
        assert row is not None
        assert bool(e.POSITION.decode(row).bits & e.Bit.ADVERSE_FACT) == found


def test_a_late_report_is_bounded_in_time_and_number(world: World) -> None:
    """A supplier of long ago, or one that floods, says nothing more about its customer's position."""
    ship = world.hand_over(MAKER, SHOP, 10)
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=SHOP.id)

    def note(number: int) -> object:
        return world.act(r.Fact, kind=r.FactKind.NOTE, subject=subject, text=str(number))

    world.do(MAKER, *(note(number) for number in range(32)))  # type: ignore[arg-type]
    assert refused(world, MAKER, note(32)) == ["handover.facts"]
    other = world.hand_over(MAKER, SHOP, 10)
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=other, to=SHOP.id)
    world.now += 46 * DAY_MS
    assert refused(world, MAKER, note(0)) == ["fact.late"]
    world.do(LAB, note(1))  # type: ignore[arg-type]


def test_a_public_site_shows_the_goods_of_its_keeper(world: World) -> None:
    """Others may own goods there: a lying node shows no way but the shop's own."""
    world.hand_over(MAKER, SHOP, 10)
    world.do(DEALER, world.enter(DEALER, 10, site=SHOP.site))
    world.do(SHOP, world.act(r.Site, name="Shop", region="CN-SH", public=True, site=SHOP.site))
    own = world.proof(LOT, (SHOP.id, SHOP.site))
    assert world.verify(own, site=SHOP.site).verdict == Verdict.GOOD
    lie = build.product_proof(world.store.view(world.note()), FORMULA, LOT[len(FORMULA) :], (DEALER.id, SHOP.site))
    with pytest.raises(VerifyFailed, match="public site"):
        world.verify(lie, site=SHOP.site)


def test_relabelling_under_a_hold_is_not_dated_before_it(world: World) -> None:
    """Moving goods to a clean lot carries the mark at once; nobody backdates it away."""
    world.do(REGULATOR, world.act(r.Hold, reason="smell", subject=world.lot_subject()))
    before = world.now - 86_400_000
    world.do(MAKER, world.relabel(MAKER, 10, LOT, f"{FORMULA}#A2", production=20260101, at=before))
    row = world.store.get(b"m" + e.position_path(f"{FORMULA}#A2", MAKER.id, MAKER.site))
    assert row is not None
    assert e.POSITION.decode(row).bits & e.Bit.HELD_BEFORE


def test_relabelling_does_not_shed_what_was_found_of_the_lot(world: World) -> None:
    test = world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, text="lead", subject=world.lot_subject())
    world.do(LAB, test)
    world.do(MAKER, world.relabel(MAKER, 10, LOT, f"{FORMULA}#A2", production=20260101))
    row = world.store.get(b"m" + e.position_path(f"{FORMULA}#A2", MAKER.id, MAKER.site))
    assert row is not None
    assert e.POSITION.decode(row).bits & e.Bit.FAILED_TEST


def test_a_disputed_claim_that_is_withdrawn_leaves_a_mark(world: World) -> None:
    claim = world.do(SHOP, world.claim(SHOP, DEALER, 10))[0]
    world.do(DEALER, world.dispute(claim.hash, SHOP))
    world.do(SHOP, world.correct(claim, None))
    row = world.store.get(b"m" + e.position_path(LOT, SHOP.id, SHOP.site))
    assert row is not None
    assert e.POSITION.decode(row).bits & e.Bit.ADVERSE_FACT


def test_a_late_maker_does_not_date_a_lot_out_of_a_recall(world: World) -> None:
    """A recall by production date covers a lot by every date that was stated for it."""
    lot = f"{FORMULA}#A9"
    world.do(SHOP, world.enter(SHOP, 10, lot, production=20251001))
    world.do(MAKER, world.commission(10, lot, production=20251101))
    row = world.store.get(b"m" + e.lot_path(lot))
    assert row is not None
    assert e.made_within(e.LOT.decode(row), 20251001, 20251001)
    assert e.made_within(e.LOT.decode(row), 20251101, 20251101)


def test_goods_found_short_and_found_again_keep_their_breach(world: World) -> None:
    product = gtin(62)
    lot = f"{product}#C1"
    world.do(MAKER, world.register(product, temp_max_mc=4000))
    world.do(MAKER, world.commission(100, lot))
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 100, lot))[0]
    warm = r.Window(
        count=3,
        device="D",
        gap_s=1,
        max_mc=20_000,
        mean_mc=19_000,
        min_mc=18_000,
        series=bytes(32),
        start=world.now - 2,
        until=world.now - 1,
    )
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=DEALER.id)
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.MEASURE, window=warm, subject=subject))
    world.do(DEALER, world.receive(ship.hash, lot, short=100))
    world.do(MAKER, world.count(MAKER, 0, 100, lot, missing=100))
    row = world.store.get(b"m" + e.position_path(lot, MAKER.id, MAKER.site))
    assert row is not None
    assert e.POSITION.decode(row).bits & e.Bit.BREACHED


class _Swapped:
    """A lying node's view: the envelopes that hold some records carry another signer's header and signature."""

    def __init__(self, view: build.View, swapped: dict[bytes, bytes]) -> None:
        self._view, self._swapped = view, swapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def envelope(self, leaf: int) -> tuple[Envelope, list[Sequence[bytes]]]:
        envelope, tree = self._view.envelope(leaf)
        forged = self._swapped.get(HEADER.decode(envelope.header).root)
        return (ENVELOPE.decode(forged) if forged else envelope), tree


@pytest.mark.parametrize("forger", ["another key of the member", "another member", "the same key again"])
def test_a_record_is_shown_only_as_it_was_signed(world: World, forger: str) -> None:
    """A node with a key holder at its side shows the records of an envelope as signed by that key."""
    made = (world.commission(10, f"{FORMULA}#S1"), world.certify(f"{FORMULA}#S1"))
    clerk = limited(world, MAKER, acts=[r.Act.COMMISSION])
    sealed = world.do(MAKER, *made)
    who = {"another key of the member": clerk, "another member": DEALER, "the same key again": MAKER}[forger]
    forged = world.envelope(who, sealed)
    root = HEADER.decode(ENVELOPE.decode(forged).header).root
    query = Query(product=FORMULA, lot="#S1", voucher=VOUCHER)
    world.do(MAKER, world.act(r.Voucher, lot=f"{FORMULA}#S1", site=MAKER.site, voucher=voucher_hash(VOUCHER)))
    honest = world.store.view(world.note())
    assert verify_both(POLICY, query, _shown(honest), world.now).verdict == Verdict.GOOD
    view = _Swapped(honest, {root: forged})
    with pytest.raises(VerifyFailed, match="as it was signed"):
        verify_both(POLICY, query, _shown(view), world.now)


def _shown(view: Any) -> bytes:
    return build.product_proof(view, FORMULA, "#S1", (MAKER.id, MAKER.site))


def test_nobody_declares_himself_maker_of_what_another_is_named_for(world: World) -> None:
    """A recall of the maker that a holder named would be shaken off, and its product recalled by a stranger."""
    code = gtin(74)
    world.do(DEALER, world.register(code, declared_by=r.DeclaredBy.HOLDER, maker=MAKER.id))
    assert refused(world, SHOP, world.register(code, maker=SHOP.id)) == ["product.maker"]
    importer = {"declared_by": r.DeclaredBy.IMPORTER, "maker": MAKER.id}
    assert refused(world, SHOP, world.register(code, **importer)) == ["product.maker"]
    world.do(MAKER, world.register(code))


def test_a_maker_takes_back_a_code_that_an_importer_declared_in_its_name(world: World) -> None:
    code = gtin(75)
    world.do(IMPORTER, world.register(code, declared_by=r.DeclaredBy.IMPORTER, maker=MAKER.id))
    world.do(MAKER, world.register(code))
    assert refused(world, IMPORTER, world.commission(1, f"{code}#A", IMPORTER)) == ["lot.not-maker"]


def test_a_sender_does_not_fill_a_receivers_room(world: World) -> None:
    for _ in range(4):
        ship = world.do(MAKER, world.ship(MAKER, DEALER, 1))[0]
        subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship.hash, to=DEALER.id)
        facts = (
            world.act(r.Fact, kind=r.FactKind.NOTE, adverse=True, text=str(number), subject=subject)
            for number in range(32)
        )
        world.do(MAKER, *facts)
        world.do(DEALER, world.receive(ship.hash, accepted=1))
    entry = world.store.get(b"m" + e.position_path(LOT, DEALER.id, DEALER.site))
    assert entry is not None
    known = e.POSITION.decode(entry)
    assert known.adverse is not None
    assert known.adverse.count == 64
    assert known.bits & e.Bit.ADVERSE_FACT


def test_counts_within_the_tolerance_do_not_add_up_to_a_mountain(world: World) -> None:
    weighed = world.register(BEEF, maker=MAKER.id, tolerance_permille=50)
    world.do(MAKER, weighed)
    made = r.Moved(grams=10_000, quantity=10, ref=world.ref())
    lot = {"lot": BEEF_LOT, "site": MAKER.site}
    world.do(MAKER, world.act(r.Commission, made, production=20251101, **lot))
    bits = []
    for grams in (10_400, 10_800):
        found = r.Counted(book=10, book_grams=grams - 400, found=10, found_grams=grams, ref=world.ref())
        world.do(MAKER, world.act(r.Count, found, kind=r.CountKind.PERIODIC, **lot))
        entry = world.store.get(b"m" + e.position_path(BEEF_LOT, MAKER.id, MAKER.site))
        assert entry is not None
        bits.append(e.POSITION.decode(entry).bits & e.Bit.ONE_SIGNATURE)
    assert bits == [0, e.Bit.ONE_SIGNATURE]
