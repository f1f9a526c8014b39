"""`--all` and `--compare`: the same question to every node, and who answers otherwise."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from client_sdk import evidence, heads
from client_sdk.client import Client
from client_sdk.commands.options import listing, out, warn
from client_sdk.compare import Comparison, View, compare, differing, extension, up_to_date
from client_sdk.errors import EnvelopeRefused, Unavailable
from client_sdk.evidence import Evidence
from client_sdk.nodes import Nodes
from client_sdk.trust import PIN_FILE, Trust
from ledger.errors import VerifyFailed

Compare = Annotated[bool, typer.Option("--compare", help="Ask every node, and say which of them answers otherwise.")]
ROOT_SHOWN_CHARS: Final = 16
PAUSE_SECONDS: Final = 0.5
TRIES: Final = 4


def compared(source: Client, folder: Path, as_json: bool) -> None:
    """Where each node stands, and whether they agree; evidence of what contradicts goes into `folder`. Exit code 1
    where one shows something else than the others, proves nothing, or cannot be asked."""
    clients = clients_of(source)
    found = compare(clients, up_to_date(source.trust, clients.values()))
    listing(as_json, "nodes", ((_as_values(view), _lines(view)) for view in found.views))
    if not as_json:
        out(_verdict(found))
    blame(found, folder)
    if any(view.head is None for view in found.views):
        raise typer.Exit(1)


def _verdict(found: Comparison) -> str:
    """What the listing comes to."""
    count, silent = len(found.histories), [view.label for view in found.views if view.head is None]
    if count > 1:
        return f"{count} histories: nodes of one number agree, those of different numbers contradict one another"
    shown = len(found.views) - len(silent)
    same = "nothing is known of the log" if not shown else f"one history: {shown} of {len(found.views)} nodes show it"
    return same if not silent else f"{same}; {', '.join(silent)} says nothing of it"


def against_pin(source: Client, folder: Path) -> bool:
    """Whether the log contradicts the checkpoint that an identity folder pinned, which is told, and kept there as
    evidence. Signatures of too few do not hide it: a node that orders alone shows no others."""
    pin = folder / PIN_FILE
    if not pin.exists():
        return False
    trusted = up_to_date(Trust(source.trust.policy, folder), clients_of(source).values())
    try:
        known = heads.read(trusted, pin.read_bytes(), None)
        found = extension(source, known, trusted)
    except EnvelopeRefused:
        warn(f"it shows less than the {known.size} leaves that were seen before: it lies behind, or its log was cut")
        return False
    except VerifyFailed as error:
        warn(f"what it shows proves nothing: {error}")
        return True
    if isinstance(found, Evidence):
        kept = evidence.keep(folder, found)
        warn(f"its log does not extend the {known.size} leaves that were seen before: suyuan evidence {kept}")
    return isinstance(found, Evidence)


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
    root = view.head.root.hex()[:ROOT_SHOWN_CHARS]
    standing = f"{view.head.size:,} leaves, root {root}…, history {view.history + 1}"
    return [title, standing, f"cosigned by {names}: {view.head.standing}", view.trouble]


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
