"""Which version of the chain readers get: the newest that a quorum of validators cosigned.

Each stored block brings a version with this node's own cosignature; the others' come in whatever order, also before
the block is stored here. Until the first quorum, the newest version is shown with what there is.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import structlog
from msgspec import Struct, field

from ledger import checkpoint as c
from ledger import note as n
from ledger.errors import Malformed, SuyuanError, VerifyFailed
from ledger.limits import COSIGNED_HEADS_ENTRIES_MAX, NOTE_SIGNATURES_MAX, OUTSIDE_WITNESSES_ENTRIES_MAX
from ledger.state import policy_in
from ledger.storage.chainview import ChainView
from node.cosigning.clock import CosignerClock
from node.cosigning.evidence import Evidence
from node.cosigning.sightings import Sightings
from node.cosigning.validators import Office, Validators
from node.succession import Succession, step_at

_LINES_MAX: Final = NOTE_SIGNATURES_MAX - OUTSIDE_WITNESSES_ENTRIES_MAX
log = structlog.get_logger(__name__)

Lines = dict[n.VerifierKey, n.NoteSignature]
"""Signature lines by the key that made them: a validator may change its keys, and keep its name."""


class OutOfHistory(SuyuanError):
    """So many validators cosigned another head of the same size that this node's can never have a quorum."""

    def __init__(self, mine: str, theirs: str, by: list[str]) -> None:
        super().__init__(
            f"this node stands outside the others' history: {', '.join(by)} cosigned {theirs!r}, here {mine!r}. "
            "It acknowledges nothing more. Keep its folder, find out whose disk, program or key is wrong, and fetch "
            "the chain anew: suyuan-node resync"
        )


class Head(Struct):
    """A version that is stored here, in whose office; the log's signatures, who cosigned it, and who cosigned another
    one of its size."""

    view: ChainView
    office: Office
    text: str
    logs: Lines
    lines: Lines
    against: Lines
    since: float = field(default_factory=time.monotonic)

    @property
    def is_witnessed(self) -> bool:
        """Whether readers would believe it: the quorum cosigned it, and a key of the log that they know signed it."""
        return cosigned_by(self.lines, self.office) and not self.logs.keys().isdisjoint(self.office.logs)

    def note(self, *offices: Office) -> bytes:
        """With the signatures of these offices alone. Of each first what its readers need, one signature of the log
        and the cosignatures; what does not fit beside the outside witnesses' lines is left out from the end."""
        lines: list[n.NoteSignature] = []
        for office in offices:
            lines += [self.logs[key] for key in office.logs if key in self.logs][:1]
            lines += [self.lines[key] for key in office.keys if key in self.lines]
        lines += [self.logs[key] for office in offices for key in office.logs if key in self.logs]
        return n.serialise(n.Note(self.text, list(dict.fromkeys(lines))[:_LINES_MAX]))


def cosigned_by(lines: Lines, office: Office) -> bool:
    """Whether the quorum of an office did."""
    return sum(key in lines for key in office.keys) >= office.needed


class Gathering:
    """Used in the event loop alone."""

    def __init__(
        self,
        validators: Validators,
        succession: Succession,
        view: ChainView,
        clock: CosignerClock,
        evidence: Evidence,
    ) -> None:
        self._validators, self._succession = validators, succession
        self._clock, self._evidence = clock, evidence
        self._heads: OrderedDict[int, Head] = OrderedDict()
        self._early: dict[n.VerifierKey, OrderedDict[int, tuple[str, n.NoteSignature]]] = {}
        self._far_off: set[str] = set()
        self.view = view
        self.newest = view
        self.witnessed = False
        self.witnessed_ms = 0  # the cosignatures of the version that readers get were a quorum from then on
        self.sightings = Sightings()
        self.stored(view)

    def lag(self) -> tuple[int, float]:
        """How many leaves are stored here beyond what a quorum cosigned, and for how many seconds."""
        shown = self.view.head.log.size
        beyond = [head.since for size, head in self._heads.items() if size > shown]
        return self.newest.head.log.size - shown, time.monotonic() - min(beyond) if beyond else 0.0

    def stored(self, view: ChainView) -> bool:
        """A newer version is stored, or the same one cosigned again; whether what readers get changed. Here and in
        `heard`: OutOfHistory where it can never be witnessed."""
        size = view.head.log.size
        note = n.parse(view.checkpoint)
        head = self._heads.get(size)
        if head is None:
            office = self._validators.follow(policy_in(view))
            head = self._heads[size] = Head(view, office, note.text, {}, {}, {})
            self._take_early(size, head)
        head.logs.update(_by(self._validators.logs, note))
        for key, line in _by(self._validators.keys, note).items():
            head.lines[key] = line
            self.sightings.note(key.name, size, 1000 * _time(line))
        self._step(head)
        self.newest = head.view
        while len(self._heads) > COSIGNED_HEADS_ENTRIES_MAX:
            self._heads.popitem(last=False)
        return self._show(size, head)

    def heard(self, data: bytes) -> bool:
        """Another validator's cosignatures of a head; whether what readers get changed. Malformed or VerifyFailed
        where the note is not one of this log, or a validator's line in it does not hold."""
        note = n.parse(data)
        checkpoint = c.parse(note.text)
        origin = self._validators.origin
        if checkpoint.origin != origin:
            raise Malformed("checkpoint", f"it is of log {checkpoint.origin!r}, this is {origin!r}")
        lines = self._verified(note, checkpoint.size)
        head = self._heads.get(checkpoint.size)
        if head is not None:
            signed = self._take_log_lines(head, note)
            return self._merge(checkpoint.size, head, note.text, lines) or (
                signed and self._show(checkpoint.size, head)
            )
        if checkpoint.size > self.newest.head.log.size:
            for key, line in lines.items():
                early = self._early.setdefault(key, OrderedDict())
                early[checkpoint.size] = (note.text, line)
                if len(early) > COSIGNED_HEADS_ENTRIES_MAX:
                    early.popitem(last=False)
        return False

    def _verified(self, note: n.Note, leaves: int) -> Lines:
        """The lines of validators that hold, and whose time readers would believe."""
        lines: Lines = {}
        for key in self._validators.keys:
            for line in n.find(note, key):
                time_ms = 1000 * _verified_time(note.text, key, line)
                self._clock.heard(key.name, time_ms)
                self.sightings.note(key.name, leaves, time_ms)
                if not self._clock.is_near(time_ms):
                    self._tell_far_off(key.name, time_ms)
                    continue
                self._far_off.discard(key.name)
                lines[key] = line
        if not lines:
            raise VerifyFailed("cosignature", "no validator of this chain cosigned this in the last minutes")
        return lines

    def _tell_far_off(self, name: str, time_ms: int) -> None:
        """Once, and not with every block."""
        if name not in self._far_off:
            log.warning("a cosignature's time is far off", validator=name, time_ms=time_ms)
            self._far_off.add(name)

    def _merge(self, size: int, head: Head, text: str, lines: Lines) -> bool:
        if text != head.text:
            self._against(size, head, text, lines)
            return False
        newer = {key: line for key, line in lines.items() if _time(line) > _time(head.lines.get(key))}
        head.lines.update(newer)
        self._step(head)
        return bool(newer) and self._show(size, head)

    def _take_log_lines(self, head: Head, note: n.Note) -> bool:
        """The log's signatures by others, where this node's own is not one that readers know: of an observer, or at
        the head at which validators hand over. Whether there were any."""
        known = len(head.logs)
        if note.text != head.text:
            return False
        lacks_own = not head.logs.keys() & set(head.office.logs)
        if lacks_own or self._validators.leaving is not None:
            for key, line in _by(self._validators.logs, note).items():
                if key not in head.logs:
                    n.verify(note, key, line)
                    head.logs[key] = line
        return len(head.logs) > known

    def _step(self, head: Head) -> None:
        """Those who leave office cosigned the head that names their successors: so readers step on, for good."""
        leaving = self._validators.leaving
        if leaving is None or head.office.number != leaving.number + 1 or not cosigned_by(head.lines, leaving):
            return
        if head.logs.keys() & set(leaving.logs):
            self._succession.add(step_at(head.view, head.note(leaving)))

    def _against(self, size: int, head: Head, text: str, lines: Lines) -> None:
        """Validators cosigned another head of this size. They say it again each minute; it is told once of each."""
        new = not lines.keys() <= head.against.keys()
        head.against.update(lines)
        by = sorted({key.name for key in head.against})
        if new:
            kept = self._evidence.keep(size, head.view.checkpoint, n.serialise(n.Note(text, list(lines.values()))))
            log.error("TWO HISTORIES: another head is cosigned", mine=head.text, theirs=text, by=by, kept=kept)
        if sum(key in head.against for key in head.office.keys) > len(head.office.keys) - head.office.needed:
            raise OutOfHistory(head.text, text, by)

    def _take_early(self, size: int, head: Head) -> None:
        for key, early in self._early.items():
            if size in early:
                self._merge(size, head, early[size][0], {key: early[size][1]})
            while early and next(iter(early)) <= size:
                early.popitem(last=False)

    def _show(self, size: int, head: Head) -> bool:
        """Readers get this version, if nothing better is there."""
        enough = head.is_witnessed
        if not enough and self.witnessed:
            return False
        if head.logs:  # an observer's own is not among those that readers know
            head.view.note = head.note(head.office, *self._validators.offices)
        self.view, self.witnessed = head.view, enough
        if enough:
            times = sorted(_time(head.lines[key]) for key in head.office.keys if key in head.lines)
            self.witnessed_ms = 1000 * times[-head.office.needed]
        if enough and self._validators.leaving is None:
            while next(iter(self._heads)) < size:
                self._heads.popitem(last=False)
        return True


@lru_cache(maxsize=NOTE_SIGNATURES_MAX * COSIGNED_HEADS_ENTRIES_MAX)
def _verified_time(text: str, key: n.VerifierKey, line: n.NoteSignature) -> int:
    """When a cosignature that holds was made, in seconds. Remembered, since each comes from every other validator."""
    return n.verify(n.Note(text, [line]), key, line) or 0


def _by(keys: Sequence[n.VerifierKey], note: n.Note) -> Lines:
    """The lines that claim to be by these keys, unverified."""
    return {key: line for key in keys for line in n.find(note, key)}


def _time(line: n.NoteSignature | None) -> int:
    return -1 if line is None else int.from_bytes(line.signature[:8], "big")
