"""`suyuan-node check`: everything that a node keeps, read again; every flaw named, with what to do about it."""

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from ledger import genesis as g
from ledger import policy
from ledger.envelope import ENVELOPE
from ledger.errors import Damaged, Malformed, SuyuanError
from ledger.private import open_private
from ledger.records import RECORD
from ledger.storage.blockfile import BlockFiles, InUse
from ledger.storage.chainstore import read_genesis
from ledger.storage.check import ChainCheck, Finding, Flaws, chain_of_files, check_rows
from node import keys, peers, tls
from node.config import CONFIG_FILE, POLICY_FILE, load_settings
from node.cosigning.cosigner import FILE as COSIGNED
from node.cosigning.cosigner import last_cosigned
from node.engine.cometbft.home import FOLDER as COMETBFT
from node.engine.cometbft.home import VOTED
from node.engine.cometbft.returning import last_vote
from node.errors import NotStored, WrongSettings
from node.private import BYTES_FILE, ROWS_FILE
from node.private import REMEDY as RESTORE_PRIVATE
from node.privatefiles import Contents
from node.succession import Succession

GENESIS_FILE: Final = "genesis.json"
RESTORE: Final = "Restore it from a backup"
RESTORE_GENESIS: Final = "Restore it from a backup, or take it from another node of this chain"
RESTORE_KEY: Final = "Restore it from a backup: no other key can take its place"
RESTORE_PEER: Final = "Restore it from a backup, with keys/"
RESTORE_PEERS: Final = "Restore it from a backup, or ask its owner for it again"
LOST: Final = "not there: until it has caught up with the others, this validator signs nothing"
RENEW: Final = "Make it anew: suyuan-node renew"
RENEW_AUTHORITY: Final = (
    "Restore it from a backup; else move ca.key and ca.pem away, make them anew (suyuan-node renew), and give every "
    "member a new certificate and connection file"
)
SETTINGS: Final = "Correct it (docs/operating.md names the settings), or restore it from a backup"


def check_folder(
    data: Path, now: dt.datetime, replay: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Findings about everything in a data folder that no process uses; SuyuanError where one does. With `replay`,
    every row of the index is compared with those that running all blocks anew gives."""
    if not any((data / name).exists() for name in (GENESIS_FILE, "blocks", "keys")):
        raise Malformed(str(data), "no node keeps anything there")
    findings: list[Finding] = []
    with _locked(data):
        genesis = _genesis(data, findings)
        chain = g.chain_id(genesis) if genesis is not None else chain_of_files(data)
        with closing(PrivateCheck(data / ROWS_FILE)) as private:
            sound = _chain(data, chain, private, findings)
        if replay and sound and genesis is not None:
            findings += _replayed(data, progress)
    findings += check_files(data, genesis, now)
    findings += _settings(data)
    findings += _network(data)
    return findings


def check_files(folder: Path, genesis: g.Genesis | None, now: dt.datetime | None) -> list[Finding]:
    """The files of a node that are made once: keys, certificates (`now`: do they end soon?), policy."""
    findings = [] if genesis is None else [*_keys(folder / "keys", genesis), *_policy(folder, genesis)]
    return [*findings, *_certificates(folder / "keys", now)]


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


def _chain(data: Path, chain: bytes | None, private: "PrivateCheck", findings: list[Finding]) -> bool:
    """Whether blocks, index and tiles all hold."""
    if chain is None:
        findings.append(Finding("blocks", False, "no block file says which chain it belongs to", RESTORE))
        findings += private.findings(whole=False)
        return False
    check = ChainCheck(data, chain)
    check.run(private.visit)
    findings += check.findings
    findings += private.findings(check.whole)
    return all(finding.holds for finding in check.findings)


def _replayed(data: Path, progress: Callable[[int, int], None] | None) -> list[Finding]:
    scratch = Path(tempfile.mkdtemp(prefix="suyuan-check-"))
    try:
        return check_rows(data, scratch, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


# Keys, certificates, policy, settings


def _keys(folder: Path, genesis: g.Genesis) -> Iterator[Finding]:
    known = list(genesis.validators)
    if (folder.parent / peers.OWN_FILE).exists():
        peer = _try(peers.OWN_FILE, RESTORE_PEER, partial(peers.require_own, folder.parent))
        yield peer
        known = [peers.read(folder.parent / peers.OWN_FILE).validator] if peer.holds else []
    for name in keys.VALIDATORS if known else ():
        yield _try(f"keys/{name}", RESTORE_KEY, partial(keys.load_own, folder, name, known))


def _try(where: str, remedy: str, load: Callable[[], object]) -> Finding:
    try:
        load()
    except Malformed as error:
        return Finding(where, False, error.message, remedy)
    except OSError as error:
        return Finding(where, False, error.strerror or str(error), remedy)
    return Finding(where, True, "")


def _certificates(folder: Path, now: dt.datetime | None) -> Iterator[Finding]:
    """Each file by itself; what can only be held against a damaged one is left out."""
    for cert, load, key, load_key, remedy in (
        (tls.CA_CERT, tls.load_authority, tls.CA_KEY, tls.load_authority_key, RENEW_AUTHORITY),
        (tls.SERVER_CERT, tls.load_server_certificate, tls.SERVER_KEY, tls.load_server, RENEW),
    ):
        found = _try(f"keys/{cert}", remedy, partial(load, folder))
        if found.holds:
            ends = load(folder).not_valid_after_utc
            lasts = now is None or ends > now + tls.ENDS_SOON
            found = Finding(found.where, lasts, f"it ends on {ends:%F}", remedy)
            yield _try(f"keys/{key}", remedy, partial(load_key, folder))
        yield found
        if cert == tls.CA_CERT and not found.holds:
            return


def _policy(data: Path, genesis: g.Genesis) -> Iterator[Finding]:
    try:
        trusted = Succession(data, genesis).trusted
    except Damaged as error:
        yield Finding(Path(error.where).relative_to(data).as_posix(), False, error.message, error.remedy)
        return
    remedy = "Make it anew: suyuan-node rebuild"
    try:
        found = (data / POLICY_FILE).read_bytes()
    except OSError as error:
        yield Finding(POLICY_FILE, False, error.strerror or str(error), remedy)
        return
    same = found == policy.format_policy(trusted).encode()
    yield Finding(POLICY_FILE, same, f"policy {trusted.number}" if same else "the chain yields another", remedy)


def _settings(data: Path) -> Iterator[Finding]:
    try:
        load_settings(data)
    except (WrongSettings, OSError) as error:
        yield Finding(CONFIG_FILE, False, str(error), SETTINGS)
    else:
        yield Finding(CONFIG_FILE, True, "")


def _network(data: Path) -> Iterator[Finding]:
    """What only a node of a network keeps: the others' public files, and what it signed last. CometBFT's own store is
    CometBFT's to check, and can be fetched anew."""
    if not (data / peers.OWN_FILE).exists():
        return
    others = _try(peers.FOLDER, RESTORE_PEERS, partial(peers.others, data))
    yield Finding(peers.FOLDER, True, f"{len(peers.others(data))} other nodes") if others.holds else others
    where = f"{COMETBFT}/data/{VOTED}"
    try:
        voted = last_vote(data / where)
        yield Finding(where, True, LOST if voted is None else "")
        where = COSIGNED
        yield Finding(where, True, LOST if last_cosigned(data) is None and voted != 0 else "")
    except Damaged as error:
        yield Finding(where, False, error.message, error.remedy)


# Private openings


class PrivateCheck:
    """The private store, held against the records that the chain holds at the same places."""

    def __init__(self, path: Path) -> None:
        self._flaws = Flaws(ROWS_FILE, RESTORE_PRIVATE)
        self._contents: Contents | None = None
        self._waiting: set[int] = set()  # leaves whose openings are not compared yet
        self._figures = ""
        try:
            self._contents = Contents(path)
        except (Damaged, NotStored) as error:
            self._flaws.add(ROWS_FILE, getattr(error, "message", str(error)))
        else:
            for flaw in self._contents.flaws:
                where, _, message = flaw.partition(": ")
                self._flaws.add(where, message)
            self._waiting = set(self._contents.leaves)
            self._figures = f"{self._contents.leaves.total()} openings, {self._contents.erased} erased"
            if self._contents.waiting:
                self._figures += f", {self._contents.waiting} wait for other nodes"

    def visit(self, leaf: int, wire: bytes) -> None:
        """Hold the openings at a leaf against its envelope."""
        if leaf not in self._waiting or self._contents is None:
            return
        self._waiting.remove(leaf)
        records = ENVELOPE.decode_trusted(wire).records
        for index, opening in self._contents.openings(leaf):
            where = f"{BYTES_FILE}, record {index} in leaf {leaf}"
            if not 0 <= index < len(records):
                self._flaws.add(where, "there is no such record")
                continue
            try:
                open_private(RECORD.decode_trusted(records[index]), opening)
            except Malformed as error:
                self._flaws.add(where, error.message)

    def findings(self, whole: bool) -> list[Finding]:
        """`whole` says that all envelopes were visited."""
        if whole:
            for leaf in self._waiting:
                self._flaws.add(f"{ROWS_FILE}, leaf {leaf}", "the log has no envelope there")
        elif self._waiting:
            self._figures += f"; those of {len(self._waiting)} leaves not compared, as the blocks are damaged"
        return self._flaws.findings(self._figures)

    def close(self) -> None:
        if self._contents is not None:
            self._contents.close()
