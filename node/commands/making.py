"""`suyuan-node init`, `certify`, `connection`, `renew`: what is made once, or for a member."""

import datetime as dt
import json
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from ledger import genesis as g
from ledger.errors import Malformed, SuyuanError
from ledger.storage.chainstore import read_genesis
from node import founding, keys, network, tls
from node.commands.options import Data, Folder, Json, check_region, say, warn
from node.config import POLICY_FILE
from node.run import ENDPOINTS_FILE

START_SECONDS_MAX = 10
NAME = re.compile(r"[a-z0-9][a-z0-9./-]{2,62}")
HOSTS = ["127.0.0.1", "localhost"]


def init(
    data: Folder,
    name: Annotated[str, typer.Option(help="The log's name (its origin line), such as example.org/food.")],
    founder: Annotated[
        list[Path] | None, typer.Option(help="member.json of a founder; at least one is a regulator.")
    ] = None,
    region: Annotated[str, typer.Option(help="Where the chain is kept, such as CN-33.")] = "CN",
    host: Annotated[list[str] | None, typer.Option(help="Names or addresses in the server's certificate.")] = None,
    node: Annotated[
        str | None, typer.Option(help="For a network: this node's name in it, such as customs; no founder then.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="HOST:PORT at which the others reach its CometBFT.")] = None,
    cosign: Annotated[str | None, typer.Option(help="HOST:PORT at which they reach the node itself.")] = None,
    as_json: Json = False,
) -> None:
    """Make a new chain in DATA: keys, certificates, genesis, and what a node keeps, empty. Or, with --node, the keys
    of a node that will be one of a network's: hand out DATA/peer.json, and go on with `join`."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter(f"--name {name!r}: 3 to 63 of a-z, 0-9, dot, hyphen and slash, as example.org/food")
    if node is not None:
        if founder or address is None or cosign is None:
            raise typer.BadParameter("--node needs --address and --cosign, and no --founder: the genesis names those")
        say(as_json, network.init(data, name, node, address, cosign, host or HOSTS))
        return
    if address is not None or cosign is not None or not founder:
        raise typer.BadParameter(
            "a chain of its own needs --founder; a node of a network --node, --address, --cosign"
        )
    _init_alone(data, name, founder, check_region(region), host or HOSTS, as_json)


def _init_alone(data: Path, name: str, founders: list[Path], region: str, hosts: list[str], as_json: bool) -> None:
    given = [network.founder(path) for path in founders]
    with founding.in_one_go(data):
        founding.make_keys(data, name, keys.VALIDATORS, hosts)
        validator = keys.public(data / "keys", f"{name}/validator-1")
        genesis = network.new_genesis(name, given, [validator], region, None)
        founding.lay_out(data, genesis, "# Settings of this node; see docs/operating.md\n")
    say(as_json, {"name": name, "chain": g.chain_id(genesis).hex(), "data": str(data)})


def certify(
    data: Data,
    request: Annotated[Path, typer.Argument(help="The member's tls.csr.")],
    member: Annotated[str, typer.Option(help="The member that the certificate names.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the certificate goes.")],
    as_json: Json = False,
) -> None:
    """Issue a member's client certificate."""
    read_genesis(data)  # DATA is a node's folder, or that is told first
    try:
        certificate = tls.certify(data / "keys", request.read_bytes(), member, dt.datetime.now(dt.UTC))
    except Malformed as error:
        where = str(request) if error.where == tls.REQUEST else error.where
        raise Malformed(where, error.message) from None
    out.write_bytes(certificate)
    say(as_json, {"member": member, "certificate": str(out)})


def connection(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the connection file goes.")],
    as_json: Json = False,
) -> None:
    """Write the file by which members and readers reach this node and know what to trust."""
    genesis = read_genesis(data)
    endpoints = _endpoints(data / ENDPOINTS_FILE)
    content = {
        "name": genesis.name,
        "chain": g.chain_id(genesis).hex(),
        "members": endpoints["members"],
        "readers": endpoints["readers"],
        "ca": (data / "keys" / tls.CA_CERT).read_text(),
        "policy": (data / POLICY_FILE).read_text(),
        "web": endpoints["web"],
    }
    out.write_text(json.dumps(content, indent=2) + "\n")
    say(as_json, {"connection": str(out), "members": endpoints["members"], "readers": endpoints["readers"]})


def _endpoints(path: Path) -> dict[str, str]:
    """Where the node listens; one that was started a moment ago is waited for."""
    give_up = time.monotonic() + START_SECONDS_MAX
    while not path.exists():
        if time.monotonic() > give_up:
            raise SuyuanError("the node does not run, so nobody knows its ports; start it first: suyuan-node run")
        time.sleep(0.1)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def renew(
    data: Data,
    host: Annotated[list[str] | None, typer.Option(help="Names or addresses, if they are to be others.")] = None,
    as_json: Json = False,
) -> None:
    """Make the server's key and certificate anew, and the authority if its files were moved away."""
    folder, now = data / "keys", dt.datetime.now(dt.UTC)
    name = read_genesis(data).name.split("/")[0]
    if not (folder / tls.CA_KEY).exists() and not (folder / tls.CA_CERT).exists():
        tls.make_authority(folder, name, now)
        warn("this is a new authority: give every member a new certificate and connection file")
    ends = tls.make_server(folder, name, host or _hosts(folder), now)
    say(as_json, {"certificate": str(folder / tls.SERVER_CERT), "ends": f"{ends:%F}"})
    warn("the node takes it at its next start")


def _hosts(folder: Path) -> list[str]:
    """Those of the certificate so far, if it can be read."""
    try:
        return tls.hosts_of(tls.read_certificate(folder / tls.SERVER_CERT))
    except (Malformed, OSError):
        return HOSTS


def register(app: typer.Typer) -> None:
    for command in (init, certify, connection, renew):
        app.command()(command)
