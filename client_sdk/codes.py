"""What a scanner reads: GS1 Digital Links, element strings with brackets, or a plain trade item code.

https://example.org/01/06901234567892/10/A1?voucher=…    GS1 Digital Link (any host, or the path alone)
(01)06901234567892(10)A1                                  element string
06901234567892#A1                                          a lot id of this ledger
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from msgspec import Struct

from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.proof.verify import Query

_VOUCHER: Final = re.compile(r"[0-9a-fA-F]{32}")
VOUCHER_BYTES: Final = 16
_IDENTIFIER: Final = re.compile(r"\((\d{2,4})\)", re.ASCII)
_LINK: Final = re.compile(r"[^#?]*/0[01]/")  # the key comes before any '#', which a plain lot id has first
_KEY: Final = re.compile(r"/(?=0[01]/)")
_FORMS: Final = "scan a Digital Link, or type (01)GTIN(10)LOT, GTIN#LOT or the GTIN alone"


class Scan(Struct, frozen=True):
    """`product` is None for a logistic unit, which `sscc` names. `lot` is `#NUMBER` or `@YYYYMMDD`, or None where the
    code does not say; `voucher` 16 bytes or None."""

    product: str | None
    lot: str | None = None
    serial: str | None = None
    sscc: str | None = None
    voucher: bytes | None = None
    site: str | None = None

    def query(self) -> Query:
        """The question to a proof; Malformed where product or lot is missing."""
        if self.product is None:
            raise Malformed("code", "it names a logistic unit; scan the goods inside")
        if self.lot is None:
            raise Malformed("code", "it names no lot; add the lot number that is printed beside the bar code")
        return Query(product=self.product, lot=self.lot, voucher=self.voucher, site=self.site)


def link(product: str, lot: str, voucher: bytes | None, host: str) -> str:
    """The GS1 Digital Link of a lot (of its production date: AI 11), with the voucher as a parameter.

    AI 11 has two digits for the year: Malformed before 2000 and after 2099. A product without a GTIN
    stands in the same place, though no other reader than this one knows it.
    """
    if lot[0] == "@" and not lot.startswith("@20"):
        raise Malformed("lot", f"{lot[1:]} does not lie between 2000 and 2099, where a link can name a date")
    key = f"/01/{quote(product, safe='')}"
    path = f"{key}/10/{quote(lot[1:], safe='')}" if lot[0] == "#" else f"{key}?11={lot[3:]}"
    opens = f"{'&' if '?' in path else '?'}voucher={voucher.hex()}" if voucher is not None else ""
    return f"https://{host}{path}{opens}"


def parse_scan(text: str) -> Scan:
    """What was scanned; Malformed with advice where it is none of the forms above."""
    text = text.strip()
    if text.startswith("("):
        return _checked(_elements(text), {})
    if _LINK.match(text):
        return _digital_link(text)
    at = re.search("[#@]", text)
    product, suffix = (text[: at.start()], text[at.start() :]) if at else (text, None)
    product = _product(product)
    if suffix is not None:
        ids.check_lot_id(product + suffix)
    return Scan(product, suffix)


def _elements(text: str) -> dict[str, str]:
    """Application identifier -> value. A lot number may hold brackets, but not two to four digits in them."""
    parts = _IDENTIFIER.split(text)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if parts[0] or not found or 2 * len(found) + 1 != len(parts):
        raise Malformed("code", f"{text!r} is not (AI)value(AI)value with each AI once; {_FORMS}")
    return found


def _digital_link(text: str) -> Scan:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise Malformed("code", f"{text!r} is no address: {error}; {_FORMS}") from None
    key = _KEY.search(parts.path)
    steps = [unquote(step) for step in parts.path[key.end() :].rstrip("/").split("/")] if key else []
    pairs = dict(zip(steps[::2], steps[1::2], strict=False))
    if len(steps) % 2 or 2 * len(pairs) != len(steps):
        raise Malformed("code", f"the path of {text!r} is not /AI/value/AI/value with each AI once; {_FORMS}")
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return _checked(({"11": asked["11"]} if "11" in asked else {}) | pairs, asked)


def _checked(elements: Mapping[str, str], asked: Mapping[str, str]) -> Scan:
    """The scan that these elements make, with what a link's parameters add to it."""
    lot, day, serial, sscc = (elements.get(identifier) for identifier in ("10", "11", "21", "00"))
    product = None if sscc is not None and "01" not in elements else _product(elements.get("01", ""))
    suffix = f"#{lot}" if lot is not None else f"@20{day}" if day is not None else None
    if product is None:
        suffix = None
    elif suffix is not None:
        ids.check_lot_id(product + suffix)
    if serial is not None:
        ids.check_serial(serial)
    if sscc is not None:
        ids.check_sscc(sscc)
    voucher, site = asked.get("voucher"), asked.get("site")
    if voucher is not None and not _VOUCHER.fullmatch(voucher):
        raise Malformed("voucher", f"{2 * VOUCHER_BYTES} hexadecimal digits are expected")
    if site is not None:
        ids.check_site_id(site)
    return Scan(product, suffix, serial, sscc, bytes.fromhex(voucher) if voucher is not None else None, site)


def _product(text: str) -> str:
    """The product id: a GTIN of 8, 12 or 13 digits becomes one of 14."""
    product = text.zfill(14) if len(text) >= 8 and text.isascii() and text.isdigit() else text
    try:
        ids.check_product_id(product)
    except Malformed as error:
        raise Malformed(error.where, f"{error.message}; {_FORMS}") from None
    return product
