"""From what a user types to the values of options; what cannot be read is told with the option's name."""

import re
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import wraps
from typing import Final, TypeVar

import typer
from msgspec import Struct

from client_sdk import codes, readings, regions, when
from client_sdk.codes import Scan
from ledger import identifiers as ids
from ledger.errors import Malformed

T = TypeVar("T")
Chosen = TypeVar("Chosen", bound=IntEnum)
HASH_BYTES: Final = 32
HASH_DIGITS_MIN: Final = 8
HASH_START: Final = re.compile(rf"[0-9a-fA-F]{{{HASH_DIGITS_MIN},{2 * HASH_BYTES}}}")
LINE_FORM: Final = "LOT=QUANTITY, or LOT=QUANTITY:GRAMS where it is weighed"


class Line(Struct, frozen=True):
    """A lot with its quantity, and its weight where it is weighed."""

    lot: str
    quantity: int
    grams: int = 0


def told(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The parser of an option: what is malformed becomes wrong usage, which names the option."""

    @wraps(parse)
    def option(text: str) -> T:
        try:
            return parse(text)
        except Malformed as error:
            raise typer.BadParameter(error.message) from None

    return option


def _scanned(text: str) -> Scan:
    scan = codes.parse_scan(text)
    if scan.product is None:
        raise Malformed("code", "it names a logistic unit; scan the goods inside")
    return scan


@told
def lot(text: str) -> str:
    """A lot, as it is written here or as a scanner reads it."""
    scan = _scanned(text)
    if scan.lot is None:
        raise Malformed("lot", f"{text!r} names no lot: write GTIN#LOT, or GTIN@YYYYMMDD for goods without a number")
    return f"{scan.product}{scan.lot}"


@told
def product(text: str) -> str:
    return str(_scanned(text).product)


@told
def member(text: str) -> str:
    ids.check_member_id(text)
    return text


@told
def region(text: str) -> str:
    regions.check(text)
    return text


@told
def sscc(text: str) -> str:
    ids.check_sscc(text)
    return text


@told
def record_hash(text: str) -> bytes:
    value = hex_bytes(text)
    if value is None:
        raise Malformed("record hash", f"{text!r} is not 64 hexadecimal digits")
    return value


@told
def hash_start(text: str) -> str:
    """A record hash, or its first 8 digits or more."""
    if not HASH_START.fullmatch(text):
        raise Malformed(
            "record hash",
            f"{text!r} is not a hash: 64 hexadecimal digits, or the first {HASH_DIGITS_MIN} or more of them; "
            "`suyuan handovers`, `claims`, `records` and `watch` show hashes",
        )
    return text.lower()


def hex_bytes(text: str) -> bytes | None:
    """The 32 bytes that 64 hexadecimal digits stand for; None where a text is something else."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == HASH_BYTES and len(text) == 2 * HASH_BYTES else None


@told
def line(text: str) -> Line:
    name, _, amount = text.rpartition("=")
    quantity, colon, grams = amount.partition(":")
    if not (name and _digits(quantity) and (not colon or _digits(grams))):
        raise Malformed("line", f"{text!r} is not {LINE_FORM}")
    return Line(lot(name), int(quantity), int(grams or 0))


def _digits(text: str) -> bool:
    """A number that the ledger can hold, more or less: at most 16 digits."""
    return text.isascii() and text.isdigit() and len(text) <= 16


def lines_of(found: Sequence[Line]) -> tuple[dict[str, int], list[int] | None]:
    """(lot -> quantity, weights in the order of the lots or None); each lot stands once."""
    quantities = {one.lot: one.quantity for one in found}
    if len(quantities) != len(found):
        raise Malformed("line", "a lot is named twice; add its quantities up")
    weights = [one.grams for one in found]
    return quantities, weights if any(weights) else None


def choice(kinds: type[Chosen]) -> Callable[[str | Chosen], Chosen]:
    """A parser for the members of an enumeration, by their names in lower case; a default passes through it too."""
    known = {one.name.lower().replace("_", "-"): one for one in kinds}

    def chosen(given: str | Chosen) -> Chosen:
        if isinstance(given, kinds):
            return given
        found = known.get(str(given).lower().replace("_", "-"))
        if found is None:
            raise typer.BadParameter(f"{given!r} is none of {', '.join(known)}")
        return found

    return chosen


day = told(when.day)
past_day = told(when.past_day)
past = told(when.past_ms)
since = told(when.start_ms)
until = told(when.end_ms)
celsius = told(readings.milli_celsius)


def place(text: str) -> tuple[int, int] | None:
    """(leaf, index) of LEAF/INDEX, the place of a record in the log; None where a text is something else."""
    leaf, slash, index = text.partition("/")
    return (int(leaf), int(index)) if slash and _digits(leaf) and _digits(index) else None
