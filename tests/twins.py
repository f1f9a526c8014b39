"""Both verifiers, ledger/proof in this process and web/verify in Node, asked the same: they must agree on what is
refused, by which check, and on every field of what is accepted."""

import atexit
import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import IO, Any, NamedTuple

import msgspec
import pytest

from ledger import policy
from ledger import records as r
from ledger.errors import VerifyFailed
from ledger.proof.verify import Product, Query, verify_product

PROGRAM = Path(__file__).with_name("verify_cases.mjs")
NODE_VERSION_MIN = 20
BATCH = 64  # cases under way in Node while Python works on them too


class Case(NamedTuple):
    trusted: policy.Policy
    query: Query
    proof: bytes
    now_ms: int | None


def require_node() -> None:
    """Skip where there is no Node that can run the browser's verifier; on a build machine that is a failure."""
    if node() is None:
        message = f"the browser's verifier is tested by Node {NODE_VERSION_MIN} or newer, which is not on PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@lru_cache(maxsize=1)
def node() -> str | None:
    found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return found if version.startswith("v") and int(version[1:].split(".")[0]) >= NODE_VERSION_MIN else None


class Browser:
    """A Node process that verifies cases, started when the first one comes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, cases: Iterable[Case]) -> None:
        """In a thread, since Node takes in no more than a pipe holds while it works."""
        pipe = self._running().stdin
        assert pipe is not None
        data = b"".join(_line(case) for case in cases)
        Thread(target=_write, args=(pipe, data), daemon=True).start()

    def receive(self) -> dict[str, Any]:
        pipe = self._running().stdout
        assert pipe is not None
        answer: dict[str, Any] = json.loads(pipe.readline())
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [node() or "node", "--no-warnings", str(PROGRAM)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            atexit.register(self._process.kill)
        return self._process


BROWSER = Browser()


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(data)
    pipe.flush()


def _line(case: Case) -> bytes:
    query: dict[str, Any] = {"product": case.query.product, "lot": case.query.lot}
    if case.query.voucher is not None:
        query["voucher"] = case.query.voucher.hex()
    if case.query.site is not None:
        query["site"] = case.query.site
    text = policy.format_policy(case.trusted)
    proof = base64.b64encode(case.proof).decode()
    return json.dumps({"policy": text, "query": query, "proof": proof, "now_ms": case.now_ms}).encode() + b"\n"


def plain(value: Any) -> Any:
    """A product as the browser gives it: enumerations by name, bytes in hexadecimal, a record with its act."""
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, msgspec.Struct):
        act = {"act": r.act_of_type(type(value)).name} if type(value) in r.RECORD_TYPES else {}
        return act | {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def of_python(case: Case) -> dict[str, Any]:
    try:
        return {"product": plain(verify_product(*case))}
    except VerifyFailed as failed:
        return {"check": failed.check, "message": failed.message}


def compare(cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
    """What Python says of each case, after the browser has said the same."""
    source = iter(cases)
    while batch := list(islice(source, BATCH)):
        BROWSER.send(batch)
        python = [of_python(case) for case in batch]
        browser = [BROWSER.receive() for _ in batch]
        for case, ours, theirs in zip(batch, python, browser, strict=True):
            same = theirs.get("product") == ours.get("product") and theirs.get("check") == ours.get("check")
            assert same, disagreement(case, ours, theirs)
            yield ours


def disagreement(case: Case, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    if "product" in ours and "product" in theirs:
        names = [name for name, value in ours["product"].items() if theirs["product"].get(name) != value]
        shown = [(name, ours["product"][name], theirs["product"].get(name)) for name in names]
        return f"the product differs in {shown}"
    told = [one if "product" not in one else "accepted" for one in (ours, theirs)]
    return f"Python: {told[0]}\nbrowser: {told[1]}\n{case.query}, now {case.now_ms}, proof {case.proof.hex()[:2000]}"


def verify_both(trusted: policy.Policy, query: Query, proof: bytes, now_ms: int | None) -> Product:
    """verify_product, held against the browser's verifier where there is one to run."""
    case = Case(trusted, query, proof, now_ms)
    if node() is not None:
        list(compare([case]))
    return verify_product(*case)
