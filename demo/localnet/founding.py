"""Founding a network on one machine. What its owners would do each on a machine of their own happens here in one go,
so one process sees all keys: never do this for goods that exist."""

import datetime as dt
import json
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from client_sdk import keys as members
from client_sdk.wire import clock_ms
from ledger import genesis as g
from ledger import signature
from ledger.block import RULES_VERSION
from ledger.policy import format_policy, of_genesis
from ledger.records import MemberKind
from node import founding, keys, tls
from node.engine.cometbft import home

NAME: Final = "localnet.example/log"
HOST: Final = "127.0.0.1"
PASSPHRASE: Final = "localnet"
REGULATOR: Final = "91330400MA0000001Y"
SCRYPT_N: Final = 1 << 10  # under a passphrase that everybody knows
PORTS_A_NODE: Final = 10
MEMBERS, READERS, METRICS, COSIGN, P2P, HTTP = range(6)
"""What the ports of a node are for, from its first one on."""


class Node(Struct, frozen=True):
    """One validator-to-be: its folder, its first port, and all its seeds."""

    number: int
    data: Path
    port: int
    validator: bytes
    comet: home.Keys

    def at(self, purpose: int) -> str:
        return f"{HOST}:{self.port + purpose}"

    @property
    def public(self) -> home.Validator:
        consensus, p2p = (signature.public_key(seed) for seed in (self.comet.consensus, self.comet.p2p))
        return home.Validator(f"{NAME}/validator-{self.number}", consensus, home.address_of(p2p), self.at(P2P))


def found(folder: Path, count: int, port: int, program: Path) -> None:
    """Lay out `count` nodes, node1 and so on, a regulator who founds the ledger, and connection files."""
    nodes = [_draw(folder, number, port) for number in range(1, count + 1)]
    for node in nodes:
        for purpose in (MEMBERS, READERS, METRICS, COSIGN, P2P, HTTP):
            require_free(node.port + purpose)
    regulator = _regulator(folder)
    log_seed = keys.draw_seed()
    genesis = _genesis(regulator, log_seed, nodes)
    for node in nodes:
        with founding.in_one_go(node.data):
            seeds = founding.Seeds(log_seed, node.validator)
            founding.lay_out(node.data, genesis, seeds, [HOST, "localhost"], _settings(node, nodes, program))
            _share_authority(nodes[0], node)
            everybody = [one.public for one in nodes]
            home.write_home(node.data / home.FOLDER, genesis, everybody, node.public, node.comet)
        _write_connection(folder, node, genesis)
    certificate = tls.certify(nodes[0].data / "keys", _request(regulator), REGULATOR, dt.datetime.now(dt.UTC))
    (regulator.folder / "tls.crt").write_bytes(certificate)
    shutil.copy(folder / "node1.json", regulator.folder / "node.json")


def _draw(folder: Path, number: int, port: int) -> Node:
    comet = home.Keys(keys.draw_seed(), keys.draw_seed())
    first = port + (number - 1) * PORTS_A_NODE
    return Node(number, folder / f"node{number}", first, keys.draw_seed(), comet)


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


def _genesis(regulator: members.Identity, log_seed: bytes, nodes: Sequence[Node]) -> g.Genesis:
    founder = g.Founder(
        key=regulator.public.key,
        kind=MemberKind.REGULATOR,
        member=regulator.member,
        name=regulator.public.name,
        region=regulator.public.region,
    )
    return g.Genesis(
        founders=[founder],
        log=signature.public_key(log_seed),
        name=NAME,
        region="CN-33",
        rules=RULES_VERSION,
        time=clock_ms(),
        validators=[g.Validator(key=signature.public_key(one.validator), name=one.public.name) for one in nodes],
    )


def _settings(node: Node, nodes: Sequence[Node], program: Path) -> str:
    others = [one.at(COSIGN) for one in nodes if one != node]
    values = {
        "engine": "cometbft",
        "cometbft_program": str(program),
        "members_port": node.port + MEMBERS,
        "readers_port": node.port + READERS,
        "metrics_port": node.port + METRICS,
        "http_port": node.port + HTTP,
        "cosign_port": node.port + COSIGN,
        "validators": others,
    }
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _share_authority(first: Node, node: Node) -> None:
    """One authority, so that a member's one certificate opens every node."""
    for name in (tls.CA_KEY, tls.CA_CERT):
        if node != first:
            shutil.copy(first.data / "keys" / name, node.data / "keys" / name)
    tls.make_server(node.data / "keys", NAME.split("/")[0], [HOST, "localhost"], dt.datetime.now(dt.UTC))


def _write_connection(folder: Path, node: Node, genesis: g.Genesis) -> None:
    content = {
        "name": genesis.name,
        "chain": g.chain_id(genesis).hex(),
        "members": node.at(MEMBERS),
        "readers": node.at(READERS),
        "ca": (node.data / "keys" / tls.CA_CERT).read_text(),
        "policy": format_policy(of_genesis(genesis)),
    }
    (folder / f"node{node.number}.json").write_text(json.dumps(content, indent=2) + "\n")
