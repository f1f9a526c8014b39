"""kill -9 of any one of four under load, again and again at random moments; and of a client."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from client_sdk import build
from client_sdk.keys import PASSPHRASE_VARIABLE
from client_sdk.outbox import Outbox
from client_sdk.wire import Side, clock_ms
from ledger import records as r
from tests.cluster.conftest import MEMBERS_PASSPHRASE, Cluster, random_seed
from tests.cluster.load import Load
from tests.world import MAKER

pytestmark = pytest.mark.slow
ROUNDS = 8
ENTRIES = 12


def cometbft_pid(cluster: Cluster, node: int) -> int:
    return int((cluster.net.data(node) / "cometbft" / "cometbft.pid").read_text())


def kill_all(cluster: Cluster, node: int) -> None:
    cluster.net.kill(node)
    cluster.net.start(node)


def kill_app(cluster: Cluster, node: int) -> None:
    cluster.net.kill_alone(node)
    cluster.net.start(node)


def kill_cometbft(cluster: Cluster, node: int) -> None:
    """Its node starts it again."""
    os.kill(cometbft_pid(cluster, node), signal.SIGKILL)


def test_kill_dash_nine_of_one_again_and_again_loses_and_doubles_nothing(trading: Cluster) -> None:
    seed = random_seed("kills")
    random = Random(seed)
    kinds = [kill_all, kill_app, kill_cometbft] * (ROUNDS // 3 + 1)
    random.shuffle(kinds)
    with Load(trading, seed) as load:
        load.goes_on()
        for kind in kinds[:ROUNDS]:
            node = random.choice(trading.net.numbers)
            print(kind.__name__, node)
            kind(trading, node)
            time.sleep(random.uniform(0, 0.5))
            load.goes_on(1)
            trading.net.wait_ready(node)
    trading.settled()


def test_a_cometbft_that_outlived_its_node_is_ended_by_the_next_one(trading: Cluster) -> None:
    left = cometbft_pid(trading, 3)
    os.kill(left, signal.SIGSTOP)  # so that it does not see its node go
    trading.net.kill_alone(3)
    trading.net.start(3)
    trading.net.wait_ready(3)
    assert cometbft_pid(trading, 3) != left
    with pytest.raises(FileNotFoundError):  # an ended process has no folder, also where nobody has waited for it
        os.readlink(f"/proc/{left}/cwd")
    trading.settled()


def test_a_client_killed_between_submit_and_receipt_books_once(trading: Cluster) -> None:
    identity, refs = trading.identity(MAKER), [f"LS-client-{number}" for number in range(ENTRIES)]
    (identity.folder / "node.json").write_bytes((trading.net.folder / "node1.json").read_bytes())
    (identity.folder / "tls.crt").write_bytes(identity.tls[1] if identity.tls else b"")
    with Outbox(identity.folder, trading.chain, identity) as outbox:
        for ref in refs:
            note = build.act(r.Fact, at=clock_ms(), kind=r.FactKind.NOTE, subject=trading.subject, text=ref)
            outbox.add([trading.sale(MAKER, 1, ref), note])
        random, kills = Random(random_seed("client")), 0
        while left := len(list(outbox.waiting())):
            sender = sending(identity.folder)
            trading.wait_until(lambda left=left: len(list(outbox.waiting())) < left, lambda: "nothing is booked")
            time.sleep(random.uniform(0, 0.1))  # into the middle of the next one
            sender.kill()
            sender.wait()
            kills += 1
        assert kills > 2
        assert sending(identity.folder).wait(60) == 0
    with trading.client(2, identity) as client:
        trading.settled()
        assert sorted(one.ref for one in client.find_refs(Side.OUT, refs)) == sorted(refs)
        notes = Counter(getattr(one.record, "text", None) for own in client.own_envelopes() for one in own.records)
        assert [notes[ref] for ref in refs] == [1] * ENTRIES


def sending(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "client_sdk.commands", "outbox", "send", "--keep-trying", "-i", str(folder)]
    environment = os.environ | {PASSPHRASE_VARIABLE: MEMBERS_PASSPHRASE}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_at_the_end_all_that_was_acknowledged_is_there_once(trading: Cluster) -> None:
    trading.check()
