"""Two signed heads that cannot both be true, kept on disk: DATA/evidence/SIZE-ID-here.txt and …-there.txt.

Few are kept, and none is ever replaced: the first ones tell the story, and nobody may fill the disk with more.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog

from ledger.limits import EVIDENCE_ENTRIES_MAX
from node.files import reason, replace

FOLDER: Final = "evidence"
log = structlog.get_logger(__name__)


class Evidence:
    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    def keep(self, size: int, here: bytes, there: bytes, proven: bool = True) -> str:
        """Where both notes stand now; empty where they stood there before, or there is no room for more. What anybody
        could have made (not `proven`) leaves most of the room to what contradicts."""
        room = EVIDENCE_ENTRIES_MAX if proven else EVIDENCE_ENTRIES_MAX // 4
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            name = f"{size}-{sha256(there).hexdigest()[:16]}"
            kept = {path.name.removesuffix("-there.txt") for path in self._folder.glob("*-there.txt")}
            if name in kept or len(kept) >= room:
                return ""
            replace(self._folder / f"{name}-here.txt", here)
            replace(self._folder / f"{name}-there.txt", there)
        except OSError as error:
            log.warning("evidence could not be kept", reason=reason(error))
            return ""
        return str(self._folder / f"{name}-*.txt")
