"""Commands about members, keys, sites and products: admit, suspend, key, site, register."""

from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.commands.options import Identity, Json, client, say
from client_sdk.commands.signing import Queue, Reason, moment, named, own_site, sign
from ledger import records as r
from ledger.errors import Malformed

key_app = typer.Typer(no_args_is_help=True, help="Keys of a member: admit a further one, retire or revoke one.")
PublicFile = Annotated[Path, typer.Argument(help="member.json that `suyuan keygen` wrote for the other key.")]


def admit(
    identity: Identity,
    member: Annotated[list[Path], typer.Argument(help="member.json of each newcomer.")],
    as_json: Json = False,
) -> None:
    """Admit members; for regulators."""
    acts = [_admit(keys.load_public_file(path)) for path in member]
    with client(identity) as regulator:
        receipts = regulator.submit(acts)
    say(as_json, {"admitted": len(acts), "leaf": receipts[-1].leaf})


def _admit(new: keys.Public) -> Act:
    kind = named(r.MemberKind, new.kind, "kind")
    when = moment("")
    return build.act(r.Admit, at=when, key=new.key, kind=kind, member=new.member, name=new.name, region=new.region)


def suspend(
    identity: Identity,
    member: Annotated[str, typer.Argument(help="The member.")],
    reason: Reason,
    ended: Annotated[bool, typer.Option("--ended", help="The suspension ends.")] = False,
    as_json: Json = False,
) -> None:
    """Suspend a member, or end that; for regulators. What it does meanwhile is taken, and shown so."""
    one = build.act(r.Suspend, at=moment(""), ended=ended or None, member=member, reason=reason)
    sign(identity, False, as_json, [one])


@key_app.command("admit")
def admit_key(
    identity: Identity,
    member: PublicFile,
    label: Annotated[str, typer.Option(help="Who holds it: a terminal, an accountant, a liquidator.")] = "",
    act: Annotated[list[str], typer.Option(help="It signs only these acts; may be repeated.")] = [],  # noqa: B006
    site: Annotated[list[str], typer.Option(help="It signs only for these sites; may be repeated.")] = [],  # noqa: B006
    until: Annotated[str, typer.Option(help="It signs until this time.")] = "",
    as_json: Json = False,
) -> None:
    """Let another key sign for a member, with limits if you like; signed by the member or a regulator."""
    public = keys.load_public_file(member)
    limits = r.KeyLimits(
        acts=[named(r.Act, one, "act").value for one in act] or None,
        sites=[own_site(identity, one) for one in site] or None,
        until=moment(until) if until else None,
    )
    bound = limits if limits != r.KeyLimits() else None
    one = _key(public, r.KeyChange.ADMIT, label=label or None, limits=bound)
    sign(identity, False, as_json, [one])


@key_app.command("retire")
def retire_key(identity: Identity, member: PublicFile, as_json: Json = False) -> None:
    """End a key in an orderly way: what it signed before is still taken for some days."""
    sign(identity, False, as_json, [_key(keys.load_public_file(member), r.KeyChange.RETIRE)])


@key_app.command("revoke")
def revoke_key(
    identity: Identity,
    member: PublicFile,
    suspect_from: Annotated[str, typer.Option(help="Since when it may have been in wrong hands.")] = "",
    as_json: Json = False,
) -> None:
    """End a key at once: it was lost or stolen. What was accepted stays, and is flagged from --suspect-from on."""
    since = moment(suspect_from) if suspect_from else None
    sign(identity, False, as_json, [_key(keys.load_public_file(member), r.KeyChange.REVOKE, suspect_from=since)])


def _key(public: keys.Public, change: r.KeyChange, **fields: Any) -> Act:
    return build.act(r.Key, at=moment(""), change=change, key=public.key, member=public.member, **fields)


def site(
    identity: Identity,
    site: Annotated[str, typer.Argument(help="Its code, or MEMBER/CODE; a code of 13 digits is a GLN.")],
    name: Annotated[str, typer.Option(help="Name of the place.")],
    region: Annotated[str, typer.Option(help="Such as CN-3304.")] = "CN",
    public: Annotated[bool, typer.Option("--public", help="A shop whose code opens the way of its goods.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="It is given up.")] = False,
    as_json: Json = False,
) -> None:
    """Declare an own site, or change what was said of it."""
    one = build.act(
        r.Site, at=moment(""), closed=closed or None, name=name, public=public or None, region=region,
        site=own_site(identity, site),
    )  # fmt: skip
    sign(identity, False, as_json, [one])


def register_product(
    identity: Identity,
    product: Annotated[str, typer.Option(help="GTIN-14, or MEMBER/CODE.")],
    name: Annotated[str, typer.Option()],
    declared_by: Annotated[str, typer.Option(help="maker, importer or holder.")] = "maker",
    base: Annotated[str, typer.Option(help="The base item, where this is a case.")] = "",
    contains: Annotated[int, typer.Option(help="How many base items are in it.")] = 0,
    category: str = "",
    grams: Annotated[int, typer.Option(help="Net weight of one item.")] = 0,
    tolerance_permille: Annotated[
        int | None, typer.Option(help="Of variable measure: how far two scales may differ, in thousandths.")
    ] = None,
    licence: str = "",
    registration: str = "",
    origin: str = "",
    shelf_days: int = 0,
    specification: str = "",
    temp_min_mc: Annotated[int | None, typer.Option(help="Thousandths of a degree Celsius.")] = None,
    temp_max_mc: Annotated[int | None, typer.Option(help="Thousandths of a degree Celsius.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="It comes from members only; nobody enters it.")] = False,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Declare a product, or another level (a case) of one."""
    by = named(r.DeclaredBy, declared_by, "declared-by")
    if by == r.DeclaredBy.HOLDER and closed:
        raise Malformed("closed", "only its maker or importer closes a product")
    maker = keys.load_public(identity).member if by == r.DeclaredBy.MAKER else None
    optional: dict[str, Any] = {
        "base": base, "contains": contains, "category": category, "grams": grams, "licence": licence,
        "registration": registration, "origin": origin, "shelf_days": shelf_days, "specification": specification,
        "closed": closed,
    }  # fmt: skip
    given = {field: value for field, value in optional.items() if value}
    one = build.act(
        r.Register, at=moment(""), declared_by=by, maker=maker, name=name, product=product, temp_min_mc=temp_min_mc,
        temp_max_mc=temp_max_mc, tolerance_permille=tolerance_permille, **given,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (admit, suspend, site):
        app.command()(command)
    app.command("register")(register_product)
    app.add_typer(key_app, name="key")
