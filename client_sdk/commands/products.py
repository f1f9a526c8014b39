"""`suyuan register`: a product, another level of it, or one that is weighed."""

from typing import Annotated

import typer

from client_sdk import build, keys
from client_sdk.commands import parsing
from client_sdk.commands.options import Identity, Json, Queue
from client_sdk.commands.signing import sign
from client_sdk.wire import clock_ms
from ledger import records as r

OfProduct = typer.Option(parser=parsing.product, metavar="PRODUCT", help="GTIN, or MEMBER/CODE without one.")
OfBase = typer.Option(parser=parsing.product, metavar="PRODUCT", help="The base item, where this is a case of it.")


def register_product(
    identity: Identity,
    product: Annotated[str, OfProduct],
    name: Annotated[str, typer.Option(help="As it stands on the label.")],
    declared_by: Annotated[
        r.DeclaredBy,
        typer.Option(
            parser=parsing.choice(r.DeclaredBy), metavar="ROLE", help="maker, importer or holder.",
            show_default="maker",
        ),
    ] = r.DeclaredBy.MAKER,
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
    closed: Annotated[bool, typer.Option("--closed", help="It comes from members only: nobody enters it.")] = False,
    queue: Queue = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Declare a product, or another level (a case) of one."""
    if declared_by == r.DeclaredBy.MAKER and maker is None:
        maker = keys.load_public(identity).member
    if closed and declared_by == r.DeclaredBy.HOLDER:
        raise typer.BadParameter("only its maker or importer closes a product")
    if (base is None) != (contains is None):
        raise typer.BadParameter("a case is declared with both --base (the item in it) and --contains (how many)")
    one = build.act(
        r.Register, at=clock_ms(), declared_by=declared_by, maker=maker, name=name, product=product, base=base,
        contains=contains, tolerance_permille=tolerance_permille, grams=grams, category=category, licence=licence,
        registration=registration, origin=origin, shelf_days=shelf_days, specification=specification,
        temp_min_mc=temp_min, temp_max_mc=temp_max, closed=closed or None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    app.command("register")(register_product)
