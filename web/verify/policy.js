// Policies (C2SP tlog-policy): whose signatures a reader needs before it believes a checkpoint.

import { hex } from "./bytes.js";
import { VerifyFailed, checking, expect } from "./errors.js";
import { shown } from "./moment.js";
import { COSIGNATURE, ED25519, checkCosignature, checkSignature, linesOf, parseCheckpoint, parseNote, parseVerifierKey } from "./note.js";
import { LIMITS } from "./schema.js";

const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

const MARK = "# suyuan policy";
const MARKED = /^# suyuan policy (0|[1-9][0-9]{0,15})(?: beyond (0|[1-9][0-9]{0,15}))?(?: expires (0|[1-9][0-9]{0,15}))?$/;
export const VALIDATORS_GROUP = "validators";
const OTHER_POLICY = "name the policy of this very log, from somebody whom you trust";
const OTHER_NODE = "the node shows what it was before its validators changed; ask another one";

const wordsOf = (line) => line.split(SPACES).filter((word) => word !== "");
const says = (line) => wordsOf(line).length > 0 && !wordsOf(line)[0].startsWith("#");
const numberOr = (text) => (text === undefined ? null : Number(text));

/** {logs, witnesses: name -> key, groups: name -> {needed, members}, quorum: name or null, number, beyond, expires,
 * before}: the newest policy of a text, and in `before` the one that it followed on (ledger/policy.py). */
export function parsePolicy(text) {
  const length = [...text].length;
  expect(length <= LIMITS.POLICY_CHARS_MAX, "policy", `${length} characters, at most ${LIMITS.POLICY_CHARS_MAX} are read`);
  return sections(text).reduce((before, { start, lines }) => {
    const mark = MARKED.exec(lines[0]);
    expect(mark !== null || !lines[0].startsWith(MARK), `policy, line ${start + 1}`, "this mark is not understood");
    const numbers = mark === null ? [0, null, null] : mark.slice(1).map(numberOr);
    const exact = numbers.every((one) => one === null || Number.isSafeInteger(one));
    expect(exact, `policy, line ${start + 1}`, `a number beyond ${Number.MAX_SAFE_INTEGER}`);
    const [number, beyond, expires] = numbers;
    const policy = parseOne(lines, start);
    return behind(before, { ...policy, number, beyond, expires, before: null });
  }, null);
}

/** {start, lines} of each policy in a text; one without a mark stands alone. */
function sections(text) {
  const lines = text.split("\n");
  const starts = lines.flatMap((line, number) => (line.startsWith(MARK) ? [number] : []));
  if (starts.length === 0 || lines.slice(0, starts[0]).some(says)) starts.unshift(0);
  return starts.map((start, at) => ({ start, lines: lines.slice(start, starts[at + 1] ?? lines.length) }));
}

function behind(before, policy) {
  if (before === null) return policy;
  const follows = policy.number === before.number + 1 && policy.beyond !== null && originOf(policy) === originOf(before);
  const later = before.beyond === null || before.beyond < policy.beyond;
  expect(follows && later, "policy", `policy ${policy.number} does not follow on policy ${before.number}`);
  return { ...policy, before };
}

export const originOf = (policy) => policy.logs[0].name;

/** The policy of a head with so many leaves (a BigInt). */
function governing(policy, size) {
  let found = policy;
  while (found.beyond !== null && size <= BigInt(found.beyond)) {
    const lacks = `it governs heads of more than ${found.beyond} leaves, this one has ${size}; the policy before it is needed`;
    expect(found.before !== null, "policy", lacks);
    found = found.before;
  }
  return found;
}

/** Keys of a policy that has ended may be anybody's. */
export function requireInForce(policy, time) {
  const ended = policy.expires === null ? "" : `policy ${policy.number} ended on ${shown(policy.expires)}, and it is ${shown(time)}`;
  const remedy = "get the newest from somebody whom you trust, not from a node";
  expect(policy.expires === null || time <= policy.expires, "policy", `${ended}; ${remedy}`);
}

function parseOne(lines, start) {
  const found = { logs: [], witnesses: new Map(), groups: new Map(), quorums: [] };
  lines.forEach((line, number) => {
    if (says(line)) readLine(found, wordsOf(line), `policy, line ${start + number + 1}`);
  });
  const { logs, witnesses, groups, quorums } = found;
  const isOneLog = new Set(logs.map((log) => log.name)).size === 1 && quorums.length === 1;
  expect(isOneLog, "policy", "keys of one log, and one quorum are expected");
  expect(new Set(logs.map((log) => hex(log.key))).size === logs.length, "policy", "a log's key stands twice");
  const keys = [...witnesses.values()];
  const kinds = logs.every((log) => log.kind === ED25519) && keys.every((key) => key.kind === COSIGNATURE);
  expect(kinds, "policy", "the log needs a key of type 01, each witness one of type 04");
  const distinct = new Set(keys.map((key) => hex(key.key))).size === keys.length;
  expect(distinct, "policy", "two witnesses share a key, so one signer would count twice");
  checkGroups(groups);
  return { logs, witnesses, groups, quorum: quorums[0] === "none" ? null : quorums[0] };
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
 * counted: name -> time, oldest, and the policy and key of the log that it goes by}.
 *
 * With `now`, only cosignatures inside the window around it count. With null (a saved file), a quorum must lie within
 * one window, and the result is as of its oldest. Signatures are handed to `signatures`, which settles them later. */
export function checkPolicy(newest, data, now, signatures) {
  const note = checking("checkpoint", () => parseNote(data));
  const checkpoint = parseCheckpoint(note.text);
  const origin = originOf(newest);
  expect(checkpoint.origin === origin, "checkpoint", `it is of log ${checkpoint.origin}, the policy's is ${origin}; ${OTHER_POLICY}`);
  const policy = governing(newest, checkpoint.size);
  const past = `${checkpoint.size} leaves, and policy ${newest.number} was written behind leaf ${newest.beyond}`;
  expect(now === null || policy === newest, "checkpoint", `a head of the past: ${past}; ${OTHER_NODE}`);
  const log = checkLog(policy, note, signatures);
  const times = cosignatures(policy, note, signatures);
  if (policy.quorum === null) {
    expect(now !== null, "quorum", "a saved file needs a policy with a quorum, or nobody knows how old it is");
    return { note, checkpoint, policy, log, counted: new Map(), oldest: now };
  }
  const counted = inWindow(policy, times, now);
  requireInForce(policy, now ?? Math.min(...counted.values()));
  return { note, checkpoint, policy, log, counted, oldest: Math.min(...counted.values()) };
}

/** The key of the log by which it is signed. */
function checkLog(policy, note, signatures) {
  const log = policy.logs.find((key) => linesOf(note, key).length > 0);
  const ids = policy.logs.map((key) => hex(key.id)).join(", ");
  expect(log !== undefined, "checkpoint", `no signature by a key of the log: ${ids}; ${OTHER_POLICY}`);
  checkSignature(signatures, note, log, linesOf(note, log)[0]);
  return log;
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
