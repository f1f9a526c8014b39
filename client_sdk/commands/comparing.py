"""`--all` and `--compare`: the same question to every node, and who answers otherwise."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from client_sdk import evidence
from client_sdk.client import Client
from client_sdk.commands.options import listing, warn
from client_sdk.compare import Comparison, View, compare, differing, up_to_date
from client_sdk.errors import Unavailable
from client_sdk.nodes import Nodes

Compare = Annotated[bool, typer.Option("--compare", help="Ask every node, and say which of them answers otherwise.")]
ROOT_SHOWN_CHARS: Final = 16
PAUSE_SECONDS: Final = 0.5
TRIES: Final = 4


def compared(source: Client, folder: Path, as_json: bool) -> None:
    """Where each node stands; evidence of what contradicts goes into `folder`. Exit code 1 where one shows something
    else than the others, or proves nothing."""
    clients = clients_of(source)
    found = compare(clients, up_to_date(source.trust, clients.values()))
    listing(as_json, "nodes", ((_as_values(view), _lines(view)) for view in found.views))
    blame(found, folder)


def blame(found: Comparison, folder: Path) -> None:
    for line in found.blame():
        warn(line)
    for one in found.found:
        warn(f"two checkpoints that do not fit are kept: suyuan evidence {evidence.keep(folder, one)}")
    if not found.agrees:
        raise typer.Exit(1)


def clients_of(source: Client) -> dict[str, Client]:
    """The client of each node, by its label."""
    return source.clients if isinstance(source, Nodes) else {"node": source}


def _as_values(view: View) -> dict[str, Any]:
    values: dict[str, Any] = {"node": view.label, "address": view.client.connection.readers}
    if view.head is None:
        return values | {"trouble": view.trouble}
    head = {"leaves": view.head.size, "root": view.head.root.hex(), "cosigned": list(view.head.cosigned)}
    return values | head | {"quorum": not view.head.lacking, "history": view.history + 1, "trouble": view.trouble}


def _lines(view: View) -> list[str]:
    title = f"{view.label}  {view.client.connection.readers}"
    if view.head is None:
        return [title, view.trouble]
    names = ", ".join(view.head.cosigned) or "nobody"
    quorum = "no quorum" if view.head.lacking else "a quorum"
    root = view.head.root.hex()[:ROOT_SHOWN_CHARS]
    standing = f"{view.head.size:,} leaves, root {root}…, history {view.history + 1}"
    return [title, standing, f"cosigned by {names}: {quorum}", view.trouble]


def same_everywhere(source: Client, ask: Callable[[Client], str], what: str) -> None:
    """Ask every node that can be reached; exit code 1, and a line for each side, where they answer otherwise."""
    sides = differing(_answers(source, ask))
    for _ in range(TRIES):
        if len(sides) <= 1:
            return
        time.sleep(PAUSE_SECONDS)  # one may only lie behind
        sides = differing(_answers(source, ask))
    for answer, labels in sides.items():
        warn(f"{', '.join(labels)}: {what} is {answer}")
    raise typer.Exit(1)


def _answers(source: Client, ask: Callable[[Client], str]) -> dict[str, str]:
    answers: dict[str, str] = {}
    for label, client in clients_of(source).items():
        try:
            answers[label] = ask(client)
        except Unavailable as error:
            warn(f"{label} is not compared: {error}")
    return answers
