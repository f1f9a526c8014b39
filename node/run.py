"""One process, supervised: store, engine, servers, and their orderly end.

The first task that ends takes the others down; a signal ends them all. What was offered to the engine is
answered before the process leaves, and the exit code tells a failure from a wish.
"""

import asyncio
import datetime as dt
import gc
import json
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import start_http_server

from ledger.errors import SuyuanError
from ledger.state import policy_in
from ledger.storage.chainstore import ChainStore
from node import logs, notify, peers, readiness, tls
from node.app import App
from node.config import Settings
from node.cosigning.address import parse_address
from node.disk import LOOK_AGAIN_SECONDS, Disk
from node.engine import Engine
from node.engine.choose import open_engine
from node.grpc_server import Servers, serve
from node.http.site import Site
from node.keys import LOG_KEY, VALIDATOR_KEY, load_own, own_validator
from node.metrics import Metrics
from node.ports import cannot_listen
from node.private import ROWS_FILE, PrivateStore
from node.publish import publish
from node.receipts import CheckpointSigner
from node.rotation import take_next
from node.succession import Succession

if TYPE_CHECKING:
    from node.cosigning.outside import Outside
    from node.post import Post

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


def signer_of(store: ChainStore, data: Path) -> CheckpointSigner:
    """By the node's own keys, which are those of its peer.json, or of the genesis."""
    peer = peers.own(data)
    known = store.genesis.validators if peer is None else [peer.validator]
    log_seed, validator = (load_own(data / "keys", name, known) for name in (LOG_KEY, VALIDATOR_KEY))
    return CheckpointSigner(store.genesis.name, log_seed, own_validator(known, validator), validator)


async def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; raises what else ended the node."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reopen_log)
    try:
        store = open_store(settings)
        calm_garbage_collector()
        _share_the_interpreter()
        try:
            await _serve(settings, store)
        finally:
            store.close()
    except (SuyuanError, OSError) as error:
        log.error("failed", reason=str(error))
        raise


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
    take_next(settings.data, policy_in(store))
    signer = signer_of(store, settings.data)
    succession = Succession(settings.data, store.genesis)
    disk = Disk(settings.data, settings.free_bytes_min)
    with closing(_private_store(settings.data)) as private:
        post = _post(settings, store, private, disk)
        engine, listening = await open_engine(settings, store, signer, succession, clock_ms, post)
        metrics = _metrics(store, engine, disk, _certificate(keys))
        metrics.waiting_openings.set_function(lambda: sum(private.waiting.values()))
        outside = _outside(settings, engine, store)
        shown = None if outside is None else lambda: outside.shown
        sender = None if post is None else post.sender
        app = App(store, engine, metrics, private, disk, succession, signer.validator, shown, sender)
        metrics.ready.set_function(lambda: not app.not_ready)
        server, members, readers = await serve(app, keys, settings.host, settings.members_port, settings.readers_port)
        site = Site(app, settings)
        web = _serve_metrics(settings, metrics)
        endpoints = {
            "members": f"{settings.host}:{members}",
            "readers": f"{settings.host}:{readers}",
            "metrics": f"{settings.host}:{web.server_port}",
            "http": f"{settings.host}:{site.port}",
            "web": site.url,
            **listening,
        }
        _write_endpoints(settings.data, endpoints)
        log.info("serving", chain=store.head.chain.hex(), height=store.head.height, **endpoints)
        notify.tell("READY=1")
        try:
            parts = [engine.run(), _watch(disk), _stop_signal(), publish(store, app), site.run(GRACE_SECONDS)]
            parts.append(readiness.tell(app, server))
            if outside is not None:
                parts.append(outside.run(app.growth))
            if sender is not None:
                parts.append(sender.run())
            await _until_one_ends(*parts, server=server)
        finally:
            web.shutdown()
            (settings.data / ENDPOINTS_FILE).unlink(missing_ok=True)
            log.info("stopped", height=store.head.height)


def _outside(settings: Settings, engine: Engine, store: ChainStore) -> "Outside | None":
    """Imported here, so that a node without outside witnesses does not load what calls them."""
    if not settings.witnesses:
        return None
    from node.cosigning.outside import Outside

    return Outside([parse_address(one) for one in settings.witnesses], engine, store, clock_ms)


async def _until_one_ends(*parts: Coroutine[Any, Any, None], server: Servers) -> None:
    """Run the parts of the node until one ends; then the others end, in order, and what ended it is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        log.info("stopping")
        notify.tell("STOPPING=1")
        stopping = asyncio.create_task(server.stop(GRACE_SECONDS))
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stopping


def _metrics(store: ChainStore, engine: Engine, disk: Disk, certificate_ends: dt.datetime) -> Metrics:
    metrics = Metrics()
    metrics.height.set_function(lambda: store.head.height)
    metrics.size.set_function(lambda: store.head.log.size)
    metrics.waiting.set_function(lambda: engine.waiting)
    metrics.read_only.set_function(lambda: bool(disk.shortage))
    metrics.free_bytes.set_function(lambda: disk.free_bytes)
    metrics.certificate_ends.set(certificate_ends.timestamp())
    metrics.registry.register(engine)
    return metrics


def _certificate(keys: Path) -> dt.datetime:
    """When the server's certificate ends; Malformed where it, its key or its authority does not hold."""
    ends = tls.load_server(keys).not_valid_after_utc
    left = ends - dt.datetime.now(dt.UTC)
    if left < tls.ENDS_SOON:
        log.warning("the server's certificate ends soon; make it anew: suyuan-node renew", days=left.days)
    return ends


def _serve_metrics(settings: Settings, metrics: Metrics) -> WSGIServer:
    try:
        return start_http_server(settings.metrics_port, settings.host, metrics.registry)[0]
    except OSError as error:
        raise cannot_listen("metrics_port", settings.host, settings.metrics_port, error.strerror) from None


def _private_store(data: Path) -> PrivateStore:
    if not (data / ROWS_FILE).exists():
        log.warning("there was no store of private openings; an empty one is made", file=ROWS_FILE)
    return PrivateStore(data / ROWS_FILE)


def _post(settings: Settings, store: ChainStore, private: PrivateStore, disk: Disk) -> "Post | None":
    """What carries private openings to other nodes; a node by itself does not load it."""
    if settings.engine != "cometbft" or peers.own(settings.data) is None:
        return None
    from node.post import open_post

    return open_post(settings.data, store, private, disk)


async def _watch(disk: Disk) -> None:
    """The log says when the node becomes read-only and when that ends, also while nobody calls."""
    while True:
        disk.look()
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


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


def _reopen_log() -> None:
    logs.reopen()
    log.info("log opened again")
