"""What readers of a chain get: one version of it, for as long as they need it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ledger import block as b
from ledger import tiles
from ledger.envelope import Envelope
from ledger.plan import Head
from ledger.storage.index import Snapshot


class Chain(Protocol):
    """What a version reads of the chain that goes on: nothing that changes."""

    def inclusion_proof(self, leaf: int, log: tiles.LogTree | None = None) -> list[bytes]: ...

    def envelope_at(self, leaf: int, /) -> tuple[Envelope, list[Sequence[bytes]]]: ...


class ChainView:
    """One version of a chain for building proofs: it stays as it is while later blocks are stored. `note` is its
    head, signed by the log and validators, `outside` the signature lines of other witnesses."""

    def __init__(self, chain: Chain, head: Head, snapshot: Snapshot, note: bytes) -> None:
        self.head = head
        self.note = note
        self.outside = b""
        self.header = b"" if head.header is None else b.HEADER.encode(head.header)
        self.state = head.state
        self._chain = chain
        self._snapshot = snapshot
        self._header_proof: list[bytes] | None = None

    @property
    def checkpoint(self) -> bytes:
        """The signed note with all that cosigned it."""
        return self.note + self.outside

    def get(self, key: bytes) -> bytes | None:
        return self._snapshot.get(key)

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._snapshot.scan(prefix, start=start, limit=limit, reverse=reverse)

    def header_proof(self) -> list[bytes]:
        if self._header_proof is None:
            self._header_proof = self._chain.inclusion_proof(self.head.log.size - 1, self.head.log)
        return self._header_proof

    def envelope(self, leaf: int) -> tuple[Envelope, list[Sequence[bytes]]]:
        return self._chain.envelope_at(leaf)

    def close(self) -> None:
        self._snapshot.close()
