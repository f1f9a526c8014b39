// Ed25519 signatures by WebCrypto, with what libsodium asks for beyond it: nodes admit with libsodium, and a reader
// believes nothing that a node refuses.

import { hex, unhex } from "./bytes.js";
import { VerifyFailed, expect } from "./errors.js";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** Points of small order, whose signatures prove nothing, by their encoding without the sign bit. */
const SMALL_ORDER = new Set([
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
]);
const NOT_REDUCED = /^(e[d-f]|f.)f{60}7f$/;

function unsigned(point) {
  const copy = point.slice(0, KEY_BYTES);
  copy[KEY_BYTES - 1] &= 0x7f;
  return hex(copy);
}

/** The signatures of one verification. Each is checked as it comes, side by side, while the rest goes on; the first
 * in order that does not hold is the one reported, as if they had been checked one by one. */
export class Signatures {
  constructor() {
    this.running = [];
    this.keys = new Map();
  }

  check(key, message, signature) {
    if (key.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) {
      throw new VerifyFailed("signature", `key of ${key.length} bytes, signature of ${signature.length}`);
    }
    this.running.push(this.holds(key, message, signature).then((holds) => [holds, hex(key)]));
  }

  async holds(key, message, signature) {
    const point = unsigned(key);
    if (SMALL_ORDER.has(point) || NOT_REDUCED.test(point) || SMALL_ORDER.has(unsigned(signature))) return false;
    const name = hex(key);
    if (!this.keys.has(name)) this.keys.set(name, imported(key));
    const usable = await this.keys.get(name);
    return usable !== null && crypto.subtle.verify("Ed25519", usable, signature, message);
  }

  /** Waits for all; VerifyFailed where one does not hold. */
  async settle() {
    for (const [holds, key] of await Promise.all(this.running)) {
      expect(holds, "signature", `does not hold under key ${key}`);
    }
  }
}

/** A key as WebCrypto takes it; null where the bytes are no point of the curve. */
function imported(key) {
  return crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]).catch((error) => {
    if (error.name === "NotSupportedError") throw error;
    return null;
  });
}

/** What this browser can do: {ok, webcrypto, ed25519, missing}. `missing` says in a word what is not there:
 * "webcrypto" (a page over plain http has none) or "ed25519". */
export async function support() {
  const webcrypto = globalThis.crypto?.subtle !== undefined;
  const ed25519 = webcrypto && (await hasEd25519());
  const missing = !webcrypto ? "webcrypto" : ed25519 ? null : "ed25519";
  return { ok: missing === null, webcrypto, ed25519, missing };
}

/** By verifying a known signature (RFC 8032, test 1), since old browsers fail in more ways than one. */
async function hasEd25519() {
  const key = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const signature = unhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  try {
    const usable = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", usable, signature, new Uint8Array());
  } catch {
    return false;
  }
}
