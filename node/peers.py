"""The nodes of a network, as they know one another: DATA/peer.json is a node's own public file, DATA/peers/ holds
those of the others. To let a node in, to follow it to another address, or to turn it away: give, replace or remove
its file.
"""

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from ledger import governance, note, signature
from ledger.errors import Malformed
from ledger.fields import PublicKey, Validator
from node import files, keys

OWN_FILE: Final = "peer.json"
FOLDER: Final = "peers"
EXPECTED: Final = "a node's public file, as suyuan-node init --node writes it, is expected"
HOST_CHARS_MAX: Final = 253
LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
PORT: Final = re.compile(r"[0-9]{1,5}")


class Peer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node: its name, where its CometBFT listens (`address`) and where it hears cosignatures (`cosign`), its keys
    as a validator, by which its CometBFT is known (`peer`), and to which private openings are sealed (X25519)."""

    address: str
    cosign: str
    consensus: PublicKey
    key: PublicKey
    log: PublicKey
    name: str
    openings: PublicKey
    peer: PublicKey

    @property
    def validator(self) -> Validator:
        return Validator(consensus=self.consensus, key=self.key, log=self.log, name=self.name)


def of_keys(folder: Path, name: str, address: str, cosign: str) -> Peer:
    """The public file of a node with its keys in `folder`."""
    own = keys.public(folder, name)
    return Peer(
        address=address,
        cosign=cosign,
        consensus=own.consensus,
        key=own.key,
        log=own.log,
        name=name,
        openings=keys.openings_key(folder).public_key.encode(),
        peer=signature.public_key(keys.load_seed(folder, keys.PEER_KEY)),
    )


def with_keys(peer: Peer, validator: Validator) -> Peer:
    """The same node with other keys as a validator."""
    return structs.replace(peer, consensus=validator.consensus, key=validator.key, log=validator.log)


def read(path: Path) -> Peer:
    """A node's public file; Malformed, naming it, where it is none."""
    try:
        peer = msgspec.json.decode(path.read_bytes(), type=Peer)
        note.check_name(peer.name)
        governance.check_validators([peer.validator])
        check_addresses(peer.address, peer.cosign)
    except (ValueError, msgspec.MsgspecError, Malformed) as error:
        raise Malformed(str(path), f"{error}; {EXPECTED}") from None
    return peer


def check_addresses(address: str, cosign: str) -> None:
    """Malformed where one cannot be reached, or both are one: another owner wrote them, no node may end over it."""
    for name, text in (("address", address), ("cosign", cosign)):
        _check_address(name, text)
    if address == cosign:
        raise Malformed("cosign", f"{cosign} is the address as well, and each needs a port of its own")


def _check_address(name: str, text: str) -> None:
    host, _, port = text.rpartition(":")
    labels = host.removesuffix(".").split(".")
    is_name = len(host) <= HOST_CHARS_MAX and all(LABEL.fullmatch(label) for label in labels)
    if not (is_name or _is_ipv6(host)) or not PORT.fullmatch(port) or not 0 < int(port) < 1 << 16:
        example = "such as customs.example.org:26656 or [::1]:26656, with a port of 1 to 65535"
        raise Malformed(name, f"{text[:300]!r} is no HOST:PORT, {example}")


def require_apart(nodes: Sequence[Peer]) -> None:
    """Malformed where two nodes have one name, or one address: then one of the two files is not its owner's."""
    named: dict[str, str] = {}
    for peer in nodes:
        if peer.name in named.values():
            raise Malformed(peer.name, "two files name it: ask its owner which one is right")
        for address in (peer.address, peer.cosign):
            if address in named:
                raise Malformed(peer.name, f"{address} is the address of {named[address]} too: ask both owners")
        named |= dict.fromkeys((peer.address, peer.cosign), peer.name)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return host.startswith("[") and host.endswith("]")


def write(path: Path, peer: Peer) -> None:
    files.replace(path, msgspec.json.format(msgspec.json.encode(peer), indent=2) + b"\n")


def own(data: Path) -> Peer | None:
    """This node as the others know it; None where it is no node of a network."""
    path = data / OWN_FILE
    return read(path) if path.exists() else None


def require_own(data: Path) -> None:
    """Malformed where the node's keys are not those of its public file."""
    peer = read(data / OWN_FILE)
    found = of_keys(data / "keys", peer.name, peer.address, peer.cosign)
    if found != peer:
        wrong = [name for name in Peer.__struct_fields__ if getattr(found, name) != getattr(peer, name)]
        raise Malformed(str(data / OWN_FILE), f"the keys in keys/ are others than it says: {', '.join(wrong)}")


def others(data: Path) -> list[Peer]:
    """The other nodes, by name; Malformed where two files name one node."""
    found = [read(path) for path in sorted((data / FOLDER).glob("*.json"))]
    names = [peer.name for peer in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Malformed(str(data / FOLDER), f"two files name {twice[0]}: keep the newer one")
    return sorted(found, key=lambda peer: peer.name)


def add(data: Path, peer: Peer) -> Path:
    """Keep the public file of another node, in place of its earlier one; returns where."""
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.glob("*.json"):
        if read(path).name == peer.name:
            write(path, peer)
            return path
    path = folder / (peer.name.rpartition("/")[2] + ".json")
    if path.exists():
        path = folder / (peer.name.replace("/", "_") + ".json")
    write(path, peer)
    return path
