"""Proofs in C2SP tlog-proof form: one log entry under one checkpoint, as a text that stands alone.

c2sp.org/tlog-proof@v1
[extra BASE64]
index N
BASE64 of each hash of the inclusion proof
(blank line)
checkpoint note
"""

import base64
import binascii
import re

from msgspec import Struct

from ledger.errors import Malformed
from ledger.limits import INCLUSION_HASHES_MAX, NOTE_BYTES_MAX

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class TlogProof(Struct, frozen=True):
    index: int
    hashes: list[bytes]
    checkpoint: bytes
    extra: bytes | None = None


def encode(proof: TlogProof) -> bytes:
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(hashed).decode() for hashed in proof.hashes]
    return ("\n".join(lines) + "\n\n").encode() + proof.checkpoint


def parse(data: bytes) -> TlogProof:
    """The parts of a proof; nothing is verified. Malformed where it is none."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator or len(data) > 2 * NOTE_BYTES_MAX:
        raise Malformed("tlog-proof", "proof, blank line and checkpoint are expected, within bounds")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("tlog-proof", "not ASCII") from None
    if lines.pop(0) != HEADER:
        raise Malformed("tlog-proof", f"does not begin with {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _unbase64(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if match is None or len(lines) > INCLUSION_HASHES_MAX:
        raise Malformed("tlog-proof", f"an index and at most {INCLUSION_HASHES_MAX} hashes are expected")
    hashes = [_unbase64(line) for line in lines]
    if any(len(hashed) != 32 for hashed in hashes):
        raise Malformed("tlog-proof", "a hash is not 32 bytes")
    return TlogProof(int(match[1]), hashes, checkpoint, extra)


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("tlog-proof", "not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Malformed("tlog-proof", "not the one base64 encoding")
    return data
