"""Several nodes behind one client: ledger, rules and proofs are real; the lines to it fail as told."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import msgspec
import pytest
import trustme

from client_sdk import access, build, errors, keys
from client_sdk.async_client import AsyncClient
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.nodes import AWAY_SECONDS, AWAY_SECONDS_MAX, Nodes
from client_sdk.outbox import Outbox, State
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger import checkpoint as c
from ledger.errors import Malformed, Problem, SuyuanError, VerifyFailed
from ledger.policy import format_policy
from ledger.private import Private
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.loopback import LOST, STORED, Loopback, identity_of
from tests.world import DAY_MS, LOG_SEED, LOT, MAKER, ORIGIN, POLICY, World

UNKNOWN_KEY = errors.EnvelopeRefused((Problem("key.unknown", "no such key"),))
OVERDRAWN = errors.EnvelopeRefused((Problem("position.overdrawn", "too many", "", 0),))


class Broken(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "cut off"

    def trailing_metadata(self) -> tuple[()]:
        return ()


class Answers:
    """A stream's answers, which can be cancelled; behind `silent_after` of them it says nothing until then."""

    silent_after: int | None = None

    def __init__(self, answers: Iterator[pb.SubmitResults]) -> None:
        self._answers = answers
        self._count = 0
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[pb.SubmitResults]:
        return self

    def __next__(self) -> pb.SubmitResults:
        answer = next(self._answers)
        if self._count == self.silent_after:
            self._cancelled.wait()
        if self._cancelled.is_set():
            raise Broken
        self._count += 1
        return answer

    def cancel(self) -> None:
        self._cancelled.set()


class Streaming(Loopback):
    """A loopback with a submit stream, which breaks at the envelope numbered `breaks_at`: before it took effect
    (LOST), or behind (STORED)."""

    breaks_at: int | None = None
    kind = LOST
    quorum = True  # without one, a node takes what is sent, and says nothing

    @property
    def _stub(self) -> Any:  # type: ignore[override]
        return self

    def SubmitStream(  # noqa: N802
        self, messages: Iterable[pb.SubmitRequests], timeout: float, metadata: Any
    ) -> "Answers":
        if self.quorum:
            return Answers(self._answers_to(messages))
        held = Answers(self._held(messages))
        held.silent_after = 0
        return held

    def _held(self, messages: Iterable[pb.SubmitRequests]) -> Iterator[pb.SubmitResults]:
        self.wires += [request.envelope for request in next(iter(messages)).requests]
        yield pb.SubmitResults()

    def _answers_to(self, messages: Iterable[pb.SubmitRequests]) -> Iterator[pb.SubmitResults]:
        for message in messages:
            for request in message.requests:
                breaks = self.breaks_at == len(self.wires)
                if breaks and self.kind == LOST:
                    raise Broken
                self.wires.append(request.envelope)
                result = self._Submit(request)
                if breaks:
                    raise Broken
                result.tag = request.tag
                yield pb.SubmitResults(results=[result])


class Desk:
    """A maker with two nodes, `first` and `second`, of one ledger; a clock that tests set."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "node", now=clock_ms() - DAY_MS).founded()
        self.world.now = clock_ms()
        self.identity = identity_of(folder / "maker")
        self.first, self.second = (Streaming(self.world, self.identity) for _ in range(2))
        self.first.node, self.second.node = "first", "second"
        self.told: list[str] = []
        self.time = 0.0
        lines = {"first": self.first, "second": self.second}
        self.nodes = Nodes(lines, self.told.append, lambda: self.time, lambda seconds: None)

    def envelope(self, ref: str, quantity: int = 1) -> SignedEnvelope:
        return next(iter(self.nodes.sign([self.sale(ref, quantity)])))

    def sale(self, ref: str, quantity: int = 1) -> build.Act:
        return build.sell(lot=LOT, quantity=quantity, ref=ref, at=clock_ms() - 1000, site=MAKER.site)

    def refs(self) -> list[str]:
        return [ref for _, ref in self.first.booked() if not ref.startswith("DOC-")]

    def unwitnessed(self) -> bytes:
        """The head as the log signs it, which no validator cosigned."""
        head = self.world.store.head.log
        return c.sign_checkpoint(c.Checkpoint(ORIGIN, head.size, head.root()), ORIGIN, LOG_SEED)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.world.close()


def gone(method: str) -> errors.ClientError:
    return errors.Unavailable("cut off")


# Who answers


def test_the_next_node_is_asked_while_one_is_away_and_the_first_again_later(desk: Desk) -> None:
    assert desk.nodes.node_info().node == "first"
    desk.first.fault = gone
    assert desk.nodes.node_info().node == "second"
    assert desk.told == ["second is asked in place of first: cut off"]
    calls = len(desk.first.calls)
    assert desk.nodes.node_info().node == "second"
    assert len(desk.first.calls) == calls
    desk.first.fault = desk.first._listed
    desk.time += AWAY_SECONDS + 1
    assert desk.nodes.node_info().node == "first"
    assert desk.told[1:] == ["first answers again"]


def test_a_node_that_stays_away_is_asked_ever_more_rarely(desk: Desk) -> None:
    desk.first.fault = gone
    for _ in range(10_000 // AWAY_SECONDS):
        desk.nodes.node_info()
        desk.time += AWAY_SECONDS
    assert 10 < len(desk.first.calls) < 25
    assert len(desk.told) == 1


def test_without_any_node_the_first_failure_is_told(desk: Desk) -> None:
    desk.first.fault = lambda method: errors.Unavailable("first is cut off")
    desk.second.fault = gone
    with pytest.raises(errors.Unavailable, match="first is cut off"):
        desk.nodes.node_info()
    desk.second.fault = desk.second._listed
    assert desk.nodes.node_info().node == "second"


# Envelopes


@pytest.mark.parametrize("fault", [LOST, STORED])
def test_the_same_bytes_go_to_the_next_node_and_are_booked_once(desk: Desk, fault: str) -> None:
    envelope = desk.envelope("A/1")
    desk.first.faults["Submit"] = [fault]
    receipt = desk.nodes.submit_envelope(envelope)
    assert desk.first.wires == [envelope.wire]
    assert desk.second.wires == ([envelope.wire] if fault == LOST else [])
    assert desk.second.calls[0] == "GetReceipt"
    assert (receipt.envelope_id, desk.refs()) == (envelope.id, ["A/1"])


@pytest.mark.parametrize("answer", [errors.Overloaded(200), errors.ReadOnly("disk", 30_000), UNKNOWN_KEY])
def test_what_one_node_may_have_is_unknown_whatever_another_did_not_take(
    desk: Desk, answer: errors.ClientError
) -> None:
    envelope = desk.envelope("A/1")
    desk.first.faults["Submit"] = [STORED]
    desk.second.faults |= {"GetReceipt": [errors.NotFound("it lies behind")], "Submit": [answer]}
    with pytest.raises(errors.Unavailable):
        desk.nodes.submit_envelope(envelope)
    assert desk.nodes.receipt(envelope).earlier
    assert desk.refs() == ["A/1"]


def test_where_no_node_took_it_that_is_told(desk: Desk) -> None:
    full = errors.ReadOnly("disk", 30_000)
    desk.first.faults["Submit"], desk.second.faults["Submit"] = [full], [full]
    with pytest.raises(errors.ReadOnly):
        desk.nodes.submit_envelope(desk.envelope("A/1"))
    desk.time += AWAY_SECONDS + 1
    desk.first.faults["Submit"] = [full]
    assert desk.nodes.submit_envelope(desk.envelope("A/2")).leaf
    desk.time += 2 * AWAY_SECONDS + 1
    desk.first.faults["Submit"] = [errors.Overloaded(200)]
    with pytest.raises(errors.Overloaded):  # the network's, most likely: another node is not burdened with it
        desk.nodes.submit_envelope(desk.envelope("A/3"))
    assert desk.refs() == ["A/2"]


def test_a_rules_no_is_final_though_another_node_did_not_answer(desk: Desk) -> None:
    desk.first.faults["Submit"] = [LOST]
    with pytest.raises(errors.EnvelopeRefused, match="overdrawn"):
        desk.nodes.submit_envelope(desk.envelope("A/1", quantity=10**9))
    assert desk.refs() == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_what_is_booked_is_no_refusal(desk: Desk, stream: bool) -> None:
    """Who believed it would correct the act, and book it a second time."""
    honest = desk.first._Submit

    def lie(request: pb.SubmitRequest) -> pb.SubmitResult:
        honest(request)
        if not stream:
            raise errors.EnvelopeRefused((Problem("position.overdrawn", "a lie"),))
        problem = pb.Problem(rule="position.overdrawn", message="a lie")
        return pb.SubmitResult(refusal=pb.Refusal(kind=pb.Refusal.KIND_REFUSED, problems=[problem]))

    desk.first._Submit = lie  # type: ignore[method-assign]
    envelope = desk.envelope("A/1")
    if stream:
        [(_, outcome)] = desk.nodes.submit_stream([envelope])
    else:
        outcome = desk.nodes.submit_envelope(envelope)
    assert isinstance(outcome, Receipt)
    assert desk.refs() == ["A/1"]


def test_a_receipt_is_looked_for_at_every_node(desk: Desk) -> None:
    envelope = desk.envelope("A/1")
    with pytest.raises(errors.NotFound):
        desk.nodes.receipt(envelope)
    desk.nodes.submit_envelope(envelope)
    desk.first.faults["GetReceipt"] = [errors.NotFound("it lies behind")]
    assert desk.nodes.receipt(envelope).earlier
    desk.first.faults["GetReceipt"] = [errors.NotFound("it lies behind")]
    desk.second.fault = gone
    with pytest.raises(errors.NotFound):
        desk.nodes.receipt(envelope)


# Streams


def outcomes(desk: Desk, envelopes: Iterable[SignedEnvelope]) -> dict[bytes, Receipt | SuyuanError]:
    return {envelope.id: outcome for envelope, outcome in desk.nodes.submit_stream(envelopes)}


@pytest.mark.parametrize("kind", [LOST, STORED])
@pytest.mark.parametrize("breaks_at", [0, 1, 7, 19])
def test_a_stream_that_breaks_goes_on_at_the_next_node(desk: Desk, breaks_at: int, kind: str) -> None:
    envelopes = list(desk.nodes.sign((desk.sale(f"A/{number}") for number in range(20)), records_max=1))
    desk.first.breaks_at, desk.first.kind = breaks_at, kind
    found = outcomes(desk, iter(envelopes))
    assert list(found) == [one.id for one in envelopes]
    assert all(isinstance(one, Receipt) for one in found.values()), found
    assert desk.refs() == [f"A/{number}" for number in range(20)]
    assert set(desk.second.wires) <= {one.wire for one in envelopes}
    assert desk.told == ["second is asked in place of first: the node cannot be reached; does it run, at the address "
                         "in its node.json? (cut off)"]  # fmt: skip
    assert desk.nodes.trust.pinned is not None


def test_a_stream_ends_where_no_node_is_left_and_says_what_is_known(desk: Desk) -> None:
    envelopes = list(desk.nodes.sign((desk.sale(f"A/{number}") for number in range(9)), records_max=1))
    desk.first.breaks_at, desk.first.kind = 3, STORED
    desk.second.breaks_at, desk.second.kind = 2, STORED
    for line in (desk.first, desk.second):
        line.faults["GetReceipt"] = [errors.NotFound("it lies behind")] * 20
    found = outcomes(desk, iter(envelopes))
    booked = [isinstance(one, Receipt) for one in found.values()]
    assert booked == [True] * 5 + [False] * (len(found) - 5)
    assert all(isinstance(one, Receipt | errors.Unavailable) for one in found.values())


def test_a_stream_that_stalls_goes_on_at_the_next_node(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    envelopes = list(desk.nodes.sign((desk.sale(f"A/{number}") for number in range(9)), records_max=1))
    answers = desk.first.SubmitStream

    def silent(messages: Any, timeout: float, metadata: Any) -> Answers:
        stream = answers(messages, timeout, metadata)
        stream.silent_after = 4
        return stream

    monkeypatch.setattr(desk.first, "SubmitStream", silent)
    desk.first.stalled_seconds = 0.3
    found = outcomes(desk, (one for one in envelopes))
    assert list(found) == [one.id for one in envelopes]
    assert all(isinstance(one, Receipt) for one in found.values()), found
    assert desk.refs() == [f"A/{number}" for number in range(9)]


def test_acts_that_come_slowly_do_not_stall_a_stream(desk: Desk) -> None:
    desk.first.stalled_seconds = 0.15

    def slowly() -> Iterator[SignedEnvelope]:
        for number in range(3):
            time.sleep(0.5)
            yield desk.envelope(f"A/{number}")

    assert all(isinstance(one, Receipt) for one in outcomes(desk, slowly()).values())
    assert (len(desk.first.wires), desk.told) == (3, [])


def test_what_a_broken_stream_sent_is_unknown_whatever_the_next_node_did_not_take(desk: Desk) -> None:
    envelope = desk.envelope("A/1")
    desk.first.breaks_at, desk.first.kind = 0, STORED
    busy = pb.SubmitResult(refusal=pb.Refusal(kind=pb.Refusal.KIND_OVERLOADED, retry_after_ms=200))
    desk.second._Submit = lambda request: busy  # type: ignore[method-assign]
    [outcome] = outcomes(desk, [envelope]).values()
    assert isinstance(outcome, errors.Unavailable)
    assert desk.refs() == ["A/1"]


def test_what_ends_the_acts_is_raised_and_nobodys_failure(desk: Desk) -> None:
    def acts() -> Iterator[SignedEnvelope]:
        yield desk.envelope("A/1")
        raise errors.Unavailable("the acts' own")

    with pytest.raises(errors.Unavailable, match="own"):
        list(desk.nodes.submit_stream(acts()))
    assert desk.second.wires == []


# Without a quorum


def without_quorum(*lines: Streaming) -> None:
    for line in lines:
        line.quorum, line.stalled_seconds = False, 0.1


def test_without_a_quorum_one_node_ends_the_wait_and_says_what_is_known(desk: Desk) -> None:
    without_quorum(desk.first)
    desk.first.connection = keys.Connection("", desk.world.chain.hex(), "one:7001", "", "", "")
    with pytest.raises(errors.NoQuorum, match=r"^one:7001 took it, and no quorum .* It may still") as told:
        desk.first.submit([desk.sale("A/1")])
    assert told.value.nodes == ("one:7001",)
    assert desk.first.calls == ["GetReceipt"]


def test_without_a_quorum_each_node_that_took_it_is_named(desk: Desk) -> None:
    without_quorum(desk.first, desk.second)
    with pytest.raises(errors.NoQuorum, match=r"^first \(\), second \(\) took it"):
        desk.nodes.submit([desk.sale("A/1")])
    assert desk.first.wires == desk.second.wires
    assert desk.told == []


@pytest.mark.parametrize("away", ["first", "second"])
def test_a_node_that_cannot_be_reached_does_not_hide_who_took_it(desk: Desk, away: str) -> None:
    without_quorum(desk.first, desk.second)
    lost, took = (desk.first, desk.second) if away == "first" else (desk.second, desk.first)
    lost.quorum, lost.breaks_at, lost.fault = True, 0, gone
    with pytest.raises(errors.NoQuorum) as told:
        desk.nodes.submit([desk.sale("A/1")])
    assert told.value.nodes == (f"{took.node} ()",)


def test_a_quorum_that_comes_back_is_heard_of(desk: Desk) -> None:
    without_quorum(desk.first, desk.second)
    envelope = desk.envelope("A/1")
    desk.first._Submit(pb.SubmitRequest(envelope=envelope.wire))  # booked while the second was asked
    [(_, outcome)] = desk.nodes.submit_stream([envelope])
    assert isinstance(outcome, Receipt)


def test_one_call_without_a_quorum_names_who_took_it(desk: Desk) -> None:
    for line in (desk.first, desk.second):
        line.faults["Submit"] = [errors.NoQuorum(["x"], 15)]
    with pytest.raises(errors.NoQuorum, match=r"^first \(\), second \(\) took it"):
        desk.nodes.submit_envelope(desk.envelope("A/1"))


def test_a_call_whose_time_runs_out_says_that_no_quorum_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class RanOut(Broken):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.DEADLINE_EXCEEDED

    def late(request: object, timeout: float, metadata: object) -> None:
        raise RanOut

    monkeypatch.setattr(Streaming, "_call", Client._call)
    desk.first.Submit = late  # type: ignore[attr-defined]
    with pytest.raises(errors.NoQuorum):
        desk.first.submit_envelope(desk.envelope("A/1"))


async def test_the_asynchronous_client_ends_the_wait_too(desk: Desk) -> None:
    taken: list[pb.SubmitRequests] = []

    async def held(messages: AsyncIterator[pb.SubmitRequests], **more: object) -> AsyncIterator[pb.SubmitResults]:
        taken.extend([await anext(messages)])
        await asyncio.Event().wait()
        yield pb.SubmitResults()

    async def unknown(method: str, request: object) -> None:
        raise errors.NotFound(method)

    client = AsyncClient.__new__(AsyncClient)
    client.connection, client.identity, client.trust = desk.first.connection, desk.identity, desk.first.trust
    client._stub, client._call, client.stalled_seconds = SimpleNamespace(SubmitStream=held), unknown, 0.1  # type: ignore[method-assign]
    with pytest.raises(errors.NoQuorum, match="took it, and no quorum"):
        await client.submit([desk.sale("A/1")])
    assert len(taken) == 1


def test_many_nodes_are_not_all_waited_for(desk: Desk) -> None:
    lines = {str(number): Streaming(desk.world, desk.identity) for number in range(10)}
    nodes = Nodes(lines, desk.told.append, lambda: desk.time, lambda seconds: None)
    for line in lines.values():
        line.faults["Submit"] = [errors.NoQuorum(["x"], 5)]
    with pytest.raises(errors.NoQuorum, match="within 30 s") as told:
        nodes.submit_envelope(desk.envelope("A/1"))
    assert len(told.value.nodes) == 6


def test_the_outbox_stops_without_a_quorum_and_goes_on_with_one(desk: Desk) -> None:
    with Outbox(desk.identity.folder, desk.world.chain, desk.identity, sleep=lambda seconds: None) as outbox:
        outbox.add([desk.sale("A/1")])
        for line in (desk.first, desk.second):
            line.faults["Submit"] = [errors.NoQuorum(["x"], 15)]
        report = outbox.send(desk.nodes)
        assert (report.booked, report.again) == (0, True)
        assert "no quorum" in report.stopped
        assert outbox.send(desk.nodes).booked == 1
    assert desk.refs() == ["A/1"]


# Not witnessed


def test_a_final_receipt_that_the_quorum_did_not_cosign_is_told_apart(desk: Desk) -> None:
    envelope = desk.envelope("A/1")
    good = desk.world.note
    desk.world.note = lambda at_ms=None: desk.unwitnessed()  # type: ignore[method-assign]
    with pytest.raises(errors.NotWitnessed, match="not witnessed yet") as caught:
        desk.first.submit_envelope(envelope)
    [(_, outcome)] = desk.first._ask([envelope], errors.Unavailable("x"))
    assert isinstance(outcome, errors.NotWitnessed)
    prove = desk.world.store.inclusion_proof
    desk.world.store.inclusion_proof = lambda leaf, head=None: prove(leaf - 1, head)  # type: ignore[method-assign]
    with pytest.raises(VerifyFailed, match="inclusion"):
        desk.first.receipt(envelope)
    desk.world.store.inclusion_proof = prove  # type: ignore[method-assign]
    desk.world.note = good  # type: ignore[method-assign]
    assert caught.value.leaf == desk.nodes.receipt(envelope).leaf
    stale = clock_ms() - DAY_MS
    desk.world.note = lambda at_ms=None: good(stale)  # type: ignore[method-assign]
    with pytest.raises(SuyuanError, match="quorum") as old:  # cosigned, if by another clock than this one
        desk.nodes.receipt(envelope)
    assert not isinstance(old.value, errors.NotWitnessed)


def test_another_node_may_have_the_witnessed_receipt(desk: Desk) -> None:
    envelope = desk.envelope("A/1")
    whole = desk.first._receipt

    def unwitnessed(leaf: int, name: bytes, earlier: bool) -> pb.Receipt:
        answer = whole(leaf, name, earlier)
        answer.checkpoint = desk.unwitnessed()
        return answer

    desk.first._receipt = unwitnessed  # type: ignore[method-assign]
    assert desk.nodes.submit_envelope(envelope).envelope_id == envelope.id
    assert (desk.first.wires, desk.second.wires) == ([envelope.wire], [])
    [(_, streamed)] = desk.nodes.submit_stream([desk.envelope("A/2")])
    assert isinstance(streamed, Receipt)
    assert desk.told == []  # both answer


def test_the_outbox_keeps_what_is_final_until_it_is_witnessed(desk: Desk) -> None:
    good = desk.world.note
    with Outbox(desk.identity.folder, desk.world.chain, desk.identity, sleep=lambda seconds: None) as outbox:
        [entry] = outbox.add([desk.sale("A/1")])
        desk.world.note = lambda at_ms=None: desk.unwitnessed()  # type: ignore[method-assign]
        for _ in range(2):
            report = outbox.send(desk.nodes)
            assert (report.booked, report.again) == (0, True)
            assert "not witnessed yet" in report.stopped
            [kept] = outbox.waiting()
            assert (kept.state, kept.envelope.wire) == (State.SENT, entry.envelope.wire)
        with pytest.raises(errors.OutboxError, match="no witnessed receipt came"):
            outbox.drop(entry.number, "x")
        desk.world.note = good  # type: ignore[method-assign]
        assert outbox.send(desk.nodes).booked == 1
        assert list(outbox.waiting()) == []
    assert {*desk.first.wires, *desk.second.wires} == {entry.envelope.wire}
    assert desk.refs() == ["A/1"]


@pytest.mark.parametrize("answer", [errors.Overloaded(200), errors.ReadOnly("disk", 30_000), UNKNOWN_KEY])
def test_what_was_sent_in_an_earlier_run_stays_unknown_whatever_another_node_did_not_take(
    desk: Desk, answer: errors.ClientError
) -> None:
    """Else it could be dropped, or signed anew with another key, while the first node still books it."""
    with Outbox(desk.identity.folder, desk.world.chain, desk.identity, sleep=lambda seconds: None) as outbox:
        [entry] = outbox.add([desk.sale("A/1")])
        desk.first.fault = desk.second.fault = gone
        assert outbox.send(desk.nodes).booked == 0
        desk.second.fault = lambda method: answer if method == "Submit" else None
        assert outbox.send(desk.nodes).again
        [kept] = outbox.waiting()
        assert (kept.state, kept.id) == (State.SENT, entry.id)
        desk.first.fault = desk.first._listed
        desk.time += AWAY_SECONDS_MAX + 1
        assert outbox.send(desk.nodes).booked == 1
    assert desk.refs() == ["A/1"]


def test_the_outbox_goes_on_at_another_node(desk: Desk) -> None:
    with Outbox(desk.identity.folder, desk.world.chain, desk.identity, sleep=lambda seconds: None) as outbox:
        for number in range(6):
            outbox.add([desk.sale(f"A/{number}")])
        desk.first.faults["Submit"] = [None, STORED]
        assert outbox.send(desk.nodes).booked == 6
    assert desk.refs() == [f"A/{number}" for number in range(6)]
    assert len(desk.told) == 1


# A node behind the others


def test_a_node_that_lies_behind_is_not_taken_for_one_that_went_back(desk: Desk) -> None:
    """The pin is of what the first showed; the second has not come so far when it takes over."""
    desk.nodes.submit_envelope(desk.envelope("A/1"))
    desk.nodes.refresh()
    pinned = desk.nodes.trust.pinned
    behind = [errors.EnvelopeRefused((Problem("extends_size", "beyond"),))] * 3
    desk.first.fault = gone
    desk.second.faults["GetCheckpoint"] = list(behind)
    desk.nodes.refresh()
    assert desk.nodes.trust.pinned == pinned
    assert desk.second.faults["GetCheckpoint"] == []


# Private openings


def test_private_openings_are_given_once_to_a_node_that_is_named(desk: Desk) -> None:
    act = build.with_private(desk.sale("A/1"), Private(price=1250, currency="CNY"))
    envelope = next(iter(desk.nodes.sign([act])))
    leaf = desk.nodes.submit_envelope(envelope).leaf
    desk.nodes.put_private(leaf, envelope.private, ["third", "second"])
    assert (len(desk.first.private_store), len(desk.second.private_store)) == (0, 1)
    desk.nodes.put_private(leaf, envelope.private, ["third"])  # nobody of those named answers: the first hands it on
    assert (len(desk.first.private_store), len(desk.second.private_store)) == (1, 1)
    with Outbox(desk.identity.folder, desk.world.chain, desk.identity) as outbox:
        outbox.add([build.with_private(desk.sale("A/2"), Private(price=100, currency="CNY"))], ["second", "first"])
        assert outbox.send(desk.nodes).given == 1
        assert list(outbox.waiting()) == []


def test_private_openings_are_looked_for_and_erased_at_every_node(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def opening(line: Streaming, kept: bool) -> Any:
        def get(leaf: int, index: int, known: bytes | None = None) -> str:
            if not kept:
                raise errors.NotFound(f"{line.node} keeps none")
            return line.node

        return get

    def erase(line: Streaming) -> Any:
        def erased(places: Any, reason: str) -> int:
            asked.append(line.node)
            return len(list(places))

        return erased

    for line, kept in ((desk.first, False), (desk.second, True)):
        monkeypatch.setattr(line, "private_opening", opening(line, kept))
        monkeypatch.setattr(line, "erase_private", erase(line))
    opened: Any = desk.nodes.private_opening(7, 0)
    assert opened == "second"
    monkeypatch.setattr(desk.second, "private_opening", opening(desk.second, False))
    with pytest.raises(errors.NotFound, match="first keeps none"):
        desk.nodes.private_opening(7, 0)
    assert desk.nodes.erase_private(iter([(7, 0)]), "x") == 1
    assert asked == ["first", "second"]


# Folders


CA = trustme.CA().cert_pem.bytes().decode()


def connection(number: int, chain: str = "11" * 32) -> dict[str, str]:
    return {
        "name": ORIGIN, "chain": chain, "members": f"127.0.0.1:{number}", "readers": f"127.0.0.1:{number + 1}",
        "ca": CA, "policy": format_policy(POLICY),
    }  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "maker"
    keys.create(home, MAKER.id, "厂", "enterprise", "CN-33", "x", scrypt_n=16)
    (home / "tls.crt").write_text("certificate of the first")
    for number, name in enumerate(("node.json", "nodes/b/node.json", "nodes/a/node.json")):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(connection(7000 + 10 * number)))
        (path.parent / "tls.crt").write_text(f"certificate by {path.parent.name}")
    return home


def test_an_identity_folder_reaches_several_nodes(home: Path) -> None:
    unlocked = access.unlock(home, "x")
    assert [one.label for one in unlocked.nodes] == ["node.json", "a", "b"]
    certificates = [one.identity.tls[1].decode() for one in unlocked.nodes if one.identity and one.identity.tls]
    assert certificates == [f"certificate by {name}" for name in ("maker", "a", "b")]
    assert len({one.identity.tls[0] for one in unlocked.nodes if one.identity and one.identity.tls}) == 1
    seen = access.readers([home])
    assert [one.connection for one in seen] == [one.connection for one in unlocked.nodes]
    assert [one.identity for one in seen] == [None] * 3


def test_what_can_be_wrong_with_several_nodes(home: Path) -> None:
    (home / "nodes" / "a" / "tls.crt").unlink()
    with pytest.raises(errors.KeyFileError, match=r"nodes/a/tls\.crt: missing; send .*tls\.csr"):
        access.unlock(home, "x")
    path = home / "nodes" / "b" / "node.json"
    path.write_bytes(msgspec.json.encode(connection(7010, "22" * 32)))
    with pytest.raises(Malformed, match=r"nodes/b/node\.json: it is of chain 2222.*1111"):
        access.unlock(home, "x")
    path.write_bytes((home / "node.json").read_bytes())
    with pytest.raises(Malformed, match=r"nodes/b/node\.json: it names the same node as .*node\.json"):
        access.readers([home])
    with pytest.raises(Malformed, match="the same node"):
        access.readers([path, path])
    path.unlink()
    with pytest.raises(errors.KeyFileError, match=r"nodes/b/node\.json: missing"):
        access.readers([home])
