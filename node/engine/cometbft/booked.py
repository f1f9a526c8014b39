"""Accepted envelopes whose receipt waits for the quorum of validators, for a bounded time."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ledger.limits import WITNESS_WAIT_MS_MAX
from ledger.plan import Verdict
from ledger.storage.chainview import ChainView
from node.engine import Done, Outcome, Stopped

UNWITNESSED: Final = "the envelope is in a block, and the node stopped before enough validators cosigned it"
Prove = Callable[[int, ChainView], list[bytes]]


class Booked(Struct, frozen=True):
    verdict: Verdict
    leaf: int
    done: Done
    until: float


class Receipts:
    """Used in the event loop alone."""

    def __init__(self, prove: Prove) -> None:
        self._prove = prove
        self._booked: list[Booked] = []

    def __len__(self) -> int:
        return len(self._booked)

    def await_quorum(self, verdict: Verdict, leaf: int, done: Done) -> None:
        until = asyncio.get_running_loop().time() + WITNESS_WAIT_MS_MAX / 1000
        self._booked.append(Booked(verdict, leaf, done, until))

    def answer(self, witnessed: ChainView | None, newest: ChainView) -> None:
        """Answer all that stand in the version that a quorum cosigned, and those that waited too long with the newest
        version, which this node alone may have signed: final, and not witnessed."""
        now = asyncio.get_running_loop().time()
        waiting, self._booked = self._booked, []
        for one in waiting:
            if witnessed is not None and one.leaf < witnessed.head.log.size:
                self._done(one, witnessed)
            elif one.until <= now:
                self._done(one, newest)
            else:
                self._booked.append(one)

    def _done(self, one: Booked, view: ChainView) -> None:
        one.done(Outcome(one.verdict, view.checkpoint, self._prove(one.leaf, view)))

    def give_up(self) -> None:
        for one in self._booked:
            one.done(Stopped(UNWITNESSED))
        self._booked.clear()
