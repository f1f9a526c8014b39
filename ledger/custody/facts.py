"""Facts: what was seen, tested, certified or measured. They move nothing; adverse ones stay in sight."""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.custody.scopes import subject_path
from ledger.custody.step import Step, Violation, answers_for, extend, keeper_of, product_of, room_for_adverse
from ledger.encoding import Codec
from ledger.limits import HANDOVER_FACTS_MAX

WITNESSES = (r.MemberKind.REGULATOR, r.MemberKind.DEPARTMENT, r.MemberKind.LAB, r.MemberKind.CARRIER)


def fact(step: Step, record: r.Fact) -> None:
    if record.subject.kind == r.SubjectKind.HANDOVER:
        _on_handover(step, record)
        return
    path = subject_path(record.subject)
    entry = _entry(step, record.subject, path)
    if step.signer.kind not in WITNESSES and not _is_own(step, entry):
        raise Violation(
            "fact.not-own",
            f"{step.member} is a party to it neither as maker, owner nor keeper",
            "members speak of their own; labs, carriers, departments and regulators of all",
            "subject",
        )
    adverse, bits = _weigh(step, record, _product_id(entry))
    if adverse:
        room_for_adverse(step, entry.adverse)
    name = e.CHAIN_ADVERSE if adverse else e.CHAIN_FACTS
    chain = extend(step, path, name, entry.adverse if adverse else entry.facts)
    changes: dict[str, object] = {"adverse" if adverse else "facts": chain}
    if bits and isinstance(entry, e.LotEntry | e.PositionEntry):
        changes["bits"] = int(entry.bits | bits)
    step.draft.put(b"m" + path, structs.replace(entry, **changes))


_Subject = e.LotEntry | e.PositionEntry | e.ProductEntry | e.MemberEntry | e.SiteEntry


_CODECS: Final[dict[r.SubjectKind, Codec[_Subject]]] = {
    r.SubjectKind.LOT: e.LOT,
    r.SubjectKind.POSITION: e.POSITION,
    r.SubjectKind.PRODUCT: e.PRODUCT,
    r.SubjectKind.MEMBER: e.MEMBER,
    r.SubjectKind.SITE: e.SITE,
}


def _entry(step: Step, subject: r.Subject, path: bytes) -> _Subject:
    decode: Callable[[bytes], _Subject] = _CODECS[subject.kind].decode_trusted
    entry = step.draft.get(b"m" + path, decode)
    if entry is None:
        kind = subject.kind.name.lower()
        raise Violation(f"{kind}.unknown", f"there is no such {kind}", "check its identifiers", "subject")
    return entry


def _is_own(step: Step, entry: _Subject) -> bool:
    match entry:
        case e.LotEntry():
            product = step.draft.product(product_of(entry.lot))
            return step.member == entry.commissioner or (product is not None and answers_for(step.member, product))
        case e.PositionEntry():
            return step.member in (entry.owner, keeper_of(entry.site))
        case e.ProductEntry():
            return step.member in (entry.maker, entry.declarer)
        case e.SiteEntry():
            return step.member == keeper_of(entry.site)
        case _:
            return step.member == entry.member


def _product_id(entry: _Subject) -> str | None:
    match entry:
        case e.LotEntry() | e.PositionEntry():
            return product_of(entry.lot)
        case e.ProductEntry():
            return entry.product
        case _:
            return None


def _weigh(step: Step, record: r.Fact, product_id: str | None) -> tuple[bool, int]:
    """Whether it is adverse, and the status bits that follow. A breach is decided here, not by its reporter."""
    adverse = bool(record.adverse)
    if record.window is not None and product_id is not None:
        product = step.draft.product(product_id)
        if product is not None and _breaches(record.window, product):
            return True, e.Bit.BREACHED
    if not adverse:
        return False, 0
    if record.kind == r.FactKind.TEST:
        return True, e.Bit.FAILED_TEST
    return True, e.Bit.BREACHED if record.kind == r.FactKind.MEASURE else e.Bit.ADVERSE_FACT


def _breaches(window: r.Window, product: e.ProductEntry) -> bool:
    too_warm = product.temp_max_mc is not None and window.max_mc > product.temp_max_mc
    too_cold = product.temp_min_mc is not None and window.min_mc < product.temp_min_mc
    return too_warm or too_cold


def _on_handover(step: Step, record: r.Fact) -> None:
    """Kept with the open ship; the first receive moves it to the receiving position."""
    to, ship = record.subject.to, record.subject.ship
    if to is None or ship is None:
        raise ValueError("a handover subject without its fields got past the check of its form")
    key = s.handover_key(to, ship)
    handover = step.draft.get(key, s.HANDOVER.decode_trusted)
    if handover is None:
        raise Violation(
            "handover.unknown",
            "no such open ship",
            "after the receipt, speak of the receiving position",
            "subject",
        )
    parties = (handover.sender, handover.owner, handover.to, to)
    if step.signer.kind not in WITNESSES and step.member not in parties:
        raise Violation("fact.not-own", f"{step.member} is no party to this handover", "a party reports", "subject")
    # Parties leave room for what a witness finds.
    room = HANDOVER_FACTS_MAX if step.signer.kind in WITNESSES else HANDOVER_FACTS_MAX // 2
    if len(handover.facts) >= room:
        raise Violation(
            "handover.facts", f"{len(handover.facts)} facts stand on it already", "receive it first", "subject"
        )
    adverse, bits = _weigh(step, record, product_of(handover.lot))
    facts = [*handover.facts, s.HandoverFact(adverse, step.element)]
    step.draft.put(key, structs.replace(handover, bits=int(handover.bits | bits), facts=facts))
