"""The rules of the house, read from the syntax trees: who imports whom, what the core may touch, how
long a function gets. Each rule names its offences, and is shown a sample that it has to catch."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import limits

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "node", "client_sdk", "demo", "proto", "web")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# An allow-list, because a new way to reach a clock or a network is easier to forget than to add. A module
# belongs here if its results depend on its arguments alone (and not on its version: see promise 3).
PURE = words(
    """__future__ abc base64 binascii bisect calendar collections contextlib dataclasses datetime enum
    functools hashlib heapq hmac itertools json math operator re string struct types typing zlib
    cryptography ledger msgspec nacl"""
)
FILES = words("errno fcntl io mmap os pathlib shutil tempfile plyvel plyvel_next")  # ledger/storage alone
IMPURE_CALLS = words("generate now random today urandom utcnow")  # clock and randomness of pure modules
IMPURE_BUILTINS = words("hash input open print")  # hash() differs from one process to the next

# What a limit may be counted in. QUANTITY is counted in whatever the product is, INTEGER in nothing.
UNITS = words(
    """BYTES CHARS BITS MS SECONDS DAYS LEVELS RECORDS ENTRIES LINES FIELDS HASHES SIGNATURES ANCESTORS
    FACTS POSITIONS SOURCES LEAVES BLOCKS ENVELOPES KEYS ROWS ITEMS STREAMS REQUESTS CONNECTIONS MEMBERS
    SCOPES INTEGER QUANTITY"""
)

# Written so that this file does not match itself.
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
REGISTRY = re.compile(r"\b(?:pypi|pythonhosted|npmjs|proxy\.golang)(?:\.\w+)*\.(?:org|com|io)\b|-index[-]url")

Rule = Callable[[Path, ast.Module], Iterator[str]]


def imported(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, package if node.level else (node.module or "").split(".")[0]


def imports_go_one_way(path: Path, tree: ast.Module) -> Iterator[str]:
    home = path.parts[0]
    forbidden = {
        "node": {"client_sdk", "demo"}, "client_sdk": {"node", "demo"},
        "web": {"node", "client_sdk", "demo", "ledger"},
    }.get(home, set())  # fmt: skip
    if home not in {"node", "client_sdk", "tests", "proto"}:
        forbidden = forbidden | {"proto"}
    for line, name in imported(tree, home):
        if name in forbidden:
            yield f"{path}:{line} imports {name}"


def the_core_is_pure(path: Path, tree: ast.Module) -> Iterator[str]:
    if path.parts[0] != "ledger":
        return
    in_storage = path.parts[1] == "storage"
    for line, name in imported(tree, "ledger"):
        if name not in (PURE | FILES if in_storage else PURE):
            yield f"{path}:{line} imports {name}, which is not known to be pure"
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                yield f"{path}:{node.lineno} calls .{name}()"
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_BUILTINS and not in_storage:
                yield f"{path}:{node.lineno} calls {name}()"


def checks_survive_optimisation(path: Path, tree: ast.Module) -> Iterator[str]:
    if path.parts[0] in PACKAGES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert):
                yield f"{path}:{node.lineno} asserts, which is gone under -O: raise"


def functions_fit_a_screen(path: Path, tree: ast.Module) -> Iterator[str]:
    if path.parts[0] in PACKAGES:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{path}:{node.lineno} {node.name} has {lines} lines"


def unit_is_missing(name: str) -> bool:
    return UNITS.isdisjoint(name.split("_"))


def files_of_the_project() -> Iterator[Path]:
    """Relative to the root; without what .gitignore leaves out (this also runs where git is not)."""
    ignored = {".git", ".venv", "build", "dist", "data", "__pycache__"}
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in ignored and not name.endswith((".egg-info", "cache", ".hypothesis"))
        )
        yield from (Path(folder, name).relative_to(ROOT) for name in sorted(names))


def is_generated(path: Path) -> bool:
    return path.stem.endswith(("_pb2", "_pb2_grpc"))


def python_files() -> Iterator[Path]:
    return (path for path in files_of_the_project() if path.suffix == ".py" and not is_generated(path))


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse((ROOT / path).read_bytes()) for path in python_files()}


RULES: list[tuple[Rule, str, list[str]]] = [
    (
        imports_go_one_way,
        "node/app.py",
        ["import client_sdk.keys", "from client_sdk import keys", "import demo"],
    ),
    (imports_go_one_way, "client_sdk/client.py", ["def f():\n    from node import app"]),
    (imports_go_one_way, "web/__init__.py", ["from node import app", "from ledger import policy"]),
    (imports_go_one_way, "bench/load.py", ["from proto.suyuan.v1 import node_pb2"]),
    (
        the_core_is_pure,
        "ledger/block.py",
        ["import socket", "from time import time", "import os", "import grpc"],
    ),
    (the_core_is_pure, "ledger/block.py", ["import node", "import proto", "datetime.now()", "open('x')"]),
    (
        the_core_is_pure,
        "ledger/storage/index.py",
        ["import threading", "import asyncio", "import client_sdk"],
    ),
    (checks_survive_optimisation, "ledger/plan.py", ["assert True"]),
    (functions_fit_a_screen, "node/app.py", ["def f():" + "\n    pass" * FUNCTION_LINES_MAX]),
]


@pytest.mark.parametrize(("rule", "path", "samples"), RULES)
def test_a_rule_catches_its_samples(rule: Rule, path: str, samples: list[str]) -> None:
    for sample in samples:
        assert list(rule(Path(path), ast.parse(sample))), sample


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _, _ in RULES))
def test_the_tree_keeps_the_rule(rule: Rule, trees: dict[Path, ast.Module]) -> None:
    assert Path("ledger/limits.py") in trees
    assert [offence for path, tree in trees.items() for offence in rule(path, tree)] == []


def test_files_hold_one_idea() -> None:
    lengths = {
        str(path): len((ROOT / path).read_bytes().splitlines())
        for path in python_files()
        if path.parts[0] in PACKAGES
    }
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_every_limit_is_an_int_with_its_unit() -> None:
    found = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert "ENVELOPE_BYTES_MAX" in found
    assert [name for name, value in found.items() if type(value) is not int or value <= 0] == []
    assert [name for name in found if unit_is_missing(name)] == []
    assert unit_is_missing("ENVELOPE_MAX")


@pytest.mark.parametrize(
    ("pattern", "samples"),
    [
        (UNFINISHED, ["# TO" + "DO: later"]),
        (REGISTRY, ["https://files.python" + "hosted.org/x", "py" + "pi.org", "--extra" + "-index" + "-url"]),
    ],
    ids=["unfinished", "registry"],
)
def test_nothing_unfinished_and_no_registry_is_named(pattern: re.Pattern[str], samples: list[str]) -> None:
    assert all(pattern.search(sample) for sample in samples)
    offences = [
        f"{path}: {match[0]}"
        for path in files_of_the_project()
        for match in pattern.finditer((ROOT / path).read_text("utf-8", errors="ignore"))
    ]
    assert offences == []


def test_every_limit_is_enforced_somewhere() -> None:
    """A bound that nothing reads is a promise that nobody keeps."""
    names = {name for name in vars(limits) if name.isupper()}
    code = [
        path.read_text()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "limits.py"
    ]
    unread = {name for name in names if not any(re.search(rf"\b{name}\b", text) for text in code)}
    assert unread == set()
