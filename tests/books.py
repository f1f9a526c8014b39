"""Books for tests: rows as a keyboard writes them, a node's answers made up, and a client whose node stands in this
process, with real rules, bytes and receipts."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from client_sdk import errors
from client_sdk.books.booking import Import, Totals
from client_sdk.books.holdings import Holdings, Stock
from client_sdk.books.line import Planned
from client_sdk.books.mapping import Mapping
from client_sdk.books.planner import Planner
from client_sdk.books.reader import BookFile, read
from client_sdk.books.rows import BadRow, Row
from client_sdk.books.waiting import OpenShip
from client_sdk.build import SignedEnvelope
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import records as r
from ledger import state as s
from ledger.errors import SuyuanError
from ledger.storage.chainstore import ChainStore
from node import convert
from node.app import App
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.loopback import Loopback, identity_of
from tests.world import CASE, DEALER, FORMULA, MAKER, SHOP, SHRIMP, Member, World

LOT = f"{FORMULA}#20250101A"
PARTY = {"purchase": "供应商", "sale": "客户"}
TRADE = ("日期", "单据号", "行号", "商品名称", "商品条码", "规格", "单位", "数量", "批号", "生产日期", "重量(kg)")
PURCHASES, SALES = ((*TRADE, f"{party}名称", f"{party}信用代码") for party in PARTY.values())
STOCK = (
    "盘点日期", "单据号", "行号", "商品条码", "规格", "单位", "账面数量", "实盘数量", "批号", "生产日期", "重量(kg)",
    "账面重量(kg)",
)  # fmt: skip
GOOD = {
    "日期": "2025-11-03", "盘点日期": "2025-11-03", "单据号": "D", "行号": "1", "商品名称": "乳粉",
    "商品条码": FORMULA,
    "规格": "", "单位": "罐", "数量": "6", "批号": "20250101A", "生产日期": "", "重量(kg)": "", "账面数量": "",
    "实盘数量": "6", "账面重量(kg)": "", "供应商名称": "某供应商", "客户名称": "某店", "供应商信用代码": DEALER.id,
    "客户信用代码": DEALER.id,
}  # fmt: skip


def row(**changed: str) -> dict[str, str]:
    return GOOD | changed


def text(headers: Iterable[str], rows: Iterable[dict[str, str]], end: str = "\n") -> str:
    """A CSV book."""
    names = list(headers)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(names)
    writer.writerows([one.get(name, "") for name in names] for one in rows)
    return out.getvalue()


def write(path: Path, headers: Iterable[str], rows: Iterable[dict[str, str]], encoding: str = "utf-8") -> Path:
    path.write_text(text(headers, rows), encoding=encoding, newline="")
    return path


class Node:
    """What a node says that knows a can, its case, weighed shrimps, a formula that its maker closed, and LOT."""

    def __init__(self, lots: Iterable[str] = (LOT,), made: int | None = None) -> None:
        self._lots = {lot: e.LotEntry(lot=lot, production=made) for lot in lots}

    def product(self, product: str) -> e.ProductEntry | None:
        given: dict[str, Any] = {
            "declared_by": r.DeclaredBy.MAKER, "declarer": MAKER.id, "maker": MAKER.id, "name": "乳粉",
            "product": product,
        }  # fmt: skip
        known: dict[str, dict[str, Any]] = {
            FORMULA: {}, CASE: {"base": FORMULA, "contains": 6}, SHRIMP: {"tolerance_permille": 20},
            f"{MAKER.id}/CLOSED": {"closed": True},
        }  # fmt: skip
        return e.ProductEntry(**given | known[product]) if product in known else None

    def lot(self, lot: str) -> e.LotEntry | None:
        return self._lots.get(lot)

    def member(self, member: str) -> e.MemberEntry | None:
        fields: dict[str, Any] = {"admitted": 0, "kind": r.MemberKind.ENTERPRISE, "name": "x", "region": "CN"}
        return e.MemberEntry(member=member, **fields) if member in (DEALER.id, MAKER.id, SHOP.id) else None

    def site(self, site: str) -> e.SiteEntry | None:
        known = site in (SHOP.site, f"{SHOP.id}/cold", MAKER.site)
        return e.SiteEntry(name="x", region="CN", site=site) if known else None


def ship(number: int, quantity: int, lot: str = LOT, document: str = "", **fields: Any) -> OpenShip:
    given = {"owner": DEALER.id, "site": SHOP.site, "document": document or f"XS-{number}", "time_ms": number}
    return OpenShip(ship=bytes([number]) * 32, lot=lot, open=quantity, **given | fields)


def plan(
    folder: Path,
    headers: Iterable[str],
    rows: Iterable[dict[str, str]],
    *,
    held: int | dict[str, Stock] = 0,
    ships: Iterable[OpenShip] = (),
    node: Node | None = None,
    member: str = SHOP.id,
    now_ms: int | None = None,
    **words: Any,
) -> list[Planned | BadRow]:
    """What each row becomes, for the shop that holds so much of LOT (or these stocks, by lot)."""
    stocks = {LOT: Stock(held)} if isinstance(held, int) and held else held or {}
    assert isinstance(stocks, dict)
    holdings = Holdings(
        ((lot, f"{member}/main", replace(stock)) for lot, stock in stocks.items()), [replace(one) for one in ships]
    )
    mapping = Mapping(**words)
    clock = clock_ms if now_ms is None else lambda: now_ms
    planner = Planner(node or Node(), member, holdings, mapping, clock)
    path = write(folder / "book.csv", headers, rows)
    return [one if isinstance(one, BadRow) else planner.plan(one) for one in read(path, mapping)]


def acts(found: Iterable[Planned | BadRow]) -> list[tuple[str, int]]:
    """(act, quantity) of every act."""
    names = ("quantity", "accepted", "found")
    return [
        (act.kind.__name__, next(n for name in names if (n := getattr(act.amounts, name, None)) is not None))
        for one in found
        if isinstance(one, Planned)
        for act in one.acts
        if act.amounts is not None
    ]


def bad(found: Iterable[Row | Planned | BadRow]) -> BadRow:
    [one] = found
    assert isinstance(one, BadRow), one
    return one


def good(found: Iterable[Row | BadRow]) -> list[Row]:
    rows = list(found)
    assert all(isinstance(one, Row) for one in rows), rows
    return [one for one in rows if isinstance(one, Row)]


def founded(folder: Path, now_ms: int | None = None) -> World:
    """A ledger in this process with its members and products, whose clock is the machine's."""
    folder.mkdir(exist_ok=True)
    return World(folder, now=now_ms or clock_ms()).founded()


class Importer(Loopback):
    """A member's client to a ledger in this process. Of a submit stream, `window` envelopes are under way before the
    first is answered; `before` hears of each envelope before it is applied, and may raise what it meets."""

    def __init__(self, world: World, folder: Path, who: Member, window: int = 4) -> None:
        super().__init__(world, identity_of(folder, who))
        self.window = window
        self.before: Callable[[SignedEnvelope], None] = lambda envelope: None

    def submit_stream(
        self, envelopes: Iterable[SignedEnvelope]
    ) -> Iterator[tuple[SignedEnvelope, Receipt | SuyuanError]]:
        waiting: list[SignedEnvelope] = []
        for envelope in envelopes:
            waiting.append(envelope)
            if len(waiting) >= self.window:
                yield self._applied(waiting.pop(0))
        while waiting:
            yield self._applied(waiting.pop(0))

    def _applied(self, envelope: SignedEnvelope) -> tuple[SignedEnvelope, Receipt | SuyuanError]:
        try:
            self.before(envelope)
            return envelope, self.submit_envelope(envelope)
        except (errors.EnvelopeRefused, errors.Overloaded) as error:
            return envelope, error

    def _app(self) -> Any:
        return SimpleNamespace(view=self.world.store.view(self.world.note()))

    def _GetNodeInfo(self, request: pb.GetNodeInfoRequest) -> pb.NodeInfo:  # noqa: N802
        info = super()._GetNodeInfo(request)
        info.size = self.world.store.head.log.size
        return info

    def _ListPositions(self, request: pb.ListPositionsRequest) -> pb.ListPositionsResponse:  # noqa: N802
        page = request.page
        rows, following = App.positions(self._app(), self.member_id, request.kept, page.after, page.limit)
        return pb.ListPositionsResponse(positions=[convert.position(one) for one in rows], next=following)

    def _ListHandovers(self, request: pb.ListHandoversRequest) -> pb.ListHandoversResponse:  # noqa: N802
        page = request.page
        rows, following = App.handovers(self._app(), self.member_id, page.after, page.limit)
        return pb.ListHandoversResponse(handovers=[convert.handover(*one) for one in rows], next=following)

    def _Lookup(self, request: pb.LookupRequest) -> pb.LookupResponse:  # noqa: N802
        kind = request.WhichOneof("subject")
        assert kind is not None
        return pb.LookupResponse(entry=App.lookup(self._app(), kind, getattr(request, kind)))


def imported(
    client: Importer, path: Path, mapping: Mapping | None = None, nodes: Sequence[str] = ()
) -> tuple[Totals, list[BadRow]]:
    """Import a book as `suyuan import` does."""
    words = mapping or Mapping(opening="none")
    told: list[BadRow] = []
    file = BookFile(path, words)
    run = Import(client, file.kind, words, lambda one: told.append(one) if isinstance(one, BadRow) else None, nodes)
    return run.book(file), told


def stocks(store: ChainStore, who: Member) -> dict[str, s.Stock]:
    """What a member's positions say, by site and lot."""
    found = store.scan(b"p" + who.id.encode() + b"\x00")
    return {key.decode(): s.STOCK.decode(value) for key, value in found}
