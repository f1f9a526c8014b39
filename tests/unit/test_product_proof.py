"""Product proofs: what good ones prove, and that forged ones are refused, each by the check it breaks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from ledger import checkpoint as c
from ledger import entries as e
from ledger import mapproof, merkle, policy, signature
from ledger import note as n
from ledger import records as r
from ledger.envelope import HEADER
from ledger.errors import ProofTooLarge, VerifyFailed
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product, Query, verify_product, voucher_hash
from tests.twins import verify_both
from tests.world import (
    CASE,
    DAY_MS,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    LOG_SEED,
    LOT,
    MAKER,
    ORIGIN,
    OTHER_SHOP,
    POLICY,
    POWDER,
    REGULATOR,
    SHOP,
    SHRIMP,
    STORE,
    VALIDATOR,
    VALIDATOR_SEED,
    Member,
    World,
    gtin,
)

VOUCHER, OTHER_VOUCHER = b"v" * 16, b"w" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """LOT went from the maker through the dealer to two shops, each with a voucher."""
    world = World(tmp_path / "node").founded()
    world.hand_over(MAKER, DEALER, 600)
    for shop, voucher in ((SHOP, VOUCHER), (OTHER_SHOP, OTHER_VOUCHER)):
        world.hand_over(DEALER, shop, 100)
        world.do(shop, world.act(r.Voucher, lot=LOT, site=shop.site, voucher=voucher_hash(voucher)))
    yield world
    world.close()


def proof_of(world: World, who: Member = SHOP, lot: str = LOT) -> bytes:
    return world.proof(lot, (who.id, who.site))


def verdict(world: World, proof: bytes, **opens: Any) -> Verdict:
    return world.verify(proof, **opens).verdict


# Good proofs


def test_a_way_of_three_holders(world: World) -> None:
    product = world.verify(proof_of(world), voucher=VOUCHER)
    assert product.verdict == Verdict.GOOD
    assert [position.owner for position in product.way] == [SHOP.id, DEALER.id, MAKER.id]
    assert [way.kind for position in product.way for way in position.ways] == [
        e.WayKind.HANDOVER,
        e.WayKind.HANDOVER,
        e.WayKind.COMMISSION,
    ]


def test_the_code_alone_shows_no_way(world: World) -> None:
    product = world.verify(world.proof())
    assert product.verdict == Verdict.GOOD
    assert product.way == []
    assert product.lots[0].holders is not None
    assert product.lots[0].holders.count == 4


def test_a_public_shop_needs_no_voucher(world: World) -> None:
    with pytest.raises(VerifyFailed, match="public"):
        world.verify(proof_of(world), site=SHOP.site)
    world.do(SHOP, world.act(r.Site, name="店", public=True, region="CN-33", site=SHOP.site))
    assert verdict(world, proof_of(world), site=SHOP.site) == Verdict.GOOD
    with pytest.raises(VerifyFailed, match="public"):
        world.verify(proof_of(world), site=OTHER_SHOP.site)


def test_a_case_code_leads_to_its_cans(world: World) -> None:
    lot = "#" + LOT.split("#")[1]
    from ledger.proof.build import product_proof

    proof = product_proof(world.store.view(world.note()), CASE, lot, None)
    product = verify_both(POLICY, Query(product=CASE, lot=lot), proof, world.now)
    assert product.lots[0].lot == LOT


def test_an_unknown_code_is_proven_to_be_unknown(world: World) -> None:
    for unknown in (f"{FORMULA}#NONE", f"{gtin(99)}#A1"):
        assert world.verify(world.proof(unknown), unknown).verdict == Verdict.UNKNOWN_CODE


def test_a_recalled_ancestor_shows(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(10, powder))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))
    world.do(MAKER, world.certify(blend))
    assert world.verify(world.proof(blend), blend).verdict == Verdict.GOOD
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="原料", subject=world.lot_subject(powder)))
    product = world.verify(world.proof(blend), blend)
    assert product.verdict == Verdict.RECALLED
    assert [lot.lot for lot in product.lots] == [blend, powder]


@pytest.mark.parametrize("kind", ["product", "member"])
def test_a_recall_of_product_or_maker_shows_on_its_lots(world: World, kind: str) -> None:
    named: dict[str, Any] = {"product": FORMULA} if kind == "product" else {"member": MAKER.id}
    subject = r.Subject(kind=r.SubjectKind[kind.upper()], **named)
    outside = {"made_from": 20240101, "made_until": 20241231}
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="旧批", subject=subject, **outside))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.FACTS_NOTED
    issued = world.do(REGULATOR, world.act(r.Recall, grade=1, reason="全部", subject=subject))[0]
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.RECALLED
    world.do(REGULATOR, world.act(r.Lift, reason="误", subject=subject, target=issued.hash))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.FACTS_NOTED


def test_a_lot_of_formula_without_an_inspection_says_so(world: World) -> None:
    bare = f"{FORMULA}#BARE"
    world.do(MAKER, world.commission(10, bare))
    seen = world.verify(world.proof(bare), bare)
    assert [(found.verdict, found.detail) for found in seen.findings] == [
        (Verdict.FACTS_NOTED, "no inspection, test or certificate of it is shown")
    ]
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, subject=world.lot_subject(bare)))
    assert world.verify(world.proof(bare), bare).verdict == Verdict.GOOD


def test_what_was_booked_late_says_so(world: World) -> None:
    world.now += 50 * DAY_MS
    opened = {"site": DEALER.site, "voucher": voucher_hash(b"l" * 16)}
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 5, at=world.now - 46 * DAY_MS))[0].hash
    world.do(DEALER, world.receive(ship, accepted=5), world.act(r.Voucher, lot=LOT, **opened))
    seen = world.verify(proof_of(world, DEALER), voucher=b"l" * 16)
    assert seen.verdict == Verdict.FACTS_NOTED
    assert [found.detail for found in seen.findings] == [f"{MAKER.id} booked its ship late"]


def test_a_proof_is_whole_or_there_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.proof.build.PROOF_BYTES_MAX", 1000)
    with pytest.raises(ProofTooLarge, match="would pass 1000 bytes"):
        proof_of(world)


def test_verdicts_of_lots_and_positions(world: World) -> None:
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, subject=world.lot_subject()))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.FAILED_TEST
    world.do(REGULATOR, world.act(r.Hold, reason="封存", subject=world.position_subject(DEALER)))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.HELD
    world.now += 800 * DAY_MS
    assert any(found.verdict == Verdict.EXPIRED for found in world.verify(world.proof()).findings)


def test_one_signature_and_a_suspended_member_show(world: World) -> None:
    world.do(SHOP, world.enter(SHOP, 1))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.ENTERED_BY_ONE_SIGNATURE
    world.do(REGULATOR, world.act(r.Suspend, member=DEALER.id, reason="吊销"))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.MEMBER_SUSPENDED


def test_custody_in_a_cold_store_and_a_move_are_on_the_way(world: World) -> None:
    lot = f"{SHRIMP}#EC7"
    world.do(IMPORTER, world.commission(500, lot, IMPORTER))
    into = world.do(IMPORTER, world.ship(IMPORTER, IMPORTER, 500, lot, to_site=STORE.site))[0].hash
    world.do(STORE, world.receive(into, lot, accepted=500))
    sale = world.do(IMPORTER, world.ship(IMPORTER, SHOP, 10, lot, site=STORE.site))[0].hash
    world.do(SHOP, world.receive(sale, lot, accepted=10))
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=f"{SHOP.id}/two"))
    world.do(SHOP, world.act(r.Move, world.moved(4), lot=lot, site=SHOP.site, to_site=f"{SHOP.id}/two"))
    voucher = b"x" * 16
    world.do(SHOP, world.act(r.Voucher, lot=lot, site=f"{SHOP.id}/two", voucher=voucher_hash(voucher)))
    product = world.verify(world.proof(lot, (SHOP.id, f"{SHOP.id}/two")), lot, voucher=voucher)
    assert [position.site for position in product.way] == [f"{SHOP.id}/two", SHOP.site, STORE.site, IMPORTER.site]


def test_equal_facts_of_one_envelope_are_each_shown(world: World) -> None:
    fact = world.act(r.Fact, kind=r.FactKind.NOTE, subject=world.lot_subject(), text="好")
    world.do(LAB, fact, fact, fact)
    assert len(world.verify(world.proof()).facts) == 4


def test_the_newest_of_many_facts_are_shown_and_the_rest_counted(world: World) -> None:
    for start in range(0, 150, 50):
        facts = [
            world.act(r.Fact, kind=r.FactKind.NOTE, subject=world.lot_subject(), text=f"第{start + number}次")
            for number in range(50)
        ]
        world.do(LAB, *facts)
    product = world.verify(world.proof())
    texts = [noted.signed.record.text for noted in product.facts if isinstance(noted.signed.record, r.Fact)]
    assert texts == [f"第{number}次" for number in range(86, 150)]


def test_an_older_version_stays_provable_while_later_blocks_come(world: World) -> None:
    from ledger.proof.build import product_proof

    view = world.store.view(world.note())
    before = product_proof(view, FORMULA, "#A1", (SHOP.id, SHOP.site))
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="召回", subject=world.lot_subject()))
    assert product_proof(view, FORMULA, "#A1", (SHOP.id, SHOP.site)) == before


# Forgeries

Change = Callable[[f.ProductProof], f.ProductProof]


def forged(proof: bytes, **changes: Any) -> bytes:
    return f.PROOF.encode(msgspec.structs.replace(f.PROOF.decode(proof), **changes))


def refused(world: World, proof: bytes, match: str, **opens: Any) -> None:
    with pytest.raises(VerifyFailed, match=match):
        world.verify(proof, **(opens or {"voucher": VOUCHER}))


def test_a_proof_of_another_lot_is_refused(world: World) -> None:
    world.do(MAKER, world.commission(5, f"{FORMULA}#B2"))
    other = world.proof(f"{FORMULA}#B2")
    refused(world, other, "asked for")
    refused(world, forged(other, lot="#A1"), "neither shows|unknown", voucher=None)


def test_another_shops_position_does_not_open_with_this_voucher(world: World) -> None:
    refused(world, proof_of(world, OTHER_SHOP), "voucher")
    name = f.PositionName(OTHER_SHOP.id, OTHER_SHOP.site)
    refused(world, forged(proof_of(world), position=name), "neither shows|voucher")
    refused(world, forged(proof_of(world), position=None), "shows none")


def test_an_adverse_fact_cannot_be_left_out_added_or_moved(world: World) -> None:
    for text in ("破损", "受潮"):
        world.do(
            LAB, world.act(r.Fact, kind=r.FactKind.INSPECT, adverse=True, subject=world.lot_subject(), text=text)
        )
    good = proof_of(world)
    assert verdict(world, good, voucher=VOUCHER) == Verdict.ADVERSE_FACT
    shown = f.PROOF.decode(good)
    at = next(number for number, chain in enumerate(shown.chains) if chain.path == e.lot_path(LOT))
    chain = shown.chains[at]
    replace = msgspec.structs.replace

    def with_chain(**changes: Any) -> bytes:
        return forged(good, chains=[*shown.chains[:at], replace(chain, **changes), *shown.chains[at + 1 :]])

    first, second = chain.elements
    refused(world, with_chain(elements=[second]), "must be shown")
    refused(world, with_chain(elements=[second], skipped=1), "must be shown")
    refused(world, with_chain(elements=[first, first]), "not the one counted")
    refused(world, with_chain(elements=[second, first]), "not the one counted")
    refused(world, with_chain(elements=[first, second, second]), "must be shown")
    earlier = replace(first, time=first.time - 1)
    refused(world, with_chain(elements=[earlier, second]), "not the one counted")
    refused(world, forged(good, chains=[*shown.chains[:at], *shown.chains[at + 1 :]]), "no list is shown")
    at_first = (first.leaf, first.index)
    without = [one for one in shown.records if (shown.envelopes[one.envelope].leaf, one.index) != at_first]
    refused(world, forged(good, records=without), "not shown")


def test_a_way_in_by_one_signature_cannot_be_left_out(world: World) -> None:
    """The honest entry before the second way in no longer stands under the state root."""
    before = f.PROOF.decode(proof_of(world))
    world.do(SHOP, world.enter(SHOP, 1))
    good = proof_of(world)
    refused(world, forged(good, map=before.map), "state map")
    refused(world, forged(good, map=before.map, header=before.header), "inclusion|leads to root")
    entered = [one for one in f.PROOF.decode(good).records if not isinstance(r.RECORD.decode(one.record), r.Enter)]
    refused(world, forged(good, records=entered), "not shown")


def test_a_recalled_ancestor_cannot_be_left_out(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(10, powder))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="原料", subject=world.lot_subject(powder)))
    good = world.proof(blend)
    head = world.store.head
    paths = {e.lot_path(blend), e.product_path(FORMULA), e.product_path(POWDER), e.member_path(MAKER.id)}
    shorter = mapproof.prove(head.state, paths, lambda path: world.store.get(b"m" + path))
    with pytest.raises(VerifyFailed, match="neither shows"):
        world.verify(forged(good, map=shorter, envelopes=[], records=[], chains=[], hashes=[]), blend)


def test_a_recall_by_its_maker_cannot_be_hidden(world: World) -> None:
    subject = r.Subject(kind=r.SubjectKind.MEMBER, member=MAKER.id)
    world.do(MAKER, world.act(r.Recall, grade=1, reason="自查", subject=subject))
    good = proof_of(world)
    shown = f.PROOF.decode(good)
    refused(
        world, forged(good, chains=[one for one in shown.chains if one.path != e.member_path(MAKER.id)]), "no list"
    )


def test_an_altered_field_of_a_record_is_refused(world: World) -> None:
    good = proof_of(world)
    shown = f.PROOF.decode(good)
    for number, one in enumerate(shown.records):
        record = r.RECORD.decode(one.record)
        altered = r.RECORD.encode(msgspec.structs.replace(record, at=record.at - 1))
        records = [
            *shown.records[:number],
            msgspec.structs.replace(one, record=altered),
            *shown.records[number + 1 :],
        ]
        refused(world, forged(good, records=records), "inclusion")


def test_a_forged_handover_is_no_way(world: World) -> None:
    """The thief signs an envelope of its own that claims to receive; no chain counts it."""
    good = proof_of(world)
    shown = f.PROOF.decode(good)
    number, one = next(
        (number, one)
        for number, one in enumerate(shown.records)
        if isinstance(r.RECORD.decode(one.record), r.Receive)
    )
    record = r.RECORD.decode(one.record)
    assert isinstance(record, r.Receive)
    fake = r.RECORD.encode(msgspec.structs.replace(record, ship=bytes(32)))
    header = HEADER.encode(
        msgspec.structs.replace(
            HEADER.decode(shown.envelopes[one.envelope].header), count=1, root=merkle.leaf_hash(fake)
        )
    )
    from ledger.hashing import TAG_ENVELOPE

    signed = f.ShownEnvelope(
        shown.envelopes[one.envelope].leaf, header, signature.sign(SHOP.seed, TAG_ENVELOPE + header)
    )
    envelopes = [*shown.envelopes[: one.envelope], signed, *shown.envelopes[one.envelope + 1 :]]
    records = [*shown.records[:number], f.ShownRecord(one.envelope, 0, fake, []), *shown.records[number + 1 :]]
    refused(world, forged(good, envelopes=envelopes, records=records), "signature|not the one")


def test_a_bad_signature_another_member_and_another_chain_are_refused(world: World) -> None:
    good = proof_of(world)
    shown = f.PROOF.decode(good)
    first = shown.envelopes[0]
    bad = msgspec.structs.replace(first, signature=bytes(64))
    refused(world, forged(good, envelopes=[bad, *shown.envelopes[1:]]), "signature")
    other = HEADER.encode(msgspec.structs.replace(HEADER.decode(first.header), chain=bytes(32)))
    refused(
        world,
        forged(good, envelopes=[msgspec.structs.replace(first, header=other), *shown.envelopes[1:]]),
        "another chain",
    )
    refused(world, forged(good, envelopes=shown.envelopes[:-1]), "names envelope")


def test_a_key_that_was_not_valid_then_is_refused(world: World) -> None:
    """Revoked later: what it signed before stays proven. The times are those of the chain."""
    world.do(SHOP, world.act(r.Key, change=r.KeyChange.REVOKE, key=SHOP.key, member=SHOP.id))
    assert verdict(world, proof_of(world), voucher=VOUCHER) == Verdict.GOOD


def notes(world: World, times: list[int]) -> tuple[policy.Policy, bytes]:
    """A policy of three of four validators, and the head cosigned by them at these times."""
    seeds = [bytes([number]) * 32 for number in range(4)]
    names = [f"{ORIGIN}/v{number}" for number in range(4)]
    witnesses = {
        name: n.VerifierKey(name, n.COSIGNATURE, signature.public_key(seed))
        for name, seed in zip(names, seeds, strict=True)
    }
    trusted = policy.Policy(POLICY.logs, witnesses, {"q": policy.Group(3, tuple(names))}, "q")
    head = world.store.head
    note = c.sign_checkpoint(c.Checkpoint(ORIGIN, head.log.size, head.log.root()), ORIGIN, LOG_SEED)
    for name, seed, time in zip(names, seeds, times, strict=False):
        note = c.cosign(note, name, seed, time // 1000)
    return trusted, note


@pytest.mark.parametrize(
    ("ages_ms", "holds"),
    [([0, 0, 0], True), ([0, 0], False), ([DAY_MS, DAY_MS, DAY_MS, 0], False), ([-DAY_MS, 0, 0], False)],
)
def test_the_quorum_must_be_fresh(world: World, ages_ms: list[int], holds: bool) -> None:
    trusted, note = notes(world, [world.now - age for age in ages_ms])
    proof = forged(proof_of(world), checkpoint=note)
    query = Query(product=FORMULA, lot="#A1", voucher=VOUCHER)
    if holds:
        assert verify_both(trusted, query, proof, world.now).verdict == Verdict.GOOD
    else:
        with pytest.raises(VerifyFailed, match="quorum"):
            verify_both(trusted, query, proof, world.now)


def test_an_old_proof_is_refused_online_and_judged_as_of_its_time_from_a_file(world: World) -> None:
    proof = proof_of(world)
    world.now += DAY_MS
    refused(world, proof, "quorum")
    saved = verify_both(POLICY, Query(product=FORMULA, lot="#A1", voucher=VOUCHER), proof, None)
    assert saved.as_of_ms < world.now - DAY_MS + 60_000


def test_wrong_policy_other_log_and_altered_checkpoint(world: World) -> None:
    proof = proof_of(world)
    other_key = n.VerifierKey(ORIGIN, n.ED25519, MAKER.key)
    wrong = policy.Policy((other_key,), POLICY.witnesses, POLICY.groups, POLICY.quorum)
    with pytest.raises(VerifyFailed, match="no signature by a key of the log"):
        verify_both(wrong, Query(product=FORMULA, lot="#A1"), proof, world.now)
    elsewhere = policy.Policy(
        (n.VerifierKey("other/log", n.ED25519, POLICY.logs[0].key),), POLICY.witnesses, POLICY.groups, POLICY.quorum
    )
    with pytest.raises(VerifyFailed, match="is of log"):
        verify_both(elsewhere, Query(product=FORMULA, lot="#A1"), proof, world.now)
    head = world.store.head
    altered = c.sign_checkpoint(c.Checkpoint(ORIGIN, head.log.size - 1, head.log.root()), ORIGIN, LOG_SEED)
    altered = c.cosign(altered, VALIDATOR, VALIDATOR_SEED, world.now // 1000)
    refused(world, forged(proof, checkpoint=altered), "inclusion|not the log's last")


def conclusion(product: Product) -> bytes:
    """Everything that a reader would see, except the time of the cosignature."""
    return repr(msgspec.structs.replace(product, as_of_ms=0)).encode()


def test_no_flipped_bit_leads_to_another_conclusion(world: World) -> None:
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.INSPECT, adverse=True, subject=world.lot_subject(), text="破损"))
    good = proof_of(world)
    expected = conclusion(world.verify(good, voucher=VOUCHER))
    random = Random(1)
    query = Query(product=FORMULA, lot="#A1", voucher=VOUCHER)  # Python alone: the browser has this test too
    survived = 0
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << random.randrange(8)
        try:
            found = verify_product(POLICY, query, bytes(bad), world.now)
        except VerifyFailed:
            continue
        survived += 1
        assert conclusion(found) == expected, f"byte {position}"
    assert survived < len(good) // 20


def test_truncated_and_extended_proofs(world: World) -> None:
    good = proof_of(world)
    for cut in (0, 1, 100, len(good) - 1):
        refused(world, good[:cut], "format")
    refused(world, good + b"\x00", "format")
    shown = f.PROOF.decode(good)
    refused(world, forged(good, map=shown.map[:-1]), "cut short|state map")
    refused(world, forged(good, map=shown.map + b"\x00"), "follow")
    with pytest.raises(VerifyFailed, match="file"):
        f.from_file(good)
    assert f.from_file(f.to_file(good)) == good


def test_numbers_and_names_of_no_kind_are_refused_and_no_error_of_python(world: World) -> None:
    good = proof_of(world)
    shown = f.PROOF.decode(good)
    chain = f.ShownChain(bytes(32), e.CHAIN_FACTS, 0, bytes(32), [])
    for leaf, index in ((0, 2**32), (2**53, 0), (2**64 - 1, 0), (0, 4096)):
        element = e.Element(r.Act.FACT, world.now, leaf, index, bytes(32))
        listed = msgspec.structs.replace(chain, elements=[element])
        refused(world, forged(good, chains=[*shown.chains, listed]), "format")
    query = Query(product=FORMULA, lot="A1")
    with pytest.raises(VerifyFailed, match=r"neither PRODUCT#LOT|neither shows"):
        verify_both(POLICY, query, forged(good, lot="A1"), world.now)


def test_a_cosignature_of_the_year_10000_is_none(world: World) -> None:
    head = world.store.head
    note = c.sign_checkpoint(c.Checkpoint(ORIGIN, head.log.size, head.log.root()), ORIGIN, LOG_SEED)
    query = Query(product=FORMULA, lot="#A1")
    for time_s in (253_402_300_800, 2**64 - 1):
        proof = forged(world.proof(), checkpoint=c.cosign(note, VALIDATOR, VALIDATOR_SEED, time_s))
        with pytest.raises(VerifyFailed, match="year 9999"):
            verify_both(POLICY, query, proof, None)


def test_adverse_facts_about_a_site_or_product_show(world: World) -> None:
    site = r.Subject(kind=r.SubjectKind.SITE, site=DEALER.site)
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.INSPECT, adverse=True, subject=site, text="鼠害"))
    product = world.verify(proof_of(world), voucher=VOUCHER)
    assert [(found.verdict, found.subject) for found in product.findings] == [(Verdict.ADVERSE_FACT, DEALER.site)]
    shown = f.PROOF.decode(proof_of(world))
    without = [one for one in shown.chains if one.path != e.site_path(DEALER.site)]
    refused(world, forged(proof_of(world), chains=without), "no list")


def test_what_a_stolen_key_signed_is_flagged_and_stays(world: World) -> None:
    """A revocation never voids what was accepted; from when the key is suspect on, the proof says so."""
    since = world.now
    world.hand_over(DEALER, SHOP, 5)
    key = {"member": DEALER.id, "key": DEALER.key}
    world.do(REGULATOR, world.act(r.Key, change=r.KeyChange.REVOKE, suspect_from=since, **key))
    for shop, voucher, suspect in ((SHOP, VOUCHER, True), (OTHER_SHOP, OTHER_VOUCHER, False)):
        found = world.verify(world.proof(position=(shop.id, shop.site)), voucher=voucher)
        assert [place.owner for place in found.way] == [shop.id, DEALER.id, MAKER.id]
        assert (Verdict.KEY_SUSPECT in [one.verdict for one in found.findings]) is suspect


def test_a_keeper_that_has_not_signed_is_shown_so(world: World) -> None:
    """Title of what lies in a cold store moves by its owners' word; the keeper's own word takes the remark away."""
    world.hand_over(MAKER, DEALER, 1)
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 50, to_site=STORE.site))[0].hash
    world.do(DEALER, world.receive(ship, accepted=50))
    voucher = b"k" * 16
    world.do(DEALER, world.act(r.Voucher, lot=LOT, site=STORE.site, voucher=voucher_hash(voucher)))

    def remarks() -> list[str]:
        found = world.verify(world.proof(position=(DEALER.id, STORE.site)), voucher=voucher)
        return [one.detail for one in found.findings if "has not signed" in one.detail]

    assert remarks() == [f"its keeper {STORE.id} has not signed for it"]
    subject = r.Subject(kind=r.SubjectKind.POSITION, lot=LOT, owner=DEALER.id, site=STORE.site)
    world.do(STORE, world.act(r.Fact, kind=r.FactKind.NOTE, subject=subject, text="在库"))
    assert remarks() == []


def test_an_ingredient_that_would_be_past_its_date_by_now_does_not_make_the_product_expired(world: World) -> None:
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(10, powder, expiry=20251201))
    made = [r.Output(lot=blend, production=20251105, expiry=20271105)]
    amounts = r.Transformed(inputs=[4], outputs=[100], ref=world.ref())
    world.do(MAKER, world.act(r.Transform, amounts, inputs=[powder], outputs=made, site=MAKER.site))
    world.do(MAKER, world.certify(blend))
    own = b"y" * 16
    world.do(MAKER, world.act(r.Voucher, lot=blend, site=MAKER.site, voucher=voucher_hash(own)))
    world.now += 60 * DAY_MS  # January 2026
    for opens in ({}, {"voucher": own}):
        proof = world.proof(blend, (MAKER.id, MAKER.site))
        assert world.verify(proof, blend, **opens).verdict == Verdict.GOOD
    world.now += 720 * DAY_MS
    for opens in ({}, {"voucher": own}):
        proof = world.proof(blend, (MAKER.id, MAKER.site))
        assert world.verify(proof, blend, **opens).verdict == Verdict.EXPIRED


def test_a_later_date_is_not_had_by_relabelling(world: World) -> None:
    old, new = f"{FORMULA}#OLD", f"{FORMULA}#NEW"
    world.do(MAKER, world.commission(5, old, expiry=20251201), world.commission(5, new, expiry=20271201))
    world.do(MAKER, world.certify(old), world.certify(new))
    world.do(MAKER, world.relabel(MAKER, 5, old, new))
    world.hand_over(MAKER, SHOP, 5, new)
    world.now += 60 * DAY_MS
    world.do(SHOP, world.act(r.Voucher, lot=new, site=SHOP.site, voucher=voucher_hash(b"x" * 16)))
    shown = world.verify(world.proof(new, (SHOP.id, SHOP.site)), new, voucher=b"x" * 16)
    assert [(found.verdict, found.subject) for found in shown.findings] == [(Verdict.EXPIRED, old)]
