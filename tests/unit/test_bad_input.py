"""Bad input to admission and rules: a clear error that names where, and nothing changed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import entries as e
from ledger import limits, merkle
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER, Envelope, open_envelope
from ledger.errors import Malformed, Refused, VerifyFailed
from ledger.limits import CLAIMED_TIME_AHEAD_MS_MAX, ENVELOPE_LIFETIME_MS_MAX, RETIRED_KEY_GRACE_MS
from tests.world import (
    DAY_MS,
    DEALER,
    FORMULA,
    LOT,
    MAKER,
    REGULATOR,
    SHOP,
    Member,
    Sealed,
    World,
    gtin,
    member,
    uscc,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def sale(world: World) -> Sealed:
    return world.seal(world.sell(MAKER, 1))


def raw(world: World, record: bytes, opening: bytes = b"") -> bytes:
    return world.envelope(MAKER, [Sealed(record, opening)])


def open_refused(world: World, wire: bytes) -> tuple[Any, ...]:
    with pytest.raises(Refused) as caught:
        open_envelope(wire, world.chain)
    return caught.value.problems


# Bytes

BODIES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "trailing byte": lambda good: good + b"\x00",
    "truncated": lambda good: good[:-1],
    "overlong integer": lambda good: good.replace(b"\xa3act\x1e", b"\xa3act\xcc\x1e"),
    "float": lambda good: good.replace(b"\xa5buyer\x01", b"\xa5buyer\xca\x3f\x80\x00\x00"),
    "nil": lambda good: good.replace(b"\xa5buyer\x01", b"\xa5buyer\xc0"),
    "extension": lambda good: good.replace(b"\xa5buyer\x01", b"\xa5buyer\xd4\x01\x01"),
    "overlong text": lambda good: good.replace(b"\xa3act", b"\xd9\x03act"),
    "unknown act": lambda good: good.replace(b"\xa3act\x1e", b"\xa3act\x0d"),
    "unknown field": lambda good: bytes((good[0] + 1,)) + good[1:] + b"\xa1z\x01",
    "duplicate key": lambda good: bytes((good[0] + 1,)) + good[1:] + good[good.index(b"\xa5buyer") :][:7],
    "keys out of order": lambda good: good[:1] + good[6:] + good[1:6],
    "invalid UTF-8": lambda good: good.replace(b"\xa3lot\xb1", b"\xa3lot\xb1")[:-3] + b"\xff\xfe\xfd",
    "an array": lambda good: b"\x93\x01\x02\x03",
    "deeply nested": lambda good: b"\x91" * 100_000,
    "nested in a field": lambda good: good.replace(b"\xa5buyer\x01", b"\xa5buyer" + b"\x91" * 5000 + b"\x01"),
}


@pytest.mark.parametrize("name", BODIES)
def test_records_that_are_not_canonical(world: World, name: str) -> None:
    good = sale(world)
    bad = BODIES[name](good.record)
    assert bad != good.record
    problems = open_refused(world, raw(world, bad, good.opening))
    assert [problem.record for problem in problems] == [0]
    assert problems[0].rule == "record.malformed"
    assert problems[0].message


@pytest.mark.parametrize("name", ["empty", "trailing byte", "truncated", "an array", "deeply nested"])
def test_envelopes_and_headers_that_are_not_canonical(world: World, name: str) -> None:
    good = world.envelope(MAKER, [sale(world)])
    with pytest.raises(Malformed):
        open_envelope(BODIES[name](good), world.chain)
    envelope = ENVELOPE.decode(good)
    changed = msgspec.structs.replace(envelope, header=BODIES[name](envelope.header))
    with pytest.raises(Malformed, match="header"):
        open_envelope(ENVELOPE.encode(changed), world.chain)


def test_every_single_flipped_bit_of_an_envelope_is_refused(world: World) -> None:
    """Whatever bit flips, the bytes are malformed, or a seal, the root or the signature no longer holds."""
    good = world.envelope(MAKER, [sale(world), sale(world)])
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Malformed, Refused, VerifyFailed)):
            _admitted(world, bytes(bad))


def _admitted(world: World, wire: bytes) -> None:
    if not world.check(wire).key:
        raise VerifyFailed("key", "unknown")


def test_bounds(world: World) -> None:
    good = sale(world)
    with pytest.raises(Malformed, match="at most 1048576"):
        open_envelope(bytes(limits.ENVELOPE_BYTES_MAX + 1), world.chain)
    too_many = [good] * (limits.ENVELOPE_RECORDS_MAX + 1)
    with pytest.raises(Malformed, match="4096"):
        HEADER.decode(ENVELOPE.decode(world.envelope(MAKER, too_many)).header)
    long = world.act(
        r.Fact, kind=r.FactKind.NOTE, subject=world.lot_subject(), text="x" * (limits.TEXT_CHARS_MAX + 1)
    )
    assert "512" in open_refused(world, world.envelope(MAKER, [world.seal(long)]))[0].message
    large = open_refused(world, raw(world, bytes(limits.RECORD_BYTES_MAX + 1)))
    assert str(limits.RECORD_BYTES_MAX) in large[0].message
    assert open_refused(world, raw(world, good.record, bytes(limits.OPENING_BYTES_MAX + 1)))


@pytest.mark.parametrize("quantity", [0, -1, limits.QUANTITY_MAX + 1, 2**53, 2**63])
def test_quantities_out_of_range(world: World, quantity: int) -> None:
    from ledger.encoding import encode
    from ledger.seals import seal

    opening = bytes(16) + encode({"quantity": quantity, "ref": "A/1"})
    record = r.RECORD.encode(
        r.Sell(amounts=seal(opening), at=world.now, buyer=r.SaleTo.CONSUMER, lot=LOT, site=MAKER.site)
    )
    assert "quantity" in str(open_refused(world, raw(world, record, opening))[0])


def test_an_opening_must_match_its_seal_and_be_there(world: World) -> None:
    good = sale(world)
    for opening in (b"", bytes(17), good.opening[:-1], good.opening[:5] + b"x" + good.opening[6:]):
        problems = open_refused(world, raw(world, good.record, opening))
        assert problems[0].field == "amounts"
    site = world.seal(world.act(r.Site, name="店", region="CN-33", site=MAKER.site))
    assert "no amounts" in open_refused(world, raw(world, site.record, good.opening))[0].message


def test_root_and_count_must_be_those_of_the_records(world: World) -> None:
    first, second = sale(world), sale(world)
    for changes in ({"root": bytes(32)}, {"count": 3}, {"count": 1}):
        with pytest.raises(Malformed):
            open_envelope(world.envelope(MAKER, [first, second], **changes), world.chain)
    swapped = ENVELOPE.decode(world.envelope(MAKER, [first, second]))
    wrong = Envelope(swapped.header, swapped.signature, swapped.records[::-1], swapped.openings[::-1])
    with pytest.raises(Malformed, match="root"):
        open_envelope(ENVELOPE.encode(wrong), world.chain)


# Identifiers

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("lot", {"lot": "06901234567899#A1"}),
    ("lot", {"lot": f"{FORMULA}A1"}),
    ("lot", {"lot": f"{FORMULA}#"}),
    ("lot", {"lot": f"{FORMULA}#A 1"}),
    ("lot", {"lot": f"{FORMULA}@20261301"}),
    ("lot", {"lot": f"{FORMULA}#{'A' * 21}"}),
    ("site", {"site": f"{MAKER.id}"}),
    ("site", {"site": f"{MAKER.id[:-1]}{'0' if MAKER.id[-1] != '0' else '1'}/main"}),
    ("site", {"site": f"{MAKER.id}/6901234567891"}),
]


@pytest.mark.parametrize(("field", "change"), WRONG)
def test_identifiers_with_wrong_check_digits(world: World, field: str, change: dict[str, Any]) -> None:
    problems = open_refused(world, world.envelope(MAKER, [world.seal(world.sell(MAKER, 1, **change))]))
    named = {"lot": ("lot", "gtin"), "site": ("site", "member", "gln")}[field]
    assert problems[0].field in named


@pytest.mark.parametrize(
    "fields",
    [
        {"licence": "SC12933040200001"},
        {"registration": "国食注字YP20201"},
        {"origin": "cn"},
        {"temp_min_mc": 5, "temp_max_mc": 4},
        {"base": gtin(9)},
        {"contains": 6},
        {"base": gtin(40), "contains": 6},
    ],
)
def test_declarations_that_make_no_sense(world: World, fields: dict[str, Any]) -> None:
    assert open_refused(world, world.envelope(MAKER, [world.seal(world.register(gtin(40), **fields))]))


def test_dates_windows_subjects_and_spans(world: World) -> None:
    lot = world.lot_subject()
    window = {"count": 1, "device": "T", "gap_s": 0, "series": bytes(32), "start": 0, "until": 1}
    bad = [
        world.commission(1, expiry=20240101),
        world.commission(1, production=20250230),
        world.commission(1, f"{FORMULA}@20251102"),
        world.act(r.Fact, kind=r.FactKind.MEASURE, subject=lot),
        world.act(
            r.Fact, kind=r.FactKind.MEASURE, subject=lot, window=r.Window(max_mc=1, mean_mc=2, min_mc=0, **window)
        ),
        world.act(r.Fact, kind=r.FactKind.NOTE, subject=r.Subject(kind=r.SubjectKind.LOT, product=FORMULA)),
        world.act(r.Hold, reason="x", subject=lot, made_from=20250101),
        world.act(r.Hold, reason="x", subject=r.Subject(kind=r.SubjectKind.SITE, site=MAKER.site)),
        world.transform(MAKER, {LOT: 1}, {LOT: 1}),
        world.act(r.Move, world.moved(1), lot=LOT, site=MAKER.site, to_site=MAKER.site),
        world.act(r.Receive, r.Received(ref="A"), lot=LOT, ship=bytes(32)),
    ]
    problems = open_refused(world, world.envelope(MAKER, [world.seal(act) for act in bad]))
    assert [problem.record for problem in problems] == list(range(len(bad)))


# Keys, time, chain


def rules(world: World, wire: bytes) -> list[str]:
    before = world.store.head
    verdict = world.book(wire).verdicts[0]
    assert verdict.leaf is None
    assert world.store.head is before
    return [problem.rule for problem in verdict.problems]


def test_unknown_wrong_and_foreign_keys(world: World) -> None:
    stranger = member(90)
    assert rules(world, world.envelope(stranger, [sale(world)])) == ["member.unknown"]
    unknown = world.envelope(MAKER, [sale(world)], key=e.key_id(stranger.key))
    assert rules(world, unknown) == ["key.unknown"]
    foreign = world.envelope(MAKER, [sale(world)], key=e.key_id(DEALER.key), seed=DEALER.seed)
    assert rules(world, foreign) == ["key.unknown"]
    with pytest.raises(VerifyFailed):
        world.check(world.envelope(MAKER, [sale(world)], seed=DEALER.seed))


def test_a_signature_over_another_chain_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="other-chain"):
        open_envelope(world.envelope(MAKER, [sale(world)], chain=bytes(32)), world.chain)


def new_key(world: World, who: Member, number: int, **bounds: Any) -> Member:
    """Another key of a member, with limits."""
    key = Member(who.id, bytes([number]) * 32, who.kind)
    given = r.KeyLimits(**bounds) if bounds else None
    world.do(who, world.act(r.Key, change=r.KeyChange.ADMIT, key=key.key, label="收银", limits=given, member=who.id))
    return key


def test_limited_keys(world: World) -> None:
    till = new_key(world, MAKER, 1, acts=[int(r.Act.SELL)], sites=[MAKER.site])
    world.do(till, world.sell(MAKER, 1))
    assert rules(world, world.envelope(till, [world.seal(world.ship(MAKER, DEALER, 1))])) == ["key.act"]
    world.do(MAKER, world.act(r.Site, name="二厂", region="CN-33", site=f"{MAKER.id}/two"))
    elsewhere = world.seal(world.sell(MAKER, 1, site=f"{MAKER.id}/two"))
    assert rules(world, world.envelope(till, [elsewhere])) == ["key.site"]
    brief = new_key(world, MAKER, 2, until=world.now + 1000)
    world.do(brief, world.sell(MAKER, 1))
    world.now += 2000
    assert rules(world, world.envelope(brief, [sale(world)])) == ["key.expired"]


def test_a_key_limited_to_a_site_receives_there(world: World) -> None:
    door = new_key(world, DEALER, 3, sites=[DEALER.site])
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 5))[0].hash
    world.do(door, world.receive(ship, accepted=5))
    assert world.held(DEALER) == 5


def test_retired_and_revoked_keys(world: World) -> None:
    old = new_key(world, MAKER, 4)
    world.do(MAKER, world.act(r.Key, change=r.KeyChange.RETIRE, key=old.key, member=MAKER.id))
    world.do(old, world.sell(MAKER, 1))
    world.now += RETIRED_KEY_GRACE_MS + 1000
    assert rules(world, world.envelope(old, [sale(world)])) == ["key.retired"]
    stolen = new_key(world, MAKER, 5)
    world.do(stolen, world.sell(MAKER, 1))
    revoke = world.act(r.Key, change=r.KeyChange.REVOKE, key=stolen.key, member=MAKER.id, suspect_from=world.now - 1)
    world.do(REGULATOR, revoke)
    assert rules(world, world.envelope(stolen, [sale(world)])) == ["key.revoked"]
    again = world.act(r.Key, change=r.KeyChange.ADMIT, key=stolen.key, member=MAKER.id)
    assert [problem.rule for problem in world.refused(MAKER, again)] == ["key.known"]
    others = world.act(r.Key, change=r.KeyChange.ADMIT, key=bytes(32), member=MAKER.id)
    assert [problem.rule for problem in world.refused(DEALER, others)] == ["key.not-own"]


def test_expired_future_and_long_lived_envelopes(world: World) -> None:
    old = world.envelope(MAKER, [sale(world)], time=world.now - 2 * DAY_MS, not_after=world.now - DAY_MS)
    assert rules(world, old) == ["envelope.expired"]
    ahead = world.now + CLAIMED_TIME_AHEAD_MS_MAX + 1000
    early = world.envelope(MAKER, [sale(world)], time=ahead, not_after=ahead + 1)
    assert rules(world, early) == ["envelope.future"]
    with pytest.raises(Malformed, match="not_after"):
        world.check(world.envelope(MAKER, [sale(world)], not_after=world.now + ENVELOPE_LIFETIME_MS_MAX + 1))
    with pytest.raises(Malformed, match="not_after"):
        world.check(world.envelope(MAKER, [sale(world)], not_after=world.now - 1))
    claimed = world.sell(MAKER, 1, at=world.now + CLAIMED_TIME_AHEAD_MS_MAX + 5000)
    assert [problem.rule for problem in world.refused(MAKER, claimed)] == ["record.future"]


def test_the_same_envelope_again_gives_the_first_verdict(world: World) -> None:
    wire = world.envelope(MAKER, [sale(world)])
    first = world.book(wire).verdicts[0]
    held = world.held(MAKER)
    again = world.book(wire).verdicts[0]
    assert (again.leaf, again.earlier) == (first.leaf, True)
    twice = world.envelope(MAKER, [sale(world)])
    verdicts = world.book(twice, twice).verdicts
    assert [verdict.earlier for verdict in verdicts] == [False, True]
    assert world.held(MAKER) == held - 1


def test_two_envelopes_for_the_same_last_cans_in_one_block(world: World) -> None:
    world.hand_over(MAKER, SHOP, 100)
    wires = [world.envelope(SHOP, [world.seal(world.ship(SHOP, DEALER, 100))]) for _ in range(2)]
    verdicts = world.book(*wires).verdicts
    assert verdicts[0].leaf is not None
    assert [problem.rule for problem in verdicts[1].problems] == ["position.overdrawn"]
    assert world.held(SHOP) == 0


def test_hashes_name_records(world: World) -> None:
    sealed = world.do(MAKER, world.sell(MAKER, 1))[0]
    assert sealed.hash == merkle.leaf_hash(sealed.record)
    assert uscc(1) == REGULATOR.id


def test_a_record_stands_once_in_an_envelope(world: World) -> None:
    """The same ship twice, salt and all, would take stock twice and open one handover."""
    ship = world.seal(world.ship(MAKER, DEALER, 100))
    with pytest.raises(Refused) as caught:
        world.check(world.envelope(MAKER, [ship, ship]))
    assert [(one.rule, one.record) for one in caught.value.problems] == [("record.twice", 1)]
    other = world.seal(world.ship(MAKER, DEALER, 100))
    world.book(world.envelope(MAKER, [ship, other]))
    assert world.held(MAKER) == 9_800
