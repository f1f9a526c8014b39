"""`suyuan register`: a product, another level of it, or one that is weighed; and what changes of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from client_sdk import build, keys
from client_sdk.access import Unlocked
from client_sdk.commands import parsing
from client_sdk.commands.options import Identity, Json, client, unlocked
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import records as r

OfProduct = typer.Option(parser=parsing.product, metavar="PRODUCT", help="GTIN, or MEMBER/CODE without one.")
OfBase = typer.Option(parser=parsing.product, metavar="PRODUCT", help="The base item, where this is a case of it.")


CLEARED: Final = {
    "maker": "maker", "tolerance-permille": "tolerance_permille", "grams": "grams", "category": "category",
    "licence": "licence", "registration": "registration", "origin": "origin", "shelf-days": "shelf_days",
    "specification": "specification", "temp-min": "temp_min_mc", "temp-max": "temp_max_mc",
}  # fmt: skip
"""Options of what a declaration may say and leave out, and the fields that they set."""


def register_product(
    identity: Identity,
    product: Annotated[str, OfProduct],
    name: Annotated[str | None, typer.Option(help="As it stands on the label.")] = None,
    declared_by: Annotated[
        r.DeclaredBy | None,
        typer.Option(
            parser=parsing.choice(r.DeclaredBy), metavar="ROLE", help="maker, importer or holder.",
            show_default="maker",
        ),
    ] = None,
    maker: Annotated[
        str | None,
        typer.Option(parser=parsing.member, metavar="MEMBER", help="Its maker, if a member; of a maker: itself."),
    ] = None,
    base: Annotated[str | None, OfBase] = None,
    contains: Annotated[int | None, typer.Option(min=1, help="How many base items are in it.")] = None,
    tolerance_permille: Annotated[
        int | None,
        typer.Option(min=0, max=1000, help="Of variable measure, each item weighed: two scales may differ so much."),
    ] = None,
    grams: Annotated[int | None, typer.Option(min=1, help="Net weight of an item, where all weigh the same.")] = None,
    category: Annotated[str | None, typer.Option(help="Of the production licence; 129 is infant formula.")] = None,
    licence: Annotated[str | None, typer.Option(help="Production licence, SC and 14 digits.")] = None,
    registration: Annotated[str | None, typer.Option(help="Of an infant formula, 国食注字YP….")] = None,
    origin: Annotated[str | None, typer.Option(help="Country, such as CN.")] = None,
    shelf_days: Annotated[int | None, typer.Option(min=1, help="Shelf life in days.")] = None,
    specification: Annotated[str | None, typer.Option(help="As in books: 800g*6.")] = None,
    temp_min: Annotated[
        int | None, typer.Option(parser=parsing.celsius, metavar="CELSIUS", help="Colder is a breach.")
    ] = None,
    temp_max: Annotated[
        int | None, typer.Option(parser=parsing.celsius, metavar="CELSIUS", help="Warmer is a breach.")
    ] = None,
    closed: Annotated[
        bool | None, typer.Option("--closed/--not-closed", help="It comes from members only: nobody enters it.")
    ] = None,
    clear: Annotated[
        list[str], typer.Option(metavar="OPTION", help="What is not said any more, such as licence; repeatable.")
    ] = [],  # noqa: B006
    queue: Annotated[
        bool, typer.Option("--queue", help="Keep it in the outbox. No node is asked: name again all that stays.")
    ] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Declare a product, or another level (a case) of one, or change what you declared; what is not named stays."""
    if (base is None) != (contains is None):
        raise typer.BadParameter("a case is declared with both --base (the item in it) and --contains (how many)")
    given = {
        "declared_by": declared_by, "maker": maker, "name": name, "base": base, "contains": contains,
        "tolerance_permille": tolerance_permille, "grams": grams, "category": category, "licence": licence,
        "registration": registration, "origin": origin, "shelf_days": shelf_days, "specification": specification,
        "temp_min_mc": temp_min, "temp_max_mc": temp_max, "closed": closed,
    }  # fmt: skip
    gone = _cleared(clear, given)
    who, old = (identity, None) if queue else _declared(identity, product, maker)
    kept = {} if old is None else _kept(old, given, gone)
    fields = _checked(product, given | kept, keys.load_public(identity).member)
    told: dict[str, Any] = {"unchanged": sorted(kept)} if kept else {}
    sign(who, queue, as_json, [build.act(r.Register, at=clock_ms(), product=product, **fields)], **told)


def _cleared(names: Sequence[str], given: Mapping[str, Any]) -> set[str]:
    for name in names:
        if name not in CLEARED:
            raise typer.BadParameter(f"--clear {name!r} is none of {', '.join(CLEARED)}")
        if given[CLEARED[name]] is not None:
            raise typer.BadParameter(f"--{name} is given and cleared; say one of both")
    return {CLEARED[name] for name in names}


def _declared(identity: Path, product: str, maker: str | None) -> tuple[Unlocked, e.ProductEntry | None]:
    """What stands of a product, where it is the signer's own declaration, or (of a regulator) that of the maker that
    it speaks for: another's goes with whoever made it."""
    who = unlocked(identity)
    with client(who) as member:
        old = member.product(product)
    speaks = maker if who.identity.public.kind == "regulator" and maker is not None else who.identity.member
    return who, old if old is not None and old.declarer == speaks else None


def _kept(old: e.ProductEntry, given: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """The fields that are neither given nor cleared. In another role, somebody else is the maker."""
    if given["declared_by"] not in (None, old.declared_by):
        gone = gone | {"maker"}
    names = [name for name, value in given.items() if value is None and name not in gone]
    return {name: getattr(old, name) for name in names if getattr(old, name) is not None}


def _checked(product: str, fields: dict[str, Any], member: str) -> dict[str, Any]:
    role = fields["declared_by"] or r.DeclaredBy.MAKER
    if fields["name"] is None:
        raise typer.BadParameter(f"{product} is not declared by you: say its --name")
    if fields["closed"] and role == r.DeclaredBy.HOLDER:
        raise typer.BadParameter("only its maker or importer closes a product")
    maker = fields["maker"] or (member if role == r.DeclaredBy.MAKER else None)
    return fields | {"declared_by": role, "maker": maker, "closed": fields["closed"] or None}


def register(app: typer.Typer) -> None:
    app.command("register")(register_product)
