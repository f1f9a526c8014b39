"""Who trades what in the demonstration: names, codes and products, all check digits valid, all from one seed."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from ledger.identifiers import gs1_check_digit, iso7064_mod_11_10

_USCC: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_TOWNS: Final = ("南湖", "秀洲", "嘉善", "平湖", "海盐", "海宁", "桐乡", "王店")
_SHOP_NAMES: Final = ("爱婴坊", "贝贝乐", "小熊母婴", "亲亲宝贝", "育婴堂", "童馨")


@dataclass(frozen=True)
class Enterprise:
    role: str  # regulator, lab, ingredients, producer, importer, store, dealer, carrier, shop
    member: str
    name: str
    kind: str = "enterprise"

    @property
    def site(self) -> str:
        return f"{self.member}/main"


@dataclass(frozen=True)
class Product:
    """A trade item: the can or box, and its case where there is one."""

    gtin: str
    case: str | None
    name: str
    specification: str
    grams: int
    shelf_days: int
    maker: Enterprise
    category: str
    licence: str | None = None
    registration: str | None = None
    origin: str = "CN"
    temp_max_mc: int | None = None
    tolerance_permille: int | None = None  # of variable measure: each item is weighed


SHOPS: Final = 300
DEALERS: Final = 6
CANS_A_CASE: Final = 6


@dataclass
class World:
    """Everybody, and what they trade."""

    regulator: Enterprise
    lab: Enterprise
    ingredients: Enterprise
    producers: list[Enterprise]
    importer: Enterprise
    store: Enterprise
    dealers: list[Enterprise]
    carrier: Enterprise
    shops: list[Enterprise]
    formula: list[Product] = field(default_factory=list)
    frozen: list[Product] = field(default_factory=list)
    weighed: list[Product] = field(default_factory=list)
    whey: list[Product] = field(default_factory=list)

    @property
    def everybody(self) -> list[Enterprise]:
        others = [self.importer, self.store, *self.dealers, self.carrier, *self.shops]
        return [self.lab, self.ingredients, *self.producers, *others]

    @property
    def products(self) -> list[Product]:
        return [*self.whey, *self.formula, *self.frozen, *self.weighed]


def uscc(random: Random) -> str:
    """A unified social credit code of an enterprise in Jiaxing."""
    body = "91330400" + "".join(random.choice(_USCC[:10] + "MAB") for _ in range(9))
    total = sum(_USCC.index(char) * weight for char, weight in zip(body, _WEIGHTS, strict=True))
    return body + _USCC[-total % 31]


def gtin(random: Random, indicator: int = 0) -> str:
    body = f"{indicator}690{random.randrange(10**9):09d}"
    return body + str(gs1_check_digit(body))


def licence(random: Random) -> str:
    """A food production licence for infant formula (category 129)."""
    body = f"129330402{random.randrange(10**4):04d}"
    return f"SC{body}{iso7064_mod_11_10(body)}"


def make(seed: int, shops: int = SHOPS) -> World:
    random = Random(seed)

    def new(role: str, name: str, kind: str = "enterprise") -> Enterprise:
        return Enterprise(role, uscc(random), name, kind)

    world = World(
        regulator=new("regulator", "嘉兴市市场监督管理局", "regulator"),
        lab=new("lab", "嘉兴市食品药品检验院", "lab"),
        ingredients=new("ingredients", "浙江乳清配料有限公司"),
        producers=[new("producer", "浙北乳业有限公司"), new("producer", "南湖婴幼儿食品有限公司")],
        importer=new("importer", "甬嘉进出口有限公司"),
        store=new("store", "嘉兴第三方冷库有限公司"),
        dealers=[new("dealer", f"{town}母婴用品配送有限公司") for town in _TOWNS[:DEALERS]],
        carrier=new("carrier", "长三角冷链运输有限公司", "carrier"),
        shops=[
            new("shop", f"{_TOWNS[number % 8]}{_SHOP_NAMES[number % 6]}{number // 8 + 1}店")
            for number in range(shops)
        ],
    )
    _formula(world, random)
    _frozen(world, random)
    world.weighed.append(_beef(world, random))
    world.whey.append(_whey(world, random))
    return world


def _formula(world: World, random: Random) -> None:
    for number in range(6):
        maker = world.producers[number % 2]
        world.formula.append(
            Product(
                gtin=gtin(random),
                case=gtin(random, indicator=1),
                name=f"{maker.name[:2]}婴幼儿配方乳粉({number // 2 + 1}段)",
                specification="800g/罐",
                grams=800,
                shelf_days=730,
                maker=maker,
                category="129",
                licence=licence(random),
                registration=f"国食注字YP{random.randrange(2017, 2025)}{random.randrange(10**4):04d}",
            )
        )


def _frozen(world: World, random: Random) -> None:
    for name, origin, warmest in (
        ("厄瓜多尔白虾", "EC", -18_000),
        ("阿根廷红虾", "AR", -18_000),
        ("巴西牛腱", "BR", -15_000),
    ):
        world.frozen.append(
            Product(
                gtin=gtin(random),
                case=None,
                name=f"冷冻{name}",
                specification="2kg/盒",
                grams=2000,
                shelf_days=540,
                maker=world.importer,
                category="frozen",
                origin=origin,
                temp_max_mc=warmest,
            )
        )


def _beef(world: World, random: Random) -> Product:
    """Each piece is weighed; two scales may differ by 2 %."""
    return Product(
        gtin=gtin(random), case=None, name="冷冻乌拉圭牛霖(称重)", specification="约5kg/块", grams=5000,
        shelf_days=540, maker=world.importer, category="frozen", origin="UY", temp_max_mc=-15_000,
        tolerance_permille=20,
    )  # fmt: skip


def _whey(world: World, random: Random) -> Product:
    """What infant formula is made of; a lot of it is recalled."""
    return Product(
        gtin=gtin(random), case=None, name="脱盐乳清粉D90", specification="25kg/袋", grams=25_000,
        shelf_days=540, maker=world.ingredients, category="105",
    )  # fmt: skip
