"""What a fact, hold or recall is about, as options."""

from typing import Annotated, Any, Final

import typer

from client_sdk.commands import parsing
from ledger import records as r

OfLot = Annotated[
    str | None,
    typer.Option(
        "--lot", parser=parsing.lot, metavar="LOT", help="A lot; with --owner and --site its position there."
    ),
]
OfOwner = Annotated[
    str | None, typer.Option("--owner", parser=parsing.member, metavar="MEMBER", help="Owner of a position.")
]
OfSite = Annotated[str | None, typer.Option("--site", help="MEMBER/CODE, of a position.")]
OfPlace = Annotated[str | None, typer.Option("--site", help="MEMBER/CODE: a site, or that of a position.")]
OfProduct = Annotated[
    str | None, typer.Option("--product", parser=parsing.product, metavar="PRODUCT", help="All lots of a product.")
]
OfMember = Annotated[str | None, typer.Option("--member", parser=parsing.member, metavar="MEMBER", help="A member.")]
OfMaker = Annotated[
    str | None, typer.Option("--maker", parser=parsing.member, metavar="MEMBER", help="All that a member makes.")
]
OfShip = Annotated[
    str | None,
    typer.Option("--ship", parser=parsing.hash_start, metavar="HASH", help="A handover, by its ship; with --to."),
]
OfTo = Annotated[
    str | None, typer.Option("--to", parser=parsing.member, metavar="MEMBER", help="Who is to receive the handover.")
]
FORMS: Final = {
    frozenset({"lot"}): r.SubjectKind.LOT,
    frozenset({"lot", "owner", "site"}): r.SubjectKind.POSITION,
    frozenset({"ship", "to"}): r.SubjectKind.HANDOVER,
    frozenset({"product"}): r.SubjectKind.PRODUCT,
    frozenset({"member"}): r.SubjectKind.MEMBER,
    frozenset({"site"}): r.SubjectKind.SITE,
}


def subject_of(**named: Any) -> r.Subject:
    """What the options given name, by fields of `Subject`; wrong usage where that is nothing, or two things."""
    fields = {name: value for name, value in named.items() if value is not None}
    kind = FORMS.get(frozenset(fields))
    if kind is None:
        member = "--member, --site, --ship with --to" if "ship" in named else "--maker"
        raise typer.BadParameter(f"name one subject: --lot, --lot with --owner and --site, --product, {member}")
    return r.Subject(kind=kind, **fields)
