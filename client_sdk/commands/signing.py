"""What all commands that sign an act share: the one place where acts are sent or queued, and their options."""

import time
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from client_sdk import keys
from client_sdk.books import cells
from client_sdk.books.cells import BadCell
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.commands import outbox
from client_sdk.commands.options import say, unlock
from client_sdk.trust import Receipt
from ledger.errors import Malformed

At = Annotated[
    str, typer.Option(help="When it happened, China time: 2026-01-31 or '2026-01-31 09:30'. Default: now.")
]
Queue = Annotated[bool, typer.Option(help="Keep it in the outbox; `suyuan outbox send` sends it.")]
Grams = Annotated[int, typer.Option(min=0, help="Its weight, where the product is of variable measure.")]
Site = Annotated[str, typer.Option(help="MEMBER/CODE; the own main site if left out.")]
Owner = Annotated[str, typer.Option(help="The owner, where you sign as the keeper of its goods.")]
Production = Annotated[int, typer.Option(help="Production date, YYYYMMDD.")]
Expiry = Annotated[int, typer.Option(help="Best before, YYYYMMDD.")]
Reason = Annotated[str, typer.Option(help="Why, for everybody to read.")]
RecordHash = Annotated[str, typer.Option(help="Its record hash, 64 hexadecimal digits.")]
LINE_HELP: Final = "LOT=QUANTITY, or LOT=QUANTITY:GRAMS; may be repeated."
Lines = Annotated[list[str], typer.Option(help=LINE_HELP)]
Chosen = TypeVar("Chosen", bound=IntEnum)


def sign(folder: Path, queue: bool, as_json: bool, acts: Sequence[Act], **more: Any) -> None:
    """Sign acts as one envelope and say where they stand: sent, with a verified receipt; or in the outbox."""
    if queue:
        say(as_json, outbox.queue(folder, acts) | more)
        return
    with Client(*unlock(folder)) as member:
        receipt = member.submit(acts)[0]
    say(as_json, stands(receipt) | more)


def stands(receipt: Receipt) -> dict[str, Any]:
    """Where an act stands: its record hash, by which other acts name it, and its place in the log."""
    names = ", ".join(one.hex() for one in receipt.hashes)
    told = {"record": names, "leaf": receipt.leaf, "earlier": receipt.earlier}
    return told | {"receipt": "verified: durable and cosigned by the quorum"}


def moment(at: str) -> int:
    """A time in ms since the epoch; now where none is given."""
    if not at:
        return time.time_ns() // 1_000_000
    try:
        return cells.time_ms(cells.clean(at))
    except BadCell as bad:
        raise Malformed("at", f"{bad.message}; {bad.remedy}") from None


def own_site(folder: Path, site: str) -> str:
    """A site by its full name, or by its code alone where it is one's own."""
    member = keys.load_public(folder).member
    return site if "/" in site else f"{member}/{site or 'main'}"


def named(kinds: type[Chosen], text: str, what: str) -> Chosen:
    """The member of an enumeration that a user names in lower case."""
    found = {one.name.lower(): one for one in kinds}
    if text.replace("-", "_") not in found:
        raise Malformed(what, f"{text!r} is none of {', '.join(found)}")
    return found[text.replace("-", "_")]


def record_hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Malformed("record hash", f"{text!r} is not 64 hexadecimal digits")
    return value


def lines_of(texts: Sequence[str]) -> tuple[dict[str, int], list[int] | None]:
    """(lot -> quantity, weights in the order of the lots or None) of LOT=QUANTITY[:GRAMS] texts."""
    found: dict[str, int] = {}
    weights: list[int] = []
    for text in texts:
        lot, _, amount = text.rpartition("=")
        quantity, _, grams = amount.partition(":")
        if not (lot and quantity.isdecimal() and (not grams or grams.isdecimal())) or lot in found:
            raise Malformed("line", f"{text!r} is not LOT=QUANTITY or LOT=QUANTITY:GRAMS, each lot once")
        found[lot] = int(quantity)
        weights.append(int(grams or 0))
    return found, weights if any(weights) else None
