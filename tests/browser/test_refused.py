"""What is not proven is shown red, with the check that said no; what cannot be checked is not shown at all; and text
that means harm stays text."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from msgspec import structs
from playwright.sync_api import Route

from ledger import note, policy, signature
from ledger import records as r
from tests.browser import axe
from tests.browser.scenes import Scene, Stage
from tests.browser.serving import DESK, PHONE, Reader, bundle_of, shown
from tests.browser.test_page import photograph, section, text, words
from tests.world import LAB, POLICY, REGULATOR, SHOP, VALIDATOR, gtin, member

Scenes = dict[str, Scene]
Forgery = Callable[[Scenes], tuple[Scene, str]]


def _proof(data: bytes) -> str:
    return base64.b64encode(data).decode()


def changed_record(scenes: Scenes) -> tuple[Scene, str]:
    good = scenes["good"]
    forged = good.proof.replace("出厂检验合格".encode(), "出厂检验合个".encode())
    assert forged != good.proof
    return good, bundle_of(good, proof=_proof(forged))


def another_lot(scenes: Scenes) -> tuple[Scene, str]:
    return scenes["good"], bundle_of(scenes["expired"])


def old_head(scenes: Scenes) -> tuple[Scene, str]:
    good = scenes["good"]
    return replace(good, now_ms=good.now_ms + 11 * 60_000), bundle_of(good)


def half_a_proof(scenes: Scenes) -> tuple[Scene, str]:
    return scenes["good"], bundle_of(scenes["good"], proof=_proof(scenes["good"].proof[:999]))


def another_voucher(scenes: Scenes) -> tuple[Scene, str]:
    good = scenes["good"]
    return replace(good, query=structs.replace(good.query, voucher=bytes(16))), bundle_of(good)


def other_witness(scenes: Scenes) -> tuple[Scene, str]:
    stranger = note.VerifierKey(VALIDATOR, note.COSIGNATURE, signature.public_key(bytes(32)))
    strict = structs.replace(POLICY, witnesses={VALIDATOR: stranger})
    return scenes["good"], bundle_of(scenes["good"], policy=policy.format_policy(strict))


@pytest.mark.parametrize(
    ("forgery", "check"),
    [
        (changed_record, "inclusion"), (another_lot, "query"), (old_head, "quorum"), (half_a_proof, "format"),
        (another_voucher, "voucher"), (other_witness, "quorum"),
    ],
)  # fmt: skip
def test_what_is_not_proven_is_red_and_says_which_check_failed(reader: Reader, forgery: Forgery, check: str) -> None:
    scene, answer = forgery(reader.scenes)
    page = reader.scan(scene, answer)
    for language in ("zh", "en"):
        told = words(page, language)
        assert text(page, "h1") == told["failed"]
        assert page.locator("section.verdict.bad").count() == 1
        failed = section(page, told["failedCheck"])
        assert told["checkNames"][check] in failed
        assert told["clockDo" if check == "quorum" else "failedDo"] in failed
        assert "浙北" not in text(page)
        assert page.locator("#download").is_visible()
        photograph(page, f"failed-{check}-{language}")
        page.click("#language")
    assert axe.violations(page) == []


NO_ED25519 = """
    const imported = SubtleCrypto.prototype.importKey;
    SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
        if (algorithm === "Ed25519") throw new DOMException("Unrecognized name", "NotSupportedError");
        return imported.call(this, format, key, algorithm, ...rest);
    };"""


def test_a_browser_without_ed25519_shows_no_verdict_and_offers_the_proof(reader: Reader) -> None:
    scene = reader.scenes["recalled-ingredient"]
    page = reader.page(scene.now_ms)
    page.add_init_script(NO_ED25519)
    reader.scan(scene, None, page)
    assert text(page, "h1") == "这个浏览器无法核验"
    assert "Ed25519" in text(page, "section.verdict")
    assert "浙北" not in text(page)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.path().read_bytes() == b"suyuan product proof v1\n" + scene.proof
    assert "suyuan verify '06900000000014#B20251105' --voucher" in text(page)
    assert axe.violations(page) == []


def test_plain_http_has_no_webcrypto_and_says_so(reader: Reader) -> None:
    """From any host but one's own, http is no secure context."""
    scene = reader.scenes["good"]
    page = reader.page(scene.now_ms)

    def elsewhere(route: Route) -> None:
        if "application/json" in route.request.headers.get("accept", ""):
            route.fulfill(content_type="application/json", body=bundle_of(scene))
        else:
            route.fulfill(response=page.request.get(route.request.url.replace("http://plain.example", reader.url)))

    page.route("http://plain.example/**", elsewhere)
    page.goto("http://plain.example" + scene.path)
    shown(page)
    assert "https" in text(page, "section.verdict")
    assert "WebCrypto" in text(page, "section.verdict")
    assert "未发现问题" not in text(page)
    reader.asked.clear()
    assert all("Cross-Origin-Opener-Policy" in one for one in reader.wrong)  # which such a page has no use for
    reader.wrong.clear()


# Hostile text

MARKUP = "</script><script>window.harm=1</script><img src=x onerror='window.harm=1'>"
TURNED = "\u202egnp.\u2066exe\u200b"
PILED = "g" + "\u0301" * 60
LONG = "W" * 128
CHARM = f"{{{{7*7}}}}{TURNED}{PILED}"
HARMFUL = member(20)
TOO_WIDE = """() => [...document.querySelectorAll("main *")]
    .filter((one) => !one.closest(".route, .chart, .scroll") && one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Goods of a maker that puts harm into every field that is shown."""
    stage = Stage(tmp_path_factory.mktemp("hostile") / "node")
    world = stage.world
    world.do(
        REGULATOR,
        world.act(r.Admit, key=HARMFUL.key, kind=HARMFUL.kind, member=HARMFUL.id, name=MARKUP, region="CN-33"),
    )
    product = gtin(77)
    fields = {"category": "<b>129&quot;", "specification": LONG, "name": MARKUP + CHARM[:40], "maker": HARMFUL.id}
    world.do(HARMFUL, world.register(product, **fields, temp_max_mc=30_000))
    lot = f"{product}#\"><b>'&x;%20"
    world.do(HARMFUL, world.commission(60, lot, HARMFUL))
    stage.hand_over(HARMFUL, SHOP, lot, 60)
    world.do(SHOP, world.act(r.Site, name=CHARM, region="<i>", site=SHOP.site))
    there = world.position_subject(SHOP, lot)
    window = structs.replace(stage.window(3, 1000, 2000, 3000), device="<svg onload=alert(1)>")
    stage.fact(LAB, there, r.FactKind.MEASURE, window=window, text=MARKUP)
    stage.fact(LAB, world.lot_subject(lot), r.FactKind.TEST, document=MARKUP, text=LONG * 4)
    stage.fact(LAB, world.lot_subject(lot), r.FactKind.INSPECT, adverse=True, text=TURNED + PILED)
    maker = r.Subject(kind=r.SubjectKind.MEMBER, member=HARMFUL.id)
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason=MARKUP + CHARM, subject=maker))
    label = {"member": SHOP.id, "key": SHOP.key, "change": r.KeyChange.REVOKE, "suspect_from": world.now - 10**8}
    voucher = stage.voucher(lot)
    world.do(REGULATOR, world.act(r.Key, label=MARKUP, **label))
    yield stage.shown("hostile", lot, voucher)
    world.close()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_hostile_text_in_every_field_stays_text(reader: Reader, hostile: Scene, size: dict[str, int]) -> None:
    page = reader.page(hostile.now_ms)
    page.set_viewport_size(size)
    reader.scan(hostile, None, page)
    assert text(page, "h1") == "已召回"
    photograph(page, f"hostile-{size['width']}")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("window.harm") is None
    assert page.locator("main :is(script, img, iframe, b b, i, object, [onerror], [onload])").count() == 0
    everything = page.evaluate("document.body.textContent")
    assert everything.count(MARKUP) >= 5
    assert "[U+202E]gnp.[U+2066]exe" in everything
    assert not set("\u202e\u2066\u200b") & set(everything)
    assert "\u0301" * 4 not in everything
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(TOO_WIDE) == []
    assert axe.violations(page) == []
