"""Lot numbers that look alike: 2O25 for 2025, L1 for 11, A-01 for A01. Whoever types one means the other."""

from collections.abc import Iterable
from typing import Final

_CONFUSED: Final = str.maketrans("OQILSBZG", "00115826", " -_./\\")


def alike(one: str, other: str) -> bool:
    """Whether two different lot numbers may be meant as one: they read the same, or a character was left out,
    doubled, or swapped with its neighbour. Another digit in one place does not count: so lots are told apart."""
    if one == other:
        return False
    first, second = (text.upper().translate(_CONFUSED) for text in (one, other))
    if first == second:
        return True
    shorter, longer = sorted((first, second), key=len)
    if len(longer) < 5:
        return False
    if len(longer) == len(shorter) + 1:
        return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
    return len(longer) == len(shorter) and _swapped(shorter, longer)


def _swapped(one: str, other: str) -> bool:
    differ = [at for at in range(len(one)) if one[at] != other[at]]
    if len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    first, second = differ
    return (one[first], one[second]) == (other[second], other[first])


def nearest(lot: str, known: Iterable[str]) -> str | None:
    """A known lot of the same product that `lot` may be meant as; both as PRODUCT#NUMBER."""
    product, mark, number = lot.partition("#")
    if not mark:
        return None
    for other in known:
        name, _, its = other.partition("#")
        if name == product and alike(number, its):
            return other
    return None
