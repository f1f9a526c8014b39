"""The readers' page: static files that a node serves, and the same page in one file, which verifies without network.

Data for `node` and `client_sdk` alike, which do not import each other; nothing here imports either of them.
"""

import base64
import json
import re
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from web.bundling import bundle

PAGE: Final = "page.html"
ENTRY: Final = "page.js"
STYLE: Final = "style.css"
SAVED: Final = "saved.html"
BUNDLE_PLACE: Final = "<!--bundle-->"
_KINDS: Final = (".html", ".js", ".css")
_LINK: Final = '<link rel="stylesheet" href="/web/style.css">'
_BEGIN: Final = '<script src="/web/begin.js"></script>\n'  # asks for data, which a page in one file carries
_SCRIPT: Final = '<script type="module" src="/web/page.js"></script>'
_UNSAFE_INLINE: Final = re.compile("<!--|<script|</script|</style", re.I)


def static_files() -> dict[str, bytes]:
    """The files as they lie here, by their names: `page.js`, `verify/index.js`."""
    return dict(_below(files(__name__), ""))


def served_files() -> dict[str, bytes]:
    """What a node serves under /web/: the files, the page's modules in one, and the form of a saved page."""
    found = static_files()
    return found | {ENTRY: bundle(ENTRY, found).encode(), SAVED: one_file().encode()}


def one_file(policy: str | None = None) -> str:
    """The whole page as one HTML file. With a policy it is a verifier site, which takes files and links; without, the
    form of a saved page: its records are to stand at BUNDLE_PLACE. It works from a disk, too; its own script and
    style are allowed by their hashes, and nothing else is."""
    found = static_files()
    script, look = bundle(ENTRY, found), found[STYLE].decode()
    for text in (script, look):
        if unsafe := _UNSAFE_INLINE.search(text):
            raise ValueError(f"{unsafe[0]!r} would end or change the element that it stands in")
    reach = "'none'" if policy is None else "http: https:"
    rules = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(look)}; img-src data:; "
        f"connect-src {reach}; form-action 'none'; base-uri 'none'"
    )
    held = BUNDLE_PLACE if policy is None else f'<script type="application/json" id="policy">{_json(policy)}</script>'
    head = f'<meta http-equiv="Content-Security-Policy" content="{rules}">\n<style>{look}</style>'
    page = found[PAGE].decode()
    return (
        page.replace(_LINK, head)
        .replace(_BEGIN, "")
        .replace(_SCRIPT, f'{held}\n<script type="module">{script}</script>')
    )


def _below(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_KINDS):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _hash(text: str) -> str:
    """A source expression of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _json(text: str) -> str:
    """JSON that cannot end the script element around it."""
    return json.dumps(text).replace("<", "\\u003c")
