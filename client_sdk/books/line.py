"""A row in the ledger's terms, what it becomes, and the desk at which rows are planned."""

from collections.abc import Sequence

from msgspec import Struct

from client_sdk.books.holdings import Holdings
from client_sdk.books.known import Known
from client_sdk.books.rows import Row
from client_sdk.books.scratch import Spill
from client_sdk.build import Act
from ledger import entries as e


class Planned(Struct, frozen=True, gc=False):
    """What a row becomes: its acts, which share its document line, and one line that says so. `stale` says of a count
    that the book it was held against is not what the ledger has."""

    row: Row
    acts: Sequence[Act]
    says: str
    stale: str = ""


class Thing(Struct, frozen=True):
    """What the goods of a row are to the ledger: the base item, its lot, how many of it are in one unit."""

    product: e.ProductEntry
    lot: str
    items: int
    expiry: int | None

    @property
    def variable(self) -> bool:
        return self.product.tolerance_permille is not None


class Line(Struct, frozen=True):
    """A row with its lot, quantity in base items (never negative), site, time, and its weight where the product is of
    variable measure."""

    row: Row
    thing: Thing
    lot: str
    quantity: int
    site: str
    at: int
    grams: int | None


class Desk(Struct):
    """`opening`: stock-takings open the book. `counted` holds the lots and sites that this book counted."""

    member: str
    known: Known
    holdings: Holdings
    opening: bool
    counted: Spill[bool]
