"""What others did comes to those whom it concerns: in order, without gaps, from any place on, over a real node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk import build, errors
from client_sdk.wire import Side, clock_ms
from ledger import records as r
from tests.network import Network
from tests.world import DEALER, LOT, MAKER, REGULATOR, SHOP

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP)
    yield network
    assert network.stop() == 0


def test_a_handover_is_told_to_its_receiver_and_its_receipt_to_the_sender(network: Network) -> None:
    with network.client(MAKER) as maker, network.client(DEALER) as dealer, network.client(SHOP) as shop:
        begin = maker.node_info().size
        ship = maker.ship(lot=LOT, quantity=30, to=DEALER.id, ref="sub/1").hashes[0]
        dealer.receive(ship=ship, lot=LOT, ref="sub/1", accepted=30)
        told = [event for news in dealer.subscribe(begin, until_now=True) for event in news.events]
        assert [(event.member, type(event.record), event.hash) for event in told] == [(MAKER.id, r.Ship, ship)]
        assert isinstance(told[0].amounts, r.Moved)
        assert told[0].amounts.quantity == 30
        answered = [event for news in maker.subscribe(begin, until_now=True) for event in news.events]
        assert [(event.member, type(event.record)) for event in answered] == [(DEALER.id, r.Receive)]
        assert [event for news in shop.subscribe(begin, until_now=True) for event in news.events] == []


def test_holds_concern_everybody_and_a_subscription_resumes_where_it_ended(network: Network, tmp_path: Path) -> None:
    with network.client(REGULATOR) as regulator, network.client(SHOP) as shop:
        begin = regulator.node_info().size
        subject = r.Subject(kind=r.SubjectKind.LOT, lot=LOT)
        hold = build.act(r.Hold, at=clock_ms(), reason="抽检", subject=subject)
        held = regulator.submit([hold])[0].hashes[0]
        [first] = list(shop.subscribe(begin, until_now=True))
        assert [event.hash for event in first.events] == [held]
        lift = build.act(r.Lift, at=clock_ms(), reason="误报", subject=subject, target=held)
        regulator.submit([lift])
        [second] = list(shop.subscribe(first.next_leaf, until_now=True))
        assert [type(event.record) for event in second.events] == [r.Lift]
        assert second.events[0].amounts is None
        with pytest.raises(errors.EnvelopeRefused, match="beyond this log"):
            list(shop.subscribe(second.next_leaf + 1000, until_now=True))


def test_a_live_subscription_is_told_as_it_happens_and_can_be_left(network: Network) -> None:
    with network.client(MAKER) as maker, network.client(DEALER) as dealer:
        news = dealer.subscribe(maker.node_info().size)
        ship = maker.ship(lot=LOT, quantity=1, to=DEALER.id, ref="sub/live").hashes[0]
        assert next(news).events[0].hash == ship
        news.close()


def test_an_import_can_ask_which_document_lines_are_booked(network: Network) -> None:
    with network.client(MAKER) as maker:
        receipt = maker.sell(lot=LOT, quantity=1, ref="asked/1")
        refs = [f"asked/{number}" for number in range(5000)]
        found = maker.find_refs(Side.OUT, refs)
        assert [(one.ref, one.leaf, list(one.records)) for one in found] == [("asked/1", receipt.leaf, [0])]
        assert maker.find_refs(Side.IN, refs) == []
