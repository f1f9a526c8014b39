"""A checker by others (torchwood, in Go) reads the log from the node's address alone, and rebuilds the root."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from client_sdk import build
from client_sdk.wire import clock_ms
from tests.network import Network
from tests.web import Web
from tests.world import LOT, MAKER

SOURCE = Path(__file__).resolve().parents[1] / "tlogcheck"
SALES = 300


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH, so the log is checked by the client in tests/tlog_client.py alone")
    program = tmp_path_factory.mktemp("checker") / "tlogcheck"
    built = subprocess.run([go, "build", "-o", str(program), "."], cwd=SOURCE, capture_output=True, text=True)
    if built.returncode:
        advice = f"the checker could not be built: {built.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    return program


@pytest.mark.slow
def test_a_stock_checker_rebuilds_the_root(checker: Path, tmp_path: Path) -> None:
    network = Network(tmp_path)
    network.found_with_goods(MAKER)
    with network.client(MAKER) as client:
        sales = [build.sell(lot=LOT, quantity=1, ref=f"LS-{n}", at=clock_ms(), site=MAKER.site) for n in range(SALES)]
        signed = build.envelopes(sales, client._me(), client.connection.chain_id, clock_ms(), records_max=1)
        assert sum(1 for _ in client.submit_stream(signed)) == SALES
    web = Web(network.data)
    said = subprocess.run([checker, f"http://{web.host}:{web.port}/"], capture_output=True, text=True)
    assert said.stderr == ""
    origin, size = said.stdout.split()
    assert (origin, int(size) > SALES) == ("test.example/log", True)
    assert network.stop() == 0
