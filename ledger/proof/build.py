"""Building a product proof at one version of the ledger.

The builder walks exactly as the verifier will: lot, ancestors, product, makers; with a position its ways in,
the senders' positions, and so on. What it forgot, the verifier would miss.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ledger import entries as e
from ledger import mapproof, merkle, statemap
from ledger import records as r
from ledger import state as s
from ledger.custody.step import keeper_of, product_of
from ledger.encoding import Codec
from ledger.envelope import HEADER, Envelope
from ledger.errors import ProofTooLarge
from ledger.limits import ANCESTORS_SHOWN_MAX, PATH_POSITIONS_MAX, PROOF_BYTES_MAX, SOURCES_INLINE_MAX
from ledger.proof import format as f
from ledger.succession import Step

T = TypeVar("T")


class View(Protocol):
    """One version of the ledger, as a proof reads it. The checkpoint is the newest witnessed one."""

    header: bytes
    state: statemap.Node

    @property
    def checkpoint(self) -> bytes: ...

    def get(self, key: bytes) -> bytes | None: ...

    def header_proof(self) -> list[bytes]: ...

    def envelope(self, leaf: int) -> tuple[Envelope, list[Sequence[bytes]]]:
        """The envelope at a leaf, and the RFC 6962 tree over its records (`merkle.levels`)."""
        ...


def product_proof(
    view: View, product: str, lot: str, position: tuple[str, str] | None = None, steps: Sequence[Step] = ()
) -> bytes:
    """The proof for a scanned trade item (`product`, any level) and `lot` (`#L1` or `@20260101`), with the way
    to `position` (owner, site) where one is asked for. An unknown code gets a proof of its absence. `steps` lead from
    the policies that its readers may have pinned to the one in force."""
    return _Walk(view).run(product, lot, position, steps)


class _Walk:
    def __init__(self, view: View) -> None:
        self.view = view
        self.paths: set[bytes] = set()
        self.chains: dict[tuple[bytes, bytes], f.ShownChain] = {}
        self.envelopes: list[f.ShownEnvelope] = []
        self.envelope_numbers: dict[int, tuple[int, Envelope, list[Sequence[bytes]]]] = {}
        self.records: dict[tuple[int, int], f.ShownRecord] = {}
        self.hashes: dict[bytes, int] = {}
        self.positions: set[bytes] = set()
        self.bytes = 0

    def run(self, product: str, lot: str, position: tuple[str, str] | None, steps: Sequence[Step]) -> bytes:
        declared = self.entry(e.product_path(product), e.PRODUCT)
        names = [product + lot]
        if declared is not None and declared.base is not None:  # its own lots are from before it was a level
            names.append(declared.base + lot)
            names = [name for name in names if self.entry(e.lot_path(name), e.LOT) is not None] or names[1:]
        for name in names:
            self.lots(name)
        if position is not None:
            self.way(names[0], *position)
        view = self.view
        return f.PROOF.encode(
            f.ProductProof(
                chains=list(self.chains.values()),
                checkpoint=view.checkpoint,
                envelopes=self.envelopes,
                hashes=list(self.hashes),
                header=view.header,
                header_proof=view.header_proof(),
                lot=lot,
                map=mapproof.prove(view.state, self.paths, lambda path: view.get(b"m" + path)),
                position=f.PositionName(*position) if position is not None else None,
                product=product,
                records=list(self.records.values()),
                steps=list(steps),
            )
        )

    def entry(self, path: bytes, codec: Codec[T]) -> T | None:
        self.paths.add(path)
        data = self.view.get(b"m" + path)
        return None if data is None else codec.decode_trusted(data)

    def lots(self, lot_id: str) -> None:
        """The lot and its ancestors, breadth first, each with its product and its maker."""
        todo, seen = [lot_id], {lot_id}
        for lot in todo:
            entry = self.entry(e.lot_path(lot), e.LOT)
            self.product(product_of(lot))
            if entry is None:
                continue
            self.facts(e.lot_path(lot), entry.adverse, entry.facts)
            if entry.commissioner is not None:
                self.member(entry.commissioner)
            for parent in entry.parents:
                if parent not in seen and len(seen) <= ANCESTORS_SHOWN_MAX:
                    seen.add(parent)
                    todo.append(parent)

    def product(self, product: str) -> None:
        path = e.product_path(product)
        if path in self.paths and (path, e.CHAIN_ADVERSE) in self.chains:
            return
        entry = self.entry(path, e.PRODUCT)
        if entry is None:
            return
        self.facts(path, entry.adverse, entry.facts)
        if entry.base is not None:
            self.product(entry.base)
        for member in sorted({one for one in (entry.maker, entry.declarer) if one is not None}):
            self.member(str(member))

    def member(self, member: str) -> None:
        path = e.member_path(member)
        if path in self.paths:
            return
        entry = self.entry(path, e.MEMBER)
        if entry is not None:
            self.facts(path, entry.adverse, None)

    def site(self, site: str) -> None:
        entry = self.entry(e.site_path(site), e.SITE)
        if entry is not None:
            self.facts(e.site_path(site), entry.adverse, entry.facts)

    def facts(self, path: bytes, adverse: e.Chain | None, other: e.Chain | None) -> None:
        if adverse is not None:
            self.chain(path, e.CHAIN_ADVERSE, adverse, 0)
        if other is not None:
            self.chain(path, e.CHAIN_FACTS, other, max(0, other.count - f.SHOWN_OF_OTHER_FACTS))

    def chain(self, path: bytes, name: bytes, chain: e.Chain, skipped: int) -> None:
        if (path, name) in self.chains:
            return
        links = [self.link(path, name, number) for number in range(skipped, chain.count)]
        elements = [link.element for link in links]
        self.chains[path, name] = f.ShownChain(path, name, skipped, links[0].before, elements)
        for element in elements:
            self.record(element)

    def link(self, path: bytes, name: bytes, number: int) -> s.Link:
        data = self.view.get(s.element_key(path, name, number))
        if data is None:
            raise ValueError(f"the index lacks element {number} of chain {name!r} of {path.hex()}")
        return s.LINK.decode_trusted(data)

    def record(self, element: e.Element) -> bytes:
        """Show the record of an element, with its envelope and signer; returns the record's bytes."""
        where = (element.leaf, element.index)
        if where in self.records:
            return self.records[where].record
        number, envelope, tree = self.envelope(element.leaf)
        path = [self.hashes.setdefault(one, len(self.hashes)) for one in merkle.inclusion_proof(tree, element.index)]
        record = envelope.records[element.index]
        self.count(len(record))
        self.records[where] = f.ShownRecord(number, element.index, record, path)
        return record

    def count(self, more: int) -> None:
        """What must be shown whole is bounded by what anybody reads: beyond it there is no proof, and not a part."""
        self.bytes += more
        if self.bytes > PROOF_BYTES_MAX:
            raise ProofTooLarge(
                f"the proof would pass {PROOF_BYTES_MAX} bytes: too much that is adverse stands about these goods "
                "or what they were made of; ask a regulator, or replay the ledger (suyuan audit)"
            )

    def envelope(self, leaf: int) -> tuple[int, Envelope, list[Sequence[bytes]]]:
        known = self.envelope_numbers.get(leaf)
        if known is None:
            envelope, tree = self.view.envelope(leaf)
            header = HEADER.decode_trusted(envelope.header)
            self.paths.add(e.key_path(header.member, header.key))
            self.member(header.member)
            known = (len(self.envelopes), envelope, tree)
            self.envelopes.append(f.ShownEnvelope(leaf, envelope.header, envelope.signature))
            self.count(len(envelope.header) + len(envelope.signature))
            self.envelope_numbers[leaf] = known
        return known

    def way(self, lot: str, owner: str, site: str) -> None:
        """The position and those it came from, each once, at most PATH_POSITIONS_MAX of them."""
        todo = [(lot, owner, site)]
        for name in todo:
            path = e.position_path(*name)
            if path in self.positions or len(self.positions) >= PATH_POSITIONS_MAX:
                continue
            self.positions.add(path)
            self.member(name[1])
            self.member(keeper_of(name[2]))
            self.site(name[2])
            position = self.entry(path, e.POSITION)
            if position is None:
                continue
            if name[0] != lot:
                self.lots(name[0])
            self.facts(path, position.adverse, position.facts)
            for way in self.ways(path, position):
                todo.extend(self.sources(way, name))

    def ways(self, path: bytes, position: e.PositionEntry) -> list[e.Way]:
        ways = list(position.ways)
        for number in range(position.more_ways or 0):
            way = self.entry(e.way_path(path, SOURCES_INLINE_MAX + number), e.WAY)
            if way is not None:
                ways.append(way)
        return ways

    def sources(self, way: e.Way, into: tuple[str, str, str]) -> list[tuple[str, str, str]]:
        """Show the newest delivery of a way, and name the positions that it came from."""
        data = [self.record(element) for element in way.newest]
        record = r.RECORD.decode_trusted(data[0])
        if way.kind == e.WayKind.RETURN:
            return []
        if isinstance(record, r.Ship):
            return [(record.lot, record.owner or self.signer(way.newest[0]), record.site)]
        if isinstance(record, r.Move | r.Relabel):
            return [(record.lot, into[1], record.site)]
        if isinstance(record, r.Transform):
            return [(lot, into[1], record.site) for lot in record.inputs]
        return []

    def signer(self, element: e.Element) -> str:
        return HEADER.decode_trusted(self.envelope(element.leaf)[1].header).member
