"""The processes of a local network: started, killed, started again, and asked how they stand."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from client_sdk import keys
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import checkpoint, limits, note, policy
from ledger.errors import SuyuanError
from node.engine.cometbft.home import FOLDER, RPC_SOCKET

READY_SECONDS: Final = 60
STOP_SECONDS: Final = 30


class Standing(Struct, frozen=True):
    """How one node stands: CometBFT's height, the ledger's, its leaves and root, and how many cosigned that, of
    whom the one that did so longest ago. `trouble` says why nothing is known of it."""

    node: int
    pid: int | None = None
    engine: int = 0
    height: int = 0
    leaves: int = 0
    root: str = ""
    cosigned: int = 0
    cosigned_seconds: int = 0
    trouble: str = ""


class Localnet:
    """The network in a folder that `founding` laid out. A node and its CometBFT are one process group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = len(list(folder.glob("node*.json")))
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    def data(self, number: int) -> Path:
        return self.folder / f"node{number}"

    def connection(self, number: int) -> keys.Connection:
        return keys.load_connection(self.folder / f"node{number}.json")

    def start(self, *numbers: int) -> None:
        """Start nodes, all if none is named."""
        for number in numbers or self.numbers:
            (self.data(number) / "endpoints.json").unlink(missing_ok=True)
            with (self.folder / f"node{number}.log").open("ab") as log:
                started = subprocess.Popen(self.command(number), stdout=log, stderr=log, start_new_session=True)
            self._processes[number] = started

    def command(self, number: int) -> list[str]:
        """What runs a node."""
        return [sys.executable, "-m", "node.commands", "run", str(self.data(number))]

    def wait_ready(self, *numbers: int) -> None:
        """Until each orders and serves; SystemExit where that takes too long, or one ended."""
        deadline = time.monotonic() + READY_SECONDS
        for number in numbers or self.numbers:
            while not self._is_ready(number):
                ended = self._processes[number].poll() is not None
                if ended or time.monotonic() > deadline:
                    what = "ended" if ended else "is not ready"
                    raise SystemExit(f"node {number} {what}; its log is {self.folder / f'node{number}.log'}")
                time.sleep(0.05)

    def _is_ready(self, number: int) -> bool:
        if not (self.data(number) / "endpoints.json").exists():
            return False
        try:
            status = self._ask_cometbft(number)
        except OSError:
            return False
        return int(status["latest_block_height"]) > 0 and not status["catching_up"]

    def kill(self, number: int) -> None:
        """SIGKILL to a node and its CometBFT, at once."""
        process = self._processes.pop(number, None)
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill_alone(self, number: int) -> None:
        """SIGKILL to a node, and not to its CometBFT."""
        process = self._processes.pop(number)
        process.kill()
        process.wait()

    def runs(self, number: int) -> bool:
        process = self._processes.get(number)
        return process is not None and process.poll() is None

    def terminate(self, number: int) -> None:
        """Ask a node to end in order."""
        self._processes[number].terminate()

    def ended(self, number: int) -> int:
        """The exit code of a node that ends by itself."""
        return self._processes.pop(number).wait(STOP_SECONDS)

    def restart(self, number: int) -> None:
        """Stop a node in order, if it runs, and start it."""
        self._end([number])
        self.start(number)

    def stop(self) -> dict[int, int]:
        """End all in order; their exit codes."""
        return self._end(list(self._processes))

    def _end(self, numbers: list[int]) -> dict[int, int]:
        ending = {number: self._processes.pop(number) for number in numbers if number in self._processes}
        for process in ending.values():
            process.terminate()
        codes = {}
        for number, process in ending.items():
            try:
                codes[number] = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                codes[number] = process.wait()
        return codes

    def standing(self, number: int) -> Standing:
        process = self._processes.get(number)
        if process is None or not self.runs(number):
            return Standing(number, trouble="does not run")
        try:
            engine = int(self._ask_cometbft(number)["latest_block_height"])
            with Client(self.connection(number)) as client:
                info = client.node_info()
            head = checkpoint.parse(note.parse(info.checkpoint).text)
            times_ms = self._cosigned(number, info.checkpoint)
        except (OSError, SuyuanError) as error:
            return Standing(number, process.pid, trouble=str(error))
        ago = (clock_ms() - min(times_ms, default=clock_ms())) // 1000
        root = head.root.hex()
        return Standing(number, process.pid, engine, info.height, head.size, root, len(times_ms), max(0, ago))

    def _cosigned(self, number: int, shown: bytes) -> list[int]:
        """When validators made the fresh cosignatures that a checkpoint carries; none where they are no quorum."""
        trusted = self.connection(number).trusted()
        try:
            return list(policy.check(trusted, shown, clock_ms(), limits.WITNESS_WINDOW_MS).times_ms.values())
        except SuyuanError:
            return []

    def _ask_cometbft(self, number: int) -> dict[str, Any]:
        """What CometBFT says of its progress; OSError where it does not answer."""
        try:
            return dict(json.loads(self.call_cometbft(number, "GET", "/status"))["result"]["sync_info"])
        except (ValueError, KeyError) as error:
            raise OSError(f"CometBFT does not answer: {error!r}") from None

    def call_cometbft(self, number: int, method: str, path: str, body: bytes | None = None) -> bytes:
        """A call over its RPC socket; OSError where it does not answer."""
        calling = _OverSocket(self.data(number) / FOLDER / RPC_SOCKET)
        try:
            calling.request(method, path, body)
            return calling.getresponse().read()
        except http.client.HTTPException as error:
            raise OSError(f"CometBFT does not answer: {error!r}") from None
        finally:
            calling.close()


class _OverSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
