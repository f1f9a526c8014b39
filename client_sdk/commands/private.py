"""`suyuan private`: what stands behind the private seal of a record, shown or erased."""

from typing import Annotated, Any

import typer

from client_sdk.commands.options import Identity, Json, client, say
from ledger.errors import Malformed
from ledger.limits import ENVELOPE_RECORDS_MAX, INTEGER_MAX
from ledger.private import Private
from ledger.records import act_of_type

Leaf = Annotated[int, typer.Argument(min=0, max=INTEGER_MAX, help="Where the record's envelope stands in the log.")]
Index = Annotated[int, typer.Argument(min=0, max=ENVELOPE_RECORDS_MAX, help="Its number in its envelope, from 0.")]

app = typer.Typer(no_args_is_help=True, help="Prices, contacts and raw readings behind a record's private seal.")


@app.command()
def show(
    identity: Identity,
    leaf: Leaf,
    index: Index = 0,
    record: Annotated[str, typer.Option(help="The record hash, if you know it: another record's is refused.")] = "",
    as_json: Json = False,
) -> None:
    """Show what you sealed, or what the other party of yours sealed, checked against the record's seal."""
    with client(identity) as member:
        found = member.private_opening(leaf, index, _hash(record))
    stands = {"record": found.hash.hex(), "act": act_of_type(type(found.record)).name.lower(), "member": found.member}
    lot = getattr(found.record, "lot", None)
    say(as_json, stands | ({"lot": lot} if lot is not None else {}) | as_values(found.private))


@app.command()
def erase(
    identity: Identity,
    leaf: Leaf,
    reason: Annotated[str, typer.Option(help="Why; it is kept with your name and the time.")],
    index: Index = 0,
    as_json: Json = False,
) -> None:
    """Have the node erase what you sealed, or as a regulator what anybody did. The record stays, with its proofs."""
    with client(identity) as member:
        erased = member.erase_private([(leaf, index)], reason)
    say(as_json, {"leaf": leaf, "index": index, "erased": erased})


def as_values(private: Private) -> dict[str, Any]:
    """The fields that are there, as JSON has them."""
    plain = {name: getattr(private, name) for name in private.__struct_fields__}
    plain["documents"] = [one.hex() for one in private.documents]
    plain["readings"] = private.readings.hex() if private.readings is not None else None
    return {name: value for name, value in plain.items() if value not in (None, [])}


def _hash(text: str) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b"?"
    if text and len(value) != 32:
        raise Malformed("record hash", f"{text!r} is not 64 hexadecimal digits")
    return value or None


def register(commands: typer.Typer) -> None:
    commands.add_typer(app, name="private")
