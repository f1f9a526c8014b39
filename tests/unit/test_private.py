"""Private openings: who may give, read and erase them, and a store that keeps what it acknowledged and forgets what
it was told to forget."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client_sdk import build
from client_sdk.openings import PrivateNotDelivered, Submission, opened
from client_sdk.trust import Receipt
from ledger import limits, merkle
from ledger import records as r
from ledger.errors import Damaged, Malformed, SuyuanError, VerifyFailed
from ledger.private import PRIVATE, Private, open_private, opening_of
from ledger.seals import seal
from node.errors import Forbidden, NotFound, NotStored
from node.openings import Openings
from node.private import BYTES_FILE, ROWS_FILE, Erased, PrivateStore
from node.privatefiles import Contents, copy_store
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.parties import NEWCOMER, OPENING, Booked, one_of_each
from tests.world import DEALER, EVERYBODY, LOT, MAKER, REGULATOR, SHOP, VALIDATOR, Act, World

READERS = (*EVERYBODY, NEWCOMER, REGULATOR)
HOW = Erased("91330400MA0000006E", 1_763_000_000_000, "客户要求")
Put = tuple[int, int, bytes]


# What stands behind the seal


def test_an_opening_proves_itself_by_the_seal() -> None:
    private = Private(contact="0573-8200", documents=[bytes(32)], note="冷库", price=0, readings=b"\x00\x01")
    opening = opening_of(bytes(16), private)
    record = r.Dispute(at=1, claim=bytes(32), claimant="x", lot="x", private=seal(opening), reason="x")
    assert open_private(record, opening) == private
    for at in range(0, len(opening) * 8, 37):
        flipped = bytearray(opening)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(Malformed, match="does not match"):
            open_private(record, bytes(flipped))
    with pytest.raises(Malformed, match="no private seal"):
        open_private(r.Dispute(at=1, claim=bytes(32), claimant="x", lot="x", reason="x"), opening)
    for size in (0, 16, limits.OPENING_BYTES_MAX + 1):
        with pytest.raises(Malformed, match="bytes"):
            open_private(record, bytes(size))


@pytest.mark.parametrize(
    "wrong",
    [
        Private(readings=bytes(limits.OPENING_BYTES_MAX)),
        Private(price=-1),
        Private(currency="yuan"),
        Private(note=""),
        Private(documents=[b"short"]),
        Private(documents=[bytes(32)] * 65),
    ],
)
def test_what_no_node_would_keep_is_refused_before_it_is_signed(wrong: Private) -> None:
    act = build.sell(lot=LOT, quantity=1, ref="1", at=1, site=MAKER.site)
    build.sealed(build.with_private(act, Private(note="x", price=3)))
    with pytest.raises(Malformed):
        build.sealed(build.with_private(act, wrong))


# Who may give, read and erase


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("openings") / "node").founded()
    yield world
    world.close()


@pytest.fixture(scope="module")
def booked(world: World) -> list[Booked]:
    return one_of_each(world)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PrivateStore]:
    store = PrivateStore(tmp_path / ROWS_FILE)
    yield store
    store.close()


@pytest.fixture
def openings(world: World, booked: list[Booked], store: PrivateStore) -> Openings:
    view = world.store.view(world.note())
    return Openings(world.store, store, VALIDATOR, lambda: view)


def test_the_parties_of_every_act_and_regulators_read_it_and_nobody_else(
    openings: Openings, booked: list[Booked]
) -> None:
    assert {one.act for one in booked} == set(r.Act)
    for one in booked:
        assert openings.put(one.signer.id, [(one.leaf, 0, OPENING)], [VALIDATOR]) == 1
        may = one.parties | {one.signer.id, REGULATOR.id}
        for who in READERS:
            if who.id in may:
                found = openings.get(who.id, one.leaf, 0)
                assert (found.member, found.record) == (one.signer.id, one.sealed.record)
                assert found.opening == OPENING
            else:
                with pytest.raises(Forbidden, match="no party"):
                    openings.get(who.id, one.leaf, 0)


def test_only_the_signer_gives_an_opening_and_only_the_one_it_sealed(
    openings: Openings, booked: list[Booked]
) -> None:
    one = next(one for one in booked if one.act == r.Act.SHIP)
    for who, leaf, index in (
        (DEALER, one.leaf, 0),
        (REGULATOR, one.leaf, 0),
        (MAKER, one.leaf, 1),
        (MAKER, 2**63, 0),
    ):
        with pytest.raises(Malformed, match="signed no record"):
            openings.put(who.id, [(leaf, index, OPENING)], [VALIDATOR])
    with pytest.raises(Malformed, match="does not match"):
        openings.put(MAKER.id, [(one.leaf, 0, OPENING[:-1] + b"?")], [VALIDATOR])
    with pytest.raises(NotFound, match="keeps no opening"):
        openings.get(DEALER.id, one.leaf, 0)
    many = [(one.leaf, 0, OPENING)] * (limits.PRIVATE_ENTRIES_MAX + 1)
    with pytest.raises(Malformed, match="at most 1000"):
        openings.put(MAKER.id, many, [VALIDATOR])
    assert openings.put(MAKER.id, many[:-1], [VALIDATOR, VALIDATOR]) == 1000
    assert openings.get(DEALER.id, one.leaf, 0).opening == OPENING


@pytest.mark.parametrize("nodes", [[], ["elsewhere"], [VALIDATOR, "elsewhere"], ["elsewhere", "nowhere"]])
def test_a_node_without_others_refuses_openings_for_them_clearly(
    openings: Openings, booked: list[Booked], nodes: list[str]
) -> None:
    with pytest.raises(Malformed, match=f"this node is {VALIDATOR}, it knows no others"):
        openings.put(booked[0].signer.id, [(booked[0].leaf, 0, OPENING)], nodes)


@pytest.mark.parametrize(("leaf", "index"), [(0, 9), (1, 0), (10_000, 0), (2**53, 0), (2**64 - 1, 2**32 - 1)])
def test_places_where_no_record_stands_are_not_found(openings: Openings, leaf: int, index: int) -> None:
    with pytest.raises(NotFound):
        openings.get(REGULATOR.id, leaf, index)
    with pytest.raises(Malformed, match=r"openings\[0\]: no record"):
        openings.erase(REGULATOR.id, [(leaf, index)], "不存在", 1)


def test_a_record_that_the_log_does_not_serve_yet_is_not_found(world: World, store: PrivateStore) -> None:
    view = world.store.view(world.note())
    openings = Openings(world.store, store, VALIDATOR, lambda: view)
    leaf = world.store.head.log.size
    world.do(
        SHOP, Act(r.Enter, world.moved(1), {"at": world.now, "lot": LOT, "site": SHOP.site, "private": bytes(32)})
    )
    with pytest.raises(NotFound):
        openings.get(SHOP.id, leaf, 0)


def test_erasing_is_for_the_signer_or_a_regulator_and_for_good(openings: Openings, booked: list[Booked]) -> None:
    first, second = [one for one in booked if one.act == r.Act.SHIP][:2]
    for one in (first, second):
        openings.put(MAKER.id, [(one.leaf, 0, OPENING)], [VALIDATOR])
    with pytest.raises(Forbidden, match="it or a regulator erases"):
        openings.erase(DEALER.id, [(first.leaf, 0)], "不是我的", 1)
    for reason in ("", " ", "长" * (limits.TEXT_CHARS_MAX + 1)):
        with pytest.raises(Malformed, match="say why"):
            openings.erase(MAKER.id, [(first.leaf, 0)], reason, 1)
    with pytest.raises(Malformed, match="at most 1000"):
        openings.erase(MAKER.id, [(first.leaf, 0)] * 1001, "多", 1)
    assert openings.get(DEALER.id, first.leaf, 0).opening == OPENING
    assert openings.erase(MAKER.id, [(first.leaf, 0)], "客户要求", 1_763_000_000_000) == 1
    assert openings.erase(REGULATOR.id, [(first.leaf, 0), (second.leaf, 0)], "到期", 2) == 1
    for who in (MAKER, DEALER, REGULATOR):
        with pytest.raises(NotFound, match=rf"erased by {MAKER.id} on 2025-11-13 02:13:20Z: 客户要求"):
            openings.get(who.id, first.leaf, 0)
    with pytest.raises(NotFound, match=f"erased by {REGULATOR.id}"):
        openings.get(MAKER.id, second.leaf, 0)
    for one in (first, second):
        with pytest.raises(Malformed, match="does not come back"):
            openings.put(MAKER.id, [(one.leaf, 0, OPENING)], [VALIDATOR])


def test_what_is_not_what_was_sealed_is_never_served_and_can_be_given_again(
    openings: Openings, booked: list[Booked], tmp_path: Path
) -> None:
    ships = [one for one in booked if one.act == r.Act.SHIP][:3]
    for one in ships:
        openings.put(one.signer.id, [(one.leaf, 0, OPENING)], [VALIDATOR])
    flip(tmp_path / BYTES_FILE, (len(OPENING) + 20) * 8)
    assert openings.get(MAKER.id, ships[0].leaf, 0).opening == OPENING
    with pytest.raises(Damaged, match=f"record 0 in leaf {ships[1].leaf}.*may give it again"):
        openings.get(MAKER.id, ships[1].leaf, 0)
    openings.put(MAKER.id, [(ships[1].leaf, 0, OPENING)], [VALIDATOR])
    assert openings.get(MAKER.id, ships[1].leaf, 0).opening == OPENING
    assert contents(tmp_path) == {(one.leaf, 0): OPENING for one in ships}


# The store


def some(random: Random, count: int, start: int = 0) -> list[Put]:
    """Openings of all sizes, at places that are in no order."""
    places = random.sample(range(start, start + 100 * count), count)
    return [(place, random.randrange(50), random.randbytes(random.choice((20, 90, 700, 5000)))) for place in places]


def remains(folder: Path, opening: bytes) -> bool:
    """Whether any 16 bytes of an opening can be read in any file."""
    chunks = [opening[at : at + 16] for at in range(0, len(opening) - 15, 16)]
    return any(chunk in data for path in folder.iterdir() for data in [path.read_bytes()] for chunk in chunks)


def contents(folder: Path) -> dict[tuple[int, int], bytes]:
    """All that a sound store keeps, as a check reads it."""
    with Contents(folder / ROWS_FILE) as found:
        kept = {(leaf, index): opening for leaf in found.leaves for index, opening in found.openings(leaf)}
        assert found.flaws == []
        assert len(kept) == found.leaves.total()
    return kept


@pytest.mark.parametrize("seed", range(2))
def test_of_what_was_erased_no_file_keeps_a_byte(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    store = PrivateStore(tmp_path / ROWS_FILE)
    kept: dict[tuple[int, int], bytes] = {}
    gone: list[tuple[int, int, bytes]] = []
    for step in range(60):
        if random.random() < 0.6 or not kept:
            new = some(random, random.randrange(1, 8), 1000 * step)
            store.put(new)
            kept |= {(leaf, index): opening for leaf, index, opening in new}
        else:
            places = random.sample(sorted(kept), min(len(kept), random.randrange(1, 4)))
            assert store.erase(places, HOW) == len(places)
            gone += [(*place, kept.pop(place)) for place in places]
        if random.random() < 0.1:
            store.close()
            store = PrivateStore(tmp_path / ROWS_FILE)
    assert len(gone) > 20
    assert len(kept) > 20
    for at_rest in (False, True):
        assert not any(remains(tmp_path, opening) for _, _, opening in gone)
        assert all(remains(tmp_path, opening) for opening in kept.values())
        for leaf, index, _ in gone:
            assert store.get(leaf, index) == HOW
        for place, opening in kept.items():
            assert store.get(*place) == opening
        assert contents(tmp_path) == kept
        if not at_rest:
            store.close()
            store = PrivateStore(tmp_path / ROWS_FILE)
    store.close()


def test_as_many_as_one_call_may_bring_are_each_looked_up(store: PrivateStore) -> None:
    half = limits.PRIVATE_ENTRIES_MAX // 2
    many = [(leaf, index, b"%d/%d" % (leaf, index)) for leaf in (7, 8) for index in range(half)]
    *others, last = many
    store.put(many[half - 100 : half + 100])
    store.erase([last[:2]], HOW)
    with pytest.raises(Malformed, match=rf"openings\[{len(others)}\]: it was erased"):
        store.put(many)
    assert store.get(7, 0) is None
    for _ in range(2):
        store.put(others)
    assert all(store.get(leaf, index) == opening for leaf, index, opening in others)


def test_erasing_twice_keeps_who_was_first_and_what_was_never_given_cannot_come(store: PrivateStore) -> None:
    store.put([(1, 0, b"a" * 40)])
    assert store.erase([(1, 0), (1, 0), (2, 0)], HOW) == 1
    assert store.erase([(1, 0)], Erased("other", 2, "again")) == 0
    assert store.get(1, 0) == HOW
    for place in (1, 2):
        with pytest.raises(Malformed, match=r"openings\[1\]: it was erased"):
            store.put([(7, 0, b"c" * 40), (place, 0, b"a" * 40)])
    assert store.get(7, 0) is None


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))


def stored(folder: Path, random: Random) -> dict[tuple[int, int], bytes]:
    """A store of 40 openings, of which 8 are erased; what is kept."""
    folder.mkdir()
    store = PrivateStore(folder / ROWS_FILE)
    puts = some(random, 40)
    for start in range(0, 40, 5):
        store.put(puts[start : start + 5])
    store.erase([(leaf, index) for leaf, index, _ in puts[::5]], HOW)
    store.close()
    return {(leaf, index): opening for number, (leaf, index, opening) in enumerate(puts) if number % 5}


@pytest.mark.parametrize("name", [ROWS_FILE, BYTES_FILE])
def test_one_flipped_bit_is_named_and_never_yields_another_opening(tmp_path: Path, name: str) -> None:
    random = Random(7)
    kept = stored(tmp_path / "sound", random)
    used = [at for at, byte in enumerate((tmp_path / "sound" / name).read_bytes()) if byte]
    named = 0
    for number in range(120):
        folder = shutil.copytree(tmp_path / "sound", tmp_path / str(number))
        flip(folder / name, random.choice(used) * 8 + random.randrange(8))
        found, flaws = read_again(folder, kept)
        wrong = [data for place, data in found.items() if data != kept[place]]
        assert all(data is Damaged or data not in kept.values() for data in wrong)
        assert bool(wrong) <= bool(flaws)
        assert all(name in flaw for flaw in flaws)
        named += bool(flaws)
    assert named > (80 if name == ROWS_FILE else 118)  # SQLite has bytes that say nothing


def read_again(folder: Path, kept: dict[tuple[int, int], bytes]) -> tuple[dict[tuple[int, int], Any], list[str]]:
    """What a store gives for each place, and what a check says is wrong."""
    try:
        with Contents(folder / ROWS_FILE) as found:
            there = {(leaf, index): opening for leaf in found.leaves for index, opening in found.openings(leaf)}
            wrong = [f"{BYTES_FILE}: {place}" for place, opening in there.items() if kept.get(place) != opening]
            flaws = found.flaws + wrong
        store = PrivateStore(folder / ROWS_FILE)
    except Damaged as error:
        return {}, [str(error)]
    try:
        return {place: outcome(store, place) for place in kept}, flaws
    finally:
        store.close()


def outcome(store: PrivateStore, place: tuple[int, int]) -> Any:
    try:
        return store.get(*place)
    except Damaged:
        return Damaged


def test_files_that_do_not_belong_together_are_refused_and_nothing_is_cut(tmp_path: Path) -> None:
    stored(tmp_path / "store", Random(1))
    rows, data = tmp_path / "store" / ROWS_FILE, tmp_path / "store" / BYTES_FILE
    whole, size = rows.read_bytes(), data.stat().st_size
    rows.unlink()
    with pytest.raises(Damaged, match="it is empty"):
        PrivateStore(tmp_path / "store" / ROWS_FILE)
    rows.write_bytes(b"not a database, but as long as one" * 100)
    with pytest.raises(Damaged, match=ROWS_FILE):
        PrivateStore(tmp_path / "store" / ROWS_FILE)
    rows.write_bytes(whole)
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(Damaged, match=f"{size - 1} bytes"):
        PrivateStore(tmp_path / "store" / ROWS_FILE)
    data.write_bytes(b"x" * (size + limits.PRIVATE_ENTRIES_MAX * limits.OPENING_BYTES_MAX + 1))
    with pytest.raises(Damaged, match=f"knows of {size}"):
        PrivateStore(tmp_path / "store" / ROWS_FILE)


# Crashes and full disks


class Broken(Exception):
    pass


def points(monkeypatch: pytest.MonkeyPatch, fail_at: int, stored: bool, error: Callable[[], Exception]) -> list[str]:
    """Let the n-th write or sync fail, before (lost) or after (stored) it was done. Returns what was called."""
    calls: list[str] = []

    def wrap(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            if len(calls) == fail_at + 1:
                if stored:
                    real(*args)
                raise error()
            return real(*args)

        return call

    for name in ("pwrite", "fsync", "ftruncate"):
        monkeypatch.setattr(os, name, wrap(name))
    return calls


def no_space() -> Exception:
    return OSError(28, "No space left on device")


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("error", [no_space, Broken], ids=["full", "crash"])
def test_each_write_point_failed_and_lost_and_failed_but_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], stored: bool
) -> None:
    """A full disk is told, and the store goes on; after a crash it is opened again. Acknowledged openings are there,
    the others are there whole or not at all, erased ones are gone."""
    for fail_at in range(8):
        folder = tmp_path / f"{fail_at}"
        folder.mkdir()
        random = Random(fail_at)
        store = PrivateStore(folder / ROWS_FILE)
        first, second = some(random, 3), some(random, 3, 10_000)
        store.put(first)
        acknowledged, erased = {one[:2]: one[2] for one in first}, False
        with monkeypatch.context() as patch:
            calls = points(patch, fail_at, stored, error)
            try:
                store.put(second)
                acknowledged |= {one[:2]: one[2] for one in second}
                store.erase([first[0][:2]], HOW)
                erased = True
            except (NotStored, Broken):
                pass
        assert erased == (len(calls) <= fail_at)
        if error is Broken:
            store.close()
            store = PrivateStore(folder / ROWS_FILE)
        for place, opening in acknowledged.items():
            found = store.get(*place)
            assert found == (HOW if place == first[0][:2] and (erased or found == HOW) else opening)
        store.put(second)
        assert store.erase([first[0][:2]], HOW) in (0, 1)
        assert not remains(folder, first[0][2])
        assert all(store.get(*one[:2]) == one[2] for one in (*first[1:], *second))
        store.close()
        again = PrivateStore(folder / ROWS_FILE)
        assert all(again.get(*one[:2]) == one[2] for one in (*first[1:], *second))
        again.close()
        assert len(contents(folder)) == 5


@pytest.mark.parametrize("size", [200, 400])
def test_rows_that_sqlite_cannot_store_are_told_and_their_bytes_are_gone(tmp_path: Path, size: int) -> None:
    store = PrivateStore(tmp_path / ROWS_FILE)
    store._db.execute(f"PRAGMA max_page_count = {store._db.execute('PRAGMA page_count').fetchone()[0]}")
    random = Random(3)
    puts = some(random, size)
    with pytest.raises(NotStored, match="full"):
        store.put(puts)
    assert not remains(tmp_path, puts[0][2])
    assert store.get(*puts[0][:2]) is None
    store.put(puts[:3])
    store.close()
    assert contents(tmp_path) == {one[:2]: one[2] for one in puts[:3]}


WRITER = """
import sys
from pathlib import Path
from random import Random
from node.private import Erased, PrivateStore
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
store, random = PrivateStore(folder / "private.db"), Random(seed)
print("open", flush=True)
for batch in range(1_000_000):
    sizes = [random.choice((20, 900, 16_000)) for _ in range(3)]
    store.put([(seed * 10**6 + batch, index, random.randbytes(size)) for index, size in enumerate(sizes)])
    print("put", batch, flush=True)
    if batch % 3 == 2:
        store.erase([(seed * 10**6 + batch - 1, 1)], Erased("m", 1, "r"))
        print("erased", batch - 1, flush=True)
"""


def test_kill_dash_nine_loses_nothing_acknowledged_and_brings_nothing_back(tmp_path: Path) -> None:
    random = Random(11)
    expected: dict[tuple[int, int], bytes] = {}
    gone: dict[tuple[int, int], bytes] = {}
    for seed in range(12):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        lines = [process.stdout.readline() for _ in range(random.randrange(8, 30))]
        killer = threading.Timer(random.uniform(0, 0.02), process.kill)
        killer.start()
        said = [line.split() for line in (*lines, *process.stdout) if line.endswith("\n")]
        killer.join()
        process.wait()
        same = Random(seed)
        puts = sum(1 for word, _ in said if word == "put")
        for batch in range(puts):
            sizes = [same.choice((20, 900, 16_000)) for _ in range(3)]
            for index, size in enumerate(sizes):
                expected[seed * 10**6 + batch, index] = same.randbytes(size)
        for word, batch in said:
            if word == "erased":
                place = (seed * 10**6 + int(batch), 1)
                gone[place] = expected.pop(place)
    store = PrivateStore(tmp_path / ROWS_FILE)
    unsure = {place for place, data in expected.items() if isinstance(store.get(*place), Erased)}
    assert len(unsure) <= 12  # erased, and killed before that was said
    assert len(gone) > 12
    assert all(store.get(*place) == data for place, data in expected.items() if place not in unsure)
    assert all(store.get(*place) == Erased("m", 1, "r") for place in gone)
    assert len(contents(tmp_path)) <= len(expected) - len(unsure) + 3 * 12  # stored, and killed before that was said
    held = (tmp_path / BYTES_FILE).read_bytes()
    assert not any(data[:20] in held for data in gone.values())
    store.close()


def test_a_copy_of_a_store_that_is_written_to_is_one_moment_of_it(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    store, random = PrivateStore(tmp_path / "from" / ROWS_FILE), Random(2)
    kept: dict[tuple[int, int], bytes] = {}
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            new = some(random, 3, 1000 * number)
            kept.update({one[:2]: one[2] for one in new})
            store.put(new)
            if number % 2:
                store.erase([new[0][:2]], HOW)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(5):
        target = tmp_path / str(number)
        target.mkdir()
        copy_store(tmp_path / "from" / ROWS_FILE, target / ROWS_FILE)
    stop.set()
    writer.join()
    store.close()
    for number in range(5):
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / str(number)).iterdir()} == {0}
        PrivateStore(tmp_path / str(number) / ROWS_FILE).close()
        assert contents(tmp_path / str(number)).items() <= kept.items()
    with pytest.raises(FileExistsError):
        copy_store(tmp_path / "from" / ROWS_FILE, tmp_path / "0" / ROWS_FILE)


def test_a_store_that_somebody_else_holds_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.private.BUSY_SECONDS", 0.05)
    store = PrivateStore(tmp_path / ROWS_FILE)
    other = sqlite3.connect(tmp_path / ROWS_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotStored, match="locked"):
        store.put([(1, 0, b"a" * 40)])
    other.execute("ROLLBACK")
    other.close()
    store.put([(1, 0, b"a" * 40)])
    assert store.get(1, 0) == b"a" * 40
    store.close()


# The member's side


def answer(record: bytes, opening: bytes) -> pb.GetPrivateResponse:
    return pb.GetPrivateResponse(record=record, opening=opening, member=MAKER.id)


def test_what_a_node_gives_back_is_held_against_the_record() -> None:
    private = Private(price=5)
    one, other = (
        build.sealed(build.with_private(build.sell(lot=LOT, quantity=1, ref=ref, at=1, site=MAKER.site), private))
        for ref in ("1", "2")
    )
    name = merkle.leaf_hash(one.record)
    found = opened(answer(one.record, one.private), name)
    assert (found.private, found.hash, found.member) == (private, name, MAKER.id)
    assert opened(answer(one.record, one.private), None) == found
    nonsense = one.private[:16] + PRIVATE.encode(Private(price=6))
    for record, opening, known in (
        (one.record, nonsense, None),
        (one.record, b"", None),
        (one.record, other.private, name),
        (other.record, other.private, name),
        (b"\xc1", one.private, None),
    ):
        with pytest.raises(VerifyFailed, match="private opening"):
            opened(answer(record, opening), known)


def test_a_submission_tells_what_is_booked_and_not_delivered() -> None:
    receipt = Receipt(bytes(32), 7, [], b"", False, [bytes(32)])
    with_private = build.SignedEnvelope(b"", bytes(32), b"", [], {0: OPENING})
    plain = build.SignedEnvelope(b"", bytes(32), b"", [], {})
    refusal = SuyuanError("refused")

    fine = Submission(["here", "there"])
    fine.add(with_private, receipt)
    assert [(one.leaf, one.nodes) for one in fine.waiting] == [(7, ("here", "there"))]
    assert fine.receipts() == [receipt]

    elsewhere = Submission(["here", "there"])
    elsewhere.add(with_private, receipt)
    elsewhere.add(plain, refusal)
    elsewhere.missed(elsewhere.waiting[0], "it knows no others")
    with pytest.raises(PrivateNotDelivered, match=r"leaf 7 .*knows no others.*another envelope: refused") as raised:
        elsewhere.receipts()
    assert raised.value.receipts == [receipt]
    assert raised.value.failure is refusal
    assert [(one.leaf, one.openings, one.nodes) for one in raised.value.undelivered] == [
        (7, {0: OPENING}, ("here", "there"))
    ]

    liar = Submission(())
    liar.add(with_private, receipt)
    liar.broken(VerifyFailed("x", "y"))
    assert liar.waiting == []
    with pytest.raises(PrivateNotDelivered, match="leaf 7"):
        liar.receipts()

    refused = Submission(())
    refused.add(plain, refusal)
    with pytest.raises(SuyuanError, match="refused"):
        refused.receipts()
