"""Comparing nodes: do they show one history, and if not, which of them shows what?

Each node's checkpoint is asked for, and then each has to prove that its log extends the next shorter one. So the
heads of one history form a chain; a node whose head does not fit begins another one, and both are evidence.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from client_sdk import errors, evidence, heads
from client_sdk.client import Client
from client_sdk.evidence import Evidence
from client_sdk.heads import Head
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


class Comparison(Struct):
    """All views, in the order in which the nodes were named, and evidence of each contradiction that was found."""

    views: list[View]
    found: list[Evidence] = field(default_factory=list)

    @property
    def histories(self) -> dict[int, list[View]]:
        numbers = sorted({view.history for view in self.views if view.head is not None})
        return {one: [view for view in self.views if view.head and view.history == one] for one in numbers}

    @property
    def agrees(self) -> bool:
        """Nobody shows another history, or proves nothing; those that cannot be reached say nothing."""
        return len(self.histories) <= 1 and not any(view.lies for view in self.views)

    def blame(self) -> list[str]:
        """Who shows what, where they do not agree: a line for each side."""
        lines = [f"{view.label} shows what proves nothing: {view.trouble}" for view in self.views if view.lies]
        if len(self.histories) < 2:
            return lines
        for side in self.histories.values():
            best = max((one.head for one in side if one.head), key=lambda head: (not head.lacking, head.size))
            lines.append(f"{', '.join(one.label for one in side)} {'show' if len(side) > 1 else 'shows'} {best}")
        return lines


def compare(
    clients: Mapping[str, Client], trusted: Policy, sleep: Callable[[float], None] = time.sleep
) -> Comparison:
    """Ask every node for its checkpoint, and hold them against each other. Nothing is pinned."""
    views = [_look(View(label, client), trusted) for label, client in clients.items()]
    comparison = Comparison(views)
    tips: list[View] = []
    for view in sorted((one for one in views if one.head), key=lambda one: one.head.size if one.head else 0):
        tried: list[Evidence] = []
        for number, tip in enumerate(tips):
            if _follows(view, tip, trusted, sleep, tried):
                view.history, tips[number] = number, view
                break
        else:
            view.history = len(tips)
            tips.append(view)
            comparison.found += tried
    return comparison


def _look(view: View, trusted: Policy) -> View:
    try:
        answer = view.client.checkpoint()
        view.head = heads.read(trusted, answer.checkpoint, clock_ms())
    except VerifyFailed as error:
        view.trouble, view.lies = str(error), True
    except SuyuanError as error:
        view.trouble = str(error)
    return view


def _follows(view: View, tip: View, trusted: Policy, sleep: Callable[[float], None], tried: list[Evidence]) -> bool:
    """Whether a node's log extends the head of another, as its proof shows; then its newest head is the view. What
    contradicts that is added to `tried`."""
    for _ in range(BEHIND_TRIES):
        if view.head is None or tip.head is None:
            return False
        try:
            found = extension(view.client, tip.head, trusted)
        except errors.EnvelopeRefused:  # the other one has grown meanwhile, and this one lies behind
            sleep(BEHIND_SECONDS)
            continue
        except SuyuanError as error:
            view.trouble = str(error)
            return False
        if isinstance(found, Evidence):
            tried.append(found)
            return False
        view.head = found
        return True
    return _is_behind(view, tip, trusted, tried)


def _is_behind(view: View, tip: View, trusted: Policy, tried: list[Evidence]) -> bool:
    """A node that stands still: the other one proves that it goes on from there."""
    if view.head is None:
        return False
    try:
        found = extension(tip.client, view.head, trusted)
    except SuyuanError as error:
        view.trouble = str(error)
        return False
    if isinstance(found, Evidence):
        tried.append(found)
        return False
    return True


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
