"""What a scanner reads: GS1 Digital Links, element strings with brackets, or a plain trade item code.

https://example.org/01/06901234567892/10/A1?voucher=…    GS1 Digital Link (any host, or the path alone)
(01)06901234567892(10)A1                                  element string
06901234567892#A1                                          a lot id of this ledger
"""

import re
from typing import Final
from urllib.parse import urlsplit

from ledger import identifiers as ids
from ledger import links
from ledger.errors import Malformed
from ledger.links import VOUCHER_BYTES, Code
from ledger.proof.verify import Query

__all__ = ["VOUCHER_BYTES", "Scan", "link", "parse_scan"]

_IDENTIFIER: Final = re.compile(r"\((\d{2,4})\)", re.ASCII)
_LINK: Final = re.compile(r"[^#?]*/(?:0[01]|414)/")  # the key comes before any '#', which a plain lot id has first
_KEY: Final = re.compile(r"/(?=(?:0[01]|414)/)")
_FORMS: Final = "scan a Digital Link, or type (01)GTIN(10)LOT, GTIN#LOT or the GTIN alone"


class Scan(Code, frozen=True):
    def query(self) -> Query:
        """The question to a proof; Malformed where product or lot is missing."""
        if self.product is None:
            what = "a logistic unit; scan the goods inside" if self.sscc else "a shop; scan the goods there"
            raise Malformed("code", f"it names {what}")
        if self.lot is None:
            raise Malformed("code", "it names no lot; add the lot number that is printed beside the bar code")
        return Query(product=self.product, lot=self.lot, voucher=self.voucher, site=self.site)


def link(product: str, lot: str, voucher: bytes | None, base: str) -> str:
    """The GS1 Digital Link of a lot under a base address, or under https at a host."""
    return (base if "://" in base else f"https://{base}").rstrip("/") + links.path_of(product, lot, voucher)


def parse_scan(text: str) -> Scan:
    """What was scanned; Malformed with advice where it is none of the forms above."""
    text = text.strip()
    try:
        return _parse(text)
    except Malformed as error:
        if error.where in ("code", "product", "gtin", "link"):
            raise Malformed(error.where, f"{error.message}; {_FORMS}") from None
        raise


def _parse(text: str) -> Scan:
    if text.startswith("("):
        return _scan(links.of_elements(_elements(text), {}))
    if _LINK.match(text):
        return _digital_link(text)
    at = re.search("[#@]", text)
    product, suffix = (text[: at.start()], text[at.start() :]) if at else (text, None)
    product = links.product_id(product)
    if suffix is not None:
        ids.check_lot_id(product + suffix)
    return Scan(product, suffix)


def _scan(code: Code) -> Scan:
    return Scan(code.product, code.lot, code.serial, code.sscc, code.voucher, code.site, code.gln)


def _elements(text: str) -> dict[str, str]:
    """Application identifier -> value. A lot number may hold brackets, but not two to four digits in them."""
    parts = _IDENTIFIER.split(text)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if parts[0] or not found or 2 * len(found) + 1 != len(parts):
        raise Malformed("code", f"{text!r} is not (AI)value(AI)value with each AI once")
    return found


def _digital_link(text: str) -> Scan:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise Malformed("code", f"{text!r} is no address: {error}") from None
    key = _KEY.search(parts.path)
    return _scan(links.parse(parts.path[key.start() :].rstrip("/") if key else parts.path, parts.query))
