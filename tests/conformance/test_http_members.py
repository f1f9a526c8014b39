"""The member's page: a token that the member's key signed opens what is its own, for a quarter of an hour, on this
node of this chain; nothing else does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from client_sdk import build, keys
from client_sdk.wire import clock_ms
from ledger import identifiers, membertoken
from ledger import records as r
from ledger.errors import Malformed
from ledger.membertoken import MemberToken
from tests.network import NAME, PASSPHRASE, Network, run
from tests.web import Answer, Web
from tests.world import DEALER, LOT, MAKER, SHOP

API = "/member/api"
LISTS = ("/me", "/positions", "/handovers", "/claims", "/envelopes")
SOLD = 130  # envelopes: more than a page


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("members"))
    network.found_with_goods(MAKER, DEALER, SHOP)
    with network.client(MAKER) as client:
        sales = [build.sell(lot=LOT, quantity=1, ref=f"LS-{n}", at=clock_ms(), site=MAKER.site) for n in range(SOLD)]
        who, chain = client._me(), client.connection.chain_id
        assert sum(1 for _ in client.submit_stream(build.envelopes(sales, who, chain, clock_ms(), 1))) == SOLD
        client.submit([build.ship(lot=LOT, quantity=60, to=DEALER.id, ref="XS-1", at=clock_ms(), site=MAKER.site)])
    with network.client(DEALER) as client:
        claim = {"lot": LOT, "quantity": 6, "supplier": SHOP.id, "ref": "JH-1", "site": DEALER.site}
        client.submit([build.claim(at=clock_ms(), **claim)])
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="module")
def web(network: Network) -> Web:
    return Web(network.data)


def identity(network: Network, who: Any = MAKER) -> keys.Identity:
    return keys.load(network.home(who), PASSPHRASE)


def fields(network: Network, who: Any = MAKER, **changed: Any) -> MemberToken:
    now, own = clock_ms(), identity(network, who)
    with network.reader() as reader:
        node, chain = reader.connection.web, reader.connection.chain_id
    token = MemberToken(chain=chain, key=own.key_id, member=own.member, node=node, not_after=now + 60_000, time=now)
    return structs.replace(token, **changed)


def asked(web: Web, token: str, path: str = "/me", **headers: str) -> Answer:
    return web.get(API + path, authorization=f"Bearer {token}", **headers)


def test_the_command_signs_a_link_that_opens_the_page(network: Network, web: Web) -> None:
    told = run("client_sdk.commands", "member-link", "-i", str(network.home(MAKER)), "--json")
    link = json.loads(told.stdout)["link"]
    page, _, token = link.partition("#")
    assert page == f"http://127.0.0.1:{web.port}/member"
    assert membertoken.read(token)[0].node == page.removesuffix("/member")
    me = asked(web, token)
    assert (me.status, me.json()["member"]) == (200, MAKER.id)
    assert me.headers["cache-control"] == "no-store"
    assert web.get("/member").headers["content-type"] == "text/html; charset=utf-8"


def test_each_list_is_the_member_s_own(network: Network, web: Web) -> None:
    maker, dealer = (membertoken.sign(fields(network, who), identity(network, who).seed) for who in (MAKER, DEALER))
    [position] = asked(web, maker, "/positions").json()["rows"]
    assert (position["lot"], position["site"], position["name"]) == (LOT, MAKER.site, "乳粉")
    assert position["stock"]["held"] == 10_000 - 60 - SOLD
    assert (position["path"], position["public"]) == (f"/01/{LOT.split('#')[0]}/10/A1", False)
    assert asked(web, maker, "/handovers").json()["rows"] == []
    [waiting] = asked(web, dealer, "/handovers").json()["rows"]
    assert (waiting["owner"], waiting["open"], waiting["ref"]) == (MAKER.id, 60, "XS-1")
    [claim] = asked(web, dealer, "/claims").json()["rows"]
    assert (claim["supplier"], claim["open"]) == (SHOP.id, 6)
    shop = membertoken.sign(fields(network, SHOP), identity(network, SHOP).seed)
    [against] = asked(web, shop, "/claims?against=1").json()["rows"]
    assert (against["claim"], against["claimant"]) == (claim["claim"], DEALER.id)


def test_envelopes_come_newest_first_with_their_receipts(network: Network, web: Web) -> None:
    token = membertoken.sign(fields(network), identity(network).seed)
    rows, after = [], ""
    while True:
        page = asked(web, token, f"/envelopes?after={after}").json()
        assert 0 < len(page["rows"]) <= 100
        rows += page["rows"]
        after = page["next"]
        if not after:
            break
    leaves = [row["leaf"] for row in rows]
    assert leaves == sorted(set(leaves), reverse=True)
    assert len(rows) == SOLD + 2
    assert rows[0]["records"] == [{"act": "ship", "lot": LOT, "quantity": 60, "ref": "XS-1"}]
    receipt = web.get(rows[0]["receipt"])
    assert (receipt.status, receipt.body.splitlines()[0]) == (200, b"c2sp.org/tlog-proof@v1")


def test_without_a_token_nothing_opens(web: Web) -> None:
    for path in LISTS:
        answer = web.get(API + path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "member-link" in answer.error["do"]


@pytest.mark.parametrize(
    "changed",
    [
        {"node": "http://another.example"},
        {"node": f"{NAME}/validator-1"},  # any node can say that this is its name
        {"chain": bytes(32)},
        {"member": DEALER.id},
        {"key": bytes(8)},
        {"not_after": 1, "time": 1},
        {"not_after": 2**52},
        {"time": 2**52, "not_after": 2**52 + 1},
    ],
)
def test_a_token_for_others_or_another_time_opens_nothing(
    network: Network, web: Web, changed: dict[str, Any]
) -> None:
    token = membertoken.sign(fields(network, **changed), identity(network).seed)
    assert asked(web, token).status == 401


def test_a_token_signed_by_another_or_altered_opens_nothing(network: Network, web: Web) -> None:
    good = membertoken.sign(fields(network), identity(network).seed)
    assert asked(web, good).status == 200
    assert asked(web, membertoken.sign(fields(network), identity(network, DEALER).seed)).status == 401
    for at in range(0, len(good), 7):
        altered = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
        assert asked(web, altered).status == 401
    for text in ("", ".", "a.b", good + "=", good + ".", good * 20, "é", f"{good} {good}"):
        assert asked(web, text.encode().decode("latin-1")).status == 401
    assert web.get(f"{API}/me", authorization=f"Basic {good}").status == 401
    assert web.get(f"{API}/me?token={good}").status == 401


def test_a_limited_or_revoked_key_opens_nothing(network: Network, web: Web) -> None:
    till = keys.create(network.folder / "till", MAKER.id, "收银", "enterprise", "CN", PASSPHRASE, scrypt_n=1 << 10)
    token = membertoken.sign(fields(network, key=till.key_id), till.seed)
    key = {"key": till.public.key, "member": MAKER.id}
    with network.client(MAKER) as client:
        bound = r.KeyLimits(acts=[r.Act.SELL.value])
        client.submit([build.act(r.Key, at=clock_ms(), change=r.KeyChange.ADMIT, limits=bound, **key)])
        assert asked(web, token).error["code"] == "token.limited"
        client.submit([build.act(r.Key, at=clock_ms(), change=r.KeyChange.REVOKE, **key)])
    assert asked(web, token).error["code"] == "token.key"


@pytest.mark.parametrize("path", ["/positions?after=zz", "/positions?after=00", "/handovers?after=" + "00" * 513])
def test_a_page_begins_where_one_ended(network: Network, web: Web, path: str) -> None:
    answer = asked(web, membertoken.sign(fields(network), identity(network).seed), path)
    assert (answer.status, answer.error["code"]) == (400, "malformed.page")


def test_the_api_is_not_for_other_sites(network: Network, web: Web) -> None:
    answer = asked(web, membertoken.sign(fields(network), identity(network).seed), origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers


def test_a_token_reads_back() -> None:
    token = MemberToken(chain=bytes(32), key=bytes(8), member=MAKER.id, node="n", not_after=2, time=1)
    text = membertoken.sign(token, MAKER.seed)
    assert membertoken.read(text)[0] == token
    for broken in ("", "x", text[:-1], text.replace(".", ""), text + "\n"):
        with pytest.raises(Malformed):
            membertoken.read(broken)
    assert identifiers.site_keeper(MAKER.site) == MAKER.id
