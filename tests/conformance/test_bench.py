"""The programs that measure run: a figure that nobody can make again is no figure."""

import pytest

from tests.cluster.conftest import cometbft, free_port
from tests.network import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["sales", "purchases"])
def test_imports_run_over_either_kind(kind: str) -> None:
    told = run("bench.imports", "--rows", "1100", "--kind", kind, "--prices").stdout
    assert f"{kind:<9}     1,100 rows" in told
    assert "booked before, 0 booked" in told


@pytest.mark.parametrize("load", ["trade", "all"])
def test_throughput_runs_over_either_load(load: str) -> None:
    told = run("bench.throughput", "--records", "2000", "--size", "20", "--acts", load).stdout
    assert f"{load}, envelopes of 20, 2,000 records" in told
    assert "rebuild of the index" in told


def test_cluster_measures_a_network_a_node_and_the_kvstore() -> None:
    program, port = cometbft(), free_port(4)
    told = run("bench.cluster", "--quick", "--cometbft", str(program), "--port", str(port)).stdout
    for who in (
        "one node, envelopes of 100",
        "network, envelopes of 100",
        "catching up",
        "kvstore, transactions as of 100",
    ):
        assert who in told
