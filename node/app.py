"""The node's use cases, apart from any protocol: what gRPC (and later HTTP) call."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial

import structlog
from msgspec import Struct

from ledger import entries as e
from ledger import policy as p
from ledger import state as s
from ledger.custody.inforce import in_force_now
from ledger.custody.step import keeper_of
from ledger.errors import Malformed, Refused, SuyuanError
from ledger.hashing import TAG_VOUCHER, digest
from ledger.identifiers import check_lot_id, check_member_id, check_product_id, check_site_id, check_sscc
from ledger.limits import PAGE_BYTES_MAX, PAGE_ROWS_MAX, POLICY_STEPS_ENTRIES_MAX, REFS_ENTRIES_MAX
from ledger.links import VOUCHER_BYTES
from ledger.proof.build import product_proof
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from ledger.succession import STEP
from node.admission import Admission, Unsigned
from node.disk import Disk
from node.engine import Done, Engine, Outcome, Overloaded, ReadOnly
from node.errors import Forbidden, NotFound
from node.feed import Feed
from node.metrics import Metrics
from node.openings import Onward, Openings
from node.parties import is_regulator
from node.private import PrivateStore
from node.succession import Succession

log = structlog.get_logger(__name__)

OPENS_NOTHING = "this voucher opens nothing here; it may have been replaced"


class Receipt(Struct, frozen=True):
    envelope_id: bytes
    leaf: int
    proof: list[bytes]
    checkpoint: bytes
    earlier: bool


class Held(Struct, frozen=True):
    """A position: its quantities, status bits, and whether its lot, product or maker is held or recalled now."""

    lot: str
    owner: str
    site: str
    stock: s.Stock
    bits: int
    in_force: bool


class App:
    """`shown` gives the version for readers, where it is not the engine's newest one."""

    def __init__(
        self,
        store: ChainStore,
        engine: Engine,
        metrics: Metrics,
        private: PrivateStore,
        disk: Disk,
        succession: Succession,
        name: str = "",
        shown: Callable[[], ChainView] | None = None,
        onward: Onward | None = None,
    ) -> None:
        self._shown = shown or (lambda: engine.view)
        self.store = store
        self.succession = succession
        self.disk = disk
        self.name = name or store.genesis.validators[0].name
        self.feed = Feed(store)
        self._grown = asyncio.Event()
        self.engine = engine
        engine.watch(self._grew)
        self.openings = Openings(store, private, self.name, lambda: self.view, onward)
        self.metrics = metrics
        self.admission = Admission(store.head.chain, store)

    @property
    def not_ready(self) -> str:
        """Why this node takes no envelopes or does not keep up, in one line; empty: it is ready. From any thread."""
        return self.disk.shortage or self.engine.trouble

    # Writing

    def offer(self, wire: bytes, done: Callable[[Receipt | SuyuanError], None]) -> bytes:
        """Admit an envelope and hand it to the engine; its id. Raises Malformed, Refused, Unsigned, Overloaded,
        ReadOnly or Stopped at once; else `done` gets the receipt, Refused or Stopped."""
        try:
            self.disk.require_room()
            checked = self.admission.admit(wire)
        except Malformed as error:
            self.metrics.envelopes.labels("malformed").inc()
            log.info("envelope not admitted", reason=str(error)[:300])
            raise
        except Refused as error:
            self.metrics.envelopes.labels("unsigned" if isinstance(error, Unsigned) else "refused").inc()
            log.info("envelope not admitted", reason=str(error)[:300])
            raise
        except ReadOnly:
            self.metrics.envelopes.labels("read_only").inc()
            raise
        answer: Done = partial(self._answer, checked.opened.id, len(checked.opened.records), time.monotonic(), done)
        try:
            self.engine.offer(checked, answer)
        except Overloaded:
            self.metrics.envelopes.labels("overloaded").inc()
            raise
        return checked.opened.id

    def _answer(
        self,
        envelope_id: bytes,
        records: int,
        offered_at: float,
        done: Callable[[Receipt | SuyuanError], None],
        outcome: Outcome | SuyuanError,
    ) -> None:
        if isinstance(outcome, SuyuanError):
            done(outcome)
            return
        verdict = outcome.verdict
        if verdict.leaf is None:
            self.metrics.envelopes.labels("refused").inc()
            done(Refused(verdict.problems))
            return
        self.metrics.envelopes.labels("earlier" if verdict.earlier else "accepted").inc()
        if not verdict.earlier:
            self.metrics.records.inc(records)
            self.metrics.final_seconds.observe(outcome.final_at - offered_at)
            self.metrics.submit_seconds.observe(time.monotonic() - offered_at)
        done(Receipt(envelope_id, verdict.leaf, outcome.proof, outcome.checkpoint, verdict.earlier))

    async def submit(self, wire: bytes) -> Receipt:
        """One envelope, until it is durable here; raises as `offer` does."""
        future: asyncio.Future[Receipt | SuyuanError] = asyncio.get_running_loop().create_future()

        def done(result: Receipt | SuyuanError) -> None:
            if not future.done():
                future.set_result(result)

        log.info("envelopes taken", envelopes=[self.offer(wire, done).hex()])
        result = await future
        if isinstance(result, SuyuanError):
            raise result
        return result

    def _grew(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    def growth(self) -> asyncio.Event:
        """Is set when the log is longer than it is now."""
        return self._grown

    # Reading

    @property
    def view(self) -> ChainView:
        return self.engine.view

    @property
    def trusted(self) -> p.Policy:
        """The policy in force, with those before it where this node can show how they led to it."""
        entry, known = s.policy_in(self.view), self.succession.trusted
        return known if known.number == entry.number else p.of_entry(self.store.genesis.name, entry)

    def policy(self, known: int) -> tuple[bytes, list[bytes]]:
        """The policy in force, and the steps that lead to it from policy `known`, as far as this node has them."""
        steps = self.succession.since(known)[:POLICY_STEPS_ENTRIES_MAX]
        return e.POLICY.encode(s.policy_in(self.view)), [STEP.encode(step) for step in steps]

    @property
    def shown(self) -> ChainView:
        """The version for whoever verifies: outside witnesses cosigned it too, or were waited for."""
        return self._shown()

    def receipt(self, envelope_id: bytes) -> Receipt:
        view = self.shown
        accepted = _row(view.get(b"e" + envelope_id), s.ACCEPTED.decode_trusted)
        if accepted is None:
            view = self.view
            accepted = _row(view.get(b"e" + envelope_id), s.ACCEPTED.decode_trusted)
        if accepted is None:
            raise NotFound(f"no envelope {envelope_id.hex()} was accepted here")
        proof = self.store.inclusion_proof(accepted.leaf, view.head.log)
        return Receipt(envelope_id, accepted.leaf, proof, view.checkpoint, True)

    def checkpoint(self, extends_size: int) -> tuple[bytes, list[bytes]]:
        """The checkpoint for readers, and the proof that it extends a log of `extends_size` leaves (0: none). Who has
        a receipt of a longer log gets the newest one."""
        view = self.shown
        if extends_size > view.head.log.size:
            view = self.view
        if extends_size > view.head.log.size:
            raise Malformed("extends_size", f"{extends_size} is beyond this log's {view.head.log.size} leaves")
        if extends_size == 0:
            return view.checkpoint, []
        return view.checkpoint, self.store.consistency_proof(extends_size, view.head.log)

    def product_proof(self, product: str, lot: str, voucher: bytes | None, site: str | None) -> bytes:
        check_product_id(product)
        check_lot_id(product + lot)
        view = self.shown
        return self.proof_at(view, product, lot, self.opened(view, product, lot, voucher, site))

    def proof_at(self, view: ChainView, product: str, lot: str, position: tuple[str, str] | None) -> bytes:
        if view.head.header is None:
            raise NotFound("the ledger holds no block yet")
        return product_proof(view, product, lot, position, self.succession.newest(POLICY_STEPS_ENTRIES_MAX))

    def opened(
        self, view: ChainView, product: str, lot: str, voucher: bytes | None, site: str | None
    ) -> tuple[str, str] | None:
        """The position that a voucher or a public site opens; None where the code alone was given."""
        if voucher is not None:
            if len(voucher) != VOUCHER_BYTES:
                raise Malformed("voucher", f"{len(voucher)} bytes, a voucher has {VOUCHER_BYTES}")
            opens = _row(view.get(b"v" + digest(TAG_VOUCHER, voucher)), s.OPENS.decode_trusted)
            if opens is None or opens.lot not in (product + lot, base_of(view, product) + lot):
                raise NotFound(OPENS_NOTHING)
            position = _row(
                view.get(b"m" + e.position_path(opens.lot, opens.owner, opens.site)), e.POSITION.decode_trusted
            )
            if position is None or position.voucher != digest(TAG_VOUCHER, voucher):
                raise NotFound(OPENS_NOTHING)
            return opens.owner, opens.site
        if site is not None:
            check_site_id(site)
            if not is_public(view, site):
                raise NotFound(f"{site} is not a public site")
            return keeper_of(site), site
        return None

    def positions(self, member: str, kept: bool, after: bytes, limit: int) -> tuple[list[Held], bytes]:
        """What `member` owns, or keeps for others, and where the next page begins."""
        view = self.view
        prefix = b"k" if kept else b"p"
        rows, following = _page(view, prefix + member.encode() + b"\x00", after, limit)
        found = []
        draft = s.Draft(view)
        for key, _ in rows:
            first, site, lot, *rest = key[1:].decode().split("\x00")
            owner = rest[0] if kept else first
            position = draft.position(e.position_path(lot, owner, site))
            bits = position.bits if position is not None else 0
            found.append(Held(lot, owner, site, draft.stock(owner, site, lot), bits, in_force_now(draft, lot)))
        return found, following

    def claims(
        self, member: str, against: bool, after: bytes, limit: int
    ) -> tuple[list[tuple[str, bytes, s.Claim]], bytes]:
        """(supplier, record hash, claim) of open claims: against the member, or its own."""
        view = self.view
        prefix = (b"d" if against else b"j") + member.encode() + b"\x00"
        rows, following = _page(view, prefix, after, limit)
        found = []
        for key, value in rows:
            supplier = member if against else s.SUPPLIER.decode_trusted(value)
            claim = key[len(prefix) :]
            row = _row(view.get(s.claim_key(supplier, claim)), s.CLAIM.decode_trusted)
            if row is not None:
                found.append((supplier, claim, row))
        return found, following

    def handovers(self, member: str, after: bytes, limit: int) -> tuple[list[tuple[bytes, s.Handover]], bytes]:
        """(ship hash, handover) of what waits for the member's receive."""
        prefix = b"h" + member.encode() + b"\x00"
        rows, following = _page(self.view, prefix, after, limit)
        return [(key[len(prefix) :], s.HANDOVER.decode_trusted(value)) for key, value in rows], following

    def find_refs(self, member: str, side: str, refs: list[str]) -> list[tuple[str, s.Booked]]:
        """Which document lines of a side of its book (i, o, w) the member booked, and where."""
        if len(refs) > REFS_ENTRIES_MAX:
            raise Malformed("refs", f"{len(refs)} at once, at most {REFS_ENTRIES_MAX} are answered")
        view = self.view
        rows = ((ref, _row(view.get(s.booked_key(member, side, ref)), s.BOOKED.decode_trusted)) for ref in refs)
        return [(ref, row) for ref, row in rows if row is not None]

    def own_envelopes(
        self, member: str, from_leaf: int, after: bytes, limit: int
    ) -> tuple[list[tuple[int, bytes]], bytes]:
        """(leaf, envelope bytes) of what the member signed from a leaf on, in the order of the log."""
        prefix = b"o" + member.encode() + b"\x00"
        if from_leaf and not after:
            after = prefix + (from_leaf - 1).to_bytes(8, "big")
        rows, following = _page(self.view, prefix, after, limit)
        found: list[tuple[int, bytes]] = []
        room = PAGE_BYTES_MAX
        for key, _ in rows:
            leaf = int.from_bytes(key[len(prefix) :], "big")
            wire = self.store.envelope_bytes_at(leaf)
            if found and len(wire) > room:
                return found, prefix + found[-1][0].to_bytes(8, "big")
            room -= len(wire)
            found.append((leaf, wire))
        return found, following

    def newest_envelopes(self, member: str, before_leaf: int | None, limit: int) -> list[tuple[int, bytes]]:
        """(leaf, envelope bytes) of what the member signed last, the newest first."""
        prefix = b"o" + member.encode() + b"\x00"
        start = None if before_leaf is None else prefix + (before_leaf - 1).to_bytes(8, "big")
        rows = self.view.scan(prefix, start=start, limit=limit, reverse=True) if before_leaf != 0 else ()
        leaves = [int.from_bytes(key[len(prefix) :], "big") for key, _ in rows]
        return [(leaf, self.store.envelope_bytes_at(leaf)) for leaf in leaves]

    def sites_of(self, view: ChainView, gln: str) -> list[e.SiteEntry]:
        """The sites that members declared with this GLN: it is their word that it is theirs."""
        prefix = s.gln_key(gln, "")
        names = [key[len(prefix) :].decode() for key, _ in view.scan(prefix, limit=PAGE_ROWS_MAX)]
        found = (_row(view.get(b"m" + e.site_path(name)), e.SITE.decode_trusted) for name in names)
        return [entry for entry in found if entry is not None]

    def has_had(self, view: ChainView, lot: str, site: str) -> bool:
        """Whether the keeper of a site has had goods of a lot there, as its own."""
        return view.get(b"m" + e.position_path(lot, keeper_of(site), site)) is not None

    def lookup(self, kind: str, name: str) -> bytes:
        """The entry of a public subject, without proof; empty where it is unknown."""
        check, path = _LOOKUPS[kind]
        check(name)
        return self.view.get(b"m" + path(name)) or b""

    def may_replay(self, member: str) -> None:
        """Blocks hold the amounts of all members, so only regulators replay them."""
        if not is_regulator(self.view.get, member):
            raise Forbidden(f"{member} is not a regulator; blocks hold the amounts of all members")

    def blocks(self, from_height: int) -> Iterator[tuple[int, bytes]]:
        return self.store.blocks(max(1, from_height))


_LOOKUPS: dict[str, tuple[Callable[[str], object], Callable[[str], bytes]]] = {
    "product": (check_product_id, e.product_path),
    "lot": (check_lot_id, e.lot_path),
    "member": (check_member_id, e.member_path),
    "site": (check_site_id, e.site_path),
    "unit": (check_sscc, e.unit_path),
}


def base_of(view: ChainView, product: str) -> str:
    """The base item of a trade item's code; the code itself where it is one, or unknown."""
    entry = _row(view.get(b"m" + e.product_path(product)), e.PRODUCT.decode_trusted)
    return product if entry is None or entry.base is None else entry.base


def is_public(view: ChainView, site: str) -> bool:
    entry = _row(view.get(b"m" + e.site_path(site)), e.SITE.decode_trusted)
    return entry is not None and bool(entry.public)


def _row(data: bytes | None, decode: Callable[[bytes], s.T]) -> s.T | None:
    return None if data is None else decode(data)


def _page(view: ChainView, prefix: bytes, after: bytes, limit: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Rows under a prefix, after the key that ended the page before; the second value is empty at the end."""
    if after and not after.startswith(prefix):
        raise Malformed("page", "`after` is not the `next` of a page of this list")
    limit = min(limit or PAGE_ROWS_MAX, PAGE_ROWS_MAX)
    rows = list(view.scan(prefix, start=after + b"\x00" if after else None, limit=limit + 1))
    following = rows[limit - 1][0] if len(rows) > limit else b""
    return rows[:limit], following
