"""Whoever reaches cosign_port, over real sockets: slow clients are cut off, many are refused, what nobody can read is
told once, and the other nodes are served meanwhile. The deadlines are shortened here."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from node.cosigning import connections
from node.cosigning.connections import Connections
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
    try:
        while chunk := await reader.read(1 << 16):
            found += chunk
    except ConnectionError:
        pass
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


BROKEN = {
    "BadStatusLine": b"POST /cosignature\r\n\r\n",
    "a body": HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno chunk\r\n",
    "an encoding": HEAD + b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "breaks off": BODY + b"x",
}


async def test_what_nobody_can_read_is_told_once(
    port: Port, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for data in BROKEN.values():
        for _ in range(5):
            reader, writer = await opened(port, data)
            if data.endswith(b"x"):
                await writer.drain()
                writer.write_eof()
            await cut_off(reader)
            writer.close()
    for _ in range(3):
        reader, writer = await opened(port, b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"500 Internal Server Error" in await cut_off(reader)
        writer.close()
    assert not caplog.records, "aiohttp and asyncio themselves say nothing"
    said = "".join(capfd.readouterr())
    print(said)
    assert said.count("an answer of cosign_port failed") == 1
    assert said.count("Traceback") == 1, "of what is a fault of the node"
