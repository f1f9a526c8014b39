"""An error of ours in a rule must refuse the one envelope that meets it, and nothing else."""

from typing import Final

import msgspec

from ledger.errors import Problem
from ledger.plan import Verdict

INTERNAL_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
"""What planning raises where the rules have a mistake; planning changes nothing. Damaged is not among them."""


def internal_verdict() -> Verdict:
    problem = Problem("internal", "this envelope meets an error in the node", "tell the node's operator its id")
    return Verdict(None, False, (problem,))
