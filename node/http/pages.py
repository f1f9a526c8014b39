"""The pages' files, read once when the node starts: the readers' page (`web`), and the members' (`node/web/`)."""

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

import web
from node.errors import NotFound
from node.http.answers import PAGES, Content, answer
from node.http.tlog import CORS

FOLDER: Final = Path(__file__).resolve().parent.parent / "web"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def load(folder: Path = FOLDER) -> dict[str, Content]:
    """Name below /web/ -> content."""
    own = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: Content(data, _type(name), packs=True) for name, data in (own | web.served_files()).items()}


def _type(name: str) -> str:
    return _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def router(files: Mapping[str, Content]) -> APIRouter:
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        return answer(request.scope, files["page.html"], PAGES)

    @routes.get("/member", include_in_schema=False)
    async def member(request: Request) -> Response:
        return answer(request.scope, files["member.html"], PAGES)

    @routes.get("/web/{name:path}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if name not in files:
            raise NotFound("there is no such file")
        return answer(request.scope, files[name], PAGES, [CORS])

    return routes
