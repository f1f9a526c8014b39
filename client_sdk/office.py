"""The validators in office with all their keys, proven from the genesis on: what a regulator proposes changes to.

A policy's text has the keys that sign, not those that vote. So a node that lies could hand out others of these, and
the regulator would propose them without knowing.
"""

from client_sdk.client import Client
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import genesis as g
from ledger import policy, succession
from ledger.errors import VerifyFailed
from ledger.policy import Policy


def proven(client: Client) -> e.PolicyEntry:
    """The newest policy that a node proves, and that this member believes. VerifyFailed where they do not agree."""
    genesis = g.from_json(client.node_info().genesis)
    chain = client.connection.chain_id
    if g.chain_id(genesis) != chain:
        raise VerifyFailed("genesis", f"it hashes to {g.chain_id(genesis).hex()}, which is another chain")
    entry = e.PolicyEntry(
        chain=chain, expires=genesis.expires, number=0, rules=genesis.rules, validators=genesis.validators
    )
    known = policy.of_genesis(genesis)
    while True:
        steps = client.policy(known.number)[1]
        client.trust.follow(steps, clock_ms())
        if not steps:
            break
        for step in steps:  # of the chain as it is; whether that holds now, trust says
            known = succession.kept(known, step)
        entry = succession.entry_of(steps[-1])
    _require_believed(client.trust.policy, known)
    return entry


def _require_believed(trusted: Policy, known: Policy) -> None:
    """The signing keys are those that the member pinned, or was led to."""
    same = {name: trusted.witnesses.get(name) for name in known.witnesses} == known.witnesses
    if trusted.number != known.number or trusted.logs != known.logs or not same:
        found = f"a node proves policy {known.number}, other than the policy {trusted.number} that is believed here"
        raise VerifyFailed("policy", found)
