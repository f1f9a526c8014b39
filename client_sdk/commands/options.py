"""Options that several commands share, and how they answer: a table for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from client_sdk import keys
from client_sdk.client import Client
from client_sdk.errors import KeyFileError

Identity = Annotated[
    Path, typer.Option("--identity", "-i", envvar="SUYUAN_IDENTITY", help="Identity folder (suyuan keygen).")
]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Ref = Annotated[str, typer.Option(help="Document and line, such as XS-20260103-7/1.")]
Lot = Annotated[str, typer.Option(help="GTIN#LOT, or GTIN@YYYYMMDD for goods without a lot number.")]
Quantity = Annotated[int, typer.Option(min=1, help="In base items.")]

console = Console(stderr=False)
notes = Console(stderr=True)


def unlock(folder: Path) -> tuple[keys.Connection, keys.Identity]:
    """The connection and the unlocked identity of a folder; the passphrase comes from SUYUAN_PASSPHRASE or is asked
    for on a terminal."""
    try:
        return keys.open_folder(folder, None)
    except KeyFileError:
        if not sys.stdin.isatty() or not (folder / "signing.key").exists():
            raise
    return keys.open_folder(folder, typer.prompt("Passphrase", hide_input=True, err=True))


def client(folder: Path) -> Client:
    """A member's client."""
    return Client(*unlock(folder))


def reader(connection: Path) -> Client:
    """A reader's client: no identity, only a connection file."""
    return Client(keys.load_connection(connection))


def say(as_json: bool, values: dict[str, Any]) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    width = max(len(name) for name in values)
    for name, value in values.items():
        console.print(f"{name:<{width}}  {value}", markup=False, highlight=False, soft_wrap=True)


def table(as_json: bool, title: str, rows: Iterable[dict[str, Any]]) -> None:
    """Rows with the same fields: JSON lines, or one table."""
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    found = list(rows)
    if not found:
        console.print(f"{title}: none")
        return
    shown = Table(title=title, title_justify="left")
    for name, value in found[0].items():
        shown.add_column(name, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in found:
        shown.add_row(*(str(value) for value in row.values()))
    console.print(shown)
