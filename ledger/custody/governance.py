"""The rule of governance: validators hand over to their successors, and a regulator books it."""

from ledger import entries as e
from ledger import governance as g
from ledger import records as r
from ledger import state as s
from ledger.custody.step import Step, Violation
from ledger.errors import VerifyFailed
from ledger.limits import POLICY_LIFETIME_MS_MIN


def policy(step: Step, record: r.Policy) -> None:
    if not step.is_regulator:
        raise Violation("member.not-regulator", f"{step.member} is not a regulator", "a regulator books it", "act")
    current = step.draft.policy()
    if record.number != current.number + 1:
        raise Violation(
            "policy.number",
            f"policy {current.number} is in force, so the next one is {current.number + 1}",
            "propose it anew on what is in force, and have it approved again",
            "number",
        )
    if step.draft.wrote(s.POLICY_KEY) or current.beyond == step.element.leaf:
        raise Violation(
            "policy.number",
            f"policy {current.number} was booked in this very block; no head will show it, so nobody steps to it",
            "book the next one in a later block",
            "number",
        )
    if record.rules not in (current.rules, current.rules + 1):
        raise Violation(
            "policy.rules",
            f"the rules stand at version {current.rules}; they go on by one version at a time",
            f"name {current.rules} or {current.rules + 1}",
            "rules",
        )
    if record.expires is not None and record.expires < step.time + POLICY_LIFETIME_MS_MIN:
        raise Violation(
            "policy.expires",
            f"it would end at {record.expires}, within a day of the block's time",
            "give it a longer life, or readers have no time to learn of its successor",
            "expires",
        )
    _require_consent(record, current)
    entry = e.PolicyEntry(
        beyond=step.element.leaf,
        chain=current.chain,
        expires=record.expires,
        number=record.number,
        rules=record.rules,
        validators=record.validators,
    )
    step.draft.put(s.POLICY_KEY, entry)


def _require_consent(record: r.Policy, current: e.PolicyEntry) -> None:
    """More than two thirds of the validators in office signed exactly these terms."""
    terms = g.Terms(
        chain=current.chain,
        expires=record.expires,
        number=record.number,
        rules=record.rules,
        validators=record.validators,
    )
    try:
        approved = g.approved_by(terms, record.approvals, current.validators)
    except VerifyFailed as error:
        remedy = "each validator approves these very terms, by suyuan-node approve"
        raise Violation("policy.approval", error.message, remedy, "approvals") from None
    needed = g.quorum_size(len(current.validators))
    if len(approved) < needed:
        raise Violation(
            "policy.approval",
            f"{len(approved)} of {len(current.validators)} validators approved, {needed} are needed",
            "collect the approvals of more validators",
            "approvals",
        )
