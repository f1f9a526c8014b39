"""What a member's book means by its own words: kept whole, and refused where it means nothing."""

from pathlib import Path

import pytest

from client_sdk.books import mapping as mappings
from client_sdk.books.mapping import FILE, Mapping
from client_sdk.commands.books import changed, forgotten
from ledger import limits
from ledger.errors import Malformed
from tests.books import LOT
from tests.world import FORMULA, MAKER, SHRIMP

WORDS = (
    ("column", "货号", "商品条码"), ("column", "备注", "-"), ("column", "重量", "重量(g)"),
    ("product", "K-17", FORMULA),
    ("product", "白菜", f"{MAKER.id}/CABBAGE"), ("party", "南湖配送", MAKER.id), ("unit", "提", "4"),
    ("unit", "大箱", "case"),
    ("unit", f"{FORMULA} 箱", "12"), ("lot", f"{FORMULA}#2O250101A", LOT), ("lot", LOT, LOT), ("opening", "none", ""),
)  # fmt: skip


def test_what_is_said_is_kept_and_forgotten(tmp_path: Path) -> None:
    kept = mappings.load(tmp_path)
    assert kept == Mapping()
    for part, own, means in WORDS:
        kept = changed(kept, part, own, means)
    mappings.store(tmp_path, kept)
    assert mappings.load(tmp_path) == kept
    assert (kept.units, kept.opening) == ({"提": 4, "大箱": "case", f"{FORMULA} 箱": 12}, "none")
    assert not (tmp_path / f"{FILE}.part").exists()
    for part, own, _ in WORDS:
        kept = forgotten(kept, part, own, "")
    assert kept == Mapping()
    with pytest.raises(Malformed, match="not in the mapping"):
        forgotten(kept, "unit", "提", "")


@pytest.mark.parametrize(
    ("part", "own", "means", "why"),
    [
        ("column", "货号", "条形", "no header"), ("product", "K", "123", "products, K"),
        ("party", "某", "123", "parties, 某"),
        ("unit", "提", "0", "neither"), ("unit", "提", "四", "neither"), ("unit", "提", "²", "neither"),
        ("lot", LOT, f"{SHRIMP}#1", "another product"), ("lot", "x", LOT, "lots"), ("lot", LOT, "", "say what"),
        ("word", "x", "y", "name one of"), ("unit", "", "", "name one of"), ("opening", "maybe", "", "say none"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_and_nothing_changes(
    tmp_path: Path, part: str, own: str, means: str, why: str
) -> None:
    mappings.store(tmp_path, Mapping(opening="none"))
    with pytest.raises(Malformed, match=why):
        mappings.store(tmp_path, changed(mappings.load(tmp_path), part, own, means))
    assert mappings.load(tmp_path) == Mapping(opening="none")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b'{"colums": {}}', b'{"units": {"x": 0}}', b'{"units": {"x": "box"}}',
        b'{"opening": "yes"}',
        b'{"lots": {"x": "y"}}', b"\xff\xfe", b"[" * 100_000, b'{"columns": {"x": ' * 2,
        b'"' + bytes(limits.MAPPING_BYTES_MAX) + b'"',
    ],
)  # fmt: skip
def test_a_broken_mapping_says_where_and_how_it_is_mended(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(Malformed, match=r"mend it, or remove it") as caught:
        mappings.load(tmp_path)
    assert FILE in caught.value.where


def test_a_mapping_is_bounded() -> None:
    entries = {str(number): 1 for number in range(limits.MAPPING_ENTRIES_MAX + 1)}
    with pytest.raises(Malformed, match="entries"):
        Mapping(units=entries).check("here")  # type: ignore[arg-type]
