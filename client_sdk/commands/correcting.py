"""`suyuan correct`: an own record was wrong, and what is right."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from msgspec import structs

from client_sdk import build
from client_sdk.client import Client
from client_sdk.commands import naming, parsing
from client_sdk.commands.options import (
    At,
    Expiry,
    FromLeaf,
    Identity,
    Json,
    Production,
    Queue,
    Reason,
    Ref,
    client,
    unlocked,
)
from client_sdk.commands.parsing import Line
from client_sdk.commands.signing import sign
from client_sdk.wire import OwnRecord, clock_ms
from ledger import records as r
from ledger.errors import Malformed

INSTEAD: Final = {
    r.Count: "count again (suyuan count), the newest count is what holds",
    r.Pack: "unpack it (suyuan unpack), and pack it anew",
    r.Withdraw: "ship again (suyuan ship)",
    r.Correct: "correct the record that it corrected once more",
}
"""What to do about acts whose effect another act puts right."""


def correct(
    identity: Identity,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECORD", help="The own record: LEAF/INDEX or its hash; a receive also by its ship's hash."
        ),
    ],
    reason: Reason,
    ref: Ref,
    quantity: Annotated[int | None, typer.Option(min=0, help="What the quantity should have been.")] = None,
    accepted: Annotated[int | None, typer.Option(min=0, help="Of a receive: what was accepted.")] = None,
    grams: Annotated[int | None, typer.Option(min=0, help="What the weight should have been.")] = None,
    used: Annotated[
        list[Line],
        typer.Option("--input", parser=parsing.line, metavar="LINE", help="Of a transform: LOT=QUANTITY[:GRAMS]."),
    ] = [],  # noqa: B006
    made: Annotated[
        list[Line],
        typer.Option("--output", parser=parsing.line, metavar="LINE", help="Of a transform: LOT=QUANTITY[:GRAMS]."),
    ] = [],  # noqa: B006
    did_not_occur: Annotated[bool, typer.Option("--did-not-occur", help="It never happened.")] = False,
    production: Production = None,
    expiry: Expiry = None,
    from_leaf: FromLeaf = 0,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that an own record was wrong, and what is right; what is not named stays as it is. Both stay visible."""
    given = {"quantity": quantity, "accepted": accepted, "grams": grams}
    changes = {name: value or None for name, value in given.items() if value is not None}
    if quantity == 0:
        changes["quantity"] = 0
    _check_said(did_not_occur, bool(changes or used or made or production or expiry))
    who = unlocked(identity)
    with client(who) as member:
        wrong, stands = _found(member, what, from_leaf)
    instead = None if did_not_occur else _instead(wrong.record, stands, changes, used, made)
    one = build.correct(
        wrong.earlier, instead, reason=reason, ref=ref, at=at or clock_ms(), production=production, expiry=expiry
    )
    sign(who, queue, as_json, [one], proposal=_proposal(wrong, stands, instead))


def _check_said(did_not_occur: bool, changed: bool) -> None:
    if did_not_occur and changed:
        raise typer.BadParameter(
            "what did not occur has no quantity: say --did-not-occur, or what is right, not both"
        )
    if not did_not_occur and not changed:
        raise typer.BadParameter("say what is right (--quantity, --accepted, …), or --did-not-occur")


def _found(member: Client, what: str, from_leaf: int) -> tuple[OwnRecord, r.Amounts]:
    """An own record, and its amounts as the newest own correction left them."""
    place = parsing.place(what)
    if place is None and parsing.HASH_START.fullmatch(what) is None:
        raise typer.BadParameter(f"{what!r} is neither LEAF/INDEX nor a record hash; `suyuan records` shows both")
    wrong = member.own_record(*place) if place is not None else _named(member, what.lower(), from_leaf)
    stands = wrong.amounts
    for envelope in member.own_envelopes(place[0] if place is not None else from_leaf):
        for one in envelope.records:
            if isinstance(one.record, r.Correct) and one.record.target == wrong.hash:
                stands = _corrected(wrong, one.amounts) or stands
    if type(wrong.record) in INSTEAD:
        raise Malformed("record", f"a {_act(wrong.record)} is not corrected: {INSTEAD[type(wrong.record)]}")
    if stands is None:
        raise Malformed("record", f"a {_act(wrong.record)} has no amounts to correct; declare or state it anew")
    return wrong, stands


def _named(member: Client, start: str, from_leaf: int) -> OwnRecord:
    """The own record whose hash begins so, or the own receive of the ship whose hash does."""
    found = {}
    for envelope in member.own_envelopes(from_leaf):
        for one in envelope.records:
            names = [one.hash, one.record.ship] if isinstance(one.record, r.Receive) else [one.hash]
            if any(name.hex().startswith(start) for name in names):
                found[one.hash] = one
    listed = f"records that you signed from leaf {from_leaf} on; `suyuan records` shows what you did"
    return found[naming.only(start, found, listed)]


def _proposal(wrong: OwnRecord, stands: r.Amounts, instead: r.Amounts | None) -> str:
    """What a correction waits for that changes nothing by itself: what both sides signed, both correct."""
    record, old, new = wrong.record, structs.asdict(stands), structs.asdict(instead) if instead is not None else {}
    if isinstance(record, r.Receive):
        ship, other, whose = record.ship, "the sender", "its ship says"
        field, option = "accepted", "--quantity"
    elif isinstance(record, r.Ship):
        ship, other, whose = wrong.hash, record.to, "it accepted"
        field, option = "quantity", "--accepted"
    else:
        return ""
    more = (new.get(field) or 0) - (old.get(field) or 0)
    number = f"{option} N, N being {abs(more)} {'more' if more > 0 else 'less'} than {whose}"
    weight = (new.get("grams") or 0) - (old.get("grams") or 0)
    number += f", --grams by {weight:+}" if weight else ""
    right = f"({number})" if instead is not None else "--did-not-occur"
    return (
        f"nothing has changed yet: it was received, so both sides correct it. It counts when {other} signs the same: "
        f"suyuan correct {ship.hex()} {right} --reason … --ref …"
    )


def _corrected(wrong: OwnRecord | None, amounts: Any) -> r.Amounts | None:
    """What a correction put in place of a record's amounts; None where it said that it did not occur."""
    if wrong is None or amounts.instead is None:
        return None
    return r.AMOUNTS[type(wrong.record)].decode(amounts.instead)


def _instead(
    record: r.Record, stands: r.Amounts, changes: dict[str, Any], used: Sequence[Line], made: Sequence[Line]
) -> r.Amounts:
    """The amounts that stand, with what is right in them."""
    if isinstance(record, r.Transform) and isinstance(stands, r.Transformed) and not changes:
        outputs = [one.lot for one in record.outputs]
        inputs, grams_in = _relined(record.inputs, stands.inputs, stands.grams_in, used)
        made_now, grams_out = _relined(outputs, stands.outputs, stands.grams_out, made)
        return structs.replace(stands, inputs=inputs, grams_in=grams_in, outputs=made_now, grams_out=grams_out)
    unknown = [name for name in changes if name not in stands.__struct_fields__]
    if used or made or unknown:
        known = ", ".join(
            f"--{name}" for name in ("quantity", "accepted", "grams") if name in stands.__struct_fields__
        )
        known = "--input and --output" if isinstance(record, r.Transform) else known
        raise typer.BadParameter(f"a {_act(record)} is corrected by {known or '--did-not-occur'}")
    return structs.replace(stands, **changes)


def _relined(
    lots: Sequence[str], quantities: Sequence[int], grams: Sequence[int] | None, lines: Sequence[Line]
) -> tuple[list[int], list[int] | None]:
    """Quantities and weights of a transform's lots, with those of the named lines in place of theirs."""
    counts, weights = list(quantities), list(grams or [0] * len(lots))
    for one in lines:
        if one.lot not in lots:
            raise typer.BadParameter(f"{one.lot} is none of its lots: {', '.join(lots)}")
        counts[lots.index(one.lot)], weights[lots.index(one.lot)] = one.quantity, one.grams
    return counts, weights if any(weights) else None


def _act(record: r.Record) -> str:
    return r.act_of_type(type(record)).name.lower().replace("_", " ")


def register(app: typer.Typer) -> None:
    app.command()(correct)
