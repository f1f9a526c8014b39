"""CometBFT's folder in a node's data: keys, genesis and settings, as they are written once when a network is founded.

cometbft/config/config.toml               settings, of which only those stand here that matter
cometbft/config/genesis.json              the same for all; made from the ledger's genesis and the consensus keys
cometbft/config/node_key.json             by which its peers know it
cometbft/config/priv_validator_key.json   signs votes
cometbft/data/priv_validator_state.json   what it voted for last; never restored from a backup
"""

import base64
import datetime as dt
import json
import tomllib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ledger import genesis as g
from ledger import signature
from ledger.errors import Malformed
from ledger.limits import BLOCK_BYTES_MAX, RPC_BATCH_REQUESTS_MAX, TX_BYTES_MAX
from node.keys import store_private

FOLDER: Final = "cometbft"
ABCI_SOCKET: Final = "abci.sock"
RPC_SOCKET: Final = "rpc.sock"
VOTED: Final = "priv_validator_state.json"
RPC_BODY_BYTES: Final = 4_000_000
_PUBLIC, _PRIVATE = "tendermint/PubKeyEd25519", "tendermint/PrivKeyEd25519"


class Validator(Struct, frozen=True):
    """One of the founding validators, as the others need to know it: its name in the ledger's genesis, its consensus
    key, the id of its p2p key, and where it listens."""

    name: str
    consensus: bytes
    node_id: str
    address: str


def address_of(public_key: bytes) -> str:
    """By which CometBFT names a validator, or a node."""
    return sha256(public_key).digest()[:20].hex()


def chain_name(genesis: g.Genesis) -> str:
    """CometBFT's chain id: bound to the ledger's, within the 50 characters that it takes."""
    return f"suyuan-{g.chain_id(genesis).hex()[:40]}"


class Keys(Struct, frozen=True):
    """Seeds of a node's two keys for CometBFT: one votes, the other one names it among its peers."""

    consensus: bytes
    p2p: bytes


def write_home(home: Path, genesis: g.Genesis, validators: Sequence[Validator], own: Validator, keys: Keys) -> None:
    """Lay out one node's folder; `validators` are all of them, in the order of the genesis."""
    for folder in (home, home / "config", home / "data"):
        folder.mkdir(mode=0o700)
    store_private(home / "config/node_key.json", _json({"priv_key": _private(keys.p2p)}))
    voter = {"address": address_of(own.consensus).upper(), "pub_key": _public(own.consensus)}
    voter_key = {**voter, "priv_key": _private(keys.consensus)}
    store_private(home / "config/priv_validator_key.json", _json(voter_key))
    store_private(home / "data" / VOTED, _json({"height": "0", "round": 0, "step": 0}))
    (home / "config/genesis.json").write_text(_json(_genesis(genesis, validators)))
    (home / "config/config.toml").write_text(_settings(own, [one for one in validators if one != own]))


def _genesis(genesis: g.Genesis, validators: Sequence[Validator]) -> dict[str, Any]:
    began = dt.datetime.fromtimestamp(genesis.time // 1000, dt.UTC)
    return {
        "genesis_time": f"{began:%Y-%m-%dT%H:%M:%S}.{genesis.time % 1000:03d}Z",
        "chain_id": chain_name(genesis),
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(BLOCK_BYTES_MAX), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": "100000",
                "max_age_duration": "172800000000000",
                "max_bytes": "1048576",
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "0"},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": address_of(one.consensus).upper(),
                "pub_key": _public(one.consensus),
                "power": "1",
                "name": one.name,
            }
            for one in validators
        ],
        "app_hash": "",
    }


def _settings(own: Validator, others: Sequence[Validator]) -> str:
    """The reasons stand in docs/adr/0011. Sockets lie in the folder, where the process is started."""
    peers = ",".join(f"{one.node_id}@{one.address}" for one in others)
    ids = ",".join(one.node_id for one in others)
    sections: dict[str, dict[str, Any]] = {
        "": {
            "proxy_app": f"unix://{ABCI_SOCKET}",
            "moniker": own.name,
            "db_backend": "goleveldb",
            "log_level": "error",
            "log_format": "json",
            "filter_peers": True,
        },
        "rpc": {
            "laddr": f"unix://{RPC_SOCKET}",
            "max_body_bytes": RPC_BODY_BYTES,
            "max_request_batch_size": RPC_BATCH_REQUESTS_MAX,
        },
        "p2p": {
            "laddr": f"tcp://{own.address}",
            "persistent_peers": peers,
            "unconditional_peer_ids": ids,
            "persistent_peers_max_dial_period": "5s",
            "pex": False,
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "flush_throttle_timeout": "2ms",
            "send_rate": 64_000_000,
            "recv_rate": 64_000_000,
        },
        "mempool": {
            "type": "flood",
            "recheck": False,
            "size": 20_000,
            "max_txs_bytes": 64 * 1024 * 1024,
            "max_tx_bytes": TX_BYTES_MAX,
            "cache_size": 100_000,
        },
        "consensus": {
            "timeout_propose": "3s",
            "timeout_commit": "0s",
            "create_empty_blocks": False,
            "create_empty_blocks_interval": "60s",
            "peer_gossip_sleep_duration": "5ms",
        },
        "tx_index": {"indexer": "null"},
    }
    return "# Written when the network was founded; see docs/operating.md\n" + "".join(
        map(_section, sections.items())
    )


def _section(named: tuple[str, dict[str, Any]]) -> str:
    name, values = named
    head = f"\n[{name}]\n" if name else ""
    return head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def allowed_peers(home: Path) -> frozenset[str]:
    """The ids of those with whom this node's CometBFT may speak: its persistent peers."""
    path = home / "config/config.toml"
    try:
        peers = tomllib.loads(path.read_text())["p2p"]["persistent_peers"]
        return frozenset(peer.split("@")[0] for peer in peers.split(",") if peer)
    except OSError as error:
        raise Malformed(str(path), f"{error.strerror}; a network's founding writes it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, AttributeError) as error:
        raise Malformed(str(path), f"it names no persistent_peers under [p2p]: {error}") from None


def _public(key: bytes) -> dict[str, str]:
    return {"type": _PUBLIC, "value": base64.b64encode(key).decode()}


def _private(seed: bytes) -> dict[str, str]:
    return {"type": _PRIVATE, "value": base64.b64encode(seed + signature.public_key(seed)).decode()}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
