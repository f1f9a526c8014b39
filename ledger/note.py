"""Signed notes (C2SP signed-note) with the two kinds of signature that this ledger uses.

    TEXT, ends with a newline
    (blank line)
    — NAME BASE64(4-byte key id || signature)

Type 0x01 is Ed25519 over the text, as logs sign. Type 0x04 is a cosignature (C2SP tlog-cosignature): a
timestamp in seconds (u64) and Ed25519 over `cosignature/v1\\ntime N\\n` and the text.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct

from ledger import signature
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, TIME_MS_MAX

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
_DASH: Final = "— "
# No spaces, no plus sign; no control characters and none that change how others are shown. By code points, since
# Unicode versions differ in which characters there are.
_NAME: Final = re.compile(r"[^+\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class VerifierKey(Struct, frozen=True):
    """A public key under a name: `NAME+HEX(key id)+BASE64(type || key)`."""

    name: str
    kind: int
    key: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes((self.kind,)) + self.key).decode()}"


class NoteSignature(Struct, frozen=True):
    """One signature line: who claims to have signed, under which key id, and the bytes that follow the id."""

    name: str
    key_id: bytes
    signature: bytes


class Note(Struct, frozen=True):
    text: str
    signatures: list[NoteSignature]


def check_name(name: str) -> None:
    """A key name is not empty and has no space and no plus sign."""
    if not _NAME.fullmatch(name):
        raise Malformed("key name", f"{name!r} is empty, or has spaces, a plus sign or characters that are not seen")


def parse_verifier_key(text: str) -> VerifierKey:
    """A vkey string, whose key id must be the one of its name and key."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Malformed("verifier key", f"{text[:80]!r} is not NAME+ID+KEY")
    name, key_id, encoded = parts
    check_name(name)
    data = _unbase64(encoded, "verifier key")
    if len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
        raise Malformed("verifier key", "neither an Ed25519 (01) nor a cosignature (04) key")
    key = VerifierKey(name, data[0], data[1:])
    if key.id.hex() != key_id:
        raise Malformed("verifier key", f"key id {key_id} should be {key.id.hex()}")
    return key


def _unbase64(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Malformed(where, "not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Malformed(where, "not the one base64 encoding")
    return data


def parse(data: bytes) -> Note:
    """A note and its signature lines; nothing is verified. Malformed where it is no note."""
    if len(data) > NOTE_BYTES_MAX:
        raise Malformed("note", f"{len(data)} bytes, at most {NOTE_BYTES_MAX} are read")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("note", "not UTF-8") from None
    if _CONTROL.search(whole):
        raise Malformed("note", "control characters other than newline")
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n"):
        raise Malformed("note", "text, blank line and signatures are expected, each line ended")
    lines = whole[at + 2 : -1].split("\n") if len(whole) > at + 2 else []
    if not 0 < len(lines) <= NOTE_SIGNATURES_MAX:
        raise Malformed("note", f"{len(lines)} signatures, 1 to {NOTE_SIGNATURES_MAX} are read")
    return Note(whole[: at + 1], [_parse_line(line) for line in lines])


def _parse_line(line: str) -> NoteSignature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:
        raise Malformed("note signature", f"{line[:80]!r} is not a signature line")
    check_name(parts[0])
    data = _unbase64(parts[1], "note signature")
    if len(data) <= 4:
        raise Malformed("note signature", "too short for key id and signature")
    return NoteSignature(parts[0], data[:4], data[4:])


def serialise(note: Note) -> bytes:
    return note.text.encode() + b"\n" + signature_lines(note.signatures)


def signature_lines(signatures: Iterable[NoteSignature]) -> bytes:
    lines = [f"{_DASH}{s.name} {base64.b64encode(s.key_id + s.signature).decode()}\n" for s in signatures]
    return "".join(lines).encode()


def sign(text: str, name: str, seed: bytes) -> NoteSignature:
    """The Ed25519 signature line of `name` over the text."""
    key = VerifierKey(name, ED25519, signature.public_key(seed))
    return NoteSignature(name, key.id, signature.sign(seed, text.encode()))


def cosign(text: str, name: str, seed: bytes, time_s: int) -> NoteSignature:
    """The cosignature line of `name` over the text at `time_s` (seconds since the Unix epoch)."""
    key = VerifierKey(name, COSIGNATURE, signature.public_key(seed))
    signed = signature.sign(seed, cosigned_message(text, time_s))
    return NoteSignature(name, key.id, time_s.to_bytes(8, "big") + signed)


def cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def find(note: Note, key: VerifierKey) -> list[NoteSignature]:
    """The lines that claim to be by this key."""
    return [found for found in note.signatures if found.name == key.name and found.key_id == key.id]


def verify(note: Note, key: VerifierKey, found: NoteSignature) -> int | None:
    """Check one signature line; returns the time in seconds of a cosignature, None for a plain signature."""
    if key.kind == ED25519:
        signature.verify(key.key, note.text.encode(), found.signature)
        return None
    if len(found.signature) != 8 + signature.SIGNATURE_BYTES:
        raise VerifyFailed("cosignature", f"{len(found.signature)} bytes, 72 are expected")
    time_s = int.from_bytes(found.signature[:8], "big")
    if time_s * 1000 > TIME_MS_MAX:
        raise VerifyFailed("cosignature", f"its time, {time_s} s, lies beyond the year 9999")
    signature.verify(key.key, cosigned_message(note.text, time_s), found.signature[8:])
    return time_s
