"""The SDK without a network: keys, envelopes, codes, trust."""

import os
from pathlib import Path

import pytest

from client_sdk import build, codes, evidence, keys
from client_sdk.build import Act
from client_sdk.errors import KeyFileError, LogForked
from client_sdk.trust import PIN_FILE, Trust
from ledger import checkpoint as c
from ledger import limits, tiles
from ledger import records as r
from ledger.envelope import open_envelope
from ledger.errors import Malformed, VerifyFailed
from tests.world import LOG_SEED, LOT, MAKER, ORIGIN, POLICY, SHOP, START_MS, VALIDATOR, VALIDATOR_SEED, gtin

CHAIN = b"c" * 32


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> keys.Identity:
    folder = tmp_path_factory.mktemp("keys") / "maker"
    keys.create(folder, MAKER.id, "乳品厂", "enterprise", "CN-33", "secret")
    return keys.load(folder, "secret")


def test_a_key_file_opens_with_its_passphrase_only(identity: keys.Identity) -> None:
    assert keys.load(identity.folder, "secret").seed == identity.seed
    with pytest.raises(KeyFileError, match="passphrase"):
        keys.load(identity.folder, "wrong")
    assert identity.seed not in (identity.folder / "signing.key").read_bytes()
    assert identity.tls is None


def test_a_key_file_that_others_may_read_is_refused(identity: keys.Identity) -> None:
    path = identity.folder / "signing.key"
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        keys.load(identity.folder, "secret")
    path.chmod(0o600)


def test_broken_and_missing_key_files(identity: keys.Identity, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="suyuan keygen"):
        keys.load(tmp_path, "secret")
    with pytest.raises(KeyFileError, match="already"):
        keys.create(identity.folder, MAKER.id, "x", "enterprise", "CN", "p")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("member.json", "signing.key"):
        (copy / name).write_bytes((identity.folder / name).read_bytes())
    (copy / "signing.key").chmod(0o600)
    good = (copy / "signing.key").read_text()
    for bad in ("", "{}", good.replace('"n": 32768', '"n": 1073741824'), good.replace("scrypt", "none"), good[:50]):
        (copy / "signing.key").write_text(bad)
        with pytest.raises(KeyFileError):
            keys.load(copy, "secret")
    with pytest.raises(KeyFileError, match="passphrase"):
        keys.open_folder(copy, None) if keys.PASSPHRASE_VARIABLE not in os.environ else keys.load(
            tmp_path, "passphrase"
        )
    for wrong in ({"member": "123"}, {"kind": "king"}):
        fields = {"member": MAKER.id, "name": "x", "kind": "enterprise", "region": "CN", "passphrase": "p"} | wrong
        with pytest.raises(Malformed):
            keys.create(tmp_path / "new", **fields)


def sale(number: int, **changes: object) -> Act:
    fields = {"lot": LOT, "quantity": 1, "ref": f"LS-{number}", "at": START_MS, "site": MAKER.site} | changes
    return build.sell(**fields)  # type: ignore[arg-type]


def test_envelopes_split_at_the_limits(identity: keys.Identity) -> None:
    made = list(build.envelopes((sale(number) for number in range(250)), identity, CHAIN, START_MS))
    assert [len(envelope.hashes) for envelope in made] == [100, 100, 50]
    opened = [open_envelope(envelope.wire, CHAIN) for envelope in made]
    refs = [amounts.ref for one in opened for amounts in one.amounts if amounts is not None]
    assert refs == [f"LS-{number}" for number in range(250)]
    facts = [
        build.act(
            r.Fact,
            at=START_MS,
            kind=r.FactKind.NOTE,
            subject=r.Subject(kind=r.SubjectKind.LOT, lot=LOT),
            text="x" * 512,
        )
        for _ in range(3000)
    ]
    large = list(build.envelopes(facts, identity, CHAIN, START_MS, records_max=4096))
    assert len(large) == 2
    assert all(len(envelope.wire) <= limits.ENVELOPE_BYTES_MAX for envelope in large)
    assert [len(open_envelope(envelope.wire, CHAIN).records) for envelope in large] == [len(e.hashes) for e in large]


def test_salts_differ_and_texts_are_composed(identity: keys.Identity) -> None:
    first, second = (next(build.envelopes([sale(1)], identity, CHAIN, START_MS)) for _ in range(2))
    assert first.hashes != second.hashes
    act = build.act(r.Site, at=1, name="Cafe\u0301", region="CN", site=MAKER.site)
    assert act.fields["name"] == "Caf\u00e9"


@pytest.mark.parametrize("change", [{"lot": "1#A"}, {"site": "x"}])
def test_a_bad_act_is_refused_before_anything_is_signed(identity: keys.Identity, change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        list(build.envelopes([sale(1, **change)], identity, CHAIN, START_MS))
    with pytest.raises(Malformed, match="sell"):
        list(build.envelopes([Act(r.Sell, {"lot": LOT}, r.Moved(quantity=1, ref="x"))], identity, CHAIN, START_MS))


# Codes

CODE = gtin(7)


@pytest.mark.parametrize(
    "text",
    [
        f"https://id.example.org/01/{CODE}/10/A%2F1",
        f"/01/{CODE}/10/A%2F1",
        f"(01){CODE}(10)A/1",
        f"{CODE}#A/1",
        f"{CODE.lstrip('0')}#A/1",
    ],
)
def test_codes_as_they_are_scanned(text: str) -> None:
    scan = codes.parse_scan(text)
    assert (scan.product, scan.lot) == (CODE, "#A/1")


def test_links_round_trip() -> None:
    for lot in ("#A1", "@20260131"):
        for voucher in (None, b"v" * 16):
            scan = codes.parse_scan(codes.link(CODE, lot, voucher, "id.example.org"))
            assert (scan.product, scan.lot, scan.voucher) == (CODE, lot, voucher)


@pytest.mark.parametrize(
    "text", ["", "hello", f"{CODE[:-1]}x#A", f"/01/{CODE}/10/A?voucher=zz", f"{CODE}#A B", "(10)A"]
)
def test_codes_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        codes.parse_scan(text)


def test_a_code_without_a_lot_asks_for_it() -> None:
    with pytest.raises(Malformed, match="lot number"):
        codes.parse_scan(f"/01/{CODE}").query()


# Trust


class Log:
    """A log whose heads can be signed at any size."""

    def __init__(self, salt: bytes = b"") -> None:
        self.leaves = [salt + bytes([number]) * 8 for number in range(40)]

    def tree(self, size: int) -> tiles.LogTree:
        from ledger.merkle import leaf_hash

        return tiles.LogTree.empty().extend([leaf_hash(leaf) for leaf in self.leaves[:size]])[0]

    def note(self, size: int, at_ms: int = START_MS) -> bytes:
        head = c.Checkpoint(ORIGIN, size, self.tree(size).root())
        return c.cosign(c.sign_checkpoint(head, ORIGIN, LOG_SEED), VALIDATOR, VALIDATOR_SEED, at_ms // 1000)

    def proof(self, old: int, size: int) -> list[bytes]:
        return tiles.consistency_proof(self.tree(size), old, lambda level, index: b"")


def test_the_pin_moves_forward_and_survives(tmp_path: Path) -> None:
    log = Log()
    trust = Trust(POLICY, tmp_path)
    trust.advance(log.note(5), [], START_MS)
    trust.advance(log.note(9), log.proof(5, 9), START_MS)
    trust.advance(log.note(9), [], START_MS)
    again = Trust(POLICY, tmp_path)
    assert again.pinned is not None
    assert again.pinned.size == 9
    assert (tmp_path / PIN_FILE).read_bytes() == log.note(9)


def test_two_processes_may_pin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, fsync = Log(), os.fsync
    one, other = Trust(POLICY, tmp_path), Trust(POLICY, tmp_path)

    def in_between(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        other.advance(log.note(5), [], START_MS)

    monkeypatch.setattr(os, "fsync", in_between)
    one.advance(log.note(9), [], START_MS)
    assert (tmp_path / PIN_FILE).read_bytes() == log.note(9)
    assert [path.name for path in tmp_path.iterdir()] == [PIN_FILE]


def test_a_log_that_went_back_or_forked_is_refused_and_kept_as_evidence(tmp_path: Path) -> None:
    log, fork = Log(), Log(b"fork")
    trust = Trust(POLICY, tmp_path)
    trust.advance(log.note(9), [], START_MS)
    for note, proof in (
        (log.note(5), []),
        (fork.note(9), []),
        (fork.note(12), fork.proof(9, 12)),
        (log.note(12), []),
    ):
        with pytest.raises(LogForked) as caught:
            trust.advance(note, proof, START_MS)
        assert caught.value.evidence is not None
        kept = evidence.load(caught.value.evidence)
        assert {kept.first.encode(), kept.second.encode()} == {note, log.note(9)}
    assert Trust(POLICY, tmp_path).pinned == trust.pinned


def test_stale_and_unsigned_checkpoints_are_refused(tmp_path: Path) -> None:
    log = Log()
    trust = Trust(POLICY, tmp_path)
    with pytest.raises(VerifyFailed, match="quorum"):
        trust.advance(log.note(5, START_MS - 3_600_000), [], START_MS)
    with pytest.raises(VerifyFailed):
        trust.advance(log.note(5).replace(b"\n5\n", b"\n6\n"), [], START_MS)
    assert SHOP.id not in os.listdir(tmp_path)
    assert not (tmp_path / PIN_FILE).exists()
