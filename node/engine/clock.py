"""Whether the machine's clock can be believed.

Block time never goes back. One block made under a clock that is a year ahead would refuse every honest envelope as
expired for a year, so a clock too far ahead of what is known makes no block. What is known: the time of the last
block when the engine began, and a steady clock since, which nobody can set. A node that stood still for longer than
the bound is told by its operator that its clock is right.
"""

import time
from collections.abc import Callable

import structlog

from ledger.limits import CLAIMED_TIME_AHEAD_MS_MAX, CLOCK_AHEAD_MS_MAX
from node.engine import ClockWrong

log = structlog.get_logger(__name__)


def steady_ms() -> int:
    """Counts on whatever the wall clock is set to, also while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Clock:
    """`wall_ms` is what the machine says, `steady_ms` only ever counts on; `last_block_ms` is None before the first
    block, and then the wall clock is believed, as it is where the operator says that it is right."""

    def __init__(
        self, wall_ms: Callable[[], int], steady_ms: Callable[[], int], last_block_ms: int | None, is_right: bool
    ) -> None:
        self._wall_ms, self._steady_ms = wall_ms, steady_ms
        now = wall_ms()
        known = now if last_block_ms is None else last_block_ms
        if is_right or known <= now <= known + CLOCK_AHEAD_MS_MAX:
            known = now
        self._offset_ms = known - steady_ms()
        self._set_by_ms = 0

    def now_ms(self) -> int:
        """What the machine says; ClockWrong where it is too far ahead of what is known."""
        now, known = self._wall_ms(), self._known_ms()
        self._tell(now - known)
        if now - known > CLOCK_AHEAD_MS_MAX:
            raise ClockWrong(now, known)
        return now

    def stamp_ms(self) -> int:
        """A time to cosign with: a cosignature from the future would make an old head look fresh one day."""
        now, known = self._wall_ms(), self._known_ms()
        return known if now - known > CLOCK_AHEAD_MS_MAX else now

    def _known_ms(self) -> int:
        return self._steady_ms() + self._offset_ms

    def _tell(self, ahead_ms: int) -> None:
        """Whoever operates the node hears of it once when the clock was set."""
        if abs(ahead_ms - self._set_by_ms) > CLAIMED_TIME_AHEAD_MS_MAX:
            log.warning("the clock was set", by_ms=ahead_ms - self._set_by_ms)
            self._set_by_ms = ahead_ms
