"""Handing private openings on to the nodes that a member named.

What waits stands in the private store. A row is forgotten when the node that it is for has said, sealed and for this
very letter, that it has the opening on disk; whatever happens before that, it is given again.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from nacl.public import PrivateKey

from ledger.errors import SuyuanError
from ledger.limits import PEER_LETTER_BYTES_MAX, PEER_LETTER_SECONDS_MAX
from node import peers
from node.errors import NotFound
from node.peers import Peer
from node.post.letters import LETTER, Desk, Taken
from node.post.receiver import PATH
from node.private import PrivateStore

AGAIN_SECONDS: Final = 1.0
AGAIN_SECONDS_MAX: Final = 30.0
_BEFORE_ALL: Final = (-1, -1)
log = structlog.get_logger(__name__)


class Sender:
    """Made in the event loop that it runs in. `own` is this node's name."""

    def __init__(self, data: Path, own: str, key: PrivateKey, private: PrivateStore) -> None:
        self._data, self._own, self._key, self._private = data, own, key, private
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def known(self) -> list[str]:
        """The names of the nodes that openings can be handed on to."""
        return [peer.name for peer in peers.others(self._data)]

    def wake(self) -> None:
        """Something waits; called from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Give what waits, each node by itself, until cancelled."""
        timeout = ClientTimeout(total=PEER_LETTER_SECONDS_MAX)
        under_way: dict[str, asyncio.Task[None]] = {}
        async with ClientSession(timeout=timeout, auto_decompress=False) as session, asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for name in self._private.waiting:
                    if name not in under_way or under_way[name].done():
                        under_way[name] = group.create_task(self._deliver(session, name))
                        under_way[name].add_done_callback(lambda _: self._wake.set())
                await self._wake.wait()

    async def _deliver(self, session: ClientSession, name: str) -> None:
        """Until nothing waits for a node; where that is in vain, again after ever longer pauses."""
        pause, told = AGAIN_SECONDS, ""
        while trouble := await self._round(session, name):
            if trouble != told:
                waiting = self._private.waiting.get(name, 0)
                log.warning("private openings wait for a node", node=name, openings=waiting, reason=trouble)
            told = trouble
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_SECONDS_MAX)

    async def _round(self, session: ClientSession, name: str) -> str:
        """Give all that waits for a node, once; why some of it still waits."""
        place, why = _BEFORE_ALL, ""
        try:
            while batch := await asyncio.to_thread(self._private.batch, name, place):
                answer = await self._give(session, self._peer(name), batch)
                taken = [one[:2] for one in batch if one[:2] in answer.taken]
                await asyncio.to_thread(self._private.given, name, taken)
                log.info("private openings given", node=name, openings=len(taken))
                place = batch[-1][:2]
                if len(taken) < len(batch):
                    why = f"not taken yet: {answer.why}"
                if not taken:
                    break
        except (ClientError, TimeoutError, OSError, SuyuanError) as error:
            return str(error) or type(error).__name__
        return why

    def _peer(self, name: str) -> Peer:
        found = next((peer for peer in peers.others(self._data) if peer.name == name), None)
        if found is None:
            folder = self._data / peers.FOLDER
            raise NotFound(f"there is no file of it in {folder} any more: put it back, or have the openings erased")
        return found

    async def _give(self, session: ClientSession, peer: Peer, batch: list[tuple[int, int, bytes]]) -> Taken:
        desk = Desk(self._key, self._own, peer)
        letter = desk.give(batch)
        url = f"http://{peer.cosign}{PATH}"
        async with session.post(url, data=LETTER.encode(letter), allow_redirects=False) as response:
            if response.content_length is None or response.content_length > PEER_LETTER_BYTES_MAX:
                raise ClientError("its answer is longer than one may be")
            answer = await response.read()
            if response.status != 200:
                raise ClientError(f"status {response.status}: {answer[:300].decode(errors='replace').strip()}")
        return desk.taken(letter, answer)
