"""The load with every act: beside trade that goes as planned, all that happens when it does not.

A round has 24 envelopes: three deliveries with their receipts, one of them on pallets, two measured on the way; six
sales, one of them corrected; a claim, and the ship that closes it later; a return; a count; goods taken back,
destroyed, relabelled.
"""

from collections.abc import Iterator
from hashlib import sha256

from bench.world import Trade
from client_sdk import build
from client_sdk.build import Act, Earlier, SignedEnvelope
from client_sdk.keys import Identity
from ledger import records as r
from ledger.envelope import ENVELOPE
from ledger.identifiers import gs1_check_digit


def envelopes(trade: Trade, records: int, size: int) -> Iterator[SignedEnvelope]:
    """At least `records` records, `size` in most envelopes, signed as they are asked for."""
    made = 0
    while made < records:
        dealer, shop = trade.random.choice(trade.dealers), trade.random.choice(trade.shops)
        lots = trade.random.sample(trade.lots, size)
        for envelope in _Round(trade, dealer, shop, lots).envelopes():
            made += len(envelope.hashes)
            yield envelope


class _Round:
    """A dealer and a shop, and everything that happens between them with some lots."""

    def __init__(self, trade: Trade, dealer: Identity, shop: Identity, lots: list[str]) -> None:
        self.trade, self.dealer, self.shop, self.lots = trade, dealer, shop, lots

    def envelopes(self) -> Iterator[SignedEnvelope]:
        for _ in range(2):
            sent = self._sign(self.dealer, [self._ship(self.dealer, self.shop, lot, 24) for lot in self.lots])
            yield sent
            yield self._measured(sent)
            yield self._received(self.shop, sent, 24)
        for _ in range(5):
            yield self._sign(self.shop, [build.sell(lot=lot, quantity=1, **self._own("LS")) for lot in self.lots])
        yield from self._corrected()
        yield from self._claimed()
        yield from self._returned()
        yield self._counted()
        yield self._sign(self.shop, [build.take_back(lot=lot, quantity=1, **self._own("TH")) for lot in self.lots])
        yield self._sign(self.shop, [build.destroy(lot=lot, quantity=1, **self._own("BS")) for lot in self.lots])
        yield self._relabelled()
        yield from self._packed()

    def _sign(self, who: Identity, acts: list[Act]) -> SignedEnvelope:
        return self.trade.signed(who, acts)

    def _own(self, kind: str, who: Identity | None = None) -> dict[str, object]:
        return {"ref": self.trade.ref(kind), "at": self.trade.now, "site": (who or self.shop).site}

    def _ship(self, who: Identity, to: Identity, lot: str, quantity: int, **fields: object) -> Act:
        return build.ship(lot=lot, quantity=quantity, to=to.member, **self._own("XS", who), **fields)

    def _received(self, who: Identity, sent: SignedEnvelope, quantity: int) -> SignedEnvelope:
        pairs = zip(self.lots, sent.hashes, strict=True)
        return self._sign(who, [self.trade.receive(lot, ship, quantity) for lot, ship in pairs])

    def _measured(self, sent: SignedEnvelope) -> SignedEnvelope:
        series = sha256(sent.id).digest()
        window = r.Window(
            count=240,
            device="CC-0173",
            gap_s=60,
            max_mc=24_000,
            mean_mc=21_000,
            min_mc=18_000,
            series=series,
            start=self.trade.now,
            until=self.trade.now + 3_600_000,
        )
        subjects = [r.Subject(kind=r.SubjectKind.HANDOVER, ship=ship, to=self.shop.member) for ship in sent.hashes]
        told = {"at": self.trade.now, "kind": r.FactKind.MEASURE, "window": window}
        return self._sign(self.shop, [build.act(r.Fact, subject=subject, **told) for subject in subjects])

    def _corrected(self) -> Iterator[SignedEnvelope]:
        """Sales of 20 that should have been of 2."""
        sold = self._sign(self.shop, [build.sell(lot=lot, quantity=3, **self._own("LS")) for lot in self.lots])
        yield sold
        envelope = ENVELOPE.decode(sold.wire)
        acts = []
        for record, opening in zip(envelope.records, envelope.openings, strict=True):
            wrong = r.AMOUNTS[r.Sell].decode(opening[16:])
            right = r.Moved(quantity=2, ref=wrong.ref)
            ref = self.trade.ref("GZ")
            acts.append(build.correct(Earlier(record, opening), right, reason="录入错误", ref=ref, at=self.trade.now))
        yield self._sign(self.shop, acts)

    def _claimed(self) -> Iterator[SignedEnvelope]:
        """The supplier books its ship only after the shop claimed the goods."""
        fields = {"quantity": 6, "supplier": self.dealer.member}
        yield self._sign(self.shop, [build.claim(lot=lot, **fields, **self._own("JH")) for lot in self.lots])
        yield self._sign(self.dealer, [self._ship(self.dealer, self.shop, lot, 6) for lot in self.lots])

    def _returned(self) -> Iterator[SignedEnvelope]:
        back = [self._ship(self.shop, self.dealer, lot, 2, returns=True) for lot in self.lots]
        sent = self._sign(self.shop, back)
        yield sent
        yield self._received(self.dealer, sent, 2)

    def _counted(self) -> SignedEnvelope:
        found = [(lot, 20 - number % 2) for number, lot in enumerate(self.lots)]
        return self._sign(self.shop, [build.count(lot=lot, book=20, found=n, **self._own("PD")) for lot, n in found])

    def _relabelled(self) -> SignedEnvelope:
        acts = []
        for lot in self.lots:
            right = next(one for one in self.trade.lots if one[:14] == lot[:14] and one != lot)
            acts.append(build.relabel(lot=lot, to_lot=right, quantity=1, **self._own("GB")))
        return self._sign(self.shop, acts)

    def _packed(self) -> Iterator[SignedEnvelope]:
        """Pallets of one line each, shipped as they stand."""
        pairs = [(lot, _sscc(self.trade)) for lot in self.lots]
        own = {"at": self.trade.now, "site": self.dealer.site}
        packs = [build.pack(unit=unit, lines={lot: 12}, ref=self.trade.ref("ZT"), **own) for lot, unit in pairs]
        yield self._sign(self.dealer, packs)
        sent = self._sign(
            self.dealer, [self._ship(self.dealer, self.shop, lot, 12, unit=unit) for lot, unit in pairs]
        )
        yield sent
        yield self._received(self.shop, sent, 12)


def _sscc(trade: Trade) -> str:
    trade.pallets += 1
    body = f"0690123{trade.pallets:010d}"
    return body + str(gs1_check_digit(body))
