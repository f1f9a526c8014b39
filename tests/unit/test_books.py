"""Importing books into a ledger in this process: real rules, receipts and proofs, and faults where they hurt."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_sdk import errors
from client_sdk.books import booking, sending
from client_sdk.books.badrows import BadRowFile
from client_sdk.books.booking import Import, opened
from client_sdk.books.columns import Book
from client_sdk.books.line import Planned
from client_sdk.books.mapping import Mapping
from client_sdk.books.pending import PREFIX
from client_sdk.books.reader import BookFile, read
from client_sdk.books.rows import BadRow
from client_sdk.build import SignedEnvelope
from demo.trade import Trade
from demo.world import make
from ledger import records as r
from ledger.errors import Malformed, Problem
from tests.books import PURCHASES, SALES, STOCK, Importer, founded, imported, row, stocks, write
from tests.world import CASE, DEALER, FORMULA, LOT, MAKER, REGULATOR, SHOP, World

ONE = {"客户信用代码": "", "供应商信用代码": ""}
PRICED = (*SALES, "单价")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four rows and envelopes of two records, so that few rows meet every boundary."""
    monkeypatch.setattr(booking, "CHUNK_ROWS", 4)
    monkeypatch.setattr(booking, "RECORDS_AN_ENVELOPE", 2)


def sales(*changes: dict[str, str], start: int = 1) -> list[dict[str, str]]:
    """The maker's sales of one can each to consumers, and what is different in them."""
    plain = row(**ONE, 批号="A1", 数量="1")
    return [plain | {"行号": str(start + number)} | change for number, change in enumerate(changes)]


def test_books_of_a_chain_of_trade(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker, dealer = (Importer(world, tmp_path / who.id, who) for who in (MAKER, DEALER))
    delivery = row(批号="A1", 商品条码=CASE, 单位="箱", 数量="20", 供应商信用代码=MAKER.id, 生产日期="2025-11-01")
    bought = write(tmp_path / "bought.csv", PURCHASES, [delivery, delivery | {"行号": "2", "数量": "1"}])
    sold = write(tmp_path / "sold.csv", SALES, [delivery, *sales({}, {"数量": "-1"}, start=2)])
    totals, told = imported(maker, sold)
    assert (totals.booked, totals.acts, told) == (3, {"ship": 1, "sell": 1, "take back": 1}, [])
    totals, told = imported(dealer, bought)
    assert (totals.booked, totals.acts, told) == (2, {"receive": 1, "claim": 1}, [])
    assert world.held(DEALER) == 126
    for client, path, rows in ((maker, sold, 3), (dealer, bought, 2)):
        again, told = imported(client, path)
        assert (again.rows, again.booked, again.already, told) == (rows, 0, rows, [])
    assert world.held(DEALER) == 126
    world.close()


def test_a_dry_run_tells_every_row_and_sends_nothing(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    before = world.store.head.log.size
    path = write(tmp_path / "sold.csv", SALES, sales({}, {"数量": "10000"}, {"数量": "9999"}))
    file = BookFile(path)
    told: list[Planned | BadRow] = []
    run = Import(maker, file.kind, Mapping(), told.append)
    assert [one.says for one in run.plan(file)] == [f"sell 1 of {LOT} to 某店", f"sell 9999 of {LOT} to 某店"]
    assert [type(one) for one in told] == [Planned, BadRow, Planned]
    assert world.store.head.log.size == before
    assert "Submit" not in maker.calls
    again = Import(maker, file.kind, Mapping(), told.append)
    till = r.Moved(quantity=1, ref="D/1")
    world.do(MAKER, world.act(r.Sell, till, buyer=r.SaleTo.CONSUMER, lot=LOT, site=MAKER.site))
    assert [one.row.line for one in again.plan(BookFile(path))] == [3]
    assert (again.totals.already, again.totals.bad) == (1, 1)
    world.close()


# Refusals


def recalled(world: World) -> str:
    """A lot at the maker that must not be shipped, as only the node knows."""
    lot = f"{FORMULA}#R1"
    world.do(MAKER, world.commission(100, lot))
    subject = world.lot_subject(lot)
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="抽检不合格", subject=subject, at=1))
    return lot


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("window", [1, 2, 5])
def test_what_depends_on_a_refused_envelope_is_booked_after_it(tmp_path: Path, window: int) -> None:
    """Each pair of rows is one envelope. The first is refused for its ship; its other row takes back what the second
    envelope sells. Nothing of the second is blamed for that, and the second ship of its own kind is."""
    world = founded(tmp_path / "world")
    recalled(world)
    maker = Importer(world, tmp_path / "maker", MAKER, window)
    world.do(MAKER, world.sell(MAKER, 10_000))
    bad_ship = {"批号": "R1", "客户信用代码": DEALER.id}
    rows = sales(
        bad_ship, {"数量": "-5"}, {"数量": "2"}, {"数量": "3"}, {"数量": "-3"}, bad_ship, {"数量": "1"},
        {"数量": "2"},
    )  # fmt: skip
    totals, told = imported(maker, write(tmp_path / "sold.csv", SALES, rows))
    assert [(one.line, one.rule, bool(one.remedy)) for one in told] == [
        (2, "goods.held", True),
        (7, "goods.held", True),
    ]
    assert (totals.booked, totals.bad, totals.acts) == (6, 2, {"take back": 2, "sell": 4})
    assert world.held(MAKER) == 0
    assert totals.reasons == {"goods.held": 2}
    assert told[0].cells[2] == "1"
    world.close()


@pytest.mark.usefixtures("small")
def test_after_a_refusal_the_holdings_are_asked_for_anew(tmp_path: Path) -> None:
    """A refused ship gives back what it took, so later rows are not short of it."""
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER, window=1)
    recalled(world)
    rows = sales(
        {"批号": "R1", "数量": "100", "客户信用代码": DEALER.id}, {}, {"批号": "R1", "数量": "100"}, {},
    )  # fmt: skip
    totals, told = imported(maker, write(tmp_path / "sold.csv", SALES, rows))
    assert ([one.line for one in told], totals.booked) == ([2], 3)
    assert world.held(MAKER, f"{FORMULA}#R1") == 0
    world.close()


def test_a_refusal_of_the_envelope_as_a_whole_ends_the_import(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    change = {"change": r.KeyChange.REVOKE, "key": MAKER.key, "member": MAKER.id}
    world.do(REGULATOR, world.act(r.Key, **change))
    with pytest.raises(errors.EnvelopeRefused, match="key"):
        imported(maker, write(tmp_path / "sold.csv", SALES, sales({}, {})))
    world.close()


@pytest.mark.usefixtures("small")
def test_an_overloaded_node_is_waited_for_and_a_read_only_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(sending.time, "sleep", waited.append)
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER, window=2)
    busy = errors.Overloaded(250)
    maker.faults["Submit"] = [None, busy, None, busy, busy, None]
    totals, told = imported(maker, write(tmp_path / "sold.csv", SALES, sales(*[{}] * 12)))
    assert (totals.booked, told, waited) == (12, [], [0.25] * 3)
    maker.faults["Submit"] = [errors.ReadOnly(100, "the disk is full")]
    with pytest.raises(errors.ReadOnly):
        imported(maker, write(tmp_path / "sold.csv", SALES, sales({}, start=50)))
    monkeypatch.setattr(sending, "OVERLOADED_SECONDS_MAX", -1)
    maker.faults["Submit"] = [busy]
    with pytest.raises(errors.Overloaded):
        imported(maker, write(tmp_path / "sold.csv", SALES, sales({}, start=60)))
    world.close()


# Once, whatever happens


class Cut(Exception):
    """The importing process ends here."""


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("headers", [SALES, PRICED])
def test_killed_at_any_envelope_and_run_again_it_is_as_one_run(tmp_path: Path, headers: tuple[str, ...]) -> None:
    """Sales with and without document numbers and prices, killed before and after each envelope was taken."""
    plain = {"单据号": "", "行号": "", "单价": "2.5"}
    lines = sales({}, plain, plain, {"数量": "3"}, plain, {"客户信用代码": DEALER.id, "数量": "7"}, plain, {}, {})
    path = write(tmp_path / "sold.csv", headers, lines)
    expected = None
    for cut in range(6):
        for late in (False, True):
            folder = tmp_path / f"{cut}{late}"
            folder.mkdir()
            world = founded(folder / "world")
            first = Importer(world, folder / "maker", MAKER, window=2)
            first.before = _cut_at(first, cut, late)
            try:
                imported(first, path)
            except Cut:
                assert cut < 5
            second = Importer(world, folder / "maker", MAKER)
            again, told = imported(second, path)
            assert told == []
            assert again.booked + again.already == len(lines)
            given = first.private_store | second.private_store
            assert len(given) == (lines.count(lines[1]) if headers == PRICED else 0)
            state = stocks(world.store, MAKER)
            expected = expected or state
            assert state == expected
            refs = Counter(ref for _, ref in first.booked() if ref.startswith(("D/", "~")))
            assert set(refs.values()) == {1}
            assert len(refs) == len(lines)
            world.close()


def _cut_at(client: Importer, number: int, late: bool) -> Callable[[SignedEnvelope], None]:
    seen = [0]

    def before(envelope: SignedEnvelope) -> None:
        seen[0] += 1
        if seen[0] > number:
            if late:
                client.submit_envelope(envelope)
            raise Cut

    return before


@pytest.mark.usefixtures("small")
def test_what_a_killed_run_had_under_way_may_arrive_after_the_next_has_begun(tmp_path: Path) -> None:
    """The dealer's receives arrive between the second run's look at its holdings and its question for booked lines:
    the ships that they answered must not be answered again, and what they brought can be sold."""
    world = founded(tmp_path / "world")
    for quantity in (12, 12, 30):
        world.do(MAKER, world.ship(MAKER, DEALER, quantity))
    purchases = [
        row(行号=str(n), 批号="A1", 数量=q, 供应商信用代码=MAKER.id) for n, q in enumerate(("12", "12", "30"))
    ]
    path = write(tmp_path / "bought.csv", PURCHASES, [*purchases, purchases[2] | {"行号": "9"}])
    dealer = Importer(world, tmp_path / "dealer", DEALER)
    held: list[SignedEnvelope] = []
    dealer.before = lambda envelope: _hold(held, envelope)
    with pytest.raises(Cut):
        imported(dealer, path)
    again = Importer(world, tmp_path / "dealer", DEALER)
    ask = again._FindRefs

    def late(request: Any) -> Any:
        while held:
            again.submit_envelope(held.pop())
        return ask(request)

    again._FindRefs = late  # type: ignore[method-assign]
    totals, told = imported(again, path)
    assert (totals.already, totals.booked, totals.acts, told) == (2, 2, {"receive": 1, "claim": 1}, [])
    assert world.held(DEALER) == 84
    world.close()


def _hold(held: list[SignedEnvelope], envelope: SignedEnvelope) -> None:
    held.append(envelope)
    raise Cut


@pytest.mark.usefixtures("small")
def test_a_document_line_that_stands_twice_is_booked_once(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    lines = sales({}, {"行号": "1"}, {}, {}, {"行号": "1", "数量": "2"}, {}, {"行号": "3"})
    path = write(tmp_path / "sold.csv", SALES, lines)
    totals, told = imported(maker, path)
    assert [(one.line, one.field, one.message) for one in told] == [
        (line, "行号", f"the document line D/{number} stands in line {first} already")
        for line, number, first in ((3, 1, 2), (6, 1, 2), (8, 3, 4))
    ]
    assert "suyuan mapping column 行号 -" in told[0].remedy
    again, told = imported(maker, path)
    assert (totals.booked, again.booked, again.already, len(told)) == (4, 0, 4, 3)
    answered, told = imported(maker, path, Mapping(opening="none", columns={"行号": "-"}))
    assert (answered.booked, told) == (7, [])
    world.close()


def test_a_mended_row_without_a_document_number_is_booked_beside_its_equals(tmp_path: Path) -> None:
    """Of two equal sales the second is one too many; counted and imported from the file of bad rows, it is booked."""
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    world.do(MAKER, world.sell(MAKER, 9_999))
    plain = row(**ONE, 单据号="", 行号="", 批号="A1", 数量="1")
    path = write(tmp_path / "sold.csv", SALES, [plain, plain])
    totals, told = imported(maker, path)
    assert (totals.booked, [one.line for one in told]) == (1, [3])
    with BadRowFile(tmp_path / "bad.csv", BookFile(path).headers) as file:
        file.add(told[0])
    world.do(MAKER, world.count(MAKER, 0, 5))
    mended, told = imported(maker, tmp_path / "bad.csv")
    assert (mended.booked, mended.already, told) == (1, 0, [])
    again, told = imported(maker, path)
    assert (again.already, told) == (2, [])
    world.close()


# Private data


def left_over(folder: Path) -> list[Path]:
    return list((folder / "maker").glob(f"{PREFIX}*"))


def test_prices_reach_the_node_or_wait_for_it(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    path = write(tmp_path / "sold.csv", PRICED, sales({"单价": "2.5"}, {}, {"单价": "3"}))
    maker.faults["PutPrivate"] = [errors.Unavailable("cut off")]
    totals, told = imported(maker, path)
    assert (totals.booked, totals.private, told, maker.private_store) == (3, 2, [], {})
    assert [path.stat().st_mode & 0o077 for path in left_over(tmp_path)] == [0]
    again, _ = imported(maker, path)
    assert (again.already, again.private, len(maker.private_store)) == (3, 0, 2)
    assert not left_over(tmp_path)
    world.close()


def test_prices_go_to_the_nodes_that_are_named_after_a_crash_too(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    path = write(tmp_path / "sold.csv", PRICED, sales({"单价": "2.5"}))
    maker.faults["PutPrivate"] = [None, errors.Unavailable("cut off")]  # the first asks whether the nodes are known
    totals, _ = imported(maker, path, nodes=("north", "south"))
    assert (totals.private, maker.private_store) == (1, {})
    maker.named = []
    again, _ = imported(maker, path)
    assert (again.private, len(maker.private_store), maker.named) == (0, 1, ["north", "south"])
    assert not left_over(tmp_path)
    maker.faults["PutPrivate"] = [errors.EnvelopeRefused((Problem("malformed", "it knows no others"),))]
    more = write(tmp_path / "more.csv", PRICED, sales({"单据号": "M", "单价": "2.5"}))
    with pytest.raises(errors.EnvelopeRefused, match="knows no others"):
        imported(maker, more, nodes=("west",))
    assert imported(maker, more)[0].booked == 1
    world.close()


def test_private_data_of_an_envelope_that_was_never_taken_is_forgotten_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = founded(tmp_path / "world")
    maker = Importer(world, tmp_path / "maker", MAKER)
    path = write(tmp_path / "sold.csv", PRICED, sales({"单价": "2.5"}))
    maker.faults["Submit"] = [errors.Unavailable("cut off")]
    with pytest.raises(errors.Unavailable):
        imported(maker, path)
    assert left_over(tmp_path)
    totals, _ = imported(maker, path)
    assert (totals.booked, totals.private, len(maker.private_store)) == (1, 1, 1)
    monkeypatch.setattr("client_sdk.books.pending.LIFETIME_MS", -1)
    totals, _ = imported(maker, path)
    assert totals.private == 0
    assert not left_over(tmp_path)
    world.close()


@pytest.mark.usefixtures("small")
def test_a_refused_row_leaves_no_private_data_behind(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    recalled(world)
    maker = Importer(world, tmp_path / "maker", MAKER)
    lines = sales({"批号": "R1", "客户信用代码": DEALER.id, "单价": "9"}, {"单价": "1"}, {"单价": "2"})
    totals, told = imported(maker, write(tmp_path / "sold.csv", PRICED, lines))
    assert (totals.booked, len(told), len(maker.private_store)) == (2, 1, 2)
    assert not left_over(tmp_path)
    world.close()


# The first book


def test_a_first_book_asks_for_the_stock_before_it(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    shop = Importer(world, tmp_path / "shop", SHOP)
    stock = write(tmp_path / "stock.csv", STOCK, [row(批号="A1", 账面数量="100", 实盘数量="30")])
    bought = write(tmp_path / "bought.csv", PURCHASES, [row(批号="A1", 供应商信用代码=MAKER.id)])
    with pytest.raises(Malformed, match="--no-opening-stock"):
        imported(shop, bought, Mapping())
    run = Import(shop, Book.STOCK, Mapping())
    assert run.mapping == Mapping(opening="counting")
    totals = run.book(BookFile(stock))
    assert (totals.acts, world.held(SHOP)) == ({"count": 1}, 30)
    after = Import(shop, Book.PURCHASE, run.mapping)
    assert after.mapping == Mapping(opening="counted")
    assert after.book(BookFile(bought)).acts == {"claim": 1}
    world.close()


@pytest.mark.parametrize(
    ("before", "kind", "empty", "after"),
    [
        ("", Book.STOCK, True, "counting"), ("", Book.STOCK, False, ""), ("none", Book.STOCK, True, "none"),
        ("counting", Book.STOCK, False, "counting"), ("counting", Book.SALE, False, "counted"),
        ("counting", Book.PRODUCTION, False, "counted"), ("counted", Book.STOCK, False, "counted"),
        ("", Book.PRODUCTION, True, ""), ("", Book.PURCHASE, False, ""), ("none", Book.SALE, True, "none"),
        ("", Book.SALE, True, None), ("", Book.PURCHASE, True, None),
    ],
)  # fmt: skip
def test_stock_takings_open_a_book_until_another_book_follows(
    before: Any, kind: Book, empty: bool, after: str | None
) -> None:
    if after is None:
        with pytest.raises(Malformed, match="hold nothing"):
            opened(Mapping(opening=before), kind, empty)
    else:
        assert opened(Mapping(opening=before), kind, empty).opening == after


@pytest.mark.usefixtures("small")
def test_a_count_that_was_cut_between_two_shelves_goes_on(tmp_path: Path) -> None:
    world = founded(tmp_path / "world")
    lines = [row(行号=str(n), 批号="A1", 实盘数量=q) for n, q in enumerate(("5", "6", "7", "8", "9"))]
    path = write(tmp_path / "stock.csv", STOCK, lines)
    shop = Importer(world, tmp_path / "shop", SHOP, window=1)
    shop.before = _cut_at(shop, 1, late=False)
    words = Mapping(opening="counting")
    with pytest.raises(Cut):
        imported(shop, path, words)
    assert world.held(SHOP) == 11
    totals, told = imported(Importer(world, tmp_path / "shop", SHOP), path, words)
    assert (totals.already, totals.booked, told, world.held(SHOP)) == (2, 3, [], 35)
    world.close()


# The demonstration


def test_the_demonstrations_trade_is_conserved_and_the_same_each_time(tmp_path: Path) -> None:
    import datetime as dt

    day = dt.date(2026, 11, 20)
    trade, again = (Trade(make(1), 1, day) for _ in range(2))
    assert trade.rows() >= 20_000
    assert trade.sales == again.sales
    assert trade.purchases == again.purchases
    cans: Counter[tuple[str, str]] = Counter()
    for books, sign in ((trade.production, 1), (trade.purchases, 1), (trade.sales, -1)):
        for enterprise, rows in books.items():
            for one in rows:
                cans[enterprise.member, one["批号"]] += sign * int(one["数量"]) * (6 if one["单位"] == "箱" else 1)
    assert min(cans.values()) >= 0
    written = trade.write(tmp_path)
    assert [found for _, _, path in written for found in read(path) if isinstance(found, BadRow)] == []
