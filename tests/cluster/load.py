"""Clients that sell over all nodes at once. Each envelope goes to one node after another, as the same bytes, until it
is acknowledged: so every one of them must stand in the ledger once, whatever happens meanwhile."""

import itertools
import time
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from client_sdk import build, errors
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.errors import SuyuanError
from tests.cluster.threads import Threads
from tests.world import LOT, MAKER

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster

ACKNOWLEDGED_SECONDS = 90
PAUSE_SECONDS = 0.05
REFS = itertools.count()


@dataclass
class Load:
    """The sales of one member by `clients` clients, each with a node of its own that it asks first. Use as a context
    manager: at its end nothing is left without an answer."""

    cluster: "Cluster"
    seed: int
    clients: int = 4
    nodes: tuple[int, ...] = ()
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._threads = Threads(self._sell, range(self.clients))

    def __enter__(self) -> "Load":
        self._threads.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.end()
        if error is None:
            assert self.failures == []

    def goes_on(self, more: int = 5) -> None:
        """Wait until so many more envelopes are acknowledged."""
        wanted = len(self.cluster.acknowledged) + more
        self.cluster.wait_until(
            lambda: len(self.cluster.acknowledged) >= wanted, lambda: f"the load stands still: {self.failures}"
        )

    def _sell(self, number: int) -> None:
        random = Random(self.seed * 1000 + number)
        nodes = list(self.nodes or self.cluster.net.numbers)
        nodes = nodes[number % len(nodes) :] + nodes[: number % len(nodes)]
        with Seller(self.cluster, nodes) as seller:
            while not self._threads.stopped.wait(PAUSE_SECONDS):
                try:
                    seller.sell(random.randint(1, 4))
                except (SuyuanError, pytest.fail.Exception) as error:
                    self.failures.append(str(error))
                    return


class Seller:
    """One client, with a connection to each node that it needed so far."""

    def __init__(self, cluster: "Cluster", nodes: list[int]) -> None:
        self._cluster, self._nodes = cluster, nodes
        self._clients: dict[int, Client] = {}

    def __enter__(self) -> "Seller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()

    def sell(self, records: int) -> Receipt:
        """Sales with document lines, which the rules would refuse a second time, and a note, which they would not."""
        identity, at = self._cluster.identity(MAKER), clock_ms()
        sales = [
            build.sell(lot=LOT, quantity=1, ref=f"LS-{next(REFS)}", at=at, site=identity.site) for _ in range(records)
        ]
        said = build.act(r.Fact, at=at, kind=r.FactKind.NOTE, subject=self._cluster.subject, text="在架")
        [envelope] = build.envelopes([*sales, said], identity, self._cluster.chain, at)
        receipt = self._until_acknowledged(envelope)
        self._cluster.keep(envelope, receipt)
        return receipt

    def _until_acknowledged(self, envelope: SignedEnvelope) -> Receipt:
        deadline, last = time.monotonic() + ACKNOWLEDGED_SECONDS, ""
        for node in itertools.cycle(self._nodes):
            if node not in self._clients:
                self._clients[node] = self._cluster.client(node, self._cluster.identity(MAKER))
            try:
                return self._clients[node].submit_envelope(envelope)
            except errors.EnvelopeRefused:
                raise
            except SuyuanError as error:
                last = f"node {node}: {error}"
                self._clients.pop(node).close()
            if time.monotonic() > deadline:
                break
            time.sleep(PAUSE_SECONDS)
        pytest.fail(f"never acknowledged: {last}")
