"""`suyuan import` with a real node: late suppliers, counts, questions, mended rows, and a run that was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook

from client_sdk import build, keys
from client_sdk.wire import clock_ms
from ledger import records as r
from tests.commands import Typed
from tests.network import PASSPHRASE, Network
from tests.world import CASE, DEALER, FORMULA, LOT, MAKER, OTHER_SHOP, SHOP, STORE, member

pytestmark = pytest.mark.slow
COLUMNS = "日期,单据号,行号,商品名称,商品条码,单位,数量,批号,生产日期,{party}名称,{party}信用代码,单价"
PURCHASES, SALES = COLUMNS.format(party="供应商"), COLUMNS.format(party="客户")
STOCK = "盘点日期,商品条码,单位,账面数量,实盘数量,批号,生产日期"
NEWCOMERS = tuple(member(number) for number in range(60, 64))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP, OTHER_SHOP, STORE, *NEWCOMERS)
    with network.client(MAKER) as maker:
        level = {"base": FORMULA, "contains": 6, "product": CASE, "declared_by": r.DeclaredBy.MAKER}
        maker.submit([build.act(r.Register, at=clock_ms(), maker=MAKER.id, name="乳粉", **level)])
    yield network
    assert network.stop() == 0


@pytest.fixture
def typed(network: Network, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(network, capsys)


def row(document: str, line: int, quantity: str, code: str, **changed: str) -> str:
    values = {
        "date": "2026-11-02", "document": document, "line": str(line), "name": "乳粉", "gtin": FORMULA, "unit": "罐",
        "quantity": quantity, "lot": "A1", "made": "2025-11-01", "party": "某", "code": code, "price": "138.5",
    }  # fmt: skip
    return ",".join((values | changed).values())


def book(tmp_path: Path, *lines: str, name: str = "book.csv", encoding: str = "utf-8") -> str:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return str(path)


def test_a_first_book_asks_for_the_stock_before_it(typed: Typed, tmp_path: Path) -> None:
    who = NEWCOMERS[0]
    purchases = book(tmp_path, PURCHASES, row("A", 1, "6", DEALER.id))
    asked = typed.run(who, "import", purchases)
    assert asked.code == 1
    assert "suyuan mapping opening none" in asked.err
    stock = book(tmp_path, STOCK, f"2026-11-01,{FORMULA},罐,,30,A1,2025-11-01", name="stock.csv")
    assert typed.ok(who, "import", stock).rows[-1]["acts"] == {"count": 1}
    assert typed.position(who, LOT) == {"held": 30}
    assert typed.ok(who, "mapping").row["opening"] == "counted"
    assert typed.ok(who, "import", purchases).rows[-1]["acts"] == {"claim": 1}


def test_a_late_supplier_confirms_claims_whichever_book_comes_first(typed: Typed, tmp_path: Path) -> None:
    supplier, shop = MAKER, NEWCOMERS[1]
    typed.ok(shop, "mapping", "opening", "none")
    bought = book(tmp_path, PURCHASES, *(row("L", n, "12", supplier.id) for n in range(1, 4)))
    dry = typed.ok(shop, "import", bought, "--dry-run").rows
    assert [one["becomes"] for one in dry[:3]] == [f"claim 12 of {LOT}, which {MAKER.id} has not booked yet"] * 3
    assert typed.ok(shop, "positions").rows == []
    assert typed.ok(shop, "import", bought).rows[-1]["booked"] == 3
    assert typed.position(shop, LOT) == {"held": 36, "claimed": 36}
    sold = book(tmp_path, SALES, *(row("L", n, "12", shop.id) for n in range(1, 4)), name="sold.csv")
    assert typed.ok(supplier, "import", sold).rows[-1]["acts"] == {"ship": 3}
    assert typed.position(shop, LOT) == {"held": 36}
    again = typed.ok(shop, "import", bought).rows[-1]
    assert (again["booked"], again["already_booked"]) == (0, 3)


def test_one_row_answers_ships_and_claims_the_surplus(typed: Typed, tmp_path: Path) -> None:
    shop = NEWCOMERS[2]
    typed.ok(shop, "mapping", "opening", "none")
    typed.ok(MAKER, "import", book(tmp_path, SALES, row("S", 1, "1", shop.id, gtin=CASE, unit="箱")))
    typed.ok(shop, "import", book(tmp_path, PURCHASES, row("S", 1, "8", MAKER.id)))
    assert typed.position(shop, LOT) == {"held": 8, "claimed": 2}
    place = next(one["place"] for one in typed.ok(shop, "records").rows if one["act"] == "receive")
    shown = typed.ok(shop, "private", "show", place).row
    assert (shown["price"], shown["currency"]) == (110_800, "CNY")


def test_bad_rows_are_written_out_mended_and_imported(typed: Typed, tmp_path: Path) -> None:
    lines = [
        row("B", 1, "2", ""), row("B", 2, "99999", ""), row("B", 3, "x", ""), row("B", 1, "3", ""),
        row("B", 4, "1", "", lot="Al"), row("B", 5, "1", "", gtin="123"),
    ]  # fmt: skip
    bad = tmp_path / "bad.csv"
    first = typed.run(MAKER, "import", book(tmp_path, SALES, *lines, encoding="gb18030"), "--bad", str(bad), "--json")
    assert first.code == 1
    assert first.rows[-1] == {
        "rows": 6, "booked": 1, "already_booked": 0, "bad": 5, "acts": {"sell": 1},
        "reasons": {"数量": 2, "行号": 1, "批号": 1, "商品条码": 1},
    }  # fmt: skip
    assert sorted(one["line"] for one in first.rows[:-1]) == [3, 4, 5, 6, 7]
    text = bad.read_text("utf-8-sig")
    assert "问题" in text
    mended = text.replace("99999", "9").replace(",x,", ",4,").replace(",Al,", ",A1,").replace(",123,", f",{FORMULA},")
    bad.write_text(mended.replace("B,1,", "B,6,"), "utf-8")
    assert typed.ok(MAKER, "import", str(bad)).rows[-1]["booked"] == 5


def test_a_spreadsheet_with_words_of_its_own(typed: Typed, tmp_path: Path) -> None:
    shop = NEWCOMERS[3]
    for words in (
        ("opening", "none"), ("column", "货号", "商品条码"), ("column", "往来单位", "供应商名称"),
        ("product", "K-17", FORMULA), ("party", "浙北乳业", MAKER.id), ("unit", "提", "4"),
    ):  # fmt: skip
        typed.ok(shop, "mapping", *words)
    sheet = Workbook()
    table = sheet.active
    assert table is not None
    table.append(["进货明细"])
    table.append(["日期", "货号", "商品名称", "单位", "数量", "批号", "往来单位"])
    table.append(["2026-11-02", "K-17", "乳粉", "提", 3, "A1", "浙北乳业"])
    sheet.save(tmp_path / "book.xlsx")
    assert typed.ok(shop, "import", str(tmp_path / "book.xlsx")).rows[-1]["acts"] == {"claim": 1}
    assert typed.position(shop, LOT) == {"held": 12, "claimed": 12}
    assert "is no header" in typed.run(shop, "mapping", "column", "货号", "条形").err


def test_an_import_killed_in_the_middle_is_run_again(network: Network, typed: Typed, tmp_path: Path) -> None:
    """Killed at several moments; then one run books what is missing, and every row stands once."""
    rows = 6000
    lines = [row("K", n, "1", "", made="") for n in range(1, rows + 1)]
    path = book(tmp_path, SALES, *lines)
    network.certify(MAKER)
    before = typed.position(MAKER, LOT)
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE}
    command = [sys.executable, "-m", "client_sdk.commands", "import", path, "-i", str(network.home(MAKER))]
    for seconds in (1.3, 1.6):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = typed.ok(MAKER, "import", path).rows[-1]
    assert last["booked"] + last["already_booked"] == rows
    assert last["bad"] == 0
    after = typed.position(MAKER, LOT)
    assert after["sold"] - before.get("sold", 0) == rows
    assert typed.ok(MAKER, "import", path).rows[-1]["already_booked"] == rows
