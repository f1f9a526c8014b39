"""Moments as people write and read them: a date or a time in China, or ISO 8601 with an offset."""

import datetime as dt
import re
from typing import Final

from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.wire import clock_ms
from ledger import moment
from ledger.errors import Malformed

shown: Final = moment.shown
HALF_DAY_MS: Final = 12 * 3_600_000
FORMS: Final = "write it as 2026-01-31, '2026-01-31 09:30' (China time) or 2026-01-31T09:30+08:00"
_OFFSET: Final = re.compile(r"\d{4}-?\d\d-?\d\d[ T]\d\d:?\d\d.*(?:Z|[+-]\d\d:?\d\d)", re.ASCII)


def time_ms(text: str) -> int:
    """Ms since the epoch; of a date alone, noon in China. Malformed says how a moment is written."""
    plain = cells.clean(text)
    try:
        if _OFFSET.fullmatch(plain):
            found = round(dt.datetime.fromisoformat(plain).timestamp() * 1000)
        else:
            found = cells.time_ms(plain)
    except (BadCell, ValueError, OverflowError):
        found = -1
    if found < 0:
        raise Malformed("time", f"{text!r} is no moment after 1969; {FORMS}")
    return found


def past_ms(text: str) -> int:
    """When something happened: as `time_ms`, but today's date, before noon, means now and not a time to come."""
    found = time_ms(text)
    ahead = 0 < found - clock_ms() <= HALF_DAY_MS
    return clock_ms() if ahead and is_date(text) else found


def start_ms(text: str) -> int:
    """The first moment that a text can mean: a date begins at midnight in China."""
    return max(0, time_ms(text) - (HALF_DAY_MS if is_date(text) else 0))


def end_ms(text: str) -> int:
    """The last moment that a text can mean: a date lasts until midnight in China."""
    return time_ms(text) + (HALF_DAY_MS - 1 if is_date(text) else 0)


def is_date(text: str) -> bool:
    """Whether it names a day and no time of it."""
    return ":" not in cells.clean(text)


def day(text: str) -> int:
    """A date as the number YYYYMMDD."""
    try:
        found = cells.day(cells.clean(text))
    except BadCell as bad:
        raise Malformed("date", f"{bad.message}; {bad.remedy}") from None
    if found is None:
        raise Malformed("date", "an empty text is not a date; write it as 2026-01-31")
    return found


def past_day(text: str) -> int:
    """A date on which something was done: as `day`, and not after today in China."""
    found = day(text)
    today = int(dt.datetime.fromtimestamp(clock_ms() / 1000, cells.CHINA).strftime("%Y%m%d"))
    if found > today:
        raise Malformed("date", f"{text!r} lies ahead, and today is {today} in China; write it as printed")
    return found


def iso(at_ms: int) -> str:
    """A moment for programs, in China's time, to the second."""
    return dt.datetime.fromtimestamp(at_ms / 1000, cells.CHINA).isoformat(timespec="seconds")
