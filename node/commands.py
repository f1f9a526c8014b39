"""`suyuan-node`: what an operator does with a node."""

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvloop
from pydantic import ValidationError

from ledger import genesis as g
from ledger import policy, signature
from ledger.block import RULES_VERSION
from ledger.errors import Malformed, SuyuanError
from ledger.records import MemberKind
from ledger.storage.chainstore import ChainStore, read_genesis
from node import keys, logs, tls
from node.config import CONFIG_FILE, Settings
from node.run import ENDPOINTS_FILE, calm_garbage_collector, clock_ms
from node.run import run as run_node

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Operate a node of a Suyuan ledger.",
)

Data = Annotated[Path, typer.Argument(help="The node's data folder.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def main() -> None:
    """Errors end with exit code 1 and one line that says what to do; wrong usage with 2."""
    try:
        app()
    except (SuyuanError, OSError) as error:
        print(f"suyuan-node: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except ValidationError as error:
        for found in error.errors():
            name = ".".join(str(part) for part in found["loc"])
            print(f"suyuan-node: setting {name}: {found['msg']} (found {found['input']!r})", file=sys.stderr)
        raise SystemExit(2) from None


def _say(as_json: bool, values: dict[str, Any]) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
    else:
        for name, value in values.items():
            print(f"{name:<12} {value}")


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


@app.command()
def init(
    data: Data,
    name: Annotated[str, typer.Option(help="The log's name (its origin line), such as example.org/food.")],
    founder: Annotated[list[Path], typer.Option(help="member.json of a founder; at least one is a regulator.")],
    region: Annotated[str, typer.Option(help="Where the chain is kept, such as CN-33.")] = "CN",
    host: Annotated[list[str] | None, typer.Option(help="Names or addresses in the server's certificate.")] = None,
    as_json: Json = False,
) -> None:
    """Make a new chain in DATA: keys, certificates, genesis, empty block files and index."""
    if (data / "genesis.json").exists():
        raise Malformed(str(data), "a chain is there already; nothing was changed")
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
    keys.store_seed(folder, keys.LOG_KEY, log_seed)
    keys.store_seed(folder, keys.VALIDATOR_KEY, validator_seed)
    tls.make_authority(folder, name.split("/")[0], host or ["127.0.0.1", "localhost"], dt.datetime.now(dt.UTC))
    ChainStore.create(data, genesis)
    (data / "policy.txt").write_text(policy.format_policy(policy.of_genesis(genesis)))
    if not (data / CONFIG_FILE).exists():
        (data / CONFIG_FILE).write_text("# Settings of this node; see docs/operating.md\n")
    _say(as_json, {"name": name, "chain": g.chain_id(genesis).hex(), "data": str(data)})


@app.command()
def run(
    data: Data,
    members_port: Annotated[int | None, typer.Option(help="gRPC port for members (0: any free one).")] = None,
    readers_port: Annotated[int | None, typer.Option(help="gRPC port for readers (0: any free one).")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics (0: any free one).")] = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Settings: node.toml in DATA, then SUYUAN_… variables, then options."""
    given: dict[str, Any] = {"members_port": members_port, "readers_port": readers_port, "metrics_port": metrics_port}
    settings = Settings(data=data, **{name: value for name, value in given.items() if value is not None})
    logs.set_up(settings.log_level, settings.log_json)
    uvloop.run(run_node(settings))


@app.command()
def status(data: Data, as_json: Json = False) -> None:
    """Where this node's log stands, and where it listens while it runs."""
    genesis = read_genesis(data)
    values: dict[str, Any] = {"name": genesis.name, "chain": g.chain_id(genesis).hex()}
    try:
        endpoints = json.loads((data / ENDPOINTS_FILE).read_text())
        values |= {"running": True, **endpoints}
    except FileNotFoundError:
        store = ChainStore.open(data)
        try:
            values |= {"running": False, "height": store.head.height, "leaves": store.head.log.size}
            values |= {"root": store.head.log.root().hex(), "state": store.head.state[0].hex()}
        finally:
            store.close()
    _say(as_json, values)


@app.command()
def check(data: Data, as_json: Json = False) -> None:
    """Read every stored block and tile again, and compare index and log with them. The node must not run."""
    store = ChainStore.open(data)
    try:
        found = store.check()
    finally:
        store.close()
    _say(as_json, found)


@app.command()
def rebuild(data: Data, as_json: Json = False) -> None:
    """Make index and tiles anew from the block files."""

    def progress(height: int, last: int) -> None:
        if sys.stderr.isatty() and (height % 100 == 0 or height == last):
            print(f"\rblock {height} of {last}", end="\n" if height == last else "", file=sys.stderr, flush=True)

    calm_garbage_collector()
    store = ChainStore.rebuild(data, progress)
    try:
        _say(as_json, {"height": store.head.height, "leaves": store.head.log.size})
    finally:
        store.close()


@app.command()
def certify(
    data: Data,
    request: Annotated[Path, typer.Argument(help="The member's tls.csr.")],
    member: Annotated[str, typer.Option(help="The member that the certificate names.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the certificate goes.")],
    as_json: Json = False,
) -> None:
    """Issue a member's client certificate."""
    out.write_bytes(tls.certify(data / "keys", request.read_bytes(), member, dt.datetime.now(dt.UTC)))
    _say(as_json, {"member": member, "certificate": str(out)})


@app.command()
def connection(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the connection file goes.")],
    as_json: Json = False,
) -> None:
    """Write the file by which members and readers reach this node and know what to trust."""
    endpoints_file = data / ENDPOINTS_FILE
    if not endpoints_file.exists():
        _fail("the node does not run, so nobody knows its ports; start it first")
    endpoints = json.loads(endpoints_file.read_text())
    genesis = read_genesis(data)
    content = {
        "name": genesis.name,
        "chain": g.chain_id(genesis).hex(),
        "members": endpoints["members"],
        "readers": endpoints["readers"],
        "ca": (data / "keys" / tls.CA_CERT).read_text(),
        "policy": (data / "policy.txt").read_text(),
    }
    out.write_text(json.dumps(content, indent=2) + "\n")
    _say(as_json, {"connection": str(out), "members": endpoints["members"], "readers": endpoints["readers"]})


def _fail(message: str) -> NoReturn:
    print(f"suyuan-node: {message}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
