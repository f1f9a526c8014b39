"""The node's own keys: by one it signs the log's checkpoints, by one it cosigns, by one it votes in consensus; one
names it among its peers, and one opens what they send it.

Each is a seed in a file that only its owner may read. They are not encrypted, because a node must start without a
person; the data folder's protection is theirs.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nacl.public import PrivateKey
from nacl.utils import random as random_bytes

from ledger import signature
from ledger.errors import Malformed
from ledger.fields import Validator

LOG_KEY: Final = "log.key"
VALIDATOR_KEY: Final = "validator.key"
CONSENSUS_KEY: Final = "consensus.key"
PEER_KEY: Final = "peer.key"
OPENINGS_KEY: Final = "openings.key"
VALIDATORS: Final = (LOG_KEY, VALIDATOR_KEY, CONSENSUS_KEY)
NETWORK: Final = (PEER_KEY, OPENINGS_KEY)  # of a node that has peers
RESTORE: Final = "restore keys/ from a backup: no other key can take its place"
_FIELDS: Final = {LOG_KEY: "log", VALIDATOR_KEY: "key", CONSENSUS_KEY: "consensus"}


def draw_seed() -> bytes:
    seed: bytes = random_bytes(32)
    return seed


def store_seed(folder: Path, name: str, seed: bytes) -> None:
    """Store a seed for its owner alone; FileExistsError where one is there already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store_private(folder / name, seed.hex() + "\n")


def store_private(path: Path, text: str) -> None:
    """A new file that only its owner may read; FileExistsError where one is there already."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def require_private(path: Path) -> None:
    """Malformed where others than its owner may read a key."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Malformed(str(path), f"others may read it (mode {mode:o}); run: chmod 600 {path}")


def public(folder: Path, name: str) -> Validator:
    """The keys in `folder`, as the others know them: under the node's name."""
    keys = {field: signature.public_key(load_seed(folder, file)) for file, field in _FIELDS.items()}
    return Validator(name=name, **keys)


def openings_key(folder: Path) -> PrivateKey:
    """The X25519 key to which other nodes seal private openings for this one."""
    return PrivateKey(load_seed(folder, OPENINGS_KEY))


def own_validator(validators: Sequence[Validator], validator_seed: bytes) -> str:
    """The name under which this node is known."""
    found = signature.public_key(validator_seed)
    return next(validator.name for validator in validators if validator.key == found)


def load_own(folder: Path, name: str, known: Sequence[Validator]) -> bytes:
    """Read the seed of one of this node's keys; Malformed where it is none of `known`: the genesis's validators, or
    the node as its peer.json has it."""
    seed = load_seed(folder, name)
    named: list[bytes] = [getattr(validator, _FIELDS[name]) for validator in known]
    found = signature.public_key(seed)
    if found not in named:
        expected = " or ".join(key.hex() for key in named)
        raise Malformed(str(folder / name), f"its public key is {found.hex()}, expected is {expected}; {RESTORE}")
    return seed


def load_seed(folder: Path, name: str) -> bytes:
    """Read a seed; Malformed where others may read the file, or it is no seed."""
    path = folder / name
    require_private(path)
    text = path.read_bytes().strip()
    try:
        seed = bytes.fromhex(text.decode())
    except ValueError:
        seed = b""
    if len(seed) != 32 or seed.hex().encode() != text:
        raise Malformed(str(path), f"a seed is 64 digits of 0 to 9 and a to f; {RESTORE}")
    return seed
