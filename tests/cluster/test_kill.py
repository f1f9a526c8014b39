"""kill -9 of any one of four under load, again and again at random moments; and of a client."""

import os
import signal
import time
from random import Random

import pytest

from tests.cluster.conftest import Cluster, random_seed
from tests.cluster.load import Load

pytestmark = pytest.mark.slow
ROUNDS = 8


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


def test_at_the_end_all_that_was_acknowledged_is_there_once(trading: Cluster) -> None:
    trading.check()
