"""Canonical MessagePack: one value has one encoding, and only that encoding is accepted.

Allowed: map with ASCII keys in byte order, array, bool, integer (|n| < 2**53), text (UTF-8), bytes, each in
its shortest form. Not allowed: float, extension, nil, duplicate keys, trailing bytes.

A `Codec` binds a msgspec type to these rules. The order of a map's keys is the order in which a Struct
declares its fields, so every Struct declares them in byte order (a test holds this). Decoding re-encodes
and compares, which catches whatever a MessagePack library lets pass.
"""

from typing import Generic, TypeVar

import msgspec

from ledger.errors import Malformed

T = TypeVar("T", covariant=True)

# "deterministic" sorts plain dicts, and leaves the declared order of Structs, which is sorted already.
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")

encode = _ENCODER.encode


class Codec(Generic[T]):
    """Encodes and strictly decodes values of one type. `name` stands in error messages."""

    def __init__(self, kind: type[T], name: str) -> None:
        self.name = name
        self.kind = kind
        self.encode = _ENCODER.encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def decode(self, data: bytes) -> T:
        """The value, or Malformed where the bytes are not its canonical encoding."""
        try:
            value = self._decode(data)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            raise Malformed(self.name, describe(error)) from None
        if _ENCODER.encode(value) != data:
            raise Malformed(self.name, non_canonical(data))
        return value

    def decode_trusted(self, data: bytes) -> T:
        """The value of bytes that this process encoded itself; not for bytes from outside."""
        return self._decode(data)


def describe(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def non_canonical(data: bytes) -> str:
    return (
        f"{len(data)} bytes that are not canonical: keys must stand in byte order, once each, "
        "integers and lengths in their shortest form, optional fields left out when absent"
    )
