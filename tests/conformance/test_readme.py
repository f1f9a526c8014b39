"""README.md as a newcomer follows it: its commands, its ten lines, and the demonstration from a fresh clone."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from client_sdk import build, keys
from client_sdk.wire import clock_ms
from ledger import records as r
from tests.network import PASSPHRASE, Network
from tests.world import DEALER, FORMULA, LOT, MAKER, REGULATOR

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_ten_lines_ship_a_pallet(tmp_path: Path) -> None:
    network = Network(tmp_path)
    network.found(REGULATOR)
    network.start()
    for who in (MAKER, DEALER):
        network.identify(who)
    with network.client(REGULATOR) as regulator:
        for who in (MAKER, DEALER):
            one = keys.load_public(network.home(who))
            fields = {"key": one.key, "kind": r.MemberKind.ENTERPRISE, "member": one.member, "name": one.name}
            regulator.submit([build.act(r.Admit, at=clock_ms(), region="CN-33", **fields)])
    declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "乳粉", "product": FORMULA}
    made = {"lot": LOT, "quantity": 1000, "ref": "SC-1", "site": MAKER.site, "production": 20251101}
    with network.client(MAKER) as maker:
        maker.submit([build.act(r.Register, at=clock_ms(), **declared), build.commission(at=clock_ms(), **made)])
    code, queued = blocks("python")
    assert len(code.strip().splitlines()) <= 10
    adapted = code.replace("members/dealer", str(network.home(MAKER))).replace("06912345678905#L20260103", LOT)
    adapted = adapted.replace("91330400MA00000048", DEALER.id)
    script = tmp_path / "ship.py"
    script.write_text(adapted)
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True, env=environment)
    assert re.match(r"leaf \d+, ship [0-9a-f]{64}\n", done.stdout)
    with network.client(DEALER) as dealer:
        assert [one.open for one in dealer.handovers()] == [480]
    script.write_text(
        "from client_sdk import Client\nfrom client_sdk.wire import clock_ms\n"
        f"lot, site, now_ms = {LOT!r}, {MAKER.site!r}, clock_ms()\n"
        f"{queued.replace('members/shop', str(network.home(MAKER)))}print(report.booked, report.stopped or 'sent')\n"
    )
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout == "1 sent\n"
    assert network.stop() == 0


def test_the_commands_make_a_node_and_a_regulator_that_audits_it(tmp_path: Path) -> None:
    section = README.partition("## Run a node, join as a member")[2]
    commands = re.search(r"```\n(.*?)```", section, re.S)
    assert commands is not None
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "PYTHONPATH": str(ROOT)}
    environment |= {f"SUYUAN_{name}_PORT": "0" for name in ("MEMBERS", "READERS", "METRICS", "HTTP")}
    node: subprocess.Popen[bytes] | None = None
    modules = {"suyuan": "client_sdk.commands", "suyuan-node": "node.commands"}
    try:
        for line in commands[1].strip().splitlines():
            words = shlex.split(line.removesuffix("&"))
            command = [sys.executable, "-m", modules[words[0]], *words[1:]]
            if line.endswith("&"):
                node = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
                while not (tmp_path / "data" / "endpoints.json").exists():
                    assert node.poll() is None
            else:
                subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
        audit = [sys.executable, "-m", "client_sdk.commands", "audit", "-i", "members/regulator", "--json"]
        done = subprocess.run(audit, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert all(json.loads(line)["holds"] for line in done.stdout.splitlines())
    finally:
        if node is not None:
            node.terminate()
            assert node.wait(30) == 0


def named_in_the_table(program: str) -> set[str]:
    """The commands in the first column of the table of commands, in the rows of one program."""
    table = README.partition("| Command |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    quoted = [re.findall(r"`([^`]+)`", cell) for cell in cells]
    return {
        text.removeprefix(program).split()[0]
        for texts in quoted
        if texts[0].startswith(f"{program} ")
        for text in texts
    }


def test_the_table_of_commands_is_complete_and_names_no_other() -> None:
    from client_sdk.commands import app as members
    from node.commands import app as operators

    known, operated = (
        {one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands}
        | {str(one.name) for one in app.registered_groups}
        for app in (members, operators)
    )
    assert {"import", "ship", "take-back", "positions", "proof", "verify", "audit"} <= known
    assert named_in_the_table("suyuan") == known
    assert {"status", "rebuild"} <= named_in_the_table("suyuan-node") <= operated


def test_the_demonstration_runs_from_a_fresh_clone(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is nothing to clone")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    done = subprocess.run([str(clone / "scripts" / "demo")], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified offline: FACTS NOTED" in done.stdout
    assert "verified offline: RECALLED" in done.stdout
    assert re.search(r"rows [\d,]+ booked, [1-9]\d* not booked", done.stdout)
