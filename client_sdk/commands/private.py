"""`suyuan private`: what stands behind a record's private seal, for its parties."""

from typing import Annotated

import msgspec
import typer

from client_sdk.commands.options import Identity, Json, client, say
from ledger.errors import Malformed

app = typer.Typer(no_args_is_help=True, help="Prices, contacts, scans: behind a record's private seal, erasable.")
Place = Annotated[str, typer.Argument(help="LEAF/INDEX of the record.")]


def _place(text: str) -> tuple[int, int]:
    leaf, _, index = text.partition("/")
    if not (leaf.isdecimal() and index.isdecimal()):
        raise Malformed("place", f"{text!r} is not LEAF/INDEX; `suyuan records` and `suyuan watch` show places")
    return int(leaf), int(index)


@app.command()
def show(identity: Identity, place: Place, as_json: Json = False) -> None:
    """Show a private opening of a record that you are a party to."""
    with client(identity) as member:
        private = member.private(*_place(place))
    fields = {name: value for name, value in msgspec.structs.asdict(private).items() if value not in (None, [])}
    say(as_json, {name: _plain(value) for name, value in fields.items()} or {"private": "nothing stands in it"})


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(one) for one in value] if isinstance(value, list) else value


@app.command()
def erase(
    identity: Identity,
    place: Place,
    reason: Annotated[str, typer.Option(help="Why; it is kept in place of what was erased.")],
    as_json: Json = False,
) -> None:
    """Erase a private opening of an own record from the node. The record, its hash and every proof stay."""
    with client(identity) as member:
        erased = member.erase_private([_place(place)], reason)
    say(as_json, {"erased": erased})


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="private")
