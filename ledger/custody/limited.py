"""Keys with limits: what one may sign, and where. An act counts at every site of the signer that it touches, and a
correction as the act that it corrects, so that no limit ends there."""

from typing import Any

from ledger import records as r
from ledger import state as s
from ledger.custody.facts import journey_of
from ledger.custody.step import Step, Violation


def within_limits(step: Step, record: Any, amounts: Any, bounds: r.KeyLimits) -> None:
    if isinstance(record, r.Admit | r.Key):
        how = "sign with a key without limits"
        raise Violation("key.limited", "a limited key would admit or end keys", how, "act")
    acts = [step.element.act]
    if isinstance(record, r.Correct):
        record = r.RECORD.decode_trusted(amounts.earlier)
        acts.append(r.act_of_type(type(record)))
    for act in acts:
        if bounds.acts is not None and act not in bounds.acts:
            raise Violation("key.act", f"this key may not sign {act.name.lower()}", "use another key", "act")
    if bounds.sites is None:
        return
    sites = _sites(step, record)
    if not sites or not set(sites) <= set(bounds.sites):
        raise Violation("key.site", f"this key signs for {', '.join(bounds.sites)} only", "use another key", "site")


def _sites(step: Step, record: Any) -> list[str]:
    """The signer's sites that a record touches; where it is about none, a key for certain sites may not sign it."""
    match record:
        case r.Move():
            return [record.site, record.to_site]
        case r.Receive():
            handover = _handover(step, step.member, record.ship)
            return [handover.to_site] if handover is not None else []
        case r.Withdraw():
            handover = _handover(step, record.to, record.ship)
            return [handover.site] if handover is not None else []
        case r.Fact() | r.Hold() | r.Recall() | r.Close() | r.Lift():
            return _sites_of_subject(step, record.subject)
        case _:
            site = getattr(record, "site", None)
            return [site] if site is not None else []


def _sites_of_subject(step: Step, subject: r.Subject) -> list[str]:
    """Of a handover the end at which the signer stands."""
    if subject.ship is None or subject.to is None:
        return [subject.site] if subject.site is not None else []
    _, journey = journey_of(step.draft, subject.to, subject.ship)
    if journey is None:
        return []
    return [journey.to_site if step.member == subject.to else journey.site]


def _handover(step: Step, receiver: str, ship: bytes) -> s.Handover | None:
    return step.draft.get(s.handover_key(receiver, ship), s.HANDOVER.decode_trusted)
