"""What another owner's public file may say of its addresses: nothing that a node would end over."""

from pathlib import Path

import pytest
from msgspec import structs

from ledger.errors import Malformed
from node import peers
from tests.ceremony import make

GOOD = ["port.example.org:26656", "127.0.0.1:1", "[::1]:65535", "a_b-c.example.:7420", "localhost:7420"]
BAD = [
    "a..b:7420",
    ".:80",
    f"{'x' * 64}:80",
    "h:0",
    "h:65536",
    "[::1:80",
    "::1:80",
    "[]:80",
    "-:80",
    f"{'a.' * 130}b:80",
]


@pytest.mark.parametrize("address", GOOD)
def test_addresses_that_may_be_reached(tmp_path: Path, address: str) -> None:
    peer = structs.replace(make(tmp_path / "node", 0), address=address, cosign="127.0.0.1:2")
    peers.write(tmp_path / "peer.json", peer)
    assert peers.read(tmp_path / "peer.json") == peer


@pytest.mark.parametrize("name", ["address", "cosign"])
@pytest.mark.parametrize("address", BAD)
def test_addresses_that_nobody_can_have_are_refused(tmp_path: Path, name: str, address: str) -> None:
    """Looked up, the first one raised what no caller expects, and ended each node that took the file in."""
    peer = make(tmp_path / "node", 0)
    peers.write(tmp_path / "peer.json", structs.replace(peer, **{name: address}))
    with pytest.raises(Malformed, match="HOST:PORT"):
        peers.read(tmp_path / "peer.json")
