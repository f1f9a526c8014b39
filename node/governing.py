"""A validator's consent to its successors (`ledger.governance`), and what its owner is told before handing it on."""

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger import governance, signature
from ledger.block import RULES_KNOWN
from ledger.errors import Malformed
from ledger.fields import Validator
from ledger.genesis import chain_id
from ledger.governance import Terms
from ledger.limits import POLICY_DAYS_MAX
from ledger.moment import shown
from ledger.storage.chainstore import read_genesis
from node import keys, peers
from node.succession import Succession

KEYS: Final = ("consensus", "key", "log")  # of a validator, as its public file names them
DAY_MS: Final = 24 * 3600 * 1000


def approve(data: Path, terms: bytes, where: str) -> tuple[bytes, dict[str, Any]]:
    """(approval as JSON, what changes) of a validator in office in `data`. Malformed where the terms do not follow on
    what this node knows to be in force, have ended, or end beyond POLICY_DAYS_MAX."""
    try:
        agreed = msgspec.json.decode(terms, type=Terms)
        governance.check_validators(agreed.validators)
    except (ValueError, msgspec.MsgspecError, Malformed) as error:
        raise Malformed(where, f"terms, as suyuan policy propose writes them, are expected ({error})") from None
    genesis = read_genesis(data)
    succession = Succession(data, genesis)
    own, chain, trusted = peers.own(data), chain_id(genesis), succession.trusted
    if own is None or own.name not in trusted.witnesses:
        raise Malformed(str(data), "this node is no validator in office, so it has nothing to approve")
    if agreed.chain != chain:
        raise Malformed(where, f"they are for chain {agreed.chain.hex()}, this node keeps {chain.hex()}")
    if agreed.number != trusted.number + 1:
        raise Malformed(where, f"they are for policy {agreed.number}, and policy {trusted.number} is in force here")
    _require_files(data, own.name, agreed)
    _require_end(agreed, where)
    seed = keys.load_seed(data / "keys", keys.VALIDATOR_KEY)
    if trusted.witnesses[own.name].key != signature.public_key(seed):
        raise Malformed(str(data), "its key is not the one in office; start the node once after a rotation")
    approval = governance.approve(agreed, own.name, seed)
    return msgspec.json.format(msgspec.json.encode(approval), indent=2) + b"\n", _told(succession.validators, agreed)


def _require_files(data: Path, own: str, terms: Terms) -> None:
    """A validator that the others do not let in could not vote, and would be missed when one is lost."""
    known = {own, *(peer.name for peer in peers.others(data))}
    missing = sorted(one.name for one in terms.validators if one.name not in known)
    if missing:
        flaw = f"there is no public file of {', '.join(missing)}, so this node would not reach it"
        raise Malformed(
            str(data / peers.FOLDER), f"{flaw}: take it first, suyuan-node peer, and start the node again"
        )


def _require_end(terms: Terms, where: str) -> None:
    now = time.time_ns() // 1_000_000
    if terms.expires is None:
        return
    if terms.expires <= now:
        raise Malformed(where, f"they ended on {shown(terms.expires)}; the regulator proposes them anew")
    if terms.expires > now + POLICY_DAYS_MAX * DAY_MS:
        found = f"they end on {shown(terms.expires)}, more than {POLICY_DAYS_MAX} days ahead"
        raise Malformed(where, f"{found}; the regulator proposes shorter ones: --days")


def _told(in_office: Sequence[Validator], terms: Terms) -> dict[str, Any]:
    """Who comes and goes, of whom which of the three keys is another one than that in office, and the keys of all
    these, as the owner of each can read them in its public file."""
    old, new = ({one.name: one for one in validators} for validators in (in_office, terms.validators))
    changed = [_other_keys(old[name], new[name]) for name in sorted(new.keys() & old.keys())]
    return {
        "policy": str(terms.number),
        "joins": ", ".join(sorted(new.keys() - old.keys())) or "nobody",
        "leaves": ", ".join(sorted(old.keys() - new.keys())) or "nobody",
        "other_keys": ", ".join(one for one in changed if one) or "nobody",
        "keys": [line for name in sorted(new) if new[name] != old.get(name) for line in _keys(new[name])],
        "ends": "never" if terms.expires is None else shown(terms.expires),
        "rules": _rules(terms.rules),
    }


def _rules(version: int) -> str:
    if version in RULES_KNOWN:
        return str(version)
    return f"{version}, WHICH THIS PROGRAM DOES NOT KNOW: it stops there; install the newer one before that is booked"


def _keys(validator: Validator) -> list[str]:
    """In base64, as in its public file."""
    told = ((name, base64.b64encode(getattr(validator, name)).decode()) for name in KEYS)
    return [f"{validator.name}  {name:<9}  {key}" for name, key in told]


def _other_keys(old: Validator, new: Validator) -> str:
    differ = [name for name in KEYS if getattr(old, name) != getattr(new, name)]
    return f"{new.name} ({', '.join(differ)})" if differ else ""
