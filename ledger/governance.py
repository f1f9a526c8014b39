"""Who orders, and who says so: a set of validators, and the consent by which they hand over to their successors.

The terms of the next policy are signed by more than two thirds of the validators in office, each with the key by
which it cosigns. A regulator books them (`records.Policy`); by itself it cannot replace anybody.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger import limits, note, signature
from ledger.encoding import Codec
from ledger.errors import Malformed, VerifyFailed
from ledger.fields import Approval, Hash, RulesVersion, TimeMs, Validator, Validators
from ledger.hashing import TAG_APPROVAL

VALIDATORS_GROUP: Final = "validators"  # their group in a policy
POLICY_WORDS: Final = ("none", VALIDATORS_GROUP)  # a policy with a witness of this name could not be read
PolicyNumber = Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)]


class Terms(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a policy is to be: its number, the validators, when it ends (ms; absent: it does not), and the version of
    the rules from the next block on."""

    chain: Hash
    expires: TimeMs | None = None
    number: PolicyNumber
    rules: RulesVersion
    validators: Validators


TERMS: Final = Codec(Terms, "terms of a policy")


def quorum_size(validators: int) -> int:
    """More than two thirds."""
    return validators * 2 // 3 + 1


def check_validators(validators: Sequence[Validator], where: str = "validators") -> None:
    """Malformed where names or keys stand twice, or a name cannot stand in a signed note."""
    for validator in validators:
        note.check_name(validator.name)
        if validator.name in POLICY_WORDS:
            raise Malformed(where, f"{validator.name!r} has another meaning in a policy")
    names: set[str] = set()
    owners: dict[bytes, str] = {}
    for one in validators:
        if one.name in names:
            raise Malformed(where, f"{one.name} is named twice")
        names.add(one.name)
        for key in (one.consensus, one.key, one.log):
            if key in owners:
                whose = " and of ".join(dict.fromkeys((owners[key], one.name)))
                raise Malformed(where, f"a key of {whose} stands twice: each validator has three of its own")
            owners[key] = one.name


def approve(terms: Terms, name: str, seed: bytes) -> Approval:
    """The consent of the validator `name`, by the seed of the key that cosigns."""
    return Approval(name=name, signature=signature.sign(seed, _message(terms)))


def approved_by(terms: Terms, approvals: Sequence[Approval], validators: Sequence[Validator]) -> set[str]:
    """Which of the validators in office consented to `terms`. VerifyFailed where an approval is by nobody of them."""
    keys = {validator.name: validator.key for validator in validators}
    message = _message(terms)
    for one in approvals:
        if one.name not in keys:
            raise VerifyFailed("approval", f"{one.name} is no validator in office")
        try:
            signature.verify(keys[one.name], message, one.signature)
        except VerifyFailed:
            raise VerifyFailed("approval", f"{one.name} did not sign these terms with its present key") from None
    return {one.name for one in approvals}


def _message(terms: Terms) -> bytes:
    return TAG_APPROVAL + TERMS.encode(terms)
