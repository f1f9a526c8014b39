"""The readers' page: static files that a node serves, and the same page in one file, which verifies without network.

Data for `node` and `client_sdk` alike, which do not import each other; nothing here imports either of them.
"""

import base64
import json
import posixpath
import re
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

PAGE: Final = "page.html"
SAVED: Final = "saved.html"  # made by `one_file`: the form of a saved page, into which the page puts its records
BUNDLE_PLACE: Final = "<!--bundle-->"
_KINDS: Final = (".html", ".js", ".css")
_SPECIFIER: Final = re.compile(r'(\b(?:from|import)\s*\(?\s*)"(\.{1,2}/[^"]+)"')
_STYLE: Final = re.compile(r'<link rel="stylesheet" href="/web/([^"]+)">')
_PRELOADS: Final = re.compile(r'<link rel="modulepreload"[^>]*>\n')
_ENTRY: Final = re.compile(r'<script type="module" src="/web/([^"]+)"></script>')


def static_files() -> dict[str, bytes]:
    """Every file that a page is made of, by its name below this folder: `page.js`, `verify/index.js`."""
    return dict(_below(files(__name__), ""))


def _below(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_KINDS):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def one_file(policy: str | None = None) -> str:
    """The whole page as one HTML file. With a policy it is a verifier site, which takes files and links; without, the
    form of a saved page: its records are to stand at BUNDLE_PLACE.

    Modules become data: addresses that an import map names, so that it works from a disk, where a browser loads no
    module files. Its own scripts and style are allowed by their hashes, and nothing else is.
    """
    contents = {name: data.decode() for name, data in static_files().items()}
    entry = _ENTRY.search(contents[PAGE])
    style = _STYLE.search(contents[PAGE])
    if entry is None or style is None:
        raise ValueError("page.html names no entry module or no style sheet")
    modules = {name: text for name, text in contents.items() if name.endswith(".js")}
    imports = json.dumps({"imports": {_address(name): _as_data(name, text) for name, text in modules.items()}})
    start = f'import "{_address(entry[1])}";'
    look = contents[style[1]]
    reach = "'none'" if policy is None else "http: https:"
    rules = (
        f"default-src 'none'; script-src {_hash(imports)} {_hash(start)} data:; style-src {_hash(look)}; "
        f"img-src data:; connect-src {reach}; form-action 'none'; base-uri 'none'"
    )
    held = BUNDLE_PLACE if policy is None else f'<script type="application/json" id="policy">{_json(policy)}</script>'
    scripts = f'{held}\n<script type="importmap">{imports}</script>\n<script type="module">{start}</script>'
    page = _PRELOADS.sub("", contents[PAGE])
    page = page.replace(style[0], f'<meta http-equiv="Content-Security-Policy" content="{rules}">\n<style>{look}</style>')
    return page.replace(entry[0], scripts)


def _address(name: str) -> str:
    return f"suyuan:{name}"


def _as_data(name: str, text: str) -> str:
    """A module as a data: address, its imports by their absolute names, since nothing is relative to such an address."""

    def absolute(match: re.Match[str]) -> str:
        return f'{match[1]}"{_address(posixpath.normpath(posixpath.join(posixpath.dirname(name), match[2])))}"'

    module = _SPECIFIER.sub(absolute, text)
    return "data:text/javascript;base64," + base64.b64encode(module.encode()).decode()


def _hash(text: str) -> str:
    """A source expression of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _json(text: str) -> str:
    """JSON that cannot end the script element around it."""
    return json.dumps(text).replace("<", "\\u003c")
