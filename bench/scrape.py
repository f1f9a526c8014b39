"""What a node tells of itself: its metrics, and what its processes hold of memory and disk."""

import json
import urllib.request
from pathlib import Path

from msgspec import Struct


def metrics(data: Path) -> list[str]:
    """The lines of a running node's metrics."""
    address = json.loads((data / "endpoints.json").read_text())["metrics"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return list(answer.read().decode().splitlines())


def value(data: Path, name: str) -> int:
    return next(int(float(line.split()[1])) for line in metrics(data) if line.startswith(f"{name} "))


class Histogram(Struct):
    """How many took up to each bound, in seconds."""

    counts: dict[float, float]

    @classmethod
    def read(cls, data: Path, name: str) -> "Histogram":
        rows = (line.partition(f'{name}_bucket{{le="')[2] for line in metrics(data))
        pairs = (row.split('"} ') for row in rows if row)
        return cls({float(bound): float(count) for bound, count in pairs})

    def since(self, before: "Histogram") -> "Histogram":
        return Histogram({bound: count - before.counts[bound] for bound, count in self.counts.items()})

    def within_ms(self, part: float) -> float:
        """The lowest bound within which this part of all were."""
        everything = self.counts[float("inf")]
        return 1000 * min(bound for bound, count in self.counts.items() if count >= part * everything)


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
