"""The node's parts without a network: settings, keys, certificates, admission, and the engine under failure."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from ledger.errors import Malformed, SuyuanError
from ledger.plan import Checked, Plan
from ledger.storage.blockfile import WriteFailed
from node import keys, tls
from node.admission import Admission, Unsigned
from node.config import Settings, load_settings
from node.engine import Outcome, Overloaded, Stopped
from node.engine.embedded import Embedded
from node.errors import WrongSettings
from node.receipts import CheckpointSigner
from node.succession import Succession
from tests.world import DEALER, LOG_SEED, MAKER, ORIGIN, SHOP, VALIDATOR, VALIDATOR_SEED, World

# Settings


def test_options_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text('members_port = 1\nreaders_port = 2\nmetrics_port = 3\nlog_level = "debug"\n')
    monkeypatch.setenv("SUYUAN_READERS_PORT", "20")
    monkeypatch.setenv("SUYUAN_METRICS_PORT", "30")
    settings = Settings(data=tmp_path, metrics_port=300)
    assert (settings.members_port, settings.readers_port, settings.metrics_port) == (1, 20, 300)
    assert settings.log_level == "debug"


@pytest.mark.parametrize("line", ['members_port = "x"', "members_port = 70000", 'log_level = "loud"', "unknown = 1"])
def test_wrong_settings_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "node.toml").write_text(line + "\n")
    with pytest.raises(ValidationError, match=line.split(" ")[0]):
        Settings(data=tmp_path)


def test_a_wrong_setting_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text("consensus_prot = 1\n")
    with pytest.raises(
        WrongSettings, match=r"node\.toml: there is no setting consensus_prot \(is consensus_port meant"
    ):
        load_settings(tmp_path)
    (tmp_path / "node.toml").write_text("http_port = 70000\n")
    with pytest.raises(WrongSettings, match=r"node\.toml: setting http_port: .* \(found 70000\)"):
        load_settings(tmp_path)
    monkeypatch.setenv("SUYUAN_HTTP_PORT", "x")
    with pytest.raises(WrongSettings, match=r"SUYUAN_HTTP_PORT: setting http_port: .* \(found 'x'\)"):
        load_settings(tmp_path)
    with pytest.raises(WrongSettings, match=r"option: setting http_port: .* \(found -1\)"):
        load_settings(tmp_path, {"http_port": -1})


# Keys and certificates


def test_seeds_are_private_files(tmp_path: Path) -> None:
    seed = keys.draw_seed()
    keys.store_seed(tmp_path, "log.key", seed)
    assert keys.load_seed(tmp_path, "log.key") == seed
    with pytest.raises(FileExistsError):
        keys.store_seed(tmp_path, "log.key", keys.draw_seed())
    (tmp_path / "log.key").chmod(0o644)
    with pytest.raises(Malformed, match="chmod 600"):
        keys.load_seed(tmp_path, "log.key")
    (tmp_path / "bad.key").write_text("zz")
    (tmp_path / "bad.key").chmod(0o600)
    with pytest.raises(Malformed, match="a seed is 64 digits"):
        keys.load_seed(tmp_path, "bad.key")


def request(name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_certificate_is_for_the_member_that_its_request_names(tmp_path: Path) -> None:
    now = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    tls.make_authority(tmp_path, "test", now)
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.load_pem_x509_certificate(tls.certify(tmp_path, request(MAKER.id, key), MAKER.id, now))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / tls.CA_CERT).read_bytes()))
    for bad, member in ((request(DEALER.id, key), MAKER.id), (b"nonsense", MAKER.id), (request("x", key), "x")):
        with pytest.raises(Malformed):
            tls.certify(tmp_path, bad, member, now)
    assert (tmp_path / tls.CA_KEY).stat().st_mode & 0o077 == 0


# Admission


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "node").founded()
    yield world
    world.close()


def test_a_remembered_signature_admits_no_other(world: World) -> None:
    admission = Admission(world.chain, world.store)
    sealed = [world.seal(world.sell(MAKER, 1))]
    good = world.envelope(MAKER, sealed)
    assert admission.admit(good).key == MAKER.key
    assert admission.admit(good).key == MAKER.key
    with pytest.raises(Unsigned):
        admission.admit(world.envelope(MAKER, sealed, seed=DEALER.seed))
    with pytest.raises(Unsigned, match=r"key\.unknown"):
        admission.admit(world.envelope(MAKER, sealed, key=bytes(8)))


# The engine


def engine_of(world: World, envelopes_max: int = 100) -> Embedded:
    signer = CheckpointSigner(ORIGIN, LOG_SEED, VALIDATOR, VALIDATOR_SEED)
    return Embedded(
        world.store, signer, Succession(world.folder, world.store.genesis), lambda: world.now, envelopes_max, 10**6
    )


def wires(world: World, count: int) -> list[bytes]:
    return [world.envelope(MAKER, [world.seal(world.sell(MAKER, 1))]) for _ in range(count)]


async def test_every_offered_envelope_is_answered_once(world: World) -> None:
    engine = engine_of(world)
    answers: list[Outcome | SuyuanError] = []
    running = asyncio.create_task(engine.run())
    for wire in wires(world, 30):
        engine.offer(world.check(wire), answers.append)
    while len(answers) < 30:
        await asyncio.sleep(0.01)
    leaves = [answer.verdict.leaf for answer in answers if isinstance(answer, Outcome)]
    assert len(set(leaves)) == 30
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(Stopped):
        engine.offer(world.check(wires(world, 1)[0]), answers.append)


async def test_overload_is_said_at_once_and_takes_nothing(world: World) -> None:
    engine = engine_of(world, envelopes_max=2)
    answers: list[Outcome | SuyuanError] = []
    first, second, third = (world.check(wire) for wire in wires(world, 3))
    engine.offer(first, answers.append)
    engine.offer(second, answers.append)
    with pytest.raises(Overloaded) as caught:
        engine.offer(third, answers.append)
    assert caught.value.retry_after_ms > 0
    assert engine.waiting == 2
    assert answers == []


async def test_a_stop_answers_what_was_begun_and_what_was_not(world: World) -> None:
    engine = engine_of(world)
    answers: list[Outcome | SuyuanError] = []
    running = asyncio.create_task(engine.run())
    for wire in wires(world, 20):
        engine.offer(world.check(wire), answers.append)
    await asyncio.sleep(0)
    for wire in wires(world, 5):
        engine.offer(world.check(wire), answers.append)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(answers) == 25
    booked = [answer for answer in answers if isinstance(answer, Outcome)]
    assert all(isinstance(answer, Outcome | Stopped) for answer in answers)
    assert world.held(MAKER) == 10_000 - len(booked)


async def test_a_block_that_cannot_be_stored_stops_the_engine_and_leaves_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(world)
    answers: list[Outcome | SuyuanError] = []

    def fail(plan: object) -> None:
        raise WriteFailed("block 9", "no space left on device")

    monkeypatch.setattr(world.store, "commit", fail)
    running = asyncio.create_task(engine.run())
    for wire in wires(world, 3):
        engine.offer(world.check(wire), answers.append)
    with pytest.raises(WriteFailed):
        await running
    assert len(answers) == 3
    assert all(isinstance(answer, Stopped) for answer in answers)
    assert world.held(MAKER) == 10_000
    assert world.held(SHOP) == 0


async def test_an_error_in_a_rule_refuses_only_the_envelope_that_meets_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(world)
    offered = [world.check(wire) for wire in wires(world, 9)]
    plan = world.store.plan

    def poisoned(envelopes: list[Checked], time: int) -> Plan:
        if any(checked.opened.id == offered[4].opened.id for checked in envelopes):
            raise KeyError("an error of ours")
        return plan(envelopes, time)

    monkeypatch.setattr(world.store, "plan", poisoned)
    answers: dict[int, Outcome | SuyuanError] = {}
    for number, checked in enumerate(offered):
        engine.offer(checked, partial(answers.__setitem__, number))
    running = asyncio.create_task(engine.run())
    while len(answers) < 9:
        await asyncio.sleep(0.01)
    refused = [
        number for number, answer in answers.items() if isinstance(answer, Outcome) and answer.verdict.problems
    ]
    assert refused == [4]
    assert world.held(MAKER) == 10_000 - 8
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
