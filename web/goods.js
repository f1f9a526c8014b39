// What it is: everything that the label, the importer and the maker have to say about the goods, and their ingredients.

import { el, opens, phrase, said, section, table } from "./dom.js";
import { celsius, country, day, grams } from "./format.js";
import { splitLot } from "./names.js";

export function goodsView(view) {
  const { words, product, query } = view;
  const [own, ...ingredients] = product.lots;
  if (!own) return [];
  const [base] = splitLot(own.lot);
  const other = query.product !== base
    ? el("p", { class: "small" }, phrase(words.sameCode, { code: query.product }))
    : null;
  return [section(words.goods,
    table([...productRows(view, product.products[base], base), ...lotRows(view, own)]),
    other,
    ingredients.length ? opens(words.ingredients.replace("{n}", ingredients.length), ingredients.map((lot) => ingredient(view, lot))) : null)];
}

function productRows(view, entry, code) {
  const { words } = view;
  if (!entry) return [[words.name, words.unknownName], [words.code, code]];
  const measured = entry.tolerance_permille !== undefined && entry.tolerance_permille !== null;
  return [
    [words.name, entry.name],
    [words.specification, entry.specification],
    [words.netContent, measured ? words.weighed : entry.grams && grams(entry.grams)],
    [words.category, words.categories[entry.category] ?? entry.category],
    [words.origin, entry.origin && country(entry.origin, words.language)],
    [words.maker, entry.maker && named(view, entry.maker)],
    ...declarer(view, entry),
    [words.licence, entry.licence],
    [words.registration, entry.registration],
    [words.storage, limits(words, entry)],
    [words.shelfLife, entry.shelf_days && words.shelfDays.replace("{n}", entry.shelf_days)],
    [words.code, code],
  ];
}

/** Whoever declared it: the importer by that name, the maker not twice. */
function declarer(view, entry) {
  if (entry.declared_by === "MAKER" && entry.declarer === entry.maker) return [];
  const title = entry.declared_by === "IMPORTER" ? view.words.importer : view.words.declarer;
  return [[title, named(view, entry.declarer)]];
}

function lotRows(view, lot) {
  const { words } = view;
  const imported = view.productEntry(lot.lot)?.declared_by === "IMPORTER";
  return [
    [imported ? words.importLot : words.lot, view.printed(lot.lot)],
    [words.serial, view.serial && phrase(words.serialUnproven, { serial: view.serial })],
    [words.production, lot.production ? day(lot.production) : words.unknown],
    [words.expiry, lot.expiry ? day(lot.expiry) : words.unknown],
    [words.commissioner, lot.commissioner ? named(view, lot.commissioner) : words.nobody],
    [words.holders, words.holdersCount.replace("{n}", lot.holders?.count ?? 0)],
  ];
}

function ingredient(view, lot) {
  const { words } = view;
  const entry = view.productEntry(lot.lot);
  return el("div", { class: "card" }, el("h3", {}, said(view.lot(lot.lot))), table([
    [words.maker, entry?.maker && named(view, entry.maker)],
    [words.origin, entry?.origin && country(entry.origin, words.language)],
    [words.production, lot.production ? day(lot.production) : words.unknown],
    [words.expiry, lot.expiry ? day(lot.expiry) : words.unknown],
    [words.commissioner, lot.commissioner ? named(view, lot.commissioner) : words.nobody],
  ]));
}

/** A member: name, where it is, and its code, by which it can be looked up elsewhere. */
export function named(view, member) {
  const where = view.regionOf(member);
  return [said(view.member(member)), el("span", { class: "small" }, where ? ` ${where} ` : " ", said(member))];
}

export function limits(words, entry) {
  const [low, high] = [entry.temp_min_mc ?? null, entry.temp_max_mc ?? null];
  if (low !== null && high !== null) return words.between.replace("{min}", celsius(low)).replace("{max}", celsius(high));
  if (high !== null) return words.atMost.replace("{max}", celsius(high));
  return low !== null ? words.atLeast.replace("{min}", celsius(low)) : null;
}
