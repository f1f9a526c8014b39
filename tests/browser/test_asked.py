"""Codes that leave something open, and nodes that do not answer: the page asks, lists, or says what to do."""

import pytest
from playwright.sync_api import Page

from client_sdk import build
from client_sdk.commands import meant
from client_sdk.wire import clock_ms
from ledger import identifiers
from ledger import records as r
from tests.browser import axe
from tests.browser.serving import Reader, shown
from tests.browser.test_page import photograph, section, text
from tests.network import Network
from tests.world import FORMULA, LOT, MAKER

GLN = "690123400000" + str(identifiers.gs1_check_digit("690123400000"))
SSCC = "00690123456789012" + str(identifiers.gs1_check_digit("00690123456789012"))
OTHER = f"{FORMULA}#A2"
SHOP_SITE = f"{MAKER.id}/{GLN}"


@pytest.fixture(scope="module", autouse=True)
def goods(node: Network) -> None:
    """A carton with cans in it, and a public shop."""
    now = clock_ms()
    with node.client(MAKER) as client:
        client.submit([build.act(r.Site, at=now, name="厂门店", public=True, region="CN-33", site=SHOP_SITE)])
        moved = r.Moved(quantity=7, ref="DB-1")
        client.submit([build.act(r.Move, moved, at=now, lot=LOT, site=MAKER.site, to_site=SHOP_SITE)])
        client.submit(
            [build.commission(at=now, lot=OTHER, quantity=60, ref="SC-9", site=MAKER.site, production=20251102)]
        )
        client.submit([build.pack(at=now, lines={LOT: 6, OTHER: 6}, ref="ZT-1", site=MAKER.site, unit=SSCC)])
        about = r.Subject(kind=r.SubjectKind.LOT, lot=OTHER)
        client.submit([build.act(r.Recall, at=now, grade=1, reason="误投", subject=about)])


def visit(reader: Reader, path: str) -> Page:
    page = reader.page()
    page.goto(reader.url + path)
    return shown(page)


def go(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.keyboard.press("Enter")
    page.wait_for_selector("section.verdict")


def test_a_trade_item_alone_asks_for_its_lot(reader: Reader) -> None:
    page = visit(reader, f"/01/{FORMULA}")
    assert text(page, "h1") == "请输入批号"
    assert "乳粉" in text(page)
    photograph(page, "ask-zh")
    assert axe.violations(page) == []
    go(page, lot="NONE")
    assert text(page, "h1") == "查无此批次"
    page.go_back()
    shown(page)
    go(page, lot="A1")
    assert text(page, "h1") == "未发现问题"


def test_another_form_of_an_unknown_lot_is_offered_and_never_taken(reader: Reader) -> None:
    page = visit(reader, f"/01/{FORMULA}/10/a1")
    page.wait_for_selector("#meant")
    assert (text(page, "h1"), "您是不是要查批号 A1？" in text(page)) == ("查无此批次", True)
    assert page.url.endswith("/10/a1")
    assert axe.violations(page) == []
    page.click("#meant a")
    page.wait_for_url(f"**/01/{FORMULA}/10/A1")
    assert text(shown(page), "h1") == "未发现问题"
    for number in ("a1", "2O25", "A-01", "lot.7", "A1", "0", "李 o1"):
        ours = page.evaluate("async (one) => (await import('/web/meant.js')).forms(one)", number)
        assert [f"{FORMULA}#{one}" for one in ours] == meant.forms(f"{FORMULA}#{number}")


def test_a_production_date_stands_in_for_a_lot_number(reader: Reader) -> None:
    page = visit(reader, f"/01/{FORMULA}")
    go(page, made="2025-11-01")
    assert page.url.endswith(f"/01/{FORMULA}?11=251101")
    assert "2025-11-01 生产（无批号）" in text(page, "section.verdict")


def test_a_serial_number_is_not_proven_and_kept_in_sight(reader: Reader) -> None:
    page = visit(reader, f"/01/{FORMULA}/21/S-7")
    assert "序列号未经证明" in text(page)
    go(page, lot="A1")
    assert page.url.endswith(f"/01/{FORMULA}/10/A1/21/S-7")
    assert "S-7（未经证明）" in section(page, "这是什么")


def test_a_carton_shows_what_is_recalled_in_it(reader: Reader) -> None:
    page = visit(reader, f"/00/{SSCC}")
    page.wait_for_selector("section.verdict")
    assert text(page, "h1") == "已召回"  # the worst of what is in it, each verified here
    lots = page.locator("ul.findings li")
    assert [lots.nth(number).inner_text() for number in range(2)] == [
        "乳粉 批次 A1\n未发现问题",
        "乳粉 批次 A2\n已召回",
    ]
    photograph(page, "unit-zh")
    assert axe.violations(page) == []
    page.click("a:has-text('批次 A1')")
    page.wait_for_selector("section.verdict.good")


def test_a_public_shop_opens_the_way_of_what_is_typed_in(reader: Reader) -> None:
    page = visit(reader, f"/414/{GLN}")
    assert "厂门店" in text(page)
    go(page, product=FORMULA, lot="A1")
    assert page.url.endswith(f"/01/{FORMULA}/10/A1?414={GLN}")
    assert "厂门店" in text(page, "ol.timeline")


def test_the_front_page_asks_for_a_code(reader: Reader) -> None:
    page = visit(reader, "/")
    assert axe.violations(page) == []
    go(page, product=FORMULA, lot="A1")
    assert text(page, "h1") == "未发现问题"


def test_a_malformed_code_is_told_in_one_line(reader: Reader) -> None:
    page = visit(reader, "/01/123/10/A1")
    assert text(page, "h1") == "没有取得记录"
    assert "商品条码不完整或有误" in text(page, "section.verdict")
    assert "8, 12, 13 or 14 digits" in text(page)
    assert axe.violations(page) == []
    assert all("400" in one for one in reader.wrong)
    reader.wrong.clear()


def test_a_node_that_is_gone_is_told_so_and_can_be_tried_again(reader: Reader) -> None:
    page = reader.page()
    page.route(
        f"{reader.url}/01/**",
        lambda route: route.abort() if "json" in route.request.headers["accept"] else route.continue_(),
    )
    page.goto(f"{reader.url}/01/{FORMULA}/10/A1")
    shown(page)
    assert text(page, "h1") == "没有取得记录"
    page.unroute_all()
    page.click("button:has-text('再试一次')")
    page.wait_for_selector("section.verdict.good")
    reader.wrong.clear()
