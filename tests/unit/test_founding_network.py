"""The founding of a network as its owners type it: what does not fit is refused before anything is laid out."""

import json
import shutil
from pathlib import Path

import pytest

from client_sdk import keys as members
from ledger.errors import Malformed
from node import network, peers, rotation
from tests.ceremony import LOG, NAMES, found_four, make
from tests.unit.test_node_commands import typed
from tests.world import REGULATOR

Said = pytest.CaptureFixture[str]


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> Path:
    """Where the owners meet: four nodes with keys, their public files, and a genesis of them."""
    monkeypatch.chdir(tmp_path)
    members.create(tmp_path / "home", REGULATOR.id, "市场监管局", "regulator", "CN-33", "secret", scrypt_n=16)
    for number, name in enumerate(NAMES):
        make(tmp_path / name, number)
        shutil.copy(tmp_path / name / "peer.json", tmp_path / f"{name}.json")
    assert collect("genesis.json") == 0
    capsys.readouterr()
    return tmp_path


def collect(out: str) -> int:
    validators = [word for name in NAMES for word in ("--validator", f"{name}.json")]
    return typed("genesis", out, "--name", LOG, "--founder", "home/member.json", *validators)


def chain(said: Said) -> str:
    """The hash of the genesis, as join says it."""
    typed("join", "customs", "genesis.json", "association.json")
    return said.readouterr().err.rstrip().rpartition(" ")[2]


def join(hash_: str, *files: str, genesis: str = "genesis.json") -> int:
    return typed("join", "customs", genesis, *files, "--chain", hash_)


def test_every_other_validator_needs_a_public_file(hall: Path, capsys: Said) -> None:
    found = chain(capsys)
    assert join(found, "association.json", "regulator.json") == 1
    assert f"that of {LOG}/university is missing" in capsys.readouterr().err
    assert not (hall / "customs/genesis.json").exists()
    assert join(found, "association.json", "regulator.json", "university.json") == 0


def test_a_node_at_another_one_s_address_is_not_let_in(tmp_path: Path, capsys: Said) -> None:
    data = found_four(tmp_path).folders[1]
    make(tmp_path / "port", 0)  # the association's addresses
    assert typed("peer", str(data), str(tmp_path / "port/peer.json")) == 1
    assert f"127.0.0.1:9000 is the address of {LOG}/association too" in capsys.readouterr().err
    assert not (data / "peers/port.json").exists()


def test_a_file_of_another_log_is_left_out(hall: Path, capsys: Said) -> None:
    network.init(hall / "port", "other.example/log", "port", "127.0.0.1:1", "127.0.0.1:2", ["127.0.0.1"])
    assert join(chain(capsys), "association.json", "regulator.json", "university.json", "port/peer.json") == 1
    assert f"other.example/log/port: it is no node of {LOG}" in capsys.readouterr().err


def test_a_wrong_hash_is_told_without_the_one_that_was_found(hall: Path, capsys: Said) -> None:
    """It would be copied, and the check with it."""
    found = chain(capsys)
    assert join("00" * 32, "association.json") == 1
    said = capsys.readouterr().err
    assert "its hash and the one that you were read differ: do not start, and ask the other owners" in said
    assert found not in said


def test_files_in_the_wrong_order_are_told(hall: Path, capsys: Said) -> None:
    assert join("00" * 32, "genesis.json", genesis="association.json") == 1
    assert "association.json: Object contains unknown field `address`; the genesis is expected here" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"address": "127.0.0.1:9000"}, f"{LOG}/customs: 127.0.0.1:9000 is the address of {LOG}/association too"),
        ({"name": f"{LOG}/association"}, f"{LOG}/association: two files name it"),
        ({"log": None}, f"a key of {LOG}/association and of {LOG}/customs stands twice"),
        ({"key": None}, f"a key of {LOG}/association and of {LOG}/customs stands twice"),
    ],
)
def test_who_stands_twice_is_named(hall: Path, capsys: Said, changed: dict[str, str | None], says: str) -> None:
    first, second = (json.loads((hall / f"{name}.json").read_text()) for name in ("association", "customs"))
    second |= {name: value or first[name] for name, value in changed.items()}
    (hall / "customs.json").write_text(json.dumps(second))
    assert collect("second.json") == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "cosign", "says"),
    [
        ("127.0.0.1", "127.0.0.1:2", "address: '127.0.0.1' is no HOST:PORT, such as"),
        ("127.0.0.1:1", "127.0.0.1:99999", "cosign: '127.0.0.1:99999' is no HOST:PORT, such as"),
        ("127.0.0.1:1", "127.0.0.1:1", "cosign: 127.0.0.1:1 is the address as well"),
        ("a.example:1", "b.example:1", "cosign: b.example:1 has the port of the address"),
    ],
)
def test_addresses_are_checked_before_keys_are_made(
    tmp_path: Path, capsys: Said, address: str, cosign: str, says: str
) -> None:
    given = ("--name", LOG, "--node", "port", "--address", address, "--cosign", cosign)
    assert typed("init", str(tmp_path / "port"), *given) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "port").exists()


@pytest.mark.parametrize(
    "words",
    [
        (
            "init",
            "customs",
            "--name",
            LOG,
            "--node",
            "customs",
            "--address",
            "127.0.0.1:1",
            "--cosign",
            "127.0.0.1:2",
        ),
        ("run", "customs"),
        ("status", "customs"),
        ("check", "customs"),
        ("rotate", "customs"),
        ("backup", "customs", "saved"),
        ("connection", "customs", "-o", "node.json"),
        ("certify", "customs", "home/tls.csr", "--member", REGULATOR.id, "-o", "tls.crt"),
    ],
    ids=lambda words: words[0],
)
def test_between_init_and_join_every_command_says_how_to_go_on(
    hall: Path, capsys: Said, words: tuple[str, ...]
) -> None:
    assert typed(*words) == 1
    assert (
        "customs: its keys wait for the network's genesis: hand out peer.json, and go on with suyuan-node join"
        in (capsys.readouterr().err)
    )


def test_status_says_which_node_it_is(tmp_path: Path, capsys: Said) -> None:
    data = found_four(tmp_path).folders[1]
    assert typed("status", str(data)) == 0
    said = capsys.readouterr().out.split("\n")
    assert [line.split()[1:] for line in said if line.startswith(("node", "role"))] == [
        [f"{LOG}/customs"],
        ["validator"],
    ]


def test_only_a_validator_in_office_draws_new_keys(tmp_path: Path) -> None:
    joined = found_four(tmp_path)
    make(tmp_path / "port", 9)
    network.join(tmp_path / "port", joined.genesis, joined.peers)
    with pytest.raises(Malformed, match=f"{LOG}/port is no validator in office"):
        rotation.rotate(tmp_path / "port")
    assert not (tmp_path / "port/keys/next").exists()
    assert rotation.rotate(joined.folders[0]).name == peers.read(joined.folders[0] / "peer.json").name
