"""Published vectors: RFC 6962 proofs, and Ed25519 signatures that verifiers disagree on."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from ledger import merkle, signature
from ledger.errors import VerifyFailed
from tests import vectors


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _outcome(check: Callable[[], None]) -> bool:
    """Whether a check refuses; anything but VerifyFailed is an error of ours."""
    try:
        check()
    except VerifyFailed:
        return True
    return False


def test_inclusion_proofs() -> None:
    cases = vectors.load("merkle/inclusion.json")
    for case in cases:
        proof = [_bytes(text) for text in case["proof"] or []]
        arguments = (_bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, _bytes(case["root"]))
        assert _outcome(lambda a=arguments: merkle.verify_inclusion(*a)) == case["wantErr"], case["case"]  # type: ignore[misc]
    assert len(cases) == 82


def test_consistency_proofs() -> None:
    cases = vectors.load("merkle/consistency.json")
    for case in cases:
        proof = [_bytes(text) for text in case["proof"] or []]
        arguments = (case["size1"], case["size2"], _bytes(case["root1"]), _bytes(case["root2"]), proof)
        assert _outcome(lambda a=arguments: merkle.verify_consistency(*a)) == case["wantErr"], case["case"]  # type: ignore[misc]
    assert len(cases) == 84


def _refuses(key: str, message: str, sig: str) -> bool:
    values = [bytes.fromhex(text) for text in (key, message, sig)]
    return _outcome(lambda: signature.verify(*values))


def test_of_the_edge_cases_that_verifiers_disagree_on_libsodium_accepts_one() -> None:
    cases = vectors.load("ed25519/speccheck_cases.json")
    accepted = [
        number
        for number, case in enumerate(cases)
        if not _refuses(case["pub_key"], case["message"], case["signature"])
    ]
    assert accepted == [3]


def _wycheproof() -> list[tuple[str, dict[str, Any]]]:
    found = vectors.load("ed25519/wycheproof_ed25519.json")
    return [(group["publicKey"]["pk"], case) for group in found["testGroups"] for case in group["tests"]]


def test_wycheproof() -> None:
    cases = _wycheproof()
    for key, case in cases:
        wanted = case["result"] == "invalid"
        assert _refuses(key, case["msg"], case["sig"]) == wanted, (case["tcId"], case["comment"])
    assert len(cases) == 151


@pytest.mark.parametrize(
    ("key", "sig"), [(b"", bytes(64)), (bytes(32), b""), (bytes(31), bytes(64)), (bytes(32), bytes(65))]
)
def test_wrong_lengths_are_refused(key: bytes, sig: bytes) -> None:
    with pytest.raises(VerifyFailed):
        signature.verify(key, b"", sig)
