"""Records a second through one node and one client on this machine; then disk, memory, start, rebuild, audit.

python -m bench.throughput [--records 1000000] [--size 100] [--acts trade|all]
"""

import argparse
import subprocess
import sys
import time

from bench import acts, world
from bench.micro import floor_us

WINDOW = 50_000


LOADS = {"trade": world.Trade.envelopes, "all": acts.envelopes}


def flow(trade: world.Trade, load: str, records: int, size: int) -> tuple[float, list[float], int]:
    """(records/s overall, records/s of each window of 50,000, bytes submitted)."""
    done, sent, windows = 0, 0, []
    begun = marked = time.perf_counter()
    for envelope, result in trade.node.client.submit_stream(LOADS[load](trade, records, size)):
        if isinstance(result, Exception):
            raise result
        done += len(envelope.hashes)
        sent += len(envelope.wire)
        if done // WINDOW > len(windows):
            now = time.perf_counter()
            windows.append(WINDOW / (now - marked))
            marked = now
    return done / (time.perf_counter() - begun), windows, sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=100, help="records an envelope")
    parser.add_argument("--acts", choices=LOADS, default="trade", help="trade as it is planned, or every act")
    given = parser.parse_args()
    floor = 1e6 / floor_us()["floor"]
    print(f"floor of one core (bench.micro)       {floor:>10,.0f} records/s")
    node = world.start()
    trade = world.Trade(node)
    trade.prepare()
    before = node.disk_bytes()
    rate, windows, sent = flow(trade, given.acts, given.records, given.size)
    name = f"{given.acts}, envelopes of {given.size}, {given.records:,} records"
    print(f"{name:<38} {rate:>10,.0f} records/s, {rate / floor:.2f} of the floor")
    if len(windows) > 1:
        fifth = len(windows) // 5 or 1
        print(
            f"last 50,000 against the first          {windows[-1] / windows[0]:>10.0%}  (first {windows[0]:,.0f}/s)"
        )
        print(f"last fifth against the first fifth     {sum(windows[-fifth:]) / sum(windows[:fifth]):>10.0%}")
    print(f"memory of the node                     {node.memory_mb():>10,} MB")
    node.stop()
    print(f"disk per byte submitted                {(node.disk_bytes() - before) / sent:>10.2f}")
    _after(node, given.records)


def _after(node: world.Node, records: int) -> None:
    """Start, rebuild and audit of what was written."""
    begun = time.perf_counter()
    again = world.restart(node.folder)
    print(f"start until it serves                  {time.perf_counter() - begun:>10.2f} s")
    again.stop()
    begun = time.perf_counter()
    command = [sys.executable, "-m", "client_sdk.commands", "audit", str(node.folder / "node")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(f"audit                                  {records / (time.perf_counter() - begun):>10,.0f} records/s")
    begun = time.perf_counter()
    world.operate("rebuild", str(node.folder / "node"))
    print(f"rebuild of the index                   {records / (time.perf_counter() - begun):>10,.0f} records/s")


if __name__ == "__main__":
    main()
