"""The demonstration: a chain, a node, a month of real-looking books, what goes wrong in it, proofs, recalls.
`scripts/demo` runs it."""

import argparse
import datetime as dt
import os
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import segno
from msgspec import structs

from client_sdk import build, codes
from client_sdk.audit import audit_folder
from client_sdk.books import mapping as mappings
from client_sdk.books.booking import Import
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planned
from client_sdk.books.reader import BadRow, BookFile
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from demo.happenings import Happenings
from demo.stage import Stage
from demo.trade import Lot, Trade
from demo.twists import OWN_COLUMNS, Cast, own_code, twist
from demo.world import CANS_A_CASE, Enterprise, make
from ledger import records as r
from ledger.policy import parse_policy
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product as Proven
from ledger.proof.verify import Query, verify_product, voucher_hash
from ledger.proof.way import Position

SEED: Final = 20201027
REASONS_SHOWN_MAX: Final = 12


def say(text: str) -> None:
    print(text, flush=True)


class Demo:
    def __init__(self, data: Path, port: int, http_port: int) -> None:
        self.started = time.monotonic()
        self.stage = Stage(data, make(SEED), port, http_port)
        self.world = self.stage.world
        self.trade = Trade(self.world, SEED, dt.date.today() - dt.timedelta(days=1))
        self.cast: Cast = twist(self.trade)
        self.happenings = Happenings(self.stage, self.trade, self.cast)
        self.acts: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.bad: list[tuple[Enterprise, BadRow]] = []
        self.links: list[tuple[str, str]] = []

    def step(self, text: str) -> None:
        say(f"[{time.monotonic() - self.started:5.1f} s] {text}")

    def set_up(self) -> None:
        self.step(f"keys for {len(self.stage.everybody)} members")
        self.stage.make_keys()
        self.step("a chain, and its node on the embedded engine: gRPC over TLS, and HTTP")
        self.stage.start()
        self.step("the regulator admits the members, makers declare their products")
        self.stage.introduce()
        self._say_what_words_mean()

    def _say_what_words_mean(self) -> None:
        """Mappings: nobody had stock before the first book, and one shop has words of its own."""
        for who in self.stage.everybody:
            mappings.store(self.stage.folder(who), Mapping(opening="none"))
        products = {own_code(code): code for p in self.world.products for code in (p.gtin, p.case) if code}
        columns = {own: header for header, own in OWN_COLUMNS.items()}
        parties = {dealer.name: dealer.member for dealer in (*self.world.dealers, self.world.importer)}
        words = Mapping(columns=columns, products=products, parties=parties, opening="none")
        mappings.store(self.stage.folder(self.cast.own_codes), words)

    # Trade

    def import_books(self) -> None:
        self.happenings.make_from_whey()
        written = self.trade.write(self.stage.data / "books")
        self.step(f"{len(written)} books with {self.trade.rows():,} rows (CSV in UTF-8 and GB18030, xlsx)")
        begun = time.monotonic()
        late = [one for one in written if one[0] == self.cast.late and one[1] == "sales"]
        level = ""
        for enterprise, kind, path in [one for one in written if one not in late]:
            if f"{enterprise.role} {kind}" != level:
                level = f"{enterprise.role} {kind}"
                self.step(f"importing {level}")
            self._import(enterprise, kind, path)
        self.step("importing the sales of a dealer who books after its shops: its ships confirm their claims")
        for enterprise, kind, path in late:
            self._import(enterprise, kind, path)
        seconds = time.monotonic() - begun
        self.step(f"{self.rows['booked']:,} rows booked in {seconds:.1f} s, each receipt verified")
        self.step("what no book has a row for: an outbox, a pallet, returns, corrections, a stolen key")
        self.happenings.all()

    def _import(self, who: Enterprise, kind: str, path: Path) -> None:
        if who.role == "shop" and kind == "purchases":
            self.happenings.measure(who)
        self._book(who, path)
        if who == self.cast.mistyped and kind == "purchases":
            self._answer_the_question(who, path)
        if who == self.world.importer and kind == "production":
            self.happenings.into_the_cold_store()
            self.happenings.sell_what_is_weighed()
        if who.role == "shop" and kind in ("sales", "monthly"):
            self.stage.leave(who)

    def _book(self, who: Enterprise, path: Path) -> None:
        """Import one book as `suyuan import` does."""
        mapping = mappings.load(self.stage.folder(who))

        def tell(told: Planned | BadRow) -> None:
            if isinstance(told, BadRow):
                self.bad.append((who, told))

        file = BookFile(path, mapping)
        totals = Import(self.stage.client(who), file.kind, mapping, tell).book(file)
        self.acts += totals.acts
        self.rows += Counter({"booked": totals.booked, "booked before": totals.already, "not booked": totals.bad})

    def _answer_the_question(self, who: Enterprise, path: Path) -> None:
        """The import asked whether a lot typed with an O is the one with a 0; it is told once, and run again."""
        asked = next(row for whose, row in self.bad if whose == who)
        wrong = next(row for row in self.trade.purchases[who] if "O" in row["批号"])
        product = next(p for p in self.world.products if wrong["商品条码"] in (p.gtin, p.case))
        lot, right = (f"{product.gtin}#{number}" for number in (wrong["批号"], wrong["批号"].replace("O", "0", 1)))
        code = f"{wrong['商品条码']}#{wrong['批号']}"
        meant = f"{wrong['商品条码']}#{wrong['批号'].replace('O', '0', 1)}"
        self.step(f"a question: {asked.message}; answered, and imported again")
        kept = mappings.load(self.stage.folder(who))
        answered = structs.replace(kept, lots={lot: right, code: meant})
        mappings.store(self.stage.folder(who), answered)
        self._book(who, path)

    # Reading

    def prove(self) -> None:
        shop = self.cast.regular
        lot = next(lot for lot in self.trade.lots if lot.number == self.trade.sales[shop][0]["批号"])
        query, link = self._voucher(shop, lot)
        say("")
        file = self.stage.data / "proof.suyuan"
        before = self._fetch_and_verify(query, file, lot)
        if before.verdict > Verdict.FACTS_NOTED:
            raise SystemExit(f"the proof should be good, and is {before.verdict.name}")
        self.links = [("good", link)]
        self._show(
            self.cast.warm, self._frozen_of(self.cast.warm), Verdict.BREACHED_ON_THE_WAY, "too warm on the way"
        )
        self._show(
            self.cast.careless, self.happenings.entered, Verdict.ENTERED_BY_ONE_SIGNATURE, "entered by one signature"
        )
        self.happenings.recall_the_whey()
        say("the laboratory finds a germ in a lot of whey powder, and the regulator recalls it")
        self._show(self.cast.closing, self.happenings.infused, Verdict.RECALLED, "made of recalled whey")
        policy = self.stage.node / "policy.txt"
        say(f"verify it yourself:\n  .venv/bin/suyuan verify '{link}' \\\n    --file {file} --policy {policy}")

    def point(self, serves: bool) -> None:
        """The links to open while the node serves, and the first as a phone reads it."""
        (_, good), *others = self.links
        when = "" if serves else " (with --serve, while the node serves)"
        say(f"\nscan it, or open it in a browser{when}: a consumer's link")
        say(good)
        segno.make(good, error="l", micro=False).terminal(compact=True, border=2)
        say("three more that are worth opening")
        for why, link in others:
            say(f"  {why}:\n{link}")

    def _frozen_of(self, shop: Enterprise) -> Lot:
        bought = {row["批号"] for row in self.trade.purchases[shop]}
        return next(lot for lot in self.trade.imports if lot.number in bought)

    def _voucher(self, shop: Enterprise, lot: Lot) -> tuple[Query, str]:
        """A voucher for the shop's goods, the question that it lets a consumer ask, and the link that holds it."""
        secret = os.urandom(codes.VOUCHER_BYTES)
        position = {"lot": lot.id, "site": shop.site, "voucher": voucher_hash(secret)}
        self.stage.act(shop, build.act(r.Voucher, at=clock_ms(), **position))
        link = codes.link(lot.product.gtin, f"#{lot.number}", secret, self.stage.connection().web)
        return codes.parse_scan(link).query(), link

    def _show(self, shop: Enterprise, lot: Lot, expected: Verdict, why: str) -> None:
        """What a consumer of this shop sees; it must be what is expected."""
        query, link = self._voucher(shop, lot)
        self.links.append((why, link))
        proven = self._fetch_and_verify(query, self.stage.data / f"proof-{expected.name.lower()}.suyuan", lot)
        if proven.verdict != expected:
            raise SystemExit(f"{why}: the proof should say {expected.name}, and says {proven.verdict.name}")

    def _fetch_and_verify(self, query: Query, file: Path, lot: Lot) -> Proven:
        """Fetch a proof into a file, then verify that file with nothing but the policy."""
        with Client(self.stage.connection()) as reader:
            proof = reader.product_proof(query.product, query.lot, query.voucher, query.site)
        file.write_bytes(f.to_file(proof))
        trusted = parse_policy((self.stage.node / "policy.txt").read_text())
        proven = verify_product(trusted, query, f.from_file(file.read_bytes()), None)
        way = " ← ".join(_place(proven, position) for position in proven.way)
        say(f"proof of {lot.product.name} {lot.number}: {len(proof):,} bytes in {file.name}")
        say(f"  verified offline: {proven.verdict.name.replace('_', ' ')}; way: {way}")
        return proven

    def totals(self) -> None:
        info = self.stage.client(self.world.regulator).node_info()
        products = len(self.world.products)
        say("\ntotals")
        say(f"  members {len(self.stage.everybody)}, products {products} (cases of {CANS_A_CASE} cans)")
        rows = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        say(f"  rows {rows}; other records {self.stage.records:,}")
        say("  they became " + ", ".join(f"{count:,} {name}" for name, count in self.acts.most_common()))
        for what, count in self.happenings.told.items():
            say(f"  {what}: {count}")
        say(f"  blocks {info.height:,}, log leaves {info.size:,}, chain {info.chain_id.hex()[:16]}…")
        say("  rows that were not booked, and why:")
        for who, row in self.bad[:REASONS_SHOWN_MAX]:
            say(f"    {who.name}, {row}")
        if len(self.bad) > REASONS_SHOWN_MAX:
            say(f"    … and {len(self.bad) - REASONS_SHOWN_MAX} more of the same kinds")

    def audit(self) -> None:
        """A regulator replays the whole chain from its blocks, while the node serves."""
        findings = audit_folder(self.stage.node, lambda height, records: None)
        self.step(f"audited: {sum(one.holds for one in findings)} of {len(findings)} checks hold")
        for finding in findings:
            if not finding.holds:
                raise SystemExit(f"the audit fails: {finding.check}: {finding.detail}")

    def serve(self) -> None:
        connection = self.stage.connection()
        say(f"\nserving: pages at {connection.web}, members at {connection.members},")
        say(f"readers at {connection.readers}; Ctrl-C ends it")
        try:
            self.stage.wait()
        except KeyboardInterrupt:
            say("")


def _place(proven: Proven, position: Position) -> str:
    """The owner, and who keeps the goods if that is another."""
    keeper = position.site.partition("/")[0]
    stored = "" if keeper == position.owner else f" (in {proven.members[keeper].name})"
    return proven.members[position.owner].name + stored


def ports(grpc: int, http: int) -> dict[str, int]:
    """The ports that the node is told to listen at, by what for; those that are left out are free ones."""
    readers = "the next one behind --grpc, for readers"
    named = {"--grpc, for members": grpc, readers: grpc and grpc + 1, "--http": http}
    return {what: port for what, port in named.items() if port}


def trouble(named: dict[str, int]) -> str:
    """Why the node could not listen there; empty where it can."""
    seen: dict[int, str] = {}
    for what, port in named.items():
        if port in seen:
            return f"port {port} is both {seen[port]} and {what}: name another"
        seen[port] = what
        try:
            with socket.create_server(("127.0.0.1", port)):
                pass
        except (OSError, OverflowError) as error:
            return f"port {port} ({what}) cannot be used: {error}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="keep serving at the end, also without a terminal")
    parser.add_argument("--grpc", type=int, default=0, metavar="PORT", help="members' port; readers get the next one")
    parser.add_argument(
        "--http", type=int, default=0, metavar="PORT", help="port of the pages; a free one if left out"
    )
    parser.add_argument("--data", type=Path, help="an empty or new folder; a temporary one if left out")
    given = parser.parse_args()
    wrong = trouble(ports(given.grpc, given.http))
    if wrong:
        parser.error(wrong)
    data = given.data or Path(tempfile.mkdtemp(prefix="suyuan-demo-"))
    if (data / "node").exists():
        parser.error(f"{data} holds a demonstration already, or one that did not start; remove it, or name another")
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it in the background
        signal.signal(number, signal.default_int_handler)
    demo = Demo(data.absolute(), given.grpc, given.http)
    try:
        demo.set_up()
        demo.import_books()
        demo.totals()
        demo.prove()
        demo.audit()
        serves = given.serve or sys.stdout.isatty()
        demo.point(serves)
        if serves:
            demo.serve()
    except KeyboardInterrupt:
        say("\ninterrupted")
    finally:
        demo.stage.stop()


if __name__ == "__main__":
    main()
