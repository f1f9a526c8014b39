"""Which CometBFT block the ledger stands at. Two heights: a CometBFT block in which nothing was accepted adds no
block to the ledger.

Before a decided block is stored, this file says (with fsync) where it will lead. A crash then leaves one of two
pictures, told apart by the ledger's own height: the block is in the block files, or it is not; and CometBFT plays it
again from where `height` says.
"""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from ledger.encoding import Codec
from ledger.errors import Damaged
from ledger.plan import Head
from ledger.records import Hash
from node.slots import Slots

FILE: Final = "progress"
RESYNC: Final = "Fetch the chain anew from the other validators: suyuan-node resync"
Count = Annotated[int, Meta(ge=0)]


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CometBFT's block `engine` leads to the ledger's block `ledger`, under the log root `root`."""

    engine: Count
    ledger: Count
    root: Hash


STEP: Final = Codec(Step, "engine progress")


class Progress:
    def __init__(self, folder: Path, head: Head) -> None:
        self._slots = Slots(folder / FILE, STEP)
        try:
            self.height = self._height_at(head)
        except BaseException:
            self.close()
            raise

    def _height_at(self, head: Head) -> int:
        """CometBFT's height that a stored ledger stands at; Damaged where the two do not belong together."""
        step = self._slots.value
        if step is None and head.height == 0:
            return 0
        if step is not None and (step.ledger, step.root) == (head.height, head.log.root()):
            return step.engine
        if step is not None and step.ledger == head.height + 1:
            return step.engine - 1
        where = "nothing" if step is None else f"CometBFT's block {step.engine}, which leads to block {step.ledger}"
        raise Damaged(
            f"cometbft/{FILE}", f"the ledger stands at block {head.height}, and this file knows {where}", RESYNC
        )

    def announce(self, height: int, head: Head) -> None:
        """The next block leads to this head; on disk when this returns, and then it may be stored."""
        self._slots.store(Step(engine=height, ledger=head.height, root=head.log.root()))

    def stored(self, height: int) -> None:
        self.height = height

    def close(self) -> None:
        self._slots.close()
