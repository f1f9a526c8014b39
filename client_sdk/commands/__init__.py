"""`suyuan`: the enterprise's, auditor's and consumer's commands."""

import sys

import typer

from client_sdk.commands import acts, audit, books, identity, private, reading
from client_sdk.errors import EnvelopeRefused
from ledger.errors import SuyuanError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Custody of food: submit, read, verify, audit.",
)
for module in (identity, books, acts, reading, private, audit):
    module.register(app)


def main() -> None:
    """Exit code 0: done; 1: refused, not found or not proven, with the reason; 2: wrong usage."""
    try:
        app()
    except EnvelopeRefused as error:
        for problem in error.problems:
            print(f"suyuan: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except (SuyuanError, OSError) as error:
        print(f"suyuan: {error}", file=sys.stderr)
        raise SystemExit(1) from None
