"""Publishing: the folder `public/` shows the newest checkpoint, with the tiles that a client needs to check it.

Once a second and not for each block: what a group commit makes durable are blocks, and a static copy that is a second
old is as good as any cache. Measured at top load it takes nothing from the engine: some small files, never synced.
"""

import asyncio
from typing import Final

import structlog

from ledger import policy
from ledger.storage.chainstore import ChainStore, ChainView
from node.app import App

PUBLISH_SECONDS: Final = 1.0
log = structlog.get_logger(__name__)


async def publish(store: ChainStore, app: App) -> None:
    """Until cancelled. A disk that does not take it costs freshness of the folder, not the node."""
    shown, failing = b"", False
    while True:
        view = app.shown
        if view.checkpoint != shown and view.head.log.size:
            try:
                await asyncio.to_thread(_show, store, view, first=not shown)
                shown, failing = view.checkpoint, False
            except OSError as error:
                if not failing:
                    log.warning("the public folder cannot be written", reason=error.strerror)
                failing = True
        await asyncio.sleep(PUBLISH_SECONDS)


def _show(store: ChainStore, view: ChainView, first: bool) -> None:
    if first:
        trusted = policy.of_genesis(store.genesis)
        store.show("log.vkey", f"{trusted.log}\n")
        store.show("policy", policy.format_policy(trusted))
    store.publish(view)
