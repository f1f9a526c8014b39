"""What one member's book means by its own words: kept in its identity folder, so that it is said once.

columns    a header of its own -> the usual header, or - where it is to be passed over
products   an article number of its own -> GTIN, or MEMBER/CODE
parties    a supplier's or customer's name -> member
units      a unit of its own, or `CODE UNIT` for one product -> how many base items it holds, or case
lots       a lot that was asked about -> the right one, or itself where it is a lot of its own
opening    how the question for the stock before the first book was answered: none; counting, while stock-takings are
           imported that open the book; counted, once another book followed them
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from client_sdk.books.columns import COLUMNS, IGNORED
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import MAPPING_BYTES_MAX, MAPPING_ENTRIES_MAX, QUANTITY_MAX

FILE: Final = "book-mapping.json"
CURE: Final = "mend it, or remove it and say it anew with: suyuan mapping"
Items = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
Opening = Literal["", "none", "counting", "counted"]


class Mapping(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One member's mapping; each part may be empty."""

    columns: dict[str, str] = {}
    products: dict[str, str] = {}
    parties: dict[str, str] = {}
    units: dict[str, Items | Literal["case"]] = {}
    lots: dict[str, str] = {}
    opening: Opening = ""

    def check(self, where: str) -> None:
        """Malformed, naming the entry, where one cannot mean anything."""
        entries = sum(len(part) for part in (self.columns, self.products, self.parties, self.units, self.lots))
        if entries > MAPPING_ENTRIES_MAX:
            raise Malformed(where, f"{entries} entries, at most {MAPPING_ENTRIES_MAX} are kept")
        for own, header in self.columns.items():
            if header not in _HEADERS:
                told = f"{header!r} is no header; list them with: suyuan columns (or {IGNORED} passes it over)"
                raise Malformed(f"{where}, columns, {own}", told)
        for own, product in self.products.items():
            _checked(ids.check_product_id, product, f"{where}, products, {own}")
        for own, member in self.parties.items():
            _checked(ids.check_member_id, member, f"{where}, parties, {own}")
        for lot, right in self.lots.items():
            _checked(ids.check_lot_id, lot, f"{where}, lots")
            _checked(ids.check_lot_id, right, f"{where}, lots, {lot}")
            if ids.lot_product(lot) != ids.lot_product(right):
                raise Malformed(f"{where}, lots, {lot}", f"{right} is a lot of another product")


_HEADERS: Final = {
    name for columns in COLUMNS.values() for column in columns for name in (column.header, *column.others)
} | {IGNORED}


def _checked(check: Callable[[str], object], value: str, where: str) -> None:
    try:
        check(value)
    except Malformed as error:
        raise Malformed(where, error.message) from None


def load(folder: Path) -> Mapping:
    """The mapping of an identity folder; empty where none was made."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAPPING_BYTES_MAX + 1)
        if len(data) > MAPPING_BYTES_MAX:
            raise Malformed(str(path), f"longer than {MAPPING_BYTES_MAX} bytes; {CURE}")
        mapping = msgspec.json.decode(data, type=Mapping)
    except FileNotFoundError:
        return Mapping()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(path), f"not a mapping: {error}; {CURE}") from None
    try:
        mapping.check(str(path))
    except Malformed as error:
        raise Malformed(error.where, f"{error.message}; {CURE}") from None
    return mapping


def store(folder: Path, mapping: Mapping) -> None:
    """Whole or not at all."""
    mapping.check(FILE)
    part = folder / f"{FILE}.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(mapping)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / FILE)
