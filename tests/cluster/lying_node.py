"""A validator that left its network: it orders alone, over a copy of its folder, and serves what it likes under its
own keys. `python -m tests.cluster.lying_node DATA`."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from ledger.storage.chainstore import ChainStore
from node import run
from node.config import Settings
from node.engine import Engine
from node.engine.embedded import Embedded
from node.receipts import CheckpointSigner
from node.succession import Succession


async def alone(
    settings: Settings,
    store: ChainStore,
    signer: CheckpointSigner,
    succession: Succession,
    clock_ms: Callable[[], int],
) -> tuple[Engine, dict[str, str]]:
    bounds = settings.in_flight_envelopes_max, settings.in_flight_bytes_max
    return Embedded(store, signer, succession, clock_ms, *bounds, settings.clock_is_right), {}


def main() -> None:
    run.open_engine = alone
    ports = {"members_port": 0, "readers_port": 0, "metrics_port": 0, "http_port": 0}
    asyncio.run(run.run(Settings(data=Path(sys.argv[1]), **ports)))


if __name__ == "__main__":
    main()
