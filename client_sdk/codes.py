"""What a scanner reads: GS1 Digital Links, element strings with brackets, or a plain trade item code.

https://example.org/01/06901234567892/10/A1?voucher=…    GS1 Digital Link (any host, or the path alone)
(01)06901234567892(10)A1                                  element string
06901234567892#A1                                          a lot id of this ledger
"""

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.proof.verify import Query

VOUCHER_BYTES: Final = 16
_ELEMENTS: Final = re.compile(r"\((\d{2,4})\)([^(]+)")


class Scan(Struct, frozen=True):
    """`lot` is `#NUMBER` or `@YYYYMMDD`, or None where the code does not say; `voucher` 16 bytes or None."""

    product: str
    lot: str | None
    voucher: bytes | None = None
    site: str | None = None

    def query(self) -> Query:
        """The question to a proof; Malformed where the lot is missing."""
        if self.lot is None:
            raise Malformed("code", "it names no lot; add the lot number that is printed beside the bar code")
        return Query(product=self.product, lot=self.lot, voucher=self.voucher, site=self.site)


def link(product: str, lot: str, voucher: bytes | None, host: str) -> str:
    """The GS1 Digital Link of a lot (of its production date: AI 11), with the voucher as a parameter."""
    path = f"/01/{product}/10/{lot[1:]}" if lot[0] == "#" else f"/01/{product}?11={lot[3:]}"
    opens = f"{'&' if '?' in path else '?'}voucher={voucher.hex()}" if voucher is not None else ""
    return f"https://{host}{path}{opens}"


def parse_scan(text: str) -> Scan:
    """What was scanned; Malformed with advice where it is none of the forms above."""
    text = text.strip()
    if text.startswith("("):
        found = dict(_ELEMENTS.findall(text))
        return _checked(found.get("01", ""), found.get("10"), found.get("11"), None, None)
    if "/01/" in text:
        return _digital_link(text)
    product, mark, rest = text.partition("#") if "#" in text else text.partition("@")
    return _checked(product, rest if mark == "#" else None, rest[2:] if mark == "@" else None, None, None)


def _digital_link(text: str) -> Scan:
    parts = urlsplit(text)
    steps = [unquote(step) for step in parts.path[parts.path.index("/01/") :].strip("/").split("/")]
    pairs = dict(zip(steps[::2], steps[1::2], strict=False))
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return _checked(pairs["01"], pairs.get("10"), asked.get("11"), asked.get("voucher"), asked.get("site"))


def _checked(product: str, lot: str | None, day: str | None, voucher: str | None, site: str | None) -> Scan:
    if product.isdigit():
        product = product.zfill(14)
    ids.check_product_id(product)
    suffix = f"#{lot}" if lot else f"@20{day}" if day else None
    if suffix is not None:
        ids.check_lot_id(product + suffix)
    opened = None
    if voucher is not None:
        try:
            opened = bytes.fromhex(voucher)
        except ValueError:
            opened = b""
        if len(opened) != VOUCHER_BYTES:
            raise Malformed("voucher", "32 hexadecimal digits are expected")
    return Scan(product, suffix, opened, site)
