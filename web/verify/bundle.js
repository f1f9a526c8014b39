// The files that carry a proof: the binary one, and the JSON bundle that a node serves (docs/formats/bundle.md).

import { base64, concat, hex, same, unbase64, unhex, utf8 } from "./bytes.js";
import { VerifyFailed, expect } from "./errors.js";
import { LIMITS } from "./schema.js";

const MAGIC = utf8("suyuan product proof v1\n");
const FORMAT = "suyuan product bundle v1";
const VOUCHER_BYTES = 16;

/** The proof in a binary file. */
export function readProofFile(data) {
  const isProof = same(data.subarray(0, MAGIC.length), MAGIC);
  expect(isProof, "file", 'it does not begin with "suyuan product proof v1", so it is no product proof');
  const most = LIMITS.PROOF_BYTES_MAX;
  expect(data.length <= most, "file", `${data.length} bytes, at most ${most} are read`);
  return data.subarray(MAGIC.length);
}

export const proofFile = (proof) => concat(MAGIC, proof);

/** {query, proof, policy} of a bundle, given as text or as the object that it parses to. `policy` is the word of
 * whoever made the bundle: a reader that has a policy of its own passes it over. */
export function readBundle(json) {
  const bundle = typeof json === "string" ? parsed(json) : json;
  const isBundle = isObject(bundle) && bundle.format === FORMAT;
  expect(isBundle, "bundle", `its format is not "${FORMAT}"`);
  checkFields(bundle, "the bundle", ["format", "policy", "proof", "query"]);
  checkFields(bundle.query, "its query", ["product", "lot"], ["voucher", "site", "serial"]);
  const { product, lot, voucher, site } = bundle.query;
  const query = { product, lot };
  if (voucher !== undefined) {
    query.voucher = unhex(voucher);
    expect(query.voucher?.length === VOUCHER_BYTES, "bundle", "its voucher is not 32 hexadecimal digits");
  }
  if (site !== undefined) query.site = site;
  const proof = unbase64(bundle.proof);
  const isProof = proof !== null && proof.length <= LIMITS.PROOF_BYTES_MAX;
  expect(isProof, "bundle", `its proof is not base64 of at most ${LIMITS.PROOF_BYTES_MAX} bytes`);
  return { query, proof, policy: bundle.policy };
}

/** The text of a bundle. */
export function formatBundle({ query, proof, policy }) {
  const { voucher, ...scanned } = query;
  const asked = voucher ? { ...scanned, voucher: hex(voucher) } : scanned;
  return JSON.stringify({ format: FORMAT, query: asked, proof: base64(proof), policy });
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    throw new VerifyFailed("bundle", "it is not JSON");
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Checks that an object has these fields, all texts (but `query`), and no others. */
function checkFields(value, what, required, optional = []) {
  expect(isObject(value), "bundle", `${what} is not an object`);
  for (const name of required) expect(Object.hasOwn(value, name), "bundle", `${what} lacks ${name}`);
  for (const [name, one] of Object.entries(value)) {
    expect(required.includes(name) || optional.includes(name), "bundle", `${what} has a field ${name}, which is unknown`);
    const isText = typeof one === "string" && !/\p{Surrogate}/u.test(one);
    expect(isText || name === "query", "bundle", `${name} is not a text`);
  }
}
