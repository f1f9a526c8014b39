"""Arguments that several commands share, and how they answer: lines for people, JSON for programs."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.errors import Malformed
from node import founding


def _not_waiting(data: Path) -> Path:
    """Malformed, with the next step, where a network's node was made and has no chain yet."""
    if founding.waits_for_genesis(data):
        raise Malformed(str(data), founding.WAITS)
    return data


Folder = Annotated[Path, typer.Argument(help="The node's data folder, to be made or filled.")]
Data = Annotated[Path, typer.Argument(help="The node's data folder.", callback=_not_waiting)]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def say(as_json: bool, values: dict[str, Any]) -> None:
    """Named values; a list has a line for each of its values."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
    else:
        for name, value in values.items():
            for number, one in enumerate(value if isinstance(value, list) else [value]):
                print(f"{name if not number else '':<12} {one}")


def warn(message: str) -> None:
    print(f"suyuan-node: {message}", file=sys.stderr)


REGION = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,6})?")


def check_region(region: str) -> str:
    if not REGION.fullmatch(region):
        raise typer.BadParameter(f"--region {region!r}: a country, such as CN, or a part of it, such as CN-33")
    return region


class Progress:
    """A counting line on stderr, where that is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, last: int) -> None:
        if self._shown and (done % 100 == 0 or done == last):
            end = "\n" if done == last else ""
            print(f"\r{self._what} {done} of {last}", end=end, file=sys.stderr, flush=True)
