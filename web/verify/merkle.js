// Hashes: RFC 6962 trees, and the tagged ones of everything else (docs/formats/encoding.md).

import { hex, same, utf8 } from "./bytes.js";
import { expect } from "./errors.js";
import { sha256 } from "./sha256.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** A hash function of its own for everything that begins with this tag. */
export function tagged(name) {
  const tag = utf8(`suyuan/${name}\0`);
  return (...parts) => sha256(tag, ...parts);
}

export const leafHash = (entry) => sha256(LEAF, entry);
export const nodeHash = (left, right) => sha256(NODE, left, right);

/** Checks that the leaf hash stands at `index` of the tree of `size` leaves under `root` (RFC 9162, 2.1.3.2). */
export function verifyInclusion(leaf, index, size, proof, root) {
  let node = BigInt(index); // sizes go up to 2^63, beyond the bits of JavaScript's numbers
  let last = BigInt(size) - 1n;
  expect(node >= 0n && node <= last, "inclusion", `index ${index} is outside a tree of ${size} leaves`);
  let running = leaf;
  for (const sibling of proof) {
    expect(last !== 0n, "inclusion", `the proof of leaf ${index} has more than the hashes it needs`);
    if (node & 1n || node === last) {
      running = nodeHash(sibling, running);
      while (!(node & 1n) && node) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      running = nodeHash(running, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  expect(last === 0n, "inclusion", `the proof of leaf ${index} has fewer than the hashes it needs`);
  expect(same(running, root), "inclusion", `leaf ${index} of ${size} leads to root ${hex(running)}, not ${hex(root)}`);
}
