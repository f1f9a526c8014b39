// Byte strings: comparing, joining, and their forms as text. Texts are compared as Python compares them.

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function hex(data) {
  let text = "";
  for (const byte of data) text += HEX[byte];
  return text;
}

/** The bytes of hexadecimal digits, or null where the text is something else. */
export function unhex(text) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) return null;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function same(left, right) {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}

/** Byte order, as a number below, at or above zero. */
export function compare(left, right) {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return left[at] - right[at];
  return left.length - right.length;
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const utf8 = (text) => ENCODER.encode(text);

/** The text of UTF-8 bytes, or null where they are none. */
export function text(data) {
  try {
    return DECODER.decode(data);
  } catch {
    return null;
  }
}

/** Order of texts by code point; JavaScript's own is by UTF-16 unit, which puts emoji before full-width signs. */
export const compareText = (left, right) => compare(utf8(left), utf8(right));

export function base64(data) {
  let binary = "";
  for (let at = 0; at < data.length; at += 8192) binary += String.fromCharCode(...data.subarray(at, at + 8192));
  return btoa(binary);
}

/** The bytes of base64 in its one canonical form, or null. */
export function unbase64(encoded) {
  let binary;
  try {
    binary = atob(encoded);
  } catch {
    return null;
  }
  if (btoa(binary) !== encoded) return null;
  const data = new Uint8Array(binary.length);
  for (let at = 0; at < data.length; at++) data[at] = binary.charCodeAt(at);
  return data;
}

/** Big-endian bytes of a non-negative integer. */
export function uint(value, length) {
  const data = new Uint8Array(length);
  for (let at = length - 1; at >= 0; at--) {
    data[at] = value % 256;
    value = Math.floor(value / 256);
  }
  return data;
}
