"""What can go wrong, told apart by what the reader of the error has to do about it.

    SuyuanError
    ├── Malformed       input bytes are not what the format says: the caller corrects its encoding
    ├── Refused         well-formed, but a rule says no: the caller corrects its records
    ├── VerifyFailed    a proof, receipt, checkpoint or signature does not hold: do not trust it
    ├── Damaged         stored bytes are not what was written: the operator rebuilds or restores
    └── WriteFailed     the disk did not take what had to be stored: the operator makes room, and starts again

A programmer's error stays a plain ValueError or TypeError.
"""

from collections.abc import Iterable
from typing import Final

import msgspec


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason why an envelope is refused.

    `rule` is a stable code for programs (`position.overdrawn`), `message` says what was found and what
    was expected, `remedy` what to do. `record` is the 0-based index in the envelope, or None where the
    envelope as a whole is meant; `field` names the field in the record.
    """

    rule: str
    message: str
    remedy: str = ""
    record: int | None = None
    field: str = ""

    def __str__(self) -> str:
        where = "" if self.record is None else f"record {self.record}"
        if self.field:
            where = f"{where}, field {self.field!r}" if where else f"field {self.field!r}"
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} [{self.rule}]" + (f" - {self.remedy}" if self.remedy else "")


class SuyuanError(Exception):
    """Base of every error that this project raises on purpose."""


class Malformed(SuyuanError):
    """Bytes that do not follow the format. `where` names the structure and field, as STRUCTURE.FIELD or either."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message


class Refused(SuyuanError):
    """An envelope that the rules refuse as a whole, with every problem that was found in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class UnknownRules(SuyuanError):
    """The chain goes on by rules that this program does not know; nothing was applied."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the validators went on to version {found} of the rules, and this program knows those up to {known}: "
            "install the newer one and start it; nothing is lost meanwhile"
        )


class VerifyFailed(SuyuanError):
    """A proof does not hold: which check, what was expected, what was found."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check
        self.message = message


class ProofTooLarge(SuyuanError):
    """What a proof must show whole would pass the bound on what anybody reads."""


class Damaged(SuyuanError):
    """Stored bytes are not what was written. `where` names the file or block, `remedy` the way out."""

    def __init__(self, where: str, message: str, remedy: str) -> None:
        super().__init__(f"{where}: {message}. {remedy}")
        self.where = where
        self.message = message
        self.remedy = remedy


_FILES: Final[dict[type[OSError], str]] = {
    FileNotFoundError: "there is no such file; check its name and folder",
    PermissionError: "you may not open it; check whose it is, and its mode",
    IsADirectoryError: "it is a folder, and a file is expected",
    NotADirectoryError: "it lies in what is no folder; check its name",
}


def of_file(error: OSError) -> str:
    """What the system's error says of which file, and what to do, in place of its number."""
    if error.filename is None:
        return str(error)
    return f"{error.filename}: {_FILES.get(type(error)) or (error.strerror or 'it cannot be read').lower()}"


class WriteFailed(SuyuanError):
    """A write or fsync failed, so nobody knows what of it is on disk; the chain must be opened again."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"{what} could not be stored: {why}. Nothing of it was acknowledged. Make room or mend the disk, "
            "and start the node again: what was acknowledged is there"
        )
