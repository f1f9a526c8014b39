"""A node by itself with a witness by others outside: what it serves carries that cosignature, and goes on without."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from client_sdk import build, keys
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import note as n
from ledger import policy, tlogproof
from ledger.errors import VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS
from ledger.proof.verify import Query
from tests import outside
from tests.network import Network
from tests.outside import LiteWitness
from tests.web import Web
from tests.world import FORMULA, LOT, MAKER, REGULATOR

pytestmark = pytest.mark.slow

QUERY = Query(product=FORMULA, lot=LOT.removeprefix(FORMULA))


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[tuple[Network, LiteWitness]]:
    network, home = Network(tmp_path), tmp_path / "witness"
    home.mkdir()
    program = outside.program(home)
    network.found(REGULATOR)
    trusted = policy.parse_policy((network.data / "policy.txt").read_text())
    witness = LiteWitness(program, home, outside.free_port(), list(trusted.logs))
    with (network.data / "node.toml").open("a") as settings:
        settings.write(f"witnesses = {json.dumps([witness.setting])}\n")
    try:
        witness.start()
        network.start_with_goods(MAKER)
        yield network, witness
        assert network.stop() == 0
    finally:
        witness.stop()
        network.kill()


def strict_policy(network: Network) -> str:
    return outside.strict_policy((network.data / "policy.txt").read_text())


def believes(check: Callable[[], object]) -> bool:
    try:
        check()
    except VerifyFailed:
        return False
    return True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_way_to_readers_carries_it(witnessed: tuple[Network, LiteWitness]) -> None:
    network, witness = witnessed
    trusted = policy.parse_policy(strict_policy(network))
    connection = structs.replace(keys.load_connection(network.connection), policy=strict_policy(network))
    web = Web(network.data)

    def holds(checkpoint: bytes) -> bool:
        return believes(lambda: policy.check(trusted, checkpoint, clock_ms(), WITNESS_WINDOW_MS))

    with Client(connection) as reader:
        wait_until(lambda: believes(lambda: reader.verify(QUERY, reader.product_proof(QUERY.product, QUERY.lot))))
        reader.refresh()
    wait_until(lambda: holds(web.get("/checkpoint").body))
    published = network.data / "public" / "checkpoint"
    wait_until(lambda: published.exists() and holds(published.read_bytes()))
    with network.client(MAKER) as maker:
        sale = build.sell(lot=LOT, quantity=1, ref="LS-1", at=clock_ms(), site=MAKER.site)
        [receipt] = maker.submit([sale])
    proof = f"/envelope/{receipt.envelope_id.hex()}.tlog-proof"
    wait_until(lambda: holds(tlogproof.parse(web.get(proof).body).checkpoint))
    witness.kill()
    with network.client(MAKER) as maker:
        maker.submit([build.sell(lot=LOT, quantity=1, ref="LS-2", at=clock_ms(), site=MAKER.site)])
        size = maker.node_info().size
    wait_until(lambda: int(n.parse(web.get("/checkpoint").body).text.split("\n")[1]) >= size)
    assert not holds(web.get("/checkpoint").body)
