"""Two hundred members at once, each over its own TLS connection, driven by locust over gRPC.

python -m bench.load [--members 200] [--seconds 30]

First as fast as answers come, which gives the top load; then at half of it, by the clock, which gives the latency
that members see. An answer is a durable receipt, verified. Every error is counted by its kind: only
RESOURCE_EXHAUSTED with a retry hint may occur. At the end each member's last receipt is asked for once more.
"""

import gevent.monkey

gevent.monkey.patch_all()

import grpc.experimental.gevent as grpc_gevent  # noqa: E402

grpc_gevent.init_gevent()

import argparse  # noqa: E402
import datetime as dt  # noqa: E402
import logging  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from typing import ClassVar  # noqa: E402

import gevent  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from locust import User, constant_throughput, task  # noqa: E402
from locust.env import Environment  # noqa: E402
from msgspec import structs  # noqa: E402

from bench import world  # noqa: E402
from client_sdk import build, errors  # noqa: E402
from client_sdk.build import SignedEnvelope  # noqa: E402
from client_sdk.client import Client  # noqa: E402
from client_sdk.keys import Identity  # noqa: E402
from node import tls  # noqa: E402

SIZES = (
    1,
    1,
    1,
    1,
    1,
    1,
    10,
    10,
    10,
    100,
)  # records an envelope: mostly a till, sometimes a delivery or a day's book
STOCK = 10**7
ENVELOPES_AHEAD = 64  # signed before they are needed, so that signing is not what is measured


def certified(node: world.Node, who: Identity) -> Identity:
    """The identity with a client certificate of this node."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who.member)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    issued = tls.certify(
        node.folder / "node" / "keys", request.public_bytes(pem), who.member, dt.datetime.now(dt.UTC)
    )
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return structs.replace(who, tls=(private, issued))


class Shop:
    """One member: its connection, what it sells, and what became of it."""

    def __init__(self, trade: world.Trade, who: Identity, lots: list[str]) -> None:
        self.trade, self.lots = trade, lots
        self.who = certified(trade.node, who)
        self.client = Client(trade.node.connection, self.who)
        self.last: SignedEnvelope | None = None
        self._ahead: list[SignedEnvelope] = []
        self.refill()

    def refill(self) -> None:
        while len(self._ahead) < ENVELOPES_AHEAD:
            sold = {"at": self.trade.now, "site": self.who.site, "quantity": 1}
            lots = self.trade.random.choices(self.lots, k=self.trade.random.choice(SIZES))
            acts = [build.sell(lot=lot, ref=self.trade.ref("LS"), **sold) for lot in lots]
            self._ahead.append(self.trade.signed(self.who, acts))

    def submit(self) -> int:
        """One envelope, until it is durable; how many records it held."""
        if not self._ahead:
            self.refill()
        envelope = self._ahead.pop()
        self.client.submit_envelope(envelope)
        self.last = envelope
        return len(envelope.hashes)


class Member(User):
    """What locust runs two hundred of."""

    shops: ClassVar[list[Shop]] = []
    records: ClassVar[Counter[str]] = Counter()
    kinds: ClassVar[Counter[str]] = Counter()
    stagger_s: ClassVar[float] = 0  # members do not all begin in one moment

    def on_start(self) -> None:
        self.shop = self.shops.pop()
        gevent.sleep(self.shop.trade.random.random() * self.stagger_s)

    def on_stop(self) -> None:
        self.shops.append(self.shop)

    @task
    def sell(self) -> None:
        begun = time.perf_counter()
        failure: Exception | None = None
        records = 0
        try:
            records = self.shop.submit()
        except errors.Overloaded as error:
            self.kinds[f"RESOURCE_EXHAUSTED, retry after {error.retry_after_ms} ms"] += 1
            gevent.sleep(error.retry_after_ms / 1000)
            return
        except errors.ClientError as error:
            failure = error
            self.kinds[f"{type(error).__name__}: {error}"] += 1
        self.records["accepted"] += records
        taken_ms = (time.perf_counter() - begun) * 1000
        self.environment.events.request.fire(
            request_type="grpc", name="Submit", response_time=taken_ms, response_length=records, exception=failure
        )


def run(members: int, seconds: float, rate: float | None) -> tuple[float, Environment]:
    """(envelopes a second, locust's statistics) of one phase; `rate` in envelopes a second of all members."""
    Member.wait_time = constant_throughput(rate / members) if rate is not None else lambda self: 0
    Member.stagger_s = members / rate if rate is not None else 0
    Member.records.clear()
    Member.kinds.clear()
    environment = Environment(user_classes=[Member])
    runner = environment.create_local_runner()
    runner.start(members, spawn_rate=100)
    gevent.sleep(seconds / 4)  # until all are connected
    environment.stats.reset_all()
    begun = time.perf_counter()
    gevent.sleep(seconds)
    total = environment.stats.total
    reached = total.num_requests / (time.perf_counter() - begun)
    runner.quit()
    return reached, environment


def tell(name: str, reached: float, environment: Environment) -> None:
    total = environment.stats.total
    points = ", ".join(
        f"p{share:.0f} {total.get_response_time_percentile(share / 100):.0f} ms" for share in (50, 95, 99)
    )
    print(f"{name:<22} {reached:>8,.0f} envelopes/s, {Member.records['accepted']:,} records; {points}", flush=True)
    for kind, count in Member.kinds.items():
        print(f"{'':<22} {count:>8,} x {kind}")
    if not Member.kinds:
        print(f"{'':<22} no errors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    logging.getLogger("locust").setLevel(logging.WARNING)
    node = world.start()
    trade = world.Trade(node, shops=given.members)
    trade.prepare()
    Member.shops = [Shop(trade, who, trade.lots[:20]) for who in trade.shops]
    stock(trade, trade.lots[:20])
    top, environment = run(given.members, given.seconds, None)
    tell(f"{given.members} members, top load", top, environment)
    reached, environment = run(given.members, given.seconds, top / 2)
    tell("at half of it", reached, environment)
    print(f"receipts found again     {verified(Member.shops):>7,} members' last ones")
    node.stop()


def stock(trade: world.Trade, lots: list[str]) -> None:
    """Each shop gets plenty of some lots."""
    made = {"at": trade.now, "quantity": STOCK}
    for shop in trade.shops:
        trade.book(shop, [build.enter(lot=lot, ref=trade.ref("QC"), site=shop.site, **made) for lot in lots])


def verified(shops: list[Shop]) -> int:
    done = [shop.client.receipt(shop.last) for shop in shops if shop.last is not None]
    return len(done)


if __name__ == "__main__":
    main()
