"""Commands that sign one act each: admit, register, ship, receive, withdraw, move, sell, voucher, recall."""

import os
import time
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from client_sdk import build, codes, keys
from client_sdk.build import Act
from client_sdk.commands.options import Identity, Json, Lot, Quantity, Ref, client, say
from ledger import records as r
from ledger.errors import Malformed
from ledger.identifiers import split_lot
from ledger.proof.verify import voucher_hash

ShipHash = Annotated[str, typer.Option("--ship", help="The ship's record hash, as `suyuan handovers` shows it.")]
Site = Annotated[str, typer.Option(help="MEMBER/CODE; the own main site if left out.")]
Chosen = TypeVar("Chosen", bound=IntEnum)
Parts = Annotated[int, typer.Option(min=0, help="In base items.")]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _submit(folder: Path, as_json: bool, one: Act, **more: Any) -> None:
    """Sign, send, verify the receipt, and say where the act stands."""
    with client(folder) as member:
        receipt = member.submit([one])[0]
    stands = {"record": receipt.hashes[0].hex(), "leaf": receipt.leaf, "earlier": receipt.earlier}
    say(as_json, stands | {"receipt": "verified: durable and cosigned by the quorum"} | more)


def _own_site(folder: Path, site: str) -> str:
    return site or f"{keys.load_public(folder).member}/main"


def _named(kinds: type[Chosen], text: str, what: str) -> Chosen:
    """The member of an enumeration that a user names in lower case."""
    found = {one.name.lower(): one for one in kinds}
    if text not in found:
        raise Malformed(what, f"{text!r} is none of {', '.join(found)}")
    return found[text]


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Malformed("record hash", f"{text!r} is not 64 hexadecimal digits")
    return value


def ship(
    identity: Identity,
    lot: Lot,
    quantity: Quantity,
    to: Annotated[str, typer.Option(help="The member that gets it.")],
    ref: Ref,
    site: Site = "",
    to_site: Annotated[str, typer.Option(help="Its site; its main site if left out.")] = "",
    owner: Annotated[str, typer.Option(help="The owner, where you ship as keeper.")] = "",
    as_json: Json = False,
) -> None:
    """Hand a lot over; the receiver answers with `suyuan receive`."""
    one = build.ship(
        lot=lot, quantity=quantity, ref=ref, at=_now(), site=_own_site(identity, site), to=to,
        to_site=to_site or None, owner=owner or None,
    )  # fmt: skip
    _submit(identity, as_json, one)


def receive(
    identity: Identity,
    ship: ShipHash,
    lot: Lot,
    ref: Ref,
    accepted: Parts = 0,
    refused: Parts = 0,
    short: Parts = 0,
    destroyed: Parts = 0,
    as_json: Json = False,
) -> None:
    """Answer a ship that waits for you, in whole or in part."""
    one = build.receive(
        ship=_hash(ship), lot=lot, ref=ref, at=_now(), accepted=accepted or None, refused=refused or None,
        short=short or None, destroyed=destroyed or None,
    )  # fmt: skip
    _submit(identity, as_json, one)


def withdraw(
    identity: Identity,
    ship: ShipHash,
    lot: Lot,
    to: Annotated[str, typer.Option(help="Who was to receive it.")],
    ref: Ref,
    as_json: Json = False,
) -> None:
    """Cancel what is still open of an own ship."""
    _submit(identity, as_json, build.withdraw(ship=_hash(ship), to=to, lot=lot, ref=ref, at=_now()))


def move(
    identity: Identity, lot: Lot, quantity: Quantity, to_site: Site, ref: Ref, site: Site = "", as_json: Json = False
) -> None:
    """Move goods between own sites."""
    own = _own_site(identity, site)
    _submit(identity, as_json, build.move(lot=lot, quantity=quantity, ref=ref, at=_now(), site=own, to_site=to_site))


def sell(identity: Identity, lot: Lot, quantity: Quantity, ref: Ref, site: Site = "", as_json: Json = False) -> None:
    """Book a sale to a consumer."""
    own = _own_site(identity, site)
    _submit(identity, as_json, build.sell(lot=lot, quantity=quantity, ref=ref, at=_now(), site=own))


def voucher(
    identity: Identity,
    lot: Lot,
    site: Site = "",
    host: Annotated[str, typer.Option(help="Host in the consumer link.")] = "id.example.org",
    as_json: Json = False,
) -> None:
    """Draw a voucher for an own position, and print the consumer link that opens its way."""
    secret = os.urandom(codes.VOUCHER_BYTES)
    own = _own_site(identity, site)
    one = build.act(r.Voucher, at=_now(), lot=lot, site=own, voucher=voucher_hash(secret))
    product, number = split_lot(lot)
    _submit(identity, as_json, one, voucher=secret.hex(), link=codes.link(product, number, secret, host))


def recall(
    identity: Identity,
    reason: Annotated[str, typer.Option(help="Why, for everybody to read.")],
    lot: Annotated[str, typer.Option(help="One lot.")] = "",
    product: Annotated[str, typer.Option(help="All lots of a product.")] = "",
    maker: Annotated[str, typer.Option(help="All lots of a maker.")] = "",
    grade: Annotated[int, typer.Option(min=1, max=3, help="Class I, II or III.")] = 1,
    made_from: Annotated[int, typer.Option(help="First production date, YYYYMMDD.")] = 0,
    made_until: Annotated[int, typer.Option(help="Last production date, YYYYMMDD.")] = 0,
    as_json: Json = False,
) -> None:
    """Recall a lot, a product or everything of a maker."""
    subjects = {"lot": lot, "product": product, "member": maker}
    named = {name: value for name, value in subjects.items() if value}
    if len(named) != 1:
        raise typer.BadParameter("name one of --lot, --product, --maker")
    kind = r.SubjectKind[next(iter(named)).upper()]
    subject = r.Subject(kind=kind, lot=lot or None, product=product or None, member=maker or None)
    one = build.act(
        r.Recall, at=_now(), grade=grade, made_from=made_from or None, made_until=made_until or None,
        reason=reason, subject=subject,
    )  # fmt: skip
    _submit(identity, as_json, one)


def _admit(new: keys.Public) -> Act:
    kind = _named(r.MemberKind, new.kind, "kind")
    return build.act(r.Admit, at=_now(), key=new.key, kind=kind, member=new.member, name=new.name, region=new.region)


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


def register_product(
    identity: Identity,
    product: Annotated[str, typer.Option(help="GTIN-14, or MEMBER/CODE.")],
    name: Annotated[str, typer.Option()],
    declared_by: Annotated[str, typer.Option(help="maker, importer or holder.")] = "maker",
    base: Annotated[str, typer.Option(help="The base item, where this is a case.")] = "",
    contains: Annotated[int, typer.Option(help="How many base items are in it.")] = 0,
    category: str = "",
    grams: int = 0,
    licence: str = "",
    registration: str = "",
    origin: str = "",
    shelf_days: int = 0,
    specification: str = "",
    temp_min_mc: Annotated[int | None, typer.Option(help="Thousandths of a degree Celsius.")] = None,
    temp_max_mc: Annotated[int | None, typer.Option(help="Thousandths of a degree Celsius.")] = None,
    as_json: Json = False,
) -> None:
    """Declare a product, or another level (a case) of one."""
    by = _named(r.DeclaredBy, declared_by, "declared-by")
    maker = keys.load_public(identity).member if by == r.DeclaredBy.MAKER else None
    optional: dict[str, Any] = {
        "base": base, "contains": contains, "category": category, "grams": grams, "licence": licence,
        "registration": registration, "origin": origin, "shelf_days": shelf_days, "specification": specification,
    }  # fmt: skip
    given = {field: value for field, value in optional.items() if value}
    one = build.act(
        r.Register, at=_now(), declared_by=by, maker=maker, name=name, product=product, temp_min_mc=temp_min_mc,
        temp_max_mc=temp_max_mc, **given,
    )  # fmt: skip
    _submit(identity, as_json, one)


def register(app: typer.Typer) -> None:
    for command in (ship, receive, withdraw, move, sell, voucher, recall, admit):
        app.command()(command)
    app.command("register")(register_product)
