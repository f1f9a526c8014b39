"""`suyuan-node init`, `certify`, `connection`, `renew`: what is made once, or for a member."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ledger import genesis as g
from ledger import signature
from ledger.block import RULES_VERSION
from ledger.errors import Malformed, SuyuanError
from ledger.records import MemberKind
from ledger.storage.chainstore import read_genesis
from node import founding, keys, tls
from node.commands.options import Data, Json, say, warn
from node.config import POLICY_FILE
from node.run import ENDPOINTS_FILE, clock_ms

HOSTS = ["127.0.0.1", "localhost"]


def _founder(path: Path) -> g.Founder:
    """A founder from the public file `member.json` that `suyuan keygen` writes."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PublicMember).founder()
    except (ValueError, msgspec.MsgspecError) as error:
        raise Malformed(str(path), f"not a member's public file: {error}") from None


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
    founders = [_founder(path) for path in founder]
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
        seeds = founding.Seeds(log_seed, validator_seed)
        founding.lay_out(data, genesis, seeds, host or HOSTS, "# Settings of this node; see docs/operating.md\n")
    say(as_json, {"name": name, "chain": g.chain_id(genesis).hex(), "data": str(data)})


def certify(
    data: Data,
    request: Annotated[Path, typer.Argument(help="The member's tls.csr.")],
    member: Annotated[str, typer.Option(help="The member that the certificate names.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the certificate goes.")],
    as_json: Json = False,
) -> None:
    """Issue a member's client certificate."""
    out.write_bytes(tls.certify(data / "keys", request.read_bytes(), member, dt.datetime.now(dt.UTC)))
    say(as_json, {"member": member, "certificate": str(out)})


def connection(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the connection file goes.")],
    as_json: Json = False,
) -> None:
    """Write the file by which members and readers reach this node and know what to trust."""
    endpoints_file = data / ENDPOINTS_FILE
    if not endpoints_file.exists():
        raise SuyuanError("the node does not run, so nobody knows its ports; start it first")
    endpoints = json.loads(endpoints_file.read_text())
    genesis = read_genesis(data)
    content = {
        "name": genesis.name,
        "chain": g.chain_id(genesis).hex(),
        "members": endpoints["members"],
        "readers": endpoints["readers"],
        "ca": (data / "keys" / tls.CA_CERT).read_text(),
        "policy": (data / POLICY_FILE).read_text(),
    }
    out.write_text(json.dumps(content, indent=2) + "\n")
    say(as_json, {"connection": str(out), "members": endpoints["members"], "readers": endpoints["readers"]})


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
