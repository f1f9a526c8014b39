"""kill -9 under load: every acknowledged envelope is present once, nothing else, and all still holds."""

import json
import threading
import time
from pathlib import Path
from random import Random

import pytest

from client_sdk import build, errors, keys
from client_sdk.build import SignedEnvelope
from client_sdk.trust import Receipt
from ledger import block as b
from ledger import records as r
from ledger.storage.chainstore import ChainStore, block_entries
from tests.network import Network, run
from tests.world import FORMULA, LOT, MAKER, REGULATOR

pytestmark = pytest.mark.slow
ROUNDS = 6


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network(tmp_path)
    network.found(REGULATOR)
    network.start()
    network.identify(MAKER)
    public = keys.load_public(network.home(MAKER))
    with network.client(REGULATOR) as regulator:
        fields = {
            "key": public.key,
            "kind": r.MemberKind.ENTERPRISE,
            "member": MAKER.id,
            "name": "厂",
            "region": "CN-33",
        }
        regulator.submit([build.act(r.Admit, at=now(), **fields)])
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 10**9, "ref": "SC-1", "at": now(), "site": MAKER.site, "production": 20251101}
    with network.client(MAKER) as maker:
        maker.submit([build.act(r.Register, at=now(), **declared), build.commission(**made)])
    return network


def under_load(network: Network, number: int, random: Random) -> tuple[list[SignedEnvelope], list[Receipt]]:
    """Submit until the node is killed at a random moment; returns what was sent and what was acknowledged."""
    sent: list[SignedEnvelope] = []
    acknowledged: list[Receipt] = []
    killer = threading.Timer(random.uniform(0.05, 0.8), network.kill)

    def acts() -> "object":
        for row in range(1_000_000):
            size = random.randrange(1, 4)
            for part in range(size):
                yield build.sell(lot=LOT, quantity=1, ref=f"LS-{number}-{row}/{part}", at=now(), site=MAKER.site)

    def envelopes() -> "object":
        for envelope in client.sign(acts(), records_max=random.choice((1, 3, 50))):  # type: ignore[arg-type]
            sent.append(envelope)
            yield envelope

    with network.client(MAKER) as client:
        killer.start()
        try:
            for _, result in client.submit_stream(envelopes()):  # type: ignore[arg-type]
                if isinstance(result, Receipt):
                    acknowledged.append(result)
        except errors.ClientError:
            pass
    killer.join()
    return sent, acknowledged


def test_kill_dash_nine_loses_and_doubles_nothing(network: Network) -> None:
    random = Random(5)
    sent: set[bytes] = set()
    acknowledged: dict[bytes, int] = {}
    for number in range(ROUNDS):
        offered, receipts = under_load(network, number, random)
        sent |= {envelope.leaf for envelope in offered}
        by_id = {envelope.id: envelope.leaf for envelope in offered}
        acknowledged |= {by_id[receipt.envelope_id]: receipt.leaf for receipt in receipts}
        network.start()
    assert network.stop() == 0
    assert len(acknowledged) > ROUNDS
    audit = run("client_sdk.commands", "audit", str(network.data), "--json")
    assert all(json.loads(line)["holds"] for line in audit.stdout.splitlines())
    check_present_once(network.data, acknowledged, sent)


def check_present_once(data: Path, acknowledged: dict[bytes, int], sent: set[bytes]) -> None:
    from ledger.merkle import leaf_hash

    store = ChainStore.open(data)
    leaves = [leaf_hash(entry) for _, payload in store.blocks(1) for entry in block_entries(b.BLOCK.decode(payload))]
    headers = {leaf_hash(b.header_leaf(b.BLOCK.decode(payload).header)) for _, payload in store.blocks(1)}
    store.close()
    for leaf, index in acknowledged.items():
        assert leaves[index] == leaf
    assert len(set(leaves)) == len(leaves)
    setup = 2  # the regulator's admission, the maker's first envelope
    foreign = [leaf for leaf in leaves if leaf not in sent and leaf not in headers]
    assert len(foreign) == setup
