"""A sales book of a million rows into a node by `suyuan import`, end to end: read, planned, signed, sent, booked, and
every receipt verified.

python -m bench.imports [--rows 1000000]

The book is one dealer's: 2,000 lots to 200 member shops in cases and to consumers in cans, with document and line
numbers. It is imported by the command in a process of its own, then once more, which books nothing. Memory is the
peak of the importing process, for this book and for one of a tenth of its rows.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from bench import world
from client_sdk import build, keys
from demo.world import CANS_A_CASE, gtin, uscc
from ledger import records as r

HEADERS = (
    "日期", "单据号", "行号", "商品名称", "商品条码", "规格", "单位", "数量", "生产日期", "批号", "保质期",
    "检验检疫证明号", "客户名称", "客户信用代码",
)  # fmt: skip


def write(trade: world.Trade, path: Path, rows: int, cases: dict[str, str]) -> None:
    """Ten lines a document; two of three documents are a shop's."""
    random = trade.random
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for number in range(rows):
            if number % 10 == 0:
                shop = random.choice(trade.shops) if number // 10 % 3 else None
            product, _, lot = random.choice(trade.lots).partition("#")
            what = [cases[product], f"800g*{CANS_A_CASE}罐/箱", "箱"] if shop else [product, "800g/罐", "罐"]
            party = [f"{shop.member[-6:]}店", shop.member] if shop else ["消费者", ""]
            document = [f"2026-01-{1 + number * 28 // rows:02d}", f"{path.stem}-{number // 10:07d}", number % 10 + 1]
            quantity = random.randrange(1, 5)
            writer.writerow(
                [*document, "婴幼儿配方乳粉", *what, quantity, "2026-01-01", lot, "730", "", *party]
            )  # fmt: skip


def run(home: Path, path: Path) -> tuple[float, resource.struct_rusage, dict[str, object]]:
    """(seconds, what the process used, what it said) of one `suyuan import`."""
    command = [sys.executable, "-m", "client_sdk.commands", "import", str(path), "-i", str(home), "--json"]
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: world.PASSPHRASE}
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    told = process.stdout.read() if process.stdout is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"the import ended with {os.waitstatus_to_exitcode(status)}: {told[-500:]}")
    return seconds, usage, json.loads(told.splitlines()[-1])


def dealer_of(node: world.Node, trade: world.Trade) -> Path:
    """A dealer with an identity folder, as a member has it, in place of the load's first."""
    home = node.folder / "dealer"
    trade.dealers[0] = keys.create(home, uscc(Random(99)), "经销商", "enterprise", "CN-33", world.PASSPHRASE)
    member = trade.dealers[0].member
    data = str(node.folder / "node")
    world.operate("certify", data, str(home / "tls.csr"), "--member", member, "-o", str(home / "tls.crt"))
    world.operate("connection", data, "-o", str(home / "node.json"))
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    node = world.start()
    trade = world.Trade(node)
    home = dealer_of(node, trade)
    trade.prepare()
    cases = {product: gtin(trade.random, indicator=1) for product in trade.products}
    declared = {"at": trade.now, "declared_by": r.DeclaredBy.MAKER, "maker": trade.maker.member, "name": "乳粉"}
    levels = [build.act(r.Register, base=b, contains=CANS_A_CASE, product=c, **declared) for b, c in cases.items()]
    trade.book(trade.maker, levels)
    peaks = []
    for rows in (given.rows // 10, given.rows):
        path = node.folder / f"XS{rows}.csv"
        write(trade, path, rows, cases)
        seconds, used, told = run(home, path)
        if told["booked"] != rows:
            raise SystemExit(f"not all rows were booked: {told}")
        peak, busy = used.ru_maxrss // 1024, (used.ru_utime + used.ru_stime) / rows * 1e6
        told_of = f"{rows / seconds:>8,.0f} rows/s, {busy:.0f} us of its own core a row, peak memory {peak} MB"
        print(f"book of {rows:>9,} rows     {told_of}", flush=True)
        peaks.append(peak)
    print(f"ten times the rows         {peaks[1] / peaks[0]:>8.2f} x the memory")
    seconds, _, told = run(home, path)
    print(
        f"imported once more         {given.rows / seconds:>8,.0f} rows/s, {told['already_booked']:,} booked before"
    )
    node.stop()


if __name__ == "__main__":
    main()
