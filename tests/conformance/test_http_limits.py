"""What a reader may ask of a node: bounds on rate, size and method, each with a short clear no, and who is believed
about addresses."""

import ipaddress
import socket
from collections.abc import Iterator
from unittest.mock import MagicMock

import pytest

from ledger.limits import HTTP_BURST_SECONDS_MAX, HTTP_CLIENT_CONNECTIONS_MAX, HTTP_CLIENTS_ENTRIES_MAX
from node.http.clients import Clients
from node.http.protocol import Connections
from tests.network import Network
from tests.web import Web
from tests.world import REGULATOR

RATE = 2
PROXIES = [ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("10.0.0.0/8")]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("limits"))
    network.found(REGULATOR)
    settings = f'http_client_requests_per_second = {RATE}\nhttp_proxies = ["127.0.0.1/32"]\n'
    (network.data / "node.toml").write_text(settings)
    network.start()
    yield network
    assert network.stop() == 0


@pytest.fixture(scope="module")
def web(network: Network) -> Web:
    return Web(network.data)


def client(number: int) -> dict[str, str]:
    """An address of its own, so that one test's requests are not another's."""
    return {"x_forwarded_for": f"192.0.2.{number}"}


def test_an_address_has_a_rate(web: Web) -> None:
    answers = [web.get("/healthz", **client(1)) for _ in range(RATE * HTTP_BURST_SECONDS_MAX + 20)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].error["code"] == "too-many-requests"
    assert web.get("/healthz", **client(2)).status == 200, "another address is not held back"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_reading(web: Web, method: str) -> None:
    answer = web.get("/checkpoint", method=method, **client(3))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_bodies_are_not_read(web: Web) -> None:
    for path in ("/checkpoint", "/member/api/me", "/nowhere"):
        answer = web.get(path, body=b"x" * 100_000, **client(4))
        assert (answer.status, answer.error["code"], answer.headers["connection"]) == (413, "body", "close")


def test_a_long_query_and_large_headers_are_refused(web: Web) -> None:
    assert web.get("/healthz?" + "x" * 2048, **client(5)).status == 414
    assert web.get("/healthz", cookie="x" * 15_000, **client(5)).status == 200
    assert web.get("/healthz", cookie="x" * 20_000, **client(5)).status in (400, 431)
    assert web.get("/" + "x" * 20_000, **client(5)).status in (400, 414)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_ends_the_connection(web: Web, request_bytes: bytes) -> None:
    with socket.create_connection((web.host, web.port), timeout=30) as line:
        line.sendall(request_bytes)
        line.shutdown(socket.SHUT_WR)
        said = b""
        while data := line.recv(65_536):
            said += data
    assert said == b"" or said.split(b" ")[1] in (b"400", b"404", b"405", b"413", b"431", b"200")
    assert web.get("/healthz", **client(6)).status == 200


def test_pipelined_requests_are_answered_in_order(web: Web) -> None:
    with socket.create_connection((web.host, web.port), timeout=30) as line:
        one = "GET /{} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n{}\r\n"
        line.sendall(
            (
                one.format("log.vkey", "") + one.format("nowhere", "") + one.format("policy", "Connection: close\r\n")
            ).encode()
        )
        said = b""
        while data := line.recv(65_536):
            said += data
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


def test_connections_of_a_proxy_are_not_counted_as_one_client(web: Web) -> None:
    lines = [
        socket.create_connection((web.host, web.port), timeout=30) for _ in range(HTTP_CLIENT_CONNECTIONS_MAX + 5)
    ]
    assert web.get("/healthz", **client(8)).status == 200
    for line in lines:
        line.close()


# Addresses


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("192.0.2.9", b"", "192.0.2.9"),
        ("192.0.2.9", b"198.51.100.1", "192.0.2.9"),  # no proxy of ours: its word counts for nothing
        ("127.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", b"203.0.113.7, 198.51.100.1", "198.51.100.1"),  # the client wrote the first
        ("127.0.0.1", b"203.0.113.7, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", b"10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", b"", "127.0.0.1"),
        ("127.0.0.1", b"unknown", "127.0.0.1"),
        ("127.0.0.1", b"198.51.100.1, nonsense", "127.0.0.1"),
        ("::ffff:127.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3::4", b"", "2001:db8:1:2::/64"),
        ("127.0.0.1", b"2001:db8:1:2:ffff::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.9", b"", "192.0.2.9"),
    ],
)
def test_who_is_the_client(peer: str, forwarded: bytes, counted: str) -> None:
    assert Clients(1, PROXIES).client_of(peer, forwarded) == counted


def test_a_rate_with_a_burst() -> None:
    clients = Clients(10, [])
    taken = sum(not clients.take("a", 0.0) for _ in range(1000))
    assert 10 * HTTP_BURST_SECONDS_MAX <= taken <= 10 * HTTP_BURST_SECONDS_MAX + 1
    assert clients.take("a", 0.0) > 0
    assert clients.take("b", 0.0) == 0
    assert clients.take("a", 1.0) == 0
    later = sum(not clients.take("a", 1.0) for _ in range(1000))
    assert later == 9, "a second pays for ten"
    assert sum(not clients.take("a", 10_000.0) for _ in range(1000)) <= 10 * HTTP_BURST_SECONDS_MAX + 1


def test_many_addresses_are_forgotten_in_order() -> None:
    clients = Clients(1, [])
    for number in range(HTTP_CLIENTS_ENTRIES_MAX + 10):
        clients.take(str(number), 0.0)
    assert len(clients._paid_until) == HTTP_CLIENTS_ENTRIES_MAX
    assert "0" not in clients._paid_until


def test_a_household_with_many_addresses_is_one_client_to_connections_too() -> None:
    connections = Connections(Clients(1, PROXIES))
    household = [f"2001:db8::{number:x}" for number in range(HTTP_CLIENT_CONNECTIONS_MAX + 1)]
    held = [MagicMock() for _ in household]
    admitted = [connections.admit(one, peer) for one, peer in zip(held, household, strict=True)]
    assert admitted == [True] * HTTP_CLIENT_CONNECTIONS_MAX + [False]
    assert connections.admit(MagicMock(), "2001:db8:0:1::1")
    connections.leave(held[0], household[0])
    assert connections.admit(MagicMock(), household[-1])
