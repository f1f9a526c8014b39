"""Holds and recalls: who may issue them, what they cover, how they end.

A scope in force stands in a row under its subject, for the rules; every act about it extends the subject's
chain of adverse facts, for the reader.
"""

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.step import (
    Step,
    Violation,
    answers_for,
    extend,
    keeper_of,
    known_lot,
    known_member,
    known_product,
    lot_product,
    refuse_twice,
    room_for_adverse,
)
from ledger.limits import ADVERSE_ENTRIES_MAX, SUBJECT_SCOPES_MAX

DAY_MIN, DAY_MAX = 0, 99991231


def subject_path(subject: r.Subject) -> bytes:
    """The path of a subject's entry; handovers have none."""
    kinds = r.SubjectKind
    if subject.kind == kinds.LOT:
        return e.lot_path(_text(subject.lot))
    if subject.kind == kinds.POSITION:
        return e.position_path(_text(subject.lot), _text(subject.owner), _text(subject.site))
    if subject.kind == kinds.PRODUCT:
        return e.product_path(_text(subject.product))
    if subject.kind == kinds.MEMBER:
        return e.member_path(_text(subject.member))
    if subject.kind == kinds.SITE:
        return e.site_path(_text(subject.site))
    raise ValueError("a handover has no entry in the state map")


def _text(value: str | None) -> str:
    if value is None:
        raise ValueError("a subject without the fields of its kind got past the check of its form")
    return value


def issue(step: Step, record: r.Hold | r.Recall) -> None:
    subject = record.subject
    _authority(step, subject)
    path = subject_path(subject)
    scopes = scopes_of(step.draft, path)
    refuse_twice(next((scope for scope in scopes if scope.name == step.name), None))
    # Nobody fills the room before a regulator comes.
    room = SUBJECT_SCOPES_MAX if step.is_regulator else SUBJECT_SCOPES_MAX // 2
    if len(scopes) >= room:
        raise Violation(
            "scope.too-many",
            f"{len(scopes)} holds and recalls are in force on it",
            "lift those that were wrong",
            "subject",
        )
    made_from = DAY_MIN if record.made_from is None else record.made_from
    made_until = DAY_MAX if record.made_until is None else record.made_until
    scope = s.Scope(step.element, step.name, step.member, record.at, made_from, made_until, False)
    # Facts alone never fill the room of holds and recalls.
    room_for_adverse(step, _subject(step, subject).adverse, 4 * ADVERSE_ENTRIES_MAX)
    _store(step, subject, path, [*scopes, scope])


def end(step: Step, record: r.Close | r.Lift) -> None:
    """`close`: finished, stays visible and red. `lift`: it was wrong, and no longer counts."""
    path = subject_path(record.subject)
    scopes = scopes_of(step.draft, path)
    found = next((scope for scope in scopes if scope.name == record.target), None)
    if found is None:
        raise Violation(
            "scope.unknown",
            f"no hold or recall {record.target.hex()} is in force on this subject",
            "name the record hash and the subject of the hold or recall",
            "target",
        )
    if found.issuer != step.member and not step.is_regulator:
        raise Violation(
            "scope.not-own", f"it was issued by {found.issuer}", "the issuer or a regulator ends it", "target"
        )
    rest = [scope for scope in scopes if scope is not found]
    if isinstance(record, r.Close):
        if found.closed:
            raise Violation("scope.closed", "it is closed already", "leave it out", "target")
        rest.append(structs.replace(found, closed=True))
    _store(step, record.subject, path, rest)
    if isinstance(record, r.Lift) and step.is_regulator and record.subject.kind == r.SubjectKind.POSITION:
        _clear_before(step, record.subject)


def _clear_before(step: Step, subject: r.Subject) -> None:
    """What the goods carry of holds elsewhere, a regulator lifts where they are."""
    position = _position(step, subject)
    cleared = position.bits & ~e.IN_FORCE_BEFORE
    step.draft.put(b"m" + subject_path(subject), structs.replace(position, bits=cleared))


def _authority(step: Step, subject: r.Subject) -> None:
    """Regulators for anything; maker and importer for their own; a holder for its own position."""
    kinds = r.SubjectKind
    if subject.kind == kinds.LOT:
        lot = known_lot(step, _text(subject.lot))
        product = lot_product(step, lot.lot)
        own = step.member == lot.commissioner or answers_for(step.member, product)
    elif subject.kind == kinds.POSITION:
        _position(step, subject)
        own = subject.owner == step.member or keeper_of(_text(subject.site)) == step.member
    elif subject.kind == kinds.PRODUCT:
        product = known_product(step, _text(subject.product))
        own = answers_for(step.member, product)
    else:
        known_member(step, _text(subject.member), "subject")
        own = subject.member == step.member
    if not own and not step.is_regulator:
        raise Violation(
            "scope.no-authority",
            f"{step.member} is neither a regulator, nor the maker, importer or holder of it",
            "ask the maker, the importer or a regulator",
            "subject",
        )


def _position(step: Step, subject: r.Subject) -> e.PositionEntry:
    position = step.draft.position(subject_path(subject))
    if position is None:
        raise Violation("position.unknown", "there is no such position", "check lot, owner and site", "subject")
    return position


def scopes_of(draft: s.Draft, path: bytes) -> list[s.Scope]:
    row = draft.get(b"s" + path, s.SCOPES.decode_trusted)
    return row.scopes if row is not None else []


def _subject(step: Step, subject: r.Subject) -> e.LotEntry | e.PositionEntry | e.ProductEntry | e.MemberEntry:
    kinds = r.SubjectKind
    if subject.kind == kinds.LOT:
        return known_lot(step, _text(subject.lot))
    if subject.kind == kinds.POSITION:
        return _position(step, subject)
    if subject.kind == kinds.PRODUCT:
        return known_product(step, _text(subject.product))
    return known_member(step, _text(subject.member), "subject")


def _store(step: Step, subject: r.Subject, path: bytes, scopes: list[s.Scope]) -> None:
    """Write the scopes, and what the subject's entry says of them."""
    step.draft.put(b"s" + path, s.Scopes(scopes))
    entry = _subject(step, subject)
    chain = extend(step, path, e.CHAIN_ADVERSE, entry.adverse)
    if isinstance(entry, e.LotEntry | e.PositionEntry):
        bits = entry.bits & ~e.IN_FORCE
        for scope in scopes:
            bits |= e.Bit.RECALLED if scope.element.act == r.Act.RECALL else e.Bit.HELD
        step.draft.put(b"m" + path, structs.replace(entry, adverse=chain, bits=int(bits)))
    else:
        step.draft.put(b"m" + path, structs.replace(entry, adverse=chain, in_force=len(scopes) or None))
