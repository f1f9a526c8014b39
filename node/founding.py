"""Making a node's folder in one go. A mark stands in it from the first step to the last, so that an init that was
interrupted can simply be run again; nothing else is ever thrown away."""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger import policy
from ledger.errors import Malformed
from ledger.genesis import Genesis
from ledger.storage.blockfile import sync_folder
from ledger.storage.chainstore import GENESIS_FILE, UNFINISHED_FILE, ChainStore
from ledger.storage.tilefiles import PUBLIC_FOLDER
from node import files, keys, tls
from node.config import CONFIG_FILE, POLICY_FILE, write_policy
from node.engine.cometbft import home
from node.peers import OWN_FILE
from node.private import BYTES_FILE, ROWS_FILE, PrivateStore

JOINING: Final = "join.part"
WAITS: Final = f"its keys wait for the network's genesis: hand out {OWN_FILE}, and go on with suyuan-node join"
_PRIVATE: Final = (ROWS_FILE, f"{ROWS_FILE}-journal", BYTES_FILE)
_MADE: Final = ("keys", "blocks", "index", PUBLIC_FOLDER, home.FOLDER, GENESIS_FILE, POLICY_FILE, OWN_FILE, *_PRIVATE)


def waits_for_genesis(data: Path) -> bool:
    """Whether `data` is between `init --node` and `join`."""
    begun = (data / "blocks").exists() and not (data / JOINING).exists()
    return (data / OWN_FILE).exists() and not (data / GENESIS_FILE).exists() and not begun


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
        if waits_for_genesis(data):
            raise Malformed(str(data), f"{WAITS}; nothing was changed")
        names = ", ".join(found)
        what = f"{names} stand there without {GENESIS_FILE}; nothing was changed"
        raise Malformed(str(data), f"{what}. Restore {GENESIS_FILE} from a backup, or name an empty folder")
    for name in found:
        path = data / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def lay_out(data: Path, genesis: Genesis, settings: str) -> None:
    """What a node keeps of a chain, empty; inside `in_one_go`, which has made its keys."""
    ChainStore.create(data, genesis)
    write_policy(data, policy.of_genesis(genesis))
    PrivateStore(data / ROWS_FILE).close()
    write_settings(data, settings)


def make_keys(data: Path, name: str, names: Sequence[str], hosts: Sequence[str]) -> None:
    """The keys `names` and certificates of a new node of the log `name`."""
    folder, authority, now = data / "keys", name.split("/")[0], dt.datetime.now(dt.UTC)
    for file in names:
        keys.store_seed(folder, file, keys.draw_seed())
    tls.make_authority(folder, authority, now)
    tls.make_server(folder, authority, list(hosts), now)


def write_settings(data: Path, settings: str) -> None:
    """Unless somebody wrote them before."""
    if not (data / CONFIG_FILE).exists():
        (data / CONFIG_FILE).write_text(settings)


def join(data: Path, genesis: Genesis) -> None:
    """The chain of a network in a folder that has its keys already. Interrupted, it is simply run again: until the
    genesis stands in its place, last, nothing can have run there."""
    if (data / GENESIS_FILE).exists():
        raise Malformed(str(data), "a chain is there already; nothing was changed")
    part = data / JOINING
    if not part.exists() and (data / "blocks").exists():
        flaw = f"there are blocks without {GENESIS_FILE}; nothing was changed"
        raise Malformed(
            str(data), f"{flaw}. Copy {GENESIS_FILE} from another node of that chain, or name another folder"
        )
    files.replace_folder(part)
    ChainStore.create(part, genesis)
    write_policy(part, policy.of_genesis(genesis))
    PrivateStore(part / ROWS_FILE).close()
    home.create(part / home.FOLDER)
    for path in sorted(part.iterdir(), key=lambda path: path.name == GENESIS_FILE):
        target = data / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.rename(target)
    os.sync()
    part.rmdir()
    files.sync_folder(data)
