"""`suyuan-node check`, `rebuild`, `backup`, `restore`, `resync`: keeping what is stored."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from ledger.storage.chainstore import ChainStore
from node.backup import Manifest, back_up
from node.check import check_folder
from node.commands.options import Data, Folder, Json, Progress, say, warn
from node.config import write_policy
from node.restore import Restored
from node.restore import restore as restore_from
from node.resync import resync as fetch_anew
from node.run import calm_garbage_collector, clock_ms
from node.succession import trusted_in


def check(
    data: Data,
    replay: Annotated[
        bool, typer.Option("--replay", help="Also run all blocks anew, and compare every row of the index.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read everything again that the node keeps, and name every flaw. The node must not run. Exit code 1: a flaw."""
    calm_garbage_collector()
    findings = check_folder(data, dt.datetime.now(dt.UTC), replay, Progress("block"))
    for found in findings:
        if as_json:
            print(json.dumps(structs.asdict(found), ensure_ascii=False))
        else:
            remedy = f". {found.remedy}" if not found.holds else ""
            print(f"{'holds  ' if found.holds else 'DAMAGED'}  {found.where}: {found.detail or 'sound'}{remedy}")
    if not all(found.holds for found in findings):
        raise typer.Exit(1)


def rebuild(data: Data, as_json: Json = False) -> None:
    """Make index, tiles and policy.txt anew from the block files and the genesis."""
    calm_garbage_collector()
    store = ChainStore.rebuild(data, Progress("block"))
    write_policy(data, trusted_in(data))
    try:
        say(as_json, {"height": store.head.height, "leaves": store.head.log.size})
    finally:
        store.close()


def backup(
    data: Data,
    dest: Annotated[Path, typer.Argument(help="Where the backup is, or will be.")],
    as_json: Json = False,
) -> None:
    """Copy what is new to DEST, also while the node runs, and read the whole backup again. Keep DEST as safe as DATA:
    it holds the node's keys. Exit code 1: something in DATA is damaged, and was not taken."""
    made = back_up(data, dest, clock_ms(), Progress("byte"))
    say(as_json, {"backup": str(dest), **_standing(made.manifest), "copied_bytes": made.copied_bytes})
    for flaw in made.flaws:
        warn(f"not backed up, as it is damaged: {flaw}; see suyuan-node check")
    if made.flaws:
        raise typer.Exit(1)


def restore(
    dest: Annotated[Path, typer.Argument(help="The backup.")],
    data: Folder,
    private: Annotated[
        Path | None, typer.Option(help="A newer private.db, whose erasures are repeated in the restored one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make DATA the node that DEST is a backup of. What is in DATA is moved aside, never deleted."""
    calm_garbage_collector()
    done = restore_from(dest, data, private, dt.datetime.now(dt.UTC), Progress("block"))
    values = {"data": str(data), "chain": done.manifest.chain, "height": done.height, "time": _time(done.time_ms)}
    values |= {"later_blocks": done.later, "moved_aside": str(done.aside or "")}
    say(as_json, values | ({"blocks": str(done.resync)} if done.resync else {}))
    for warning in _warnings(done):
        warn(warning)


def resync(data: Data, as_json: Json = False) -> None:
    """Have a validator fetch the whole chain anew from the others when it starts next. Keys, settings, private
    openings and what it signed last stay; what was there is moved aside, never deleted."""
    aside = fetch_anew(data, dt.datetime.now(dt.UTC))
    say(as_json, {"data": str(data), "moved_aside": str(aside)})


def _warnings(done: Restored) -> Iterator[str]:
    """What an operator must know before the node runs again."""
    yield from done.notes
    if done.resync:
        yield (
            "the node fetches the chain from the other validators when it starts; where what it signed last is lost, "
            "it signs nothing until it has it"
        )
    if not done.manifest.complete:
        yield f"the backup was interrupted at block {done.manifest.height}; an older one may hold more"
    if not done.log_kept:
        yield (
            f"the log stands at block {done.height} of {_time(done.time_ms)}: what was acknowledged after it is "
            "lost, unless its blocks are fetched from a peer before the node runs"
        )
        yield (
            "readers and members that saw a longer log will refuse this node, as their pinned checkpoint tells them "
            "to: agree with them before they delete it"
        )
    if not done.erasures_kept:
        yield (
            f"private openings that were erased after {_time(done.manifest.made_ms)} are back, unless --private "
            "named a newer store: repeat the erasures that you know of"
        )


def _standing(manifest: Manifest) -> dict[str, str | int]:
    return {"chain": manifest.chain, "height": manifest.height, "time": _time(manifest.time_ms)}


def _time(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="seconds")


def register(app: typer.Typer) -> None:
    for command in (check, rebuild, backup, restore, resync):
        app.command()(command)
