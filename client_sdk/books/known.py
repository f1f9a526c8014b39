"""What the node says about products, members, sites and lots, asked once each."""

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, TypeVar

from client_sdk.books.cells import BadCell
from ledger import entries as e
from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import BOOK_CACHE_ROWS_MAX

T = TypeVar("T")


class Ledger(Protocol):
    """What an import asks the node."""

    def product(self, product: str) -> e.ProductEntry | None: ...

    def lot(self, lot: str) -> e.LotEntry | None: ...

    def member(self, member: str) -> e.MemberEntry | None: ...

    def site(self, site: str) -> e.SiteEntry | None: ...


class Known:
    def __init__(self, ledger: Ledger) -> None:
        self._product, self._is_member = _once(ledger.product), _once(lambda code: ledger.member(code) is not None)
        self._site, self.lot = _once(ledger.site), _once(ledger.lot)

    def product(self, code: str) -> e.ProductEntry:
        found = self._product(code)
        if found is None:
            remedy = "its maker or importer declares it first, or whoever holds it: suyuan register"
            raise BadCell("商品条码", f"product {code} is not declared", remedy)
        return found

    def is_member(self, code: str) -> bool:
        return bool(code) and self._is_member(code)

    def site(self, site: str) -> str:
        """The site, if it is declared."""
        try:
            ids.check_site_id(site)
        except Malformed as error:
            raise BadCell(
                "库存地点", error.message, "write the code of a site of yours, as suyuan site has it"
            ) from None
        if self._site(site) is None:
            raise BadCell("库存地点", f"site {site} is not declared", "its keeper declares it first: suyuan site")
        return site


def _once(ask: Callable[[str], T]) -> Callable[[str], T]:
    return lru_cache(BOOK_CACHE_ROWS_MAX)(ask)
