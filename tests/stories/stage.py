"""The stage of docs/stories.md: a real node behind gRPC and TLS, and in each tale members, products and lots of its
own. What a tale does goes through the SDK's client; what a consumer sees is verified twice, as fetched and from a
saved file with nothing but the policy."""

import datetime as dt
import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client_sdk import build, codes, errors, keys
from client_sdk.client import Client
from client_sdk.outbox import Entry, Outbox, State
from client_sdk.wire import Event, clock_ms
from ledger import entries as e
from ledger import records as r
from ledger.custody.goods import day_of
from ledger.errors import VerifyFailed
from ledger.identifiers import gs1_check_digit
from ledger.policy import parse_policy
from ledger.proof import format as f
from ledger.proof.verify import Product, Query, voucher_hash
from ledger.signature import public_key
from node import tls
from tests.network import NAME, PASSPHRASE, Network, operate
from tests.twins import verify_both
from tests.world import DAY_MS, REGULATOR, gtin, uscc

KINDS = {"lab": r.MemberKind.LAB, "carrier": r.MemberKind.CARRIER}
COUNTS = (
    "held", "grams", "shipped", "sold", "used", "destroyed", "missing", "irregular", "lost", "reserved", "claimed",
    "disputed", "overdrawn", "grams_lost", "grams_sold",
)  # fmt: skip


def ago(days: float) -> int:
    """The time so many days before now, in ms; what is to come has a minus."""
    return clock_ms() - int(days * DAY_MS)


def day(days_ago: float) -> int:
    """The date of that time, as the number YYYYMMDD."""
    return day_of(ago(days_ago))


class Stage:
    """One node, its regulator, and the numbers that keep tales apart."""

    def __init__(self, folder: Path) -> None:
        self.network = Network(folder)
        home = self.network.home(REGULATOR)
        keys.create(home, REGULATOR.id, "regulator", "regulator", "CN-33", PASSPHRASE)
        operate("init", str(self.network.data), "--name", NAME, "--founder", str(home / "member.json"))
        self.network.start()
        self.policy = self.network.data / "policy.txt"
        self.connection = keys.load_connection(self.network.connection)
        self.numbers = count(1000)
        self.regulator = Client(self.connection, self.certified(keys.load(home, PASSPHRASE)))
        self.reader = Client(self.connection)

    def certified(self, identity: keys.Identity) -> keys.Identity:
        """The identity with a client certificate, as the node's operator issues it."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.member)])
        request = x509.CertificateSigningRequestBuilder().subject_name(named).sign(key, hashes.SHA256())
        pem = request.public_bytes(serialization.Encoding.PEM)
        certificate = tls.certify(self.network.data / "keys", pem, identity.member, dt.datetime.now(dt.UTC))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return keys.Identity(identity.folder, identity.public, identity.seed, (private, certificate))

    def identity(self, member: str, name: str, kind: r.MemberKind) -> keys.Identity:
        """Fresh keys for a member, in a folder of their own."""
        seed = os.urandom(32)
        folder = self.network.folder / f"{next(self.numbers)}"
        folder.mkdir()
        public = keys.Public(member, name, kind.name.lower(), "CN-33", public_key(seed))
        return self.certified(keys.Identity(folder, public, seed, None))

    def close(self) -> None:
        self.regulator.close()
        self.reader.close()
        assert self.network.stop() == 0


class Actor:
    """A member in a tale. What an act leaves out is now, at the member's main site, under its next document line."""

    def __init__(self, tale: "Tale", identity: keys.Identity, client: Client) -> None:
        self.tale, self.identity, self.client = tale, identity, client
        self._refs = count(1)

    @property
    def id(self) -> str:
        return self.identity.member

    @property
    def name(self) -> str:
        return self.identity.public.name

    @property
    def site(self) -> str:
        return self.identity.site

    def act(self, make: Callable[..., build.Act], /, **fields: Any) -> build.Act:
        return make(**self._filled(make, fields))

    def _filled(self, make: Callable[..., Any], fields: dict[str, Any]) -> dict[str, Any]:
        wanted = inspect.signature(make).parameters
        given = {"at": clock_ms(), "site": self.site}
        if "ref" in wanted and "ref" not in fields:
            given["ref"] = f"{self.id[-6:]}-{next(self._refs)}/1"
        return {name: value for name, value in given.items() if name in wanted} | fields

    def do(self, make: Callable[..., build.Act], /, **fields: Any) -> bytes:
        """One act in an envelope of its own; its record hash."""
        return self.book(self.act(make, **fields))[0]

    def book(self, *acts: build.Act) -> list[bytes]:
        """Acts in one envelope; their record hashes."""
        [receipt] = self.client.submit(acts)
        return receipt.hashes

    def refused(self, make: Callable[..., build.Act], /, **fields: Any) -> str:
        """The rule by which the ledger refuses an act, which changes nothing."""
        size = self.client.node_info().size
        with pytest.raises(errors.EnvelopeRefused) as caught:
            self.do(make, **fields)
        assert self.client.node_info().size == size
        [problem] = caught.value.problems
        assert problem.remedy or problem.rule in ("key.revoked",), problem
        return problem.rule

    # The acts that most tales have

    def ships(self, lot: str, quantity: int, to: "Actor", /, **fields: Any) -> bytes:
        return self.do(build.ship, lot=lot, quantity=quantity, to=to.id, **fields)

    def receives(self, ship: bytes, lot: str, /, **parts: Any) -> bytes:
        return self.do(build.receive, ship=ship, lot=lot, **parts)

    def delivers(self, lot: str, quantity: int, to: "Actor", /, **fields: Any) -> bytes:
        """A handover from end to end; the ship's hash."""
        ship = self.ships(lot, quantity, to, **fields)
        to.receives(
            ship, lot, accepted=quantity, **{name: fields[name] for name in ("at", "grams") if name in fields}
        )
        return ship

    def sells(self, lot: str, quantity: int, /, **fields: Any) -> bytes:
        return self.do(build.sell, lot=lot, quantity=quantity, **fields)

    def claims(self, lot: str, quantity: int, supplier: "Actor", /, **fields: Any) -> bytes:
        return self.do(build.claim, lot=lot, quantity=quantity, supplier=supplier.id, **fields)

    def says(self, kind: r.FactKind, subject: r.Subject, /, **fields: Any) -> bytes:
        return self.do(_fact, kind=kind, subject=subject, **fields)

    def holds_back(self, subject: r.Subject, /, **fields: Any) -> bytes:
        return self.do(_hold, subject=subject, **fields)

    def recalls(self, subject: r.Subject, /, **fields: Any) -> bytes:
        return self.do(_recall, subject=subject, **fields)

    def lifts(self, target: bytes, subject: r.Subject, /) -> bytes:
        return self.do(_lift, target=target, subject=subject)

    def closes(self, target: bytes, subject: r.Subject, /) -> bytes:
        return self.do(_close, target=target, subject=subject)

    # What the member reads

    def stock(self, lot: str, site: str | None = None, owner: "Actor | None" = None) -> dict[str, int]:
        """The counts of a position that are not zero, of one's own or of what one keeps for `owner`."""
        row = self._position(lot, site, owner)
        return {name: getattr(row, name) for name in COUNTS if getattr(row, name)} if row is not None else {}

    def status(self, lot: str, site: str | None = None) -> set[str]:
        """The status of a position that its owner sees in his list."""
        row = self._position(lot, site, None)
        bits = {(bit.name or "").lower() for bit in e.Bit if row.status_bits & bit}
        return bits | {"in_force"} if row.in_force else bits

    def _position(self, lot: str, site: str | None, owner: "Actor | None") -> Any:
        wanted = (lot, (owner or self).id, site or self.site)
        rows = self.client.positions(kept=owner is not None)
        return next((row for row in rows if (row.lot, row.owner, row.site) == wanted), None)

    def record(self, name: bytes) -> build.Earlier:
        """An own record that a correction is about, by its hash."""
        for envelope in self.client.own_envelopes():
            for one in envelope.records:
                if one.hash == name:
                    return one.earlier
        raise AssertionError(f"{self.name} booked no {name.hex()}")

    def told(self) -> list[Event]:
        """What others did in this tale that concerns the member."""
        news = self.client.subscribe(self.tale.begin, until_now=True)
        events = [event for one in news for event in one.events if not isinstance(event.record, r.Admit)]
        return [event for event in events if event.member in self.tale.names]

    def outbox(self) -> Outbox:
        return Outbox(self.identity.folder, self.tale.stage.connection.chain_id, self.identity)


def set_aside(outbox: Outbox) -> list[Entry]:
    """What the ledger refused of an outbox."""
    return [entry for entry in outbox.waiting() if entry.state is State.REFUSED]


def _fact(at: int, kind: r.FactKind, subject: r.Subject, **fields: Any) -> build.Act:
    return build.act(r.Fact, at=at, kind=kind, subject=subject, **fields)


def _hold(at: int, subject: r.Subject, reason: str = "抽检", **fields: Any) -> build.Act:
    return build.act(r.Hold, at=at, reason=reason, subject=subject, **fields)


def _recall(at: int, subject: r.Subject, reason: str = "不合格", grade: int = 1, **fields: Any) -> build.Act:
    return build.act(r.Recall, at=at, grade=grade, reason=reason, subject=subject, **fields)


def _lift(at: int, target: bytes, subject: r.Subject) -> build.Act:
    return build.act(r.Lift, at=at, reason="复检合格", subject=subject, target=target)


def _close(at: int, target: bytes, subject: r.Subject) -> build.Act:
    return build.act(r.Close, at=at, reason="召回完成", subject=subject, target=target)


def of_lot(lot: str) -> r.Subject:
    return r.Subject(kind=r.SubjectKind.LOT, lot=lot)


def of_position(lot: str, owner: Actor, site: str | None = None) -> r.Subject:
    return r.Subject(kind=r.SubjectKind.POSITION, lot=lot, owner=owner.id, site=site or owner.site)


def of_handover(ship: bytes, to: Actor) -> r.Subject:
    return r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=to.id)


class Seen:
    """What a proof proves, in words: members, products and lots by name."""

    def __init__(self, product: Product) -> None:
        self._product = product
        names = {member.member: member.name for member in product.members.values()}
        self._names = names | {code: entry.name for code, entry in product.products.items()}
        self.verdict = product.verdict.name.lower()
        self.members = {member.name for member in product.members.values()}
        self.lots = [self._words(lot.lot) for lot in product.lots]
        self.entries = product.lots
        self.holders = product.lots[0].holders.count if product.lots and product.lots[0].holders else 0
        self.found = {f"{one.verdict.name.lower()}: {self._words(one.subject)}" for one in product.findings}
        self.facts = [self._fact(noted) for noted in product.facts]
        self.way = [self._position(one) for one in product.way]

    def deliveries(self, owner: str) -> dict[str, int]:
        """How many deliveries came to an owner's first position on the way, by sender."""
        position = next(one for one in self._product.way if self._words(one.owner) == owner)
        ways = [way for way in position.ways if way.kind == e.WayKind.HANDOVER]
        return {self._words(way.newest[0].member): 1 + way.earlier // 2 for way in ways}

    def _words(self, text: str) -> str:
        for code, name in sorted(self._names.items(), key=lambda one: -len(one[0])):
            text = text.replace(code, name)
        return text.replace("/main", "")

    def _position(self, one: Any) -> str:
        owner, site = self._words(one.owner), self._words(one.site)
        lot = self._words(one.lot)
        what = "" if lot == self.lots[0] else f" {lot}"
        where = "" if site == owner else f" at {site}"
        return f"{owner}{what}{where}: {', '.join(way.kind.name.lower() for way in one.ways)}"

    def _fact(self, noted: Any) -> str:
        record = noted.signed.record
        what = record.kind.name if isinstance(record, r.Fact) else noted.signed.element.act.name
        bad = " (adverse)" if noted.adverse else ""
        return f"{self._words(noted.signed.member)} {what.lower()}: {self._words(noted.subject)}{bad}"


class Tale:
    """One tale: its members are admitted as it begins, its codes are nobody else's."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.begin = stage.regulator.node_info().size
        self._actors: list[Actor] = []
        self._vouchers: dict[tuple[str, str, str], bytes] = {}
        regulator = stage.regulator
        assert regulator.identity is not None
        self.regulator = Actor(self, regulator.identity, regulator)

    @property
    def names(self) -> dict[str, str]:
        return {actor.id: actor.name for actor in [self.regulator, *self._actors]}

    def close(self) -> None:
        for actor in self._actors:
            actor.client.close()

    def members(self, *names: str) -> list[Actor]:
        """Members whom the regulator admits, in the order of their names; a farmer has no company code."""
        cast = []
        for name in names:
            number = next(self.stage.numbers)
            person = name == "farmer"
            kind = r.MemberKind.PERSON if person else KINDS.get(name, r.MemberKind.ENTERPRISE)
            cast.append(self.stage.identity(f"P-330402-{number}" if person else uscc(number), name, kind))
        fields = {"at": clock_ms(), "region": "CN-33"}
        self.regulator.book(
            *(
                build.act(
                    r.Admit, key=one.public.key, kind=r.MemberKind[one.public.kind.upper()], member=one.member,
                    name=one.public.name, **fields,
                )
                for one in cast
            )
        )  # fmt: skip
        return [self.actor(identity) for identity in cast]

    def actor(self, identity: keys.Identity) -> Actor:
        """A member, or another holder of one of its keys."""
        actor = Actor(self, identity, Client(self.stage.connection, identity))
        self._actors.append(actor)
        return actor

    def another_key(self, actor: Actor) -> keys.Identity:
        """Fresh keys under the name of a member, which nobody admitted yet."""
        return self.stage.identity(actor.id, actor.name, r.MemberKind[actor.identity.public.kind.upper()])

    def gtin(self) -> str:
        return gtin(next(self.stage.numbers))

    def sscc(self) -> str:
        body = f"0690{next(self.stage.numbers):013d}"
        return body + str(gs1_check_digit(body))

    def product(self, maker: Actor, name: str, code: str | None = None, /, **fields: Any) -> str:
        """A product that its maker declares, under a GTIN of its own."""
        product = code or self.gtin()
        given = {"at": clock_ms(), "declared_by": r.DeclaredBy.MAKER, "maker": maker.id}
        maker.book(build.act(r.Register, **given | fields, name=name, product=product))
        return product

    def imported(self, importer: Actor, name: str, /, **fields: Any) -> str:
        return self.product(importer, name, declared_by=r.DeclaredBy.IMPORTER, maker=None, **fields)

    def made(self, maker: Actor, product: str, quantity: int, lot: str = "#A1", /, **fields: Any) -> str:
        """A lot that its maker brings into being a month ago, good for two years."""
        given = {"production": day(30), "expiry": day(-700), "at": ago(30)}
        maker.do(build.commission, lot=product + lot, quantity=quantity, **given | fields)
        return product + lot

    # What a consumer sees

    def seen(self, owner: Actor, lot: str, site: str | None = None) -> Seen:
        """By the voucher on the shelf label of a position, which its owner prints when it is first asked for."""
        where = (lot, owner.id, site or owner.site)
        if where not in self._vouchers:
            voucher = self._vouchers[where] = os.urandom(16)
            owner.book(
                build.act(r.Voucher, at=clock_ms(), lot=lot, site=where[2], voucher=voucher_hash(voucher))
            )  # fmt: skip
        product, number = _split(lot)
        return self.scanned(codes.link(product, number, self._vouchers[where], "id.example.org"))

    def seen_in(self, site: str, lot: str) -> Seen:
        """By the poster at the door of a public shop."""
        product, number = _split(lot)
        link = codes.link(product, number, None, "id.example.org")
        return self.scanned(f"{link}{'&' if '?' in link else '?'}site={site}")

    def scanned(self, code: str) -> Seen:
        """What anybody sees who scans a code: verified as fetched, and again from the saved file alone."""
        query = codes.parse_scan(code).query()
        reader = self.stage.reader
        proof = reader.product_proof(query.product, query.lot, query.voucher, query.site)
        fetched = reader.verify(query, proof)
        file = self.stage.network.folder / "saved.suyuan"
        file.write_bytes(f.to_file(proof))
        trusted = parse_policy(self.stage.policy.read_text())
        saved = verify_both(trusted, query, f.from_file(file.read_bytes()), None)
        assert saved == fetched
        with pytest.raises(VerifyFailed, match="asked for"):
            verify_both(trusted, Query(product=query.product, lot="#OTHER"), proof, None)
        return Seen(fetched)

    def conserved(self, lot: str, made: int) -> None:
        """All of a lot is somewhere: with a member of this tale, on the way, or accounted for as gone."""
        there: Counter[str] = Counter()
        for actor in self._owners():
            for row in actor.client.positions():
                if row.lot == lot:
                    there.update({name: getattr(row, name) for name in ("held", "missing", "sold", "used", "lost")})
                    there.update(destroyed=row.destroyed, claimed=-row.claimed, overdrawn=-row.overdrawn)
            there.update(on_the_way=sum(one.open for one in actor.client.handovers() if one.lot == lot))
        assert sum(there.values()) == made, there

    def _owners(self) -> Iterator[Actor]:
        """Each member once, though several may hold its keys."""
        yield from {actor.id: actor for actor in self._actors}.values()


def _split(lot: str) -> tuple[str, str]:
    at = max(lot.find("#"), lot.find("@"))
    return lot[:at], lot[at:]
