"""The member's page in a real browser: what it lists, how a label is made, and that a voucher typed in for one is
never sent. Its QR codes are compared with another encoder's, module by module."""

import json
import random
from collections.abc import Iterator

import pytest
import segno
from playwright.sync_api import Page, Request
from segno import encoder

from client_sdk import build
from client_sdk.wire import clock_ms
from ledger import entries as e
from ledger import records as r
from tests.chromium import launched
from tests.network import Network, run
from tests.web import Web
from tests.world import FORMULA, LOT, MAKER

VOUCHER = "0123456789abcdef" * 2
HOSTILE = '<img src=x onerror="document.title=1">'
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789:/?=&.%"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("member-page"))
    network.found_with_goods(MAKER)
    with network.client(MAKER) as client:
        declared = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "product": FORMULA}
        client.submit([build.act(r.Register, at=clock_ms(), name="乳粉", specification=HOSTILE, **declared)])
        entered = {"lot": f"{FORMULA}#B2", "quantity": 12, "ref": "RK-1", "site": MAKER.site}
        client.submit([build.enter(at=clock_ms(), **entered)])
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="module")
def page(network: Network) -> Iterator[Page]:
    told = run("client_sdk.commands", "member-link", "-i", str(network.home(MAKER)), "--json")
    with launched() as browser:
        page = browser.new_context().new_page()
        page.goto(json.loads(told.stdout)["link"])
        page.wait_for_selector("table")
        yield page


def test_it_lists_what_is_ones_own(page: Page, network: Network) -> None:
    assert page.url == f"http://127.0.0.1:{Web(network.data).port}/member", "the token is out of the address"
    row = page.locator("tbody tr").first.inner_text()
    assert (LOT in row, "10,000" in row, HOSTILE in row) == (True, True, True)
    assert page.locator("main img").count() == 0, "hostile text is text"
    page.get_by_role("button", name="记录与回执").click()
    page.wait_for_selector("a[download]")
    assert page.locator("a[download]").count() == 3
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("text=Records, receipts")
    assert page.locator("html").get_attribute("lang") == "en"


def test_status_and_acts_are_said_in_the_readers_language(page: Page, network: Network) -> None:
    other = page.context.new_page()
    told = run("client_sdk.commands", "member-link", "-i", str(network.home(MAKER)), "--json")
    other.goto(json.loads(told.stdout)["link"])
    other.wait_for_selector("td.flags")
    assert any("来源只有一方签名" in one for one in other.locator("td.flags").all_inner_texts())
    other.get_by_role("button", name="记录与回执").click()
    other.wait_for_selector("a[download]")
    assert f"入账 12 {FORMULA}#B2 RK-1" in other.locator("tbody").inner_text()
    other.get_by_role("button", name="English").click()
    other.wait_for_selector(f"text=entry 12 {FORMULA}#B2 RK-1")
    names = {"bits": [bit.name.lower() for bit in e.Bit if bit.name], "acts": [act.name.lower() for act in r.Act]}
    told_in = """async ([language, { bits, acts }]) => {
      const words = await import("/web/member-words.js");
      const said = acts.map((act) => words.actWord(language, act));
      return [...bits.map((bit) => words.statusWord(language, bit)), ...said];
    }"""
    assert [one for one in other.evaluate(told_in, ["zh", names]) if one.isascii() or "{" in one] == []
    assert [one for one in other.evaluate(told_in, ["en", names]) if not one.isascii() or "{" in one] == []
    other.close()


def test_a_voucher_is_drawn_and_never_sent(page: Page) -> None:
    sent: list[str] = []

    def note(request: Request) -> None:
        sent.append(f"{request.url} {request.headers} {request.post_data}")

    page.on("request", note)
    page.get_by_role("button", name="Labels").click()
    page.fill("#voucher", VOUCHER)
    page.get_by_role("button", name="Make").click()
    page.wait_for_selector(".label svg")
    drawn = page.locator(".label svg path").first.get_attribute("d")
    expected = page.evaluate(
        "async (text) => (await import('/web/qr.js')).svg(text).querySelector('path').getAttribute('d')",
        f"{page.url.removesuffix('/member')}/01/{FORMULA}/10/A1?voucher={VOUCHER}",
    )
    assert drawn == expected
    assert sent
    assert not [one for one in sent if VOUCHER in one]
    page.select_option("#kind", "sheet")
    page.get_by_role("button", name="Make").click()
    assert page.locator(".label.sheet").count() == 21
    page.fill("#voucher", "nonsense")
    page.get_by_role("button", name="Make").click()
    assert "32 hexadecimal digits" in page.locator("#hint").inner_text()
    assert page.locator(".label").count() == 0


def test_qr_codes_are_those_of_another_encoder(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """segno puts a zero byte before the padding where a text ends on a byte, which the standard does not ask for."""
    monkeypatch.setattr(encoder, "write_padding_bits", lambda bits, version, length: bits.extend([0] * (-length % 8)))
    chosen = random.Random(1)
    texts = ["a" + "".join(chosen.choices(ALPHABET, k=size - 1)) for size in range(1, 214)]
    ours = page.evaluate(
        "async texts => { const qr = await import('/web/qr.js'); return texts.map((t, i) => qr.modules(t, i % 8)) }",
        texts,
    )
    for number, (text, found) in enumerate(zip(texts, ours, strict=True)):
        made = segno.make(text, error="m", mode="byte", micro=False, boost_error=False, mask=number % 8)
        assert [list(row) for row in made.matrix] == found, f"{len(text)} bytes, mask {number % 8}"


def test_without_a_token_it_says_how_to_get_one(page: Page, network: Network) -> None:
    web = Web(network.data)
    other = page.context.new_page()
    other.goto(f"http://{web.host}:{web.port}/member")
    other.wait_for_selector("text=suyuan member-link")
    other.goto("about:blank")
    other.goto(f"http://{web.host}:{web.port}/member#nonsense")
    other.wait_for_selector("[role=alert]")
    assert "suyuan member-link" in other.locator("[role=alert]").inner_text()
    other.close()
