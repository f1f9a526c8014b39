"""The site as a whole: pages, data and log behind one guard."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from ledger.errors import SuyuanError
from node.app import App
from node.config import Settings
from node.http import health, members, openapi, pages, products, tlog
from node.http.clients import Clients
from node.http.guard import Guard, on_error
from node.http.proofs import Proofs
from node.http.protocol import Connections
from node.http.server import HttpServer

_ABOUT = "What anybody may read of this ledger. Errors are JSON: code, what was wrong, what was expected, what to do."


class Site:
    """Listening when it is made (OSError where the address is taken), serving while it runs."""

    def __init__(self, app: App, settings: Settings) -> None:
        clients = Clients(settings.http_client_requests_per_second, settings.http_proxies)
        connections = Connections(clients)
        app.metrics.http_connections.set_function(lambda: len(connections))
        self._server = HttpServer(connections, settings.host, settings.http_port)
        self.port = self._server.port
        self.url = settings.public_url or f"http://{settings.host}:{self.port}"
        self._guard = Guard(make_site(app, self.url), clients, app.metrics)

    async def run(self, grace_seconds: int) -> None:
        await self._server.run(self._guard, grace_seconds)


def make_site(app: App, base: str) -> FastAPI:
    files = pages.load()
    proofs = Proofs(app)
    site = FastAPI(
        title="Suyuan node",
        description=_ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    for kind in (SuyuanError, HTTPException, Exception):
        site.add_exception_handler(kind, on_error)
    site.include_router(products.router(products.Products(app, proofs, base, files["page.html"])))
    site.include_router(tlog.router(app))
    site.include_router(members.router(app, base))
    site.include_router(pages.router(files))
    site.include_router(health.router(app))
    site.include_router(openapi.router(site))
    return site
