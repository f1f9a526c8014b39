"""The founding ceremony of a network whose owners do not share a machine: each makes its node's keys and hands out a
public file (`init`); one collects those into a genesis (`collect`); each checks its hash and lays out the chain
(`join`).
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from ledger import genesis as g
from ledger.block import RULES_VERSION
from ledger.errors import Malformed
from ledger.fields import MemberKind, TimeMs, Validator
from node import files, founding, keys, peers
from node.peers import Peer

NODE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class PublicMember(Struct, frozen=True, kw_only=True):
    """What `suyuan keygen` writes as member.json; kind by name, key in base64."""

    member: str
    name: str
    kind: str
    region: str
    key: bytes

    def founder(self) -> g.Founder:
        kinds = {kind.name.lower(): kind for kind in MemberKind}
        if self.kind not in kinds:
            raise Malformed("kind", f"{self.kind!r} is none of {', '.join(kinds)}")
        return g.Founder(key=self.key, kind=kinds[self.kind], member=self.member, name=self.name, region=self.region)


def founder(path: Path) -> g.Founder:
    """A founder from the public file `member.json` that `suyuan keygen` writes."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PublicMember).founder()
    except (ValueError, msgspec.MsgspecError) as error:
        expected = "member.json, as suyuan keygen writes it, is expected"
        raise Malformed(str(path), f"not a member's public file ({error}); {expected}") from None


def new_genesis(
    name: str, founders: Sequence[g.Founder], validators: Sequence[Validator], region: str, expires: TimeMs | None
) -> g.Genesis:
    """The genesis of a new chain; Malformed where it cannot found one."""
    genesis = g.Genesis(
        expires=expires,
        founders=list(founders),
        name=name,
        region=region,
        rules=RULES_VERSION,
        time=time.time_ns() // 1_000_000,
        validators=list(validators),
    )
    return g.from_json(g.to_json(genesis))


def init(data: Path, log: str, node: str, address: str, cosign: str, hosts: Sequence[str]) -> dict[str, str]:
    """The keys of a node `log`/`node` that will be one of a network's, and its public file."""
    if not NODE_NAME.fullmatch(node):
        raise Malformed("--node", f"{node!r}: 1 to 32 of a-z, 0-9 and hyphen, such as customs")
    peers.check_addresses(address, cosign)
    if address.rpartition(":")[2] == cosign.rpartition(":")[2]:
        raise Malformed("cosign", f"{cosign} has the port of the address, and this node listens on both")
    with founding.in_one_go(data):
        founding.make_keys(data, log, (*keys.VALIDATORS, *keys.NETWORK), hosts)
        peer = peers.of_keys(data / "keys", f"{log}/{node}", address, cosign)
        peers.write(data / peers.OWN_FILE, peer)
        founding.write_settings(data, _settings(address, cosign))
    return {"node": peer.name, "public": str(data / peers.OWN_FILE)}


def _settings(address: str, cosign: str) -> str:
    """Where it listens: everywhere, at the ports that the others were told."""
    ports = {"consensus_port": address, "cosign_port": cosign}
    lines = [f"{name} = {int(where.rpartition(':')[2])}\n" for name, where in ports.items()]
    return (
        '# Settings of this node; see docs/operating.md\nengine = "cometbft"\nhost = "0.0.0.0"\n'
        + "".join(lines)
        + "# cometbft_program = "
        + json.dumps("/path/that/scripts/cometbft/printed")
        + "\n"
    )


def collect(
    log: str, founders: Sequence[g.Founder], nodes: Sequence[Peer], region: str, expires: TimeMs | None
) -> g.Genesis:
    """The genesis of a network of these nodes, all of them validators; the order of the files does not matter."""
    for peer in nodes:
        if peer.name.rpartition("/")[0] != log:
            raise Malformed("--validator", f"{peer.name} was made for another log than {log}")
    peers.require_apart(nodes)
    ordered = sorted(nodes, key=lambda peer: peer.name)
    return new_genesis(log, founders, [peer.validator for peer in ordered], region, expires)


def _require_fitting(genesis: g.Genesis, own: Peer, others: Sequence[Peer]) -> None:
    """Malformed where a public file is of another log, has other keys than the genesis, or is missing: each validator
    has to reach every other."""
    peers.require_apart([own, *others])
    named = {one.name: one for one in genesis.validators}
    for peer in others:
        if peer.name.rpartition("/")[0] != genesis.name:
            raise Malformed(peer.name, f"it is no node of {genesis.name}: leave its file out")
        if peer.name in named and named[peer.name] != peer.validator:
            raise Malformed("genesis", f"it has other keys for {peer.name} than its public file")
    missing = named.keys() - {peer.name for peer in (own, *others)}
    if missing:
        names = ", ".join(sorted(missing))
        raise Malformed("join", f"name the peer.json of every other validator: that of {names} is missing")


def join(data: Path, genesis: g.Genesis, others: Sequence[Peer]) -> dict[str, str]:
    """Lay out the chain in a folder that `init` made. Malformed where the genesis has other keys for this node."""
    own = peers.own(data)
    if own is None:
        raise Malformed(str(data), f"there is no {peers.OWN_FILE}: make the node's keys with suyuan-node init --node")
    peers.require_own(data)
    if own.name.rpartition("/")[0] != genesis.name:
        raise Malformed(
            "genesis", f"it is of log {genesis.name}, this node was made for {own.name.rpartition('/')[0]}"
        )
    named = {one.name: one for one in genesis.validators}
    if own.name in named and named[own.name] != own.validator:
        raise Malformed(
            "genesis", f"it has other keys for {own.name} than this node: whoever collected it was given another file"
        )
    given = [peer for peer in others if peer.name != own.name]
    _require_fitting(genesis, own, given)
    founding.join(data, genesis)
    for peer in given:
        peers.add(data, peer)
    files.sync_folder(data)
    return {
        "node": own.name,
        "role": "validator" if own.name in named else "observer",
        "validators": str(len(named)),
        "peers": str(len(peers.others(data))),
    }
