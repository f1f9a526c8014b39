"""The one place where acts are signed, and sent or queued, and how it is told where they stand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from client_sdk.access import Unlocked
from client_sdk.build import Act
from client_sdk.commands import outbox
from client_sdk.commands.hints import explained
from client_sdk.commands.options import client, say, unlocked, warn
from client_sdk.commands.remarks import Remarks
from client_sdk.errors import EnvelopeRefused, NoQuorum
from client_sdk.trust import Receipt

LOOK_FIRST: Final = (
    "look with suyuan records when the node answers again, and do it again only if it is not there. With --queue it "
    "is kept here, and sent as often as it takes"
)


def sign(
    who: Path | Unlocked, queue: bool, as_json: bool, acts: Sequence[Act], proposal: str = "", **more: Any
) -> None:
    """Sign acts, together as far as they fit into an envelope, and say where they stand: sent, with verified
    receipts; or kept in the outbox. `who` is an identity folder, or what was unlocked of it before; `proposal` is
    what acts wait for that have changed nothing yet."""
    signer = unlocked(who) if isinstance(who, Path) else who
    if queue:
        say(as_json, outbox.queue(signer.identity, signer.chain_id, acts) | more)
        return
    with client(signer) as member:
        remarks = Remarks(member, acts)
        try:
            receipts = member.submit(acts)
        except EnvelopeRefused as error:
            raise explained(member, acts, error) from None
        except NoQuorum as error:
            raise NoQuorum(error.nodes, error.seconds, LOOK_FIRST) from None
        warnings, changed = remarks.done()
    waits = {"waits": proposal} if proposal and not changed else {}
    say(as_json, stands(receipts) | more | waits | ({"warnings": warnings} if as_json and warnings else {}))
    for text in warnings:
        warn(text)


def stands(receipts: Sequence[Receipt]) -> dict[str, Any]:
    """Where acts stand: their record hashes, by which other acts name them, and their places in the log, by which
    they are corrected."""
    rows = [
        (one.hex(), f"{receipt.leaf}/{index}") for receipt in receipts for index, one in enumerate(receipt.hashes)
    ]
    names, places = ([row[column] for row in rows] for column in (0, 1))
    told = _one_or_more("record", names) | _one_or_more("place", places)
    return told | {"receipt": "verified: durable and cosigned by the quorum"}


def _one_or_more(name: str, values: list[str]) -> dict[str, Any]:
    return {name: values[0]} if len(values) == 1 else {f"{name}s": values}
