"""A client whose calls go to a ledger in this process, and fail as told: the rules, bytes, receipts and proofs are
real; only the network, and the faults on it, are made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from client_sdk import errors, keys
from client_sdk.client import Client
from client_sdk.trust import Trust
from ledger import block as b
from ledger import entries as e
from ledger import records as r
from ledger import signature
from ledger import state as s
from ledger.envelope import ENVELOPE, HEADER, envelope_id
from ledger.errors import Malformed, Problem, Refused
from ledger.private import open_private
from node import convert
from node.admission import Admission
from node.app import Receipt
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.world import MAKER, POLICY, VALIDATOR, Member, World

LOST, STORED = "lost", "stored"


def identity_of(folder: Path, who: Member = MAKER, seed: bytes | None = None) -> keys.Identity:
    """An identity folder's public half on disk, and the identity with a fixed key."""
    key = seed or who.seed
    public = keys.Public(who.id, "厂", who.kind.name.lower(), "CN-33", signature.public_key(key))
    folder.mkdir(exist_ok=True)
    (folder / "member.json").write_bytes(msgspec.json.encode(public))
    return keys.Identity(folder, public, key, None)


class Loopback(Client):
    """`faults` holds what the next calls meet, by method: an error (nothing happens), LOST or STORED (no answer
    comes, before or after it took effect). `calls` lists what was called."""

    def __init__(self, world: World, identity: keys.Identity) -> None:
        self.world = world
        self.identity = identity
        self.connection = keys.Connection("", world.chain.hex(), "", "", "", "")
        self.trust = Trust(POLICY, identity.folder)
        self.faults: dict[str, list[errors.ClientError | str | None]] = {}
        self.calls: list[str] = []
        self.private_store: dict[tuple[int, int], bytes] = {}
        self.wires: list[bytes] = []
        self.node = VALIDATOR
        self.named: list[str] = []  # the nodes that the last openings were for
        self.fault: Callable[[str], errors.ClientError | str | None] = self._listed

    def _listed(self, method: str) -> errors.ClientError | str | None:
        waiting = self.faults.get(method)
        return waiting.pop(0) if waiting else None

    def _GetPolicy(self, request: pb.GetPolicyRequest) -> pb.GetPolicyResponse:  # noqa: N802
        return pb.GetPolicyResponse(entry=e.POLICY.encode(s.policy_in(self.world.store)))

    def _call(self, method: str, request: Any) -> Any:
        if method != "GetPolicy":
            self.calls.append(method)
        if method == "Submit":
            self.wires.append(request.envelope)
        fault = self.fault(method)
        if isinstance(fault, errors.ClientError):
            raise fault
        if fault == LOST:
            raise errors.Unavailable("cut off")
        answer = getattr(self, f"_{method}")(request)
        if fault == STORED:
            raise errors.Unavailable("cut off")
        return answer

    def _stream(self, method: str, request: Any) -> Any:
        raise NotImplementedError(method)

    def close(self) -> None:
        pass

    def _receipt(self, leaf: int, envelope: bytes, earlier: bool) -> pb.Receipt:
        head = self.world.store.head.log
        proof = self.world.store.inclusion_proof(leaf, head)
        return convert.receipt(Receipt(envelope, leaf, proof, self.world.note(), earlier))

    def _Submit(self, request: pb.SubmitRequest) -> pb.SubmitResult:  # noqa: N802
        try:
            admitted = Admission(self.world.chain, self.world.store).admit(request.envelope)
            plan = self.world.store.plan([admitted], self.world.now)
            self.world.store.commit(plan)
            self.world.now += 1
            verdict = plan.verdicts[0]
            if verdict.leaf is None:
                raise Refused(verdict.problems)
        except Refused as error:
            raise errors.EnvelopeRefused(error.problems) from None
        except Malformed as error:
            raise _malformed(error) from None
        return pb.SubmitResult(receipt=self._receipt(verdict.leaf, admitted.opened.id, verdict.earlier))

    def _GetReceipt(self, request: pb.GetReceiptRequest) -> pb.Receipt:  # noqa: N802
        row = self.world.store.get(b"e" + request.envelope_id)
        if row is None:
            raise errors.NotFound("no such envelope")
        return self._receipt(s.ACCEPTED.decode(row).leaf, request.envelope_id, True)

    def _GetCheckpoint(self, request: pb.GetCheckpointRequest) -> pb.GetCheckpointResponse:  # noqa: N802
        head = self.world.store.head.log
        proof = []
        if request.extends_size:
            proof = self.world.store.consistency_proof(request.extends_size, head)
        return pb.GetCheckpointResponse(checkpoint=self.world.note(), consistency=proof)

    def _GetNodeInfo(self, request: pb.GetNodeInfoRequest) -> pb.NodeInfo:  # noqa: N802
        return pb.NodeInfo(chain_id=self.world.chain, node=self.node, time_ms=self.world.now)

    def _FindRefs(self, request: pb.FindRefsRequest) -> pb.FindRefsResponse:  # noqa: N802
        found = []
        for ref in request.refs:
            row = self.world.store.get(s.booked_key(self.member_id, convert.side(request.side), ref))
            if row is not None:
                found.append(convert.booked(ref, s.BOOKED.decode(row)))
        return pb.FindRefsResponse(booked=found)

    def _ListOwnEnvelopes(self, request: pb.ListOwnEnvelopesRequest) -> pb.ListOwnEnvelopesResponse:  # noqa: N802
        wire = self.world.store.envelope_bytes_at(request.from_leaf)
        return pb.ListOwnEnvelopesResponse(envelopes=[pb.OwnEnvelope(leaf=request.from_leaf, envelope=wire)])

    def _PutPrivate(self, request: pb.PutPrivateRequest) -> pb.PutPrivateResponse:  # noqa: N802
        self.named = list(request.nodes)
        for one in request.openings:
            record = r.RECORD.decode(ENVELOPE.decode(self.world.store.envelope_bytes_at(one.leaf)).records[one.index])
            open_private(record, one.opening)
            self.private_store[(one.leaf, one.index)] = one.opening
        return pb.PutPrivateResponse(kept=len(request.openings))

    # What the ledger holds

    def booked(self, who: Member = MAKER) -> list[tuple[int, str]]:
        """(leaf, document line) of every record of the member that has one, in the order of the log."""
        found = []
        for _, payload in self.world.store.blocks(1):
            for wire in _envelopes(payload):
                if _signer(wire) == who.id:
                    leaf = s.ACCEPTED.decode(_known(self.world.store.get(b"e" + envelope_id(wire.header)))).leaf
                    for record, opening in zip(wire.records, wire.openings, strict=True):
                        codec = r.AMOUNTS.get(type(r.RECORD.decode(record)))
                        if codec is not None:
                            found.append((leaf, codec.decode(opening[16:]).ref))
        return found


def _envelopes(payload: bytes) -> Any:
    return [ENVELOPE.decode(wire) for wire in b.BLOCK.decode(payload).envelopes]


def _signer(envelope: Any) -> str:
    return HEADER.decode(envelope.header).member


def _known(row: bytes | None) -> bytes:
    if row is None:
        raise AssertionError("a booked envelope has no row")
    return row


def _malformed(error: Malformed) -> errors.EnvelopeRefused:
    return errors.EnvelopeRefused((Problem("envelope.malformed", error.message, "", None, error.where),))
