"""From one policy to the next: a reader who pinned the validators of the past learns who followed them.

Each step is a head that the validators in office cosigned, under whose state the next policy stands. Those who hold a
policy's keys after it ended could write any step, so nobody steps on from a policy that has ended.

A step is part of a product proof (docs/formats/product-proof.md), and what `GetPolicySteps` answers:

checkpoint   the head at the end of the block that brought the next policy, cosigned by those before
header       that block's header, and `header_proof`, its inclusion path
map          state-map proof of the policy's entry
"""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from ledger import block as b
from ledger import entries as e
from ledger import mapproof, merkle
from ledger import policy as p
from ledger.checkpoint import Checkpoint
from ledger.encoding import Codec
from ledger.errors import Malformed, VerifyFailed
from ledger.governance import VALIDATORS_GROUP
from ledger.limits import WITNESS_WINDOW_MS
from ledger.records import Hash

CHECK: Final = "policy"


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    checkpoint: bytes
    header: bytes
    header_proof: Annotated[list[Hash], Meta(max_length=64)]
    map: bytes


STEP: Final = Codec(Step, "policy step")


def follow(policy: p.Policy, steps: Sequence[Step], now_ms: int | None) -> p.Policy:
    """The newest policy that `steps` lead to; those that the reader took before are passed over. VerifyFailed where
    one does not hold, or starts from a policy that has ended by `now_ms`, the reader's clock (None: a saved file)."""
    for step in steps:
        entry = entry_of(step)
        if entry.number > policy.number:
            following, taken_ms = _stepped(policy, step, entry)
            for time_ms in (taken_ms, now_ms):
                if time_ms is not None:
                    p.require_in_force(policy, time_ms)
            policy = following
    return policy


def kept(policy: p.Policy, step: Step) -> p.Policy:
    """As `follow`, for who holds the chain itself: its ledger says who is in office, also where those before them
    were replaced after their end. Readers do not step there; whoever comes new starts behind it."""
    entry = entry_of(step)
    return _stepped(policy, step, entry)[0] if entry.number > policy.number else policy


def last_header(header: bytes, proof: Sequence[bytes], checkpoint: Checkpoint) -> b.BlockHeader:
    """The block header that is the last leaf under a checkpoint; VerifyFailed where it is not."""
    if checkpoint.size == 0:
        raise VerifyFailed("block header", "the log is empty")
    leaf = merkle.leaf_hash(b.header_leaf(header))
    merkle.verify_inclusion(leaf, checkpoint.size - 1, checkpoint.size, list(proof), checkpoint.root)
    try:
        found = b.HEADER.decode(header)
    except Malformed as error:
        raise VerifyFailed("block header", str(error)) from None
    if found.first + found.count != checkpoint.size - 1:
        raise VerifyFailed("block header", "its own leaf is not the log's last")
    return found


def entry_of(step: Step) -> e.PolicyEntry:
    """The policy that a step shows, under whatever root it has: proven only to whoever followed the step."""
    value = mapproof.read(step.map).value(e.POLICY_PATH)
    try:
        return e.POLICY.decode(value or b"")
    except Malformed as error:
        raise VerifyFailed(CHECK, f"a step shows no policy: {error}") from None


def _stepped(policy: p.Policy, step: Step, entry: e.PolicyEntry) -> tuple[p.Policy, int]:
    """(the next policy, when the step was cosigned)."""
    if entry.number != policy.number + 1:
        raise VerifyFailed(CHECK, f"a step leads to policy {entry.number}, the reader is at {policy.number}")
    group = policy.groups.get(VALIDATORS_GROUP)
    if group is None:
        missing = f"it has no group {VALIDATORS_GROUP!r}, so nobody can say who follows"
        raise VerifyFailed(CHECK, missing)
    deciding = structs.replace(policy, quorum=VALIDATORS_GROUP, before=None, expires_ms=None)
    agreed = p.check(deciding, step.checkpoint, None, WITNESS_WINDOW_MS)
    header = last_header(step.header, step.header_proof, agreed.checkpoint)
    root = mapproof.read(step.map).root
    if root != header.state:
        raise VerifyFailed(CHECK, f"the step's map has root {root.hex()}, its block {header.state.hex()}")
    if entry.beyond is None or entry.beyond >= agreed.checkpoint.size:
        raise VerifyFailed(CHECK, "the next policy does not govern the head that shows it")
    return _successor(policy, entry), agreed.oldest_ms


def _successor(policy: p.Policy, entry: e.PolicyEntry) -> p.Policy:
    """The reader's policy with other validators; the witnesses and groups that it added stay."""
    logs, witnesses, group = p.of_validators(policy.origin, entry.validators)
    old = policy.groups[VALIDATORS_GROUP].members
    others = {name: key for name, key in policy.witnesses.items() if name not in old}
    taken = sorted(set(witnesses) & (set(others) | set(policy.groups)))
    if taken:
        raise VerifyFailed(CHECK, f"a new validator has the name of what this policy knows otherwise: {taken[0]}")
    if {key.key for key in others.values()} & {one.key for one in entry.validators}:
        raise VerifyFailed(CHECK, "a new validator cosigns with the key of another witness")
    known, groups = {**witnesses, **others}, {**policy.groups, VALIDATORS_GROUP: group}
    named = {member for one in groups.values() for member in one.members} | {str(policy.quorum or VALIDATORS_GROUP)}
    gone = sorted(named - set(known) - set(groups))
    if gone:
        raise VerifyFailed(CHECK, f"it asks for {gone[0]}, who leaves: write the policy anew, without that one")
    return p.Policy(
        logs=logs,
        witnesses=known,
        groups=groups,
        quorum=policy.quorum,
        number=entry.number,
        beyond=entry.beyond,
        expires_ms=entry.expires,
        before=policy,
    )
