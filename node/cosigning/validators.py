"""Whose signatures count: the keys of the log, and of the validators."""

from msgspec import Struct

from ledger import genesis as g
from ledger import note as n


class Validators(Struct, frozen=True):
    """`origin` names the log, `logs` are the keys that sign its heads, `keys` the validators' by name, of whom
    `needed` are a quorum."""

    origin: str
    logs: list[n.VerifierKey]
    keys: dict[str, n.VerifierKey]
    needed: int


def of_genesis(genesis: g.Genesis) -> Validators:
    keys = {one.name: n.VerifierKey(one.name, n.COSIGNATURE, one.key) for one in genesis.validators}
    log = n.VerifierKey(genesis.name, n.ED25519, genesis.log)
    return Validators(genesis.name, [log], keys, g.quorum_size(len(keys)))
