"""`suyuan key`: further keys of a member, with limits if need be, and how keys end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import build, keys
from client_sdk.commands import parsing
from client_sdk.commands.options import Identity, Json
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import records as r

app = typer.Typer(no_args_is_help=True, help="Keys of a member: admit a further one, retire or revoke one.")
KeyName = Annotated[
    str, typer.Argument(metavar="KEY", help="The other key's member.json, or the key itself, 64 hexadecimal digits.")
]
OfMember = Annotated[
    str | None,
    typer.Option("--member", parser=parsing.member, metavar="MEMBER", help="Whose key it is, if not your own."),
]


@app.command()
def admit(
    identity: Identity,
    key: KeyName,
    member: OfMember = None,
    label: Annotated[str | None, typer.Option(help="Who holds it: a terminal, an accountant, a liquidator.")] = None,
    act: Annotated[
        list[r.Act],
        typer.Option(parser=parsing.choice(r.Act), metavar="ACT", help="It signs only these acts; repeatable."),
    ] = [],  # noqa: B006
    site: Annotated[list[str], typer.Option(help="CODE or MEMBER/CODE: it signs only there; repeatable.")] = [],  # noqa: B006
    until: Annotated[
        int | None, typer.Option(parser=parsing.until, metavar="TIME", help="It signs until then.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let another key sign for a member, with limits if you like; signed by the member or a regulator.

    Make the key with `suyuan keygen` for the same member, where it will be used; only its member.json travels."""
    value, owner = _named(identity, key, member)
    limits = r.KeyLimits(
        acts=[one.value for one in act] or None,
        sites=[one if "/" in one else f"{owner}/{one}" for one in site] or None,
        until=until,
    )
    bound = limits if limits != r.KeyLimits() else None
    _sign(identity, as_json, r.KeyChange.ADMIT, value, owner, label=label, limits=bound)


@app.command()
def retire(identity: Identity, key: KeyName, member: OfMember = None, as_json: Json = False) -> None:
    """End a key in an orderly way: what it signed before is still taken for some days."""
    _sign(identity, as_json, r.KeyChange.RETIRE, *_named(identity, key, member))


@app.command()
def revoke(
    identity: Identity,
    key: KeyName,
    member: OfMember = None,
    suspect_from: Annotated[
        int | None,
        typer.Option(parser=parsing.since, metavar="TIME", help="Since when it may have been in wrong hands."),
    ] = None,
    as_json: Json = False,
) -> None:
    """End a key at once: it was lost or stolen. What was accepted stays, and is flagged from --suspect-from on."""
    _sign(identity, as_json, r.KeyChange.REVOKE, *_named(identity, key, member), suspect_from=suspect_from)


def _named(folder: Path, key: str, member: str | None) -> tuple[bytes, str]:
    """(public key, whose it is) of a key that is named by its file or by itself."""
    value = parsing.hex_bytes(key)
    if value is not None:
        return value, member or keys.load_public(folder).member
    public = keys.load_public_file(Path(key))
    return public.key, member or public.member


def _sign(folder: Path, as_json: bool, change: r.KeyChange, key: bytes, owner: str, **fields: Any) -> None:
    one = build.act(r.Key, at=clock_ms(), change=change, key=key, member=owner, **fields)
    sign(folder, False, as_json, [one])


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="key")
