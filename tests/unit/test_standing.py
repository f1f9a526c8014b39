"""How a node of a network stands: what CometBFT says, what cosignatures tell, and what follows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import structs
from prometheus_client import CollectorRegistry, generate_latest

from ledger import limits
from node.cosigning.sightings import Sighting, Sightings
from node.engine import Cosigned
from node.engine.cometbft import watch
from node.engine.cometbft.standing import Standing, collect, trouble
from node.engine.cometbft.watch import Seen, Watch

NOW = 1_763_000_500_000
SEEN = Seen(
    height=100, peer_heights={"a": 101, "b": 101, "c": 101}, round=0, catching_up=False, block_time_ms=NOW - 5000,
    peers=frozenset({"a", "b", "c"}), transactions=3, bytes=900,
)  # fmt: skip
WELL = Standing(
    now_ms=NOW, reasons=("", ""), seen=SEEN, peers_expected=3, voters=frozenset("abx"),
    voters_needed=2, liars=1, quorum_ms=NOW - 1000, lag_leaves=2,
    lag_seconds=0.1, cosigned=(Cosigned("v1", 7, NOW), Cosigned("v2", 0, 0)), starts=1,
)  # fmt: skip


def seen(**changed: Any) -> Standing:
    return structs.replace(WELL, seen=structs.replace(SEEN, **changed))


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (WELL, ""),
        (structs.replace(WELL, reasons=("", "first"), seen=None), "first"),
        (structs.replace(WELL, seen=None), "does not answer"),
        (seen(catching_up=True), "catches up"),
        (seen(peers=frozenset("ab")), ""),
        (seen(peers=frozenset("a")), "reaches 1 other validators, and with fewer than 2 nothing is ordered"),
        (seen(peers=frozenset("acd")), "reaches 1 other validators"),  # c and d are observers
        (structs.replace(seen(peers=frozenset("a")), unknown=("port",)), "peers/ lacks the file of port"),
        (seen(peers=frozenset(), catching_up=True), "reaches none of its 3 peers"),
        (structs.replace(seen(peers=frozenset("c")), voters_needed=0), ""),  # an observer
        (structs.replace(WELL, clock_ahead_ms=limits.COSIGNER_CLOCK_OFF_MS_MAX), ""),
        (structs.replace(WELL, clock_ahead_ms=600_000), "600 s ahead of"),
        (structs.replace(WELL, clock_ahead_ms=-600_000), "600 s behind"),
        (seen(peer_heights={"a": 120, "b": 120}), ""),
        (seen(peer_heights={"a": 10**9, "b": 121}), "block 100, other validators at 121"),
        (seen(peer_heights={"a": 10**9, "b": 101, "x": 99, "c": 10**9}), ""),  # one liar, and an observer
        (seen(peer_heights={"a": 10**9}), ""),
        (structs.replace(WELL, stalled_seconds=31.0), "3 transactions wait, and there was no block for 31 s"),
        (structs.replace(seen(transactions=0), stalled_seconds=50.0), ""),
        (structs.replace(WELL, lag_seconds=31.0), "not cosigned its last 2 leaves for 31 s"),
        (structs.replace(WELL, quorum_ms=0), "no quorum"),
        (structs.replace(WELL, quorum_ms=NOW - 181_000), "181 s old"),
    ],
)
def test_trouble_is_told_in_one_line(at: Standing, why: str) -> None:
    found = trouble(at)
    assert bool(found) == bool(why)
    assert why in found
    assert "\n" not in found


class Collector:
    def __init__(self, at: Standing) -> None:
        self.collect = lambda: collect(at)


def shown(at: Standing) -> dict[str, str]:
    registry = CollectorRegistry()
    registry.register(Collector(at))
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_metrics_are_what_is_known_already() -> None:
    values = shown(WELL)
    assert values["suyuan_cometbft_height"] == "100.0"
    assert values["suyuan_cometbft_peer_height"] == "101.0"
    assert values["suyuan_cometbft_mempool_bytes"] == "900.0"
    assert values["suyuan_cometbft_starts_total"] == "1.0"
    assert values["suyuan_cometbft_block_time_seconds"] == "1.763000495e+09"
    assert values['suyuan_cosigned_leaves{validator="v1"}'] == "7.0"
    silent = shown(structs.replace(WELL, seen=None))
    assert silent["suyuan_cometbft_up"] == "0.0"
    assert "suyuan_cometbft_height" not in silent


# What CometBFT says


def answers(height: int) -> list[dict[str, Any]]:
    when = "2025-11-13T02:21:35.123456789Z"
    sync = {"latest_block_height": str(height), "latest_block_time": when, "catching_up": False}
    peers = [
        {"node_address": f"{peer}@198.51.100.1:26656", "peer_state": {"round_state": {"height": str(working_on)}}}
        for peer, working_on in (("aa", 0), ("bb", height + 4))
    ]
    return [
        {"sync_info": sync},
        {"n_peers": "2", "peers": [{"node_info": {"id": "aa"}}, {"node_info": {"id": "bb"}}]},
        {"n_txs": "1", "total": "2", "total_bytes": "300"},
        {"round_state": {"height": str(height + 1), "round": 1}, "peers": peers},
    ]


async def test_cometbft_is_asked_again_and_again_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ASK_AGAIN_SECONDS", 0.0)
    said: list[Any] = [answers(7), "nonsense", [{}], answers(7), answers(8)]
    found: list[Seen | None] = []
    asked = asyncio.Event()

    async def call(request: web.Request) -> web.Response:
        calls = json.loads(await request.read())
        found.append(watching.seen)
        if len(found) > len(said):
            asked.set()
            return web.Response(status=500)
        results = said[len(found) - 1]
        if isinstance(results, list) and len(results) == len(calls):
            results = [{"id": one["id"], "result": result} for one, result in zip(calls, results, strict=True)]
        return web.json_response(results[::-1])

    app = web.Application()
    app.router.add_post("/", call)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    watching = Watch(tmp_path / "s")
    running = asyncio.create_task(watching.run())
    await asked.wait()
    running.cancel()
    await runner.cleanup()
    heights = [None if one is None else one.height for one in found]
    assert heights == [None, 7, None, None, 7, 8]
    assert found[1] == Seen(
        height=7, peer_heights={"aa": 0, "bb": 10}, round=1, catching_up=False, block_time_ms=1_763_000_495_123,
        peers=frozenset({"aa", "bb"}), transactions=2, bytes=300,
    )  # fmt: skip


async def test_who_does_not_answer_has_said_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ASK_AGAIN_SECONDS", 0.0)
    watching = Watch(tmp_path / "nobody")
    watching.seen = SEEN
    running = asyncio.create_task(watching.run())
    while watching.seen is not None:
        await asyncio.sleep(0)
    running.cancel()


# What the others' cosignatures tell


def test_an_older_cosignature_that_comes_late_changes_nothing() -> None:
    told = Sightings()
    told.note("v2", 9, NOW)
    told.note("v2", 5, NOW - 60_000)
    assert told.newest["v2"] == Sighting(9, NOW)
    told.note("v2", 11, NOW)
    assert told.newest["v2"].leaves == 11, "of the same second"
