"""Cases and items: how many base items one counted unit holds, as code, unit, specification and mapping say it.

What they say together is taken; where they contradict each other, or leave it open, the row is asked about.
"""

import re
from collections.abc import Mapping as Words
from typing import Final

from client_sdk.books.cells import BadCell
from client_sdk.books.columns import CASE_UNITS, ITEM_UNITS, WEIGHTS
from ledger import entries as e

CASE: Final = "case"  # what a mapping says of a unit that means the same as 箱
_ITEM: Final = "(?:罐|听|盒|袋|包|瓶|个|支|只|枚|条|块|份|桶)"
_SPLIT: Final = re.compile(r"[*x×,;、()]+", re.IGNORECASE)
_MEASURE: Final = re.compile(
    rf".*?\d+(?:\.\d+)?(?:g|kg|ml|l|克|千克|公斤|毫升|升)(?:装|/{_ITEM})?", re.IGNORECASE | re.ASCII
)
_COUNT: Final = re.compile(rf"(\d{{1,4}}){_ITEM}?(?:装|/[箱件])?", re.ASCII)
_TELLS: Final = re.compile(rf"\d{_ITEM}(?:装|/[箱件])?|/[箱件]", re.ASCII)


def items_a_case(specification: str) -> int | None:
    """How many items a case holds, as a specification says it: 800g*6, 800g×6罐/箱, 1*6, 6罐/箱. None where it does
    not say, or could mean two things."""
    parts = [part for part in _SPLIT.split(specification.replace(" ", "")) if part]
    counts = [match[1] for part in parts if (match := _COUNT.fullmatch(part)) is not None]
    measures = sum(1 for part in parts if _MEASURE.fullmatch(part) is not None)
    said = [int(text) for text in counts if int(text) != 1]
    if len(counts) + measures != len(parts) or measures > 1 or len(said) != 1 or not said[0]:
        return None
    return said[0] if len(parts) > 1 or _TELLS.search(specification) else None


def items_a_unit(product: e.ProductEntry, unit: str, specification: str, units: Words[str, int | str]) -> int:
    """The base items in one unit of a row; an empty unit counts what the code names. `units` are the member's own: a
    unit, or `CODE UNIT`, to items or "case"."""
    contains = product.contains or 1
    own = units.get(f"{product.product} {unit}")
    if isinstance(own, int):
        return own
    meaning = own or units.get(unit) or ("" if not unit else CASE if unit in CASE_UNITS else _known_item(unit))
    if meaning == "":
        return contains
    if isinstance(meaning, int):
        if product.base is not None and meaning != contains:
            raise _contradiction(product, unit, f"a unit {unit} is {meaning} items by your mapping")
        return meaning
    if meaning == CASE:
        return _items_of_case(product, unit, specification)
    if product.base is not None:
        raise _contradiction(product, unit, f"the unit {unit} is a single item")
    return 1


def _known_item(unit: str) -> str:
    if unit in ITEM_UNITS:
        return unit
    if unit.lower() in WEIGHTS:
        remedy = "count the items, and write what they weigh into a column 重量(kg)"
        raise BadCell("单位", f"{unit} is a weight", remedy)
    known = " ".join(sorted(CASE_UNITS | ITEM_UNITS))
    remedy = f"one of {known}; or say how many items one is: suyuan mapping unit {unit} ITEMS"
    raise BadCell("单位", f"{unit!r} is not known", remedy)


def _items_of_case(product: e.ProductEntry, unit: str, specification: str) -> int:
    said = items_a_case(specification)
    if product.base is not None:
        contains = product.contains or 1
        if said not in (None, contains):
            message = f"{specification} says {said} a case, {product.product} is the code of one of {contains}"
            raise BadCell("规格", message, f"correct the one that is wrong, or say: {_answer(product, unit)}")
        return contains
    if said is None:
        remedy = f"use the case's own bar code, or write 800g*6罐/箱 into 规格, or say: {_answer(product, unit)}"
        raise BadCell("单位", f"{product.product} is a single item, and nothing says how many a {unit} holds", remedy)
    return said


def _contradiction(product: e.ProductEntry, unit: str, said: str) -> BadCell:
    message = f"{product.product} is the code of a case of {product.contains}, but {said}"
    remedy = f"use the bar code of the single item, {product.base}, or count cases, or say: {_answer(product, unit)}"
    return BadCell("单位", message, remedy)


def _answer(product: e.ProductEntry, unit: str) -> str:
    return f"suyuan mapping unit '{product.product} {unit}' ITEMS"
