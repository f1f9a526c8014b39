"""The `ref` of a row, its document line: what keeps the same row from being booked twice."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from client_sdk.books.cells import BadCell
from client_sdk.books.scratch import Scratch
from ledger.limits import REF_CHARS_MAX

CONTENT_HEX_CHARS: Final = 20


class Refs:
    """Gives the rows of one book their refs, in order.

    `{document}/{line}` where the book numbers both. Else the row's own content stands in for what is missing,
    as `~{SHA-256, 20 hex digits}-{ordinal among equal rows}`, after `{document}/` where there is one: the same
    book again has the same refs, and a row added in the middle changes no other. The content is what the row says,
    in the book's own words: a spreadsheet that rewrites dates, a mended address, or a mapping that is set later makes
    no new row.
    """

    def __init__(self) -> None:
        self._scratch = Scratch()

    def ref(self, document: str, line: str, content: Sequence[str | int], kept: str = "") -> str:
        """At most REF_CHARS_MAX characters; BadCell where the document number leaves no room. `kept` is the ref
        that a file of bad rows says: its ordinal holds while the row's content does."""
        if document and line:
            ref = f"{document}/{line}"
        else:
            digest = sha256(msgspec.json.encode((document, line, *content))).digest()
            own = f"~{digest.hex()[:CONTENT_HEX_CHARS]}"
            before = f"{document}/{own}-" if document else f"{own}-"
            ref = kept if _is_ordinal(kept, before) else f"{before}{self._scratch.ordinal(digest)}"
        if len(ref) > REF_CHARS_MAX:
            remedy = "shorten the document number"
            raise BadCell("单据号", f"{ref!r} is longer than {REF_CHARS_MAX} characters", remedy)
        return ref


def _is_ordinal(kept: str, before: str) -> bool:
    number = kept.removeprefix(before)
    return kept != number and number.isascii() and number.isdigit()
