"""GS1 Digital Links of this ledger: what a consumer's code says, in one spelling for nodes, SDK and pages.

/01/{gtin}/10/{lot}           a lot; after it /21/{serial} may follow
/01/{gtin}?11={YYMMDD}        a lot without a number: its production date
/01/{member}%2F{code}/10/…    a product without a GTIN stands in the same place
/00/{sscc}                    a logistic unit
/414/{gln}                    a shop
?voucher={32 hex digits}      what opens the way of a position; or ?site={member/code} or ?414={gln} of a public site
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ledger import identifiers as ids
from ledger.errors import Malformed

VOUCHER_BYTES: Final = 16
_VOUCHER: Final = re.compile(r"[0-9a-fA-F]{32}")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEYS: Final = ("00", "01", "414")
_STEPS: Final = frozenset(("00", "01", "10", "21", "414"))
_ASKED: Final = frozenset(("11", "414", "site", "voucher"))
FORMS: Final = "/01/GTIN/10/LOT, /01/GTIN?11=YYMMDD, /00/SSCC or /414/GLN"


class Code(Struct, frozen=True):
    """What a link says. `product` is None for a logistic unit, which `sscc` names, or a shop, which `gln` does. `lot`
    is `#NUMBER` or `@YYYYMMDD`, or None where the code does not say; `voucher` 16 bytes or None."""

    product: str | None
    lot: str | None = None
    serial: str | None = None
    sscc: str | None = None
    voucher: bytes | None = None
    site: str | None = None
    gln: str | None = None


def quote(text: str) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def unquote(text: str) -> str:
    """Percent-decoded once; Malformed where that gives no text."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise Malformed("link", "a % without two hexadecimal digits behind it")
        return bytes((int(match[1], 16),))

    try:
        return _ESCAPE.sub(byte, text.encode()).decode()
    except UnicodeError:
        raise Malformed("link", "what is behind a % is no UTF-8") from None


def path_of(product: str, lot: str, voucher: bytes | None = None) -> str:
    """Path and query of a lot's link, with the voucher as a parameter.

    AI 11 has two digits for the year: Malformed before 2000 and after 2099. A product without a GTIN
    stands in the same place, though no other reader than this one knows it.
    """
    if lot[0] == "@" and not lot.startswith("@20"):
        raise Malformed("lot", f"{lot[1:]} does not lie between 2000 and 2099, where a link can name a date")
    key = f"/01/{quote(product)}"
    path = f"{key}/10/{quote(lot[1:])}" if lot[0] == "#" else f"{key}?11={lot[3:]}"
    opens = f"{'&' if '?' in path else '?'}voucher={voucher.hex()}" if voucher is not None else ""
    return path + opens


def parse(path: str, query: str) -> Code:
    """The code in a link's path, from its key on, and query, both as they are sent; Malformed where it is none."""
    steps = [unquote(step) for step in path.removeprefix("/").split("/")]
    pairs = dict(zip(steps[::2], steps[1::2], strict=False))
    if len(steps) % 2 or 2 * len(pairs) != len(steps) or steps[0] not in _KEYS or not _STEPS.issuperset(pairs):
        raise Malformed("link", f"the path is none of {FORMS}")
    asked: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in _ASKED and asked.setdefault(name, unquote(value)) != unquote(value):
            raise Malformed("link", f"parameter {name} is given twice")
    return of_elements(({"11": asked["11"]} if "11" in asked else {}) | pairs, asked)


def of_elements(elements: Mapping[str, str], asked: Mapping[str, str]) -> Code:
    """The code that these elements (application identifier -> value) make, with what a link's parameters add."""
    lot, day, serial, sscc = (elements.get(identifier) for identifier in ("10", "11", "21", "00"))
    gln = elements.get("414", asked.get("414"))
    product = None if "01" not in elements and (sscc is not None or gln is not None) else elements.get("01", "")
    suffix = f"#{lot}" if lot is not None else f"@20{day}" if day is not None else None
    if product is None:
        suffix = None
    else:
        product = product_id(product)
        if suffix is not None:
            ids.check_lot_id(product + suffix)
    for value, check in ((serial, ids.check_serial), (sscc, ids.check_sscc), (gln, ids.check_gln)):
        if value is not None:
            check(value)
    voucher, site = asked.get("voucher"), asked.get("site")
    if voucher is not None and not _VOUCHER.fullmatch(voucher):
        raise Malformed("voucher", f"{2 * VOUCHER_BYTES} hexadecimal digits are expected")
    if site is not None:
        ids.check_site_id(site)
    return Code(product, suffix, serial, sscc, None if voucher is None else bytes.fromhex(voucher), site, gln)


def product_id(text: str) -> str:
    """A GTIN of 8, 12 or 13 digits becomes one of 14; any other product id stays as it is. Malformed otherwise."""
    product = text.zfill(14) if len(text) >= 8 and text.isascii() and text.isdigit() else text
    ids.check_product_id(product)
    return product
