"""What a member holds and what waits for it, as an import starts from it and uses it up row by row."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct


class OpenShip(Struct):
    """A ship that waits for this member."""

    ship: bytes
    lot: str
    owner: str
    site: str
    ref: str
    open: int
    time_ms: int


class Holdings:
    """Quantities in base items, by (lot, site)."""

    def __init__(self, held: Iterable[tuple[str, str, int, int]] = (), ships: Iterable[OpenShip] = ()) -> None:
        """`held` is (lot, site, quantity free to go out, grams)."""
        self._held: dict[tuple[str, str], int] = defaultdict(int)
        self._grams: dict[tuple[str, str], int] = {}
        self._ships: dict[tuple[str, str], list[OpenShip]] = defaultdict(list)
        self._lots: dict[str, set[str]] = defaultdict(set)
        for lot, site, quantity, grams in held:
            self.add(lot, site, quantity)
            self._grams[lot, site] = grams
        for ship in ships:
            self._ships[ship.owner, ship.lot].append(ship)
            self._know(ship.lot)
        self.empty = not self._held and not self._ships

    def held(self, lot: str, site: str) -> int:
        return self._held.get((lot, site), 0)

    def grams(self, lot: str, site: str) -> int:
        """What it weighed at the start of the import."""
        return self._grams.get((lot, site), 0)

    def add(self, lot: str, site: str, quantity: int) -> None:
        self._held[lot, site] += quantity
        self._know(lot)

    def receive(self, ship: OpenShip, quantity: int) -> None:
        ship.open -= quantity
        self.add(ship.lot, ship.site, quantity)

    def ships(self, party: str, lot: str, quantity: int, document: str) -> Iterator[OpenShip]:
        """The party's open ships of a lot, the likeliest first: the one of exactly this quantity, of this document,
        the oldest."""
        found = [ship for ship in self._ships.get((party, lot), ()) if ship.open]
        found.sort(key=lambda ship: (ship.open != quantity, not ship.ref.startswith(document), ship.time_ms))
        return iter(found)

    def knows(self, lot: str) -> bool:
        return lot in self._lots.get(lot.partition("#")[0], ())

    def lots_like(self, lot: str) -> set[str]:
        """The known lots of the same product."""
        return self._lots.get(lot.partition("#")[0], set())

    def _know(self, lot: str) -> None:
        self._lots[lot.partition("#")[0]].add(lot)
