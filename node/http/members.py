"""What a member's page shows: what is the member's own to read, for whoever brings its token. Nothing here writes."""

import re
import time
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger import entries as e
from ledger import links
from ledger import records as r
from ledger import state as s
from ledger.envelope import ENVELOPE, HEADER, envelope_id
from ledger.errors import Malformed
from ledger.identifiers import split_lot
from ledger.limits import HTTP_PAGE_ROWS_MAX
from ledger.seals import open_amounts
from node.app import App, Held, is_public
from node.http.answers import PRIVATE, Content, answer
from node.http.openapi import parameters
from node.http.tokens import member_of

_AFTER: Final = re.compile(r"(?:[0-9a-f]{2}){0,512}")
_PAGE: Final = {"after": "`next` of the page before"}


class Members:
    def __init__(self, app: App, base: str) -> None:
        self._app, self._base = app, base

    def _member(self, request: Request) -> str:
        return member_of(self._app, self._base, request.scope, time.time_ns() // 1_000_000)

    async def me(self, request: Request) -> Response:
        name = self._member(request)
        data = self._app.lookup("member", name)
        entry = e.MEMBER.decode_trusted(data)
        return _json(
            request,
            {
                "member": name,
                "name": entry.name,
                "node": self._app.name,
                "links": self._base,
                "height": self._app.view.head.height,
                "read_only": self._app.disk.shortage,
            },
        )

    async def positions(self, request: Request) -> Response:
        """Own positions, or with `kept` those that it keeps for others."""
        kept = request.query_params.get("kept") == "1"
        rows, following = self._app.positions(self._member(request), kept, _after(request), HTTP_PAGE_ROWS_MAX)
        return _page(request, [self._position(row) for row in rows], following)

    async def handovers(self, request: Request) -> Response:
        rows, following = self._app.handovers(self._member(request), _after(request), HTTP_PAGE_ROWS_MAX)
        return _page(request, [self._handover(ship, row) for ship, row in rows], following)

    async def claims(self, request: Request) -> Response:
        """Own open claims, or with `against` those that others have made."""
        against = request.query_params.get("against") == "1"
        rows, following = self._app.claims(self._member(request), against, _after(request), HTTP_PAGE_ROWS_MAX)
        return _page(request, [self._claim(*row) for row in rows], following)

    async def envelopes(self, request: Request) -> Response:
        """What it signed last, the newest first; each leads to its receipt."""
        member, after = self._member(request), _after(request)
        before = int.from_bytes(after, "big") if after else None
        rows = self._app.newest_envelopes(member, before, HTTP_PAGE_ROWS_MAX)
        following = rows[-1][0].to_bytes(8, "big") if len(rows) == HTTP_PAGE_ROWS_MAX else b""
        return _page(request, [_envelope(leaf, wire) for leaf, wire in rows], following)

    def _goods(self, lot: str) -> dict[str, Any]:
        """A lot with what a label needs."""
        product, rest = split_lot(lot)
        view = self._app.view
        declared = view.get(b"m" + e.product_path(product))
        made = view.get(b"m" + e.lot_path(lot))
        found: dict[str, Any] = {"lot": lot, "product": product, "number": rest}
        if declared is not None:
            entry = e.PRODUCT.decode_trusted(declared)
            found |= {"name": entry.name, "specification": entry.specification}
        if made is not None:
            lot_entry = e.LOT.decode_trusted(made)
            found |= {"production": lot_entry.production, "expiry": lot_entry.expiry}
        try:
            return found | {"path": links.path_of(product, rest)}
        except Malformed:  # made in another century: no link names that
            return found

    def _position(self, row: Held) -> dict[str, Any]:
        numbers = {name: value for name, value in msgspec.structs.asdict(row.stock).items() if value}
        flags = [(bit.name or "").lower() for bit in e.Bit if row.bits & bit]
        found = {"owner": row.owner, "site": row.site, "flags": flags, "in_force": row.in_force}
        public = is_public(self._app.view, row.site)
        return self._goods(row.lot) | found | {"public": public, "stock": numbers}

    def _handover(self, ship: bytes, row: s.Handover) -> dict[str, Any]:
        return self._goods(row.lot) | {
            "ship": ship.hex(), "sender": row.sender, "owner": row.owner, "site": row.site, "to_site": row.to_site,
            "quantity": row.quantity, "open": row.open, "grams": row.grams, "ref": row.ref, "at_ms": row.at,
            "returns": row.returns,
        }  # fmt: skip

    def _claim(self, supplier: str, claim: bytes, row: s.Claim) -> dict[str, Any]:
        return self._goods(row.lot) | {
            "claim": claim.hex(), "supplier": supplier, "claimant": row.claimant, "site": row.site,
            "quantity": row.quantity, "open": row.open, "grams": row.grams, "ref": row.ref, "at_ms": row.at,
            "disputed": row.disputed,
        }  # fmt: skip


def router(app: App, base: str) -> APIRouter:
    routes, members = APIRouter(prefix="/member/api", tags=["members, with a token"]), Members(app, base)
    for path, handler, summary, query in (
        ("/me", members.me, "Who the token is of", {}),
        ("/positions", members.positions, "What the member owns, or keeps", _PAGE | {"kept": "1: for others"}),
        ("/handovers", members.handovers, "What waits to be received", _PAGE),
        ("/claims", members.claims, "Open claims", _PAGE | {"against": "1: of others, from it"}),
        ("/envelopes", members.envelopes, "What it signed last, with receipts", _PAGE),
    ):
        routes.add_api_route(path, handler, methods=["GET"], summary=summary, openapi_extra=parameters(query=query))
    return routes


def _after(request: Request) -> bytes:
    text = request.query_params.get("after", "")
    if not _AFTER.fullmatch(text):
        raise Malformed("page", "`after` is not the `next` of a page of this list")
    return bytes.fromhex(text)


def _page(request: Request, rows: list[dict[str, Any]], following: bytes) -> Response:
    return _json(request, {"rows": rows, "next": following.hex()})


def _json(request: Request, data: dict[str, Any]) -> Response:
    return answer(request.scope, Content(msgspec.json.encode(data), "application/json", True), PRIVATE)


def _envelope(leaf: int, wire: bytes) -> dict[str, Any]:
    envelope = ENVELOPE.decode_trusted(wire)
    header = HEADER.decode_trusted(envelope.header)
    pairs = zip(envelope.records, envelope.openings, strict=True)
    return {
        "leaf": leaf,
        "id": envelope_id(envelope.header).hex(),
        "time_ms": header.time,
        "receipt": f"/leaf/{leaf}.tlog-proof",
        "records": [_record(data, opening) for data, opening in pairs],
    }


def _record(data: bytes, opening: bytes) -> dict[str, Any]:
    record: Any = r.RECORD.decode_trusted(data)
    amounts: Any = open_amounts(record, opening)
    named = {
        "act": r.act_of_type(type(record)).name.lower(),
        "lot": getattr(record, "lot", None),
        "quantity": getattr(amounts, "quantity", None),
        "ref": getattr(amounts, "ref", None),
    }
    return {name: value for name, value in named.items() if value is not None}
