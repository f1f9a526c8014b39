"""The `ref` of a row, its document line: what keeps the same row from being booked twice."""

from collections import Counter
from hashlib import sha256
from typing import Final

import msgspec

from client_sdk.books.cells import BadCell
from ledger.limits import REF_CHARS_MAX

CONTENT_HEX_CHARS: Final = 20


class Refs:
    """Gives the rows of one book their refs, in order.

    `{document}/{line}` where the book numbers both. Else the row's own content stands in for what is missing,
    as `~{SHA-256, 20 hex digits}-{ordinal among equal rows}`, after `{document}/` where there is one: the same
    book again has the same refs, and a row added in the middle changes no other. The content is what is booked,
    as parsed: a spreadsheet that rewrites dates, or a mended address, makes no new row.
    """

    def __init__(self) -> None:
        self._equal: Counter[bytes] = Counter()

    def ref(self, document: str, line: str, content: tuple[str | int | bool | None, ...]) -> str:
        """At most REF_CHARS_MAX characters; BadCell where the document number leaves no room."""
        if document and line:
            ref = f"{document}/{line}"
        else:
            digest = sha256(msgspec.json.encode((document, line, *content))).digest()
            self._equal[digest] += 1
            own = f"~{digest.hex()[:CONTENT_HEX_CHARS]}-{self._equal[digest]}"
            ref = f"{document}/{own}" if document else own
        if len(ref) > REF_CHARS_MAX:
            raise BadCell(
                "单据号", f"{ref!r} is longer than {REF_CHARS_MAX} characters", "shorten the document number"
            )
        return ref
