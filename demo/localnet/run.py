"""A network of validators on this machine: `scripts/localnet 4` founds it and runs it under one supervisor until
Ctrl-C; beside it, `scripts/localnet status`, `kill N`, `restart N` and `stop`."""

import argparse
import asyncio
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from demo.localnet.founding import PASSPHRASE, found
from demo.localnet.net import Localnet, Standing
from ledger.storage.blockfile import BlockFiles, InUse

CONTROL: Final = "control.sock"
FIRST_PORT: Final = 7500
NODES_MAX: Final = 16
FAILED: Final = "failed: "  # begins the answer to what was not done


class Supervisor:
    """Runs the network, and does what the commands beside it ask for."""

    def __init__(self, net: Localnet) -> None:
        self._net = net
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        control = self._net.folder / CONTROL
        control.unlink(missing_ok=True)
        try:
            self._net.start()
            await asyncio.to_thread(self._net.wait_ready)
            async with await asyncio.start_unix_server(self._hear, control):
                self._tell()
                await self._stop.wait()
        finally:
            control.unlink(missing_ok=True)
            print("stopping")
            codes = await asyncio.to_thread(self._net.stop)
            print("stopped; exit codes", codes)

    def _tell(self) -> None:
        for number in self._net.numbers:
            connection = self._net.connection(number)
            print(f"node {number}   members {connection.members}   readers {connection.readers}")
        folder = self._net.folder
        print(f"connection files: {folder}/nodeN.json")
        print(f"a regulator's identity: {folder}/members/regulator, passphrase {PASSPHRASE!r}")
        print("ready; Ctrl-C ends it", flush=True)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        try:
            answer = await asyncio.to_thread(self._do, words)
        except SystemExit as error:
            answer = f"{FAILED}{error}\n"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()
        if words == ["stop"]:
            self._stop.set()

    def _do(self, words: list[str]) -> str:
        match words:
            case ["status"]:
                return "".join(map(_line, map(self._net.standing, self._net.numbers)))
            case ["kill", number] if self._knows(number):
                if not self._net.runs(int(number)):
                    return f"{FAILED}node {number} does not run\n"
                self._net.kill(int(number))
                return f"node {number} and its CometBFT are killed\n"
            case ["restart", number] if self._knows(number):
                self._net.restart(int(number))
                self._net.wait_ready(int(number))
                return f"node {number} runs\n"
            case ["stop"]:
                return "stopping all\n"
        known = f"status, kill NODE, restart NODE and stop, and nodes 1 to {self._net.count}"
        return f"{FAILED}{' '.join(words)!r} is not understood, or there is no such node: there are {known}\n"

    def _knows(self, number: str) -> bool:
        return number.isdecimal() and int(number) in self._net.numbers


def _line(one: Standing) -> str:
    if one.trouble:
        return f"node {one.node}   {one.trouble}\n"
    return (
        f"node {one.node}   pid {one.pid}   CometBFT {one.engine}   block {one.height}   leaves {one.leaves}   "
        f"cosigned by {one.cosigned}, the oldest {one.cosigned_seconds} s ago   root {one.root[:16]}…\n"
    )


@contextmanager
def supervising(folder: Path) -> Iterator[None]:
    """Whoever runs the network of a folder, alone; SystemExit where somebody does already. A lock on the folder
    itself, which ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            advice = "ask how it stands with the command status, or name another folder with --data, and --port"
            raise SystemExit(f"a network runs in {folder} already: {advice}") from None
        yield
    finally:
        os.close(handle)


def _require_stopped(net: Localnet) -> None:
    """SystemExit where a node runs on, as one does whose supervisor was killed."""
    for number in net.numbers:
        try:
            BlockFiles(net.data(number), b"", writer=True).close()
        except InUse:
            advice = f"end it first: pkill -f '{net.data(number)}'"
            raise SystemExit(f"node {number} runs, and nobody supervises it: {advice}") from None


def _ask(folder: Path, words: list[str]) -> str:
    with socket.socket(socket.AF_UNIX) as calling:
        try:
            calling.connect(str(folder / CONTROL))
        except OSError:
            raise SystemExit(f"no network runs in {folder}: start it with scripts/localnet") from None
        calling.sendall(" ".join(words).encode() + b"\n")
        answer = b""
        while data := calling.recv(4096):
            answer += data
        return answer.decode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/localnet", description=__doc__)
    parser.add_argument("what", nargs="*", default=["4"], metavar="N | COMMAND", help="how many nodes, or a command")
    parser.add_argument("--data", type=Path, default=Path("localnet"), help="the network's folder")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="the first of its ports, ten for each node")
    parser.add_argument("--cometbft", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.data.absolute()
    if not given.what[0].isdecimal():
        answer = _ask(folder, given.what)
        if answer.startswith(FAILED):
            raise SystemExit(answer.removeprefix(FAILED).rstrip())
        sys.stdout.write(answer)
        return
    count = int(given.what[0])
    if len(given.what) > 1 or not 1 <= count <= NODES_MAX:
        parser.error(f"how many nodes? 1 to {NODES_MAX}")
    with supervising(folder):
        if not any(folder.iterdir()):
            found(folder, count, given.port, given.cometbft)
        net = Localnet(folder)
        if net.count != count:
            parser.error(
                f"{folder} holds a network of {net.count} nodes; name another folder with --data, or remove it"
            )
        _require_stopped(net)
        asyncio.run(Supervisor(net).run())


if __name__ == "__main__":
    main()
