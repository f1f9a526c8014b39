"""CometBFT's own kvstore application in a network of its own, with the settings of ours: what the engine costs by
itself. It checks nothing but a `=`, and keeps rows in LevelDB."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from aiohttp import ClientError, ClientSession, UnixConnector

from node.engine.cometbft.broadcast import Broadcaster, Taken
from node.engine.cometbft.home import ABCI_SOCKET, RPC_SOCKET
from node.engine.cometbft.process import MEMORY

IN_FLIGHT_MAX = 1024  # as many as the SDK lets wait
LOOK_SECONDS = 0.005
READY_SECONDS = 60


class Network:
    """A node for each of `homes`, whose owners are stopped: with their keys, peers and settings. Use as a context
    manager."""

    def __init__(self, folder: Path, homes: Sequence[Path], program: Path) -> None:
        self._homes = [folder / f"kvstore{number}" for number, _ in enumerate(homes)]
        self._program = program
        self._processes: list[subprocess.Popen[bytes]] = []
        for home, like in zip(self._homes, homes, strict=True):
            _lay_out(home, like)

    def __enter__(self) -> "Network":
        environment = {**os.environ, **MEMORY}
        for home in self._homes:
            command = [self._program, "start", "--home", "."]
            with (home / "log").open("wb") as log:
                self._processes.append(subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)

    def run(self, sizes: Sequence[int], rate: float | None = None) -> tuple[float, list[float]]:
        """Transactions of these sizes, as fast as they are taken or `rate` a second: (transactions/s, milliseconds
        from handing over to the commit at the node that took it, the shortest first)."""
        return asyncio.run(_run(self._homes[0], [_transaction(size) for size in sizes], rate))


def _lay_out(home: Path, like: Path) -> None:
    shutil.copytree(like / "config", home / "config")
    settings = (home / "config/config.toml").read_text()
    assert tomllib.loads(settings)["proxy_app"] == f"unix://{ABCI_SOCKET}"
    (home / "config/config.toml").write_text(settings.replace(f"unix://{ABCI_SOCKET}", "persistent_kvstore"))
    (home / "data").mkdir()
    (home / "data/priv_validator_state.json").write_text('{"height": "0", "round": 0, "step": 0}')


def _transaction(size: int) -> bytes:
    """A row under a key of its own; random, so nothing packs it smaller."""
    text = secrets.token_hex(max(size, 32) // 2)
    return f"{text[:24]}={text[25:]}".encode()


async def _run(home: Path, txs: Sequence[bytes], rate: float | None) -> tuple[float, list[float]]:
    async with (
        ClientSession(connector=UnixConnector(str(home / RPC_SOCKET))) as session,
        Broadcaster(home / RPC_SOCKET) as out,
    ):
        before = await _committed(session)
        sent: list[float] = []
        sending = asyncio.create_task(_send(out, txs, rate, sent, taken := []))
        while len(taken) < len(txs):
            now, done = time.perf_counter(), await _committed(session) - before
            taken += [1000 * (now - at) for at in sent[len(taken) : done]]
            await asyncio.sleep(LOOK_SECONDS)
        await sending
        return len(txs) / (time.perf_counter() - sent[0]), sorted(taken)


async def _send(
    out: Broadcaster, txs: Sequence[bytes], rate: float | None, sent: list[float], done: Sequence[float]
) -> None:
    """In order, noting when; what does not fit into the pool again."""
    begun = time.perf_counter()
    while len(sent) < len(txs):
        now = time.perf_counter()
        due = len(txs) if rate is None else min(len(txs), 1 + int((now - begun) * rate))
        batch = txs[len(sent) : min(due, len(done) + IN_FLIGHT_MAX)]
        outcomes = await out.send(batch)
        kept = next((number for number, (taken, _) in enumerate(outcomes) if taken is not Taken.YES), len(batch))
        sent += [now] * kept
        if kept < 64:
            await asyncio.sleep(0.001)


async def _committed(session: ClientSession) -> int:
    """How many transactions the application has."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            async with session.get("http://cometbft/abci_info") as response:
                said = json.loads(await response.read())["result"]["response"]
        except (ClientError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return int(json.loads(said["data"])["size"])
