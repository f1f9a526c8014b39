"""`suyuan-node`: what an operator does with a node."""

import sqlite3
import sys
from typing import Any

import typer

from ledger.errors import SuyuanError, of_file
from node.commands import keeping, making, network, serving
from node.errors import WrongSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Operate a node of a Suyuan ledger.",
)
for module in (making, network, serving, keeping):
    module.register(app)

# Typer's base of whatever is wrong with a command line, which it does not export.
UsageError: Any = typer.BadParameter.__bases__[0]


def main() -> None:
    """Errors end with exit code 1 and one line that says what to do; wrong usage and settings with 2."""
    code = 0
    try:
        code = app(prog_name="suyuan-node", standalone_mode=False)
    except UsageError as error:
        _tell_usage(error)
    except typer.Abort:
        _fail("stopped", 1)
    except OSError as error:
        _fail(of_file(error), 1)
    except WrongSettings as error:
        _fail(str(error), 2)
    except (SuyuanError, sqlite3.Error) as error:
        _fail(str(error), 1)
    if code:
        raise SystemExit(code)


def _tell_usage(error: Any) -> None:
    """One line, and where to read more. Without a message the help was shown already."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if message:
        where = f"{error.ctx.command_path} --help" if error.ctx is not None else "suyuan-node --help"
        _fail(f"{message}; see: {where}", 2)
    raise SystemExit(2) from None


def _fail(message: str, code: int) -> None:
    print(f"suyuan-node: {message}", file=sys.stderr)
    raise SystemExit(code) from None
