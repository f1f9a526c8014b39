"""Commands that say what was seen: fact, measure."""

from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import build
from client_sdk.access import Unlocked
from client_sdk.commands import naming, parsing
from client_sdk.commands.naming import named
from client_sdk.commands.options import At, Identity, Json, Queue
from client_sdk.commands.signing import sign
from client_sdk.commands.subjects import OfLot, OfMember, OfOwner, OfPlace, OfProduct, OfShip, OfTo, subject_of
from client_sdk.readings import window_of
from client_sdk.wire import clock_ms
from ledger import records as r

OF_FACT = typer.Option(
    parser=parsing.record_hash, metavar="HASH", help="The fact that it answers, by its record hash."
)
Answers = Annotated[bytes | None, OF_FACT]
Text = Annotated[str | None, typer.Option(help="What was found, for everybody to read.")]
Document = Annotated[str | None, typer.Option(help="Number of the certificate or report.")]
Adverse = Annotated[bool, typer.Option("--adverse", help="It speaks against them, and stays in sight.")]
FIGURES = ("count", "min", "max", "mean", "start", "until", "gap", "series")


def fact(
    identity: Identity,
    kind: Annotated[
        r.FactKind,
        typer.Argument(parser=parsing.choice(r.FactKind), metavar="KIND", help="inspect, test, certify or note."),
    ],
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfPlace = None,
    product: OfProduct = None,
    member: OfMember = None,
    ship: OfShip = None,
    to: OfTo = None,
    text: Text = None,
    document: Document = None,
    adverse: Adverse = False,
    answers: Answers = None,
    at: At = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say what was inspected, tested, certified or noted; temperatures: suyuan measure."""
    if kind == r.FactKind.MEASURE:
        raise typer.BadParameter("temperatures are stated with: suyuan measure")
    who, shipped = _handover(identity, ship, queue)
    one = build.act(
        r.Fact, at=at or clock_ms(), kind=kind, adverse=adverse or None, text=text, document=document,
        answers=answers, subject=_subject(lot, owner, site, product, member, shipped, to),
    )  # fmt: skip
    sign(who, queue, as_json, [one])


def _handover(identity: Path, ship: str | None, queue: bool) -> tuple[Path | Unlocked, bytes | None]:
    return (identity, None) if ship is None else named(identity, ship, queue, naming.WAITING_OR_SENT)


def _subject(*values: Any) -> r.Subject:
    return subject_of(**dict(zip(("lot", "owner", "site", "product", "member", "ship", "to"), values, strict=True)))


Celsius = typer.Option(parser=parsing.celsius, metavar="CELSIUS", help="In degrees.")


def measure(
    identity: Identity,
    device: Annotated[str, typer.Option(help="Number of the thermometer.")],
    readings: Annotated[
        Path | None, typer.Argument(metavar="READINGS.csv", help="Lines of time,celsius. Without it: the figures.")
    ] = None,
    lot: OfLot = None,
    owner: OfOwner = None,
    site: OfPlace = None,
    product: OfProduct = None,
    member: OfMember = None,
    ship: OfShip = None,
    to: OfTo = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many readings.")] = None,
    lowest: Annotated[
        int | None, typer.Option("--min", parser=parsing.celsius, metavar="CELSIUS", help="Lowest.")
    ] = None,
    highest: Annotated[
        int | None, typer.Option("--max", parser=parsing.celsius, metavar="CELSIUS", help="Highest.")
    ] = None,
    mean: Annotated[int | None, typer.Option(parser=parsing.celsius, metavar="CELSIUS", help="Mean.")] = None,
    start: Annotated[int | None, typer.Option(parser=parsing.since, metavar="TIME", help="First reading.")] = None,
    until: Annotated[int | None, typer.Option(parser=parsing.until, metavar="TIME", help="Last reading.")] = None,
    gap: Annotated[int | None, typer.Option(min=0, help="Longest time without a reading, in seconds.")] = None,
    series: Annotated[
        bytes | None, typer.Option(parser=parsing.record_hash, metavar="HASH", help="SHA-256 of the raw readings.")
    ] = None,
    text: Text = None,
    document: Document = None,
    adverse: Adverse = False,
    answers: Answers = None,
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Report a temperature log: the window goes into the ledger, the readings stay with you under their hash."""
    figures = dict(zip(FIGURES, (count, lowest, highest, mean, start, until, gap, series), strict=True))
    window = _window(readings, device, figures)
    who, shipped = _handover(identity, ship, queue)
    one = build.act(
        r.Fact, at=window.until, kind=r.FactKind.MEASURE, adverse=adverse or None, text=text, document=document,
        answers=answers, subject=_subject(lot, owner, site, product, member, shipped, to), window=window,
    )  # fmt: skip
    sign(who, queue, as_json, [one], readings=window.count, series=window.series.hex())


def _window(readings: Path | None, device: str, figures: dict[str, Any]) -> r.Window:
    """The window of a file, or of all its figures."""
    missing = [f"--{name}" for name, value in figures.items() if value is None]
    if readings is not None and len(missing) == len(figures):
        return window_of(readings, device)
    if readings is not None or missing:
        lacks = f"; {', '.join(missing)} is missing" if readings is None else ""
        raise typer.BadParameter(f"give a file of readings, or all figures of its window{lacks}")
    return r.Window(
        count=figures["count"], device=device, gap_s=figures["gap"], max_mc=figures["max"], min_mc=figures["min"],
        mean_mc=figures["mean"], series=figures["series"], start=figures["start"], until=figures["until"],
    )  # fmt: skip


def register(app: typer.Typer) -> None:
    for command in (fact, measure):
        app.command()(command)
