"""docs/formats: the vectors are what the code makes, the samples in the pages are the vectors, and the links lead
somewhere."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nacl.public import Box, PrivateKey, PublicKey

from ledger import block as b
from ledger import mapproof, merkle, policy, signature
from ledger import note as n
from ledger import records as r
from ledger.custody import _RULES, _RULES_WITH_AMOUNTS
from ledger.envelope import open_envelope
from ledger.hashing import TAG_ENVELOPE
from ledger.private import open_private
from ledger.proof.verify import Query, verify_product
from ledger.seals import open_amounts, seal
from tests import format_vectors
from tests.format_vectors import FOLDER, SAMPLE, value_at

PAGES = sorted(FOLDER.parent.glob("*.md"))


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_the_stored_vectors_are_what_the_code_makes() -> None:
    made = {f"{name}.json": format_vectors.text_of(found) for name, found in format_vectors.make().items()}
    stored = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert made.keys() == stored.keys()
    for name, text in made.items():
        assert text == stored[name], f"{name} differs: scripts/vectors says what, --write stores it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_samples_in_the_pages_are_the_vectors(page: Path) -> None:
    for file, key, shown in SAMPLE.findall(page.read_text()):
        wanted = value_at(load(file), key)
        assert "".join(shown.split()) == "".join(wanted.split()), key


def test_each_format_page_opens_with_a_sample() -> None:
    for page in PAGES:
        if page.name not in ("README.md", "acts.md"):
            assert SAMPLE.search(page.read_text()[:1200]), page.name


@pytest.mark.parametrize("page", [*PAGES, *(FOLDER.parents[2].glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_table_of_acts_names_every_act_with_its_number() -> None:
    table = (FOLDER.parent / "acts.md").read_text()
    rows = {int(number): name for number, name in re.findall(r"^\| (\d+) \| `([a-z ]+)` \|", table, re.M)}
    assert {number: rows[number] for number in map(int, r.Act)} == {
        int(act): act.name.lower().replace("_", " ") for act in r.Act
    }
    assert rows.keys() == set(map(int, r.Act))
    assert _RULES.keys() | _RULES_WITH_AMOUNTS.keys() == set(r.RECORD_TYPES)


def test_record_vectors() -> None:
    for found in load("record").values():
        data = bytes.fromhex(found["record"])
        record = r.RECORD.decode(data)
        assert merkle.leaf_hash(data).hex() == found["hash"]
        assert ("opening" in found) == (type(record) in r.AMOUNTS)


def test_letter_vectors() -> None:
    """By NaCl itself, without the code that made them."""
    found = {
        name: text if name in ("sender", "receiver") else bytes.fromhex(text) for name, text in load("letter").items()
    }
    for name in ("sender", "receiver"):
        assert PrivateKey(found[f"{name}_key"]).public_key.encode() == found[f"{name}_public"]
    letter = msgspec.msgpack.decode(found["letter"])
    opened = Box(PrivateKey(found["receiver_key"]), PublicKey(found["sender_public"])).decrypt(letter["box"])
    assert (opened, letter["sender"]) == (found["given"], found["sender"])
    given = msgspec.msgpack.decode(opened)
    assert (given["sender"], given["receiver"]) == (found["sender"], found["receiver"])
    answer = Box(PrivateKey(found["sender_key"]), PublicKey(found["receiver_public"])).decrypt(found["answer"])
    assert answer == found["taken"]
    taken = msgspec.msgpack.decode(answer)
    assert (taken["sender"], taken["receiver"]) == (found["receiver"], found["sender"])
    assert taken["nonce"] == letter["box"][:24]
    assert taken["taken"] == [one[:2] for one in given["openings"]]


def test_envelope_vectors() -> None:
    found = load("envelope")
    opened = open_envelope(bytes.fromhex(found["wire"]), bytes.fromhex(found["chain"]))
    assert (opened.id.hex(), opened.leaf.hex()) == (found["id"], found["leaf"])
    message = TAG_ENVELOPE + bytes.fromhex(found["header"])
    signature.verify(bytes.fromhex(found["public_key"]), message, bytes.fromhex(found["signature"]))
    assert signature.sign(bytes.fromhex(found["seed"]), message).hex() == found["signature"]


def test_private_vectors() -> None:
    found = load("private")
    record = r.RECORD.decode(bytes.fromhex(found["of"]["record"]))
    opening = bytes.fromhex(found["opening"])
    assert record.private == seal(opening) == bytes.fromhex(found["seal"])
    assert (open_private(record, opening).price, open_private(record, opening).currency) == (129_900, "CNY")
    assert open_amounts(record, bytes.fromhex(found["of"]["opening"])) is not None


def test_subscription_vectors() -> None:
    found = load("subscription")
    assert [event["leaf"] for event in found["events"]] == sorted(event["leaf"] for event in found["events"])
    for event in found["events"]:
        record, opening = r.RECORD.decode(bytes.fromhex(event["record"])), bytes.fromhex(event["opening"])
        assert event["member"] != found["member"]
        assert not opening or open_amounts(record, opening) is not None
        assert found["from_leaf"] <= event["leaf"] < found["next_leaf"]


def test_map_vectors() -> None:
    for name, found in load("state-map").items():
        if name != "paths":
            proven = mapproof.read(bytes.fromhex(found["proof"]))
            assert proven.root.hex() == found["root"]
            assert proven.value(bytes.fromhex(found["absent"])) is None
            assert all(proven.value(bytes.fromhex(path)) is not None for path in found["present"])


def test_block_and_receipt_vectors() -> None:
    found = load("block")
    block = b.BLOCK.decode(bytes.fromhex(found["payload"]))
    assert block.header.hex() == found["header"]
    receipt = load("receipt")
    note = n.parse(receipt["checkpoint"].encode())
    size, root = note.text.split("\n")[1:3]
    import base64

    proof = [bytes.fromhex(one) for one in receipt["proof"]]
    leaf = bytes.fromhex(receipt["leaf_hash"])
    merkle.verify_inclusion(leaf, receipt["leaf"], int(size), proof, base64.b64decode(root))


@pytest.mark.parametrize("name", ["good", "recalled", "unknown"])
def test_product_proof_vectors(name: str) -> None:
    vectors = load("product-proof")
    found = vectors[name]
    voucher = bytes.fromhex(found["voucher"]) if "voucher" in found else None
    query = Query(product=found["product"], lot=found["lot"], voucher=voucher)
    trusted = policy.parse_policy(vectors["policy"])
    product = verify_product(trusted, query, bytes.fromhex(found["proof"]), found["now_ms"])
    assert product.verdict.name == found["verdict"]
