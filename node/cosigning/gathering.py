"""Which version of the chain readers get: the newest that a quorum of validators cosigned.

Each stored block brings a version with this node's own cosignature; the others' come in whatever order, also before
the block is stored here. Until the first quorum, the newest version is shown with what there is.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import Final

import structlog
from msgspec import Struct

from ledger import checkpoint as c
from ledger import genesis as g
from ledger import note as n
from ledger.errors import Malformed, SuyuanError, VerifyFailed
from ledger.limits import COSIGNED_HEADS_ENTRIES_MAX, NOTE_SIGNATURES_MAX, WITNESS_WINDOW_MS
from ledger.storage.chainstore import ChainView

log = structlog.get_logger(__name__)

Lines = dict[str, n.NoteSignature]
"""Cosignature lines by the validator's name."""


class OutOfHistory(SuyuanError):
    """So many validators cosigned another head of the same size that this node's can never have a quorum."""

    def __init__(self, mine: str, theirs: str, by: list[str]) -> None:
        super().__init__(
            f"this node stands outside the others' history: {', '.join(by)} cosigned {theirs!r}, here {mine!r}. "
            "It acknowledges nothing more. Keep its folder, find out whose disk, program or key is wrong, and fetch "
            "the chain anew: suyuan-node resync"
        )


class Head(Struct):
    """A version that is stored here, who cosigned it, and who cosigned another one of its size."""

    view: ChainView
    text: str
    log_line: n.NoteSignature
    lines: Lines
    against: Lines


class Gathering:
    """Used in the event loop alone."""

    def __init__(self, genesis: g.Genesis, view: ChainView) -> None:
        self._origin = genesis.name
        self._keys: Final = {v.name: n.VerifierKey(v.name, n.COSIGNATURE, v.key) for v in genesis.validators}
        self._needed = g.quorum_size(len(genesis.validators))
        self._heads: OrderedDict[int, Head] = OrderedDict()
        self._early: dict[str, OrderedDict[int, tuple[str, n.NoteSignature]]] = {
            name: OrderedDict() for name in self._keys
        }
        self.view = view
        self.newest = view
        self.witnessed = False
        self.stored(view)

    def stored(self, view: ChainView) -> bool:
        """A newer version is stored, or the same one cosigned again; whether what readers get changed. Here and in
        `heard`: OutOfHistory where it can never be witnessed."""
        size = view.head.log.size
        note = n.parse(view.checkpoint)
        head = self._heads.get(size)
        if head is None:
            head = self._heads[size] = Head(view, note.text, note.signatures[0], {}, {})
            self._take_early(size, head)
        head.lines.update((line.name, line) for line in note.signatures[1:])
        self.newest = head.view
        while len(self._heads) > COSIGNED_HEADS_ENTRIES_MAX:
            self._heads.popitem(last=False)
        return self._show(size, head)

    def heard(self, data: bytes, now_ms: int) -> bool:
        """Another validator's cosignatures of a head; whether what readers get changed. Malformed or VerifyFailed
        where the note is not one of this log, or a validator's line in it does not hold."""
        note = n.parse(data)
        checkpoint = c.parse(note.text)
        if checkpoint.origin != self._origin:
            raise Malformed("checkpoint", f"it is of log {checkpoint.origin!r}, this is {self._origin!r}")
        lines = self._verified(note, now_ms)
        head = self._heads.get(checkpoint.size)
        if head is not None:
            return self._merge(checkpoint.size, head, note.text, lines)
        if checkpoint.size > self.newest.head.log.size:
            for name, line in lines.items():
                early = self._early[name]
                early[checkpoint.size] = (note.text, line)
                if len(early) > COSIGNED_HEADS_ENTRIES_MAX:
                    early.popitem(last=False)
        return False

    def _verified(self, note: n.Note, now_ms: int) -> Lines:
        """The lines of validators that hold, and whose time readers would believe."""
        lines: Lines = {}
        for name, key in self._keys.items():
            for line in n.find(note, key):
                time_ms = 1000 * _verified_time(note.text, key, line)
                if abs(time_ms - now_ms) > WITNESS_WINDOW_MS:
                    log.warning("a cosignature's time is far off", validator=name, by_ms=time_ms - now_ms)
                    continue
                lines[name] = line
        if not lines:
            raise VerifyFailed("cosignature", "no validator of this chain cosigned this in the last minutes")
        return lines

    def _merge(self, size: int, head: Head, text: str, lines: Lines) -> bool:
        if text != head.text:
            head.against.update(lines)
            by = sorted(head.against)
            log.error("TWO HISTORIES: another head is cosigned", mine=head.text, theirs=text, by=by)
            if len(by) > len(self._keys) - self._needed:
                raise OutOfHistory(head.text, text, by)
            return False
        newer = {name: line for name, line in lines.items() if _time(line) > _time(head.lines.get(name))}
        head.lines.update(newer)
        return bool(newer) and self._show(size, head)

    def _take_early(self, size: int, head: Head) -> None:
        for name, early in self._early.items():
            if size in early:
                self._merge(size, head, early[size][0], {name: early[size][1]})
            while early and next(iter(early)) <= size:
                early.popitem(last=False)

    def _show(self, size: int, head: Head) -> bool:
        """Readers get this version, if nothing better is there."""
        enough = len(head.lines) >= self._needed
        if not enough and self.witnessed:
            return False
        order = [head.lines[name] for name in self._keys if name in head.lines]
        head.view.checkpoint = n.serialise(n.Note(head.text, [head.log_line, *order]))
        self.view, self.witnessed = head.view, enough
        if enough:
            while next(iter(self._heads)) < size:
                self._heads.popitem(last=False)
        return True


@lru_cache(maxsize=NOTE_SIGNATURES_MAX * COSIGNED_HEADS_ENTRIES_MAX)
def _verified_time(text: str, key: n.VerifierKey, line: n.NoteSignature) -> int:
    """When a cosignature that holds was made, in seconds. Remembered, since each comes from every other validator."""
    return n.verify(n.Note(text, [line]), key, line) or 0


def _time(line: n.NoteSignature | None) -> int:
    return -1 if line is None else int.from_bytes(line.signature[:8], "big")
