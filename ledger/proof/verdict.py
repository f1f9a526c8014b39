"""The verdict on a product: the worst of all that is proven about it, never a page's own words."""

from enum import IntEnum

from msgspec import Struct

from ledger import entries as e
from ledger import records as r


class Verdict(IntEnum):
    """From good to worst; the number is the rank."""

    GOOD = 0
    FACTS_NOTED = 1
    WAY_SHOWN_IN_PART = 2
    SUPPLIER_NOT_CONFIRMED = 3
    ENTERED_BY_ONE_SIGNATURE = 4
    NOT_COMMISSIONED_BY_MAKER = 5
    MEMBER_SUSPENDED = 6
    KEY_SUSPECT = 7
    ADVERSE_FACT = 8
    DISPUTED = 9
    BREACHED_ON_THE_WAY = 10
    FAILED_TEST = 11
    EXPIRED = 12
    HELD = 13
    RECALLED = 14
    UNKNOWN_CODE = 15


class Finding(Struct, frozen=True):
    """One reason for a verdict: what, and about which subject."""

    verdict: Verdict
    subject: str
    detail: str = ""


OF_BITS = (
    (e.Bit.RECALLED, Verdict.RECALLED),
    (e.Bit.RECALLED_BEFORE, Verdict.RECALLED),
    (e.Bit.HELD, Verdict.HELD),
    (e.Bit.HELD_BEFORE, Verdict.HELD),
    (e.Bit.FAILED_TEST, Verdict.FAILED_TEST),
    (e.Bit.BREACHED, Verdict.BREACHED_ON_THE_WAY),
    (e.Bit.DISPUTED_CLAIM, Verdict.DISPUTED),
    (e.Bit.DISPUTED_CLAIM_BEFORE, Verdict.DISPUTED),
    (e.Bit.DISPUTED_CLAIM_BEHIND, Verdict.DISPUTED),
    (e.Bit.OPEN_CLAIM, Verdict.SUPPLIER_NOT_CONFIRMED),
    (e.Bit.OPEN_CLAIM_BEFORE, Verdict.SUPPLIER_NOT_CONFIRMED),
    (e.Bit.OPEN_CLAIM_BEHIND, Verdict.SUPPLIER_NOT_CONFIRMED),
    (e.Bit.ADVERSE_FACT, Verdict.ADVERSE_FACT),
    (e.Bit.MORE_OUT_THAN_IN, Verdict.ADVERSE_FACT),
    (e.Bit.NOT_COMMISSIONED, Verdict.NOT_COMMISSIONED_BY_MAKER),
    (e.Bit.ONE_SIGNATURE, Verdict.ENTERED_BY_ONE_SIGNATURE),
    (e.Bit.REENTRY, Verdict.ENTERED_BY_ONE_SIGNATURE),
    (e.Bit.WEIGHT_LOST, Verdict.FACTS_NOTED),
    (e.Bit.ANCESTRY_IN_PART, Verdict.WAY_SHOWN_IN_PART),
)


def of_bits(bits: int, subject: str) -> list[Finding]:
    return [Finding(verdict, subject, (bit.name or "").lower()) for bit, verdict in OF_BITS if bits & bit]


def of_scopes(shown: list[tuple[bytes, r.Record]], lot: e.LotEntry, subject: str) -> list[Finding]:
    """Holds and recalls of a product or maker that cover a lot by its production dates (unknown: in every span).

    `shown` is the whole chain of the subject in order, each record with its hash; lifted scopes no longer count,
    closed ones do.
    """
    in_force: dict[bytes, r.Hold | r.Recall] = {}
    for name, record in shown:
        if isinstance(record, r.Hold | r.Recall):
            in_force[name] = record
        elif isinstance(record, r.Lift):
            in_force.pop(record.target, None)
    findings = []
    for record in in_force.values():
        start, until = record.made_from or 0, record.made_until or 99991231
        if e.made_within(lot, start, until):
            verdict = Verdict.RECALLED if isinstance(record, r.Recall) else Verdict.HELD
            findings.append(Finding(verdict, subject, record.reason))
    return findings


def worst(findings: list[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), default=Verdict.GOOD)
