"""`suyuan-node check`: everything that a node keeps, read again; every flaw named, with what to do about it."""

import datetime as dt
import shutil
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ledger import genesis as g
from ledger import policy
from ledger.envelope import ENVELOPE
from ledger.errors import Malformed, SuyuanError
from ledger.private import open_private
from ledger.records import RECORD
from ledger.storage.blockfile import BlockFiles, InUse
from ledger.storage.chainstore import read_genesis
from ledger.storage.check import ChainCheck, Finding, Flaws, chain_of_files, check_rows
from node import keys, tls
from node.config import CONFIG_FILE, POLICY_FILE, PRIVATE_FILE, Settings

GENESIS_FILE: Final = "genesis.json"
RESTORE: Final = "Restore it from a backup"
RESTORE_GENESIS: Final = "Restore it from a backup, or take it from another node of this chain"
RESTORE_KEY: Final = "Restore it from a backup: no other key can take its place"
RENEW: Final = "Make it anew: suyuan-node renew"
RENEW_AUTHORITY: Final = (
    "Restore it from a backup; else move ca.key and ca.pem away, make them anew (suyuan-node renew), and give every "
    "member a new certificate and connection file"
)
RESTORE_PRIVATE: Final = "Stop the node, restore it from a backup (suyuan-node restore), and repeat later erasures"
SETTINGS: Final = "Correct it (docs/operating.md names the settings), or restore it from a backup"


def check_folder(
    data: Path, now: dt.datetime, replay: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Findings about everything in a data folder that no process uses; SuyuanError where one does. With `replay`,
    every row of the index is compared with those that running all blocks anew gives."""
    findings: list[Finding] = []
    with _locked(data):
        genesis = _genesis(data, findings)
        chain = g.chain_id(genesis) if genesis is not None else chain_of_files(data)
        with _private(data, findings) as openings:
            sound = _chain(data, chain, openings, findings)
        if replay and sound and genesis is not None:
            findings += _replayed(data, progress)
    if genesis is not None:
        findings += _keys(data / "keys", genesis)
        findings += _policy(data, genesis)
    findings += _certificates(data / "keys", now)
    findings += _settings(data)
    return findings


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Keep the node from starting meanwhile."""
    if not (data / "blocks").is_dir():
        yield
        return
    try:
        lock = BlockFiles(data, b"", writer=True)
    except InUse as error:
        raise InUse(f"{error}, or read beside it: suyuan audit {data}") from None
    with closing(lock):
        yield


# The chain


def _genesis(data: Path, findings: list[Finding]) -> g.Genesis | None:
    """The genesis, if it is that of the block files."""
    try:
        genesis = read_genesis(data)
    except (SuyuanError, OSError) as error:
        findings.append(Finding(GENESIS_FILE, False, str(error), RESTORE_GENESIS))
        return None
    chain, stored = g.chain_id(genesis), chain_of_files(data)
    if stored is not None and stored != chain:
        flaw = f"it is the genesis of chain {chain.hex()}, the block files belong to {stored.hex()}"
        findings.append(Finding(GENESIS_FILE, False, flaw, RESTORE_GENESIS))
        return None
    findings.append(Finding(GENESIS_FILE, True, f"chain {chain.hex()}"))
    return genesis


def _chain(data: Path, chain: bytes | None, openings: "Openings", findings: list[Finding]) -> bool:
    """Whether blocks, index and tiles all hold."""
    if chain is None:
        findings.append(Finding("blocks", False, "no block file says which chain it belongs to", RESTORE))
        findings += openings.findings(whole=False)
        return False
    check = ChainCheck(data, chain)
    check.run(openings.visit)
    findings += check.findings
    findings += openings.findings(check.whole)
    return all(finding.holds for finding in check.findings)


def _replayed(data: Path, progress: Callable[[int, int], None] | None) -> list[Finding]:
    scratch = Path(tempfile.mkdtemp(prefix="suyuan-check-"))
    try:
        return check_rows(data, scratch, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


# Keys, certificates, policy, settings


def _keys(folder: Path, genesis: g.Genesis) -> Iterator[Finding]:
    for name in (keys.LOG_KEY, keys.VALIDATOR_KEY):
        yield _try(f"keys/{name}", RESTORE_KEY, partial(keys.load_own, folder, name, genesis))


def _try(where: str, remedy: str, load: Callable[[], object]) -> Finding:
    try:
        load()
    except Malformed as error:
        return Finding(where, False, error.message, remedy)
    except OSError as error:
        return Finding(where, False, error.strerror or str(error), remedy)
    return Finding(where, True, "")


def _certificates(folder: Path, now: dt.datetime) -> Iterator[Finding]:
    """Each file by itself; what can only be held against a damaged one is left out."""
    for cert, load, key, load_key, remedy in (
        (tls.CA_CERT, tls.load_authority, tls.CA_KEY, tls.load_authority_key, RENEW_AUTHORITY),
        (tls.SERVER_CERT, tls.load_server_certificate, tls.SERVER_KEY, tls.load_server, RENEW),
    ):
        found = _try(f"keys/{cert}", remedy, partial(load, folder))
        if found.holds:
            ends = load(folder).not_valid_after_utc
            found = Finding(found.where, ends > now + tls.ENDS_SOON, f"it ends on {ends:%F}", remedy)
            yield _try(f"keys/{key}", remedy, partial(load_key, folder))
        yield found
        if cert == tls.CA_CERT and not found.holds:
            return


def _policy(data: Path, genesis: g.Genesis) -> Iterator[Finding]:
    remedy = "Make it anew: suyuan-node rebuild"
    try:
        found = (data / POLICY_FILE).read_bytes()
    except OSError as error:
        yield Finding(POLICY_FILE, False, error.strerror or str(error), remedy)
        return
    same = found == policy.format_policy(policy.of_genesis(genesis)).encode()
    yield Finding(POLICY_FILE, same, "as the genesis yields it" if same else "the genesis yields another", remedy)


def _settings(data: Path) -> Iterator[Finding]:
    try:
        Settings(data=data)
    except ValidationError as error:
        for found in error.errors():
            name = ".".join(str(part) for part in found["loc"])
            yield Finding(CONFIG_FILE, False, f"{name}: {found['msg']} (found {found['input']!r})", SETTINGS)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        yield Finding(CONFIG_FILE, False, str(error), SETTINGS)
    else:
        yield Finding(CONFIG_FILE, True, "")


# Private openings


class Openings:
    """The private store, held against the records that the chain holds at the same places."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database
        self._flaws = Flaws(PRIVATE_FILE, RESTORE_PRIVATE)
        self._waiting: dict[int, int] = {}  # leaf -> openings that are not compared yet
        self._figures = ""

    def read(self) -> None:
        """SQLite's own check, then which openings there are; sqlite3.Error where it cannot be read."""
        if self._database is None:
            return
        for (flaw,) in self._database.execute("PRAGMA integrity_check"):
            if flaw != "ok":
                self._flaws.add(PRIVATE_FILE, str(flaw))
        if self._flaws:
            return
        self._waiting = dict(self._database.execute("SELECT leaf, count(*) FROM opening GROUP BY leaf"))
        for leaf, index in self._database.execute("SELECT leaf, idx FROM opening JOIN erased USING (leaf, idx)"):
            self._flaws.add(_name(leaf, index), "it was erased, and is still there")
        [(erased,)] = self._database.execute("SELECT count(*) FROM erased")
        self._figures = f"{sum(self._waiting.values())} openings, {erased} erased"

    def visit(self, leaf: int, wire: bytes) -> None:
        """Hold the openings at a leaf against its envelope."""
        if self._waiting.pop(leaf, None) is None or self._database is None:
            return
        records = ENVELOPE.decode_trusted(wire).records
        for index, data in self._database.execute("SELECT idx, data FROM opening WHERE leaf = ?", (leaf,)):
            if not 0 <= index < len(records):
                self._flaws.add(_name(leaf, index), "there is no such record")
                continue
            try:
                open_private(RECORD.decode_trusted(records[index]), data)
            except (Malformed, TypeError) as error:
                self._flaws.add(_name(leaf, index), getattr(error, "message", str(error)))

    def findings(self, whole: bool) -> list[Finding]:
        """`whole` says that all envelopes were visited."""
        if self._database is None:
            return []
        if whole:
            for leaf in self._waiting:
                self._flaws.add(f"{PRIVATE_FILE}, leaf {leaf}", "the log has no envelope there")
        elif self._waiting:
            self._figures += f", {sum(self._waiting.values())} not compared, as the blocks are damaged"
        return self._flaws.findings(self._figures)


def _name(leaf: int, index: int) -> str:
    return f"{PRIVATE_FILE}, record {index} in leaf {leaf}"


@contextmanager
def _private(data: Path, findings: list[Finding]) -> Iterator[Openings]:
    path = (data / PRIVATE_FILE).resolve()
    if not path.exists():
        findings.append(Finding(PRIVATE_FILE, False, "the file is missing", RESTORE_PRIVATE))
        yield Openings(None)
        return
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
        openings = Openings(database)
        try:
            openings.read()
        except sqlite3.Error as error:
            findings.append(Finding(PRIVATE_FILE, False, str(error), RESTORE_PRIVATE))
            openings = Openings(None)
        yield openings
