"""`suyuan evidence`: what kept checkpoints prove about their log and its validators, without any network."""

from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import evidence, when
from client_sdk.commands.options import Json, policy_file, say, warn
from client_sdk.heads import Head


def check_evidence(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="A file of an evidence/ folder.")],
    policy: Annotated[
        Path | None, typer.Option(help="Whom you believe: a tlog-policy file. Without it, the policy in the file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check kept evidence of a split view: two checkpoints of one log that cannot both be true, in one file, as the
    SDK and nodes keep it in evidence/. Exit code 1 where one proves nothing."""
    trusted = policy_file(policy) if policy is not None else None
    if trusted is None:
        warn("judged by the policy in the file: whoever made it can have made that up; name yours: --policy")
    proven = True
    for file in files:
        judged = evidence.judge(evidence.load(file), trusted)
        proven = proven and bool(judged.contradiction)
        say(as_json, {"file": str(file), **_as_values(judged)})
    if not proven:
        raise typer.Exit(1)


def _as_values(judged: evidence.Judged) -> dict[str, Any]:
    told = judged.contradiction or "none proven: the longer log may well extend the shorter one"
    return {
        "first": _told(judged.first),
        "second": _told(judged.second),
        "proven": bool(judged.contradiction),
        "contradiction": told,
        "cosigned both": judged.both or ["nobody"],
    }


def _told(head: Head) -> list[str]:
    quorum = f"no quorum: {head.lacking}" if head.lacking else "a quorum"
    cosigned = [f"cosigned by {name} {when.shown(time)}" for name, time in head.cosigned.items()]
    return [f"{head.size} leaves, root {head.root.hex()}", quorum, *cosigned]


def register(app: typer.Typer) -> None:
    app.command("evidence")(check_evidence)
