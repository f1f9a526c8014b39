"""The custody rules: what each act changes, and what is refused (MODEL.md: refuse the impossible, flag the
forbidden). `apply` is the only door; it writes to the step's draft or raises Violation."""

from collections.abc import Callable
from typing import Any, Final

from ledger import records as r
from ledger.custody import (
    claims,
    corrections,
    facts,
    goods,
    governance,
    handovers,
    members,
    scopes,
    stocktaking,
    units,
)
from ledger.custody.lines import side_of
from ledger.custody.step import Step, Violation

_RULES: Final[dict[type, Callable[..., None]]] = {
    r.Register: members.register,
    r.Admit: members.admit,
    r.Suspend: members.suspend,
    r.Site: members.site,
    r.Key: members.key,
    r.Fact: facts.fact,
    r.Hold: scopes.issue,
    r.Recall: scopes.issue,
    r.Close: scopes.end,
    r.Lift: scopes.end,
    r.Voucher: goods.voucher,
    r.Unpack: units.unpack,
    r.Dispute: claims.dispute,
    r.Policy: governance.policy,
}

_RULES_WITH_AMOUNTS: Final[dict[type, Callable[..., None]]] = {
    r.Commission: goods.commission,
    r.Transform: goods.transform,
    r.Enter: goods.enter,
    r.Ship: handovers.ship,
    r.Receive: handovers.receive,
    r.Withdraw: handovers.withdraw,
    r.Move: goods.move,
    r.Sell: goods.sell,
    r.Destroy: goods.destroy,
    r.Count: stocktaking.count,
    r.TakeBack: stocktaking.take_back,
    r.Relabel: stocktaking.relabel,
    r.Pack: units.pack,
    r.Claim: claims.claim,
    r.Correct: corrections.correct,
}


def apply(step: Step, record: r.Record, amounts: Any) -> None:
    """Apply one record to the draft, or raise Violation and leave the envelope to be dropped."""
    rule = _RULES_WITH_AMOUNTS.get(type(record))
    if rule is not None:
        rule(step, record, amounts)
    else:
        _RULES[type(record)](step, record)


__all__ = ["Step", "Violation", "apply", "side_of"]
