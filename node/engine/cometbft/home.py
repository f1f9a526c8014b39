"""CometBFT's folder in a node's data. All but what it voted for last is written anew at each start, from the node's
keys, its settings, the ledger's genesis and the public files of its peers.

cometbft/config/config.toml               settings, of which only those stand here that matter
cometbft/config/genesis.json              the same for all
cometbft/config/node_key.json             by which its peers know it
cometbft/config/priv_validator_key.json   signs votes
cometbft/data/priv_validator_state.json   what it voted for last; never restored from a backup
"""

import base64
import datetime as dt
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger import genesis as g
from ledger import signature
from ledger.errors import Damaged
from ledger.limits import BLOCK_BYTES_MAX, RPC_BATCH_REQUESTS_MAX, TX_BYTES_MAX
from node import keys
from node.peers import Peer

FOLDER: Final = "cometbft"
ABCI_SOCKET: Final = "abci.sock"
RPC_SOCKET: Final = "rpc.sock"
VOTED: Final = "priv_validator_state.json"
RPC_BODY_BYTES: Final = 4_000_000
_PUBLIC, _PRIVATE = "tendermint/PubKeyEd25519", "tendermint/PrivKeyEd25519"


def address_of(public_key: bytes) -> str:
    """By which CometBFT names a validator, or a node."""
    return sha256(public_key).digest()[:20].hex()


def chain_name(genesis: g.Genesis) -> str:
    """CometBFT's chain id: bound to the ledger's, within the 50 characters that it takes."""
    return f"suyuan-{g.chain_id(genesis).hex()[:40]}"


def create(home: Path) -> None:
    """The folder of a node whose keys never voted; FileExistsError where there is one."""
    for folder in (home, home / "config", home / "data"):
        folder.mkdir(mode=0o700)
    keys.store_private(home / "data" / VOTED, _json({"height": "0", "round": 0, "step": 0}))


def write_config(home: Path, own: Path, genesis: g.Genesis, listen: str, peers: Sequence[Peer]) -> None:
    """Everything in config/: from the node's keys in `own`, and HOST:PORT where CometBFT is to listen. Damaged where
    nobody knows what these keys voted for last."""
    if not (home / "data" / VOTED).exists():
        remedy = "docs/operating.md says how to go on, under: A network of validators"
        raise Damaged(str(home / "data" / VOTED), "it is missing: this validator could vote twice", remedy)
    (home / "config").mkdir(mode=0o700, exist_ok=True)
    consensus, p2p = (keys.load_seed(own, name) for name in (keys.CONSENSUS_KEY, keys.PEER_KEY))
    public = signature.public_key(consensus)
    voter = {"address": address_of(public).upper(), "pub_key": _public(public), "priv_key": _private(consensus)}
    contents = {
        "node_key.json": _json({"priv_key": _private(p2p)}),
        "priv_validator_key.json": _json(voter),
        "genesis.json": _json(_genesis(genesis)),
        "config.toml": _settings(listen, peers),
    }
    for name, text in contents.items():
        path = home / "config" / name
        path.unlink(missing_ok=True)
        keys.store_private(path, text)


def _genesis(genesis: g.Genesis) -> dict[str, Any]:
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
            for one in genesis.validators
        ],
        "app_hash": "",
    }


def _settings(listen: str, peers: Sequence[Peer]) -> str:
    """The reasons stand in docs/adr/0011. Sockets lie in the folder, where the process is started."""
    known = [(address_of(peer.peer), peer.address) for peer in peers]
    sections: dict[str, dict[str, Any]] = {
        "": {
            "proxy_app": f"unix://{ABCI_SOCKET}",
            "moniker": "suyuan",
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
            "laddr": f"tcp://{listen}",
            "persistent_peers": ",".join(f"{name}@{address}" for name, address in known),
            "unconditional_peer_ids": ",".join(name for name, _ in known),
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
    return "# Written anew at each start, from node.toml and peers/; see docs/operating.md\n" + "".join(
        map(_section, sections.items())
    )


def _section(named: tuple[str, dict[str, Any]]) -> str:
    name, values = named
    head = f"\n[{name}]\n" if name else ""
    return head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _public(key: bytes) -> dict[str, str]:
    return {"type": _PUBLIC, "value": base64.b64encode(key).decode()}


def _private(seed: bytes) -> dict[str, str]:
    return {"type": _PRIVATE, "value": base64.b64encode(seed + signature.public_key(seed)).decode()}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
