"""Four validators with their CometBFT processes in a temporary folder, shared by the tests of a file."""

import datetime as dt
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from client_sdk import build, keys
from client_sdk import client as sdk
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from demo.localnet import founding
from demo.localnet.net import Localnet, Standing
from ledger import genesis as g
from ledger import records as r
from ledger.storage.chainstore import read_genesis
from node import tls
from node.check import check_folder
from tests.cluster.shown import Shown
from tests.fault.full_check import full_check, leaves_of
from tests.world import FORMULA, LOT, MAKER, Member

ROOT = Path(__file__).resolve().parents[2]
SETTLED_SECONDS = 60
CALL_SECONDS = 8  # that a client waits; a receipt waits five for its quorum
MEMBERS_PASSPHRASE = "x"
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


class Nodes(Localnet):
    """The nodes of a test; those in `faulty` may be given faults, as `tests.cluster.faulty` has them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.faulty: set[int] = set()

    def command(self, number: int) -> list[str]:
        if number not in self.faulty:
            return super().command(number)
        return [sys.executable, "-m", "tests.cluster.faulty", str(self.data(number))]

    @contextmanager
    def fault(self, number: int, *words: str) -> Iterator[None]:
        """A faulty node has these faults meanwhile."""
        file = self.data(number).with_suffix(".faults")
        part = file.with_suffix(".part")
        part.write_text(" ".join(words))
        part.replace(file)
        try:
            yield
        finally:
            file.unlink()

    def log(self, number: int) -> str:
        return (self.folder / f"node{number}.log").read_text()


@dataclass
class Cluster:
    """`acknowledged` is every receipt that anybody got: each must be true to the end, at every node."""

    net: Nodes
    acknowledged: list[tuple[SignedEnvelope, Receipt]] = field(default_factory=list)
    _identities: dict[str, keys.Identity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = Shown(self.net)

    @property
    def genesis(self) -> g.Genesis:
        return read_genesis(self.net.data(1))

    @property
    def chain(self) -> bytes:
        return g.chain_id(self.genesis)

    @property
    def subject(self) -> r.Subject:
        """What notes are about."""
        return r.Subject(kind=r.SubjectKind.LOT, lot=LOT)

    def keep(self, envelope: SignedEnvelope, receipt: Receipt) -> None:
        self.acknowledged.append((envelope, receipt))
        self.shown.notes.add(receipt.checkpoint)

    def submit(self, node: int, who: Member, *acts: build.Act) -> Receipt:
        with self.client(node, self.identity(who)) as client:
            envelope = next(client.sign(acts, records_max=100))
            receipt = client.submit_envelope(envelope)
        self.keep(envelope, receipt)
        return receipt

    def sale(self, who: Member, quantity: int, ref: str) -> build.Act:
        return build.sell(lot=LOT, quantity=quantity, ref=ref, at=clock_ms(), site=self.identity(who).site)

    def found_goods(self, quantity: int, node: int = 2) -> None:
        """The maker's product, and so many cans of it."""
        declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
        made = {"lot": LOT, "quantity": quantity, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
        acts = (build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made))
        self.submit(node, MAKER, *acts)

    def identity(self, who: Member) -> keys.Identity:
        """A member's keys, made when they are first asked for; one certificate opens every node."""
        if who.id not in self._identities:
            folder = self.net.folder / "members" / who.id
            made = keys.create(
                folder, who.id, "企业", who.kind.name.lower(), "CN-33", MEMBERS_PASSPHRASE, founding.SCRYPT_N
            )
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
        self.wait_until(lambda: self.agree(*nodes), lambda: f"they do not agree: {self.standings(*nodes)}")
        return self.standings(*nodes)[0]

    def agree(self, *nodes: int) -> bool:
        found = self.standings(*nodes)
        heads = {(one.height, one.leaves, one.root) for one in found}
        return len(heads) == 1 and all(one.cosigned >= 3 for one in found)

    def standings(self, *nodes: int) -> list[Standing]:
        return [self.net.standing(number) for number in nodes or self.net.numbers]

    def check(self, forks: bool = False) -> None:
        """At the end: one ledger with all that was acknowledged, each once, and no checkpoint against it; only where
        a test made some, `forks`, may others have been shown, and none of them has a quorum."""
        self.settled()
        for node in self.net.numbers:
            with self.client(node) as reader:
                for envelope, receipt in random.sample(self.acknowledged, min(20, len(self.acknowledged))):
                    assert reader.receipt(envelope).leaf == receipt.leaf
        self.shown.__exit__(None, None, None)
        assert set(self.net.stop().values()) == {0}
        leaves, _ = leaves_of(self.net.data(1))
        agreed, alone = self.shown.contradictions(leaves)
        assert agreed == []
        assert forks or alone == []
        now = dt.datetime.now(dt.UTC)
        for node in self.net.numbers:
            assert leaves_of(self.net.data(node))[0] == leaves
            assert [found for found in check_folder(self.net.data(node), now, False) if not found.holds] == []
        places = {envelope.leaf: receipt.leaf for envelope, receipt in self.acknowledged}
        assert len(set(places.values())) == len(places)
        full_check(self.net.data(1), places, set(leaves))

    @staticmethod
    def wait_until(holds: Callable[[], bool], trouble: Callable[[], str]) -> None:
        deadline = time.monotonic() + SETTLED_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(trouble())
            time.sleep(0.1)


def founded(folder: Path, program: Path) -> Nodes:
    founding.found(folder, 4, free_port(4), program)
    return Nodes(folder)


@pytest.fixture(scope="module")
def network() -> Iterator[Nodes]:
    """Founded, and not started."""
    program = cometbft()
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        yield founded(Path(folder) / "net", program)


@pytest.fixture(scope="module")
def cluster(network: Nodes) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "CALL_SECONDS", CALL_SECONDS)
        try:
            network.start()
            network.wait_ready()
            cluster = Cluster(network)
            with cluster.shown:
                yield cluster
        finally:
            network.stop()


@pytest.fixture(scope="module")
def trading(cluster: Cluster) -> Cluster:
    """With a maker, and more cans than are ever sold."""
    cluster.admit(1, MAKER)
    cluster.found_goods(1_000_000)
    cluster.settled()
    return cluster


def random_seed(where: str) -> int:
    """A seed that is told, so that what it led to can be played again: SUYUAN_SEED=…"""
    seed = int(os.environ.get("SUYUAN_SEED", random.randrange(1_000_000)))
    print(f"{where}: SUYUAN_SEED={seed}")
    return seed


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
