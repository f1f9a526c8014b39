"""Everything real: a node's process, gRPC over TLS, identity folders, the commands as a user types them."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from msgspec import structs

from client_sdk import AsyncClient, build, errors, keys, wire
from client_sdk.client import Client
from client_sdk.trust import PIN_FILE
from ledger import note, tlogproof
from ledger import records as r
from ledger.errors import Malformed, VerifyFailed
from ledger.proof.verdict import Verdict
from ledger.proof.verify import Query, voucher_hash
from proto.suyuan.v1 import ledger_pb2 as pb
from proto.suyuan.v1 import ledger_pb2_grpc
from tests.network import PASSPHRASE, Network, operate, run
from tests.world import DEALER, FORMULA, LOT, MAKER, REGULATOR, SHOP, Member

pytestmark = pytest.mark.slow


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A running node; maker, dealer and shop admitted; 10,000 cans at the maker."""
    network = Network(tmp_path_factory.mktemp("network"))
    network.found(REGULATOR)
    network.start()
    for who in (MAKER, DEALER, SHOP):
        network.identify(who)
    public = [keys.load_public(network.home(who)) for who in (MAKER, DEALER, SHOP)]
    with network.client(REGULATOR) as regulator:
        admit = {"at": now(), "kind": r.MemberKind.ENTERPRISE, "region": "CN-33"}
        regulator.submit(
            [build.act(r.Admit, key=one.key, member=one.member, name=one.name, **admit) for one in public]
        )
    with network.client(MAKER) as maker:
        declared = {
            "at": now(),
            "declared_by": r.DeclaredBy.MAKER,
            "maker": MAKER.id,
            "name": "乳粉",
            "product": FORMULA,
        }
        made = {
            "lot": LOT,
            "quantity": 10_000,
            "ref": "SC-1",
            "at": now(),
            "site": MAKER.site,
            "production": 20251101,
        }
        maker.submit([build.act(r.Register, **declared), build.commission(**made)])
    yield network
    assert network.stop() == 0


def hand_over(network: Network, sender: Member, to: Member, quantity: int, ref: str) -> None:
    with network.client(sender) as one:
        receipt = one.ship(lot=LOT, quantity=quantity, to=to.id, ref=ref)
    with network.client(to) as other:
        other.receive(ship=receipt.hashes[0], lot=LOT, ref=ref, accepted=quantity)


def test_the_readme_ships_a_pallet(network: Network) -> None:
    with Client.open(network.home(MAKER), PASSPHRASE) as client:
        receipt = client.ship(lot=LOT, quantity=480, to=DEALER.id, ref="XS-20260121-7/1")
        assert not receipt.earlier
        assert client.trust.pinned is not None
        assert client.trust.pinned.size > receipt.leaf
    with network.client(DEALER) as dealer:
        waiting = [one for one in dealer.handovers() if one.ship == receipt.hashes[0]]
        assert [(one.open, one.owner) for one in waiting] == [(480, MAKER.id)]
        dealer.receive(ship=receipt.hashes[0], lot=LOT, ref="JH-7/1", accepted=480)
        assert not [one for one in dealer.handovers() if one.ship == receipt.hashes[0]]


def test_refusals_name_record_field_rule_and_remedy(network: Network) -> None:
    with network.client(SHOP) as shop:
        fields = {"lot": LOT, "at": now(), "site": SHOP.site}
        acts = [build.sell(quantity=10**6, ref=f"LS-bad/{number}", **fields) for number in range(2)]
        with pytest.raises(errors.EnvelopeRefused) as caught:
            shop.submit(acts)
        found = [(p.record, p.field, p.rule, bool(p.remedy)) for p in caught.value.problems]
        assert found == [(number, "quantity", "position.overdrawn", True) for number in range(2)]


def test_own_records_positions_and_receipts(network: Network) -> None:
    hand_over(network, MAKER, SHOP, 60, "XS-own/1")
    with network.client(SHOP) as shop:
        assert sum(one.held for one in shop.positions()) >= 60
        records = [one for envelope in shop.own_envelopes() for one in envelope.records]
        assert any(isinstance(one.amounts, r.Received) and one.amounts.accepted == 60 for one in records)
        envelope = next(iter(shop.sign([build.sell(lot=LOT, quantity=1, ref="LS-r/1", at=now(), site=SHOP.site)])))
        with pytest.raises(errors.NotFound):
            shop.receipt(envelope)
        [(_, first)] = list(shop.submit_stream([envelope]))
        [(_, again)] = list(shop.submit_stream([envelope]))
        assert not isinstance(first, Exception)
        assert not isinstance(again, Exception)
        assert (first.leaf, first.earlier) == (again.leaf, False)
        assert again.earlier
        assert shop.receipt(envelope).leaf == first.leaf
        told = tlogproof.parse(first.as_tlog_proof())
        assert (told.index, told.hashes, told.extra) == (first.leaf, first.proof, envelope.id)


async def test_the_async_client_does_the_same(network: Network) -> None:
    network.certify(MAKER)
    async with AsyncClient.open(network.home(MAKER), PASSPHRASE) as client:
        fields = {"lot": LOT, "at": now(), "site": MAKER.site, "to": DEALER.id, "quantity": 1}
        receipts = await client.submit([build.ship(ref=f"async/{number}", **fields) for number in range(5)])
        assert len(receipts[0].hashes) == 5
        with pytest.raises(errors.EnvelopeRefused):
            await client.submit([build.ship(ref="async/0", **fields)])
        assert (await client.node_info()).name == "test.example/log"
        held = [one.held async for one in client.positions()]
        assert held
        assert isinstance(await client.product_proof(FORMULA, "#A1"), bytes)


class Interrupted(Exception):
    """Not an error of this project: whatever a program's own generator of acts may raise."""


def interrupted(reason: Exception) -> Iterator[build.Act]:
    yield build.sell(lot=LOT, quantity=1, ref=f"early/{type(reason).__name__}", at=now(), site=MAKER.site)
    raise reason


async def test_whatever_ends_the_acts_early_is_raised(network: Network) -> None:
    bad = {"lot": LOT, "at": now(), "site": MAKER.site, "ref": "early"}
    for reason in (Interrupted(), Malformed("row", "no such row")):
        with network.client(MAKER) as maker, pytest.raises(type(reason)):
            maker.submit(interrupted(reason))
    network.certify(MAKER)
    async with AsyncClient.open(network.home(MAKER), PASSPHRASE) as client:
        with pytest.raises(Interrupted):
            await client.submit(interrupted(Interrupted()))
        for acts in ([build.sell(quantity=0, **bad)], [build.sell(quantity=10**20, **bad)]):
            with pytest.raises(Malformed):
                await client.submit(acts)


def test_a_voucher_opens_the_way_online_and_offline(network: Network, tmp_path: Path) -> None:
    hand_over(network, MAKER, SHOP, 6, "XS-voucher/1")
    secret = os.urandom(16)
    with network.client(SHOP) as shop:
        shop.submit([build.act(r.Voucher, at=now(), lot=LOT, site=SHOP.site, voucher=voucher_hash(secret))])
    reader = network.reader()
    query = Query(product=FORMULA, lot="#A1", voucher=secret)
    product = reader.verify(query, reader.product_proof(FORMULA, "#A1", secret))
    assert product.verdict == Verdict.GOOD
    assert [position.owner for position in product.way] == [SHOP.id, MAKER.id]
    with pytest.raises(errors.NotFound):
        reader.product_proof(FORMULA, "#A1", bytes(16))
    file, policy = tmp_path / "proof.suyuan", network.data / "policy.txt"
    code = f"https://id.example.org/01/{FORMULA}/10/A1?voucher={secret.hex()}"
    run("client_sdk.commands", "proof", code, "--node", str(network.connection), "-o", str(file))
    done = run("client_sdk.commands", "verify", code, "--file", str(file), "--policy", str(policy), "--json")
    assert json.loads(done.stdout)["verdict"] == "good"
    shown = run("client_sdk.commands", "verify", code, "--node", str(network.connection))
    assert "GOOD" in shown.stdout
    other = code.replace("/10/A1", "/10/B2")
    failed = run("client_sdk.commands", "verify", other, "--file", str(file), "--policy", str(policy), check=False)
    assert failed.returncode == 1
    assert "asked for" in failed.stderr


def raw(network: Network, who: Member | None) -> Any:
    identity = None
    if who is not None:
        network.certify(who)
        identity = keys.load(network.home(who), PASSPHRASE)
    connection = keys.load_connection(network.connection)
    address, credentials, options = wire.target(identity, connection)
    return grpc.secure_channel(address, credentials, options)


def test_what_a_certificate_opens(network: Network) -> None:
    stub = ledger_pb2_grpc.LedgerStub(raw(network, None))  # type: ignore[no-untyped-call]
    assert stub.GetNodeInfo(pb.GetNodeInfoRequest(), timeout=5).height > 0
    for method, request in (
        ("ListPositions", pb.ListPositionsRequest()),
        ("ListHandovers", pb.ListHandoversRequest()),
        ("ListOwnEnvelopes", pb.ListOwnEnvelopesRequest()),
        ("Submit", pb.SubmitRequest()),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            getattr(stub, method)(request, timeout=5)
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    with network.client(MAKER) as maker, pytest.raises(errors.NotAuthenticated):
        list(maker.blocks())
    plain = grpc.insecure_channel(keys.load_connection(network.connection).readers)
    with pytest.raises(grpc.RpcError):
        ledger_pb2_grpc.LedgerStub(plain).GetNodeInfo(pb.GetNodeInfoRequest(), timeout=2)  # type: ignore[no-untyped-call]


def test_absent_fields_get_a_clear_error_with_details(network: Network) -> None:
    stub = ledger_pb2_grpc.LedgerStub(raw(network, MAKER))  # type: ignore[no-untyped-call]
    calls = [
        ("GetReceipt", pb.GetReceiptRequest()),
        ("GetProductProof", pb.GetProductProofRequest()),
        ("GetProductProof", pb.GetProductProofRequest(product=FORMULA, lot="#A1", voucher=b"short")),
        ("Lookup", pb.LookupRequest()),
        ("GetCheckpoint", pb.GetCheckpointRequest(extends_size=10**9)),
        ("ListPositions", pb.ListPositionsRequest(page=pb.Page(after=b"elsewhere"))),
    ]
    for method, request in calls:
        with pytest.raises(grpc.RpcError) as caught:
            getattr(stub, method)(request, timeout=5, metadata=(("x-request-id", "my-id"),))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, method
        assert caught.value.details()
        details = [found.type_url for found in wire.rpc_status.from_call(caught.value).details]
        assert any(one.endswith("BadRequest") for one in details)
        assert any(one.endswith("RequestInfo") for one in details)
    results = [
        one
        for message in stub.SubmitStream(iter([pb.SubmitRequests(requests=[pb.SubmitRequest(tag=7)])]))
        for one in message.results
    ]
    assert [(one.tag, one.refusal.kind) for one in results] == [(7, pb.Refusal.KIND_MALFORMED)]
    assert stub.Submit(pb.SubmitRequest(tag=7), timeout=5) == results[0]
    assert not list(stub.SubmitStream(iter([])))


def test_health_and_reflection(network: Network) -> None:
    channel = raw(network, None)
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", "suyuan.v1.Ledger", "readiness"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    found = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]), timeout=5))
    assert "suyuan.v1.Ledger" in {one.name for one in found.list_services_response.service}


def test_metrics_count_what_happened(network: Network) -> None:
    from urllib.request import urlopen

    address = json.loads((network.data / "endpoints.json").read_text())["metrics"]
    text = urlopen(f"http://{address}/metrics", timeout=5).read().decode()
    assert 'suyuan_envelopes_total{outcome="accepted"}' in text
    assert "suyuan_height" in text


def test_a_pinned_log_that_goes_back_is_refused(network: Network) -> None:
    with network.client(DEALER) as dealer:
        dealer.refresh()
        pinned = dealer.trust.pinned
        assert pinned is not None
        shown = note.parse((network.home(DEALER) / PIN_FILE).read_bytes())

        def pin(size: int, root: bytes) -> None:
            head = structs.replace(pinned, size=size, root=root)
            dealer.trust.pinned = head
            dealer.trust._pinned_note = note.serialise(structs.replace(shown, text=head.text()))

        pin(pinned.size + 5, pinned.root)
        with pytest.raises(errors.LogForked, match="went back"):
            dealer.refresh()
        pin(pinned.size - 1, bytes(32))
        with pytest.raises(errors.LogForked, match="does not extend"):
            dealer.refresh()
        assert len(list((network.home(DEALER) / "evidence").glob("*.json"))) == 2


def test_a_receipt_that_proves_nothing_is_refused(network: Network) -> None:
    with network.client(MAKER) as maker:
        envelope = next(
            iter(maker.sign([build.sell(lot=LOT, quantity=1, ref="forged/1", at=now(), site=MAKER.site)]))
        )
        [(_, good)] = list(maker.submit_stream([envelope]))
        assert not isinstance(good, Exception)
        answer = pb.Receipt(
            envelope_id=good.envelope_id, leaf=good.leaf + 1, proof=good.proof, checkpoint=good.checkpoint
        )
        with pytest.raises(VerifyFailed):
            wire.receipt(maker.trust, envelope, answer, b"", now())
        with pytest.raises(VerifyFailed, match="quorum"):
            wire.receipt(
                type(maker.trust)(maker.connection.trusted(), None),
                envelope,
                pb.Receipt(leaf=good.leaf, proof=good.proof, checkpoint=good.checkpoint),
                b"",
                now() + 3_600_000,
            )


def test_commands_for_members(network: Network) -> None:
    network.certify(MAKER)
    network.certify(SHOP)
    maker, shop = (["--identity", str(network.home(who))] for who in (MAKER, SHOP))
    sent = run(
        "client_sdk.commands",
        "ship",
        *maker,
        "--lot",
        LOT,
        "--quantity",
        "12",
        "--to",
        SHOP.id,
        "--ref",
        "CLI-1/1",
        "--json",
    )
    record = json.loads(sent.stdout)["record"]
    waiting = run("client_sdk.commands", "handovers", *shop, "--json").stdout.splitlines()
    assert record in [json.loads(line)["ship"] for line in waiting]
    run(
        "client_sdk.commands",
        "receive",
        *shop,
        "--ship",
        record,
        "--lot",
        LOT,
        "--ref",
        "CLI-1/1",
        "--accepted",
        "12",
    )
    held = run("client_sdk.commands", "positions", *shop, "--json").stdout.splitlines()
    assert any(json.loads(line)["lot"] == LOT for line in held)
    assert LOT[:14] in run("client_sdk.commands", "positions", *shop).stdout
    made = json.loads(run("client_sdk.commands", "voucher", *shop, "--lot", LOT, "--json").stdout)
    assert made["voucher"] in made["link"]
    over = run(
        "client_sdk.commands", "sell", *shop, "--lot", LOT, "--quantity", "999999", "--ref", "CLI-9", check=False
    )
    assert over.returncode == 1
    assert "position.overdrawn" in over.stderr
    wrong = run("client_sdk.commands", "ship", check=False)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    missing = run("client_sdk.commands", "verify", "nonsense", "--node", str(network.connection), check=False)
    assert (missing.returncode, missing.stderr.startswith("suyuan: ")) == (1, True)


BOOK = """日期,单据号,行号,商品名称,商品条码,规格,单位,数量,生产日期,批号,客户名称,客户信用代码
2025-11-20,LS-1,1,乳粉,{gtin},800g,罐,2,2025-11-01,A1,消费者,
2025-11-20,LS-1,2,乳粉,{wrong},800g,罐,2,2025-11-01,A1,消费者,
2025-11-20,LS-1,3,乳粉,{gtin},800g,罐,99999,2025-11-01,A1,消费者,
2025-11-20,,,乳粉,{gtin},800g,罐,１,2025-11-01,A1,消费者,
2025-11-20,,,乳粉,{gtin},800g,罐,1,2025-11-01,A1,消费者,
"""


def test_a_book_is_imported_once(network: Network, tmp_path: Path) -> None:
    hand_over(network, MAKER, SHOP, 50, "XS-book/1")
    network.certify(SHOP)
    book = tmp_path / "sales.csv"
    book.write_text(
        BOOK.format(gtin=FORMULA, wrong=FORMULA[:-1] + str((int(FORMULA[-1]) + 1) % 10)), encoding="utf-8-sig"
    )
    command = ("client_sdk.commands", "import", str(book), "--identity", str(network.home(SHOP)), "--json")
    dry = run(*command, "--dry-run", check=False)
    assert dry.returncode == 1
    assert '"becomes": "sell 2 of' in dry.stdout
    first = run(*command, check=False).stdout.splitlines()
    assert sorted(json.loads(line)["line"] for line in first[:-1]) == [3, 4]
    totals = {"rows": 5, "booked": 3, "already_booked": 0, "bad": 2}
    told = json.loads(first[-1])
    assert [one["line"] for one in told.pop("flagged_first")] == [2, 5, 6]  # of a year ago
    totals |= {"flagged": 3, "flagged_as": {"booked late": 3}}
    assert told == totals | {"acts": {"sell": 3}, "reasons": {"商品条码": 1, "数量": 1}}
    again = json.loads(run(*command, check=False).stdout.splitlines()[-1])
    assert (again["booked"], again["already_booked"]) == (0, 3)


def test_audits_over_the_network_and_of_the_folder(network: Network) -> None:
    network.certify(REGULATOR)
    over = run("client_sdk.commands", "audit", "--identity", str(network.home(REGULATOR)), "--json")
    assert all(json.loads(line)["holds"] for line in over.stdout.splitlines())
    local = run("client_sdk.commands", "audit", str(network.data))
    assert "FAILS" not in local.stdout
    assert local.stdout.count("holds") == 7
    network.certify(MAKER)
    refused = run("client_sdk.commands", "audit", "--identity", str(network.home(MAKER)), check=False)
    assert refused.returncode == 2


def test_operator_commands(network: Network, tmp_path: Path) -> None:
    status = json.loads(operate("status", str(network.data), "--json").stdout)
    assert status["running"] is True
    again = run("node.commands", "init", str(network.data), "--name", "x.example/y", "--founder", "none", check=False)
    assert again.returncode == 1
    busy = run("node.commands", "check", str(network.data), check=False)
    assert busy.returncode == 1
    assert "Traceback" not in busy.stderr
    wrong = run("node.commands", "run", str(tmp_path), check=False)
    assert wrong.returncode == 1
    assert "suyuan-node init" in wrong.stderr
