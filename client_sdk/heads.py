"""A checkpoint as evidence reads it: who signed it, also where that is no quorum."""

from msgspec import Struct, structs

from ledger import checkpoint as c
from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS
from ledger.policy import Policy, check


class Head(Struct, frozen=True):
    """A checkpoint that the log signed. `cosigned` has the newest time (ms) of each known validator's or witness's
    cosignature; `lacking` says why they are no quorum, and is empty where they are; `once` says that they were one,
    at another time than now."""

    note: bytes
    checkpoint: c.Checkpoint
    cosigned: dict[str, int]
    lacking: str
    once: bool = False

    @property
    def size(self) -> int:
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        return self.checkpoint.root

    def __str__(self) -> str:
        names = ", ".join(self.cosigned) or "nobody"
        below = "" if not self.lacking else f", which is {self.standing}"
        return f"{self.size} leaves, root {self.root.hex()}, cosigned by {names}{below}"

    @property
    def standing(self) -> str:
        """Whether they are a quorum, in words."""
        if not self.lacking:
            return "a quorum"
        return "a quorum, though not in these minutes" if self.once else "no quorum"


def read(trusted: Policy, note: bytes, now_ms: int | None) -> Head:
    """The head in a note under a policy, as of now, or with None as a saved file. VerifyFailed where the log did not
    sign it, or a known key's signature does not hold."""
    try:
        signed = n.parse(note)
        governing = trusted.governing(c.parse(signed.text).size)
    except Malformed as error:
        raise VerifyFailed("checkpoint", str(error)) from None
    log_alone = structs.replace(governing, quorum=None)
    checkpoint = check(log_alone, note, now_ms or 0, WITNESS_WINDOW_MS).checkpoint
    times: dict[str, int] = {}
    for name, key in governing.witnesses.items():
        found = [n.verify(signed, key, line) or 0 for line in n.find(signed, key)]
        if found:
            times[name] = 1000 * max(found)
    lacking = _lacking(trusted, note, now_ms)
    once = bool(lacking) and now_ms is not None and not _lacking(trusted, note, None)
    return Head(note, checkpoint, times, lacking, once)


def _lacking(trusted: Policy, note: bytes, now_ms: int | None) -> str:
    try:
        check(trusted, note, now_ms, WITNESS_WINDOW_MS)
    except VerifyFailed as error:
        return error.message
    return ""
