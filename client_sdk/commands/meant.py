"""Forms of a lot number that are typed for one another: a1 for A1, 2O25 for 2025, A-01 for A01. What was asked for is
never changed; whoever asked is told which other forms are declared."""

from collections.abc import Callable, Iterable
from typing import Final

_DIGITS: Final = str.maketrans("OIL", "011")
_LETTERS: Final = str.maketrans("01", "OI")
_MARKS: Final = str.maketrans("", "", " -_./")


def forms(lot: str) -> list[str]:
    """Of PRODUCT#NUMBER, few since each is asked for; none of a lot without a number."""
    product, mark, number = lot.partition("#")
    if not mark:
        return []
    upper = number.upper()
    others = [upper, number.lower(), upper.translate(_DIGITS), upper.translate(_LETTERS), upper.translate(_MARKS)]
    return [f"{product}#{one}" for one in dict.fromkeys(others) if one and one != number]


def declared(lot: str, known: Callable[[str], object]) -> list[str]:
    """Those of its forms that are known."""
    return [one for one in forms(lot) if known(one)]


def question(names: Iterable[str]) -> str:
    """Empty where there are none."""
    named = " or ".join(names)
    return f"did you mean {named}?" if named else ""
