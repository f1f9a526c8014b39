"""Errors as HTTP has them: a status, and one clear line in JSON: what was wrong, what was expected, what to do."""

from typing import Final

import msgspec

from ledger.errors import Damaged, Malformed, ProofTooLarge, SuyuanError
from ledger.limits import PROOF_BYTES_MAX
from node.engine import Overloaded
from node.errors import Forbidden, NotFound


class Failure(SuyuanError):
    """`code` is for programs. `retry_after_seconds` is 0 where a later try does not help."""

    def __init__(
        self, status: int, code: str, what: str, expected: str = "", do: str = "", retry_after_seconds: int = 0
    ) -> None:
        super().__init__(what)
        self.status, self.code, self.what, self.expected, self.do = status, code, what, expected, do
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> bytes:
        return msgspec.json.encode(
            {"error": {"code": self.code, "what": self.what, "expected": self.expected, "do": self.do}}
        )


_EXPECTED: Final = {
    "gtin": "8, 12, 13 or 14 digits with their check digit",
    "sscc": "18 digits with their check digit",
    "gln": "13 digits with their check digit",
    "lot": "1 to 20 characters of GS1 AI 82, or a production date",
    "voucher": "32 hexadecimal digits",
    "site": "MEMBER/CODE",
    "link": "/01/GTIN/10/LOT, /01/GTIN?11=YYMMDD, /00/SSCC or /414/GLN",
    "tile path": "tile/L/N or tile/entries/N, with .p/W where it is partial",
}


def failure_of(error: SuyuanError) -> Failure:
    """How an error is answered."""
    match error:
        case Failure():
            return error
        case Malformed():
            expected = _EXPECTED.get(error.where, "")
            do = "scan the code again, or type it as it is printed" if expected else "correct it"
            return Failure(400, f"malformed.{error.where.replace(' ', '-')}", str(error), expected, do)
        case NotFound():
            return Failure(404, "not-found", str(error), do="check the code; it may not be in the ledger yet")
        case Forbidden():
            return Failure(403, "forbidden", str(error), do="ask the node's operator")
        case ProofTooLarge():
            return Failure(422, "proof.too-large", str(error), f"at most {PROOF_BYTES_MAX} bytes", "ask a regulator")
        case Overloaded():
            seconds = max(1, error.retry_after_ms // 1000)
            return Failure(
                503, "overloaded", "too much is asked at once", do="try again", retry_after_seconds=seconds
            )
        case Damaged():
            what = "the node found damage in what it stores, and does not answer from it"
            return Failure(500, "damaged", what, do="tell the node's operator")
        case _:
            return Failure(500, "internal", "the node could not answer", do="tell the node's operator")
