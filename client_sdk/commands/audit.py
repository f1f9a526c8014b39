"""`suyuan audit`: replay a node from genesis and say, check by check, what holds; and whether the others show the
same."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from rich.progress import SpinnerColumn, TextColumn

from client_sdk import access, evidence
from client_sdk.client import Client
from client_sdk.commands.options import Json, console, notes, progress, unlocked, warn
from client_sdk.compare import up_to_date
from client_sdk.errors import ClientError, KeyFileError
from client_sdk.network_audit import Audited, Source, of_client, of_folder
from client_sdk.network_audit import audit as audit_nodes
from ledger.audit import Finding
from ledger.errors import Malformed
from ledger.storage.chainstore import GENESIS_FILE

MEMBER_FILE = "member.json"
REGULATOR = "regulator"


def audit(
    nodes: Annotated[
        list[Path] | None, typer.Argument(metavar="NODE", help="A data folder, an identity or a connection file.")
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", "-i", help="A regulator's identity: audit its nodes."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay one node from genesis, and hold all others that are named against it: who shows another history, and who
    cosigned that. Exit code 0: all holds, 1: something does not, 2: no audit."""
    named = [*([identity] if identity is not None else []), *(nodes or [])]
    if not named:
        raise typer.BadParameter("name a data folder, or --identity to audit over the network")
    for path in named:
        _check(path)
    with progress(SpinnerColumn(), TextColumn("{task.description}")) as bar, ExitStack() as stack:
        task = bar.add_task("reading")

        def tell(height: int, records: int) -> None:
            bar.update(task, description=f"block {height}, {records} records")

        try:
            sources = _sources(named, stack)
            audited = audit_nodes(sources, tell)
        except (Malformed, KeyFileError, ClientError, OSError) as error:
            notes.print(f"suyuan audit: {error}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(2) from None
    _tell(audited.findings, as_json, len(sources) > 1)
    _keep(audited, named)
    if not all(finding.holds for _, finding in audited.findings):
        raise typer.Exit(1)


def _check(path: Path) -> None:
    if path.is_file() or any((path / name).exists() for name in (GENESIS_FILE, MEMBER_FILE)):
        return
    what = "holds no genesis.json, so no chain" if path.is_dir() else "is no folder"
    raise typer.BadParameter(f"{path} {what}: name the data folder of a node (suyuan-node init)")


class _Live(Struct, frozen=True):
    """A node over the network, before it is asked."""

    label: str
    client: Client
    replays: bool


def _sources(named: Sequence[Path], stack: ExitStack) -> list[Source]:
    """What the paths name, in their order: folders of nodes, and nodes over the network, which are judged under the
    newest policy that one of all leads on to."""
    opened = [one for path in named for one in _opened(path, len(named) == 1, stack)]
    clients = [one.client for one in opened if isinstance(one, _Live)]
    policies = [up_to_date(one.trust, clients) for one in clients]
    policies += [one.trusted for one in opened if isinstance(one, Source)]
    newest = max(policies, key=lambda policy: policy.number)
    return [
        one if isinstance(one, Source) else of_client(one.label, one.client, one.replays, newest) for one in opened
    ]


def _opened(path: Path, alone: bool, stack: ExitStack) -> Sequence[Source | _Live]:
    """A data folder, the nodes of an identity, or the node of a connection file."""
    if (path / GENESIS_FILE).exists():
        return [of_folder(str(path), path)]
    if path.is_file():
        return [_Live(str(path), _client(one, stack), False) for one in access.readers([path])]
    who = unlocked(path)
    replays = alone or who.identity.public.kind == REGULATOR
    return [_Live(_label(path, one, who), _client(one, stack), replays) for one in who.nodes]


def _label(path: Path, one: access.Access, who: access.Unlocked) -> str:
    return str(path) if len(who.nodes) == 1 else f"{path}: {one.label}"


def _client(one: access.Access, stack: ExitStack) -> Client:
    return stack.enter_context(Client(one.connection, one.identity))


def _keep(audited: Audited, named: Sequence[Path]) -> None:
    """Evidence goes into the identity folder, or into the one at hand."""
    folder = next((path for path in named if (path / MEMBER_FILE).exists()), Path())
    for one in audited.found:
        warn(f"two checkpoints that do not fit are kept: suyuan evidence {evidence.keep(folder, one)}")


def _tell(findings: Sequence[tuple[str, Finding]], as_json: bool, several: bool) -> None:
    for node, finding in findings:
        if as_json:
            values = {"check": finding.check, "holds": finding.holds, "detail": finding.detail}
            print(json.dumps(({"node": node} if several else {}) | values, ensure_ascii=False))
        else:
            mark = "[green]holds[/]" if finding.holds else "[red bold]FAILS[/]"
            console.print(f"{mark}  ", end="")
            where = f"{node}: " if several else ""
            console.print(f"{where}{finding.check}: {finding.detail}", markup=False, highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    app.command()(audit)
