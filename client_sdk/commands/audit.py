"""`suyuan audit`: replay a node from genesis and say, check by check, what holds."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn

from client_sdk.audit import Progress, audit_blocks, audit_folder
from client_sdk.commands.options import Json, client, console, notes, progress
from client_sdk.errors import ClientError, KeyFileError
from client_sdk.wire import clock_ms
from ledger import genesis as g
from ledger.audit import Finding
from ledger.errors import Malformed, VerifyFailed
from ledger.storage.chainstore import GENESIS_FILE


def audit(
    folder: Annotated[Path | None, typer.Argument(help="A node's data folder.")] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", help="A regulator's identity: audit its node over the network.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Audit a data folder, or a node over the network. Exit code 0: all holds, 1: something does not, 2: no audit."""
    if (folder is None) == (identity is None):
        raise typer.BadParameter("name a data folder, or --identity to audit over the network")
    if folder is not None and not (folder / GENESIS_FILE).exists():
        what = "holds no genesis.json, so no chain" if folder.is_dir() else "is no folder"
        raise typer.BadParameter(f"{folder} {what}: name the data folder of a node (suyuan-node init)")
    with progress(SpinnerColumn(), TextColumn("{task.description}")) as bar:
        task = bar.add_task("reading")

        def tell(height: int, records: int) -> None:
            bar.update(task, description=f"block {height}, {records} records")

        try:
            findings = audit_folder(folder, tell) if folder is not None else _remote(Path(str(identity)), tell)
        except (Malformed, KeyFileError, ClientError, OSError) as error:
            notes.print(f"suyuan audit: {error}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(2) from None
    _tell(findings, as_json)
    if not all(finding.holds for finding in findings):
        raise typer.Exit(1)


def _remote(folder: Path, progress: Progress) -> list[Finding]:
    """The blocks that a node serves, against the checkpoint that its quorum signed before they were read."""
    with client(folder) as regulator:
        try:
            info = regulator.node_info()
            head = regulator.trust.checkpoint(info.checkpoint, clock_ms())
        except VerifyFailed as error:
            return [Finding("the node's checkpoint holds", False, str(error))]
        genesis = g.from_json(info.genesis)
        if g.chain_id(genesis) != regulator.connection.chain_id:
            return [Finding("the genesis is this chain's", False, f"it hashes to {g.chain_id(genesis).hex()}")]
        wanted = ((height, block) for height, block in regulator.blocks(1) if height <= info.height)
        return audit_blocks(genesis, wanted, head, progress)


def _tell(findings: list[Finding], as_json: bool) -> None:
    for finding in findings:
        if as_json:
            values = {"check": finding.check, "holds": finding.holds, "detail": finding.detail}
            print(json.dumps(values, ensure_ascii=False))
        else:
            mark = "[green]holds[/]" if finding.holds else "[red bold]FAILS[/]"
            console.print(f"{mark}  {finding.check}", end="")
            console.print(f": {finding.detail}", markup=False, highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    app.command()(audit)
