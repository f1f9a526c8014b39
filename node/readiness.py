"""Whether the node is ready: it takes envelopes, and keeps up. Whoever asks gets an answer at once (`App.not_ready`);
here those are told who wait for news: the log, gRPC's health service, the service manager."""

import asyncio
from typing import Final

import structlog

from node import notify
from node.app import App
from node.grpc_server import Servers

LOOK_AGAIN_SECONDS: Final = 1.0
log = structlog.get_logger(__name__)


async def tell(app: App, servers: Servers) -> None:
    """Until cancelled."""
    told: str | None = None
    while True:
        why = app.not_ready
        if told is None or bool(why) != bool(told):
            await servers.tell(ready=not why)
            log.warning("not ready", why=why) if why else log.info("ready")
            notify.tell(f"STATUS=not ready: {why}" if why else "STATUS=ready")
        told = why
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
