"""Books of a million rows into a node by `suyuan import`, end to end: read, planned, signed, sent, booked, and every
receipt verified.

python -m bench.imports [--kind sales|purchases] [--rows 1000000] [--prices]

The books are one dealer's. Sales: 2,000 lots, two of three documents to 200 member shops (cases, by their own code
or by the can's with the specification), the others to consumers, of which some number no documents; some goods come
back, some rows cannot be booked. Purchases: as many open ships of the maker, answered whole and in part, and what it
had not booked yet. Each book is imported by the command in a process of its own, after one of a tenth of its rows,
and once more, which books nothing. Memory is the peak of the importing process. With --prices each row has something
private. Without --kind both.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from bench import world
from bench.micro import floor_us
from client_sdk import build, keys
from demo.world import CANS_A_CASE, gtin, uscc
from ledger import records as r

HEADERS = ("日期", "单据号", "行号", "商品名称", "商品条码", "规格", "单位", "数量", "生产日期", "批号", "保质期")
LINES_A_DOCUMENT = 10
BAD_EVERY, BACK_EVERY, NAMELESS_EVERY = 1009, 499, 20  # rows; rows; documents of consumers
LATE_EVERY = 50  # deliveries that the maker has not booked
PARTIES = {"sales": "客户", "purchases": "供应商"}
Book = Callable[[str, int], Iterator[list[object]]]


def write(path: Path, party: str, rows: Iterator[list[object]], prices: bool) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADERS, f"{party}名称", f"{party}信用代码", *(["单价", "联系方式"] if prices else [])])
        for number, row in enumerate(rows):
            writer.writerow([*row, *([f"{100 + number % 99}.50", "13800000000"] if prices else [])])


def sales(trade: world.Trade, name: str, rows: int, cases: dict[str, str]) -> Iterator[list[object]]:
    random = trade.random
    shop = None
    for number in range(rows):
        document = number // LINES_A_DOCUMENT
        if number % LINES_A_DOCUMENT == 0:
            shop = random.choice(trade.shops) if document % 3 else None
        product, _, lot = random.choice(trade.lots).partition("#")
        by_case = [cases[product], f"800g*{CANS_A_CASE}罐/箱", "箱"] if number % 2 else [product, "800g*6罐/箱", "箱"]
        what = by_case if shop else [product, "800g/罐", "罐"]
        party = [f"{shop.member[-6:]}店", shop.member] if shop else ["消费者", ""]
        nameless = shop is None and document % NAMELESS_EVERY == 0
        numbers = ["", ""] if nameless else [f"{name}-{document:07d}", number % LINES_A_DOCUMENT + 1]
        quantity: object = -1 if shop is None and number % BACK_EVERY == 0 else random.randrange(1, 5)
        quantity = "少量" if number % BAD_EVERY == BAD_EVERY - 1 else quantity
        day = f"2026-01-{1 + number * 28 // rows:02d}"
        yield [day, *numbers, "婴幼儿配方乳粉", *what, quantity, "2026-01-01", lot, "730", *party]


def purchases(trade: world.Trade, name: str, rows: int) -> Iterator[list[object]]:
    """Ships of the maker to the dealer, then the dealer's rows of them; some the maker has not booked yet."""
    random = trade.random
    deliveries = [(random.choice(trade.lots), random.randrange(1, 50)) for _ in range(rows)]
    booked = [one for number, one in enumerate(deliveries) if number % LATE_EVERY]
    for start in range(0, len(booked), 10_000):
        part = booked[start : start + 10_000]
        trade.book(trade.maker, [trade.ship(trade.maker, trade.dealers[0], lot, n) for lot, n in part])
    for number, (whole, quantity) in enumerate(deliveries):
        product, _, lot = whole.partition("#")
        numbers = [f"{name}-{number // LINES_A_DOCUMENT:07d}", number % LINES_A_DOCUMENT + 1]
        less = quantity - 1 if number % 7 == 0 and quantity > 1 else quantity
        what = [product, "800g/罐", "罐", less, "2026-01-01", lot, "730"]
        yield ["2026-01-02", *numbers, "婴幼儿配方乳粉", *what, "乳业", trade.maker.member]


def run(home: Path, path: Path) -> tuple[float, resource.struct_rusage, dict[str, int]]:
    """(seconds, what the process used, what it said) of one `suyuan import`."""
    command = [sys.executable, "-m", "client_sdk.commands", "import", str(path), "-i", str(home), "--json"]
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: world.PASSPHRASE}
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "--no-opening-stock"], stdout=subprocess.PIPE, env=environment, text=True)
    told = process.stdout.read() if process.stdout is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if os.waitstatus_to_exitcode(status) not in (0, 1) or not told:
        raise SystemExit(f"the import ended with {os.waitstatus_to_exitcode(status)}: {told[-500:]}")
    return seconds, usage, json.loads(told.splitlines()[-1])


def busy_seconds(node: world.Node) -> float:
    """What a node has used of a core so far."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(name: str, node: world.Node, home: Path, path: Path, rows: int, floor: float) -> int:
    """Import a book, print what it took, and return the peak of memory in MB."""
    before = busy_seconds(node)
    seconds, used, told = run(home, path)
    its = (busy_seconds(node) - before) / rows * 1e6
    if told["rows"] != rows or told["booked"] + told["bad"] + told["already_booked"] != rows or not told["booked"]:
        raise SystemExit(f"not all rows were booked: {told}")
    if told["bad"] > rows // BAD_EVERY + rows // BACK_EVERY + 1:
        raise SystemExit(f"more rows are bad than were made so: {told}")
    own, peak = (used.ru_utime + used.ru_stime) / rows * 1e6, used.ru_maxrss // 1024
    busy = f"of a core {own:.0f} us a row, the node {its:.0f} us; peak memory {peak} MB; {told['bad']:,} bad"
    speed = f"{rows / seconds:>8,.0f} rows/s ({rows / seconds / floor:.3f} of the floor)"
    print(f"{name:<9} {rows:>9,} rows    {speed}; {busy}", flush=True)
    return peak


def book(kind: str, node: world.Node, home: Path, book_of: Book, given: argparse.Namespace, floor: float) -> None:
    """A book of a tenth of the rows, one of all, and that once more."""
    peaks = []
    for rows in (given.rows // 10, given.rows):
        path = node.folder / f"{kind}{rows}.csv"
        write(path, PARTIES[kind], book_of(path.stem, rows), given.prices)
        peaks.append(measured(kind, node, home, path, rows, floor))
    print(f"ten times the rows            {peaks[1] / peaks[0]:>8.2f} x the memory")
    seconds, _, told = run(home, path)
    once_more = f"{given.rows / seconds:>8,.0f} rows/s, {told['already_booked']:,} booked before"
    print(f"imported once more            {once_more}, {told['booked']} booked", flush=True)


def dealer_of(node: world.Node, trade: world.Trade) -> Path:
    """A dealer with an identity folder, as a member has it, in place of the load's first."""
    home = node.folder / "dealer"
    trade.dealers[0] = keys.create(home, uscc(Random(99)), "经销商", "enterprise", "CN-33", world.PASSPHRASE)
    member = trade.dealers[0].member
    data = str(node.folder / "node")
    world.operate("certify", data, str(home / "tls.csr"), "--member", member, "-o", str(home / "tls.crt"))
    world.operate("connection", data, "-o", str(home / "node.json"))
    return home


def declare_cases(trade: world.Trade) -> dict[str, str]:
    """The code of each product's case."""
    cases = {product: gtin(trade.random, indicator=1) for product in trade.products}
    declared = {"at": trade.now, "declared_by": r.DeclaredBy.MAKER, "maker": trade.maker.member, "name": "乳粉"}
    levels = [build.act(r.Register, base=b, contains=CANS_A_CASE, product=c, **declared) for b, c in cases.items()]
    trade.book(trade.maker, levels)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=PARTIES)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--prices", action="store_true", help="each row has a price and a contact")
    given = parser.parse_args()
    floor = 1e6 / floor_us()["floor"]
    print(f"floor of one core (bench.micro) {floor:>10,.0f} records/s")
    node = world.start()
    trade = world.Trade(node)
    home = dealer_of(node, trade)
    trade.prepare()
    cases = declare_cases(trade)
    books: dict[str, Book] = {
        "sales": lambda name, rows: sales(trade, name, rows, cases),
        "purchases": lambda name, rows: purchases(trade, name, rows),
    }
    for kind in [given.kind] if given.kind else list(PARTIES):
        book(kind, node, home, books[kind], given, floor)
    node.stop()


if __name__ == "__main__":
    main()
