"""Planning a block: a pure function of the head, the state, the ordered envelopes and the block's time.

`plan_block` computes everything that a block changes and stores nothing; the caller stores the plan in one
step and then moves its head. Live nodes, rebuilds and audits all run this function.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger import block as b
from ledger import entries as e
from ledger import genesis as g
from ledger import limits, merkle, statemap
from ledger import records as r
from ledger import state as s
from ledger.custody import Step, Violation, apply
from ledger.custody.limited import within_limits
from ledger.custody.lines import book_line
from ledger.custody.members import found_member
from ledger.envelope import Opened
from ledger.errors import Problem
from ledger.tiles import LogTree, Tile


class Head(Struct, frozen=True):
    """Where a chain stands: the last block's header (None at genesis), the log and the state map."""

    chain: bytes
    height: int
    time: int
    header: b.BlockHeader | None
    header_hash: bytes
    log: LogTree
    state: statemap.Node


class Verdict(Struct, frozen=True):
    """What became of one envelope: `leaf` where it was accepted (now, or `earlier` for the same id before),
    else the problems that refuse it."""

    leaf: int | None
    earlier: bool
    problems: tuple[Problem, ...]


class Plan(Struct, frozen=True):
    """One block, ready to be stored. `block` is None where no envelope was accepted: then nothing changes."""

    verdicts: list[Verdict]
    block: bytes | None
    spans: list[tuple[int, int]]
    entries: list[bytes]
    writes: list[tuple[bytes, bytes | None]]
    tiles: list[Tile]
    head: Head
    draft: s.Draft


class Checked(Struct, frozen=True):
    """An envelope whose signature holds under `key`; whether the member may use that key, the plan decides."""

    opened: Opened
    key: bytes


ACTS: Final = {kind: r.act_of_type(kind) for kind in r.RECORD_TYPES}


def genesis_writes(genesis: g.Genesis) -> list[tuple[bytes, bytes | None]]:
    """The state before the first block: the founders with their keys and main sites, and the validators."""
    draft = s.Draft(_Nothing())
    nobody = e.Element(r.Act.ADMIT, genesis.time, 0, 0, bytes(32))
    for founder in genesis.founders:
        entry = e.MemberEntry(
            admitted=genesis.time,
            kind=founder.kind,
            member=founder.member,
            name=founder.name,
            region=founder.region,
        )
        found_member(Step(draft, entry, genesis.time, nobody, bytes(32)), entry, founder.key)
    first = e.PolicyEntry(
        chain=g.chain_id(genesis),
        expires=genesis.expires,
        number=0,
        rules=genesis.rules,
        validators=genesis.validators,
    )
    draft.put(s.POLICY_KEY, first)
    draft.keep()
    return draft.writes()


class _Nothing:
    def get(self, key: bytes) -> bytes | None:
        return None


def genesis_head(genesis: g.Genesis, writes: Sequence[tuple[bytes, bytes | None]]) -> Head:
    chain = g.chain_id(genesis)
    state = statemap.update(statemap.EMPTY, map_changes(writes))
    return Head(chain, 0, genesis.time, None, chain, LogTree.empty(), state)


def map_changes(writes: Sequence[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes]]:
    """(path, leaf) of the writes that are entries of the state map; in order, as the writes are."""
    return [(path, statemap.leaf_of(path, value)) for path, value in s.map_entries(writes)]


def plan_block(
    head: Head, reader: s.Reader, envelopes: Sequence[Checked], time: int, cache: s.Cache | None = None
) -> Plan:
    """Apply the envelopes in order at block time `time` (ms; never before the head's). UnknownRules where the chain
    has gone on to rules that this program does not know."""
    if time < head.time:
        raise ValueError(f"block time {time} lies before the last block's {head.time}")
    draft = s.Draft(reader, cache)
    rules = draft.policy().rules
    b.require_known(rules)
    height, first = head.height + 1, head.log.size
    verdicts: list[Verdict] = []
    taken: list[Opened] = []
    for checked in envelopes:
        leaf = first + len(taken)
        verdict = _decide(draft, checked, time, leaf)
        if verdict.leaf == leaf:
            opened = checked.opened
            member = opened.header.member
            draft.put(b"e" + opened.id, s.Accepted(height, len(taken), leaf))
            draft.put(s.own_key(member, leaf), s.Accepted(height, len(taken), leaf))
            draft.keep()
            taken.append(opened)
        else:
            draft.drop()
        verdicts.append(verdict)
    if not taken:
        return Plan(verdicts, None, [], [], [], [], head, draft)
    return _seal(head, draft, verdicts, taken, time, rules)


def _seal(head: Head, draft: s.Draft, verdicts: list[Verdict], taken: list[Opened], time: int, rules: int) -> Plan:
    """Compute what the accepted envelopes change: writes, state root, header, log."""
    writes = draft.writes()
    state = statemap.update(head.state, map_changes(writes))
    header = b.BlockHeader(
        chain=head.chain,
        count=len(taken),
        first=head.log.size,
        height=head.height + 1,
        previous=head.header_hash,
        rules=rules,
        state=state[0],
        time=time,
        writes=s.writes_hash(writes),
    )
    header_bytes = b.HEADER.encode(header)
    entries = [opened.leaf for opened in taken]
    entries.append(b.header_leaf(header_bytes))
    log, tiles = head.log.extend([merkle.leaf_hash(entry) for entry in entries])
    wires = [opened.wire for opened in taken]
    block = b.BLOCK.encode(b.Block(header_bytes, wires))
    new_head = Head(head.chain, head.height + 1, time, header, b.header_hash(header_bytes), log, state)
    return Plan(verdicts, block, b.envelope_spans(block, wires), entries, writes, tiles, new_head, draft)


def _decide(draft: s.Draft, checked: Checked, time: int, leaf: int) -> Verdict:
    opened = checked.opened
    earlier = draft.get(b"e" + opened.id, s.ACCEPTED.decode_trusted)
    if earlier is not None:
        return Verdict(earlier.leaf, True, ())
    signer, key, problem = who_signs(draft, checked, time)
    if problem is not None or signer is None or key is None:
        return Verdict(None, False, (problem,) if problem is not None else ())
    problem = timely(opened, time)
    if problem is not None:
        return Verdict(None, False, (problem,))
    problems = _apply_all(draft, opened, signer, key, time, leaf)
    return Verdict(None, False, tuple(problems)) if problems else Verdict(leaf, False, ())


def who_signs(
    draft: s.Draft, checked: Checked, time: int
) -> tuple[e.MemberEntry | None, e.KeyEntry | None, Problem | None]:
    """The member and key entries, or why this key may not sign at this time."""
    header = checked.opened.header
    member = draft.member(header.member)
    if member is None:
        return (
            None,
            None,
            Problem(
                "member.unknown", f"no member {header.member}", "a regulator admits members first", field="member"
            ),
        )
    key = draft.key(header.member, header.key)
    if key is None or key.key != checked.key:
        return (
            None,
            None,
            Problem(
                "key.unknown", f"{header.member} has no key {header.key.hex()}", "check the key file", field="key"
            ),
        )
    if key.revoked is not None and time >= key.revoked:
        return (
            None,
            None,
            Problem("key.revoked", f"key {header.key.hex()} was revoked", "sign with another key", field="key"),
        )
    if key.retired is not None and time > key.retired + limits.RETIRED_KEY_GRACE_MS:
        return (
            None,
            None,
            Problem("key.retired", f"key {header.key.hex()} is retired", "sign with another key", field="key"),
        )
    if key.limits is not None and key.limits.until is not None and time > key.limits.until:
        expired = f"key {header.key.hex()} has run out"
        return None, None, Problem("key.expired", expired, "ask for a new key", field="key")
    return member, key, None


def timely(opened: Opened, time: int) -> Problem | None:
    """Why an envelope may not be booked at a block time (ms), or None. Once it has run out it stays so."""
    header = opened.header
    if time > header.not_after:
        return Problem(
            "envelope.expired",
            f"it ran out at {header.not_after}, the block's time is {time}",
            "sign it anew; if it should not have run out, your clock or the node's is wrong",
            field="not_after",
        )
    if header.time > time + limits.CLAIMED_TIME_AHEAD_MS_MAX:
        return Problem(
            "envelope.future",
            f"its time {header.time} lies ahead of the block's {time}",
            "your clock or the node's is wrong: set it right, and send it again",
            field="time",
        )
    return None


def _apply_all(
    draft: s.Draft, opened: Opened, signer: e.MemberEntry, key: e.KeyEntry, time: int, leaf: int
) -> list[Problem]:
    """Apply every record, going on past a bad one so that all bad ones are named."""
    problems: list[Problem] = []
    latest = time + limits.CLAIMED_TIME_AHEAD_MS_MAX
    envelope = opened.digest
    for index, record in enumerate(opened.records):
        amounts = opened.amounts[index]
        name = opened.hashes[index]
        element = e.Element(ACTS[type(record)], time, leaf, index, e.signed_record(envelope, name))
        step = Step(draft, signer, time, element, name)
        try:
            if record.at > latest:
                raise Violation(
                    "record.future",
                    f"claimed time {record.at} lies ahead of the block's {time}",
                    "state when it happened; if that is right, your clock or the node's is wrong",
                    "at",
                )
            if key.limits is not None:
                within_limits(step, record, amounts, key.limits)
            if key.retired is not None and isinstance(record, r.Admit | r.Key):
                raise Violation(
                    "key.retired", "a retired key would admit or end keys", "sign with another key", "act"
                )
            if amounts is not None:
                book_line(step, record, amounts.ref)
            apply(step, record, amounts)
        except Violation as found:
            problems.append(Problem(found.rule, found.message, found.remedy, index, found.field))
    return problems
