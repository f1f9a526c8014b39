"""`suyuan policy`: who the validators are, and how they hand over. Files go from hand to hand: the terms from the
regulator to the validators' owners, who approve with `suyuan-node approve`, and their approvals back."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from client_sdk import build, office, when
from client_sdk.commands.options import Identity, Json, client, say
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import records as r
from ledger.errors import Malformed
from ledger.fields import Approval, Validator
from ledger.governance import Terms, check_validators, quorum_size
from ledger.limits import POLICY_DAYS_MAX

DAYS = 730
T = TypeVar("T")
app = typer.Typer(help="The validators: show them, propose others, book what they approved of.", no_args_is_help=True)


@app.command()
def show(identity: Identity, as_json: Json = False) -> None:
    """The policy in force: its validators, and until when readers trust them."""
    with client(identity) as member:
        entry = office.proven(member)
    say(as_json, _told(entry.number, entry.validators, entry.expires, entry.rules))


def _told(number: int, validators: Sequence[Validator], expires: int | None, rules: int) -> dict[str, Any]:
    return {
        "policy": number,
        "validators": [f"{one.name}  cosigns with {one.key.hex()}" for one in validators],
        "needed": f"{quorum_size(len(validators))} of {len(validators)}",
        "ends": "never" if expires is None else when.shown(expires),
        "rules": rules,
    }


@app.command()
def propose(
    identity: Identity,
    out: Annotated[Path, typer.Argument(help="Where the terms go; it must not be there yet.")],
    add: Annotated[list[Path] | None, typer.Option(help="peer.json of a new validator.")] = None,
    replace: Annotated[list[Path] | None, typer.Option(help="peer.next.json of one that changes its keys.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Name of a validator that leaves.")] = None,
    days: Annotated[
        int, typer.Option(help="For how long readers may trust them.", min=2, max=POLICY_DAYS_MAX)
    ] = DAYS,
    next_rules: Annotated[
        bool, typer.Option("--next-rules", help="From then on blocks are made by the next version of the rules.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the terms of the next policy, for the validators to approve of; without a change it prolongs this one."""
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; nothing was changed")
    with client(identity) as member:
        current = office.proven(member)
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    terms = Terms(
        chain=current.chain,
        expires=int(ends.timestamp()) * 1000,
        number=current.number + 1,
        rules=current.rules + next_rules,
        validators=_changed(current, add or [], replace or [], remove or []),
    )
    out.write_bytes(msgspec.json.format(msgspec.json.encode(terms), indent=2) + b"\n")
    needed = quorum_size(len(current.validators))
    following = f"{needed} of {len(current.validators)} validators approve it: suyuan-node approve DATA {out}"
    told = _told(terms.number, terms.validators, terms.expires, terms.rules)
    changes = _changes(current.validators, terms.validators)
    say(as_json, {"terms": str(out), **told, **changes, "next": following})


def _changes(old: Sequence[Validator], new: Sequence[Validator]) -> dict[str, Any]:
    """Who joins, who leaves, and who stays with other keys."""
    before, after = ({one.name: one for one in validators} for validators in (old, new))
    stay = before.keys() & after.keys()
    changes = {
        "joins": sorted(after.keys() - before.keys()),
        "leaves": sorted(before.keys() - after.keys()),
        "other_keys": sorted(name for name in stay if before[name] != after[name]),
    }
    return {what: names or ["nobody"] for what, names in changes.items()}


def _changed(
    current: e.PolicyEntry, add: Sequence[Path], replace: Sequence[Path], remove: Sequence[str]
) -> list[Validator]:
    """The validators in office with these changes, each held against who there is."""
    named = {one.name: one for one in current.validators}
    for path in add:
        new = _read(path, Validator, "peer.json, as suyuan-node init --node writes it,", strict=False)
        if new.name in named:
            raise Malformed(str(path), f"{new.name} is a validator already; if its keys change: --replace")
        named[new.name] = new
    for path in replace:
        new = _read(path, Validator, "peer.next.json, as suyuan-node rotate writes it,", strict=False)
        _require(named, new.name)
        if named[new.name] == new:
            found = f"these are the present keys of {new.name}; its peer.next.json is expected"
            raise Malformed(str(path), f"{found}, which suyuan-node rotate writes")
        named[new.name] = new
    for name in remove:
        _require(named, name)
        del named[name]
    validators = sorted(named.values(), key=lambda one: one.name)
    if not validators:
        raise Malformed("--remove", "nobody would be left to order anything")
    check_validators(validators)
    return validators


def _require(named: dict[str, Validator], name: str) -> None:
    if name not in named:
        raise Malformed("validators", f"{name} is none of them: {', '.join(sorted(named))}")


@app.command()
def book(
    identity: Identity,
    terms: Annotated[Path, typer.Argument(help="The terms, as they were approved.")],
    approval: Annotated[list[Path], typer.Argument(help="approval.json of each validator that consented.")],
    as_json: Json = False,
) -> None:
    """Book the next policy with the approvals of more than two thirds of the validators; for regulators."""
    agreed = _read(terms, Terms, "terms, as suyuan policy propose writes them,")
    approvals = [_read(path, Approval, "an approval, as suyuan-node approve writes it,") for path in approval]
    one = build.act(
        r.Policy, approvals=approvals, at=clock_ms(), expires=agreed.expires, number=agreed.number,
        rules=agreed.rules, validators=agreed.validators,
    )  # fmt: skip
    sign(identity, False, as_json, [one], policy=agreed.number)


def _read(path: Path, kind: type[T], expected: str, strict: bool = True) -> T:
    """A file of this kind; Malformed where it is another. A node's public file says more than its keys."""
    try:
        found = msgspec.json.decode(path.read_bytes()) if not strict else None
        if found is None:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        fields = {name: found[name] for name in kind.__struct_fields__}  # type: ignore[attr-defined]
        return msgspec.convert(fields, kind)
    except (ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
        raise Malformed(str(path), f"{expected} is expected ({error})") from None


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="policy")
