"""Slow clients, over real sockets: whoever drips a request, keeps a connection for nothing, or does not take its
answer is cut off, whatever it sends meanwhile, and the others are served. The deadlines are shortened here."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.responses import Response

from node.http import protocol
from node.http.clients import Clients
from node.http.guard import Guard
from node.http.protocol import Connections
from node.http.server import HttpServer
from node.metrics import Metrics

LARGE = 64 * 1024 * 1024  # more than sockets buffer
GRACE_SECONDS = 1
HEAD = b"GET /small HTTP/1.1\r\nHost: a\r\n"


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    body = bytes(LARGE) if scope["path"] == "/large" else b"small"
    await Response(body)(scope, receive, send)


@pytest.fixture
async def connections(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connections]:
    """The open connections of a server on `connections.port`."""
    for name, seconds in (("HEAD", 0.3), ("IDLE", 0.6), ("ANSWER", 0.6)):
        monkeypatch.setattr(protocol, f"HTTP_{name}_SECONDS_MAX", seconds)
    monkeypatch.setattr(protocol, "SWEEP_SECONDS", 0.05)
    clients = Clients(1_000_000, [])
    found = Connections(clients)
    server = HttpServer(found, "127.0.0.1", 0)
    found.port = server.port  # type: ignore[attr-defined]
    running = asyncio.create_task(server.run(Guard(app, clients, Metrics()), GRACE_SECONDS))
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def opened(connections: Connections) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", connections.port)  # type: ignore[attr-defined]


async def served(connections: Connections) -> bool:
    reader, writer = await opened(connections)
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"small")


async def drip(connections: Connections, first: bytes, drops: bytes) -> bytes:
    """What the server says to a client that sends `first`, then a byte every now and then until it is cut off."""
    reader, writer = await opened(connections)
    writer.write(first)
    heard = bytearray()

    async def hear() -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                heard.extend(data)

    said = asyncio.create_task(hear())
    for number in range(10_000):
        if said.done():
            break
        with suppress(ConnectionError):
            writer.write(drops[number % len(drops) : number % len(drops) + 1])
            await writer.drain()
        await asyncio.sleep(0.01)
    await said
    return bytes(heard)


async def test_a_dripping_head_is_cut_off(connections: Connections) -> None:
    assert await drip(connections, HEAD + b"X-Slow: ", b"x") == b""
    assert len(connections) == 0
    assert await served(connections)


async def test_a_dripping_head_after_an_answer_is_cut_off(connections: Connections) -> None:
    said = await drip(connections, HEAD + b"\r\n" + HEAD + b"X-Slow: ", b"x")
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_dripping_body_is_refused_at_once(connections: Connections, framing: bytes) -> None:
    said = await drip(connections, HEAD + framing + b"\r\n", b"1\r\nx\r\n")
    assert said == b"" or said.startswith(b"HTTP/1.1 413")
    assert await served(connections)


async def test_nothing_sent_is_cut_off(connections: Connections) -> None:
    reader, writer = await opened(connections)
    assert await reader.read() == b""
    writer.close()
    assert len(connections) == 0


async def test_an_idle_connection_is_cut_off(connections: Connections) -> None:
    reader, writer = await opened(connections)
    writer.write(HEAD + b"\r\n")
    assert (await reader.read()).endswith(b"small")
    writer.close()


async def test_an_answer_that_is_not_taken_is_cut_off(connections: Connections) -> None:
    """The server is done with it, so only the client's buffers hold it up: closing in order would wait for ever."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", connections.port))  # type: ignore[attr-defined]
    await loop.sock_sendall(line, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    while not len(connections):
        await asyncio.sleep(0.01)
    while len(connections):
        await asyncio.sleep(0.01)
    assert await served(connections)
    line.close()


async def test_many_slow_clients_leave_room_for_others(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HTTP_CLIENT_CONNECTIONS_MAX", 8)
    slow = [await opened(connections) for _ in range(8)]
    reader, writer = await opened(connections)
    refusal = await reader.read()
    assert refusal.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in refusal
    writer.close()
    for _, one in slow:
        one.write(HEAD)
    for other, _ in slow:
        assert await other.read() == b""
    assert await served(connections)


async def test_the_end_waits_for_answers_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients(1_000_000, [])
    connections = Connections(clients)
    server = HttpServer(connections, "127.0.0.1", 0)
    connections.port = server.port  # type: ignore[attr-defined]
    running = asyncio.create_task(server.run(Guard(app, clients, Metrics()), GRACE_SECONDS))
    reader, writer = await opened(connections)
    writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readexactly(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.done()
    writer.close()
