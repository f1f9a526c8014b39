"""Ships that wait for a member, in a table of their own: which of them so many goods answer is found as quickly among
many as among few. They are indexed under a small number for each lot and party, since long keys cost most of it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from client_sdk.books.scratch import Scratch
from ledger.limits import BOOK_SHIPS_BYTES_MAX

_COLUMNS = "rowid, name, site, document, open, time_ms, grams"
_OF = "goods = (SELECT id FROM goods WHERE lot = ? AND owner = ? AND returns = ?) AND (? = '' OR site = ?)"


class OpenShip(Struct):
    """A ship that waits for this member, by its sender's document; `returns`: goods that come back to it. `row` is
    its place in the table."""

    ship: bytes
    lot: str
    owner: str
    site: str
    document: str
    open: int
    time_ms: int
    grams: int = 0
    returns: bool = False
    row: int = 0


class Wanted(Struct, frozen=True):
    """Of which lot and party; to which of the member's sites (empty: any); whether as returns."""

    lot: str
    party: str
    site: str = ""
    returns: bool = False

    @property
    def values(self) -> tuple[str, str, bool, str, str]:
        return self.lot, self.party, self.returns, self.site, self.site


class Waiting:
    def __init__(self, scratch: Scratch, ships: Iterable[OpenShip]) -> None:
        self._db = scratch.db
        self._db.execute(f"PRAGMA cache_size = -{BOOK_SHIPS_BYTES_MAX // 1024}")  # rows ask for them in no order
        self._db.execute(
            "CREATE TABLE goods (id INTEGER PRIMARY KEY, lot TEXT, owner TEXT, returns INTEGER, "
            "UNIQUE (lot, owner, returns))"
        )
        self._db.execute(
            "CREATE TABLE ship (goods INTEGER, name BLOB, site TEXT, document TEXT, open INTEGER, time_ms INTEGER, "
            "grams INTEGER)"
        )
        for one in ships:
            self._add(one)
        for order in ("open, time_ms", "document, time_ms", "time_ms"):
            name = order.partition(",")[0]
            self._db.execute(f"CREATE INDEX by_{name} ON ship (goods, {order})")
        self.count = int(self._db.execute("SELECT count(*) FROM ship").fetchone()[0])

    def _add(self, one: OpenShip) -> None:
        goods = (one.lot, one.owner, one.returns)
        self._db.execute("INSERT OR IGNORE INTO goods (lot, owner, returns) VALUES (?, ?, ?)", goods)
        self._db.execute(
            "INSERT INTO ship SELECT id, ?, ?, ?, ?, ?, ? FROM goods WHERE lot = ? AND owner = ? AND returns = ?",
            (one.ship, one.site, one.document, one.open, one.time_ms, one.grams, *goods),
        )

    def lots(self) -> Iterator[str]:
        """Those of which something waits, or did."""
        return (lot for (lot,) in self._db.execute("SELECT DISTINCT lot FROM goods"))

    def open_of(self, wanted: Wanted) -> int:
        """How many items of it wait in all."""
        [(total,)] = self._db.execute(f"SELECT total(open) FROM ship WHERE {_OF}", wanted.values).fetchall()
        return int(total)

    def answers(self, wanted: Wanted, quantity: int, document: str) -> list[tuple[OpenShip, int]]:
        """Which ships so many goods answer, and how much of each; together less than `quantity` where there are not
        as many. One of exactly this quantity; else those of this document, if they are so many together; else a part
        of the next larger one; else several, the oldest first. Ties are broken by the document, then by age."""
        if not self.count:
            return []
        same = list(self._found(wanted, "document = ? ORDER BY time_ms", document)) if document else []
        exact = [one for one in same if one.open == quantity]
        exact = exact or list(self._found(wanted, "open = ? ORDER BY time_ms LIMIT 1", quantity))
        if exact:
            return [(exact[0], quantity)]
        if same and sum(one.open for one in same) == quantity:
            return [(one, one.open) for one in same]
        larger = [one for one in same if one.open > quantity]
        larger = larger or list(self._found(wanted, "open > ? ORDER BY open, time_ms LIMIT 1", quantity))
        if larger:
            return [(larger[0], quantity)]
        return self._several(wanted, quantity, same)

    def _several(self, wanted: Wanted, quantity: int, first: list[OpenShip]) -> list[tuple[OpenShip, int]]:
        """Those of the document, then the oldest; none of them is as large as the quantity."""
        found: list[tuple[OpenShip, int]] = []
        known = {one.row for one in first}
        others = (one for one in self._found(wanted, "1 ORDER BY time_ms") if one.row not in known)
        for ships in (first, others):
            for one in ships:
                part = min(one.open, quantity)
                if not part:
                    return found
                found.append((one, part))
                quantity -= part
        return found

    def _found(self, wanted: Wanted, more: str, *values: str | int) -> Iterator[OpenShip]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM ship WHERE {_OF} AND {more}", (*wanted.values, *values))
        return (
            OpenShip(name, wanted.lot, wanted.party, site, document, left, at, grams, wanted.returns, row)
            for row, name, site, document, left, at, grams in rows
        )

    def take(self, ship: OpenShip, part: int) -> None:
        """So much of it is open no longer."""
        ship.grams -= ship.grams * part // ship.open
        ship.open -= part
        if ship.open:
            values = (ship.open, ship.grams, ship.row)
            self._db.execute("UPDATE ship SET open = ?, grams = ? WHERE rowid = ?", values)
        else:
            self._db.execute("DELETE FROM ship WHERE rowid = ?", (ship.row,))
            self.count -= 1


def document_of(ref: str) -> str:
    """The document that a document line belongs to."""
    return ref.rpartition("/")[0]
