"""Where an outside witness is, and which key it signs with: the setting "NAME+ID+KEY URL"."""

import re
from typing import Final

from msgspec import Struct

from ledger import note as n
from ledger.errors import Malformed
from ledger.tlogwitness import PATH

_URL: Final = re.compile(r"https?://[^\s?#]+")


class Address(Struct, frozen=True):
    key: n.VerifierKey
    url: str


def parse_address(text: str) -> Address:
    """The witness's key (C2SP vkey of type 04) and its submission prefix; Malformed where it is something else."""
    words = text.split(" ")
    if len(words) != 2 or not _URL.fullmatch(words[1]):
        raise Malformed("witness", f"{text[:200]!r} is not NAME+ID+KEY, one space, and http(s)://…")
    key = n.parse_verifier_key(words[0])
    if key.kind != n.COSIGNATURE:
        raise Malformed("witness", f"the key of {key.name} is not of type 04, for cosignatures")
    return Address(key, words[1].rstrip("/") + PATH)
