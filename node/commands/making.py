"""`suyuan-node init`, `certify`, `connection`, `renew`: what is made once, or for a member."""

import datetime as dt
import json
import re
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ledger import genesis as g
from ledger import signature
from ledger.block import RULES_VERSION
from ledger.errors import Malformed, SuyuanError
from ledger.records import MemberKind
from ledger.storage.chainstore import ChainStore, read_genesis
from node import founding, keys, tls
from node.commands.options import Data, Json, say, warn
from node.config import CONFIG_FILE, POLICY_FILE, write_policy
from node.private import ROWS_FILE, PrivateStore
from node.run import ENDPOINTS_FILE, clock_ms

START_SECONDS_MAX = 10
NAME = re.compile(r"[a-z0-9][a-z0-9./-]{2,62}")
REGION = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,6})?")
HOSTS = ["127.0.0.1", "localhost"]


def _founder(path: Path) -> g.Founder:
    """A founder from the public file `member.json` that `suyuan keygen` writes."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PublicMember).founder()
    except (ValueError, msgspec.MsgspecError) as error:
        expected = "member.json, as suyuan keygen writes it, is expected"
        raise Malformed(str(path), f"not a member's public file ({error}); {expected}") from None


class PublicMember(msgspec.Struct, frozen=True, kw_only=True):
    """What `suyuan keygen` writes as member.json; kind by name, key in base64."""

    member: str
    name: str
    kind: str
    region: str
    key: bytes

    def founder(self) -> g.Founder:
        kinds = {kind.name.lower(): kind for kind in MemberKind}
        if self.kind not in kinds:
            raise Malformed("kind", f"{self.kind!r} is none of {', '.join(kinds)}")
        return g.Founder(key=self.key, kind=kinds[self.kind], member=self.member, name=self.name, region=self.region)


def init(
    data: Data,
    name: Annotated[str, typer.Option(help="The log's name (its origin line), such as example.org/food.")],
    founder: Annotated[list[Path], typer.Option(help="member.json of a founder; at least one is a regulator.")],
    region: Annotated[str, typer.Option(help="Where the chain is kept, such as CN-33.")] = "CN",
    host: Annotated[list[str] | None, typer.Option(help="Names or addresses in the server's certificate.")] = None,
    as_json: Json = False,
) -> None:
    """Make a new chain in DATA: keys, certificates, genesis, and what a node keeps, empty."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter(f"--name {name!r}: 3 to 63 of a-z, 0-9, dot, hyphen and slash, as example.org/food")
    if not REGION.fullmatch(region):
        raise typer.BadParameter(f"--region {region!r}: a country, such as CN, or a part of it, such as CN-33")
    founders = [_founder(path) for path in founder]
    folder = data / "keys"
    log_seed, validator_seed = keys.draw_seed(), keys.draw_seed()
    genesis = g.Genesis(
        founders=founders,
        log=signature.public_key(log_seed),
        name=name,
        region=region,
        rules=RULES_VERSION,
        time=clock_ms(),
        validators=[g.Validator(key=signature.public_key(validator_seed), name=f"{name}/validator-1")],
    )
    g.from_json(g.to_json(genesis))  # refused before anything is written
    with founding.in_one_go(data):
        keys.store_seed(folder, keys.LOG_KEY, log_seed)
        keys.store_seed(folder, keys.VALIDATOR_KEY, validator_seed)
        tls.make_authority(folder, name.split("/")[0], dt.datetime.now(dt.UTC))
        tls.make_server(folder, name.split("/")[0], host or HOSTS, dt.datetime.now(dt.UTC))
        ChainStore.create(data, genesis)
        write_policy(data, genesis)
        PrivateStore(data / ROWS_FILE).close()
        if not (data / CONFIG_FILE).exists():
            (data / CONFIG_FILE).write_text("# Settings of this node; see docs/operating.md\n")
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
