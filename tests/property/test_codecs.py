"""Every codec: round trips, canonical order of fields, and any bytes answered with a value or Malformed."""

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import block, encoding, entries, envelope, genesis, state
from ledger import records as r
from ledger.encoding import Codec
from ledger.errors import Malformed
from ledger.proof import format as proof_format

MODULES = (r, entries, state, envelope, block, genesis, proof_format)
CODECS: dict[str, Codec[Any]] = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Codec)
} | {f"amounts of {kind.__name__}": codec for kind, codec in r.AMOUNTS.items()}
STRUCTS = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__struct_fields__
        if value.__module__ == module.__name__
    },
    key=lambda found: (found.__module__, found.__name__),
)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda found: found.__name__)
def test_maps_declare_their_fields_in_byte_order(struct: type[msgspec.Struct]) -> None:
    config = struct.__struct_config__
    if config.array_like or (struct.__module__ == envelope.__name__ and struct is envelope.Opened):
        return
    names = [*([config.tag_field] if config.tag_field else []), *struct.__struct_encode_fields__]
    assert names == sorted(names, key=str.encode)
    assert all(name.isascii() for name in names)


def test_the_numbers_of_acts_are_permanent() -> None:
    assert {kind.__name__: kind.__struct_config__.tag for kind in r.RECORD_TYPES} == {
        "Register": 1, "Admit": 2, "Suspend": 3, "Site": 4, "Key": 5, "Commission": 10, "Transform": 11, "Enter": 12,
        "Count": 13, "Pack": 14, "Unpack": 15, "Ship": 20, "Receive": 21, "Withdraw": 22, "Claim": 23, "Dispute": 24,
        "Move": 25, "Sell": 30, "TakeBack": 31, "Destroy": 32, "Fact": 40, "Hold": 41, "Recall": 42, "Close": 43,
        "Lift": 44, "Voucher": 50, "Correct": 51, "Relabel": 52, "Policy": 60,
    }  # fmt: skip


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an annotated type as the codecs use them."""
    bounds = list(getattr(kind, "__metadata__", ()))
    if bounds:
        return bounded(get_args(kind)[0], bounds[0])
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return st.one_of([values_of(one) for one in get_args(kind) if one is not NoneType])
    if origin is list:
        return st.lists(values_of(get_args(kind)[0]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(values_of, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs_of(kind)
    plain = {
        bytes: st.binary(max_size=80),
        str: st.text(max_size=20),
        bool: st.booleans(),
        int: st.integers(0, 2**53 - 1),
    }
    return plain[kind] if kind in plain else st.sampled_from(list(kind))


def bounded(kind: Any, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    low, high = meta.min_length or 0, min(meta.max_length or 40, 40)
    if kind is bytes:
        return st.binary(min_size=low, max_size=max(low, high))
    if kind is str:
        if meta.pattern:
            return st.from_regex(meta.pattern, fullmatch=True)
        return st.text(min_size=low, max_size=high)
    if kind is int:
        floor = -(2**53) + 1 if meta.ge is None else int(meta.ge)
        return st.integers(floor, 2**53 - 1 if meta.le is None else int(meta.le))
    if get_origin(kind) is list:
        return st.lists(values_of(get_args(kind)[0]), min_size=low, max_size=max(low, 3))
    raise AssertionError(f"no strategy for {kind}")


def structs_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    needed: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for one in msgspec.structs.fields(kind):
        wanted = optional if not one.required else needed
        wanted[one.name] = values_of(one.type)
    return st.fixed_dictionaries(needed, optional=optional).map(lambda given: kind(**given))


RECORDS = st.one_of([structs_of(kind) for kind in r.RECORD_TYPES])


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_records_round_trip(record: r.Record) -> None:
    data = r.RECORD.encode(record)
    assert r.RECORD.decode(data) == record
    assert_shortest(data)


def assert_shortest(data: bytes) -> None:
    """As msgspec writes plain values, it takes the shortest form of each."""
    assert encoding.encode(msgspec.msgpack.decode(data)) == data


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda found: found.__name__)
def test_everything_else_round_trips(struct: type[msgspec.Struct]) -> None:
    if struct is envelope.Opened or struct in r.RECORD_TYPES:
        return
    codec = Codec(struct, struct.__name__)

    @settings(max_examples=25, deadline=None)
    @given(structs_of(struct))
    def round_trip(value: Any) -> None:
        data = codec.encode(value)
        assert codec.decode(data) == value
        assert_shortest(data)

    round_trip()


@pytest.mark.parametrize("name", CODECS)
def test_any_bytes_are_a_value_or_malformed(name: str) -> None:
    codec = CODECS[name]

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=200))
    def fuzz(data: bytes) -> None:
        try:
            value = codec.decode(data)
        except Malformed:
            return
        assert codec.encode(value) == data

    fuzz()


@settings(max_examples=200, deadline=None)
@given(RECORDS, st.data())
def test_mutated_records_are_a_value_or_malformed(record: r.Record, data: st.DataObject) -> None:
    good = r.RECORD.encode(record)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] = data.draw(st.integers(0, 255))
    try:
        value = r.RECORD.decode(bytes(bad))
    except Malformed:
        return
    assert r.RECORD.encode(value) == bytes(bad)
