"""Each write point of a commit, failed and lost, or failed but stored: then the chain is opened again, and is
what it was before the block, or after it, and nothing else; what was acknowledged is there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.audit import Audit
from ledger.storage import blockfile
from ledger.storage.blockfile import WriteFailed
from ledger.storage.chainstore import ChainStore
from ledger.storage.index import Index
from ledger.storage.memory import MemoryStore
from ledger.storage.tilefiles import TileFiles
from tests.world import MAKER, World, genesis


class Fault(OSError):
    """An injected failure."""


def failing(real: Callable[..., Any], stored: bool) -> Callable[..., Any]:
    """The operation fails: after it took effect, or instead of it."""

    def operation(*arguments: Any, **named: Any) -> Any:
        if stored:
            real(*arguments, **named)
        raise Fault(5, "injected")

    return operation


POINTS = ["pwrite", "fsync", "index", "tile"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One leaf short of a full tile, so that the next block writes tiles too."""
    world = World(tmp_path / "node").founded()
    while world.store.head.log.size < 254:
        world.do(MAKER, world.sell(MAKER, 1))
    yield world
    world.close()


def inject(monkeypatch: pytest.MonkeyPatch, point: str, stored: bool) -> None:
    if point in ("pwrite", "fsync"):
        monkeypatch.setattr(blockfile.os, point, failing(getattr(os, point), stored))
    elif point == "index":
        monkeypatch.setattr(Index, "write", failing(Index.write, stored))
    else:
        monkeypatch.setattr(TileFiles, "_store", failing(TileFiles._store, stored))


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("point", POINTS)
def test_a_failed_write_leaves_before_or_after(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str, stored: bool
) -> None:
    before = (world.store.head.height, world.store.head.state[0])
    wire = world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))])
    plan = world.store.plan([world.check(wire)], world.now)
    with monkeypatch.context() as patched:
        inject(patched, point, stored)
        with pytest.raises((OSError, WriteFailed)):
            world.store.commit(plan)
    assert (world.store.head.height, world.store.head.state[0]) == before
    world.store.close()
    world.store = ChainStore.open(world.folder)
    after = (plan.head.height, plan.head.state[0])
    found = (world.store.head.height, world.store.head.state[0])
    assert found in (before, after)
    if point in ("index", "tile"):
        assert found == after, "the block was durable before this write"
    world.book(wire)
    assert (world.store.head.height, world.store.head.state[0]) == after
    full_check(world)


def full_check(world: World) -> None:
    world.store.check()
    audit = Audit(genesis(), MemoryStore())
    for height, payload in world.store.blocks(1):
        audit.add(height, payload)
    assert [finding.detail for finding in audit.report() if not finding.holds] == []
    assert audit.head.log.root() == world.store.head.log.root()


def test_after_a_failed_fsync_nothing_more_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        world.store.plan([world.check(world.envelope(MAKER, [world.seal(world.sell(MAKER, number))]))], world.now)
        for number in (1, 2)
    )
    with monkeypatch.context() as patched:
        inject(patched, "fsync", stored=False)
        with pytest.raises(WriteFailed):
            world.store.commit(first)
    with pytest.raises((WriteFailed, ValueError)):
        world.store.commit(second)
