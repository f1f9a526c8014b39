"""A real node in a process of its own, over real TLS, and clients with real identity folders."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from client_sdk import build, keys
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import records as r
from tests.world import FORMULA, LOT, REGULATOR, Member

PASSPHRASE = "test"
NAME = "test.example/log"
READY_SECONDS = 30


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a module's command: `run("node.commands", "status", …)`."""
    command = [sys.executable, "-m", *arguments]
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "COLUMNS": "200"}
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)


def operate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("node.commands", *arguments)


@dataclass
class Network:
    """`folder/node` is the node's, `folder/MEMBER` each member's identity."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    clients: list[Client] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "node"

    @property
    def connection(self) -> Path:
        return self.folder / "node.json"

    def home(self, who: Member) -> Path:
        return self.folder / who.id

    def found(self, founder: Member) -> None:
        self.identify(founder)
        operate("init", str(self.data), "--name", NAME, "--founder", str(self.home(founder) / "member.json"))

    def identify(self, who: Member) -> None:
        """An identity folder with fresh keys, under a cheap passphrase: it is opened again and again."""
        kind = who.kind.name.lower()
        keys.create(self.home(who), who.id, f"企业{who.id[-4:]}", kind, "CN-33", PASSPHRASE, scrypt_n=1 << 10)

    def admit(self, *members: Member) -> None:
        """Identity folders for members, whom the founding regulator admits; the node runs."""
        for who in members:
            self.identify(who)
        public = [keys.load_public(self.home(who)) for who in members]
        acts = [
            build.act(
                r.Admit, at=clock_ms(), key=one.key, kind=r.MemberKind[one.kind.upper()], member=one.member,
                name=one.name, region=one.region,
            )
            for one in public
        ]  # fmt: skip
        with self.client(REGULATOR) as regulator:
            regulator.submit(acts)

    def found_with_goods(self, maker: Member, *others: Member) -> None:
        """A running node, its members admitted, and 10,000 cans of LOT at the maker."""
        self.found(REGULATOR)
        self.start_with_goods(maker, *others)

    def start_with_goods(self, maker: Member, *others: Member) -> None:
        self.start()
        self.admit(maker, *others)
        declared = {"declared_by": r.DeclaredBy.MAKER, "maker": maker.id, "name": "乳粉", "product": FORMULA}
        made = {"lot": LOT, "quantity": 10_000, "ref": "SC-1", "site": maker.site, "production": 20251101}
        with self.client(maker) as client:
            client.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])

    def start(self) -> None:
        (self.data / "endpoints.json").unlink(missing_ok=True)
        ports = ["--members-port", "0", "--readers-port", "0", "--metrics-port", "0", "--http-port", "0"]
        log = (self.folder / "node.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "node.commands", "run", str(self.data), *ports], stderr=log
        )
        deadline = time.monotonic() + READY_SECONDS
        while not (self.data / "endpoints.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "node.log").read_text())
            time.sleep(0.02)
        operate("connection", str(self.data), "-o", str(self.connection))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Ask the node to stop; its exit code."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(READY_SECONDS)

    def certify(self, who: Member) -> None:
        home = self.home(who)
        if not (home / "tls.crt").exists():
            arguments = (
                "certify",
                str(self.data),
                str(home / "tls.csr"),
                "--member",
                who.id,
                "-o",
                str(home / "tls.crt"),
            )
            operate(*arguments)
        (home / "node.json").write_bytes(self.connection.read_bytes())

    def client(self, who: Member) -> Client:
        self.certify(who)
        client = Client.open(self.home(who), PASSPHRASE)
        self.clients.append(client)
        return client

    def reader(self) -> Client:
        client = Client(keys.load_connection(self.connection))
        self.clients.append(client)
        return client
