"""What happens between the books: acts that no book has a row for, each by those who would sign it."""

from collections import Counter
from hashlib import sha256
from typing import Any, Final

from msgspec import structs

from client_sdk import build, keys
from client_sdk.build import Act
from client_sdk.client import Client
from client_sdk.outbox import Outbox
from client_sdk.wire import clock_ms
from demo.stage import PASSPHRASE, Stage
from demo.trade import BOXES_A_LOT, Lot, Trade
from demo.twists import Cast
from demo.world import CANS_A_CASE, Enterprise
from ledger import records as r
from ledger.identifiers import gs1_check_digit

WHEY_BAGS: Final = 400
BEEF_PIECES: Final = 40
CANS_OF_WHEY: Final = 600


class Happenings:
    """In the order of the month; `told` collects what the demonstration says of them at the end."""

    def __init__(self, stage: Stage, trade: Trade, cast: Cast) -> None:
        self.stage, self.trade, self.cast = stage, trade, cast
        self.world = stage.world
        self.told: Counter[str] = Counter()
        self._documents = 0
        self.whey_lot = f"{self.world.whey[0].gtin}#W{trade.first_day:%Y%m%d}"
        self.entered = trade.lots[0]
        self.infused = Lot(self.world.formula[0], f"{trade.first_day:%Y%m%d}W01", trade.first_day)

    def _own(self, who: Enterprise, kind: str) -> dict[str, Any]:
        """Document line, time and site of an own act."""
        self._documents += 1
        return {"ref": f"{kind}-{self._documents:04d}/1", "at": clock_ms(), "site": who.site}

    def _hand_over(self, who: Enterprise, to: Enterprise, lot: str, quantity: int, **fields: Any) -> None:
        [ship] = self.stage.act(
            who, build.ship(lot=lot, quantity=quantity, to=to.member, **self._own(who, "XS") | fields)
        )
        self._answer(to, ship, lot, accepted=quantity, grams=fields.get("grams"))

    def _answer(self, who: Enterprise, ship: bytes, lot: str, **parts: Any) -> None:
        line = self._own(who, "JH")
        self.stage.act(who, build.receive(ship=ship, lot=lot, ref=line["ref"], at=line["at"], **parts))

    # Before the books

    def make_from_whey(self) -> None:
        """A lot of formula is made of whey powder that will be recalled."""
        maker, supplier = self.world.producers[0], self.world.ingredients
        made = int(f"{self.trade.first_day:%Y%m%d}")
        fields = self._own(supplier, "SC")
        self.stage.act(supplier, build.commission(lot=self.whey_lot, quantity=WHEY_BAGS, production=made, **fields))
        self._hand_over(supplier, maker, self.whey_lot, 100)
        inputs, outputs = {self.whey_lot: 20}, {self.infused.id: CANS_OF_WHEY}
        self.stage.act(
            maker, build.transform(inputs=inputs, outputs=outputs, production=made, **self._own(maker, "SC"))
        )
        self._hand_over(maker, self.cast.closing, self.infused.id, 60)
        sold = build.sell(lot=self.infused.id, quantity=4, **self._own(self.cast.closing, "LS"))
        self.stage.act(self.cast.closing, sold)

    def into_the_cold_store(self) -> None:
        """Custody of the imports moves to the cold store: it signs, and owns nothing."""
        importer, store = self.world.importer, self.world.store
        now = clock_ms()
        acts = [
            build.ship(
                lot=lot.id, quantity=BOXES_A_LOT, ref=f"RK-{number}/1", at=now, site=importer.site,
                to=importer.member, to_site=store.site,
            )
            for number, lot in enumerate(self.trade.imports, 1)
        ]  # fmt: skip
        self.stage.act(importer, *acts)
        waiting = list(self.stage.client(store).handovers())
        answers = [
            build.receive(ship=one.ship, lot=one.lot, ref=f"RK-{number}/1", at=now, accepted=one.open)
            for number, one in enumerate(waiting, 1)
        ]
        self.stage.act(store, *answers)
        count = self._own(store, "PD")
        lot = self.trade.imports[0].id
        self.stage.act(
            store, build.count(lot=lot, book=BOXES_A_LOT, found=BOXES_A_LOT, owner=importer.member, **count)
        )

    def sell_what_is_weighed(self) -> None:
        """Pieces of beef, each of its own weight; two scales never agree."""
        importer, shop = self.world.importer, self.cast.regular
        lot = f"{self.world.weighed[0].gtin}#UY{self.trade.first_day:%y%m%d}"
        made = int(f"{self.trade.first_day:%Y%m%d}")
        line = self._own(importer, "JK")
        self.stage.act(
            importer, build.commission(lot=lot, quantity=BEEF_PIECES, grams=203_450, production=made, **line)
        )
        line = self._own(importer, "XS")
        [ship] = self.stage.act(importer, build.ship(lot=lot, quantity=8, grams=40_210, to=shop.member, **line))
        self._answer(shop, ship, lot, accepted=8, grams=40_145)
        self.stage.act(shop, build.sell(lot=lot, quantity=1, grams=5_020, **self._own(shop, "LS")))

    def measure(self, shop: Enterprise) -> None:
        """The carrier reports the temperature of what it brought to a shop; one transport broke down."""
        frozen = {product.gtin for product in self.world.frozen}
        waiting = [one for one in self.stage.client(shop).handovers() if one.lot.split("#")[0] in frozen]
        acts = [_measurement(one, shop == self.cast.warm) for one in waiting]
        if acts:
            self.stage.act(self.world.carrier, *acts)

    # After the books

    def all(self) -> None:
        self._offline()
        self._pallet()
        self._returns()
        self._short()
        self._corrections()
        self._relabelled()
        self._disputed()
        self._terminal()
        self._spoiled()
        self._entered()

    def _lot(self, shop: Enterprise) -> str:
        """A lot of formula of which the shop holds some cans."""
        formula = {product.gtin for product in self.world.formula}
        rows = [one for one in self.stage.client(shop).positions() if one.lot.split("#")[0] in formula]
        return str(max(rows, key=lambda one: one.held - one.reserved).lot)

    def _offline(self) -> None:
        """Days without a network: sold, signed and kept, and sent in order when the line is back."""
        shop = self.cast.offline
        lot = self._lot(shop)
        client = self.stage.client(shop)
        with Outbox(self.stage.folder(shop), client.connection.chain_id, self.stage.identity(shop)) as outbox:
            for _ in range(3):
                outbox.add([build.sell(lot=lot, quantity=1, **self._own(shop, "LS"))])
            sent = outbox.send(client)
        self.told["sold offline, sent from the outbox later"] += sent.booked
        self.stage.records += sent.booked

    def _pallet(self) -> None:
        """One label over two lots; the scan of the pallet leads to both."""
        dealer, shop = self.world.dealers[0], self.cast.pallet
        lots = [one.lot for one in self.stage.client(dealer).positions() if one.held >= 2 * CANS_A_CASE][:2]
        body = "00690123456789012"
        unit = body + str(gs1_check_digit(body))
        lines = dict.fromkeys(lots, CANS_A_CASE)
        self.stage.act(dealer, build.pack(unit=unit, lines=lines, **self._own(dealer, "ZT")))
        line = self._own(dealer, "XS")
        ships = self.stage.act(
            dealer, *(build.ship(lot=lot, quantity=CANS_A_CASE, to=shop.member, unit=unit, **line) for lot in lots)
        )
        for ship, lot in zip(ships, lots, strict=True):
            self._answer(shop, ship, lot, accepted=CANS_A_CASE)
        self.told["lots on a pallet with one label"] += len(lots)

    def _returns(self) -> None:
        """A shop sends cans back to its dealer; a mother brings one back to the shop."""
        shop = self.cast.returning
        lot = self._lot(shop)
        dealer = self.world.dealers[self.world.shops.index(shop) % len(self.world.dealers)]
        self._hand_over(shop, dealer, lot, 6, returns=True)
        self.stage.act(shop, build.sell(lot=lot, quantity=1, **self._own(shop, "LS")))
        self.stage.act(shop, build.take_back(lot=lot, quantity=1, **self._own(shop, "TH")))
        self.told["cans returned to a dealer, and one to a shop"] += 7

    def _short(self) -> None:
        """What a shop got less than was shipped: found short, missing at the sender, ended by its count."""
        shop = self.cast.short
        for one in list(self.stage.client(shop).handovers()):
            self._answer(shop, one.ship, one.lot, short=one.open)
            sender = next(dealer for dealer in self.world.dealers if dealer.member == one.owner)
            position = next(
                at for at in self.stage.client(sender).positions() if (at.lot, at.site) == (one.lot, sender.site)
            )
            line, held = self._own(sender, "PD"), position.held
            self.stage.act(sender, build.count(lot=one.lot, book=held, found=held, missing=one.open, **line))
            self.told["cans delivered short, ended by a count"] += one.open

    def _corrections(self) -> None:
        """A sale of 12 that was of 2; both stay visible."""
        shop = self.cast.corrected
        lot = self._lot(shop)
        sale = build.sell(lot=lot, quantity=12, **self._own(shop, "LS"))
        client = self.stage.client(shop)
        leaf = client.submit([sale])[0].leaf
        wrong = client.own_record(leaf, 0)
        right = r.Moved(quantity=2, ref=wrong.amounts.ref if wrong.amounts else "")
        line = self._own(shop, "GZ")
        fix = build.correct(wrong.earlier, right, reason="录入错误", ref=line["ref"], at=line["at"])
        self.stage.act(shop, fix)
        self.told["records corrected"] += 1

    def _relabelled(self) -> None:
        """A lot number typed wrongly long ago: the goods move to the right one, and their way with them."""
        shop = self.cast.relabelled
        lot = self._lot(shop)
        wrong = lot.replace("#2", "#Z", 1)
        self.stage.act(shop, build.enter(lot=wrong, quantity=6, **self._own(shop, "QC")))
        self.stage.act(shop, build.relabel(lot=wrong, to_lot=lot, quantity=6, **self._own(shop, "GB")))
        self.told["cans moved from a mistyped lot to the right one"] += 6

    def _disputed(self) -> None:
        """A shop claims what its dealer says it never delivered."""
        shop, dealer = self.cast.claimant, self.world.dealers[0]
        lot = self._lot(shop)
        [claim] = self.stage.act(
            shop, build.claim(lot=lot, quantity=6, supplier=dealer.member, **self._own(shop, "JH"))
        )
        said = build.dispute(claim=claim, claimant=shop.member, lot=lot, reason="未供此货", at=clock_ms())
        self.stage.act(dealer, said)
        self.told["claims disputed by the supplier"] += 1

    def _terminal(self) -> None:
        """A market terminal signs sales with a key of its own, and nothing else; then it is stolen."""
        shop = self.cast.stall
        lot = self._lot(shop)
        terminal = keys.create(
            self.stage.folder(shop) / "terminal", shop.member, "3号终端", "enterprise", "CN", PASSPHRASE
        )
        bound = r.KeyLimits(acts=[r.Act.SELL.value], sites=[shop.site])
        key = {"key": terminal.public.key, "member": shop.member}
        admit = build.act(r.Key, at=clock_ms(), change=r.KeyChange.ADMIT, label="3号终端", limits=bound, **key)
        self.stage.act(shop, admit)
        limited = structs.replace(terminal, tls=self.stage.identity(shop).tls)
        with Client(self.stage.connection(), limited) as client:
            client.submit([build.sell(lot=lot, quantity=1, **self._own(shop, "LS"))])
        self.stage.records += 1
        revoke = build.act(r.Key, at=clock_ms(), change=r.KeyChange.REVOKE, suspect_from=clock_ms(), **key)
        self.stage.act(shop, revoke)
        self.told["keys of a terminal revoked"] += 1

    def _spoiled(self) -> None:
        """What came too warm is destroyed."""
        shop = self.cast.warm
        frozen = {product.gtin for product in self.world.frozen}
        for one in list(self.stage.client(shop).positions()):
            if one.lot.split("#")[0] in frozen and one.held:
                line = self._own(shop, "BS")
                acts: list[Act] = [build.destroy(lot=one.lot, quantity=1, reason=r.DestroyReason.DAMAGED, **line)]
                self.stage.act(shop, *acts)
                self.told["boxes destroyed after a warm transport"] += 1
                return

    def _entered(self) -> None:
        """A shop bought some cans outside the ledger: one signature, shown as such."""
        shop = self.cast.careless
        self.stage.act(shop, build.enter(lot=self.entered.id, quantity=3, **self._own(shop, "QC")))
        self.told["cans entered by one signature"] += 3

    # At the end

    def recall_the_whey(self) -> None:
        """A laboratory finds it, the regulator recalls it: what was made of it shows red."""
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=self.whey_lot)
        test = build.act(
            r.Fact, at=clock_ms(), adverse=True, kind=r.FactKind.TEST, subject=subject, text="检出阪崎肠杆菌"
        )
        self.stage.act(self.world.lab, test)
        self.stage.act(
            self.world.regulator,
            build.act(r.Recall, at=clock_ms(), grade=1, reason="乳清粉抽检不合格", subject=subject),
        )


def _measurement(handover: Any, broke_down: bool) -> Act:
    """Four hours of readings, one a minute; the hash stands for the raw series that the carrier keeps."""
    readings = "\n".join(f"{minute},{-19.8 + minute % 7 / 10:.1f}" for minute in range(240)).encode()
    warmest = -9_500 if broke_down else -18_600
    window = r.Window(
        count=240, device="CC-0173", gap_s=60, max_mc=warmest, mean_mc=-19_800, min_mc=-21_300,
        series=sha256(readings).digest(), start=handover.time_ms, until=handover.time_ms + 4 * 3_600_000,
    )  # fmt: skip
    subject = r.Subject(kind=r.SubjectKind.HANDOVER, ship=handover.ship, to=handover.to)
    return build.act(r.Fact, at=handover.time_ms, kind=r.FactKind.MEASURE, subject=subject, window=window)
