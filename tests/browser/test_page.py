"""The consumer's page in a real browser, for every verdict, at phone and desk width, in both languages. With
SUYUAN_SCREENSHOTS=FOLDER it leaves a picture of each."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from ledger.proof.verdict import Verdict
from tests.browser import axe
from tests.browser.scenes import Scene
from tests.browser.serving import DESK, PHONE, Reader, bundle_of, shown
from tests.network import Network
from tests.world import FORMULA, LOT

SCENES = (
    "good", "good-code-alone", "good-case-code", "good-public-shop", "no-certificate", "blended", "cold-chain",
    "breached", "not-confirmed", "disputed", "one-signature", "not-commissioned", "in-part", "adverse-fact",
    "failed-test", "held", "expired", "unknown", "recalled-ingredient", "recalled-importer", "key-suspect",
    "member-suspended",
)  # fmt: skip
TEXT_PX_MIN = 13
AXE_IN_ENGLISH = ("blended", "breached", "recalled-ingredient")  # which have something of everything
ALL_TEXT_SIZES = """() => [...document.querySelectorAll("main *")]
    .filter((one) => one.checkVisibility())
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((one) => parseFloat(getComputedStyle(one).fontSize))"""
USABLE = """[...document.querySelectorAll("button, summary, a, input, [tabindex='0']")]
    .filter((one) => one.checkVisibility()).length"""
SCREENSHOTS = os.environ.get("SUYUAN_SCREENSHOTS")


def words(page: Page, language: str) -> dict[str, Any]:
    """What the page may say, as it says it."""
    found: dict[str, Any] = page.evaluate(f"import('/web/{language}.js').then((module) => module.{language})")
    return found


def text(page: Page, selector: str = "main") -> str:
    return page.locator(selector).first.inner_text()


def section(page: Page, title: str) -> str:
    return text(page, f"section:has(> h2:text-is('{title}'))")


def photograph(page: Page, name: str) -> None:
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SCREENSHOTS}/{name}.png", full_page=True)


def test_the_scenes_show_every_verdict(scenes: dict[str, Scene]) -> None:
    assert set(SCENES) == set(scenes)
    assert {scene.verdict for scene in scenes.values()} == set(Verdict)


@pytest.mark.parametrize("name", SCENES)
def test_a_verdict_is_told_first_in_words_and_colour(reader: Reader, name: str) -> None:
    scene = reader.scenes[name]
    page = reader.scan(scene)
    for language, other in (("zh", "English"), ("en", "中文")):
        told = words(page, language)
        title, advice = told["verdicts"][scene.verdict.name]
        for size, label in ((PHONE, "phone"), (DESK, "desk")):
            page.set_viewport_size(size)
            assert text(page, "h1") == title
            assert advice in text(page, "section.verdict")
            assert page.locator("section.verdict .level").inner_text() in told["levels"].values()
            assert page.locator("section.verdict > svg.sign").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            photograph(page, f"{name}-{label}-{language}")
        assert text(page, "#language") == other
        if language == "zh" or name in AXE_IN_ENGLISH:
            assert axe.violations(page) == []
        assert min(page.evaluate(ALL_TEXT_SIZES)) >= TEXT_PX_MIN
        page.set_viewport_size(PHONE)
        page.click("#language")


def test_words_are_there_in_both_languages_and_verdicts_differ(reader: Reader) -> None:
    page = reader.scan(reader.scenes["good"])

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(one) for key, one in value.items()}
        return sorted(re.findall(r"\{\w+\}", json.dumps(value)))

    chinese, english = words(page, "zh"), words(page, "en")
    assert shape(chinese) == shape(english)
    for told in (chinese, english):
        assert set(told["verdicts"]) == {verdict.name for verdict in Verdict}
        assert len({title for title, _ in told["verdicts"].values()}) == len(Verdict)


def test_infant_formula_shows_what_a_label_and_a_licence_say(reader: Reader) -> None:
    page = reader.scan(reader.scenes["blended"])
    goods = section(page, "这是什么")
    for shown_ in (
        "浙北婴幼儿配方乳粉（1段）", "800g/罐", "婴幼儿配方食品", "中国", "浙北乳业有限公司", "SC12933040200128",
        "国食注字YP20240012", "0 °C 至 30 °C", "730 天", FORMULA, "B20251105", "2025-11-05", "2027-11-04",
    ):  # fmt: skip
        assert shown_ in goods, shown_
    records = section(page, "检验、证书与处置")
    assert "JX-2025-11-0031" in records
    assert "嘉兴市食品药品检验检测院" in records
    page.click("summary:has-text('原料批次')")
    assert "脱盐乳清粉" in section(page, "这是什么")


def test_cold_chain_goods_show_importer_certificate_way_and_temperatures(reader: Reader) -> None:
    page = reader.scan(reader.scenes["breached"])
    goods = section(page, "这是什么")
    for shown_ in ("厄瓜多尔", "甬嘉进出口有限公司", "EC7-0912", "进口批次", "不高于 −18 °C", "540 天"):
        assert shown_ in goods, shown_
    assert "检验检疫证明 380000251234567" in section(page, "检验、证书与处置")
    way = text(page, "ol.timeline")
    assert way.index("甬嘉进出口有限公司") < way.index("嘉兴第三方冷库有限公司") < way.index("南湖爱婴坊3店")
    drawing = page.locator(".route svg")
    route = "路线：甬嘉进出口有限公司 → 嘉兴第三方冷库有限公司 → 南湖爱婴坊3店 南湖路门店"
    assert drawing.get_attribute("aria-label") == route
    chart = page.locator(".chart svg")
    assert chart.get_attribute("aria-label") == "4 段测温记录：最低 −23.4 °C，最高 −9.4 °C，1 段超限。"
    assert page.locator(".chart .bar").count() == 4
    assert page.locator(".chart .bar.bad").count() == 1
    assert page.locator(".chart .gap").count() == 3
    breach = page.locator(".chart .bar.bad rect").bounding_box()
    assert breach is not None
    assert breach["x"] + breach["width"] < PHONE["width"]  # in sight without scrolling
    assert page.locator(".chart .bar text:text-is('缺 90 分钟')").count() == 1  # inside a record
    assert "上限 −18 °C" in section(page, "温度")
    page.click("summary:has-text('以表格查看')")
    assert "90 分钟" in text(page, ".chart ~ details table")


def test_a_recalled_ingredient_is_seen_on_the_can(reader: Reader) -> None:
    page = reader.scan(reader.scenes["recalled-ingredient"])
    why = section(page, "原因")
    assert "已召回" in why
    assert "原料" in why
    assert "脱盐乳清粉" in why
    assert "乳清原料检出污染物" in section(page, "检验、证书与处置")


def test_the_code_alone_says_what_it_shows_and_how_to_see_more(reader: Reader) -> None:
    page = reader.scan(reader.scenes["good-code-alone"])
    assert "共 3 处先后持有过这批货" in section(page, "这是什么")
    assert "请扫描货架标签" in section(page, "来路")
    assert page.locator(".route").count() == 0


def test_a_voucher_that_opens_nothing_is_said_so(reader: Reader) -> None:
    alone = reader.scenes["good-code-alone"]
    scanned = replace(alone, query=reader.scenes["good"].query)
    page = reader.scan(scanned, bundle_of(alone))
    assert page.locator("section.verdict.careful").count() == 1
    assert text(page, "h1") == "凭证没有打开任何一处"
    assert "只核验了条码本身" in text(page, "section.verdict")
    assert "只核验了条码本身" in section(page, "来路")
    page.click("#language")
    assert text(page, "h1") == "The voucher opened nothing"
    assert "Only the code alone was checked" in text(page, "section.verdict")


def test_every_step_of_the_verification_opens(reader: Reader) -> None:
    page = reader.scan(reader.scenes["good"])
    steps = page.locator("ol.checks details")
    assert steps.count() == 7
    for number in range(7):
        steps.nth(number).locator("summary").click()
        assert len(steps.nth(number).locator(".inside").inner_text()) > 20
    assert "test.example/validator-1" in text(page, "ol.checks")
    assert "凭证或公示门店打开的就是这一处" in text(page, "ol.checks")


def test_the_step_about_the_way_speaks_of_no_voucher_where_there_is_none(reader: Reader) -> None:
    page = reader.scan(reader.scenes["good-code-alone"])
    page.locator("ol.checks details").nth(5).locator("summary").click()
    told = page.locator("ol.checks details").nth(5).inner_text()
    assert "没有打开任何一处" in told
    assert "凭证" not in told


def test_all_that_can_be_used_is_reached_by_keyboard(reader: Reader) -> None:
    page = reader.scan(reader.scenes["breached"])
    page.evaluate("document.activeElement.blur()")
    wanted = page.evaluate(USABLE)
    page.evaluate("window.reached = new Set(); addEventListener('focusin', (event) => reached.add(event.target))")
    for _ in range(wanted + 2):
        page.keyboard.press("Tab")
    assert page.evaluate("reached.size") == wanted
    page.locator("ol.checks summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("ol.checks details[open]").count() == 1
    page.locator("#language").focus()
    page.keyboard.press("Space")
    assert text(page, "h1") == "Temperature limits were broken"


def test_a_real_node_serves_it_within_100_kb_and_one_request_for_data(reader: Reader, node: Network) -> None:
    page = reader.page()
    session = reader.context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    product, lot = LOT.split("#")
    shown(page.goto(f"{reader.url}/01/{product}/10/{lot}") and page)
    assert text(page, "h1") == "未发现问题"
    assert "10,000" not in text(page)  # amounts stay sealed
    assert [url for url in reader.asked if "/01/" in url] == [page.url, page.url]  # the page, then its data
    assert len(received) == len(reader.asked)
    assert sum(received) <= 100_000, received
    assert reader.context.cookies() == []
