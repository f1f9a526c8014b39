"""The pages that codes lead to, at their GS1 Digital Link paths: one shell for people, data for their scripts.

The shell is the same for every product; its script asks for the same address with `Accept: application/json`, and
verifies what comes. Nothing in the data but the proof is to be believed, and each says so.
"""

import io
from typing import Any, Final

import msgspec
import segno
from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger import entries as e
from ledger import links
from ledger.errors import Malformed
from ledger.identifiers import split_lot
from ledger.links import Code
from ledger.proof import format as f
from node.app import App, base_of
from node.errors import NotFound
from node.http.answers import FRESH, PAGES, PRIVATE, Content, Scope, answer, prefers_json
from node.http.openapi import parameters
from node.http.proofs import Proofs
from node.http.tlog import CORS

FORMATS: Final = ("bundle", "proof", "svg", "png")
_VARY: Final = ("vary", "Accept")
_QUERY: Final = {
    "voucher": "32 hexadecimal digits: opens the way of a position",
    "site": "MEMBER/CODE of a public shop",
    "414": "the same by its GLN",
    "11": "YYMMDD: the production date of goods without a lot number",
    "format": "bundle (JSON) or proof (binary) as a file; svg or png: the link as a QR code",
}
_QR_SCALE: Final = 8


class Products:
    """`base` is what links begin with, `shell` the page without data."""

    def __init__(self, app: App, proofs: Proofs, base: str, shell: Content) -> None:
        self._app, self._proofs, self._base, self._shell = app, proofs, base, shell

    async def page(self, request: Request) -> Response:
        scope = request.scope
        query = scope["query_string"].decode("latin-1")
        wanted = _format(query)
        if wanted is None and not prefers_json(scope):
            return answer(scope, self._shell, PAGES, [_VARY], 200 if _is_code(scope, query) else 400)
        code = links.parse(scope["raw_path"].decode("latin-1"), query)
        if wanted in ("svg", "png"):
            return await self._qr(scope, code, wanted)
        if code.product is None:
            data = self._unit(code.sscc) if code.sscc is not None else self._shop(str(code.gln))
            return self._data(scope, data)
        if code.lot is None:
            return self._data(scope, self._question(code))
        return await self._proof(scope, code, wanted)

    async def _proof(self, scope: Scope, code: Code, wanted: str | None) -> Response:
        proven = await self._proofs.get(code)
        cache = PRIVATE if code.voucher is not None else FRESH
        more = [_VARY, CORS, ("link", f'<{links.path_of(proven.base, str(code.lot))}>; rel="canonical"')]
        if wanted == "proof":
            content = Content(f.to_file(proven.proof), "application/octet-stream")
            return answer(scope, content, cache, [*more, _file("proof.suyuan")])
        if wanted == "bundle":
            more.append(_file("bundle.json"))
        return answer(scope, proven.bundle, cache, more)

    def _data(self, scope: Scope, data: dict[str, Any]) -> Response:
        return answer(scope, Content(msgspec.json.encode(data), "application/json", True), FRESH, [_VARY, CORS])

    def _question(self, code: Code) -> dict[str, Any]:
        """What the code is as far as it says, and what is missing. A serial number alone leads to no lot: nobody has
        given its list to this node, so it is not proven."""
        query = {"product": code.product} | ({"serial": code.serial} if code.serial is not None else {})
        data = self._app.lookup("product", str(code.product))
        declared = None if not data else _declared(e.PRODUCT.decode_trusted(data))
        found: dict[str, Any] = {
            "format": "suyuan question v1", "query": query, "needs": "lot", "declared": declared, "proven": False,
        }  # fmt: skip
        return found | ({"serial": "not proven"} if code.serial is not None else {})

    def _unit(self, sscc: str) -> dict[str, Any]:
        data = self._app.lookup("unit", sscc)
        if not data:
            raise NotFound(f"no logistic unit {sscc} was packed in this ledger")
        unit = e.UNIT.decode_trusted(data)
        return {
            "format": "suyuan unit v1",
            "unit": unit.unit,
            "use": unit.use,
            "lots": [{"lot": lot, "path": _path(lot), "declared": self._product_of(lot)} for lot in unit.lots],
            "units": [{"unit": one, "path": f"/00/{one}"} for one in unit.units],
            "parent": unit.parent,
            "opened_ms": unit.opened,
            "proven": False,
        }

    def _shop(self, gln: str) -> dict[str, Any]:
        sites = self._app.sites_of(self._app.view, gln)
        if not sites:
            raise NotFound(f"no site with GLN {gln} is declared in this ledger")
        shown = [{"site": one.site, "name": one.name, "public": bool(one.public)} for one in sites]
        return {"format": "suyuan shop v1", "gln": gln, "sites": shown, "needs": "product", "proven": False}

    def _product_of(self, lot: str) -> dict[str, Any] | None:
        data = self._app.lookup("product", base_of(self._app.view, split_lot(lot)[0]))
        return None if not data else _declared(e.PRODUCT.decode_trusted(data))

    async def _qr(self, scope: Scope, code: Code, wanted: str) -> Response:
        path = (
            links.path_of(code.product, code.lot, code.voucher)
            if code.product and code.lot
            else scope["raw_path"].decode()
        )
        content = await self._proofs.run(qr_code, self._base + path, wanted)
        return answer(scope, content, PRIVATE if code.voucher is not None else PAGES, [_VARY])


def qr_code(text: str, kind: str) -> Content:
    """A QR code as SVG or PNG, with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind=kind, scale=_QR_SCALE)
    return Content(out.getvalue(), "image/svg+xml" if kind == "svg" else "image/png", packs=kind == "svg")


def router(products: Products) -> APIRouter:
    """The templates for the description; the last routes take what these do not match, such as codes with a slash."""
    routes = APIRouter(tags=["products"])
    for path, summary in (
        ("/01/{product}", "A trade item: asks for its lot, or takes its production date (11)"),
        ("/01/{product}/10/{lot}", "A lot, proven"),
        ("/01/{product}/21/{serial}", "A serial number: not proven, asks for the lot"),
        ("/01/{product}/10/{lot}/21/{serial}", "A lot, proven; its serial number, not"),
        ("/00/{sscc}", "A logistic unit: its lots"),
        ("/414/{gln}", "A shop"),
    ):
        names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        extra = parameters(*names, query=_QUERY)
        routes.add_api_route(path, products.page, methods=["GET"], summary=summary, openapi_extra=extra)
    for key in ("00", "01", "414"):
        path = f"/{key}/{{code:path}}"
        routes.add_api_route(path, products.page, methods=["GET"], include_in_schema=False)
    return routes


def _format(query: str) -> str | None:
    """What a link's parameter `format` asks for; None: what the client accepts."""
    values = [part.partition("=")[2] for part in query.split("&") if part.partition("=")[0] == "format"]
    if not values:
        return None
    if len(values) > 1 or values[0] not in FORMATS:
        raise Malformed("format", f"one of {', '.join(FORMATS)} is expected")
    return values[0]


def _is_code(scope: Scope, query: str) -> bool:
    try:
        links.parse(scope["raw_path"].decode("latin-1"), query)
    except Malformed:
        return False
    return True


def _file(name: str) -> tuple[str, str]:
    return "content-disposition", f'attachment; filename="{name}"'


def _path(lot: str) -> str | None:
    """None for what was made in another century: no link names that."""
    try:
        return links.path_of(*split_lot(lot))
    except Malformed:
        return None


def _declared(product: e.ProductEntry) -> dict[str, Any]:
    """What a product's declaration says, without proof."""
    shown = {
        name: getattr(product, name) for name in ("product", "name", "specification", "category", "maker", "base")
    }
    return {name: value for name, value in shown.items() if value is not None}
