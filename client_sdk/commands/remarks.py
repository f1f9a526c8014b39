"""What the ledger takes and yet counts against somebody, told once the receipt is there.

Nothing is judged here: the counts of the positions that an act is about, before and after it, say what the ledger
did.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.errors import ClientError
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import records as r
from ledger.custody.goods import is_past_date
from ledger.custody.step import booked_late
from ledger.limits import BOOKED_LATE_MS_MIN
from proto.suyuan.v1 import ledger_pb2 as pb

WATCHED: Final = (r.Ship, r.Sell, r.Transform, r.Destroy, r.Count, r.Correct)
DAY_MS: Final = 24 * 3_600_000
HELD: Final = int(e.Bit.HELD | e.Bit.RECALLED)
Place: TypeAlias = tuple[str, str, str]
"""Owner, site and lot of a position."""


class Remarks:
    """What becomes of the positions of acts that are about to be sent."""

    def __init__(self, member: Client, acts: Sequence[Act]) -> None:
        self._member = member
        self._acts = [one for one in acts if one.kind in WATCHED]
        self._lots = {lot for one in self._acts for lot in _lots_of(one)}
        self._kept = any(one.kind is r.Correct or one.fields.get("owner") for one in self._acts)
        self._before = self._look()
        self._stale = [text for one in self._acts if one.kind is r.Count for text in self._out_of_date(one)]

    def _look(self) -> dict[Place, pb.Position]:
        """The rows of those lots; none where they cannot be asked for, which must not stand in the way of the act."""
        if not self._lots:
            return {}
        try:
            rows = [*self._member.positions(), *(self._member.positions(kept=True) if self._kept else ())]
        except ClientError:
            return {}
        return {(one.owner, one.site, one.lot): one for one in rows if one.lot in self._lots}

    def done(self) -> tuple[list[str], bool]:
        """(warnings, whether any position has changed) now that the acts are booked."""
        now = self._look()
        warnings = [text for place, after in now.items() for text in self._flagged(self._before.get(place), after)]
        destroyed = [text for one in self._acts if one.kind is r.Destroy for text in _in_force(one, now)]
        changed = not now or _totals(now.values()) != _totals(self._before.values())
        return [*self._stale, *warnings, *destroyed], changed

    def _why(self, lot: str) -> str:
        """Which of the reasons to count an outflow as irregular it was."""
        at = max(one.fields["at"] for one in self._acts)
        try:
            entry = self._member.lot(lot)
        except ClientError:
            entry = None
        if entry is not None and is_past_date(entry, at):
            return f"past its date, {entry.expiry}"
        if booked_late(at, clock_ms()):
            return f"more than {BOOKED_LATE_MS_MIN // DAY_MS} days before it was booked"
        return "while it was held or recalled"

    def _out_of_date(self, one: Act) -> Iterator[str]:
        """A count books found less book; where the book has changed since, a difference may be booked twice."""
        amounts: Any = one.amounts
        held = self._position(one).held
        if amounts.book != held:
            difference = amounts.found - amounts.book
            yield (
                f"--book {amounts.book} is not what the ledger has, {held}: {difference:+} is booked on top of that, "
                f"so it has {held + difference} now. If what lies between is booked already, it counts twice: "
                "count again"
            )

    def _flagged(self, was: pb.Position | None, now: pb.Position) -> Iterator[str]:
        before = was if was is not None else pb.Position()
        where = f"of {now.lot} at {now.site}"
        irregular, overdrawn = now.irregular - before.irregular, now.overdrawn - before.overdrawn
        if irregular > 0:
            why = self._why(now.lot)
            yield f"{irregular} {where} went out {why}: booked, as it happened, and counted as irregular"
        if overdrawn > 0:
            yield (
                f"{overdrawn} {where} were gone already: the correction is booked, and they count as overdrawn until "
                "a count or another correction finds them"
            )

    def _position(self, one: Act) -> pb.Position:
        place = (one.fields.get("owner") or self._member.member_id, one.fields["site"], one.fields["lot"])
        return self._before.get(place, pb.Position())


def _lots_of(one: Act) -> list[str]:
    """The lots that an act moves."""
    if one.kind is r.Transform:
        return list(one.fields["inputs"])
    if one.kind is not r.Correct:
        return [one.fields["lot"]]
    amounts: Any = one.amounts
    earlier: Any = r.RECORD.decode(amounts.earlier)
    if isinstance(earlier, r.Transform):
        return [*earlier.inputs, *(output.lot for output in earlier.outputs)]
    return [earlier.lot, getattr(earlier, "to_lot", earlier.lot)]


def _in_force(one: Act, now: dict[Place, pb.Position]) -> Iterator[str]:
    for (_, site, lot), position in now.items():
        if (
            site == one.fields["site"]
            and lot == one.fields["lot"]
            and (position.in_force or position.status_bits & HELD)
        ):
            yield f"{lot} is held or recalled: whoever ordered that may ask for proof of the destruction"


def _totals(positions: Iterable[pb.Position]) -> list[tuple[int, ...]]:
    """What came in and what was shipped, in items and grams: what others take from a position meanwhile is no change
    of these."""
    return sorted(
        (
            one.held + one.shipped + one.sold + one.used + one.destroyed + one.lost - one.overdrawn,
            one.shipped,
            one.grams + one.grams_sold + one.grams_lost,
        )
        for one in positions
    )
