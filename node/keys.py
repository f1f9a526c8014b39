"""The node's own keys: one signs the log's checkpoints, another cosigns as a validator.

Each is an Ed25519 seed in a file that only its owner may read. They are not encrypted, because a node must
start without a person; the data folder's protection is theirs.
"""

import os
import stat
from pathlib import Path
from typing import Final

from nacl.utils import random as random_bytes

from ledger.errors import Malformed

LOG_KEY: Final = "log.key"
VALIDATOR_KEY: Final = "validator.key"


def draw_seed() -> bytes:
    seed: bytes = random_bytes(32)
    return seed


def store_seed(folder: Path, name: str, seed: bytes) -> None:
    """Store a seed for its owner alone; FileExistsError where one is there already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def load_seed(folder: Path, name: str) -> bytes:
    """Read a seed; Malformed where others may read the file, or it is no seed."""
    path = folder / name
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Malformed(str(path), f"others may read it (mode {mode:o}); run: chmod 600 {path}")
    try:
        seed = bytes.fromhex(path.read_text().strip())
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise Malformed(str(path), "a seed is 64 hexadecimal digits")
    return seed
