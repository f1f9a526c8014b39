"""What an SDK call can end with.

SuyuanError (ledger.errors)
├── Malformed, VerifyFailed        from the core: bad local input; a proof or receipt that does not hold
│   └── LogForked                  the node shows another past than it did before; evidence is kept
└── ClientError
    ├── EnvelopeRefused            a rule says no: `problems` name record, field, rule and remedy
    ├── NotAuthenticated           no member's key or certificate; or the certificate does not open this
    ├── NotFound
    ├── Overloaded                 nothing was taken; try again after `retry_after_ms`
    ├── ReadOnly                   nothing was taken: the node only reads for now; try again after `retry_after_ms`
    ├── Unavailable                the node cannot be reached, or stopped; what was sent may or may not be booked
    │   ├── NoQuorum               a node took it, and too few validators answer; it may still be booked
    │   └── NotWitnessed           booked as this node alone says: too few validators cosigned that so far
    ├── PrivateNotDelivered        (client_sdk.openings) booked, but private openings still have to be given
    ├── KeyFileError               a key file is missing, readable by others, or the passphrase is wrong
    └── OutboxError                the outbox is full, in use, or another member's; nothing in it was changed
"""

from collections.abc import Sequence
from pathlib import Path

from ledger.errors import Problem, SuyuanError, VerifyFailed


class ClientError(SuyuanError):
    """Base of what a call to a node can end with. In the node's log the call is named `request_id`, which is empty
    where no node answered: give it to the operator."""

    request_id = ""


class EnvelopeRefused(ClientError):
    """The node refused an envelope as a whole; nothing of it is booked."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems) or "refused")
        self.problems = problems


class NotAuthenticated(ClientError):
    pass


class NotFound(ClientError):
    pass


class Overloaded(ClientError):
    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"the node is overloaded; try again in {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


class ReadOnly(ClientError):
    """The node takes nothing new, for instance because its disk is nearly full; its operator was told by its log."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Unavailable(ClientError):
    """Nobody knows what became of what was sent: ask for its receipt, or send the same bytes again; never sign it
    anew meanwhile."""


class NoQuorum(Unavailable):
    """`nodes` took what was sent, and within `seconds` nothing came of it: as when too few validators are up to agree
    on a block. They keep it, so that it may still be booked when the others are back."""

    REMEDY = "ask for its receipt later, or send the same bytes again; what is signed anew may be booked twice"

    def __init__(self, nodes: Sequence[str], seconds: float, remedy: str = REMEDY) -> None:
        self.nodes, self.seconds = tuple(nodes), seconds
        self.seen = f"no quorum of validators answered within {seconds:.0f} s"
        super().__init__(f"{', '.join(nodes)} took it, and {self.seen}. It may still be booked: {remedy}")


class NotWitnessed(Unavailable):
    """A final receipt, which the quorum has not cosigned: the envelope stands in `leaf` of this node's log, and
    whether it stays there, only the quorum can say. Keep it, and ask for its receipt again."""

    def __init__(self, leaf: int, found: str) -> None:
        super().__init__(
            f"booked in leaf {leaf} as this node says, and not witnessed yet: {found}. Ask for its receipt later; "
            "the same bytes sent again are booked once"
        )
        self.leaf = leaf


class KeyFileError(ClientError):
    pass


class OutboxError(ClientError):
    pass


class LogForked(VerifyFailed):
    """The log is not an extension of what this reader saw before. The two notes are kept in `evidence`, a file."""

    def __init__(self, message: str, evidence: Path | None = None) -> None:
        where = "" if evidence is None else f"; both checkpoints are kept: suyuan evidence {evidence}"
        super().__init__("pinned checkpoint", message + where)
        self.evidence = evidence
