"""`suyuan` without a node: what options read, and that no slip of a user ends in a traceback."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import msgspec
import pytest
import trustme
import typer
from rich.cells import cell_len

from client_sdk import keys, readings, regions, when
from client_sdk.commands import app, parsing
from client_sdk.wire import clock_ms
from ledger import records as r
from ledger.errors import Malformed
from ledger.policy import format_policy
from ledger.proof import format as f
from tests.commands import typed
from tests.world import DEALER, FORMULA, LOT, MAKER, POLICY, SHOP

NOON_MS = 1_769_832_000_000  # 2026-01-31T12:00+08:00
HASH = "ab" * 32
SSCC = "006901234567890121"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An identity folder; its node is never reached."""
    folder = tmp_path_factory.mktemp("home") / "maker"
    keys.create(folder, MAKER.id, "乳品厂", "enterprise", "CN-33", "secret", scrypt_n=16)  # unlocked very often
    authority = trustme.CA().cert_pem.bytes().decode()
    connection = keys.Connection(
        "test.example/log", "00" * 32, "localhost:1", "localhost:1", authority, format_policy(POLICY)
    )
    (folder / "node.json").write_bytes(msgspec.json.encode(connection))
    return folder


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, folder: Path = home, passphrase: str = "secret") -> tuple[int, str, str]:
        environment = {keys.PASSPHRASE_VARIABLE: passphrase, "SUYUAN_IDENTITY": str(folder)}
        return typed(environment, *arguments), *capsys.readouterr()

    return run


# The least that each signing command needs; every one is signed into the outbox, without a node.
GOODS = ("--lot", LOT, "--quantity", "1", "--ref", "x")
COMMANDS = {
    "ship": (*GOODS, "--to", SHOP.id),
    "receive": ("--ship", HASH, "--lot", LOT, "--accepted", "1", "--ref", "x"),
    "withdraw": ("--ship", HASH, "--lot", LOT, "--to", SHOP.id, "--ref", "x"),
    "claim": (*GOODS, "--supplier", SHOP.id),
    "dispute": ("--claim", HASH, "--claimant", SHOP.id, "--lot", LOT, "--reason", "x"),
    "enter": GOODS,
    "sell": GOODS,
    "take-back": GOODS,
    "move": (*GOODS, "--to-site", "back"),
    "commission": (*GOODS, "--production", "20260101"),
    "transform": ("--input", f"{LOT}=1", "--output", f"{LOT}2=1", "--production", "20260101", "--ref", "x"),
    "count": ("--lot", LOT, "--book", "1", "--found", "1", "--ref", "x"),
    "destroy": GOODS,
    "relabel": (*GOODS, "--to-lot", f"{LOT}2"),
    "voucher": ("--lot", LOT),
    "pack": (SSCC, "--line", f"{LOT}=1", "--ref", "x"),
    "unpack": (SSCC,),
    "fact": ("note", "--lot", LOT, "--text", "x"),
    "measure": (
        "--device", "T1", "--ship", HASH, "--to", SHOP.id, "--count", "3", "--min", "1", "--max", "3.5", "--mean",
        "2", "--start", "2026-01-31 08:00", "--until", "2026-01-31 09:00", "--gap", "60", "--series", HASH,
    ),
    "hold": ("--lot", LOT, "--reason", "x"),
    "recall": ("--product", FORMULA, "--made-from", "20260101", "--reason", "x"),
    "close": ("--target", HASH, "--lot", LOT, "--reason", "x"),
    "lift": ("--target", HASH, "--lot", LOT, "--reason", "x"),
    "suspend": (SHOP.id, "--reason", "x"),
    "register": ("--product", FORMULA, "--name", "x", "--temp-max", "30"),
}  # fmt: skip
NASTY = ("", " ", "x" * 600, "-1", "9" * 30, "2026-13-45", "\udcff", "NaN", "=", "A#B", "/", "1" * 4301)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_value_of_an_option_ends_in_a_traceback(name: str, run: Run) -> None:
    words = COMMANDS[name]
    said = run(name, *words, "--queue", "--json")
    assert said[0] == 0, said
    refused = 0
    for place, word in enumerate(words):
        for value in () if word.startswith("--") else NASTY:
            code, _, err = run(name, *words[:place], value, *words[place + 1 :], "--queue")
            assert code in (0, 1, 2)
            assert (code == 0) == (err == ""), err
            refused += bool(code)
            assert not err or re.fullmatch(r"suyuan: \S.*\n", err), err
    assert refused >= len(NASTY) // 2


def test_every_signing_command_is_in_the_table() -> None:
    signing = {
        one.name or (one.callback.__name__ if one.callback else "")
        for one in app.registered_commands
        if one.callback is not None and "queue" in one.callback.__annotations__
    }
    assert signing - {"admit", "correct", "ship-unit"} == set(COMMANDS)


def test_every_act_of_the_model_has_a_command() -> None:
    """Or a group of them, which signs one act; `admit` and `site` ask for files and the node."""
    named = {one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands}
    named |= {one.name for one in app.registered_groups}
    assert {act.name.lower().replace("_", "-") for act in r.Act} <= named


def test_all_options_are_explained(run: Run) -> None:
    bare = re.compile(r"│[ *]+--[\w-]+ +(?:-\w +)?(?:\S+ +)?│")
    assert bare.search("│ *  --category   <str>      │")
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        code, out, _ = run(name, "--help")
        assert code == 0
        assert not bare.search(out), name


SLIPS = [
    ("ship", 2, "Missing option '--lot'"),
    ("shp", 2, "Did you mean 'ship'"),
    ("ship --lott x", 2, "No such option"),
    (f"sell --lot {FORMULA} --quantity 1 --ref s", 2, "'--lot': '06900000000014' names no lot"),
    ("sell --lot 123#A --quantity 1 --ref s", 2, "'--lot': '123' is not 14 digits"),
    (f"sell --lot {LOT} --quantity 0 --ref s --queue", 1, "only a portion by weight"),
    (f"sell --lot {LOT} --quantity 1.5 --ref s", 2, "'--quantity'"),
    (f"sell --lot {LOT} --quantity 1 --ref s --buyer king", 2, "none of consumer, business, gift, own-use, sample"),
    (f"sell --lot {LOT} --quantity 1 --ref s --at yesterday", 2, "write it as 2026-01-31, '2026-01-31 09:30'"),
    (f"sell --lot {LOT} --quantity 1 --ref s --at 2026-02-30", 2, "no moment after 1969"),
    (f"enter --lot {LOT} --quantity 1 --ref s --production 20261301", 2, "'--production': '20261301' is not a date"),
    (f"commission --lot {LOT} --quantity 1 --ref s --production 20991231", 2, "'20991231' lies ahead, and today is"),
    (f"transform --input {LOT}=1 --output {LOT}2=1 --ref s --production 2099-12-31", 2, "'2099-12-31' lies ahead"),
    (f"receive --ship abc --lot {LOT} --accepted 1 --ref s", 2, "the first 8 or more of them; `suyuan handovers`"),
    (f"receive --ship {HASH} --lot {LOT} --ref s --queue", 1, "at least one item"),
    (f"ship --lot {LOT} --quantity 1 --to 91330400MA0000006X --ref s", 2, "check character"),
    ("transform --input x --output y=1 --production 20260101 --ref s", 2, "'x' is not LOT=QUANTITY"),
    (f"pack {SSCC} --line {LOT}=1 --line {LOT}=2 --ref s", 1, "named twice"),
    ("pack 123 --ref s", 2, "'123' is not 18 digits"),
    ("recall --reason x", 2, "name one subject: --lot, --lot with --owner and --site, --product, --maker"),
    (f"hold --reason x --lot {LOT} --product {FORMULA}", 2, "name one subject"),
    (f"fact rumour --lot {LOT}", 2, "none of inspect"),
    (f"fact measure --lot {LOT}", 2, "suyuan measure"),
    (f"measure --device T1 --lot {LOT} --count 3", 2, "--min, --max, --mean, --start, --until, --gap, --series is"),
    (f"measure nowhere.csv --device T1 --lot {LOT}", 1, "nowhere.csv: there is no such file; check"),
    ("correct 12 --did-not-occur --reason x --ref s", 2, "neither LEAF/INDEX nor a record hash"),
    ("correct 1/0 --reason x --ref s", 2, "or --did-not-occur"),
    ("show thing x", 2, "none of lot, product"),
    ("key admit nowhere.json", 1, "nowhere.json: missing; make an identity with: suyuan keygen"),
    ("key admit nowhere.json --act steal", 2, "none of register, admit"),
    ("register --product 6900000000015 --name x --queue", 2, "'--product': the check digit"),
    (f"register --product {FORMULA} --name x --temp-max warm", 2, "such as -18.5"),
    (f"register --product {FORMULA} --name x --declared-by king", 2, "none of maker, importer, holder"),
    ("positions", 1, "the node cannot be reached"),
    (
        f"sell --lot {LOT} --quantity 1 --ref {'x' * 65} --queue",
        1,
        "amounts.ref: 65 characters, at most 64 are taken",
    ),
    (f"sell --lot {LOT} --quantity x --ref s", 2, "'--quantity': a whole number is expected"),
    (f"sell --lot {LOT} --quantity 99999999999999999 --ref s --queue", 1, "is more than"),
    (f"recall --product {FORMULA} --grade 9 --reason x", 2, "'--grade': at most 3 is taken"),
    (f"register --product {FORMULA} --name x --contains 6", 2, "both --base (the item in it) and --contains"),
    (f"register --product {FORMULA} --clear name", 2, "'name' is none of maker, tolerance-permille"),
    (f"register --product {FORMULA} --queue", 2, "is not declared by you: say its --name"),
    ("correct 1/0 --did-not-occur --quantity 3 --reason x --ref s", 2, "or what is right, not both"),
    (f"receive --ship abababab --lot {LOT} --accepted 1 --ref s --queue", 2, "which --queue needs"),
    ("site back --name x --region Zhejiang", 2, "did you mean CN-ZJ?"),
    ("site back --name x --region 浙江", 2, "write a country, such as CN, or a part of it after ISO 3166-2"),
    ("admit nowhere.json", 1, "nowhere.json: missing"),
    ("import nowhere.csv", 1, "nowhere.csv: there is no such file"),
    ("audit nowhere", 2, "nowhere is no folder: name the data folder of a node"),
    (f"verify {LOT} --file nowhere --policy tests", 1, "tests: it is a folder, and a file is expected"),
    (f"verify {LOT} --node nowhere.json", 1, "nowhere.json: missing; the node's operator writes it"),
]


@pytest.mark.parametrize(("line", "code", "says"), SLIPS, ids=[line[:40] for line, _, _ in SLIPS])
def test_a_slip_gets_one_line_that_says_what_to_do(line: str, code: int, says: str, run: Run) -> None:
    said = run(*line.split())
    assert (said[0], said[1]) == (code, "")
    assert re.fullmatch(r"suyuan: .*\n", said[2]), said[2]
    assert says in said[2]


def test_a_wrong_passphrase_or_folder_is_told(run: Run, home: Path, tmp_path: Path) -> None:
    code, _, err = run("positions", passphrase="wrong")
    assert (code, err) == (1, f"suyuan: {home}/signing.key: the passphrase is wrong, or the file was altered\n")
    near = home.parent / "maken"
    code, _, err = run("sell", *GOODS, folder=near)
    assert (code, err) == (
        1,
        f"suyuan: there is no identity folder {near}: did you mean {home}? Else name it with -i or SUYUAN_IDENTITY, "
        "or make one with: suyuan keygen\n",
    )
    code, _, err = run("positions", folder=Path())
    assert (code, err) == (1, "suyuan: member.json: missing; make an identity with: suyuan keygen\n")


def test_a_damaged_file_is_named_with_where_it_comes_from(home: Path, run: Run, tmp_path: Path) -> None:
    connection, policy = (home / "node.json").read_bytes(), tmp_path / "policy.txt"
    policy.write_text(format_policy(POLICY))
    saved, node = tmp_path / "saved.proof", tmp_path / "node.json"
    cases = [
        (saved, b"\x89PNG", ("--policy", str(policy)), "fetch it again: suyuan proof"),
        (saved, f.MAGIC + b"\x81", ("--policy", str(policy)), "or was damaged on its way"),
        (policy, b"log", ("--policy", str(policy)), "such as the policy.txt of a node's folder"),
        (node, connection[:-9], ("--node", str(node)), "with: suyuan-node connection"),
        (node, connection.replace(b"BEGIN CERT", b"BEGIN CRET"), ("--node", str(node)), "its certificate cannot"),
        (node, connection.replace(b"quorum", b"quarum"), ("--node", str(node)), "is not understood"),
    ]
    for path, content, options, says in cases:
        path.write_bytes(content)
        code, _, err = run("verify", LOT, "--file", str(saved), *options)
        assert (code, len(err.splitlines())) == (1, 1)
        assert err.startswith(f"suyuan: {path}: it is no ")
        assert says in err


def test_keygen_looks_at_everything_before_it_asks_for_a_passphrase(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, right = str(tmp_path / "new"), ("--member", MAKER.id, "--name", "x")
    cases = [
        ({}, ("--member", "123", "--name", "x"), "not 18 characters"),
        ({}, (*right, "--region", "Zhejiang"), "did you mean CN-ZJ?"),
        ({}, (*right, "--region", "CN-99"), "such as CN-33"),
        ({}, (*right, "--kind", "king"), "none of enterprise"),
        ({}, right, "there is no terminal to ask for the passphrase: set SUYUAN_PASSPHRASE"),
        ({keys.PASSPHRASE_VARIABLE: ""}, right, "the passphrase is empty"),
    ]
    for environment, options, says in cases:
        with mock.patch.dict(os.environ), mock.patch.object(sys.stdin, "isatty", return_value=False):
            os.environ.pop(keys.PASSPHRASE_VARIABLE, None)
            assert typed(environment, "keygen", home, *options) in (1, 2)
        err = capsys.readouterr().err
        assert says in err
        assert len(err.splitlines()) == 1
        assert not Path(home).exists()
    for region in ("CN", "CN-33", "CN-3304", "CN-ZJ", "AR", "NZ-AUK"):
        regions.check(region)


def test_columns_fit_into_80_cells_and_say_forms_and_other_names(run: Run) -> None:
    code, out, _ = run("columns")
    assert code == 0
    assert max(map(cell_len, out.splitlines())) <= 80
    for said in ("日期*", "2026年1月31日", "供应商名称*", "供货商", "cases:", "箱"):
        assert said in out
    assert json.loads(run("columns", "--json")[1].splitlines()[0])["purchase"][0]["needed"] is True


def test_a_command_without_an_identity_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.dict(os.environ):
        os.environ.pop("SUYUAN_IDENTITY", None)
        assert typed({}, "positions") == 2
    assert "Missing option '--identity' / '-i' (env var: 'SUYUAN_IDENTITY')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "lot"),
    [
        (LOT, LOT),
        (LOT.lstrip("0"), LOT),
        (f"(01){FORMULA}(10)A1", LOT),
        (f"https://id.example.org/01/{FORMULA}/10/A1", LOT),
        (f"{FORMULA}@20260131", f"{FORMULA}@20260131"),
        (f"{DEALER.id}/cabbage@20260131", f"{DEALER.id}/cabbage@20260131"),
    ],
)
def test_a_lot_is_read_as_it_is_typed_or_scanned(text: str, lot: str) -> None:
    assert parsing.lot(text) == lot


def test_moments_are_chinas_unless_they_say_otherwise() -> None:
    assert when.time_ms("2026-01-31") == NOON_MS
    assert when.time_ms("2026年1月31日 12:00") == NOON_MS
    assert when.time_ms("2026-01-31T04:00Z") == when.time_ms("2026-01-31 05:00:00+01:00") == NOON_MS
    assert when.start_ms("2026-01-31") == NOON_MS - when.HALF_DAY_MS == when.time_ms("2026-01-31 00:00")
    assert when.end_ms("2026-01-31") == when.time_ms("2026-02-01 00:00") - 1
    assert when.shown(NOON_MS) == "2026-01-31 12:00 UTC+8"
    assert when.iso(NOON_MS) == "2026-01-31T12:00:00+08:00"
    assert when.day("2026/1/31") == when.day("２０２６0131") == 20260131
    for wrong in ("", "31.01.2026", "2026-01-31T25:00+08:00", "1969-12-31", "2026-01-31T", "今天"):
        with pytest.raises(Malformed, match="no moment"):
            when.time_ms(wrong)
    with pytest.raises(Malformed):
        when.day("")


def test_todays_date_in_the_morning_is_no_time_to_come() -> None:
    for clock, expected in ((NOON_MS - 1000, NOON_MS - 1000), (NOON_MS + 1000, NOON_MS)):
        with mock.patch.object(when, "clock_ms", lambda now=clock: now):
            assert when.past_ms("2026-01-31") == expected
            assert when.past_ms("2026-01-31 23:59") > clock  # stated: the ledger refuses it, if so
    assert when.past_ms("2026-01-31") == NOON_MS < clock_ms()


def test_what_was_made_today_in_china_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    midnight = when.time_ms("2026-02-01 00:00")
    monkeypatch.setattr(when, "clock_ms", lambda: midnight)
    assert when.past_day("2026-02-01") == 20260201
    monkeypatch.setattr(when, "clock_ms", lambda: midnight - 1)
    with pytest.raises(Malformed, match="lies ahead, and today is 20260131"):
        when.past_day("2026-02-01")


def test_lines_and_choices() -> None:
    assert parsing.line(f"{LOT}=12:3400") == parsing.Line(LOT, 12, 3400)
    assert parsing.line(f"{FORMULA}#A=1=12") == parsing.Line(f"{FORMULA}#A=1", 12)  # a lot number may hold '='
    for wrong in (LOT, f"{LOT}=", f"{LOT}=1:", f"{LOT}=-1", f"{LOT}=１", "=1"):
        with pytest.raises(typer.BadParameter):
            parsing.line(wrong)
    assert parsing.lines_of([parsing.Line(LOT, 1), parsing.Line("b", 2, 3)]) == ({LOT: 1, "b": 2}, [0, 3])
    chosen = parsing.choice(r.Act)
    assert chosen("take-back") == chosen("TAKE_BACK") == chosen(r.Act.TAKE_BACK) == r.Act.TAKE_BACK
    assert (parsing.place("12/3"), parsing.place("12/"), parsing.place("a/b")) == ((12, 3), None, None)


def test_readings_become_a_window(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("﻿时间,温度\n2026-01-31 12:10,-18.5\n\n2026-01-31T12:00+08:00,-20\n2026-01-31 12:30:30,-17.25\n")
    window = readings.window_of(file, "T1")
    assert (window.count, window.min_mc, window.max_mc, window.mean_mc) == (3, -20_000, -17_250, -18_584)
    assert (window.start, window.until, window.gap_s) == (NOON_MS, NOON_MS + 1_830_000, 1230)
    for line in ("2026-01-31,4", "2026-01-31 12:00,warm", "2026-01-31 12:00", "2026-01-31 12:00,4,5", "x,4", "\0,1"):
        file.write_text(f"2026-01-31 12:00,4\n{line}\n")
        with pytest.raises(Malformed, match=r"log\.csv, line 2"):
            readings.window_of(file, "T1")
    file.write_text("2026-01-31 12:00,4,5\n2026-01-31 12:00,4\n")  # no header: it begins with a digit
    with pytest.raises(Malformed, match=r"log\.csv, line 1"):
        readings.window_of(file, "T1")
    file.write_text("time,celsius\n")
    with pytest.raises(Malformed, match="no readings"):
        readings.window_of(file, "T1")
