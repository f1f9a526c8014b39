// Signed notes, their keys, and the checkpoint in them (C2SP signed-note, tlog-cosignature, tlog-checkpoint).

import { base64, concat, hex, same, text as decodeText, unbase64, utf8 } from "./bytes.js";
import { VerifyFailed, expect } from "./errors.js";
import { LIMITS } from "./schema.js";
import { sha256 } from "./sha256.js";

export const ED25519 = 1;
export const COSIGNATURE = 4;
const KEY_ID_BYTES = 4;
const TIME_BYTES = 8;
const DASH = "— ";

/** A key name is not empty and has no space, no plus sign and nothing that is not seen. */
function checkName(name) {
  const isName = /^[^+\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$/.test(name);
  expect(isName, "key name", `${JSON.stringify(name)} is empty, or has spaces, a plus sign or characters that are not seen`);
}

/** `NAME+HEX(key id)+BASE64(type, key)`; the key id must be the one of its name and key. */
export function parseVerifierKey(vkey) {
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+([^]*)$/.exec(vkey) ?? [];
  expect(name !== undefined, "verifier key", `${JSON.stringify(vkey.slice(0, 80))} is not NAME+ID+KEY`);
  checkName(name);
  const data = unbase64(encoded);
  expect(data !== null, "verifier key", "not the one base64 encoding");
  const known = data.length === 33 && (data[0] === ED25519 || data[0] === COSIGNATURE);
  expect(known, "verifier key", "neither an Ed25519 (01) nor a cosignature (04) key");
  const key = verifierKey(name, data[0], data.subarray(1));
  expect(hex(key.id) === id, "verifier key", `key id ${id} should be ${hex(key.id)}`);
  return key;
}

/** A public key under a name. */
export function verifierKey(name, kind, key) {
  const data = concat(Uint8Array.of(kind), key);
  const id = sha256(utf8(`${name}\n`), data).slice(0, KEY_ID_BYTES);
  return { name, kind, key, id, vkey: `${name}+${hex(id)}+${base64(data)}` };
}

/** A note and its signature lines: {text, signatures: [{name, keyId, signature}]}; nothing is verified. */
export function parseNote(data) {
  expect(data.length <= LIMITS.NOTE_BYTES_MAX, "note", `${data.length} bytes, at most ${LIMITS.NOTE_BYTES_MAX} are read`);
  const whole = decodeText(data);
  expect(whole !== null, "note", "not UTF-8");
  expect(!/[\0-\x09\x0b-\x1f]/.test(whole), "note", "control characters other than newline");
  const at = whole.lastIndexOf("\n\n");
  expect(at >= 0 && whole.endsWith("\n"), "note", "text, blank line and signatures are expected, each line ended");
  const lines = whole.length > at + 2 ? whole.slice(at + 2, -1).split("\n") : [];
  const most = LIMITS.NOTE_SIGNATURES_MAX;
  expect(lines.length > 0 && lines.length <= most, "note", `${lines.length} signatures, 1 to ${most} are read`);
  return { text: whole.slice(0, at + 1), signatures: lines.map(parseLine) };
}

function parseLine(line) {
  const parts = line.slice(DASH.length).split(" ");
  const isLine = line.startsWith(DASH) && parts.length === 2;
  expect(isLine, "note signature", `${JSON.stringify(line.slice(0, 80))} is not a signature line`);
  checkName(parts[0]);
  const data = unbase64(parts[1]);
  expect(data !== null, "note signature", "not the one base64 encoding");
  expect(data.length > KEY_ID_BYTES, "note signature", "too short for key id and signature");
  return { name: parts[0], keyId: data.subarray(0, KEY_ID_BYTES), signature: data.subarray(KEY_ID_BYTES) };
}

/** The lines that claim to be by this key. */
export function linesOf(note, key) {
  return note.signatures.filter((line) => line.name === key.name && same(line.keyId, key.id));
}

/** Checks a log's signature line. */
export function checkSignature(signatures, note, key, line) {
  signatures.check(key.key, utf8(note.text), line.signature);
}

/** Checks a cosignature line; gives its time in milliseconds. */
export function checkCosignature(signatures, note, key, line) {
  const { signature } = line;
  expect(signature.length === TIME_BYTES + 64, "cosignature", `${signature.length} bytes, 72 are expected`);
  const seconds = signature.subarray(0, TIME_BYTES).reduce((time, byte) => time * 256 + byte, 0);
  expect(seconds * 1000 <= LIMITS.TIME_MS_MAX, "cosignature", `its time, ${seconds} s, lies beyond the year 9999`);
  const message = concat(utf8(`cosignature/v1\ntime ${seconds}\n`), utf8(note.text));
  signatures.check(key.key, message, signature.subarray(TIME_BYTES));
  return seconds * 1000;
}

/** Origin, size (a BigInt) and root of the log, from a note's text. */
export function parseCheckpoint(noteText) {
  const lines = noteText.split("\n");
  if (lines.length !== 4 || lines[3] !== "") {
    throw new VerifyFailed("checkpoint", `three lines are expected, ${lines.length - 1} came`);
  }
  const [origin, size, root] = lines;
  expect(origin !== "", "checkpoint", "the origin is empty");
  const isNumber = /^(0|[1-9][0-9]{0,18})$/.test(size) && BigInt(size) < 1n << 63n;
  expect(isNumber, "checkpoint", `size ${JSON.stringify(size.slice(0, 30))} is not a decimal number`);
  const hash = unbase64(root);
  expect(hash !== null && hash.length === 32, "checkpoint", "the root is not 32 bytes in base64");
  return { origin, size: BigInt(size), root: hash };
}
