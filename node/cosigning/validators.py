"""Whose signatures count: the validators in office at the newest head that is stored here; and, until this node keeps
the step that leads from those before them, theirs too."""

from collections.abc import Sequence

from msgspec import Struct

from ledger import note as n
from ledger import policy as p
from ledger.entries import PolicyEntry
from ledger.fields import Validator
from ledger.governance import VALIDATORS_GROUP
from node.succession import Succession


class Office(Struct, frozen=True):
    """The validators of policy `number`: `logs` are the keys that sign heads, `keys` those that cosign them, of whom
    `needed` are a quorum."""

    number: int
    logs: tuple[n.VerifierKey, ...]
    keys: tuple[n.VerifierKey, ...]
    needed: int


def office_of(origin: str, number: int, validators: Sequence[Validator]) -> Office:
    logs, keys, group = p.of_validators(origin, validators)
    return Office(number, logs, tuple(keys.values()), group.needed)


class Validators:
    """`origin` names the log. Used in the event loop alone."""

    def __init__(self, origin: str, succession: Succession, entry: PolicyEntry) -> None:
        self.origin = origin
        self._succession = succession
        self.office = office_of(origin, entry.number, entry.validators)

    def follow(self, entry: PolicyEntry) -> Office:
        """The office at a head in whose state this policy stands."""
        if entry.number > self.office.number:
            self.office = office_of(self.origin, entry.number, entry.validators)
        if entry.number == self.office.number:
            return self.office
        return office_of(self.origin, entry.number, entry.validators)

    @property
    def is_behind(self) -> bool:
        """Whether this node lacks steps that lead to those in office."""
        return self._succession.trusted.number < self.office.number

    @property
    def leaving(self) -> Office | None:
        """Those before, while their cosignatures are wanted for the step that leads on from them."""
        trusted = self._succession.trusted
        if trusted.number + 1 != self.office.number:
            return None
        needed = trusted.groups[VALIDATORS_GROUP].needed
        return Office(trusted.number, trusted.logs, tuple(trusted.witnesses.values()), needed)

    @property
    def offices(self) -> tuple[Office, ...]:
        """Of all whose signatures are taken, those in force first."""
        leaving = self.leaving
        return (self.office,) if leaving is None else (self.office, leaving)

    @property
    def keys(self) -> tuple[n.VerifierKey, ...]:
        """Of all whose cosignatures are taken."""
        return tuple(dict.fromkeys(key for office in self.offices for key in office.keys))

    @property
    def logs(self) -> tuple[n.VerifierKey, ...]:
        return tuple(dict.fromkeys(key for office in self.offices for key in office.logs))

    @property
    def needed(self) -> int:
        return self.office.needed
