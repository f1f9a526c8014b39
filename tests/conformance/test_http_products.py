"""The pages that codes lead to: people get the shell, programs the bundle, and its proof verifies against the
policy, for exactly the code that was scanned. Who guesses vouchers learns nothing."""

import base64
import gzip
from collections.abc import Iterator

import pytest

from client_sdk import build, codes
from client_sdk.wire import clock_ms
from ledger import identifiers, links
from ledger import records as r
from ledger.policy import parse_policy
from ledger.proof import format as f
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Product, Query, verify_product, voucher_hash
from tests.network import Network
from tests.web import Answer, Web
from tests.world import CASE, FORMULA, LOT, MAKER, SHRIMP

VOUCHER = bytes(range(16))
PATH = f"/01/{FORMULA}/10/A1"
GLN = "6901234000009"[:12] + str(identifiers.gs1_check_digit("690123400000"))
SHOP_SITE = f"{MAKER.id}/{GLN}"
SSCC = "00690123456789012" + str(identifiers.gs1_check_digit("00690123456789012"))
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e{{7*7}}"
OWN = f"{MAKER.id}/leek"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("products"))
    network.found_with_goods(MAKER)
    now, declared = clock_ms(), {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id}
    with network.client(MAKER) as client:
        client.submit(
            [
                build.act(r.Register, at=now, base=FORMULA, contains=6, name="箱", product=CASE, **declared),
                build.act(r.Register, at=now, name=HOSTILE, product=OWN, specification=HOSTILE, **declared),
                build.act(r.Voucher, at=now, lot=LOT, site=MAKER.site, voucher=voucher_hash(VOUCHER)),
                build.act(r.Site, at=now, name="门店", public=True, region="CN-33", site=SHOP_SITE),
                build.commission(
                    at=now, lot=f"{OWN}@20260131", quantity=5, ref="SC-2", site=MAKER.site, production=20260131
                ),
            ]
        )
        client.submit(
            [build.act(r.Move, r.Moved(quantity=7, ref="DB-1"), at=now, lot=LOT, site=MAKER.site, to_site=SHOP_SITE)]
        )
        client.submit([build.pack(at=now, lines={LOT: 6}, ref="ZT-1", site=MAKER.site, unit=SSCC)])
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="module")
def web(network: Network) -> Web:
    return Web(network.data)


def verified(web: Web, answer: Answer, voucher: bytes | None = None, site: str | None = None) -> Product:
    """What the bundle proves, of the code that is asked for here, whatever its own query says."""
    bundle = answer.json()
    assert bundle["format"] == "suyuan product bundle v1"
    asked = Query(product=bundle["query"]["product"], lot=bundle["query"]["lot"], voucher=voucher, site=site)
    trusted = parse_policy(web.get("/policy").body.decode())
    assert bundle["policy"] == web.get("/policy").body.decode()
    return verify_product(trusted, asked, base64.b64decode(bundle["proof"]), clock_ms())


def test_people_get_the_same_page_for_every_product(web: Web) -> None:
    shells = {
        web.get(path, accept="text/html,application/xhtml+xml,*/*;q=0.8").body
        for path in (PATH, f"{PATH}?voucher={VOUCHER.hex()}", f"/01/{SHRIMP}", f"/00/{SSCC}", f"/01/{FORMULA}/10/Z9")
    }
    assert len(shells) == 1
    page = web.get(PATH)
    assert (page.body, page.headers["content-type"]) == (shells.pop(), "text/html; charset=utf-8")
    assert "Accept" in page.headers["vary"]
    assert HOSTILE.encode() not in page.body


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("application/json;q=0.1, text/html", "text/html; charset=utf-8"),
        ("application/json;q=0", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
        (";;;,q=,", "text/html; charset=utf-8"),
    ],
)
def test_who_wants_what(web: Web, accept: str, media: str) -> None:
    answer = web.get(PATH, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, media)
    assert "Accept" in answer.headers["vary"].split(", ")


def test_the_bundle_verifies(web: Web) -> None:
    answer = web.json(PATH)
    assert answer.json()["query"] == {"product": FORMULA, "lot": "#A1"}
    product = verified(web, answer)
    assert (product.verdict <= Verdict.FACTS_NOTED, product.way) == (True, [])
    assert answer.headers["cache-control"] == "public, max-age=2"
    packed = web.json(PATH, accept_encoding="gzip")
    assert gzip.decompress(packed.body) == answer.body
    assert packed.headers["etag"] != answer.headers["etag"]


def test_a_voucher_opens_the_way(web: Web) -> None:
    answer = web.json(f"{PATH}?voucher={VOUCHER.hex()}")
    assert answer.json()["query"] == {"product": FORMULA, "lot": "#A1", "voucher": VOUCHER.hex()}
    assert [one.site for one in verified(web, answer, voucher=VOUCHER).way] == [MAKER.site]
    assert answer.headers["cache-control"] == "no-store"


def test_a_wrong_voucher_is_no_voucher(web: Web) -> None:
    """The same bytes, the same status, whether the lot, the voucher or both are unknown."""
    for path in (PATH, f"/01/{FORMULA}/10/Z9", f"/01/{SHRIMP}/10/A1"):
        none = web.json(path)
        for guess in (bytes(16), VOUCHER if path != PATH else VOUCHER[::-1], b"\xff" * 16):
            wrong = web.json(f"{path}?voucher={guess.hex()}")
            assert (wrong.status, wrong.body) == (none.status, none.body)
    other = web.json(f"/01/{OWN.replace('/', '%2F')}?11=260131&voucher={VOUCHER.hex()}")
    assert "voucher" not in other.json()["query"], "it opens goods of another lot"


def test_a_public_shop_needs_no_voucher(web: Web) -> None:
    by_site, by_gln = web.json(f"{PATH}?site={SHOP_SITE.replace('/', '%2F')}"), web.json(f"{PATH}?414={GLN}")
    assert by_site.json()["query"]["site"] == by_gln.json()["query"]["site"] == SHOP_SITE
    assert [one.site for one in verified(web, by_gln, site=SHOP_SITE).way] == [SHOP_SITE, MAKER.site]
    private = web.json(f"{PATH}?site={MAKER.site}")
    assert (private.status, private.body) == (200, web.json(PATH).body), "a shop that is not public opens nothing"
    shop = web.json(f"/414/{GLN}").json()
    assert shop["sites"] == [{"site": SHOP_SITE, "name": "门店", "public": True}]
    assert (shop["needs"], shop["proven"]) == ("product", False)


def test_every_code_of_a_trade_item_leads_to_the_same_goods(web: Web) -> None:
    can, case = web.json(PATH), web.json(f"/01/{CASE}/10/A1")
    short = web.json(f"/01/{FORMULA.lstrip('0')}/10/A1")
    assert [verified(web, one).lots[0].lot for one in (can, case, short)] == [LOT] * 3
    assert {one.headers["link"] for one in (can, case, short)} == {f'<{PATH}>; rel="canonical"'}
    assert case.json()["query"]["product"] == CASE, "what was scanned is what is proven"


def test_goods_without_gtin_or_lot_number(web: Web) -> None:
    answer = web.json(links.path_of(OWN, "@20260131"))
    assert answer.json()["query"] == {"product": OWN, "lot": "@20260131"}
    product = verified(web, answer)
    assert product.products[OWN].name == HOSTILE, "hostile text is data, and stays what it is"
    assert answer.headers["content-type"] == "application/json"


def test_an_unknown_lot_is_proven_to_be_unknown(web: Web) -> None:
    assert verified(web, web.json(f"/01/{FORMULA}/10/NONE")).verdict == Verdict.UNKNOWN_CODE


def test_what_names_no_lot_asks_for_it(web: Web) -> None:
    asked = web.json(f"/01/{FORMULA}").json()
    assert (asked["needs"], asked["query"]) == ("lot", {"product": FORMULA})
    assert asked["declared"]["name"] == "乳粉"
    assert web.json(f"/01/{SHRIMP}").json()["declared"] is None
    serial = web.json(f"/01/{FORMULA}/21/S1").json()
    assert (serial["serial"], serial["needs"]) == ("not proven", "lot")
    both = web.json(f"/01/{FORMULA}/10/A1/21/S1")
    assert both.json()["query"]["serial"] == "S1"
    assert web.json(links.path_of(OWN, "@20260131").split("?")[0]).json()["declared"]["name"] == HOSTILE


def test_a_unit_leads_to_its_lots(web: Web) -> None:
    unit = web.json(f"/00/{SSCC}").json()
    assert [(one["lot"], one["path"]) for one in unit["lots"]] == [(LOT, PATH)]
    assert unit["proven"] is False
    assert web.json(f"/00/{SSCC[:-2]}18").status in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/01/", "/01", "/01/1", f"/01/{FORMULA}x", f"/01/{FORMULA}/10", f"/01/{FORMULA}/10/",
        f"/01/{FORMULA}/10/A/10/B", f"/01/{FORMULA}/11/260131", f"/01/{FORMULA}/10/{'A' * 21}",
        f"/01/{FORMULA}/10/%E6%89%B9", f"/01/{FORMULA}/10/A%",
        f"/01/{FORMULA}/10/A%zz", f"/01/{FORMULA}/10/%00", f"/01/{FORMULA}?11=261301", f"/01/{FORMULA}?11=1",
        f"{PATH}?voucher=1", f"{PATH}?voucher={'z' * 32}", f"{PATH}?voucher={'0' * 32}&voucher={'1' * 32}",
        f"{PATH}?site=x", f"{PATH}?414=1", f"{PATH}?format=exe", f"{PATH}?format=svg&format=png", "/00/1", "/00/",
        f"/00/{'0' * 17}1", "/414/1", f"/02/{FORMULA}", f"//01/{FORMULA}/10/A1", f"/x/01/{FORMULA}/10/A1",
        "/01/%2e%2e/10/A",
    ],
)  # fmt: skip
def test_what_is_no_code_gets_one_clear_line(web: Web, path: str) -> None:
    answer = web.json(path)
    assert answer.status in (400, 404)
    assert set(answer.error) == {"code", "what", "expected", "do"}
    assert answer.error["what"]
    assert "\n" not in answer.error["what"]
    assert web.get(path, accept="text/html").status in (400, 404)


def test_files_to_keep(network: Network, web: Web) -> None:
    path = f"{PATH}?voucher={VOUCHER.hex()}"
    binary, bundle = web.get(f"{path}&format=proof"), web.get(f"{path}&format=bundle")
    asked = codes.parse_scan(path).query()
    trusted = parse_policy((network.data / "policy.txt").read_text())
    assert verify_product(trusted, asked, f.from_file(binary.body), None).way
    assert binary.headers["content-disposition"] == 'attachment; filename="proof.suyuan"'
    assert verified(web, bundle, voucher=VOUCHER).way
    assert web.get(f"{path}&format=proof", range="bytes=0-23").body == f.MAGIC[:24]


def test_the_link_as_a_qr_code(web: Web) -> None:
    svg, png = web.get(f"{PATH}?format=svg"), web.get(f"{PATH}?voucher={VOUCHER.hex()}&format=png")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert b"<path" in svg.body
    assert b"script" not in svg.body
    assert (png.headers["content-type"], png.body[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    assert png.headers["cache-control"] == "no-store"


def test_no_answer_lets_a_browser_do_what_it_should_not(web: Web) -> None:
    for path in (PATH, f"{PATH}?format=bundle", "/nowhere", "/checkpoint", "/docs", "/member", f"{PATH}?format=svg"):
        headers = web.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "set-cookie" not in headers
        assert "server" not in headers


def test_the_log_names_no_voucher_and_no_code(network: Network, web: Web) -> None:
    for path in (
        f"{PATH}?voucher={VOUCHER.hex()}",
        f"{PATH}?voucher={VOUCHER.hex()}x",
        f"{PATH}?voucher={VOUCHER.hex()}&format=x",
    ):
        web.json(path)
    written = (network.folder / "node.log").read_text()
    assert "serving" in written
    assert VOUCHER.hex() not in written
    assert "/10/A1" not in written
