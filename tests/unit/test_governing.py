"""What a validator's owner is told before it hands on its consent to the next policy."""

import base64
import time
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from msgspec import json, structs

from client_sdk.commands import governing as proposing
from ledger.entries import PolicyEntry
from ledger.errors import Malformed
from ledger.genesis import chain_id
from ledger.governance import Terms
from ledger.limits import POLICY_DAYS_MAX
from node import governing, peers, rotation
from tests.ceremony import LOG, Network, found_four
from tests.network import run


@pytest.mark.parametrize("name", ["consensus", "key", "log"])
def test_another_key_of_any_kind_is_told(tmp_path: Path, name: str) -> None:
    """Who swaps how a validator votes takes the chain over as surely as who swaps how it cosigns."""
    network = found_four(tmp_path)
    first, *others = network.genesis.validators
    swapped = [structs.replace(first, **{name: bytes([7]) * 32}), *others]
    terms = Terms(chain=chain_id(network.genesis), number=1, rules=1, validators=swapped)
    _, told = governing.approve(network.folders[1], json.encode(terms), "terms.json")
    assert told["other_keys"] == f"{LOG}/association ({name})"
    assert (told["joins"], told["leaves"]) == ("nobody", "nobody")
    assert [line.split()[0] for line in told["keys"]] == [first.name] * 3
    assert f"{first.name}  {name:<9}  {base64.b64encode(bytes([7]) * 32).decode()}" in told["keys"]


def terms_of(network: Network, days: float | None = 1) -> Terms:
    ends = None if days is None else int((time.time() + days * 86_400) * 1000)
    return Terms(
        chain=chain_id(network.genesis), expires=ends, number=1, rules=1, validators=network.genesis.validators
    )


def test_the_keys_of_who_joins_read_as_in_its_public_file(tmp_path: Path) -> None:
    network = found_four(tmp_path)
    joins = structs.replace(network.peers[0].validator, name=f"{LOG}/port", **_drawn())
    newcomer = peers.with_keys(structs.replace(network.peers[0], name=joins.name), joins)
    peers.write(tmp_path / "port.json", newcomer)
    terms = terms_of(network)
    terms = structs.replace(terms, validators=[*terms.validators[1:], joins])
    with pytest.raises(Malformed, match=f"no public file of {LOG}/port"):
        governing.approve(network.folders[1], json.encode(terms), "terms.json")
    peers.add(network.folders[1], newcomer)
    _, told = governing.approve(network.folders[1], json.encode(terms), "terms.json")
    public = json.decode((tmp_path / "port.json").read_bytes())
    assert told["keys"] == [f"{joins.name}  {name:<9}  {public[name]}" for name in ("consensus", "key", "log")]
    assert told["ends"].endswith(" UTC+8")


def _drawn() -> dict[str, bytes]:
    return {name: bytes([number]) * 32 for number, name in enumerate(("consensus", "key", "log"), 30)}


@pytest.mark.parametrize(("days", "found"), [(-1, "they ended on "), (POLICY_DAYS_MAX + 1, "they end on ")])
def test_terms_that_ended_or_never_seem_to_get_no_approval(tmp_path: Path, days: float, found: str) -> None:
    network = found_four(tmp_path)
    with pytest.raises(Malformed, match=rf"terms\.json: {found}.* UTC\+8"):
        governing.approve(network.folders[1], json.encode(terms_of(network, days)), "terms.json")
    for allowed in (POLICY_DAYS_MAX - 1, None):
        governing.approve(network.folders[1], json.encode(terms_of(network, allowed)), "terms.json")


def test_an_approval_replaces_no_file(tmp_path: Path) -> None:
    network = found_four(tmp_path)
    (tmp_path / "terms.json").write_bytes(json.encode(terms_of(network)))
    command = ("node.commands", "approve", str(network.folders[1]), str(tmp_path / "terms.json"), "-o")
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(CalledProcessError) as refused:
        run(*command, str(tmp_path / "there.json"))
    assert "is there already; nothing was changed" in refused.value.stderr
    assert (tmp_path / "there.json").read_text() == "mine"
    run(*command, str(tmp_path / "new.json"))


def test_keys_that_do_not_change_replace_nothing(tmp_path: Path) -> None:
    network = found_four(tmp_path)
    current = PolicyEntry(chain=chain_id(network.genesis), number=0, rules=1, validators=network.genesis.validators)
    data = network.folders[1]
    with pytest.raises(Malformed, match=r"peer\.json: these are the present keys of .*; its peer\.next\.json"):
        proposing._changed(current, [], [data / peers.OWN_FILE], [])
    rotation.rotate(data)
    new = proposing._changed(current, [], [data / rotation.NEXT_FILE], [f"{LOG}/university"])
    assert proposing._changes(current.validators, new) == {
        "joins": ["nobody"],
        "leaves": [f"{LOG}/university"],
        "other_keys": [f"{LOG}/customs"],
    }
