"""Tagged SHA-256. Every hash that is not RFC 6962's starts with a tag of its own.

A tag is ASCII and ends with a zero byte; no tag is a prefix of another, and none begins with the
0x00 or 0x01 of RFC 6962, so bytes hashed for one purpose can never stand in for another.
"""

from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32

TAG_CHAIN_ID: Final = b"suyuan/genesis\x00"
TAG_ENVELOPE: Final = b"suyuan/envelope\x00"
TAG_ENVELOPE_ID: Final = b"suyuan/envelope-id\x00"
TAG_ENVELOPE_LEAF: Final = b"suyuan/signed\x00"
TAG_SIGNED_RECORD: Final = b"suyuan/signed-record\x00"
TAG_SEAL: Final = b"suyuan/seal\x00"
TAG_HEADER: Final = b"suyuan/header\x00"
TAG_WRITES: Final = b"suyuan/writes\x00"
TAG_CHAIN: Final = b"suyuan/chain\x00"
TAG_MAP_KEY: Final = b"suyuan/key\x00"
TAG_MAP_LEAF: Final = b"suyuan/entry\x00"
TAG_MAP_BUCKET: Final = b"suyuan/bucket\x00"
TAG_MAP_NODE: Final = b"suyuan/node\x00"
TAG_VOUCHER: Final = b"suyuan/voucher\x00"
TAG_APPROVAL: Final = b"suyuan/approval\x00"
TAG_MEMBER_TOKEN: Final = b"suyuan/member-token\x00"


def digest(tag: bytes, *parts: bytes) -> bytes:
    """SHA-256 over the tag and the parts as they stand; callers frame parts of variable length."""
    return sha256(tag + b"".join(parts)).digest()
