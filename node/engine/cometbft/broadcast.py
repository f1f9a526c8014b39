"""Handing transactions to the node's own CometBFT: JSON-RPC over a unix socket that only this user can reach."""

import base64
import json
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector

from ledger.limits import RPC_BATCH_BYTES_MAX, RPC_BATCH_REQUESTS_MAX

TIMEOUT_SECONDS: Final = 10


class Taken(Enum):
    """What CometBFT did with a transaction."""

    YES = "it waits for a block, or waited before"
    FULL = "the mempool is full"
    LATER = "CometBFT is not ready, or said something else"


class Broadcaster:
    """Use as a context manager."""

    def __init__(self, socket: Path) -> None:
        self._session = ClientSession(
            connector=UnixConnector(str(socket)), timeout=ClientTimeout(total=TIMEOUT_SECONDS)
        )

    async def __aenter__(self) -> "Broadcaster":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, txs: Sequence[bytes]) -> list[tuple[Taken, str]]:
        """What CometBFT did with each, and its words; where it cannot be reached, LATER."""
        outcomes: list[tuple[Taken, str]] = []
        for batch in _batches(txs):
            try:
                outcomes += await self._send(batch)
            except (ClientError, TimeoutError, OSError, ValueError) as error:
                outcomes += [(Taken.LATER, str(error) or type(error).__name__)] * len(batch)
        return outcomes

    async def _send(self, batch: Sequence[bytes]) -> list[tuple[Taken, str]]:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(tx).decode()},
            }
            for number, tx in enumerate(batch)
        ]
        async with self._session.post("http://cometbft/", data=json.dumps(calls)) as response:
            answer = json.loads(await response.read())
        answers: list[dict[str, Any]] = answer if isinstance(answer, list) else [answer]
        by_id = {one.get("id"): one for one in answers}
        return [_outcome(by_id.get(number)) for number in range(len(batch))]


def _outcome(answer: dict[str, Any] | None) -> tuple[Taken, str]:
    if answer is None:
        return Taken.LATER, "no answer to this transaction"
    error = answer.get("error")
    if error is None:
        return Taken.YES, ""
    said = f"{error.get('message')}: {error.get('data')}"
    if "already exists in cache" in said:
        return Taken.YES, said
    return (Taken.FULL if "mempool is full" in said else Taken.LATER), said


def _batches(txs: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch, size = list[bytes](), 0
    for tx in txs:
        if batch and (size + len(tx) > RPC_BATCH_BYTES_MAX or len(batch) == RPC_BATCH_REQUESTS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(tx)
        size += len(tx)
    if batch:
        yield batch
