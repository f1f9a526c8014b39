"""Two versions of the log: the newest one, for members; and the one that outside witnesses cosigned, for readers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import checkpoint as c
from ledger import merkle
from ledger import note as n
from ledger.errors import Malformed
from ledger.limits import FREE_BYTES_MIN
from ledger.links import Code
from ledger.storage.chainview import ChainView
from node.app import App
from node.disk import Disk
from node.http.proofs import Proofs
from node.metrics import Metrics
from node.private import ROWS_FILE, PrivateStore
from node.succession import Succession
from tests.world import FORMULA, LOT, MAKER, World

CODE = Code(FORMULA, LOT.removeprefix(FORMULA))


class Newest:
    """In the place of an engine."""

    def __init__(self, world: World) -> None:
        self.view = world.store.view(world.note())

    def watch(self, grown: Callable[[], None]) -> None:
        pass


class Served:
    """Readers are shown a version that is one sale behind."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder).founded()
        self.shown: ChainView = self.world.store.view(self.world.note())
        self.sold = self.world.seal(self.world.sell(MAKER, 1))
        self.wire = self.world.envelope(MAKER, [self.sold])
        self.world.book(self.wire)
        self.newest = Newest(self.world)
        self.private = PrivateStore(folder / ROWS_FILE)
        disk = Disk(folder, FREE_BYTES_MIN)
        self.app = App(
            self.world.store,
            self.newest,  # type: ignore[arg-type]
            Metrics(),
            self.private,
            disk,
            Succession(folder, self.world.store.genesis),
            shown=lambda: self.shown,
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.private.close()
    served.world.close()


def head(note: bytes) -> c.Checkpoint:
    return c.parse(n.parse(note).text)


def test_who_has_a_receipt_gets_a_log_that_holds_it(served: Served) -> None:
    shown, newest = served.shown.head.log, served.newest.view.head.log
    for known, expected in (
        (0, shown),
        (3, shown),
        (shown.size, shown),
        (shown.size + 1, newest),
        (newest.size, newest),
    ):
        checkpoint, proof = served.app.checkpoint(known)
        assert (head(checkpoint).size, head(checkpoint).root) == (expected.size, expected.root())
        if known:
            merkle.verify_consistency(known, expected.size, served.world.store.root_at(known), expected.root(), proof)
    with pytest.raises(Malformed):
        served.app.checkpoint(newest.size + 1)


def test_a_receipt_is_of_the_version_for_readers_as_soon_as_that_has_it(served: Served) -> None:
    name = served.world.check(served.wire).opened.id
    before = served.app.receipt(name)
    assert head(before.checkpoint).size == served.newest.view.head.log.size
    served.shown = served.newest.view
    served.world.do(MAKER, served.world.sell(MAKER, 1))
    served.newest.view = served.world.store.view(served.world.note())
    after = served.app.receipt(name)
    assert (after.leaf, after.checkpoint) == (before.leaf, served.shown.checkpoint)


async def test_a_proof_is_built_anew_when_more_have_cosigned_the_same_version(served: Served) -> None:
    proofs = Proofs(served.app)
    first = await proofs.get(CODE)
    assert await proofs.get(CODE) is first
    assert served.shown.checkpoint in first.proof
    served.shown.note = served.world.note(served.world.now + 60_000)
    second = await proofs.get(CODE)
    assert served.shown.checkpoint in second.proof
    assert served.newest.view.checkpoint not in second.proof
