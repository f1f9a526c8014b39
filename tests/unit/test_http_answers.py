"""Answers apart from any server: what each error becomes, what a client's headers mean, and what a GLN finds."""

from typing import Any

import pytest

from ledger import records as r
from ledger import state as s
from ledger.errors import Damaged, Malformed, ProofTooLarge, SuyuanError
from ledger.identifiers import gs1_check_digit
from node.engine import Overloaded
from node.errors import Forbidden, NotFound
from node.http.answers import Content, answer, prefers_json, qualities
from node.http.failures import failure_of
from tests.world import DEALER, MAKER, World

GLN = "690123400000" + str(gs1_check_digit("690123400000"))


def scope(**headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "headers": named}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed("gtin", "x"), 400), (NotFound("x"), 404), (Forbidden("x"), 403), (ProofTooLarge("x"), 422),
        (Overloaded(200), 503), (Damaged("index", "x", "y"), 500), (SuyuanError("secret"), 500),
    ],
)  # fmt: skip
def test_errors_become_one_clear_line(error: SuyuanError, status: int) -> None:
    failure = failure_of(error)
    assert failure.status == status
    assert failure.do
    assert "secret" not in failure.body().decode()
    assert bool(failure.retry_after_seconds) == (status == 503)


def test_what_a_client_accepts() -> None:
    assert qualities(b"a;q=0.5, b , c;q=9, d;x=y;q=0") == {"a": 0.5, "b": 1.0, "c": 1.0, "d": 0.0}
    assert prefers_json(scope(accept="application/json"))
    assert not prefers_json(scope())


def test_small_answers_are_not_packed() -> None:
    small, large = Content(b"x" * 100, "text/plain", True), Content(b"x" * 1000, "text/plain", True)
    assert "content-encoding" not in answer(scope(accept_encoding="gzip"), small, "").headers
    packed = answer(scope(accept_encoding="br, gzip"), large, "")
    assert packed.headers["content-encoding"] == "gzip"
    again = answer(scope(accept_encoding="gzip", if_none_match=packed.headers["etag"]), large, "")
    assert again.status_code == 304
    assert answer(scope(if_none_match=packed.headers["etag"]), large, "").status_code == 200, "another encoding"


def test_a_gln_finds_the_sites_that_have_it(tmp_path: Any) -> None:
    world = World(tmp_path).founded()
    for who in (MAKER, DEALER):
        world.do(who, world.act(r.Site, name="门店", region="CN-33", site=f"{who.id}/{GLN}"))
    world.do(MAKER, world.act(r.Site, name="库", region="CN-33", site=f"{MAKER.id}/store"))
    found = [key for key, _ in world.store.scan(s.gln_key(GLN, ""))]
    assert sorted(found) == sorted(s.gln_key(GLN, f"{who.id}/{GLN}") for who in (MAKER, DEALER))
    world.close()
