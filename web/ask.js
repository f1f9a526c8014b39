// Codes that leave something open: a trade item without its lot, a carton with several lots on it.

import { el, said, section } from "./dom.js";
import { dateOf } from "./format.js";

/** `scan` says which product; the lot is typed in, or the day where there is no lot number. */
export function askLotView(words, scan) {
  const lot = el("input", { id: "lot", name: "lot", maxlength: "20", autocomplete: "off", autocapitalize: "characters", spellcheck: "false" });
  const made = el("input", { id: "made", name: "made", type: "date", min: "2000-01-01", max: "2099-12-31" });
  const go = (event) => {
    event.preventDefault();
    const address = addressOf(scan, lot.value.trim(), made.value);
    if (address) location.assign(address);
    else lot.focus();
  };
  return [section(words.askTitle,
    el("p", {}, words.askWhy),
    el("form", { submit: go },
      el("p", {}, el("label", { for: "lot" }, words.askLot), lot),
      el("p", {}, el("label", { for: "made" }, words.askDay), made),
      el("p", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, words.askGo))))];
}

function addressOf({ product, serial }, lot, made) {
  const key = `/01/${encodeURIComponent(product)}`;
  const kept = new URLSearchParams(location.search);
  const rest = serial ? `/21/${encodeURIComponent(serial)}` : "";
  if (lot) kept.delete("11");
  else if (made) kept.set("11", made.slice(2).replaceAll("-", ""));
  else return null;
  const query = kept.size ? `?${kept}` : "";
  return lot ? `${key}/10/${encodeURIComponent(lot)}${rest}${query}` : `${key}${rest}${query}`;
}

/** The lots on a carton or pallet, each with its own page. */
export function unitView(words, { unit, lots, opened }) {
  return [section(words.unitTitle,
    el("p", {}, said(unit)),
    opened ? el("p", {}, words.unitOpened.replace("{time}", dateOf(opened))) : null,
    el("p", {}, words.unitWhy),
    el("ul", { class: "lots" }, lots.map(({ link, lot }) => el("li", {}, el("a", { href: link }, said(lot))))))];
}
