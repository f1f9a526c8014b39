"""What reaches consensus past all admission: from a validator that proposes what no honest one would, and straight
over CometBFT's own socket. Bad bytes are rejected, broken rules refused, and the chain goes on."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from msgspec import structs

from client_sdk import build, errors
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import genesis as g
from ledger.envelope import ENVELOPE
from ledger.limits import TX_BYTES_MAX, TX_UNPACKED_BYTES_MAX
from node.engine.cometbft.transactions import WIRES, name_of, pack
from tests.cluster.conftest import Cluster, Nodes, random_seed
from tests.cluster.load import Load
from tests.world import DAY_MS, LOT, MAKER

pytestmark = pytest.mark.slow
EVIL = 4
HONEST = (1, 2, 3)
REJECTED = "a proposal is rejected"


@pytest.fixture(scope="module")
def evil(network: Nodes) -> Nodes:
    network.faulty.add(EVIL)
    return network


@pytest.fixture(scope="module")
def attacked(evil: Nodes, trading: Cluster) -> Iterator[Cluster]:
    return trading


def envelope_of(
    cluster: Cluster, ref: str, quantity: int = 1, days_ago: int = 0, chain: bytes | None = None
) -> SignedEnvelope:
    then, maker = clock_ms() - days_ago * DAY_MS, cluster.identity(MAKER)
    act = build.sell(lot=LOT, quantity=quantity, ref=ref, at=then, site=maker.site)
    return next(build.envelopes([act], maker, chain or cluster.chain, then))


def badly_signed(envelope: SignedEnvelope) -> bytes:
    one = ENVELOPE.decode(envelope.wire)
    return ENVELOPE.encode(structs.replace(one, signature=one.signature[:40] + bytes(24)))


def malformed(cluster: Cluster) -> dict[str, bytes]:
    """Transactions that no honest node proposes, votes for, or lets travel."""
    right = envelope_of(cluster, "LS-bad")
    other = g.chain_id(structs.replace(cluster.genesis, name="other.example/log"))
    bomb = zstandard.ZstdCompressor().compress(bytes(TX_UNPACKED_BYTES_MAX + 1))
    return {
        "no zstandard": b"no zstandard",
        "bomb": bomb,
        "bomb of unknown size": zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 24)),
        "no envelope": pack([b"no envelope"]),
        "two frames": pack([right.wire]) + pack([right.wire]),
        "cut": pack([right.wire[:-1]]),
        "badly signed": pack([badly_signed(right)]),
        "badly signed behind a good one": pack([right.wire, badly_signed(right)]),
        "another chain's": pack([envelope_of(cluster, "LS-bad", chain=other).wire]),
    }


def in_blocks(cluster: Cluster, node: int, since: int) -> set[bytes]:
    """The names of all transactions in CometBFT's blocks after `since`."""
    found: set[bytes] = set()
    for height in range(since + 1, cluster.net.standing(node).engine + 1):
        answer = json.loads(cluster.net.call_cometbft(node, "GET", f"/block?height={height}"))
        found |= {name_of(base64.b64decode(tx)) for tx in answer["result"]["block"]["data"]["txs"] or []}
    return found


def test_malformed_proposals_are_rejected_and_the_chain_goes_on(attacked: Cluster) -> None:
    source = attacked.net.folder / "proposals"
    since = attacked.settled().engine
    bad = malformed(attacked)
    with Load(attacked, random_seed("proposals"), nodes=HONEST) as load:
        for what, tx in bad.items():
            source.write_text(tx.hex())
            before = {node: attacked.net.log(node).count(REJECTED) for node in HONEST}
            with attacked.net.fault(EVIL, f"proposes={source}"):
                attacked.wait_until(
                    lambda before=before: all(  # type: ignore[misc]
                        attacked.net.log(node).count(REJECTED) > before[node] for node in HONEST
                    ),
                    lambda what=what: f"{what}: not proposed, or not rejected",  # type: ignore[misc]
                )
            load.goes_on(2)
    assert not in_blocks(attacked, 1, since) & {name_of(tx) for tx in bad.values()}
    attacked.settled()


def test_proposals_against_the_rules_are_blocks_that_change_nothing(attacked: Cluster) -> None:
    source, since = attacked.net.folder / "proposals", attacked.settled().engine
    known, _ = attacked.acknowledged[0]
    refused = [
        envelope_of(attacked, "LS-too-much", quantity=10**9),
        envelope_of(attacked, "LS-withheld", days_ago=20),
    ]
    fine = envelope_of(attacked, "LS-proposed-twice")
    txs = [pack([one.wire]) for one in (*refused, known, fine, fine)]
    source.write_text("\n".join(tx.hex() for tx in txs))
    before = {node: attacked.net.log(node).count(REJECTED) for node in HONEST}
    names = {name_of(tx) for tx in txs}
    with (
        Load(attacked, random_seed("rules"), nodes=HONEST) as load,
        attacked.net.fault(EVIL, f"proposes={source}"),
    ):
        attacked.wait_until(lambda: names <= in_blocks(attacked, 1, since), lambda: "never proposed")
        load.goes_on()
    attacked.settled()
    assert before == {node: attacked.net.log(node).count(REJECTED) for node in HONEST}
    for node in HONEST:
        with attacked.client(node, attacked.identity(MAKER)) as client:
            not_booked(client, refused)
            receipt = client.receipt(fine)
    attacked.keep(fine, receipt)


def not_booked(client: Client, envelopes: list[SignedEnvelope]) -> None:
    for envelope in envelopes:
        with pytest.raises(errors.NotFound):
            client.receipt(envelope)


def broadcast(cluster: Cluster, node: int, tx: bytes) -> dict[str, Any]:
    """CometBFT's answer to a transaction, after the node's own check of it."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync", "params": {"tx": base64.b64encode(tx).decode()}}
    answer: dict[str, Any] = json.loads(cluster.net.call_cometbft(node, "POST", "/", json.dumps(call).encode()))
    return answer


def test_malformed_and_oversized_transactions_over_the_socket_go_nowhere(attacked: Cluster) -> None:
    before = attacked.settled()
    for what, tx in malformed(attacked).items():
        assert broadcast(attacked, 1, tx)["result"]["code"] == 1, what
    assert "too large" in json.dumps(broadcast(attacked, 1, bytes(TX_BYTES_MAX + 1)))
    for body in (b"", b"{", b"[" * 100_000, json.dumps([{}] * 5000).encode(), bytes(5_000_000)):
        try:
            attacked.net.call_cometbft(1, "POST", "/", body)
        except OSError:
            continue  # it hangs up
    assert attacked.settled().root == before.root


def test_a_withheld_envelope_is_refused_weeks_later(attacked: Cluster) -> None:
    """A proposer that brings it into a block all the same is above, with the proposals against the rules."""
    withheld = envelope_of(attacked, "LS-weeks", days_ago=20)
    said = broadcast(attacked, 2, pack([withheld.wire]))["result"]
    assert (said["code"], "have run out" in said["log"]) == (1, True)
    for node in HONEST:
        with attacked.client(node, attacked.identity(MAKER)) as client:
            not_booked(client, [withheld])
            with pytest.raises(errors.EnvelopeRefused, match="ran out"):
                client.submit_envelope(withheld)


def test_one_envelope_packed_in_two_ways_is_booked_once(attacked: Cluster) -> None:
    since, envelope = attacked.settled().engine, envelope_of(attacked, "LS-packed")
    packer = zstandard.ZstdCompressor(level=19, write_checksum=True)
    tx, other = pack([envelope.wire]), packer.compress(WIRES.encode([envelope.wire]))
    assert tx != other
    for node, one in ((1, tx), (2, other)):
        assert broadcast(attacked, node, one)["result"]["code"] == 0
    attacked.wait_until(
        lambda: {name_of(tx), name_of(other)} <= in_blocks(attacked, 3, since), lambda: "not both are in blocks"
    )
    with attacked.client(3, attacked.identity(MAKER)) as client:
        attacked.keep(envelope, client.submit_envelope(envelope))


def test_at_the_end_all_that_was_acknowledged_is_there_once(attacked: Cluster) -> None:
    attacked.check()
