"""The log over HTTP, against the tlog-tiles document: a client that knows nothing but it rebuilds the root from the
node and from the bare folder, paths have one spelling, and caches are told what they may do."""

import gzip
import time
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from client_sdk import build
from client_sdk.wire import clock_ms
from ledger import merkle, tlogproof
from ledger.tiles import tile_path
from tests import tlog_client
from tests.network import Network
from tests.web import Web
from tests.world import LOT, MAKER

SALES = 300  # leaves enough for a full tile and a partial one
PUBLISHED_SECONDS = 20


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("tlog"))
    network.found_with_goods(MAKER)
    with network.client(MAKER) as client:
        acts = [
            build.sell(lot=LOT, quantity=1, ref=f"LS-{number}", at=clock_ms(), site=MAKER.site)
            for number in range(SALES)
        ]
        signed = build.envelopes(acts, client._me(), client.connection.chain_id, clock_ms(), records_max=1)
        assert sum(1 for _ in client.submit_stream(signed)) == SALES
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="module")
def web(network: Network) -> Web:
    return Web(network.data)


def fetched(web: Web) -> tlog_client.Fetch:
    def fetch(path: str) -> bytes:
        with urlopen(f"http://{web.host}:{web.port}/{path}") as answer:
            data: bytes = answer.read()
        return data

    return fetch


def test_a_stock_client_rebuilds_the_root_from_the_node(web: Web) -> None:
    head = tlog_client.audit(fetched(web))
    assert (head.origin, head.size > SALES) == ("test.example/log", True)


def test_and_from_the_folder_as_it_lies(network: Network, web: Web) -> None:
    public = network.data / "public"
    wanted = tlog_client.opened(web.get("/checkpoint").body, web.get("/log.vkey").body.decode()).size
    until = time.monotonic() + PUBLISHED_SECONDS
    while True:
        head = tlog_client.audit(lambda path: (public / path).read_bytes())
        if head.size >= wanted or time.monotonic() > until:
            break
        time.sleep(0.1)
    assert head.size >= wanted
    modes = {path.stat().st_mode & 0o777 for path in public.rglob("*") if path.is_file()}
    assert modes == {0o644}, "any web server may read it"
    partial = {path.relative_to(public).as_posix() for path in public.rglob("*.p")}
    assert partial <= {
        f"{tile_path(0, head.size // 256)}.p",
        f"{tile_path('entries', head.size // 256)}.p",
        "tile/1/000.p",
    }


def test_the_client_finds_what_is_wrong(web: Web) -> None:
    fetch = fetched(web)

    def forged(path: str) -> bytes:
        data = fetch(path)
        return data[:-1] + bytes((data[-1] ^ 1,)) if path.startswith("tile/entries/001") else data

    with pytest.raises(ValueError, match="another root"):
        tlog_client.audit(forged)


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/0", "/tile/0/00", "/tile/0/0000", "/tile/0/1000", "/tile/0/x000/000", "/tile/00/000", "/tile/64/000",
        "/tile/-1/000", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/0/000.p/01", "/tile/0/000.p/", "/tile/0/000.p",
        "/tile/0/000/", "/tile//0/000", "/tile/0/000.part", "/tile/data/000", "/tile/entries/0", "/tile/0/%30%30%30",
        "/tile/0/../0/000", "/tile/8/0/000", "/tile/0/x00%D9%A1/000", "/tile/",
    ],
)  # fmt: skip
def test_a_path_has_one_spelling(web: Web, path: str) -> None:
    answer = web.get(path)
    assert answer.status in (400, 404)
    assert answer.error["what"]


@pytest.mark.parametrize(
    "path",
    ["/tile/0/002", "/tile/1/000", "/tile/0/x001/000", "/tile/5/000.p/1", "/tile/0/001.p/255", "/tile/entries/009"],
)
def test_what_is_beyond_the_log_is_not_there(web: Web, path: str) -> None:
    assert web.get(path).status == 404


def test_partial_tiles_are_prefixes_and_stay(web: Web) -> None:
    whole = web.get("/tile/0/000").body
    assert len(whole) == 8192
    for width in (1, 17, 255):
        assert web.get(f"/tile/0/000.p/{width}").body == whole[: 32 * width]
    assert web.get("/tile/entries/000").body.startswith(web.get("/tile/entries/000.p/3").body)


def test_caches_keep_tiles_and_ask_again_for_the_checkpoint(web: Web) -> None:
    tile, note = web.get("/tile/0/000"), web.get("/checkpoint")
    assert "immutable" in tile.headers["cache-control"]
    assert tile.headers["content-type"] == "application/octet-stream"
    assert note.headers["cache-control"] == "public, max-age=2"
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    for path, found in (("/tile/0/000", tile), ("/checkpoint", note), ("/policy", web.get("/policy"))):
        assert found.headers["access-control-allow-origin"] == "*"
        again = web.get(path, if_none_match=f'"other", W/{found.headers["etag"]}')
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == found.headers["etag"]


def test_a_node_alone_is_ready_and_cosigned_for_itself(web: Web) -> None:
    found = web.get("/readyz")
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    said = found.json()
    assert (said["ready"], said["why"]) == (True, "")
    [validator] = said["validators"]
    assert validator["leaves"] == said["leaves"] > SALES
    assert validator["age_seconds"] >= 0


def test_head_is_get_without_a_body(web: Web) -> None:
    for path in ("/tile/0/000", "/tile/entries/000", "/policy", "/log.vkey", "/healthz", "/nowhere"):
        whole, head = web.get(path), web.get(path, method="HEAD", range="bytes=0-1")
        assert (head.status, head.body) == (whole.status, b"")
        assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-31", 206, slice(0, 32)),
        ("bytes=8160-", 206, slice(8160, 8192)),
        ("bytes=-32", 206, slice(8160, 8192)),
        ("bytes=8000-99999", 206, slice(8000, 8192)),
        ("bytes=-99999", 206, slice(0, 8192)),
        ("bytes=8192-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=5-4", 200, slice(0, 8192)),
        ("bytes=-", 200, slice(0, 8192)),
        ("bytes=0-1,4-5", 200, slice(0, 8192)),
        ("items=0-1", 200, slice(0, 8192)),
    ],
)
def test_one_range_of_bytes(web: Web, asked: str, status: int, part: slice) -> None:
    whole = web.get("/tile/0/000")
    found = web.get("/tile/0/000", range=asked)
    assert (found.status, found.body) == (status, whole.body[part])
    if status == 206:
        assert found.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/8192"
    if status == 416:
        assert found.headers["content-range"] == "bytes */8192"


def test_a_range_of_something_else_is_the_whole(web: Web) -> None:
    whole = web.get("/tile/0/000")
    assert web.get("/tile/0/000", range="bytes=0-1", if_range=whole.headers["etag"]).status == 206
    assert web.get("/tile/0/000", range="bytes=0-1", if_range='"old"').status == 200


def test_hashes_are_not_packed_and_text_is(web: Web) -> None:
    assert "content-encoding" not in web.get("/tile/entries/000", accept_encoding="gzip").headers
    plain, packed = web.get("/openapi.json"), web.get("/docs", accept_encoding="gzip")
    assert plain.json()["openapi"]
    assert packed.headers["content-encoding"] == "gzip"
    assert b"/tile/{path}" in gzip.decompress(packed.body)
    assert "gzip" not in web.get("/docs", accept_encoding="gzip;q=0, identity").headers.get("content-encoding", "")
    assert "Accept-Encoding" in packed.headers["vary"]


def test_a_tlog_proof_of_each_envelope(network: Network, web: Web) -> None:
    with network.client(MAKER) as client:
        receipt = client.submit([build.sell(lot=LOT, quantity=1, ref="LS-P", at=clock_ms(), site=MAKER.site)])[0]
    by_name, by_leaf = (
        web.get(f"/envelope/{receipt.envelope_id.hex()}.tlog-proof"),
        web.get(f"/leaf/{receipt.leaf}.tlog-proof"),
    )
    assert by_name.body == by_leaf.body
    proof = tlogproof.parse(by_leaf.body)
    head = tlog_client.opened(proof.checkpoint, web.get("/log.vkey").body.decode())
    fetch = fetched(web)
    entry = tlog_client.entries(fetch, head.size)[proof.index]
    assert proof.index == receipt.leaf
    merkle.verify_inclusion(merkle.leaf_hash(entry), proof.index, head.size, proof.hashes, head.root)
    for path, status in (
        ("/envelope/00.tlog-proof", 400), (f"/envelope/{'0' * 64}.tlog-proof", 404), ("/leaf/01.tlog-proof", 400),
        ("/leaf/99999999.tlog-proof", 404), ("/leaf/-1.tlog-proof", 400),
    ):  # fmt: skip
        assert web.get(path).status == status


def test_what_is_not_there_says_so(web: Web) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://{web.host}:{web.port}/metrics")
    assert refused.value.code == 404, "how much trade there is concerns operators: /metrics has a port of its own"
