"""The outbox against a real ledger in this process, over a line that fails as told."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client_sdk import build, errors, keys
from client_sdk.build import Act
from client_sdk.outbox import Entry, Outbox, Report, State, store
from client_sdk.outbox.lines import batches
from client_sdk.outbox.sending import WAITS_MAX, sending_alone
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import limits, merkle, policy, tlogproof
from ledger import records as r
from ledger.envelope import ENVELOPE, HEADER, envelope_leaf
from ledger.errors import Damaged, Malformed, Problem
from ledger.private import Private
from tests.loopback import LOST, STORED, Loopback, identity_of
from tests.world import DAY_MS, DEALER, LOT, MAKER, POLICY, REGULATOR, SHOP, World


class Desk:
    """A maker's outbox, its line to the ledger, and clocks that can be set."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "node", now=clock_ms() - DAY_MS).founded()
        self.world.now = clock_ms()
        self.home = folder / "maker"
        self.identity = identity_of(self.home)
        self.line = Loopback(self.world, self.identity)
        self.ahead = 0
        self.slept: list[float] = []
        self.says: list[str] = []
        self.outbox = self.open()

    def clock(self) -> int:
        return clock_ms() + self.ahead

    def open(self) -> Outbox:
        return Outbox(self.home, self.world.chain, self.identity, self.clock, self.slept.append)

    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = self.open()

    def sale(self, ref: str, quantity: int = 1, **fields: Any) -> Act:
        given = {"lot": LOT, "at": clock_ms() - 1000, "site": MAKER.site}
        return build.sell(quantity=quantity, ref=ref, **given | fields)

    def add(self, *refs: str, quantity: int = 1) -> Entry:
        [entry] = self.outbox.add([self.sale(ref, quantity) for ref in refs])
        return entry

    def send(self) -> Report:
        return self.outbox.send(self.line, lambda event: self.says.append(f"{event.entry.number} {event.says}"))

    def waiting(self) -> list[tuple[int, State]]:
        return [(entry.number, entry.state) for entry in self.outbox.waiting()]

    def refs(self) -> list[str]:
        """Document lines of sales in the ledger, in order; the maker's commission aside."""
        return [ref for _, ref in self.line.booked() if not ref.startswith("DOC-")]

    def submits(self) -> int:
        return self.line.calls.count("Submit")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.outbox.close()
    desk.world.close()


# Adding


def test_what_was_added_is_on_disk_and_private(desk: Desk) -> None:
    entry = desk.add("A/1", "A/2")
    assert (desk.home / "outbox.db").stat().st_mode & 0o777 == 0o600
    desk.reopen()
    [kept] = desk.outbox.waiting()
    assert kept == entry
    assert kept.explanation == "waits for its turn"
    assert kept.hashes == kept.envelope.hashes
    assert kept.id == kept.envelope.id
    assert [one.amounts.ref for one in kept.records] == ["A/1", "A/2"]  # type: ignore[union-attr]
    assert kept.signed.not_after - kept.signed.time == limits.ENVELOPE_LIFETIME_MS_MAX
    assert desk.line.calls == []


def test_acts_are_added_all_or_none(desk: Desk) -> None:
    with pytest.raises(Malformed):
        desk.outbox.add([desk.sale("A/1"), desk.sale("A/2", lot="1#A")])
    assert desk.waiting() == []


def test_an_outbox_is_for_one_member_and_one_chain(desk: Desk, tmp_path: Path) -> None:
    desk.add("A/1")
    with pytest.raises(errors.OutboxError, match="its own identity"):
        Outbox(desk.home, b"c" * 32)
    identity_of(desk.home, SHOP)
    with pytest.raises(errors.OutboxError, match=f"the outbox of {MAKER.id}"):
        Outbox(desk.home, desk.world.chain)
    identity_of(desk.home)
    other = Loopback(desk.world, identity_of(tmp_path / "shop", SHOP))
    with pytest.raises(errors.OutboxError, match="send with its identity"):
        desk.outbox.send(other)
    desk.line.connection = keys.Connection("", "00" * 32, "", "", "", "")
    with pytest.raises(errors.OutboxError, match="another"):
        desk.send()
    with Outbox(desk.home, desk.world.chain) as locked, pytest.raises(errors.NotAuthenticated):
        locked.add([desk.sale("A/2")])


def test_a_full_outbox_says_so_and_takes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "OUTBOX_ENVELOPES_MAX", 2)
    desk.add("A/1")
    with pytest.raises(errors.OutboxError, match="at most 2"):
        desk.outbox.add([desk.sale(f"B/{number}") for number in range(150)])
    assert len(desk.waiting()) == 1
    desk.add("A/2")


def test_records_that_share_a_document_line_share_an_envelope(desk: Desk) -> None:
    lines = [f"A/{number}" for number in range(95)] + ["B/1"] * 10 + ["C/1"] + ["D/1"] * 120 + ["E/1"]
    sealed = [build.sealed(desk.sale(ref)) for ref in lines]
    made = [[record.opening for record in batch] for batch in batches(sealed)]
    assert [len(batch) for batch in made] == [95, 11, 120, 1]
    assert [opening for batch in made for opening in batch] == [one.opening for one in sealed]
    spread = [build.sealed(desk.sale(f"A/{number % 2}")) for number in range(130)]
    assert [len(batch) for batch in batches(spread)] == [130]
    enter = build.enter(lot=LOT, quantity=1, ref="A/1", at=clock_ms(), site=MAKER.site)
    sides = [build.sealed(desk.sale("A/1")), build.sealed(enter)]
    assert [len(batch) for batch in batches(sides * 60)] == [120]
    with pytest.raises(Malformed, match="share document lines"):
        list(batches([sealed[0]] * 4097))


# Sending


def test_what_waits_is_sent_in_order_and_forgotten_with_its_receipt(desk: Desk) -> None:
    added = [desk.add(f"A/{number}") for number in range(5)]
    report = desk.send()
    assert (report.booked, report.refused, report.stopped) == (5, 0, "")
    assert desk.refs() == [f"A/{number}" for number in range(5)]
    assert desk.waiting() == []
    kept = list(desk.outbox.settled())
    assert sorted(entry.number for entry in kept) == [entry.number for entry in added]
    for entry in kept:
        assert (entry.state, entry.sealed) == (State.DONE, [])
        proof = tlogproof.parse(entry.receipt)
        assert (proof.index, proof.extra) == (entry.leaf, entry.id)
        head = policy.check(POLICY, proof.checkpoint, clock_ms(), limits.WITNESS_WINDOW_MS).checkpoint
        leaf = merkle.leaf_hash(envelope_leaf(entry.header, entry.signature))
        merkle.verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    assert desk.line.trust.pinned is not None
    assert desk.send().booked == 0
    assert desk.submits() == 5


def test_receipts_of_what_is_done_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "OUTBOX_DONE_ROWS_MAX", 3)
    numbers = [desk.add(f"A/{number}").number for number in range(5)]
    desk.send()
    assert [entry.number for entry in desk.outbox.settled()] == numbers[:1:-1]


@pytest.mark.parametrize("fault", [LOST, STORED])
def test_after_an_unknown_outcome_the_node_is_asked_before_the_same_bytes_go_again(desk: Desk, fault: str) -> None:
    entry = desk.add("A/1")
    desk.add("A/2")
    desk.line.faults["Submit"] = [fault]
    assert desk.send().booked == 2
    first, asked, *_ = desk.line.calls
    assert (first, asked) == ("Submit", "GetReceipt")
    assert desk.submits() == (3 if fault == LOST else 2)
    assert desk.line.wires[:-1] == [entry.envelope.wire] * (2 if fault == LOST else 1)
    assert desk.refs() == ["A/1", "A/2"]


@pytest.mark.parametrize("fault", [LOST, STORED])
def test_after_a_restart_too(desk: Desk, fault: str) -> None:
    desk.add("A/1")
    desk.add("A/2")
    desk.line.faults |= {"Submit": [fault], "GetReceipt": [LOST]}
    report = desk.send()
    assert (report.booked, report.stopped, report.again) == (0, "cut off", True)
    assert [state for _, state in desk.waiting()] == [State.SENT, State.WAITING]
    assert "what became of it is asked" in next(iter(desk.outbox.waiting())).explanation
    for act in (desk.outbox.retry, lambda number: desk.outbox.drop(number, "x")):
        with pytest.raises(errors.OutboxError, match="no witnessed receipt came"):
            act(1)
    desk.reopen()
    desk.line.calls.clear()
    assert desk.send().booked == 2
    assert desk.line.calls[0] == "GetReceipt"
    assert desk.refs() == ["A/1", "A/2"]


def test_an_unanswering_node_is_left_after_a_few_tries(desk: Desk) -> None:
    desk.add("A/1")
    desk.line.faults["Submit"] = [LOST] * 20
    report = desk.send()
    assert (report.booked, report.again) == (0, True)
    assert desk.submits() == 3


def test_an_overloaded_node_is_waited_for_as_it_asks(desk: Desk) -> None:
    desk.add("A/1")
    desk.line.faults["Submit"] = [errors.Overloaded(250), errors.Overloaded(500)]
    assert desk.send().booked == 1
    assert desk.slept == [0.25, 0.5]
    assert "GetReceipt" not in desk.line.calls


def test_and_left_for_later_when_it_lasts(desk: Desk) -> None:
    desk.add("A/1")
    desk.line.faults["Submit"] = [errors.Overloaded(1)] * 100
    assert desk.send().again
    assert len(desk.slept) == WAITS_MAX
    desk.slept.clear()
    desk.line.faults["Submit"] = [errors.ReadOnly("its disk is nearly full", 60_000)]
    report = desk.send()
    assert "its disk is nearly full" in report.stopped
    assert report.again
    assert desk.slept == []
    assert desk.waiting() == [(1, State.WAITING)]
    assert desk.send().booked == 1


def test_only_a_verified_receipt_settles(desk: Desk) -> None:
    desk.add("A/1")
    good = desk.world.note
    desk.world.note = lambda at_ms=None: good(clock_ms() - DAY_MS)  # type: ignore[method-assign]
    report = desk.send()
    assert "quorum" in report.stopped
    assert "clock" in report.stopped
    assert desk.waiting() == [(1, State.SENT)]
    desk.world.note = good  # type: ignore[method-assign]
    assert desk.send().booked == 1
    assert desk.submits() == 1


def test_without_a_certificate_nothing_is_lost(desk: Desk) -> None:
    desk.add("A/1")
    desk.line.faults["Submit"] = [errors.NotAuthenticated("a member's client certificate is needed")]
    report = desk.send()
    assert "certificate" in report.stopped
    assert not report.again
    assert desk.send().booked == 1


def test_one_process_sends_at_a_time_and_any_may_add(desk: Desk) -> None:
    desk.add("A/1")
    with sending_alone(desk.home):
        with pytest.raises(errors.OutboxError, match="another process is sending"):
            desk.send()
        with desk.open() as other:
            other.add([desk.sale("A/2")])
    assert desk.send().booked == 2
    assert desk.refs() == ["A/1", "A/2"]


# Clocks


def test_an_expired_envelope_is_signed_anew_in_its_place(desk: Desk) -> None:
    desk.ahead = -15 * DAY_MS
    entries = [desk.add("A/1"), desk.add("A/2")]
    desk.ahead = 0
    desk.add("A/3")
    hashes = entries[0].hashes
    assert desk.send().booked == 3
    assert desk.refs() == ["A/1", "A/2", "A/3"]
    first, again = (ENVELOPE.decode(wire) for wire in desk.line.wires[:2])
    assert [merkle.leaf_hash(record) for record in again.records] == hashes
    assert (first.records, first.openings) == (again.records, again.openings)
    assert HEADER.decode(first.header).time < HEADER.decode(again.header).time
    assert "1 signed anew" in desk.says


def test_a_clock_that_is_far_behind_is_named_and_does_not_loop(desk: Desk) -> None:
    desk.ahead = -15 * DAY_MS
    desk.add("A/1")
    report = desk.send()
    assert "set the clock right" in report.stopped
    assert desk.submits() == 1
    [entry] = desk.outbox.waiting()
    assert (entry.state, entry.header) == (State.WAITING, b"")
    assert "set the clock right" in entry.explanation
    desk.ahead = 0
    assert desk.send().booked == 1


def test_a_clock_that_was_ahead_delays_and_loses_nothing(desk: Desk) -> None:
    desk.ahead = DAY_MS
    entry = desk.add("A/1")
    desk.ahead = 0
    desk.add("A/2")
    report = desk.send()
    assert "clock that was ahead" in report.stopped
    assert report.again
    assert desk.waiting() == [(1, State.WAITING), (2, State.WAITING)]
    assert desk.send().booked == 0
    desk.world.now += DAY_MS
    desk.ahead = DAY_MS
    real = desk.world.note
    desk.world.note = lambda at_ms=None: real(clock_ms())  # type: ignore[method-assign]
    assert desk.send().booked == 2
    assert desk.line.wires[-2] == entry.envelope.wire
    assert desk.refs() == ["A/1", "A/2"]


def test_who_wants_it_now_signs_it_anew(desk: Desk) -> None:
    desk.ahead = DAY_MS
    desk.add("A/1")
    desk.ahead = 0
    desk.send()
    desk.outbox.retry(1)
    assert desk.send().booked == 1


# Refusals


def test_what_is_refused_is_set_aside_and_the_rest_goes_first(desk: Desk) -> None:
    [entry] = desk.outbox.add([desk.sale("A/1"), desk.sale("A/2", 10**6), desk.sale("A/3"), desk.sale("A/4", 10**7)])
    desk.add("B/1")
    report = desk.send()
    assert (report.booked, report.refused, report.stopped) == (2, 2, "")
    assert desk.refs() == ["A/1", "A/3", "B/1"]
    assert ENVELOPE.decode(desk.line.wires[1]).records == [entry.sealed[0].record, entry.sealed[2].record]
    left = list(desk.outbox.waiting())
    assert [(one.state, one.hashes) for one in left] == [
        (State.REFUSED, [entry.hashes[1]]),
        (State.REFUSED, [entry.hashes[3]]),
    ]
    assert [(p.rule, p.record) for one in left for p in one.problems] == [("position.overdrawn", 0)] * 2
    assert "suyuan outbox retry 3" in left[0].explanation
    assert f"entry {left[0].number}, which was refused" in left[1].explanation
    assert desk.send().booked == 0


def test_records_of_one_line_are_set_aside_together(desk: Desk) -> None:
    desk.outbox.add([desk.sale("A/1"), desk.sale("A/2"), desk.sale("A/1", 10**6), desk.sale("A/3")])
    report = desk.send()
    assert (report.booked, report.refused) == (1, 1)
    assert desk.refs() == ["A/2", "A/3"]
    [left] = desk.outbox.waiting()
    assert [one.amounts.ref for one in left.records] == ["A/1", "A/1"]  # type: ignore[union-attr]
    assert [p.record for p in left.problems] == [1]


def test_a_refused_record_is_tried_again_at_its_place(desk: Desk) -> None:
    desk.outbox.add([desk.sale("A/0"), desk.sale("A/1", 10_000 + 5)])
    desk.add("A/2")
    desk.line.faults["Submit"] = [None, None, errors.Overloaded(60_000)]
    desk.send()
    [refused, _] = desk.outbox.waiting()
    desk.outbox.retry(refused.number)
    assert [state for _, state in desk.waiting()] == [State.WAITING, State.WAITING]
    fields = {"lot": LOT, "at": clock_ms(), "site": MAKER.site, "production": 20251101, "expiry": 20271101}
    more = build.commission(quantity=100, ref="SC-2", **fields)  # type: ignore[arg-type]
    desk.line.submit_envelope(next(iter(desk.line.sign([more]))))
    assert desk.send().booked == 2
    assert desk.refs() == ["A/0", "SC-2", "A/1", "A/2"]


def test_a_whole_envelope_refused_keeps_its_number_and_can_be_dropped(desk: Desk) -> None:
    entry = desk.add("A/1", quantity=10**6)
    desk.send()
    assert desk.waiting() == [(entry.number, State.REFUSED)]
    with pytest.raises(errors.OutboxError, match="say why"):
        desk.outbox.drop(entry.number, " ")
    desk.outbox.drop(entry.number, "typed a zero too many")
    assert desk.waiting() == []
    [dropped] = desk.outbox.settled()
    assert (dropped.number, dropped.state) == (entry.number, State.DROPPED)
    assert "typed a zero too many" in dropped.explanation
    with pytest.raises(errors.OutboxError, match="given up"):
        desk.outbox.retry(entry.number)
    with pytest.raises(errors.OutboxError, match="no entry 99"):
        desk.outbox.retry(99)


def test_what_waits_can_be_dropped_before_it_is_sent_and_what_is_booked_cannot(desk: Desk) -> None:
    first, second = desk.add("A/1"), desk.add("A/2")
    desk.outbox.drop(first.number, "twice")
    with pytest.raises(errors.OutboxError, match="waits for its turn"):
        desk.outbox.retry(second.number)
    desk.send()
    assert desk.refs() == ["A/2"]
    with pytest.raises(errors.OutboxError, match="booked in leaf"):
        desk.outbox.drop(second.number, "no")


def test_a_drop_between_reading_and_sending_wins(desk: Desk) -> None:
    entry = desk.add("A/1")
    other = desk.open()

    def drop_first(method: str) -> None:
        return None

    desk.line.fault = drop_first
    real = desk.outbox._store.sent

    def late(one: Entry) -> bool:
        other.drop(entry.number, "second thoughts")
        return real(one)

    desk.outbox._store.sent = late  # type: ignore[method-assign]
    assert desk.send().booked == 0
    other.close()
    assert desk.submits() == 0
    assert desk.refs() == []


def test_a_line_that_this_outbox_booked_is_explained(desk: Desk) -> None:
    first = desk.add("A/1")
    desk.send()
    desk.add("A/1")
    desk.send()
    [left] = desk.outbox.waiting()
    assert f"already booked: entry {first.number} of this outbox" in left.explanation


def test_a_record_that_stands_in_the_log_under_another_signature_is_explained(desk: Desk) -> None:
    """What an outbox that was put back from a backup may meet."""
    entry = desk.add("A/1")
    anew = build.signed(entry.sealed, desk.identity, desk.world.chain, clock_ms() - 5)
    desk.line.submit_envelope(anew)
    desk.send()
    [left] = desk.outbox.waiting()
    assert "this very record stands in leaf" in left.explanation
    assert desk.refs() == ["A/1"]


def test_a_line_booked_by_somebody_else_is_told_as_the_node_does(desk: Desk) -> None:
    desk.line.submit_envelope(next(iter(desk.line.sign([desk.sale("A/1")]))))
    desk.add("A/1")
    desk.send()
    [left] = desk.outbox.waiting()
    assert "was booked in leaf" in left.explanation


def test_an_envelope_that_meets_an_error_of_the_node_is_parked(desk: Desk) -> None:
    desk.add("A/1")
    desk.add("A/2")
    desk.line.faults["Submit"] = [
        errors.EnvelopeRefused((Problem("internal", "this envelope meets an error in the node"),)),
        errors.EnvelopeRefused(()),
    ]
    assert desk.send().refused == 2
    assert desk.waiting() == [(1, State.REFUSED), (2, State.REFUSED)]
    desk.outbox.retry(2)
    desk.outbox.retry(1)
    assert desk.send().booked == 2
    assert desk.refs() == ["A/1", "A/2"]


# Keys


def change_key(desk: Desk, change: r.KeyChange, key: bytes) -> None:
    desk.world.do(MAKER, desk.world.act(r.Key, change=change, key=key, member=MAKER.id))


def test_a_revoked_key_holds_the_queue_until_another_signs_it_anew_in_order(desk: Desk) -> None:
    entries = [desk.add("A/1"), desk.add("A/2")]
    seed = b"another key of the maker........"
    fresh = identity_of(desk.home, MAKER, seed)
    change_key(desk, r.KeyChange.ADMIT, fresh.public.key)
    change_key(desk, r.KeyChange.REVOKE, desk.identity.public.key)
    desk.world.now += 1
    report = desk.send()
    assert "revoked" in report.stopped
    assert not report.again
    assert [state for _, state in desk.waiting()] == [State.WAITING, State.WAITING]
    assert "with another key in this identity folder" in next(iter(desk.outbox.waiting())).explanation
    desk.identity, desk.line.identity = fresh, fresh
    desk.reopen()
    assert desk.send().booked == 2
    assert desk.refs() == ["A/1", "A/2"]
    signed = [ENVELOPE.decode(wire) for wire in desk.line.wires[-2:]]
    assert [HEADER.decode(one.header).key for one in signed] == [e.key_id(fresh.public.key)] * 2
    assert [merkle.leaf_hash(one.records[0]) for one in signed] == [entry.hashes[0] for entry in entries]


def test_who_is_not_admitted_yet_waits(desk: Desk, tmp_path: Path) -> None:
    newcomer = identity_of(tmp_path / "new", SHOP, b"a key that nobody admitted yet..")
    line = Loopback(desk.world, newcomer)
    with Outbox(newcomer.folder, desk.world.chain, newcomer) as outbox:
        site = build.act(r.Site, at=clock_ms(), name="店", region="CN-33", site=f"{SHOP.id}/b")
        outbox.add([site])
        report = outbox.send(line)
        assert "no key" in report.stopped
        assert report.again
        admit = desk.world.act(r.Key, change=r.KeyChange.ADMIT, key=newcomer.public.key, member=SHOP.id)
        desk.world.do(REGULATOR, admit)
        assert outbox.send(line).booked == 1


# Private openings


def priced(desk: Desk, ref: str) -> Act:
    ship = build.ship(lot=LOT, quantity=1, ref=ref, at=clock_ms(), site=MAKER.site, to=DEALER.id)
    return build.with_private(ship, Private(currency="CNY", price=129_900))


@pytest.mark.parametrize("fault", [LOST, STORED])
def test_private_openings_are_given_after_the_receipt_and_then_forgotten(desk: Desk, fault: str) -> None:
    [entry] = desk.outbox.add([desk.sale("A/1"), priced(desk, "A/2")])
    desk.add("A/3")
    desk.line.faults["PutPrivate"] = [fault]
    report = desk.send()
    assert (report.booked, report.given, report.again) == (2, 0, True)
    assert desk.waiting() == [(entry.number, State.BOOKED)]
    desk.reopen()
    assert "private openings still go to the node" in next(iter(desk.outbox.waiting())).explanation
    report = desk.send()
    assert (report.given, report.stopped) == (1, "")
    [(_, index)] = desk.line.private_store
    assert (index, list(desk.line.private_store.values())) == (1, [entry.sealed[1].private])
    assert desk.waiting() == []
    assert entry.sealed[1].private not in (desk.home / "outbox.db").read_bytes()


def test_the_node_that_is_sent_to_is_given_openings_for_all_that_are_named(desk: Desk) -> None:
    desk.outbox.add([priced(desk, "A/1")], nodes=["one", "two"])
    desk.line.faults["PutPrivate"] = [LOST]
    report = desk.send()
    assert (report.booked, report.given) == (1, 0)
    assert "node one, two" in next(iter(desk.outbox.waiting())).explanation
    assert desk.send().given == 1
    assert desk.waiting() == []
    assert desk.line.named == ["one", "two"]


def test_openings_that_a_node_refuses_are_kept_until_the_user_decides(desk: Desk) -> None:
    [entry] = desk.outbox.add([priced(desk, "A/1")])
    gone = errors.EnvelopeRefused((Problem("envelope.malformed", "it was erased, and does not come back"),))
    desk.line.faults["PutPrivate"] = [gone]
    desk.send()
    [left] = desk.outbox.waiting()
    assert "does not come back" in left.explanation
    assert desk.send().given == 0
    desk.outbox.retry(entry.number)
    desk.line.faults["PutPrivate"] = [gone]
    desk.send()
    desk.outbox.drop(entry.number, "erased on request")
    assert desk.waiting() == []
    assert [(one.state, one.sealed) for one in desk.outbox.settled()] == [(State.DONE, [])]


# Damage


def test_a_flipped_bit_in_a_row_is_named_and_holds_up_nobody(desk: Desk) -> None:
    desk.add("A/1")
    desk.add("A/2")
    path = desk.home / "outbox.db"
    desk.outbox.close()
    database = sqlite3.connect(path)
    [(sealed,)] = database.execute("SELECT sealed FROM entry WHERE number = 1").fetchall()
    at = sealed.index(LOT.encode())
    for column, value in (("sealed", sealed[:at] + b"1" + sealed[at + 1 :]), ("nodes", "[x"), ("header", b"")):
        with database:
            [(before,)] = database.execute(f"SELECT {column} FROM entry WHERE number = 1").fetchall()
            database.execute(f"UPDATE entry SET {column} = ? WHERE number = 1", (value,))
        with desk.open() as outbox:
            damaged = next(iter(outbox.waiting()))
            assert "the disk changed what was stored here" in damaged.explanation
        with database:
            database.execute(f"UPDATE entry SET {column} = ? WHERE number = 1", (before,))
    with database:
        database.execute("UPDATE entry SET sealed = ? WHERE number = 1", (sealed[:-1],))
    database.close()
    desk.outbox = desk.open()
    report = desk.send()
    assert (report.booked, report.refused) == (1, 1)
    assert desk.refs() == ["A/2"]
    with pytest.raises(errors.OutboxError, match="nothing to send"):
        desk.outbox.retry(1)
    desk.outbox.drop(1, "damaged; booked again")


def test_a_damaged_row_that_was_sent_is_still_asked_for(desk: Desk) -> None:
    desk.add("A/1")
    desk.line.faults |= {"Submit": [STORED], "GetReceipt": [LOST]}
    desk.send()
    desk.outbox._store._db.execute("UPDATE entry SET sealed = x'00'")
    assert desk.send().booked == 1


def test_a_file_that_is_no_outbox_is_named(desk: Desk) -> None:
    desk.add("A/1")
    desk.outbox.close()
    path = desk.home / "outbox.db"
    data = bytearray(path.read_bytes())
    data[:4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(Damaged, match=r"outbox\.db"):
        desk.open()
    path.unlink()
    desk.outbox = desk.open()


def test_a_full_disk_takes_nothing_and_says_so(desk: Desk) -> None:
    desk.add("A/1")
    pages = desk.outbox._store._db.execute("PRAGMA page_count").fetchone()[0]
    desk.outbox._store._db.execute(f"PRAGMA max_page_count = {pages + 9}")  # one envelope of three fits
    with pytest.raises(errors.OutboxError, match="full; nothing in it was changed"):
        desk.outbox.add([desk.sale(f"B/{number}") for number in range(300)])
    assert desk.waiting() == [(1, State.WAITING)]
    desk.outbox.add([desk.sale(f"C/{number}") for number in range(20)])
    desk.outbox._store._db.execute("PRAGMA max_page_count = 1000000")


# Everything at once


@pytest.mark.parametrize("seed", range(4))
def test_under_random_faults_every_act_is_booked_once_and_in_order(desk: Desk, seed: int) -> None:
    random = Random(seed)
    kinds: list[Any] = [
        LOST,
        STORED,
        errors.Overloaded(1),
        errors.ReadOnly("full", 1),
        errors.NotFound("x"),
        errors.ClientError("INTERNAL"),
    ]

    def fault(method: str) -> Any:
        if random.random() > 0.25:
            return None
        found = random.choice(kinds)
        return LOST if isinstance(found, errors.NotFound) else found

    desk.line.fault = fault
    expected: list[str] = []
    for number in range(25):
        lines = [f"{number}/{part}" for part in range(random.randrange(1, 4))]
        wrong = random.random() < 0.3
        desk.ahead = random.choice([0, 0, -15 * DAY_MS])
        acts = [desk.sale(ref) for ref in lines] + ([desk.sale(f"{number}/bad", 10**6)] if wrong else [])
        desk.outbox.add(acts)
        desk.ahead = 0
        expected += lines
        if random.random() < 0.7:
            desk.send()
        if random.random() < 0.3:
            desk.reopen()
    desk.line.fault = lambda method: None
    assert desk.send().stopped == ""
    assert desk.refs() == expected
    left = list(desk.outbox.waiting())
    assert {entry.state for entry in left} == {State.REFUSED}
    assert all(one.amounts.ref.endswith("bad") for entry in left for one in entry.records)  # type: ignore[union-attr]
