"""`suyuan-node genesis`, `join`, `peer`: founding a network, joining it, and knowing its other nodes."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from ledger import genesis as g
from ledger.errors import Malformed
from ledger.limits import POLICY_DAYS_MAX
from ledger.moment import shown
from ledger.storage.chainstore import read_genesis
from node import governing, network, peers, rotation
from node.commands.options import Data, Folder, Json, check_region, say, warn

POLICY_DAYS = 730


def genesis(
    out: Annotated[Path, typer.Argument(help="Where the genesis goes; it must not be there yet.")],
    name: Annotated[str, typer.Option(help="The log's name, as each owner gave it to init.")],
    founder: Annotated[list[Path], typer.Option(help="member.json of a founder; at least one is a regulator.")],
    validator: Annotated[list[Path], typer.Option(help="peer.json of each validator.")],
    region: Annotated[str, typer.Option(help="Where the chain is kept, such as CN-33.")] = "CN",
    policy_days: Annotated[
        int,
        typer.Option(
            help="For how long readers may trust these validators before they must be confirmed anew.",
            min=1,
            max=POLICY_DAYS_MAX,
        ),
    ] = POLICY_DAYS,
    as_json: Json = False,
) -> None:
    """Collect the public files of all owners into the genesis of a network. One of them does this, once; the others
    check it."""
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; nothing was changed")
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=policy_days)
    made = network.collect(
        name,
        [network.founder(path) for path in founder],
        [peers.read(path) for path in validator],
        check_region(region),
        int(ends.timestamp()) * 1000,
    )
    out.write_bytes(g.to_json(made))
    say(as_json, {"genesis": str(out), **_told(made)})


def _told(made: g.Genesis) -> dict[str, str]:
    """What owners read to one another before they start."""
    return {
        "chain": g.chain_id(made).hex(),
        "founders": ", ".join(f"{one.name} ({one.member})" for one in made.founders),
        "validators": ", ".join(one.name for one in made.validators),
        "policy_ends": "never" if made.expires is None else shown(made.expires),
    }


def join(
    data: Folder,
    genesis: Annotated[Path, typer.Argument(help="The genesis that was collected.")],
    peer: Annotated[list[Path], typer.Argument(help="peer.json of every other node.")],
    chain: Annotated[str | None, typer.Option(help="Its hash, as the other owners read it to you.")] = None,
    as_json: Json = False,
) -> None:
    """Make DATA, which init --node made, a node of a network: a validator where the genesis names it, else an
    observer, which follows the chain and orders nothing."""
    made = _genesis(genesis)
    found = g.chain_id(made).hex()
    if chain is None:
        told = "; ".join(f"{name} {value}" for name, value in _told(made).items())
        advice = f"Compare the hash with the other owners by another way, then: --chain {found}"
        raise Malformed(str(genesis), f"say that you checked it: {told}. {advice}")
    if chain != found:
        advice = "do not start, and ask the other owners which genesis is theirs"
        raise Malformed(str(genesis), f"its hash and the one that you were read differ: {advice}")
    say(as_json, {**network.join(data, made, [peers.read(path) for path in peer]), "chain": found})


def _genesis(path: Path) -> g.Genesis:
    try:
        return g.from_json(path.read_bytes())
    except Malformed as error:
        expected = "the genesis is expected here, as suyuan-node genesis writes it, and the public files after it"
        raise Malformed(str(path), f"{error.message}; {expected}") from None


def peer(
    data: Data,
    public: Annotated[Path, typer.Argument(help="peer.json of another node.")],
    as_json: Json = False,
) -> None:
    """Let another node in, or follow it to another address, at this node's next start."""
    read_genesis(data)
    other = peers.read(public)
    own = peers.own(data)
    if own is None or own.name.rpartition("/")[0] != other.name.rpartition("/")[0]:
        raise Malformed(str(public), f"{other.name} is no node of this network")
    if own.name == other.name:
        raise Malformed(str(public), "this is the node itself")
    peers.require_apart([own, *(one for one in peers.others(data) if one.name != other.name), other])
    kept = peers.add(data, other)
    say(as_json, {"node": other.name, "kept": str(kept), "address": other.address, "cosign": other.cosign})
    warn("the node knows it from its next start on")


def approve(
    data: Data,
    terms: Annotated[Path, typer.Argument(help="The terms of the next policy, as the regulator handed them out.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where this validator's approval goes.")],
    as_json: Json = False,
) -> None:
    """Consent to the next policy, with the key by which this validator cosigns. Read what it says before you hand the
    approval on, and compare each key with that owner's peer.json (peer.next.json): more than two thirds of the
    validators replace all of them."""
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; nothing was changed")
    approved, told = governing.approve(data, terms.read_bytes(), str(terms))
    out.write_bytes(approved)
    say(as_json, {**told, "approval": str(out)})


def rotate(data: Data, as_json: Json = False) -> None:
    """Draw new keys for a validator. They count from the first start after a policy names them; hand
    DATA/peer.next.json to the regulator, who proposes that: suyuan policy propose --replace."""
    following = rotation.rotate(data)
    say(as_json, {"node": following.name, "public": str(data / rotation.NEXT_FILE)})


def register(app: typer.Typer) -> None:
    for command in (genesis, join, peer, approve, rotate):
        app.command()(command)
