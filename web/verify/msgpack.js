// Canonical MessagePack (docs/formats/encoding.md), read by schema: every function here makes a reader of one kind of
// value. One value has one encoding, and only that one is read.

import { VerifyFailed } from "./errors.js";
import { text as decodeText } from "./bytes.js";

const refuse = (message) => {
  throw new VerifyFailed("encoding", message);
};

class Cursor {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  /** The offset of the next `count` bytes, which are passed over. */
  skip(count) {
    const from = this.at;
    if (count > this.data.length - from) refuse(`cut short at byte ${this.data.length}`);
    this.at = from + count;
    return from;
  }

  /** An unsigned integer in the form that `kind` names in a table of [bytes, least value]: smaller ones have a
   * shorter form. */
  unsigned(kind, forms, what) {
    const [size, least] = forms[kind] ?? refuse(`${what} is expected at byte ${this.at - 1}`);
    const from = this.skip(size);
    let value = 0;
    for (let at = from; at < this.at; at++) value = value * 256 + this.data[at];
    return value < least ? refuse(`${what} at byte ${from - 1} is not in its shortest form`) : value;
  }

  /** A length: in the low bits of its first byte where that lies from `base` on and below `end`, else by `forms`. */
  length(base, end, forms, what) {
    const kind = this.data[this.skip(1)];
    return kind >= base && kind < end ? kind - base : this.unsigned(kind, forms, what);
  }
}

/** The value that `schema` reads in all of `data`. */
export function decode(schema, data) {
  const cursor = new Cursor(data);
  const value = schema(cursor);
  if (cursor.at !== data.length) refuse(`${data.length - cursor.at} bytes follow the value`);
  return value;
}

const UNSIGNED = { 0xcc: [1, 128], 0xcd: [2, 2 ** 8], 0xce: [4, 2 ** 16], 0xcf: [8, 2 ** 32] };
const SIGNED = { 0xd0: [1, -32], 0xd1: [2, -(2 ** 7)], 0xd2: [4, -(2 ** 15)], 0xd3: [8, -(2 ** 31)] };

function readInt(cursor) {
  const kind = cursor.data[cursor.skip(1)];
  if (kind < 0x80) return kind;
  if (kind >= 0xe0) return kind - 256;
  if (!SIGNED[kind]) return cursor.unsigned(kind, UNSIGNED, "an integer");
  const [size, above] = SIGNED[kind];
  let value = cursor.data[cursor.skip(size)] << 24 >> 24;
  for (let at = cursor.at - size + 1; at < cursor.at; at++) value = value * 256 + cursor.data[at];
  return value >= above ? refuse(`an integer at byte ${cursor.at - size - 1} is not in its shortest form`) : value;
}

export function int(min, max) {
  return (cursor) => {
    const value = readInt(cursor);
    return value < min || value > max ? refuse(`${value} lies outside ${min} to ${max}`) : value;
  };
}

export function bool(cursor) {
  const kind = cursor.data[cursor.skip(1)];
  return kind === 0xc3 || (kind === 0xc2 ? false : refuse(`a bool is expected at byte ${cursor.at - 1}`));
}

const TEXT = { 0xd9: [1, 32], 0xda: [2, 2 ** 8], 0xdb: [4, 2 ** 16] };

function readText(cursor) {
  const length = cursor.length(0xa0, 0xc0, TEXT, "text");
  const from = cursor.skip(length);
  return decodeText(cursor.data.subarray(from, from + length)) ?? refuse(`no UTF-8 at byte ${from}`);
}

/** Text of so many characters (code points). */
export function text(min = 0, max = Infinity) {
  return (cursor) => {
    const value = readText(cursor);
    let length = value.length;
    if (/[\ud800-\udfff]/.test(value)) length = [...value].length;
    return length < min || length > max ? refuse(`text of ${length} characters, ${min} to ${max} are expected`) : value;
  };
}

const BYTES = { 0xc4: [1, 0], 0xc5: [2, 2 ** 8], 0xc6: [4, 2 ** 16] };

export function bytes(min = 0, max = Infinity) {
  return (cursor) => {
    const length = cursor.length(0, 0, BYTES, "a byte string");
    if (length < min || length > max) refuse(`${length} bytes, ${min} to ${max} are expected`);
    const from = cursor.skip(length);
    return cursor.data.subarray(from, from + length);
  };
}

const ARRAY = { 0xdc: [2, 16], 0xdd: [4, 2 ** 16] };
const arrayLength = (cursor) => cursor.length(0x90, 0xa0, ARRAY, "an array");

export function list(item, min = 0, max = Infinity) {
  return (cursor) => {
    const length = arrayLength(cursor);
    if (length < min || length > max) refuse(`a list of ${length}, ${min} to ${max} are expected`);
    const items = [];
    for (let number = 0; number < length; number++) items.push(item(cursor));
    return items;
  };
}

/** One of the numbers of a table of names; the value is the name. */
export function oneOf(table) {
  const names = new Map(Object.entries(table).map(([name, number]) => [number, name]));
  return (cursor) => {
    const number = readInt(cursor);
    return names.get(number) ?? refuse(`${number} is none of ${[...names.keys()].join(", ")}`);
  };
}

/** A structure whose fields stand in order, without names. */
export function array(fields) {
  const entries = Object.entries(fields);
  return (cursor) => {
    const length = arrayLength(cursor);
    if (length !== entries.length) refuse(`${length} fields, ${entries.length} are expected`);
    const value = {};
    for (const [name, schema] of entries) value[name] = schema(cursor);
    return value;
  };
}

/** A field that may be left out, and is where it would hold `missing`: null (of which there is no encoding), a number
 * or the empty list. */
export function optional(schema, missing = null) {
  const isMissing = (value) => value === missing || (Array.isArray(missing) && value.length === 0);
  const read = (cursor) => {
    const value = schema(cursor);
    return isMissing(value) ? refuse("a field that holds nothing is left out") : value;
  };
  return Object.assign(read, { missing: () => (Array.isArray(missing) ? [] : missing) });
}

const MAP = { 0xde: [2, 16], 0xdf: [4, 2 ** 16] };
const mapLength = (cursor) => cursor.length(0x80, 0x90, MAP, "a map");

/** Reads `count` fields into `value`: each once and in the order of `entries`, which is byte order. */
function readFields(cursor, count, entries, value) {
  let next = 0;
  for (; count > 0; count--) {
    const key = readText(cursor);
    while (next < entries.length && entries[next][0] !== key) next = leaveOut(entries, next, value, key);
    if (next === entries.length) refuse(`field ${key} is unknown here, or not in order`);
    value[key] = entries[next][1](cursor);
    next++;
  }
  while (next < entries.length) next = leaveOut(entries, next, value, "the end");
  return value;
}

function leaveOut(entries, next, value, before) {
  const [name, schema] = entries[next];
  if (!schema.missing) refuse(`field ${name} is missing before ${before}`);
  value[name] = schema.missing();
  return next + 1;
}

export function map(fields) {
  const entries = Object.entries(fields);
  return (cursor) => readFields(cursor, mapLength(cursor), entries, {});
}

/** A structure that says by its first field which one it is; `kinds` are [number, name, fields]. */
export function union(tag, kinds) {
  const known = new Map(kinds.map(([number, name, fields]) => [number, [name, Object.entries(fields)]]));
  return (cursor) => {
    const count = mapLength(cursor);
    if (count === 0 || readText(cursor) !== tag) refuse(`field ${tag} is missing, or not the first`);
    const number = readInt(cursor);
    const [name, entries] = known.get(number) ?? refuse(`${tag} ${number} is unknown`);
    return readFields(cursor, count - 1, entries, { [tag]: name });
  };
}
