"""Nodes that do not show the same: they are named, and what they showed is kept as evidence that stands alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec import structs

from client_sdk import evidence, network_audit
from client_sdk.client import Client
from client_sdk.commands import comparing
from client_sdk.compare import compare, up_to_date
from client_sdk.errors import Unavailable
from client_sdk.evidence import Tried
from client_sdk.nodes import Nodes
from client_sdk.trust import PIN_FILE
from client_sdk.wire import clock_ms
from ledger import block as b
from ledger import merkle, note, tiles
from ledger import policy as p
from ledger.envelope import ENVELOPE, envelope_id
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import WITNESS_WINDOW_MS
from ledger.succession import Step
from tests.commands import typed
from tests.loopback import Loopback, identity_of
from tests.showing import POLICY, QUORUM, Node, ledger
from tests.unit.test_succession import NEXT, Chain
from tests.validators import NAMES
from tests.validators import note as signed
from tests.world import MAKER, START_MS, World

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def new(sales: int, otherwise: Callable[[World], None] = lambda world: None) -> World:
        made.append(ledger(tmp_path / f"ledger-{len(made)}", sales, otherwise))
        return made[-1]

    yield new
    for world in made:
        world.close()


def sold_more(world: World) -> None:
    """What another history has in place of what happened."""
    world.do(MAKER, world.sell(MAKER, 7))


def nothing(seconds: float) -> None:
    pass


# Comparing


def test_nodes_of_one_history_agree_wherever_they_stand(make: Make) -> None:
    worlds = [make(sales) for sales in (3, 0, 5, 3)]
    found = compare({f"node{number}": Node(world) for number, world in enumerate(worlds, 1)}, POLICY, nothing)
    assert found.agrees
    assert (found.blame(), found.found) == ([], [])
    assert [view.head.size for view in found.views if view.head] == [one.store.head.log.size for one in worlds]


def test_a_node_with_another_history_is_named_with_who_cosigned_it(make: Make, tmp_path: Path) -> None:
    honest, liar = Node(make(3)), Node(make(2, sold_more), by=(3,))
    behind = Node(make(1))
    found = compare({"a": behind, "b": honest, "liar": liar}, POLICY, nothing)
    assert not found.agrees
    [first, second] = found.blame()
    assert first.startswith("a, b show ")
    assert "no quorum" not in first
    assert second.startswith("liar shows ")
    assert second.endswith(f"cosigned by {NAMES[3]}, which is no quorum")
    [kept] = found.found
    judged = evidence.judge(kept)
    assert (bool(judged.contradiction), judged.both) == (True, [])
    assert evidence.load(evidence.keep(tmp_path, kept)) == kept


@pytest.mark.parametrize("lengths", [(3, 3), (4, 1), (1, 4), (20, 2), (2, 20)])
def test_validators_that_cosigned_both_are_named(make: Make, lengths: tuple[int, int]) -> None:
    one, other = Node(make(lengths[0])), Node(make(lengths[1], sold_more), by=(1, 2, 3))
    found = compare({"one": one, "other": other}, POLICY, nothing)
    [kept] = found.found
    judged = evidence.judge(kept)
    assert judged.contradiction
    assert judged.both == [NAMES[1], NAMES[2]]
    assert judged.first.lacking == judged.second.lacking == ""


def test_a_checkpoint_that_nobody_signed_is_a_lie_and_silence_is_none(make: Make) -> None:
    honest, liar, silent = (Node(make(1)) for _ in range(3))
    liar.shown = lambda at_ms=None: honest.shown().replace(b"\n", b"\n1", 1)  # type: ignore[method-assign]
    liar.world.note = liar.shown  # type: ignore[method-assign]
    silent.fault = lambda method: "lost"
    found = compare({"honest": honest, "liar": liar, "silent": silent}, POLICY, nothing)
    assert not found.agrees
    assert [line.split(" ")[0] for line in found.blame()] == ["liar"]
    assert compare({"honest": honest, "silent": silent}, POLICY, nothing).agrees


def test_a_node_that_stands_still_is_no_liar_and_hides_none(make: Make) -> None:
    """One node grows while they are asked, so that `still` lies behind; `liar` extends the head of `still` only."""
    first, growing, still, forked = Node(make(3)), Node(make(3)), Node(make(3)), make(3)
    for _ in range(3):
        sold_more(forked)

    def grow(method: str) -> None:
        if growing.calls.count("GetCheckpoint") == 2:
            growing.world.do(MAKER, growing.world.sell(MAKER, 1))

    growing.fault = grow  # type: ignore[assignment]
    nodes = {"first": first, "growing": growing, "still": still, "liar": Node(forked, by=(3,))}
    found = compare(nodes, POLICY, nothing)
    assert still.calls.count("GetCheckpoint") > 2  # it was given time
    assert [[label for label, _ in side] for side in found.histories] == [["first", "growing", "still"], ["liar"]]


def test_a_node_that_falls_silent_meanwhile_is_no_liar(make: Make) -> None:
    falls, other = Node(make(3)), Node(make(1))
    falls.faults["GetCheckpoint"] = [None, "lost"]
    found = compare({"falls": falls, "other": other}, POLICY, nothing)
    assert found.agrees
    assert [view.trouble for view in found.views] == ["cut off", ""]


def test_an_old_checkpoint_is_no_quorum_any_more(make: Make) -> None:
    node = Node(make(1))
    node.age_ms = 3_600_000
    [view] = compare({"old": node}, POLICY, nothing).views
    assert view.head is not None
    assert "quorum" in view.head.lacking
    assert list(view.head.cosigned) == [NAMES[number] for number in QUORUM]


class Succeeded(Loopback):
    """A node of a chain whose validators changed; `steps` are those that it shows."""

    def __init__(self, chain: Chain, steps: list[Step]) -> None:
        super().__init__(chain.world, identity_of(chain.world.folder / "reader"))
        self.steps = steps
        chain.world.note = lambda at_ms=None: chain.note(at_ms=clock_ms())  # type: ignore[method-assign]

    def policy(self, known: int = 0) -> Any:
        return None, self.steps[known:]


def test_nodes_are_judged_under_the_validators_who_followed_also_if_one_hides_that(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "node")
    chain.change(NEXT)
    forged = structs.replace(chain.steps[0], checkpoint=chain.note())
    nodes = {"hides": Succeeded(chain, []), "forges": Succeeded(chain, [forged]), "a": Succeeded(chain, chain.steps)}
    trust = nodes["a"].trust
    assert all(view.lies for view in compare(nodes, trust.policy, nothing).views)  # under those of the past
    trusted = up_to_date(trust, nodes.values())
    assert (trusted.number, list(trusted.witnesses)) == (1, list(NEXT))
    found = compare(nodes, trusted, nothing)
    assert found.agrees
    assert [view.head.lacking for view in found.views if view.head] == [""] * 3
    chain.world.close()


def two_faced(honest: Node, fork: Node) -> Node:
    """Shows the fork to whoever asks for no proof, the honest log to whoever does."""
    answer = honest._GetCheckpoint
    shown = lambda request: answer(request) if request.extends_size else fork._GetCheckpoint(request)  # noqa: E731
    honest._GetCheckpoint = shown  # type: ignore[method-assign]
    honest._GetNodeInfo = fork._GetNodeInfo  # type: ignore[method-assign]
    return honest


@pytest.mark.parametrize("more", [0, 4])
def test_a_fork_that_is_shown_only_where_no_proof_is_asked_for_is_found(make: Make, more: int) -> None:
    liar = two_faced(Node(make(5 + more)), Node(make(5, sold_more), by=(3,)))
    found = compare({"honest": Node(make(3)), "liar": liar}, POLICY, nothing)
    assert not found.agrees
    assert any(line.startswith("liar shows ") for line in found.blame())


# Evidence


class Log:
    """A log of any leaves, whose heads are signed at will."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._hashes = [merkle.leaf_hash(leaf) for leaf in leaves]

    def tree(self, size: int) -> tiles.LogTree:
        return tiles.LogTree.empty().extend(self._hashes[:size])[0]

    def note(self, size: int, by: tuple[int, ...] = QUORUM) -> bytes:
        return signed(size, self.tree(size).root(), by, START_MS)

    def proof(self, old: int, size: int) -> list[bytes]:
        return tiles.consistency_proof(self.tree(size), old, lambda level, index: b"")


def leaves(count: int, fork: int) -> list[bytes]:
    return [b"leaf %d" % number + (b"!" if number >= fork else b"") for number in range(count)]


def proofs(log: Log, old: int, size: int) -> list[Tried]:
    """What `compare` asks for."""
    begin = old if evidence.is_shown(old) or size <= old else old + 1
    return [Tried(begin, log.proof(begin, size))] if begin < size else []


def test_a_fork_is_proven_and_an_honest_log_never_at_every_size() -> None:
    honest = Log(leaves(40, 40))
    for fork in (0, 1, 5, 8, 13):
        forked = Log(leaves(40, fork))
        for old in range(max(2, fork + 1), 38):
            for size in (old, old + 2, 40):
                kept = evidence.of(POLICY, honest.note(old), forked.note(size), proofs(forked, old, size))
                judged = evidence.judge(kept)
                assert judged.contradiction, (fork, old, size)
                assert judged.both == [NAMES[number] for number in QUORUM]
    for old in range(2, 38):
        for size in (old, old + 2, 40):
            for tried in (proofs(honest, old, size), [Tried(old, honest.proof(old, size))], []):
                kept = evidence.of(POLICY, honest.note(size), honest.note(old), tried)
                assert evidence.judge(kept).contradiction == ""


def test_a_made_up_proof_proves_nothing() -> None:
    """Whoever would blame an honest node can choose every hash, not the roots that validators cosigned."""
    honest = Log(leaves(40, 40))
    for old, size in ((5, 12), (8, 12), (7, 40), (16, 40)):
        for begin in (old, old + 1):
            good = honest.proof(begin, size)
            for at in range(len(good)):
                bad = [*good[:at], bytes(32), *good[at + 1 :]]
                for hashes in (bad, good[:at], [*good, bytes(32)], [bytes(32)] * at):
                    kept = evidence.of(POLICY, honest.note(old), honest.note(size), [Tried(begin, hashes)])
                    assert evidence.judge(kept).contradiction == ""


def test_evidence_that_the_log_did_not_sign_is_none(tmp_path: Path) -> None:
    log, fork = Log(leaves(9, 9)), Log(leaves(9, 3))
    kept = evidence.of(POLICY, log.note(9), fork.note(9))
    for text in ("first", "second"):
        forged = structs.replace(kept, **{text: getattr(kept, text).replace("\n9\n", "\n8\n")})
        with pytest.raises(VerifyFailed):
            evidence.judge(forged)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(Malformed, match="no evidence"):
        evidence.load(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b" " * (1 << 23))
    with pytest.raises(Malformed, match="at most"):
        evidence.load(tmp_path / "x.json")


def test_the_command_checks_evidence_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, fork = Log(leaves(12, 12)), Log(leaves(12, 3))
    proven = evidence.keep(tmp_path, evidence.of(POLICY, log.note(9), fork.note(12, (2, 3)), proofs(fork, 9, 12)))
    assert typed({}, "evidence", str(proven)) == 0
    told, warned = capsys.readouterr()
    assert "can have made that up" in warned
    assert f"cosigned both  {NAMES[2]}" in told
    assert "no quorum" in told
    none = evidence.keep(tmp_path, evidence.of(POLICY, log.note(9), log.note(12), proofs(log, 9, 12)))
    assert typed({}, "evidence", str(proven), str(none), "--json") == 1
    assert '"proven": true' in (out := capsys.readouterr().out)
    assert '"proven": false' in out
    strangers = (note.VerifierKey(POLICY.origin, note.ED25519, bytes(32)),)
    other = p.format_policy(structs.replace(POLICY, logs=strangers))
    (tmp_path / "policy.txt").write_text(other)
    assert typed({}, "evidence", str(proven), "--policy", str(tmp_path / "policy.txt")) == 1
    assert "no signature by a key of the log" in capsys.readouterr().err


def test_info_holds_a_log_against_what_its_folder_saw_before(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, fork = make(3), make(5, sold_more)
    assert not comparing.against_pin(Node(fork), tmp_path)  # nothing was seen yet
    (tmp_path / PIN_FILE).write_bytes(Node(seen).shown())
    for world, by in ((make(5), QUORUM), (make(3), (3,))):
        assert not comparing.against_pin(Node(world, by), tmp_path)
    assert not comparing.against_pin(Node(make(1)), tmp_path)
    assert "it lies behind, or its log was cut" in capsys.readouterr().err
    assert comparing.against_pin(Node(fork, (3,)), tmp_path)
    assert "does not extend" in capsys.readouterr().err
    [kept] = (tmp_path / "evidence").glob("*.json")
    assert evidence.judge(evidence.load(kept), POLICY).contradiction


def test_the_listing_says_what_it_comes_to(make: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def shown(*nodes: Node) -> tuple[int, str]:
        lines: dict[str, Client] = {f"node{number}": node for number, node in enumerate(nodes, 1)}
        try:
            comparing.compared(Nodes(lines, nothing_told), tmp_path, False)
        except typer.Exit as left:
            return left.exit_code, capsys.readouterr().out
        return 0, capsys.readouterr().out

    truth, fork = make(3), make(3, sold_more)
    code, told = shown(Node(truth), Node(truth))
    assert (code, "one history: 2 of 2 nodes show it" in told) == (0, True)
    away = Node(make(3))
    away.fault = lambda method: Unavailable("cut off")
    code, told = shown(Node(truth), away)
    assert (code, "one history: 1 of 2 nodes show it; node2 says nothing of it" in told) == (1, True)
    code, told = shown(Node(truth), Node(fork, (3,)))
    assert (code, "2 histories: nodes of one number agree" in told) == (1, True)
    old = Node(truth)
    old.age_ms = WITNESS_WINDOW_MS + 60_000
    code, told = shown(old)
    assert (code, "a quorum, though not in these minutes" in told) == (0, True)


def nothing_told(text: str) -> None:
    pass


# Auditing


def source(label: str, node: Node, replays: bool = True) -> network_audit.Source:
    return network_audit.of_client(label, node, replays, POLICY)


def audited(*sources: network_audit.Source) -> tuple[network_audit.Audited, list[tuple[str, str]]]:
    """The audit, and (node, check) of what failed."""
    found = network_audit.audit(sources, lambda blocks, records: None)
    return found, [(label, one.check) for label, one in found.findings if not one.holds]


def detail(found: network_audit.Audited, label: str, check: str = network_audit.SAME) -> str:
    [one] = [one for node, one in found.findings if (node, one.check) == (label, check)]
    return one.detail


def test_honest_nodes_pass_wherever_they_stand(make: Make) -> None:
    first, behind, ahead = make(3), make(1), make(6)
    found, failed = audited(
        network_audit.of_folder("folder", first.folder), source("behind", Node(behind)),
        source("ahead", Node(ahead), replays=False), source("reader", Node(make(3)), replays=False),
    )  # fmt: skip
    assert failed == []
    assert {label for label, _ in found.findings} == {"folder", "behind", "ahead", "reader"}
    assert "the same" in detail(found, "behind")
    assert first.store.head.state[0].hex() in detail(found, "reader")


def test_a_node_with_another_history_is_named_whichever_is_replayed(make: Make) -> None:
    honest, liar = make(3), make(3, sold_more)
    for first, second in (("honest", "liar"), ("liar", "honest")):
        nodes = {"honest": source("honest", Node(honest)), "liar": source("liar", Node(liar, by=(3,)))}
        found, failed = audited(nodes[first], nodes[second])
        assert failed == [("liar", network_audit.SAME), ("liar", network_audit.WITNESSED)]
        told = detail(found, "liar")
        assert "block" in told
        assert "No quorum cosigned it; one cosigned what honest shows" in told
        assert all(evidence.judge(one).contradiction for one in found.found)
        assert len(found.found) == 1
    found, failed = audited(network_audit.of_folder("data", liar.folder), source("honest", Node(honest)))
    assert failed == [("honest", network_audit.SAME)]  # a folder without a checkpoint shows nothing else
    assert "A quorum cosigned it" in detail(found, "honest")


def test_a_longer_history_must_extend_the_replayed_one(make: Make) -> None:
    base = source("base", Node(make(2)))
    found, failed = audited(base, source("liar", Node(make(6, sold_more), by=(1, 2, 3)), replays=False))
    assert failed == [("liar", network_audit.SAME)]
    assert "does not prove that this extends" in detail(found, "liar")
    assert f"{NAMES[1]}, {NAMES[2]} did so for either" in detail(found, "liar")
    [kept] = found.found
    assert evidence.judge(kept).both == [NAMES[1], NAMES[2]]


def test_a_longer_fork_is_named_although_the_node_proves_an_honest_head_too(make: Make) -> None:
    liar = two_faced(Node(make(9)), Node(make(6, sold_more), by=(1, 2, 3)))
    found, failed = audited(source("base", Node(make(2))), source("liar", liar, replays=False))
    assert failed == [("liar", network_audit.SAME)]
    assert "does not extend it" in detail(found, "liar")


def test_a_hidden_record_is_named_also_where_the_checkpoint_is_honest(make: Make) -> None:
    honest, liar = Node(make(3)), Node(make(3))
    hidden = dropped(liar, 9)
    found, failed = audited(source("honest", honest), source("liar", liar))
    assert failed == [("liar", network_audit.SAME)]
    assert f"envelope {hidden} is missing" in detail(found, "liar")
    found, failed = audited(source("liar", liar), source("honest", honest))
    assert {label for label, _ in failed} == {"liar"}
    assert ("honest", True) in [(label, one.holds) for label, one in found.findings]


def test_blocks_that_end_before_the_checkpoint_are_named(make: Make) -> None:
    liar = Node(make(3))
    del liar.blocks_shown[-1]
    found, failed = audited(source("honest", Node(make(3))), source("liar", liar))
    assert failed == [("liar", network_audit.SAME)]
    assert "its blocks end with" in detail(found, "liar")


def test_an_altered_checkpoint_is_named(make: Make) -> None:
    liar = Node(make(3))
    head = liar.world.store.head.log
    for shown in (
        lambda at_ms=None: signed(head.size, bytes(32), (3,), START_MS),
        lambda at_ms=None: signed(head.size - 1, head.root(), QUORUM, START_MS),
    ):
        liar.shown = shown  # type: ignore[method-assign]
        _, failed = audited(source("honest", Node(make(3))), source("liar", liar, replays=False))
        assert ("liar", network_audit.SAME) in failed
        assert {label for label, _ in failed} == {"liar"}
    good = Node(make(3)).shown()
    liar.shown = lambda at_ms=None: good.replace(b"\n", b"\n1", 1)  # type: ignore[method-assign]
    _, failed = audited(source("honest", Node(make(3))), source("liar", liar))
    assert failed == [("liar", network_audit.BELIEVED)]
    _, failed = audited(source("liar", liar))
    assert failed == [("liar", network_audit.BELIEVED)]


def test_a_damaged_folder_is_named_and_the_next_one_is_replayed(make: Make) -> None:
    damaged, honest = make(3), make(3)
    path = damaged.folder / "blocks" / "000001.blk"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    folder = network_audit.of_folder("folder", damaged.folder)
    found, failed = audited(folder, source("honest", Node(honest)), source("reader", Node(make(2)), replays=False))
    assert failed == [("folder", network_audit.READABLE)]
    assert "block" in detail(found, "folder", network_audit.READABLE)
    assert detail(found, "reader")


def test_what_cannot_be_audited_is_told(make: Make, tmp_path: Path) -> None:
    silent = Node(make(1))
    silent.fault = lambda method: "lost"
    found, failed = audited(source("honest", Node(make(1))), source("silent", silent))
    assert failed == [("silent", network_audit.SAME)]
    assert "cut off" in detail(found, "silent")
    with pytest.raises(Malformed, match=r"none of these can be replayed.*cut off"):
        audited(source("reader", Node(make(1)), replays=False), source("silent", silent))
    other = World(tmp_path / "other")
    with pytest.raises(Malformed, match="not nodes of one chain"):
        audited(source("honest", Node(make(1))), network_audit.of_folder("other", other.folder))
    other.close()


def dropped(node: Node, height: int) -> str:
    """Have a node show a block without its first envelope; the envelope's id."""
    block = b.BLOCK.decode(node.blocks_shown[height - 1])
    name = envelope_id(ENVELOPE.decode(block.envelopes[0]).header).hex()
    node.blocks_shown[height - 1] = b.BLOCK.encode(b.Block(block.header, block.envelopes[1:]))
    return name
