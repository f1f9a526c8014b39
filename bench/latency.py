"""From submit to durable, verified receipt at a given rate: envelopes sent by the clock, answers timed one by one.

python -m bench.latency [--rate 1000] [--seconds 20] [--size 1]
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator

from bench import world
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client


def paced(envelopes: list[SignedEnvelope], rate: float, sent: dict[bytes, float]) -> Iterator[SignedEnvelope]:
    """Hands out envelopes at a constant rate, and notes when."""
    begun = time.perf_counter()
    for number, envelope in enumerate(envelopes):
        wait = begun + number / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sent[envelope.id] = time.perf_counter()
        yield envelope


def timed(client: Client, envelopes: list[SignedEnvelope], rate: float) -> list[float]:
    """Milliseconds from submit to verified receipt of each envelope, the shortest first."""
    gc.collect()
    gc.freeze()  # the envelopes made beforehand are not what is measured
    sys.setswitchinterval(0.0002)  # the pacing thread must not wait 5 ms for the one that verifies receipts
    sent: dict[bytes, float] = {}
    taken = []
    for envelope, result in client.submit_stream(paced(envelopes, rate, sent)):
        if isinstance(result, Exception):
            raise result
        taken.append((time.perf_counter() - sent[envelope.id]) * 1000)
    return sorted(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000, help="envelopes a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", type=int, default=1, help="records an envelope")
    given = parser.parse_args()
    node = world.start()
    trade = world.Trade(node)
    trade.prepare()
    count = int(given.rate * given.seconds)
    envelopes = list(trade.envelopes(count * given.size, given.size))[:count]
    taken = timed(node.client, envelopes, given.rate)
    node.stop()
    points = {name: taken[int(len(taken) * share)] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    shown = ", ".join(f"{name} {value:.1f} ms" for name, value in points.items())
    print(f"{given.rate:,.0f} envelopes of {given.size} a second: {shown}, max {taken[-1]:.1f} ms")


if __name__ == "__main__":
    main()
