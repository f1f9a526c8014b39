"""The log for everybody: C2SP tlog-tiles, the log's key and policy, and tlog-proofs of envelopes.

What stands under a tile's path never changes, so caches may keep it for ever. A partial tile that the log has
outgrown is still answered; the folder `public/` of the node holds the same, for any web server.
"""

import re
from functools import lru_cache
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger import tlogproof
from ledger.errors import Malformed
from ledger.tiles import parse_tile_path
from node.app import App
from node.errors import NotFound
from node.http.answers import FRESH, IMMUTABLE, Content, answer
from node.http.openapi import parameters
from node.publish import public_texts

CORS: Final = ("access-control-allow-origin", "*")
_TEXT: Final = "text/plain; charset=utf-8"
_TILE: Final = "application/octet-stream"
_TILES_CACHED: Final = 512
_LEAF: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_ENVELOPE: Final = re.compile(r"[0-9a-f]{64}")


class TileContents:
    """Tiles as they are served, the newest asked for in memory. Only what is there is remembered."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.get = lru_cache(maxsize=_TILES_CACHED)(self._get)

    def _get(self, path: str) -> Content:
        """NotFound where the log has no such tile, or not yet."""
        level, index, width = parse_tile_path(path)
        log, store = self._app.view.head.log, self._app.store
        bundle = isinstance(level, str)
        data = store.entries_of(log, index, width) if bundle else store.tile(log, int(level), index, width)
        if data is None:
            raise NotFound(f"{path} is beyond this log's {log.size} leaves")
        return Content(data, _TILE)


def router(app: App) -> APIRouter:
    routes = APIRouter(tags=["the log"])
    tiles = TileContents(app)

    @routes.get("/checkpoint", summary="The newest checkpoint, cosigned")
    async def checkpoint(request: Request) -> Response:
        return answer(request.scope, Content(app.shown.checkpoint, _TEXT), FRESH, [CORS])

    @routes.get("/log.vkey", summary="The log's keys, one for each validator, as note verifier keys")
    async def log_key(request: Request) -> Response:
        return answer(request.scope, Content(public_texts(app.trusted)["log.vkey"].encode(), _TEXT), FRESH, [CORS])

    @routes.get("/policy", summary="Whose signatures count (C2SP tlog-policy)")
    async def log_policy(request: Request) -> Response:
        return answer(request.scope, Content(public_texts(app.trusted)["policy"].encode(), _TEXT), FRESH, [CORS])

    @routes.get(
        "/tile/{path:path}",
        summary="A tile or an entry bundle, as tlog-tiles spells its path",
        openapi_extra=parameters("path"),
    )
    async def tile(request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1").removeprefix("/")
        return answer(request.scope, tiles.get(path), IMMUTABLE, [CORS])

    @routes.get(
        "/envelope/{name}.tlog-proof",
        summary="That an envelope stands in the log, by its id (C2SP tlog-proof)",
        openapi_extra=parameters("name"),
    )
    async def envelope(name: str, request: Request) -> Response:
        if not _ENVELOPE.fullmatch(name):
            raise Malformed("envelope", "an id of 64 hexadecimal digits is expected")
        receipt = app.receipt(bytes.fromhex(name))
        return proof(request, receipt.leaf, receipt.proof, receipt.checkpoint)

    @routes.get(
        "/leaf/{index}.tlog-proof",
        summary="That a leaf stands in the log, by its index (C2SP tlog-proof)",
        openapi_extra=parameters("index"),
    )
    async def leaf(index: str, request: Request) -> Response:
        if not _LEAF.fullmatch(index):
            raise Malformed("leaf", "a decimal number is expected")
        number, view = int(index), app.shown
        if number >= view.head.log.size:
            raise NotFound(f"leaf {number} is beyond this log's {view.head.log.size} leaves")
        return proof(request, number, app.store.inclusion_proof(number, view.head.log), view.checkpoint)

    def proof(request: Request, index: int, hashes: list[bytes], checkpoint: bytes) -> Response:
        text = tlogproof.encode(tlogproof.TlogProof(index, hashes, checkpoint))
        return answer(request.scope, Content(text, _TEXT), FRESH, [CORS])

    return routes
