"""The steps from policy to policy that this node can show: DATA/steps/ has one file for each change of validators.

A step needs the cosignatures of those who left office, made when they did. So it is kept for good; a node that was
away then gets it from its peers, and believes it where it follows on the genesis, and is of a head that it stores.
"""

from pathlib import Path
from typing import Final

import structlog

from ledger import entries as e
from ledger import genesis as g
from ledger import mapproof
from ledger import policy as p
from ledger.errors import Damaged, Malformed, VerifyFailed
from ledger.fields import Validator
from ledger.storage.chainstore import read_genesis
from ledger.storage.chainview import ChainView
from ledger.succession import STEP, Step, entry_of
from ledger.succession import kept as following
from node import files
from node.config import write_policy

FOLDER: Final = "steps"
REMEDY: Final = "Restore it from a backup, or take it from another node of this chain"
log = structlog.get_logger(__name__)


class Succession:
    """`trusted` is the newest policy that the steps lead to, with those before it."""

    def __init__(self, data: Path, genesis: g.Genesis) -> None:
        self._data, self._genesis = data, genesis
        self.steps: list[Step] = []
        self.trusted = p.of_genesis(genesis)
        for path in sorted((data / FOLDER).glob("*.step")):
            self._take(path)

    def _take(self, path: Path) -> None:
        try:
            step = STEP.decode(path.read_bytes())
            trusted = following(self.trusted, step)
        except (Malformed, VerifyFailed) as error:
            raise Damaged(str(path), str(error), REMEDY) from None
        if trusted is self.trusted or path.name != _name(trusted):
            raise Damaged(str(path), f"it does not lead on from policy {self.trusted.number}", REMEDY)
        self.steps.append(step)
        self.trusted = trusted

    def add(self, step: Step) -> bool:
        """Keep a step that leads on, on disk when this returns; whether it did. VerifyFailed where it does not."""
        trusted = following(self.trusted, step)
        if trusted is self.trusted:
            return False
        folder = self._data / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        files.replace(folder / _name(trusted), STEP.encode(step))
        self.steps.append(step)
        self.trusted = trusted
        write_policy(self._data, trusted)
        log.info("the validators changed", policy=trusted.number, validators=list(trusted.witnesses))
        return True

    @property
    def validators(self) -> list[Validator]:
        """Of the newest policy, with all their keys."""
        return entry_of(self.steps[-1]).validators if self.steps else self._genesis.validators

    def newest(self, count: int) -> list[Step]:
        """The last steps, as many as a proof holds: whoever pinned a policy from before them gets a newer one from
        somebody whom it trusts."""
        return self.steps[-count:]

    def since(self, number: int) -> list[Step]:
        """The steps that lead on from policy `number`."""
        return self.steps[number:]


def step_at(view: ChainView, note: bytes) -> Step:
    """The step that a version shows in which a new policy stands, under a note that those before it cosigned."""
    return Step(
        checkpoint=note,
        header=view.header,
        header_proof=view.header_proof(),
        map=mapproof.prove(view.state, [e.POLICY_PATH], lambda path: view.get(b"m" + path)),
    )


def trusted_in(data: Path) -> p.Policy:
    """What readers of the node in `data` are to pin."""
    return Succession(data, read_genesis(data)).trusted


def _name(policy: p.Policy) -> str:
    return f"{policy.number:06}.step"
