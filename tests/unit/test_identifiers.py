"""Identifiers: every altered digit is refused, and independent implementations agree."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_11_10

from demo import world as demo
from ledger import identifiers as ids
from ledger.errors import Malformed
from tests.world import gtin, uscc


def refused(check: object, text: str) -> bool:
    try:
        check(text)  # type: ignore[operator]
    except Malformed:
        return True
    return False


@pytest.mark.parametrize("number", range(20))
def test_gtin_and_uscc_and_every_altered_character(number: int) -> None:
    for check, good, alphabet in (
        (ids.check_gtin, gtin(number), "0123456789"),
        (ids.check_uscc, uscc(number), "0123456789ABCDEFGHJKLMNPQRTUWXY"),
    ):
        check(good)
        for at in range(len(good)):
            for char in alphabet:
                bad = good[:at] + char + good[at + 1 :]
                assert refused(check, bad) == (bad != good), bad


@given(st.integers(0, 10**13 - 1))
def test_gs1_agrees_with_stdnum(number: int) -> None:
    body = f"{number:013d}"
    assert ean.calc_check_digit(body) == str(ids.gs1_check_digit(body))


@given(st.text(alphabet="0123456789", min_size=13, max_size=13))
def test_licence_digit_agrees_with_stdnum(digits: str) -> None:
    assert str(ids.iso7064_mod_11_10(digits)) == mod_11_10.calc_check_digit(digits)


def test_uscc_agrees_with_stdnum_and_takes_co_operatives_too() -> None:
    random = Random(2)
    for _ in range(300):
        code = demo.uscc(random)
        ids.check_uscc(code)
        assert stdnum_uscc.is_valid(code) or code[0] == "N"
    body = "N2330400MA2900001"
    total = sum(ids._USCC_VALUES[c] * w for c, w in zip(body, ids._USCC_WEIGHTS, strict=True))
    ids.check_uscc(body + ids._USCC_ALPHABET[-total % 31])


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (ids.check_gln, "6901234567892", ["6901234567893", "690123456789", "69012345678９2"]),
        (ids.check_sscc, "006901234567890121", ["006901234567890122", "6901234567890121"]),
        (ids.check_member_id, "P-COOP-7", ["P-", "P-coop", "P-" + "A" * 25, "91330400MA0000001X"]),
        (
            ids.check_formula_registration,
            "国食注字YP20250001",
            ["国食注字YP2025001", "国食注字YP19250001", "YP20250001"],
        ),
        (ids.check_country, "CN", ["cn", "CHN", "C1", ""]),
        (ids.check_product_id, gtin(5), [gtin(5)[1:], f"{uscc(1)}/", f"{uscc(1)}/码", "x"]),
        (
            ids.check_lot_id,
            f"{gtin(5)}@20260131",
            [f"{gtin(5)}@20260230", f"{gtin(5)}@2026131", f"{gtin(5)}@", gtin(5)],
        ),
    ],
)
def test_other_identifiers(check: object, good: str, bad: list[str]) -> None:
    assert not refused(check, good)
    assert all(refused(check, text) for text in bad)


def test_lots_name_their_product_and_day() -> None:
    lot = f"{gtin(5)}@20260131"
    assert ids.lot_product(lot) == gtin(5)
    assert ids.lot_day(lot) == 20260131
    assert ids.lot_day(f"{gtin(5)}#20260131") is None
    assert ids.site_keeper(f"{uscc(1)}/main") == uscc(1)


@given(st.text(max_size=30))
def test_any_text_is_taken_or_malformed(text: str) -> None:
    for name in dir(ids):
        if name.startswith("check_") and name != "check_day":
            refused(getattr(ids, name), text)


@given(st.integers(0, 253_000_000_000_000))  # to the year 9987
def test_the_rules_calendar_is_the_calendar(time_ms: int) -> None:
    import datetime as dt

    from ledger.custody.goods import day_of

    moment = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=time_ms, hours=8)
    assert day_of(time_ms) == moment.year * 10_000 + moment.month * 100 + moment.day


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (ids.check_gln, "6901234567892"),
        (ids.check_sscc, "006901234567890121"),
        (ids.check_food_licence, f"SC1293304020001{ids.iso7064_mod_11_10('1293304020001')}"),
    ],
)
def test_every_altered_digit_of_the_others(check: object, good: str) -> None:
    assert not refused(check, good)
    for at, was in enumerate(good):
        if was.isdigit():
            assert all(refused(check, good[:at] + char + good[at + 1 :]) for char in "0123456789" if char != was)


def test_an_identifier_that_is_refused_is_named_by_what_it_is_for() -> None:
    for check, text, where in (
        (ids.check_product_id, f"{uscc(1)}/码", "product"),
        (ids.check_product_id, f"{uscc(1)}/6901234567893", "product"),
        (ids.check_site_id, f"{uscc(1)}/6901234567893", "site"),
        (ids.check_serial, "a b", "serial"),
        (ids.check_serial, "7" * 21, "serial"),
    ):
        with pytest.raises(Malformed) as found:
            check(text)
        assert found.value.where == where
