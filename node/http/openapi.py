"""The interface described: OpenAPI, and a page of it without any script."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from node.http.answers import PAGES, Content, answer

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="stylesheet" href="/web/docs.css">
<h1>{title}</h1><p>{about} <a href="/openapi.json">openapi.json</a></p>
<table><thead><tr><th>GET or HEAD<th>What<th>Parameters</thead><tbody>{rows}</tbody></table></html>
"""


def parameters(*path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
    """Parameters of a route that reads them itself, for its description."""
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path
    ]
    for name, about in (query or {}).items():
        found.append({"name": name, "in": "query", "description": about, "schema": {"type": "string"}})
    return {"parameters": found}


def router(app: FastAPI) -> APIRouter:
    routes = APIRouter()

    @routes.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return answer(request.scope, Content(_page(app.openapi()).encode(), "text/html", True), PAGES)

    return routes


def _page(description: dict[str, Any]) -> str:
    rows = []
    for path, methods in description["paths"].items():
        route = methods["get"]
        named = ", ".join(f"{one['name']} ({one['in']})" for one in route.get("parameters", ()))
        rows.append(f"<tr><td>{escape(path)}<td>{escape(route.get('summary', ''))}<td>{escape(named)}")
    info = description["info"]
    return _PAGE.format(title=escape(info["title"]), about=escape(info["description"]), rows="".join(rows))
