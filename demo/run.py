"""The demonstration: a chain, a node, a month of books, a proof, a recall. `scripts/demo` runs it."""

import argparse
import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from client_sdk import build, codes, keys
from client_sdk.books import booking
from client_sdk.books.reader import BadRow, read
from client_sdk.client import Client
from demo.trade import BOXES_A_LOT, Lot, Trade
from demo.world import CANS_A_CASE, Enterprise, Product, World, make
from ledger import records as r
from ledger.policy import parse_policy
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product as Proven
from ledger.proof.verify import Query, verify_product, voucher_hash
from ledger.proof.way import Position

SEED: Final = 20201027
PASSPHRASE: Final = "demo-only"
LOG_NAME: Final = "demo.suyuan.example/log"
READY_SECONDS: Final = 30
BROKEN_TRANSPORT: Final = 3  # the shop whose frozen goods came too warm


def say(text: str) -> None:
    print(text, flush=True)


class Demo:
    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.started = time.monotonic()
        self.world: World = make(SEED)
        self.clients: dict[Enterprise, Client] = {}
        self.node: subprocess.Popen[bytes] | None = None
        self.counts: Counter[str] = Counter()
        self.bad: list[tuple[Enterprise, BadRow]] = []

    def step(self, text: str) -> None:
        say(f"[{time.monotonic() - self.started:5.1f} s] {text}")

    def folder(self, who: Enterprise) -> Path:
        return self.data / "members" / f"{who.role}-{who.member}"

    # Setting up

    def make_chain(self) -> None:
        self.step(f"keys for {len(self.world.everybody) + 1} members")
        everybody = [self.world.regulator, *self.world.everybody]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._make_keys, everybody))
        founder = self.folder(self.world.regulator) / "member.json"
        self._operate("init", str(self.data / "node"), "--name", LOG_NAME, "--founder", str(founder))

    def _make_keys(self, who: Enterprise) -> None:
        keys.create(self.folder(who), who.member, who.name, who.kind, "CN-3304", PASSPHRASE)

    def _operate(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "node.commands", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start_node(self) -> None:
        self.step("a node on the embedded engine, gRPC over TLS")
        node = self.data / "node"
        log = (self.data / "node.log").open("wb")
        ports = ["--members-port", str(self.port), "--readers-port", str(self.port + 1 if self.port else 0)]
        command = [sys.executable, "-m", "node.commands", "run", str(node), *ports, "--metrics-port", "0"]
        self.node = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not (node / "endpoints.json").exists():
            if self.node.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the node did not start; its log is {self.data / 'node.log'}")
            time.sleep(0.05)
        self._operate("connection", str(node), "-o", str(self.data / "node.json"))
        self._certify()

    def _certify(self) -> None:
        """The operator issues each member's client certificate, as `suyuan-node certify` does."""
        from node import tls

        now = dt.datetime.now(dt.UTC)
        for who in [self.world.regulator, *self.world.everybody]:
            folder = self.folder(who)
            certificate = tls.certify(self.data / "node" / "keys", (folder / "tls.csr").read_bytes(), who.member, now)
            (folder / "tls.crt").write_bytes(certificate)
            (folder / "node.json").write_bytes((self.data / "node.json").read_bytes())

    def client(self, who: Enterprise) -> Client:
        if who not in self.clients:
            self.clients[who] = Client.open(self.folder(who), PASSPHRASE)
        return self.clients[who]

    def introduce(self) -> None:
        """The regulator admits everybody; makers and the importer declare their products."""
        self.step("the regulator admits the members, makers declare their products")
        now = _now()
        admissions = []
        for who in self.world.everybody:
            public = keys.load_public(self.folder(who))
            kind = r.MemberKind[who.kind.upper()]
            fields = {"key": public.key, "kind": kind, "member": who.member, "name": who.name, "region": "CN-3304"}
            admissions.append(build.act(r.Admit, at=now, **fields))
        self.client(self.world.regulator).submit(admissions)
        for product in self.world.products:
            self.client(product.maker).submit(_declarations(product, now))
        self.counts["records"] += len(admissions) + 2 * len(self.world.products)

    # Trade

    def import_books(self, trade: Trade) -> None:
        written = trade.write(self.data / "books")
        self.step(f"{len(written)} books with {trade.rows()} rows (CSV) in {self.data / 'books'}")
        begun = time.monotonic()
        level = ""
        for enterprise, kind, path in written:
            if f"{enterprise.role} {kind}" != level:
                level = f"{enterprise.role} {kind}"
                self.step(f"importing {level}")
            if enterprise.role == "shop" and kind == "purchases":
                self._measure(trade, enterprise)
            self._import(enterprise, path)
            if enterprise == self.world.importer and kind == "production":
                self._into_the_cold_store(trade)
        seconds = time.monotonic() - begun
        self.step(f"{self.counts['booked']} rows booked in {seconds:.1f} s, each receipt verified")

    def _import(self, who: Enterprise, path: Path) -> None:
        member = self.client(who)
        planned, bad, _ = booking.plan(member, read(path))
        counts, refused = booking.book(member, planned)
        self.counts["booked"] += counts["booked"]
        self.counts["records"] += counts["booked"]
        self.bad += [(who, row) for row in (*bad, *refused)]

    def _into_the_cold_store(self, trade: Trade) -> None:
        """Certificates, then custody of the imports moves to the cold store: it signs, and owns nothing."""
        importer, store = self.world.importer, self.world.store
        now = _now()
        acts = [_certificate(lot, now) for lot in trade.imports]
        for number, lot in enumerate(trade.imports, 1):
            line: dict[str, Any] = {
                "lot": lot.id,
                "quantity": BOXES_A_LOT,
                "ref": f"RK-{number}/1",
                "at": now,
                "site": importer.site,
            }
            acts.append(build.ship(to=importer.member, to_site=store.site, **line))
        self.client(importer).submit(acts)
        keeper = self.client(store)
        answers = [
            build.receive(ship=one.ship, lot=one.lot, ref=f"RK-{number + 1}/1", at=now, accepted=one.open)
            for number, one in enumerate(keeper.handovers())
        ]
        keeper.submit(answers)
        self.counts["records"] += len(acts) + len(answers)

    def _measure(self, trade: Trade, shop: Enterprise) -> None:
        """The carrier reports the temperature of what it brought to a shop; one transport broke down."""
        frozen = {product.gtin for product in self.world.frozen}
        waiting = [one for one in self.client(shop).handovers() if one.lot.split("#")[0] in frozen]
        broke_down = shop == self.world.shops[BROKEN_TRANSPORT]
        acts = [_measurement(one, broke_down) for one in waiting]
        if acts:
            self.client(self.world.carrier).submit(acts)
            self.counts["records"] += len(acts)

    # Reading

    def prove(self, trade: Trade) -> None:
        shop = self.world.shops[0]
        lot = next(lot for lot in trade.lots if lot.number == trade.sales[shop][0]["批号"])
        secret = os.urandom(codes.VOUCHER_BYTES)
        position = {"lot": lot.id, "site": shop.site, "voucher": voucher_hash(secret)}
        self.client(shop).submit([build.act(r.Voucher, at=_now(), **position)])
        link = codes.link(lot.product.gtin, f"#{lot.number}", secret, LOG_NAME.split("/")[0])
        say(f"\nconsumer link  {link}")
        query = codes.parse_scan(link).query()
        file = self.data / "proof.suyuan"
        before = self._fetch_and_verify(query, file, lot)
        self._show_breached(trade)
        self._recall(lot)
        after = self._fetch_and_verify(query, self.data / "proof-after-recall.suyuan", lot)
        if before.verdict > Verdict.FACTS_NOTED or after.verdict != Verdict.RECALLED:
            raise SystemExit(f"the proof did not turn: {before.verdict.name}, then {after.verdict.name}")
        policy = self.data / "node" / "policy.txt"
        say(f"verify it yourself:\n  .venv/bin/suyuan verify '{link}' \\\n    --file {file} --policy {policy}")

    def _show_breached(self, trade: Trade) -> None:
        """What a consumer of the shop whose transport broke down sees."""
        shop = self.world.shops[BROKEN_TRANSPORT]
        bought = {row["批号"] for row in trade.purchases[shop]}
        lot = next(lot for lot in trade.imports if lot.number in bought)
        secret = os.urandom(codes.VOUCHER_BYTES)
        opens = {"lot": lot.id, "site": shop.site, "voucher": voucher_hash(secret)}
        self.client(shop).submit([build.act(r.Voucher, at=_now(), **opens)])
        query = Query(product=lot.product.gtin, lot=f"#{lot.number}", voucher=secret)
        self._fetch_and_verify(query, self.data / "proof-breached.suyuan", lot)

    def _fetch_and_verify(self, query: Query, file: Path, lot: Lot) -> Proven:
        """Fetch a proof into a file, then verify that file with nothing but the policy."""
        reader = Client(keys.load_connection(self.data / "node.json"))
        with reader:
            proof = reader.product_proof(query.product, query.lot, query.voucher, query.site)
        file.write_bytes(f.to_file(proof))
        trusted = parse_policy((self.data / "node" / "policy.txt").read_text())
        proven = verify_product(trusted, query, f.from_file(file.read_bytes()), None)
        way = " ← ".join(_place(proven, position) for position in proven.way)
        say(f"proof of {lot.product.name} {lot.number}: {len(proof):,} bytes in {file}")
        say(f"  verified offline: {proven.verdict.name.replace('_', ' ')}; way: {way}")
        return proven

    def _recall(self, lot: Lot) -> None:
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=lot.id)
        self.client(self.world.regulator).submit(
            [build.act(r.Recall, at=_now(), grade=1, reason="监督抽检不合格", subject=subject)]
        )
        say(f"the regulator recalls lot {lot.number}")

    def totals(self) -> None:
        info = self.client(self.world.regulator).node_info()
        say("\ntotals")
        say(
            f"  members {len(self.world.everybody) + 1}, products {len(self.world.products)} (cases of {CANS_A_CASE})"
        )
        others = self.counts["records"] - self.counts["booked"]
        say(f"  rows booked {self.counts['booked']:,}, other records {others:,}")
        say(f"  blocks {info.height:,}, log leaves {info.size:,}, chain {info.chain_id.hex()[:16]}…")
        say(f"  rows not booked: {len(self.bad)}")
        for who, row in self.bad:
            say(f"    {who.name}: {row}")

    def serve(self) -> None:
        connection = keys.load_connection(self.data / "node.json")
        say(f"\nserving: members at {connection.members}, readers at {connection.readers}; Ctrl-C ends it")
        try:
            if self.node is not None:
                self.node.wait()
        except KeyboardInterrupt:
            say("")

    def stop(self) -> None:
        for client in self.clients.values():
            client.close()
        if self.node is not None and self.node.poll() is None:
            self.node.terminate()
            self.node.wait(timeout=READY_SECONDS)


def _place(proven: Proven, position: Position) -> str:
    """The owner, and who keeps the goods if that is another."""
    keeper = position.site.partition("/")[0]
    stored = "" if keeper == position.owner else f" (in {proven.members[keeper].name})"
    return proven.members[position.owner].name + stored


def _now() -> int:
    return time.time_ns() // 1_000_000


def _declarations(product: Product, now: int) -> list[build.Act]:
    """The base item, and its case where there is one."""
    importer = product.maker.role == "importer"
    fields: dict[str, Any] = {
        "category": product.category, "grams": product.grams, "licence": product.licence, "name": product.name,
        "origin": product.origin, "registration": product.registration, "shelf_days": product.shelf_days,
        "specification": product.specification, "temp_max_mc": product.temp_max_mc,
        "declared_by": r.DeclaredBy.IMPORTER if importer else r.DeclaredBy.MAKER,
        "maker": None if importer else product.maker.member,
    }  # fmt: skip
    acts = [build.act(r.Register, at=now, product=product.gtin, **fields)]
    if product.case is not None:
        level = fields | {"base": product.gtin, "contains": CANS_A_CASE, "product": product.case}
        acts.append(build.act(r.Register, at=now, **level))
    return acts


def _certificate(lot: Lot, now: int) -> build.Act:
    subject = r.Subject(kind=r.SubjectKind.LOT, lot=lot.id)
    text = f"入境货物检验检疫证明,口岸:{lot.port}"
    return build.act(r.Fact, at=now, document=lot.certificate, kind=r.FactKind.CERTIFY, subject=subject, text=text)


def _measurement(handover: Any, broke_down: bool) -> build.Act:
    """Four hours of readings, one a minute; the hash stands for the raw series that the carrier keeps."""
    readings = "\n".join(f"{minute},{-19.8 + minute % 7 / 10:.1f}" for minute in range(240)).encode()
    warmest = -9_500 if broke_down else -18_600
    window = r.Window(
        count=240, device="CC-0173", gap_s=60, max_mc=warmest, mean_mc=-19_800, min_mc=-21_300,
        series=sha256(readings).digest(), start=handover.time_ms, until=handover.time_ms + 4 * 3_600_000,
    )  # fmt: skip
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=handover.ship, to=handover.to)
    return build.act(r.Fact, at=handover.time_ms, kind=r.FactKind.MEASURE, subject=subject, window=window)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="keep serving at the end, also without a terminal")
    parser.add_argument("--grpc", type=int, default=0, metavar="PORT", help="members' port; readers get the next one")
    parser.add_argument("--data", type=Path, help="an empty or new folder; a temporary one if left out")
    given = parser.parse_args()
    data = given.data or Path(tempfile.mkdtemp(prefix="suyuan-demo-"))
    if (data / "node").exists():
        parser.error(f"{data} holds a demonstration already; name another folder")
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it in the background
        signal.signal(number, signal.default_int_handler)
    demo = Demo(data.absolute(), given.grpc)
    try:
        demo.make_chain()
        demo.start_node()
        demo.introduce()
        trade = Trade(demo.world, SEED, dt.date.today() - dt.timedelta(days=1))
        demo.import_books(trade)
        demo.totals()
        demo.prove(trade)
        if given.serve or sys.stdout.isatty():
            demo.serve()
    except KeyboardInterrupt:
        say("\ninterrupted")
    finally:
        demo.stop()


if __name__ == "__main__":
    main()
