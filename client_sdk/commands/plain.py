"""The checker of fields speaks of types and lengths; people are told what may stand there."""

import re
from typing import Final

_SAYINGS: Final = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"Expected `str` of length >= 1, found ''", "it is empty"),
        (r"Expected `str` of length <= (\d+), found (\d+ characters)", r"\2, at most \1 are taken"),
        (r"Expected `str` of length <= (\d+), found (.+)", r"\2 is longer than \1 characters"),
        (r"Expected `str` of length >= (\d+), found (.+)", r"\2 is shorter than \1 characters"),
        (r"Expected `int` <= (-?\d+), found (\S+)", r"\2 is more than \1"),
        (r"Expected `int` >= (-?\d+), found (\S+)", r"\2 is less than \1"),
        (r"Input should be a valid integer[^;]*", "a whole number is expected"),
        (r"Input should be less than or equal to (-?\d+)", r"at most \1 is taken"),
        (r"Input should be greater than or equal to (-?\d+)", r"at least \1 is taken"),
        # Older versions of Typer say it so:
        (r"(\S+) is not in the range (-?\d+)<=x<=(-?\d+)", r"\1 is not a number from \2 to \3"),
        (r"(\S+) is not in the range x>=(-?\d+)", r"\1 is less than \2"),
        (r"is not a valid int(?:eger)?(?: range)?", "is not a whole number"),
    )
)


def plain(message: str) -> str:
    for pattern, said in _SAYINGS:
        message = pattern.sub(said, message)
    return message
