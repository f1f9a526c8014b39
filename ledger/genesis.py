"""Genesis: what every node of a chain starts from. Its hash is the chain id.

People hand it around as JSON (bytes in base64); what is hashed is its canonical encoding.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from ledger.encoding import Codec
from ledger.errors import Malformed
from ledger.fields import Code, MemberId, MemberKind, Name, PublicKey, RulesVersion, TimeMs, Validators
from ledger.governance import check_validators
from ledger.hashing import TAG_CHAIN_ID, digest
from ledger.identifiers import check_member_id


class Founder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member that is there from the start; at least one is a regulator, who admits the others."""

    key: PublicKey
    kind: MemberKind
    member: MemberId
    name: Name
    region: Code


class Genesis(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`name` is the log's origin line; `expires` (ms) ends the first policy, absent: it does not end."""

    expires: TimeMs | None = None
    founders: Annotated[list[Founder], Meta(min_length=1, max_length=256)]
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9./-]{2,62}$")]
    region: Code
    rules: RulesVersion
    time: TimeMs
    validators: Validators


CODEC: Final = Codec(Genesis, "genesis")


def chain_id(genesis: Genesis) -> bytes:
    return digest(TAG_CHAIN_ID, CODEC.encode(genesis))


def to_json(genesis: Genesis) -> bytes:
    return msgspec.json.format(msgspec.json.encode(genesis), indent=2) + b"\n"


def from_json(data: bytes) -> Genesis:
    """Parse and check a genesis file; Malformed where it cannot found a chain."""
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Malformed("genesis", str(error)) from None
    for founder in genesis.founders:
        check_member_id(founder.member)
    members = [founder.member for founder in genesis.founders]
    if len(set(members)) != len(members):
        twice = next(member for member in members if members.count(member) > 1)
        raise Malformed("genesis", f"the founder {twice} is named twice")
    if MemberKind.REGULATOR not in [founder.kind for founder in genesis.founders]:
        raise Malformed("genesis", "no founder is a regulator, so nobody could admit members")
    check_validators(genesis.validators, "genesis")
    return genesis
