"""Restoring a node from a backup, without losing what its own folder still holds.

A folder that holds a chain is only taken if it is the same chain and holds less than the backup, or is damaged. What
is there is moved aside into DATA/before-restore-TIME, never deleted; sound blocks in it that follow the backup's are
taken over, and so are settings, certificates and private openings. Everything is put together in DATA/restore.part
first; once that is whole it is called restore.ready, and a restore that was interrupted goes on from there.

The chain of a node in a network is not restored but fetched from the other nodes when it starts: CometBFT's blocks
are in no backup. The backup's blocks then lie in DATA/before-resync-TIME.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger import block as b
from ledger import genesis as g
from ledger.errors import Damaged, Malformed, SuyuanError
from ledger.storage import frames
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import ChainStore, known_blocks, read_genesis
from ledger.storage.check import Links, chain_of_files, follow
from ledger.storage.tilefiles import PUBLIC_FOLDER
from node import files, peers, succession
from node.backup import (
    MANIFEST,
    PRIVATE_FILES,
    Manifest,
    Progress,
    header_at,
    read_manifest,
    small_files,
    sums,
)
from node.check import GENESIS_FILE, check_folder
from node.config import CONFIG_FILE, write_policy
from node.cosigning.cosigner import FILE as COSIGNED
from node.cosigning.evidence import FOLDER as EVIDENCE
from node.engine.cometbft.home import FOLDER as COMETBFT
from node.private import ROWS_FILE
from node.privatefiles import gather
from node.resync import is_network, resync
from node.whose import require_same_node

PART: Final = "restore.part"
READY: Final = "restore.ready"
BEFORE: Final = "before-restore"
STALE: Final = ("index", PUBLIC_FOLDER, f"{ROWS_FILE}-journal")
NODE_FILES: Final = (
    GENESIS_FILE,
    "keys",
    peers.OWN_FILE,
    peers.FOLDER,
    succession.FOLDER,
    EVIDENCE,
    CONFIG_FILE,
    "policy.txt",
    *PRIVATE_FILES,
    *STALE,
    "blocks",
)
CERTIFICATES: Final = ("keys/ca.key", "keys/ca.pem", "keys/server.key", "keys/server.pem")
DERIVED: Final = ("index", PUBLIC_FOLDER, "policy.txt")
OTHER_BACKUP: Final = "Use another backup"


class Place(Struct, frozen=True):
    """The folder before: which of its files are damaged, and whether it held the whole log beyond the backup's."""

    flaws: set[str]
    log_kept: bool


class Restored(Struct, frozen=True):
    """Where the node stands now. `later` blocks of its own folder were taken over, and lie behind the backup's;
    `aside` is where what was there lies now; `notes` say what was not possible. Nothing can be lost of a log, or of
    the erasures of private openings, that was kept. `resync` is where the blocks lie if others have the chain."""

    manifest: Manifest
    height: int
    time_ms: int
    later: int
    aside: Path | None
    log_kept: bool
    erasures_kept: bool
    notes: list[str]
    resync: Path | None = None


def restore(
    dest: Path, data: Path, private: Path | None, now: dt.datetime, progress: Progress | None = None
) -> Restored:
    """Make `data` the node that `dest` is a backup of. `private` is a newer private store, whose erasures are
    repeated. SuyuanError where `data` holds something else, or nothing that a backup could mend."""
    manifest = read_manifest(dest)
    if manifest is None:
        raise Malformed(str(dest), f"it holds no {MANIFEST}: it is no backup, or its first run was interrupted")
    if private is not None and not private.exists():
        raise Malformed(str(private), "there is no such file; name a private.db, with its private.dat beside it")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    notes: list[str] = []
    place = Place(set(), False)
    try:
        with files.locked(data):
            erasures_kept = (data / ROWS_FILE).exists()
            if (data / READY).exists():
                aside = _swap(data, now)
            else:
                links = _verified(dest, manifest)
                place = _require_place(dest, manifest, data, now)
                with _node_kept_out(data):
                    notes = _assemble(dest, manifest, links, data, place.flaws, private)
                    aside = _swap(data, now)
            (data / "LOCK").unlink()
    except OSError as error:
        raise SuyuanError(f"{data}: {files.reason(error)}. Mend that, and run the restore again") from error
    erasures_kept = erasures_kept and place.flaws.isdisjoint(PRIVATE_FILES)
    if is_network(data):
        blocks = resync(data, now)
        return Restored(manifest, 0, manifest.time_ms, 0, aside, True, erasures_kept, notes, blocks)
    with closing(ChainStore.rebuild(data, progress)) as store:
        head = store.head
    later = head.height - manifest.height
    return Restored(manifest, head.height, head.time, later, aside, place.log_kept, erasures_kept, notes)


@contextmanager
def _node_kept_out(data: Path) -> Iterator[None]:
    """A service manager may start the node again and again meanwhile."""
    if not (data / "blocks").exists():
        yield
        return
    with BlockFiles(data, b"", writer=True):
        yield


# The backup


def _verified(dest: Path, manifest: Manifest) -> Links:
    """Where the backup ends; Damaged where it is not what its manifest says."""
    folder = dest / manifest.folder
    found = sums(folder)
    for name, expected in manifest.files.items():
        if found.get(name) != expected:
            flaw = "the file is missing" if name not in found else "its bytes are not those that were backed up"
            raise Damaged(str(folder / name), flaw, OTHER_BACKUP)
    links = Links(bytes.fromhex(manifest.chain))
    for name, size in manifest.blocks.items():
        path = dest / "blocks" / name
        if not path.exists():
            raise Damaged(str(path), "the file is missing", OTHER_BACKUP)
        follow(path, size, links)
    if (links.height, links.header_hash.hex()) != (manifest.height, manifest.header):
        flaw = f"its blocks end with {links.height}, its manifest says {manifest.height}"
        raise Damaged(str(dest), flaw, OTHER_BACKUP)
    return links


# The place


def _require_place(dest: Path, manifest: Manifest, data: Path, now: dt.datetime) -> Place:
    """How `data` stands; SuyuanError where it holds something else, or nothing that the backup could mend."""
    there = [name for name in NODE_FILES if (data / name).exists()]
    foreign = [path.name for path in data.iterdir() if not _is_ours(path.name)]
    if not there and foreign:
        raise Malformed(str(data), f"it holds other things than a node ({foreign[0]}); name an empty folder")
    if not there:
        return Place(set(), False)
    chain = chain_of_files(data)
    try:
        chain = g.chain_id(read_genesis(data)) if chain is None else chain
    except (SuyuanError, OSError):
        raise SuyuanError(
            f"nothing in {data} says which chain it is; move it away, and restore into a new one"
        ) from None
    if chain.hex() != manifest.chain:
        raise SuyuanError(f"{data} is a node of another chain, {chain.hex()}; nothing was changed")
    require_same_node(data, dest / manifest.folder, f"{dest} is the backup of")
    flaws = {found.where.split(",")[0]: found for found in check_folder(data, now) if not found.holds}
    log_kept = False
    if not any(where.startswith("block") for where in flaws):
        log_kept = _is_longer(dest, manifest, data, chain, set(flaws))
    return Place(set(flaws), log_kept)


def _is_ours(name: str) -> bool:
    return name in (*NODE_FILES, COMETBFT, COSIGNED, PART, READY, "LOCK", "lost+found") or name.startswith(BEFORE)


def _is_longer(dest: Path, manifest: Manifest, data: Path, chain: bytes, flaws: set[str]) -> bool:
    """Whether `data`, whose blocks are sound, reaches beyond the backup; SuyuanError where it is another history, or
    where nothing is to be gained."""
    own_blocks = BlockFiles.open_read_only(data, chain, known_blocks(data))
    with own_blocks as own, BlockFiles.open_read_only(dest, chain) as backup:
        height = min(own.last_height, manifest.height)
        if header_at(own, height) != header_at(backup, height):
            raise SuyuanError(
                f"{data} and {dest} are two histories of this chain, which part at block {height} or before. Move "
                f"{data} away if the backup is the one to go on with"
            )
        longer = own.last_height >= manifest.height
        if longer and all(where.startswith(DERIVED) for where in flaws):
            advice = "Rebuild what is derived: suyuan-node rebuild" if flaws else "Nothing is to be restored"
            raise SuyuanError(
                f"{data} holds this chain whole up to block {own.last_height}, the backup up to {manifest.height}. "
                f"{advice}; to go back to the backup all the same, move {data} away"
            )
        return longer


# Putting it together


def _assemble(
    dest: Path, manifest: Manifest, links: Links, data: Path, flaws: set[str], private: Path | None
) -> list[str]:
    """Everything in DATA/restore.part, then called restore.ready. Returns what was not possible."""
    part = data / PART
    files.replace_folder(part)
    try:
        for name in ("blocks", "keys"):
            (part / name).mkdir(mode=0o700)
        for name, size in manifest.blocks.items():
            files.append(dest / "blocks" / name, part / "blocks" / name, 0, size, lambda _: None)
        _take_later_blocks(data, part, links)
        _copy_small(dest / manifest.folder, manifest, data, part, flaws)
        write_policy(part, succession.trusted_in(part))
        size = 1 << 62 if is_network(part) else links.size  # the others have what the backup lacks
        notes = _private_store(dest / manifest.folder, data, part, size, flaws, private)
        for folder in (part / "blocks", part / "keys", part):
            files.sync_folder(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.rename(data / READY)
    files.sync_folder(data)
    return notes


def _copy_small(saved: Path, manifest: Manifest, data: Path, part: Path, flaws: set[str]) -> None:
    """What is sound in `data`, and from the backup what is not."""
    stays = {name for path in small_files(data) if _stays(data, name := path.relative_to(data).as_posix(), flaws)}
    for name in stays:
        files.copy(data / name, part / name)
    for name in manifest.files.keys() - stays - set(PRIVATE_FILES):
        files.copy(saved / name, part / name)


def _stays(data: Path, name: str, flaws: set[str]) -> bool:
    """Whether a small file in `data` is sound, and so at least as new as the backup's."""
    group = CERTIFICATES if name in CERTIFICATES else (name,)
    return (data / name).exists() and flaws.isdisjoint(group)


def _take_later_blocks(data: Path, part: Path, links: Links) -> None:
    """Blocks that `data` holds beyond the backup's, as far as each follows the one before."""
    with BlockFiles.open(part, links.chain, links.height) as restored:
        for frame in _frames(data / "blocks"):
            if frame.height != links.height + 1 or frame.flaw:
                continue
            try:
                links.add(frame.height, b.BLOCK.decode(frame.payload))
            except Malformed:
                return
            restored.append(frame.height, frame.payload)
        restored.sync()


def _frames(folder: Path) -> Iterator[frames.Frame]:
    for path in sorted(folder.glob("[0-9]*.blk")):
        handle = os.open(path, os.O_RDONLY)
        try:
            first = frames.read_file_header(handle).first
            yield from frames.walk(handle, first, os.fstat(handle).st_size)
        except Malformed:
            continue
        finally:
            os.close(handle)


def _private_store(backup: Path, data: Path, part: Path, size: int, flaws: set[str], newer: Path | None) -> list[str]:
    """The newest private store that is sound, with what the others know besides: their openings, and above all their
    erasures. Places beyond the log's `size` leaves will be others' records, so nothing of them stays."""
    sources = [data / ROWS_FILE, backup / ROWS_FILE]
    if not flaws.isdisjoint(PRIVATE_FILES):
        sources.reverse()
    if newer is not None:
        sources.append(newer)
    return gather([source for source in sources if source.exists()], part / ROWS_FILE, size)


# Taking its place


def _swap(data: Path, now: dt.datetime) -> Path | None:
    """Move what was there aside and what is ready in. Each step may be the last one before a crash: the genesis goes
    first and comes last, so that no node starts on a mixture, and the next restore goes on."""
    ready = data / READY
    before = ready / "before"
    for name in NODE_FILES:
        if (data / name).exists() and (name in STALE or (ready / name).exists()):
            before.mkdir(mode=0o700, exist_ok=True)
            (data / name).rename(before / name)
    for name in reversed(NODE_FILES):
        if (ready / name).exists():
            (ready / name).rename(data / name)
    aside = before.rename(data / f"{BEFORE}-{now:%Y%m%dT%H%M%SZ}") if before.exists() else None
    ready.rmdir()
    files.sync_folder(data)
    return aside
