"""Taking the private openings that other nodes hand on.

    POST /openings    a letter; answered with a sealed list of what need not be given again

A node takes what it can hold against the seal in a record that it stores itself, so nobody fills its disk with
anything else. It answers when that is on disk. What is given again changes nothing, and what was erased here stays
so, and counts as taken.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from nacl.public import PrivateKey

from ledger.errors import Damaged, Malformed
from ledger.limits import (
    PEER_LETTER_BYTES_MAX,
    PEER_LETTER_SECONDS_MAX,
    PEER_LETTERS_REQUESTS_MAX,
    TEXT_CHARS_MAX,
)
from ledger.private import open_private
from ledger.storage.chainstore import ChainStore
from node import peers
from node.disk import Disk
from node.engine import ReadOnly
from node.errors import Forbidden, NotStored
from node.parties import Parties
from node.post.letters import LETTER, Desk, Letter, Opening
from node.private import Erased, PrivateStore

PATH: Final = "/openings"
log = structlog.get_logger(__name__)


class TooLarge(Malformed):
    """More bytes than a letter may have."""


class Receiver:
    """`own` is this node's name."""

    def __init__(
        self, data: Path, own: str, key: PrivateKey, store: ChainStore, private: PrivateStore, disk: Disk
    ) -> None:
        self._data, self._own, self._key = data, own, key
        self._parties, self._private, self._disk = Parties(store), private, disk
        self._turn = asyncio.Semaphore(PEER_LETTERS_REQUESTS_MAX)
        self.route = web.post(PATH, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            async with self._turn:  # a letter that comes slowly keeps no other one waiting
                return web.Response(body=await asyncio.to_thread(self.take, body))
        except TooLarge as error:
            return web.Response(status=413, text=f"{error}\n")
        except Malformed as error:
            return web.Response(status=400, text=f"{error}\n")
        except Forbidden as error:
            return web.Response(status=403, text=f"{error}\n")
        except TimeoutError:
            return web.Response(status=408, text=f"the letter did not come within {PEER_LETTER_SECONDS_MAX} s\n")
        except (NotStored, ReadOnly, Damaged) as error:
            return web.Response(status=503, text=f"{error}\n")

    def take(self, body: bytes) -> bytes:
        """Keep what a letter holds; the answer. Forbidden where it is no letter of a known node to this one; ReadOnly
        or NotStored where the disk does not take it."""
        self._disk.require_room()
        letter = LETTER.decode(body)
        desk = Desk(self._key, self._own, self._sender(letter))
        fits: list[Opening] = []
        done: list[tuple[int, int]] = []
        why = ""
        for one in desk.given(letter).openings:
            leaf, index, opening = one
            if isinstance(self._private.get(leaf, index), Erased):
                done.append((leaf, index))
            elif trouble := self._trouble(leaf, index, opening):
                why = why or trouble
            else:
                fits.append(one)
        if fits:
            self._private.put(fits)
            log.info("private openings taken", sender=letter.sender, openings=len(fits))
        done += [(leaf, index) for leaf, index, _ in fits]
        return desk.answer(letter, done, why[:TEXT_CHARS_MAX] or None)

    def _sender(self, letter: Letter) -> peers.Peer:
        known = {peer.name: peer for peer in peers.others(self._data)}
        if letter.sender not in known:
            raise Forbidden(
                f"{letter.sender} is not known to {self._own}: there is no file of it in its {peers.FOLDER}/"
            )
        return known[letter.sender]

    def _trouble(self, leaf: int, index: int, opening: bytes) -> str:
        """Why an opening cannot be taken now; empty where it is what a stored record sealed."""
        try:
            found = self._parties.at(leaf, index)
            if found is None:
                return f"{self._own} has no record {index} in leaf {leaf} yet"
            open_private(found.record, opening)
        except (Malformed, Damaged) as error:
            return f"record {index} in leaf {leaf}: {error}"
        return ""


async def _body(request: web.Request) -> bytes:
    """A letter's bytes, bounded in size and time."""
    found = bytearray()
    async with asyncio.timeout(PEER_LETTER_SECONDS_MAX):
        async for chunk in request.content.iter_any():
            found += chunk
            if len(found) > PEER_LETTER_BYTES_MAX:
                raise TooLarge("letter", f"more than {PEER_LETTER_BYTES_MAX} bytes")
    return bytes(found)
