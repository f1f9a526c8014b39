"""Rows of goods that go out: to a member, to anybody outside the ledger, or back to their supplier."""

from client_sdk import build
from client_sdk.books.cells import BadCell
from client_sdk.books.line import Desk, Line, Planned
from ledger import records as r


def sale(desk: Desk, line: Line) -> Planned:
    """To a member a ship, to others a sale."""
    row = line.row
    if row.party_code == desk.member:
        raise BadCell("客户", f"{row.party_code} is your own code", "between your own sites: suyuan move")
    if desk.known.is_member(row.party_code):
        if row.portion:
            remedy = "count the items in 数量, and write what they weigh into 重量(kg)"
            raise BadCell("单位", f"a member gets whole items, not {row.goods.unit}", remedy)
        _take(desk, line)
        act = build.ship(
            lot=line.lot, quantity=line.quantity, ref=row.ref, at=line.at, site=line.site, to=row.party_code,
            grams=line.grams,
        )  # fmt: skip
        return Planned(row, [act], f"ship {line.quantity} of {line.lot} to {row.party_code}")
    buyer = r.SaleTo.BUSINESS if row.party_code else r.SaleTo.CONSUMER
    return _sell(desk, line, buyer, f"to {row.party or 'a consumer'}")


def goes_back(desk: Desk, line: Line) -> Planned:
    """To a member the return of what it delivered; to a supplier outside the ledger a sale to a business."""
    row = line.row
    if not desk.known.is_member(row.party_code):
        who = row.party or "the supplier"
        return _sell(desk, line, r.SaleTo.BUSINESS, f"back to {who}, who is outside the ledger")
    _take(desk, line)
    act = build.ship(
        lot=line.lot, quantity=line.quantity, ref=row.ref, at=line.at, site=line.site, to=row.party_code,
        grams=line.grams, returns=True,
    )  # fmt: skip
    return Planned(row, [act], f"return {line.quantity} of {line.lot} to {row.party_code}")


def _sell(desk: Desk, line: Line, buyer: r.SaleTo, to: str) -> Planned:
    _take(desk, line)
    stock = desk.holdings.stock(line.lot, line.site)
    stock.sold += line.quantity
    stock.grams_sold += line.grams or 0
    act = build.sell(
        lot=line.lot, quantity=line.quantity, ref=line.row.ref, at=line.at, site=line.site, buyer=buyer,
        grams=line.grams,
    )  # fmt: skip
    much = f"{line.grams} g" if line.row.portion else line.quantity
    return Planned(line.row, [act], f"sell {much} of {line.lot} {to}")


def _take(desk: Desk, line: Line) -> None:
    """Take it off what is held; BadCell names what would cure that there is not as much."""
    stock = desk.holdings.stock(line.lot, line.site)
    if line.quantity > stock.free:
        raise _short(desk, line, f"{line.quantity} of {line.lot}", str(stock.free))
    if line.grams is not None and line.grams > stock.grams:
        raise _short(desk, line, f"{line.grams} g of {line.lot}", f"{stock.grams} g")
    stock.held -= line.quantity
    stock.grams -= line.grams or 0


def _short(desk: Desk, line: Line, much: str, held: str) -> BadCell:
    remedy = (
        "book what is missing first: its purchase (a receipt; a claim, if the supplier has not booked its sale; an "
        "entry, if it is outside the ledger), or a count (盘点表) of what is there"
    )
    stocks = ((near, desk.holdings.stock(near, line.site)) for near, _ in desk.holdings.near(line.lot))
    near = next((near for near, stock in stocks if stock.free >= max(1, line.quantity)), None)
    if near is not None:
        remedy = f"is it {near}, of which there is enough? Correct the lot number; else {remedy}"
    return BadCell("数量", f"{much} would go out of {line.site}, which holds {held}", remedy)
