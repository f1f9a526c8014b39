"""What time a validator signs: its own clock's, unless that runs ahead of what the others say.

A cosignature from the future would make an old head look fresh one day. The others' cosignatures carry their times,
under their signatures: each says that it is at least so late. Where those that were heard in the last minutes are a
quorum with this one, their median, the lower of two, lies within what honest ones say. A clock that is further from
it than the bound is told loudly, with the figure; what is signed carries the earlier of both times, and what is heard
may be near either. Until so many were heard, and where a validator stands alone, its own clock is all there is.
"""

from collections.abc import Callable
from statistics import median_low
from typing import Final

import structlog
from msgspec import Struct

from ledger.limits import COSIGNER_CLOCK_OFF_MS_MAX, WITNESS_WINDOW_MS
from node.cosigning.validators import Validators

HEARD_MS: Final = 3 * 60_000
"""What was heard so long ago says nothing any more; each validator cosigns every minute."""
REPLACED_MS: Final = 60_000
"""So long the latest time counts before that of a later cosignature takes its place, well before it says nothing."""
TELL_AFTER_MS: Final = 5_000

log = structlog.get_logger(__name__)


class Heard(Struct, frozen=True):
    """A cosignature's time less the steady clock when it came, and that clock."""

    offset_ms: int
    at_ms: int


class CosignerClock:
    """Of the validator `own`, which hears in the event loop and signs in the worker. `wall_ms` is what the machine
    says, `steady_ms` only ever counts on."""

    def __init__(
        self, own: str, validators: Validators, wall_ms: Callable[[], int], steady_ms: Callable[[], int]
    ) -> None:
        self._own, self._validators = own, validators
        self._wall_ms, self._steady_ms = wall_ms, steady_ms
        self._heard: dict[str, Heard] = {}
        self._told_ms = 0
        self._differs_since_ms: int | None = None

    def heard(self, name: str, time_ms: int) -> None:
        """A validator signed that it was `time_ms`; one's own word, handed back, says nothing. A signature may have
        been on its way for long, so the latest of the last minute counts."""
        if name == self._own:
            return
        now = self._steady_ms()
        before = self._heard.get(name)
        if before is None or time_ms - now >= before.offset_ms or now - before.at_ms > REPLACED_MS:
            # a new one each time, since the worker may be reading the old one
            self._heard = {**self._heard, name: Heard(time_ms - now, now)}

    def is_near(self, time_ms: int) -> bool:
        """Whether readers would believe a cosignature of this time: in their window, by this clock or the others'."""
        wall = self._wall_ms()
        return min(abs(time_ms - wall), abs(time_ms - wall + self.ahead_ms())) <= WITNESS_WINDOW_MS

    def stamp_ms(self) -> int:
        """The time to sign."""
        ahead = self.ahead_ms()
        self._tell(ahead)
        return self._wall_ms() - (ahead if ahead > COSIGNER_CLOCK_OFF_MS_MAX else 0)

    def ahead_ms(self) -> int:
        """How far this machine's clock is ahead of the others'; 0 where too few were heard."""
        now = self._steady_ms()
        offsets = [one.offset_ms for one in self._heard.values() if now - one.at_ms <= HEARD_MS]
        if len(offsets) + 1 < max(2, self._validators.needed):
            return 0
        return self._wall_ms() - now - median_low(offsets)

    def _tell(self, ahead_ms: int) -> None:
        """Once when it goes wrong or changes, and when it is right again; not for the moment in which the first thing
        heard is what was said long ago."""
        off = ahead_ms if abs(ahead_ms) > COSIGNER_CLOCK_OFF_MS_MAX else 0
        if bool(off) == bool(self._told_ms) and abs(off - self._told_ms) <= COSIGNER_CLOCK_OFF_MS_MAX:
            self._differs_since_ms = None
            return
        now = self._steady_ms()
        since = self._differs_since_ms = now if self._differs_since_ms is None else self._differs_since_ms
        if now - since < TELL_AFTER_MS:
            return
        self._told_ms, self._differs_since_ms = off, None
        if off:
            log.error("THE CLOCK IS WRONG, by the other validators' cosignatures", ahead_seconds=off // 1000)
        else:
            log.info("the clock agrees with the other validators'")
