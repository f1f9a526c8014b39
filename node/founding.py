"""Making a node's folder in one go. A mark stands in it from the first step to the last, so that an init that was
interrupted can simply be run again; nothing else is ever thrown away."""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.errors import Malformed
from ledger.genesis import Genesis
from ledger.storage.blockfile import sync_folder
from ledger.storage.chainstore import GENESIS_FILE, UNFINISHED_FILE, ChainStore
from ledger.storage.tilefiles import PUBLIC_FOLDER
from node import keys, tls
from node.config import CONFIG_FILE, POLICY_FILE, write_policy
from node.engine.cometbft.home import FOLDER as COMETBFT_FOLDER
from node.private import BYTES_FILE, ROWS_FILE, PrivateStore

_PRIVATE: Final = (ROWS_FILE, f"{ROWS_FILE}-journal", BYTES_FILE)
_MADE: Final = ("keys", "blocks", "index", PUBLIC_FOLDER, COMETBFT_FOLDER, GENESIS_FILE, POLICY_FILE, *_PRIVATE)


@contextmanager
def in_one_go(data: Path) -> Iterator[None]:
    """Around all that init makes in `data`. Malformed where something is there that no interrupted init left."""
    _clear(data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = data / UNFINISHED_FILE
    mark.touch()
    sync_folder(data)
    yield
    os.sync()
    mark.unlink()
    sync_folder(data)


def _clear(data: Path) -> None:
    found = [name for name in _MADE if (data / name).exists()]
    if found and not (data / UNFINISHED_FILE).exists():
        if GENESIS_FILE in found:
            raise Malformed(str(data), "a chain is there already; nothing was changed")
        names = ", ".join(found)
        what = f"{names} stand there without {GENESIS_FILE}; nothing was changed"
        raise Malformed(str(data), f"{what}. Restore {GENESIS_FILE} from a backup, or name an empty folder")
    for name in found:
        path = data / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


class Seeds(Struct, frozen=True):
    """A node's own keys in the ledger: the log's, and the one by which it cosigns."""

    log: bytes
    validator: bytes


def lay_out(data: Path, genesis: Genesis, seeds: Seeds, hosts: Sequence[str], settings: str) -> None:
    """Keys, certificates, genesis, and what a node keeps, empty; inside `in_one_go`."""
    folder, name, now = data / "keys", genesis.name.split("/")[0], dt.datetime.now(dt.UTC)
    keys.store_seed(folder, keys.LOG_KEY, seeds.log)
    keys.store_seed(folder, keys.VALIDATOR_KEY, seeds.validator)
    tls.make_authority(folder, name, now)
    tls.make_server(folder, name, list(hosts), now)
    ChainStore.create(data, genesis)
    write_policy(data, genesis)
    PrivateStore(data / ROWS_FILE).close()
    if not (data / CONFIG_FILE).exists():
        (data / CONFIG_FILE).write_text(settings)
