"""From one policy of the validators to the next: who may name them, how readers follow, and what sold keys are good
for. Each proof is verified by Python and, where Node is there, by the browser's verifier."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import structs

from client_sdk import office
from client_sdk.trust import Trust
from ledger import checkpoint as c
from ledger import entries as e
from ledger import genesis as g
from ledger import note as n
from ledger import policy as p
from ledger import state as s
from ledger import succession
from ledger.errors import Malformed, VerifyFailed
from ledger.fields import Validator
from ledger.governance import check_validators
from ledger.limits import POLICY_STEPS_ENTRIES_MAX, WITNESS_WINDOW_MS
from ledger.proof import format as f
from ledger.proof.build import product_proof
from ledger.proof.verify import Product, Query
from ledger.succession import Step
from node.engine.embedded import Embedded
from node.receipts import CheckpointSigner
from node.succession import Succession, step_at
from proto.suyuan.v1 import ledger_pb2 as pb
from tests.loopback import Loopback, identity_of
from tests.twins import verify_both
from tests.world import (
    DAY_MS,
    FORMULA,
    LOG_SEED,
    MAKER,
    ORIGIN,
    POLICY,
    REGULATOR,
    VALIDATOR,
    VALIDATOR_SEED,
    World,
    genesis,
    validator,
)

Seeds = dict[str, tuple[bytes, bytes]]
"""Validator's name -> (the seed by which it signs the log, the one by which it cosigns)."""

FIRST: Seeds = {VALIDATOR: (LOG_SEED, VALIDATOR_SEED)}
NEXT: Seeds = {f"{ORIGIN}/{name}": (bytes([i]) * 32, bytes([i + 100]) * 32) for i, name in enumerate("abcd", 1)}
QUERY = Query(product=FORMULA, lot="#A1")


def validators(seeds: Seeds) -> list[Validator]:
    return [validator(name, log, key) for name, (log, key) in seeds.items()]


class Chain:
    """A world whose validators change; `steps` are those that its nodes kept."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder).founded()
        self.seeds = FIRST
        self.steps: list[Step] = []

    def note(self, *signers: Seeds, at_ms: int | None = None) -> bytes:
        """The head, signed by the first of each of them and cosigned by all."""
        head = self.world.store.head
        text = c.Checkpoint(ORIGIN, head.log.size, head.log.root()).text()
        sets = signers or (self.seeds,)
        note = n.serialise(n.Note(text, [n.sign(text, ORIGIN, next(iter(one.values()))[0]) for one in sets]))
        every = {name: seeds for one in sets for name, seeds in one.items()}
        for name, (_, key) in every.items():
            note = c.cosign(note, name, key, (self.world.now if at_ms is None else at_ms) // 1000)
        return note

    def change(self, seeds: Seeds, expires: int | None = None) -> None:
        """The next validators, approved by those in office, and the step that a node keeps of it."""
        by = {name: key for name, (_, key) in self.seeds.items()}
        self.world.do(REGULATOR, self.world.policy(validators(seeds), by=by, expires=expires))
        note = self.note(self.seeds)
        self.steps.append(step_at(self.world.store.view(note), note))
        self.seeds = seeds
        self.world.do(MAKER, self.world.sell(MAKER, 1))

    def proof(self, steps: Sequence[Step] | None = None, note: bytes = b"") -> bytes:
        view = self.world.store.view(note or self.note())
        return product_proof(view, FORMULA, "#A1", None, self.steps if steps is None else steps)

    def verify(self, trusted: p.Policy, proof: bytes, saved: bool = False) -> Product:
        return verify_both(trusted, QUERY, proof, None if saved else self.world.now)

    def followed(self, trusted: p.Policy = POLICY) -> p.Policy:
        return succession.follow(trusted, self.steps, self.world.now)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain(tmp_path / "node")
    yield chain
    chain.world.close()


def test_a_reader_of_the_first_validators_follows_to_the_next_and_on(chain: Chain) -> None:
    chain.change(NEXT)
    assert chain.verify(POLICY, chain.proof()).log_size == chain.world.store.head.log.size
    with pytest.raises(VerifyFailed, match="no signature by a key of the log"):
        chain.verify(POLICY, chain.proof(steps=[]))
    fewer = {name: seeds for name, seeds in NEXT.items() if not name.endswith("d")}
    chain.change(fewer)
    chain.verify(POLICY, chain.proof())
    followed = chain.followed()
    assert (followed.number, list(followed.witnesses)) == (2, list(fewer))
    chain.verify(followed, chain.proof(steps=[]))
    with pytest.raises(VerifyFailed, match="quorum"):
        chain.verify(POLICY, chain.proof(note=chain.note(dict(list(fewer.items())[:2]))))


def test_steps_are_taken_one_by_one_from_where_the_reader_is(chain: Chain) -> None:
    chain.change(NEXT)
    chain.change(FIRST)
    followed = succession.follow(POLICY, chain.steps[:1], chain.world.now)
    chain.verify(followed, chain.proof())
    with pytest.raises(VerifyFailed, match="leads to policy 2, the reader is at 0"):
        chain.verify(POLICY, chain.proof(steps=chain.steps[1:]))


def test_a_proof_of_before_stays_verifiable_as_a_file_and_is_of_the_past(chain: Chain) -> None:
    old = chain.proof()
    size = chain.world.store.head.log.size
    chain.change(NEXT)
    followed = chain.followed()
    assert chain.verify(followed, old, saved=True).log_size == size
    with pytest.raises(VerifyFailed, match="a head of the past"):
        chain.verify(followed, old)
    alone = p.newest(followed)
    with pytest.raises(VerifyFailed, match="the policy before it is needed"):
        chain.verify(alone, old, saved=True)
    assert p.parse_policy(p.format_policy(followed)) == followed
    assert p.parse_policy(p.format_policy(alone)) == alone


def test_the_head_of_the_change_is_governed_by_the_new_policy(chain: Chain) -> None:
    by = {VALIDATOR: VALIDATOR_SEED}
    chain.world.do(REGULATOR, chain.world.policy(validators(NEXT), by=by))
    note = chain.note(FIRST, NEXT)
    chain.steps = [step_at(chain.world.store.view(note), note)]
    chain.verify(POLICY, chain.proof(note=note))
    with pytest.raises(VerifyFailed, match="no signature by a key of the log"):
        chain.verify(POLICY, chain.proof(note=chain.note(FIRST)))


def test_former_validators_who_sold_their_keys_make_no_head_that_anybody_believes(chain: Chain) -> None:
    """Whoever knows of their successors refuses them at once; whoever does not, as soon as their policy has ended."""
    ends = chain.world.now + 30 * DAY_MS
    chain.change(NEXT, expires=ends)
    reader = chain.followed()
    chain.change(FIRST)
    sold = chain.note(NEXT)
    chain.verify(reader, chain.proof(steps=[], note=sold))  # nothing told this reader, and the policy has not ended
    with pytest.raises(VerifyFailed, match="no signature by a key of the log"):
        chain.verify(chain.followed(reader), chain.proof(note=sold))
    chain.world.now = ends + 1000
    sold = chain.note(NEXT)
    with pytest.raises(VerifyFailed, match="policy 1 ended"):
        chain.verify(reader, chain.proof(steps=[], note=sold))
    with pytest.raises(VerifyFailed, match="policy 1 ended"):  # nor do they lead anybody on
        chain.verify(reader, chain.proof(note=chain.note()))


def test_one_sold_key_is_no_quorum(chain: Chain) -> None:
    chain.change(NEXT)
    reader = chain.followed()
    stale = chain.note(NEXT, at_ms=chain.world.now - DAY_MS)
    name, (_, key) = next(iter(NEXT.items()))
    fresh = c.cosign(stale, name, key, chain.world.now // 1000)
    with pytest.raises(VerifyFailed, match="quorum"):
        chain.verify(reader, chain.proof(note=fresh))


def test_a_saved_file_under_a_policy_that_had_ended_by_then(chain: Chain) -> None:
    ends = chain.world.now + 30 * DAY_MS
    chain.change(NEXT, expires=ends)
    reader = chain.followed()
    assert chain.verify(reader, chain.proof(), saved=True)
    chain.world.now = ends + 1000
    with pytest.raises(VerifyFailed, match="policy 1 ended"):
        chain.verify(reader, chain.proof(), saved=True)


def altered(step: Step, bit: int) -> Iterator[Step]:
    """The step with one bit of each part flipped."""
    for name in ("checkpoint", "header", "map"):
        data = bytearray(getattr(step, name))
        data[bit % len(data)] ^= 1 << bit % 8
        yield structs.replace(step, **{name: bytes(data)})
    if step.header_proof:
        first = bytearray(step.header_proof[0])
        first[bit % 32] ^= 1
        yield structs.replace(step, header_proof=[bytes(first), *step.header_proof[1:]])


@pytest.mark.parametrize("bit", range(0, 900, 41))
def test_an_altered_step_leads_nowhere(chain: Chain, bit: int) -> None:
    chain.change(NEXT)
    followed = chain.followed()
    for step in altered(chain.steps[0], bit):
        try:
            assert succession.follow(POLICY, [step], chain.world.now) == followed
        except VerifyFailed:
            with pytest.raises(VerifyFailed):
                chain.verify(POLICY, chain.proof(steps=[step]))


def test_a_policy_that_those_in_office_did_not_cosign_leads_nowhere(chain: Chain) -> None:
    """A lying chain of its own: rules that took the record, but nobody of the old quorum signed that head."""
    chain.change(NEXT)
    note = c.sign_checkpoint(c.parse(n.parse(chain.steps[0].checkpoint).text), ORIGIN, LOG_SEED)
    for name, (_, key) in NEXT.items():
        note = c.cosign(note, name, key, chain.world.now // 1000)
    with pytest.raises(VerifyFailed, match="quorum"):
        chain.verify(POLICY, chain.proof(steps=[structs.replace(chain.steps[0], checkpoint=note)]))


def test_witnesses_that_a_reader_added_stay(chain: Chain) -> None:
    outside = n.VerifierKey("uni.example/w", n.COSIGNATURE, MAKER.key)
    text = p.format_policy(POLICY).replace("quorum validators", "")
    text += f"witness uni {outside}\ngroup both all validators uni\nquorum both\n"
    reader = p.parse_policy(text)
    chain.change(NEXT)
    with pytest.raises(VerifyFailed, match="quorum 'both'"):
        chain.verify(reader, chain.proof())
    note = c.cosign(chain.note(), outside.name, MAKER.seed, chain.world.now // 1000)
    chain.verify(reader, chain.proof(note=note))
    named = structs.replace(reader, groups={"q": reader.groups["validators"]}, quorum="q")
    with pytest.raises(VerifyFailed, match="has no group 'validators'"):
        chain.verify(named, chain.proof(note=note))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("# suyuan policy 1", "# suyuan policy 2"),
        lambda text: text.replace(" beyond ", " behind "),
        lambda text: text.replace("# suyuan policy 1 beyond", "# suyuan policy 1 expires"),
        lambda text: text.replace(f"log {ORIGIN}", "log other.example/log", 1),
    ],
)
def test_texts_of_several_policies_that_make_no_sense(chain: Chain, change: object) -> None:
    chain.change(NEXT)
    text = p.format_policy(chain.followed())
    p.parse_policy(text)
    with pytest.raises(Malformed):
        p.parse_policy(change(text))  # type: ignore[operator]


def test_a_node_keeps_its_steps_and_believes_none_that_does_not_follow(chain: Chain, tmp_path: Path) -> None:
    chain.change(NEXT)
    chain.change(FIRST)
    kept = Succession(tmp_path, genesis())
    with pytest.raises(VerifyFailed):
        kept.add(chain.steps[1])
    assert [kept.add(step) for step in (*chain.steps, chain.steps[0])] == [True, True, False]
    again = Succession(tmp_path, genesis())
    assert again.trusted == kept.trusted == chain.followed()
    assert again.since(1) == chain.steps[1:]
    assert p.parse_policy((tmp_path / "policy.txt").read_text()) == again.trusted


def test_the_state_names_the_validators_in_office(chain: Chain) -> None:
    assert s.policy_in(chain.world.store).number == 0
    chain.change(NEXT)
    entry = s.policy_in(chain.world.store)
    assert (entry.number, entry.validators) == (1, validators(NEXT))
    assert p.newest(chain.followed()) == p.of_entry(ORIGIN, entry)
    assert len(f.PROOF.decode(chain.proof()).steps) == 1


def test_a_member_follows_to_the_validators_in_office_and_remembers(chain: Chain, tmp_path: Path) -> None:
    chain.change(NEXT)
    asked: list[int] = []

    def learn(known: int) -> list[Step]:
        asked.append(known)
        return chain.steps[known:]

    folder = tmp_path / "identity"
    folder.mkdir()
    trust = Trust(POLICY, folder)
    with pytest.raises(VerifyFailed):
        trust.checkpoint(chain.note(), chain.world.now)
    trust.learn = learn
    head = trust.checkpoint(chain.note(), chain.world.now)
    assert (trust.policy.number, head.size, asked) == (1, chain.world.store.head.log.size, [0])
    again = Trust(POLICY, folder)
    assert again.policy == trust.policy
    assert again.checkpoint(chain.note(), chain.world.now) == head
    newer = succession.follow(POLICY, chain.steps, chain.world.now)
    assert Trust(p.newest(newer), folder).policy == trust.policy
    stranger = structs.replace(POLICY, expires_ms=5)
    assert Trust(stranger, folder).policy == stranger
    with pytest.raises(VerifyFailed):
        trust.checkpoint(chain.note(FIRST), chain.world.now)
    assert asked == [0, 1]


def test_a_member_hears_of_a_prolonged_policy_before_the_old_one_ends(chain: Chain, tmp_path: Path) -> None:
    """All heads hold under the old one too, since its validators stay; only whoever asks learns that it goes on."""
    ends = chain.world.now + 30 * DAY_MS
    chain.change(NEXT, expires=ends)
    trust = Trust(chain.followed(), tmp_path)
    trust.learn = lambda known: chain.steps[known:]
    chain.change(NEXT, expires=ends + 700 * DAY_MS)
    trust.checkpoint(chain.note(), chain.world.now)
    assert (trust.policy.number, Trust(chain.followed(), tmp_path).policy.number) == (2, 2)
    chain.world.now = ends + 1000
    trust.checkpoint(chain.note(), chain.world.now)


def test_a_node_that_answers_nonsense_keeps_nobody_from_what_holds(chain: Chain) -> None:
    chain.change(NEXT, expires=chain.world.now + 30 * DAY_MS)
    trust = Trust(chain.followed(), None)
    trust.learn = lambda known: [structs.replace(chain.steps[0], map=b"nonsense")]
    assert trust.checkpoint(chain.note(), chain.world.now).size == chain.world.store.head.log.size


def test_a_note_that_held_once_is_not_believed_for_ever(chain: Chain) -> None:
    trust, note = Trust(POLICY, None), chain.note()
    trust.checkpoint(note, chain.world.now)
    trust.checkpoint(note, chain.world.now + WITNESS_WINDOW_MS - 1000)
    with pytest.raises(VerifyFailed, match="quorum"):
        trust.checkpoint(note, chain.world.now + WITNESS_WINDOW_MS + 1000)


def test_what_held_under_a_former_policy_is_judged_anew(chain: Chain) -> None:
    trust, old = Trust(POLICY, None), chain.note()
    trust.checkpoint(old, chain.world.now)
    chain.change(NEXT)
    trust.follow(chain.steps, chain.world.now)
    with pytest.raises(VerifyFailed, match="a head of the past"):
        trust.checkpoint(old, chain.world.now)


def test_a_proof_holds_the_newest_steps_however_many_there_were(chain: Chain, tmp_path: Path) -> None:
    kept = Succession(tmp_path, genesis())
    for _ in range(POLICY_STEPS_ENTRIES_MAX + 2):
        chain.change(FIRST)
        kept.add(chain.steps[-1])
    steps = kept.newest(POLICY_STEPS_ENTRIES_MAX)
    behind = succession.follow(POLICY, chain.steps[:2], chain.world.now)
    assert chain.verify(behind, chain.proof(steps=steps))
    assert p.parse_policy(p.format_policy(chain.followed())) == chain.followed()


def test_the_text_of_many_policies_of_many_validators_is_read(chain: Chain) -> None:
    names = [f"{ORIGIN}/validator-of-the-province-{number}" for number in range(16)]
    many = {name: (sha256(name.encode()).digest(), sha256(b"k" + name.encode()).digest()) for name in names}
    for _ in range(POLICY_STEPS_ENTRIES_MAX):
        chain.change(many)
    followed = chain.followed()
    assert p.parse_policy(p.format_policy(followed)) == followed


@pytest.mark.parametrize("name", ["none", "validators"])
def test_a_validator_has_no_name_that_means_something_else_in_a_policy(name: str) -> None:
    with pytest.raises(Malformed, match="another meaning"):
        check_validators([validator(name, LOG_SEED, VALIDATOR_SEED)])


@pytest.mark.parametrize("wish", ["group mine all validators NAME\nquorum mine", "quorum NAME"])
def test_who_asks_for_a_validator_that_leaves_is_told(chain: Chain, wish: str) -> None:
    """Not left with a policy that asks for somebody whom it does not know, and whose text cannot be read again."""
    chain.change(NEXT)
    name = next(iter(NEXT))
    text = p.format_policy(p.newest(chain.followed())).replace("quorum validators", wish.replace("NAME", name))
    reader = p.parse_policy(text)
    chain.change(dict(list(NEXT.items())[1:]))
    with pytest.raises(VerifyFailed, match=f"it asks for {name}, who leaves"):
        chain.verify(reader, chain.proof())


@pytest.mark.parametrize("place", ["policy", "beyond", "expires"])
def test_a_number_that_a_browser_does_not_hold_exactly_is_refused(place: str) -> None:
    numbers = {"policy": "1", "beyond": "2", "expires": "3"} | {place: str(2**53)}
    mark = "# suyuan " + " ".join(f"{name} {number}" for name, number in numbers.items())
    text = p.format_policy(POLICY).split("\n", 1)[1]
    with pytest.raises(Malformed, match="beyond"):
        p.parse_policy(f"{mark}\n{text}")


class Asked(Loopback):
    """A node that a regulator asks who is in office; `entry` is its unproven word."""

    def __init__(self, chain: Chain, folder: Path) -> None:
        super().__init__(chain.world, identity_of(folder, REGULATOR))
        self.steps, self.entry, self.genesis = chain.steps, s.policy_in(chain.world.store), genesis()

    def _GetPolicy(self, request: pb.GetPolicyRequest) -> pb.GetPolicyResponse:  # noqa: N802
        steps = [succession.STEP.encode(step) for step in self.steps[request.known :]]
        return pb.GetPolicyResponse(entry=e.POLICY.encode(self.entry), steps=steps)

    def _GetNodeInfo(self, request: pb.GetNodeInfoRequest) -> pb.NodeInfo:  # noqa: N802
        return pb.NodeInfo(chain_id=self.world.chain, genesis=g.to_json(self.genesis))


def test_what_a_regulator_proposes_changes_to_is_proven_keys_to_vote_included(chain: Chain, tmp_path: Path) -> None:
    """A policy's text lacks those; so a node's word for them would be all that a proposal stands on."""
    for number, seeds in enumerate((FIRST, NEXT)):
        if number:
            chain.change(seeds)
        node = Asked(chain, tmp_path / str(number))
        honest = node.entry
        stolen = [structs.replace(one, consensus=bytes([9]) * 32) for one in honest.validators]
        node.entry = structs.replace(honest, validators=stolen)
        found = office.proven(node)
        assert (found.number, found.validators, found.chain) == (number, honest.validators, honest.chain)
    first = structs.replace(genesis().validators[0], consensus=bytes([9]) * 32)
    node.genesis = structs.replace(genesis(), validators=[first])
    with pytest.raises(VerifyFailed, match="another chain"):
        office.proven(node)
    node.genesis, node.steps = genesis(), []
    with pytest.raises(VerifyFailed, match="other than the policy 1 that is believed"):
        office.proven(node)


def test_of_two_policies_in_one_block_the_second_waits(chain: Chain) -> None:
    world = chain.world
    first, second = world.policy(), world.policy(number=2)
    wires = [world.envelope(REGULATOR, [world.seal(act)]) for act in (first, second)]
    plan = world.book(*wires)
    assert [one.leaf is None for one in plan.verdicts] == [False, True]
    assert plan.verdicts[1].problems[0].rule == "policy.number"


def test_a_node_alone_that_ended_before_it_kept_the_step_keeps_it_at_its_next_start(
    chain: Chain, tmp_path: Path
) -> None:
    chain.world.do(REGULATOR, chain.world.policy())
    kept = Succession(tmp_path, genesis())
    signer = CheckpointSigner(ORIGIN, LOG_SEED, VALIDATOR, VALIDATOR_SEED)
    Embedded(chain.world.store, signer, kept, lambda: chain.world.now, 2, 10**6)
    assert kept.trusted.number == 1
    assert Succession(tmp_path, genesis()).trusted == kept.trusted


def test_a_policy_that_is_renewed_after_its_end_leads_no_reader_on_and_stops_no_node(
    chain: Chain, tmp_path: Path
) -> None:
    chain.change(NEXT, expires=chain.world.now + 2 * DAY_MS)
    reader = chain.followed()
    chain.world.now += 3 * DAY_MS
    chain.change(NEXT)
    node = Succession(tmp_path, genesis())
    assert [node.add(step) for step in chain.steps] == [True, True]
    assert Succession(tmp_path, genesis()).trusted.number == 2
    chain.verify(node.trusted, chain.proof())
    with pytest.raises(VerifyFailed, match="policy 1 ended"):
        chain.verify(reader, chain.proof())
    with pytest.raises(VerifyFailed, match="policy 1 ended"):
        chain.verify(POLICY, chain.proof(), saved=True)
    broken = structs.replace(chain.steps[1], header_proof=[bytes(32), *chain.steps[1].header_proof[1:]])
    with pytest.raises(VerifyFailed, match="leads to root"):  # both verifiers name the same of two flaws
        chain.verify(reader, chain.proof(steps=[broken]))
