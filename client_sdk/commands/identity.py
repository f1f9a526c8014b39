"""`suyuan keygen`: an identity folder for a member."""

from pathlib import Path
from typing import Annotated

import typer

from client_sdk import keys
from client_sdk.commands.options import Json, Region, passphrase, say

Kind = Annotated[str, typer.Option(help="enterprise, person, regulator, department, lab or carrier.")]


def keygen(
    folder: Annotated[Path, typer.Argument(help="Where the identity goes; must not hold one.")],
    member: Annotated[str, typer.Option(help="Unified social credit code, or P-… for somebody without one.")],
    name: Annotated[str, typer.Option(help="Name of the enterprise.")],
    region: Region = "CN",
    kind: Kind = "enterprise",
    as_json: Json = False,
) -> None:
    """Make a member's keys: member.json and tls.csr to hand out, signing.key and tls.key to keep."""
    keys.check_new(folder, member, kind, region)
    secret = passphrase("Passphrase for the signing key", twice=True)
    public = keys.create(folder, member, name, kind, region, secret).public
    say(as_json, {"member": public.member, "key": public.key.hex(), "folder": str(folder)})


def register(app: typer.Typer) -> None:
    app.command()(keygen)
