"""The columns of a book, after art. 50 to 53 of the Food Safety Law: what each is called, and what else it may be
called. A book is recognised by its headers: purchases name a supplier, sales a customer, a stock-taking what was
found, production none of them."""

from enum import Enum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class Book(Enum):
    PURCHASE = "purchase"
    SALE = "sale"
    PRODUCTION = "production"
    STOCK = "stock"


class Column(Struct, frozen=True):
    """`field` of a row, its header, other spellings, and whether a book of that kind must have it. A header that ends
    in a unit of weight in brackets gives it to cells that name none: 重量(kg), 单价(元/kg)."""

    field: str
    header: str
    others: tuple[str, ...] = ()
    needed: bool = False


_DATE: Final = Column("date", "日期", ("交易日期", "单据日期"), needed=True)
_DOCUMENT: Final = Column("document", "单据号", ("单号", "票号", "凭证号"))
_LINE: Final = Column("line", "行号", ("序号",))
_GTIN: Final = Column("gtin", "商品条码", ("条码", "GTIN", "商品条形码", "商品条码(GTIN)"), needed=True)
_NAME: Final = Column("name", "商品名称", ("品名", "名称", "食品名称", "产品名称"))
_SPECIFICATION: Final = Column("specification", "规格", ("规格型号",))
_UNIT: Final = Column("unit", "单位", ("计量单位",))
_QUANTITY: Final = Column("quantity", "数量", needed=True)
_PRODUCTION: Final = Column("production", "生产日期")
_LOT: Final = Column("lot", "批号", ("生产批号", "批次", "批次号"))
_SHELF_LIFE: Final = Column(
    "shelf_life", "保质期", ("保质期(天)", "保质期天数", "保质期至", "有效期", "有效期至", "到期日期")
)
_CERTIFICATE: Final = Column("certificate", "检验检疫证明号", ("检验报告编号", "检验证明号", "证明号"))
_SITE: Final = Column("site", "库存地点", ("仓库", "地点"))
_WEIGHT: Final = Column(
    "weight",
    "重量(kg)",
    ("重量", "净重", "净重(kg)", "重量(千克)", "重量(公斤)", "重量(g)", "重量(克)", "净重(g)", "重量(斤)"),
)
_KEPT_REF: Final = Column("kept_ref", "原登记号")  # in a file of bad rows: what tells equal rows apart
_PRICE: Final = Column(
    "price",
    "单价",
    ("单价(元)", "含税单价", "单价(元/kg)", "单价(元/千克)", "单价(元/公斤)", "单价(元/斤)"),
)
_AMOUNT: Final = Column("amount", "金额", ("金额(元)", "总价", "价税合计"))


def _needed(column: Column) -> Column:
    return replace(column, needed=True)


_TRADE: Final = (
    _DATE, _DOCUMENT, _LINE, _GTIN, _needed(_NAME), _SPECIFICATION, _needed(_UNIT), _QUANTITY, _PRODUCTION, _LOT,
    _SHELF_LIFE, _CERTIFICATE, _SITE, _WEIGHT, _PRICE, _AMOUNT, _KEPT_REF,
)  # fmt: skip
COLUMNS: Final[dict[Book, tuple[Column, ...]]] = {
    Book.PURCHASE: (
        *_TRADE,
        Column("party", "供应商名称", ("供货商", "供应商", "供货商名称", "供货者名称"), needed=True),
        Column("party_code", "供应商信用代码", ("供应商统一社会信用代码", "供货商信用代码")),
        Column("address", "供应商地址", ("地址", "供货者地址")),
        Column("contact", "供应商联系方式", ("联系方式", "联系电话")),
    ),
    Book.SALE: (
        *_TRADE,
        Column("party", "客户名称", ("购货者", "客户", "购货者名称", "购货单位"), needed=True),
        Column("party_code", "客户信用代码", ("客户统一社会信用代码", "购货者信用代码")),
        Column("address", "客户地址", ("地址", "购货者地址")),
        Column("contact", "客户联系方式", ("联系方式", "联系电话")),
    ),
    # A maker's book: the goods are its own, made on the production date, counted in items unless it says so.
    Book.PRODUCTION: (
        replace(_DATE, needed=False), _DOCUMENT, _LINE, _GTIN, _NAME, _SPECIFICATION, _UNIT, _QUANTITY,
        _needed(_PRODUCTION), _LOT, _SHELF_LIFE, _CERTIFICATE, _SITE, _WEIGHT, _KEPT_REF,
    ),
    # A stock-taking, opening or periodic: what was found, and what the book said.
    Book.STOCK: (
        Column("date", "盘点日期", ("日期",), needed=True), _DOCUMENT, _LINE, _GTIN, _NAME, _SPECIFICATION, _UNIT,
        Column("quantity", "实盘数量", ("盘点数量", "实存数量", "实际数量"), needed=True),
        Column("booked", "账面数量", ("账存数量",)), _PRODUCTION, _LOT, _SHELF_LIFE, _SITE, _WEIGHT,
        Column("booked_weight", "账面重量(kg)", ("账面重量", "账面重量(g)")), _KEPT_REF,
    ),
}  # fmt: skip
WEIGHTS: Final = {"kg": 1000, "千克": 1000, "公斤": 1000, "斤": 500, "g": 1, "克": 1}  # in grams
CASE_UNITS: Final = frozenset(("箱", "件", "CT", "CS"))
ITEM_UNITS: Final = frozenset(
    ("罐", "听", "盒", "袋", "包", "瓶", "个", "支", "只", "枚", "条", "块", "份", "桶", "H87")
)
IGNORED: Final = "-"  # what a mapping says of a header that is to be passed over


def unit_of(header: str) -> str:
    """The unit of weight that a header gives; empty where it gives none."""
    unit = header.rpartition("(")[2].removesuffix(")").removeprefix("元/").lower()
    return unit if unit in WEIGHTS and header.endswith(")") else ""


def recognise(headers: list[str]) -> Book:
    """Which book these headers belong to; ValueError where they name suppliers and customers both."""
    if _has(Book.STOCK, "quantity", headers):
        return Book.STOCK
    found = [book for book in (Book.PURCHASE, Book.SALE) if _has(book, "party", headers)]
    if len(found) > 1:
        raise ValueError("it names suppliers and customers both: keep purchases and sales in two books")
    return found[0] if found else Book.PRODUCTION


def _has(book: Book, field: str, headers: list[str]) -> bool:
    column = next(column for column in COLUMNS[book] if column.field == field)
    return any(name in headers for name in (column.header, *column.others))
