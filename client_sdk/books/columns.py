"""The columns of a book, after art. 50 to 53 of the Food Safety Law: what each is called, and what else it may be
called. A book is recognised by its headers: purchases name a supplier, sales a customer, production neither."""

from enum import Enum
from typing import Final

from msgspec import Struct


class Book(Enum):
    PURCHASE = "purchase"
    SALE = "sale"
    PRODUCTION = "production"


class Column(Struct, frozen=True):
    """`field` of a row, its header, other spellings, and whether a book of that kind must have it."""

    field: str
    header: str
    others: tuple[str, ...] = ()
    needed: bool = False


_COMMON: Final = (
    Column("date", "日期", ("交易日期", "单据日期"), needed=True),
    Column("document", "单据号", ("单号", "票号")),
    Column("line", "行号", ("序号",)),
    Column("gtin", "商品条码", ("条码", "GTIN", "商品条形码"), needed=True),
    Column("name", "商品名称", ("品名", "名称"), needed=True),
    Column("specification", "规格", ("规格型号",)),
    Column("unit", "单位", ("计量单位",), needed=True),
    Column("quantity", "数量", needed=True),
    Column("production", "生产日期"),
    Column("lot", "批号", ("生产批号", "批次")),
    Column("shelf_life", "保质期", ("保质期(天)", "保质期天数")),
    Column("certificate", "检验检疫证明号", ("检验报告编号", "检验证明号", "证明号")),
    Column("site", "库存地点", ("仓库", "地点")),
)
COLUMNS: Final[dict[Book, tuple[Column, ...]]] = {
    Book.PURCHASE: (
        *_COMMON,
        Column("party", "供应商名称", ("供货商", "供应商"), needed=True),
        Column("party_code", "供应商信用代码", ("供应商统一社会信用代码",)),
        Column("address", "供应商地址", ("地址",)),
        Column("contact", "供应商联系方式", ("联系方式", "联系电话")),
    ),
    Book.SALE: (
        *_COMMON,
        Column("party", "客户名称", ("购货者", "客户"), needed=True),
        Column("party_code", "客户信用代码", ("客户统一社会信用代码",)),
        Column("address", "客户地址", ("地址",)),
        Column("contact", "客户联系方式", ("联系方式", "联系电话")),
    ),
    Book.PRODUCTION: _COMMON,
}
CASE_UNITS: Final = frozenset(("箱", "件", "CT", "CS"))
ITEM_UNITS: Final = frozenset(("罐", "听", "盒", "袋", "包", "瓶", "个", "H87"))


def recognise(headers: list[str]) -> Book:
    """Which book these headers belong to."""
    for book in (Book.PURCHASE, Book.SALE):
        party = next(column for column in COLUMNS[book] if column.field == "party")
        if any(name in headers for name in (party.header, *party.others)):
            return book
    return Book.PRODUCTION
