"""Admission: the checks that an envelope passes before it is ordered, cheap and without taking sides.

Whether the rules accept it is decided when its block is planned; here only bytes, bounds, seals, chain and
signature are checked, against the state as it is committed.
"""

from collections import OrderedDict
from typing import Protocol

from ledger import entries as e
from ledger import signature
from ledger.envelope import Opened, open_envelope
from ledger.errors import Problem, Refused, VerifyFailed
from ledger.plan import Checked

REMEMBERED_SIGNATURES_MAX = 4096


class Unsigned(Refused):
    """No known key of the named member signed these bytes."""


class Reader(Protocol):
    def get(self, key: bytes) -> bytes | None: ...


class Admission:
    def __init__(self, chain: bytes, reader: Reader) -> None:
        self._chain = chain
        self._reader = reader
        self._keys: dict[bytes, bytes] = {}
        self._verified: OrderedDict[tuple[bytes, bytes, bytes], None] = OrderedDict()

    def admit(self, wire: bytes) -> Checked:
        """The envelope, well-formed and signed; Malformed, Refused or Unsigned otherwise."""
        opened = open_envelope(wire, self._chain)
        return Checked(opened, self._verify(opened))

    def _verify(self, opened: Opened) -> bytes:
        """The public key under which the signature holds. What was checked is remembered by key, header *and*
        signature, so that a resend costs nothing and another signature over the same header does not pass."""
        header = opened.header
        key = self._public_key(header.member, header.key)
        remembered = (key, opened.envelope.header, opened.envelope.signature)
        if remembered in self._verified:
            return key
        try:
            signature.verify(key, opened.signed_message, opened.envelope.signature)
        except VerifyFailed:
            problem = Problem(
                "envelope.signature", "the signature does not hold under this key", "sign it anew", field="key"
            )
            raise Unsigned([problem]) from None
        self._verified[remembered] = None
        if len(self._verified) > REMEMBERED_SIGNATURES_MAX:
            self._verified.popitem(last=False)
        return key

    def _public_key(self, member: str, key_id: bytes) -> bytes:
        """A key's bytes never change under its id, so they are remembered; its times are the plan's business."""
        path = e.key_path(member, key_id)
        known = self._keys.get(path)
        if known is None:
            data = self._reader.get(b"m" + path)
            if data is None:
                problem = Problem(
                    "key.unknown",
                    f"{member} has no key {key_id.hex()}",
                    "check the key file; a regulator or the member itself admits keys",
                    field="key",
                )
                raise Unsigned([problem])
            known = self._keys[path] = e.KEY.decode_trusted(data).key
        return known
