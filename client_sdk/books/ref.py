"""The `ref` of a row, its document line: what keeps the same row from being booked twice."""

import sqlite3
from collections.abc import Sequence
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

    The ordinals stand in a temporary file, so that a book of any length takes the same memory.
    """

    def __init__(self) -> None:
        self._equal = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._equal.execute("PRAGMA journal_mode = OFF")
        self._equal.execute("CREATE TABLE seen (content BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID")
        self._equal.execute("BEGIN")

    def ref(self, document: str, line: str, content: Sequence[str | int | bool | None]) -> str:
        """At most REF_CHARS_MAX characters; BadCell where the document number leaves no room."""
        if document and line:
            ref = f"{document}/{line}"
        else:
            digest = sha256(msgspec.json.encode((document, line, *content))).digest()
            own = f"~{digest.hex()[:CONTENT_HEX_CHARS]}-{self._ordinal(digest)}"
            ref = f"{document}/{own}" if document else own
        if len(ref) > REF_CHARS_MAX:
            raise BadCell(
                "单据号", f"{ref!r} is longer than {REF_CHARS_MAX} characters", "shorten the document number"
            )
        return ref

    def _ordinal(self, digest: bytes) -> int:
        [(count,)] = self._equal.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT (content) DO UPDATE SET count = count + 1 RETURNING count",
            (digest[:16],),
        ).fetchall()
        return int(count)
