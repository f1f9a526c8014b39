"""Policies (C2SP tlog-policy): whose signatures a reader needs before it believes a checkpoint.

log VKEY
witness NAME VKEY
group NAME any|all|K NAME...
quorum NAME|none
"""

from collections.abc import Collection

from msgspec import Struct

from ledger import checkpoint as c
from ledger import genesis as g
from ledger import note as n
from ledger.errors import Malformed, VerifyFailed
from ledger.limits import (
    POLICY_CHARS_MAX,
    POLICY_GROUP_ENTRIES_MAX,
    POLICY_GROUP_LEVELS_MAX,
    POLICY_NEEDED_CHARS_MAX,
)

VALIDATORS_GROUP = "validators"


class Group(Struct, frozen=True):
    """At least `needed` of `members`, each the name of a witness or of a group defined before."""

    needed: int
    members: tuple[str, ...]


class Policy(Struct, frozen=True):
    """`quorum` names a witness or group, or is None where the log's own signature is enough."""

    log: n.VerifierKey
    witnesses: dict[str, n.VerifierKey]
    groups: dict[str, Group]
    quorum: str | None


class Agreed(Struct, frozen=True):
    """A checkpoint that satisfies a policy. `times_ms` are those of the cosignatures that counted, and
    `oldest_ms` is the time that the reader may take it to be as of."""

    checkpoint: c.Checkpoint
    times_ms: dict[str, int]
    oldest_ms: int


def of_genesis(genesis: g.Genesis) -> Policy:
    """The first policy of a chain: its log key, and more than two thirds of its validators."""
    names = [validator.name for validator in genesis.validators]
    witnesses = {v.name: n.VerifierKey(v.name, n.COSIGNATURE, v.key) for v in genesis.validators}
    groups = {VALIDATORS_GROUP: Group(g.quorum_size(len(names)), tuple(names))}
    return Policy(n.VerifierKey(genesis.name, n.ED25519, genesis.log), witnesses, groups, VALIDATORS_GROUP)


def format_policy(policy: Policy) -> str:
    lines = [f"log {policy.log}"]
    lines += [f"witness {name} {key}" for name, key in policy.witnesses.items()]
    lines += [f"group {name} {group.needed} {' '.join(group.members)}" for name, group in policy.groups.items()]
    lines.append(f"quorum {policy.quorum or 'none'}")
    return "\n".join(lines) + "\n"


def parse_policy(text: str) -> Policy:
    """A policy with one log; Malformed, naming the line, where it is none."""
    if len(text) > POLICY_CHARS_MAX:
        raise Malformed("policy", f"{len(text)} characters, at most {POLICY_CHARS_MAX} are read")
    logs: list[n.VerifierKey] = []
    witnesses: dict[str, n.VerifierKey] = {}
    groups: dict[str, Group] = {}
    quorums: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"policy, line {number}"
        match words:
            case ["log", key, *rest] if len(rest) <= 1:
                logs.append(n.parse_verifier_key(key))
            case ["witness", name, key, *rest] if len(rest) <= 1:
                _new_name(where, name, witnesses, groups)
                witnesses[name] = n.parse_verifier_key(key)
            case ["group", name, needed, *members] if members:
                _new_name(where, name, witnesses, groups)
                groups[name] = _group(where, needed, members, witnesses, groups)
            case ["quorum", name]:
                if name != "none" and name not in witnesses and name not in groups:
                    raise Malformed(where, f"quorum {name!r} is not defined")
                quorums.append(name)
            case _:
                raise Malformed(where, f"{line[:80]!r} is not understood")
    if len(logs) != 1 or len(quorums) != 1:
        raise Malformed("policy", "exactly one log and one quorum are expected")
    if logs[0].kind != n.ED25519 or any(key.kind != n.COSIGNATURE for key in witnesses.values()):
        raise Malformed("policy", "the log needs a key of type 01, each witness one of type 04")
    if len({key.key for key in witnesses.values()}) != len(witnesses):
        raise Malformed("policy", "two witnesses share a key, so one signer would count twice")
    _check_groups(groups)
    return Policy(logs[0], witnesses, groups, None if quorums[0] == "none" else quorums[0])


def _new_name(where: str, name: str, *known: dict[str, n.VerifierKey] | dict[str, Group]) -> None:
    if name == "none" or any(name in names for names in known):
        raise Malformed(where, f"name {name!r} is taken")


def _group(
    where: str,
    needed: str,
    members: list[str],
    witnesses: dict[str, n.VerifierKey],
    groups: dict[str, Group],
) -> Group:
    unknown = [member for member in members if member not in witnesses and member not in groups]
    if unknown or len(set(members)) != len(members):
        raise Malformed(where, f"members {unknown or members} are unknown or named twice")
    count = {"any": "1", "all": str(len(members))}.get(needed, needed)
    is_number = count.isascii() and count.isdigit() and len(count) <= POLICY_NEEDED_CHARS_MAX
    if not is_number or not 1 <= int(count) <= len(members):
        raise Malformed(where, f"{needed!r} of {len(members)} members cannot be reached")
    return Group(int(count), tuple(members))


def _check_groups(groups: dict[str, Group]) -> None:
    """Malformed where groups are too many or too deep; each stands after those that it names."""
    if len(groups) > POLICY_GROUP_ENTRIES_MAX:
        raise Malformed("policy", f"{len(groups)} groups, at most {POLICY_GROUP_ENTRIES_MAX} are read")
    levels: dict[str, int] = {}
    for name, group in groups.items():
        levels[name] = 1 + max(levels.get(member, 0) for member in group.members)
    deepest = max(levels.values(), default=0)
    if deepest > POLICY_GROUP_LEVELS_MAX:
        raise Malformed("policy", f"groups {deepest} deep, at most {POLICY_GROUP_LEVELS_MAX} are read")


def check(policy: Policy, note: bytes, now_ms: int | None, window_ms: int) -> Agreed:
    """The checkpoint in `note`, if the policy's log signed it and the quorum cosigned it in time.

    With `now_ms`, only cosignatures at most `window_ms` away from it count, older or ahead. With None (a saved
    file), a quorum must lie within one window, and the result is as of its oldest. VerifyFailed otherwise.
    """
    try:
        signed = n.parse(note)
        checkpoint = c.parse(signed.text)
    except Malformed as error:
        raise VerifyFailed("checkpoint", str(error)) from None
    if checkpoint.origin != policy.log.name:
        raise VerifyFailed("checkpoint", f"it is of log {checkpoint.origin!r}, the policy's is {policy.log.name!r}")
    lines = n.find(signed, policy.log)
    if not lines:
        raise VerifyFailed("checkpoint", f"no signature by the log's key {policy.log.id.hex()}")
    n.verify(signed, policy.log, lines[0])
    times = _cosignatures(policy, signed)
    if policy.quorum is None:
        if now_ms is None:
            raise VerifyFailed("quorum", "a saved file needs a policy with a quorum, or nobody knows how old it is")
        return Agreed(checkpoint, {}, now_ms)
    counted = _in_window(policy, times, now_ms, window_ms)
    return Agreed(checkpoint, counted, min(counted.values()))


def _cosignatures(policy: Policy, signed: n.Note) -> dict[str, list[int]]:
    """The times (ms) of the valid cosignatures of each witness; a bad one of a known key is a failure."""
    times: dict[str, list[int]] = {}
    for name, key in policy.witnesses.items():
        for line in n.find(signed, key):
            time_s = n.verify(signed, key, line)
            if time_s is not None:
                times.setdefault(name, []).append(time_s * 1000)
    return times


def _in_window(policy: Policy, times: dict[str, list[int]], now_ms: int | None, window_ms: int) -> dict[str, int]:
    """The newest time of each witness inside the window that satisfies the quorum; the latest such window."""
    if now_ms is not None:
        windows = [(now_ms - window_ms, now_ms + window_ms)]
    else:
        ends = sorted({time for found in times.values() for time in found}, reverse=True)
        windows = [(end - window_ms, end) for end in ends]
    for start, end in windows:
        counted = {
            name: max(time for time in found if start <= time <= end)
            for name, found in times.items()
            if any(start <= time <= end for time in found)
        }
        if str(policy.quorum) in _satisfied(policy, counted):
            return counted
    seen = ", ".join(f"{name} at {max(found)}" for name, found in times.items()) or "none"
    when = "within one window of each other" if now_ms is None else f"within {window_ms} ms of {now_ms}"
    raise VerifyFailed("quorum", f"quorum {policy.quorum!r} is not reached by cosignatures {when}; found: {seen}")


def _satisfied(policy: Policy, counted: Collection[str]) -> set[str]:
    """The witnesses and groups that are satisfied; each group once, since they may share members."""
    names = set(counted)
    for name, group in policy.groups.items():
        if sum(member in names for member in group.members) >= group.needed:
            names.add(name)
    return names
