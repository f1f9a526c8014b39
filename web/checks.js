// What was checked, step by step, each with what it rests on; and who says so.

import { el, opens, plain, said, section, table } from "./dom.js";
import { moment } from "./format.js";

export function checksView(view, { tookMs, policy }) {
  const { words, product } = view;
  const took = words.checkedIn.replace("{n}", Math.max(1, Math.round(tookMs)));
  return [section(words.checks,
    el("p", {}, words.checksBegin),
    el("ol", { class: "checks" }, product.steps.map((step) => el("li", {}, stepView(words, step)))),
    policyView(words, policy),
    el("p", { class: "small" }, words.logAt.replace("{height}", product.height).replace("{size}", product.log_size), " · ", took))];
}

/** Whom the verification believes. */
export const policyView = (words, policy) => opens(words.policy, el("pre", { tabindex: "0" }, plain(policy)));

/** A step in the reader's words: what it means, how much of it there was, and everything that it rests on. */
function stepView(words, { name, counts, details }) {
  const [title, meaning] = words.steps[name === "way" && counts.positions === 0 ? "noWay" : name];
  const counted = Object.entries(counts).filter(([, count]) => count > 0)
    .map(([key, count]) => words.counts[key].replace("{n}", count)).join(words.comma);
  return opens([el("span", { class: "held" }, `✓ ${words.checked}`), ` ${title}`],
    el("p", {}, meaning), counted ? el("p", {}, counted) : null, noted(details));
}

/** Details as they are: they are for those who want to compare them with another tool's. */
function noted(details) {
  return table(Object.entries(details).map(([key, value]) => [key, valueOf(key, value)]));
}

function valueOf(key, value) {
  if (Array.isArray(value)) return value.length ? el("ul", { class: "noted" }, value.map((one) => el("li", {}, valueOf("", one)))) : null;
  if (value !== null && typeof value === "object") return noted(value);
  if (key.endsWith("time_ms")) return moment(value);
  return value === null ? null : said(value);
}

/** Who says what, and how to check it elsewhere. */
export function trustView(view, mode, ...actions) {
  const { words } = view;
  const told = { served: words.trustServed, saved: words.trustSaved, site: words.trustSite };
  return [section(words.trust, el("p", {}, told[mode]), ...actions)];
}
