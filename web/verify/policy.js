// Policies (C2SP tlog-policy): whose signatures a reader needs before it believes a checkpoint.

import { hex } from "./bytes.js";
import { VerifyFailed, checking, expect } from "./errors.js";
import { COSIGNATURE, ED25519, checkCosignature, checkSignature, linesOf, parseCheckpoint, parseNote, parseVerifierKey } from "./note.js";
import { LIMITS } from "./schema.js";

const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** {log, witnesses: name -> key, groups: name -> {needed, members}, quorum: name or null}. */
export function parsePolicy(text) {
  const length = [...text].length;
  expect(length <= LIMITS.POLICY_CHARS_MAX, "policy", `${length} characters, at most ${LIMITS.POLICY_CHARS_MAX} are read`);
  const found = { logs: [], witnesses: new Map(), groups: new Map(), quorums: [] };
  text.split("\n").forEach((line, number) => {
    const words = line.split(SPACES).filter((word) => word !== "");
    if (words.length > 0 && !words[0].startsWith("#")) readLine(found, words, `policy, line ${number + 1}`);
  });
  const { logs, witnesses, groups, quorums } = found;
  expect(logs.length === 1 && quorums.length === 1, "policy", "exactly one log and one quorum are expected");
  const keys = [...witnesses.values()];
  const kinds = logs[0].kind === ED25519 && keys.every((key) => key.kind === COSIGNATURE);
  expect(kinds, "policy", "the log needs a key of type 01, each witness one of type 04");
  const distinct = new Set(keys.map((key) => hex(key.key))).size === keys.length;
  expect(distinct, "policy", "two witnesses share a key, so one signer would count twice");
  checkGroups(groups);
  return { log: logs[0], witnesses, groups, quorum: quorums[0] === "none" ? null : quorums[0] };
}

function readLine({ logs, witnesses, groups, quorums }, words, where) {
  const [what, name, third, ...rest] = words;
  const isNew = () => expect(name !== "none" && !witnesses.has(name) && !groups.has(name), where, `name ${name} is taken`);
  if (what === "log" && (words.length === 2 || words.length === 3)) {
    logs.push(parseVerifierKey(name));
  } else if (what === "witness" && (words.length === 3 || words.length === 4)) {
    isNew();
    witnesses.set(name, parseVerifierKey(third));
  } else if (what === "group" && rest.length > 0) {
    isNew();
    groups.set(name, group(where, third, rest, witnesses, groups));
  } else if (what === "quorum" && words.length === 2) {
    expect(name === "none" || witnesses.has(name) || groups.has(name), where, `quorum ${name} is not defined`);
    quorums.push(name);
  } else {
    throw new VerifyFailed(where, `${JSON.stringify(words.join(" ").slice(0, 80))} is not understood`);
  }
}

function group(where, needed, members, witnesses, groups) {
  const unknown = members.filter((member) => !witnesses.has(member) && !groups.has(member));
  const distinct = new Set(members).size === members.length;
  expect(unknown.length === 0 && distinct, where, `members ${members.join(", ")} are unknown or named twice`);
  const words = { any: "1", all: String(members.length) };
  const count = Object.hasOwn(words, needed) ? words[needed] : needed;
  const isNumber = /^[0-9]+$/.test(count) && count.length <= LIMITS.POLICY_NEEDED_CHARS_MAX;
  const reachable = isNumber && Number(count) >= 1 && Number(count) <= members.length;
  expect(reachable, where, `${needed} of ${members.length} members cannot be reached`);
  return { needed: Number(count), members };
}

/** Groups are not too many nor too deep; each stands after those that it names. */
function checkGroups(groups) {
  const [count, levels] = [LIMITS.POLICY_GROUP_ENTRIES_MAX, LIMITS.POLICY_GROUP_LEVELS_MAX];
  expect(groups.size <= count, "policy", `${groups.size} groups, at most ${count} are read`);
  const found = new Map();
  for (const [name, { members }] of groups) found.set(name, 1 + Math.max(...members.map((member) => found.get(member) ?? 0)));
  const deepest = Math.max(0, ...found.values());
  expect(deepest <= levels, "policy", `groups ${deepest} deep, at most ${levels} are read`);
}

/** The checkpoint in `data`, if the policy's log signed it and the quorum cosigned it in time: {note, checkpoint,
 * counted: name -> time, oldest}.
 *
 * With `now`, only cosignatures inside the window around it count. With null (a saved file), a quorum must lie within
 * one window, and the result is as of its oldest. Signatures are handed to `signatures`, which settles them later. */
export function checkPolicy(policy, data, now, signatures) {
  const note = checking("checkpoint", () => parseNote(data));
  const checkpoint = parseCheckpoint(note.text);
  const { log } = policy;
  expect(checkpoint.origin === log.name, "checkpoint", `it is of log ${checkpoint.origin}, the policy's is ${log.name}`);
  const lines = linesOf(note, log);
  expect(lines.length > 0, "checkpoint", `no signature by the log's key ${hex(log.id)}`);
  checkSignature(signatures, note, log, lines[0]);
  const times = cosignatures(policy, note, signatures);
  if (policy.quorum === null) {
    expect(now !== null, "quorum", "a saved file needs a policy with a quorum, or nobody knows how old it is");
    return { note, checkpoint, counted: new Map(), oldest: now };
  }
  const counted = inWindow(policy, times, now);
  return { note, checkpoint, counted, oldest: Math.min(...counted.values()) };
}

/** The times of the cosignatures of each witness. */
function cosignatures(policy, note, signatures) {
  const times = new Map();
  for (const [name, key] of policy.witnesses) {
    const found = linesOf(note, key).map((line) => checkCosignature(signatures, note, key, line));
    if (found.length > 0) times.set(name, found);
  }
  return times;
}

/** The newest time of each witness inside the window that satisfies the quorum; the latest such window. */
function inWindow(policy, times, now) {
  const window = LIMITS.WITNESS_WINDOW_MS;
  const ends = [...new Set([...times.values()].flat())].sort((left, right) => right - left);
  const windows = now === null ? ends.map((end) => [end - window, end]) : [[now - window, now + window]];
  for (const [start, end] of windows) {
    const counted = new Map();
    for (const [name, found] of times) {
      const inside = found.filter((time) => start <= time && time <= end);
      if (inside.length > 0) counted.set(name, Math.max(...inside));
    }
    if (satisfied(policy, counted).has(policy.quorum)) return counted;
  }
  const seen = [...times].map(([name, found]) => `${name} at ${Math.max(...found)}`).join(", ") || "none";
  const when = now === null ? "within one window of each other" : `within ${window} ms of ${now}`;
  throw new VerifyFailed("quorum", `quorum ${policy.quorum} is not reached by cosignatures ${when}; found: ${seen}`);
}

/** The witnesses and groups that are satisfied; each group once, since they may share members. */
function satisfied(policy, counted) {
  const names = new Set(counted.keys());
  for (const [name, { needed, members }] of policy.groups) {
    if (members.filter((member) => names.has(member)).length >= needed) names.add(name);
  }
  return names;
}
