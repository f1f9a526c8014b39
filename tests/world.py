"""A small world for tests: members with fixed keys, a chain in memory or on disk, and short ways to act.

Deterministic: keys, salts and times come from counters, so the same steps give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import structs

from ledger import checkpoint as c
from ledger import entries as e
from ledger import genesis as g
from ledger import governance, merkle, policy, signature
from ledger import records as r
from ledger import state as s
from ledger.envelope import ENVELOPE, HEADER, Envelope, Header, open_envelope
from ledger.errors import Problem
from ledger.fields import Validator
from ledger.hashing import TAG_ENVELOPE
from ledger.identifiers import gs1_check_digit
from ledger.plan import Checked, Plan, Verdict
from ledger.proof.build import product_proof
from ledger.proof.verify import Product, Query
from ledger.seals import seal
from ledger.storage.chainstore import ChainStore
from tests.twins import verify_both

START_MS = 1_763_000_000_000  # 2025-11-13T02:13:20Z
DAY_MS = 86_400_000
ORIGIN = "test.example/log"
VALIDATOR = "test.example/validator-1"
LOG_SEED = sha256(b"log").digest()
VALIDATOR_SEED = sha256(b"validator").digest()
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def uscc(number: int) -> str:
    """A valid unified social credit code."""
    body = f"91330400MA{number:07d}"
    total = sum(_ALPHABET.index(char) * weight for char, weight in zip(body, _WEIGHTS, strict=True))
    return body + _ALPHABET[-total % 31]


def gtin(number: int) -> str:
    """A valid GTIN-14."""
    body = f"0690{number:09d}"
    return body + str(gs1_check_digit(body))


@dataclass(frozen=True)
class Member:
    id: str
    seed: bytes
    kind: r.MemberKind

    @property
    def key(self) -> bytes:
        return signature.public_key(self.seed)

    @property
    def site(self) -> str:
        return f"{self.id}/main"


def member(number: int, kind: r.MemberKind = r.MemberKind.ENTERPRISE) -> Member:
    return Member(uscc(number), sha256(b"member %d" % number).digest(), kind)


REGULATOR = member(1, r.MemberKind.REGULATOR)
MAKER, IMPORTER, STORE, DEALER, SHOP, OTHER_SHOP = (member(number) for number in range(2, 8))
LAB = member(8, r.MemberKind.LAB)
EVERYBODY = (MAKER, IMPORTER, STORE, DEALER, SHOP, OTHER_SHOP, LAB)

FORMULA, CASE, SHRIMP, POWDER = gtin(1), gtin(2), gtin(3), gtin(4)
LOT = f"{FORMULA}#A1"


def consensus_seed(name: str) -> bytes:
    return sha256(b"consensus " + name.encode()).digest()


def validator(name: str, log: bytes, key: bytes) -> Validator:
    """A validator with the public keys of these seeds; the one by which it votes is drawn from its name."""
    voting, cosigning, signing = (signature.public_key(seed) for seed in (consensus_seed(name), key, log))
    return Validator(consensus=voting, key=cosigning, log=signing, name=name)


def genesis() -> g.Genesis:
    founder = g.Founder(
        key=REGULATOR.key, kind=REGULATOR.kind, member=REGULATOR.id, name="市场监督管理局", region="CN-33"
    )
    return g.Genesis(
        founders=[founder],
        name=ORIGIN,
        region="CN-33",
        rules=1,
        time=START_MS,
        validators=[validator(VALIDATOR, LOG_SEED, VALIDATOR_SEED)],
    )


POLICY = policy.of_genesis(genesis())


@dataclass(frozen=True)
class Act:
    """A record with its amounts, before it is sealed."""

    kind: type
    amounts: r.Amounts | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Sealed:
    record: bytes
    opening: bytes

    @property
    def hash(self) -> bytes:
        return merkle.leaf_hash(self.record)


@dataclass
class World:
    """A chain in `folder`, and the clock that its blocks take their time from."""

    folder: Path
    now: int = START_MS + 1000
    store: ChainStore = field(init=False)
    _refs: int = 0
    _salts: int = 0

    def __post_init__(self) -> None:
        if not (self.folder / "genesis.json").exists():
            ChainStore.create(self.folder, genesis())
        self.store = ChainStore.open(self.folder)

    @property
    def chain(self) -> bytes:
        return self.store.head.chain

    def close(self) -> None:
        self.store.close()

    # Acts

    def ref(self) -> str:
        self._refs += 1
        return f"DOC-{self._refs:06d}/1"

    def act(self, kind: type, amounts: r.Amounts | None = None, /, **fields: Any) -> Act:
        return Act(kind, amounts, {"at": self.now, **fields})

    def moved(self, quantity: int, ref: str | None = None) -> r.Moved:
        return r.Moved(quantity=quantity, ref=ref or self.ref())

    def admit(self, who: Member) -> Act:
        return self.act(r.Admit, key=who.key, kind=who.kind, member=who.id, name=f"企业{who.id[-4:]}", region="CN-33")

    def register(self, product: str, /, **fields: Any) -> Act:
        given = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "婴幼儿配方乳粉", "product": product}
        return self.act(r.Register, **given | fields)

    def commission(self, quantity: int, lot: str = LOT, who: Member = MAKER, **fields: Any) -> Act:
        given = {"lot": lot, "production": 20251101, "expiry": 20271101, "site": who.site}
        return self.act(r.Commission, self.moved(quantity), **given | fields)

    def enter(self, who: Member, quantity: int, lot: str = LOT, **fields: Any) -> Act:
        return self.act(r.Enter, self.moved(quantity), **{"lot": lot, "site": who.site} | fields)

    def ship(self, who: Member, to: Member, quantity: int, lot: str = LOT, **fields: Any) -> Act:
        given = {"lot": lot, "site": who.site, "to": to.id, "to_site": to.site}
        return self.act(r.Ship, self.moved(quantity), **given | fields)

    def receive(self, ship: bytes, lot: str = LOT, **parts: int) -> Act:
        return self.act(r.Receive, r.Received(ref=self.ref(), **parts), lot=lot, ship=ship)

    def withdraw(self, ship: bytes, to: Member, lot: str = LOT) -> Act:
        return self.act(r.Withdraw, r.Withdrawn(ref=self.ref()), lot=lot, ship=ship, to=to.id)

    def sell(self, who: Member, quantity: int, lot: str = LOT, **fields: Any) -> Act:
        given = {"buyer": r.SaleTo.CONSUMER, "lot": lot, "site": who.site}
        return self.act(r.Sell, self.moved(quantity), **given | fields)

    def claim(self, who: Member, supplier: Member, quantity: int, lot: str = LOT, **fields: Any) -> Act:
        given = {"lot": lot, "site": who.site, "supplier": supplier.id}
        return self.act(r.Claim, self.moved(quantity), **given | fields)

    def dispute(self, claim: bytes, claimant: Member, lot: str = LOT) -> Act:
        return self.act(r.Dispute, claim=claim, claimant=claimant.id, lot=lot, reason="未供货")

    def count(
        self, who: Member, book: int, found: int, lot: str = LOT, missing: int | None = None, **fields: Any
    ) -> Act:
        amounts = r.Counted(book=book, found=found, missing=missing, ref=self.ref())
        return self.act(r.Count, amounts, **{"kind": r.CountKind.PERIODIC, "lot": lot, "site": who.site} | fields)

    def take_back(self, who: Member, quantity: int, lot: str = LOT) -> Act:
        return self.act(r.TakeBack, self.moved(quantity), lot=lot, site=who.site)

    def policy(
        self,
        validators: Sequence[Validator] = (),
        by: Mapping[str, bytes] | None = None,
        **fields: Any,
    ) -> Act:
        """The next policy, of the same validators unless others are given, approved `by` name -> seed."""
        current = s.policy_in(self.store)
        given: dict[str, Any] = {
            "expires": None,
            "number": current.number + 1,
            "rules": current.rules,
            "validators": list(validators or current.validators),
        }
        terms = governance.Terms(chain=self.chain, **given | fields)
        seeds = {VALIDATOR: VALIDATOR_SEED} if by is None else by
        approvals = [governance.approve(terms, name, seed) for name, seed in seeds.items()]
        return self.act(r.Policy, approvals=approvals, **given | fields)

    def relabel(self, who: Member, quantity: int, lot: str, to_lot: str, **fields: Any) -> Act:
        return self.act(r.Relabel, self.moved(quantity), lot=lot, site=who.site, to_lot=to_lot, **fields)

    def pack(self, who: Member, unit: str, lines: dict[str, int], units: Sequence[str] = (), use: int = 1) -> Act:
        amounts = r.Packed(quantities=list(lines.values()), ref=self.ref())
        return self.act(r.Pack, amounts, lots=list(lines), site=who.site, unit=unit, units=list(units), use=use)

    def unpack(self, who: Member, unit: str, use: int = 1) -> Act:
        return self.act(r.Unpack, site=who.site, unit=unit, use=use)

    def correct(self, earlier: "Sealed", instead: dict[str, Any] | None, **fields: Any) -> Act:
        """Correct an own record: `instead` overrides its amounts, None says that it did not occur."""
        record: Any = r.RECORD.decode(earlier.record)
        codec = r.AMOUNTS[type(record)]
        right = None
        if instead is not None:
            right = codec.encode(structs.replace(codec.decode(earlier.opening[16:]), **instead))
        amounts = r.Corrected(earlier=earlier.record, instead=right, opening=earlier.opening, ref=self.ref())
        lot = record.inputs[0] if isinstance(record, r.Transform) else record.lot
        return self.act(r.Correct, amounts, lot=lot, reason="录入错误", target=earlier.hash, **fields)

    def transform(self, who: Member, inputs: dict[str, int], outputs: dict[str, int], **fields: Any) -> Act:
        amounts = r.Transformed(inputs=list(inputs.values()), outputs=list(outputs.values()), ref=self.ref())
        made = [r.Output(lot=lot, production=20251105) for lot in outputs]
        return self.act(r.Transform, amounts, inputs=list(inputs), outputs=made, site=who.site, **fields)

    def lot_subject(self, lot: str = LOT) -> r.Subject:
        return r.Subject(kind=r.SubjectKind.LOT, lot=lot)

    def certify(self, lot: str) -> Act:
        return self.act(r.Fact, kind=r.FactKind.CERTIFY, text="出厂检验合格", subject=self.lot_subject(lot))

    def position_subject(self, who: Member, lot: str = LOT) -> r.Subject:
        return r.Subject(kind=r.SubjectKind.POSITION, lot=lot, owner=who.id, site=who.site)

    # Envelopes

    def seal(self, act: Act) -> Sealed:
        fields = dict(act.fields)
        opening = b""
        if act.amounts is not None:
            self._salts += 1
            salt = sha256(b"salt %d" % self._salts).digest()[:16]
            opening = salt + r.AMOUNTS[act.kind].encode(act.amounts)
            fields.setdefault("amounts", seal(opening))
        return Sealed(r.RECORD.encode(act.kind(**fields)), opening)

    def envelope(self, who: Member, sealed: Sequence[Sealed], seed: bytes | None = None, **changes: Any) -> bytes:
        """The wire bytes of an envelope; `changes` override header fields, `seed` the signing key."""
        fields: dict[str, Any] = {
            "chain": self.chain,
            "count": len(sealed),
            "key": e.key_id(who.key),
            "member": who.id,
            "not_after": self.now + DAY_MS,
            "root": merkle.root([item.hash for item in sealed]),
            "time": self.now,
        }
        header = HEADER.encode(Header(**fields | changes))
        signed = signature.sign(seed or who.seed, TAG_ENVELOPE + header)
        return ENVELOPE.encode(Envelope(header, signed, [i.record for i in sealed], [i.opening for i in sealed]))

    def check(self, wire: bytes) -> Checked:
        """Admit an envelope as a node does: open it, and verify it under the key that it names."""
        opened = open_envelope(wire, self.chain)
        row = self.store.get(b"m" + e.key_path(opened.header.member, opened.header.key))
        key = e.KEY.decode(row).key if row is not None else b""
        if key:
            signature.verify(key, opened.signed_message, opened.envelope.signature)
        return Checked(opened, key)

    def book(self, *wires: bytes) -> Plan:
        """Put envelopes into one block; the clock moves on, so that no two envelopes are the same."""
        plan = self.store.plan([self.check(wire) for wire in wires], self.now)
        self.store.commit(plan)
        self.now += 1
        return plan

    def do(self, who: Member, *acts: Act) -> list[Sealed]:
        """One envelope in a block of its own, which must be accepted; returns its sealed records."""
        sealed = [self.seal(act) for act in acts]
        verdict = self.book(self.envelope(who, sealed)).verdicts[0]
        if verdict.problems:
            raise AssertionError(f"refused: {'; '.join(map(str, verdict.problems))}")
        return sealed

    def refused(self, who: Member, *acts: Act) -> tuple[Problem, ...]:
        """One envelope that must be refused; returns its problems, and nothing has changed."""
        before = (self.store.head.log.size, self.store.head.state[0])
        verdict = self.submit(who, *acts)
        if verdict.leaf is not None:
            raise AssertionError("the envelope was accepted")
        if before != (self.store.head.log.size, self.store.head.state[0]):
            raise AssertionError("a refused envelope changed the ledger")
        return verdict.problems

    def submit(self, who: Member, *acts: Act) -> Verdict:
        return self.book(self.envelope(who, [self.seal(act) for act in acts])).verdicts[0]

    def founded(self) -> "World":
        """Everybody admitted, the products declared, and 10,000 cans of LOT at the maker."""
        self.do(REGULATOR, *(self.admit(who) for who in EVERYBODY))
        self.do(
            MAKER,
            self.register(FORMULA, category="129", grams=800, temp_max_mc=30_000, temp_min_mc=0),
            self.register(CASE, base=FORMULA, contains=6),
            self.register(POWDER, grams=25_000),
        )
        shrimp = {"declared_by": r.DeclaredBy.IMPORTER, "maker": None, "name": "冻虾", "temp_max_mc": -15_000}
        self.do(IMPORTER, self.register(SHRIMP, **shrimp))
        self.do(MAKER, self.commission(10_000), self.certify(LOT))
        return self

    def hand_over(self, who: Member, to: Member, quantity: int, lot: str = LOT) -> bytes:
        """Ship and receive in full; returns the ship's hash."""
        ship = self.do(who, self.ship(who, to, quantity, lot))[0].hash
        self.do(to, self.receive(ship, lot, accepted=quantity))
        return ship

    # Reading

    def held(self, who: Member, lot: str = LOT, site: str | None = None) -> int:
        row = self.store.get(s.stock_key(who.id, site or who.site, lot))
        return s.STOCK.decode(row).held if row is not None else 0

    def note(self, at_ms: int | None = None) -> bytes:
        """The checkpoint of the head, signed and cosigned."""
        head = self.store.head
        note = c.sign_checkpoint(c.Checkpoint(ORIGIN, head.log.size, head.log.root()), ORIGIN, LOG_SEED)
        return c.cosign(note, VALIDATOR, VALIDATOR_SEED, (self.now if at_ms is None else at_ms) // 1000)

    def proof(self, lot: str = LOT, position: tuple[str, str] | None = None, at_ms: int | None = None) -> bytes:
        product, number = lot.split("#")
        return product_proof(self.store.view(self.note(at_ms)), product, "#" + number, position)

    def verify(self, proof: bytes, lot: str = LOT, **opens: Any) -> Product:
        product, number = lot.split("#")
        return verify_both(POLICY, Query(product=product, lot="#" + number, **opens), proof, self.now)
