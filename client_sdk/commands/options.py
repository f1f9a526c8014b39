"""Options that several commands share, and how they answer: a table for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table

from client_sdk import access, keys
from client_sdk.access import Unlocked
from client_sdk.client import Client
from client_sdk.commands import parsing
from client_sdk.errors import KeyFileError
from client_sdk.nodes import Nodes
from ledger.errors import Malformed
from ledger.policy import Policy, parse_policy

Identity = Annotated[
    Path, typer.Option("--identity", "-i", envvar="SUYUAN_IDENTITY", help="Identity folder (suyuan keygen).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Ref = Annotated[str, typer.Option(help="Document and line, such as XS-20260103-7/1; booked once.")]
Lot = Annotated[
    str,
    typer.Option(parser=parsing.lot, metavar="LOT", help="GTIN#LOT, GTIN@YYYYMMDD without a number, or a scan."),
]
Quantity = Annotated[int, typer.Option(min=1, help="In base items: cans, not cases.")]
Portion = Annotated[int, typer.Option(min=0, help="In base items; 0 with --grams for a portion by weight.")]
Grams = Annotated[int | None, typer.Option(min=1, help="Its weight, if it is of variable measure (weighed).")]
At = Annotated[
    int | None,
    typer.Option(parser=parsing.past, metavar="TIME", help="When it happened, China time or ISO; default now."),
]
Queue = Annotated[bool, typer.Option("--queue", help="Keep it in the outbox; `suyuan outbox send` sends it.")]
Site = Annotated[str, typer.Option(help="CODE or MEMBER/CODE; the own main site if left out.")]
Owner = Annotated[
    str | None,
    typer.Option(parser=parsing.member, metavar="MEMBER", help="The owner, where you sign as keeper of its goods."),
]
Production = Annotated[int | None, typer.Option(parser=parsing.past_day, metavar="DATE", help="When it was made.")]
Made = Annotated[
    int,
    typer.Option("--production", parser=parsing.past_day, metavar="DATE", help="When it was made, today or before."),
]
Expiry = Annotated[int | None, typer.Option(parser=parsing.day, metavar="DATE", help="Best before.")]
To = Annotated[str, typer.Option(parser=parsing.member, metavar="MEMBER", help="The member that gets it.")]
ToSite = Annotated[str | None, typer.Option(help="MEMBER/CODE, its site; its main site if left out.")]
Reason = Annotated[str, typer.Option(help="Why, for everybody to read.")]
FromLeaf = Annotated[int, typer.Option("--from", min=0, help="Look from this leaf of the log on.")]
Region = Annotated[str, typer.Option(parser=parsing.region, metavar="CODE", help="Where it is: CN, CN-33, CN-ZJ.")]
INDENT: Final = "    "

console = Console(stderr=False)
notes = Console(stderr=True)


def unlocked(folder: Path) -> Unlocked:
    """A member's identity and its nodes; the passphrase comes from SUYUAN_PASSPHRASE, or from a terminal."""
    keys.load_public(folder)  # a folder without an identity is told before anything that it lacks
    access.readers([folder])
    return access.unlock(folder, passphrase("Passphrase"))


def passphrase(prompt: str, twice: bool = False) -> str:
    """From SUYUAN_PASSPHRASE, or asked for on a terminal; without either, one line says so."""
    given = os.environ.get(keys.PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise KeyFileError(f"there is no terminal to ask for the passphrase: set {keys.PASSPHRASE_VARIABLE}")
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))


def client(who: Path | Unlocked) -> Client:
    """A member's client, over all nodes of its identity folder."""
    return _over((unlocked(who) if isinstance(who, Path) else who).nodes)


def reader(connections: Sequence[Path]) -> Client:
    """A reader's client: no identity, only connection files."""
    return _over(access.readers(connections))


def _over(nodes: Sequence[access.Access]) -> Client:
    return Nodes.reaching(nodes, warn)


def policy_file(path: Path) -> Policy:
    """A tlog-policy that somebody wants to believe."""
    try:
        return parse_policy(path.read_text())
    except (Malformed, UnicodeDecodeError) as error:
        expected = "a tlog-policy is expected, such as the policy.txt of a node's folder"
        raise Malformed(str(path), f"it is no policy ({error}); {expected}") from None


def pages_of(folder: Path) -> str:
    """Where the pages of a member's node are, which consumers' links lead to."""
    return keys.load_connection(folder / "node.json").web or "id.example.org"


def own_site(folder: Path, site: str) -> str:
    """A site by its full name, or by its code alone where it is one's own."""
    return site if "/" in site else f"{keys.load_public(folder).member}/{site or 'main'}"


def out(text: str) -> None:
    """A line for people, not folded within words, so that what is copied from it is whole."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """A line on stderr about something that was done all the same."""
    notes.print(f"suyuan: warning: {text}", markup=False, highlight=False, soft_wrap=True)


def progress(*columns: str | ProgressColumn) -> Progress:
    """A bar on stderr while something lasts; nothing at all where that is no terminal."""
    return Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal)


def say(as_json: bool, values: dict[str, Any]) -> None:
    """Named values; a list has a line for each of its values."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    width = max(len(name) for name in values)
    for name, value in values.items():
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            out(f"{name if not number else '':<{width}}  {one}")


def listing(as_json: bool, title: str, rows: Iterable[tuple[dict[str, Any], Sequence[str]]]) -> None:
    """Rows as JSON lines; or for people as a heading and lines below it, where hashes stay whole."""
    empty = True
    for values, lines in rows:
        empty = False
        if as_json:
            print(json.dumps(values, ensure_ascii=False))
            continue
        out(lines[0])
        for one in lines[1:]:
            if one:
                out(INDENT + one)
    if empty and not as_json:
        out(f"{title}: none")


def plain_table(title: str, columns: dict[str, str], rows: Iterable[Sequence[str]]) -> None:
    """A table without frames; `columns` are names with left or right."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, side in columns.items():
        shown.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console.print(shown, markup=False, highlight=False)
