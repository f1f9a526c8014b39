"""Accepted envelopes whose receipt waits for the quorum of validators, for a bounded time."""

import time
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
    final_at: float


class Receipts:
    """Used in the event loop alone."""

    def __init__(self, prove: Prove) -> None:
        self._prove = prove
        self._booked: list[Booked] = []

    def __len__(self) -> int:
        return len(self._booked)

    def await_quorum(self, verdict: Verdict, leaf: int, done: Done) -> None:
        self._booked.append(Booked(verdict, leaf, done, time.monotonic()))

    def answer(self, witnessed: ChainView | None, newest: ChainView) -> None:
        """Answer all that stand in the version that a quorum cosigned, and those that waited too long with the newest
        version, which this node alone may have signed: final, and not witnessed."""
        late = time.monotonic() - WITNESS_WAIT_MS_MAX / 1000
        waiting, self._booked = self._booked, []
        for one in waiting:
            if witnessed is not None and one.leaf < witnessed.head.log.size:
                self._done(one, witnessed)
            elif one.final_at <= late:
                self._done(one, newest)
            else:
                self._booked.append(one)

    def _done(self, one: Booked, view: ChainView) -> None:
        one.done(Outcome(one.verdict, view.checkpoint, self._prove(one.leaf, view), one.final_at))

    def give_up(self) -> None:
        for one in self._booked:
            one.done(Stopped(UNWITNESSED))
        self._booked.clear()
