"""Disk space: the node stops taking what it might not be able to store, before the disk is full.

Below a reserve it is read-only: proofs, lists and subscriptions go on, nothing that was acknowledged is at risk, and
it takes envelopes again by itself when there is room.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from ledger.limits import FREE_ENTRIES_MIN
from node.engine import ReadOnly

LOOK_AGAIN_SECONDS = 1
RETRY_AFTER_MS = 30_000
log = structlog.get_logger(__name__)


class Disk:
    """The free space of the file systems that a data folder lies on, looked at once a second at most."""

    def __init__(self, data: Path, free_bytes_min: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._folders = [folder for folder in (data, data / "blocks", data / "index") if folder.exists()]
        self._free_bytes_min = free_bytes_min
        self._clock = clock
        self._look_at = clock()
        self._shortage = ""
        self._free_bytes = 0

    @property
    def shortage(self) -> str:
        """Why the node takes nothing now; empty where it does."""
        self.look()
        return self._shortage

    @property
    def free_bytes(self) -> int:
        self.look()
        return self._free_bytes

    def require_room(self) -> None:
        """ReadOnly where there is less room than the reserve."""
        shortage = self.shortage
        if shortage:
            raise ReadOnly(shortage, RETRY_AFTER_MS)

    def look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_AGAIN_SECONDS
        before, self._shortage = self._shortage, self._measure()
        if self._shortage and not before:
            log.error("read-only", why=self._shortage, folders=[str(folder) for folder in self._folders])
        if before and not self._shortage:
            log.warning("taking envelopes again", free_bytes=self._free_bytes)

    def _measure(self) -> str:
        try:
            found = [os.statvfs(folder) for folder in self._folders]
        except OSError as error:
            return f"its disk cannot be looked at: {error.strerror}"
        self._free_bytes = min(disk.f_bavail * disk.f_frsize for disk in found)
        if self._free_bytes < self._free_bytes_min:
            return f"{_mib(self._free_bytes)} are free on its disk, {_mib(self._free_bytes_min)} are needed"
        entries = min((disk.f_favail for disk in found if disk.f_files), default=FREE_ENTRIES_MIN)
        if entries < FREE_ENTRIES_MIN:  # file systems without a fixed number of inodes say that they have none
            return f"{entries} more files fit on its disk, {FREE_ENTRIES_MIN} are needed"
        return ""


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
