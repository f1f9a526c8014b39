// What was scanned, read from a link or code by the reader's own browser: the question that a proof has to answer is
// never taken from whoever answers it.

import { VERDICTS, positionIn, verify } from "./verify/index.js";

const KEY = /\/(?=(?:00|01|414)\/)/;

/** {product, lot, serial, unit, gln, voucher, site} of a GS1 Digital Link (AI 01, 10, 11, 21, 00, 414), an element
 * string with brackets, or PRODUCT#LOT; null where it is none. */
export function scanned(text) {
  const code = text.trim();
  if (code.startsWith("(")) return ofElements(bracketed(code), new URLSearchParams());
  const key = KEY.exec(code.split(/[?#]/)[0]);
  if (key) return digitalLink(code.slice(key.index + 1));
  const match = /^([^#@]+)([#@].+)$/.exec(code);
  return match ? { product: padded(match[1]), lot: match[2] } : ofElements({ "01": code }, new URLSearchParams());
}

function digitalLink(text) {
  const [path, query = ""] = text.split("#")[0].split("?");
  const steps = path.replace(/\/$/, "").split("/");
  if (steps.length % 2) return null;
  try {
    const elements = {};
    for (let at = 0; at < steps.length; at += 2) elements[steps[at]] = decodeURIComponent(steps[at + 1]);
    return ofElements(elements, new URLSearchParams(query.replaceAll("+", "%2B")));
  } catch {
    return null;
  }
}

/** A lot number may hold brackets, but not two to four digits in them. */
function bracketed(code) {
  const parts = code.split(/\((\d{2,4})\)/);
  const elements = {};
  for (let at = 1; at < parts.length; at += 2) elements[parts[at]] = parts[at + 1];
  return elements;
}

function ofElements(elements, asked) {
  const voucher = asked.get("voucher");
  const made = elements[11] ?? asked.get("11");
  const product = elements["01"] && padded(elements["01"]);
  if (!/^(?:\d{14}|[A-Z0-9-]+\/.+)$/.test(product ?? "") && !elements["00"] && !elements[414]) return null;
  if (voucher !== null && !/^[0-9a-f]{32}$/i.test(voucher)) return null;
  return {
    product,
    lot: elements[10] ? `#${elements[10]}` : made ? `@20${made}` : undefined,
    serial: elements[21], unit: elements["00"], gln: elements[414] ?? asked.get("414") ?? undefined,
    voucher: voucher === null ? undefined : Uint8Array.from(voucher.match(/../g), (pair) => parseInt(pair, 16)),
    site: asked.get("site") ?? undefined,
  };
}

/** A GTIN of 8, 12 or 13 digits is one of 14 with zeros in front. */
const padded = (product) => (/^\d{8,13}$/.test(product) ? product.padStart(14, "0") : product);

/** The question to the proof: all that was scanned, whatever the answer says of it. The node may only name the lot of a
 * serial number and the site of a GLN, which are shown so that they can be compared. */
export function asked(scan, answered) {
  const query = { product: scan.product, lot: scan.lot ?? answered.lot };
  const isOfGln = scan.gln !== undefined && answered.site?.endsWith(`/${scan.gln}`);
  const site = scan.site ?? (isOfGln ? answered.site : scan.gln);
  if (scan.voucher) query.voucher = scan.voucher;
  else if (site !== undefined) query.site = site;
  return query;
}

/** {product, closed}: what a proof proves of what was asked. Where it shows no place for a voucher or site, the code
 * alone is verified, and `closed` says so: whoever answers may have left out a place that has a problem, so that the
 * verdict is never a good one. */
export async function answerTo(policy, query, proof, nowMs) {
  const { product: code, lot } = query;
  const closed = (query.voucher ?? query.site) !== undefined && positionIn(proof) === null;
  const product = await verify(policy, closed ? { product: code, lot } : query, proof, nowMs);
  if (closed && VERDICTS[product.verdict] < VERDICTS.WAY_SHOWN_IN_PART) product.verdict = "WAY_SHOWN_IN_PART";
  return { product, closed };
}
