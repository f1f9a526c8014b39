"""Private openings: members give them to the nodes that they name, parties and regulators read them, the signer or a
regulator erases them. Nothing of this touches the chain."""

import datetime as dt
from collections.abc import Callable

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


class Openings:
    def __init__(self, store: ChainStore, private: PrivateStore, name: str, view: Callable[[], ChainView]) -> None:
        self._name = name
        self._private = private
        self._parties = Parties(store)
        self._view = view

    def put(self, member: str, openings: list[tuple[int, int, bytes]], nodes: list[str]) -> int:
        """Keep private openings of own records, all or none, if the member named this node; Malformed where one is
        not what was sealed, or was erased. The same again changes nothing."""
        if self._name not in nodes:
            named = ", ".join(nodes) or "nobody"
            raise Malformed("nodes", f"this node is {self._name}, the openings are for {named}: give them there")
        _check_count(len(openings))
        for number, (leaf, index, opening) in enumerate(openings):
            found = self._found(leaf, index)
            if found is None or found.member != member:
                raise Malformed(f"openings[{number}]", f"{member} signed no record {index} in leaf {leaf}")
            try:
                open_private(found.record, opening)
            except Malformed as error:
                raise Malformed(f"openings[{number}]", error.message) from None
        self._private.put(openings)
        return len(openings)

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
