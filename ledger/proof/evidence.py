"""What a product proof proves before anything is concluded: entries, signed records, complete chains."""

from typing import TypeVar

from msgspec import Struct

from ledger import block as b
from ledger import entries as e
from ledger import limits, mapproof, merkle, signature
from ledger import records as r
from ledger.encoding import Codec
from ledger.envelope import HEADER, Header, envelope_digest
from ledger.errors import Malformed, VerifyFailed
from ledger.hashing import TAG_ENVELOPE
from ledger.proof import format as f

T = TypeVar("T")


class Signed(Struct, frozen=True):
    """A record that is proven to stand in an envelope that `member` signed; `name` is its hash."""

    element: e.Element
    name: bytes
    record: r.Record
    member: str

    @property
    def time(self) -> int:
        return self.element.time


class _Shown(Struct, frozen=True):
    """A record with the header of its envelope, its hash, and `entries.signed_record` of it."""

    record: r.Record
    header: Header
    name: bytes
    signed: bytes


def _place(element: e.Element) -> str:
    return f"record {element.index} of leaf {element.leaf}"


class Evidence:
    """The proven entries, and the records that were checked against them (steps 3 to 5). `suspect` are the keys
    that signed a record shown when they may have been in wrong hands."""

    def __init__(self, shown: f.ProductProof, proven: mapproof.Proven, header: b.BlockHeader) -> None:
        self.header = header
        self.position = shown.position
        self._proven = proven
        self._chains = {(chain.path, chain.name): chain for chain in shown.chains}
        self.members: dict[str, e.MemberEntry] = {}
        self.suspect: dict[tuple[str, bytes], e.KeyEntry] = {}
        self._headers = [self._envelope(envelope) for envelope in shown.envelopes]
        self._hashes = shown.hashes
        self._envelopes = shown.envelopes
        self._records: dict[tuple[int, int], _Shown] = {}
        self._keys = {(header.member, header.key): key for header, key in self._headers}
        for record in shown.records:
            self._add(record)

    def entry(self, path: bytes, codec: Codec[T]) -> T | None:
        """The proven entry at `path`, or None where its absence is proven."""
        value = self._proven.value(path)
        if value is None:
            return None
        try:
            return codec.decode(value)
        except Malformed as error:
            raise VerifyFailed("entry", str(error)) from None

    def member(self, member: str) -> e.MemberEntry:
        known = self.members.get(member)
        if known is None:
            entry = self.entry(e.member_path(member), e.MEMBER)
            if entry is None:
                raise VerifyFailed("member", f"{member} is proven to be no member")
            known = self.members[member] = entry
        return known

    def _envelope(self, envelope: f.ShownEnvelope) -> tuple[Header, e.KeyEntry]:
        """Step 4: the header's signature, under a key of that member."""
        try:
            header = HEADER.decode(envelope.header)
        except Malformed as error:
            raise VerifyFailed("envelope", str(error)) from None
        if header.chain != self.header.chain:
            raise VerifyFailed("envelope", "it was signed for another chain")
        key = self.entry(e.key_path(header.member, header.key), e.KEY)
        if key is None or key.member != header.member:
            raise VerifyFailed("envelope", f"{header.member} has no key {header.key.hex()}")
        signature.verify(key.key, TAG_ENVELOPE + envelope.header, envelope.signature)
        self.member(header.member)
        return header, key

    def _add(self, shown: f.ShownRecord) -> None:
        if shown.envelope >= len(self._headers):
            raise VerifyFailed("record", f"names envelope {shown.envelope} of {len(self._headers)}")
        header, _ = self._headers[shown.envelope]
        name = merkle.leaf_hash(shown.record)
        if any(number >= len(self._hashes) for number in shown.path):
            raise VerifyFailed("record", f"its path names a hash beyond the {len(self._hashes)} shown")
        path = [self._hashes[number] for number in shown.path]
        merkle.verify_inclusion(name, shown.index, header.count, path, header.root)
        try:
            record = r.RECORD.decode(shown.record)
        except Malformed as error:
            raise VerifyFailed("record", str(error)) from None
        envelope = self._envelopes[shown.envelope]
        signed = e.signed_record(envelope_digest(envelope.header, envelope.signature), name)
        self._records[self._envelopes[shown.envelope].leaf, shown.index] = _Shown(record, header, name, signed)

    def signed(self, element: e.Element) -> Signed:
        """The record of a chain's element, signed by a key that was valid at the element's time."""
        found = self._records.get((element.leaf, element.index))
        if found is None:
            raise VerifyFailed("record", f"{_place(element)}, which a chain counts, is not shown")
        header = found.header
        if found.signed != element.signed or r.act_of_type(type(found.record)) != element.act:
            raise VerifyFailed("record", f"{_place(element)} is not the one that the chain counts, as it was signed")
        key = self._keys[header.member, header.key]
        ended = key.revoked is not None and element.time >= key.revoked
        retired = key.retired is not None and element.time > key.retired + limits.RETIRED_KEY_GRACE_MS
        if element.time < key.admitted or ended or retired:
            raise VerifyFailed("key", f"key {header.key.hex()} of {header.member} was not valid at {element.time}")
        if key.suspect_from is not None and element.time >= key.suspect_from:
            self.suspect[header.member, header.key] = key
        return Signed(element, found.name, found.record, header.member)

    def chain(self, path: bytes, name: bytes, chain: e.Chain | None, newest: int | None = None) -> list[Signed]:
        """Step 5: the list behind a chain head, whole, or its `newest` elements."""
        shown = self._chains.get((path, name))
        if chain is None:
            if shown is not None:
                raise VerifyFailed("chain", f"a list is shown for chain {name!r} of {path.hex()}, which is empty")
            return []
        if shown is None:
            raise VerifyFailed("chain", f"chain {name!r} of {path.hex()} counts {chain.count}, no list is shown")
        skipped = 0 if newest is None else max(0, chain.count - newest)
        if shown.skipped != skipped or skipped + len(shown.elements) != chain.count:
            raise VerifyFailed(
                "chain",
                f"chain {name!r} of {path.hex()} counts {chain.count}: {chain.count - skipped} must be shown, "
                f"{len(shown.elements)} are",
            )
        head = e.chain_start(path, name) if skipped == 0 else shown.before
        for element in shown.elements:
            head = e.chain_next(head, element)
        if head != chain.head:
            raise VerifyFailed("chain", f"the list shown for chain {name!r} of {path.hex()} is not the one counted")
        return [self.signed(element) for element in shown.elements]
