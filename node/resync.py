"""A validator's copy of the chain fetched anew from the others: for a folder that was lost, damaged or restored.

What is there is moved aside into DATA/before-resync-TIME, never deleted. What stays is what nobody else has: keys,
settings, private openings, what this validator cosigned last, and what its CometBFT voted for last (if that is lost
too, it signs nothing until it has caught up: node/engine/cometbft/returning.py). At the next start
CometBFT fetches every block, and the ledger executes it again. Interrupted, it is simply run again.
"""

import datetime as dt
from pathlib import Path
from typing import Final

from ledger import genesis as g
from ledger.errors import Malformed
from ledger.storage.blockfile import BlockFiles, sync_folder
from ledger.storage.chainstore import ChainStore, read_genesis
from ledger.storage.tilefiles import PUBLIC_FOLDER
from node import peers
from node.engine.cometbft import progress
from node.engine.cometbft.home import FOLDER, VOTED

BEFORE: Final = "before-resync"
_LEDGER: Final = ("blocks", "index", PUBLIC_FOLDER)


def is_network(data: Path) -> bool:
    """Whether other nodes have this chain too."""
    return bool(peers.others(data))


def resync(data: Path, now: dt.datetime) -> Path:
    """Empty the ledger and CometBFT's store; returns where what was there lies now. SuyuanError where the node runs,
    or where nobody has the chain besides."""
    genesis = read_genesis(data)
    home = data / FOLDER
    if not is_network(data):
        raise Malformed(str(data), "no other node has this chain; see suyuan-node restore")
    if (data / "blocks").is_dir():
        BlockFiles(data, b"", writer=True).close()  # InUse where the node runs
    aside = data / f"{BEFORE}-{now:%Y%m%dT%H%M%SZ}"
    (home / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
    stale = [path for path in (home / "data").iterdir() if path.name != VOTED]
    for path in (*(data / name for name in _LEDGER), home / progress.FILE, *stale):
        if path.exists():
            target = aside / path.relative_to(data)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.rename(target)
    sync_folder(home / "data")
    BlockFiles.create(data, g.chain_id(genesis)).close()
    ChainStore.rebuild(data).close()
    sync_folder(data)
    return aside
