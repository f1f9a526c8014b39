"""What a scanner reads: each form to the same scan, links that come back whole, and no other error than Malformed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sdk.codes import Scan, link, parse_scan
from ledger.errors import Malformed
from ledger.proof.verify import Query
from tests.world import gtin

CODE = gtin(3)
SSCC = "006901234567890121"
AI_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("text", "scan"),
    [
        (CODE, Scan(CODE)),
        (CODE.lstrip("0"), Scan(CODE)),
        (f"{CODE}#A/01/B", Scan(CODE, "#A/01/B")),
        (f"{CODE}@20260131", Scan(CODE, "@20260131")),
        (f"{CODE}@19250131", Scan(CODE, "@19250131")),
        ("P-ZHANG/leek@20260131", Scan("P-ZHANG/leek", "@20260131")),
        (f"(01){CODE}(10)A(1", Scan(CODE, "#A(1")),
        (f"(01){CODE}(11)260131", Scan(CODE, "@20260131")),
        (f"(01){CODE}(17)280131(10)A1(21)7", Scan(CODE, "#A1", "7")),
        (f"(00){SSCC}", Scan(None, sscc=SSCC)),
        (f"/01/{CODE}/10/A1/21/9?17=280131", Scan(CODE, "#A1", "9")),
        (f"https://id.example.org/some/way/01/{CODE}/10/00/", Scan(CODE, "#00")),
        (f"id.example.org/01/{CODE}?11=260131", Scan(CODE, "@20260131")),
        (f"https://id.example.org/00/{SSCC}", Scan(None, sscc=SSCC)),
    ],
)
def test_every_form(text: str, scan: Scan) -> None:
    assert parse_scan(f" {text}\n") == scan


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", f"{CODE[:-1]}{(int(CODE[-1]) + 1) % 10}", f"{CODE}0",
        f"{CODE}#", f"{CODE}@1", f"{CODE}@2026013", f"{CODE}@20260230",
        "(10)A1", "(01)", f"(01){CODE}(01){CODE}", f"(01){CODE}(10)", f"x(01){CODE}", f"(01){CODE}(21)a b",
        f"(00){SSCC[:-1]}2", "https://x/01/", f"https://x/?u=/01/{CODE}", f"https://[::1/01/{CODE}",
        f"/01/{CODE}/10", f"/01/{CODE}/10/A/10/B", f"/01/{CODE}/10/%E6%89%B9", f"/01/{CODE}/10/A?voucher=00",
        f"/01/{CODE}/10/A?voucher={'0 ' * 16}", f"/01/{CODE}/10/A?site=nowhere",
    ],
)  # fmt: skip
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(Malformed):
        parse_scan(text)


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(Malformed, match="lot number"):
        parse_scan(CODE).query()
    with pytest.raises(Malformed, match="goods inside"):
        parse_scan(f"(00){SSCC}").query()
    with pytest.raises(Malformed, match="2099"):
        link(CODE, "@19991231", None, "id.example.org")


PRODUCTS = st.sampled_from((CODE, "P-ZHANG/leek", "P-ZHANG/01"))
LOTS = st.text(AI_82, min_size=1, max_size=20).map("#{}".format) | st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(
    "@{:%Y%m%d}".format
)


@given(PRODUCTS, LOTS, st.none() | st.binary(min_size=16, max_size=16))
def test_a_link_comes_back_whole(product: str, lot: str, voucher: bytes | None) -> None:
    asked = Query(product=product, lot=lot, voucher=voucher, site=None)
    assert parse_scan(link(product, lot, voucher, "id.example.org")).query() == asked


def refuses_or_reads(text: str) -> None:
    try:
        scan = parse_scan(text)
    except Malformed:
        return
    assert scan.product is not None or scan.sscc is not None


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    refuses_or_reads(text)


@given(st.lists(st.sampled_from(["(", ")", "01", "10", "/", "?", "#", "@", "://", "[", "%", CODE, "A", "voucher="])))
def test_any_pieces_of_codes(pieces: list[str]) -> None:
    refuses_or_reads("".join(pieces))
