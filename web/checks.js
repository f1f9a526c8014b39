// What was checked, step by step, each with what it rests on; and who says so.

import { el, opens, plain, said, section, table } from "./dom.js";

export function checksView(view, { tookMs, policy }) {
  const { words, product } = view;
  const took = words.checkedIn.replace("{n}", Math.max(1, Math.round(tookMs)));
  return [section(words.checks,
    el("p", {}, words.checksBegin),
    el("ol", { class: "checks" }, product.steps.map((step) => el("li", {}, stepView(words, step)))),
    opens(words.policy, el("pre", { tabindex: "0" }, plain(policy).replaceAll("[U+000A]", "\n"))),
    el("p", { class: "small" }, words.logAt.replace("{height}", product.height).replace("{size}", product.log_size), " · ", took))];
}

/** A step by its name in the reader's words, and everything that the verifier notes about it. */
function stepView(words, { name, ...noted }) {
  const [title, meaning] = words.steps[name] ?? [name, ""];
  const rows = Object.entries(noted).map(([key, value]) => [words.stepFields[key] ?? key, valueOf(value)]);
  return opens([el("span", { class: "held" }, `✓ ${words.checked}`), " ", title],
    meaning ? el("p", {}, meaning) : null, table(rows));
}

function valueOf(value) {
  if (Array.isArray(value)) return value.length ? el("ul", {}, value.map((one) => el("li", {}, said(textOf(one))))) : null;
  return said(textOf(value));
}

const textOf = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));

/** Who says what, and how to check it elsewhere. */
export function trustView(view, mode, ...actions) {
  const { words } = view;
  const told = { served: words.trustServed, saved: words.trustSaved, site: words.trustSite };
  return [section(words.trust, el("p", {}, told[mode]), ...actions)];
}
