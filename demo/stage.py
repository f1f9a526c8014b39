"""The stage of the demonstration: a chain, its node in a process of its own, and everybody's keys and connection."""

import datetime as dt
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import structs

from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from demo.world import CANS_A_CASE, Enterprise, Product, World
from ledger import records as r

PASSPHRASE: Final = "demo-only"
LOG_NAME: Final = "demo.suyuan.example/log"
READY_SECONDS: Final = 30
SCRYPT_N: Final = 1 << 10  # three hundred keys under a passphrase that everybody knows


class Stage:
    """`act` signs and sends acts of an enterprise; `records` counts what was booked that way."""

    def __init__(self, data: Path, world: World, port: int, http_port: int) -> None:
        self.data, self.world, self.port, self.http_port = data, world, port, http_port
        self.records = 0
        self._identities: dict[Enterprise, keys.Identity] = {}
        self._clients: dict[Enterprise, Client] = {}
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def node(self) -> Path:
        return self.data / "node"

    @property
    def everybody(self) -> list[Enterprise]:
        return [self.world.regulator, *self.world.everybody]

    def folder(self, who: Enterprise) -> Path:
        return self.data / "members" / f"{who.role}-{who.member}"

    def make_keys(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            made = pool.map(self._keys_of, self.everybody)
            self._identities = dict(zip(self.everybody, made, strict=True))

    def _keys_of(self, who: Enterprise) -> keys.Identity:
        return keys.create(self.folder(who), who.member, who.name, who.kind, "CN-3304", PASSPHRASE, SCRYPT_N)

    def operate(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "node.commands", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        """Make the chain, start its node, and give everybody the certificate and the connection file."""
        founder = self.folder(self.world.regulator) / "member.json"
        self.operate("init", str(self.node), "--name", LOG_NAME, "--founder", str(founder))
        log = (self.data / "node.log").open("wb")
        ports = ["--members-port", str(self.port), "--readers-port", str(self.port + 1 if self.port else 0)]
        ports += ["--metrics-port", "0", "--http-port", str(self.http_port)]
        command = [sys.executable, "-m", "node.commands", "run", str(self.node), *ports]
        self._node = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not (self.node / "endpoints.json").exists():
            if self._node.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the node did not start; its log is {self.data / 'node.log'}")
            time.sleep(0.05)
        self.operate("connection", str(self.node), "-o", str(self.data / "node.json"))
        self._certify()

    def _certify(self) -> None:
        """The operator issues each member's client certificate, as `suyuan-node certify` does."""
        from node import tls

        now = dt.datetime.now(dt.UTC)
        for who in self.everybody:
            folder = self.folder(who)
            certificate = tls.certify(self.node / "keys", (folder / "tls.csr").read_bytes(), who.member, now)
            (folder / "tls.crt").write_bytes(certificate)
            (folder / "node.json").write_bytes((self.data / "node.json").read_bytes())
            pair = (folder / "tls.key").read_bytes(), certificate
            self._identities[who] = structs.replace(self._identities[who], tls=pair)

    def identity(self, who: Enterprise) -> keys.Identity:
        return self._identities[who]

    def connection(self) -> keys.Connection:
        return keys.load_connection(self.data / "node.json")

    def client(self, who: Enterprise) -> Client:
        if who not in self._clients:
            self._clients[who] = Client(self.connection(), self._identities[who])
        return self._clients[who]

    def leave(self, who: Enterprise) -> None:
        """Close the connection of somebody who is done."""
        client = self._clients.pop(who, None)
        if client is not None:
            client.close()

    def act(self, who: Enterprise, *acts: Act) -> list[bytes]:
        """Sign and send acts; their record hashes."""
        receipts: list[Receipt] = self.client(who).submit(acts)
        self.records += len(acts)
        return [one for receipt in receipts for one in receipt.hashes]

    def introduce(self) -> None:
        """The regulator admits everybody; makers and importers declare their products."""
        now = clock_ms()
        admissions = []
        for who in self.world.everybody:
            kind = r.MemberKind[who.kind.upper()]
            fields = {"kind": kind, "member": who.member, "name": who.name, "region": "CN-3304"}
            admissions.append(build.act(r.Admit, at=now, key=self._identities[who].public.key, **fields))
        self.act(self.world.regulator, *admissions)
        for product in self.world.products:
            self.act(product.maker, *declarations(product, now))

    def wait(self) -> None:
        if self._node is not None:
            self._node.wait()

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._node is not None and self._node.poll() is None:
            self._node.terminate()
            self._node.wait(timeout=READY_SECONDS)


def declarations(product: Product, now: int) -> list[Act]:
    """The base item, and its case where there is one."""
    importer = product.maker.role == "importer"
    fields = {
        "category": product.category, "grams": product.grams, "licence": product.licence, "name": product.name,
        "origin": product.origin, "registration": product.registration, "shelf_days": product.shelf_days,
        "specification": product.specification, "temp_max_mc": product.temp_max_mc,
        "declared_by": r.DeclaredBy.IMPORTER if importer else r.DeclaredBy.MAKER,
        "maker": None if importer else product.maker.member, "tolerance_permille": product.tolerance_permille,
    }  # fmt: skip
    acts = [build.act(r.Register, at=now, product=product.gtin, **fields)]
    if product.case is not None:
        level = fields | {"base": product.gtin, "contains": CANS_A_CASE, "product": product.case}
        acts.append(build.act(r.Register, at=now, **level))
    return acts
