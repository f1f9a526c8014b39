"""Checkpoints (C2SP tlog-checkpoint): origin, size and root of the log, as the text of a signed note."""

import base64
import binascii
import re

from msgspec import Struct

from ledger import note as n
from ledger.errors import Malformed
from ledger.hashing import HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Checkpoint(Struct, frozen=True):
    """A log head: `size` leaves under `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse(text: str) -> Checkpoint:
    """The checkpoint in a note's text; Malformed where it is none. Extension lines are not used here."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Malformed("checkpoint", f"three lines are expected, {len(lines) - 1} came")
    origin, size, root = lines[:3]
    if not origin:
        raise Malformed("checkpoint", "the origin is empty")
    if not _SIZE.fullmatch(size) or int(size) >= 1 << 63:
        raise Malformed("checkpoint", f"size {size[:30]!r} is not a decimal number")
    try:
        decoded = base64.b64decode(root.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("checkpoint", "the root is not base64") from None
    if len(decoded) != HASH_BYTES or base64.b64encode(decoded).decode() != root:
        raise Malformed("checkpoint", "the root is not 32 bytes in base64")
    return Checkpoint(origin, int(size), decoded)


def sign_checkpoint(checkpoint: Checkpoint, name: str, seed: bytes) -> bytes:
    """The signed note over a checkpoint by the log's key."""
    text = checkpoint.text()
    return n.serialise(n.Note(text, [n.sign(text, name, seed)]))


def cosign(note: bytes, name: str, seed: bytes, time_s: int) -> bytes:
    """The note with one more cosignature."""
    signed = n.parse(note)
    line = n.cosign(signed.text, name, seed, time_s)
    return n.serialise(n.Note(signed.text, [*signed.signatures, line]))
