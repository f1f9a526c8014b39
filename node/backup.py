"""A backup of a node, also while it runs. What it holds is whole at every moment:

    DEST/manifest.json       what of all this counts: chain, height, time, sizes and checksums
    DEST/blocks/NNNNNN.blk   the block files, up to a whole block
    DEST/files-TIME/         the small files of that time: genesis, keys, settings, peers, private openings and so on

Block files only grow, so the next backup appends what is new. Each block file is synced, and read again from its
first block on, before a manifest names it; a backup that was interrupted therefore counts up to its last manifest.
The private store is copied before the blocks, so that every opening in a backup has its record there. What is damaged
in the node's folder does not replace a sound copy of an earlier backup.

What a validator signed last (`cosigned`, and CometBFT's priv_validator_state.json) is never in a backup: by an old
answer it would sign twice. CometBFT's blocks are not either, since the other nodes have them.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from ledger import block as b
from ledger import genesis as g
from ledger.errors import Damaged, Malformed, SuyuanError
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import read_genesis
from ledger.storage.check import Links, follow
from node import files, peers, succession
from node.check import GENESIS_FILE, check_files
from node.config import CONFIG_FILE, write_policy
from node.cosigning.evidence import FOLDER as EVIDENCE
from node.errors import NotStored
from node.private import BYTES_FILE, ROWS_FILE
from node.privatefiles import Contents, copy_store
from node.whose import require_same_node

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
PRIVATE_FILES: Final = (ROWS_FILE, BYTES_FILE)
SMALL: Final = (
    GENESIS_FILE,
    CONFIG_FILE,
    peers.OWN_FILE,
    "keys/*",
    f"{peers.FOLDER}/*.json",
    f"{succession.FOLDER}/*.step",
    f"{EVIDENCE}/*",
)
_FILES: Final = re.compile(r"files-[0-9]+")
Progress = Callable[[int, int], None]
"""(bytes copied, bytes to copy)"""


class FileSum(Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup holds. `header` is the hash of the header of block `height`, `time_ms` that block's time,
    `made_ms` when the small files in `folder` were copied; `complete` is false while a backup is under way."""

    format: int
    complete: bool
    name: str
    chain: str
    height: int
    header: str
    leaves: int
    time_ms: int
    made_ms: int
    blocks: dict[str, int]
    folder: str
    files: dict[str, FileSum]


class Made(Struct, frozen=True):
    """What a backup did; `flaws` are damaged files of the node, which it did not take."""

    manifest: Manifest
    copied_bytes: int
    flaws: list[str]


def read_manifest(dest: Path) -> Manifest | None:
    """The manifest in a folder, None where there is none; Damaged where it cannot be read."""
    try:
        manifest = msgspec.json.decode((dest / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(
            str(dest / MANIFEST), str(error), "Use another backup, or make a new one in another folder"
        ) from None
    if manifest.format != FORMAT:
        raise Malformed(str(dest / MANIFEST), f"format {manifest.format}, this program reads {FORMAT}")
    return manifest


def back_up(data: Path, dest: Path, now_ms: int, progress: Progress | None = None) -> Made:
    """Copy what is new in `data` to `dest`, which is empty or holds an earlier backup of the same node.

    SuyuanError where it is something else, Damaged where what was copied does not hold, OSError where the disk does
    not take it; in each case the backup that was there still counts.
    """
    genesis = read_genesis(data)
    _require_place(data, dest)
    try:
        dest.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked(dest):
            old = read_manifest(dest)
            _require_same_node(data, genesis, dest, old)
            folder, flaws = _copy_small(data, genesis, dest, old, now_ms)
            manifest, copied = _copy_blocks(data, genesis, dest, old, folder, progress)
            for path in dest.iterdir():
                if _FILES.fullmatch(path.name) and path.name != folder.name:
                    shutil.rmtree(path)
    except (OSError, NotStored) as error:
        whole = read_manifest(dest)
        counts = "it holds no backup yet" if whole is None else f"what it holds counts up to block {whole.height}"
        why = files.reason(error) if isinstance(error, OSError) else error
        raise SuyuanError(f"{dest}: {why}; {counts}. Mend that, and run the backup again") from error
    return Made(manifest, copied, flaws)


# Where it may go


def _require_place(data: Path, dest: Path) -> None:
    if dest.resolve().is_relative_to(data.resolve()):
        raise Malformed(str(dest), "it lies in the node's own folder, and would be lost with it")
    if not dest.exists():
        return
    known = {MANIFEST, f"{MANIFEST}.part", "blocks", "LOCK", "lost+found"}
    foreign = [path.name for path in dest.iterdir() if path.name not in known and not _FILES.fullmatch(path.name)]
    if foreign:
        raise Malformed(str(dest), f"it holds other things than a backup ({foreign[0]}); name an empty folder")


def _require_same_node(data: Path, genesis: g.Genesis, dest: Path, old: Manifest | None) -> None:
    """The backup is this node's, and the node's log extends it."""
    if old is None:
        return
    chain = g.chain_id(genesis)
    if old.chain != chain.hex():
        raise Malformed(str(dest), f"it holds a backup of {old.name}, chain {old.chain}, not of {chain.hex()}")
    require_same_node(data, dest / old.folder, f"{dest} is the backup of")
    with BlockFiles.open_read_only(data, chain) as source:
        if header_at(source, old.height) != old.header:
            raise SuyuanError(
                f"{dest} holds block {old.height} of a log that {data} does not extend: this node was set back. "
                "Restore that backup, or name another folder"
            )


def header_at(source: BlockFiles, height: int) -> str | None:
    """The hash of a block's header, in hex; None where there is no such block."""
    if height > source.last_height:
        return None
    if height == 0:
        return source.chain.hex()
    _, payload, _ = next(source.scan(height))
    return b.header_hash(b.BLOCK.decode(payload).header).hex()


# Copying


def small_files(data: Path) -> list[Path]:
    """What a node keeps besides blocks and private openings, and cannot make anew."""
    found = (path for one in SMALL for path in sorted(data.glob(one)))
    return [path for path in found if path.is_file() and path.suffix != ".part"]


def _copy_small(
    data: Path, genesis: g.Genesis, dest: Path, old: Manifest | None, now_ms: int
) -> tuple[Path, list[str]]:
    """The small files in a folder of their own; a flawed one is replaced by its earlier copy, if there is one."""
    folder = dest / f"files-{now_ms if old is None else max(now_ms, old.made_ms + 1)}"
    files.replace_folder(folder)
    flaws = _copy_private(data, folder)
    if flaws:
        for name in PRIVATE_FILES:
            (folder / name).unlink(missing_ok=True)
            _take_earlier(dest, old, folder, name)
    for path in small_files(data):
        files.copy(path, folder / path.relative_to(data))
    write_policy(folder, succession.trusted_in(folder))
    for found in check_files(folder, genesis, None):
        if not found.holds:
            flaws.append(f"{found.where}: {found.detail}")
            (folder / found.where).unlink(missing_ok=True)
            _take_earlier(dest, old, folder, found.where)
    return folder, flaws


def _copy_private(data: Path, folder: Path) -> list[str]:
    """Copy the private store as it stands at one moment; what is wrong with it."""
    missing = [f"{name}: the file is missing" for name in PRIVATE_FILES if not (data / name).exists()]
    if missing:
        return missing
    try:
        copy_store(data / ROWS_FILE, folder / ROWS_FILE)
        with Contents(folder / ROWS_FILE) as copied:
            return copied.flaws
    except Damaged as error:
        return [f"{ROWS_FILE}: {error.message}"]


def _take_earlier(dest: Path, old: Manifest | None, folder: Path, name: str) -> None:
    if old is not None and (dest / old.folder / name).exists():
        files.copy(dest / old.folder / name, folder / name)


def _copy_blocks(
    data: Path, genesis: g.Genesis, dest: Path, old: Manifest | None, folder: Path, progress: Progress | None
) -> tuple[Manifest, int]:
    """Append what is new to each block file, read the whole file again, and write a manifest that names it."""
    links = Links(g.chain_id(genesis))
    small = sums(folder)
    with BlockFiles.open_read_only(data, links.chain) as source:
        extent = source.extent()
    blocks = dest / "blocks"
    blocks.mkdir(mode=0o700, exist_ok=True)
    known = {path: _known_bytes(blocks / path.name, old) for path, _ in extent}
    total, done = sum(size - known[path] for path, size in extent), 0

    def copied(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(done, total)

    sizes: dict[str, int] = {}
    for path, size in extent:
        files.append(path, blocks / path.name, known[path], size, copied)
        _read_again(blocks / path.name, size, links)
        sizes[path.name] = size
        complete = len(sizes) == len(extent)
        if complete or old is None or links.height > old.height:
            files.sync_folder(blocks)
            manifest = _manifest(genesis, links, sizes, folder, small, complete)
            files.replace(dest / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest, done


def _read_again(path: Path, size: int, links: Links) -> None:
    try:
        follow(path, size, links)
    except Damaged as error:
        remedy = (
            "If suyuan-node check finds it in the node's folder too, mend that; else remove this file, and run again"
        )
        raise Damaged(error.where, error.message, remedy) from None


def _manifest(
    genesis: g.Genesis, links: Links, sizes: dict[str, int], folder: Path, small: dict[str, FileSum], complete: bool
) -> Manifest:
    return Manifest(
        format=FORMAT,
        complete=complete,
        name=genesis.name,
        chain=links.chain.hex(),
        height=links.height,
        header=links.header_hash.hex(),
        leaves=links.size,
        time_ms=links.time or genesis.time,
        made_ms=int(folder.name.removeprefix("files-")),
        blocks=dict(sizes),
        folder=folder.name,
        files=small,
    )


def _known_bytes(target: Path, old: Manifest | None) -> int:
    """How much of a block file an earlier backup vouches for."""
    vouched = 0 if old is None else old.blocks.get(target.name, 0)
    return min(vouched, target.stat().st_size) if target.exists() else 0


def sums(folder: Path) -> dict[str, FileSum]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): FileSum(path.stat().st_size, files.sha256(path)) for path in paths}
