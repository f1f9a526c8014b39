"""`suyuan import` with a real node: late suppliers, counts, questions, mended rows, and a run that was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook

from client_sdk import build, errors, keys
from client_sdk.client import Client
from client_sdk.wire import Side, clock_ms
from ledger import records as r
from ledger.limits import ENVELOPE_RECORDS_MAX
from tests.commands import Typed
from tests.network import PASSPHRASE, Network
from tests.world import CASE, DEALER, FORMULA, LOT, MAKER, OTHER_SHOP, SHOP, STORE, Member, member

pytestmark = pytest.mark.slow
COLUMNS = "日期,单据号,行号,商品名称,商品条码,单位,数量,批号,生产日期,{party}名称,{party}信用代码,单价"
PURCHASES, SALES = COLUMNS.format(party="供应商"), COLUMNS.format(party="客户")
STOCK = "盘点日期,商品条码,单位,账面数量,实盘数量,批号,生产日期"
NEWCOMERS = tuple(member(number) for number in range(60, 67))


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
    assert "--no-opening-stock" in asked.err
    stock = book(tmp_path, STOCK, f"2026-11-01,{FORMULA},罐,,30,A1,2025-11-01", name="stock.csv")
    assert typed.ok(who, "import", stock).rows[-1]["acts"] == {"count": 1}
    assert typed.position(who, LOT) == {"held": 30}
    assert typed.ok(who, "mapping").row["opening"] == "counting"
    assert typed.ok(who, "import", purchases).rows[-1]["acts"] == {"claim": 1}
    assert typed.ok(who, "mapping").row["opening"] == "counted"


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


def test_a_book_is_the_same_in_every_encoding_and_as_a_spreadsheet(typed: Typed, tmp_path: Path) -> None:
    lines = [
        SALES,
        row("E", 1, "2", ""),
        row("E", 2, "1", DEALER.id, gtin=CASE, unit="箱", party="嘉兴店"),
        row("E", 3, "x", ""),
    ]
    paths = [book(tmp_path, *lines, name=f"{name}.csv", encoding=name) for name in ("utf-8", "utf-8-sig", "gb18030")]
    sheet = Workbook()
    for line in lines:
        sheet.active.append([int(cell) if cell.isdigit() else cell for cell in line.split(",")])  # type: ignore[union-attr]
    sheet.save(tmp_path / "book.xlsx")
    told = [typed.run(MAKER, "import", path, "--dry-run", "--json") for path in (*paths, str(tmp_path / "book.xlsx"))]
    assert told[0].rows[0]["becomes"] == f"sell 2 of {LOT} to 某"
    assert told[0].rows[-1]["rows"] == 3
    assert [one.out for one in told] == [told[0].out] * 4
    assert {one.code for one in told} == {1}


def test_options_of_an_import(typed: Typed, network: Network, tmp_path: Path) -> None:
    who = NEWCOMERS[4]
    purchases = book(
        tmp_path, PURCHASES, row("O", 1, "6", DEALER.id, lot="Al"), row("O", 2, "6", DEALER.id, lot="A1")
    )
    typed.run(who, "import", purchases, "--no-opening-stock", "--dry-run")
    assert typed.ok(who, "mapping").row == {"mapping": "empty"}
    first = typed.run(who, "import", purchases, "--no-opening-stock")
    assert first.code == 0  # nothing is held yet that Al could be
    assert "2 claim" in first.out
    lines = (f"{PURCHASES},货批,检验报告号", row("O", 2, "6", DEALER.id, lot="A1") + ",x,y")
    unused = book(tmp_path, *lines, name="unused.csv")
    told = typed.run(who, "import", unused).out
    assert "columns not used  货批, 检验报告号" in told
    assert "is 检验报告号 meant as 检验报告编号? suyuan mapping column '检验报告号' '检验报告编号'" in told
    named = {"货批": "", "检验报告号": "检验报告编号"}
    assert typed.run(who, "import", unused, "--json").rows[-1]["columns_not_used"] == named
    itself = typed.run(who, "import", purchases, "--bad", purchases)
    assert (itself.code, "the book itself" in itself.err) == (1, True)
    assert Path(purchases).read_text().startswith("日期")
    asked = typed.run(who, "import", book(tmp_path, PURCHASES, row("O", 3, "6", DEALER.id, lot="A-1")))
    assert asked.code == 1
    assert f"suyuan mapping lot '{FORMULA}#A-1' '{LOT}'" in asked.err
    typed.ok(who, "mapping", "lot", f"{FORMULA}#A-1", LOT)
    answered = book(tmp_path, PURCHASES, row("O", 3, "6", DEALER.id, lot="A-1"))
    assert typed.ok(who, "import", answered).rows[-1]["acts"] == {"claim": 1}
    assert typed.position(who, LOT) == {"held": 12, "claimed": 12}
    assert typed.ok(who, "mapping", "lot", f"{FORMULA}#A-1", "--forget").row == {"opening": "none"}
    network.home(who).joinpath("book-mapping.json").write_text('{"lots": 7}')
    broken = typed.run(who, "import", answered)
    assert (broken.code, "remove it" in broken.err) == (1, True)


ROWS = 4000


def killed(network: Network, who: Member, path: str) -> None:
    """`suyuan import` in a process of its own, killed as soon as some of its rows are booked, and not all."""
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE}
    command = [sys.executable, "-m", "client_sdk.commands", "import", path, "-i", str(network.home(who))]
    with network.client(who) as client:
        before = client.node_info().size
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while client.node_info().size == before and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() != 0, "it was too quick to be killed"
        found = client.find_refs(Side.IN, [f"K/{number}" for number in range(ROWS)])
    assert 0 < len(found) <= ROWS


def test_rows_that_are_booked_and_flagged_are_named(typed: Typed, tmp_path: Path) -> None:
    late = [row("F", n, "1", "", date="2026-01-02") for n in range(1, 26)]
    said = typed.run(MAKER, "import", book(tmp_path, SALES, *late))
    assert (said.code, " 25 booked late\n" in said.out) == (0, True)
    lines = said.err.splitlines()
    where = f"1 of {LOT} at {MAKER.site} went out more than 45 days before it was booked"
    assert lines[0] == f"suyuan: warning: line 2 is booked and flagged: {where}"
    assert (len(lines), "and 5 more rows are booked and flagged" in lines[20]) == (21, True)
    told = typed.ok(MAKER, "import", book(tmp_path, SALES, row("G", 1, "1", "", date="2026-01-02"))).rows[-1]
    assert (told["flagged"], told["flagged_as"]) == (1, {"booked late": 1})
    assert told["flagged_first"] == [{"line": 2, "reason": "booked late", "says": where}]
    stock = book(tmp_path, STOCK, f"2026-11-01,{FORMULA},罐,7,6,A1,2025-11-01", name="stock.csv")
    assert "; its book said 7, the ledger" in typed.run(MAKER, "import", stock, "--dry-run").out


def test_the_nodes_that_keep_prices_are_named_and_known_before_anything_is_booked(
    typed: Typed, network: Network, tmp_path: Path
) -> None:
    name = typed.ok(None, "info", "--node", str(network.connection)).row["node"]
    sold = book(tmp_path, SALES, row("N", 1, "1", ""))
    unknown = typed.run(MAKER, "import", sold, "--private-at", name, "--private-at", "elsewhere")
    assert (unknown.code, "cannot give openings to elsewhere" in unknown.err) == (1, True)
    assert typed.ok(MAKER, "import", sold, "--private-at", name).rows[-1]["booked"] == 1
    place = next(one["place"] for one in typed.ok(MAKER, "records").rows if one["ref"] in ("N/1", "N-1"))
    assert typed.ok(MAKER, "private", "show", place).row["price"] == 13_850


def test_an_import_killed_in_the_middle_and_run_again_is_as_one_run(
    network: Network, typed: Typed, tmp_path: Path
) -> None:
    """Two members get the same ships, whole, in two parts and not at all; one import is killed, and run again at
    once, while the node still books what was under way."""
    steady, hasty = NEWCOMERS[5], NEWCOMERS[6]
    lot = f"{FORMULA}#K1"
    lines = [row("K", n, str(2 + n % 3), MAKER.id, lot="K1", price=str(n)) for n in range(ROWS)]
    path = book(tmp_path, PURCHASES, *lines)
    with network.client(MAKER) as maker:
        fields = {"lot": lot, "site": MAKER.site, "at": clock_ms()}
        maker.submit([build.commission(quantity=10**6, ref="K1", production=20251101, **fields)])
        for who in (steady, hasty):
            parts = [part for n in range(30, ROWS) for part in ((2, n % 3) if n % 3 else (2,))]
            maker.submit(
                [build.ship(to=who.id, quantity=q, ref=f"{who.id}/{n}", **fields) for n, q in enumerate(parts)]
            )
            typed.ok(who, "mapping", "opening", "none")
    first = typed.ok(steady, "import", path).rows[-1]
    assert (first["booked"], first["acts"]["claim"] > 10) == (ROWS, True)
    killed(network, hasty, path)
    last = typed.ok(hasty, "import", path).rows[-1]
    assert last["booked"] + last["already_booked"] == ROWS
    assert (last["bad"], last["already_booked"] > 0) == (0, True)
    assert typed.position(hasty, lot) == typed.position(steady, lot)
    with network.client(hasty) as one, network.client(steady) as other:
        assert not list(one.handovers())
        assert booked(one) == booked(other) == {f"K/{n}": 2 + n % 3 for n in range(ROWS)}
        assert all(one.private(*place).price is not None for place in list(places(one))[:: ROWS // 20])
    again = typed.ok(hasty, "import", path).rows[-1]
    assert (again["booked"], again["already_booked"]) == (0, ROWS)


def booked(client: Client) -> dict[str, int]:
    """How much came in under each document line."""
    found: Counter[str] = Counter()
    for envelope in client.own_envelopes():
        for one in envelope.records:
            if isinstance(one.amounts, r.Received | r.Moved):
                found[one.amounts.ref] += getattr(one.amounts, "accepted", 0) or getattr(one.amounts, "quantity", 0)
    return dict(found)


def places(client: Client) -> Iterator[tuple[int, int]]:
    """Where records with something private stand."""
    for envelope in client.own_envelopes():
        yield from ((envelope.leaf, index) for index, one in enumerate(envelope.records) if one.record.private)


def test_a_refusal_names_every_record_however_many(network: Network) -> None:
    with network.client(MAKER) as maker:
        fields = {"lot": LOT, "quantity": 10**9, "at": clock_ms(), "site": MAKER.site}
        many = ENVELOPE_RECORDS_MAX
        [envelope] = maker.sign([build.sell(ref=f"many/{n}", **fields) for n in range(many)], records_max=many)
        with pytest.raises(errors.EnvelopeRefused) as caught:
            maker.submit_envelope(envelope)
        assert [problem.record for problem in caught.value.problems] == list(range(many))


def test_two_imports_of_one_book_at_once_book_it_once(network: Network, typed: Typed, tmp_path: Path) -> None:
    path = book(tmp_path, SALES, *(row("T", n, "1", "", made="") for n in range(ROWS // 2)))
    before = typed.position(MAKER, LOT)
    environment = os.environ | {keys.PASSPHRASE_VARIABLE: PASSPHRASE}
    command = [sys.executable, "-m", "client_sdk.commands", "import", path, "-i", str(network.home(MAKER)), "--json"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate()[0].splitlines()[-1]) for process in both]
    assert sum(one["booked"] for one in told) == ROWS // 2
    assert {reason for one in told for reason in one["reasons"]} <= {"ref.booked"}
    assert typed.position(MAKER, LOT)["sold"] - before.get("sold", 0) == ROWS // 2
    assert typed.ok(MAKER, "import", path).rows[-1]["already_booked"] == ROWS // 2
