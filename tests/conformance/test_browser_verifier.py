"""The browser's verifier (web/verify, run by Node) and ledger/proof agree: on the vectors, on every forgery that
this file makes, on published signatures. The proof tests of tests/unit ask both as well (tests/twins.py)."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route

from client_sdk import saved
from ledger import entries as e
from ledger import moment
from ledger import records as r
from ledger.errors import Malformed, VerifyFailed
from ledger.policy import format_policy, parse_policy
from ledger.proof import format as f
from ledger.proof.verify import Query, voucher_hash
from tests import forge, vectors
from tests.chromium import launched
from tests.format_vectors import FOLDER
from tests.twins import Case, compare, node, of_python, require_node
from tests.world import (
    DAY_MS,
    DEALER,
    FORMULA,
    LAB,
    LOT,
    MAKER,
    OTHER_SHOP,
    POLICY,
    POWDER,
    REGULATOR,
    SHOP,
    STORE,
    World,
)

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "web" / "verify"
VOUCHER = b"v" * 16
CASES_MIN = 10_000


@pytest.fixture(autouse=True)
def _node() -> None:
    require_node()


def run(program: str, given: Any = None) -> Any:
    """What a program of one module prints as JSON, with the verifier's modules beside it and `given` to work on."""
    whole = f'import {{ readFileSync }} from "node:fs"; const given = JSON.parse(readFileSync(0));{program}'
    command = [node() or "", "--no-warnings", "--input-type=module", "-e", whole]
    done = subprocess.run(command, cwd=MODULES, check=True, capture_output=True, input=json.dumps(given).encode())
    return json.loads(done.stdout)


def vector_case(name: str) -> Case:
    found = json.loads((FOLDER / "product-proof.json").read_text())
    one = found[name]
    voucher = bytes.fromhex(one["voucher"]) if "voucher" in one else None
    query = Query(product=one["product"], lot=one["lot"], voucher=voucher)
    return Case(parse_policy(found["policy"]), query, bytes.fromhex(one["proof"]), one["now_ms"])


@pytest.mark.parametrize("name", ["good", "recalled", "unknown"])
def test_vectors(name: str) -> None:
    case = vector_case(name)
    verdict = json.loads((FOLDER / "product-proof.json").read_text())[name]["verdict"]
    [found] = compare([case])
    assert found["product"]["verdict"] == verdict
    [saved] = compare([case._replace(now_ms=None)])
    assert saved["product"]["verdict"] == verdict


ASKED = """
import { answerTo, asked, scanned } from "../link.js";
import { unbase64 } from "./bytes.js";
const found = [];
for (const [link, answered, proof] of given.cases) {
    try {
        const query = asked(scanned(link), answered);
        const { product, closed } = await answerTo(given.policy, query, unbase64(proof), given.now);
        found.push([product.verdict, closed]);
    } catch (error) {
        found.push([error.check, null]);
    }
}
console.log(JSON.stringify(found));
"""


def test_what_was_scanned_stays_in_the_question(tmp_path: Path) -> None:
    """A node that leaves a place with a problem out, and says that the voucher or shop opens nothing, gains no good
    verdict by it; neither does its silence about what its proof does show."""
    world = World(tmp_path / "node").founded()
    world.hand_over(MAKER, SHOP, 50)
    world.do(SHOP, world.act(r.Voucher, lot=LOT, site=SHOP.site, voucher=voucher_hash(VOUCHER)))
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, subject=world.position_subject(SHOP)))
    code = {"product": FORMULA, "lot": "#A1"}
    link = f"https://node.example/01/{FORMULA}/10/A1"
    honest, lie = (base64.b64encode(world.proof(position=one)).decode() for one in ((SHOP.id, SHOP.site), None))
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="x", subject=world.lot_subject()))
    recalled = base64.b64encode(world.proof()).decode()
    cases = [
        [f"{link}?voucher={VOUCHER.hex()}", code, honest], [f"{link}?voucher={VOUCHER.hex()}", code, lie],
        [f"{link}?voucher={'0' * 32}", code, honest], [f"{link}?site={SHOP.site}", code, lie],
        [f"{link}?414=6901234000009", code, lie], [f"{link}?voucher={VOUCHER.hex()}", code, recalled],
        [link, code | {"voucher": VOUCHER.hex()}, lie],
    ]  # fmt: skip
    found = run(ASKED, {"policy": format_policy(POLICY), "now": world.now, "cases": cases})
    world.close()
    assert found == [
        ["FAILED_TEST", False], ["WAY_SHOWN_IN_PART", True], ["voucher", None], ["WAY_SHOWN_IN_PART", True],
        ["WAY_SHOWN_IN_PART", True], ["RECALLED", True], ["GOOD", False],
    ]  # fmt: skip


def _levels(count: int, *names: str) -> str:
    """Groups over groups, in each level one for each name, of all names of the level below."""
    levels = [[f"{name}{level}" for name in names] for level in range(count)]
    witness = next(iter(POLICY.witnesses))
    below = [[witness], *levels]
    lines = [f"group {name} any {' '.join(below[at])}" for at, level in enumerate(levels) for name in level]
    return "\n".join([*lines, f"quorum {levels[-1][0]}"])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (f"group g {'0' * 5000}1 {next(iter(POLICY.witnesses))}\nquorum g", "cannot be reached"),
        (f"group g 00001 {next(iter(POLICY.witnesses))}\nquorum g", "cannot be reached"),
        (_levels(9, "g"), "groups 9 deep, at most 8 are read"),
        (_levels(5, *"abcdefghijklm"), "65 groups, at most 64 are read"),
        (_levels(3000, "g"), "3000 groups, at most 64 are read"),
        (_levels(8, *"abcdefgh"), None),  # 2^21 ways down to the one witness
    ],
    ids=["digits", "five digits", "deep", "wide", "deeper", "shared"],
)
def test_a_policy_is_bounded_in_both(tmp_path: Path, lines: str, told: str | None) -> None:
    head = "\n".join(line for line in format_policy(POLICY).split("\n") if line.startswith(("log", "witness")))
    text = f"{head}\n{lines}\n"
    world = World(tmp_path / "node").founded()
    case = Case(POLICY, Query(product=FORMULA, lot="#A1"), world.proof(), world.now)
    world.close()
    program = """
    import { verify } from "./index.js";
    import { unbase64 } from "./bytes.js";
    try {
        const { verdict } = await verify(given.policy, given.query, unbase64(given.proof), given.now);
        console.log(JSON.stringify(verdict));
    } catch (error) {
        console.log(JSON.stringify(error.message));
    }
    """
    query = {"product": FORMULA, "lot": "#A1"}
    given = {"policy": text, "query": query, "proof": base64.b64encode(case.proof).decode(), "now": world.now}
    found = run(program, given)
    if told is None:
        assert found == of_python(case._replace(trusted=parse_policy(text)))["product"]["verdict"] == "GOOD"
        return
    assert told in found
    with pytest.raises(Malformed, match=told):
        parse_policy(text)


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        ("", "", True),
        ("", "\ufeff", False),
        ("YWJjZA==", "YWJjZB==", False),
        ("YWJjZA==", "YWJjZA", False),
        ('"#A1"', '"#A1", "voucher": null', False),
        ('"#A1"', '"#A1", "site": null', False),
        ('"#A1"', '"#A1", "voucher": "zz"', False),
        ('"#A1"', f'"#A1", "voucher": "{"0" * 32}\\n"', False),
        ('"#A1"', f'"#A1", "voucher": "{"0" * 32}"', True),
        ('"log"', '"\\ud800"', False),
        ('"log"', '"\\ud83d\\ude00"', True),
    ],
)
def test_both_read_the_same_bundles(old: str, new: str, taken: bool) -> None:
    query = {"product": FORMULA, "lot": "#A1"}
    text = json.dumps({"format": f.BUNDLE_FORMAT, "query": query, "proof": "YWJjZA==", "policy": "log"})
    text = text.replace(old, new, 1)
    program = """
    import { readBundle } from "./index.js";
    try {
        console.log(JSON.stringify(new TextDecoder().decode(readBundle(given).proof)));
    } catch (error) {
        console.log(JSON.stringify([error.check]));
    }
    """
    if taken:
        assert run(program, text) == saved.proof_of(text.encode()).decode() == "abcd"
        return
    assert run(program, text) == ["bundle"]
    with pytest.raises(VerifyFailed, match="is expected"):
        saved.proof_of(text.encode())


@pytest.fixture(scope="module")
def trade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    """Proofs in which every kind of way in, every kind of subject and most verdicts occur."""
    world = World(tmp_path_factory.mktemp("trade") / "node").founded()
    try:
        yield list(_cases(world))
    finally:
        world.close()


def _cases(world: World) -> Iterator[Case]:
    _ways(world)
    yield _case(world, SHOP)
    yield _case(world, None)
    _facts(world)
    yield _case(world, SHOP)
    yield _case(world, SHOP)._replace(now_ms=None)
    blend = f"{FORMULA}#T1"
    own = b"w" * 16
    world.do(MAKER, world.act(r.Voucher, lot=blend, site=MAKER.site, voucher=voucher_hash(own)))
    query = Query(product=FORMULA, lot="#T1", voucher=own)
    yield _case(world, MAKER, blend)._replace(query=query)
    world.do(SHOP, world.act(r.Site, name="店", public=True, region="CN-33", site=SHOP.site))
    query = Query(product=FORMULA, lot="#A1", site=SHOP.site)
    yield _case(world, SHOP)._replace(query=query)
    world.now += 800 * DAY_MS
    yield _case(world, SHOP)


def _case(world: World, who: Any, lot: str = LOT) -> Case:
    position = (who.id, who.site) if who else None
    query = Query(product=FORMULA, lot="#" + lot.split("#")[1], voucher=VOUCHER if who else None)
    return Case(POLICY, query, world.proof(lot, position), world.now)


def _ways(world: World) -> None:
    """LOT reaches SHOP in every way there is."""
    world.hand_over(MAKER, DEALER, 600)
    world.hand_over(DEALER, SHOP, 100)
    world.do(SHOP, world.enter(SHOP, 3))
    world.do(SHOP, world.count(SHOP, 103, 104))
    claim = world.do(SHOP, world.claim(SHOP, OTHER_SHOP, 5))[0]
    world.hand_over(DEALER, OTHER_SHOP, 50)
    world.do(OTHER_SHOP, world.ship(OTHER_SHOP, SHOP, 5, claim=claim.hash))
    world.do(SHOP, world.claim(SHOP, DEALER, 2))
    sale = world.do(SHOP, world.sell(SHOP, 9))[0]
    world.do(SHOP, world.correct(sale, {"quantity": 7}))
    world.do(SHOP, world.take_back(SHOP, 1))
    old = f"{FORMULA}#OLD"
    world.do(MAKER, world.commission(50, old))
    world.hand_over(MAKER, SHOP, 50, old)
    world.do(SHOP, world.relabel(SHOP, 10, old, LOT))
    world.do(SHOP, world.act(r.Site, name="二店", region="CN-33", site=f"{SHOP.id}/two"))
    world.do(SHOP, world.act(r.Move, world.moved(20), lot=LOT, site=SHOP.site, to_site=f"{SHOP.id}/two"))
    world.do(SHOP, world.act(r.Move, world.moved(4), lot=LOT, site=f"{SHOP.id}/two", to_site=SHOP.site))
    into = world.do(SHOP, world.ship(SHOP, SHOP, 10, to_site=STORE.site))[0].hash
    world.do(STORE, world.receive(into, accepted=10))
    back = world.do(STORE, world.ship(STORE, SHOP, 4, site=STORE.site, owner=SHOP.id))[0].hash
    world.do(SHOP, world.receive(back, accepted=4))
    returned = world.do(SHOP, world.ship(SHOP, DEALER, 5, returns=True))[0].hash
    world.do(DEALER, world.receive(returned, accepted=5))
    powder, blend = f"{POWDER}#P1", f"{FORMULA}#T1"
    world.do(MAKER, world.commission(10, powder))
    world.do(MAKER, world.transform(MAKER, {powder: 4}, {blend: 100}))
    world.do(SHOP, world.act(r.Voucher, lot=LOT, site=SHOP.site, voucher=voucher_hash(VOUCHER)))


def _facts(world: World) -> None:
    """About every kind of subject, adverse and not; a hold that is lifted, a recall of others' days, a stolen key."""
    maker = r.Subject(kind=r.SubjectKind.MEMBER, member=MAKER.id)
    product = r.Subject(kind=r.SubjectKind.PRODUCT, product=FORMULA)
    subjects = [
        world.lot_subject(), world.position_subject(SHOP), product,
        r.Subject(kind=r.SubjectKind.SITE, site=DEALER.site), world.lot_subject(f"{POWDER}#P1"),
    ]  # fmt: skip
    note = {"kind": r.FactKind.NOTE, "text": "好😀"}
    world.do(LAB, *(world.act(r.Fact, subject=one, **note) for one in subjects[:4] for _ in range(2)))
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.TEST, adverse=True, subject=subjects[0], text="铅"))
    world.do(LAB, world.act(r.Fact, kind=r.FactKind.INSPECT, adverse=True, subject=subjects[3]))
    held = world.do(REGULATOR, world.act(r.Hold, reason="封存！", subject=product))[0].hash
    world.do(
        REGULATOR, world.act(r.Recall, grade=2, made_from=20240101, made_until=20241231, reason="旧", subject=maker)
    )
    world.do(REGULATOR, world.act(r.Recall, grade=1, reason="新𠀀", subject=product))
    world.do(REGULATOR, world.act(r.Lift, reason="误", subject=product, target=held))
    revoked = {"change": r.KeyChange.REVOKE, "key": DEALER.key, "member": DEALER.id}
    world.do(REGULATOR, world.act(r.Key, suspect_from=world.now - 30, **revoked))
    world.do(REGULATOR, world.act(r.Suspend, member=OTHER_SHOP.id, reason="吊销"))


def test_all_ways_and_facts(trade: list[Case]) -> None:
    found = list(compare(trade))
    verdicts = [one["product"]["verdict"] for one in found]
    assert verdicts == ["ENTERED_BY_ONE_SIGNATURE", "GOOD", *["RECALLED"] * 5]
    kinds = {way["kind"] for one in found for place in one["product"]["way"] for way in place["ways"]}
    assert kinds == {kind.name for kind in e.WayKind}


def mutations(trade: list[Case]) -> Iterator[Case]:
    """Every byte of a proof flipped; and proofs cut, reshaped, misencoded, and forged with every key in hand."""
    random = Random(20260101)
    good = vector_case("good")
    for position in range(len(good.proof)):
        yield good._replace(proof=forge.flipped(good.proof, position, random))
    cases = [good, vector_case("unknown"), *trade]
    kinds: list[tuple[int, Callable[[Case], bytes]]] = [
        (300, lambda case: forge.flipped(case.proof, random.randrange(len(case.proof)), random)),
        (300, lambda case: forge.cut(case.proof, random)),
        (1200, lambda case: forge.reshaped(case.proof, random)),
        (700, lambda case: forge.misencoded(case.proof, random)),
        (2500, lambda case: _forged(case, random)),
    ]
    for count, kind in kinds:
        for number in range(count):
            case = cases[number % len(cases)]
            yield case._replace(proof=kind(case))


def _forged(case: Case, random: Random) -> bytes:
    """Some changes cannot be carried through (a header that is no map any more): then others are tried."""
    while True:
        forger = forge.Forger(case.proof, random, case.now_ms or 0)
        try:
            forger.change(random.randrange(1, 3))
            return forger.forged(skip=0.03, odd=0.01)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            continue


def test_what_is_forged_with_no_change_holds(trade: list[Case]) -> None:
    for case in trade:
        again = forge.Forger(case.proof, Random(1), case.now_ms or 0).forged()
        [ours, forged] = compare([case, case._replace(proof=again)])
        assert "product" in forged
        del ours["product"]["as_of_ms"], forged["product"]["as_of_ms"]


@pytest.mark.slow
def test_ten_thousand_mutated_proofs(trade: list[Case]) -> None:
    counts: dict[str, int] = {}
    for found in compare(mutations(trade)):
        name = found.get("check") or "accepted"
        counts[name] = counts.get(name, 0) + 1
    assert sum(counts.values()) >= CASES_MIN
    assert counts["accepted"] > 100
    print(counts)


def test_signatures_that_verifiers_disagree_on() -> None:
    """Each browser accepts some that libsodium refuses; this verifier does not."""
    speccheck = vectors.load("ed25519/speccheck_cases.json")
    wycheproof = vectors.load("ed25519/wycheproof_ed25519.json")["testGroups"]
    cases = [[one["pub_key"], one["message"], one["signature"]] for one in speccheck]
    cases += [[group["publicKey"]["pk"], one["msg"], one["sig"]] for group in wycheproof for one in group["tests"]]
    wanted = [number == 3 for number in range(len(speccheck))]
    wanted += [one["result"] != "invalid" for group in wycheproof for one in group["tests"]]
    program = """
        import { Signatures } from "./ed25519.js";
        import { unhex } from "./bytes.js";
        const found = [];
        for (const [key, message, signature] of given) {
          const signatures = new Signatures();
          try {
            signatures.check(unhex(key), unhex(message), unhex(signature));
            await signatures.settle();
            found.push(true);
          } catch (error) {
            if (error.check !== "signature") throw error;
            found.push(false);
          }
        }
        console.log(JSON.stringify(found));
    """
    assert run(program, cases) == wanted


def test_support_names_what_is_missing() -> None:
    program = """
        import { support } from "./index.js";
        const found = [await support()];
        Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
        found.push(await support());
        const subtle = { importKey: () => Promise.reject(new Error("unknown algorithm")) };
        Object.defineProperty(globalThis, "crypto", { value: { subtle } });
        found.push(await support());
        console.log(JSON.stringify(found));
    """
    found = run(program)
    assert [one["missing"] for one in found] == [None, "webcrypto", "ed25519"]
    assert [one["ok"] for one in found] == [True, False, False]


def test_bundles_and_files() -> None:
    """What is no bundle or proof file is refused by name, and a good one is read as it was made."""
    good = json.loads((FOLDER / "bundle.json").read_text())["text"]
    fields = json.loads(good)
    query = fields["query"]

    def bad(**changes: Any) -> str:
        return json.dumps({name: value for name, value in (fields | changes).items() if value is not None})

    texts = [
        "", "[]", "null", "{}", good[:-1], bad(format="suyuan product bundle v2"), bad(proof=None), bad(proof="A"),
        bad(proof=f"{fields['proof'][:-4]} "), bad(policy=None), bad(policy=1), bad(extra="x"), bad(query="x"),
        bad(query=[]), bad(query={"product": FORMULA}), bad(query=query | {"voucher": "00"}),
        bad(query=query | {"voucher": query["voucher"].upper().replace("7", "G")}), bad(query=query | {"lot": 1}),
        bad(query=query | {"more": "x"}), bad(query=query | {"__proto__": "x"}),
    ]  # fmt: skip
    program = """
        import { formatBundle, proofFile, readBundle, readProofFile } from "./index.js";
        const [good, texts] = given;
        const { proof } = readBundle(good);
        const file = proofFile(proof);
        const bytes = [proof, file.slice(0, 10), new Uint8Array(), new Uint8Array(5_000_000).fill(32)];
        bytes[3].set(file);
        const ofText = (text) => () => readBundle(text);
        const ofBytes = (data) => () => readProofFile(data);
        const reads = [...texts.map(ofText), ...bytes.map(ofBytes)];
        const checks = reads.map((read) => {
          try { return read() && "read"; } catch (error) { return error.check ?? error.stack; }
        });
        const same = formatBundle(readBundle(good)) === good && String(readProofFile(file)) === String(proof);
        console.log(JSON.stringify({ same, checks }));
    """
    assert run(program, [good, texts]) == {"same": True, "checks": [*["bundle"] * len(texts), *["file"] * 4]}


def test_in_chromium() -> None:
    """The same modules in a real browser, from an origin that has WebCrypto; its Ed25519 checks the signatures."""
    case = vector_case("good")
    bundle = json.loads((FOLDER / "bundle.json").read_text())
    program = """async ([text, now]) => {
        const { hex, readBundle, support, verify } = await import("/index.js");
        let used = 0;
        const checked = crypto.subtle.verify.bind(crypto.subtle);
        crypto.subtle.verify = (algorithm, ...rest) => {
            used += algorithm === "Ed25519";
            return checked(algorithm, ...rest);
        };
        const { policy, query, proof } = readBundle(text);
        const { steps, ...product } = await verify(policy, query, proof, now);
        const asText = (key, value) => (value instanceof Uint8Array ? hex(value) : value);
        const names = steps.map((step) => step.name);
        return { support: await support(), used, names, product: JSON.stringify(product, asText) };
    }"""
    with launched() as chromium:
        page = chromium.new_page()
        page.route("**/*", _module)
        page.goto("http://localhost/")
        found = page.evaluate(program, [bundle["text"], bundle["now_ms"]])
    assert found["support"] == {"ok": True, "webcrypto": True, "ed25519": True, "missing": None}
    assert found["used"] == 8 + 1  # log, witness and six envelopes, and the question whether there is Ed25519
    assert json.loads(found["product"]) == of_python(case)["product"]
    assert found["names"] == ["checkpoint", "header", "entries", "records", "chains", "way", "verdict"]


def _module(route: Route) -> None:
    path = MODULES / urlsplit(route.request.url).path[1:]
    if path.is_file():
        route.fulfill(path=path, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>verify</title>", content_type="text/html")


def test_policies_and_the_names_in_them() -> None:
    """What is no policy is refused by both, at the same place."""
    text = json.loads((FOLDER / "product-proof.json").read_text())["policy"]
    mark, log, witness, group, quorum = text.splitlines()
    name = witness.split()[1]
    odd = (*range(0x400), *range(0x1FF0, 0x2100), 0x3000, 0xFEFF, 0x2EBF0)
    names = ["", "a b", "a+b", *(f"a{chr(code)}b" for code in odd)]
    texts = [
        text, "", log, text + quorum, text + log, text[:-5], "x" * 65_537, f"# 好\n\n{text}",
        f"{witness.replace(name, 'twin', 1)}\n{text}", text.replace("\n", " \u3000\n"), text.replace("+", "-", 1),
        text.replace(" 1 ", " 2 "), text.replace(" 1 ", " any "), text.replace(" 1 ", " ² "),
        text.replace(f" {name} ", " none "), text.replace(group, f"{group} {name}"),
        text.replace(group, f"{group} {witness}"), text.replace(quorum, "quorum none"),
        text.replace(quorum, "quorum other"), *(text.replace(name, one) for one in names),
    ]  # fmt: skip
    marks = [
        "0",
        "1",
        "00",
        "-1",
        "x",
        "0 ",
        "0 beyond 5",
        "0 beyond 05",
        "0 expires 5",
        "0 expires 5 beyond 5",
        "1 beyond 9",
    ]
    texts += [text.replace(mark, f"# suyuan policy {one}") for one in marks]
    texts += [text + text.replace(mark, f"# suyuan policy {one}") for one in marks]
    texts += [f"{text}{mark}1 beyond 3\n{bad}" for bad in ("", "unknown\n", log)] + [
        f"quorum none\n{text}",
        f"#\n{text}",
    ]
    program = """
        import { parsePolicy } from "./policy.js";
        console.log(JSON.stringify(given.map((text) => {
          try { return parsePolicy(text) && null; } catch (error) { return error.check ?? error.stack; }
        })));
    """
    assert run(program, texts) == [_refused(one) for one in texts]


def test_both_write_a_moment_alike() -> None:
    times = [0, 1, 1_859_008_996_000, moment.SHOWN_MS_MAX - 1, moment.SHOWN_MS_MAX, 1 << 53]
    program = """
        import { shown } from "./moment.js";
        console.log(JSON.stringify(given.map(shown)));
    """
    assert run(program, times) == [moment.shown(one) for one in times]


def _refused(text: str) -> str | None:
    try:
        parse_policy(text)
    except Malformed as error:
        return error.where
    return None
