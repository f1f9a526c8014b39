"""README.md as a newcomer follows it: its commands, its ten lines, and the demonstration from a fresh clone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def shell_blocks(page: str) -> list[str]:
    """The blocks that a reader types into a shell, in order: those without a language, below the first heading that
    has one."""
    return re.findall(r"^```\n(.*?)^```", page.partition("## Run a node")[2], re.S | re.M)


SHIP = """$(suyuan handovers -i members/shop --json | python -c 'print(input()[10:18])')"""


def test_every_command_and_snippet_runs_as_written(tmp_path: Path) -> None:
    """One shell, as a reader's: the commands in their order, then the two snippets, then the audit."""
    made, joined, traded, imported = shell_blocks(README)
    ship, queue = blocks("python")
    assert len(ship.strip().splitlines()) <= 10
    snippets = [f"python - <<'SNIPPET'\n{code}\nSNIPPET\n" for code in (ship, queue + "print(report.booked)")]
    audit = "suyuan audit -i members/regulator --json\nkill %1\nwait %1\n"
    known = made.replace("source .venv/bin/activate", ":"), joined, traded.replace("HASH", SHIP), imported
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUYUAN_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment |= {f"SUYUAN_{name}_PORT": "0" for name in ("MEMBERS", "READERS", "METRICS", "HTTP")}
    script = "set -eum\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join([*known, *snippets, audit])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^GOOD  as of \S+ \S+ UTC\+8$", done.stdout, re.M), done.stdout
    assert re.search(r"^leaf \d+, ship [0-9a-f]{64}$", done.stdout, re.M)
    assert re.search(r"^would_book +1\n.*^booked +1\n", done.stdout, re.M | re.S)
    assert done.stdout.count('"holds": true') > 5
    assert '"holds": false' not in done.stdout


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
