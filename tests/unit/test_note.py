"""Signed notes, checkpoints, policies and tlog-proofs: round trips, forgeries, and bytes from outside."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint as c
from ledger import note as n
from ledger import policy as p
from ledger import signature, tlogproof
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS

ORIGIN = "example.org/log"
LOG = sha256(b"log key").digest()
SEEDS = [sha256(b"witness %d" % number).digest() for number in range(4)]
NAMES = [f"w{number}.example" for number in range(4)]
NOW = 1_763_000_000_000
HEAD = c.Checkpoint(ORIGIN, 7, sha256(b"root").digest())


def key(name: str, seed: bytes, kind: int = n.COSIGNATURE) -> n.VerifierKey:
    return n.VerifierKey(name, kind, signature.public_key(seed))


def policy(needed: int = 3) -> p.Policy:
    witnesses = {name: key(name, seed) for name, seed in zip(NAMES, SEEDS, strict=True)}
    return p.Policy((key(ORIGIN, LOG, n.ED25519),), witnesses, {"q": p.Group(needed, tuple(NAMES))}, "q")


def note(times: dict[int, int], head: c.Checkpoint = HEAD) -> bytes:
    """The checkpoint, cosigned by witness number -> time in ms."""
    data = c.sign_checkpoint(head, ORIGIN, LOG)
    for number, time in times.items():
        data = c.cosign(data, NAMES[number], SEEDS[number], time // 1000)
    return data


def test_a_key_id_is_that_of_the_specification() -> None:
    found = key("example.com/foo", bytes(32), n.ED25519)
    expected = sha256(b"example.com/foo\n\x01" + found.key).digest()[:4]
    assert found.id == expected
    assert n.parse_verifier_key(str(found)) == found


def test_a_quorum_inside_the_window_is_believed() -> None:
    agreed = p.check(policy(), note({0: NOW, 1: NOW - 60_000, 2: NOW + 60_000}), NOW, WITNESS_WINDOW_MS)
    assert agreed.checkpoint == HEAD
    assert agreed.oldest_ms == NOW - 60_000


@pytest.mark.parametrize("off", [-WITNESS_WINDOW_MS - 1000, WITNESS_WINDOW_MS + 1000])
def test_cosignatures_outside_the_window_do_not_count(off: int) -> None:
    with pytest.raises(VerifyFailed, match="quorum"):
        p.check(policy(), note({0: NOW, 1: NOW, 2: NOW + off}), NOW, WITNESS_WINDOW_MS)


def test_one_late_cosignature_does_not_refresh_an_old_head() -> None:
    old = NOW - 3_600_000
    stale = note({0: old, 1: old, 2: old, 3: NOW})
    with pytest.raises(VerifyFailed, match="quorum"):
        p.check(policy(), stale, NOW, WITNESS_WINDOW_MS)
    assert p.check(policy(), stale, None, WITNESS_WINDOW_MS).oldest_ms == old


def test_a_saved_file_needs_a_quorum_within_one_window() -> None:
    spread = {0: NOW, 1: NOW - 700_000, 2: NOW - 1_400_000}
    with pytest.raises(VerifyFailed, match="within one window"):
        p.check(policy(), note(spread), None, WITNESS_WINDOW_MS)


def test_one_witness_counts_once() -> None:
    data = note({0: NOW, 1: NOW})
    again = c.cosign(data, NAMES[1], SEEDS[1], NOW // 1000 + 1)
    with pytest.raises(VerifyFailed, match="quorum"):
        p.check(policy(), again, NOW, WITNESS_WINDOW_MS)


def test_another_log_another_root_another_key() -> None:
    good = note({0: NOW, 1: NOW, 2: NOW})
    with pytest.raises(VerifyFailed, match="is of log"):
        p.check(policy(), note({0: NOW, 1: NOW, 2: NOW}, c.Checkpoint("other", 7, HEAD.root)), NOW, WITNESS_WINDOW_MS)
    with pytest.raises(VerifyFailed, match="signature"):
        p.check(policy(), good.replace(b"\n7\n", b"\n8\n"), NOW, WITNESS_WINDOW_MS)
    unsigned = n.serialise(n.Note(HEAD.text(), n.parse(good).signatures[1:]))
    with pytest.raises(VerifyFailed, match="by a key of the log"):
        p.check(policy(), unsigned, NOW, WITNESS_WINDOW_MS)


def test_every_flipped_bit_of_a_note_is_refused_or_changes_nothing() -> None:
    good = note({0: NOW, 1: NOW, 2: NOW})
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            found = p.check(policy(), bytes(bad), NOW, WITNESS_WINDOW_MS)
        except VerifyFailed:
            continue
        pytest.fail(f"bit {bit} was flipped, and still {found.checkpoint} was believed")


def test_policies_round_trip() -> None:
    text = p.format_policy(policy())
    assert p.parse_policy(text) == policy()
    nested = f"log {policy().logs[0]}\n# two cities\n" + "".join(
        f"witness {name} {key(name, seed)}\n" for name, seed in zip(NAMES, SEEDS, strict=True)
    )
    nested += (
        f"group a any {NAMES[0]} {NAMES[1]}\ngroup b all {NAMES[2]} {NAMES[3]}\ngroup both all a b\nquorum both\n"
    )
    parsed = p.parse_policy(nested)
    p.check(parsed, note({1: NOW, 2: NOW, 3: NOW}), NOW, WITNESS_WINDOW_MS)
    with pytest.raises(VerifyFailed):
        p.check(parsed, note({0: NOW, 1: NOW, 2: NOW}), NOW, WITNESS_WINDOW_MS)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("quorum q", "quorum nobody"),
        lambda text: text.replace("group q 3", "group q 5"),
        lambda text: text.replace("group q 3", "group q 0"),
        lambda text: text + text.splitlines()[0] + "\n",
        lambda text: text.replace("quorum q\n", ""),
        lambda text: text + "unknown line\n",
        lambda text: text.replace(NAMES[1] + " " + NAMES[2], NAMES[1] + " " + NAMES[1]),
    ],
)
def test_policies_that_make_no_sense(change: object) -> None:
    with pytest.raises(Malformed):
        p.parse_policy(change(p.format_policy(policy())))  # type: ignore[operator]


def test_two_names_for_one_key_do_not_make_two_witnesses() -> None:
    text = p.format_policy(policy())
    doubled = text.replace(
        f"witness {NAMES[1]} {key(NAMES[1], SEEDS[1])}", f"witness {NAMES[1]} {key(NAMES[1], SEEDS[0])}"
    )
    with pytest.raises(Malformed, match="share a key"):
        p.parse_policy(doubled)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_parsers_answer_any_bytes_with_a_value_or_malformed(data: bytes) -> None:
    for parse in (n.parse, tlogproof.parse):
        try:
            parse(data)  # type: ignore[operator]
        except Malformed:
            continue
    text = data.decode("utf-8", "replace")
    for parse_text in (c.parse, p.parse_policy, n.parse_verifier_key):
        try:
            parse_text(text)  # type: ignore[operator]
        except Malformed:
            continue
    with pytest.raises(VerifyFailed):
        p.check(policy(), data, NOW, WITNESS_WINDOW_MS)


def test_tlog_proofs_round_trip_and_refuse_other_spellings() -> None:
    proof = tlogproof.TlogProof(5, [bytes(32), b"\x01" * 32], note({}), b"extra")
    data = tlogproof.encode(proof)
    assert tlogproof.parse(data) == proof
    for bad in (data.replace(b"index 5", b"index 05"), data.replace(b"@v1", b"@v2"), data[:40]):
        with pytest.raises(Malformed):
            tlogproof.parse(bad)
