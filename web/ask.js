// Codes that leave something open: a trade item without its lot, a carton with several lots on it, a shop's sign.

import { el, leading, plain, said, section } from "./dom.js";
import { day, moment } from "./format.js";
import { splitLot } from "./names.js";
import { VERDICTS } from "./verify/index.js";
import { banner, levelOf, sign } from "./verdict.js";

/** `scan` says which product; the lot is typed in, or the day where there is no lot number. At a shop's sign the
 * product is typed in as well. `declared` is what the node says of it without proof. */
export function askLotView(words, scan, { declared, sites }) {
  const product = scan.product ? null : field(words.code, { id: "product", inputmode: "numeric", maxlength: "64", required: "" });
  const lot = field(words.askLot, { id: "lot", maxlength: "20", autocapitalize: "characters" });
  const made = field(words.askDay, { id: "made", type: "date", min: "2000-01-01", max: "2099-12-31" });
  const go = (event) => {
    event.preventDefault();
    const code = scan.product ?? product.input.value.trim();
    const address = addressOf(code, scan.serial, lot.input.value.trim(), made.input.value, scan.gln);
    if (address) location.assign(address);
    else lot.input.focus();
  };
  const named = declared ? [declared.name, declared.specification] : (sites ?? []).map((site) => site.name);
  return [leading(words.askTitle,
    named.some(Boolean) ? el("p", { class: "subject" }, said(named.filter(Boolean).join(" · "))) : null,
    el("p", {}, words.askWhy),
    scan.serial ? el("p", {}, words.askSerial) : null,
    el("form", { submit: go },
      [product, lot, made].filter(Boolean).map((one) => one.row),
      el("p", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, words.askGo))))];
}

function field(label, attributes) {
  const input = el("input", { autocomplete: "off", spellcheck: "false", ...attributes });
  return { input, row: el("p", {}, el("label", { for: attributes.id }, label), input) };
}

/** The link of a lot, keeping what else the scanned one had in it (a voucher, a shop). */
function addressOf(product, serial, lot, made, gln) {
  const kept = new URLSearchParams(location.search);
  kept.delete("11");
  if (gln) kept.set("414", gln);
  if (!lot && !made) return null;
  if (!lot) kept.set("11", made.slice(2).replaceAll("-", ""));
  const path = [`/01/${encodeURIComponent(product)}`];
  if (lot) path.push(`/10/${encodeURIComponent(lot)}`);
  if (serial) path.push(`/21/${encodeURIComponent(serial)}`);
  return path.join("") + (kept.size ? `?${kept}` : "");
}

/** The lots on a carton or pallet, each with its own page, and the units that stand on it or that it stands on.
 * `found` are the verdicts on the lots once each is verified: the worst is told first. */
export function unitView(words, { unit, lots, units, parent, opened_ms: opened }, found) {
  const to = (path, ...shown) => el("li", {}, path ? el("a", { href: path }, ...shown) : shown);
  const worst = found && VERDICTS_BY_RANK.find((verdict) => found.includes(verdict));
  const lead = worst
    ? banner(levelOf(worst), words, words.verdicts[worst][0], el("p", { class: "advice" }, words.unitWorst.replace("{n}", found.filter((one) => one === worst).length)))
    : null;
  const part = lead ? section : leading;
  const lines = lots.map(({ lot, path, declared }, place) => {
    const verdict = found?.[place];
    return el("li", { class: verdict ? levelOf(verdict) : "" }, verdict ? sign(levelOf(verdict)) : null,
      el("div", {}, path ? el("a", { href: path }, said(lotName(words, lot, declared))) : said(lotName(words, lot, declared)),
        el("br"), verdict ? words.verdicts[verdict][0] : found ? words.unitUnchecked : words.unitChecking));
  });
  return [lead, part(words.unitTitle,
    el("p", {}, said(unit)),
    opened ? el("p", {}, words.unitOpened.replace("{time}", moment(opened))) : null,
    el("p", {}, words.unitWhy),
    el("ul", { class: "findings" }, lines),
    units.length ? [el("h2", {}, words.unitInner), el("ul", { class: "lots" }, units.map((one) => to(one.path, said(one.unit))))] : null,
    parent ? [el("h2", {}, words.unitParent), el("ul", { class: "lots" }, to(`/00/${encodeURIComponent(parent)}`, said(parent)))] : null,
    el("p", { class: "small" }, words.unitUnproven))];
}

const VERDICTS_BY_RANK = Object.entries(VERDICTS).sort(([, one], [, other]) => other - one).map(([name]) => name);

function lotName(words, lot, declared) {
  const [product, rest] = splitLot(lot);
  const number = rest.startsWith("@") ? words.madeOn.replace("{day}", day(rest.slice(1))) : words.batch.replace("{lot}", () => rest.slice(1));
  return words.lotOf.replace("{product}", () => plain(declared?.name ?? product)).replace("{lot}", () => plain(number));
}
