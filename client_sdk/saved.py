"""Proofs that readers keep: a page saved from a browser, a node's JSON bundle, or a proof file."""

import base64
import binascii
import re
from typing import Annotated, Final

import msgspec

from ledger.errors import VerifyFailed
from ledger.limits import PROOF_BYTES_MAX
from ledger.proof import format as f

_SAVED_PAGE: Final = re.compile(rb'<script type="application/json" id="bundle">([^<]*)</script>')
_FORMS: Final = "a saved page, a JSON bundle or a proof file is expected"


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    product: str
    lot: str
    voucher: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")] | msgspec.UnsetType = msgspec.UNSET
    site: str | msgspec.UnsetType = msgspec.UNSET
    serial: str | msgspec.UnsetType = msgspec.UNSET


class _Bundle(msgspec.Struct, forbid_unknown_fields=True):
    """docs/formats/bundle.md, read as web/verify/bundle.js reads it. Its question and its policy are what the reader
    brings, not what a file says."""

    format: str
    policy: str
    proof: str
    query: _Query


def proof_of(data: bytes) -> bytes:
    """The proof in a file of any of these forms; VerifyFailed where it is none."""
    if data.startswith(f.MAGIC):
        return f.from_file(data)
    page = _SAVED_PAGE.search(data)
    try:
        bundle = msgspec.json.decode(page[1] if page else data, type=_Bundle)
        proof = base64.b64decode(bundle.proof, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise VerifyFailed("file", f"{_FORMS}: {error}") from None
    if base64.b64encode(proof).decode() != bundle.proof:
        raise VerifyFailed("file", f"{_FORMS}: its proof is not in the one base64 of its bytes")
    if bundle.format != f.BUNDLE_FORMAT:
        raise VerifyFailed("file", f"a bundle of format {f.BUNDLE_FORMAT!r} is expected, not {bundle.format!r}")
    if len(proof) > PROOF_BYTES_MAX:
        raise VerifyFailed("file", f"a proof of {len(proof)} bytes, at most {PROOF_BYTES_MAX} are read")
    return proof
