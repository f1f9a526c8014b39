"""docs/stories.md and the tests are the same tales."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "stories.md"
TALE = re.compile(r"^### (?P<title>.+)\n\n(?P<body>(?:.+\n)+)Test: `(?P<test>test_\w+)`$", re.M)
SENTENCES_MIN, SENTENCES_MAX = 4, 8


def told() -> dict[str, str]:
    """Test -> the tale's text, of every heading in the document."""
    text = DOCUMENT.read_text()
    tales = list(TALE.finditer(text))
    assert [tale["title"] for tale in tales] == re.findall(r"^### (.+)$", text, re.M)
    assert len({tale["test"] for tale in tales}) == len(tales)
    return {tale["test"]: tale["body"] for tale in tales}


def played() -> Iterator[str]:
    """Every test that takes the stage."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and "tale" in [argument.arg for argument in node.args.args]:
                yield from [node.name] if node.name.startswith("test_") else []


def test_every_tale_is_played_and_every_play_is_told() -> None:
    names = list(played())
    assert len(names) >= 24
    assert sorted(told()) == sorted(names)


def test_a_tale_is_short() -> None:
    lengths = {test: len(re.findall(r"[.!?](?=\s)", body)) for test, body in told().items()}
    assert {test: n for test, n in lengths.items() if not SENTENCES_MIN <= n <= SENTENCES_MAX} == {}
