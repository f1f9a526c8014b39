"""A validator that does not know what it signed last: its folder was lost, and no backup has that, since an old
answer would let it vote and cosign twice. It signs nothing until it stands where the others stand.

`data/priv_validator_state.json` is CometBFT's own memory of its last vote. Where it is missing, one is written that
says "at a height that no chain reaches", so that CometBFT fetches blocks and votes for none; while it says so, this
validator is silent, also after a crash. What it can have voted for lies at most one block beyond what the others have
decided. So when it has caught up with block H, CometBFT is started again with a last vote at H + 1, the height at
which it leaves the others alone, and goes on from there.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

import structlog
from msgspec import MsgspecError, Struct
from msgspec import json as msgspec_json

from ledger.errors import Damaged
from ledger.limits import QUORUM_OLD_MS_MAX
from node import files
from node.cosigning.sightings import Sighting
from node.engine.cometbft.home import VOTED
from node.engine.cometbft.watch import Seen

SILENT_HEIGHT: Final = 2**63 - 1
ROUND_MAX: Final = 2**31 - 1
PRECOMMIT: Final = 3
REMEDY: Final = "Remove it: then this validator votes again once it has caught up with the others"
log = structlog.get_logger(__name__)


class _Vote(Struct):
    """All that CometBFT reads of it, or it would not start."""

    height: str
    round: int
    step: int
    signature: bytes = b""
    signbytes: str = ""


class Returning:
    """`active` while this validator signs nothing. `has_cosigned` says whether it knows what it cosigned last."""

    def __init__(self, home: Path, has_cosigned: bool) -> None:
        self._path = home / "data" / VOTED
        height = last_vote(self._path)
        if height is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(SILENT_HEIGHT)
            height = SILENT_HEIGHT
        self._silent = height == SILENT_HEIGHT
        self.active = self._silent or (height > 0 and not has_cosigned)
        self._target: int | None = None
        self._vote_from = 0
        if self.active:
            log.warning("this validator does not know what it signed last, and signs nothing until it has caught up")

    def may_end(
        self,
        seen: Seen | None,
        leaves: int,
        others: Collection[Sighting],
        voters: Collection[str],
        needed: int,
        liars: int,
        now_ms: int,
    ) -> bool:
        """Whether CometBFT and the ledger, which has so many leaves, stand where the others stood when enough of them
        were heard: `needed` of `others`, of whom so many `liars` may claim any height. `voters` are the other
        validators by CometBFT's id: what its other peers claim says nothing."""
        if self._target is None:
            heads = [one.leaves for one in others if abs(now_ms - one.time_ms) <= QUORUM_OLD_MS_MAX]
            if not heads or len(heads) < needed:
                return False
            self._target = sorted(heads, reverse=True)[min(liars, len(heads) - 1)]
            log.info("this validator signs again when it has what the others have", leaves=self._target)
        if seen is None or seen.catching_up or len(seen.peers.intersection(voters)) < needed or leaves < self._target:
            return False
        return 0 < seen.height_of(voters, liars) <= seen.height + 1

    def end(self, height: int) -> bool:
        """It may sign again, with CometBFT at this height; whether CometBFT has to be started again for that."""
        self.active = False
        self._vote_from = height + 1 if self._silent else 0
        log.warning("this validator has caught up, and signs again", height=height)
        return self._silent

    def prepare(self) -> None:
        """Before each start of CometBFT."""
        if self._vote_from:
            self._write(self._vote_from)
            self._silent, self._vote_from = False, 0

    def _write(self, height: int) -> None:
        vote = {"height": str(height), "round": ROUND_MAX, "step": PRECOMMIT}
        files.replace(self._path, json.dumps(vote).encode())


def last_vote(path: Path) -> int | None:
    """The height of CometBFT's last vote, 0 before the first; None where that is lost."""
    try:
        vote = msgspec_json.decode(path.read_bytes(), type=_Vote)
        bytes.fromhex(vote.signbytes)
        return int(vote.height)
    except FileNotFoundError:
        return None
    except (ValueError, MsgspecError) as error:
        raise Damaged(f"cometbft/data/{VOTED}", str(error), REMEDY) from None
