"""What travels as a CometBFT transaction: an envelope's wire in one zstandard frame.

The records of an envelope resemble one another, and bytes are what consensus pays for. The ledger stores what is
unpacked, so how well somebody packs changes nothing.
"""

from hashlib import sha256
from typing import Final

import zstandard

from ledger.errors import Malformed
from ledger.limits import ENVELOPE_BYTES_MAX, ENVELOPE_TX_BYTES_MAX

LEVEL: Final = 3


def name_of(tx: bytes) -> bytes:
    """What CometBFT calls a transaction."""
    return sha256(tx).digest()


def pack(wire: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(wire)


def unpack(tx: bytes) -> bytes:
    """The envelope's wire; Malformed where it is not one frame that says how long it gets, and keeps to that."""
    if len(tx) > ENVELOPE_TX_BYTES_MAX:
        raise Malformed("transaction", f"{len(tx)} bytes, at most {ENVELOPE_TX_BYTES_MAX} are taken")
    try:
        size = zstandard.get_frame_parameters(tx).content_size
        if not 0 < size <= ENVELOPE_BYTES_MAX:  # a frame that does not say its size counts as unbounded
            raise Malformed("transaction", f"it unpacks to {size} bytes, 1 to {ENVELOPE_BYTES_MAX} are taken")
        wire: bytes = zstandard.ZstdDecompressor(max_window_size=ENVELOPE_BYTES_MAX).decompress(
            tx, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise Malformed("transaction", f"not a zstandard frame: {error}") from None
    if len(wire) != size:
        raise Malformed("transaction", f"it unpacks to {len(wire)} bytes, its frame says {size}")
    return wire
