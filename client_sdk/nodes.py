"""Several nodes of one chain behind the calls of `Client`: one answers, and another takes its place while it cannot.

What is read is asked of the next node. An envelope goes to the next node as the same signed bytes, so under the same
id, and the ledger books it once, however many nodes got it. Once one node may have it, another's "not taken" is no
answer any more: the outcome is unknown until a receipt or a refusal by a rule says otherwise.

    in order    the node that is listed first, or the first of those behind it that answers
    away        a node that did not answer: it is left aside for half a minute, then twice as long each time
    behind      a node whose log is shorter than what was seen: it is given a moment, or passed over
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from client_sdk import access, errors
from client_sdk.build import SignedEnvelope
from client_sdk.client import STALLED_SECONDS, Client, Flow
from client_sdk.openings import Opened
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger import succession
from ledger.errors import SuyuanError
from ledger.succession import Step
from proto.suyuan.v1 import ledger_pb2 as pb

NODE_SECONDS: Final = 10  # for an answer, before the next node is asked
NODE_STALLED_SECONDS_MIN: Final = 5  # for an envelope to be booked, likewise
AWAY_SECONDS: Final = 30
AWAY_SECONDS_MAX: Final = 600
BEHIND_SECONDS: Final = 0.25
BEHIND_TRIES: Final = 20
ADMISSION: Final = frozenset({"key.unknown", "member.unknown"})

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class Line(Struct):
    """One node, and until when it is left aside."""

    label: str
    client: Client
    away_until: float = 0
    away_seconds: float = AWAY_SECONDS


class Nodes(Client):
    """`clients` by the name that their owner gave them, in the order in which they are asked. All share the first
    one's trust: what one node showed, another cannot take back. `tell` hears when another node answers than before,
    by default the log of this module (so stderr)."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        tell: Callable[[str], None] = log.warning,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lines = [Line(label, client) for label, client in clients.items()]
        first = self.lines[0].client
        self.connection, self.identity, self.trust = first.connection, first.identity, first.trust
        self.trust.learn = self._steps
        for line in self.lines:
            line.client.trust = self.trust
            if len(self.lines) > 1:  # together they take as long as one alone
                line.client.call_seconds = NODE_SECONDS
                line.client.stalled_seconds = max(NODE_STALLED_SECONDS_MIN, STALLED_SECONDS / len(self.lines))
        self._tell, self._clock, self._sleep = tell, clock, sleep
        self._at, self._why = self.lines[0], ""

    @classmethod
    def open(cls, folder: Path | str, passphrase: str | None = None) -> "Nodes":
        """All nodes of an identity folder (`client_sdk.access`). The passphrase may stand in SUYUAN_PASSPHRASE."""
        return cls.reaching(access.unlock(Path(folder), passphrase).nodes)

    @classmethod
    def reaching(cls, found: Sequence[access.Access], tell: Callable[[str], None] = log.warning) -> "Nodes":
        return cls({one.label: Client(one.connection, one.identity) for one in found}, tell)

    @property
    def clients(self) -> dict[str, Client]:
        """Each node's own client, by the name that its owner gave it: for `client_sdk.compare`, and who asks one."""
        return {line.label: line.client for line in self.lines}

    def close(self) -> None:
        for line in self.lines:
            line.client.close()

    def _steps(self, known: int) -> list[Step]:
        """Those behind policy `known` that lead on from what is believed, of whichever node has them: one that keeps
        them back must keep nobody on an old policy."""
        for line in self._in_order():
            with suppress(SuyuanError):
                steps = line.client.policy(known)[1]
                if succession.follow(self.trust.policy, steps, clock_ms()) is not self.trust.policy:
                    return steps
        return []

    # Who answers

    def _in_order(self) -> list[Line]:
        """Those that were left aside come last, the one first that was left aside longest ago."""
        now = self._clock()
        return sorted(self.lines, key=lambda line: line.away_until if line.away_until > now else 0)

    def _answers(self, line: Line) -> None:
        line.away_until, line.away_seconds = 0, AWAY_SECONDS
        if line is not self._at:
            place = "answers again" if self._why == "" else f"is asked in place of {self._at.label}: {self._why}"
            self._tell(f"{line.label} {place}")
        self._at, self._why = line, ""

    def _left(self, line: Line, error: SuyuanError) -> None:
        line.away_until = self._clock() + line.away_seconds
        line.away_seconds = min(2 * line.away_seconds, AWAY_SECONDS_MAX)
        if line is self._at:
            self._why = error.seen if isinstance(error, errors.NoQuorum) else str(error)

    def _over(self, ask: Callable[[Client], Answer]) -> Answer:
        """The answer of the first node that can be reached; Unavailable where none can."""
        failure: errors.Unavailable | None = None
        for line in self._in_order():
            try:
                answer = ask(line.client)
            except errors.Unavailable as error:
                failure = failure or error
                self._left(line, error)
            else:
                self._answers(line)
                return answer
        raise failure or errors.Unavailable("no node is named")

    def _call(self, method: str, request: Any) -> Any:
        return self._over(lambda client: client._call(method, request))

    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        """From the first node that begins it; what breaks off later is the caller's to take up."""
        failure: errors.ClientError | None = None
        for line in self._in_order():
            begun = False
            try:
                for message in line.client._stream(method, request):
                    if not begun:
                        self._answers(line)
                    begun = True
                    yield message
                return
            except errors.Unavailable as error:
                self._left(line, error)
                failure = failure or error
                if begun:
                    raise
            except errors.EnvelopeRefused as error:  # perhaps it lies behind what was asked for
                failure = error
        raise failure or errors.Unavailable("no node is named")

    def _extending(self, size: int) -> pb.GetCheckpointResponse:
        for _ in range(BEHIND_TRIES if len(self.lines) > 1 else 0):
            for line in self._in_order():
                try:
                    return line.client.checkpoint(size)
                except errors.Unavailable as error:
                    self._left(line, error)
                except errors.EnvelopeRefused:
                    continue
            self._sleep(BEHIND_SECONDS)
        return super()._extending(size)

    # Envelopes

    def submit_envelope(self, envelope: SignedEnvelope) -> Receipt:
        """As `Client.submit_envelope`, by whichever node can. Unavailable where one may have it and none says what
        became of it: ask with `receipt`, or send the same envelope again; NoQuorum where nodes took it, and none was
        heard of booking it."""
        unknown: errors.Unavailable | None = None
        took: list[Line] = []
        refused: errors.ClientError | None = None
        for line in self._in_order():
            try:
                receipt = self._submit_to(line.client, envelope, known=unknown is not None)
            except errors.NotWitnessed as error:
                unknown = error
            except errors.NoQuorum as error:
                unknown = unknown or error
                took.append(line)
                self._left(line, error)
                if _waited(took):
                    break
            except errors.Unavailable as error:
                unknown = unknown or error
                self._left(line, error)
            except (errors.Overloaded, errors.ReadOnly) as error:
                refused = error
                if isinstance(error, errors.Overloaded):
                    break
                self._left(line, error)
            except errors.EnvelopeRefused as error:
                if unknown is None or not may_lie_behind(error):
                    booked = self._booked(envelope, line)
                    if booked is None:
                        raise
                    return booked
            else:
                if not isinstance(unknown, errors.NotWitnessed):
                    self._answers(line)
                return receipt
        if took and not isinstance(unknown, errors.NotWitnessed):
            raise _no_quorum(took)
        raise unknown or refused or errors.Unavailable("no node is named")

    def _booked(self, envelope: SignedEnvelope, but: Line) -> Receipt | None:
        """Another node's receipt for what one says is refused: whoever believed that alone would book it anew."""
        for line in self._in_order():
            if line is not but and line.away_until <= self._clock():
                with suppress(SuyuanError):
                    return line.client.receipt(envelope)
        return None

    @staticmethod
    def _submit_to(client: Client, envelope: SignedEnvelope, known: bool) -> Receipt:
        """Where another node may have it (`known`), this one is asked first."""
        if known:
            with suppress(errors.NotFound):
                return client.receipt(envelope)
        return client.submit_envelope(envelope)

    def receipt(self, envelope: SignedEnvelope) -> Receipt:
        """As `Client.receipt`, of whichever node has a witnessed one; NotFound where none that answers knows it."""
        found: dict[type[SuyuanError], SuyuanError] = {}
        for line in self._in_order():
            try:
                receipt = line.client.receipt(envelope)
            except (errors.NotWitnessed, errors.NotFound) as error:
                found.setdefault(type(error), error)
            except errors.Unavailable as error:
                self._left(line, error)
                found.setdefault(type(error), error)
            else:
                return receipt
        ranked = (errors.NotWitnessed, errors.NotFound, errors.Unavailable)
        raise next(found[kind] for kind in ranked if kind in found)

    def submit_stream(
        self, envelopes: Iterable[SignedEnvelope]
    ) -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        """As `Client.submit_stream`. Where the stream breaks, another node gets what is not answered, the same bytes
        in the same order, and then what is left."""
        rest, sent, newest = iter(envelopes), set[bytes](), b""
        took: list[Line] = []  # since the last answer of any
        while True:
            line, flow = self._in_order()[0], Flow(rest)
            try:
                for envelope, outcome in line.client._flow(flow):
                    self._answers(line)
                    took.clear()
                    yield envelope, self._settled(envelope, outcome, envelope.id in sent, line)
                break
            except errors.ClientError as failure:
                if flow.failure is not None:
                    raise
                rest, newest = flow.rest(), flow.last_checkpoint or newest
                unanswered = flow.unanswered()
                if isinstance(failure, errors.NoQuorum):
                    took.append(line)
                if not self._has_another(line, failure) or _waited(took):
                    yield from self._ask(unanswered, _no_quorum(took) if took else failure)
                    if took:
                        return  # nor has anybody cosigned of late
                    break
                sent |= {one.id for one in unanswered}
                rest = chain(unanswered, rest)
        self.pin(flow.last_checkpoint or newest)

    def _has_another(self, line: Line, failure: errors.ClientError) -> bool:
        """Whether another node can go on where this one's stream ended so."""
        if not isinstance(failure, errors.Unavailable):
            return False
        self._left(line, failure)
        return self._in_order()[0].away_until <= self._clock()

    def _settled(
        self, envelope: SignedEnvelope, outcome: Receipt | SuyuanError, sent: bool, by: Line
    ) -> Receipt | SuyuanError:
        """What an answer is worth, where another node may have the envelope too (`sent`), or know more of it."""
        if isinstance(outcome, errors.EnvelopeRefused):
            booked = self._booked(envelope, by)
            if booked is not None:
                return booked
        if isinstance(outcome, errors.NotWitnessed):
            with suppress(SuyuanError):
                return self.receipt(envelope)
        taken_elsewhere = sent and (
            isinstance(outcome, errors.Overloaded | errors.ReadOnly) or may_lie_behind(outcome)
        )
        return errors.Unavailable(f"another node may have it: {outcome}") if taken_elsewhere else outcome

    # Private openings

    def put_private(self, leaf: int, openings: Mapping[int, bytes], nodes: Sequence[str] = ()) -> None:
        """As `Client.put_private`, once: to one of `nodes` that can be reached, so that nobody else sees them, or to
        the first that answers where none can."""
        for line in self._in_order():
            with suppress(errors.Unavailable):
                if line.client.name() in nodes:
                    line.client.put_private(leaf, openings, nodes)
                    return
        self._over(lambda client: client.put_private(leaf, openings, nodes))

    def erase_private(self, places: Iterable[tuple[int, int]], reason: str) -> int:
        """As `Client.erase_private`, at every node. Unavailable where one cannot be reached; the others have erased
        theirs then, and the same again does no harm."""
        asked, erased, missing = list(places), 0, list[str]()
        for line in self.lines:
            try:
                erased = max(erased, line.client.erase_private(asked, reason))
            except errors.Unavailable as error:
                self._left(line, error)
                missing.append(line.label)
        if missing:
            raise errors.Unavailable(f"{', '.join(missing)} cannot be reached, and may still keep it: erase it again")
        return erased

    def private_opening(self, leaf: int, index: int, known: bytes | None = None) -> Opened:
        """As `Client.private_opening`, of the first node that keeps it."""
        absent: errors.NotFound | None = None
        for line in self._in_order():
            try:
                return line.client.private_opening(leaf, index, known)
            except errors.NotFound as error:
                absent = absent or error
            except errors.Unavailable as error:
                self._left(line, error)
        raise absent or errors.Unavailable("no node can be reached")


def _no_quorum(took: Sequence[Line]) -> errors.NoQuorum:
    named = [f"{line.label} ({line.client.connection.members})" for line in took]
    return errors.NoQuorum(named, sum(line.client.stalled_seconds for line in took))


def _waited(took: Sequence[Line]) -> bool:
    """Whether no further node is asked to book what these took: many nodes would be asked for minutes."""
    return sum(line.client.stalled_seconds for line in took) >= STALLED_SECONDS


def may_lie_behind(outcome: object) -> bool:
    """Whether a refusal says no more than that this node has not heard yet of the signer."""
    return (
        isinstance(outcome, errors.EnvelopeRefused)
        and bool(outcome.problems)
        and (outcome.problems[0].rule in ADMISSION)
    )
