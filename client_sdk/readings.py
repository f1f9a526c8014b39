"""A temperature log in short: its window goes into the ledger, the readings stay with whoever took them."""

import csv
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final

from client_sdk import when
from ledger import records as r
from ledger.errors import Malformed

_CELSIUS: Final = re.compile(r"[+-]?\d{1,3}(?:\.\d{1,6})?", re.ASCII)


def milli_celsius(text: str) -> int:
    """Degrees Celsius in thousandths."""
    if not _CELSIUS.fullmatch(text.strip()):
        raise Malformed("temperature", f"{text!r} is not degrees Celsius, such as -18.5")
    return round(float(text) * 1000)


def window_of(path: Path, device: str) -> r.Window:
    """The window of a CSV with two columns, time and degrees Celsius; Malformed names the line that is neither.

    `series` is the SHA-256 of the file as it is, so whoever gets the file later can tell that it is the one.
    """
    data = path.read_bytes()
    readings = sorted(_readings(data.decode("utf-8-sig", errors="replace"), str(path)))
    if not readings:
        raise Malformed(str(path), "no readings; a line is a time and degrees Celsius: 2026-01-31 09:30,4.5")
    times, values = [time for time, _ in readings], [value for _, value in readings]
    gap_ms = max((after - before for before, after in pairwise(times)), default=0)
    return r.Window(
        count=len(values), device=device, gap_s=-(-gap_ms // 1000), max_mc=max(values), min_mc=min(values),
        mean_mc=sum(values) // len(values), series=sha256(data).digest(), start=times[0], until=times[-1],
    )  # fmt: skip


def _readings(text: str, where: str) -> Iterator[tuple[int, int]]:
    """(ms since the epoch, thousandths of a degree) of every line but blank ones and the header."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or (number == 1 and not line[:1].isdigit()):
            continue
        try:
            [time, celsius] = next(csv.reader([line]))
            if when.is_date(time):
                raise ValueError
            yield when.time_ms(time), milli_celsius(celsius)
        except (Malformed, ValueError, csv.Error):
            expected = "a time and degrees Celsius are expected, such as 2026-01-31 09:30,4.5"
            raise Malformed(f"{where}, line {number}", f"{line[:80]!r}: {expected}") from None
