"""A validator's consent to its successors (`ledger.governance`), and what its owner is told before handing it on."""

from pathlib import Path

import msgspec

from ledger import governance, signature
from ledger.errors import Malformed
from ledger.fields import Validator
from ledger.genesis import chain_id
from ledger.governance import Terms
from ledger.policy import Policy
from ledger.storage.chainstore import read_genesis
from node import keys, peers
from node.succession import trusted_in


def approve(data: Path, terms: bytes, where: str) -> tuple[bytes, dict[str, str]]:
    """(approval as JSON, what changes) of a validator in office in `data`. Malformed where the terms do not follow on
    what this node knows to be in force."""
    try:
        agreed = msgspec.json.decode(terms, type=Terms)
        governance.check_validators(agreed.validators)
    except (ValueError, msgspec.MsgspecError, Malformed) as error:
        raise Malformed(where, f"terms, as suyuan policy propose writes them, are expected ({error})") from None
    own, chain, trusted = peers.own(data), chain_id(read_genesis(data)), trusted_in(data)
    if own is None or own.name not in trusted.witnesses:
        raise Malformed(str(data), "this node is no validator in office, so it has nothing to approve")
    if agreed.chain != chain:
        raise Malformed(where, f"they are for chain {agreed.chain.hex()}, this node keeps {chain.hex()}")
    if agreed.number != trusted.number + 1:
        raise Malformed(where, f"they are for policy {agreed.number}, and policy {trusted.number} is in force here")
    seed = keys.load_seed(data / "keys", keys.VALIDATOR_KEY)
    if trusted.witnesses[own.name].key != signature.public_key(seed):
        raise Malformed(str(data), "its key is not the one in office; start the node once after a rotation")
    approval = governance.approve(agreed, own.name, seed)
    return msgspec.json.format(msgspec.json.encode(approval), indent=2) + b"\n", _told(trusted, agreed)


def _told(trusted: Policy, terms: Terms) -> dict[str, str]:
    old = {name: key.key for name, key in trusted.witnesses.items()}
    new: dict[str, Validator] = {one.name: one for one in terms.validators}
    changed = [name for name in new.keys() & old.keys() if new[name].key != old[name]]
    return {
        "policy": str(terms.number),
        "joins": ", ".join(sorted(new.keys() - old.keys())) or "nobody",
        "leaves": ", ".join(sorted(old.keys() - new.keys())) or "nobody",
        "other_keys": ", ".join(sorted(changed)) or "nobody",
        "ends_ms": str(terms.expires or "never"),
        "rules": str(terms.rules),
    }
