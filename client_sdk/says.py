"""A record in one line for people."""

from typing import Any, Final

from ledger.records import AMOUNTS, RECORD, Amounts, Key, Record, act_of_type
from ledger.seals import SALT_BYTES

_QUANTITIES: Final = ("quantity", "accepted", "refused", "short", "destroyed", "found")


def says(record: Record, amounts: Amounts | None) -> str:
    """Act, quantities, lot, the other side, document line: whatever the record has of them."""
    one: Any = record
    parts = [act_of_type(type(record)).name.lower().replace("_", " "), *_amounts(amounts)]
    if isinstance(record, Key):
        parts += [
            record.change.name.lower(),
            record.key.hex(),
            *([f"“{record.label}”"] if record.label else []),
            "of",
        ]
    if hasattr(one, "lot"):
        parts.append(f"of {one.lot}" if amounts is not None else one.lot)
    elif hasattr(one, "inputs"):
        parts.append(f"{', '.join(one.inputs)} into {', '.join(made.lot for made in one.outputs)}")
    elif hasattr(one, "subject"):
        parts.append(subject(one.subject))
    for name, before in (("to", "to"), ("supplier", "from"), ("to_lot", "as"), ("unit", "on"), ("member", "")):
        value = getattr(one, name, None)
        if value is not None:
            parts.append(f"{before} {value}".strip())
    for name in ("reason", "text"):
        if getattr(one, name, None) and not hasattr(getattr(one, name), "value"):
            parts.append(f"“{getattr(one, name)}”")
    return " ".join(parts) + (f" [{amounts.ref}]" if amounts is not None else "")


def sealed_says(record: bytes, opening: bytes) -> str:
    """The same of a record's bytes and the opening of its amounts."""
    decoded = RECORD.decode(record)
    codec = AMOUNTS.get(type(decoded))
    return says(decoded, codec.decode(opening[SALT_BYTES:]) if codec is not None and opening else None)


def _amounts(amounts: Any) -> list[str]:
    found = [(name, getattr(amounts, name, None)) for name in _QUANTITIES]
    given = [(name, value) for name, value in found if value is not None]
    texts = [str(value) if name == "quantity" else f"{value} {name}" for name, value in given]
    grams = getattr(amounts, "grams", None)
    return [*texts, f"({grams} g)"] if isinstance(grams, int) else texts


def subject(about: Any) -> str:
    """What a fact, hold or recall is about."""
    names = ("lot", "owner", "site", "product", "member", "to")
    values = [value for value in (getattr(about, name) for name in names) if value is not None]
    return f"{about.kind.name.lower()} {' '.join(values)}"
