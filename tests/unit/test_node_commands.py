"""`suyuan-node` without a node: a slip of an operator gets one line that says what to do."""

import sys
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from client_sdk import keys
from ledger.storage.blockfile import BlockFiles
from node.commands import main
from tests.world import MAKER, REGULATOR


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded node `node`, its regulator `home`."""
    folder = tmp_path_factory.mktemp("node")
    keys.create(folder / "home", REGULATOR.id, "市场监管局", "regulator", "CN-33", "secret", scrypt_n=16)
    member = str(folder / "home" / "member.json")
    assert typed("init", str(folder / "node"), "--name", "example.org/food", "--founder", member) == 0
    return folder


def typed(*arguments: str) -> int:
    with mock.patch.object(sys, "argv", ["suyuan-node", *arguments]):
        try:
            main()
        except SystemExit as left:
            return int(left.code or 0)
    return 0


OF = ("--member", REGULATOR.id, "-o", "x.crt")
FOUNDER = ("--founder", "home/member.json")
SLIPS = [
    (
        ("certify", "node", "home/member.json", *OF),
        1,
        "home/member.json: it is no certificate request; the member's tls",
    ),
    (("certify", "node", "home/tls.crs", *OF), 1, "home/tls.crs: there is no such file; check"),
    (("certify", "nowhere", "home/tls.csr", *OF), 1, "nowhere: there is no genesis.json"),
    (
        ("certify", "node", "home/tls.csr", "--member", MAKER.id, "-o", "x.crt"),
        1,
        f"not for {MAKER.id}; check --member",
    ),
    (("init", "other", "--name", "Example.org", *FOUNDER), 2, "--name 'Example.org': 3 to 63 of a-z"),
    (
        ("init", "other", "--name", "example.org", "--region", "Zhejiang", *FOUNDER),
        2,
        "--region 'Zhejiang': a country",
    ),
    (
        ("init", "other", "--name", "example.org", "--founder", "home/tls.csr"),
        1,
        "member.json, as suyuan keygen writes",
    ),
    (("status", "nowhere"), 1, "nowhere: there is no genesis.json"),
    (("inti",), 2, "Did you mean 'init'"),
]


@pytest.mark.parametrize(("words", "code", "says"), SLIPS, ids=[" ".join(one[0][:3]) for one in SLIPS])
def test_a_slip_gets_one_line(
    words: tuple[str, ...],
    code: int,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    capsys.readouterr()
    assert typed(*words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert says in said.err


def test_a_node_that_does_not_say_where_it_listens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(BlockFiles(folder / "node", b"", writer=True)):
        assert typed("status", str(folder / "node")) == 0
    assert "it has not written endpoints.json yet" in capsys.readouterr().out
