"""The validator's own cosignature: over what it stored itself, in order, and never over two histories.

What was signed last is on disk before the signature leaves this class. It is not part of a backup and not restored
from one: a node that was set back signs nothing until it stands where it stood, with the same root.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import structlog
from msgspec import Meta, Struct

from ledger import merkle
from ledger.encoding import Codec
from ledger.errors import VerifyFailed
from ledger.records import Hash
from node.receipts import CheckpointSigner
from node.slots import Slots

FILE: Final = "cosigned"
log = structlog.get_logger(__name__)


class LastSigned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    root: Hash
    size: Annotated[int, Meta(ge=0)]


LAST_SIGNED: Final = Codec(LastSigned, "last cosigned head")


Prove = Callable[[int], list[bytes]]
"""The consistency proof from an earlier size to the head at hand."""


def last_cosigned(data: Path) -> LastSigned | None:
    """What the validator in `data` cosigned last, None where nobody knows; Damaged where it cannot be read."""
    if not (data / FILE).exists():
        return None
    slots = Slots(data / FILE, LAST_SIGNED)
    slots.close()
    return slots.value


class Cosigner:
    def __init__(self, data: Path, signer: CheckpointSigner) -> None:
        self._signer, self.name, self.key = signer, signer.validator, signer.key
        self._slots = Slots(data / FILE, LAST_SIGNED)
        self.held = False  # true: nothing is cosigned, since nobody knows yet what this validator signed before
        self._stopped = False

    @property
    def last(self) -> LastSigned:
        """What was signed last: the empty log, if nothing was."""
        return self._slots.value or LastSigned(root=merkle.EMPTY_ROOT, size=0)

    @property
    def has_signed(self) -> bool:
        """Whether this validator knows what it cosigned last."""
        return self._slots.value is not None

    def log_note(self, size: int, root: bytes) -> bytes:
        """The note over a head with the log's signature alone, which says nothing about its being the newest."""
        return self._signer.sign_log(size, root)

    def sign(self, size: int, root: bytes, prove: Prove, now_ms: int) -> bytes:
        """The note over a head that is stored here: signed by the log's key, and cosigned where it extends
        everything that this validator ever signed."""
        last = self._slots.value
        if self.held or self._stopped or (last is not None and not self._extends(last, size, root, prove)):
            return self._signer.sign_log(size, root)
        if last is None or last.size != size:
            self._slots.store(LastSigned(root=root, size=size))
        return self._signer.sign(size, root, now_ms)

    @staticmethod
    def _extends(last: LastSigned, size: int, root: bytes, prove: Prove) -> bool:
        if size < last.size:
            log.warning("not cosigned: this validator signed a longer log before", size=size, signed=last.size)
            return False
        try:
            merkle.verify_consistency(last.size, size, last.root, root, prove(last.size))
        except VerifyFailed:
            log.error(
                "not cosigned: this validator signed ANOTHER HISTORY before; keep this folder, and compare the node "
                "with the others before it goes on",
                size=size,
                root=root.hex(),
                signed_size=last.size,
                signed_root=last.root.hex(),
            )
            return False
        return True

    def stop(self) -> None:
        """Cosign nothing from now on; from any thread."""
        self._stopped = True

    def close(self) -> None:
        self._slots.close()
