"""Every checkpoint that any node ever showed, held against the log as it stands at the end: no two that a quorum
cosigned may disagree, and an honest node shows no other history, not even by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from client_sdk.client import Client
from demo.localnet.net import Localnet
from ledger import checkpoint as c
from ledger import limits, note, policy
from ledger.errors import SuyuanError, VerifyFailed
from ledger.tiles import LogTree
from tests.cluster.threads import Threads

ASK_AGAIN_SECONDS = 0.25


@dataclass
class Shown:
    """Asks every node again and again, while it is open. `notes` are what they and all receipts showed."""

    net: Localnet
    notes: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._threads = Threads(self._ask, self.net.numbers)

    def __enter__(self) -> "Shown":
        self._threads.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.end()

    def _ask(self, number: int) -> None:
        with Client(self.net.connection(number)) as reader:
            while not self._threads.stopped.wait(ASK_AGAIN_SECONDS):
                try:
                    self.notes.add(reader.node_info().checkpoint)
                except SuyuanError:
                    continue

    def contradictions(self, leaves: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """What was shown and is not of this log: with a quorum, and without. `leaves` are hashes, in order."""
        trusted = self.net.connection(1).trusted()
        heads = {data: c.parse(note.parse(data).text) for data in self.notes}
        roots = _roots(leaves, {head.size for head in heads.values()})
        wrong = [data for data, head in heads.items() if roots.get(head.size) != head.root]
        agreed = [data.decode() for data in wrong if _has_quorum(trusted, data)]
        return agreed, [data.decode() for data in wrong if data.decode() not in agreed]


def _has_quorum(trusted: policy.Policy, data: bytes) -> bool:
    """At whatever time it was."""
    try:
        policy.check(trusted, data, None, limits.WITNESS_WINDOW_MS)
    except VerifyFailed:
        return False
    return True


def _roots(leaves: Sequence[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The root of the log at each of these sizes, of those that it has."""
    tree, roots = LogTree.empty(), {}
    for size in sorted(size for size in sizes if size <= len(leaves)):
        tree, _ = tree.extend(leaves[tree.size : size])
        roots[size] = tree.root()
    return roots
