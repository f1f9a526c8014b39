"""Every field of every record and of its amounts, at its bounds and beyond, of a wrong type, missing, and one too
many: each refusal names the record and the field, says what was found, and what to do. The fields are taken from the
types themselves, so that none is forgotten."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from ledger import limits
from ledger import records as r
from ledger.encoding import encode
from ledger.envelope import open_envelope
from ledger.errors import Problem, Refused
from ledger.identifiers import gs1_check_digit
from ledger.seals import SALT_BYTES, seal
from ledger.wellformed import IDENTIFIERS
from tests.world import CASE, DAY_MS, DEALER, FORMULA, LOT, MAKER, POWDER, SHOP, STORE, Act, Sealed, World, gtin

SSCC = "006901234567890121"
SALT = bytes(SALT_BYTES)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Form is checked without state, so one world serves all."""
    world = World(tmp_path_factory.mktemp("world") / "node")
    yield world
    world.close()


def samples(world: World) -> list[Act]:
    """One well-formed act of each kind, with every field that may stand together."""
    subject = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    window = r.Window(
        count=3, device="T-1", gap_s=60, max_mc=5000, mean_mc=4000, min_mc=3000, series=bytes(32), start=1, until=2
    )
    days = {"production": 20251101, "expiry": 20271101}
    sold = world.seal(world.sell(MAKER, 5))
    ends = {"reason": "结案", "subject": subject, "target": bytes(32)}
    acts = [
        world.register(
            gtin(50), category="129", closed=True, grams=800, licence="SC12933040200005", origin="CN",
            registration="国食注字YP20201234", shelf_days=730, specification="800g/罐", temp_max_mc=30_000,
            temp_min_mc=0, tolerance_permille=20,
        ),
        world.admit(DEALER),
        world.act(r.Suspend, ended=True, member=DEALER.id, reason="x"),
        world.act(r.Site, closed=True, name="店", public=True, region="CN-33", site=DEALER.site),
        world.act(
            r.Key, change=r.KeyChange.REVOKE, key=bytes(32), label="收银", member=DEALER.id, suspect_from=1,
            limits=r.KeyLimits(acts=[30], sites=[DEALER.site], until=5),
        ),
        world.commission(5, serials=bytes(32)),
        world.transform(MAKER, {LOT: 1}, {f"{POWDER}#P1": 1}),
        world.enter(DEALER, 5, **days),
        world.count(DEALER, 5, 6, missing=1, owner=MAKER.id, **days),
        world.pack(MAKER, SSCC, {LOT: 1}, units=[sscc(7)]),
        world.act(r.Unpack, owner=MAKER.id, site=STORE.site, unit=SSCC, use=1),
        world.ship(MAKER, DEALER, 5, claim=bytes(32), owner=MAKER.id, unit=SSCC),
        world.receive(bytes(32), accepted=1, refused=2, short=3, destroyed=4),
        world.withdraw(bytes(32), DEALER),
        world.claim(SHOP, DEALER, 5, **days),
        world.dispute(bytes(32), DEALER),
        world.act(r.Move, world.moved(1), lot=LOT, site=MAKER.site, to_site=f"{MAKER.id}/two"),
        world.sell(MAKER, 5),
        world.take_back(MAKER, 5),
        world.act(
            r.Destroy, world.moved(1), lot=LOT, owner=MAKER.id, reason=r.DestroyReason.DAMAGED, site=STORE.site
        ),
        world.act(
            r.Fact, adverse=True, answers=bytes(32), document="报告", kind=r.FactKind.MEASURE, subject=subject,
            text="x", window=window,
        ),
        world.act(r.Hold, made_from=20250101, made_until=20251231, reason="x", subject=subject),
        world.act(r.Recall, grade=1, made_from=20250101, made_until=20251231, reason="x", subject=subject),
        world.act(r.Close, **ends),
        world.act(r.Lift, **ends),
        world.act(r.Voucher, lot=LOT, site=MAKER.site, voucher=bytes(32)),
        world.correct(sold, {"quantity": 2}),
        world.relabel(MAKER, 1, LOT, f"{FORMULA}#B2", **days),
        world.policy(expires=world.now + 400 * DAY_MS),
        world.policy(expires=world.now + 400 * DAY_MS),
    ]  # fmt: skip
    return [structs_with(act, private=bytes(32)) for act in acts]


def structs_with(act: Act, **fields: Any) -> Act:
    return Act(act.kind, act.amounts, act.fields | fields)


def sscc(number: int) -> str:
    body = f"0069012345{number:07d}"
    return body + str(gs1_check_digit(body))


class Parts:
    """A record and its amounts as plain maps, to be changed and put together again under the right seal."""

    def __init__(self, sealed: Sealed) -> None:
        self.record: dict[str, Any] = msgspec.msgpack.decode(sealed.record)
        self.amounts: dict[str, Any] | None = None
        if sealed.opening:
            self.amounts = msgspec.msgpack.decode(sealed.opening[SALT_BYTES:])

    def sealed(self) -> Sealed:
        record, opening = dict(self.record), b""
        if self.amounts is not None:
            opening = SALT + encode(self.amounts)
            if "amounts" in record:
                record["amounts"] = seal(opening)
        return Sealed(encode(record), opening)


def problems_of(world: World, parts: Parts) -> tuple[Problem, ...]:
    """Why an envelope with a good record before this one is refused; nothing where it is not."""
    good = world.seal(world.sell(MAKER, 1))
    try:
        open_envelope(world.envelope(MAKER, [good, parts.sealed()]), world.chain)
    except Refused as error:
        return error.problems
    return ()


Field = tuple[type, str, str, inspect.Type]
"""(record type, "record" or "amounts", name, type)"""


def fields() -> Iterator[Field]:
    for kind in r.RECORD_TYPES:
        shapes = [("record", kind)] + ([("amounts", r.AMOUNTS[kind].kind)] if kind in r.AMOUNTS else [])
        for part, shape in shapes:
            info = inspect.type_info(shape)
            assert isinstance(info, inspect.StructType)
            yield from ((kind, part, field.name, field.type) for field in info.fields)


FIELDS = list(fields())
IDS = [f"{kind.__name__}.{part}.{name}" for kind, part, name, _ in FIELDS]


def bare(kind: inspect.Type) -> inspect.Type:
    """A field's type without None."""
    if isinstance(kind, inspect.UnionType):
        [kind] = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    return kind


def beyond(kind: inspect.Type) -> list[Any]:
    """Values of the right type that lie beyond its bounds."""
    kind = bare(kind)
    match kind:
        case inspect.IntType():
            below = [kind.ge - 1] if kind.ge is not None else []
            return [*below, *([kind.le + 1] if kind.le is not None else [])]
        case inspect.StrType() | inspect.BytesType():
            one = "x" if isinstance(kind, inspect.StrType) else b"x"
            short = [one * (kind.min_length - 1)] if kind.min_length else []
            return [*short, *([one * (kind.max_length + 1)] if kind.max_length is not None else [])]
        case inspect.ListType():
            short = [[]] if kind.min_length else []
            return [*short, *([[1] * (kind.max_length + 1)] if kind.max_length is not None else [])]
        case inspect.EnumType():
            return [max(kind.cls) + 1]
    return []


def wrong_types(kind: inspect.Type) -> list[Any]:
    kind = bare(kind)
    others: list[Any] = [7, "x", b"x", True, [], {"x": 1}]
    own = {
        inspect.IntType: int, inspect.EnumType: int, inspect.StrType: str, inspect.BytesType: bytes,
        inspect.BoolType: bool, inspect.ListType: list, inspect.StructType: dict,
    }[type(kind)]  # fmt: skip
    return [value for value in others if type(value) is not own]


@pytest.fixture(scope="module")
def sample_of(world: World) -> dict[type, Sealed]:
    found = {act.kind: world.seal(act) for act in samples(world)}
    assert found.keys() == set(r.RECORD_TYPES)
    return found


def test_every_sample_is_well_formed(world: World, sample_of: dict[type, Sealed]) -> None:
    for kind, sealed in sample_of.items():
        assert problems_of(world, Parts(sealed)) == (), kind


def check_named(problems: tuple[Problem, ...], name: str) -> None:
    [problem] = problems
    assert (problem.record, problem.rule) == (1, "record.malformed")
    assert name in problem.field.split(".")[0].split("[")[0]
    assert problem.message
    assert problem.remedy


@pytest.mark.parametrize(("kind", "part", "name", "shape"), FIELDS, ids=IDS)
def test_a_field_beyond_its_bounds_or_of_another_type_is_named(
    world: World, sample_of: dict[type, Sealed], kind: type, part: str, name: str, shape: inspect.Type
) -> None:
    if (part, name) == ("record", "amounts"):
        shape = inspect.BytesType(min_length=32, max_length=32)
    for value in [*beyond(shape), *wrong_types(shape)]:
        parts = Parts(sample_of[kind])
        target = parts.record if part == "record" else parts.amounts
        assert target is not None
        target[name] = value
        if name == "amounts" and part == "record":
            parts.amounts, opening = None, sample_of[kind].opening
            bad = Sealed(parts.sealed().record, opening)
            check_named(problems_with(world, bad), "amounts")
        else:
            too_large = isinstance(value, bytes) and len(value) > limits.OPENING_BYTES_MAX
            check_named(problems_of(world, parts), "amounts" if too_large else name)


def problems_with(world: World, sealed: Sealed) -> tuple[Problem, ...]:
    good = world.seal(world.sell(MAKER, 1))
    with pytest.raises(Refused) as caught:
        open_envelope(world.envelope(MAKER, [good, sealed]), world.chain)
    return caught.value.problems


def test_what_was_found_is_said(world: World, sample_of: dict[type, Sealed]) -> None:
    for name, value, says in (
        ("quantity", -1, "found -1"),
        ("ref", "x" * 65, "found 65 characters"),
        ("ref", 5, "5"),
    ):
        parts = Parts(sample_of[r.Sell])
        assert parts.amounts is not None
        parts.amounts[name] = value
        [problem] = problems_of(world, parts)
        assert says in problem.message
        assert str(problem).startswith(f"record 1, field {name!r}: Expected")


def required() -> Iterator[tuple[type, str, str]]:
    for kind, part, name, _ in FIELDS:
        shape = kind if part == "record" else r.AMOUNTS[kind].kind
        if next(field.required for field in msgspec.structs.fields(shape) if field.name == name):
            yield kind, part, name


@pytest.mark.parametrize(("kind", "part", "name"), list(required()))
def test_a_missing_field_is_named(
    world: World, sample_of: dict[type, Sealed], kind: type, part: str, name: str
) -> None:
    parts = Parts(sample_of[kind])
    target = parts.record if part == "record" else parts.amounts
    assert target is not None
    del target[name]
    check_named(problems_with(world, parts.sealed()), name)


@pytest.mark.parametrize("kind", r.RECORD_TYPES)
def test_a_field_too_many_is_named(world: World, sample_of: dict[type, Sealed], kind: type) -> None:
    for part in ("record", "amounts"):
        parts = Parts(sample_of[kind])
        target = parts.record if part == "record" else parts.amounts
        if target is not None:
            target["zz"] = 1
            check_named(problems_of(world, parts), "zz")


@pytest.mark.parametrize("kind", r.RECORD_TYPES)
def test_the_bounds_themselves_are_inside(world: World, sample_of: dict[type, Sealed], kind: type) -> None:
    """A value at a bound is never refused for its size; where it is refused, what it says is wrong."""
    for one, part, name, shape in FIELDS:
        at = bare(shape)
        if one is not kind or not isinstance(at, inspect.IntType):
            continue
        for value in (at.ge, at.le):
            parts = Parts(sample_of[kind])
            target = parts.record if part == "record" else parts.amounts
            assert target is not None
            target[name] = value
            for problem in problems_of(world, parts):
                assert "Expected `int`" not in problem.message, (name, value)


# Identifiers


def wrong_digit(text: str) -> list[str]:
    """An identifier with one character of each of its parts changed, so that no check digit holds."""
    found = []
    for at in range(len(text)):
        if text[at].isdigit():
            found.append(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    return found


def identifiers_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str, str]]:
    """(path, field, identifier) of all identifiers in a map, however deep."""
    for name, one in value.items() if isinstance(value, dict) else enumerate(value):
        here = (*path, name)
        field = next(step for step in reversed(here) if isinstance(step, str))
        if isinstance(one, dict | list):
            yield from identifiers_in(one, here)
        elif field in IDENTIFIERS and isinstance(one, str):
            yield here, field, one


@pytest.mark.parametrize("kind", r.RECORD_TYPES)
def test_a_wrong_digit_in_any_identifier_is_named(world: World, sample_of: dict[type, Sealed], kind: type) -> None:
    """Any single digit of what carries a check digit: GTIN, GLN, SSCC, social credit code, licence."""
    for path, field, text in identifiers_in(Parts(sample_of[kind]).record):
        body = text.partition("#")[0].partition("@")[0].partition("/")[0]
        if field in ("registration", "origin"):
            continue
        for wrong in wrong_digit(body):
            parts = Parts(sample_of[kind])
            holder: Any = parts.record
            for name in path[:-1]:
                holder = holder[name]
            holder[path[-1]] = wrong + text[len(body) :]
            [problem] = problems_of(world, parts)
            assert problem.rule == "record.malformed"
            assert field in problem.field, (text, wrong, problem)
            assert wrong in problem.message
            assert "should be" in problem.message
            assert problem.remedy


def test_identifiers_without_a_check_digit_have_a_form(world: World, sample_of: dict[type, Sealed]) -> None:
    for field, wrong in (("registration", "国食注字YP2020123"), ("origin", "C1"), ("licence", "SC1")):
        parts = Parts(sample_of[r.Register])
        parts.record[field] = wrong
        check_named(problems_of(world, parts), field)
    parts = Parts(sample_of[r.Sell])
    parts.record["site"] = f"{MAKER.id}/6901234567891"  # a GLN whose check digit should be 2
    check_named(problems_of(world, parts), "site")


# Combinations of fields, one broken at a time


def act(kind: type, /, **fields: Any) -> tuple[type, dict[str, Any], dict[str, Any]]:
    """(kind, changes of the record, changes of its amounts): a value of None takes the field out."""
    amounts = {name.removeprefix("a_"): value for name, value in fields.items() if name.startswith("a_")}
    return kind, {name: value for name, value in fields.items() if not name.startswith("a_")}, amounts


LOTS = {"lot": {"kind": 1, "lot": LOT}, "site": {"kind": 6, "site": MAKER.site}}
WINDOW = {
    "count": 3, "device": "T", "gap_s": 0, "max_mc": 1, "mean_mc": 2, "min_mc": 0, "series": bytes(32), "start": 0,
    "until": 1,
}  # fmt: skip
COMBINATIONS: list[tuple[str, tuple[type, dict[str, Any], dict[str, Any]]]] = [
    ("quantity", act(r.Ship, a_quantity=0)),
    ("quantity", act(r.Sell, a_quantity=0)),
    ("claim", act(r.Ship, returns=True)),
    ("returns", act(r.Ship, claim=None, returns=False)),
    ("found_grams", act(r.Count, a_book_grams=1)),
    ("found_grams", act(r.Count, a_found_grams=1)),
    ("lots", act(r.Pack, lots=[LOT, LOT], a_quantities=[1, 1])),
    ("lots", act(r.Pack, units=[SSCC])),
    ("lots", act(r.Pack, units=[sscc(7), sscc(7)])),
    ("lots", act(r.Pack, lots=[], units=None, a_quantities=[])),
    ("quantities", act(r.Pack, a_quantities=[1, 2])),
    ("quantities", act(r.Pack, a_grams=[1, 2])),
    ("to_lot", act(r.Relabel, to_lot=LOT)),
    ("expiry", act(r.Relabel, expiry=20251031)),
    ("accepted", act(r.Receive, a_accepted=None, a_refused=None, a_short=None, a_destroyed=None)),
    ("to_site", act(r.Move, to_site=MAKER.site)),
    ("production", act(r.Commission, production=20250230)),
    ("expiry", act(r.Commission, expiry=20261301)),
    ("expiry", act(r.Enter, expiry=20251031)),
    ("production", act(r.Claim, lot=f"{FORMULA}@20251102")),
    ("outputs", act(r.Transform, outputs=[{"lot": LOT, "production": 20251101}])),
    ("outputs", act(r.Transform, inputs=[LOT, LOT], a_inputs=[1, 1])),
    ("amounts", act(r.Transform, a_inputs=[1, 1])),
    ("amounts", act(r.Transform, a_outputs=[1, 1])),
    ("amounts", act(r.Transform, a_grams_in=[1, 1])),
    ("amounts", act(r.Transform, a_grams_out=[1, 1])),
    ("base", act(r.Register, base=FORMULA)),
    ("base", act(r.Register, contains=6)),
    ("base", act(r.Register, base=gtin(50), contains=6)),
    ("temp_min_mc", act(r.Register, temp_min_mc=30_001)),
    ("limits.acts", act(r.Key, limits={"acts": [99]})),
    ("subject", act(r.Fact, subject={"kind": 1, "product": FORMULA})),
    ("subject", act(r.Fact, subject={"kind": 2, "lot": LOT, "owner": MAKER.id})),
    ("subject", act(r.Fact, subject={"kind": 3, "ship": bytes(32)})),
    ("subject", act(r.Fact, subject={"kind": 4, "lot": LOT, "product": FORMULA})),
    ("window", act(r.Fact, window=None)),
    ("window", act(r.Fact, kind=5)),
    ("window", act(r.Fact, window=WINDOW)),
    ("window", act(r.Fact, window=WINDOW | {"max_mc": 3, "start": 2})),
    ("made_from", act(r.Hold, subject=LOTS["lot"])),
    ("made_from", act(r.Recall, made_from=20251231, made_until=20250101)),
    ("made_until", act(r.Hold, made_until=20250230)),
    ("subject", act(r.Hold, made_from=None, made_until=None, subject=LOTS["site"])),
    ("subject", act(r.Lift, subject=LOTS["site"])),
    ("target", act(r.Correct, target=bytes(32))),
    ("lot", act(r.Correct, lot=f"{CASE}#A1")),
    ("production", act(r.Correct, production=20251102)),
    ("amounts", act(r.Correct, a_opening=bytes(60))),
    ("quantity", act(r.Correct, a_instead=encode({"quantity": 0, "ref": "DOC-000001/1"}))),
    ("quantity", act(r.Correct, a_instead=encode({"quantity": -1, "ref": "DOC-000001/1"}))),
    ("instead", act(r.Correct, a_instead=encode({"quantity": 1, "ref": "another"}))),
]


@pytest.mark.parametrize(("field", "change"), COMBINATIONS)
def test_fields_that_do_not_belong_together(
    world: World, sample_of: dict[type, Sealed], field: str, change: tuple[type, dict[str, Any], dict[str, Any]]
) -> None:
    kind, of_record, of_amounts = change
    parts = Parts(sample_of[kind])
    for target, changes in ((parts.record, of_record), (parts.amounts or {}, of_amounts)):
        target.update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            target.pop(name, None)
    [problem] = problems_of(world, parts)
    assert (problem.record, problem.rule, problem.field) == (1, "record.malformed", field)
    assert problem.message
    assert problem.remedy


@pytest.mark.parametrize("earlier", [r.Count, r.Pack, r.Withdraw, r.Correct, r.Hold])
def test_what_has_its_own_undo_is_not_corrected(world: World, sample_of: dict[type, Sealed], earlier: type) -> None:
    sealed = sample_of[earlier]
    amounts = r.Corrected(earlier=sealed.record, opening=sealed.opening, ref="K-1")
    fields = {"lot": LOT, "reason": "x", "target": sealed.hash}
    [problem] = problems_with(world, world.seal(Act(r.Correct, amounts, {"at": world.now, **fields})))
    assert problem.field == "target"
    assert earlier.__name__.lower() in problem.message


def test_of_a_receive_only_what_was_accepted_is_corrected(world: World, sample_of: dict[type, Sealed]) -> None:
    sealed = sample_of[r.Receive]
    for change in ({"refused": 1}, {"short": 1}, {"destroyed": 1}, None):
        [problem] = problems_with(world, world.seal(world.correct(sealed, change)))
        assert problem.field == "instead"
