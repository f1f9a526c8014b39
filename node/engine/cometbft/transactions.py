"""What travels as a CometBFT transaction: some envelopes, in the order in which they are to be booked, in one
zstandard frame.

The records of an envelope resemble one another, so do those of several, and bytes and transactions are what consensus
pays for. The ledger stores what is unpacked, so how well somebody packs changes nothing.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Final

import zstandard
from msgspec import Meta

from ledger.encoding import Codec
from ledger.errors import Malformed
from ledger.limits import BLOCK_ENVELOPES_MAX, ENVELOPE_BYTES_MAX, TX_BYTES_MAX, TX_UNPACKED_BYTES_MAX

LEVEL: Final = 3
Wire = Annotated[bytes, Meta(max_length=ENVELOPE_BYTES_MAX)]
WIRES: Final[Codec[list[bytes]]] = Codec(
    Annotated[list[Wire], Meta(min_length=1, max_length=BLOCK_ENVELOPES_MAX)],  # type: ignore[arg-type]
    "transaction",
)


def name_of(tx: bytes) -> bytes:
    """What CometBFT calls a transaction."""
    return sha256(tx).digest()


def pack(wires: Sequence[bytes]) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(WIRES.encode(list(wires)))


def unpack(tx: bytes) -> list[bytes]:
    """The envelopes' wires; Malformed where it is not one frame that says how long it gets, and keeps to that."""
    if len(tx) > TX_BYTES_MAX:
        raise Malformed("transaction", f"{len(tx)} bytes, at most {TX_BYTES_MAX} are taken")
    try:
        size = zstandard.get_frame_parameters(tx).content_size
        if not 0 < size <= TX_UNPACKED_BYTES_MAX:  # a frame that does not say its size counts as unbounded
            raise Malformed("transaction", f"it unpacks to {size} bytes, 1 to {TX_UNPACKED_BYTES_MAX} are taken")
        data: bytes = zstandard.ZstdDecompressor(max_window_size=TX_UNPACKED_BYTES_MAX).decompress(
            tx, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise Malformed("transaction", f"not a zstandard frame: {error}") from None
    if len(data) != size:
        raise Malformed("transaction", f"it unpacks to {len(data)} bytes, its frame says {size}")
    return WIRES.decode(data)
