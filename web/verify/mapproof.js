// Proofs of the state map (docs/formats/state-map.md): the part of the tree that leads to some paths.

import { compare, hex, utf8, uint } from "./bytes.js";
import { VerifyFailed, expect } from "./errors.js";
import { tagged } from "./merkle.js";
import { LIMITS } from "./schema.js";
import { sha256 } from "./sha256.js";

const CHECK = "state map";
const DEPTH_MAX = 256;
const PUBLIC = 0;
const POSITIONS = 0x80;

const keyHash = tagged("key");
const leafHash = tagged("entry");
const bucketHash = tagged("bucket");
const innerHash = tagged("node");

/** The 32-byte path of a key; its first bit tells public subjects from positions. */
function pathOf(half, ...parts) {
  const path = keyHash(...parts);
  path[0] = (path[0] & 0x7f) | half;
  return path;
}

const named = (...names) => utf8(names.join("\0"));

export const POLICY_PATH = pathOf(PUBLIC, utf8("policy\0"));
export const productPath = (product) => pathOf(PUBLIC, named("product", product));
export const lotPath = (lot) => pathOf(PUBLIC, named("lot", lot));
export const memberPath = (member) => pathOf(PUBLIC, named("member", member));
export const keyPath = (member, key) => pathOf(PUBLIC, named("key", member, ""), key);
export const sitePath = (site) => pathOf(PUBLIC, named("site", site));
export const positionPath = (lot, owner, site) => pathOf(POSITIONS, named("position", lot, owner, site));
export const wayPath = (position, number) => pathOf(POSITIONS, named("way", ""), position, uint(number, 4));

const bit = (path, depth) => (path[depth >> 3] >> (7 - (depth & 7))) & 1;

/** What a map proof proves under its root. */
class Proven {
  constructor(tree, values) {
    this.root = tree.hash;
    this.tree = tree;
    this.values = values;
  }

  /** The proven value at `path`; null where its absence is proven. */
  value(path) {
    const value = this.values.get(hex(path));
    if (value === undefined) {
      expect(this.isAbsent(path), CHECK, `the proof neither shows entry ${hex(path)} nor that it is absent`);
      return null;
    }
    return value;
  }

  /** Whether the walk along `path` ends in a bucket that shows all its paths, and `path` is none of them. */
  isAbsent(path) {
    let tree = this.tree;
    for (let depth = 0; tree.children; depth++) tree = tree.children[bit(path, depth)];
    return tree.shown !== null && !tree.shown.includes(hex(path));
  }
}

/** Recomputes the root of a proof. Nodes are {hash, children} or {hash, shown}: all paths in hex, null if any is
 * hidden. */
export function readMapProof(data) {
  const most = LIMITS.PROOF_BYTES_MAX;
  expect(data.length <= most, CHECK, `${data.length} bytes, at most ${most} are read`);
  const reading = new Reading(data);
  const tree = reading.node([]);
  expect(reading.at === data.length, CHECK, `${data.length - reading.at} bytes follow the proof`);
  return new Proven(tree, reading.values);
}

class Reading {
  constructor(data) {
    this.data = data;
    this.at = 0;
    this.values = new Map();
  }

  take(count) {
    expect(count <= this.data.length - this.at, CHECK, "the proof is cut short");
    this.at += count;
    return this.data.subarray(this.at - count, this.at);
  }

  /** `bits` is the way so far, for the check that entries stand where they belong. */
  node(bits) {
    const [kind] = this.take(1);
    if (kind === 0) return { hash: this.take(32), shown: null };
    if (kind === 2) return this.bucket(bits);
    expect(kind === 1, CHECK, `unknown kind of node ${kind}`);
    expect(bits.length < DEPTH_MAX, CHECK, "an inner node below the last bit of a path");
    const children = [this.node([...bits, 0]), this.node([...bits, 1])];
    return { hash: innerHash(children[0].hash, children[1].hash), children };
  }

  bucket(bits) {
    const [count] = this.take(1);
    const most = LIMITS.BUCKET_ENTRIES_MAX;
    expect(count <= most, CHECK, `a bucket of ${count} entries, at most ${most} stand in one`);
    const leaves = [];
    const shown = [];
    for (let number = 0; number < count; number++) {
      const [kind] = this.take(1);
      if (kind === 0) {
        leaves.push(this.take(32));
        continue;
      }
      const path = this.take(32);
      const belongs = bits.every((one, level) => bit(path, level) === one);
      expect(belongs, CHECK, `entry ${hex(path)} stands in the wrong subtree`);
      const inOrder = shown.length === 0 || compare(shown[shown.length - 1], path) < 0;
      expect(inOrder, CHECK, "the entries of a bucket are not in order");
      shown.push(path);
      leaves.push(leafHash(path, this.valueHash(kind, path)));
    }
    return { hash: bucketHash(...leaves), shown: shown.length === count ? shown.map(hex) : null };
  }

  valueHash(kind, path) {
    if (kind === 1) return this.take(32);
    if (kind !== 2) throw new VerifyFailed(CHECK, `unknown kind of entry ${kind}`);
    const value = this.take(this.take(4).reduce((length, byte) => length * 256 + byte, 0));
    this.values.set(hex(path), value);
    return sha256(value);
  }
}
