"""docs/operating.md as an operator follows it, and a node as a service manager sees it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from client_sdk import build, keys, wire
from client_sdk.wire import clock_ms
from ledger import limits
from node import disk, grpc_server
from node.config import Settings
from node.engine import embedded
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.network import PASSPHRASE, Network, operate, run
from tests.world import LOT, MAKER, REGULATOR

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
UNIT = ROOT / "deploy" / "suyuan-node.service"


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The guide


def test_every_command_of_the_guide_runs(tmp_path: Path) -> None:
    """All in one shell, as they stand; behind a command in the background it waits until the node serves."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("suyuan", "client_sdk.commands"), ("suyuan-node", "node.commands")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.S))
    assert script.count("\n") >= 15
    script = script.replace("/tmp/suyuan-backup", str(tmp_path / "backup"))
    ready = "until [ -e node/endpoints.json ]; do kill -0 $!; sleep 0.1; done"
    script = re.sub(r" &$", f" &\n{ready}", script, flags=re.M)
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "PYTHONPATH": str(ROOT)}
    environment |= {"PATH": f"{programs}:{os.environ['PATH']}"}
    environment |= {f"SUYUAN_{name}_PORT": "0" for name in ("MEMBERS", "READERS", "METRICS", "HTTP")}
    command = ["bash", "-c", f"set -e; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DAMAGED" not in done.stdout
    assert "what was acknowledged after it is lost" in done.stderr


def test_the_guide_names_every_setting_with_its_default() -> None:
    table = GUIDE.partition("| Setting |")[2].partition("\n\n")[0]
    for name, field in Settings.model_fields.items():
        if name != "data":
            [row] = [line for line in table.splitlines() if f"`{name}`" in line]
            default = field.default or None if isinstance(field.default, list) else field.default
            shown = {None: "none", True: "true", False: "false"}.get(default, str(default))
            if isinstance(default, int) and default >= 1 << 20:
                shown = f"{default >> 20} MiB"
            elif isinstance(default, int) and default >= 10_000:
                shown = f"{default:,}"
            assert shown in row, row


def test_the_guide_has_the_figures_of_the_code() -> None:
    table = GUIDE.partition("## Limits")[2].partition("## Disk")[0]
    for text in (
        f"again after {embedded.RETRY_AFTER_MS} ms",
        f"2,000 | RESOURCE_EXHAUSTED: again after {grpc_server.CALL_AGAIN_MS // 1000} s",
        f"again after {grpc_server.STREAM_AGAIN_MS // 1000} s",
        f"again after {disk.RETRY_AFTER_MS // 1000} s",
        f"| calls at once, on each port | {limits.CALLS_REQUESTS_MAX:,} |",
        f"| of one member: subscriptions, replays | {limits.MEMBER_STREAMS_MAX} each |",
        f"| of one member: submit streams | {limits.MEMBER_SUBMIT_STREAMS_MAX} |",
        f"| a submit stream on which nothing happens | {limits.STREAM_IDLE_SECONDS_MAX} s |",
        f"| calls on one connection | {limits.CONNECTION_STREAMS_MAX} |",
        f"{limits.MEMBER_CONNECTION_SECONDS_MAX // 3600} h, a reader's {limits.READER_CONNECTION_SECONDS_MAX} s",
        f"calls have {limits.CONNECTION_GRACE_SECONDS_MAX} s to end",
        f"{limits.STREAM_ENVELOPES_MAX:,} envelopes, {limits.STREAM_BYTES_MAX >> 20} MiB",
        f"{limits.ENVELOPE_BYTES_MAX >> 20} MiB, {limits.ENVELOPE_RECORDS_MAX:,} records",
        f"{limits.RECORD_BYTES_MAX >> 10} KiB each",
        f"{limits.ENVELOPE_LIFETIME_MS_MAX // 86_400_000} days, at most 5 minutes",
        f"| one message | {grpc_server.MESSAGE_BYTES_MAX >> 20} MiB and 64 KiB |",
        f"{limits.PAGE_ROWS_MAX:,}, and about {limits.PAGE_BYTES_MAX >> 20} MiB",
        f"| document lines in one question | {limits.REFS_ENTRIES_MAX:,} |",
        f"| private openings in one call | {limits.PRIVATE_ENTRIES_MAX:,} |",
    ):
        assert text in table, text
    assert f"more than {limits.CLOCK_AHEAD_MS_MAX // 86_400_000} days ahead" in GUIDE
    assert f"fewer than {limits.FREE_ENTRIES_MIN} inodes" in GUIDE
    assert f"at least {limits.FREE_BYTES_MIN >> 20} MiB" in GUIDE


# A node as others see it


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SUYUAN_LOG_FILE", "log/node.log")
        patched.setenv("SUYUAN_LOG_FILE_BYTES_MAX", "20000")
        patched.setenv("SUYUAN_LOG_FILES_KEPT", "2")
        network = Network(tmp_path_factory.mktemp("operating"))
        (network.data / "log").mkdir(parents=True)
        network.found_with_goods(MAKER)
        yield network
        network.kill()


def sell(network: Network, count: int, ref: str) -> None:
    with network.client(MAKER) as maker:
        acts = (
            build.sell(lot=LOT, quantity=1, ref=f"{ref}/{n}", at=clock_ms(), site=MAKER.site) for n in range(count)
        )
        for _, result in maker.submit_stream(maker.sign(acts, records_max=3)):
            assert not isinstance(result, Exception)


def test_metrics_that_the_guide_names_are_there(network: Network) -> None:
    from urllib.request import urlopen

    address = json.loads((network.data / "endpoints.json").read_text())["metrics"]
    text = urlopen(f"http://{address}/metrics", timeout=5).read().decode()
    named = set(re.findall(r"`(suyuan_[a-z_]+)", GUIDE.partition("## A network")[0]))
    assert {name for name in named if not re.search(rf"^{name}\b|^# TYPE {name} ", text, re.M)} == set()
    assert len(named) >= 10


def test_a_message_beyond_the_bound_is_refused_at_once(network: Network) -> None:
    network.certify(MAKER)
    identity, connection = keys.load(network.home(MAKER), PASSPHRASE), keys.load_connection(network.connection)
    address, credentials, _ = wire.target(identity, connection)
    with grpc.secure_channel(address, credentials, (("grpc.max_send_message_length", -1),)) as channel:
        stub: Any = ledger_pb2_grpc.LedgerStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Submit(pb.SubmitRequest(envelope=bytes(5 << 20)), timeout=10)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()


def test_a_log_file_rotates_by_size_and_is_opened_again_on_sighup(network: Network) -> None:
    log = network.data / "log" / "node.log"
    with network.client(MAKER) as maker:
        for number in range(300):  # each refused, and logged
            with pytest.raises(Exception, match="beyond"):
                maker._call("GetCheckpoint", pb.GetCheckpointRequest(extends_size=10**9 + number))
    assert {path.name for path in log.parent.iterdir()} == {"node.log", "node.log.1", "node.log.2"}
    assert all(path.stat().st_size <= 20_000 for path in log.parent.iterdir())
    moved = log.with_name("moved")
    log.rename(moved)
    assert network.process is not None
    network.process.send_signal(signal.SIGHUP)
    wait_until(log.exists)
    wait_until(lambda: "log opened again" in log.read_text())
    assert "log opened again" not in moved.read_text()
    assert network.process.poll() is None


def test_a_backup_of_a_node_under_load_is_whole(network: Network, tmp_path: Path) -> None:
    """Backups one after the other while it books; each restores, and what was booked before it is in it."""
    load = subprocess.Popen(
        [sys.executable, "-c", LOAD.format(root=str(ROOT), home=str(network.home(MAKER)))], stdout=subprocess.PIPE
    )
    assert load.stdout is not None
    heights = []
    try:
        for number in range(3):
            load.stdout.readline()  # some more is booked
            with network.client(MAKER) as maker:
                before = maker.node_info().height
            operate("backup", str(network.data), str(tmp_path / "backup"))
            shutil.copytree(tmp_path / "backup", tmp_path / f"backup-{number}")
            heights.append(before)
    finally:
        load.terminate()
        load.wait()
    assert heights == sorted(set(heights))
    for number, before in enumerate(heights):
        told = operate(
            "restore", str(tmp_path / f"backup-{number}"), str(tmp_path / f"node-{number}"), "--json"
        ).stdout
        assert json.loads(told)["height"] >= before
    last = tmp_path / f"node-{len(heights) - 1}"
    assert "DAMAGED" not in operate("check", str(last), "--replay").stdout
    assert "FAILS" not in run("client_sdk.commands", "audit", str(last)).stdout


LOAD = """
import sys, time
sys.path.insert(0, {root!r})
from client_sdk import Client, build
from client_sdk.wire import clock_ms
from tests.world import LOT, MAKER

with Client.open({home!r}, "test") as maker:
    def acts():
        for n in range(9000):
            time.sleep(0.003)  # so that it goes on beyond the last backup, also on a slow machine
            yield build.sell(lot=LOT, quantity=1, ref=f"load/{{n}}", at=clock_ms(), site=MAKER.site)

    for number, (_, result) in enumerate(maker.submit_stream(maker.sign(acts(), records_max=1))):
        assert not isinstance(result, Exception), result
        if number % 100 == 0:
            print(number, flush=True)
"""


def test_a_check_of_a_running_node_says_that_it_runs(network: Network) -> None:
    for command in ("check", "rebuild"):
        done = run("node.commands", command, str(network.data), check=False)
        assert done.returncode == 1
        assert "in use by another process" in done.stderr
        assert done.stderr.count("\n") == 1
    sell(network, 3, "still")


def test_a_service_manager_is_told(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.stop() == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        network.start()
        assert [listener.recv(100), listener.recv(100)] == [b"READY=1", b"STATUS=ready"]
        assert network.stop() == 0
        assert listener.recv(100) == b"STOPPING=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody-listens"))
    network.start()
    assert network.stop() == 0


def test_a_node_refuses_what_is_not_its_own_in_one_line(network: Network, tmp_path: Path) -> None:
    """Stopped by the test before. Each start is refused, and says which file is wrong."""
    foreign = tmp_path / "foreign"
    operate("init", str(foreign), "--name", "x.example/y", "--founder", str(network.home(REGULATOR) / "member.json"))
    cases = {
        "keys/log.key": 1, "keys/validator.key": 1, "keys/server.key": 1, "keys/ca.pem": 1, "genesis.json": 1,
        "node.toml": 2, "private.db": 1,
    }  # fmt: skip
    for name, code in cases.items():
        copy = shutil.copytree(network.data, tmp_path / name.replace("/", "-"))
        if name in ("node.toml", "private.db"):
            (copy / name).write_text("free_bytes_min = \n" * 100)
        else:
            shutil.copy(foreign / name, copy / name)
        ports = ["--members-port", "0", "--readers-port", "0", "--metrics-port", "0", "--http-port", "0"]
        done = run("node.commands", "run", str(copy), *ports, check=False)
        assert done.returncode == code, name
        assert Path(name).name in done.stderr or name == "genesis.json"
        assert [line for line in done.stderr.splitlines() if not line.startswith(("{", "suyuan-node: "))] == [], name


# The unit


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/suyuan/.venv/bin/suyuan-node", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    known = re.compile(r"Unknown key(?: name)? '(?:RestartSteps|RestartMaxDelaySec)'")  # before systemd 254
    assert [line for line in done.stderr.splitlines() if "suyuan-node" in line and not known.search(line)] == []
    assert done.returncode == 0
    rated = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(rated, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_the_unit_fits_the_node() -> None:
    values = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M))
    assert values["Type"] == "notify"
    assert values["ExecStart"].split()[1:] == ["run", "/var/lib/suyuan/node"]
    assert values["RestartPreventExitStatus"] == "2"
    assert values["KillMode"] == "mixed", "a node ends its CometBFT itself"
    assert values["ExecStart"].split()[2].startswith(values["ReadWritePaths"])
    assert (ROOT / "docs" / "operating.md").relative_to(ROOT).as_posix() in values["Documentation"]
