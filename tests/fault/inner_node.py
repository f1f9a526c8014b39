"""A node inside the test's process, on an event loop in a thread of its own, so that a test can count the tasks that
it leaves behind, shorten its deadlines and set its clock. Chain, engine, TLS and gRPC are the real ones."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from client_sdk import keys
from client_sdk.client import Client
from client_sdk.keys import Connection
from ledger.limits import FREE_BYTES_MIN
from ledger.storage.chainstore import ChainStore
from node.app import App
from node.disk import Disk
from node.engine.embedded import Embedded
from node.grpc_server import serve
from node.metrics import Metrics
from node.private import PrivateStore
from node.run import clock_ms, signer_of
from node.succession import Succession
from tests.network import PASSPHRASE, Network
from tests.world import Member

Answer = TypeVar("Answer")


class InnerNode:
    """Serves the data folder of a network whose own node does not run. Use as a context manager."""

    def __init__(self, network: Network, clock: Callable[[], int] = clock_ms) -> None:
        self.network = network
        self._clock = clock
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self.addresses = ("", "")

    def __enter__(self) -> "InnerNode":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        data = self.network.data
        store = ChainStore.open(data)
        succession = Succession(data, store.genesis)
        self.engine = Embedded(store, signer_of(store, data), succession, self._clock, 20_000, 64 * 1024 * 1024)
        private = PrivateStore(data / "private.db")
        self.app = App(store, self.engine, Metrics(), private, Disk(data, FREE_BYTES_MIN), succession)
        self.server, members, readers = await serve(self.app, data / "keys", "127.0.0.1", 0, 0)
        self.addresses = (f"127.0.0.1:{members}", f"127.0.0.1:{readers}")
        engine = asyncio.create_task(self.engine.run())
        self._ready.set()
        await self._stop.wait()
        await self.server.stop(0)
        engine.cancel()
        await asyncio.gather(engine, return_exceptions=True)
        private.close()
        store.close()

    def client(self, who: Member) -> Client:
        base = keys.load_connection(self.network.connection)
        members, readers = self.addresses
        connection = Connection(base.name, base.chain, members, readers, base.ca, base.policy)
        return Client(connection, keys.load(self.network.home(who), PASSPHRASE))

    def tasks(self) -> int:
        """How many tasks the node's loop has now."""
        return self.ask(lambda: len(asyncio.all_tasks(self.loop)))

    def open_calls(self, method: str) -> int:
        """How many calls of a method are under way."""
        return int(self.app.metrics.registry.get_sample_value("suyuan_open_calls", {"method": method}) or 0)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Run a function in the node's loop."""

        async def answer() -> Answer:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self.loop).result()
