"""Witnesses outside this network, by the setting `witnesses`: a university, a consumers' union, any C2SP witness.

Beside consensus and receipts, which never wait for it: about once a second the newest version that the validators'
quorum cosigned is submitted to each. Readers get that version when all have cosigned it, or after a bounded time
without. A witness that is lost is not waited for.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, StreamReader
from msgspec import Struct

from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import NOTE_BYTES_MAX, OUTSIDE_PAUSE_SECONDS_MAX, OUTSIDE_WAIT_SECONDS_MAX, WITNESS_WINDOW_MS
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from ledger.tlogwitness import SIZE_TYPE, AddCheckpoint, decode_size, encode
from node.cosigning.address import Address
from node.engine import Engine

SUBMIT_SECONDS: Final = 1.0
COSIGN_AGAIN_SECONDS: Final = 60
FOLLOWED_SIZES: Final = 4
"""Other nodes submit to the same witness, so what it cosigned last moves on between two calls."""

log = structlog.get_logger(__name__)
Growth = Callable[[], asyncio.Event]
"""The event that is set when the engine's view changes from what it is now."""


class Unanswered(Exception):
    """A witness that did not cosign, and why."""


class Head(Struct, frozen=True):
    """What is submitted: a version, the text that is cosigned, and the note that the log alone signed."""

    view: ChainView
    text: str
    note: bytes

    @classmethod
    def of(cls, view: ChainView) -> "Head":
        made = n.parse(view.note)
        origin = made.text.split("\n", 1)[0]
        by_log = [line for line in made.signatures if line.name == origin]
        return cls(view, made.text, n.serialise(n.Note(made.text, by_log)))

    @property
    def size(self) -> int:
        return self.view.head.log.size


class Outsider:
    """One witness: what it cosigned last, as far as is known here, and whether it can be reached."""

    def __init__(self, address: Address, store: ChainStore, clock_ms: Callable[[], int]) -> None:
        self._address, self._store, self._clock_ms = address, store, clock_ms
        self._size = 0
        self._text = ""
        self._line: n.NoteSignature | None = None
        self._again_at = 0.0
        self._trouble, self._pause = "", 0.0

    def line(self, text: str) -> list[n.NoteSignature]:
        """Its newest cosignature of this head, if it gave one."""
        return [self._line] if self._line is not None and self._text == text else []

    async def ask(self, session: ClientSession, head: Head, until: float) -> bool:
        """Have it cosign this head, unless it did lately or is lost; whether it stands beyond this head, so that a
        longer one is worth another try now."""
        now = asyncio.get_running_loop().time()
        if now < self._again_at and (self._trouble or self._text == head.text):
            return False
        try:
            async with asyncio.timeout_at(until):
                if not await self._submit(session, head):
                    return True
        except TimeoutError:
            self._lost(now, f"no answer within {OUTSIDE_WAIT_SECONDS_MAX} s")
        except (ClientError, OSError, Malformed, VerifyFailed, Unanswered) as error:
            self._lost(now, str(error) or type(error).__name__)
        else:
            self._found(now)
        return False

    async def _submit(self, session: ClientSession, head: Head) -> bool:
        """False where it cosigned a longer log. ClientError, Malformed, VerifyFailed or Unanswered."""
        for _ in range(FOLLOWED_SIZES):
            if self._size > head.size:
                return False
            proof = self._store.consistency_proof(self._size, head.view.head.log)
            body = encode(AddCheckpoint(self._size, proof, head.note))
            async with session.post(self._address.url, data=body, allow_redirects=False) as response:
                answer = await _read(response.content)
                status, kind = response.status, response.content_type
            if status == 200:
                self._line, self._text, self._size = self._verified(head.text, answer), head.text, head.size
                return True
            if status != 409 or kind != SIZE_TYPE:
                raise Unanswered(f"it answers {status}: {answer[:200].decode(errors='replace').strip()}")
            size = decode_size(answer)
            if size == self._size:
                raise Unanswered(f"IT COSIGNED ANOTHER HEAD of {size} leaves: compare the validators' logs")
            self._size = size
        return True  # it moves on faster than this node follows: the next head, a second later

    def _verified(self, text: str, answer: bytes) -> n.NoteSignature:
        made = n.parse(text.encode() + b"\n" + answer)
        found = n.find(made, self._address.key)
        if not found:
            raise Unanswered(f"its answer has no cosignature by {self._address.key}")
        off_ms = 1000 * (n.verify(made, self._address.key, found[0]) or 0) - self._clock_ms()
        if abs(off_ms) > WITNESS_WINDOW_MS:
            raise Unanswered(f"its cosignature's time is off by {off_ms // 1000} s, so no reader believes it")
        return found[0]

    def _lost(self, now: float, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("an outside witness does not cosign", witness=self._address.key.name, reason=trouble)
        self._trouble = trouble
        self._pause = min(max(1.0, 2 * self._pause), OUTSIDE_PAUSE_SECONDS_MAX)
        self._again_at = now + self._pause

    def _found(self, now: float) -> None:
        if self._trouble:
            log.info("an outside witness cosigns again", witness=self._address.key.name)
        self._trouble, self._pause = "", 0.0
        self._again_at = now + COSIGN_AGAIN_SECONDS


async def _read(content: StreamReader) -> bytes:
    """An answer, as far as a note may be long; ClientError beyond."""
    body = await content.read(NOTE_BYTES_MAX)
    while chunk := await content.read(NOTE_BYTES_MAX):
        body += chunk
        if len(body) > NOTE_BYTES_MAX:
            raise ClientError("its answer is longer than a note may be")
    return body


class Outside:
    """`shown` is the version for readers: it, not the engine's view, goes into proofs and onto `/checkpoint`."""

    def __init__(
        self, addresses: Sequence[Address], engine: Engine, store: ChainStore, clock_ms: Callable[[], int]
    ) -> None:
        self._outsiders = [Outsider(address, store, clock_ms) for address in addresses]
        self._engine = engine
        self.shown = engine.view

    async def run(self, growth: Growth) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        async with ClientSession(
            timeout=ClientTimeout(total=OUTSIDE_WAIT_SECONDS_MAX), auto_decompress=False
        ) as session:
            while True:
                begun, grown = loop.time(), growth()
                await self._round(session, growth)
                await asyncio.sleep(begun + SUBMIT_SECONDS - loop.time())
                await _wait(grown, SUBMIT_SECONDS)

    async def _round(self, session: ClientSession, growth: Growth) -> None:
        """Show the newest version, with all outside cosignatures if they come in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + OUTSIDE_WAIT_SECONDS_MAX
        while True:
            grown, view = growth(), self._engine.view
            if not self._engine.witnessed or not view.head.log.size:
                break
            head = Head.of(view)
            behind = await asyncio.gather(*(one.ask(session, head, until) for one in self._outsiders))
            lines = [line for one in self._outsiders for line in one.line(head.text)]
            view.outside = n.signature_lines(lines)
            if not any(behind) or loop.time() >= until:
                break
            await _wait(grown, until - loop.time())
        self.shown = view


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
