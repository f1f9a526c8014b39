"""A node that restarts in a moment: its process is forked from one that has the modules loaded already. It runs the
same command and is killed by the same signal; only the second that an interpreter takes to load is saved."""

import json
import multiprocessing
import os
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from client_sdk import build, keys
from client_sdk.client import Client
from client_sdk.keys import Connection, Identity
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from node import commands
from tests.network import PASSPHRASE, READY_SECONDS, Network
from tests.world import LOT, Member

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


def _serve(data: str, log: str) -> None:
    """In the forked process: `suyuan-node run`."""
    with open(log, "ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    ports = ["--members-port", "0", "--readers-port", "0", "--metrics-port", "0", "--http-port", "0"]
    sys.argv = ["suyuan-node", "run", data, *ports]
    commands.main()


def _sell_forever(home: str, connection: Connection, receipts: str, ref: str) -> None:
    """In the forked process: a member who sells until it is killed, and writes down what was acknowledged."""
    identity = keys.load(Path(home), PASSPHRASE)
    with Client(connection, identity) as client, open(receipts, "a") as file:
        sales = (
            build.sell(lot=LOT, quantity=1, ref=f"{ref}-{number}", at=clock_ms(), site=identity.site)
            for number in range(10**9)
        )
        for envelope, result in client.submit_stream(client.sign(sales, records_max=3)):
            if isinstance(result, Receipt):
                file.write(f"{envelope.leaf.hex()} {result.leaf}\n")
                file.flush()


class FastNode:
    """The node of a network, and identities that are unlocked once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._process: BaseProcess | None = None
        self._base = keys.load_connection(network.connection)
        self._identities: dict[str, Identity] = {}
        self._endpoints = network.data / "endpoints.json"

    def identity(self, who: Member) -> Identity:
        if who.id not in self._identities:
            self.network.certify(who)
            self._identities[who.id] = keys.load(self.network.home(who), PASSPHRASE)
        return self._identities[who.id]

    def fork(self) -> None:
        """Begin to start, and do not wait."""
        self._endpoints.unlink(missing_ok=True)
        arguments = (str(self.network.data), str(self.network.folder / "node.log"))
        self._process = _FORKS.Process(target=_serve, args=arguments)  # type: ignore[attr-defined]
        self._process.start()

    def start(self) -> None:
        self.fork()
        deadline = time.monotonic() + READY_SECONDS
        while not self._endpoints.exists():
            if self._process is None or self._process.exitcode is not None or time.monotonic() > deadline:
                raise AssertionError((self.network.folder / "node.log").read_text()[-2000:])
            time.sleep(0.005)

    def connection(self) -> Connection:
        endpoints = json.loads(self._endpoints.read_text())
        where = {"members": endpoints["members"], "readers": endpoints["readers"]}
        return msgspec.structs.replace(self._base, **where)

    def client(self, who: Member) -> Client:
        return Client(self.connection(), self.identity(who))

    def fork_seller(self, who: Member, ref: str, receipts: Path) -> BaseProcess:
        """A client in a process of its own."""
        self.network.certify(who)
        arguments = (str(self.network.home(who)), self.connection(), str(receipts), ref)
        process: BaseProcess = _FORKS.Process(target=_sell_forever, args=arguments)  # type: ignore[attr-defined]
        process.start()
        return process

    def resident_bytes(self) -> int:
        """What of the node's memory lies in RAM."""
        pid = self._process.pid if self._process is not None else None
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None

    def stop(self) -> int | None:
        """Ask it to stop; its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        self._process.join(READY_SECONDS)
        return self._process.exitcode
