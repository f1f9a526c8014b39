"""Private openings on the member's side: giving them to nodes after their records were booked, and checking those
that a node gives back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from client_sdk.build import SignedEnvelope
from client_sdk.errors import ClientError
from client_sdk.trust import Receipt
from ledger import merkle
from ledger.errors import Malformed, SuyuanError, VerifyFailed
from ledger.limits import PRIVATE_ENTRIES_MAX
from ledger.private import Private, open_private
from ledger.records import RECORD, Record
from proto.suyuan.v1 import ledger_pb2 as pb

CALL_BYTES_MAX: Final = 3 * 1024 * 1024  # of openings in one call; the node takes 4 MiB


class Opened(Struct, frozen=True):
    """What stands behind a record's private seal, checked against it; `member` signed the record."""

    member: str
    record: Record
    hash: bytes
    private: Private


def opened(answer: pb.GetPrivateResponse, known: bytes | None) -> Opened:
    """A node's answer, checked: the opening against the seal in the record, and the record against the hash by which
    the caller knows it. VerifyFailed where the node gave another."""
    name = merkle.leaf_hash(answer.record)
    if known is not None and name != known:
        raise VerifyFailed("private opening", f"the node gave one of record {name.hex()}, not of {known.hex()}")
    try:
        record = RECORD.decode(answer.record)
        return Opened(answer.member, record, name, open_private(record, answer.opening))
    except Malformed as error:
        raise VerifyFailed("private opening", f"what the node gave was not sealed so: {error}") from None


def requests(leaf: int, openings: Mapping[int, bytes], nodes: Sequence[str]) -> Iterator[pb.PutPrivateRequest]:
    """The private openings of an envelope, now that its place in the log is known, as calls of bounded size."""
    request, size = pb.PutPrivateRequest(nodes=nodes), 0
    for index, one in openings.items():
        if len(request.openings) == PRIVATE_ENTRIES_MAX or size + len(one) > CALL_BYTES_MAX:
            yield request
            request, size = pb.PutPrivateRequest(nodes=nodes), 0
        request.openings.add(leaf=leaf, index=index, opening=one)
        size += len(one)
    if request.openings:
        yield request


class Undelivered(Struct, frozen=True):
    """Private openings, by record index, of the envelope booked at `leaf`, that no node took, and the nodes that are
    to have them (none named: the one that is connected). `put_private(leaf, openings, nodes)` gives them, now or
    later."""

    leaf: int
    openings: dict[int, bytes]
    nodes: tuple[str, ...]
    reason: str


class PrivateNotDelivered(ClientError):
    """Envelopes are booked, as `receipts` prove, but no node took all of their private openings.

    `undelivered` holds them: keep it, since nobody else has them, and give them with `put_private`. `failure` is what
    became of the other envelopes, where something did.
    """

    def __init__(self, receipts: list[Receipt], undelivered: list[Undelivered], failure: SuyuanError | None) -> None:
        places = ", ".join(f"leaf {one.leaf} ({one.reason})" for one in undelivered)
        also = f"; another envelope: {failure}" if failure is not None else ""
        super().__init__(
            f"booked, but private openings are not delivered: {places}. Keep them (`undelivered`) and give them "
            f"later with put_private(leaf, openings, nodes){also}"
        )
        self.receipts = receipts
        self.undelivered = undelivered
        self.failure = failure


class Submission:
    """What became of the envelopes of one call, and whose private openings are still to be given to `nodes`."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = tuple(nodes)
        self._receipts: list[Receipt] = []
        self._failure: SuyuanError | None = None
        self.waiting: list[Undelivered] = []
        self._undelivered: list[Undelivered] = []

    def add(self, envelope: SignedEnvelope, result: Receipt | SuyuanError) -> None:
        if isinstance(result, Receipt):
            self._receipts.append(result)
            if envelope.private:
                self.waiting.append(Undelivered(result.leaf, envelope.private, self._nodes, "not tried yet"))
        else:
            self._failure = self._failure or result

    def broken(self, error: SuyuanError) -> None:
        """The node's answers cannot be followed any further, and nothing is given to it."""
        self._failure = error
        self._undelivered, self.waiting = self.waiting, []

    def missed(self, one: Undelivered, reason: str) -> None:
        """No node took them."""
        self._undelivered.append(structs.replace(one, reason=reason))

    def receipts(self) -> list[Receipt]:
        """Of all envelopes, in order; raises what stands in the way of that."""
        if self._undelivered:
            raise PrivateNotDelivered(self._receipts, self._undelivered, self._failure) from self._failure
        if self._failure is not None:
            raise self._failure
        return self._receipts
