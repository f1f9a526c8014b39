"""The command of those who host a verifier: a regulator, a consumers' union."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

import web
from client_sdk.commands.options import Json, say
from ledger.errors import Malformed
from ledger.policy import parse_policy


def verifier_site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the site goes; any web server can host it.")],
    policy: Annotated[Path, typer.Option(help="The tlog-policy file that the site believes, and nothing else.")],
    as_json: Json = False,
) -> None:
    """Make a page that verifies saved files, bundles, proofs and links under your policy, and needs no node."""
    text = policy.read_text()
    if parse_policy(text).quorum is None:
        raise Malformed(str(policy), "a saved file needs a policy with a quorum, or nobody knows how old it is")
    page = web.one_file(text).encode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_bytes(page)
    (folder / "policy.txt").write_text(text)
    say(as_json, {"page": str(folder / "index.html"), "sha256": sha256(page).hexdigest()})


def register(app: typer.Typer) -> None:
    app.command("verifier-site")(verifier_site)
