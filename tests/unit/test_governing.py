"""What a validator's owner is told before it hands on its consent to the next policy."""

from pathlib import Path

import pytest
from msgspec import json, structs

from ledger.genesis import chain_id
from ledger.governance import Terms
from node import governing
from tests.ceremony import LOG, found_four


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
