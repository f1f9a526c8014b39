"""The readers' page as files: its modules in one, and the page in one file that allows nothing but itself."""

import base64
import json
import re
from hashlib import sha256

import pytest

import web
from client_sdk import saved
from ledger import limits
from ledger.errors import VerifyFailed
from ledger.proof import format as f
from web.bundling import bundle

MODULES = {
    "page.js": b'import { twice as double } from "./sums/twice.js";\nimport { one } from "./one.js";\ndouble();\n',
    "one.js": b"// one\nexport const one = 1;\nexport class Two {}\n",
    "sums/twice.js": b'import { one } from "../one.js";\nexport async function twice(n) { return n + n * one; }\n',
}


def test_modules_in_one_come_before_those_that_import_them() -> None:
    told = bundle("page.js", MODULES)
    places = [told.index(f'modules["{name}"] = ') for name in ("one.js", "sums/twice.js", "page.js")]
    assert places == sorted(places)
    assert 'const { twice: double } = modules["sums/twice.js"];' in told
    assert "return { one, Two };" in told
    assert "return { twice };" in told
    assert not re.search(r"^(import|export)\b", told, re.M)


def test_what_another_module_exports_is_passed_on() -> None:
    told = bundle("a.js", {"a.js": b'export { one, two } from "./b.js";\n', "b.js": b"export const one = 1;\n"})
    assert 'return { one: modules["b.js"].one, two: modules["b.js"].two };' in told


@pytest.mark.parametrize(
    "line",
    ["export default 1;", 'import all from "./one.js";', 'import * as all from "./one.js";', 'import("./one.js");'],
)
def test_what_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"page\.js: .* is not understood"):
        bundle("page.js", MODULES | {"page.js": line.encode() + b"\n"})


def test_modules_that_import_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sums/twice\.js imports itself, by way of page\.js"):
        bundle("page.js", MODULES | {"one.js": b'import { twice } from "./sums/twice.js";\n'})


def hashes(page: str) -> dict[str, str]:
    rules = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert rules is not None
    return dict(rule.split(" ", 1) for rule in rules[1].split("; "))


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def test_a_page_in_one_file_allows_its_own_script_and_style_alone() -> None:
    page = web.one_file()
    script = re.search(r'<script type="module">(.*)</script>', page, re.S)
    style = re.search("<style>(.*)</style>", page, re.S)
    assert script is not None
    assert style is not None
    rules = hashes(page)
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert rules["script-src"] == hash_of(script[1])
    assert rules["style-src"] == hash_of(style[1])
    assert page.index(web.BUNDLE_PLACE) < page.index(script[0])
    assert "/web/" not in page.replace(script[1], "")


def test_a_policy_in_a_verifier_site_cannot_end_its_element() -> None:
    policy = "# </script><script>alert(1)</script>\n"
    page = web.one_file(policy)
    assert "<script>alert" not in page
    held = re.search(r'<script type="application/json" id="policy">(.*?)</script>', page)
    assert held is not None
    assert json.loads(held[1]) == policy


def test_a_node_serves_the_modules_in_one_and_the_form_of_a_saved_page() -> None:
    served = web.served_files()
    assert b'modules["verify/index.js"]' in served["page.js"]
    assert served["verify/index.js"] == web.static_files()["verify/index.js"]
    assert served["saved.html"].decode() == web.one_file()
    assert len(served["page.html"]) < 2000


PROOF = b"\x80proof"
BUNDLE = {
    "format": f.BUNDLE_FORMAT,
    "query": {"product": "06900000000014", "lot": "#A1"},
    "policy": "",
    "proof": base64.b64encode(PROOF).decode(),
}


def page_with(bundle: str) -> bytes:
    return f'<!doctype html>\n<script type="application/json" id="bundle">{bundle}</script>'.encode()


def test_a_proof_is_read_from_each_form_that_readers_keep() -> None:
    for data in (f.to_file(PROOF), json.dumps(BUNDLE).encode(), page_with(json.dumps(BUNDLE))):
        assert saved.proof_of(data) == PROOF


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is expected"),
        (b"\xff\xfe", "is expected"),
        (b"<html>", "is expected"),
        (b"[]", "is expected"),
        (page_with("{}"), "missing required field"),
        (json.dumps(BUNDLE | {"verdict": "GOOD"}).encode(), "unknown field"),
        (json.dumps(BUNDLE | {"proof": "a"}).encode(), "is expected"),
        (json.dumps(BUNDLE | {"format": "another"}).encode(), "a bundle of format"),
        (json.dumps(BUNDLE | {"proof": "A" * (limits.PROOF_BYTES_MAX * 4 // 3 // 4 * 4 + 8)}).encode(), "at most"),
    ],
    ids=[
        "empty",
        "no text",
        "no bundle",
        "a list",
        "no fields",
        "more fields",
        "no base64",
        "another format",
        "too large",
    ],
)
def test_what_holds_no_proof_is_refused_in_one_line(data: bytes, why: str) -> None:
    with pytest.raises(VerifyFailed, match=why) as refused:
        saved.proof_of(data)
    assert refused.value.check == "file"
    assert "\n" not in str(refused.value)
