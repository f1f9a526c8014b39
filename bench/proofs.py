"""Product proofs: how many a second, how large, and whether a lot with 100,000 records costs a reader more.

python -m bench.proofs [--records 1000000]: fills a ledger, leads 100 lots through four holders, then builds
proofs in this process from the data folder, and fetches them from the node over gRPC.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from bench import world
from client_sdk import build
from client_sdk.client import Client
from ledger import records as r
from ledger.proof import format as f
from ledger.proof.build import product_proof
from ledger.proof.verify import Query, verify_product, voucher_hash
from ledger.storage.chainstore import ChainStore

LOTS = 100
BIG_LOT_RECORDS = 100_000


def four_holders(trade: world.Trade) -> list[Query]:
    """maker -> dealer -> shop -> shop, for the first lots, with a voucher at the end of each way."""
    dealer, (first, last) = trade.dealers[0], trade.quiet
    lots = trade.lots[:LOTS]
    for sender, receiver in ((dealer, first), (first, last)):
        ships = trade.book(sender, [trade.ship(sender, receiver, lot, 12) for lot in lots])
        trade.book(receiver, [trade.receive(lot, ship, 12) for lot, ship in zip(lots, ships, strict=True)])
    vouchers = [os.urandom(16) for _ in lots]
    fields = {"at": trade.now, "site": last.site}
    named = zip(lots, vouchers, strict=True)
    trade.book(last, [build.act(r.Voucher, lot=lot, voucher=voucher_hash(one), **fields) for lot, one in named])
    named = zip(lots, vouchers, strict=True)
    return [Query(product=lot[:14], lot=lot[14:], voucher=one) for lot, one in named]


def beyond_records(proof: bytes) -> int:
    """The proof's size without the records that it shows."""
    return len(proof) - sum(len(one.record) for one in f.PROOF.decode(proof).records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    node = world.start()
    trade = world.Trade(node)
    trade.prepare()
    for _, result in node.client.submit_stream(trade.envelopes(given.records, 100)):
        if isinstance(result, Exception):
            raise result
    queries = four_holders(trade)
    print(f"ledger of {given.records:,} records and more, {LOTS} lots on ways of four holders")
    sizes = [beyond_records(_fetch(node.client, query)) for query in queries]
    print(f"proof beyond its records   {sum(sizes) / len(sizes):>8,.0f} bytes, largest {max(sizes):,}")
    _grow(trade, queries[0])
    size = beyond_records(_fetch(node.client, queries[0]))
    print(f"... of a lot with {BIG_LOT_RECORDS:,} more  {size:>8,} bytes")
    _tell(trade, queries[1])
    size = beyond_records(_fetch(node.client, queries[1]))
    print(f"... of a lot with 1,000 facts (64 shown) {size:>8,} bytes")
    with ThreadPoolExecutor(8) as pool:
        begun = time.perf_counter()
        list(pool.map(lambda number: _fetch(node.client, queries[number % LOTS]), range(2000)))
        print(f"fetched over gRPC          {2000 / (time.perf_counter() - begun):>8,.0f} /s")
    note = node.client.node_info().checkpoint
    node.stop()
    _in_process(node, queries, note, trade.quiet[1].member)


def _fetch(client: Client, query: Query) -> bytes:
    return client.product_proof(query.product, query.lot, query.voucher)


def _grow(trade: world.Trade, query: Query) -> None:
    """Sales, ships and receipts of one lot."""
    lot, dealer = query.product + query.lot, trade.dealers[0]
    sold = {"lot": lot, "at": trade.now, "site": dealer.site, "quantity": 1}
    trade.book(dealer, [build.sell(ref=trade.ref("LS"), **sold) for _ in range(BIG_LOT_RECORDS // 2)])
    ships = trade.book(dealer, [trade.ship(dealer, shop, lot, 1) for shop in trade.shops for _ in range(125)])
    answers = [trade.receive(lot, ship, 1) for ship in ships]
    for number, shop in enumerate(trade.shops):
        trade.book(shop, answers[number * 125 : (number + 1) * 125])


def _tell(trade: world.Trade, query: Query) -> None:
    """Harmless facts about one lot."""
    lot = query.product + query.lot
    subject = r.Subject(kind=r.SubjectKind.LOT, lot=lot)
    note = {"at": trade.now, "kind": r.FactKind.NOTE, "subject": subject, "text": "巡查无异常"}
    trade.book(trade.maker, [build.act(r.Fact, **note) for _ in range(1000)])


def _in_process(node: world.Node, queries: list[Query], note: bytes, owner: str) -> None:
    store = ChainStore.open(node.folder / "node")
    view = store.view(note)
    asked = [(query.product, query.lot, (owner, f"{owner}/main")) for query in queries[1:]]
    begun = time.perf_counter()
    proofs = [product_proof(view, *one) for one in asked]
    print(f"built, first time          {len(proofs) / (time.perf_counter() - begun):>8,.0f} /s")
    begun = time.perf_counter()
    proofs = [product_proof(view, *one) for _ in range(10) for one in asked]
    print(f"built, envelopes in memory {len(proofs) / (time.perf_counter() - begun):>8,.0f} /s")
    begun = time.perf_counter()
    trusted = node.connection.trusted()
    for query, proof in zip(queries[1:] * 10, proofs, strict=True):
        verify_product(trusted, query, proof, None)
    print(f"verified in one process    {len(proofs) / (time.perf_counter() - begun):>8,.0f} /s")
    store.close()


if __name__ == "__main__":
    main()
