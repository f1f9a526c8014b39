"""Goods for every verdict, as a consumer may meet them: each scene is a code that is scanned, and the proof that
answers it, under one log and one policy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger import links
from ledger import records as r
from ledger.identifiers import iso7064_mod_11_10
from ledger.proof.build import product_proof
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Query, verify_product, voucher_hash
from tests.world import (
    CASE,
    DEALER,
    FORMULA,
    IMPORTER,
    LAB,
    MAKER,
    OTHER_SHOP,
    POLICY,
    POWDER,
    REGULATOR,
    SHOP,
    SHRIMP,
    STORE,
    Member,
    World,
    member,
)

HOUR_MS = 3_600_000
CARRIER = member(9, r.MemberKind.CARRIER)
WHEY_MAKER = member(10)
NAMES = {
    MAKER: "浙北乳业有限公司", IMPORTER: "甬嘉进出口有限公司", STORE: "嘉兴第三方冷库有限公司",
    DEALER: "嘉善母婴用品配送有限公司", SHOP: "南湖爱婴坊3店", OTHER_SHOP: "平湖贝贝乐母婴店",
    LAB: "嘉兴市食品药品检验检测院", CARRIER: "长三角冷链运输有限公司", WHEY_MAKER: "浙江乳清配料有限公司",
}  # fmt: skip
_LICENCE = "1293304020012"
FORMULA_FIELDS: dict[str, Any] = {
    "name": "浙北婴幼儿配方乳粉（1段）", "category": "129", "grams": 800, "specification": "800g/罐",
    "shelf_days": 730,
    "licence": f"SC{_LICENCE}{iso7064_mod_11_10(_LICENCE)}", "registration": "国食注字YP20240012", "origin": "CN",
    "temp_min_mc": 0, "temp_max_mc": 30_000,
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    name: str
    query: Query
    proof: bytes
    now_ms: int
    verdict: Verdict

    @property
    def path(self) -> str:
        """The link that was scanned."""
        query = self.query
        path = links.path_of(query.product, query.lot, query.voucher)
        return f"{path}?site={links.quote(query.site)}" if query.site else path


class Stage:
    """A world with names, where time passes, and vouchers that follow from the lot's name."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        world = self.world
        admitted = [
            world.act(r.Admit, key=who.key, kind=who.kind, member=who.id, name=name, region="CN-33")
            for who, name in NAMES.items()
        ]
        world.do(REGULATOR, *admitted)
        world.do(MAKER, world.register(FORMULA, **FORMULA_FIELDS), world.register(CASE, base=FORMULA, contains=6))
        whey = {"maker": WHEY_MAKER.id, "name": "脱盐乳清粉", "grams": 25_000, "origin": "CN"}
        world.do(WHEY_MAKER, world.register(POWDER, **whey))
        shrimp = {
            "declared_by": r.DeclaredBy.IMPORTER, "maker": None, "name": "厄瓜多尔白虾", "origin": "EC",
            "specification": "30/40 2kg/盒", "grams": 2000, "shelf_days": 540, "temp_max_mc": -18_000,
        }  # fmt: skip
        world.do(IMPORTER, world.register(SHRIMP, **shrimp))

    def later(self, hours: float) -> None:
        self.world.now += int(hours * HOUR_MS)

    def hand_over(self, who: Member, to: Member, lot: str, quantity: int, hours: float = 20) -> None:
        world = self.world
        ship = world.do(who, world.ship(who, to, quantity, lot))[0].hash
        self.later(hours)
        world.do(to, world.receive(ship, lot, accepted=quantity))
        self.later(3)

    def to_shop(self, lot: str) -> None:
        self.hand_over(MAKER, DEALER, lot, 600)
        self.later(30)
        self.hand_over(DEALER, SHOP, lot, 60)

    def voucher(self, lot: str, who: Member = SHOP, site: str | None = None) -> bytes:
        opens = sha256(lot.encode()).digest()[:16]
        act = self.world.act(r.Voucher, lot=lot, site=site or who.site, voucher=voucher_hash(opens))
        self.world.do(who, act)
        return opens

    def fact(self, who: Member, subject: r.Subject, kind: r.FactKind, **fields: Any) -> None:
        self.world.do(who, self.world.act(r.Fact, kind=kind, subject=subject, **fields))
        self.later(1)

    def window(self, hours: float, low: int, mean: int, high: int, gap_s: int = 300) -> r.Window:
        """A temperature log that ends now."""
        start = self.world.now - int(hours * HOUR_MS)
        return r.Window(
            count=int(hours * 12), device="TH-0417", gap_s=gap_s, max_mc=high, mean_mc=mean, min_mc=low,
            series=sha256(b"series").digest(), start=start, until=self.world.now,
        )  # fmt: skip

    def shown(self, name: str, lot: str, voucher: bytes | None = None, who: Member = SHOP, **opens: Any) -> Scene:
        """What is proven of a lot now."""
        product, rest = lot.split("#")
        site = opens.get("site")
        position = (who.id, site or who.site) if voucher or site else None
        query = Query(product=opens.get("code", product), lot="#" + rest, voucher=voucher, site=opens.get("public"))
        if query.site:
            position = (who.id, query.site)
        proof = product_proof(self.world.store.view(self.world.note()), query.product, query.lot, position)
        found = verify_product(POLICY, query, proof, self.world.now)
        return Scene(name, query, proof, self.world.now, found.verdict)


def commissioned(stage: Stage, lot: str, **fields: Any) -> str:
    stage.world.do(MAKER, stage.world.commission(6000, lot, **fields))
    stage.later(5)
    return lot


def good(stage: Stage) -> Iterator[Scene]:
    lot = commissioned(stage, f"{FORMULA}#A20251101")
    stage.to_shop(lot)
    voucher = stage.voucher(lot)
    yield stage.shown("no-certificate", lot, voucher)
    stage.fact(
        MAKER, stage.world.lot_subject(lot), r.FactKind.CERTIFY, document="出厂检验报告 ZB-1101", text="出厂检验合格"
    )
    yield stage.shown("good", lot, voucher)
    yield stage.shown("good-code-alone", lot)
    yield stage.shown("good-case-code", lot, code=CASE)
    public = stage.world.act(r.Site, name="南湖路门店", public=True, region="CN-330402", site=SHOP.site)
    stage.world.do(SHOP, public)
    yield stage.shown("good-public-shop", lot, public=SHOP.site)


def blended(stage: Stage) -> Iterator[Scene]:
    """A blend with two ingredients, tested, certified and measured on its way."""
    world = stage.world
    powder, blend = f"{POWDER}#W1", f"{FORMULA}#B20251105"
    world.do(WHEY_MAKER, world.commission(40, powder, WHEY_MAKER, expiry=20270501))
    stage.hand_over(WHEY_MAKER, MAKER, powder, 40)
    made = [r.Output(lot=blend, production=20251105, expiry=20271104)]
    amounts = r.Transformed(inputs=[40], outputs=[1200], ref=world.ref())
    world.do(MAKER, world.act(r.Transform, amounts, inputs=[powder], outputs=made, site=MAKER.site))
    about = world.lot_subject(blend)
    test = {"document": "JX-2025-11-0031", "text": "蛋白质、脂肪、阪崎肠杆菌、沙门氏菌：合格"}
    stage.fact(LAB, about, r.FactKind.TEST, **test)
    stage.fact(MAKER, about, r.FactKind.CERTIFY, document="出厂检验报告 ZB-1105", text="出厂检验合格")
    stage.to_shop(blend)
    there = world.position_subject(SHOP, blend)
    stage.fact(CARRIER, there, r.FactKind.MEASURE, window=stage.window(20, 12_000, 16_500, 21_000))
    yield stage.shown("blended", blend, stage.voucher(blend))


def cold_chain(stage: Stage) -> Iterator[Scene]:
    """Shrimp by way of a third party's cold store: measured with gaps, then too warm."""
    world = stage.world
    lot = f"{SHRIMP}#EC7-0912"
    world.do(IMPORTER, world.commission(500, lot, IMPORTER, production=20250912, expiry=20270306))
    certificate = {
        "document": "检验检疫证明 380000251234567",
        "text": "宁波口岸，合格；厄瓜多尔 Exportadora del Pacífico S.A.",
    }
    stage.fact(IMPORTER, world.lot_subject(lot), r.FactKind.CERTIFY, **certificate)
    into = world.do(IMPORTER, world.ship(IMPORTER, IMPORTER, 500, lot, to_site=STORE.site))[0].hash
    stage.later(6)
    world.do(STORE, world.receive(into, lot, accepted=500))
    stored = r.Subject(kind=r.SubjectKind.POSITION, lot=lot, owner=IMPORTER.id, site=STORE.site)
    stage.fact(CARRIER, stored, r.FactKind.MEASURE, window=stage.window(6, -21_500, -20_000, -18_600))
    stage.later(24)
    stage.fact(STORE, stored, r.FactKind.MEASURE, window=stage.window(24, -23_000, -22_000, -20_900, 600))
    stage.later(70)
    stage.fact(STORE, stored, r.FactKind.MEASURE, window=stage.window(30, -23_400, -22_100, -20_500, 5400))
    sale = world.do(IMPORTER, world.ship(IMPORTER, SHOP, 10, lot, site=STORE.site))[0].hash
    stage.later(4)
    world.do(SHOP, world.receive(sale, lot, accepted=10))
    stage.later(1)
    voucher = stage.voucher(lot)
    yield stage.shown("cold-chain", lot, voucher)
    stage.later(20)
    warm = stage.window(8, -19_000, -15_200, -9_400)
    stage.fact(SHOP, world.position_subject(SHOP, lot), r.FactKind.MEASURE, window=warm, text="冰柜故障")
    yield stage.shown("breached", lot, voucher)


def one_sided(stage: Stage) -> Iterator[Scene]:
    world = stage.world
    claimed = commissioned(stage, f"{FORMULA}#C1")
    stage.hand_over(MAKER, DEALER, claimed, 60)
    claim = world.do(SHOP, world.claim(SHOP, DEALER, 24, claimed))[0].hash
    voucher = stage.voucher(claimed)
    yield stage.shown("not-confirmed", claimed, voucher)
    stage.later(9)
    world.do(DEALER, world.dispute(claim, SHOP, claimed))
    yield stage.shown("disputed", claimed, voucher)
    entered = commissioned(stage, f"{FORMULA}#E1")
    world.do(OTHER_SHOP, world.enter(OTHER_SHOP, 12, entered))
    yield stage.shown("one-signature", entered, stage.voucher(entered, OTHER_SHOP), OTHER_SHOP)
    strange = f"{FORMULA}#X9"
    world.do(OTHER_SHOP, world.enter(OTHER_SHOP, 6, strange, production=20251020))
    yield stage.shown("not-commissioned", strange, stage.voucher(strange, OTHER_SHOP), OTHER_SHOP)


def in_part(stage: Stage) -> Iterator[Scene]:
    """Moved about between more sites of the maker than a way shows."""
    world = stage.world
    lot = commissioned(stage, f"{FORMULA}#L1")
    site = MAKER.site
    for number in range(66):
        there = f"{MAKER.id}/W{number:02d}"
        declare = world.act(r.Site, name=f"{number + 1}号仓", region="CN-33", site=there)
        moved = world.act(r.Move, world.moved(60), lot=lot, site=site, to_site=there)
        world.do(MAKER, declare, moved)
        site = there
        stage.later(2)
    yield stage.shown("in-part", lot, stage.voucher(lot, MAKER, site), MAKER, site=site)


def bad(stage: Stage) -> Iterator[Scene]:
    world = stage.world
    lot = commissioned(stage, f"{FORMULA}#F1")
    stage.to_shop(lot)
    voucher = stage.voucher(lot)
    stage.fact(LAB, world.lot_subject(lot), r.FactKind.INSPECT, adverse=True, text="外包装破损，标签不清")
    yield stage.shown("adverse-fact", lot, voucher)
    found = {"document": "JX-2025-12-0007", "text": "阪崎肠杆菌：检出"}
    stage.fact(LAB, world.lot_subject(lot), r.FactKind.TEST, adverse=True, **found)
    yield stage.shown("failed-test", lot, voucher)
    world.do(REGULATOR, world.act(r.Hold, reason="待复检，先行封存", subject=world.position_subject(DEALER, lot)))
    yield stage.shown("held", lot, voucher)
    old = commissioned(stage, f"{FORMULA}#O1", production=20230901, expiry=20250901)
    stage.to_shop(old)
    yield stage.shown("expired", old, stage.voucher(old))
    yield stage.shown("unknown", f"{FORMULA}#ZZ404")


def recalled(stage: Stage) -> Iterator[Scene]:
    """An ingredient is recalled, long after it went into the blend."""
    world = stage.world
    recall = world.act(
        r.Recall, grade=1, reason="乳清原料检出污染物，主动召回", subject=world.lot_subject(f"{POWDER}#W1")
    )
    world.do(REGULATOR, recall)
    stage.later(2)
    lot = f"{FORMULA}#B20251105"
    yield stage.shown("recalled-ingredient", lot, sha256(lot.encode()).digest()[:16])
    maker = r.Subject(kind=r.SubjectKind.MEMBER, member=IMPORTER.id)
    span = {"made_from": 20250901, "made_until": 20250930}
    world.do(REGULATOR, world.act(r.Recall, grade=2, reason="冷链记录不实", subject=maker, **span))
    shrimp = f"{SHRIMP}#EC7-0912"
    yield stage.shown("recalled-importer", shrimp, sha256(shrimp.encode()).digest()[:16])


def members(stage: Stage) -> Iterator[Scene]:
    """Last, since what is said of a member shows on all that it touched."""
    world = stage.world
    since = world.now
    lot = commissioned(stage, f"{FORMULA}#K1")
    stage.to_shop(lot)
    voucher = stage.voucher(lot)
    revoked = {"member": DEALER.id, "key": DEALER.key, "change": r.KeyChange.REVOKE, "suspect_from": since}
    world.do(REGULATOR, world.act(r.Key, **revoked))
    yield stage.shown("key-suspect", lot, voucher)
    clean = commissioned(stage, f"{FORMULA}#M1")
    stage.hand_over(MAKER, OTHER_SHOP, clean, 60)
    voucher = stage.voucher(clean, OTHER_SHOP)
    world.do(REGULATOR, world.act(r.Suspend, member=OTHER_SHOP.id, reason="许可证吊销"))
    yield stage.shown("member-suspended", clean, voucher, OTHER_SHOP)


PARTS: tuple[Callable[[Stage], Iterator[Scene]], ...] = (
    good, blended, cold_chain, one_sided, in_part, bad, recalled, members,
)  # fmt: skip


def play(folder: Path) -> dict[str, Scene]:
    """All scenes, by name."""
    stage = Stage(folder)
    try:
        return {scene.name: scene for part in PARTS for scene in part(stage)}
    finally:
        stage.world.close()
