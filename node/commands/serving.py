"""`suyuan-node run` and `status`."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from ledger import genesis as g
from ledger.storage.blockfile import BlockFiles, InUse
from ledger.storage.chainstore import ChainStore, read_genesis
from node import logs, peers
from node.commands.options import Data, Json, say
from node.config import load_settings
from node.run import ENDPOINTS_FILE
from node.run import run as run_node
from node.succession import trusted_in

ASK_SECONDS: Final = 5


def run(
    data: Data,
    members_port: Annotated[int | None, typer.Option(help="gRPC port for members (0: any free one).")] = None,
    readers_port: Annotated[int | None, typer.Option(help="gRPC port for readers (0: any free one).")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics (0: any free one).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Port of the pages, in HTTP (0: any free one).")] = None,
    public_url: Annotated[str | None, typer.Option(help="What consumers' links begin with: https://HOST.")] = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Settings: node.toml in DATA, then SUYUAN_… variables, then options."""
    given: dict[str, Any] = {
        "members_port": members_port, "readers_port": readers_port, "metrics_port": metrics_port,
        "http_port": http_port, "public_url": public_url,
    }  # fmt: skip
    settings = load_settings(data, {name: value for name, value in given.items() if value is not None})
    logs.set_up(settings)
    uvloop.run(run_node(settings))


def status(data: Data, as_json: Json = False) -> None:
    """Where this node's log stands; while it runs, where it listens, whether it is ready, and who cosigned when."""
    genesis = read_genesis(data)
    values: dict[str, Any] = {"name": genesis.name, "chain": g.chain_id(genesis).hex(), **_who(data, genesis)}
    try:
        BlockFiles(data, b"", writer=True).close()
    except InUse:
        endpoints = data / ENDPOINTS_FILE
        listening = json.loads(endpoints.read_text()) if endpoints.exists() else {}
        values |= {"running": True} | listening | _readiness(listening, as_json)
    else:
        store = ChainStore.open(data)
        try:
            values |= {"running": False, "height": store.head.height, "leaves": store.head.log.size}
            values |= {"root": store.head.log.root().hex(), "state": store.head.state[0].hex()}
        finally:
            store.close()
    say(as_json, values)


def _who(data: Path, genesis: g.Genesis) -> dict[str, str]:
    """Which node of its network it is, and what it does there, as far as this folder knows of the validators."""
    own, in_office = peers.own(data), trusted_in(data).witnesses
    if own is None:
        return {"node": genesis.validators[0].name, "role": "validator, by itself"}
    former = any(own.name == one.name for one in genesis.validators)
    role = "validator" if own.name in in_office else "former validator, now an observer" if former else "observer"
    return {"node": own.name, "role": role}


def _readiness(listening: Mapping[str, str], as_json: bool) -> dict[str, Any]:
    """What the running node says of itself; for people, a line for each validator."""
    if "http" not in listening:
        return {
            "ready": False,
            "why": f"it has not written {ENDPOINTS_FILE} yet, or somebody removed that: restart it",
        }
    try:
        calling = http.client.HTTPConnection(listening["http"], timeout=ASK_SECONDS)
        calling.request("GET", "/readyz")
        found: dict[str, Any] = json.loads(calling.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"ready": False, "why": f"it does not answer: {error!r}"}
    if as_json:
        return found
    values = {"ready": "yes" if found["ready"] else f"no: {found['why']}", "leaves": found["leaves"]}
    return values | {one["name"]: _cosigned(one) for one in found["validators"]}


def _cosigned(one: Mapping[str, Any]) -> str:
    if one["age_seconds"] is None:
        return "not heard since this node began"
    return f"cosigned {one['leaves']} leaves {one['age_seconds']:.0f} s ago"


def register(app: typer.Typer) -> None:
    for command in (run, status):
        app.command()(command)
