"""Whoever reaches cosign_port, over real sockets: slow clients are cut off, many are refused, what nobody can read is
told once, and the other nodes are served meanwhile. The deadlines are shortened here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import ClientSession, web
from aiohttp.http_exceptions import BadHttpMessage
from structlog.testing import capture_logs

from node.cosigning import connections
from node.cosigning.connections import Complaints, Connections
from node.cosigning.exchange import PATH, Exchange
from node.http.clients import group_of
from tests.validators import SUCCESSION

HEAD = b"POST /cosignature HTTP/1.1\r\nHost: a\r\n"
BODY = HEAD + b"Content-Length: 1000\r\n\r\n"
LARGE = bytes(60_000)

Port = int


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    for name, seconds in (("HEAD", 0.3), ("IDLE", 0.6), ("CONNECTION_ANSWER", 0.9)):
        monkeypatch.setattr(connections, f"PEER_{name}_SECONDS_MAX", seconds)
    exchange = Exchange([], lambda note: None, lambda: LARGE, SUCCESSION)
    yield await exchange.listen("127.0.0.1", 0, web.get("/bug", bug))
    await exchange.close()


async def bug(request: web.Request) -> web.Response:
    raise ZeroDivisionError


async def opened(port: Port, first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    return reader, writer


async def answered(port: Port) -> tuple[int, bytes]:
    async with ClientSession() as session, session.post(f"http://127.0.0.1:{port}{PATH}", data=b"x") as answer:
        return answer.status, await answer.read()


async def cut_off(reader: asyncio.StreamReader) -> bytes:
    """What came until the connection ended."""
    found = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            while chunk := await reader.read(1 << 16):
                found += chunk
    return found


@pytest.mark.parametrize("first", [b"", b"POST /cosig", HEAD, BODY + b"x"])
async def test_what_is_not_sent_on_ends(port: Port, first: bytes) -> None:
    reader, writer = await opened(port, first)
    assert b"200 OK" not in await cut_off(reader)
    writer.close()
    assert await answered(port) == (200, LARGE)


@pytest.mark.parametrize("first", [HEAD, BODY])
async def test_what_drips_ends(port: Port, first: bytes) -> None:
    reader, writer = await opened(port, first)
    reading = asyncio.create_task(cut_off(reader))
    while not reading.done():
        writer.write(b"a")
        await asyncio.sleep(0.02)
    assert b"200 OK" not in await reading
    writer.close()


async def test_answers_that_are_not_taken_end(port: Port) -> None:
    """More requests than sockets buffer answers."""
    ended = asyncio.Event()
    requests = b"GET /cosignature HTTP/1.1\r\nHost: a\r\n\r\n" * 2000

    class Deaf(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            transport.write(requests)

        def connection_lost(self, exc: Exception | None) -> None:
            ended.set()

    transport, _ = await asyncio.get_running_loop().create_connection(Deaf, "127.0.0.1", port)
    async with asyncio.timeout(20):
        while not ended.is_set():  # as it reads nothing, it hears of the end when it writes
            transport.write(b"x")
            await asyncio.sleep(0.02)


async def test_connections_are_few_and_those_that_end_make_room(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PEER_CLIENT_CONNECTIONS_MAX", 8)
    slow = [await opened(port, HEAD) for _ in range(8)]
    refused, writer = await opened(port)
    said = await cut_off(refused)
    assert said.startswith(b"HTTP/1.1 503")
    assert said.endswith(b"\r\n\r\ntoo many connections; try again\n")
    writer.close()
    for reader, one in slow:
        await cut_off(reader)
        one.close()
    assert await answered(port) == (200, LARGE)


async def test_a_household_has_its_share_and_all_together_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PEER_CLIENT_CONNECTIONS_MAX", 3)
    monkeypatch.setattr(connections, "PEER_CONNECTIONS_MAX", 5)
    found = Connections(web.Application())
    household = [group_of(f"2001:db8::{number}") for number in range(4)]
    assert [found.admit(client) for client in household] == [True, True, True, False]
    others = [group_of(f"198.51.100.{number}") for number in range(3)]
    assert [found.admit(client) for client in others] == [True, True, False]
    found.leave(household[0])
    assert found.admit(others[2])


# Kinds of bytes that nobody can read -> what of them stands in the log.
BROKEN = {
    b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n": "InvalidURLError",
    HEAD + b"Content-Length: many\r\n\r\n": "BadHttpMessage",
    HEAD + b"X: " + bytes(9000) + b"\r\n\r\n": "BadHttpMessage",
    HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno chunk\r\n": "",
    HEAD + b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello": "",
    BODY + b"x": "",  # and breaks off
    b"CONNECT \r\na:9 HTTP/1.1\r\n\r\n": "AttributeError",  # at which aiohttp's own task ends
    b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n": "ZeroDivisionError",
}


async def test_what_nobody_can_read_is_told_once(port: Port, caplog: pytest.LogCaptureFixture) -> None:
    with capture_logs() as told:
        for data in BROKEN:
            for _ in range(5):
                reader, writer = await opened(port, data)
                if data == BODY + b"x":
                    await writer.drain()
                    writer.write_eof()
                await cut_off(reader)
                writer.close()
    assert caplog.records == [], "aiohttp and asyncio themselves say nothing"
    assert sorted(one["kind"] for one in told) == sorted({kind for kind in BROKEN.values() if kind})
    faults = [one["kind"] for one in told if "exc_info" in one]
    assert faults == ["AttributeError", "ZeroDivisionError"], "what nobody foresaw has its traceback"


def test_what_was_told_is_told_again_with_how_many_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    complaints = Complaints()
    with capture_logs() as told:
        for second in range(0, 100, 10):
            now = 1000.0 + second
            complaints.take(BadHttpMessage("x"), "198.51.100.1")
    assert [one["unsaid_before"] for one in told] == [0, 5]
