"""Telling the other validators what this one cosigned, and hearing theirs, over plain HTTP: what travels is public
and signed, and nothing is believed that is not a validator's own signature. Answers are read as they come: one that
is packed would unpack to a thousand times what its length says.

    POST /cosignature    a signed note with the sender's cosignature; answered with the receiver's newest one
    GET /cosignature     the newest one, for observers, who have nothing to tell
    GET /steps/NUMBER    the step that leads on from that policy of the validators (`ledger.succession`)

So whoever comes back after an absence learns where the others stand by telling where it stands itself.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from ledger.errors import Malformed, VerifyFailed
from ledger.limits import COSIGNED_HEADS_ENTRIES_MAX, NOTE_BYTES_MAX, PEER_ANSWER_SECONDS_MAX
from ledger.succession import STEP
from node.cosigning.connections import Connections
from node.succession import Succession

PATH: Final = "/cosignature"
STEPS: Final = "/steps"
_STEP: Final = STEPS + "/{number:[0-9]{1,9}}"
AGAIN_SECONDS: Final = 1.0
LOOK_AGAIN_SECONDS: Final = 1.0
log = structlog.get_logger(__name__)


class Exchange:
    """`heard` gets the notes of others and raises Malformed or VerifyFailed; `newest` is this node's own."""

    def __init__(
        self,
        peers: Sequence[str],
        heard: Callable[[bytes], None],
        newest: Callable[[], bytes],
        succession: Succession,
    ) -> None:
        self._heard, self._newest, self._succession = heard, newest, succession
        self._waiting = {peer: deque[bytes](maxlen=COSIGNED_HEADS_ENTRIES_MAX) for peer in peers}
        self._wake = {peer: asyncio.Event() for peer in peers}
        self._refusing: set[str] = set()
        self._pointless: set[str] = set()
        self._connections: Connections | None = None

    def tell(self, note: bytes) -> None:
        """Everybody gets it, in order, as soon as they can be reached; of many that wait, the newest ones."""
        for peer, waiting in self._waiting.items():
            waiting.append(note)
            self._wake[peer].set()

    async def listen(self, host: str, port: int, *others: web.RouteDef) -> int:
        """Serve, and the others' routes too; the port. OSError where it cannot be listened on."""
        app = web.Application(client_max_size=NOTE_BYTES_MAX)
        app.add_routes([web.post(PATH, self._answer), web.get(PATH, self._show), web.get(_STEP, self._step), *others])
        self._connections = Connections(app)
        return await self._connections.listen(host, port)

    async def close(self) -> None:
        if self._connections is not None:
            await self._connections.close()

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(PEER_ANSWER_SECONDS_MAX):
                note = await request.read()
            self._heard(note)
        except (Malformed, VerifyFailed) as error:
            return web.Response(status=400, text=f"{error}\n")
        except TimeoutError:
            return web.Response(status=408, text=f"the note did not come within {PEER_ANSWER_SECONDS_MAX} s\n")
        return web.Response(body=self._newest(), content_type="text/plain")

    async def _show(self, request: web.Request) -> web.Response:
        return web.Response(body=self._newest(), content_type="text/plain")

    async def _step(self, request: web.Request) -> web.Response:
        steps = self._succession.since(int(request.match_info["number"]))
        if not steps:
            return web.Response(status=404, text="this node has no step that leads on from there\n")
        return web.Response(body=STEP.encode(steps[0]), content_type="application/octet-stream")

    async def look(
        self, lacks_quorum: Callable[[], bool], lacks_steps: Callable[[], bool], is_stored: Callable[[bytes], bool]
    ) -> None:
        """Ask the others for what they did not tell, until cancelled: their newest head, and how validators changed.
        An observer hears of both so; and a validator whose file not all of the others have. Former validators, or who
        bought their keys, can make steps to anybody: so one counts whose head `is_stored` here."""
        timeout = ClientTimeout(total=PEER_ANSWER_SECONDS_MAX)
        async with ClientSession(timeout=timeout, auto_decompress=False) as session:
            while True:
                for peer in self._waiting:
                    with suppress(ClientError, TimeoutError, OSError, Malformed, VerifyFailed):
                        if lacks_quorum():
                            self._heard(await _get(session, f"http://{peer}{PATH}"))
                        if lacks_steps():
                            known = self._succession.trusted.number
                            step = STEP.decode(await _get(session, f"http://{peer}{STEPS}/{known}"))
                            if is_stored(step.checkpoint):
                                self._succession.add(step)
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def run(self) -> None:
        """Tell the others, until cancelled."""
        timeout = ClientTimeout(total=PEER_ANSWER_SECONDS_MAX)
        async with ClientSession(timeout=timeout, auto_decompress=False) as session, asyncio.TaskGroup() as group:
            for peer in self._waiting:
                group.create_task(self._tell(session, peer))

    async def _tell(self, session: ClientSession, peer: str) -> None:
        waiting, wake, reached = self._waiting[peer], self._wake[peer], True
        while True:
            await wake.wait()
            wake.clear()
            try:
                while waiting:
                    await self._send(session, peer, waiting[0])
                    waiting.popleft()
                if not reached:
                    log.info("a validator is reached again", peer=peer)
                reached = True
            except (ClientError, TimeoutError, OSError) as error:
                if reached:
                    log.warning("a validator cannot be reached", peer=peer, reason=str(error) or type(error).__name__)
                reached = False
                while len(waiting) > 1:  # the newest says all, and an old time would accuse a clock that is right
                    waiting.popleft()
                wake.set()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _send(self, session: ClientSession, peer: str, note: bytes) -> None:
        async with session.post(f"http://{peer}{PATH}", data=note, allow_redirects=False) as response:
            if response.content_length is None or response.content_length > NOTE_BYTES_MAX:
                raise ClientError("its answer is longer than a note may be")
            answer = await response.read()
            if response.status != 200:
                self._tell_refused(peer, answer)
                return
        self._refusing.discard(peer)
        try:
            self._heard(answer)
            self._pointless.discard(peer)
        except (Malformed, VerifyFailed) as error:  # an observer's, or that of one who left office, again and again
            if peer not in self._pointless:
                log.info("a node's answer has no cosignature that counts", peer=peer, reason=str(error))
            self._pointless.add(peer)

    def _tell_refused(self, peer: str, answer: bytes) -> None:
        """Once, and not with every block."""
        if peer not in self._refusing:
            said = answer[:300].decode(errors="replace")
            log.warning("a validator does not take this node's cosignatures", peer=peer, answer=said)
            self._refusing.add(peer)


async def _get(session: ClientSession, address: str) -> bytes:
    async with session.get(address, allow_redirects=False) as response:
        if response.status != 200 or response.content_length is None or response.content_length > NOTE_BYTES_MAX:
            raise ClientError(f"{address} answers {response.status}, or too much")
        return await response.read()
