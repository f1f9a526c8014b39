// The verdict on a product: the worst of all that is proven about it.

import { compareText, hex } from "./bytes.js";
import { BITS, OF_BITS, VERDICTS } from "./schema.js";

export const IN_FORCE_BEFORE = BITS.HELD_BEFORE | BITS.RECALLED_BEFORE;
export const BEFORE = BITS.OPEN_CLAIM_BEFORE | BITS.DISPUTED_CLAIM_BEFORE | IN_FORCE_BEFORE;

export const finding = (verdict, subject, detail = "") => ({ verdict, subject, detail });

export function ofBits(bits, subject) {
  const set = OF_BITS.filter(([bit]) => bits & BITS[bit]);
  return set.map(([bit, verdict]) => finding(verdict, subject, bit.toLowerCase()));
}

/** Holds and recalls of a product or maker that cover a lot by its production dates (unknown: in every span).
 *
 * `shown` is the whole chain of the subject in order; lifted scopes no longer count, closed ones do. */
export function ofScopes(shown, lot, subject) {
  const inForce = new Map();
  for (const { name, record } of shown) {
    if (record.act === "HOLD" || record.act === "RECALL") inForce.set(hex(name), record);
    else if (record.act === "LIFT") inForce.delete(hex(record.target));
  }
  const covering = [...inForce.values()].filter((record) => {
    const [start, until] = [record.made_from || 0, record.made_until || 99991231];
    const days = [lot.production, ...lot.stated];
    return lot.production === null || days.some((day) => start <= day && day <= until);
  });
  return covering.map((record) => finding(record.act === "RECALL" ? "RECALLED" : "HELD", subject, record.reason));
}

/** The findings, each once, from the worst on. */
export function sorted(findings) {
  const distinct = new Map(findings.map((one) => [JSON.stringify([one.verdict, one.subject, one.detail]), one]));
  return [...distinct.values()].sort(
    (left, right) =>
      VERDICTS[right.verdict] - VERDICTS[left.verdict] ||
      compareText(left.subject, right.subject) ||
      compareText(left.detail, right.detail),
  );
}
