"""The command that runs a network on one machine, as a person uses it; with one validator, which is quick."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from client_sdk import keys
from tests.cluster.conftest import ROOT, cometbft, free_port

pytestmark = pytest.mark.slow


def localnet(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "demo.localnet.run", "--data", str(data), *arguments]


def said_by(data: Path, *arguments: str) -> str:
    done = subprocess.run(localnet(data, *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_network_is_founded_asked_killed_restarted_and_stopped() -> None:
    program = cometbft()
    with tempfile.TemporaryDirectory(prefix="suyuan-") as folder:
        data = Path(folder) / "net"
        assert "no network runs" in said_by(data, "status")
        command = localnet(data, "1", "--cometbft", str(program), "--port", str(free_port(1)))
        running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            told = iter(running.stdout or [])
            assert next(line for line in told if line.startswith("node 1")).split()[2] == "members"
            assert next(line for line in told if line.startswith("ready"))
            assert "cosigned by 1" in said_by(data, "status")
            assert keys.load_connection(data / "node1.json").web.startswith("http://"), "members have a page"
            assert (data / "control.sock").exists()
            for wrong in (("1",), ("kill", "7"), ("restart",)):
                done = subprocess.run(localnet(data, *wrong), cwd=ROOT, capture_output=True, text=True, check=False)
                assert done.returncode == 1
                assert "already" in done.stderr or "no such node" in done.stderr
            assert (data / "control.sock").exists(), "a second one touches nothing of the first"
            assert (data / "node1/endpoints.json").exists()
            assert "killed" in said_by(data, "kill", "1")
            assert "does not run" in said_by(data, "kill", "1")
            assert "does not run" in said_by(data, "status")
            assert "node 1 runs" in said_by(data, "restart", "1")
            assert "cosigned by 1" in said_by(data, "status")
            assert "stopping" in said_by(data, "stop")
            assert running.wait(60) == 0
        finally:
            running.kill()
        assert "a network of 1 nodes" in said_by(data, "4")
