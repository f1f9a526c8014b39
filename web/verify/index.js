// Verifying a product proof in a browser (or in Node), in the order of DESIGN.md's "Proof of a product": what
// ledger/proof/verify.py does, check for check. Believes a policy and the code that was scanned, nothing else.
//
//     verify(policyText, query, proof, nowMs) -> Promise<product>, or VerifyFailed with the check that said no

import { hex, same } from "./bytes.js";
import { Signatures } from "./ed25519.js";
import { checking, expect } from "./errors.js";
import { Evidence } from "./evidence.js";
import { positionPath, readMapProof, sitePath } from "./mapproof.js";
import { tagged } from "./merkle.js";
import { decode } from "./msgpack.js";
import { checkPolicy, parsePolicy } from "./policy.js";
import { PositionEntry, ProductProof, SiteEntry } from "./schema.js";
import { stepsOf } from "./steps.js";
import { Subjects } from "./subjects.js";
import { follow, lastHeader } from "./succession.js";
import { sorted } from "./verdict.js";
import { follow as followWay, keeperOf } from "./way.js";

export { formatBundle, proofFile, readBundle, readProofFile } from "./bundle.js";
export { base64, hex, unbase64, unhex } from "./bytes.js";
export { support } from "./ed25519.js";
export { VerifyFailed } from "./errors.js";
export { BITS, VERDICTS } from "./schema.js";

const voucherHash = tagged("voucher");

/** What `proof` proves about `query` {product, lot, voucher?, site?} under a policy: {verdict, findings, as_of_ms,
 * log_size, height, lots, products, members, way, facts, steps}. An unknown code is no failure: its absence is proven,
 * and the verdict says so.
 *
 * `nowMs` is the reader's clock for a proof that was just fetched; null for a saved file, which is judged as of its
 * oldest cosignature. */
export async function verify(policyText, query, proof, nowMs) {
  const signatures = new Signatures();
  try {
    return walk(parsePolicy(policyText), query, proof, nowMs, signatures);
  } finally {
    await signatures.settle(); // one that does not hold comes before whatever was found after it
  }
}

/** The position {owner, site} that a proof shows, unverified; null where it is about the code alone. */
export const positionIn = (proof) => checking("format", () => decode(ProductProof, proof)).position;

function walk(pinned, query, proof, nowMs, signatures) {
  const shown = checking("format", () => decode(ProductProof, proof));
  const isAsked = shown.product === query.product && shown.lot === query.lot;
  expect(isAsked, "query", `asked for ${query.product}${query.lot}, the proof is about ${shown.product}${shown.lot}`);
  const policy = follow(pinned, shown.steps, nowMs, signatures);
  const agreed = checkPolicy(policy, shown.checkpoint, nowMs, signatures);
  const header = lastHeader(shown.header, shown.header_proof, agreed.checkpoint);
  const proven = readMapProof(shown.map);
  const isState = same(proven.root, header.state);
  expect(isState, "state map", `its root is ${hex(proven.root)}, the block's ${hex(header.state)}`);
  const evidence = new Evidence(shown, proven, header, signatures);
  const subjects = new Subjects(evidence, dayOf(nowMs ?? agreed.oldest));
  const names = subjects.scanned(query.product, query.lot);
  const lots = names.flatMap((name) => subjects.family(name));
  const way = wayOf(evidence, subjects, query, lots);
  if (way.length === 0) for (const name of names) subjects.expiry(name);
  subjects.signers();
  const findings = sorted(subjects.findings);
  const product = {
    verdict: findings[0]?.verdict ?? "GOOD",
    findings,
    as_of_ms: agreed.oldest,
    log_size: Number(agreed.checkpoint.size),
    height: header.height,
    lots,
    products: Object.fromEntries(subjects.products),
    members: Object.fromEntries(evidence.members),
    way,
    facts: subjects.facts,
  };
  return { ...product, steps: stepsOf(product, { agreed, header, shown, evidence, query }) };
}

function wayOf(evidence, subjects, query, lots) {
  const isOpened = (query.voucher ?? query.site ?? null) !== null;
  return lots.length > 0 && isOpened ? followWay(evidence, subjects, startOf(evidence, query, lots[0].lot)) : [];
}

/** The position that the voucher or the public site opens, as [lot, owner, site]. */
function startOf(evidence, query, lot) {
  const name = evidence.position;
  expect(name !== null, "position", "a way was asked for, the proof shows none");
  const { owner, site } = name;
  const entry = evidence.entry(positionPath(lot, owner, site), PositionEntry, "position", lot, owner, site);
  expect(entry !== null, "position", `${owner} is proven not to have held ${lot} at ${site}`);
  if ((query.voucher ?? null) !== null) {
    const opens = entry.voucher !== null && same(entry.voucher, voucherHash(query.voucher));
    expect(opens, "voucher", "it does not open the position that the proof shows");
  } else {
    const declared = evidence.entry(sitePath(site), SiteEntry, "site", site);
    const isPublic = site === query.site && owner === keeperOf(site) && declared?.public === true;
    expect(isPublic, "position", `${site} is not the public site asked for`);
  }
  return [lot, owner, site];
}

/** The date in China (UTC+8) as the number YYYYMMDD. */
function dayOf(timeMs) {
  const date = new Date(timeMs + 8 * 3_600_000);
  return date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
}
