"""What CometBFT says of itself, asked every few seconds over its socket: one call, however often that is read."""

import asyncio
import datetime as dt
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector
from msgspec import Struct

ASK_AGAIN_SECONDS: Final = 2.0
ANSWER_SECONDS_MAX: Final = 5.0
_CALLS: Final = ("status", "net_info", "num_unconfirmed_txs", "dump_consensus_state")


class Seen(Struct, frozen=True):
    """`height` is that of the last block that CometBFT has, `peer_heights` what its peers say of theirs, by id;
    `peers` are their ids; what waits in the mempool is counted in `transactions` and `bytes`."""

    height: int
    peer_heights: Mapping[str, int]
    round: int
    catching_up: bool
    block_time_ms: int
    peers: frozenset[str]
    transactions: int
    bytes: int

    def height_of(self, voters: Collection[str], liars: int) -> int:
        """The highest block that more than so many `liars` of these peers say they have; 0 where fewer say anything.
        Whoever lies alone moves it no further than the others are."""
        heights = sorted((self.peer_heights[one] for one in voters if one in self.peer_heights), reverse=True)
        return heights[liars] if liars < len(heights) else 0


class Watch:
    """`seen` is the newest answer, None while there is none; since `grown_at` (the event loop's time) CometBFT has
    the same last block."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.seen: Seen | None = None
        self.grown_at = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        timeout = ClientTimeout(total=ANSWER_SECONDS_MAX)
        async with ClientSession(connector=UnixConnector(str(self._socket)), timeout=timeout) as session:
            while True:
                self._take(await _ask(session))
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _take(self, seen: Seen | None) -> None:
        if seen is None or self.seen is None or seen.height != self.seen.height:
            self.grown_at = asyncio.get_running_loop().time()
        self.seen = seen


async def _ask(session: ClientSession) -> Seen | None:
    """None where CometBFT does not answer, or not yet with all that is asked."""
    calls = [{"jsonrpc": "2.0", "id": number, "method": name} for number, name in enumerate(_CALLS)]
    try:
        async with session.post("http://cometbft/", data=json.dumps(calls)) as response:
            answers: list[dict[str, Any]] = json.loads(await response.read())
        by_id = {one["id"]: one for one in answers}
        return _read(*(by_id[number]["result"] for number in range(len(_CALLS))))
    except (ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None


def _read(
    status: Mapping[str, Any], net: Mapping[str, Any], mempool: Mapping[str, Any], consensus: Mapping[str, Any]
) -> Seen:
    sync = status["sync_info"]
    block_time = dt.datetime.fromisoformat(sync["latest_block_time"])
    working_on = {
        one["node_address"].split("@")[0]: int(one["peer_state"]["round_state"]["height"])
        for one in consensus["peers"]
    }
    return Seen(
        height=int(sync["latest_block_height"]),
        peer_heights={peer: max(0, height - 1) for peer, height in working_on.items()},
        round=int(consensus["round_state"]["round"]),
        catching_up=bool(sync["catching_up"]),
        block_time_ms=max(0, int(block_time.timestamp() * 1000)),
        peers=frozenset(one["node_info"]["id"] for one in net["peers"]),
        transactions=int(mempool["total"]),
        bytes=int(mempool["total_bytes"]),
    )
