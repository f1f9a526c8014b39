"""A split view, kept: two checkpoints of one log that cannot both be true, in one file that convinces others.

    FOLDER/evidence/SIZE-SIZE-HASH.json   {policy, first, second, proofs: [{size, hashes}]}

`first` is the shorter one. Of the same size they contradict each other by their roots. Else a proof has to show it:
one that leads to the second's root, and at the first's size to another root than the first says. A proof that merely
does not hold shows nothing, since anybody can make one; it is kept all the same.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from client_sdk import heads
from client_sdk.heads import Head
from ledger import checkpoint as c
from ledger import merkle
from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import EVIDENCE_BYTES_MAX
from ledger.policy import Policy, format_policy, parse_policy

FOLDER: Final = "evidence"
EXPECTED: Final = "a file of an evidence/ folder is expected, which holds both checkpoints"


class Tried(Struct, frozen=True):
    """A consistency proof from `size` to the second checkpoint's."""

    size: int
    hashes: list[bytes]


class Evidence(Struct, frozen=True):
    """Two signed notes, the policy that they are read under, and the proofs that were tried."""

    policy: str
    first: str
    second: str
    proofs: list[Tried]


class Judged(Struct, frozen=True):
    """What evidence shows: `contradiction` in words, empty where none is proven. `both` cosigned either."""

    first: Head
    second: Head
    contradiction: str
    both: list[str]


def of(trusted: Policy, one: bytes, other: bytes, proofs: Sequence[Tried] = ()) -> Evidence:
    """Of two notes, in whichever order; `proofs` lead to the longer one."""
    first, second = sorted((one, other), key=lambda note: c.parse(n.parse(note).text).size)
    return Evidence(format_policy(trusted), first.decode(), second.decode(), list(proofs))


def keep(folder: Path, evidence: Evidence) -> Path:
    """Store it in the evidence folder of `folder`, once; where it stands."""
    sizes = [c.parse(n.parse(note.encode()).text).size for note in (evidence.first, evidence.second)]
    name = sha256((evidence.first + evidence.second).encode()).hexdigest()[:8]
    path = folder / FOLDER / f"{sizes[0]}-{sizes[1]}-{name}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(evidence)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return path


def load(path: Path) -> Evidence:
    """Malformed where the file is none."""
    data = path.read_bytes()
    if len(data) > EVIDENCE_BYTES_MAX:
        raise Malformed(str(path), f"{len(data)} bytes, at most {EVIDENCE_BYTES_MAX} are read")
    try:
        return msgspec.json.decode(data, type=Evidence)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(path), f"this is no evidence of a split view; {EXPECTED} ({error})") from None


def judge(evidence: Evidence, trusted: Policy | None = None) -> Judged:
    """What two checkpoints show under a policy, by default the one in the file. VerifyFailed where one of them is not
    the log's."""
    believed = trusted if trusted is not None else parse_policy(evidence.policy)
    first, second = (heads.read(believed, note.encode(), None) for note in (evidence.first, evidence.second))
    both = [name for name in first.cosigned if name in second.cosigned]
    if first.size == second.size:
        same = first.root == second.root
        return Judged(first, second, "" if same else f"two roots of a log of {first.size} leaves", both)
    for proof in evidence.proofs:
        root = _root_within(second, first, proof)
        if root is not None and root != first.root:
            told = (
                f"the first {first.size} leaves of the longer log have root {root.hex()}, the shorter one's differs"
            )
            return Judged(first, second, told, both)
    return Judged(first, second, "", both)


def _root_within(second: Head, first: Head, proof: Tried) -> bytes | None:
    """The root of the second log's first leaves, as many as the first one has, if the proof shows it.

    A proof from a power of two leaves that root out, and the one from the next size has it: as the only hash that
    stands left of the leaf which is added.
    """
    if not 0 < proof.size < second.size or not proof.hashes:
        return None
    try:
        old, new = merkle.consistency_roots(proof.size, second.size, first.root, proof.hashes)
    except VerifyFailed:
        return None
    if new != second.root:
        return None
    if proof.size == first.size:
        return old  # where that is a power of two, `old` is the first one's own root, and shows nothing
    if proof.size == first.size + 1 and not is_shown(first.size):
        found = [one for one in proof.hashes if merkle.node_hash(one, proof.hashes[0]) == old]
        return found[0] if found else None
    return None


def is_shown(size: int) -> bool:
    """Whether a proof from this size shows the root there: not that of a power of two."""
    return size & (size - 1) != 0
