"""Where somebody is registered: a country, or a part of it after ISO 3166-2. A part of China may be named by its
number of GB/T 2260 too, as credit codes and licences do: CN-ZJ and CN-33 are Zhejiang, CN-3304 is a city of it.

Only the edges look codes up: a rule of the ledger must not change with a library's table.
"""

import re
from typing import Final

import pycountry

from ledger.errors import Malformed

FORM: Final = "write a country, such as CN, or a part of it after ISO 3166-2, such as CN-33"
_CHINA_BY_NUMBER: Final = re.compile(r"CN-[1-8]\d(?:\d\d){0,2}", re.ASCII)


def check(text: str) -> None:
    """Malformed where no place has this code; with those that are called so, if some are."""
    if pycountry.countries.get(alpha_2=text) is not None and text.isupper():
        return
    if _CHINA_BY_NUMBER.fullmatch(text) or _part(text):
        return
    near = ", ".join(_called(text)[:3])
    raise Malformed("region", f"{text!r} is no code of a region; {f'did you mean {near}?' if near else FORM}")


def _part(text: str) -> bool:
    found = pycountry.subdivisions.get(code=text)  # type: ignore[no-untyped-call]
    return found is not None and found.code == text


def _called(text: str) -> list[str]:
    """Codes of the countries and parts whose names begin so, China's first."""
    start = text.strip().lower()
    if not start:
        return []
    countries = [one.alpha_2 for one in pycountry.countries if one.name.lower().startswith(start)]
    parts = [one.code for one in pycountry.subdivisions if one.name.lower().startswith(start)]
    return countries + sorted(parts, key=lambda code: (not code.startswith("CN-"), code))
