"""Commands that say something about goods and members: fact, measure, hold, recall, close, lift."""

import csv
import datetime as dt
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from client_sdk import build
from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.commands.options import Identity, Json
from client_sdk.commands.signing import At, Queue, Reason, RecordHash, moment, named, record_hash, sign
from ledger import records as r
from ledger.errors import Malformed

OfLot = Annotated[str, typer.Option(help="A lot; with --owner and --site: its position there.")]
OfOwner = Annotated[str, typer.Option(help="Owner of a position.")]
OfSite = Annotated[str, typer.Option(help="MEMBER/CODE: of a position, or a site alone.")]
OfProduct = Annotated[str, typer.Option(help="All lots of a product.")]
OfMaker = Annotated[str, typer.Option(help="A member; of a hold or recall: all that it makes.")]
OfShip = Annotated[str, typer.Option(help="A handover, by its ship's record hash; with --to.")]
OfTo = Annotated[str, typer.Option(help="Who is to receive the handover.")]
MadeFrom = Annotated[int, typer.Option(help="First production date, YYYYMMDD.")]
MadeUntil = Annotated[int, typer.Option(help="Last production date, YYYYMMDD.")]


def subject_of(
    lot: str, owner: str, site: str, product: str, maker: str, ship: str = "", to: str = ""
) -> r.Subject:  # fmt: skip
    """What is meant, from the options given; Malformed where they name nothing, or two things."""
    kinds = r.SubjectKind
    given = {"lot": lot, "owner": owner, "site": site, "product": product, "member": maker, "ship": ship, "to": to}
    names = frozenset(name for name, value in given.items() if value)
    forms = {
        frozenset({"lot"}): kinds.LOT, frozenset({"lot", "owner", "site"}): kinds.POSITION,
        frozenset({"ship", "to"}): kinds.HANDOVER, frozenset({"product"}): kinds.PRODUCT,
        frozenset({"member"}): kinds.MEMBER, frozenset({"site"}): kinds.SITE,
    }  # fmt: skip
    if names not in forms:
        raise Malformed(
            "subject",
            "name one: --lot; --lot --owner --site; --product; --maker; --site; --ship --to (for facts)",
        )
    fields: dict[str, Any] = {name: value for name, value in given.items() if value}
    if ship:
        fields["ship"] = record_hash(ship)
    return r.Subject(kind=forms[names], **fields)


def fact(
    identity: Identity,
    kind: Annotated[str, typer.Argument(help="inspect, test, certify or note; temperatures: suyuan measure.")],
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    product: OfProduct = "",
    maker: OfMaker = "",
    ship: OfShip = "",
    to: OfTo = "",
    text: Annotated[str, typer.Option(help="What was found, for everybody to read.")] = "",
    document: Annotated[str, typer.Option(help="Number of the certificate or report.")] = "",
    adverse: Annotated[bool, typer.Option("--adverse", help="It speaks against them, and stays in sight.")] = False,
    answers: Annotated[str, typer.Option(help="Record hash of the fact that it answers.")] = "",
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say what was inspected, tested, certified or noted."""
    one = build.act(
        r.Fact, at=moment(at), kind=named(r.FactKind, kind, "kind"), adverse=adverse or None, text=text or None,
        subject=subject_of(lot, owner, site, product, maker, ship, to), document=document or None,
        answers=record_hash(answers) if answers else None,
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def measure(
    identity: Identity,
    readings: Annotated[Path, typer.Argument(help="CSV with two columns: time, degrees Celsius.")],
    device: Annotated[str, typer.Option(help="Number of the thermometer.")],
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    ship: OfShip = "",
    to: OfTo = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Report a temperature log: the window goes into the ledger, the readings stay with you under their hash."""
    window = window_of(readings.read_bytes(), str(readings), device)
    subject = subject_of(lot, owner, site, "", "", ship, to)
    one = build.act(r.Fact, at=window.until, kind=r.FactKind.MEASURE, subject=subject, window=window)
    sign(identity, queue, as_json, [one], readings=window.count, series=window.series.hex())


def window_of(data: bytes, where: str, device: str) -> r.Window:
    """A temperature log in short. Malformed, naming the line, where a reading is none."""
    found: list[tuple[int, int]] = []
    for number, row in enumerate(csv.reader(data.decode("utf-8-sig", errors="replace").splitlines()), 1):
        try:
            found.append((_time_ms(row[0]), round(float(row[1]) * 1000)))
        except (BadCell, ValueError, IndexError, OverflowError):
            if number > 1:  # the first may be a header
                raise Malformed(f"{where}, line {number}", f"{row} is not a time and degrees Celsius") from None
    if not found:
        raise Malformed(where, "no readings")
    found.sort()
    times, values = [time for time, _ in found], [value for _, value in found]
    gap_ms = max((after - before for before, after in pairwise(times)), default=0)
    return r.Window(
        count=len(found), device=device, gap_s=gap_ms // 1000, max_mc=max(values), min_mc=min(values),
        mean_mc=sum(values) // len(values), series=sha256(data).digest(), start=times[0], until=times[-1],
    )  # fmt: skip


def _time_ms(text: str) -> int:
    """ISO 8601 with an offset, or a time in China."""
    try:
        parsed = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return cells.time_ms(cells.clean(text))
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=cells.CHINA)).timestamp() * 1000)


def hold(
    identity: Identity,
    reason: Reason,
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    product: OfProduct = "",
    maker: OfMaker = "",
    made_from: MadeFrom = 0,
    made_until: MadeUntil = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Hold a lot, a position, a product or all of a maker: nothing of it is shipped on."""
    one = build.act(
        r.Hold, at=moment(at), made_from=made_from or None, made_until=made_until or None, reason=reason,
        subject=subject_of(lot, owner, site, product, maker),
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def recall(
    identity: Identity,
    reason: Reason,
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    product: OfProduct = "",
    maker: OfMaker = "",
    grade: Annotated[int, typer.Option(min=1, max=3, help="Class I, II or III.")] = 1,
    made_from: MadeFrom = 0,
    made_until: MadeUntil = 0,
    at: At = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Recall a lot, a position, a product or everything of a maker."""
    one = build.act(
        r.Recall, at=moment(at), grade=grade, made_from=made_from or None, made_until=made_until or None,
        reason=reason, subject=subject_of(lot, owner, site, product, maker),
    )  # fmt: skip
    sign(identity, queue, as_json, [one])


def close(
    identity: Identity,
    target: RecordHash,
    reason: Reason,
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    product: OfProduct = "",
    maker: OfMaker = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that a recall is finished. It stays visible and red."""
    subject = subject_of(lot, owner, site, product, maker)
    one = build.act(r.Close, at=moment(""), reason=reason, subject=subject, target=record_hash(target))
    sign(identity, queue, as_json, [one])


def lift(
    identity: Identity,
    target: RecordHash,
    reason: Reason,
    lot: OfLot = "",
    owner: OfOwner = "",
    site: OfSite = "",
    product: OfProduct = "",
    maker: OfMaker = "",
    queue: Queue = False,
    as_json: Json = False,
) -> None:
    """Say that a hold or recall was wrong: it no longer counts."""
    subject = subject_of(lot, owner, site, product, maker)
    one = build.act(r.Lift, at=moment(""), reason=reason, subject=subject, target=record_hash(target))
    sign(identity, queue, as_json, [one])


def register(app: typer.Typer) -> None:
    for command in (fact, measure, hold, recall, close, lift):
        app.command()(command)
