"""Founding a network on one machine. What its owners would do each on a machine of their own happens here in one go,
so one process sees all keys: never do this for goods that exist."""

import datetime as dt
import json
import shutil
import socket
from pathlib import Path
from typing import Final

from msgspec import Struct

from client_sdk import keys as members
from ledger import genesis as g
from ledger.policy import format_policy, of_genesis
from node import network, peers, tls
from node.config import CONFIG_FILE
from node.peers import Peer

NAME: Final = "localnet.example/log"
HOST: Final = "127.0.0.1"
PASSPHRASE: Final = "localnet"
REGULATOR: Final = "91330400MA0000001Y"
SCRYPT_N: Final = 1 << 10  # under a passphrase that everybody knows
PORTS_A_NODE: Final = 10
MEMBERS, READERS, METRICS, COSIGN, P2P, HTTP = range(6)
"""What the ports of a node are for, from its first one on."""


class Node(Struct, frozen=True):
    """One validator-to-be: its folder and its first port."""

    number: int
    data: Path
    port: int

    @property
    def name(self) -> str:
        return f"validator-{self.number}"

    def at(self, purpose: int) -> str:
        return f"{HOST}:{self.port + purpose}"


def found(folder: Path, count: int, port: int, program: Path) -> None:
    """Lay out `count` nodes, node1 and so on, a regulator who founds the ledger, and connection files."""
    nodes = [node_at(folder, number, port) for number in range(1, count + 1)]
    for node in nodes:
        require_free_ports(node)
    regulator = _regulator(folder)
    public = [make_keys(node, nodes[0], program) for node in nodes]
    founders = [network.founder(regulator.folder / "member.json")]
    genesis = network.collect(NAME, founders, public, "CN-33", None)
    for node in nodes:
        network.join(node.data, genesis, public)
        write_connection(folder, node, genesis)
    certificate = tls.certify(nodes[0].data / "keys", _request(regulator), REGULATOR, dt.datetime.now(dt.UTC))
    (regulator.folder / "tls.crt").write_bytes(certificate)
    shutil.copy(folder / "node1.json", regulator.folder / "node.json")


def node_at(folder: Path, number: int, port: int) -> Node:
    return Node(number, folder / f"node{number}", port + (number - 1) * PORTS_A_NODE)


def make_keys(node: Node, first: Node, program: Path) -> Peer:
    """What its owner would do, and one authority for all, so that a member's one certificate opens every node."""
    node.data.mkdir(mode=0o700, parents=True)
    (node.data / CONFIG_FILE).write_text(_settings(node, program))
    network.init(node.data, NAME, node.name, node.at(P2P), node.at(COSIGN), [HOST, "localhost"])
    for name in (tls.CA_KEY, tls.CA_CERT):
        if node != first:
            shutil.copy(first.data / "keys" / name, node.data / "keys" / name)
    tls.make_server(node.data / "keys", NAME.split("/")[0], [HOST, "localhost"], dt.datetime.now(dt.UTC))
    return peers.read(node.data / peers.OWN_FILE)


def require_free_ports(node: Node) -> None:
    for purpose in (MEMBERS, READERS, METRICS, COSIGN, P2P, HTTP):
        require_free(node.port + purpose)


def require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SystemExit(f"port {port} is not free ({error.strerror}): choose others with --port") from None


def _regulator(folder: Path) -> members.Identity:
    return members.create(
        folder / "members" / "regulator", REGULATOR, "市场监管局", "regulator", "CN-33", PASSPHRASE, SCRYPT_N
    )


def _request(identity: members.Identity) -> bytes:
    return (identity.folder / "tls.csr").read_bytes()


def _settings(node: Node, program: Path) -> str:
    values = {
        "engine": "cometbft",
        "cometbft_program": str(program),
        "members_port": node.port + MEMBERS,
        "readers_port": node.port + READERS,
        "metrics_port": node.port + METRICS,
        "http_port": node.port + HTTP,
        "cosign_port": node.port + COSIGN,
        "consensus_port": node.port + P2P,
    }
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def write_connection(folder: Path, node: Node, genesis: g.Genesis) -> None:
    content = {
        "name": genesis.name,
        "chain": g.chain_id(genesis).hex(),
        "members": node.at(MEMBERS),
        "readers": node.at(READERS),
        "ca": (node.data / "keys" / tls.CA_CERT).read_text(),
        "policy": format_policy(of_genesis(genesis)),
        "web": f"http://{node.at(HTTP)}",
    }
    (folder / f"node{node.number}.json").write_text(json.dumps(content, indent=2) + "\n")
