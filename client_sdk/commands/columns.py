"""`suyuan columns`: what a book may say, how it is written, and what else each column may be called."""

import json
from typing import Any, Final

import typer

from client_sdk.books.columns import CASE_UNITS, COLUMNS, ITEM_UNITS, WEIGHTS, Book, Column
from client_sdk.commands.options import Json, out, plain_table

SORTED_ITEMS: Final = " ".join(sorted(ITEM_UNITS))
SORTED_CASES: Final = " ".join(sorted(CASE_UNITS))
FORMS: Final = {
    "date": "2026-01-31, 2026/1/31, 2026年1月31日, 20260131; with a time: 2026-01-31 09:30 (China)",
    "document": "number of the delivery note or receipt",
    "line": "number of the line in it",
    "gtin": "8 to 14 digits, of the can or of its case; or an own number: suyuan mapping product",
    "name": "as on the label",
    "specification": "800g*6, 6罐/箱: how many are in a case",
    "unit": f"items: {SORTED_ITEMS}; cases: {SORTED_CASES}; by weight: {' '.join(WEIGHTS)}",
    "quantity": "12, 1,200; in a sale or purchase -12 or (12) for what went back",
    "booked": "12: what the book said",
    "production": "a date",
    "lot": "as printed; without one the production date tells the goods apart",
    "shelf_life": "730, 24个月, 2年, or a date",
    "certificate": "number of the report",
    "site": "code of an own site; main if empty",
    "weight": "12.345kg or 12345g, of goods that are weighed; the header's unit holds where a cell names none",
    "booked_weight": "as the weight: what the book said",
    "kept_ref": "written by --bad, to be left alone",
    "price": "yuan for one 单位: 129.50; under 单价(元/kg) or 单价(元/斤) for the weight; private",
    "amount": "yuan for the row: 1554.00; private",
    "party": "its name; a member: by its code, or suyuan mapping party",
    "party_code": "18 characters, or P-…",
    "address": "private",
    "contact": "private",
}
"""How a field of `client_sdk.books.columns` is written."""


def columns(as_json: Json = False) -> None:
    """The columns that a book may have: how each is written, and what else it may be called. Those with * it must
    have."""
    for number, book in enumerate(Book):
        if as_json:
            print(json.dumps({book.value: [_plain(one) for one in COLUMNS[book]]}, ensure_ascii=False))
            continue
        if number:
            out("")
        rows = (
            (one.header + ("*" if one.needed else ""), FORMS[one.field], "\n".join(one.others))
            for one in COLUMNS[book]
        )
        plain_table(book.value, {"column": "left", "written as": "left", "or called": "left"}, rows)


def _plain(one: Column) -> dict[str, Any]:
    return {"column": one.header, "needed": one.needed, "form": FORMS[one.field], "others": list(one.others)}


def register(app: typer.Typer) -> None:
    app.command()(columns)
