"""Every act from the command line, and its effect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk import build
from client_sdk.commands import own
from client_sdk.wire import clock_ms
from ledger import records as r
from tests.commands import Typed
from tests.network import Network, operate
from tests.world import DEALER, IMPORTER, LAB, LOT, MAKER, REGULATOR, SHOP, STORE, gtin, member

pytestmark = pytest.mark.slow
PRODUCT, BEEF, POWDER = gtin(21), gtin(22), gtin(23)
CANS = f"{PRODUCT}#C1"
UNIT, INNER = "006901234567890121", "106901234567890128"
OTHER, CARTON = "006901234567890152", "006901234567890169"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP, STORE, LAB, IMPORTER)
    product = {"declared_by": r.DeclaredBy.MAKER, "maker": MAKER.id, "name": "婴幼儿配方乳粉", "product": PRODUCT}
    with network.client(MAKER) as maker:
        maker.submit([build.act(r.Register, at=clock_ms(), **product)])
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
    assert [(row["claim"], row["open"], row["disputed"]) for row in against] == [(claim, 20, False)]
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
    newest = typed.ok(SHOP, "records", "--limit", "1").row
    assert newest["says"] == f"sold 9 of {lot} at {SHOP.site}, line m/3"
    reason = ("--reason", "录入错误", "--ref", "m/4")
    typed.ok(SHOP, "correct", newest["place"], "--quantity", "2", *reason)
    assert typed.position(SHOP, lot) == {"held": 10, "sold": 2}
    typed.ok(SHOP, "correct", newest["place"], "--did-not-occur", "--reason", "没有卖出", "--ref", "m/5")
    assert typed.position(SHOP, lot) == {"held": 12}


def test_a_correction_starts_from_what_the_last_one_left(typed: Typed) -> None:
    lot = f"{PRODUCT}#TWICE"
    made(typed, lot, 100)
    record = typed.ok(MAKER, "records", "--limit", "1").row
    why = ("--reason", "录入错误", "--ref")
    typed.ok(MAKER, "correct", record["hash"], "--quantity", "90", *why, "e/1")
    typed.ok(MAKER, "correct", record["place"], "--expiry", "2027-12-31", *why, "e/2")
    assert typed.position(MAKER, lot) == {"held": 90}
    assert typed.ok(MAKER, "show", "lot", lot).row["expiry"] == 20271231
    nothing = typed.run(MAKER, "correct", record["place"], "--quantity", "90", *why, "e/3")
    assert (nothing.code, "what stands already" in nothing.err) == (1, True)
    counted = typed.ok(MAKER, "count", "--lot", lot, "--book", "90", "--found", "90", "--ref", "e/4").row["place"]
    again = typed.run(MAKER, "correct", counted, "--did-not-occur", *why, "e/5")
    assert (again.code, "a count is not corrected: count again" in again.err) == (1, True)
    noted = typed.ok(MAKER, "fact", "note", "--lot", lot, "--text", "抽样").row["place"]
    assert "has no amounts" in typed.run(MAKER, "correct", noted, "--did-not-occur", *why, "e/6").err


def test_what_both_sides_signed_both_correct(typed: Typed) -> None:
    lot = f"{PRODUCT}#BOTH"
    made(typed, lot, 100)
    ship = typed.ok(MAKER, "ship", "--lot", lot, "--quantity", "50", "--to", DEALER.id, "--ref", "b/1").row
    got = typed.ok(DEALER, "receive", "--ship", ship["record"], "--lot", lot, "--accepted", "50", "--ref", "b/1").row
    why = ("--reason", "少装一箱", "--ref", "b/2")
    typed.run(MAKER, "watch", "--once")
    proposed = typed.ok(DEALER, "correct", got["record"][:8], "--accepted", "44", *why).row
    assert f"suyuan correct {ship['record']} (--quantity N, N being 6 less than its ship says)" in proposed["waits"]
    assert typed.position(DEALER, lot) == {"held": 50}
    [told] = typed.ok(MAKER, "watch", "--once").rows
    assert (told["target"], told["record"], told["place"]) == (got["record"], proposed["record"], proposed["place"])
    assert told["says"].startswith(f"corrected a receive of {lot}: accepted 44 instead of 50, 少装一箱")
    assert told["answer"] == f"suyuan correct {ship['record']} --quantity N (yours -6) --reason … --ref …"
    shown = typed.run(MAKER, "watch", "--once", "--from", proposed["place"].partition("/")[0]).out
    for needed in (proposed["record"], f"about {got['record']}", told["answer"], proposed["place"], "UTC+8"):
        assert needed in shown
    wrong = typed.run(MAKER, "correct", ship["place"], "--accepted", "44", *why)
    assert (wrong.code, "a ship is corrected by --quantity, --grams" in wrong.err) == (2, True)
    answered = typed.ok(MAKER, "correct", ship["place"], "--quantity", "44", *why).row
    assert "waits" not in answered
    since = ("watch", "--once", "--from", proposed["place"].partition("/")[0])
    again = next(row for row in typed.ok(MAKER, *since).rows if row["record"] == proposed["record"])
    assert (again["answered"], "answer" in again) == (answered["place"], False)
    theirs = next(row for row in typed.ok(DEALER, *since).rows if row["record"] == answered["record"])
    assert (theirs["answered"], "answer" in theirs) == (proposed["place"], False)
    assert f"you signed the same: {proposed['place']}" in typed.run(DEALER, *since).out
    assert typed.position(DEALER, lot) == {"held": 44}
    assert typed.position(MAKER, lot) == {"held": 56, "shipped": 44}
    both = ("--did-not-occur", "--reason", "没有发生", "--ref", "b/3")
    assert "--did-not-occur --reason" in typed.ok(MAKER, "correct", ship["record"], *both).row["waits"]
    assert "waits" not in typed.ok(DEALER, "correct", ship["record"][:10], *both).row  # a receive, by its ship
    assert typed.position(MAKER, lot) == {"held": 100}


def test_a_correction_that_another_one_replaced_is_not_answered(typed: Typed) -> None:
    lot = f"{PRODUCT}#AGAIN"
    made(typed, lot, 100)
    ship = typed.ok(MAKER, "ship", "--lot", lot, "--quantity", "50", "--to", DEALER.id, "--ref", "again/1").row
    alone = ("--quantity", "48", "--reason", "少装", "--ref", "again/2")  # open still: it counts by itself
    first = typed.ok(MAKER, "correct", ship["record"], *alone).row["place"]
    since = ("watch", "--once", "--from", first.partition("/")[0])
    [told] = [row for row in typed.ok(DEALER, *since).rows if row["place"] == first]
    assert ("answer" in told, "answered" in told) == (False, False)
    got = ("--ship", ship["record"], "--lot", lot, "--accepted", "48", "--ref", "again/1")
    record = typed.ok(DEALER, "receive", *got).row["record"]
    why = ("--reason", "少装", "--ref")
    rows = {}
    for accepted, reference in (("46", "again/3"), ("45", "again/4"), ("46", "again/5")):
        place = typed.ok(DEALER, "correct", record, "--accepted", accepted, *why, reference).row["place"]
        rows = {row["place"]: row for row in typed.ok(MAKER, *since).rows}
        assert "answer" in rows[place], "what was corrected before it was received is no answer"
    last = place
    typed.ok(MAKER, "correct", ship["record"], "--quantity", "47", *why, "again/6")
    assert typed.position(DEALER, lot) == {"held": 48}
    rows = {row["place"]: row for row in typed.ok(MAKER, *since).rows}
    assert "answer" in rows[last], "another number is no answer"
    typed.ok(DEALER, "correct", record, "--accepted", "46", *why, "again/7")
    answered = typed.ok(MAKER, "correct", ship["record"], "--quantity", "46", *why, "again/8").row["place"]
    assert typed.position(DEALER, lot) == {"held": 46}
    rows = {row["place"]: row for row in typed.ok(MAKER, *since).rows}
    assert [row["answered"] for row in rows.values() if "answered" in row] == [answered]


def test_what_is_taken_but_flagged_is_told(typed: Typed) -> None:
    lot = f"{PRODUCT}#FLAG"
    made(typed, lot, 100, "--expiry", "20260301")
    commissioned = typed.ok(MAKER, "records", "--limit", "1").row
    fields = ("--lot", lot, "--quantity")
    late = typed.ok(MAKER, "sell", *fields, "2", "--ref", "g/1")
    assert "2 of" in late.row["warnings"][0]
    assert "went out past its date" in late.row["warnings"][0]
    assert late.err == f"suyuan: warning: {late.row['warnings'][0]}\n"
    in_time = ("--at", "2026-02-01")
    old = typed.ok(MAKER, "sell", *fields, "2", "--ref", "g/2", *in_time).row
    assert "days before it was booked" in old["warnings"][0]
    stale = typed.ok(MAKER, "count", "--lot", lot, "--book", "99", "--found", "98", "--ref", "g/4").row
    assert (
        "--book 99 is not what the ledger has, 96: -1 is booked on top of that, so it has 95" in stale["warnings"][0]
    )
    assert (
        "warnings" not in typed.ok(MAKER, "count", "--lot", lot, "--book", "95", "--found", "95", "--ref", "g/5").row
    )
    why = ("--reason", "录入错误", "--ref")
    gone = typed.ok(MAKER, "correct", commissioned["place"], "--quantity", "2", *why, "g/6").row
    assert "3 of" in gone["warnings"][0]
    assert "were gone already" in gone["warnings"][0]


def test_what_goes_under_a_hold_is_told(typed: Typed) -> None:
    lot = f"{PRODUCT}#HELD"
    made(typed, lot, 100)
    held = typed.ok(REGULATOR, "hold", "--lot", lot, "--reason", "抽检").row["record"]
    fields = ("--lot", lot, "--quantity", "1", "--ref")
    assert "while it was held or recalled" in typed.run(MAKER, "sell", *fields, "i/1").err
    assert "may ask for proof of the destruction" in typed.run(MAKER, "destroy", *fields, "i/2").err
    typed.ok(REGULATOR, "lift", "--lot", lot, "--target", held[:12], "--reason", "合格")
    assert typed.run(MAKER, "sell", *fields, "i/3").err == ""
    assert "--lot with --owner and --site" in typed.run(DEALER, "hold", "--lot", lot, "--reason", "x").err


def test_a_hash_may_be_shortened_where_it_names_one_record(typed: Typed) -> None:
    lot = f"{PRODUCT}#SHORT"
    made(typed, lot, 100)
    ship = handed(typed, lot, 5, "u/1")
    answer = ("--lot", lot, "--accepted", "5", "--ref", "u/1")
    none = typed.run(DEALER, "receive", "--ship", "00000000", *answer)
    assert (none.code, "`suyuan handovers` shows them" in none.err) == (1, True)
    typed.ok(DEALER, "receive", "--ship", ship[:8].upper(), *answer)
    withdrawn = handed(typed, lot, 5, "u/2")
    typed.ok(MAKER, "withdraw", "--ship", withdrawn[:8], "--lot", lot, "--to", DEALER.id, "--ref", "u/3")
    claimed = ("--lot", lot, "--quantity", "2", "--supplier", MAKER.id, "--ref", "u/4")
    claim = typed.ok(SHOP, "claim", *claimed).row["record"]
    disputed = ("--claimant", SHOP.id, "--lot", lot, "--reason", "未发货")
    typed.ok(MAKER, "dispute", "--claim", claim[:9], *disputed)
    typed.ok(MAKER, "ship", "--lot", lot, "--quantity", "2", "--to", SHOP.id, "--claim", claim[:8], "--ref", "u/5")
    assert typed.position(SHOP, lot) == {"held": 2}


def test_lines_of_a_transform_are_corrected(typed: Typed) -> None:
    milk, mixed = f"{PRODUCT}#MILK", f"{POWDER}#MIX"
    declared(typed, POWDER)
    made(typed, milk, 100)
    out = ("--output", f"{mixed}=30", "--production", "2026-01-02", "--ref", "x/1")
    place = typed.ok(MAKER, "transform", "--input", f"{milk}=40", *out).row["place"]
    why = ("--reason", "录入错误", "--ref", "x/2")
    wrong = typed.run(MAKER, "correct", place, "--quantity", "3", *why)
    assert (wrong.code, "a transform is corrected by --input and --output" in wrong.err) == (2, True)
    wrong = typed.run(MAKER, "correct", place, "--output", f"{milk}=3", *why)
    assert (wrong.code, "is none of its lots" in wrong.err) == (2, True)
    typed.ok(MAKER, "correct", place, "--input", f"{milk}=42", "--output", f"{mixed}=33", *why)
    assert typed.position(MAKER, milk) == {"held": 58, "used": 42}
    assert typed.position(MAKER, mixed) == {"held": 33}


def test_a_pallet_is_packed_stacked_and_shipped_whole(typed: Typed) -> None:
    first, second = f"{PRODUCT}#P1", f"{PRODUCT}#P2"
    made(typed, first, 100)
    made(typed, second, 100)
    typed.ok(MAKER, "pack", INNER, "--line", f"{first}=24", "--ref", "p/1")
    typed.ok(MAKER, "pack", UNIT, "--line", f"{second}=48", "--on", INNER, "--ref", "p/2")
    assert typed.position(MAKER, second) == {"held": 100, "reserved": 48}
    assert sorted(typed.ok(MAKER, "show", "unit", UNIT).row["lots"]) == [first, second]
    typed.ok(MAKER, "ship-unit", UNIT, "--to", SHOP.id, "--ref", "p/3")
    waiting = [row for row in typed.ok(SHOP, "handovers").rows if row["ref"] == "p/3"]
    assert sorted((row["lot"], row["open"]) for row in waiting) == [(first, 24), (second, 48)]
    typed.ok(MAKER, "pack", INNER, "--use", "2", "--line", f"{first}=6", "--ref", "p/4")
    typed.ok(MAKER, "unpack", INNER, "--use", "2")
    assert typed.position(MAKER, first) == {"held": 76, "shipped": 24}
    gone = typed.run(MAKER, "ship-unit", INNER, "--to", SHOP.id, "--ref", "p/5")
    assert (gone.code, "was unpacked on 2" in gone.err) == (1, True)
    again = typed.run(MAKER, "ship-unit", UNIT, "--to", SHOP.id, "--ref", "p/6")
    assert (again.code, f"packed anew since it stood on {UNIT}" in again.err) == (1, True)
    typed.ok(MAKER, "pack", OTHER, "--line", f"{first}=6", "--ref", "p/7")
    typed.ok(MAKER, "ship-unit", OTHER, "--to", SHOP.id, "--ref", "p/8")
    again = typed.run(MAKER, "ship-unit", OTHER, "--to", SHOP.id, "--ref", "p/9")
    assert (again.code, f"no {first} is left on {OTHER}" in again.err) == (1, True)


def test_a_keeper_packs_ships_and_destroys_what_it_keeps(typed: Typed) -> None:
    lot, label = f"{PRODUCT}#KEPT", "006901234567890145"
    made(typed, lot, 100)
    to = ("--to", MAKER.id, "--to-site", STORE.site)
    ship = typed.ok(MAKER, "ship", "--lot", lot, "--quantity", "80", *to, "--ref", "y/1").row["record"]
    typed.ok(STORE, "receive", "--ship", ship, "--lot", lot, "--accepted", "80", "--ref", "y/1")
    kept = ("--lot", lot, "--owner", MAKER.id)
    typed.ok(STORE, "destroy", *kept, "--quantity", "2", "--reason", "damaged", "--ref", "y/2")
    typed.ok(STORE, "pack", label, "--line", f"{lot}=30", "--owner", MAKER.id, "--ref", "y/3")
    assert "did not pack" in typed.run(MAKER, "ship-unit", label, "--to", SHOP.id, "--ref", "y/4").err
    home = ("--to", MAKER.id, "--to-site", MAKER.site)
    typed.ok(STORE, "ship-unit", label, *home, "--ref", "y/5", "--from", "1")
    assert typed.position(STORE, lot, kept=True) == {"held": 48, "shipped": 30, "destroyed": 2}
    [waiting] = [row for row in typed.ok(MAKER, "handovers").rows if row["lot"] == lot]
    assert (waiting["sender"], waiting["from"], waiting["open"]) == (STORE.id, MAKER.id, 30)
    shown = typed.run(STORE, "positions", "--kept")
    assert f"{STORE.site}, for {MAKER.id}" in shown.out


def test_goods_that_are_weighed_are_cut_up(typed: Typed) -> None:
    declared(typed, BEEF, "--tolerance-permille", "20")
    beef, steak = f"{BEEF}#B1", f"{BEEF}#S1"
    made(typed, beef, 10, "--grams", "21500")
    made_of = ("--input", f"{beef}=4:8600", "--output", f"{steak}=16:8300", "--production", "20260102")
    typed.ok(MAKER, "transform", *made_of, "--ref", "w/1")
    assert typed.position(MAKER, steak) == {"held": 16, "grams": 8300}
    typed.ok(MAKER, "sell", "--lot", steak, "--quantity", "0", "--grams", "300", "--ref", "w/2")
    assert typed.ok(MAKER, "show", "product", BEEF).row["measure"].startswith("variable: items are weighed")
    typed.ok(MAKER, "pack", CARTON, "--line", f"{steak}=4:2000", "--ref", "w/4")
    typed.ok(MAKER, "ship-unit", CARTON, "--to", SHOP.id, "--ref", "w/5")
    [waiting] = [row for row in typed.ok(SHOP, "handovers").rows if row["lot"] == steak]
    got = ("--ship", waiting["ship"], "--lot", steak, "--accepted", "4", "--grams", "1990", "--ref", "w/5")
    typed.ok(SHOP, "receive", *got)
    assert typed.position(SHOP, steak) == {"held": 4, "grams": 1990, "grams_lost": 10}
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
    assert (shown["status"], shown["adverse"]) == ("failed test", 3)


def test_verify_says_why_and_of_which_class(typed: Typed) -> None:
    lot = f"{PRODUCT}#WHY"
    made(typed, lot, 100, "--expiry", "20991231")
    node = ("--node", str(typed.network.connection))
    typed.ok(REGULATOR, "hold", "--lot", lot, "--reason", "抽检")
    typed.ok(MAKER, "recall", "--lot", lot, "--grade", "1", "--reason", "检出沙门氏菌")
    typed.ok(LAB, "fact", "test", "--lot", lot, "--text", "沙门氏菌", "--document", "JC-7", "--adverse")
    shown = typed.run(None, "verify", lot, *node)
    lines = [line.strip() for line in shown.out.splitlines()]
    assert shown.code == 1
    for line in (
        f"recalled: {lot}: recall, class 1: 检出沙门氏菌",
        f"held: {lot}: hold: 抽检",
        f"failed test: {lot}: failed test",
        f"adverse fact: {lot}: hold: 抽检; recall, class 1: 检出沙门氏菌; test: 沙门氏菌, JC-7",
    ):
        assert line in lines, shown.out
    assert "made 2026-01-01, best before 2099-12-31" in shown.out
    name = typed.ok(MAKER, "show", "member", MAKER.id).row["name"]
    noted = f"! recall, class 1: 检出沙门氏菌; about {lot}, signed by {name} 20"
    assert [line for line in lines if line.startswith(noted)]
    row = typed.run(None, "verify", lot, *node, "--json").row
    assert {"recall, class 1: 检出沙门氏菌", "hold: 抽检"} <= {one["says"] for one in row["findings"]}
    assert [one["says"] for one in row["facts"] if (one["act"], one["subject"]) == ("recall", lot)] == [
        "recall, class 1: 检出沙门氏菌"
    ]


def test_verify_says_what_a_recall_of_dates_covers_and_when_goods_expired(typed: Typed) -> None:
    product = gtin(31)
    declared(typed, product)
    lot = f"{product}#OLD"
    made(typed, lot, 100, "--expiry", "20260201")
    span = ("--made-from", "20260101", "--made-until", "20260131")
    typed.ok(MAKER, "recall", "--product", product, *span, "--grade", "2", "--reason", "包装破损")
    mistaken = typed.ok(REGULATOR, "hold", "--product", product, "--reason", "误").row["record"]
    typed.ok(REGULATOR, "lift", "--product", product, "--target", mistaken, "--reason", "撤销")
    node = ("--node", str(typed.network.connection))
    out = typed.run(None, "verify", lot, *node).out
    assert f"recalled: {product}: recall, class 2: 包装破损, made 2026-01-01 to 2026-01-31" in out
    assert f"expired: {lot}: best before 2026-02-01" in out
    assert "  held:" not in out


def test_another_form_of_an_unknown_lot_is_offered_and_never_taken(typed: Typed, tmp_path: Path) -> None:
    made(typed, f"{PRODUCT}#MEANT01", 10)
    node = ("--node", str(typed.network.connection))
    for number in ("meant01", "MEANT-01", "MEANTO1"):
        shown = typed.run(None, "verify", f"{PRODUCT}#{number}", *node)
        assert shown.code == 1
        assert "UNKNOWN CODE" in shown.out
        assert f"did you mean {PRODUCT}#MEANT01?" in shown.out
    row = typed.run(None, "verify", f"{PRODUCT}#meant01", *node, "--json").row
    assert (row["verdict"], row["did_you_mean"]) == ("unknown_code", [f"{PRODUCT}#MEANT01"])
    nobody = typed.run(None, "verify", f"{PRODUCT}#meant02", *node)
    assert (nobody.code, "did you mean" in nobody.out) == (1, False)
    kept = typed.run(None, "proof", f"{PRODUCT}#meant01", *node, "-o", str(tmp_path / "proof"), "--json").row
    assert kept["did_you_mean"] == [f"{PRODUCT}#MEANT01"]
    assert f"; did you mean {PRODUCT}#MEANT01?" in typed.run(MAKER, "show", "lot", f"{PRODUCT}#meant01").err


def test_a_breach_on_the_way_is_measured_and_stays_with_the_goods(typed: Typed) -> None:
    lot = f"{PRODUCT}#WARM"
    declared(typed, PRODUCT, "--temp-max", "8.5")
    made(typed, lot, 10)
    ship = handed(typed, lot, 10, "h/1")
    handover = ("--ship", ship, "--to", DEALER.id)
    hours = ("--start", "2026-11-02 08:00", "--until", "2026-11-02 09:00")
    figures = ("--count", "7", "--min", "2.5", "--max", "8.501", "--mean", "4", "--gap", "600", "--series", "ab" * 32)
    typed.ok(LAB, "measure", "--device", "T-7", *handover, *hours, *figures)
    typed.ok(MAKER, "fact", "inspect", *handover, "--text", "装车前检查合格")
    typed.ok(DEALER, "receive", "--ship", ship, "--lot", lot, "--accepted", "10", "--ref", "h/1")
    [row] = [row for row in typed.ok(DEALER, "positions").rows if row["lot"] == lot]
    assert row["status"] == "breached"
    code = str(typed.ok(DEALER, "voucher", "--lot", lot).row["link"])
    shown = typed.run(None, "verify", code, "--node", str(typed.network.connection), "--json")
    assert (shown.code, shown.row["verdict"]) == (1, "breached_on_the_way")
    facts = [one for one in shown.row["facts"] if one["act"] == "fact"]
    assert [(one["by"], one["adverse"]) for one in facts] == [(LAB.id, True), (MAKER.id, False)]
    position = ("--lot", lot, "--owner", DEALER.id, "--site", DEALER.site)
    typed.ok(DEALER, "hold", *position, "--reason", "温度超限")
    assert "held" in typed.run(DEALER, "ship", "--lot", lot, "--quantity", "1", "--to", SHOP.id, "--ref", "h/2").err
    for about in (position, ("--product", PRODUCT), ("--member", DEALER.id), ("--site", DEALER.site)):
        typed.ok(LAB, "fact", "inspect", *about, "--document", "JC-2026-7", "--adverse")
    assert typed.ok(MAKER, "show", "site", DEALER.site).row["adverse"] == 1
    warmer = typed.run(MAKER, "register", "--product", PRODUCT, "--name", "婴幼儿配方乳粉", "--temp-max", "25")
    assert "a regulator loosens temperature limits" in warmer.err


def test_a_public_shop_opens_the_way_of_its_goods(typed: Typed) -> None:
    lot = f"{PRODUCT}#OPEN"
    made(typed, lot, 10)
    handed_on = ("--lot", lot, "--quantity", "10", "--to", SHOP.id, "--ref", "o/1")
    ship = typed.ok(MAKER, "ship", *handed_on).row["record"]
    typed.ok(SHOP, "receive", "--ship", ship, "--lot", lot, "--accepted", "10", "--ref", "o/1")
    node = ("--node", str(typed.network.connection), "--site", SHOP.site)
    assert "not a public site" in typed.run(None, "verify", lot, *node).err
    typed.ok(SHOP, "site", "main", "--name", "育婴堂南湖店", "--region", "CN-3304")
    typed.ok(SHOP, "site", "main", "--public")
    shown = typed.ok(SHOP, "show", "site", "main").row
    assert (shown["name"], shown["region"], shown["public"]) == ("育婴堂南湖店", "CN-3304", True)
    assert [one["owner"] for one in typed.run(None, "verify", lot, *node, "--json").row["way"]] == [SHOP.id, MAKER.id]
    typed.ok(SHOP, "site", "main", "--not-public")
    assert "public" not in typed.ok(SHOP, "show", "site", "main").row


def test_a_case_is_a_level_of_its_can(typed: Typed) -> None:
    case = gtin(24)
    declared(typed, case, "--base", PRODUCT, "--contains", "6")
    assert typed.ok(MAKER, "show", "product", case).row["contains"] == 6
    refused = typed.run(MAKER, "enter", "--lot", f"{case}#C1", "--quantity", "1", "--ref", "v/1")
    assert (refused.code, "convert the quantity" in refused.err) == (1, True)
    foreign = ("--product", gtin(25), "--name", "阿根廷红虾", "--declared-by", "importer", "--origin", "AR")
    typed.ok(IMPORTER, "register", *foreign, "--maker", MAKER.id)
    shown = typed.ok(MAKER, "show", "product", gtin(25)).row
    assert (shown["maker"], shown["declarer"], shown["measure"][:5]) == (MAKER.id, IMPORTER.id, "fixed")


def test_a_declaration_keeps_what_is_not_named_again(typed: Typed) -> None:
    product = gtin(32)
    fields = ("--category", "129", "--licence", "SC10633040200017", "--shelf-days", "730", "--temp-max", "25")
    first = typed.ok(MAKER, "register", "--product", product, "--name", "乳粉", *fields, "--closed").row
    assert "unchanged" not in first
    told = typed.ok(MAKER, "register", "--product", product, "--shelf-days", "540", "--clear", "licence").row
    assert told["unchanged"] == ["category", "closed", "declared_by", "maker", "name", "temp_max_mc"]
    shown = typed.ok(MAKER, "show", "product", product).row
    assert (shown["name"], shown["category"], shown["shelf_days"], shown["closed"]) == ("乳粉", "129", 540, True)
    assert "licence" not in shown
    typed.ok(MAKER, "register", "--product", product, "--not-closed", "--name", "婴幼儿配方乳粉")
    shown = typed.ok(MAKER, "show", "product", product).row
    assert (shown["name"], shown["temp_max_mc"], "closed" in shown) == ("婴幼儿配方乳粉", 25_000, False)
    both = typed.run(MAKER, "register", "--product", product, "--grams", "800", "--clear", "grams")
    assert (both.code, "--grams is given and cleared" in both.err) == (2, True)
    queued = typed.run(MAKER, "register", "--product", product, "--queue")
    assert (queued.code, "say its --name" in queued.err) == (2, True)


def test_who_speaks_for_a_product_repeats_nothing_of_anothers_word(typed: Typed) -> None:
    product = gtin(33)
    typed.ok(DEALER, "register", "--product", product, "--name", "乳粉", "--declared-by", "holder", "--origin", "NZ")
    said = typed.run(MAKER, "register", "--product", product)
    assert (said.code, "not declared by you" in said.err) == (2, True)
    typed.ok(MAKER, "register", "--product", product, "--name", "奶粉")
    assert "origin" not in typed.ok(MAKER, "show", "product", product).row
    typed.ok(MAKER, "register", "--product", product, "--temp-max", "25", "--grams", "800")
    typed.ok(REGULATOR, "register", "--product", product, "--maker", MAKER.id, "--temp-max", "30")
    shown = typed.ok(MAKER, "show", "product", product).row
    assert (shown["grams"], shown["temp_max_mc"], shown["declarer"]) == (800, 30_000, MAKER.id)


def second_key(typed: Typed, folder: Path) -> Path:
    """A key of the shop's on another machine: made there, certified by the node's operator."""
    typed.ok(None, "keygen", str(folder), "--member", SHOP.id, "--name", "市场终端")
    paths = (str(typed.network.data), str(folder / "tls.csr"))
    operate("certify", *paths, "--member", SHOP.id, "-o", str(folder / "tls.crt"))
    (folder / "node.json").write_bytes(typed.network.connection.read_bytes())
    return folder


def test_a_terminal_signs_with_a_limited_key_until_it_is_revoked(typed: Typed, tmp_path: Path) -> None:
    lot = f"{PRODUCT}#T1"
    made(typed, lot, 100)
    typed.ok(SHOP, "claim", "--lot", lot, "--quantity", "50", "--supplier", MAKER.id, "--ref", "l/1")
    terminal = second_key(typed, tmp_path / "terminal")
    me = ("-i", str(terminal))
    sale = ("sell", *me, "--lot", lot, "--quantity", "1", "--ref")
    assert "has no key" in typed.run(None, *sale, "l/2").err
    public = str(terminal / "member.json")
    typed.ok(
        SHOP, "key", "admit", public, "--label", "3号摊位", "--act", "sell", "--act", "take-back", "--site", "main"
    )
    typed.ok(None, *sale, "l/2")
    typed.ok(None, "take-back", *sale[1:], "l/3")
    typed.ok(None, *sale, "l/4")
    assert [row["lot"] for row in typed.ok(None, "positions", *me).rows if row["lot"] == lot] == [lot]
    for words, says in (
        (("destroy", *sale[1:], "l/5"), "this key may not sign destroy"),
        ((*sale, "l/6", "--site", "back"), f"this key signs for {SHOP.site} only"),
        (
            ("key", "retire", str(typed.network.home(SHOP) / "member.json"), *me),
            "a limited key would admit or end keys",
        ),
    ):
        refused = typed.run(None, *words)
        assert (refused.code, says in refused.err, len(refused.err.splitlines())) == (1, True, 1)
    [told] = [row for row in typed.ok(SHOP, "records").rows if row["act"] == "key"]
    key = told["says"].split()[2]
    assert (told["says"], len(key)) == (f"admitted key {key} of {SHOP.id}", 64)
    typed.ok(SHOP, "key", "revoke", key, "--suspect-from", "2026-11-01")
    refused = typed.run(None, *sale, "l/7")
    assert (refused.code, "was revoked" in refused.err) == (1, True)
    assert typed.position(SHOP, lot)["sold"] == 1


def test_an_accountants_key_is_admitted_and_retired(typed: Typed, tmp_path: Path) -> None:
    folder = second_key(typed, tmp_path / "accountant")
    typed.ok(REGULATOR, "key", "admit", str(folder / "member.json"), "--until", "2999-12-31", "--site", "main")
    fields = ("--lot", f"{PRODUCT}#NEW", "--quantity", "6", "--ref", "a/1", "--production", "2026年1月1日")
    typed.ok(None, "enter", "-i", str(folder), *fields, "--at", "2026-11-02T01:30:00Z")
    newest = typed.ok(None, "records", "-i", str(folder), "--limit", "1").row
    assert (newest["at"], newest["says"]) == (
        "2026-11-02T09:30:00+08:00",
        f"entered 6 of {PRODUCT}#NEW, bought outside the ledger, at {SHOP.site}, line a/1",
    )
    assert typed.position(SHOP, f"{PRODUCT}#NEW") == {"held": 6}
    typed.ok(SHOP, "key", "retire", str(folder / "member.json"))


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


def test_answers_fit_into_80_columns_and_keep_hashes_whole(typed: Typed) -> None:
    lot = f"{PRODUCT}#WIDE-LOT-NUMBER-0020"
    made(typed, lot, 10_000)
    ship = handed(typed, lot, 1234, "2026年第0007号送货单/1")
    claim = typed.ok(DEALER, "claim", "--lot", lot, "--quantity", "5", "--supplier", STORE.id, "--ref", "r/2").row
    typed.ok(DEALER, "dispute", "--claim", "ab" * 32, "--claimant", SHOP.id, "--lot", lot, "--reason", "x", "--queue")
    typed.ok(DEALER, "outbox")
    for words, needed in (
        (("positions",), lot),
        (("handovers",), f"ship {ship}"),
        (("claims",), f"claim {claim['record']}"),
        (("records", "--limit", "3"), claim["record"]),
        (("show", "lot", lot), lot),
    ):
        said = typed.run(DEALER, *words)
        lines = [line.strip() for line in said.out.splitlines()]
        assert any(needed in line for line in lines), said.out
        assert max(map(len, said.out.splitlines())) <= 80 or words[0] == "records"
    assert "claimed 5; open claim" in typed.run(DEALER, "positions").out
    assert typed.run(STORE, "claims", "--against-me").out.startswith(
        f"claim {claim['record']}\n    5 of 5 open of {lot}"
    )
    assert typed.run(LAB, "claims").out == "claims: none\n"


def test_records_are_found_from_either_end(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(21):
        typed.ok(MAKER, "site", "main", "--name", f"{number}号库")
    places = [row["place"] for row in typed.ok(MAKER, "records", "--limit", "1000").rows]
    assert [row["place"] for row in typed.ok(MAKER, "records").rows] == places[-20:]
    monkeypatch.setattr(own, "SEARCHED_LEAVES", 1)  # the newest are looked for in ever more of the log
    assert [row["place"] for row in typed.ok(MAKER, "records", "--limit", "9").rows] == places[-9:]
    start = places[3].partition("/")[0]
    first = [row["place"] for row in typed.ok(MAKER, "records", "--from", start, "--limit", "2").rows]
    assert first == [place for place in places if int(place.partition("/")[0]) >= int(start)][:2]


SLIPS = [
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "--site", "nowhere"), f"at {MAKER.site} (--site)"),
    (
        ("sell", "--lot", f"{LOT[:-1]}7", "--quantity", "1", "--ref", "s"),
        f"did you mean {LOT}? Else book first what came in",
    ),
    (("move", "--lot", LOT, "--quantity", "1", "--to-site", "mian", "--ref", "s"), f"did you mean {MAKER.site}?"),
    (("enter", "--lot", f"{gtin(88)}#A", "--quantity", "1", "--ref", "s"), "declares it first: suyuan register"),
    (("ship", "--lot", LOT, "--quantity", "1", "--to", member(88).id, "--ref", "s"), "admits members: suyuan admit"),
    (("commission", "--lot", LOT, "--quantity", "1", "--production", "20260102", "--ref", "s"), "and no expiry"),
    (
        ("commission", "--lot", LOT, "--quantity", "1", "--production", "20251101", "--ref", "SC-1"),
        "a --ref of its own",
    ),
    (("correct", "0/0", "--reason", "x", "--ref", "s", "--did-not-occur"), "you signed no record 0 in leaf 0"),
    (("correct", "ab" * 32, "--reason", "x", "--ref", "s", "--quantity", "1"), "`suyuan records` shows what you did"),
    (("ship-unit", "006901234567890138", "--to", SHOP.id, "--ref", "s"), "pack it first"),
    (("show", "lot", f"{PRODUCT}#NONE"), "is known to the ledger"),
    (("site", "nowhere", "--public"), "is new: say its --name"),
    (("key", "retire", "ab" * 32), "has no such key"),
    (("sell", "--lot", LOT, "--quantity", "1", "--ref", "s", "--at", "2999-01-01"), "lies ahead"),
    (("outbox", "drop", "99", "--reason", "x"), "no entry 99"),
    (("private", "show", "7"), "LEAF/INDEX"),
    (("private", "show", "99999/0"), "no record"),
]


@pytest.mark.parametrize(("arguments", "says"), SLIPS, ids=[" ".join(one[0][:3]) for one in SLIPS])
def test_a_slip_that_the_ledger_knows_gets_one_line(typed: Typed, arguments: tuple[str, ...], says: str) -> None:
    said = typed.run(MAKER, *arguments)
    assert said.code in (1, 2)
    assert says in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
