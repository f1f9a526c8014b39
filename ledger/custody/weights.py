"""Weighing: two scales never agree. What one weighs less than the other is lost, what it weighs more is gained, and
only within the tolerance that the product declares."""

from ledger import entries as e
from ledger.custody.step import Step, Violation, change, product_of


def share(grams: int, part: int, whole: int) -> int:
    """The share of a weight that goes with a part: all of it with the last part."""
    return grams if part == whole else grams * part // whole


def tolerance_of(step: Step, lot: str, grams: int) -> int:
    """By how many grams two weighings of these may differ."""
    product = step.draft.product(product_of(lot))
    return grams * (product.tolerance_permille or 0) // 1000 if product is not None else 0


def fits(step: Step, lot: str, expected: int, found: int) -> bool:
    """Whether so much may be found where so much was sent: a gain beyond the tolerance would come out of nothing."""
    return found <= expected + tolerance_of(step, lot, expected)


def weigh(step: Step, lot: str, owner: str, site: str, expected: int, found: int) -> int:
    """Count the difference at the position where it was found, and return the bits that follow. A gain beyond the
    tolerance would be goods out of nothing; a loss beyond it is taken, because it happened, and shown."""
    if found == expected:
        return 0
    tolerance = tolerance_of(step, lot, expected)
    if not fits(step, lot, expected, found):
        raise Violation(
            "grams.more-than-shipped",
            f"{found} g were weighed, {expected} g were shipped, the tolerance is {tolerance} g",
            "weigh again, or ask the sender to correct its ship",
            "grams",
        )
    change(step, owner, site, lot, grams_lost=expected - found)
    return int(e.Bit.WEIGHT_LOST) if found < expected - tolerance else 0
