"""Auditing several nodes: one is replayed, and what every node shows is held against that replay.

A checkpoint's root covers the whole log, and the last leaf under it is the block header with the state root: so a
node that shows the replayed root at its size shows the same records and the same state. Where a node's blocks can be
read too, they are compared byte by byte. Whoever differs is named, with those who cosigned what it shows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from client_sdk import compare, heads
from client_sdk.audit import Progress, TileCheck, audit_blocks
from client_sdk.client import Client
from client_sdk.evidence import Evidence, of
from client_sdk.heads import Head
from client_sdk.wire import clock_ms
from ledger import block as b
from ledger import genesis as g
from ledger import merkle
from ledger.audit import CHECKS, Finding
from ledger.envelope import ENVELOPE, envelope_id
from ledger.errors import Damaged, Malformed, SuyuanError, VerifyFailed
from ledger.plan import Head as ChainHead
from ledger.plan import Plan
from ledger.policy import Policy, of_genesis
from ledger.storage.blockfile import BlockFiles
from ledger.storage.chainstore import read_genesis
from ledger.storage.tilefiles import CHECKPOINT_FILE, PUBLIC_FOLDER
from ledger.succession import STEP, kept

STEPS_FOLDER: Final = "steps"
READABLE: Final = "its block files can be read"
BELIEVED: Final = "its checkpoint and genesis hold"
WITNESSED: Final = "a quorum cosigned its checkpoint"
SAME: Final = "it shows the replayed history"
NOTHING_TO_REPLAY: Final = (
    "none of these can be replayed: name a node's data folder, or the identity of a regulator, to whom nodes give "
    "their blocks"
)
Blocks = Callable[[], Iterator[tuple[int, bytes]]]


class Source(Struct, frozen=True, eq=False):
    """One node. `head` is what it shows (a folder may show none), `blocks` are its blocks if they can be read;
    `trouble` says why nothing of it is known, or, where it `lies`, why what it shows cannot be believed."""

    label: str
    trusted: Policy
    genesis: g.Genesis | None = None
    head: Head | None = None
    trouble: str = ""
    lies: bool = False
    blocks: Blocks | None = None
    client: Client | None = None
    tiles: TileCheck | None = None


class Audited(Struct):
    """(node, finding) in order, and evidence of heads that contradict each other."""

    findings: list[tuple[str, Finding]] = field(default_factory=list)
    found: list[Evidence] = field(default_factory=list)


def of_folder(label: str, folder: Path) -> Source:
    """A data folder, also while its node runs."""
    genesis = read_genesis(folder)
    trusted, head, flaw = _policy_of(folder, genesis), None, ""
    shown = folder / PUBLIC_FOLDER / CHECKPOINT_FILE
    try:
        head = heads.read(trusted, shown.read_bytes(), None) if shown.exists() else None
    except VerifyFailed as error:
        flaw = str(error)

    def blocks() -> Iterator[tuple[int, bytes]]:
        with closing(BlockFiles.open_read_only(folder, g.chain_id(genesis))) as files:
            yield from ((height, payload) for height, payload, _ in files.scan(1))

    tiles = TileCheck(folder / PUBLIC_FOLDER)
    return Source(label, trusted, genesis, head, flaw, bool(flaw), blocks, tiles=tiles)


def _policy_of(folder: Path, genesis: g.Genesis) -> Policy:
    """The newest policy, as the node's steps prove it from the genesis on."""
    steps = [STEP.decode(path.read_bytes()) for path in sorted((folder / STEPS_FOLDER).glob("*.step"))]
    trusted = of_genesis(genesis)
    for step in steps:
        trusted = kept(trusted, step)
    return trusted


def of_client(label: str, client: Client, replays: bool, trusted: Policy) -> Source:
    """A node over the network; `replays` says that it may give its blocks. Unavailable and the like are trouble."""
    try:
        info = client.node_info()
        head = heads.read(trusted, info.checkpoint, clock_ms())
        genesis = g.from_json(info.genesis)
        if g.chain_id(genesis) != client.connection.chain_id:
            raise VerifyFailed("genesis", f"it hashes to {g.chain_id(genesis).hex()}, which is another chain")
    except SuyuanError as error:
        lies = isinstance(error, VerifyFailed | Malformed)
        return Source(label, trusted, trouble=str(error), lies=lies, client=client)

    def blocks() -> Iterator[tuple[int, bytes]]:
        return ((height, block) for height, block in client.blocks(1) if height <= info.height)

    return Source(label, trusted, genesis, head, blocks=blocks if replays else None, client=client)


def audit(sources: Sequence[Source], progress: Progress) -> Audited:
    """Replay the first node that can be, those with a quorum before others, and compare the rest with it; where its
    history does not hold, the next one is replayed. Malformed where none can be replayed, or they are of several
    chains."""
    known = [(source, source.genesis) for source in sources if source.genesis is not None]
    chains = {g.chain_id(genesis).hex(): source.label for source, genesis in known}
    if len(chains) > 1:
        told = ", ".join(f"{label} is of {chain}" for chain, label in chains.items())
        raise Malformed("audit", f"these are not nodes of one chain: {told}")
    bases = [(source, genesis, source.blocks) for source, genesis in known if source.blocks is not None]
    liars = [(one.label, Finding(BELIEVED, False, one.trouble)) for one in sources if one.lies]
    if not bases and not liars:
        raise Malformed("audit", "; ".join([NOTHING_TO_REPLAY, *(one.trouble for one in sources if one.trouble)]))
    bases.sort(key=lambda one: one[0].lies or (one[0].head is not None and bool(one[0].head.lacking)))
    audited, rest = Audited(liars), [one for one in sources if not one.lies]
    for base, genesis, blocks in bases:
        rest = [one for one in rest if one is not base]
        if _replayed(base, genesis, blocks, rest, audited, progress):
            break
    return audited


def _replayed(
    base: Source, genesis: g.Genesis, blocks: Blocks, rest: Sequence[Source], audited: Audited, progress: Progress
) -> bool:
    """Whether the base's history can be followed to its end: then all others were held against it."""
    itself = [base] if base.client is None and base.head is not None and rest else []
    shown = [Shown(source, base) for source in (*itself, *rest)]
    tiles = [base.tiles] if base.tiles is not None else []
    whole = base.head.checkpoint if base.head is not None and base.client is not None else None
    try:
        findings = audit_blocks(genesis, blocks(), whole, progress, [*tiles, *shown])
    except Damaged as error:
        audited.findings.append((base.label, Finding(READABLE, False, str(error))))
        return False
    failed = any(one.check in CHECKS and not one.holds for one in findings)
    own = findings if failed else findings[: len(findings) - len(shown)]
    audited.findings += [(base.label, one) for one in own]
    if base.client is not None or rest:
        audited.findings += _witnessed(base)
    if failed:
        return False
    for one, finding in zip(shown, findings[len(own) :], strict=True):
        audited.findings.append((one.source.label, finding))
        if one.source is not base:
            audited.findings += _witnessed(one.source)
        if not finding.holds:
            audited.found += contradiction(base, one.source)
    return True


def _witnessed(source: Source) -> list[tuple[str, Finding]]:
    if source.head is None:
        return []
    names = ", ".join(source.head.cosigned) or "nobody"
    detail = f"{names}: {source.head.lacking}" if source.head.lacking else names
    return [(source.label, Finding(WITNESSED, not source.head.lacking, detail))]


def contradiction(one: Source, other: Source) -> list[Evidence]:
    """Evidence of two heads that do not fit, as far as they show it without the blocks."""
    if one.head is None or other.head is None or one is other:
        return []
    if one.head.size == other.head.size:
        return [of(one.trusted, one.head.note, other.head.note)] if one.head.root != other.head.root else []
    shorter, longer = sorted((one, other), key=lambda source: source.head.size if source.head else 0)
    if longer.client is None or shorter.head is None:
        return []
    with suppress(SuyuanError):
        found = compare.extension(longer.client, shorter.head, one.trusted)
        return [found] if isinstance(found, Evidence) else []
    return []


class Shown:
    """What one node shows, held against the replay of `base`."""

    def __init__(self, source: Source, base: Source) -> None:
        self.source = source
        self._base = base
        self._blocks = source.blocks() if source.blocks is not None and source is not base else None
        self._size = -1 if source.head is None else source.head.size
        self._read_size = 0  # of the log, as far as its blocks went
        self._flaw = ""
        self._root: bytes | None = None if self._size else merkle.EMPTY_ROOT
        self._replayed: ChainHead | None = None

    def add(self, plan: Plan) -> None:
        self._replayed = plan.head
        if plan.head.log.size == self._size:
            self._root = plan.head.log.root()
        if self._blocks is not None and not self._flaw:
            self._compare(self._blocks, plan)

    def _compare(self, blocks: Iterator[tuple[int, bytes]], plan: Plan) -> None:
        try:
            found = next(blocks, None)
        except SuyuanError as error:
            self._flaw = f"its blocks cannot be read from block {plan.head.height} on: {error}"
            return
        if found is None:
            self._blocks = None
            if self._size > self._read_size:
                self._flaw = f"its blocks end with {self._read_size} leaves, its checkpoint has {self._size}"
        elif plan.block is not None and found != (plan.head.height, plan.block):
            self._flaw = f"block {plan.head.height} differs: {difference(plan.block, found[1])}"
        else:
            self._read_size = plan.head.log.size

    def finding(self) -> Finding:
        flaw = self.source.trouble or self._flaw or self._head_flaw()
        if flaw:
            return Finding(SAME, False, f"{flaw}. {self._who()}")
        return Finding(SAME, True, f"{self.source.head or 'no checkpoint'}{self._figures()}")

    def _figures(self) -> str:
        if self._replayed is None or self._replayed.header is None:
            return ""
        read = f"; {self._read_size} leaves of blocks are the same" if self._read_size else ""
        if self._size == self._replayed.log.size:
            return f"{read}; state root {self._replayed.header.state.hex()}"
        return f"{read}; the replayed history has {self._replayed.log.size} leaves"

    def _head_flaw(self) -> str:
        """Why its head is none of the replayed history, and does not extend it either."""
        head, replayed = self.source.head, self._replayed
        if head is None:
            return ""
        if replayed is not None and head.size > replayed.log.size:
            return self._extension_flaw(replayed.log.size, replayed.log.root())
        if self._root is None:
            return f"it shows {head}, and no block of the replayed history ends there"
        if self._root != head.root:
            return f"it shows {head}, and the replayed history has root {self._root.hex()} there"
        return ""

    def _extension_flaw(self, size: int, root: bytes) -> str:
        if self.source.client is None:
            return ""  # its blocks were compared, and what it has more is its own word
        try:
            answer = self.source.client.checkpoint(size)
            head = heads.read(self.source.trusted, answer.checkpoint, clock_ms())
            merkle.verify_consistency(size, head.size, root, head.root, list(answer.consistency))
            if self.source.head is not None:
                held = compare.itself(self.source.client, self.source.head, head, self.source.trusted)
                if isinstance(held, Evidence):
                    return f"it showed {self.source.head}, and now {head}, which does not extend it"
        except SuyuanError as error:
            return f"it shows {self.source.head}, and does not prove that this extends the replayed history: {error}"
        return ""

    def _who(self) -> str:
        """Who stands behind what, as far as the cosignatures say."""
        mine, theirs = self._base.head, self.source.head
        if theirs is None:
            return "Nothing that it shows was compared"
        if mine is None:
            return "A quorum cosigned it" if not theirs.lacking else "No quorum cosigned it"
        if not mine.lacking and not theirs.lacking:
            both = ", ".join(name for name in mine.cosigned if name in theirs.cosigned) or "nobody"
            return f"Quorums cosigned both histories; {both} did so for either"
        if theirs.lacking and mine.lacking:
            return f"No quorum cosigned it, nor what {self._base.label} shows"
        if theirs.lacking:
            return f"No quorum cosigned it; one cosigned what {self._base.label} shows"
        return f"A quorum cosigned it, and none what {self._base.label} shows"


def difference(mine: bytes, theirs: bytes) -> str:
    """How another block of the same height differs."""
    try:
        known, other = b.BLOCK.decode(mine), b.BLOCK.decode(theirs)
        ids = [[envelope_id(ENVELOPE.decode(wire).header).hex() for wire in one.envelopes] for one in (known, other)]
        headers = [b.HEADER.decode(one.header) for one in (known, other)]
    except Malformed as error:
        return f"it cannot be read ({error})"
    told = [f"envelope {one} is missing" for one in ids[0] if one not in ids[1]]
    told += [f"envelope {one} is not in the replay" for one in ids[1] if one not in ids[0]]
    if headers[0].state != headers[1].state:
        told.append(f"its state root is {headers[1].state.hex()}, replayed {headers[0].state.hex()}")
    return "; ".join(told) or "its bytes are others"
