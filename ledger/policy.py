"""Policies (C2SP tlog-policy): whose signatures a reader needs before it believes a checkpoint.

log VKEY
witness NAME VKEY
group NAME any|all|K NAME...
quorum NAME|none

Validators change, so a reader may know several policies, the newest last, each under a line that is a comment to
others:

# suyuan policy NUMBER [beyond LEAF] [expires TIME]

NUMBER counts from the genesis's, which is 0; a policy governs heads whose tree holds the leaf LEAF, up to where the
next one does; nobody believes it after TIME (ms since the Unix epoch). `ledger.succession` leads on.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct, structs

from ledger import checkpoint as c
from ledger import genesis as g
from ledger import note as n
from ledger.entries import PolicyEntry
from ledger.errors import Malformed, VerifyFailed
from ledger.fields import Validator
from ledger.governance import VALIDATORS_GROUP, quorum_size
from ledger.limits import (
    INTEGER_MAX,
    POLICY_CHARS_MAX,
    POLICY_GROUP_ENTRIES_MAX,
    POLICY_GROUP_LEVELS_MAX,
    POLICY_NEEDED_CHARS_MAX,
)
from ledger.moment import shown

OTHER_POLICY: Final = "name the policy of this very log, from somebody whom you trust"
OTHER_NODE: Final = "the node shows what it was before its validators changed; ask another one"
_MARK: Final = "# suyuan policy"
_NUMBER: Final = "(0|[1-9][0-9]{0,15})"
_MARKED: Final = re.compile(rf"{_MARK} {_NUMBER}(?: beyond {_NUMBER})?(?: expires {_NUMBER})?")


class Group(Struct, frozen=True):
    """At least `needed` of `members`, each the name of a witness or of a group defined before."""

    needed: int
    members: tuple[str, ...]


class Policy(Struct, frozen=True):
    """`logs` are keys of one log, any of which signs: each validator has its own. `quorum` names a witness or group,
    or is None where the log's own signature is enough. It governs heads of more than `beyond` leaves (None: of any
    size), and ends at `expires_ms`; `before` is the policy before it, if the reader knows that."""

    logs: tuple[n.VerifierKey, ...]
    witnesses: dict[str, n.VerifierKey]
    groups: dict[str, Group]
    quorum: str | None
    number: int = 0
    beyond: int | None = None
    expires_ms: int | None = None
    before: "Policy | None" = None

    @property
    def origin(self) -> str:
        return self.logs[0].name

    def governing(self, size: int) -> "Policy":
        """The policy of a head with `size` leaves; VerifyFailed where that is one from before those known."""
        policy = self
        while policy.beyond is not None and size <= policy.beyond:
            if policy.before is None:
                found = f"it governs heads of more than {policy.beyond} leaves, this one has {size}"
                raise VerifyFailed("policy", f"{found}; the policy before it is needed")
            policy = policy.before
        return policy


class Agreed(Struct, frozen=True):
    """A checkpoint that satisfies a policy. `times_ms` are those of the cosignatures that counted, and
    `oldest_ms` is the time that the reader may take it to be as of."""

    checkpoint: c.Checkpoint
    times_ms: dict[str, int]
    oldest_ms: int


def of_validators(
    origin: str, validators: Sequence[Validator]
) -> tuple[tuple[n.VerifierKey, ...], dict[str, n.VerifierKey], Group]:
    """(logs, witnesses, group) of a set of validators: more than two thirds of them cosign."""
    logs = tuple(n.VerifierKey(origin, n.ED25519, one.log) for one in validators)
    witnesses = {one.name: n.VerifierKey(one.name, n.COSIGNATURE, one.key) for one in validators}
    return logs, witnesses, Group(quorum_size(len(validators)), tuple(one.name for one in validators))


def of_entry(origin: str, entry: PolicyEntry) -> Policy:
    """The policy that the state map holds, without those before it."""
    logs, witnesses, group = of_validators(origin, entry.validators)
    groups = {VALIDATORS_GROUP: group}
    return Policy(logs, witnesses, groups, VALIDATORS_GROUP, entry.number, entry.beyond, entry.expires)


def of_genesis(genesis: g.Genesis) -> Policy:
    """The first policy of a chain."""
    logs, witnesses, group = of_validators(genesis.name, genesis.validators)
    return Policy(logs, witnesses, {VALIDATORS_GROUP: group}, VALIDATORS_GROUP, expires_ms=genesis.expires)


def format_policy(policy: Policy) -> str:
    """The policy as text, and before it those that it came from."""
    lines = [f"{_MARK} {policy.number}"]
    lines += [f" beyond {policy.beyond}"] if policy.beyond is not None else []
    lines += [f" expires {policy.expires_ms}"] if policy.expires_ms is not None else []
    before = "" if policy.before is None else format_policy(policy.before) + "\n"
    return f"{before}{''.join(lines)}\n{_lines_of(policy)}"


def newest(policy: Policy) -> Policy:
    """The same without those before it: what other people's tools read."""
    return structs.replace(policy, before=None)


def _lines_of(policy: Policy) -> str:
    lines = [f"log {log}" for log in policy.logs]
    lines += [f"witness {name} {key}" for name, key in policy.witnesses.items()]
    lines += [f"group {name} {group.needed} {' '.join(group.members)}" for name, group in policy.groups.items()]
    lines.append(f"quorum {policy.quorum or 'none'}")
    return "\n".join(lines) + "\n"


def parse_policy(text: str) -> Policy:
    """A policy of one log, with those before it that the text holds; Malformed, naming the line, where it is none."""
    if len(text) > POLICY_CHARS_MAX:
        raise Malformed("policy", f"{len(text)} characters, at most {POLICY_CHARS_MAX} are read")
    found: Policy | None = None
    for start, mark, lines in _sections(text):
        number, beyond, expires = (0, None, None) if mark is None else map(_number, mark.groups())
        if max(number or 0, beyond or 0, expires or 0) > INTEGER_MAX:
            raise Malformed(f"policy, line {start + 1}", f"a number beyond {INTEGER_MAX}")
        policy = structs.replace(_parse(lines, start), number=number, beyond=beyond, expires_ms=expires)
        found = _behind(found, policy)
    if found is None:
        raise Malformed("policy", "it is empty")
    return found


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _sections(text: str) -> Iterator[tuple[int, re.Match[str] | None, list[str]]]:
    """(number of the first line, its mark, lines) of each policy in a text; one without a mark stands alone."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(_MARK)]
    if not starts or any(_says(line) for line in lines[: starts[0]]):
        starts = [0, *starts]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        mark = _MARKED.fullmatch(lines[start])
        if mark is None and lines[start].startswith(_MARK):
            raise Malformed(f"policy, line {start + 1}", f"{lines[start][:80]!r} is not understood")
        yield start, mark, lines[start:end]


def _says(line: str) -> bool:
    """Whether a line is no comment."""
    words = line.split()
    return bool(words) and not words[0].startswith("#")


def _behind(before: Policy | None, policy: Policy) -> Policy:
    if before is None:
        return policy
    follows = policy.number == before.number + 1 and policy.beyond is not None and policy.origin == before.origin
    if not follows or (before.beyond is not None and before.beyond >= (policy.beyond or 0)):
        raise Malformed("policy", f"policy {policy.number} does not follow on policy {before.number}")
    return structs.replace(policy, before=before)


def _parse(lines: Sequence[str], start: int) -> Policy:
    logs: list[n.VerifierKey] = []
    witnesses: dict[str, n.VerifierKey] = {}
    groups: dict[str, Group] = {}
    quorums: list[str] = []
    for number, line in enumerate(lines, start + 1):
        if not _says(line):
            continue
        words = line.split()
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
    if len({log.name for log in logs}) != 1 or len(quorums) != 1:
        raise Malformed("policy", "keys of one log, and one quorum are expected")
    if len({log.key for log in logs}) != len(logs):
        raise Malformed("policy", "a log's key stands twice")
    if any(log.kind != n.ED25519 for log in logs) or any(key.kind != n.COSIGNATURE for key in witnesses.values()):
        raise Malformed("policy", "the log needs a key of type 01, each witness one of type 04")
    if len({key.key for key in witnesses.values()}) != len(witnesses):
        raise Malformed("policy", "two witnesses share a key, so one signer would count twice")
    _check_groups(groups)
    return Policy(tuple(logs), witnesses, groups, None if quorums[0] == "none" else quorums[0])


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
    if checkpoint.origin != policy.origin:
        found = f"it is of log {checkpoint.origin!r}, the policy's is {policy.origin!r}"
        raise VerifyFailed("checkpoint", f"{found}; {OTHER_POLICY}")
    governing = policy.governing(checkpoint.size)
    if now_ms is not None and governing is not policy:
        found = f"{checkpoint.size} leaves, and policy {policy.number} was written behind leaf {policy.beyond}"
        raise VerifyFailed("checkpoint", f"a head of the past: {found}; {OTHER_NODE}")
    policy = governing
    _check_log(policy, signed)
    times = _cosignatures(policy, signed)
    if policy.quorum is None:
        if now_ms is None:
            raise VerifyFailed("quorum", "a saved file needs a policy with a quorum, or nobody knows how old it is")
        return Agreed(checkpoint, {}, now_ms)
    counted = _in_window(policy, times, now_ms, window_ms)
    require_in_force(policy, min(counted.values()) if now_ms is None else now_ms)
    return Agreed(checkpoint, counted, min(counted.values()))


def require_in_force(policy: Policy, time_ms: int) -> None:
    """VerifyFailed where a policy has ended: keys that are in office no longer may be anybody's."""
    if policy.expires_ms is not None and time_ms > policy.expires_ms:
        found = f"policy {policy.number} ended on {shown(policy.expires_ms)}, and it is {shown(time_ms)}"
        raise VerifyFailed("policy", f"{found}; get the newest from somebody whom you trust, not from a node")


def _check_log(policy: Policy, signed: n.Note) -> None:
    """One of the log's keys signed."""
    for log in policy.logs:
        lines = n.find(signed, log)
        if lines:
            n.verify(signed, log, lines[0])
            return
    ids = ", ".join(one.id.hex() for one in policy.logs)
    raise VerifyFailed("checkpoint", f"no signature by a key of the log: {ids}; {OTHER_POLICY}")


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
