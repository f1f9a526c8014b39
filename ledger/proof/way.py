"""Step 6 of a verification: the way, from the position that was asked for back to where the goods began."""

from collections.abc import Iterator

from msgspec import Struct

from ledger import entries as e
from ledger import records as r
from ledger.custody.handovers import receiver_of
from ledger.custody.step import booked_late
from ledger.errors import VerifyFailed
from ledger.limits import PATH_POSITIONS_MAX, SOURCES_INLINE_MAX
from ledger.proof.evidence import Evidence, Signed
from ledger.proof.subjects import Subjects
from ledger.proof.verdict import Finding, Verdict, of_bits

_ELEMENTS = {e.WayKind.HANDOVER: 2, e.WayKind.RETURN: 2}
_BEFORE = e.CLAIMS_BEFORE | e.IN_FORCE_BEFORE
_NOT_FOLLOWED = (e.WayKind.RETURN, e.WayKind.CORRECT)
_FROM_POSITIONS = (e.WayKind.HANDOVER, e.WayKind.MOVE, e.WayKind.RELABEL)


class WayIn(Struct, frozen=True):
    """One source of a position: its newest delivery, and how many elements stood before it."""

    kind: e.WayKind
    earlier: int
    newest: list[Signed]


class Position(Struct, frozen=True):
    lot: str
    owner: str
    site: str
    entry: e.PositionEntry
    site_entry: e.SiteEntry | None
    ways: list[WayIn]


Name = tuple[str, str, str]


def follow(evidence: Evidence, subjects: Subjects, start: Name) -> list[Position]:
    """Every position on the way, the one asked for first, each once. VerifyFailed where a delivery does not
    match, or a way in is not accounted for."""
    todo: list[Name] = [start]
    visited: dict[Name, Position] = {}
    at_hand = {start}  # these goods themselves, and not what they were made of
    for name in todo:
        if name in visited:
            continue
        if len(visited) >= PATH_POSITIONS_MAX:
            subjects.findings.append(Finding(Verdict.WAY_SHOWN_IN_PART, start[0], "more positions than are shown"))
            break
        position, sources = _position(evidence, subjects, name)
        visited[name] = position
        todo.extend(sources)
        if name in at_hand:
            at_hand.update(source for source in sources if _same_goods(source, position))
    for lot in sorted({name[0] for name in at_hand}):
        subjects.expiry(lot)
    way = list(visited.values())
    _before(subjects, way, all(name in visited for name in todo))
    _keepers(subjects, way)
    return way


def _same_goods(source: Name, position: Position) -> bool:
    """Whether goods came from there as they are: of the same lot, or of one that they were relabelled from."""
    relabelled = (way.newest[0].record for way in position.ways if way.kind == e.WayKind.RELABEL)
    return source[0] == position.lot or any(isinstance(one, r.Relabel) and one.lot == source[0] for one in relabelled)


def _before(subjects: Subjects, way: list[Position], whole: bool) -> None:
    """Every position shown says whether its claims are open and it is held still. What was so when the goods left
    counts only where they came from a position that is not shown; of claims, the rules tell that (`behind`)."""
    for position in way:
        counts = _BEFORE if not whole else 0
        if any(one.kind in _NOT_FOLLOWED for one in position.ways):
            counts |= e.IN_FORCE_BEFORE
        subjects.findings += of_bits(position.entry.bits & counts, f"{position.lot} at {position.site}")


def _position(evidence: Evidence, subjects: Subjects, name: Name) -> tuple[Position, list[Name]]:
    lot, owner, site = name
    path = e.position_path(*name)
    entry = evidence.entry(path, e.POSITION)
    if entry is None or (entry.lot, entry.owner, entry.site) != name:
        raise VerifyFailed("position", f"{owner} is not proven to have held {lot} at {site}")
    subjects.family(lot)
    subjects.findings += of_bits(entry.bits & ~_BEFORE, f"{lot} at {site}")
    subjects.note(path, f"{lot} at {site}", entry.adverse, entry.facts)
    evidence.member(owner)
    evidence.member(site.partition("/")[0])
    site_entry = subjects.site(site)
    ways, sources = [], []
    for way in _ways(evidence, path, entry):
        shown, from_where = _way_in(evidence, name, path, way)
        ways.append(shown)
        _late(subjects, f"{lot} at {site}", shown)
        sources += from_where
    if not ways:
        raise VerifyFailed("way", f"the position of {owner} at {site} has no way in")
    return Position(lot, owner, site, entry, site_entry, ways), sources


def _late(subjects: Subjects, subject: str, way: WayIn) -> None:
    for one in way.newest:
        if booked_late(one.record.at, one.time):
            act = one.element.act.name.lower()
            subjects.findings.append(Finding(Verdict.FACTS_NOTED, subject, f"{one.member} booked its {act} late"))


def _keepers(subjects: Subjects, way: list[Position]) -> None:
    """Title moves by its owners' word. Where another keeps the goods and has signed nothing that is shown of their
    coming, staying or going, say so."""
    sent = set(_sent(way))
    for position in way:
        lot, owner, site = position.lot, position.owner, position.site
        keeper, subject = site.partition("/")[0], f"{lot} at {site}"
        signed = {one.member for way_in in position.ways for one in way_in.newest}
        signed |= {noted.signed.member for noted in subjects.facts if noted.subject == subject}
        if keeper not in signed | {owner} and (lot, owner, site, keeper) not in sent:
            remark = f"its keeper {keeper} has not signed for it"
            subjects.findings.append(Finding(Verdict.FACTS_NOTED, subject, remark))


def _sent(way: list[Position]) -> Iterator[tuple[str, str, str, str]]:
    """(lot, owner, site, who signed) of every ship that is shown."""
    for position in way:
        for one in (signed for way_in in position.ways for signed in way_in.newest):
            if isinstance(one.record, r.Ship):
                yield one.record.lot, one.record.owner or one.member, one.record.site, one.member


def _ways(evidence: Evidence, path: bytes, entry: e.PositionEntry) -> list[e.Way]:
    """All ways in that the entry counts: those inline, and those with an entry of their own."""
    ways = list(entry.ways)
    for number in range(entry.more_ways or 0):
        way = evidence.entry(e.way_path(path, SOURCES_INLINE_MAX + number), e.WAY)
        if way is None:
            raise VerifyFailed("way", f"way in {SOURCES_INLINE_MAX + number} is counted but not proven")
        ways.append(way)
    return ways


def _way_in(evidence: Evidence, into: Name, path: bytes, way: e.Way) -> tuple[WayIn, list[Name]]:
    if len(way.newest) != _ELEMENTS.get(way.kind, 1) or way.count < len(way.newest):
        raise VerifyFailed("way", f"a way in by {way.kind.name.lower()} shows {len(way.newest)} records")
    newest = [evidence.signed(element) for element in way.newest]
    sources = _SOURCES[way.kind](into, newest)
    if way.kind in _FROM_POSITIONS and e.position_path(*sources[0]) != way.source:
        raise VerifyFailed("way", "the sending position is not the source that the entry names")
    return WayIn(way.kind, way.count - len(way.newest), newest), sources


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise VerifyFailed("way", what)


def _handover(into: Name, newest: list[Signed]) -> list[Name]:
    """Each receive (or claim) matches its ship in sender, receiver and lot."""
    lot, owner, site = into
    shipped, answered = newest
    ship, answer = shipped.record, answered.record
    if not isinstance(ship, r.Ship) or not isinstance(answer, r.Receive | r.Claim):
        raise VerifyFailed("way", "a handover is a ship and a receive, or a ship and the claim that it answers")
    sender = ship.owner or shipped.member
    _expect(ship.lot == answer.lot == lot, f"the handover carries {ship.lot}, not {lot}")
    _expect((ship.to, ship.to_site) == (owner, site), "the ship goes to another position")
    if isinstance(answer, r.Receive):
        _expect(answer.ship == shipped.name, "the receive answers another ship")
    else:
        _expect((answer.supplier, answer.site) == (sender, site), "the claim is about another supplier or site")
    _expect(
        answered.member == receiver_of(sender, ship.to, ship.to_site),
        "the receive is signed by another member",
    )
    keeper = ship.site.partition("/")[0]
    _expect(shipped.member == (sender if ship.to != sender else keeper), "the ship is signed by another member")
    return [(lot, sender, ship.site)]


def _return(into: Name, newest: list[Signed]) -> list[Name]:
    """Goods that came back: counted, and not followed, since the way leads through here already."""
    _handover(into, newest)
    ship = newest[0].record
    _expect(isinstance(ship, r.Ship) and bool(ship.returns), "the ship is no return")
    return []


def _move(into: Name, newest: list[Signed]) -> list[Name]:
    lot, owner, site = into
    move = newest[0].record
    if not isinstance(move, r.Move):
        raise VerifyFailed("way", "a move is shown by another record")
    _expect(
        move.lot == lot and move.to_site == site and newest[0].member == owner,
        "the move is of another position",
    )
    return [(lot, owner, move.site)]


def _relabel(into: Name, newest: list[Signed]) -> list[Name]:
    lot, owner, site = into
    record, member = newest[0].record, newest[0].member
    if not isinstance(record, r.Relabel):
        raise VerifyFailed("way", "a relabelling is shown by another record")
    _expect((record.to_lot, member, record.site) == (lot, owner, site), "the relabelling is of another position")
    return [(record.lot, owner, site)]


def _begin(into: Name, newest: list[Signed]) -> list[Name]:
    """By one signature: commission, enter, claim and taking back by the owner, a count by its owner or keeper."""
    lot, owner, site = into
    record, member = newest[0].record, newest[0].member
    if not isinstance(record, r.Commission | r.Enter | r.Claim | r.TakeBack | r.Count):
        raise VerifyFailed("way", "a beginning is shown by another record")
    named = record.owner or member if isinstance(record, r.Count) else member
    _expect((record.lot, record.site, named) == (lot, site, owner), "it began at another position")
    return []


def _correct(into: Name, newest: list[Signed]) -> list[Name]:
    """Quantity that a correction gave back: it came in by the ways that are shown beside this one, or never left."""
    _expect(isinstance(newest[0].record, r.Correct), "a correction is shown by another record")
    return []


def _transform(into: Name, newest: list[Signed]) -> list[Name]:
    lot, owner, site = into
    record = newest[0].record
    if not isinstance(record, r.Transform):
        raise VerifyFailed("way", "a transformation is shown by another record")
    _expect(lot in [output.lot for output in record.outputs], "the transformation made other lots")
    _expect(record.site == site and newest[0].member == owner, "the transformation was done elsewhere")
    return [(parent, owner, site) for parent in record.inputs]


_SOURCES = {
    e.WayKind.HANDOVER: _handover,
    e.WayKind.MOVE: _move,
    e.WayKind.COMMISSION: _begin,
    e.WayKind.TRANSFORM: _transform,
    e.WayKind.ENTER: _begin,
    e.WayKind.CLAIM: _begin,
    e.WayKind.COUNT: _begin,
    e.WayKind.TAKE_BACK: _begin,
    e.WayKind.CORRECT: _correct,
    e.WayKind.RELABEL: _relabel,
    e.WayKind.RETURN: _return,
}
