"""Rows of goods that come in: from the supplier's open ships, as a claim, as an entry; or back from a customer."""

from client_sdk import build
from client_sdk.books.cells import BadCell
from client_sdk.books.line import Desk, Line, Planned
from client_sdk.books.waiting import OpenShip, Wanted, document_of
from client_sdk.build import Act


def purchase(desk: Desk, line: Line) -> Planned:
    """Of a member: receives of as much of its open ships as the row names, and a claim for the rest. Of a supplier
    outside the ledger: an entry."""
    row = line.row
    if row.party_code == desk.member:
        raise BadCell("供应商", f"{row.party_code} is your own code", "between your own sites: suyuan move")
    if not desk.known.is_member(row.party_code):
        return _enter(desk, line)
    acts, says, left, grams = _receives(desk, line, returns=False)
    if left:
        _arrived(desk, line, line.site, left, grams)
        fields = {"expiry": line.thing.expiry, "production": row.goods.production, "supplier": row.party_code}
        acts.append(
            build.claim(lot=line.lot, quantity=left, ref=row.ref, at=line.at, site=line.site, grams=grams, **fields)  # type: ignore[arg-type]
        )
        says.append(f"claim {left} of {line.lot}, which {row.party_code} has not booked yet")
    return Planned(row, acts, "; ".join(says))


def _enter(desk: Desk, line: Line) -> Planned:
    row, product = line.row, line.thing.product
    if product.closed and product.maker != desk.member:
        remedy = "write its code (供应商信用代码), or say who it is: suyuan mapping party NAME CODE"
        message = f"the maker of {product.product} lets it come only from suppliers on the ledger"
        raise BadCell("供应商", message, remedy)
    _arrived(desk, line, line.site, line.quantity, line.grams)
    act = build.enter(
        lot=line.lot, quantity=line.quantity, ref=row.ref, at=line.at, site=line.site, grams=line.grams,
        production=row.goods.production, expiry=line.thing.expiry,
    )  # fmt: skip
    who = f"{row.party or row.party_code}, who is outside the ledger"
    return Planned(row, [act], f"enter {line.quantity} of {line.lot} from {who}")


def came_back(desk: Desk, line: Line) -> Planned:
    """From a member: the receive of what it shipped back. From a consumer: taken back, never more than was sold."""
    row = line.row
    if desk.known.is_member(row.party_code) and row.party_code != desk.member:
        there = desk.holdings.waiting.open_of(_wanted(line, returns=True))
        if there < line.quantity or row.portion:
            remedy = (
                "the customer books what it sends back (a negative row in its purchase book); then import this again"
            )
            message = f"{row.party_code} has shipped {there} of {line.lot} back, not {line.quantity}"
            raise BadCell("客户", message, remedy)
        acts, says, _, _ = _receives(desk, line, returns=True)
        return Planned(row, acts, "; ".join(says))
    stock = desk.holdings.stock(line.lot, line.site)
    if line.quantity > stock.sold or (line.grams or 0) > stock.grams_sold:
        message = f"{line.quantity} of {line.lot} would come back to {line.site}, which sold {stock.sold}"
        remedy = "check lot and site; book the sale first; what was never sold from there is counted or entered"
        raise BadCell("数量", message, remedy)
    stock.sold -= line.quantity
    stock.grams_sold -= line.grams or 0
    _arrived(desk, line, line.site, line.quantity, line.grams)
    act = build.take_back(
        lot=line.lot, quantity=line.quantity, ref=row.ref, at=line.at, site=line.site, grams=line.grams
    )
    return Planned(row, [act], f"take back {_much(line)} of {line.lot}")


def _receives(desk: Desk, line: Line, returns: bool) -> tuple[list[Act], list[str], int, int | None]:
    """Receives of as much of the party's open ships as the row names, what they say, and what is left of the row's
    quantity and weight."""
    row = line.row
    waiting = desk.holdings.waiting
    found = waiting.answers(_wanted(line, returns), line.quantity, document_of(row.ref))
    weights, rest = _shared(line, found)
    acts: list[Act] = []
    says: list[str] = []
    for (ship, part), grams in zip(found, weights, strict=True):
        waiting.take(ship, part)
        _arrived(desk, line, ship.site, part, grams)
        acts.append(build.receive(ship=ship.ship, lot=line.lot, ref=row.ref, at=line.at, accepted=part, grams=grams))
        still = f", {ship.open} stay open" if ship.open else ""
        says.append(f"receive {part} of {line.lot} from {row.party_code}{still}")
    return acts, says, line.quantity - sum(part for _, part in found), rest


def _shared(line: Line, found: list[tuple[OpenShip, int]]) -> tuple[list[int | None], int | None]:
    """(the weight of each ship's part, that of what no ship brought). A surplus weighs its share by number; the
    ships' parts weigh as their senders' scales said, in proportion, so that each differs as little as all do."""
    if line.grams is None:
        return [None] * len(found), None
    left = line.quantity - sum(part for _, part in found)
    rest = line.grams * left // line.quantity
    total, expected = line.grams - rest, [one.grams * part // one.open for one, part in found]
    if not all(expected):
        expected = [part for _, part in found]
    weights: list[int | None] = [total * one // sum(expected) for one in expected]
    if weights:
        weights[-1] = total - sum(one or 0 for one in weights[:-1])
    return weights, rest if left else None


def _arrived(desk: Desk, line: Line, site: str, quantity: int, grams: int | None) -> None:
    stock = desk.holdings.stock(line.lot, site)
    stock.held += quantity
    stock.grams += grams or 0


def _wanted(line: Line, returns: bool) -> Wanted:
    """To the site that the row names; else whatever site it was shipped to."""
    return Wanted(line.lot, line.row.party_code, line.site if line.row.site else "", returns)


def _much(line: Line) -> str:
    return f"{line.grams} g" if line.row.portion else str(line.quantity)
