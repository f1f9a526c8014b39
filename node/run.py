"""One process, supervised: store, engine, servers, and their orderly end.

The first task that ends takes the others down; a signal ends them all. What was offered to the engine is
answered before the process leaves, and the exit code tells a failure from a wish.
"""

import asyncio
import gc
import json
import signal
import sys
import time
from pathlib import Path

import structlog
from prometheus_client import start_http_server

from ledger.storage.chainstore import ChainStore
from node.app import App
from node.config import Settings
from node.engine.embedded import Embedded
from node.grpc_server import serve
from node.keys import LOG_KEY, VALIDATOR_KEY, load_seed
from node.metrics import Metrics
from node.private import ROWS_FILE, PrivateStore
from node.receipts import CheckpointSigner

ENDPOINTS_FILE = "endpoints.json"
GRACE_SECONDS = 5
SWITCH_SECONDS = 0.0002
log = structlog.get_logger(__name__)


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def open_store(settings: Settings) -> ChainStore:
    """Open the chain, saying how far a catch-up has come. Damaged where it must not be used."""

    def progress(height: int, last: int) -> None:
        if height % 1000 == 0 or height == last:
            log.info("indexing stored blocks", height=height, last=last)

    return ChainStore.open(settings.data, progress)


def signer_of(store: ChainStore, keys: Path) -> CheckpointSigner:
    genesis = store.genesis
    validator = load_seed(keys, VALIDATOR_KEY)
    return CheckpointSigner(genesis.name, load_seed(keys, LOG_KEY), genesis.validators[0].name, validator)


async def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; raises what else ended the node."""
    store = open_store(settings)
    calm_garbage_collector()
    _share_the_interpreter()
    try:
        await _serve(settings, store)
    finally:
        store.close()


def calm_garbage_collector() -> None:
    """The state map is millions of immutable tuples without cycles. Measured at 1 M records: with the default
    thresholds the collector walks them again and again and takes a third of the node's time; with a young
    generation of 100,000 its pauses double the 99th percentile of receipts."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 1_000_000)


def _share_the_interpreter() -> None:
    """The engine's thread and the event loop take turns: at the default of 5 ms a receipt waits for several."""
    sys.setswitchinterval(SWITCH_SECONDS)


async def _serve(settings: Settings, store: ChainStore) -> None:
    keys = settings.data / "keys"
    metrics = Metrics()
    engine = Embedded(
        store,
        signer_of(store, keys),
        clock_ms,
        settings.in_flight_envelopes_max,
        settings.in_flight_bytes_max,
    )
    private = PrivateStore(settings.data / ROWS_FILE)
    app = App(store, engine, metrics, private)
    metrics.height.set_function(lambda: store.head.height)
    metrics.size.set_function(lambda: store.head.log.size)
    metrics.waiting.set_function(lambda: engine.waiting)
    server, members, readers = await serve(app, keys, settings.host, settings.members_port, settings.readers_port)
    web, _ = start_http_server(settings.metrics_port, settings.host, metrics.registry)
    endpoints = {
        "members": f"{settings.host}:{members}",
        "readers": f"{settings.host}:{readers}",
        "metrics": f"{settings.host}:{web.server_port}",
    }
    _write_endpoints(settings.data, endpoints)
    log.info("serving", chain=store.head.chain.hex(), height=store.head.height, **endpoints)
    engine_task = asyncio.create_task(engine.run(), name="engine")
    stop_task = asyncio.create_task(_stop_signal(), name="signal")
    try:
        done, _ = await asyncio.wait({engine_task, stop_task}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        log.info("stopping", height=store.head.height)
        stopping = asyncio.create_task(server.stop(GRACE_SECONDS))
        await asyncio.sleep(0)
        engine_task.cancel()
        stop_task.cancel()
        await asyncio.gather(engine_task, stop_task, return_exceptions=True)
        await stopping
        web.shutdown()
        private.close()
        (settings.data / ENDPOINTS_FILE).unlink(missing_ok=True)
        log.info("stopped", height=store.head.height)


def _write_endpoints(data: Path, endpoints: dict[str, str]) -> None:
    """Where this process listens, for commands on the same machine."""
    part = data / (ENDPOINTS_FILE + ".part")
    part.write_text(json.dumps(endpoints, indent=2) + "\n")
    part.replace(data / ENDPOINTS_FILE)


async def _stop_signal() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
    log.info("asked to stop")
