"""What a member holds and what waits for it, as an import starts from it and uses it up row by row."""

from collections.abc import Iterable

from msgspec import Struct

from client_sdk.books.lots import NearLots
from client_sdk.books.scratch import Scratch, Spill


class Stock(Struct):
    """Of one lot at one site: base items, of which `reserved` stand packed, and those that were sold; weights beside
    them."""

    held: int = 0
    grams: int = 0
    reserved: int = 0
    sold: int = 0
    grams_sold: int = 0

    @property
    def free(self) -> int:
        """What may go out."""
        return self.held - self.reserved


class OpenShip(Struct):
    """A ship that waits for this member; `returns`: goods that come back to it."""

    ship: bytes
    lot: str
    owner: str
    site: str
    ref: str
    open: int
    time_ms: int
    grams: int = 0
    returns: bool = False

    @property
    def document(self) -> str:
        return document_of(self.ref)


class Holdings:
    def __init__(self, held: Iterable[tuple[str, str, Stock]] = (), ships: Iterable[OpenShip] = ()) -> None:
        """`held` is (lot, site, stock)."""
        scratch = Scratch()
        self._stock: Spill[Stock] = Spill(scratch, "stock", Stock)
        self._ships: Spill[list[OpenShip]] = Spill(scratch, "ships", list[OpenShip])
        self._near: NearLots | None = None
        self._scratch = scratch
        self.empty = True
        for lot, site, stock in held:
            self._stock.put(f"{lot}\x00{site}", stock)
            self.empty = False
        for ship in ships:
            key = f"{ship.lot}\x00{ship.owner}"
            self._ships.put(key, [*(self._ships.get(key) or ()), ship])
            self.empty = False

    def stock(self, lot: str, site: str) -> Stock:
        """To be changed in place, before another is asked for; a new one is empty."""
        key = f"{lot}\x00{site}"
        stock = self._stock.get(key)
        if stock is None:
            stock = Stock()
            self._stock.put(key, stock)
            if self._near is not None:
                self._near.add(lot)
        return stock

    def knows(self, lot: str, site: str) -> bool:
        return self._stock.get(f"{lot}\x00{site}") is not None

    def ships(self, lot: str, party: str, site: str, returns: bool = False) -> list[OpenShip]:
        """The party's open ships of a lot, to be changed in place; those to one site, if it is named."""
        found = self._ships.get(f"{lot}\x00{party}") or ()
        return [one for one in found if one.open and one.returns == returns and site in ("", one.site)]

    def near(self, lot: str) -> list[tuple[str, bool]]:
        """Lots that are held or wait, which this one may be meant as, with whether they look the same."""
        if self._near is None:
            self._near = NearLots(self._scratch)
            for keys in (self._stock.keys(), self._ships.keys()):
                for key in keys:
                    self._near.add(key.partition("\x00")[0])
        return self._near.near(lot)


def document_of(ref: str) -> str:
    """The document that a document line belongs to."""
    return ref.rpartition("/")[0]


def answers(ships: list[OpenShip], quantity: int, document: str) -> list[tuple[OpenShip, int]]:
    """Which ships so many goods answer, and how much of each; together less than `quantity` where there are not as
    many. One of exactly this quantity; else those of this document, if they are so many together; else a part of a
    larger one; else several. Ties are broken by the document, then by age."""
    likely = sorted(ships, key=lambda one: (one.document != document, one.time_ms))
    exact = next((one for one in likely if one.open == quantity), None)
    if exact is not None:
        return [(exact, quantity)]
    same = [one for one in likely if document and one.document == document]
    if sum(one.open for one in same) == quantity:
        return [(one, one.open) for one in same]
    larger = next((one for one in likely if one.open > quantity), None)
    if larger is not None:
        return [(larger, quantity)]
    found = []
    for one in likely:
        part = min(one.open, quantity)
        if part:
            found.append((one, part))
        quantity -= part
    return found
