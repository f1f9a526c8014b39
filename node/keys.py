"""The node's own keys: one signs the log's checkpoints, another cosigns as a validator.

Each is an Ed25519 seed in a file that only its owner may read. They are not encrypted, because a node must
start without a person; the data folder's protection is theirs.
"""

import os
import stat
from pathlib import Path
from typing import Final

from nacl.utils import random as random_bytes

from ledger import signature
from ledger.errors import Malformed
from ledger.genesis import Genesis

LOG_KEY: Final = "log.key"
VALIDATOR_KEY: Final = "validator.key"
RESTORE: Final = "restore keys/ from a backup: no other key can take its place"


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


def own_validator(genesis: Genesis, validator_seed: bytes) -> str:
    """The name under which the genesis lists this node."""
    found = signature.public_key(validator_seed)
    return next(validator.name for validator in genesis.validators if validator.key == found)


def load_own(folder: Path, name: str, genesis: Genesis) -> bytes:
    """Read the seed of one of this node's keys; Malformed where the genesis names other public keys."""
    seed = load_seed(folder, name)
    named = [genesis.log] if name == LOG_KEY else [validator.key for validator in genesis.validators]
    found = signature.public_key(seed)
    if found not in named:
        expected = " or ".join(key.hex() for key in named)
        raise Malformed(
            str(folder / name), f"its public key is {found.hex()}, the genesis names {expected}; {RESTORE}"
        )
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
