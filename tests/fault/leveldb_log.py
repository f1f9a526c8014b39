"""The format of LevelDB's log (doc/log_format.md there): blocks of 32 KiB, in them records of a masked CRC-32C, a
length, a type (whole, first, middle, last) and data. Enough of it to take a batch out without a trace."""

PAGE = 32 * 1024
HEADER = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")


def batches_of(log: bytes) -> list[bytes]:
    """The records of a log, put together."""
    batches, parts, at = [], b"", 0
    while at < len(log):
        left = PAGE - at % PAGE
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(log[at + 4 : at + 6], "little"), log[at + 6]
        parts += log[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (_WHOLE, _LAST):
            batches.append(parts)
            parts = b""
    return batches


def log_of(batches: list[bytes]) -> bytes:
    log = bytearray()
    for batch in batches:
        rest, first = batch, True
        while True:
            left = PAGE - len(log) % PAGE
            if left < HEADER:
                log += bytes(left)
                left = PAGE
            part, rest = rest[: left - HEADER], rest[left - HEADER :]
            kind = (_WHOLE if first else _LAST) if not rest else (_FIRST if first else _MIDDLE)
            log += _checksum(bytes((kind,)) + part) + len(part).to_bytes(2, "little") + bytes((kind,)) + part
            first = False
            if not rest:
                break
    return bytes(log)
