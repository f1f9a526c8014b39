"""Modules in one: thirty small requests would cost a phone more than what is in them; a saved page has one script.

Each module becomes a function's body that returns what it exports; names and text stay as they are, to be read. Only
what our modules use is understood: imports and exports by name, and no cycles.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";$', re.M)
_PASSED_ON: Final = re.compile(r'^export \{([^}]*)\} from "(\.[^"]+)";$', re.M)
_EXPORT: Final = re.compile(r"^export (?=(?:async function|function|const|class) (\w+))", re.M)
_LEFT: Final = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.M)


def bundle(entry: str, files: Mapping[str, bytes]) -> str:
    """The entry module with everything that it imports; ValueError where that takes more than is understood."""
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{name} imports itself, by way of {' and '.join(above)}")
        if name in done:
            return
        text = files[name].decode()
        for match in (*_IMPORT.finditer(text), *_PASSED_ON.finditer(text)):
            add(_resolved(name, match[2]), (*above, name))
        done.add(name)
        parts.append(_as_function(name, text))

    add(entry, ())
    return "const modules = {};\n" + "".join(parts)


def _as_function(name: str, text: str) -> str:
    exported = _EXPORT.findall(text)

    def taken(match: re.Match[str]) -> str:
        return f"const {{ {_pairs(match[1])} }} = {_module(_resolved(name, match[2]))};"

    for match in _PASSED_ON.finditer(text):
        source = _module(_resolved(name, match[2]))
        exported += [f"{one}: {source}.{one}" for one in _names(match[1])]
    body = _EXPORT.sub("", _PASSED_ON.sub("", _IMPORT.sub(taken, text)))
    if left := _LEFT.search(body):
        raise ValueError(f"{name}: {left[0]!r} is not understood")
    return f"\n{_module(name)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _resolved(name: str, specifier: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), specifier))


def _module(name: str) -> str:
    return f'modules["{name}"]'


def _names(listed: str) -> list[str]:
    return [one.strip() for one in listed.split(",") if one.strip()]


def _pairs(listed: str) -> str:
    return ", ".join(one.replace(" as ", ": ") for one in _names(listed))
