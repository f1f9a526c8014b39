"""CometBFT as the node sees it from outside: its program, its folder, its calls; and what the settings must say."""

import asyncio
import base64
import datetime as dt
import json
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ledger import limits
from ledger.errors import Damaged, Malformed
from ledger.storage.blockfile import InUse
from ledger.storage.chainstore import ChainStore
from node import peers
from node.config import Settings
from node.engine.choose import open_engine
from node.engine.cometbft import home, process
from node.engine.cometbft.broadcast import Broadcaster, Taken
from node.engine.cometbft.process import CannotRun, Process, require_version
from node.errors import WrongSettings
from node.receipts import CheckpointSigner
from node.resync import resync
from node.run import signer_of
from node.succession import Succession
from tests.ceremony import found_four
from tests.validators import NAMES, SEEDS, network_genesis
from tests.world import LOG_SEED, MAKER, ORIGIN, World, genesis

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)


# The program


def program(folder: Path, script: str) -> Path:
    path = folder / "cometbft"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_another_version_or_none_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match="scripts/cometbft builds it"):
        await require_version(tmp_path / "nothing")
    with pytest.raises(WrongSettings, match=r"version '0\.38\.0', this node needs 0\.39\.4"):
        await require_version(program(tmp_path, "echo 0.38.0"))
    await require_version(program(tmp_path, f"echo {process.VERSION}"))


async def test_what_ends_again_and_again_ends_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.0)
    with pytest.raises(CannotRun, match="ended 5 times"):
        await Process(program(tmp_path, "echo panic; exit 1"), tmp_path).keep_running()
    assert (tmp_path / process.LOG).read_text() == "panic\n" * 5


async def test_cometbft_ends_with_the_node(tmp_path: Path) -> None:
    script = "trap 'echo in order; exit 0' TERM; echo began; while :; do sleep 0.01; done"
    running = asyncio.create_task(Process(program(tmp_path, script), tmp_path).keep_running())
    said = tmp_path / process.LOG
    while not (said.exists() and said.read_text()):
        await asyncio.sleep(0.01)
    assert (tmp_path / process.PID).read_text().strip().isdecimal()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert said.read_text() == "began\nin order\n"
    assert not (tmp_path / process.PID).exists()


async def test_one_whose_consensus_failed_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.0)
    with pytest.raises(CannotRun, match="ended 5 times"):
        await Process(program(tmp_path, "echo 'CONSENSUS FAILURE!!!'; exec sleep 600"), tmp_path).keep_running()


async def test_one_of_an_earlier_run_is_ended_first_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "AGAIN_SECONDS", 0.0)
    for folder, ended in ((tmp_path, True), (tmp_path.parent, False)):
        earlier = await asyncio.create_subprocess_exec("sleep", "600", cwd=folder)
        (tmp_path / process.PID).write_text(f"{earlier.pid}\n")
        with pytest.raises(CannotRun):
            await Process(program(tmp_path, "exit 1"), tmp_path).keep_running()
        assert (earlier.returncode is not None) == ended
        if not ended:
            earlier.kill()
        await earlier.wait()


# Its folder


def test_all_have_one_genesis_and_know_the_others_alone(tmp_path: Path) -> None:
    network = found_four(tmp_path)
    homes = [data / home.FOLDER for data in network.folders]
    for data, path in zip(network.folders, homes, strict=True):
        home.write_config(path, data / "keys", network.genesis, "127.0.0.1:0", peers.others(data))
    assert len({(path / "config/genesis.json").read_text() for path in homes}) == 1
    ids = {home.address_of(peer.peer) for peer in network.peers}
    for path in homes:
        key = base64.b64decode(json.loads((path / "config/node_key.json").read_text())["priv_key"]["value"])
        own = home.address_of(key[32:])
        settings = tomllib.loads((path / "config/config.toml").read_text())
        named = {peer.split("@")[0] for peer in settings["p2p"]["persistent_peers"].split(",")}
        assert named == ids - {own}
        for private in ("config/node_key.json", "config/priv_validator_key.json", "data/priv_validator_state.json"):
            assert (path / private).stat().st_mode & 0o077 == 0
        assert settings["rpc"]["laddr"].startswith("unix://")
        assert settings["filter_peers"]
    assert len(home.chain_name(network.genesis)) <= 50


def test_keys_whose_last_vote_nobody_knows_do_not_vote(tmp_path: Path) -> None:
    network = found_four(tmp_path)
    (network.folders[0] / home.FOLDER / "data" / home.VOTED).unlink()
    with pytest.raises(Damaged, match="could vote twice"):
        home.write_config(network.folders[0] / home.FOLDER, network.folders[0] / "keys", network.genesis, "", [])


# Its calls


@asynccontextmanager
async def answering(socket: Path, answer: Callable[[list[dict[str, Any]]], Any]) -> AsyncIterator[Broadcaster]:
    async def call(request: web.Request) -> web.Response:
        return web.json_response(answer(json.loads(await request.read())))

    app = web.Application(client_max_size=home.RPC_BODY_BYTES)
    app.router.add_post("/", call)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        async with Broadcaster(socket) as broadcaster:
            yield broadcaster
    finally:
        await runner.cleanup()


def of_each(calls: list[dict[str, Any]], *said: str) -> list[dict[str, Any]]:
    """Empty: taken; else the error."""
    return [
        {"id": call["id"], "result": {}} if not one else {"id": call["id"], "error": {"message": one, "data": one}}
        for call, one in zip(calls, said, strict=True)
    ]


async def test_each_transaction_has_its_own_outcome(tmp_path: Path) -> None:
    said = ("", "tx already exists in cache", "mempool is full: number of txs 1", "endpoint is closed")

    def answer(calls: list[dict[str, Any]]) -> Any:
        assert [base64.b64decode(call["params"]["tx"]) for call in calls] == [b"a", b"b", b"c", b"d"]
        return list(reversed(of_each(calls, *said)))

    async with answering(tmp_path / "s", answer) as broadcaster:
        outcomes = await broadcaster.send([b"a", b"b", b"c", b"d"])
    assert [taken for taken, _ in outcomes] == [Taken.YES, Taken.YES, Taken.FULL, Taken.LATER]


async def test_one_alone_is_answered_without_a_list(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", lambda calls: of_each(calls, "")[0]) as broadcaster:
        assert await broadcaster.send([b"a"]) == [(Taken.YES, "")]
        assert await broadcaster.send([]) == []


async def test_calls_are_bounded_in_number_and_bytes(tmp_path: Path) -> None:
    sizes: list[int] = []

    def answer(calls: list[dict[str, Any]]) -> Any:
        sizes.append(len(calls))
        answers = of_each(calls, *[""] * len(calls))
        return answers if len(answers) > 1 else answers[0]

    many = [b"x"] * (limits.RPC_BATCH_REQUESTS_MAX + 1)
    large = [b"x" * limits.TX_BYTES_MAX] * 3
    async with answering(tmp_path / "s", answer) as broadcaster:
        for txs in (many, large):
            assert {taken for taken, _ in await broadcaster.send(txs)} == {Taken.YES}
    assert sizes == [limits.RPC_BATCH_REQUESTS_MAX, 1, 1, 1, 1]


async def test_nobody_there_or_nonsense_means_later(tmp_path: Path) -> None:
    async with Broadcaster(tmp_path / "nobody") as broadcaster:
        assert [taken for taken, _ in await broadcaster.send([b"a", b"b"])] == [Taken.LATER] * 2
    async with answering(tmp_path / "s", lambda calls: of_each(calls[:1], "")) as broadcaster:
        assert [taken for taken, _ in await broadcaster.send([b"a", b"b"])] == [Taken.YES, Taken.LATER]


# Settings, and a copy fetched anew


def signer() -> CheckpointSigner:
    return CheckpointSigner(ORIGIN, LOG_SEED, NAMES[0], SEEDS[0])


async def test_the_embedded_engine_does_not_run_a_network(tmp_path: Path) -> None:
    ChainStore.create(tmp_path / "n", network_genesis())
    store = ChainStore.open(tmp_path / "n")
    settings = Settings(data=tmp_path / "n")
    with pytest.raises(Malformed, match='set engine = "cometbft"'):
        await open_engine(settings, store, signer(), Succession(settings.data, store.genesis), lambda: 0)
    store.close()


@pytest.mark.parametrize("setting", ["consensus_port", "cosign_port"])
async def test_a_port_that_is_taken_is_told_before_cometbft_is_started(tmp_path: Path, setting: str) -> None:
    data = found_four(tmp_path).folders[0]
    started = program(tmp_path, f'[ "$1" = version ] && echo {process.VERSION} || touch {tmp_path}/started')
    with socket.create_server(("127.0.0.1", 0)) as taken, closing(ChainStore.open(data)) as store:
        port = taken.getsockname()[1]
        ports = {"consensus_port": 0, "cosign_port": 0} | {setting: port}
        settings = Settings(data=data, host="127.0.0.1", engine="cometbft", cometbft_program=started, **ports)
        succession = Succession(data, store.genesis)
        with pytest.raises(OSError, match=rf"setting {setting}: cannot listen on 127\.0\.0\.1:{port}: .* in use"):
            await open_engine(settings, store, signer_of(store, data), succession, lambda: 0)
    assert not (tmp_path / "started").exists()


@pytest.fixture
def validator(tmp_path: Path) -> Path:
    """One node's folder of four, with a ledger and what CometBFT keeps."""
    data = found_four(tmp_path).folders[0]
    (data / "cosigned").write_bytes(b"signed")
    (data / home.FOLDER / "data/blockstore.db").mkdir()
    (data / home.FOLDER / "progress").write_bytes(b"x")
    return data


def test_a_resync_keeps_what_nobody_else_has(validator: Path) -> None:
    voted = (validator / home.FOLDER / "data" / home.VOTED).read_text()
    aside = resync(validator, NOW)
    assert sorted(path.relative_to(aside).as_posix() for path in aside.glob("*")) == ["blocks", "cometbft", "index"]
    assert (validator / home.FOLDER / "data" / home.VOTED).read_text() == voted
    assert (validator / "cosigned").read_bytes() == b"signed"
    assert (validator / "keys/peer.key").exists()
    assert not (validator / home.FOLDER / "progress").exists()
    assert not (validator / home.FOLDER / "data/blockstore.db").exists()
    store = ChainStore.open(validator)
    assert store.head.height == 0
    with pytest.raises(InUse):
        resync(validator, NOW)
    store.close()


def test_an_interrupted_resync_is_run_again(validator: Path) -> None:
    (validator / "blocks").rename(validator / "moved")
    resync(validator, NOW)
    ChainStore.open(validator).close()


def test_who_is_alone_has_nobody_to_fetch_from(tmp_path: Path) -> None:
    world = World(tmp_path).founded()
    world.do(MAKER, world.sell(MAKER, 1))
    world.close()
    assert len(genesis().validators) == 1
    with pytest.raises(Malformed, match="suyuan-node restore"):
        resync(tmp_path, NOW)
    assert (tmp_path / "blocks/000001.blk").exists()
