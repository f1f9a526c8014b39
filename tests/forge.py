"""Forgers of product proofs, for holding two verifiers against each other.

`Forger` holds every key of the chain: what it changes in a record, an entry or a header it signs, hashes and cosigns
anew, so that the change gets past signatures and roots to the checks behind them. `misencoded` says the same in bytes
that are not canonical.
"""

import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from ledger import block as b
from ledger import checkpoint as c
from ledger import entries as e
from ledger import mapproof, merkle, signature, statemap
from ledger.envelope import envelope_digest
from ledger.hashing import TAG_ENVELOPE
from tests.world import EVERYBODY, LOG_SEED, ORIGIN, REGULATOR, VALIDATOR, VALIDATOR_SEED

SEEDS = {who.id: who.seed for who in (*EVERYBODY, REGULATOR)}
NUMBERS = (
    0, 1, 2, 3, 10, 21, 23, 31, 32, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 20251101, 99991231,
    2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63, 2**64 - 1, -1, -32, -33, -128, -129, -32768, -32769, -2**31,
    -2**31 - 1,
)  # fmt: skip

Slot = tuple[Any, Any]
decode = msgspec.msgpack.decode
encode = msgspec.msgpack.Encoder(order="deterministic").encode


def slots(value: Any) -> Iterator[Slot]:
    """Every place in a structure that a value stands in, as (container, key)."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(inside):
        yield value, key
        yield from slots(one)


class Forger:
    """A proof taken apart: `proof` its fields, `records`, `headers` and `header` (of the block) decoded, `entries`
    those of the state map by path."""

    def __init__(self, proof: bytes, random: Random, at_ms: int) -> None:
        self.random = random
        self.at_s = at_ms // 1000
        self.odd = 0.0
        self.proof = decode(proof)
        self.records = [decode(record[2]) for record in self.proof["records"]]
        self.headers = [decode(envelope[1]) for envelope in self.proof["envelopes"]]
        self.header = decode(self.proof["header"])
        shown = mapproof.read(self.proof["map"])._values
        self.entries = {path: decode(value) for path, value in shown.items()}
        entries = list(self.entries.values())
        parts = [self.records, self.records, self.headers, entries, entries, entries, self.proof["chains"]]
        self.parts = [part for part in parts if part] + [self.header]
        self.pool = [container[key] for part in parts[1:5] + parts[6:] for container, key in slots(part)]

    def change(self, times: int) -> None:
        """Change values somewhere, to ones that stand elsewhere in the proof or at the edge of something."""
        for _ in range(times):
            container, key = self.random.choice(list(slots(self.random.choice(self.parts))))
            self.random.choice((_replace,) * 5 + (_drop, _double, _swap))(self, container, key)

    def another(self, value: Any) -> Any:
        alike = [one for one in self.pool if type(one) is type(value) and one != value]
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return self.random.choice([value + 1, max(value - 1, 0), value ^ 1 << self.random.randrange(17),
                                       *self.random.sample(NUMBERS, 4), *alike[:1]])  # fmt: skip
        if isinstance(value, bytes) and (not alike or self.random.random() < 0.3):
            return value[:-1] if self.random.random() < 0.3 else bytes(reversed(value))
        if isinstance(value, str) and self.random.random() < 0.3:
            return self.random.choice(("", "a", value + "\x00", value * 40, value[:-1], "\ufeff" + value, "好😀！"))
        return deepcopy(self.random.choice(alike)) if alike else value

    def forged(self, skip: float = 0.0, odd: float = 0.0) -> bytes:
        """The proof with all hashes and signatures made anew; each step is left out with a chance of `skip`, each
        record, header and entry is encoded in another than its canonical form with a chance of `odd`."""
        self.odd = odd
        for step in (self._seal_records, self._bind_elements, self._close_chains, self._grow_map, self._log):
            if self.random.random() >= skip:
                step()
        return encode(self.proof)

    def _encode(self, value: Any) -> bytes:
        data = encode(value)
        return misencoded(data, self.random) if self.random.random() < self.odd else data

    def _seal_records(self) -> None:
        for number, record in enumerate(self.records[: len(self.proof["records"])]):
            data = self._encode(record)
            shown = self.proof["records"][number]
            shown[2] = data
            header = self.headers[shown[0]]
            if isinstance(header, dict) and header.get("count") == 1:
                header["root"] = merkle.leaf_hash(data)
        for envelope, header in zip(self.proof["envelopes"], self.headers, strict=False):
            member = header.get("member") if isinstance(header, dict) else None
            envelope[1] = self._encode(header)
            envelope[2] = signature.sign(SEEDS.get(str(member), LOG_SEED), TAG_ENVELOPE + envelope[1])

    def _elements(self) -> Iterator[list[Any]]:
        lists = [chain[4] for chain in self.proof["chains"] if _is_list(chain, 5)]
        for entry in self.entries.values():
            ways = [entry] if isinstance(entry, list) else entry.get("ways", [])
            lists += [way[4] for way in ways if _is_list(way, 5)] if isinstance(ways, list) else []
        return (one for each in lists if isinstance(each, list) for one in each if _is_list(one, 5))

    def _bind_elements(self) -> None:
        signed = {}
        for envelope, index, record, _ in self.proof["records"]:
            leaf, header, signed_by = self.proof["envelopes"][envelope]
            digest = envelope_digest(header, signed_by)
            signed[leaf, index] = e.signed_record(digest, merkle.leaf_hash(record))
        for element in self._elements():
            if all(isinstance(one, int) for one in element[2:4]):
                element[4] = signed.get((element[2], element[3]), element[4])

    def _close_chains(self) -> None:
        for chain in self.proof["chains"]:
            field = {e.CHAIN_ADVERSE: "adverse", e.CHAIN_FACTS: "facts"}.get(chain[1]) if _is_list(chain, 5) else None
            entry = self.entries.get(chain[0]) if field and isinstance(chain[0], bytes) else None
            if not isinstance(entry, dict) or field not in entry:
                continue
            head = e.chain_start(chain[0], chain[1]) if chain[2] == 0 else chain[3]
            try:
                for element in chain[4]:
                    head = e.chain_next(head, msgspec.convert(element, e.Element))
            except (msgspec.ValidationError, TypeError, struct.error):
                continue
            if isinstance(chain[2], int):
                entry[field] = [chain[2] + len(chain[4]), head]

    def _grow_map(self) -> None:
        values = {path: self._encode(entry) for path, entry in sorted(self.entries.items())}
        tree = statemap.build(values.items())
        self.proof["map"] = _whole(tree, values)
        if isinstance(self.header, dict):
            self.header["state"] = tree[0]

    def _log(self) -> None:
        self.proof["header"] = self._encode(self.header)
        head = merkle.leaf_hash(b.LEAF_KIND_BLOCK + self.proof["header"])
        for sibling in self.proof["header_proof"]:
            head = merkle.node_hash(sibling, head)  # the last leaf: every sibling stands on its left
        found = c.parse(self.proof["checkpoint"].decode().partition("\n\n")[0] + "\n")
        note = c.sign_checkpoint(c.Checkpoint(ORIGIN, found.size, head), ORIGIN, LOG_SEED)
        self.proof["checkpoint"] = c.cosign(note, VALIDATOR, VALIDATOR_SEED, self.at_s)


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _replace(forger: Forger, container: Any, key: Any) -> None:
    container[key] = forger.another(container[key])


def _drop(forger: Forger, container: Any, key: Any) -> None:
    del container[key]


def _double(forger: Forger, container: Any, key: Any) -> None:
    if isinstance(container, list):
        container.insert(key, container[key])
    else:
        container[forger.random.choice(("adverse", "closed", "owner", "returns", "suspended", "bits"))] = container[
            key
        ]


def _swap(forger: Forger, container: Any, key: Any) -> None:
    other = forger.random.choice(list(container) if isinstance(container, dict) else range(len(container)))
    container[key], container[other] = container[other], container[key]


def _whole(node: statemap.Node, values: dict[bytes, bytes]) -> bytes:
    """A map proof that hides nothing."""
    if len(node) == 3:
        return b"\x01" + _whole(node[1], values) + _whole(node[2], values)
    paths = [node[1][at : at + 32] for at in range(0, len(node[1]), 64)]
    shown = [b"\x02" + path + len(values[path]).to_bytes(4, "big") + values[path] for path in paths]
    return b"\x02" + bytes((len(paths),)) + b"".join(shown)


def reshaped(proof: bytes, random: Random) -> bytes:
    """Parts of the proof swapped, repeated, removed or exchanged, encoded canonically, nothing signed anew."""
    value = decode(proof)
    container, key = random.choice(list(slots(value)))
    other, at = random.choice(list(slots(value)))
    how: list[Callable[[], Any]] = [
        lambda: container.pop(key),
        lambda: container.insert(key, deepcopy(container[key])) if isinstance(container, list) else None,
        lambda: container.update(extra=1) if isinstance(container, dict) else container.reverse(),
        lambda: container.__setitem__(key, deepcopy(other[at])),
        lambda: container.__setitem__(key, random.choice((*NUMBERS, None, 1.0, True, "", b"", [], {}))),
    ]
    random.choice(how)()
    return encode(value)


def misencoded(proof: bytes, random: Random) -> bytes:
    """One value of the proof in another than its canonical form."""
    value = decode(proof)
    total = sum(1 for _ in slots(value)) + 1
    return _Loose(random, random.randrange(total)).encode(value)


class _Loose:
    """Encodes canonically but for the value number `odd`, counted in the order of writing."""

    def __init__(self, random: Random, odd: int) -> None:
        self.random = random
        self.odd = odd
        self.count = -1

    def encode(self, value: Any) -> bytes:
        self.count += 1
        odd = self.count == self.odd
        if isinstance(value, dict):
            items = sorted(value.items())
            if odd:
                items = self.random.choice((items[::-1], items + items[-1:], items[:1] + items))
            head = _head(len(items), 0x80, 16, (None, 0xDE, 0xDF), odd and self.random.random() < 0.5)
            return head + b"".join(encode(key) + self.encode(one) for key, one in items)
        if isinstance(value, list):
            head = _head(len(value), 0x90, 16, (None, 0xDC, 0xDD), odd)
            return head + b"".join(self.encode(one) for one in value)
        if not odd:
            return encode(value)
        return self._odd(value)

    def _odd(self, value: Any) -> bytes:
        if isinstance(value, bool):
            return bytes((int(value),))
        if isinstance(value, int):
            forms = [b"\xcb" + struct.pack(">d", float(value)), b"\xd3" + struct.pack(">q", value % 2**63)]
            unsigned = ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8))
            forms += [
                bytes((kind,)) + value.to_bytes(size, "big") for kind, size in unsigned if 0 <= value < 256**size
            ]
            return self.random.choice(forms)
        data = value.encode() if isinstance(value, str) else bytes(value)
        length = len(data).to_bytes(4, "big")
        if isinstance(value, str):
            bad = self.random.choice(
                (data + b"\xed\xa0\x80", data + b"\xff", data + b"\xc0\x80", b"\xef\xbb\xbf" + data)
            )
            head = _head(len(bad), 0xA0, 32, (0xD9, 0xDA, 0xDB), False)
            return self.random.choice((b"\xdb" + length + data, b"\xc6" + length + data, head + bad))
        return self.random.choice((b"\xc6" + length + data, b"\xc7" + bytes((len(data) & 0xFF, 1)) + data))


def _head(count: int, base: int, few: int, kinds: tuple[int | None, int, int], long: bool) -> bytes:
    """The head of a list, map or text; `long` takes a form that is too long."""
    if count < few and not long:
        return bytes((base + count,))
    if kinds[0] is not None and count < 256:
        return bytes((kinds[0], count))
    if count < 65536 and not (long and count >= few):
        return bytes((kinds[1],)) + count.to_bytes(2, "big")
    return bytes((kinds[2],)) + count.to_bytes(4, "big")


def flipped(proof: bytes, position: int, random: Random) -> bytes:
    bad = bytearray(proof)
    bad[position] ^= 1 << random.randrange(8)
    return bytes(bad)


def cut(proof: bytes, random: Random) -> bytes:
    """Bytes missing at the end or in the middle, or too many."""
    at, length = random.randrange(len(proof)), random.randrange(1, 40)
    twice = proof[:at] + proof[at : at + length] + proof[at:]
    longer = proof + sha256(proof).digest()[:length]
    return random.choice((proof[:at], proof[:at] + proof[at + length :], twice, longer))
