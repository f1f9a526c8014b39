"""What a member holds and what waits for it, as an import starts from it and uses it up row by row."""

from collections.abc import Iterable

from msgspec import Struct

from client_sdk.books.lots import NearLots
from client_sdk.books.scratch import Scratch, Spill
from client_sdk.books.waiting import OpenShip, Waiting


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


class Holdings:
    def __init__(self, held: Iterable[tuple[str, str, Stock]] = (), ships: Iterable[OpenShip] = ()) -> None:
        """`held` is (lot, site, stock)."""
        self._scratch = Scratch()
        self._stock: Spill[Stock] = Spill(self._scratch, "stock", Stock)
        self._near: NearLots | None = None
        self.waiting = Waiting(self._scratch, ships)
        self.empty = not self.waiting.count
        for lot, site, stock in held:
            self._stock.put(f"{lot}\x00{site}", stock)
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

    def near(self, lot: str) -> list[tuple[str, bool]]:
        """Lots that are held or wait, which this one may be meant as, with whether they look the same."""
        if self._near is None:
            self._near = NearLots(self._scratch)
            for lots in ((key.partition("\x00")[0] for key in self._stock), self.waiting.lots()):
                for one in lots:
                    self._near.add(one)
        return self._near.near(lot)
