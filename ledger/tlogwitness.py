"""What a log asks a witness (C2SP tlog-witness, add-checkpoint): to cosign a head that extends the last one.

old SIZE
BASE64(hash)...
(blank line)
CHECKPOINT, a signed note
"""

import base64
import binascii
import re
from typing import Final

from msgspec import Struct

from ledger.errors import Malformed
from ledger.hashing import HASH_BYTES
from ledger.limits import INCLUSION_HASHES_MAX

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
"""The type of an answer that says the size of what the witness cosigned last."""
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class AddCheckpoint(Struct, frozen=True):
    """`proof` shows that the head in `note` extends the one of `old` leaves, which the witness cosigned last."""

    old: int
    proof: list[bytes]
    note: bytes


def encode(asked: AddCheckpoint) -> bytes:
    lines = [f"old {asked.old}", *(base64.b64encode(one).decode() for one in asked.proof)]
    return "".join(line + "\n" for line in lines).encode() + b"\n" + asked.note


def decode(data: bytes) -> AddCheckpoint:
    """Malformed where it is no such request; the note in it is not looked at."""
    head, blank, note = data.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("add-checkpoint", "the lines before the checkpoint are not ASCII") from None
    old = _OLD.fullmatch(first)
    if not blank or old is None:
        raise Malformed(
            "add-checkpoint", "a line `old SIZE`, the proof, a blank line and the checkpoint are expected"
        )
    if len(hashes) > INCLUSION_HASHES_MAX:
        raise Malformed("add-checkpoint", f"{len(hashes)} hashes, a proof has at most {INCLUSION_HASHES_MAX}")
    return AddCheckpoint(int(old[1]), [_hash(line) for line in hashes], note)


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != line:
        raise Malformed("add-checkpoint", f"{line[:80]!r} is not a hash in base64")
    return found


def decode_size(body: bytes) -> int:
    """The size in an answer of type `SIZE_TYPE`; Malformed where it is none."""
    found = _SIZE.fullmatch(body)
    if found is None:
        raise Malformed("tlog size", f"{body[:30]!r} is not a decimal number and a newline")
    return int(found[1])
