"""Members who trade while their node is killed: they draw acts of every kind from a seed, and remember what they were
told about each envelope, so that it can be held against what is stored."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Lock

from client_sdk import build, errors
from client_sdk.build import Act, Earlier, SignedEnvelope
from client_sdk.client import Client
from client_sdk.trust import Receipt
from ledger import records as r
from ledger.envelope import ENVELOPE
from ledger.errors import SuyuanError
from ledger.private import PRIVATE, Private
from ledger.seals import SALT_BYTES
from tests.network import NAME
from tests.world import FORMULA, LOT, MAKER, Member

NODE = f"{NAME}/validator-1"
SSCC = "006901234567890121"
PRODUCTION = 20251101
SECOND_SITE = "two"


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Memory:
    """What all members together were told: leaf hashes of envelopes that were sent, acknowledged (with their places)
    or refused; openings that the node keeps, erased, or may have erased, by (leaf, index)."""

    lock: Lock = field(default_factory=Lock)
    sent: set[bytes] = field(default_factory=set)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    refused: dict[bytes, str] = field(default_factory=dict)
    booked: Counter[str] = field(default_factory=Counter)
    resent: int = 0
    ships: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    kept: dict[tuple[int, int], tuple[Member, Private]] = field(default_factory=dict)
    erased: dict[tuple[int, int], Member] = field(default_factory=dict)


class Trader:
    """One member, and what it makes of its memory. `run` trades until the node is gone."""

    def __init__(self, who: Member, partners: list[Member], memory: Memory, seed: int) -> None:
        self.who, self.partners, self.memory = who, partners, memory
        self._random = Random(seed)
        self._refs = 0
        self._unknown: list[SignedEnvelope] = []
        self._sold: list[Earlier] = []
        self._packed = 0  # the use in which the label stands packed

    def run(self, client: Client) -> None:
        try:
            while True:
                self._submit(client, [*self._again(), *self._drawn(client)])
                self._erase(client)
        except errors.ClientError:
            pass

    def settle(self, client: Client) -> None:
        """Send once more what nobody knows the outcome of."""
        self._submit(client, self._again())
        assert not self._unknown

    # Sending

    def _again(self) -> list[SignedEnvelope]:
        """The same bytes again: they are booked once, whatever became of them."""
        again, self._unknown = self._unknown, []
        self.memory.resent += len(again)
        return again

    def _drawn(self, client: Client) -> list[SignedEnvelope]:
        envelopes = []
        for _ in range(self._random.choice((1, 1, 3, 20))):
            acts = [self._draw() for _ in range(self._random.choice((1, 1, 2, 5)))]
            envelopes += client.sign(acts, records_max=4096)
        return envelopes

    def _submit(self, client: Client, envelopes: list[SignedEnvelope]) -> None:
        with self.memory.lock:
            self.memory.sent |= {envelope.leaf for envelope in envelopes}
        waiting = {envelope.id: envelope for envelope in envelopes}
        accepted: list[tuple[SignedEnvelope, Receipt]] = []
        try:
            for envelope, result in client.submit_stream(envelopes):
                if isinstance(result, Receipt):
                    accepted.append((envelope, result))
                if not self._is_unknown(result):
                    waiting.pop(envelope.id, None)  # two equal acts of one millisecond are one envelope
                    self._remember(envelope, result)
        finally:
            self._unknown += waiting.values()
        for envelope, receipt in accepted:
            self._put_private(client, envelope, receipt.leaf)

    @staticmethod
    def _is_unknown(result: Receipt | SuyuanError) -> bool:
        return not isinstance(result, Receipt | errors.EnvelopeRefused)

    def _remember(self, envelope: SignedEnvelope, result: Receipt | SuyuanError) -> None:
        with self.memory.lock:
            if not isinstance(result, Receipt):
                self.memory.refused[envelope.leaf] = str(result)
                return
            self.memory.acknowledged[envelope.leaf] = result.leaf
            opened = ENVELOPE.decode(envelope.wire)
            for data, opening, name in zip(opened.records, opened.openings, envelope.hashes, strict=True):
                record = r.RECORD.decode(data)
                self.memory.booked[type(record).__name__] += 1
                if isinstance(record, r.Ship):
                    quantity = r.MOVED.decode(opening[SALT_BYTES:]).quantity
                    self.memory.ships.setdefault(record.to, []).append((name, quantity))
                if isinstance(record, r.Pack | r.Unpack):
                    self._packed = record.use if isinstance(record, r.Pack) else 0
                if isinstance(record, r.Sell):
                    self._sold.append(Earlier(data, opening))

    # Private openings

    def _put_private(self, client: Client, envelope: SignedEnvelope, leaf: int) -> None:
        if not envelope.private:
            return
        client.put_private(leaf, envelope.private, [NODE])
        kept = {(leaf, index): PRIVATE.decode(one[SALT_BYTES:]) for index, one in envelope.private.items()}
        with self.memory.lock:
            self.memory.kept |= {place: (self.who, one) for place, one in kept.items()}

    def _erase(self, client: Client) -> None:
        """One own opening goes; until the node says so, nobody knows whether it is gone."""
        with self.memory.lock:
            own = [place for place, (who, _) in self.memory.kept.items() if who == self.who]
            if not own or self._random.random() > 0.1:
                return
            place = self._random.choice(own)
            del self.memory.kept[place]
        client.erase_private([place], "客户要求")
        with self.memory.lock:
            self.memory.erased[place] = self.who

    # Drawing

    def _draw(self) -> Act:
        draws: list[Callable[[], Act | None]] = [
            self._sell, self._sell, self._ship, self._receive, self._receive, self._claim, self._count, self._correct,
            self._take_back, self._destroy, self._move, self._pack,
        ]  # fmt: skip
        if self.who == MAKER:
            draws += [self._commission, self._transform, self._ship, self._ship, self._note]
        while (act := self._random.choice(draws)()) is None:
            pass
        return act

    def _common(self) -> dict[str, str | int]:
        self._refs += 1
        return {"ref": f"{self.who.id[-3:]}-{self._refs}/1", "at": now(), "lot": LOT, "site": self.who.site}

    def _some(self) -> int:
        return self._random.randint(1, 5)

    def _sell(self) -> Act:
        act = build.sell(quantity=self._some(), **self._common())  # type: ignore[arg-type]
        if self._random.random() < 0.2:
            return build.with_private(act, Private(currency="CNY", price=self._random.randint(1, 10**6)))
        return act

    def _ship(self) -> Act:
        return build.ship(quantity=self._some(), to=self._random.choice(self.partners).id, **self._common())  # type: ignore[arg-type]

    def _receive(self) -> Act | None:
        with self.memory.lock:
            waiting = self.memory.ships.get(self.who.id, [])
            if not waiting:
                return None
            ship, quantity = waiting.pop(self._random.randrange(len(waiting)))
        refused = self._random.randint(0, quantity - 1) or None
        parts = {"accepted": quantity - (refused or 0), "refused": refused}
        common = self._common() | {"ship": ship} | parts
        del common["site"]
        return build.receive(**common)  # type: ignore[arg-type]

    def _claim(self) -> Act | None:
        supplier = self._random.choice(self.partners)
        return build.claim(quantity=self._some(), supplier=supplier.id, **self._common())  # type: ignore[arg-type]

    def _count(self) -> Act:
        book = self._random.randint(5, 20)
        found = book + self._random.randint(-1, 2)
        return build.count(book=book, found=found, **self._common())  # type: ignore[arg-type]

    def _correct(self) -> Act | None:
        """A sale that did not occur, or was of another quantity; a second correction of it may follow."""
        if not self._sold:
            return None
        earlier = self._random.choice(self._sold[-20:])
        amounts = r.MOVED.decode(earlier.opening[SALT_BYTES:])
        instead = r.Moved(quantity=self._some(), ref=amounts.ref) if self._random.random() < 0.7 else None
        ref = str(self._common()["ref"])
        return build.correct(earlier, instead, reason="录入错误", ref=ref, at=now())

    def _take_back(self) -> Act:
        return build.take_back(quantity=1, **self._common())  # type: ignore[arg-type]

    def _destroy(self) -> Act:
        return build.destroy(quantity=1, **self._common())  # type: ignore[arg-type]

    def _move(self) -> Act:
        return build.move(quantity=self._some(), to_site=f"{self.who.id}/{SECOND_SITE}", **self._common())  # type: ignore[arg-type]

    def _pack(self) -> Act | None:
        """One label of the maker, packed and unpacked in turn."""
        if self.who != MAKER:
            return None
        if self._packed:
            return build.unpack(unit=SSCC, at=now(), site=self.who.site, use=self._packed)
        ref = str(self._common()["ref"])
        return build.pack(unit=SSCC, lines={LOT: 1}, use=self._refs, ref=ref, at=now(), site=MAKER.site)

    def _commission(self) -> Act:
        return build.commission(quantity=100, production=PRODUCTION, **self._common())  # type: ignore[arg-type]

    def _transform(self) -> Act:
        common = self._common()
        outputs = {f"{FORMULA}#T{self._refs}": 1}
        return build.transform(
            inputs={LOT: 1}, outputs=outputs, production=PRODUCTION, ref=str(common["ref"]), at=now(), site=MAKER.site
        )

    def _note(self) -> Act:
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=LOT)
        return build.act(r.Fact, at=now(), kind=r.FactKind.NOTE, subject=subject, text="在架")
