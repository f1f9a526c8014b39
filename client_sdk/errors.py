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
    ├── PrivateNotDelivered        (client_sdk.openings) booked, but private openings still have to be given
    ├── KeyFileError               a key file is missing, readable by others, or the passphrase is wrong
    └── OutboxError                the outbox is full, in use, or another member's; nothing in it was changed
"""

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
    pass


class KeyFileError(ClientError):
    pass


class OutboxError(ClientError):
    pass


class LogForked(VerifyFailed):
    """The log is not an extension of what this reader saw before. The two notes are kept as evidence."""

    def __init__(self, message: str, evidence: tuple[Path, Path] | None = None) -> None:
        where = "" if evidence is None else f"; the two checkpoints are kept in {evidence[0]} and {evidence[1]}"
        super().__init__("pinned checkpoint", message + where)
        self.evidence = evidence
