"""What a single cell says: each function takes cleaned text and returns its value, or raises BadCell."""

import calendar
import datetime as dt
import re
import unicodedata
from typing import Final

from ledger import identifiers as ids
from ledger.errors import Malformed
from ledger.limits import QUANTITY_MAX

CHINA: Final = dt.timezone(dt.timedelta(hours=8))
NOON: Final = dt.time(12)
_DATE: Final = re.compile(
    r"(?:(\d{4})(\d\d)(\d\d)|(\d{4})([-/.])(\d{1,2})\5(\d{1,2})|(\d{4})年(\d{1,2})月(\d{1,2})日)"
    r"(?:[ T](\d{1,2}):(\d\d)(?::(\d\d))?)?",
    re.ASCII,
)
_QUANTITY: Final = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.0{1,2})?", re.ASCII)
_MINUS: Final = ("-", "\u2212")
_SPAN: Final = re.compile(r"(\d{1,5})(天|日|个月|月|年)?", re.ASCII)
_MONTHS: Final = {"个月": 1, "月": 1, "年": 12}


class BadCell(Exception):
    """Which column, what is wrong with it, and what would cure it."""

    def __init__(self, field: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.field, self.message, self.remedy = field, message, remedy


def clean(text: str) -> str:
    """Full-width digits and letters become plain ones, and blanks around are dropped."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def gtin(text: str) -> str:
    """8 to 14 digits as 14: spreadsheets drop zeros on the left, and the check digit holds either way."""
    if not (text.isascii() and text.isdigit()) or not 8 <= len(text) <= 14:
        remedy = "copy the bar code of the goods; a spreadsheet keeps it whole where its column is text"
        raise BadCell("商品条码", f"{text!r} is not 8 to 14 digits", remedy)
    try:
        ids.check_gtin(text.zfill(14))
    except Malformed as error:
        raise BadCell("商品条码", error.message, "copy the bar code of the goods") from None
    return text.zfill(14)


def party_code(text: str) -> str:
    if text:
        try:
            ids.check_member_id(text)
        except Malformed as error:
            remedy = "check the code, or leave it empty for somebody without one"
            raise BadCell("信用代码", error.message, remedy) from None
    return text


def quantity(text: str, field: str = "数量") -> int:
    """A whole number above zero, with thousands separators or without; `1,2` could mean 1.2, so it is refused."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise BadCell(field, f"{text!r} is not a whole number above zero", "write how many there are, as 12")
    digits = match[1].replace(",", "").lstrip("0")
    if not digits or len(digits) > len(str(QUANTITY_MAX)) or int(digits) > QUANTITY_MAX:
        raise BadCell(field, f"{text} is not between 1 and {QUANTITY_MAX}", "correct the number")
    return int(digits)


def signed(text: str) -> int:
    """As `quantity`; negative where it has a minus or stands in brackets: goods that went back."""
    number, back = without_sign(text)
    return -quantity(number) if back else quantity(number)


def without_sign(text: str) -> tuple[str, bool]:
    """(the number, whether it had a minus or stood in brackets)."""
    if text[:1] == "(" and text[-1:] == ")":
        return text[1:-1].strip(), True
    return (text[1:].strip(), True) if text[:1] in _MINUS else (text, False)


def count(text: str, field: str) -> int:
    """As `quantity`, and zero too: a stock-taking may find nothing."""
    return 0 if text.strip("0.,") == "" and text[:1] == "0" else quantity(text, field)


def _moment(text: str, field: str) -> dt.datetime:
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day = (int(part) for part in match.group(1, 2, 3, 4, 6, 7, 8, 9, 10) if part)
        hour, minute, second = (int(part or 0) for part in match.group(11, 12, 13))
        clock = dt.time(hour, minute, second) if match[11] else NOON
        return dt.datetime.combine(dt.date(year, month, day), clock, CHINA)
    except ValueError:
        raise BadCell(field, f"{text!r} is not a date", "write it as 2026-01-31") from None


def time_ms(text: str) -> int:
    """The time of a deal in ms since the epoch; a date without a time of day means noon in China."""
    seconds = int(_moment(text, "日期").timestamp())
    if seconds < 0:
        raise BadCell("日期", f"{text} lies before 1970", "correct the year")
    return seconds * 1000


def day(text: str) -> int | None:
    """A production date as YYYYMMDD; None where the cell is empty."""
    if not text:
        return None
    moment = _moment(text, "生产日期")
    number = moment.year * 10_000 + moment.month * 100 + moment.day
    try:
        ids.check_day(number, "生产日期")
    except Malformed as error:
        raise BadCell("生产日期", error.message, "correct the year") from None
    return number


def shelf_days(text: str, production: int | None) -> int | None:
    """Days from the production date to the expiry that a number of days, months or years, or a date, gives.
    None where the cell is empty, or where months have no production date to count from."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    made = None if production is None else dt.date(production // 10_000, production // 100 % 100, production % 100)
    try:
        if span is None:
            return _until(text, made)
        count, months = int(span[1]), _MONTHS.get(span[2] or "", 0)
        if made is None:
            return None if months else count
        expiry = _months_after(made, count * months) if months else made + dt.timedelta(days=count)
    except (OverflowError, ValueError):
        raise BadCell(
            "保质期", f"{text} leads beyond the year 9999", "write it as 730, 24个月 or 2028-01-31"
        ) from None
    return (expiry - made).days


def _until(text: str, made: dt.date | None) -> int:
    if not _DATE.fullmatch(text):
        remedy = "write it as 730, 24个月 or 2028-01-31"
        raise BadCell("保质期", f"{text!r} is not a number of days, months or years, nor a date", remedy)
    expiry = _moment(text, "保质期").date()
    if made is None:
        raise BadCell("保质期", f"{text} needs a production date to count from", "fill 生产日期 in as well")
    if expiry < made:
        raise BadCell("保质期", f"{text} lies before the production date {made}", "correct one of the two dates")
    return (expiry - made).days


def _months_after(start: dt.date, months: int) -> dt.date:
    """The same day of a later month, or that month's last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if year > dt.MAXYEAR:
        raise OverflowError
    return dt.date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))
