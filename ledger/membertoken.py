"""A member's short-lived word to one node: let whoever holds this read what is mine to read.

    BASE64URL(canonical {chain, key, member, node, not_after, time}) . BASE64URL(Ed25519 over TAG || those bytes)

It names the chain and the node, by the address of its pages, to which alone the member brings it: another node cannot
use it, whatever name that node gives itself. It ends within MEMBER_TOKEN_SECONDS_MAX of its time.
It signs no act: its tag is its own.
"""

import base64
import binascii
from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger import signature
from ledger.encoding import Codec
from ledger.errors import Malformed, VerifyFailed
from ledger.hashing import TAG_MEMBER_TOKEN
from ledger.limits import CLAIMED_TIME_AHEAD_MS_MAX, MEMBER_TOKEN_BYTES_MAX, MEMBER_TOKEN_SECONDS_MAX
from ledger.records import Hash, KeyId, MemberId, TimeMs


class MemberToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`time` is when it was signed, by the member's clock."""

    chain: Hash
    key: KeyId
    member: MemberId
    node: Annotated[str, Meta(min_length=1, max_length=256)]
    not_after: TimeMs
    time: TimeMs


TOKEN: Final = Codec(MemberToken, "member token")


def sign(token: MemberToken, seed: bytes) -> str:
    body = TOKEN.encode(token)
    return f"{_encoded(body)}.{_encoded(signature.sign(seed, TAG_MEMBER_TOKEN + body))}"


def read(text: str) -> tuple[MemberToken, bytes, bytes]:
    """The token, the bytes that were signed, and the signature; nothing is verified. Malformed where it is none."""
    body, dot, signed = text.partition(".")
    if not dot or len(text) > MEMBER_TOKEN_BYTES_MAX:
        raise Malformed("member token", "it is not BODY.SIGNATURE within bounds")
    data = _decoded(body)
    return TOKEN.decode(data), TAG_MEMBER_TOKEN + data, _decoded(signed)


def check(token: MemberToken, chain: bytes, node: str, now_ms: int) -> None:
    """VerifyFailed where it is for others, or for another time."""
    if token.chain != chain or token.node != node:
        raise VerifyFailed("member token", f"it is for {token.node}, not for this node")
    if not token.time <= token.not_after <= token.time + MEMBER_TOKEN_SECONDS_MAX * 1000:
        raise VerifyFailed("member token", f"it may last at most {MEMBER_TOKEN_SECONDS_MAX} seconds")
    if now_ms > token.not_after:
        raise VerifyFailed("member token", f"it ended {(now_ms - token.not_after) // 1000} seconds ago")
    if token.time > now_ms + CLAIMED_TIME_AHEAD_MS_MAX:
        raise VerifyFailed("member token", "it is from the future: is the clock right where it was signed?")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("member token", "not base64url") from None
    if _encoded(data) != text:
        raise Malformed("member token", "not the one base64url encoding")
    return data
