"""Lot numbers that are nearly the same: 2O25 for 2025, l23S for 1235, A-01 for A01, one character too many, too few,
another, or two swapped. Whoever types one may mean the other."""

from collections.abc import Iterator
from typing import Final

from client_sdk.books.scratch import Scratch

_ALIKE: Final = str.maketrans("OQILSBZ", "0011582", " -_./")
SHORTEST_EDITED_CHARS: Final = 4  # of shorter numbers one edit makes nearly anything


def skeleton(number: str) -> str:
    """A lot number as it looks: case, blanks and hyphens dropped, and one of characters that look alike."""
    return number.upper().translate(_ALIKE)


def alike(one: str, other: str) -> bool:
    """Whether two different lot numbers look the same."""
    return one != other and skeleton(one) == skeleton(other)


def one_edit(one: str, other: str) -> bool:
    """Whether one edit leads from the look of one to that of the other: a character added, left out or replaced, or
    two neighbours swapped."""
    first, second = sorted((skeleton(one), skeleton(other)), key=len)
    if len(first) < SHORTEST_EDITED_CHARS or len(second) - len(first) > 1 or first == second:
        return False
    start = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    left, right = first[start:], second[start:]
    if len(left) < len(right):
        return left == right[1:]
    return left[1:] == right[1:] or (left[:2] == right[:2][::-1] and left[2:] == right[2:])


class NearLots:
    """The lots that a member knows, to be asked for those that nearly are a given one. Each stands under its look and
    under its look with each one character left out, so that a question costs the same among any number of lots."""

    def __init__(self, scratch: Scratch) -> None:
        self._db = scratch.db
        self._db.execute("DROP TABLE IF EXISTS near")
        self._db.execute(
            "CREATE TABLE near "
            "(look TEXT, product TEXT, number TEXT, PRIMARY KEY (look, product, number)) WITHOUT ROWID"
        )

    def add(self, lot: str) -> None:
        product, mark, number = lot.partition("#")
        if mark:
            rows = ((look, product, number) for look in set(_looks(number)))
            self._db.executemany("INSERT OR IGNORE INTO near VALUES (?, ?, ?)", rows)

    def near(self, lot: str) -> list[tuple[str, bool]]:
        """Known lots of the same product that this one may be meant as, and whether they look the same."""
        product, mark, number = lot.partition("#")
        if not mark:
            return []
        found = sorted({other for look in set(_looks(number)) for other in self._under(look, product)} - {number})
        same = [(f"{product}#{other}", True) for other in found if alike(number, other)]
        return same + [(f"{product}#{other}", False) for other in found if one_edit(number, other)]

    def _under(self, look: str, product: str) -> Iterator[str]:
        rows = self._db.execute("SELECT number FROM near WHERE look = ? AND product = ?", (look, product))
        return (number for (number,) in rows)


def _looks(number: str) -> Iterator[str]:
    look = skeleton(number)
    yield look
    for at in range(len(look)):
        yield look[:at] + look[at + 1 :]
