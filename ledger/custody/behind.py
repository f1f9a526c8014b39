"""Open claims behind goods that come back by a return or a correction, whose way is not followed.

Whoever reads a way sees at every position of it whether claims are open there. Goods that come back may bring claims
from a position that is not on that way; only those are marked where the goods come to, as open behind it.
"""

from ledger import entries as e
from ledger import state as s
from ledger.custody.inforce import sources_of

_ANY = e.OWN_CLAIMS | e.CLAIMS_BEFORE | e.CLAIMS_BEHIND


def carried_back(draft: s.Draft, given: list[tuple[bytes, int]], taker: bytes) -> int:
    """What goods bring to the position at `taker`, of (position that gave them, bits they carried)."""
    total, position = 0, draft.position(taker)
    for path, bits in given:
        giver = draft.position(path)
        if bits & e.CLAIMS_BEFORE and giver is not None and position is not None:
            bits = _behind(draft, bits, giver, position)
        total |= bits
    return total


def _behind(draft: s.Draft, bits: int, giver: e.PositionEntry, taker: e.PositionEntry) -> int:
    if any(source == giver for source in sources_of(draft, taker)):
        return bits  # its way leads there
    if not _open_elsewhere(draft, giver, taker):
        return bits & ~e.CLAIMS_BEFORE  # they came from here, where their claims show
    return e.behind(bits)


def _open_elsewhere(draft: s.Draft, giver: e.PositionEntry, taker: e.PositionEntry) -> bool:
    """Whether the giver's goods may lie under an open claim made elsewhere than at the taker's position. What its
    other sources carry now, they or others before them claimed; what cannot be followed counts as open."""
    unknown = any(way.kind in (e.WayKind.RETURN, e.WayKind.CORRECT) for way in giver.ways)
    if giver.bits & (e.OWN_CLAIMS | e.CLAIMS_BEHIND) or giver.more_ways or unknown:
        return True
    return any(source.bits & _ANY for source in sources_of(draft, giver) if source != taker)
