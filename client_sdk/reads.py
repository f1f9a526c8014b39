"""What a client asks a node without changing anything: lists, entries, proofs, blocks, subscriptions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from client_sdk import keys, wire
from client_sdk.errors import NotFound
from client_sdk.openings import Opened, opened
from client_sdk.trust import Trust
from client_sdk.wire import Side, clock_ms
from ledger import entries as e
from ledger.errors import VerifyFailed
from ledger.private import Private
from ledger.proof.verify import Product, Query, verify_product
from ledger.succession import STEP, Step
from proto.suyuan.v1 import ledger_pb2 as pb

PAGE_ROWS: Final = 500
STREAM_SECONDS: Final = 24 * 3600


class Reads(ABC):
    """The reading half of `Client`, over two ways to call a node."""

    connection: keys.Connection
    trust: Trust

    @abstractmethod
    def _call(self, method: str, request: Any) -> Any:
        """One call that answers once; raises the typed error of `client_sdk.errors`."""

    @abstractmethod
    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        """One call that answers with a stream."""

    def _pages(self, method: str, request: Callable[[pb.Page], Any], field: str) -> Iterator[Any]:
        after = b""
        while True:
            answer = self._call(method, request(pb.Page(after=after, limit=PAGE_ROWS)))
            yield from getattr(answer, field)
            after = answer.next
            if not after:
                return

    # What is one's own

    def positions(self, kept: bool = False) -> Iterator[pb.Position]:
        """What the member owns, by site and lot; or, with `kept`, what it keeps for other owners."""
        return self._pages("ListPositions", lambda page: pb.ListPositionsRequest(page=page, kept=kept), "positions")

    def handovers(self) -> Iterator[pb.Handover]:
        """Ships that wait for the member's receive."""
        return self._pages("ListHandovers", lambda page: pb.ListHandoversRequest(page=page), "handovers")

    def claims(self, against_me: bool = False) -> Iterator[pb.Claim]:
        """Open claims: one's own, or those of others against the member."""
        return self._pages(
            "ListClaims", lambda page: pb.ListClaimsRequest(page=page, against_me=against_me), "claims"
        )

    def own_envelopes(self, from_leaf: int = 0) -> Iterator[wire.OwnEnvelope]:
        """What the member signed, with opened amounts, in the order of the log."""
        found = self._pages(
            "ListOwnEnvelopes", lambda page: pb.ListOwnEnvelopesRequest(page=page, from_leaf=from_leaf), "envelopes"
        )
        return map(wire.own_envelope, found)

    def own_record(self, leaf: int, index: int) -> wire.OwnRecord:
        """One own record by its place in the log; NotFound where the member signed none there."""
        page = pb.Page(limit=1)
        answer = self._call("ListOwnEnvelopes", pb.ListOwnEnvelopesRequest(page=page, from_leaf=leaf))
        for envelope in map(wire.own_envelope, answer.envelopes):
            if envelope.leaf == leaf and index < len(envelope.records):
                return envelope.records[index]
        raise NotFound(f"you signed no record {index} in leaf {leaf}")

    def find_refs(self, side: Side, refs: Sequence[str]) -> list[pb.BookedRef]:
        """Which document lines of a side of one's book are booked, and where; any number of them."""
        found: list[pb.BookedRef] = []
        for start in range(0, len(refs), wire.REFS_A_CALL):
            asked = pb.FindRefsRequest(side=side.value, refs=refs[start : start + wire.REFS_A_CALL])
            found += self._call("FindRefs", asked).booked
        return found

    def subscribe(self, from_leaf: int = 0, until_now: bool = False) -> Iterator[wire.News]:
        """What others did that concerns the member, in order and without gaps, from a place in the log on. Store each
        `next_leaf` when its events are dealt with, and go on from there."""
        request = pb.SubscribeRequest(from_leaf=from_leaf, until_now=until_now)
        expected = from_leaf
        for message in self._stream("Subscribe", request):
            news = wire.news(message, expected)
            expected = news.next_leaf
            yield news

    def private(self, leaf: int, index: int, known: bytes | None = None) -> Private:
        """What stands behind the private seal of a record that one is a party to, checked against it; NotFound where
        the node keeps none, or it was erased. `known` is the record's hash, as one's own receipt, an event or an
        own record has it: VerifyFailed where the node gives the opening of another record."""
        return self.private_opening(leaf, index, known).private

    def private_opening(self, leaf: int, index: int, known: bytes | None = None) -> Opened:
        """As `private`, with the record and who signed it."""
        return opened(self._call("GetPrivate", pb.GetPrivateRequest(leaf=leaf, index=index)), known)

    # What everybody may know

    def product(self, product: str) -> e.ProductEntry | None:
        """What is declared about a trade item, unproven; None where nothing is."""
        entry = self._lookup("product", product)
        return e.PRODUCT.decode(entry) if entry else None

    def lot(self, lot: str) -> e.LotEntry | None:
        entry = self._lookup("lot", lot)
        return e.LOT.decode(entry) if entry else None

    def member(self, member: str) -> e.MemberEntry | None:
        entry = self._lookup("member", member)
        return e.MEMBER.decode(entry) if entry else None

    def site(self, site: str) -> e.SiteEntry | None:
        entry = self._lookup("site", site)
        return e.SITE.decode(entry) if entry else None

    def unit(self, unit: str) -> e.UnitEntry | None:
        """What stands under an SSCC in its newest use."""
        entry = self._lookup("unit", unit)
        return e.UNIT.decode(entry) if entry else None

    def _lookup(self, kind: str, name: str) -> bytes:
        return bytes(self._call("Lookup", wire.lookup_request(kind, name)).entry)

    def product_proof(self, product: str, lot: str, voucher: bytes | None = None, site: str | None = None) -> bytes:
        """The proof of a product, unverified: `verify` says what it proves."""
        return bytes(self._call("GetProductProof", wire.proof_request(product, lot, voucher, site)).proof)

    def verify(self, query: Query, proof: bytes) -> Product:
        """What a freshly fetched proof proves under the policy that this reader trusts."""
        return verify_product(self.trust.policy, query, proof, clock_ms())

    def policy(self, known: int = 0) -> tuple[e.PolicyEntry, list[Step]]:
        """The policy in force, unproven, and the steps that lead to it from policy `known`, which prove it to whoever
        trusts that one (`ledger.succession.follow`)."""
        answer = self._call("GetPolicy", pb.GetPolicyRequest(known=known))
        return e.POLICY.decode(answer.entry), [STEP.decode(step) for step in answer.steps]

    def checkpoint(self, extends: int = 0) -> pb.GetCheckpointResponse:
        """The newest checkpoint, unverified, with the proof that it extends a log of so many leaves. EnvelopeRefused
        where the node's log is shorter."""
        answer: pb.GetCheckpointResponse = self._call("GetCheckpoint", pb.GetCheckpointRequest(extends_size=extends))
        return answer

    def node_info(self) -> pb.NodeInfo:
        info: pb.NodeInfo = self._call("GetNodeInfo", pb.GetNodeInfoRequest())
        if info.chain_id != self.connection.chain_id:
            raise VerifyFailed("node", f"it serves chain {info.chain_id.hex()}, not {self.connection.chain}")
        return info

    def blocks(self, from_height: int = 1) -> Iterator[tuple[int, bytes]]:
        """(height, block) for replay; only regulators may."""
        for block in self._stream("StreamBlocks", pb.StreamBlocksRequest(from_height=from_height)):
            yield block.height, block.block
