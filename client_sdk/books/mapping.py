"""What one member's book means by its own words: kept in its identity folder, so that it is said once.

columns    a header of its own -> the usual header
products   an article number of its own -> GTIN
parties    a supplier's or customer's name -> member
units      a unit of its own -> how many base items it holds
lots       a lot number that was asked about -> the right one, or itself where it is a lot of its own
opening    how the question for the stock before the first book was answered: counted, or none
"""

import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from client_sdk.books.columns import COLUMNS
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import QUANTITY_MAX

FILE: Final = "book-mapping.json"
Items = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]


class Mapping(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One member's mapping; each part may be empty."""

    columns: dict[str, str] = {}
    products: dict[str, str] = {}
    parties: dict[str, str] = {}
    units: dict[str, Items] = {}
    lots: dict[str, str] = {}
    opening: str = ""

    def check(self, where: str) -> None:
        """Malformed, naming the entry, where one cannot mean anything."""
        headers = {column.header for columns in COLUMNS.values() for column in columns}
        for own, header in self.columns.items():
            if header not in headers:
                raise Malformed(
                    f"{where}, columns, {own}", f"{header!r} is no header; list them with: suyuan columns"
                )
        for own, gtin in self.products.items():
            _checked(ids.check_product_id, gtin, f"{where}, products, {own}")
        for own, member in self.parties.items():
            _checked(ids.check_member_id, member, f"{where}, parties, {own}")
        for lot, right in self.lots.items():
            _checked(ids.check_lot_id, lot, f"{where}, lots")
            _checked(ids.check_lot_id, right, f"{where}, lots, {lot}")
        if self.opening not in ("", "counted", "none"):
            raise Malformed(f"{where}, opening", f"{self.opening!r} is none of counted, none")


def _checked(check: object, value: str, where: str) -> None:
    try:
        check(value)  # type: ignore[operator]
    except Malformed as error:
        raise Malformed(where, error.message) from None


def load(folder: Path) -> Mapping:
    """The mapping of an identity folder; empty where none was made."""
    path = folder / FILE
    try:
        mapping = msgspec.json.decode(path.read_bytes(), type=Mapping)
    except FileNotFoundError:
        return Mapping()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(path), f"not a mapping: {error}; mend it, or remove it and say it anew") from None
    mapping.check(str(path))
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
