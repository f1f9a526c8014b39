"""What to do about a refusal, in words of the command line: a node knows no commands, nor what a member meant."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import structs

from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.errors import ClientError, EnvelopeRefused
from ledger.errors import Problem
from ledger.identifiers import site_keeper

NEAREST_MAX: Final = 3
REMEDIES: Final = {
    "ref.booked": "book nothing again; if it is another deal, give it a --ref of its own",
    "scope.no-authority": (
        "ask the maker, the importer or a regulator; a holder holds its own goods only: --lot with --owner and --site"
    ),
    "product.unknown": "its maker or importer declares it first: suyuan register",
    "lot.unknown": "check the lot number; its maker commissions it, or enter it as stock: suyuan enter",
    "position.overdrawn": "book first what came in (suyuan receive, claim, enter or count), or correct the quantity",
    "member.unknown": "check the code; a regulator admits members: suyuan admit",
}
NOT_ADMITTED: Final = (
    "you are not admitted yet: send your member.json to a regulator, who runs: suyuan admit member.json"
)


def explained(member: Client, acts: Sequence[Act], refusal: EnvelopeRefused) -> EnvelopeRefused:
    """The refusal with a remedy that its reader can carry out."""
    held: list[tuple[str, str, int]] = []
    if any(one.rule in ("lot.unknown", "position.overdrawn", "site.unknown") for one in refusal.problems):
        try:
            held = [(one.site, one.lot, one.held) for one in member.positions()]
        except ClientError:
            held = []  # the refusal is what counts
    return EnvelopeRefused(tuple(_explained(one, acts, held) for one in refusal.problems))


def _explained(problem: Problem, acts: Sequence[Act], held: Sequence[tuple[str, str, int]]) -> Problem:
    if problem.rule == "member.unknown" and problem.record is None:
        return structs.replace(problem, remedy=NOT_ADMITTED)
    remedy = REMEDIES.get(problem.rule, problem.remedy)
    if problem.rule == "position.overdrawn" and "packed" in problem.message:
        remedy = problem.remedy
    alone = problem.record is not None and problem.record < len(acts)
    near = _near(problem, acts[problem.record or 0], held) if alone else ""
    where = None if len(acts) == 1 else problem.record
    return structs.replace(problem, record=where, remedy=f"{near}{remedy}")


def _near(problem: Problem, act: Act, held: Sequence[tuple[str, str, int]]) -> str:
    """What the reader may have meant: of its own goods and sites, the nearest to those that it named."""
    if "site" not in act.fields:
        return ""
    lot = act.fields.get("lot", "")
    site = act.fields["to_site" if problem.field == "to_site" else "site"]
    elsewhere = [f"{count} at {where}" for where, name, count in held if name == lot and where != site and count]
    if problem.rule == "position.overdrawn" and elsewhere:
        return f"you hold {', '.join(elsewhere[:NEAREST_MAX])} (--site); "
    if problem.rule in ("lot.unknown", "position.overdrawn") and not any(name == lot for _, name, _ in held):
        return _meant(lot, {name for _, name, count in held if count})
    if problem.rule == "site.unknown":
        return _meant(site, {where for where, _, _ in held if site_keeper(where) == site_keeper(site)})
    return ""


def _meant(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), NEAREST_MAX, 0.8)
    return f"did you mean {' or '.join(close)}? Else " if close else ""
