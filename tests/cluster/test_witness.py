"""Four validators and a witness outside: a reader who demands it, its absence, and a fork that nobody signs."""

import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from client_sdk import build
from client_sdk.client import Client
from client_sdk.errors import NotFound
from client_sdk.wire import clock_ms
from demo.localnet import founding
from ledger import checkpoint as c
from ledger import limits, merkle, policy, tiles
from ledger import note as n
from ledger import records as r
from ledger.errors import VerifyFailed
from ledger.proof.verify import Query
from ledger.tlogwitness import PATH, AddCheckpoint, decode_size, encode
from node.cosigning.evidence import FOLDER
from node.keys import LOG_KEY, load_seed
from tests import outside
from tests.cluster.conftest import Cluster, cometbft, founded, free_port
from tests.network import run
from tests.outside import LiteWitness
from tests.world import FORMULA, LOT, MAKER

pytestmark = pytest.mark.slow

QUERY: Final = Query(product=FORMULA, lot=LOT.removeprefix(FORMULA))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    """Founded, and not started: its settings are to come."""
    net = founded(folder / "net", cometbft())
    try:
        yield Cluster(net)
    finally:
        net.stop()


@pytest.fixture(scope="module")
def witness(folder: Path, cluster: Cluster) -> Iterator[LiteWitness]:
    """A stock witness that every node submits to; the nodes run."""
    home = folder / "witness"
    home.mkdir()
    trusted = cluster.net.connection(1).trusted()
    witness = LiteWitness(outside.program(home), home, free_port(1), list(trusted.logs))
    try:
        witness.start()
        for number in cluster.net.numbers:
            with (cluster.net.data(number) / "node.toml").open("a") as settings:
                settings.write(f"witnesses = {json.dumps([witness.setting])}\n")
        cluster.net.start()
        cluster.net.wait_ready()
        cluster.admit(1, MAKER)
        with cluster.client(2, cluster.identity(MAKER)) as maker:
            declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
            now, site = clock_ms(), MAKER.site
            made = build.commission(lot=LOT, quantity=10_000, ref="SC-1", at=now, site=site, production=20251101)
            maker.submit([build.act(r.Register, at=now, **declared), made])
        yield witness
    finally:
        witness.stop()


def sell(cluster: Cluster, node: int, ref: str) -> int:
    """Under the validators' quorum, as every member; the length of the log in the receipt."""
    with cluster.client(node, cluster.identity(MAKER)) as maker:
        sale = build.sell(lot=LOT, quantity=1, ref=ref, at=clock_ms(), site=MAKER.site)
        receipt = maker.submit_envelope(next(maker.sign([sale], records_max=1)))
    return c.parse(n.parse(receipt.checkpoint).text).size


def strict_policy(cluster: Cluster) -> str:
    """What a reader writes who believes no checkpoint without the university's cosignature."""
    return outside.strict_policy(cluster.net.connection(1).policy)


def strict(cluster: Cluster, node: int) -> Client:
    return Client(structs.replace(cluster.net.connection(node), policy=strict_policy(cluster)))


def proven(reader: Client) -> int:
    """How long the log was in which the reader believes the lot."""
    return reader.verify(QUERY, reader.product_proof(QUERY.product, QUERY.lot)).log_size


def believes(cluster: Cluster, node: int, size: int) -> bool:
    with strict(cluster, node) as reader:
        try:
            return proven(reader) >= size
        except (VerifyFailed, NotFound):
            return False


def await_belief(cluster: Cluster, node: int, size: int) -> None:
    trouble = f"node {node} serves nothing of {size} leaves that the witness cosigned"
    cluster.wait_until(lambda: believes(cluster, node, size), lambda: trouble)


def await_readers(cluster: Cluster, node: int, size: int) -> None:
    """Those whom the validators' quorum is enough for."""
    with cluster.client(node) as reader:
        cluster.wait_until(lambda: proven(reader) >= size, lambda: f"readers of node {node} wait for ever")


def test_who_demands_the_outside_witness_is_served_by_every_node(cluster: Cluster, witness: LiteWitness) -> None:
    for number in cluster.net.numbers:
        size = sell(cluster, number, f"LS-{number}")
        for node in cluster.net.numbers:
            await_belief(cluster, node, size)
    assert witness.size() >= size


def test_the_command_line_verifies_under_such_a_policy(cluster: Cluster, witness: LiteWitness, folder: Path) -> None:
    connection = json.loads((cluster.net.folder / "node1.json").read_text())
    written = folder / "strict.json"
    written.write_text(json.dumps(connection | {"policy": strict_policy(cluster)}))
    code = LOT
    done = run("client_sdk.commands", "verify", code, "--node", str(written), check=False)
    assert LOT.removeprefix(FORMULA) in done.stdout, done.stdout + done.stderr
    stranger = folder / "policy.txt"
    stranger.write_text(
        strict_policy(cluster).replace(str(outside.KEY), str(structs.replace(outside.KEY, key=bytes(32))))
    )
    asked = ("verify", code, "--node", str(written), "--policy", str(stranger))
    refused = run("client_sdk.commands", *asked, check=False)
    assert refused.returncode != 0
    assert "quorum 'everybody' is not reached" in refused.stderr


def test_a_witness_that_is_gone_is_missed_by_those_who_demand_it_alone(
    cluster: Cluster, witness: LiteWitness
) -> None:
    witness.kill()
    size = sell(cluster, 1, "LS-alone")
    for node in cluster.net.numbers:
        await_readers(cluster, node, size)
        with strict(cluster, node) as reader, pytest.raises(VerifyFailed, match="quorum"):
            proven(reader)
    witness.start()
    for node in cluster.net.numbers:
        await_belief(cluster, node, size)
    told = [(cluster.net.folder / f"node{node}.log").read_text() for node in cluster.net.numbers]
    assert [said.count("an outside witness cosigns again") for said in told] == [1] * 4


# A fork, by whoever holds the log's key


def ask(address: str, old: int, made: bytes, proof: list[bytes]) -> tuple[int, bytes]:
    try:
        body = encode(AddCheckpoint(old, proof, made))
        with urllib.request.urlopen(f"http://{address}{PATH}", data=body, timeout=10) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def cosign_address(cluster: Cluster, node: int) -> str:
    return str(json.loads((cluster.net.data(node) / "endpoints.json").read_text())["cosignatures"])


def leaf_hashes(cluster: Cluster, size: int) -> list[bytes]:
    web = json.loads((cluster.net.data(1) / "endpoints.json").read_text())["http"]
    data = urllib.request.urlopen(f"http://{web}/{tiles.tile_path(0, 0, size)}", timeout=10).read()
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def test_every_validator_cosigns_its_head_for_whoever_asks_and_a_fork_for_nobody(
    cluster: Cluster, witness: LiteWitness
) -> None:
    head = cluster.settled()
    root, trusted = bytes.fromhex(head.root), cluster.net.connection(1).trusted()
    assert head.leaves < limits.TILE_HASHES - 8
    hashes = leaf_hashes(cluster, head.leaves)
    seed = load_seed(cluster.net.data(1) / "keys", LOG_KEY)

    def signed(size: int, root: bytes) -> bytes:
        return c.sign_checkpoint(c.Checkpoint(trusted.origin, size, root), trusted.origin, seed)

    forged, _ = tiles.LogTree.empty().extend([*hashes[:-1], bytes(32)])
    ahead, _ = tiles.LogTree.empty().extend([*hashes, bytes(32), bytes(32)])
    proof = tiles.consistency_proof(ahead, head.leaves, lambda level, index: b"")
    merkle.verify_consistency(head.leaves, ahead.size, root, ahead.root(), proof)
    for node in cluster.net.numbers:
        address, key = cosign_address(cluster, node), trusted.witnesses[f"{founding.NAME}/validator-{node}"]
        status, told = ask(address, 0, signed(head.leaves, root), [])
        assert (status, decode_size(told)) == (409, head.leaves)
        status, lines = ask(address, head.leaves, signed(head.leaves, root), [])
        note = n.parse(n.parse(signed(head.leaves, root)).text.encode() + b"\n" + lines)
        assert status == 200
        assert n.verify(note, key, n.find(note, key)[0]) is not None
        assert ask(address, head.leaves, signed(head.leaves, forged.root()), [])[0] == 409
        assert ask(address, head.leaves, signed(ahead.size, ahead.root()), [])[0] == 422
        assert ask(address, head.leaves, signed(ahead.size, ahead.root()), proof)[0] == 503
        kept = {path.read_bytes() for path in (cluster.net.data(node) / FOLDER).glob("*-there.txt")}
        assert kept == {signed(head.leaves, forged.root()), signed(ahead.size, ahead.root())}
        assert len(list((cluster.net.data(node) / FOLDER).glob("*-here.txt"))) == 2
        assert "A FORK WAS ASKED FOR" in (cluster.net.folder / f"node{node}.log").read_text()
    size = sell(cluster, 1, "LS-after")  # what was a head to come is a fork now
    assert size == ahead.size
    cluster.settled()
    for node in cluster.net.numbers:
        assert ask(cosign_address(cluster, node), head.leaves, signed(size, ahead.root()), proof)[0] == 409
        assert ask(cosign_address(cluster, node), size, signed(size, ahead.root()), [])[0] == 409
    await_belief(cluster, 1, size)
    with cluster.client(1) as reader:
        policy.check(trusted, reader.node_info().checkpoint, clock_ms(), limits.WITNESS_WINDOW_MS)
