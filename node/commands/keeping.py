"""`suyuan-node check`, `rebuild`, `backup`, `restore`: keeping what is stored."""

import datetime as dt
import json
from typing import Annotated

import typer
from msgspec import structs

from ledger.storage.chainstore import ChainStore, read_genesis
from node.check import check_folder
from node.commands.options import Data, Json, Progress, say
from node.config import write_policy
from node.run import calm_garbage_collector


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
    write_policy(data, read_genesis(data))
    try:
        say(as_json, {"height": store.head.height, "leaves": store.head.log.size})
    finally:
        store.close()


def register(app: typer.Typer) -> None:
    for command in (check, rebuild):
        app.command()(command)
