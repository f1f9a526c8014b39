"""A moment as people read it, in China's time, whatever the machine's is. `web/verify/moment.js` says the same."""

import datetime as dt
from typing import Final

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
SHOWN_MS_MAX: Final = 253_370_764_800_000  # the year 9999 begins: a date would have five digits soon


def shown(at_ms: int) -> str:
    """Ms since the epoch, as 2026-01-31 09:30 UTC+8; what lies too far ahead for a date, in ms."""
    if at_ms >= SHOWN_MS_MAX:
        return f"{at_ms} ms"
    return dt.datetime.fromtimestamp(at_ms / 1000, CHINA).strftime("%Y-%m-%d %H:%M UTC+8")
