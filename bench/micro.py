"""The floor: what one record costs before any rule, in one process on one core.

Decode and compare, record hash and seal, LevelDB reads and writes (3 and 3 a record), and 1/100 of a signature.
Run it in the same minute as another program, and read that one's figures as a ratio to this one's.
"""

import os
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from demo.world import uscc
from ledger import signature
from ledger.envelope import open_record
from ledger.records import MOVED, RECORD, Moved, SaleTo, Sell
from ledger.seals import seal
from ledger.storage.index import Index

RECORDS = 100_000
SIGNED_A_RECORD = 1 / 100


def floor_us() -> dict[str, float]:
    """Microseconds a record of each part, and their sum."""
    from random import Random

    member = uscc(Random(3))
    made = []
    for number in range(1000):
        opening = os.urandom(16) + MOVED.encode(Moved(quantity=2, ref=f"LS20260103-{number:07d}/1"))
        lot, site = "06901234567892#L000001", f"{member}/main"
        made.append(
            (
                RECORD.encode(
                    Sell(amounts=seal(opening), at=1_763_000_000_000, buyer=SaleTo.CONSUMER, lot=lot, site=site)
                ),
                opening,
            )
        )
    parts = {"decode, seal, identifiers": _timed(lambda n: open_record(*made[n % 1000]))}
    parts["record hash"] = _timed(lambda n: sha256(b"\x00" + made[n % 1000][0]).digest())
    parts["LevelDB, 3 reads and 3 writes"] = _leveldb()
    seed = bytes(32)
    key, signed = signature.public_key(seed), signature.sign(seed, made[0][0])
    verify = _timed(lambda n: signature.verify(key, made[0][0], signed), 5000)
    parts["signature / 100"] = verify * SIGNED_A_RECORD
    parts["floor"] = sum(parts.values())
    return parts


def _timed(work: object, count: int = RECORDS) -> float:
    begun = time.perf_counter()
    for number in range(count):
        work(number)  # type: ignore[operator]
    return (time.perf_counter() - begun) / count * 1e6


def _leveldb() -> float:
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder) / "index")
        keys = [sha256(number.to_bytes(4, "big")).digest() for number in range(RECORDS * 3)]
        value = os.urandom(60)
        begun = time.perf_counter()
        for start in range(0, len(keys), 6000):
            batch = keys[start : start + 6000]
            for key in batch:
                index.get(key)
            index.write([(key, value) for key in batch], [])
        seconds = time.perf_counter() - begun
        index.close()
    return seconds / RECORDS * 1e6


def main() -> None:
    parts = floor_us()
    for name, micros in parts.items():
        print(f"{name:<30} {micros:6.2f} us  {1e6 / micros:>9,.0f} /s")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
