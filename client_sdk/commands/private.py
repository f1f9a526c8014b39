"""`suyuan private`: what stands behind the private seal of a record, shown or erased."""

from typing import Annotated, Any

import typer

from client_sdk.commands import parsing
from client_sdk.commands.options import Identity, Json, client, say
from ledger.errors import Malformed
from ledger.private import Private
from ledger.records import act_of_type

Place = Annotated[str, typer.Argument(metavar="LEAF/INDEX", help="The record's place, as records and watch show it.")]
RecordHash = Annotated[
    bytes | None,
    typer.Option("--record", parser=parsing.record_hash, help="Its hash, if you know it: another's is refused."),
]

app = typer.Typer(no_args_is_help=True, help="Prices, contacts and raw readings behind a record's private seal.")


@app.command()
def show(
    identity: Identity,
    place: Place,
    record: RecordHash = None,
    as_json: Json = False,
) -> None:
    """Show what you sealed, or what the other party of yours sealed, checked against the record's seal."""
    with client(identity) as member:
        found = member.private_opening(*_at(place), record)
    stands = {"record": found.hash.hex(), "act": act_of_type(type(found.record)).name.lower(), "member": found.member}
    lot = getattr(found.record, "lot", None)
    say(as_json, stands | ({"lot": lot} if lot is not None else {}) | as_values(found.private))


@app.command()
def erase(
    identity: Identity,
    place: Place,
    reason: Annotated[str, typer.Option(help="Why; it is kept with your name and the time.")],
    as_json: Json = False,
) -> None:
    """Have the node erase what you sealed, or as a regulator what anybody did. The record stays, with its proofs."""
    with client(identity) as member:
        erased = member.erase_private([_at(place)], reason)
    say(as_json, {"place": place, "erased": erased})


def as_values(private: Private) -> dict[str, Any]:
    """The fields that are there, as JSON has them."""
    plain = {name: getattr(private, name) for name in private.__struct_fields__}
    plain["documents"] = [one.hex() for one in private.documents]
    plain["readings"] = private.readings.hex() if private.readings is not None else None
    return {name: value for name, value in plain.items() if value not in (None, [])}


def _at(place: str) -> tuple[int, int]:
    found = parsing.place(place)
    if found is None:
        raise Malformed("place", f"{place!r} is not LEAF/INDEX; `suyuan records` and `suyuan watch` show places")
    return found


def register(commands: typer.Typer) -> None:
    commands.add_typer(app, name="private")
