"""Cells that hold a weight or an amount of money; each function takes cleaned text, and BadCell names the cure."""

import re
from typing import Final

from client_sdk.books.cells import BadCell
from client_sdk.books.columns import WEIGHTS
from ledger.limits import QUANTITY_MAX

_NUMBER: Final = r"(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,6})0*)?"
_WEIGHT: Final = re.compile(rf"{_NUMBER}\s*([a-z]+|[\u4e00-\u9fff]+)?", re.ASCII | re.IGNORECASE)
_MONEY: Final = re.compile(rf"¥?\s*{_NUMBER}\s*元?", re.ASCII)
_MICRO: Final = 1_000_000
_FEN: Final = _MICRO // 100


def grams(text: str, unit: str, field: str = "重量") -> int:
    """A weight in grams; `unit` is what the column or the row says of a cell that names none."""
    match = _WEIGHT.fullmatch(text)
    if match is None:
        raise BadCell(field, f"{text!r} is not a weight", "write it as 12.345kg or 12345g")
    found = (match[3] or unit).lower()
    if found not in WEIGHTS:
        said = f"names the unit {found}" if found else "names no unit"
        remedy = "write 12.5kg or 12500g, or call the column 重量(kg) or 重量(g)"
        raise BadCell(field, f"{text!r} {said}", remedy)
    micrograms = _scaled(match[1], match[2]) * WEIGHTS[found]
    if micrograms % _MICRO or not 0 < micrograms <= QUANTITY_MAX * _MICRO:
        raise BadCell(field, f"{text!r} is not a weight of whole grams above zero", "round it to grams")
    return micrograms // _MICRO


def fen(text: str, field: str) -> int:
    """Yuan, with at most two decimals, in fen."""
    micro = _yuan(text, field)
    if micro % _FEN or micro > QUANTITY_MAX * _FEN:
        raise BadCell(field, f"{text!r} is no amount of whole fen, up to {QUANTITY_MAX}", "write it as 1299.50")
    return micro // _FEN


def total_fen(price: str, much: int, unit: int = 1) -> int:
    """What so much costs at the price of a unit, of items or of grams; the price may have decimals beyond fen.
    Rounded half up."""
    found = (2 * _yuan(price, "单价") * much + _FEN * unit) // (2 * _FEN * unit)
    if found > QUANTITY_MAX:
        raise BadCell("单价", f"{price} makes more than {QUANTITY_MAX} fen in all", "correct the price")
    return found


def _yuan(text: str, field: str) -> int:
    """In millionths."""
    match = _MONEY.fullmatch(text)
    if match is None:
        raise BadCell(field, f"{text!r} is not an amount of yuan", "write it as 1299.50, or leave it empty")
    return _scaled(match[1], match[2])


def _scaled(whole: str, decimals: str | None) -> int:
    """In millionths."""
    return int(whole.replace(",", "")) * _MICRO + int((decimals or "").ljust(6, "0"))
