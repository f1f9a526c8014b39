"""The checker of fields speaks of types and lengths; people are told what may stand there."""

import re
from collections.abc import Callable
from typing import Final

_Said = Callable[[re.Match[str]], str]
_SAYINGS: Final[tuple[tuple[re.Pattern[str], _Said], ...]] = (
    (re.compile(r"Expected `str` of length >= 1, found ''"), lambda _: "it is empty"),
    (re.compile(r"Expected `\w+` of length <= (\d+), found (\d+) characters"), lambda m: f"{m[2]} characters, at most {m[1]} are taken"),
    (re.compile(r"Expected `\w+` of length ([<>])= (\d+), found (.+)"), lambda m: f"{m[3]}: {_bound(m[1])} {m[2]} characters are expected"),
    (re.compile(r"Expected `int` ([<>])= (-?\d+), found (\S+)"), lambda m: f"{m[3]}: a number of {_bound(m[1])} {m[2]} is expected"),
    (re.compile(r"(\S+) is not in the range (-?\d+)<=x<=(-?\d+)"), lambda m: f"{m[1]} is not a number from {m[2]} to {m[3]}"),
    (re.compile(r"(\S+) is not in the range x>=(-?\d+)"), lambda m: f"{m[1]} is less than {m[2]}"),
    (re.compile(r"(\S+) is not in the range x<=(-?\d+)"), lambda m: f"{m[1]} is more than {m[2]}"),
    (re.compile(r"is not a valid int(eger)?( range)?"), lambda _: "is not a whole number"),
)  # fmt: skip


def plain(message: str) -> str:
    for pattern, said in _SAYINGS:
        message = pattern.sub(said, message)
    return message


def _bound(sign: str) -> str:
    return "at most" if sign == "<" else "at least"
