"""`suyuan`: the enterprise's, auditor's and consumer's commands."""

import sys
from typing import Any

import typer

from client_sdk.commands import (
    audit,
    books,
    columns,
    correcting,
    evidence,
    facts,
    governing,
    identity,
    member_keys,
    members,
    outbox,
    own,
    pages,
    private,
    products,
    reading,
    scopes,
    stock,
    trade,
    units,
    verifier_site,
    watch,
)
from client_sdk.commands.plain import plain
from client_sdk.errors import ClientError, EnvelopeRefused
from ledger.errors import SuyuanError, of_file

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Custody of food: submit, read, verify, audit.",
)
PANELS = {
    "Members, keys, sites, products": (identity, members, member_keys, products, governing),
    "Trade": (trade, books, columns),
    "Own stock": (stock, units, correcting),
    "Facts, holds, recalls": (facts, scopes),
    "What is yours": (own, pages, watch, outbox, private),
    "For everybody": (reading, verifier_site, audit, evidence),
}
for panel, modules in PANELS.items():
    commands, groups = len(app.registered_commands), len(app.registered_groups)
    for module in modules:
        module.register(app)
    for command in app.registered_commands[commands:]:
        command.rich_help_panel = panel
    for group in app.registered_groups[groups:]:
        group.rich_help_panel = panel

# Typer's base of whatever is wrong with a command line, which it does not export.
UsageError: Any = typer.BadParameter.__bases__[0]


def main() -> None:
    """Exit code 0: done; 1: refused, not found or not proven, with the reason; 2: wrong usage. A line on stderr for
    each problem."""
    try:
        code = app(prog_name="suyuan", standalone_mode=False)
    except UsageError as error:
        _tell_usage(error)
        raise SystemExit(2) from None
    except EnvelopeRefused as error:
        for problem in error.problems:
            print(f"suyuan: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except UnicodeError as error:
        print(f"suyuan: this is no UTF-8 text: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        print(f"suyuan: {of_file(error)}", file=sys.stderr)
        raise SystemExit(1) from None
    except SuyuanError as error:
        request = f" (request {error.request_id})" if isinstance(error, ClientError) and error.request_id else ""
        print(f"suyuan: {plain(str(error))}{request}", file=sys.stderr)
        raise SystemExit(1) from None
    except typer.Abort:
        print("suyuan: stopped", file=sys.stderr)
        raise SystemExit(1) from None
    if code:
        raise SystemExit(code)


def _tell_usage(error: Any) -> None:
    """One line, and where to read more. Without a message the help was shown already."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if message:
        where = f"{error.ctx.command_path} --help" if error.ctx is not None else "suyuan --help"
        print(f"suyuan: {plain(message)}; see: {where}", file=sys.stderr)
