"""`suyuan-node`: what an operator does with a node."""

import sqlite3
import sys
import tomllib

import typer
from pydantic import ValidationError

from ledger.errors import SuyuanError, of_file
from node.commands import keeping, making, serving

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Operate a node of a Suyuan ledger.",
)
for module in (making, serving, keeping):
    module.register(app)


def main() -> None:
    """Errors end with exit code 1 and one line that says what to do; wrong usage and settings with 2."""
    try:
        app()
    except OSError as error:
        _fail(of_file(error), 1)
    except (SuyuanError, sqlite3.Error) as error:
        _fail(str(error), 1)
    except ValidationError as error:
        for found in error.errors():
            name = ".".join(str(part) for part in found["loc"])
            print(f"suyuan-node: setting {name}: {found['msg']} (found {found['input']!r})", file=sys.stderr)
        raise SystemExit(2) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _fail(f"node.toml: {error}", 2)


def _fail(message: str, code: int) -> None:
    print(f"suyuan-node: {message}", file=sys.stderr)
    raise SystemExit(code) from None
