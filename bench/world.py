"""The load: trade as it is. Dealers ship lots to shops, shops receive and sell; many shops, many lots.

Of every five records one is a ship, one its receive, three are sales. Everything comes from one seed.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from client_sdk import build, keys
from client_sdk.build import Act, SignedEnvelope
from client_sdk.client import Client
from client_sdk.keys import Connection, Identity, Public
from demo.world import gtin, uscc
from ledger import records as r
from ledger import signature

DEALERS, SHOPS, LOTS = 5, 200, 2000
PASSPHRASE = "bench"
NAME = "bench.example/log"


@dataclass
class Desk:
    """Where the load is sent from: a client with the regulator's certificate, and a folder."""

    folder: Path
    connection: Connection
    client: Client
    regulator: Identity


@dataclass
class Node(Desk):
    """A node in a process of its own."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(30)

    def memory_mb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "node").rglob("*") if path.is_file())


def operate(*arguments: str) -> str:
    command = [sys.executable, "-m", "node.commands", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def start(folder: Path | None = None) -> Node:
    """A fresh chain in a temporary folder, its node running."""
    folder = folder or Path(tempfile.mkdtemp(prefix="suyuan-bench-"))
    home = folder / "regulator"
    keys.create(home, uscc(Random(1)), "监管局", "regulator", "CN-33", PASSPHRASE)
    operate("init", str(folder / "node"), "--name", NAME, "--founder", str(home / "member.json"))
    return restart(folder)


def restart(folder: Path) -> Node:
    home, data = folder / "regulator", folder / "node"
    ports = ["--members-port", "0", "--readers-port", "0", "--metrics-port", "0", "--http-port", "0"]
    log = (folder / "node.log").open("ab")
    process = subprocess.Popen([sys.executable, "-m", "node.commands", "run", str(data), *ports], stderr=log)
    while not (data / "endpoints.json").exists():
        if process.poll() is not None:
            raise SystemExit((folder / "node.log").read_text())
        time.sleep(0.01)
    operate("connection", str(data), "-o", str(home / "node.json"))
    if not (home / "tls.crt").exists():
        member = keys.load_public(home).member
        operate("certify", str(data), str(home / "tls.csr"), "--member", member, "-o", str(home / "tls.crt"))
    connection, regulator = keys.open_folder(home, PASSPHRASE)
    return Node(folder, connection, Client(connection, regulator), regulator, process)


class Trade:
    """The members, products and lots of the load, and its endless records."""

    def __init__(self, node: Desk, seed: int = 7, shops: int = SHOPS, lots: int = LOTS) -> None:
        self.random = Random(seed)
        self.node = node
        self.now = time.time_ns() // 1_000_000
        self.maker = self._identity()
        self.dealers = [self._identity() for _ in range(DEALERS)]
        self.shops = [self._identity() for _ in range(shops)]
        self.quiet = [self._identity() for _ in range(2)]  # shops that the load leaves alone
        self.products = [gtin(self.random) for _ in range(6)]
        self.lots = [f"{self.random.choice(self.products)}#L{number:06d}" for number in range(lots)]
        self._number = 0
        self.pallets = 0

    def _identity(self) -> Identity:
        member = uscc(self.random)
        seed = sha256(member.encode()).digest()
        public = Public(member, "企业", "enterprise", "CN-33", signature.public_key(seed))
        return Identity(self.node.folder, public, seed, None)

    def ref(self, kind: str) -> str:
        self._number += 1
        return f"{kind}20260103-{self._number:07d}/1"

    def book(self, who: Identity, acts: list[Act]) -> list[bytes]:
        """Book acts in envelopes of 100; returns their record hashes."""
        envelopes = list(build.envelopes(acts, who, self.node.connection.chain_id, self.now, 100))
        hashes = []
        for envelope, result in self.node.client.submit_stream(envelopes):
            if isinstance(result, Exception):
                raise result
            hashes.append((result.leaf, envelope.hashes))
        return [one for _, found in sorted(hashes) for one in found]

    def prepare(self) -> None:
        """Members, products, lots, and stock of every lot at every dealer."""
        admitted = [
            build.act(r.Admit, at=self.now, key=who.public.key, kind=r.MemberKind.ENTERPRISE, member=who.member,
                      name="企业", region="CN-33")
            for who in (self.maker, *self.dealers, *self.shops, *self.quiet)
        ]  # fmt: skip
        self.book(self.node.regulator, admitted)
        declared = {"at": self.now, "category": "129", "declared_by": r.DeclaredBy.MAKER, "maker": self.maker.member}
        self.book(
            self.maker, [build.act(r.Register, **declared, name="乳粉", product=gtin) for gtin in self.products]
        )
        made = {
            "at": self.now,
            "quantity": 10**9,
            "production": 20260101,
            "expiry": 20280101,
            "site": self.maker.site,
        }
        self.book(self.maker, [build.commission(lot=lot, ref=self.ref("SC"), **made) for lot in self.lots])
        for dealer in self.dealers:
            acts = [self.ship(self.maker, dealer, lot, 10**7) for lot in self.lots]
            ships = self.book(self.maker, acts)
            answers = [self.receive(lot, ship, 10**7) for lot, ship in zip(self.lots, ships, strict=True)]
            self.book(dealer, answers)

    def ship(self, who: Identity, to: Identity, lot: str, quantity: int) -> Act:
        return build.ship(lot=lot, quantity=quantity, ref=self.ref("XS"), at=self.now, site=who.site, to=to.member)

    def receive(self, lot: str, ship: bytes, quantity: int) -> Act:
        return build.receive(ship=ship, lot=lot, ref=self.ref("JH"), at=self.now, accepted=quantity)

    def envelopes(self, records: int, size: int) -> Iterator[SignedEnvelope]:
        """At least `records` records, `size` in each envelope, signed as they are asked for."""
        made = 0
        while made < records:
            dealer, shop = self.random.choice(self.dealers), self.random.choice(self.shops)
            lots = self.random.sample(self.lots, size)
            sent = self.signed(dealer, [self.ship(dealer, shop, lot, 24) for lot in lots])
            yield sent
            yield self.signed(shop, [self.receive(lot, h, 24) for lot, h in zip(lots, sent.hashes, strict=True)])
            for _ in range(3):
                sold = {"at": self.now, "site": shop.site}
                yield self.signed(
                    shop, [build.sell(lot=lot, quantity=1 + len(lot) % 3, ref=self.ref("LS"), **sold) for lot in lots]
                )
            made += 5 * size

    def signed(self, who: Identity, acts: list[Act]) -> SignedEnvelope:
        return next(build.envelopes(acts, who, self.node.connection.chain_id, self.now, len(acts)))
