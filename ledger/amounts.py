"""Amounts: what stands behind a record's seal, for parties, regulators and validators alone.

`ref` names document and line, unique per member and side of the book. Quantities count base items; grams stand beside
them where the product is of variable measure, and only there.
"""

from typing import Annotated

from msgspec import Meta, Struct

from ledger import limits
from ledger.fields import Part, Quantity, Ref

_Lines = Meta(max_length=limits.TRANSFORM_LINES_MAX)


class _Amounts(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Base of all amounts; declares no field, since fields of a base would come first."""


class Moved(_Amounts, kw_only=True, frozen=True):
    """Amounts of all acts that move one quantity. A quantity of 0 is a portion by weight out of an opened item."""

    grams: Quantity | None = None
    quantity: Part
    ref: Ref


class Received(_Amounts, kw_only=True, frozen=True):
    """What became of the open handover; the parts left out are zero, and their sum is at least one. `grams` is what
    the accepted part weighed here."""

    accepted: Quantity | None = None
    destroyed: Quantity | None = None
    grams: Quantity | None = None
    ref: Ref
    refused: Quantity | None = None
    short: Quantity | None = None


class Withdrawn(_Amounts, kw_only=True, frozen=True):
    ref: Ref


class Transformed(_Amounts, kw_only=True, frozen=True):
    """Quantities in the order of the record's inputs and outputs; weights likewise, 0 where the product is not of
    variable measure, and left out where none is."""

    grams_in: Annotated[list[Part], _Lines] | None = None
    grams_out: Annotated[list[Part], _Lines] | None = None
    inputs: Annotated[list[Quantity], _Lines]
    outputs: Annotated[list[Quantity], _Lines]
    ref: Ref


class Counted(_Amounts, kw_only=True, frozen=True):
    """A stock-taking: what the book said at that time, and what was found. `missing` is how many of the shipped but
    never received items this count settles: found again, or lost."""

    book: Part
    book_grams: Part | None = None
    found: Part
    found_grams: Part | None = None
    missing: Quantity | None = None
    ref: Ref


class Packed(_Amounts, kw_only=True, frozen=True):
    """Quantities in the order of the record's lots; weights likewise, 0 where not of variable measure."""

    grams: Annotated[list[Part], _Lines] | None = None
    quantities: Annotated[list[Quantity], _Lines]
    ref: Ref


class Corrected(_Amounts, kw_only=True, frozen=True):
    """The earlier record and its opening, which prove themselves by their hashes; `instead` is what its amounts
    should have been, in canonical form, and is left out where it did not occur at all."""

    earlier: Annotated[bytes, Meta(max_length=limits.RECORD_BYTES_MAX)]
    instead: Annotated[bytes, Meta(min_length=1, max_length=limits.OPENING_BYTES_MAX)] | None = None
    opening: Annotated[bytes, Meta(max_length=limits.OPENING_BYTES_MAX)]
    ref: Ref


Amounts = Moved | Received | Withdrawn | Transformed | Counted | Packed | Corrected
