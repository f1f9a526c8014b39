"""Whom a record concerns, and what a subscription tells: act by act, live and later, from any place on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import limits
from ledger import records as r
from ledger.errors import Malformed
from ledger.storage.chainview import ChainView
from node import feed as f
from node.feed import Event, Feed
from tests.parties import NEWCOMER, Booked, one_of_each
from tests.property.test_custody_model import Custody
from tests.world import DEALER, EVERYBODY, FORMULA, MAKER, REGULATOR, SHOP, STORE, Member, World

READERS = (*EVERYBODY, NEWCOMER, REGULATOR)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("feed") / "node").founded()
    yield world
    world.close()


@pytest.fixture(scope="module")
def booked(world: World) -> list[Booked]:
    return one_of_each(world)


def view_of(world: World) -> ChainView:
    return world.store.view(world.note())


def told(world: World, who: Member, from_leaf: int = 0) -> list[Event]:
    """All that a member is told, message by message."""
    feed, view, found = Feed(world.store), view_of(world), []
    while from_leaf < view.head.log.size:
        events, reached = feed.read(view, who.id, from_leaf)
        assert reached > from_leaf
        found += events
        from_leaf = reached
    return found


def test_every_act_is_told_to_those_whom_it_concerns_and_to_nobody_else(world: World, booked: list[Booked]) -> None:
    assert {one.act for one in booked} == set(r.Act)
    heard = {who.id: {event.leaf: event for event in told(world, who)} for who in READERS}
    for one in booked:
        concerned = (one.parties | one.keepers) - {one.signer.id}
        expected = concerned if not one.everybody else {who.id for who in READERS} - {one.signer.id}
        assert {who for who, events in heard.items() if one.leaf in events} == expected, one.name
        for who in expected:
            event = heard[who][one.leaf]
            assert (event.member, event.record) == (one.signer.id, one.sealed.record)
            assert event.opening == (one.sealed.opening if who in one.parties else b""), (one.name, who)


def test_a_subscription_goes_on_from_any_leaf(world: World, booked: list[Booked]) -> None:
    for who in (MAKER, STORE, REGULATOR):
        everything = told(world, who)
        for leaf in range(world.store.head.log.size + 1):
            assert told(world, who, leaf) == [event for event in everything if event.leaf >= leaf]


def test_a_leaf_beyond_the_log_is_refused(world: World) -> None:
    view = view_of(world)
    assert Feed(world.store).read(view, MAKER.id, view.head.log.size) == ([], view.head.log.size)
    for leaf in (view.head.log.size + 1, 2**63, 2**64 - 1):
        with pytest.raises(Malformed, match="beyond this log"):
            Feed(world.store).read(view, MAKER.id, leaf)


def test_messages_are_bounded_and_split_only_between_envelopes(
    world: World, booked: list[Booked], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [world.envelope(SHOP, [world.seal(world.claim(SHOP, DEALER, 1)) for _ in range(3)]) for _ in range(4)]
    first = world.store.head.log.size
    assert [verdict.problems for verdict in world.book(*several).verdicts] == [()] * 4
    monkeypatch.setattr(f, "PAGE_BYTES_MAX", 700)
    feed, view, seen, leaf = Feed(world.store), view_of(world), [], first
    while leaf < view.head.log.size:
        events, leaf = feed.read(view, DEALER.id, leaf)
        assert len(events) <= 3
        seen += events
    assert [(event.leaf, event.index) for event in seen] == [(first + n, i) for n in range(4) for i in range(3)]


def test_what_is_remembered_is_bounded(world: World, booked: list[Booked], monkeypatch: pytest.MonkeyPatch) -> None:
    feed, view = Feed(world.store), view_of(world)
    monkeypatch.setattr(f, "EVENTS_BYTES_MAX", 4000)
    for leaf in (0, 30, 0, 30):
        feed.read(view, MAKER.id, leaf)
        assert feed._bytes == sum(block.size for block in feed._remembered.values()) <= 4000
    assert limits.EVENTS_BYTES_MAX > 4000


class Watched(Custody):
    """The walk over all acts, with a listener who reads each block as it is stored."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.heard: dict[str, list[Event]] = {who.id: [] for who in (MAKER, DEALER, SHOP, STORE)}
        self.leaf = 0

    def listen(self) -> None:
        view = view_of(self.world)
        for who, events in self.heard.items():
            leaf = self.leaf
            while leaf < view.head.log.size:
                found, leaf = Feed(self.world.store).read(view, who, leaf)
                events += found
        self.leaf = view.head.log.size

    def third_party(self) -> None:
        """What the walk does not do: goods with a keeper, corrections of what two sides signed."""
        world, (who, to) = self.world, self.random.sample([MAKER, DEALER, SHOP], 2)
        lot = f"{FORMULA}#B2"  # which the walk never holds
        world.do(who, world.enter(who, 20, lot, site=STORE.site))
        give = {"site": STORE.site, "owner": who.id, "to_site": to.site}
        onward = world.do(STORE, world.ship(STORE, who, 12, lot, **give))[0]
        subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=onward.hash, to=to.id)
        world.do(STORE, world.act(r.Fact, kind=r.FactKind.NOTE, subject=subject, text="途中"))
        receive = world.do(to, world.receive(onward.hash, lot, accepted=5))[0]
        if self.random.random() < 0.5:
            world.do(STORE, world.withdraw(onward.hash, to, lot))
        world.do(to, world.correct(receive, {"accepted": 4}))
        world.submit(STORE, world.correct(onward, {"quantity": 11}))  # refused where the rest was withdrawn


@pytest.mark.parametrize("seed", range(3))
def test_a_block_read_live_and_read_at_the_end_tells_the_same(tmp_path: Path, seed: int) -> None:
    walk = Watched(tmp_path, 100 + seed)
    for number in range(400):
        walk.step()
        if number % 50 == 49:
            walk.third_party()
        walk.listen()
    assert sum(len(events) for events in walk.heard.values()) > 150
    acts = {r.act_of_type(type(r.RECORD.decode(e.record))) for events in walk.heard.values() for e in events}
    assert acts >= {r.Act.SHIP, r.Act.RECEIVE, r.Act.WITHDRAW, r.Act.CLAIM, r.Act.CORRECT, r.Act.HOLD, r.Act.FACT}
    for who in (MAKER, DEALER, SHOP, STORE):
        assert told(walk.world, who) == walk.heard[who.id]
    walk.world.close()
