"""Four validators and one client on this machine: how fast, how soon, how large. In the same run a node by itself,
and CometBFT's own kvstore application under the same settings and transaction sizes, so both costs stand as ratios.

python -m bench.cluster [--quick] [--records 200000] [--port 7700] [--cometbft PROGRAM]
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bench import kvstore, latency, scrape, world
from client_sdk import keys
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from demo.localnet import founding
from demo.localnet.net import Localnet
from node.engine.cometbft.home import FOLDER
from node.engine.cometbft.process import PID
from node.engine.cometbft.transactions import pack

VALIDATORS = 4
RATE = 500  # records/s at which receipts are timed
ROOT = Path(__file__).resolve().parents[1]
SETTLED_SECONDS = 600


class Load(Struct, frozen=True):
    """How many records are sent in envelopes of 100 and of 1, for how long at a rate, and about how many lots."""

    records: int
    ones: int
    seconds: float
    lots: int


class Figures(Struct):
    """By envelope size: records/s, and the sizes in bytes of what was sent, packed as they travel."""

    rates: dict[int, float]
    packed: dict[int, list[int]]


def tell(what: str, value: str) -> None:
    print(f"{what:<56} {value}", flush=True)


def share(taken_ms: list[float]) -> str:
    return f"p50 {taken_ms[len(taken_ms) // 2]:>5,.0f} ms, p99 {taken_ms[len(taken_ms) * 99 // 100]:>5,.0f} ms"


def measure(name: str, desk: world.Desk, data: Path, load: Load) -> Figures:
    """Send the load to the node in `data`, and say how fast and how soon it was answered."""
    trade = world.Trade(desk, lots=load.lots)
    trade.prepare()
    found = Figures({}, {})
    for size, records in ((100, load.records), (1, load.ones)):
        envelopes = list(trade.envelopes(records, size))
        found.packed[size] = [len(pack([one.wire])) for one in envelopes]
        found.rates[size] = sent(desk.client, envelopes)
        bytes_a_record = sum(found.packed[size]) / len(envelopes) / size
        tell(
            f"{name}, envelopes of {size}", f"{found.rates[size]:>8,.0f} records/s of {bytes_a_record:,.0f} B packed"
        )
    for size in (10, 1):
        count = int(load.seconds * RATE) // size
        envelopes = list(trade.envelopes(count * size, size))[:count]
        found.packed.setdefault(size, [len(pack([one.wire])) for one in envelopes])
        before = scrape.Histogram.read(data, "suyuan_final_seconds")
        taken_ms = latency.timed(desk.client, envelopes, RATE / size)
        final = scrape.Histogram.read(data, "suyuan_final_seconds").since(before)
        bounds = f"p50 {final.within_ms(0.5):>5,.0f} ms, p99 {final.within_ms(0.99):>5,.0f} ms, at most"
        tell(f"{name}, {RATE} records/s in {size}s, until final", bounds)
        tell(f"{name}, {RATE} records/s in {size}s, until witnessed", share(taken_ms))
    return found


def sent(client: Client, envelopes: list[SignedEnvelope]) -> float:
    """Records a second; each is accepted, and its receipt verified."""
    begun = time.perf_counter()
    for _, result in client.submit_stream(envelopes):
        if isinstance(result, Exception):
            raise result
    return sum(len(one.hashes) for one in envelopes) / (time.perf_counter() - begun)


def alone(folder: Path, load: Load) -> Figures:
    """A node by itself."""
    node = world.start(folder)
    try:
        return measure("one node", node, folder / "node", load)
    finally:
        node.stop()


@contextmanager
def running(folder: Path, port: int, program: Path) -> Iterator[Localnet]:
    founding.found(folder, VALIDATORS, port, program)
    net = Localnet(folder)
    try:
        net.start()
        net.wait_ready()
        yield net
    finally:
        net.stop()


def network(net: Localnet, load: Load) -> Figures:
    identity = keys.open_folder(net.folder / "members/regulator", founding.PASSPHRASE)[1]
    connection = net.connection(1)
    with Client(connection, identity) as client:
        found = measure("network", world.Desk(net.folder, connection, client, identity), net.data(1), load)
    settle(net)
    return found


def leaves(net: Localnet, number: int) -> int:
    return scrape.value(net.data(number), "suyuan_log_leaves")


def settle(net: Localnet) -> None:
    """Until all nodes stand at the same leaf."""
    wait(lambda: len({leaves(net, number) for number in net.numbers}) == 1, "the nodes do not agree")


def wait(holds: Callable[[], bool], trouble: str) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"{trouble} after {SETTLED_SECONDS} s")
        time.sleep(0.02)


def sizes(net: Localnet, records: int) -> None:
    """Memory and disk of each node."""
    for number in net.numbers:
        data, pid = net.data(number), net.standing(number).pid
        assert pid is not None
        mb = {
            "application": scrape.memory_mb(pid),
            "CometBFT": scrape.memory_mb(int((data / FOLDER / PID).read_text())),
        }
        tell(f"node {number} at {records:,} records, memory", _parts(mb, "MB"))
        comet = scrape.disk_bytes(data / FOLDER)
        disk = {"ledger": (scrape.disk_bytes(data) - comet) / records, "CometBFT": comet / records}
        tell(f"node {number} at {records:,} records, disk", _parts(disk, "B a record"))


def _parts(of: dict[str, float], unit: str) -> str:
    return f"{sum(of.values()):>8,.0f} {unit} ({', '.join(f'{name} {value:,.0f}' for name, value in of.items())})"


def catch_up(net: Localnet, records: int) -> None:
    """The last node gives its copy away, and fetches everything from the others."""
    number, before = VALIDATORS, leaves(net, 1)
    net.kill(number)
    world.operate("resync", str(net.data(number)))
    begun = time.perf_counter()
    net.start(number)
    wait((net.data(number) / "endpoints.json").exists, "the node does not serve")
    wait(lambda: leaves(net, number) > 0, "the node fetches nothing")
    first = time.perf_counter()
    wait(lambda: leaves(net, number) >= before, "the node does not catch up")
    rate = records / (time.perf_counter() - first)
    tell("catching up", f"{rate:>8,.0f} records/s, the first block {first - begun:.1f} s after the start")


def floor(folder: Path, net: Localnet, program: Path, found: Figures) -> None:
    """The same transactions, by their size, through the kvstore application; and what ours reached of it."""
    homes = [net.data(number) / FOLDER for number in net.numbers]
    with kvstore.Network(folder, homes, program) as network:
        network.run(found.packed[1][:10])  # until it serves
        for size in (100, 1):
            rate, _ = network.run(found.packed[size])
            reached = found.rates[size] / (rate * size)
            tell(f"kvstore, transactions as of {size}", f"{rate:>8,.0f}/s; the network reached {reached:.2f} of it")
        for size in (10, 1):
            _, taken_ms = network.run(found.packed[size], RATE / size)
            tell(f"kvstore, {RATE / size:,.0f}/s as of {size}, until final", share(taken_ms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="whether it runs, not how fast")
    parser.add_argument("--records", type=int, default=200_000, help="in envelopes of 100")
    parser.add_argument("--port", type=int, default=7700, help="the first of the network's ports")
    parser.add_argument("--cometbft", type=Path, help="its program; by default scripts/cometbft says")
    given = parser.parse_args()
    load = Load(1_000, 100, 1, 100) if given.quick else Load(given.records, 10_000, 20, world.LOTS)
    program = given.cometbft or Path(subprocess.check_output([ROOT / "scripts/cometbft"], text=True).strip())
    with tempfile.TemporaryDirectory(prefix="suyuan-") as made:
        folder = Path(made)
        single = alone(folder / "alone", load)
        with running(folder / "net", given.port, program) as net:
            found = network(net, load)
            for size in (100, 1):
                ratio = found.rates[size] / single.rates[size]
                tell(f"network against one node, envelopes of {size}", f"{ratio:>8.2f}")
            records = scrape.value(net.data(1), "suyuan_records_total")
            sizes(net, records)
            catch_up(net, records)
        floor(folder, net, program, found)


if __name__ == "__main__":
    main()
