"""The audit holds on an honest chain, and names what was tampered with."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from client_sdk.audit import audit_folder
from ledger import audit as a
from ledger import block as b
from ledger.checkpoint import Checkpoint
from ledger.envelope import ENVELOPE
from ledger.storage.memory import MemoryStore
from tests.world import DEALER, FORMULA, LOT, MAKER, ORIGIN, POWDER, SHOP, World, genesis


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    world.hand_over(MAKER, DEALER, 500)
    world.hand_over(DEALER, SHOP, 50)
    world.do(SHOP, world.sell(SHOP, 3), world.sell(SHOP, 2))
    powder = f"{POWDER}#P1"
    world.do(MAKER, world.commission(10, powder))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {f"{FORMULA}#T1": 100}))
    ship = world.do(MAKER, world.ship(MAKER, DEALER, 20))[0].hash
    world.do(DEALER, world.receive(ship, LOT, accepted=10, refused=2, short=1, destroyed=3))
    yield world
    world.close()


def blocks(world: World) -> list[bytes]:
    return [payload for _, payload in world.store.blocks(1)]


def replay(payloads: list[bytes], head: Checkpoint | None = None) -> list[a.Finding]:
    audit = a.Audit(genesis(), MemoryStore())
    for height, payload in enumerate(payloads, 1):
        audit.add(height, payload)
    return audit.report(head)


def flaws(findings: list[a.Finding]) -> list[str]:
    return [finding.check for finding in findings if not finding.holds]


def test_an_honest_chain_holds(world: World) -> None:
    head = world.store.head
    findings = replay(blocks(world), Checkpoint(ORIGIN, head.log.size, head.log.root()))
    assert len(findings) == 7
    assert flaws(findings) == []
    assert flaws(audit_folder(world.folder, lambda height, records: None)) == []


def test_another_head_is_named(world: World) -> None:
    head = world.store.head
    wrong = Checkpoint(ORIGIN, head.log.size, bytes(32))
    assert flaws(replay(blocks(world), wrong)) == [a.HEAD]
    assert flaws(replay(blocks(world)[:-1], Checkpoint(ORIGIN, head.log.size, head.log.root()))) == [a.HEAD]


def test_blocks_dropped_doubled_or_swapped(world: World) -> None:
    good = blocks(world)
    for bad in ([*good[:3], *good[4:]], [*good[:4], *good[3:]], [good[1], good[0], *good[2:]], good[1:]):
        assert flaws(replay(bad)) == [a.LINKS]


def changed(world: World, number: int, **changes: object) -> list[bytes]:
    """The chain with header fields of one block changed."""
    good = blocks(world)
    block = b.BLOCK.decode(good[number])
    header = msgspec.structs.replace(b.HEADER.decode(block.header), **changes)
    return [*good[:number], b.BLOCK.encode(b.Block(b.HEADER.encode(header), block.envelopes)), *good[number + 1 :]]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"state": bytes(32)}, a.ROOTS),
        ({"writes": bytes(32)}, a.ROOTS),
        ({"count": 2}, a.ROOTS),
        ({"previous": bytes(32)}, a.LINKS),
        ({"chain": bytes(32)}, a.LINKS),
        ({"first": 0}, a.LINKS),
        ({"height": 4}, a.LINKS),
        ({"rules": 2}, a.LINKS),
        ({"time": 0}, a.LINKS),
    ],
)
def test_changed_headers(world: World, change: dict[str, object], check: str) -> None:
    findings = replay(changed(world, 4, **change))
    assert flaws(findings) == [check]
    assert any("block 5" in finding.detail for finding in findings if not finding.holds)


def with_envelope(world: World, number: int, wires: list[bytes]) -> list[bytes]:
    good = blocks(world)
    block = b.BLOCK.decode(good[number])
    header = msgspec.structs.replace(b.HEADER.decode(block.header), count=len(wires))
    return [*good[:number], b.BLOCK.encode(b.Block(b.HEADER.encode(header), wires)), *good[number + 1 :]]


def test_changed_envelopes(world: World) -> None:
    wire = b.BLOCK.decode(blocks(world)[7]).envelopes[0]
    envelope = ENVELOPE.decode(wire)
    replace = msgspec.structs.replace
    unsigned = ENVELOPE.encode(replace(envelope, signature=bytes(64)))
    assert flaws(replay(with_envelope(world, 7, [unsigned]))) == [a.SIGNATURES]
    altered = ENVELOPE.encode(replace(envelope, records=[envelope.records[0][:-1] + b"x"]))
    assert flaws(replay(with_envelope(world, 7, [altered]))) == [a.BYTES]
    assert flaws(replay(with_envelope(world, 7, [wire, wire]))) == [a.RULES]
    earlier = b.BLOCK.decode(blocks(world)[6]).envelopes[0]
    assert flaws(replay(with_envelope(world, 7, [earlier]))) == [a.RULES]
    assert flaws(replay(with_envelope(world, 7, []))) == [a.BYTES]
    overdrawn = world.envelope(SHOP, [world.seal(world.sell(SHOP, 10_000))])
    findings = replay(with_envelope(world, 7, [overdrawn]))
    assert flaws(findings) == [a.RULES]


def test_any_flipped_bit_of_a_block_is_found(world: World) -> None:
    good = blocks(world)
    for position in range(0, len(good[8]), 3):
        bad = bytearray(good[8])
        bad[position] ^= 1 << position % 8
        assert flaws(replay([*good[:8], bytes(bad)])), f"byte {position}"


def test_a_quantity_made_up_in_the_store_is_found(world: World) -> None:
    from ledger import state as s

    store = MemoryStore()
    audit = a.Audit(genesis(), store)
    for height, payload in enumerate(blocks(world), 1):
        audit.add(height, payload)
    key = s.stock_key(SHOP.id, SHOP.site, LOT)
    stock = s.STOCK.decode(store.rows[key])
    store.rows[key] = s.STOCK.encode(msgspec.structs.replace(stock, held=stock.held + 1))
    assert flaws(audit.report()) == [a.CONSERVED]


def test_tiles_are_compared(world: World) -> None:
    while world.store.head.log.size < 300:
        world.do(MAKER, world.sell(MAKER, 1))
    assert flaws(audit_folder(world.folder, lambda height, records: None)) == []
    tile = world.folder / "public" / "tile" / "0" / "000"
    data = tile.read_bytes()
    tile.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    findings = audit_folder(world.folder, lambda height, records: None)
    assert len(flaws(findings)) == 1
    assert "tile/0/000" in findings[-1].detail
