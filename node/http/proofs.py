"""Products' proofs for pages: built beside the event loop, bounded, and remembered until the ledger grows.

A voucher that opens nothing is answered exactly as no voucher is: whoever tries vouchers learns nothing from it.
"""

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from ledger.custody.step import keeper_of
from ledger.limits import HTTP_PROOFS_BYTES_MAX, HTTP_PROOFS_REQUESTS_MAX
from ledger.links import Code
from ledger.policy import format_policy
from ledger.proof.format import BUNDLE_FORMAT
from ledger.storage.chainview import ChainView
from node.app import App, base_of
from node.engine import Overloaded
from node.errors import NotFound
from node.http.answers import Content

T = TypeVar("T")
WORKERS: Final = 2
RETRY_AFTER_MS: Final = 1000


class Proven(Struct, frozen=True):
    """A proof, the bundle that holds it, and the base item's code, under which all codes of the trade item meet."""

    proof: bytes
    bundle: Content
    base: str
    opened: bool


class Proofs:
    def __init__(self, app: App) -> None:
        self._app = app
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="proofs")
        self._waiting = 0
        self._checkpoint = b""
        self._known: dict[Code, Proven] = {}
        self._bytes = 0

    async def get(self, code: Code) -> Proven:
        """The proof for a code that names a lot; Overloaded where too many are asked for at once."""
        view = self._app.shown
        checkpoint = view.checkpoint  # cosigned again, it is another one of the same view
        if checkpoint != self._checkpoint:
            self._checkpoint, self._known, self._bytes = checkpoint, {}, 0
        known = self._known.get(code)
        if known is not None:
            return known
        found = await self.run(self._build, view, code)
        if checkpoint == self._checkpoint and self._bytes < HTTP_PROOFS_BYTES_MAX and code not in self._known:
            self._known[code] = found
            self._bytes += len(found.proof) + 2 * len(found.bundle.body)
        return found

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Some work beside the event loop, if it is not too much."""
        if self._waiting >= HTTP_PROOFS_REQUESTS_MAX:
            raise Overloaded(RETRY_AFTER_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work, *arguments)
        finally:
            self._waiting -= 1

    def _build(self, view: ChainView, code: Code) -> Proven:
        product, lot = str(code.product), str(code.lot)
        site = code.site or self._site_of(view, code)
        try:
            position = self._app.opened(view, product, lot, code.voucher, site)
        except NotFound:
            position = None
        proof = self._app.proof_at(view, product, lot, position)
        query = {"product": product, "lot": lot}
        if code.serial is not None:
            query["serial"] = code.serial
        if position is not None and code.voucher is not None:
            query["voucher"] = code.voucher.hex()
        elif position is not None:
            query["site"] = position[1]
        return Proven(proof, self._bundle(query, proof), base_of(view, product), position is not None)

    def _site_of(self, view: ChainView, code: Code) -> str | None:
        """The public site that a GLN names: of several, the first that has had the goods."""
        if code.gln is None:
            return None
        lot = base_of(view, str(code.product)) + str(code.lot)
        sites = [entry.site for entry in self._app.sites_of(view, code.gln) if entry.public]
        if len({keeper_of(site) for site in sites}) > 1:
            return None  # of several members: whose shop it is, the reader says
        had = [site for site in sites if self._app.has_had(view, lot, site)]
        return next(iter(had + sites), None)

    def _bundle(self, query: dict[str, str], proof: bytes) -> Content:
        bundle = {
            "format": BUNDLE_FORMAT,
            "query": query,
            "proof": base64.b64encode(proof).decode(),
            "policy": format_policy(self._app.trusted),
        }
        content = Content(msgspec.json.encode(bundle), "application/json", packs=True)
        content.packed()
        return content
