"""One of each act, between members whose goods lie with third-party keepers, with those whom each concerns."""

from dataclasses import dataclass

from ledger import records as r
from ledger.private import Private, opening_of
from ledger.seals import seal
from tests.world import (
    DEALER,
    FORMULA,
    LAB,
    LOT,
    MAKER,
    OTHER_SHOP,
    POWDER,
    REGULATOR,
    SHOP,
    STORE,
    Act,
    Member,
    Sealed,
    World,
    gtin,
    member,
)

NEWCOMER = member(50)
UNIT = "006901234567890121"
OPENING = opening_of(b"salt of 16 bytes", Private(address="中山路1号", currency="CNY", price=129_900))


@dataclass(frozen=True)
class Booked:
    """A record with a private part: where it stands, who is a party to it, and who else keeps a site of it."""

    name: str
    leaf: int
    signer: Member
    sealed: Sealed
    parties: frozenset[str]
    keepers: frozenset[str]
    everybody: bool

    @property
    def act(self) -> r.Act:
        return r.act_of_type(type(r.RECORD.decode(self.sealed.record)))


class Trade:
    """Books acts one by one, each with a private part behind its seal."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.booked: list[Booked] = []

    def do(
        self, name: str, who: Member, act: Act, *parties: Member, keepers: tuple[Member, ...] = (),
        everybody: bool = False,
    ) -> Sealed:  # fmt: skip
        leaf = self.world.store.head.log.size
        [sealed] = self.world.do(who, Act(act.kind, act.amounts, act.fields | {"private": seal(OPENING)}))
        named, told = (frozenset(one.id for one in group) for group in (parties, keepers))
        self.booked.append(Booked(name, leaf, who, sealed, named, told, everybody))
        return sealed


def one_of_each(world: World) -> list[Booked]:
    """Every act, in the variants that differ in whom they concern."""
    trade = Trade(world)
    for part in (_members, _goods, _handovers, _custody, _claims, _said):
        part(trade, world)
    return trade.booked


def _members(trade: Trade, world: World) -> None:
    trade.do("a product is declared", MAKER, world.register(gtin(9)))
    trade.do("a member is admitted", REGULATOR, world.admit(NEWCOMER), NEWCOMER)
    trade.do("it is suspended", REGULATOR, world.act(r.Suspend, member=NEWCOMER.id, reason="吊销"), NEWCOMER)
    trade.do("a site is declared", SHOP, world.act(r.Site, name="店", region="CN-33", site=f"{SHOP.id}/two"))
    key = {"change": r.KeyChange.ADMIT, "key": NEWCOMER.key}
    trade.do("an own key is admitted", DEALER, world.act(r.Key, member=DEALER.id, **key))
    trade.do("a key is admitted by a regulator", REGULATOR, world.act(r.Key, member=SHOP.id, **key), SHOP)


def _goods(trade: Trade, world: World) -> None:
    """Goods of SHOP at STORE, and of MAKER at home."""
    there = {"site": STORE.site}
    trade.do("a lot is commissioned", MAKER, world.commission(90, f"{POWDER}#P1"))
    trade.do("it is transformed", MAKER, world.transform(MAKER, {f"{POWDER}#P1": 4}, {f"{FORMULA}#T1": 100}))
    trade.do("stock is entered at a keeper's", SHOP, world.enter(SHOP, 500, **there), keepers=(STORE,))
    trade.do("its owner counts it", SHOP, world.count(SHOP, 500, 499, **there), STORE)
    trade.do("its keeper counts it", STORE, world.count(STORE, 499, 500, owner=SHOP.id, **there), SHOP)
    packed = r.Packed(quantities=[10], ref=world.ref())
    pack = {"lots": [LOT], "owner": SHOP.id, "unit": UNIT, "use": 1, **there}
    trade.do("its keeper packs it", STORE, world.act(r.Pack, packed, **pack), SHOP)
    unpack = {"owner": SHOP.id, "unit": UNIT, "use": 1, **there}
    trade.do("its keeper unpacks it", STORE, world.act(r.Unpack, **unpack), SHOP)
    destroy = {"lot": LOT, "owner": SHOP.id, "reason": r.DestroyReason.DAMAGED, **there}
    gone = trade.do("its keeper destroys it", STORE, world.act(r.Destroy, world.moved(5), **destroy), SHOP)
    trade.do("and corrects that", STORE, world.correct(gone, {"quantity": 4}), SHOP)
    sale = trade.do("it is sold from there", SHOP, world.sell(SHOP, 20, **there), keepers=(STORE,))
    trade.do("a sale is corrected", SHOP, world.correct(sale, None), keepers=(STORE,))
    trade.do("goods are sold", MAKER, world.sell(MAKER, 2))
    trade.do("and taken back", MAKER, world.take_back(MAKER, 1))
    world.do(MAKER, world.act(r.Site, name="库", region="CN-33", site=f"{MAKER.id}/two"))
    trade.do(
        "and moved", MAKER, world.act(r.Move, world.moved(9), lot=LOT, site=MAKER.site, to_site=f"{MAKER.id}/two")
    )
    trade.do("and relabelled", MAKER, world.relabel(MAKER, 3, f"{FORMULA}#T1", f"{FORMULA}#T2"))
    trade.do("a voucher is drawn", MAKER, world.act(r.Voucher, lot=LOT, site=MAKER.site, voucher=bytes(32)))


def _handovers(trade: Trade, world: World) -> None:
    """Title moves."""
    ship = trade.do("goods are shipped", MAKER, world.ship(MAKER, DEALER, 600), DEALER)
    trade.do("an open ship is corrected", MAKER, world.correct(ship, {"quantity": 500}), DEALER)
    receive = trade.do("it is received in part", DEALER, world.receive(ship.hash, accepted=400), MAKER)
    trade.do("the rest is withdrawn", MAKER, world.withdraw(ship.hash, DEALER), DEALER)
    trade.do("a receive is corrected", DEALER, world.correct(receive, {"accepted": 390}), MAKER)
    stored = {"to_site": STORE.site}
    far = trade.do("goods go to the buyer's keeper", MAKER, world.ship(MAKER, DEALER, 50, **stored), DEALER,
                   keepers=(STORE,))  # fmt: skip
    trade.do("the buyer receives them there", DEALER, world.receive(far.hash, accepted=50), MAKER, keepers=(STORE,))
    here = trade.do("goods change owners at a keeper's", DEALER,
                    world.ship(DEALER, SHOP, 30, site=STORE.site, **stored), SHOP, keepers=(STORE,))  # fmt: skip
    trade.do("the new owner receives them", SHOP, world.receive(here.hash, accepted=30), DEALER, keepers=(STORE,))
    back = trade.do("goods are returned", DEALER, world.ship(DEALER, MAKER, 40, returns=True), MAKER)
    trade.do("a return is received", MAKER, world.receive(back.hash, accepted=40), DEALER)


def _custody(trade: Trade, world: World) -> None:
    """Custody alone moves: MAKER's goods go to STORE, and on to OTHER_SHOP."""
    ship = trade.do("goods are given to keep", MAKER, world.ship(MAKER, MAKER, 100, to_site=STORE.site), STORE)
    trade.do("the keeper receives them", STORE, world.receive(ship.hash, accepted=100), MAKER)
    on = {"owner": MAKER.id, "to_site": OTHER_SHOP.site}
    onward = trade.do("and gives them on", STORE, world.ship(STORE, MAKER, 60, **on), MAKER, OTHER_SHOP)
    about = r.Subject(kind=r.SubjectKind.HANDOVER, ship=onward.hash, to=OTHER_SHOP.id)
    noted = {"kind": r.FactKind.NOTE, "subject": about}
    trade.do("the way is reported", LAB, world.act(r.Fact, text="途中", **noted), MAKER, STORE, OTHER_SHOP)
    trade.do("the next keeper receives", OTHER_SHOP, world.receive(onward.hash, accepted=50), STORE, MAKER)
    trade.do("a custody is corrected", STORE, world.correct(onward, {"quantity": 59}), MAKER, OTHER_SHOP)
    trade.do("the rest stays", STORE, world.withdraw(onward.hash, OTHER_SHOP), MAKER, OTHER_SHOP)


def _claims(trade: Trade, world: World) -> None:
    trade.do("goods are claimed", SHOP, world.claim(SHOP, DEALER, 24), DEALER)
    trade.do("a ship confirms it", DEALER, world.ship(DEALER, SHOP, 24), SHOP)
    wrong = trade.do("goods are claimed at a keeper's", SHOP, world.claim(SHOP, DEALER, 7, site=STORE.site), DEALER,
                     keepers=(STORE,))  # fmt: skip
    trade.do("the claim is disputed", DEALER, world.dispute(wrong.hash, SHOP), SHOP)
    trade.do("the claim is corrected", SHOP, world.correct(wrong, None), DEALER, keepers=(STORE,))
    ship = world.do(DEALER, world.ship(DEALER, SHOP, 5))[0].hash
    trade.do("an open ship is claimed", SHOP, world.claim(SHOP, DEALER, 5), DEALER)
    assert world.store.get(b"c" + ship) is not None


def _said(trade: Trade, world: World) -> None:
    """Facts, holds and recalls."""
    kept = r.Subject(kind=r.SubjectKind.POSITION, lot=LOT, owner=MAKER.id, site=STORE.site)
    note = {"kind": r.FactKind.NOTE, "text": "记"}
    trade.do("a lot is tested", LAB, world.act(r.Fact, subject=world.lot_subject(), **note))
    trade.do(
        "a product is", LAB, world.act(r.Fact, subject=r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA), **note)
    )
    trade.do("goods at a keeper's are", LAB, world.act(r.Fact, subject=kept, **note), MAKER, STORE)
    site = r.Subject(kind=r.SubjectKind.SITE, site=STORE.site)
    trade.do("a site is", LAB, world.act(r.Fact, subject=site, **note), STORE)
    maker = r.Subject(kind=r.SubjectKind.MEMBER, member=MAKER.id)
    trade.do("a member is", REGULATOR, world.act(r.Fact, subject=maker, **note), MAKER)
    hold = trade.do("goods at a keeper's are held", STORE, world.act(r.Hold, reason="查", subject=kept), MAKER)
    lift = world.act(r.Lift, reason="误", subject=kept, target=hold.hash)
    trade.do("and free again", REGULATOR, lift, MAKER, STORE)
    lot = world.act(r.Hold, reason="查", subject=world.lot_subject())
    trade.do("a lot is held", REGULATOR, lot, everybody=True)
    grave = world.act(r.Recall, grade=1, reason="召回", subject=maker)
    recall = trade.do("a maker is recalled", REGULATOR, grave, MAKER, everybody=True)
    close = world.act(r.Close, reason="完", subject=maker, target=recall.hash)
    trade.do("the recall is finished", REGULATOR, close, MAKER, everybody=True)
    trade.do("the validators are confirmed", REGULATOR, world.policy(), everybody=True)
