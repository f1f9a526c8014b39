"""The audit: replay a chain from genesis and believe nothing of it.

Every byte is decoded strictly, every signature verified, every rule executed again, every hash recomputed. The
caller brings blocks in order and a store to keep state in; the audit answers in one line a check.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from msgspec import Struct

from ledger import block as b
from ledger import entries as e
from ledger import genesis as g
from ledger import signature
from ledger import state as s
from ledger.checkpoint import Checkpoint
from ledger.conservation import Account
from ledger.envelope import Opened, open_envelope
from ledger.errors import SuyuanError, UnknownRules, VerifyFailed
from ledger.plan import Checked, Head, Plan, genesis_head, genesis_writes, plan_block


class Store(Protocol):
    """Where the audit keeps its own state."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...

    def write(self, puts: Sequence[tuple[bytes, bytes]], deletes: Sequence[bytes]) -> None: ...


Signed = tuple[bytes, bytes, bytes]
VerifyMany = Callable[[Sequence[Signed]], int | None]
"""(key, message, signature) of many -> the number of the first that does not hold, or None."""


class Finding(Struct, frozen=True):
    """One check: whether it holds, and figures or the first flaw."""

    check: str
    holds: bool
    detail: str


class Flaw(Exception):
    """The first thing that does not hold; the chain cannot be followed beyond it."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(detail)
        self.check, self.detail = check, detail


CHECKS: Final = (
    "blocks link from genesis, heights and times in order",
    "envelopes are canonical, roots and seals match",
    "signatures hold under keys valid at their block",
    "rules accept every envelope, each once",
    "writes, state root and log leaves recomputed",
)
LINKS, BYTES, SIGNATURES, RULES, ROOTS = CHECKS
CONSERVED: Final = "quantities are conserved in every lot"
HEAD: Final = "the checkpoint is this log's head"


def verify_in_turn(signed: Sequence[Signed]) -> int | None:
    """Verify one after the other."""
    for number, (key, message, found) in enumerate(signed):
        try:
            signature.verify(key, message, found)
        except VerifyFailed:
            return number
    return None


class Audit:
    """Feed `add` with (height, block bytes) from height 1 on, then ask `report`."""

    def __init__(self, genesis: g.Genesis, store: Store, verify_many: VerifyMany = verify_in_turn) -> None:
        self._store = store
        self._verify_many = verify_many
        self._cache = s.Cache()
        self._flaw: Flaw | None = None
        self._account = Account()
        self.records = 0
        self.envelopes = 0
        writes = genesis_writes(genesis)
        store.write([(key, value) for key, value in writes if value is not None], [])
        self.head: Head = genesis_head(genesis, writes)
        self.last_plan: Plan | None = None

    @property
    def failed(self) -> bool:
        return self._flaw is not None

    def add(self, height: int, payload: bytes) -> bool:
        """Replay one block; False where it broke the chain, and then nothing more can be added."""
        if self._flaw is not None:
            return False
        try:
            self._add(height, payload)
        except Flaw as flaw:
            self._flaw = flaw
        return self._flaw is None

    def _add(self, height: int, payload: bytes) -> None:
        where = f"block {height}"
        try:
            block = b.BLOCK.decode(payload)
            header = b.HEADER.decode(block.header)
        except SuyuanError as error:
            raise Flaw(BYTES, f"{where}: {error}") from None
        self._check_links(where, height, header)
        opened = [self._open(where, number, wire) for number, wire in enumerate(block.envelopes)]
        checked = self._check_signatures(where, opened)
        try:
            plan = plan_block(self.head, self._store, checked, header.time, self._cache)
        except UnknownRules as error:
            raise Flaw(RULES, f"{where}: {error}") from None
        self._check_plan(where, plan, payload, header)
        self._keep(plan, opened)

    def _check_links(self, where: str, height: int, header: b.BlockHeader) -> None:
        head = self.head
        expected = {
            "height": head.height + 1,
            "chain": head.chain,
            "previous": head.header_hash,
            "first": head.log.size,
            "rules": s.Draft(self._store, self._cache).policy().rules,
        }
        for name, value in {**expected, "height": height}.items():
            found = getattr(header, name)
            if found != value or (name == "height" and value != expected["height"]):
                raise Flaw(LINKS, f"{where}: {name} is {_text(found)}, expected {_text(expected[name])}")
        if header.time < head.time:
            raise Flaw(LINKS, f"{where}: its time {header.time} lies before the last block's {head.time}")

    def _open(self, where: str, number: int, wire: bytes) -> Opened:
        try:
            return open_envelope(wire, self.head.chain)
        except SuyuanError as error:
            raise Flaw(BYTES, f"{where}, envelope {number}: {error}") from None

    def _check_signatures(self, where: str, opened: list[Opened]) -> list[Checked]:
        """Keys are those in the state before the block."""
        checked: list[Checked] = []
        signed: list[Signed] = []
        for number, one in enumerate(opened):
            row = self._store.get(b"m" + e.key_path(one.header.member, one.header.key))
            if row is None:
                raise Flaw(SIGNATURES, f"{where}, envelope {number}: {one.header.member} has no such key")
            key = e.KEY.decode_trusted(row).key
            checked.append(Checked(one, key))
            signed.append((key, one.signed_message, one.envelope.signature))
        wrong = self._verify_many(signed)
        if wrong is not None:
            member = opened[wrong].header.member
            raise Flaw(SIGNATURES, f"{where}, envelope {wrong}: the signature of {member} does not hold")
        return checked

    def _check_plan(self, where: str, plan: Plan, payload: bytes, header: b.BlockHeader) -> None:
        for number, verdict in enumerate(plan.verdicts):
            if verdict.earlier:
                raise Flaw(RULES, f"{where}, envelope {number}: it was accepted before, in leaf {verdict.leaf}")
            if verdict.leaf is None:
                raise Flaw(RULES, f"{where}, envelope {number}: {'; '.join(map(str, verdict.problems))}")
        made = plan.head.header
        if made is None or plan.block is None:
            raise Flaw(RULES, f"{where}: it holds no envelope")
        for name in ("count", "writes", "state"):
            found, expected = getattr(header, name), getattr(made, name)
            if found != expected:
                raise Flaw(ROOTS, f"{where}: {name} is {_text(found)}, recomputed {_text(expected)}")
        if plan.block != payload:
            raise Flaw(ROOTS, f"{where}: its bytes are not those that its envelopes give")

    def _keep(self, plan: Plan, opened: list[Opened]) -> None:
        puts = [(key, value) for key, value in plan.writes if value is not None]
        self._store.write(puts, [key for key, value in plan.writes if value is None])
        plan.draft.publish()
        self.head, self.last_plan = plan.head, plan
        self.envelopes += len(opened)
        for one in opened:
            self.records += len(one.records)
            for record, amounts in zip(one.records, one.amounts, strict=True):
                self._account.add(record, amounts, one.header.member)

    def report(self, checkpoint: Checkpoint | None = None) -> list[Finding]:
        """What holds, one line a check; checks behind the first flaw are left out, as nothing can be said of them."""
        findings: list[Finding] = []
        head = self.head
        figures = {
            LINKS: f"{head.height} blocks",
            BYTES: f"{self.envelopes} envelopes, {self.records} records",
            SIGNATURES: f"{self.envelopes} signatures",
            RULES: f"{self.records} records",
            ROOTS: f"state {head.state[0].hex()}, log {head.log.root().hex()}",
        }
        for check in CHECKS:
            if self._flaw is not None and self._flaw.check == check:
                findings.append(Finding(check, False, self._flaw.detail))
            else:
                behind = "" if self._flaw is None else ", up to the flaw"
                findings.append(Finding(check, True, figures[check] + behind))
        if self._flaw is None:
            findings.append(self._conservation())
            if checkpoint is not None:
                findings.append(self._compare_head(checkpoint))
        return findings

    def _conservation(self) -> Finding:
        """Lot by lot, items and grams, the records alone against the rows."""
        flaw, lots, rows = self._account.compare(self._store.scan)
        return Finding(CONSERVED, False, flaw) if flaw else Finding(CONSERVED, True, f"{lots} lots, {rows} positions")

    def _compare_head(self, checkpoint: Checkpoint) -> Finding:
        size, root = self.head.log.size, self.head.log.root()
        if (checkpoint.size, checkpoint.root) == (size, root):
            return Finding(HEAD, True, f"{size} leaves")
        found = f"it says {checkpoint.size} leaves under {checkpoint.root.hex()}"
        return Finding(HEAD, False, f"{found}, the blocks give {size} under {root.hex()}")


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
