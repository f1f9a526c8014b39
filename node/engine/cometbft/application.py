"""The ABCI application: what CometBFT asks, answered with the ledger's own functions. No socket, no thread, no clock.

A proposal is rejected only for bytes, bounds, chain id, key or signature: two honest nodes may each have admitted a
ship of the same last hundred cans, so a broken rule refuses its envelope in `finalize`, without leaf or state change.
Bad input never raises here, since an exception stops consensus.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

import structlog
from msgspec import Struct

from ledger.errors import Damaged, SuyuanError
from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_ENVELOPES_MAX,
    BLOCK_OVERHEAD_BYTES_MAX,
    ENVELOPE_OVERHEAD_BYTES_MAX,
)
from ledger.plan import Checked, Plan, Verdict
from ledger.state import POLICY_KEY, policy_in
from ledger.storage.chainstore import ChainStore
from node.engine import journal
from node.engine.cometbft.checker import Checker
from node.engine.cometbft.progress import RESYNC, Progress
from node.engine.isolate import INTERNAL_ERRORS, internal_verdict

log = structlog.get_logger(__name__)


class Decided(Struct, frozen=True):
    """A block of CometBFT as it was planned: its transactions, its envelopes' ids, what became of each, whether each
    transaction is one in which all were accepted, and which keys vote from now on (1) or no more (0), where the
    validators change."""

    height: int
    voters: dict[bytes, int]
    txs: Sequence[bytes]
    ids: list[bytes]
    verdicts: list[Verdict]
    accepted: list[bool]
    plan: Plan


SPENT_MS: Final = 3_600_000
"""An envelope that ran out so long ago waits with no node that took it in time."""


class Room:
    """What still fits into one block of the ledger, unpacked."""

    def __init__(self) -> None:
        self._bytes = BLOCK_BYTES_MAX - BLOCK_OVERHEAD_BYTES_MAX
        self._envelopes = BLOCK_ENVELOPES_MAX

    def take(self, checked: Sequence[Checked]) -> bool:
        """Whether all of them fit; then they are in."""
        size = sum(len(one.opened.wire) + ENVELOPE_OVERHEAD_BYTES_MAX for one in checked)
        if size > self._bytes or len(checked) > self._envelopes:
            return False
        self._bytes -= size
        self._envelopes -= len(checked)
        return True


class Application:
    def __init__(self, store: ChainStore, checker: Checker, progress: Progress) -> None:
        self._store = store
        self._checker = checker
        self._progress = progress
        self._decided: Decided | None = None

    @property
    def height(self) -> int:
        return self._progress.height

    @property
    def app_hash(self) -> bytes:
        """The root of the stored log; of an empty one, RFC 6962's root of nothing."""
        return self._store.head.log.root()

    def check(self, tx: bytes) -> str:
        """Empty where a transaction may travel on, else why not. What can book nothing any more does not, however it
        is packed: CometBFT keeps its blocks, so whoever repeats old envelopes would fill everybody's disk."""
        try:
            checked = self._checker.check(tx)
        except SuyuanError as error:
            return str(error)
        return "all its envelopes are booked or have run out" if all(map(self._is_spent, checked)) else ""

    def _is_spent(self, checked: Checked) -> bool:
        ran_out_ms = self._store.head.time - checked.opened.header.not_after
        return ran_out_ms > SPENT_MS or self._store.accepted(checked.opened.id) is not None

    def prepare(self, txs: Sequence[bytes], bytes_max: int) -> list[bytes]:
        """Of the waiting transactions, in order, those that fit into one block, packed and unpacked."""
        room, taken = Room(), list[bytes]()
        for tx in txs:
            bytes_max -= len(tx)
            checked = self._checker.find(tx)
            if bytes_max < 0 or (checked is not None and not room.take(checked)):
                break
            if checked is not None:
                taken.append(tx)
        return taken

    def process(self, txs: Sequence[bytes]) -> str:
        """Empty where a proposal may become a block, else why it is rejected."""
        room = Room()
        for number, tx in enumerate(txs):
            try:
                checked = self._checker.check(tx)
            except SuyuanError as error:
                return f"transaction {number}: {error}"
            if not room.take(checked):
                return f"transaction {number} is beyond what one block holds"
        return ""

    def finalize(self, height: int, time_ms: int, txs: Sequence[bytes]) -> Decided:
        """Plan a decided block; nothing is stored yet."""
        if height != self.height + 1:
            flaw = f"CometBFT decided block {height}, this node stands at {self.height}"
            raise Damaged("cometbft/data", flaw, RESYNC)
        room = Room()
        found = [self._checker.find(tx) for tx in txs]
        fit = [one if one is not None and room.take(one) else [] for one in found]  # none in what is not readable
        envelopes = [envelope for one in fit for envelope in one]
        plan, verdicts = self._planned(envelopes, max(time_ms, self._store.head.time))
        told = iter(one.leaf is not None for one in verdicts)
        accepted = [bool(one) and all(list(islice(told, len(one)))) for one in fit]
        ids = [one.opened.id for one in envelopes]
        self._decided = Decided(height, self._voters(plan), txs, ids, verdicts, accepted, plan)
        return self._decided

    def _voters(self, plan: Plan) -> dict[bytes, int]:
        """In order of key, so that all nodes say the same. The power of each is one."""
        if not plan.draft.wrote(POLICY_KEY):
            return {}
        entries = (policy_in(self._store), plan.draft.policy())
        before, after = ({one.consensus for one in entry.validators} for entry in entries)
        return {key: int(key in after) for key in sorted(before ^ after)}

    def _planned(self, envelopes: Sequence[Checked], time_ms: int) -> tuple[Plan, list[Verdict]]:
        """A plan of all that can be planned. Where planning meets an error of ours, the envelope at which it first
        does is left out and refused: the shortest beginning that fails ends with it, on every node alike."""
        verdicts: list[Verdict | None] = [None] * len(envelopes)
        kept = list(enumerate(envelopes))
        while True:
            plan = self._try([one for _, one in kept], time_ms)
            if plan is not None:
                break
            number, one = kept.pop(self._first_bad([one for _, one in kept], time_ms))
            log.error("planning failed", envelope=one.opened.id.hex())
            verdicts[number] = internal_verdict()
        for (number, _), verdict in zip(kept, plan.verdicts, strict=True):
            verdicts[number] = verdict
        return plan, [verdict for verdict in verdicts if verdict is not None]

    def _try(self, envelopes: Sequence[Checked], time_ms: int) -> Plan | None:
        try:
            return self._store.plan(envelopes, time_ms)
        except INTERNAL_ERRORS:
            if not envelopes:
                raise
            log.exception("planning failed", envelopes=len(envelopes))
            return None

    def _first_bad(self, envelopes: Sequence[Checked], time_ms: int) -> int:
        good, bad = 0, len(envelopes)  # so many from the beginning can be planned, so many cannot
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._try(envelopes[:middle], time_ms) is None:
                bad = middle
            else:
                good = middle
        return bad - 1

    def commit(self) -> Decided:
        """Store what was planned last."""
        decided = self._decided
        if decided is None:
            raise ValueError("there is nothing to commit")
        self._progress.announce(decided.height, decided.plan.head)
        self._store.commit(decided.plan)
        self._progress.stored(decided.height)
        self._checker.forget(decided.txs)
        journal.tell(self._store.head.height, zip(decided.ids, decided.verdicts, strict=True))
        self._decided = None
        return decided
