"""The lines between the nodes, each through a relay that a test can cut: one for each port of a node that another one
calls, for consensus and for cosignatures. Works wherever the tests run; network namespaces need privileges."""

import asyncio
import threading
from collections.abc import Collection
from contextlib import suppress
from types import TracebackType
from typing import Final

from demo.localnet import founding
from demo.localnet.net import Localnet

SETTINGS: Final = ("node.toml", "cometbft/config/config.toml", "peers/*.json")
"""Where a node's folder names the others' addresses."""
CHUNK: Final = 65_536
Writer = asyncio.StreamWriter


class Line:
    """From one node to a port of another. A cut one swallows: what is sent arrives when it is healed, as after lost
    packets. A broken one ends its connections, and takes none."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._broken = False
        self._open: set[Writer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """The port that the node calls instead."""
        self._server = await asyncio.start_server(self._called, founding.HOST, 0)
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, flows: bool, broken: bool) -> None:
        self._broken = broken
        self._flows.set() if flows else self._flows.clear()
        if broken:
            for writer in self._open:
                writer.close()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _called(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._broken:
            self._open.add(writer)
            with suppress(OSError):
                await self._relay(reader, writer)
            self._open.discard(writer)
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        await self._flows.wait()
        other_reader, other_writer = await asyncio.open_connection(founding.HOST, self._target)
        try:
            there = asyncio.create_task(self._pump(reader, other_writer))
            back = asyncio.create_task(self._pump(other_reader, writer))
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            other_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()


class Relays:
    """All lines of a network whose nodes do not run yet. Use as a context manager."""

    def __init__(self, net: Localnet) -> None:
        self._net = net
        self._lines: dict[tuple[int, int], list[Line]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Relays":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._lay(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _lay(self) -> None:
        first = int(self._net.connection(1).members.split(":")[1]) - founding.MEMBERS
        for here in self._net.numbers:
            for there in self._net.numbers:
                if here != there:
                    for purpose in (founding.P2P, founding.COSIGN):
                        port = first + (there - 1) * founding.PORTS_A_NODE + purpose
                        line = Line(port)
                        self._lines.setdefault((here, there), []).append(line)
                        self._tell(here, port, await line.listen())

    def _tell(self, node: int, port: int, instead: int) -> None:
        for pattern in SETTINGS:
            for path in self._net.data(node).glob(pattern):
                named = path.read_text()
                path.write_text(named.replace(f"{founding.HOST}:{port}", f"{founding.HOST}:{instead}"))

    async def _close(self) -> None:
        for lines in self._lines.values():
            for line in lines:
                await line.close()

    def part(self, side: Collection[int], broken: bool = False) -> None:
        """Cut the lines between one side and the rest, both ways; `broken`: so that both sides see it at once."""
        for (here, there), lines in self._lines.items():
            if (here in side) != (there in side):
                self._set(lines, False, broken)

    def heal(self) -> None:
        for lines in self._lines.values():
            self._set(lines, True, False)

    def _set(self, lines: list[Line], flows: bool, broken: bool) -> None:
        for line in lines:
            self._loop.call_soon_threadsafe(line.set, flows, broken)
