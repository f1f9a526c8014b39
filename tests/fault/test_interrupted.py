"""init and rebuild, killed at each of their steps: run again they end well, and nothing is lost."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import SuyuanError
from ledger.storage.chainstore import ChainStore, read_genesis
from tests.fault.full_check import acknowledged_of, full_check
from tests.fault.interrupted import ends_well, killed_at
from tests.network import NAME, Network
from tests.world import MAKER, REGULATOR, World

pytestmark = pytest.mark.slow


def refusal_of(act: Callable[[], object]) -> str:
    """Why it is refused, or nothing."""
    try:
        act()
    except SuyuanError as error:
        return str(error)
    return ""


def test_init_killed_at_each_step_can_be_run_again(tmp_path: Path) -> None:
    network = Network(tmp_path)
    network.identify(REGULATOR)
    founder = str(network.home(REGULATOR) / "member.json")
    unfinished = step = 0
    while True:
        step += 1
        folder = tmp_path / f"node-{step}"
        init = ("init", str(folder), "--name", NAME, "--founder", founder)
        if not killed_at(step, *init):
            break
        refusal = refusal_of(lambda folder=folder: read_genesis(folder))  # type: ignore[misc]
        assert refusal == "" or "suyuan-node init" in refusal
        if refusal:
            unfinished += 1
            assert ends_well(*init)
        full_check(folder, {})
        assert ends_well("check", str(folder))
        shutil.rmtree(folder)
    assert unfinished > 15


def test_init_throws_nothing_away_that_it_did_not_make(tmp_path: Path) -> None:
    """Keys without a genesis are a loss to be mended, not leftovers."""
    network = Network(tmp_path)
    network.found(REGULATOR)
    genesis = network.data / "genesis.json"
    kept = genesis.read_bytes()
    init = ("init", str(network.data), "--name", NAME, "--founder", str(network.home(REGULATOR) / "member.json"))
    before = (network.data / "keys" / "log.key").read_bytes()
    assert not ends_well(*init)
    genesis.unlink()
    assert not ends_well(*init)
    assert (network.data / "keys" / "log.key").read_bytes() == before
    genesis.write_bytes(kept)
    full_check(network.data, {})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A chain with full tiles."""
    world = World(tmp_path / "node").founded()
    while world.store.head.log.size < 300:
        world.book(*(world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))]) for _ in range(40)))
    world.close()
    yield world
    world.close()


def test_rebuild_killed_at_each_step_can_be_run_again(world: World, tmp_path: Path) -> None:
    acknowledged = acknowledged_of(world.folder)
    refused = step = 0
    while True:
        step += 1
        folder = tmp_path / f"node-{step}"
        shutil.copytree(world.folder, folder)
        if not killed_at(step, "rebuild", str(folder)):
            break
        refusal = refusal_of(lambda folder=folder: ChainStore.open(folder).close())  # type: ignore[misc]
        assert refusal == "" or "suyuan-node rebuild" in refusal
        if refusal:
            refused += 1
            assert ends_well("rebuild", str(folder))
        full_check(folder, acknowledged)
        shutil.rmtree(folder)
    assert refused > 3
    assert step > 15
