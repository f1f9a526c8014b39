"""Canonical MessagePack: one value has one encoding, and only that encoding is accepted.

Allowed: map with ASCII keys in byte order, array, bool, integer (|n| < 2**53), text (UTF-8), bytes, each in
its shortest form. Not allowed: float, extension, nil, duplicate keys, trailing bytes.

A `Codec` binds a msgspec type to these rules. The order of a map's keys is the order in which a Struct
declares its fields, so every Struct declares them in byte order (a test holds this). Decoding re-encodes
and compares, which catches whatever a MessagePack library lets pass.
"""

import re
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from ledger.errors import Malformed

T = TypeVar("T", covariant=True)

# "deterministic" sorts plain dicts, and leaves the declared order of Structs, which is sorted already.
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")

_MAP_16: Final = b"\xde\x00"
_MAP_FEW: Final = 0x80
_FEW: Final = 16  # fields, from which on msgspec writes the long header of a map


def encode(value: Any) -> bytes:
    """The canonical bytes of a value. msgspec counts the fields that a Struct declares, left out or not, to choose
    between the short and the long header of a map; the outermost one is put right here."""
    data = _ENCODER.encode(value)
    if data[:2] == _MAP_16 and data[2] < _FEW:
        return bytes((_MAP_FEW | data[2],)) + data[3:]
    return data


# Where msgspec's messages say what they are about.
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED: Final = re.compile(r"(?:missing required|contains unknown) field `([^`]*)`")
_FOUND_CHARS_MAX: Final = 60


class Codec(Generic[T]):
    """Encodes and strictly decodes values of one type. `name` stands in error messages."""

    def __init__(self, kind: type[T], name: str) -> None:
        self.name = name
        self.kind = kind
        self.encode = encode if _is_wide(kind) else _ENCODER.encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def decode(self, data: bytes) -> T:
        """The value, or Malformed where the bytes are not its canonical encoding."""
        try:
            value = self._decode(data)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            field, message = _located(data, describe(error))
            raise Malformed(f"{self.name}.{field}" if field else self.name, message) from None
        if self.encode(value) != data:
            raise Malformed(self.name, non_canonical(data))
        return value

    def decode_trusted(self, data: bytes) -> T:
        """The value of bytes that this process encoded itself; not for bytes from outside."""
        return self._decode(data)


def _is_wide(kind: Any) -> bool:
    """Whether values of a type may get the long header of a map with few fields."""
    return any(
        issubclass(one, msgspec.Struct) and len(one.__struct_fields__) + bool(one.__struct_config__.tag) >= _FEW
        for one in get_args(kind) or (kind,)
        if isinstance(one, type)
    )


def describe(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def non_canonical(data: bytes) -> str:
    return (
        f"{len(data)} bytes that are not canonical: keys must stand in byte order, once each, "
        "integers and lengths in their shortest form, optional fields left out when absent"
    )


def _located(data: bytes, message: str) -> tuple[str, str]:
    """(field, message with what was found) of an error that msgspec gives; the field is empty where it names none."""
    at, named = _AT.search(message), _NAMED.search(message)
    if at is None:
        return named[1] if named is not None else "", message
    found = _found(data, at[1])
    field = f"{at[1]}.{named[1]}" if named is not None else at[1]
    return field.replace("[...]", ""), message[: at.start()] + (f", found {found}" if found else "")


def _found(data: bytes, path: str) -> str:
    """What stands at a path of field names, in short; empty where that cannot be said."""
    try:
        value: Any = msgspec.msgpack.decode(data)
        for name in path.split("."):
            value = value[name]
    except (ValueError, LookupError, TypeError, RecursionError, msgspec.MsgspecError):
        return ""
    if isinstance(value, bytes | str):
        unit = "bytes" if isinstance(value, bytes) else "characters"
        if len(value) > _FOUND_CHARS_MAX or isinstance(value, bytes):
            return f"{len(value)} {unit}"
    return repr(value)[:_FOUND_CHARS_MAX]
