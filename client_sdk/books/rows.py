"""What a book's reader hands out: rows, each checked by itself, and rows that cannot be read."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from client_sdk.books.columns import Book
from client_sdk.wire import Side
from ledger.private import Private

_SIDES: Final = {  # of what goes the book's way, and of what went back
    Book.PURCHASE: (Side.IN, Side.OUT),
    Book.SALE: (Side.OUT, Side.IN),
    Book.PRODUCTION: (Side.OWN, Side.OWN),
    Book.STOCK: (Side.OWN, Side.OWN),
}


class Goods(Struct, frozen=True, eq=False):
    """What a row says of its goods; rows that say the same share one. `code` is the product's, or that of its case,
    `lot` begins with # (number) or @ (production date)."""

    code: str
    lot: str
    unit: str
    specification: str
    production: int | None
    shelf_days: int | None


class Row(Struct, frozen=True, gc=False):
    """One row of a book. `line` is its first in the file, `at` in ms.

    quantity        in the row's unit; negative: goods that went back
    portion         the unit is a weight: `grams` out of an opened item, and no whole one
    booked          of a stock-taking, what the book said, and its weight, if the row says so
    grams           in all, as the row says
    cells           as they stand in the file, for a list of bad rows
    """

    line: int
    book: Book
    at: int
    ref: str
    goods: Goods
    quantity: int
    party: str
    party_code: str
    site: str
    cells: Sequence[str]
    grams: int | None = None
    portion: bool = False
    booked: int | None = None
    booked_grams: int | None = None
    certificate: str = ""
    private: Private | None = None

    @property
    def side(self) -> Side:
        """The side of the book that its document line stands on, as the rules have it (`custody.side_of`)."""
        return _SIDES[self.book][self.quantity < 0]


class BadRow(Struct, frozen=True):
    """Why a row cannot be booked, and what would cure it. `rule` is the node's, where a rule refused it; `ref` what
    tells it from equal rows, where it could be read."""

    line: int
    field: str
    message: str
    remedy: str = ""
    cells: Sequence[str] = ()
    rule: str = ""
    ref: str = ""

    @property
    def reason(self) -> str:
        """What bad rows are counted by."""
        return self.rule or self.field

    def __str__(self) -> str:
        cure = f"; {self.remedy}" if self.remedy else ""
        return f"line {self.line}, {self.field}: {self.message}{cure}"
