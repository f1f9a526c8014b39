"""Publishing: the folder `public/` shows the newest checkpoint, with the tiles that a client needs to check it.

Once a second and not for each block: what a group commit makes durable are blocks, and a static copy that is a second
old is as good as any cache. Measured at top load it takes nothing from the engine: some small files, never synced.
"""

import asyncio
from typing import Final

import structlog

from ledger import policy
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
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
                await asyncio.to_thread(_show, store, view, app.trusted)
                shown, failing = view.checkpoint, False
            except OSError as error:
                if not failing:
                    log.warning("the public folder cannot be written", reason=error.strerror)
                failing = True
        await asyncio.sleep(PUBLISH_SECONDS)


def _show(store: ChainStore, view: ChainView, trusted: policy.Policy) -> None:
    for name, text in public_texts(trusted).items():
        store.show(name, text)
    store.publish(view)


def public_texts(trusted: policy.Policy) -> dict[str, str]:
    """What other people's tools need to verify a checkpoint: the keys of the log, and the policy in force."""
    keys = "".join(f"{log}\n" for log in trusted.logs)
    return {"log.vkey": keys, "policy": policy.format_policy(policy.newest(trusted))}
