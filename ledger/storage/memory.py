"""Rows in memory, behind the same reads as the index: for tests and small audits."""

from collections.abc import Iterable, Iterator


class MemoryStore:
    """A dict with ordered scans. A snapshot copies it."""

    def __init__(self, rows: dict[bytes, bytes] | None = None) -> None:
        self.rows = rows if rows is not None else {}

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(
        self, prefix: bytes, start: bytes | None = None, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(key for key in self.rows if key.startswith(prefix))
        if start is not None:
            keys = [key for key in keys if (key <= start if reverse else key >= start)]
        if reverse:
            keys.reverse()
        for key in keys[:limit]:
            yield key, self.rows[key]

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes]) -> None:
        self.rows.update(puts)
        for key in deletes:
            self.rows.pop(key, None)

    def snapshot(self) -> "MemoryStore":
        return MemoryStore(dict(self.rows))

    def close(self) -> None:
        self.rows = {}
