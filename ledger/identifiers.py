"""Identifiers that enter the ledger, each with its check digit, by tables of our own: rules must not change
with a library's version. Checks return nothing, or raise Malformed naming what was expected.

Sources: GS1 General Specifications (check digit, AI 82 characters), GB 32100 (unified social credit code),
the food production licence's ISO 7064 mod 11,10, ISO 3166 (shape only; the table serves the edges).
"""

import re
from functools import lru_cache
from typing import Final

from ledger.errors import Malformed

_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES: Final = {char: value for value, char in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_PERSON: Final = re.compile(r"P-[A-Z0-9-]{1,24}")
_SITE_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,20}")
_AI_82: Final = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")  # GS1 AI 82: no '#', no space
_LICENCE: Final = re.compile(r"SC[0-9]{14}")
_REGISTRATION: Final = re.compile(r"国食注字YP(20[0-9]{2})([0-9]{4})")
_MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def gs1_check_digit(digits: str) -> int:
    """The mod-10 check digit for the digits before it: weights 3, 1, 3, … from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def _gs1(text: str, length: int, name: str) -> None:
    if len(text) != length or not (text.isascii() and text.isdigit()):
        raise Malformed(name, f"{text!r} is not {length} digits")
    expected = gs1_check_digit(text[:-1])
    if int(text[-1]) != expected:
        raise Malformed(name, f"the check digit of {text} should be {expected}")


def check_gtin(text: str) -> None:
    """GTIN-14; shorter ones are padded with zeros on the left at the edge."""
    _gs1(text, 14, "gtin")


def check_gln(text: str) -> None:
    _gs1(text, 13, "gln")


def check_sscc(text: str) -> None:
    _gs1(text, 18, "sscc")


@lru_cache(maxsize=20_000)
def check_uscc(text: str) -> None:
    """Unified social credit code: 18 characters without I, O, S, V, Z; check = (31 - weighted sum) mod 31."""
    if len(text) != 18 or any(char not in _USCC_VALUES for char in text):
        raise Malformed("member", f"{text!r} is not 18 characters of {_USCC_ALPHABET}")
    total = sum(_USCC_VALUES[char] * weight for char, weight in zip(text, _USCC_WEIGHTS, strict=False))
    expected = _USCC_ALPHABET[-total % 31]
    if text[17] != expected:
        raise Malformed("member", f"the check character of {text} should be {expected}")


def check_member_id(text: str) -> None:
    """An enterprise's USCC, or `P-` and up to 24 of A-Z, 0-9 and hyphen for anybody without one."""
    if text.startswith("P-"):
        if not _PERSON.fullmatch(text):
            raise Malformed("member", f"{text!r} is not P- and 1 to 24 of A-Z, 0-9 and hyphen")
    else:
        check_uscc(text)


def site_keeper(site: str) -> str:
    return site.partition("/")[0]


def is_gln(code: str) -> bool:
    """Whether a site's code is a GLN: all codes of 13 digits are, and are checked as such."""
    return len(code) == 13 and code.isdigit()


def _check_own(text: str, where: str) -> None:
    keeper, slash, code = text.partition("/")
    if not slash or not _SITE_CODE.fullmatch(code):
        raise Malformed(where, f"{text!r} is not MEMBER/CODE with 1 to 20 of A-Z, a-z, 0-9, dot, _ and hyphen")
    check_member_id(keeper)
    if is_gln(code):
        _gs1(code, 13, where)


@lru_cache(maxsize=20_000)
def check_site_id(text: str) -> None:
    """`{member}/{code}`; a code of 13 digits is a GLN and checked as such."""
    _check_own(text, "site")


@lru_cache(maxsize=20_000)
def check_product_id(text: str) -> None:
    """A GTIN-14, or `{member}/{code}` where the product has none (13 digits still are a GS1 number)."""
    if "/" in text:
        _check_own(text, "product")
    else:
        check_gtin(text)


def check_serial(text: str) -> None:
    """The serial number of one item of a lot: GS1 AI 21."""
    if not _AI_82.fullmatch(text):
        raise Malformed("serial", f"{text!r} is not 1 to 20 characters of GS1 AI 82")


def split_lot(lot: str) -> tuple[str, str]:
    """(product, rest): the rest begins with `#` (lot number) or `@` (production date)."""
    for at, char in enumerate(lot):
        if char in "#@":
            return lot[:at], lot[at:]
    raise Malformed("lot", f"{lot!r} is not PRODUCT#LOT or PRODUCT@YYYYMMDD")


def lot_product(lot: str) -> str:
    return split_lot(lot)[0]


@lru_cache(maxsize=50_000)
def check_lot_id(text: str) -> None:
    """`{product}#{lot number}`, or `{product}@{YYYYMMDD}` for goods without a lot number."""
    product, rest = split_lot(text)
    check_product_id(product)
    if rest[0] == "#":
        if not _AI_82.fullmatch(rest[1:]):
            raise Malformed("lot", f"lot number {rest[1:]!r} is not 1 to 20 characters of GS1 AI 82 without '#'")
    else:
        if len(rest) != 9 or not (rest[1:].isascii() and rest[1:].isdigit()):
            raise Malformed("lot", f"{rest[1:]!r} is not a date YYYYMMDD")
        check_day(int(rest[1:]), "lot")


def lot_day(lot: str) -> int | None:
    """The production date that names the lot; None where a lot number does."""
    rest = split_lot(lot)[1]
    return int(rest[1:]) if rest[0] == "@" else None


def check_day(day: int, where: str) -> None:
    """A date as the number YYYYMMDD, in the Gregorian calendar."""
    year, month, date = day // 10_000, day // 100 % 100, day % 100
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 28 if month == 2 and not leap else _MONTH_DAYS[month - 1] if 1 <= month <= 12 else 0
    if not 1900 <= year <= 9999 or not 1 <= date <= last:
        raise Malformed(where, f"{day} is not a date YYYYMMDD")


def check_food_licence(text: str) -> None:
    """SC and 14 digits, the last by ISO 7064 mod 11,10."""
    if not _LICENCE.fullmatch(text):
        raise Malformed("licence", f"{text!r} is not SC and 14 digits")
    expected = iso7064_mod_11_10(text[2:15])
    if int(text[15]) != expected:
        raise Malformed("licence", f"the check digit of {text} should be {expected}")


def iso7064_mod_11_10(digits: str) -> int:
    check = 10
    for digit in digits:
        check = (check + int(digit)) % 10 or 10
        check = check * 2 % 11
    return (11 - check) % 10


def check_formula_registration(text: str) -> None:
    """国食注字YP, year, serial number."""
    if not _REGISTRATION.fullmatch(text):
        raise Malformed("registration", f"{text!r} is not 国食注字YP, 4-digit year and 4-digit serial")


def check_country(text: str) -> None:
    """The shape of an ISO 3166 alpha-2 code."""
    if len(text) != 2 or not (text.isascii() and text.isalpha() and text.isupper()):
        raise Malformed("country", f"{text!r} is not two capital letters")
