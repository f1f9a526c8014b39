"""A small tlog-tiles client that shares no code with the ledger: C2SP's documents, hashlib and cryptography.

It is given an origin of files (a URL's or a folder's), and rebuilds the root over every entry, and over every hash of
every tile, from the checkpoint's size alone.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Head:
    origin: str
    size: int
    root: bytes


def opened(note: bytes, vkey: str) -> Head:
    """The checkpoint in a signed note, whose signature by the verifier key holds; ValueError otherwise."""
    text, _, lines = note.decode().rpartition("\n\n")
    name, key_id, key = vkey.strip().split("+", 2)
    public = base64.b64decode(key)
    if public[0] != 1 or sha256(name.encode() + b"\n" + public).digest()[:4].hex() != key_id:
        raise ValueError("not an Ed25519 verifier key")
    for line in lines.splitlines():
        dash, signer, data = line.split(" ")
        signature = base64.b64decode(data)
        if dash == "—" and signer == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], (text + "\n").encode())
            origin, size, root, *_ = text.splitlines()
            return Head(origin, int(size), base64.b64decode(root))
    raise ValueError("no signature by this key")


def path(level: int | str, index: int, width: int = 256) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")


def widths(count: int) -> list[int]:
    """Of the tiles that hold `count` hashes."""
    return [256] * (count // 256) + ([count % 256] if count % 256 else [])


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(hashes: list[bytes]) -> bytes:
    """RFC 6962's tree head over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:middle]), root(hashes[middle:]))


def entries(fetch: Fetch, size: int) -> list[bytes]:
    found: list[bytes] = []
    for index, width in enumerate(widths(size)):
        data, at = fetch(path("entries", index, width)), 0
        for _ in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(data):
            raise ValueError("a bundle with something behind its entries")
    return found


def audit(fetch: Fetch) -> Head:
    """The log's head, after everything in it was read and hashed again. ValueError where something does not fit."""
    head = opened(fetch("checkpoint"), fetch("log.vkey").decode())
    level, hashes = 0, [sha256(b"\0" + entry).digest() for entry in entries(fetch, head.size)]
    if root(hashes) != head.root:
        raise ValueError("the entries give another root")
    while hashes:
        served = b"".join(fetch(path(level, index, width)) for index, width in enumerate(widths(len(hashes))))
        if served != b"".join(hashes):
            raise ValueError(f"the tiles of level {level} hold other hashes")
        hashes = [root(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1
    return head
