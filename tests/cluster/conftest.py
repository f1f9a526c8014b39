"""Four validators with their CometBFT processes in a temporary folder, shared by the tests of a file."""

import datetime as dt
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from client_sdk import build, keys
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from demo.localnet import founding
from demo.localnet.net import Localnet, Standing
from ledger import records as r
from node import tls
from tests.world import Member

ROOT = Path(__file__).resolve().parents[2]
SETTLED_SECONDS = 60
PORTS = range(18_000, 30_000, 100)  # below those that the system gives away by itself


def cometbft() -> Path:
    """Its program, built where it is not there yet; where it can't be had, the tests skip, and under CI they fail."""
    made = subprocess.run([ROOT / "scripts" / "cometbft"], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return Path(made.stdout.strip())
    why = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
    if os.environ.get("CI") == "true":
        pytest.fail(f"no CometBFT, which CI must have: {why}")
    pytest.skip(f"no CometBFT: {why}")


@dataclass
class Cluster:
    net: Localnet
    _identities: dict[str, keys.Identity] = field(default_factory=dict)

    def identity(self, who: Member) -> keys.Identity:
        """A member's keys, made when they are first asked for; one certificate opens every node."""
        if who.id not in self._identities:
            folder = self.net.folder / "members" / who.id
            made = keys.create(folder, who.id, "企业", who.kind.name.lower(), "CN-33", "x", founding.SCRYPT_N)
            self._identities[who.id] = self._certified(made)
        return self._identities[who.id]

    def regulator(self) -> keys.Identity:
        folder = self.net.folder / "members" / "regulator"
        return keys.open_folder(folder, founding.PASSPHRASE)[1]

    def _certified(self, made: keys.Identity) -> keys.Identity:
        now, request = dt.datetime.now(dt.UTC), (made.folder / "tls.csr").read_bytes()
        certificate = tls.certify(self.net.data(1) / "keys", request, made.member, now)
        return structs.replace(made, tls=((made.folder / "tls.key").read_bytes(), certificate))

    def client(self, node: int, who: keys.Identity | None = None) -> Client:
        """Without a pin, since a test goes from node to node: each is held against the policy alone."""
        client = Client(self.net.connection(node), who)
        client.trust._folder = None
        client.trust.pinned = None
        return client

    def admit(self, node: int, *members: Member) -> None:
        """Until every node knows them: a receipt says that a quorum does, and the one asked next may lie behind."""
        public = [self.identity(who).public for who in members]
        acts = [
            build.act(
                r.Admit, at=clock_ms(), key=one.key, kind=r.MemberKind[one.kind.upper()], member=one.member,
                name=one.name, region=one.region,
            )
            for one in public
        ]  # fmt: skip
        with self.client(node, self.regulator()) as client:
            client.submit(acts)
        self.settled()

    def settled(self, *nodes: int) -> Standing:
        """Where these nodes stand (all, if none is named) once they agree, and a quorum cosigned it at each."""
        numbers = nodes or tuple(self.net.numbers)
        found: list[Standing] = []

        def agree() -> bool:
            found[:] = [self.net.standing(number) for number in numbers]
            heads = {(one.height, one.leaves, one.root) for one in found}
            return len(heads) == 1 and all(one.cosigned >= 3 for one in found)

        self.wait_until(agree, lambda: f"they do not agree: {found}")
        return found[0]

    @staticmethod
    def wait_until(holds: Callable[[], bool], trouble: Callable[[], str]) -> None:
        deadline = time.monotonic() + SETTLED_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(trouble())
            time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    program = cometbft()
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        net = founded(Path(folder) / "net", program)
        try:
            net.start()
            net.wait_ready()
            yield Cluster(net)
        finally:
            net.stop()


def founded(folder: Path, program: Path) -> Localnet:
    founding.found(folder, 4, free_port(4), program)
    return Localnet(folder)


def free_port(nodes: int) -> int:
    """The first of enough free ports, at a random place, since other tests may run beside."""
    for port in random.sample(PORTS, len(PORTS)):
        try:
            for number in range(port, port + nodes * founding.PORTS_A_NODE):
                founding.require_free(number)
        except SystemExit:
            continue
        return port
    raise RuntimeError("no ports are free")
