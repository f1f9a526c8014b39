"""Comparing nodes: do they show one history, and if not, which of them shows what?

Each node's checkpoint is asked for, and then each has to prove that its log extends the next shorter one. So the
heads of one history form a chain; a node whose head does not fit begins another one, and both are evidence.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct, field

from client_sdk import errors, evidence, heads
from client_sdk.client import Client
from client_sdk.evidence import Evidence
from client_sdk.heads import Head
from client_sdk.trust import Trust
from client_sdk.wire import clock_ms
from ledger import merkle
from ledger.errors import SuyuanError, VerifyFailed
from ledger.policy import Policy

BEHIND_SECONDS: Final = 0.25
BEHIND_TRIES: Final = 20


class View(Struct):
    """What one node showed. `trouble` says why there is no `head`: it cannot be reached, or what it shows proves
    nothing (`lies`). `history` numbers the histories from 0; nodes of one number agree."""

    label: str
    client: Client
    head: Head | None = None
    trouble: str = ""
    lies: bool = False
    history: int = 0

    def fails(self, error: SuyuanError) -> None:
        self.head, self.trouble, self.lies = None, str(error), isinstance(error, VerifyFailed)


class Tip(Struct, frozen=True):
    """The newest head of a history that is known so far, and the node that shows it."""

    client: Client
    head: Head


class Comparison(Struct):
    """All views, in the order in which the nodes were named, and evidence of each contradiction that was found."""

    views: list[View]
    found: list[Evidence] = field(default_factory=list)

    @property
    def histories(self) -> list[list[tuple[str, Head]]]:
        """(label, head) of the nodes of each history."""
        shown = [(view.history, view.label, view.head) for view in self.views if view.head is not None]
        numbers = sorted({number for number, _, _ in shown})
        return [[(label, head) for number, label, head in shown if number == one] for one in numbers]

    @property
    def agrees(self) -> bool:
        """Nobody shows another history, or proves nothing; those that cannot be reached say nothing."""
        return len(self.histories) <= 1 and not any(view.lies for view in self.views)

    def blame(self) -> list[str]:
        """Who shows what, where they do not agree: a line for each side."""
        lines = [f"{view.label} shows what proves nothing: {view.trouble}" for view in self.views if view.lies]
        if len(self.histories) < 2:
            return lines
        for side in self.histories:
            best = max((head for _, head in side), key=lambda head: (not head.lacking, head.size))
            lines.append(f"{', '.join(label for label, _ in side)} {'show' if len(side) > 1 else 'shows'} {best}")
        return lines


def compare(
    clients: Mapping[str, Client], trusted: Policy, sleep: Callable[[float], None] = time.sleep
) -> Comparison:
    """Ask every node for its checkpoint, and hold them against each other. Nothing is pinned."""
    views = [View(label, client) for label, client in clients.items()]
    shown = [(view, head) for view in views if (head := _look(view, trusted)) is not None]
    comparison, tips = Comparison(views), list[Tip]()
    for view, head in sorted(shown, key=lambda one: one[1].size):
        try:
            comparison.found += _place(view, head, tips, trusted, sleep)
        except SuyuanError as error:
            view.fails(error)
    return comparison


def up_to_date(trust: Trust, clients: Iterable[Client]) -> Policy:
    """The newest policy that any of the nodes leads on to, from the one that is trusted. Who shows no step that holds
    is passed over: the others may."""
    for client in clients:
        with suppress(SuyuanError):
            trust.follow(client.policy(trust.policy.number)[1], clock_ms())
    return trust.policy


def _look(view: View, trusted: Policy) -> Head | None:
    try:
        view.head = heads.read(trusted, view.client.checkpoint().checkpoint, clock_ms())
    except SuyuanError as error:
        view.fails(error)
    return view.head


def _place(
    view: View, head: Head, tips: list[Tip], trusted: Policy, sleep: Callable[[float], None]
) -> list[Evidence]:
    """Find the history that a head belongs to, or begin another one; then, evidence against each that is known."""
    tried: list[Evidence] = []
    for number, tip in enumerate(tips):
        joined = _joined(view.client, head, tip, trusted, sleep)
        if isinstance(joined, Tip):
            view.history, tips[number] = number, joined
            view.head = joined.head if joined is not tip else head
            return []
        tried.append(joined)
    view.history = len(tips)
    tips.append(Tip(view.client, head))
    return tried


def _joined(client: Client, head: Head, tip: Tip, trusted: Policy, sleep: Callable[[float], None]) -> Tip | Evidence:
    """The newest head of a history, now that a node's belongs to it too: its own, as it proves, or where it stands
    still, the one so far, as that one's node proves. Else evidence."""
    for _ in range(BEHIND_TRIES):
        try:
            found = extension(client, tip.head, trusted)
        except errors.EnvelopeRefused:  # the other one has grown meanwhile, and this one lies behind
            sleep(BEHIND_SECONDS)
        else:
            held = found if isinstance(found, Evidence) else itself(client, head, found, trusted)
            return held if isinstance(held, Evidence) else Tip(client, held)
    behind = extension(tip.client, head, trusted)
    return behind if isinstance(behind, Evidence) else tip


def itself(client: Client, first: Head, now: Head, trusted: Policy) -> Head | Evidence:
    """What a node proves `now`, if it extends what it showed `first` too; else evidence. VerifyFailed where it shows
    less now: whoever is asked for a proof may tell the truth, and lie to those who ask for none."""
    if first.checkpoint == now.checkpoint:
        return now
    try:
        return extension(client, first, trusted)
    except errors.EnvelopeRefused:
        raise VerifyFailed("checkpoint", f"it showed {first}, and now {now}") from None


def extension(client: Client, known: Head, trusted: Policy) -> Head | Evidence:
    """A node's newest head, where it proves that it extends a known one; else evidence that it does not.
    EnvelopeRefused where its log is shorter; VerifyFailed where what it shows proves nothing."""
    head, proof = _asked(client, known.size, trusted)
    try:
        merkle.verify_consistency(known.size, head.size, known.root, head.root, proof)
    except VerifyFailed:
        tried = [evidence.Tried(known.size, proof)]
    else:
        return head
    if head.size > known.size and not evidence.is_shown(known.size):
        head, proof = _asked(client, known.size + 1, trusted)
        tried = [evidence.Tried(known.size + 1, proof)]
    return evidence.of(trusted, known.note, head.note, tried)


def _asked(client: Client, size: int, trusted: Policy) -> tuple[Head, list[bytes]]:
    answer = client.checkpoint(size)
    return heads.read(trusted, answer.checkpoint, clock_ms()), list(answer.consistency)


def differing(answers: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Which nodes gave which answer; the answer of most first."""
    groups: dict[str, list[str]] = {}
    for label, answer in answers.items():
        groups.setdefault(answer, []).append(label)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))
