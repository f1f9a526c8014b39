"""Private openings over a real node: given after the receipt, read by parties, erased, and the chain as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk import build, errors
from client_sdk.async_client import AsyncClient
from client_sdk.build import Act
from client_sdk.openings import PrivateNotDelivered
from client_sdk.trust import Receipt
from client_sdk.wire import clock_ms
from ledger.errors import VerifyFailed
from ledger.private import Private
from ledger.proof.verify import Query
from tests.network import PASSPHRASE, Network, operate, run
from tests.world import DEALER, FORMULA, LOT, MAKER, REGULATOR, SHOP, Member

pytestmark = pytest.mark.slow
PRIVATE = Private(
    address="嘉兴市南湖区中山路1号", contact="0573-8200", currency="CNY", price=129_900, readings=b"\x01"
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("network"))
    network.found_with_goods(MAKER, DEALER, SHOP)
    yield network
    assert network.stop() == 0


def ship(ref: str, private: Private = PRIVATE) -> Act:
    one = build.ship(lot=LOT, quantity=5, ref=ref, at=clock_ms(), site=MAKER.site, to=DEALER.id)
    return build.with_private(one, private)


def sell(ref: str) -> Act:
    return build.sell(lot=LOT, quantity=1, ref=ref, at=clock_ms(), site=MAKER.site)


def test_submitting_gives_the_openings_and_parties_read_them(network: Network) -> None:
    with network.client(MAKER) as maker, network.client(DEALER) as dealer, network.client(SHOP) as shop:
        begin = maker.node_info().size
        [receipt] = maker.submit([ship("give/1"), sell("give/2")])
        assert maker.private(receipt.leaf, 0, receipt.hashes[0]) == PRIVATE
        [event] = [event for news in dealer.subscribe(begin, until_now=True) for event in news.events]
        assert event.record.private is not None
        assert dealer.private(event.leaf, event.index, event.hash) == PRIVATE
        assert maker.own_record(receipt.leaf, 0).hash == maker.private_opening(receipt.leaf, 0).hash
        with network.client(REGULATOR) as regulator:
            assert regulator.private(receipt.leaf, 0) == PRIVATE
        with pytest.raises(errors.NotAuthenticated, match="no party"):
            shop.private(receipt.leaf, 0)
        with pytest.raises(errors.NotFound, match="no private part"):
            maker.private(receipt.leaf, 1)
        with pytest.raises(errors.NotFound, match="no record"):
            maker.private(receipt.leaf, 2)
        with pytest.raises(VerifyFailed, match="not of"):
            dealer.private(event.leaf, event.index, receipt.hashes[1])


def test_openings_of_many_records_travel_in_calls_of_bounded_size(network: Network) -> None:
    with network.client(MAKER) as maker:
        acts = [
            build.with_private(sell(f"many/{number}"), Private(price=number, readings=bytes(15_000)))
            for number in range(420)
        ]
        [receipt] = maker.submit(acts)
        assert [maker.private(receipt.leaf, index).price for index in (0, 199, 200, 419)] == [0, 199, 200, 419]


def test_what_is_booked_and_not_delivered_is_told_and_can_be_given_later(network: Network) -> None:
    with network.client(MAKER) as maker, network.client(DEALER) as dealer:
        here = maker.node_info().node
        with pytest.raises(PrivateNotDelivered, match=f"this node is {here}, it knows no others") as raised:
            maker.submit([ship("later/1")], nodes=["elsewhere"])
        [missed], [receipt] = raised.value.undelivered, raised.value.receipts
        assert (missed.leaf, missed.nodes) == (receipt.leaf, ("elsewhere",))
        with pytest.raises(errors.NotFound, match="keeps no opening"):
            dealer.private(receipt.leaf, 0)
        maker.put_private(missed.leaf, missed.openings)
        assert dealer.private(receipt.leaf, 0) == PRIVATE
        with pytest.raises(PrivateNotDelivered, match="cannot give openings to elsewhere"):
            maker.submit([ship("later/2")], nodes=["elsewhere", here])
        [receipt] = maker.submit([ship("later/3")], nodes=[here])
        assert dealer.private(receipt.leaf, 0) == PRIVATE
        with pytest.raises(errors.EnvelopeRefused, match="later/1"):
            maker.submit([ship("later/1")])


async def test_the_asynchronous_client_does_the_same(network: Network) -> None:
    with network.client(MAKER):
        pass
    async with AsyncClient.open(network.home(MAKER), PASSPHRASE) as maker:
        [receipt] = await maker.submit([ship("async/1")])
        assert await maker.private(receipt.leaf, 0, receipt.hashes[0]) == PRIVATE
        with pytest.raises(PrivateNotDelivered) as raised:
            await maker.submit([ship("async/2")], nodes=["elsewhere"])
        [missed] = raised.value.undelivered
        await maker.put_private(missed.leaf, missed.openings)
        assert await maker.erase_private([(receipt.leaf, 0), (missed.leaf, 0)], "到期") == 2


def command(network: Network, who: Member, *arguments: str, code: int = 0) -> str:
    ended = run("client_sdk.commands", "private", *arguments, "-i", str(network.home(who)), check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def test_commands_show_and_erase(network: Network) -> None:
    with network.client(MAKER) as maker, network.client(DEALER):
        [receipt] = maker.submit([ship("command/1")])
    leaf, name = str(receipt.leaf), receipt.hashes[0].hex()
    shown = json.loads(command(network, DEALER, "show", f"{leaf}/0", "--record", name, "--json"))
    assert (shown["member"], shown["act"], shown["lot"], shown["record"]) == (MAKER.id, "ship", LOT, name)
    assert (shown["price"], shown["currency"], shown["readings"]) == (129_900, "CNY", "01")
    assert "中山路1号" in command(network, MAKER, "show", f"{leaf}/0")
    assert "not of" in command(network, MAKER, "show", f"{leaf}/0", "--record", "ab" * 32, code=1)
    assert "64 hexadecimal" in command(network, MAKER, "show", f"{leaf}/0", "--record", "abc", code=2)
    assert "it or a regulator erases" in command(network, DEALER, "erase", f"{leaf}/0", "--reason", "不", code=1)
    assert json.loads(command(network, MAKER, "erase", f"{leaf}/0", "--reason", "客户要求", "--json"))["erased"] == 1
    assert "客户要求" in command(network, DEALER, "show", f"{leaf}/0", code=1)


def test_what_was_given_survives_kill_dash_nine(network: Network) -> None:
    with network.client(MAKER) as maker:
        [receipt] = maker.submit([ship("kill/1")])
    network.kill()
    network.start()
    with network.client(DEALER) as dealer:
        assert dealer.private(receipt.leaf, 0, receipt.hashes[0]) == PRIVATE


def test_after_an_erasure_audit_proofs_check_and_rebuild_hold_unchanged(network: Network) -> None:
    query, secret = Query(product=FORMULA, lot="#A1"), "要删除的地址"
    with network.client(MAKER) as maker, network.client(DEALER) as dealer:
        [envelope] = list(maker.sign([ship("erase/1", Private(address=secret))]))
        [(_, receipt)] = list(maker.submit_stream([envelope]))
        assert isinstance(receipt, Receipt)
        maker.put_private(receipt.leaf, envelope.private)
        dealer.receive(ship=receipt.hashes[0], lot=LOT, ref="erase/1", accepted=5)
        assert in_files(network.data, secret)
        head = maker.node_info()
        before = maker.verify(query, maker.product_proof(FORMULA, "#A1"))
        assert maker.erase_private([(receipt.leaf, 0)], "客户要求删除") == 1
        assert not in_files(network.data, secret)
        after = maker.verify(query, maker.product_proof(FORMULA, "#A1"))
        assert (after.log_size, after.lots, after.facts) == (before.log_size, before.lots, before.facts)
        assert maker.receipt(envelope).leaf == receipt.leaf
        assert (maker.node_info().size, maker.node_info().height) == (head.size, head.height)
    with network.client(REGULATOR):
        pass
    assert all_hold("-i", str(network.home(REGULATOR)))
    assert network.stop() == 0
    status = operate("status", str(network.data), "--json").stdout
    operate("check", str(network.data))
    assert all_hold(str(network.data))
    operate("rebuild", str(network.data))
    assert operate("status", str(network.data), "--json").stdout == status
    network.start()
    with network.client(MAKER) as maker, network.client(DEALER) as dealer:
        for one in (maker, dealer):
            with pytest.raises(errors.NotFound, match=f"erased by {MAKER.id}.*客户要求删除"):
                one.private(receipt.leaf, 0)
        with pytest.raises(errors.EnvelopeRefused, match="does not come back"):
            maker.put_private(receipt.leaf, envelope.private)


def all_hold(*arguments: str) -> bool:
    """What `suyuan audit` says."""
    lines = run("client_sdk.commands", "audit", *arguments, "--json").stdout.splitlines()
    return len(lines) > 3 and all(json.loads(line)["holds"] for line in lines)


def in_files(data: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in data.glob("private*"))
