"""This validator as a C2SP witness of its own chain's log, for whoever asks: POST /add-checkpoint.

It signs nothing that the block's end would not sign: the newest head that this node executed and stored itself, under
the same root. So whoever asks gets the newest cosignature, or learns how far it reaches. Everything is decided in the
engine's worker, where blocks are stored and cosigned, so nothing comes in between.

A head that the log's key signed, and that differs from what is stored here at its size, is a fork: both are kept.
"""

import asyncio
from concurrent.futures import Executor
from typing import Final

import structlog
from aiohttp import web
from msgspec import Struct

from ledger import checkpoint as c
from ledger import merkle
from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import PEER_ANSWER_SECONDS_MAX, WITNESS_REQUESTS_MAX
from ledger.storage.chainstore import ChainStore
from ledger.tlogwitness import PATH, SIZE_TYPE, AddCheckpoint, decode
from node.cosigning.clock import CosignerClock
from node.cosigning.cosigner import Cosigner
from node.cosigning.evidence import Evidence
from node.cosigning.validators import Validators

RETRY_AFTER_SECONDS: Final = 1
log = structlog.get_logger(__name__)


class Answer(Exception):
    """What is answered instead of a cosignature."""

    def __init__(self, status: int, text: str, content_type: str = "text/plain") -> None:
        super().__init__(text)
        self.status, self.text, self.content_type = status, text, content_type


class Asked(Struct, frozen=True):
    """A request whose checkpoint the log's key signed; `lines` are those signatures."""

    request: AddCheckpoint
    head: c.Checkpoint
    text: str
    lines: list[n.NoteSignature]


def read(body: bytes, validators: Validators) -> Asked:
    """A request as far as its bytes tell; raises Answer."""
    try:
        request = decode(body)
        note = n.parse(request.note)
        if note.text.split("\n", 1)[0] != validators.origin:
            raise Answer(404, f"this witness knows the log {validators.origin} alone\n")
        lines = [(key, line) for key in validators.logs for line in n.find(note, key)]
        if not lines:
            raise Answer(403, "no signature by a key of this log\n")
        for key, line in lines:
            n.verify(note, key, line)
        head = c.parse(note.text)
    except Malformed as error:
        raise Answer(400, f"{error}\n") from None
    except VerifyFailed as error:
        raise Answer(403, f"{error}\n") from None
    if request.old > head.size:
        raise Answer(400, f"old size {request.old} is beyond the checkpoint's {head.size}\n")
    return Asked(request, head, note.text, [line for _, line in lines])


class Witness:
    """Used in the engine's worker alone."""

    def __init__(self, store: ChainStore, cosigner: Cosigner, clock: CosignerClock, evidence: Evidence) -> None:
        self._store, self._cosigner, self._clock, self._evidence = store, cosigner, clock, evidence

    def add(self, asked: Asked) -> list[n.NoteSignature]:
        """This validator's cosignature; raises Answer."""
        head, newest = asked.head, self._store.head.log
        stored = self._store.root_at(head.size) if head.size <= newest.size else None
        if stored is not None and stored != head.root:
            self._keep(
                asked, head.size, stored, "A FORK WAS ASKED FOR: the log signed another root at this size", True
            )
        self._require_extension(asked, stored is None)
        if stored is not None and stored != head.root:
            raise Answer(422, "this node stores another root at this size\n")
        if head.size != newest.size:
            raise Answer(503, f"this node stands at {newest.size} leaves; try again\n")
        made = self._cosigner.sign(head.size, head.root, self._store.consistency_proof, self._clock.stamp_ms())
        lines = n.parse(made).signatures[1:]
        if not lines:
            raise Answer(503, "this validator does not cosign its own head now\n")
        return lines

    def _require_extension(self, asked: Asked, is_ahead: bool) -> None:
        last, head, old = self._cosigner.last, asked.head, asked.request.old
        conflict = Answer(409, f"{last.size}\n", SIZE_TYPE)
        if old != last.size or (head.size == old and not asked.request.proof and head.root != last.root):
            raise conflict
        try:
            merkle.verify_consistency(old, head.size, last.root, head.root, asked.request.proof)
        except VerifyFailed as error:
            if is_ahead:
                newest = self._store.head.log
                self._keep(
                    asked, newest.size, newest.root(), "a head was sent that is not proven to extend this log", False
                )
            raise Answer(422, f"{error}\n") from None

    def _keep(self, asked: Asked, size: int, root: bytes, what: str, proven: bool) -> None:
        there = n.serialise(n.Note(asked.text, asked.lines))
        kept = self._evidence.keep(asked.head.size, self._cosigner.log_note(size, root), there, proven)
        if kept:
            keys = [line.key_id.hex() for line in asked.lines]
            log.error(what, size=asked.head.size, root=asked.head.root.hex(), by=keys, here=root.hex(), kept=kept)


class Endpoint:
    """Takes requests one at a time, and few that wait, so that nobody keeps the worker from its blocks."""

    def __init__(self, witness: Witness, validators: Validators, worker: Executor) -> None:
        self._witness, self._validators, self._worker = witness, validators, worker
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self.route = web.post(PATH, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            lines = await self._cosigned(request)
        except Answer as answer:
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if answer.status == 503 else None
            body = answer.text.encode()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type, headers=retry)
        return web.Response(body=n.signature_lines(lines), content_type="text/plain", charset="utf-8")

    async def _cosigned(self, request: web.Request) -> list[n.NoteSignature]:
        try:
            async with asyncio.timeout(PEER_ANSWER_SECONDS_MAX):
                body = await request.read()
        except TimeoutError:
            raise Answer(408, f"the request did not come within {PEER_ANSWER_SECONDS_MAX} s\n") from None
        asked = read(body, self._validators)
        if self._waiting >= WITNESS_REQUESTS_MAX:
            raise Answer(503, "too many ask at once; try again\n")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.get_running_loop().run_in_executor(self._worker, self._witness.add, asked)
        finally:
            self._waiting -= 1
