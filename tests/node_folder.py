"""A node's data folder as `suyuan-node init` and some trade leave it, made without a process."""

import datetime as dt
from pathlib import Path

from ledger import records as r
from ledger.private import PRIVATE, Private
from ledger.seals import seal
from node import tls
from node.config import write_policy
from node.keys import CONSENSUS_KEY, LOG_KEY, VALIDATOR_KEY, store_seed
from node.private import PrivateStore
from tests.world import (
    DAY_MS,
    LOG_SEED,
    MAKER,
    POLICY,
    START_MS,
    VALIDATOR,
    VALIDATOR_SEED,
    World,
    consensus_seed,
)

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def opening_of(price: int) -> bytes:
    return bytes(16) + PRIVATE.encode(Private(price=price))


def node_folder(folder: Path, leaves: int = 600) -> Path:
    """600 leaves are two full tiles."""
    world = World(folder).founded()
    while world.store.head.log.size < leaves:
        world.do(MAKER, world.sell(MAKER, 1))
    world.close()
    store_seed(folder / "keys", LOG_KEY, LOG_SEED)
    store_seed(folder / "keys", VALIDATOR_KEY, VALIDATOR_SEED)
    store_seed(folder / "keys", CONSENSUS_KEY, consensus_seed(VALIDATOR))
    tls.make_authority(folder / "keys", "test.example", NOW)
    tls.make_server(folder / "keys", "test.example", ["127.0.0.1"], NOW)
    write_policy(folder, POLICY)
    (folder / "node.toml").write_text('log_level = "info"\n')
    PrivateStore(folder / "private.db").close()
    return folder


def trade(folder: Path, day: int, prices: list[int]) -> list[int]:
    """One sale a price, each a block with a private opening; the leaves. `day` tells one call from another."""
    world = World(folder, now=START_MS + day * DAY_MS)
    world._refs = day * 10_000
    leaves = []
    for price in prices:
        sale = world.sell(MAKER, 1)
        world.do(MAKER, world.act(r.Sell, sale.amounts, **{**sale.fields, "private": seal(opening_of(price))}))
        leaves.append(world.store.head.log.size - 2)
    world.close()
    store = PrivateStore(folder / "private.db")
    store.put([(leaf, 0, opening_of(price)) for leaf, price in zip(leaves, prices, strict=True)])
    store.close()
    return leaves
