// Verifies one case a line from stdin, {policy, query, proof (base64), now_ms}, and answers each by a line, in order:
// {product} with bytes in hexadecimal, or {check, message}. What is no VerifyFailed is answered as {crash}.

import { createInterface } from "node:readline";

import { VerifyFailed, hex, unbase64, unhex, verify } from "../web/verify/index.js";

async function answer(line) {
  const { policy, query, proof, now_ms: now } = JSON.parse(line);
  if (query.voucher !== undefined) query.voucher = unhex(query.voucher);
  try {
    const { steps, ...product } = await verify(policy, query, unbase64(proof), now);
    return { product };
  } catch (error) {
    if (!(error instanceof VerifyFailed)) return { crash: error.stack };
    return { check: error.check, message: error.message };
  }
}

const asText = (key, value) => (value instanceof Uint8Array ? hex(value) : value);
let before = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  const found = answer(line);
  before = before.then(async () => process.stdout.write(`${JSON.stringify(await found, asText)}\n`));
});
