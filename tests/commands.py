"""`suyuan` as a user types it, in this process: a command is half a second dearer in one of its own."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
import typer

from client_sdk import commands, keys
from tests.network import PASSPHRASE, Network
from tests.world import Member

BUILT = typer.main.get_command(commands.app)  # once; Typer would build them anew for each call


def typed(environment: dict[str, str], *arguments: str) -> int:
    """Run `suyuan ARGUMENTS` as its entry point does; the exit code."""
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["suyuan", *arguments]),
        mock.patch.object(commands, "app", BUILT),
    ):
        try:
            commands.main()
        except SystemExit as left:
            return int(left.code or 0)
    return 0


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        [row] = self.rows
        return row


@dataclass
class Typed:
    """Runs commands of members of one network; `ok` expects success and reads --json."""

    network: Network
    capsys: pytest.CaptureFixture[str]

    def run(self, who: Member | None, *arguments: str) -> Said:
        environment = {keys.PASSPHRASE_VARIABLE: PASSPHRASE, "COLUMNS": "80"}
        if who is not None:
            self.network.certify(who)
            environment["SUYUAN_IDENTITY"] = str(self.network.home(who))
        self.capsys.readouterr()
        code = typed(environment, *arguments)
        told = self.capsys.readouterr()
        return Said(code, told.out, told.err)

    def ok(self, who: Member | None, *arguments: str) -> Said:
        said = self.run(who, *arguments, "--json")
        if said.code:
            raise AssertionError(f"suyuan {' '.join(arguments)}: exit {said.code}\n{said.out}{said.err}")
        return said

    def position(self, who: Member, lot: str, code: str = "main", kept: bool = False) -> dict[str, Any]:
        """The counts of a position that are not zero."""
        rows = self.ok(who, "positions", *(["--kept"] if kept else [])).rows
        found = [row for row in rows if row["lot"] == lot and row["site"].endswith(f"/{code}")]
        return {name: value for row in found for name, value in row.items() if isinstance(value, int) and value}
