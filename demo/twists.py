"""What real books look like: each shop here keeps its book in its own way, or makes a mistake of its own.

`twist` changes the rows that some shops wrote of the month, by their place in `World.shops`; `Cast` says who is who.
The importing side knows nothing of it.
"""

from dataclasses import dataclass
from typing import Final

from demo.trade import Row, Trade
from demo.world import CANS_A_CASE, Enterprise, World

OWN_COLUMNS: Final = {"商品条码": "货号", "数量": "件数", "供应商信用代码": "往来编码"}


@dataclass(frozen=True)
class Cast:
    """The shops (and one dealer) to whom something happens."""

    regular: Enterprise  # whose goods the consumer scans
    gb18030: Enterprise
    spreadsheet: Enterprise  # keeps an xlsx
    warm: Enterprise  # whose frozen goods came too warm
    nameless: Enterprise  # numbers no documents
    own_codes: Enterprise  # has its own codes and headers
    loose: Enterprise  # writes the can's code, and counts cases
    mistyped: Enterprise  # typed O for 0 in a lot number
    relabelled: Enterprise  # found that out too late
    twice: Enterprise  # books at the till, and again at the end of the month
    offline: Enterprise  # sold for days without a network
    returning: Enterprise
    careless: Enterprise  # rows that must be refused
    short: Enterprise  # got less than was shipped
    surplus: Enterprise  # got more than was shipped
    corrected: Enterprise
    stall: Enterprise  # signs with a limited key at a terminal
    claimant: Enterprise  # claims what nobody delivered
    pallet: Enterprise  # gets a pallet with one label
    closing: Enterprise  # sells on under a recall, and says so later
    late: Enterprise  # the dealer who books after its shops

    @classmethod
    def of(cls, world: World) -> "Cast":
        names = [name for name in cls.__dataclass_fields__ if name != "late"]
        shops = dict(zip(names, world.shops, strict=False))
        return cls(**shops, late=world.dealers[-1])


def twist(trade: Trade) -> Cast:
    """Change the books as their keepers would have; returns who keeps which."""
    cast = Cast.of(trade.world)
    trade.manners[cast.gb18030] = "gb18030"
    trade.manners[cast.spreadsheet] = "xlsx"
    for books in (trade.purchases, trade.sales):
        for row in books[cast.nameless]:
            del row["单据号"], row["行号"]
    _own_codes(trade, cast.own_codes)
    _loose_units(trade, cast.loose)
    first = trade.purchases[cast.mistyped][0]
    first["批号"] = first["批号"].replace("0", "O", 1)
    _mistakes(trade, cast)
    trade.again[cast.twice] = [dict(row) for row in trade.sales[cast.twice]]
    trade.sales[cast.twice] = trade.sales[cast.twice][: len(trade.sales[cast.twice]) // 2]
    less, more = trade.purchases[cast.short][0], trade.purchases[cast.surplus][0]
    less["数量"] = str(int(less["数量"]) - 1)
    more["数量"] = str(int(more["数量"]) + 1)
    return cast


def own_code(gtin: str) -> str:
    return f"K{gtin[-6:]}"


def _own_codes(trade: Trade, shop: Enterprise) -> None:
    """Its own article numbers, headers and names for suppliers: the mapping in its folder says what they mean."""
    for books in (trade.purchases, trade.sales):
        for number, row in enumerate(books[shop]):
            changed = {OWN_COLUMNS.get(name, name): value for name, value in row.items()}
            changed["货号"] = own_code(row["商品条码"])
            changed.pop("往来编码", None)  # known by its name alone
            books[shop][number] = changed


def _loose_units(trade: Trade, shop: Enterprise) -> None:
    """The can's bar code, cases as the unit, and how many cans they hold in the specification."""
    cans = {product.case: product for product in trade.world.formula}
    for row in trade.purchases[shop]:
        product = cans.get(row["商品条码"])
        if product is not None:
            row["商品条码"] = product.gtin
            row["规格"] = f"800g*{CANS_A_CASE}罐/箱"


def _mistakes(trade: Trade, cast: Cast) -> None:
    """What happens at a keyboard; none of it can be booked."""
    sales = trade.sales[cast.careless]
    row = {**sales[0], "单据号": "LS-ERR"}
    code = row["商品条码"]
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    bad: list[Row] = [
        row | {"行号": "1", "商品条码": wrong},
        row | {"行号": "2", "数量": "99999"},
        row | {"行号": "3", "数量": "1,5"},
        row | {"行号": "4", "日期": "2026-13-01"},
        row | {"行号": "5", "批号": "批号不明(#)"},
        row | {"行号": "6", "单位": "麻袋"},
    ]
    sales += bad
