"""Every act from the command line, and its effect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Typed
from tests.network import Network
from tests.world import DEALER, IMPORTER, LAB, LOT, MAKER, REGULATOR, SHOP, STORE, gtin, member

pytestmark = pytest.mark.slow
PRODUCT, BEEF, POWDER = gtin(21), gtin(22), gtin(23)
CANS = f"{PRODUCT}#C1"
UNIT, INNER = "006901234567890121", "106901234567890128"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP, STORE, LAB, IMPORTER)
    yield network
    assert network.stop() == 0


@pytest.fixture
def typed(network: Network, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(network, capsys)


def made(typed: Typed, lot: str, quantity: int, *more: str) -> None:
    fields = ("--lot", lot, "--quantity", str(quantity), "--production", "20260101", "--ref", f"SC-{lot}")
    typed.ok(MAKER, "commission", *fields, *more)


def declared(typed: Typed, product: str, *more: str) -> None:
    typed.ok(MAKER, "register", "--product", product, "--name", "婴幼儿配方乳粉", *more)


def handed(typed: Typed, lot: str, quantity: int, ref: str, *more: str) -> str:
    """Shipped from maker to dealer; the ship's hash."""
    fields = ("--lot", lot, "--quantity", str(quantity), "--to", DEALER.id, "--ref", ref)
    return str(typed.ok(MAKER, "ship", *fields, *more).row["record"])


def test_goods_from_the_maker_to_the_customer_and_back(typed: Typed) -> None:
    declared(typed, PRODUCT)
    made(typed, CANS, 600)
    ship = handed(typed, CANS, 60, "t/1")
    assert typed.ok(DEALER, "handovers").row["ship"] == ship
    parts = ("--accepted", "50", "--short", "4", "--refused", "3", "--destroyed", "3")
    typed.ok(DEALER, "receive", "--ship", ship, "--lot", CANS, "--ref", "t/1", *parts)
    assert typed.position(MAKER, CANS) == {"held": 543, "shipped": 60, "missing": 4}
    fields = ("--lot", CANS, "--ref")
    typed.ok(MAKER, "count", *fields, "t/2", "--book", "543", "--found", "543", "--missing", "4")
    typed.ok(DEALER, "sell", *fields, "t/3", "--quantity", "5", "--buyer", "business", "--at", "2026-11-02 09:30")
    typed.ok(DEALER, "take-back", *fields, "t/4", "--quantity", "2")
    typed.ok(DEALER, "destroy", *fields, "t/5", "--quantity", "1", "--reason", "damaged")
    typed.ok(DEALER, "site", "back", "--name", "后仓")
    typed.ok(DEALER, "move", *fields, "t/6", "--quantity", "10", "--to-site", "back")
    assert typed.position(DEALER, CANS) == {"held": 36, "shipped": 10, "sold": 3, "destroyed": 4}
    assert typed.position(DEALER, CANS, "back") == {"held": 10}
    back = ("--quantity", "6", "--to", MAKER.id, "--returns")
    again = typed.ok(DEALER, "ship", *fields, "t/7", *back).row["record"]
    typed.ok(MAKER, "receive", "--ship", again, "--lot", CANS, "--ref", "t/7", "--accepted", "6")
    assert typed.position(MAKER, CANS)["held"] == 549
    withdrawn = handed(typed, CANS, 9, "t/8")
    typed.ok(MAKER, "withdraw", "--ship", withdrawn, "--lot", CANS, "--to", DEALER.id, "--ref", "t/9")
    assert typed.position(MAKER, CANS)["held"] == 549


def test_a_claim_is_disputed_and_a_ship_that_names_it_confirms_it(typed: Typed) -> None:
    lot = f"{PRODUCT}#LATE"
    made(typed, lot, 100)
    fields = ("--lot", lot, "--quantity", "20", "--supplier", MAKER.id)
    claim = typed.ok(SHOP, "claim", *fields, "--ref", "c/1").row["record"]
    against = [row for row in typed.ok(MAKER, "claims", "--against-me").rows if row["lot"] == lot]
    assert [(row["claim"], row["open"], row["disputed"]) for row in against] == [(claim, 20, "")]
    typed.ok(MAKER, "dispute", "--claim", claim, "--claimant", SHOP.id, "--lot", lot, "--reason", "未发货")
    assert typed.position(SHOP, lot) == {"held": 20, "claimed": 20, "disputed": 20}
    ship = ("--lot", lot, "--quantity", "20", "--to", SHOP.id, "--claim", claim, "--ref", "c/2")
    typed.ok(MAKER, "ship", *ship)
    assert typed.position(SHOP, lot) == {"held": 20}


def test_mistakes_are_corrected_and_relabelled(typed: Typed) -> None:
    lot, wrong = f"{PRODUCT}#2025", f"{PRODUCT}#2O25"
    made(typed, lot, 100)
    typed.ok(SHOP, "enter", "--lot", wrong, "--quantity", "12", "--ref", "m/1")
    typed.ok(SHOP, "relabel", "--lot", wrong, "--to-lot", lot, "--quantity", "12", "--ref", "m/2")
    typed.ok(SHOP, "sell", "--lot", lot, "--quantity", "9", "--ref", "m/3")
    newest = typed.ok(SHOP, "records", "--newest", "1").row
    assert newest["what"] == f"sold 9 of {lot} at {SHOP.site}, line m/3"
    reason = ("--reason", "录入错误", "--ref", "m/4")
    typed.ok(SHOP, "correct", newest["place"], "--quantity", "2", *reason)
    assert typed.position(SHOP, lot) == {"held": 10, "sold": 2}
    typed.ok(SHOP, "correct", newest["place"], "--did-not-occur", "--reason", "没有卖出", "--ref", "m/5")
    assert typed.position(SHOP, lot) == {"held": 12}


def test_a_pallet_is_packed_stacked_and_shipped_whole(typed: Typed) -> None:
    first, second = f"{PRODUCT}#P1", f"{PRODUCT}#P2"
    made(typed, first, 100)
    made(typed, second, 100)
    typed.ok(MAKER, "pack", "--unit", INNER, "--line", f"{first}=24", "--ref", "p/1")
    typed.ok(MAKER, "pack", "--unit", UNIT, "--line", f"{second}=48", "--on", INNER, "--ref", "p/2")
    assert typed.position(MAKER, second) == {"held": 100, "reserved": 48}
    assert sorted(typed.ok(MAKER, "show", "unit", UNIT).row["lots"]) == [first, second]
    typed.ok(MAKER, "ship-unit", "--unit", UNIT, "--to", SHOP.id, "--ref", "p/3")
    waiting = [row for row in typed.ok(SHOP, "handovers").rows if row["ref"] == "p/3"]
    assert sorted((row["lot"], row["open"]) for row in waiting) == [(first, 24), (second, 48)]
    typed.ok(MAKER, "pack", "--unit", INNER, "--use", "2", "--line", f"{first}=6", "--ref", "p/4")
    typed.ok(MAKER, "unpack", "--unit", INNER, "--use", "2")
    assert typed.position(MAKER, first) == {"held": 76, "shipped": 24}


def test_goods_that_are_weighed_are_cut_up(typed: Typed) -> None:
    declared(typed, BEEF, "--tolerance-permille", "20")
    beef, steak = f"{BEEF}#B1", f"{BEEF}#S1"
    made(typed, beef, 10, "--grams", "21500")
    made_of = ("--input", f"{beef}=4:8600", "--output", f"{steak}=16:8300", "--production", "20260102")
    typed.ok(MAKER, "transform", *made_of, "--ref", "w/1")
    assert typed.position(MAKER, steak) == {"held": 16, "grams": 8300}
    typed.ok(MAKER, "sell", "--lot", steak, "--quantity", "0", "--grams", "300", "--ref", "w/2")
    refused = typed.run(MAKER, "sell", "--lot", steak, "--quantity", "1", "--ref", "w/3")
    assert (refused.code, "of variable measure" in refused.err) == (1, True)


def test_custody_in_a_cold_store_is_kept_apart_from_title(typed: Typed) -> None:
    lot = f"{PRODUCT}#COLD"
    made(typed, lot, 100)
    to = ("--to", MAKER.id, "--to-site", STORE.site)
    ship = typed.ok(MAKER, "ship", "--lot", lot, "--quantity", "80", *to, "--ref", "k/1").row["record"]
    typed.ok(STORE, "receive", "--ship", ship, "--lot", lot, "--accepted", "80", "--ref", "k/1")
    assert typed.position(STORE, lot, kept=True) == {"held": 80}
    counted = ("--lot", lot, "--owner", MAKER.id, "--book", "80", "--found", "79", "--ref", "k/2")
    typed.ok(STORE, "count", *counted)
    assert typed.position(STORE, lot, kept=True) == {"held": 79, "lost": 1}


def test_facts_holds_and_recalls(typed: Typed, tmp_path: Path) -> None:
    lot = f"{PRODUCT}#F1"
    made(typed, lot, 100)
    bad = typed.ok(LAB, "fact", "test", "--lot", lot, "--text", "阪崎肠杆菌检出", "--adverse").row["record"]
    typed.ok(MAKER, "fact", "note", "--lot", lot, "--text", "复检中", "--answers", bad)
    held = typed.ok(REGULATOR, "hold", "--lot", lot, "--reason", "抽检不合格").row["record"]
    refused = typed.run(MAKER, "ship", "--lot", lot, "--quantity", "1", "--to", DEALER.id, "--ref", "f/1")
    assert (refused.code, "held or recalled" in refused.err) == (1, True)
    typed.ok(REGULATOR, "lift", "--lot", lot, "--target", held, "--reason", "误报")
    span = ("--made-from", "20250101", "--made-until", "20250201")
    recall = typed.ok(MAKER, "recall", "--product", PRODUCT, *span, "--reason", "包装破损").row["record"]
    typed.ok(REGULATOR, "close", "--product", PRODUCT, "--target", recall, "--reason", "召回完成")
    readings = tmp_path / "readings.csv"
    readings.write_text("time,celsius\n2026-11-02T08:00:00+08:00,4.5\n2026-11-02 08:10:00,5.25\n2026-11-02 08:30,3\n")
    window = typed.ok(MAKER, "measure", str(readings), "--device", "CC-1", "--lot", lot).row
    assert window["readings"] == 3
    readings.write_text("time,celsius\n2026-11-02,warm\n")
    wrong = typed.run(MAKER, "measure", str(readings), "--device", "CC-1", "--lot", lot)
    assert (wrong.code, "line 2" in wrong.err) == (1, True)
    shown = typed.ok(MAKER, "show", "lot", lot).row
    assert (shown["bits"], shown["adverse"]) == ("failed test", 3)


def test_a_terminal_signs_with_a_limited_key_until_it_is_revoked(typed: Typed, tmp_path: Path) -> None:
    lot = f"{PRODUCT}#T1"
    made(typed, lot, 100)
    typed.ok(SHOP, "claim", "--lot", lot, "--quantity", "50", "--supplier", MAKER.id, "--ref", "l/1")
    terminal = tmp_path / "terminal"
    typed.ok(None, "keygen", str(terminal), "--member", SHOP.id, "--name", "市场终端")
    for name in ("tls.key", "tls.crt", "node.json"):
        (terminal / name).write_bytes((typed.network.home(SHOP) / name).read_bytes())
        (terminal / name).chmod(0o600)
    typed.ok(
        SHOP, "key", "admit", str(terminal / "member.json"), "--label", "3号摊位", "--act", "sell", "--site", "main"
    )
    sale = ("sell", "-i", str(terminal), "--lot", lot, "--quantity", "1", "--ref")
    typed.ok(None, *sale, "l/2")
    refused = typed.run(None, "destroy", "-i", str(terminal), "--lot", lot, "--quantity", "1", "--ref", "l/3")
    assert (refused.code, "this key may not sign destroy" in refused.err) == (1, True)
    typed.ok(SHOP, "key", "revoke", str(terminal / "member.json"), "--suspect-from", "2026-11-01")
    refused = typed.run(None, *sale, "l/4")
    assert (refused.code, "was revoked" in refused.err) == (1, True)
    assert typed.position(SHOP, lot)["sold"] == 1
    other = tmp_path / "second"
    typed.ok(None, "keygen", str(other), "--member", SHOP.id, "--name", "会计")
    typed.ok(SHOP, "key", "admit", str(other / "member.json"))
    typed.ok(SHOP, "key", "retire", str(other / "member.json"))


def test_newcomers_are_admitted_and_suspended(typed: Typed) -> None:
    newcomer = member(77)
    typed.network.identify(newcomer)
    typed.ok(REGULATOR, "admit", str(typed.network.home(newcomer) / "member.json"))
    typed.ok(REGULATOR, "suspend", newcomer.id, "--reason", "许可证过期")
    assert "suspended" in typed.ok(REGULATOR, "show", "member", newcomer.id).row
    typed.ok(REGULATOR, "suspend", newcomer.id, "--reason", "已整改", "--ended")
    assert "suspended" not in typed.ok(REGULATOR, "show", "member", newcomer.id).row


def test_an_act_is_queued_and_sent_later(typed: Typed) -> None:
    lot = f"{PRODUCT}#Q1"
    made(typed, lot, 100)
    fields = ("--lot", lot, "--quantity", "3")
    typed.ok(MAKER, "sell", *fields, "--ref", "q/1", "--queue")
    typed.ok(MAKER, "sell", *fields[:3], "99999", "--ref", "q/2", "--queue")
    assert "held" in typed.position(MAKER, lot)
    waiting = typed.ok(MAKER, "outbox").rows
    assert [(row["state"], row["records"][0]["says"]) for row in waiting] == [
        ("waiting", f"sold 3 of {lot} at {MAKER.site}, line q/1"),
        ("waiting", f"sold 99999 of {lot} at {MAKER.site}, line q/2"),
    ]
    sent = typed.run(MAKER, "outbox", "send", "--json")
    assert (sent.code, sent.row["booked"], sent.row["refused"]) == (1, 1, 1)
    [refused] = typed.ok(MAKER, "outbox").rows
    assert (refused["state"], "would go out" in refused["explanation"]) == ("refused", True)
    number = str(refused["entry"])
    assert typed.run(MAKER, "outbox", "retry", number).code == 0
    assert typed.run(MAKER, "outbox", "send").code == 1
    assert typed.run(MAKER, "outbox", "drop", number, "--reason", "写错了").code == 0
    assert typed.ok(MAKER, "outbox").rows == []
    assert typed.position(MAKER, lot) == {"held": 97, "sold": 3}
    booked = [row for row in typed.ok(MAKER, "outbox", "done").rows if row["state"] == "done"]
    assert booked[0]["receipt"].startswith("c2sp.org/tlog-proof@v1")


def test_watch_tells_what_concerns_a_member_once(typed: Typed) -> None:
    lot = f"{PRODUCT}#W1"
    made(typed, lot, 100)
    typed.ok(DEALER, "watch", "--once")
    ship = handed(typed, lot, 7, "w/9")
    told = typed.ok(DEALER, "watch", "--once").rows
    assert [(row["record"], row["act"]) for row in told] == [(ship, "ship")]
    assert told[0]["says"] == f"shipped 7 of {lot} to you ({DEALER.site}), line w/9"
    assert typed.ok(DEALER, "watch", "--once").rows == []
    assert lot in typed.run(DEALER, "watch", "--once", "--from", "0").out


SLIPS = [
    (("ship", "--lot", "123#A", "--quantity", "1", "--to", DEALER.id, "--ref", "s"), 1, "is not 14 digits"),
    (("ship", "--lot", LOT, "--quantity", "0", "--to", DEALER.id, "--ref", "s"), 2, "greater than or equal to 1"),
    (("receive", "--ship", "abc", "--lot", LOT, "--accepted", "1", "--ref", "s"), 1, "64 hexadecimal digits"),
    (("receive", "--ship", "ab" * 32, "--lot", LOT, "--ref", "s"), 1, "at least one item"),
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "--buyer", "king"), 1, "none of consumer"),
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "--at", "yesterday"), 1, "write it as 2026-01-31"),
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "--site", "nowhere"), 1, "holds 0"),
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "-i", "/nowhere"), 1, "missing"),
    (("count", "--lot", LOT, "--book", "1", "--found", "1", "--ref", "s", "--kind", "x"), 1, "none of opening"),
    (("correct", "12", "--reason", "x", "--ref", "s"), 1, "LEAF/INDEX"),
    (("correct", "0/0", "--reason", "x", "--ref", "s"), 1, "what should have stood there"),
    (("correct", "99999/0", "--reason", "x", "--ref", "s", "--quantity", "1"), 1, "you signed no record"),
    (("transform", "--input", "x", "--output", "y=1", "--production", "20260101", "--ref", "s"), 1, "LOT=QUANTITY"),
    (("recall", "--reason", "x"), 1, "--product; --maker"),
    (("hold", "--reason", "x", "--lot", LOT, "--product", PRODUCT), 1, "--product; --maker"),
    (("fact", "rumour", "--lot", LOT), 1, "none of inspect"),
    (("ship-unit", "--unit", "006901234567890138", "--to", SHOP.id, "--ref", "s"), 1, "you packed no unit"),
    (("show", "thing", "x"), 1, "none of lot"),
    (("show", "lot", f"{PRODUCT}#NONE"), 1, "is known to the ledger"),
    (("outbox", "drop", "99", "--reason", "x"), 1, "no entry 99"),
    (("private", "show", "7"), 1, "LEAF/INDEX"),
    (("private", "show", "99999/0"), 1, "no record"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), SLIPS, ids=[" ".join(one[0][:3]) for one in SLIPS])
def test_a_slip_gets_one_line_that_says_what_to_do(
    typed: Typed, arguments: tuple[str, ...], code: int, says: str
) -> None:
    said = typed.run(MAKER, *arguments)
    assert said.code == code
    assert says in " ".join(said.err.replace("│", " ").split())
    assert "Traceback" not in said.err
