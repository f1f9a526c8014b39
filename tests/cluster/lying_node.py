"""A validator that left its network: it orders alone, over a copy of its folder, and serves what it likes under its
own keys. `python -m tests.cluster.lying_node DATA`."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

from node import run
from node.config import Settings
from node.engine import choose


def main() -> None:
    choose.policy_in = lambda store: SimpleNamespace(validators=["itself"])
    ports = {"members_port": 0, "readers_port": 0, "metrics_port": 0, "http_port": 0}
    asyncio.run(run.run(Settings(data=Path(sys.argv[1]), engine="embedded", **ports)))


if __name__ == "__main__":
    main()
