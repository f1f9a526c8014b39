"""What the log says of blocks: one line each, by which an envelope's id is found on every node that executed it."""

from collections.abc import Iterable

import structlog

from ledger.plan import Verdict

log = structlog.get_logger(__name__)


def tell(height: int, outcomes: Iterable[tuple[bytes, Verdict]]) -> None:
    """Of the block of the ledger that now stands last, and of those whom the block refused: by envelope id."""
    told: dict[str, list[str]] = {"accepted": [], "earlier": [], "refused": []}
    for envelope, verdict in outcomes:
        outcome = "refused" if verdict.leaf is None else "earlier" if verdict.earlier else "accepted"
        told[outcome].append(envelope.hex())
    if any(told.values()):
        log.info("block stored", height=height, **{outcome: ids for outcome, ids in told.items() if ids})
