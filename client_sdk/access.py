"""Which nodes an identity folder reaches, or a reader with connection files.

    node.json, tls.crt                  the node that is asked first
    nodes/NAME/node.json, tls.crt       each further one, in the order of their names

Each node certifies its members itself, from the same `tls.csr`: one `tls.key` stands behind all certificates.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from client_sdk import keys
from client_sdk.errors import KeyFileError
from client_sdk.keys import Connection, Identity
from ledger.errors import Malformed

CONNECTION_FILE: Final = "node.json"
CERTIFICATE_FILE: Final = "tls.crt"
FURTHER_FOLDER: Final = "nodes"
ONE_IDENTITY: Final = "one identity acts on one chain: give each a folder of its own"


class Access(Struct, frozen=True):
    """One node: what its owner's files call it here, how to reach it, and, of a member, the identity with the
    certificate that opens it."""

    label: str
    connection: Connection
    identity: Identity | None = None


class Unlocked(Struct, frozen=True):
    """A member's unlocked identity, and the nodes that it reaches; there is at least one."""

    identity: Identity
    nodes: list[Access]

    @property
    def connection(self) -> Connection:
        """Of the node that is asked first."""
        return self.nodes[0].connection

    @property
    def chain_id(self) -> bytes:
        return self.connection.chain_id


def unlock(folder: Path, passphrase: str | None) -> Unlocked:
    """An identity folder with all its nodes. KeyFileError where a certificate is missing, Malformed where a
    connection file is of another chain, or stands there twice."""
    first, identity = keys.open_folder(folder, passphrase)
    found = [(folder / CONNECTION_FILE, first), *_further(folder)]
    _check(found, ONE_IDENTITY)
    nodes = [Access(CONNECTION_FILE, first, identity)]
    for path, connection in found[1:]:
        nodes.append(Access(path.parent.name, connection, _certified(identity, path.parent)))
    return Unlocked(identity, nodes)


def readers(paths: Sequence[Path]) -> list[Access]:
    """The nodes of connection files, and of identity folders, for who only reads. Malformed as in `unlock`."""
    found = [one for path in paths for one in _connections(path)]
    _check(found, ONE_IDENTITY if len(paths) == 1 else "name nodes of one chain, and those of another by themselves")
    return [Access(str(path), connection) for path, connection in found]


def _connections(path: Path) -> list[tuple[Path, Connection]]:
    if not path.is_dir():
        return [(path, keys.load_connection(path))]
    first = path / CONNECTION_FILE
    return [(first, keys.load_connection(first)), *_further(path)]


def _further(folder: Path) -> Iterable[tuple[Path, Connection]]:
    for one in sorted(path for path in (folder / FURTHER_FOLDER).glob("*") if path.is_dir()):
        yield one / CONNECTION_FILE, keys.load_connection(one / CONNECTION_FILE)


def _certified(identity: Identity, folder: Path) -> Identity:
    certificate = folder / CERTIFICATE_FILE
    if not certificate.exists():
        raise KeyFileError(
            f"{certificate}: missing; send {identity.folder / 'tls.csr'} to that node's operator, whose suyuan-node "
            "certify makes it: each node certifies its members itself"
        )
    return structs.replace(identity, tls=(keys.read_private(identity.folder / "tls.key"), certificate.read_bytes()))


def _check(found: Sequence[tuple[Path, Connection]], remedy: str) -> None:
    """All are of one chain, and each node stands there once."""
    known: dict[str, Path] = {}
    (first, expected), *_ = found
    for path, connection in found:
        if connection.chain != expected.chain:
            what = f"it is of chain {connection.chain}, {first} is of {expected.chain}"
            raise Malformed(str(path), f"{what}; {remedy}")
        for address in {connection.members, connection.readers}:
            if address in known:
                raise Malformed(str(path), f"it names the same node as {known[address]} ({address}); remove one")
        known |= {connection.members: path, connection.readers: path}
