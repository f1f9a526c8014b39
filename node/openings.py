"""Private openings: members give them for the nodes that they name, this one or others that it hands them on to;
parties and regulators read them, the signer or a regulator erases them. Nothing of this touches the chain."""

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from ledger.errors import Damaged, Malformed
from ledger.limits import PRIVATE_ENTRIES_MAX, TEXT_CHARS_MAX
from ledger.private import open_private
from ledger.seals import seal
from ledger.storage.chainstore import ChainStore
from ledger.storage.chainview import ChainView
from node.errors import Forbidden, NotFound
from node.parties import Parties, Signed, is_regulator
from node.private import Erased, Place, PrivateStore


class Opened(Struct, frozen=True):
    """A private opening with the record that sealed it."""

    member: str
    record: bytes
    opening: bytes


class Onward(Protocol):
    """Hands what waits in the private store on to other nodes."""

    def known(self) -> list[str]:
        """Their names."""
        ...

    def wake(self) -> None:
        """Something waits; called from any thread."""
        ...


class Openings:
    """`onward` is missing where a node has no others."""

    def __init__(
        self,
        store: ChainStore,
        private: PrivateStore,
        name: str,
        view: Callable[[], ChainView],
        onward: Onward | None = None,
    ) -> None:
        self._onward = onward
        self._name = name
        self._private = private
        self._parties = Parties(store)
        self._view = view

    def put(self, member: str, openings: list[tuple[int, int, bytes]], nodes: list[str]) -> int:
        """Keep private openings of own records for the nodes that the member named, all or none: here, and on their
        way to the others. Malformed where one is not what was sealed, or was erased, or a node is not known. The same
        again changes nothing."""
        others = self._others(nodes)
        _check_count(len(openings))
        for number, (leaf, index, opening) in enumerate(openings):
            found = self._found(leaf, index)
            if found is None or found.member != member:
                raise Malformed(f"openings[{number}]", f"{member} signed no record {index} in leaf {leaf}")
            try:
                open_private(found.record, opening)
            except Malformed as error:
                raise Malformed(f"openings[{number}]", error.message) from None
        self._private.put(openings, others, keep=self._name in nodes)
        if self._onward is not None and others:
            self._onward.wake()
        return len(openings)

    def _others(self, nodes: list[str]) -> list[str]:
        """The nodes named besides this one, each once."""
        if nodes == [self._name]:
            return []
        known = self._onward.known() if self._onward is not None else []
        unknown = [name for name in nodes if name not in (self._name, *known)]
        if unknown or not nodes:
            named = ", ".join(unknown) or "nobody"
            others = f"it knows {', '.join(known)}" if known else "it knows no others"
            raise Malformed("nodes", f"this node is {self._name}, {others}; it cannot give openings to {named}")
        return [name for name in dict.fromkeys(nodes) if name != self._name]

    def get(self, member: str, leaf: int, index: int) -> Opened:
        """The private opening of a record, for its signer, the other party and regulators. Damaged where what is
        stored is not what was sealed."""
        found = self._found(leaf, index)
        if found is None:
            raise NotFound(f"no record {index} in leaf {leaf}")
        get = self._view().get
        concerned = self._parties.of(get, found.member, found.record, found.opening)
        if member != found.member and member not in concerned.parties and not is_regulator(get, member):
            raise Forbidden(f"{member} is no party to this record")
        if found.record.private is None:
            raise NotFound("this record has no private part")
        kept = self._private.get(leaf, index)
        if kept is None:
            raise NotFound("this node keeps no opening of it: its signer gives it, to the nodes that it chooses")
        if isinstance(kept, Erased):
            raise NotFound(f"erased by {kept.by} on {_moment(kept.time_ms)}: {kept.reason}")
        if seal(kept) != found.record.private:
            where = f"the private opening of record {index} in leaf {leaf}"
            raise Damaged(where, "its bytes are not those that were sealed", f"{found.member} may give it again")
        return Opened(found.member, found.data, kept)

    def erase(self, member: str, places: list[Place], reason: str, now_ms: int) -> int:
        """Erase openings of own records, or any as a regulator; how many this node kept. Every record, hash and proof
        stays as it is. The same again changes nothing."""
        if not reason.strip() or len(reason) > TEXT_CHARS_MAX:
            raise Malformed("reason", f"say why, in at most {TEXT_CHARS_MAX} characters")
        _check_count(len(places))
        regulator = is_regulator(self._view().get, member)
        for number, (leaf, index) in enumerate(places):
            found = self._found(leaf, index)
            if found is None or found.record.private is None:
                raise Malformed(f"openings[{number}]", f"no record {index} with a private part in leaf {leaf}")
            if found.member != member and not regulator:
                raise Forbidden(f"{found.member} signed record {index} in leaf {leaf}; it or a regulator erases")
        return self._private.erase(places, Erased(member, now_ms, reason))

    def _found(self, leaf: int, index: int) -> Signed | None:
        """A record that stands in the log as it is served."""
        return self._parties.at(leaf, index) if leaf < self._view().head.log.size else None


def _check_count(found: int) -> None:
    if found > PRIVATE_ENTRIES_MAX:
        raise Malformed("openings", f"{found} at once, at most {PRIVATE_ENTRIES_MAX} are taken")


def _moment(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
