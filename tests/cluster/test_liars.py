"""One of four lies to readers, members and the other validators, or its clock is wrong: nobody believes it, and the
others go on."""

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from client_sdk import build, errors
from client_sdk import client as sdk
from client_sdk.build import SignedEnvelope
from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import checkpoint as c
from ledger import limits, note
from ledger import records as r
from ledger.errors import VerifyFailed
from ledger.proof.verify import Product, Query
from ledger.storage.chainstore import read_genesis
from node import keys
from node.receipts import CheckpointSigner
from tests.cluster.conftest import Cluster, Nodes, random_seed
from tests.cluster.load import Load
from tests.world import FORMULA, LOT, MAKER

pytestmark = pytest.mark.slow
LIAR = 4
HONEST = (1, 2, 3)
WRONG_CLOCK = "THE CLOCK IS WRONG"
OFF_SECONDS = 11 * 60  # beyond the ten minutes in which readers believe a cosignature
ASKED = Query(product=FORMULA, lot=LOT.removeprefix(FORMULA))


@pytest.fixture(scope="module")
def liar(network: Nodes) -> Nodes:
    network.faulty.add(LIAR)
    return network


@pytest.fixture(scope="module")
def deceived(liar: Nodes, trading: Cluster) -> Iterator[Cluster]:
    """A network with a liar, and goods that were recalled."""
    recall(trading, "first")
    return trading


def recall(cluster: Cluster, reason: str) -> None:
    with cluster.client(1, cluster.regulator()) as regulator:
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=LOT)
        acts = [build.act(r.Recall, at=clock_ms(), grade=1, reason=reason, subject=subject)]
        envelope = next(regulator.sign(acts, records_max=1))
        cluster.keep(envelope, regulator.submit_envelope(envelope))
    cluster.settled(*HONEST)


def product(cluster: Cluster, node: int) -> Product:
    """As a reader has it who believes no node."""
    with cluster.client(node) as reader:
        return reader.verify(ASKED, reader.product_proof(ASKED.product, ASKED.lot))


def sold(cluster: Cluster, node: int, ref: str) -> SignedEnvelope:
    with cluster.client(node, cluster.identity(MAKER)) as client:
        envelope = next(client.sign([cluster.sale(MAKER, 1, ref)], records_max=1))
        cluster.keep(envelope, client.submit_envelope(envelope))
    return envelope


def told_apart(cluster: Cluster, *fault: str) -> None:
    """Readers believe what this node says without the fault, and nothing with it; the others' word holds on."""
    assert product(cluster, LIAR)
    with cluster.net.fault(LIAR, *fault):
        for _ in range(5):
            with pytest.raises(VerifyFailed):
                product(cluster, LIAR)
        assert product(cluster, 1)


def test_an_altered_proof_is_refused(deceived: Cluster) -> None:
    told_apart(deceived, "altered")


def test_a_hidden_recall_is_noticed(deceived: Cluster) -> None:
    told_apart(deceived, "hides")


def test_earlier_entries_under_the_newest_checkpoint_are_refused(deceived: Cluster) -> None:
    with deceived.net.fault(LIAR, "mixed"):
        assert product(deceived, LIAR)
        recall(deceived, "second")
        deceived.settled()
        with pytest.raises(VerifyFailed):
            product(deceived, LIAR)


def test_a_misplaced_receipt_is_refused_and_what_it_is_about_is_booked_once(deceived: Cluster) -> None:
    with deceived.net.fault(LIAR, "misplaced"), deceived.client(LIAR, deceived.identity(MAKER)) as client:
        envelope = next(client.sign([deceived.sale(MAKER, 1, "LS-misplaced")], records_max=1))
        with pytest.raises(VerifyFailed):
            client.submit_envelope(envelope)
        with deceived.client(1, deceived.identity(MAKER)) as honest:
            receipt = honest.submit_envelope(envelope)
    assert receipt.earlier
    deceived.keep(envelope, receipt)


def test_an_old_checkpoint_is_refused_by_whoever_saw_a_newer_one(deceived: Cluster) -> None:
    with deceived.net.fault(LIAR, "old"), Client(deceived.net.connection(LIAR)) as reader:
        reader.refresh()
        sold(deceived, 1, "LS-newer")
        reader.refresh()  # still the same one: nothing newer was seen
        with Client(deceived.net.connection(1)) as honest:
            honest.trust = reader.trust
            honest.refresh()
        with pytest.raises(errors.LogForked, match="went back"):
            reader.refresh()


def test_a_head_of_its_own_is_refused(deceived: Cluster) -> None:
    with deceived.net.fault(LIAR, "fork"):
        with Client(deceived.net.connection(LIAR)) as reader:
            with pytest.raises(VerifyFailed, match="quorum"):
                reader.refresh()
            with pytest.raises(VerifyFailed):
                reader.verify(ASKED, reader.product_proof(ASKED.product, ASKED.lot))
        with deceived.client(LIAR, deceived.identity(MAKER)) as client, pytest.raises(VerifyFailed):
            client.refresh()
        deceived.wait_until(lambda: any(root_of(one) == bytes(32) for one in deceived.shown.notes), lambda: "unseen")


def root_of(data: bytes) -> bytes:
    return c.parse(note.parse(data).text).root


def forged(cluster: Cluster, size: int, root: bytes) -> bytes:
    """What the liar can sign by itself, with its own keys."""
    data = cluster.net.data(LIAR)
    genesis = read_genesis(data)
    log, own = (keys.load_seed(data / "keys", name) for name in (keys.LOG_KEY, keys.VALIDATOR_KEY))
    return CheckpointSigner(genesis.name, log, keys.own_validator(genesis.validators, own), own).sign(
        size, root, clock_ms()
    )


def told(cluster: Cluster, node: int, data: bytes) -> bytes:
    """A validator's answer to a cosignature."""
    endpoints = json.loads((cluster.net.data(node) / "endpoints.json").read_text())
    with urlopen(Request(f"http://{endpoints['cosignatures']}/cosignature", data=data), timeout=8) as answer:
        return bytes(answer.read())


def test_nobody_cosigns_a_fork_and_one_who_does_stops_nobody(deceived: Cluster) -> None:
    size = deceived.settled().leaves
    names = {validator.name for validator in read_genesis(deceived.net.data(1)).validators}
    with Load(deceived, random_seed("forks"), clients=2, nodes=HONEST) as load:
        for ahead in range(30):  # of heads that are there, and of those to come
            fork = forged(deceived, size + ahead, bytes(32))
            for node in HONEST:
                answer = told(deceived, node, fork)
                assert root_of(answer) != bytes(32)
                assert {line.name for line in note.parse(answer).signatures} & names
        load.goes_on(20)
    deceived.settled()
    for node in HONEST:
        assert "TWO HISTORIES" in deceived.net.log(node)


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_a_clock_that_is_ten_minutes_off_stops_nobody(deceived: Cluster, sign: int) -> None:
    with deceived.net.fault(LIAR, f"clock={sign * OFF_SECONDS}"):
        before = len(deceived.net.log(LIAR))
        with Load(deceived, random_seed("clock")) as load:
            deceived.wait_until(
                lambda: WRONG_CLOCK in deceived.net.log(LIAR)[before:], lambda: deceived.net.log(LIAR)[before:]
            )
            load.goes_on()
        assert deceived.settled(*HONEST).cosigned >= len(HONEST)
    sold(deceived, LIAR, f"LS-right-again-{sign}")
    assert deceived.settled().cosigned >= len(HONEST)


def test_a_stale_head_with_one_fresh_cosignature_is_refused(
    deceived: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven minutes pass for the reader and for the liar, who cosigns the head anew."""
    later = clock_ms() + OFF_SECONDS * 1000
    with deceived.net.fault(LIAR, "old", f"clock={OFF_SECONDS}"), Client(deceived.net.connection(LIAR)) as reader:
        shown = note.parse(reader.node_info().checkpoint)
        times = [
            1000 * (note.verify(shown, key, line) or 0)
            for key in reader.connection.trusted().witnesses.values()
            for line in note.find(shown, key)
        ]
        assert len([one for one in times if abs(one - later) < limits.WITNESS_WINDOW_MS]) == 1
        reader.trust.checkpoint(note.serialise(shown), clock_ms())  # which held when it was new
        monkeypatch.setattr(sdk, "clock_ms", lambda: later)
        with Client(deceived.net.connection(LIAR)) as another, pytest.raises(VerifyFailed, match="quorum"):
            another.refresh()


def test_at_the_end_all_that_was_acknowledged_is_there_once(deceived: Cluster) -> None:
    deceived.check(forks=True)
