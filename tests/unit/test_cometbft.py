"""The ABCI application and what it stands on, without CometBFT: proposals, blocks, crashes, messages."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger import signature
from ledger.errors import Damaged, Malformed, WriteFailed
from ledger.limits import ABCI_MESSAGE_BYTES_MAX, BLOCK_ENVELOPES_MAX, ENVELOPE_BYTES_MAX, TX_UNPACKED_BYTES_MAX
from ledger.plan import Checked, Plan
from node.engine.cometbft import application, dispatch
from node.engine.cometbft.dispatch import Dispatch
from node.engine.cometbft.server import AbciServer, framed
from node.engine.cometbft.transactions import WIRES, pack, unpack
from proto.abci import abci_pb2 as pb
from tests.validators import Member
from tests.world import DAY_MS, DEALER, EVERYBODY, LOT, MAKER, REGULATOR, World


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Member]:
    node = founded(tmp_path / "a")
    yield node
    node.close()


def founded(folder: Path) -> Member:
    """Goods at the maker, brought there by CometBFT's blocks 1 and 2."""
    node = Member.open(folder)
    world = node.world
    node.decide(*txs(world, REGULATOR, [[world.admit(who) for who in EVERYBODY]]))
    node.decide(*txs(world, MAKER, [[world.register(LOT.split("#")[0])], [world.commission(100)]]))
    assert world.held(MAKER) == 100
    return node


def wires(world: World, who: Any, envelopes: Sequence[Sequence[Any]], **changes: Any) -> list[bytes]:
    return [world.envelope(who, [world.seal(act) for act in acts], **changes) for acts in envelopes]


def txs(world: World, who: Any, envelopes: Sequence[Sequence[Any]], **changes: Any) -> list[bytes]:
    return [pack([wire]) for wire in wires(world, who, envelopes, **changes)]


def sales(node: Member, *quantities: int) -> list[bytes]:
    return txs(node.world, MAKER, [[node.world.sell(MAKER, quantity)] for quantity in quantities])


# Blocks


def test_nodes_that_execute_the_same_blocks_say_the_same(tmp_path: Path, node: Member) -> None:
    other = founded(tmp_path / "b")
    blocks = [sales(node, 1, 2), [], sales(node, 99), sales(node, 3)]
    hashes = []
    for member in (node, other):
        member.world.now = 1_763_000_100_000
        hashes.append([(one.plan.head.log.root(), one.verdicts) for one in (member.decide(*txs) for txs in blocks)])
    assert hashes[0] == hashes[1]
    assert node.world.store.head.header_hash == other.world.store.head.header_hash
    other.close()


def test_what_can_book_nothing_any_more_does_not_travel(node: Member) -> None:
    """However it is packed; in a block that was decided it changes nothing."""
    [wire] = wires(node.world, MAKER, [[node.world.sell(MAKER, 1)]])
    [other] = wires(node.world, MAKER, [[node.world.sell(MAKER, 2)]])
    node.decide(pack([wire]))
    assert "booked or have run out" in node.app.check(pack([wire]))
    repacked = zstandard.ZstdCompressor(level=19).compress(WIRES.encode([wire]))
    assert "booked or have run out" in node.app.check(repacked)
    assert node.app.check(pack([wire, other])) == ""
    assert node.app.process([pack([wire])]) == ""
    [late] = wires(node.world, MAKER, [[node.world.sell(MAKER, 3)]])
    node.world.now += 20 * DAY_MS
    node.decide(*sales(node, 4))
    assert "booked or have run out" in node.app.check(pack([late]))


def test_a_broken_rule_refuses_its_envelope_and_changes_nothing(node: Member) -> None:
    """Two nodes admitted a sale of the same last hundred cans; and what travels with a refused one is booked."""
    first, second = sales(node, 100, 100)
    assert node.app.process([first, second]) == ""
    decided = node.decide(first, second)
    assert [one.leaf is None for one in decided.verdicts] == [False, True]
    assert decided.accepted == [True, False]
    assert node.world.held(MAKER) == 0
    before = node.app.app_hash
    height = node.world.store.head.height
    assert node.decide(*sales(node, 5)).verdicts[0].problems[0].rule == "position.overdrawn"
    assert (node.app.app_hash, node.world.store.head.height, node.app.height) == (before, height, 4)


def test_an_envelope_that_comes_again_is_booked_once(node: Member) -> None:
    (sale,) = sales(node, 10)
    leaf = node.decide(sale, sale).verdicts[0].leaf
    again = node.decide(sale).verdicts[0]
    assert (again.leaf, again.earlier, node.world.held(MAKER)) == (leaf, True, 90)


def test_envelopes_travel_together_and_are_booked_one_by_one_in_order(node: Member) -> None:
    world = node.world
    three = wires(world, MAKER, [[world.sell(MAKER, quantity)] for quantity in (60, 41, 40)])
    decided = node.decide(pack(three), pack(three[:1]))
    assert [one.leaf is not None for one in decided.verdicts] == [True, False, True, True]
    assert decided.verdicts[3].earlier
    assert decided.accepted == [False, True]
    assert (node.world.held(MAKER), len(set(decided.ids))) == (0, 3)


def bad_transactions(node: Member) -> dict[str, bytes]:
    world = node.world
    wire = world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))])
    flipped = bytearray(wire)
    flipped[len(wire) // 2] ^= 1
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(WIRES.encode([wire]))
    return {
        "empty": b"",
        "not packed": wire,
        "cut": pack([wire])[:-1],
        "more behind it": pack([wire]) + b"\x00",
        "a bomb": pack([bytes(TX_UNPACKED_BYTES_MAX)]),
        "too large an envelope": pack([bytes(ENVELOPE_BYTES_MAX + 1)]),
        "no envelope": pack([]),
        "too many": pack([b""] * (BLOCK_ENVELOPES_MAX + 1)),
        "no size": unsized,
        "not an envelope": pack([b"nonsense"]),
        "a flipped bit": pack([bytes(flipped)]),
        "a bad one behind a good one": pack([wire, bytes(flipped)]),
        "another chain": txs(world, MAKER, [[world.sell(MAKER, 1)]], chain=bytes(32))[0],
        "an unknown key": txs(world, MAKER, [[world.sell(MAKER, 1)]], key=bytes(8))[0],
        "another's signature": txs(world, MAKER, [[world.sell(MAKER, 1)]], seed=DEALER.seed)[0],
    }


def test_bad_bytes_keys_and_signatures_are_rejected_and_never_raise(node: Member) -> None:
    good, *_ = sales(node, 1)
    for name, bad in bad_transactions(node).items():
        assert node.app.check(bad), name
        assert node.app.process([good, bad]).startswith("transaction 1"), name
        assert node.app.prepare([bad, good], 10**6) == [good], name
    assert node.app.check(good) == ""
    assert node.app.process([good]) == ""


def test_what_should_never_have_been_decided_is_refused_alone(node: Member) -> None:
    good, *_ = sales(node, 1)
    bad = list(bad_transactions(node).values())
    decided = node.decide(*bad, good)
    assert decided.accepted == [False] * len(bad) + [True]
    assert [one.leaf is not None for one in decided.verdicts] == [True]


def test_a_block_is_bounded_by_what_it_unpacks_to(node: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    three = sales(node, 1, 2, 3)
    room = sum(len(wire) + 5 for tx in three[:2] for wire in unpack(tx)) + 1024
    monkeypatch.setattr(application, "BLOCK_BYTES_MAX", room)
    assert node.app.prepare(three, 10**6) == three[:2]
    assert node.app.prepare(three, len(three[0])) == three[:1]
    assert node.app.process(three[:2]) == ""
    assert "beyond what one block holds" in node.app.process(three)
    assert node.decide(*three).accepted == [True, True, False]


def test_an_error_of_ours_refuses_the_one_envelope_that_meets_it(
    node: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    five = sales(node, 1, 2, 3, 4, 5)
    plan = node.world.store.plan
    cursed = {*unpack(five[1]), *unpack(five[3])}

    def planned(envelopes: Sequence[Checked], time: int) -> Plan:
        if any(one.opened.wire in cursed for one in envelopes):
            raise IndexError("a mistake in a rule")
        return plan(envelopes, time)

    monkeypatch.setattr(node.world.store, "plan", planned)
    verdicts = node.decide(*five).verdicts
    assert [one.leaf is not None for one in verdicts] == [True, False, True, False, True]
    assert [one.problems[0].rule for one in verdicts if one.leaf is None] == ["internal", "internal"]
    assert node.world.held(MAKER) == 100 - 1 - 3 - 5


def test_a_signature_is_checked_once_a_node(node: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    verify = signature.verify

    def counted(key: bytes, message: bytes, found: bytes) -> None:
        checked.append(found)
        verify(key, message, found)

    monkeypatch.setattr(signature, "verify", counted)
    two = sales(node, 1, 2)
    for tx in two:
        node.app.check(tx)
    node.app.process(node.app.prepare(two, 10**6))
    node.decide(*two)
    assert len(checked) == 2


def test_what_a_stored_block_has_is_not_kept_unpacked(node: Member) -> None:
    first, second = sales(node, 1, 2)
    for tx in (first, second):
        node.app.check(tx)
    checker = node.app._checker
    waiting = checker._bytes
    node.decide(first, first)
    assert list(checker._known.values()) == [checker.check(second)]
    assert 0 < checker._bytes < waiting
    node.decide(second)
    assert (checker._bytes, len(checker._known)) == (0, 0)


def test_a_gap_or_a_repetition_of_heights_is_damage(node: Member) -> None:
    for height in (node.app.height, node.app.height + 2):
        with pytest.raises(Damaged, match=f"decided block {height}"):
            node.app.finalize(height, node.world.now, [])


# Crashes: what CometBFT is told at the next start


def open_again(node: Member) -> None:
    node.close()
    fresh = Member.open(node.folder)
    fresh.world.now = node.world.now
    node.world, node.progress, node.app = fresh.world, fresh.progress, fresh.app


def test_planned_and_not_committed_is_played_again(node: Member) -> None:
    block = sales(node, 7)
    expected = node.app.finalize(3, node.world.now, block).plan.head.log.root()
    open_again(node)
    assert node.app.height == 2
    assert node.decide(*block).plan.head.log.root() == expected


@pytest.mark.parametrize("stored", [False, True])
def test_a_crash_around_the_block_file_leaves_one_height(
    node: Member, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the block is in the block files, or after its fsync and before the index has it."""
    block = sales(node, 7)
    decided = node.app.finalize(3, node.world.now, block)

    def killed(*_: object) -> None:
        raise WriteFailed("block", "killed")

    monkeypatch.setattr(node.world.store, "_store_derived" if stored else "commit", killed)
    with pytest.raises(WriteFailed):
        node.app.commit()
    monkeypatch.undo()
    open_again(node)
    assert node.app.height == (3 if stored else 2)
    if not stored:
        node.decide(*block)
    assert node.app.app_hash == decided.plan.head.log.root()
    assert node.world.held(MAKER) == 93


def test_blocks_without_effect_count_for_cometbft_alone(node: Member) -> None:
    ledger, root = node.world.store.head.height, node.app.app_hash
    node.decide()
    node.decide(*sales(node, 101))
    open_again(node)
    assert (node.app.height, node.world.store.head.height, node.app.app_hash) == (4, ledger, root)


def test_a_ledger_that_the_progress_does_not_know_is_not_guessed_at(tmp_path: Path) -> None:
    node = founded(tmp_path / "a")
    node.world.do(MAKER, node.world.sell(MAKER, 1))
    node.close()
    with pytest.raises(Damaged, match="the ledger stands at block"):
        Member.open(node.folder)
    (node.folder / "progress").unlink()
    with pytest.raises(Damaged, match="this file knows nothing"):
        Member.open(node.folder)


# Messages


async def asked(node: Member, request: pb.Request) -> pb.Response:
    with ThreadPoolExecutor(1) as worker:
        calls = Dispatch(node.app, worker, node.app.commit, "suyuan-test", frozenset({"ab12"}))
        return await calls.answer(request)


async def test_every_call_has_its_answer(node: Member) -> None:
    info = (await asked(node, pb.Request(info=pb.Nothing()))).info
    assert (info.last_block_height, info.last_block_app_hash) == (2, node.app.app_hash)
    begun = pb.InitChain(chain_id="suyuan-test", initial_height=1)
    assert (await asked(node, pb.Request(init_chain=begun))).init_chain.app_hash == node.app.app_hash
    with pytest.raises(Malformed, match="suyuan-test"):
        await asked(node, pb.Request(init_chain=pb.InitChain(chain_id="another", initial_height=1)))
    assert (await asked(node, pb.Request(echo=pb.Echo(message="x")))).echo.message == "x"
    assert (await asked(node, pb.Request(offer_snapshot=pb.Nothing()))).offer_snapshot.result == 3
    for call in ("flush", "list_snapshots", "load_snapshot_chunk", "extend_vote"):
        assert (await asked(node, pb.Request(**{call: pb.Nothing()}))).WhichOneof("answer") == call  # type: ignore[arg-type]
    with pytest.raises(Malformed, match=r"0\.39\.4"):
        await asked(node, pb.Request())


@pytest.mark.parametrize(
    ("path", "code"), [("/p2p/filter/id/ab12", 0), ("/p2p/filter/id/cd34", 1), ("/p2p/filter/addr/10.0.0.1:5", 0)]
)
async def test_strangers_are_turned_away(node: Member, path: str, code: int) -> None:
    assert (await asked(node, pb.Request(query=pb.Query(path=path)))).query.code == code


async def test_proposals_and_blocks_over_messages(node: Member) -> None:
    good, too_much = sales(node, 1, 1000)
    bad = bad_transactions(node)["cut"]
    for txs_, result in (([good, too_much], dispatch.ACCEPT), ([good, bad], dispatch.REJECT_PROPOSAL)):
        response = await asked(node, pb.Request(process_proposal=pb.ProcessProposal(txs=txs_, height=3)))
        assert response.process_proposal.result == result
    assert (await asked(node, pb.Request(check_tx=pb.CheckTx(tx=bad)))).check_tx.code == dispatch.REFUSED
    block = pb.FinalizeBlock(txs=[good, too_much], height=3)
    block.time.FromMilliseconds(node.world.now)
    finalized = (await asked(node, pb.Request(finalize_block=block))).finalize_block
    assert [one.code for one in finalized.tx_results] == [0, dispatch.REFUSED]
    await asked(node, pb.Request(commit=pb.Nothing()))
    assert (node.app.app_hash, node.app.height) == (finalized.app_hash, 3)


async def read_all(reader: asyncio.StreamReader, count: int) -> list[pb.Response]:
    found = []
    for _ in range(count):
        size = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append(pb.Response.FromString(await reader.readexactly(size)))
    return found


async def test_a_connection_is_answered_in_order_whatever_takes_longer(tmp_path: Path) -> None:
    async def answer(request: pb.Request) -> pb.Response:
        await asyncio.sleep(0.02 if len(request.echo.message) > 1 else 0)
        return pb.Response(echo=request.echo)

    server = AbciServer(answer)
    await server.listen(tmp_path / "s")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    said = ["slow" * 100, "a", "slow", "b", "c" * 20_000]
    for message in said:
        writer.write(framed(pb.Request(echo=pb.Echo(message=message)).SerializeToString()))
    assert [one.echo.message for one in await read_all(reader, 5)] == said
    assert server.connected
    writer.close()
    await server.close()
    assert not server.connected


async def test_an_answer_that_cannot_be_given_is_told_and_ends_the_connection(tmp_path: Path) -> None:
    async def answer(request: pb.Request) -> pb.Response:
        raise WriteFailed("block 7", "no space left")

    server = AbciServer(answer)
    await server.listen(tmp_path / "s")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(framed(pb.Request(commit=pb.Nothing()).SerializeToString()))
    assert "no space left" in (await read_all(reader, 1))[0].exception.error
    assert await reader.read() == b""
    writer.close()
    await server.close()


async def test_who_leaves_before_its_answer_disturbs_nobody(tmp_path: Path) -> None:
    async def answer(request: pb.Request) -> pb.Response:
        await asyncio.sleep(0.05)
        return pb.Response(echo=request.echo)

    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    server = AbciServer(answer)
    await server.listen(tmp_path / "s")
    _, writer = await asyncio.open_unix_connection(tmp_path / "s")
    for _ in range(3):
        writer.write(framed(pb.Request(echo=pb.Echo(message="x")).SerializeToString()))
    await writer.drain()
    writer.transport.abort()
    while server.connected:
        await asyncio.sleep(0.01)
    await server.close()
    assert unhandled == []


@pytest.mark.parametrize(
    "data", [b"\xff" * 6, framed(b"\xff\xff"), b"\x05ab", b"\x80", ABCI_MESSAGE_BYTES_MAX.to_bytes(4, "big")]
)
async def test_nonsense_ends_its_connection_alone(tmp_path: Path, data: bytes) -> None:
    async def answer(request: pb.Request) -> pb.Response:
        return pb.Response(echo=request.echo)

    server = AbciServer(answer)
    await server.listen(tmp_path / "s")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    other_reader, other = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(data)
    writer.write_eof()
    assert await reader.read() == b""
    other.write(framed(pb.Request(echo=pb.Echo(message="x")).SerializeToString()))
    assert [one.echo.message for one in await read_all(other_reader, 1)] == ["x"]
    for one in (writer, other):
        one.close()
    await server.close()


async def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    async def answer(request: pb.Request) -> pb.Response:
        return pb.Response()

    with pytest.raises(Malformed, match="move the folder"):
        await AbciServer(answer).listen(tmp_path / ("x" * 120))
