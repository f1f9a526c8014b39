// Tests, certificates, inspections, holds and recalls: what was said about the goods, by whom, and when.

import { el, phrase, said, section } from "./dom.js";
import { day, moment } from "./format.js";

const DAY_MS = 86_400_000;

export function recordsView(view) {
  const { words, product } = view;
  if (!product.lots.length) return [];
  const shown = product.facts.filter((fact) => !isMeasure(fact)).sort(adverseAndNewestFirst);
  const list = shown.length
    ? el("ul", { class: "records" }, shown.map((fact) => el("li", { class: fact.adverse ? "bad" : "" }, record(view, fact))))
    : el("p", {}, words.noRecords);
  const older = hidden(product);
  return [section(words.records, list, older ? el("p", { class: "small" }, words.moreRecords.replace("{n}", older)) : null)];
}

/** A temperature window, which stands in the chart. */
export const isMeasure = ({ signed: { element, record } }) =>
  element.act === "FACT" && record.kind === "MEASURE" && Boolean(record.window);

/** How many other facts the entries count that are not spelled out. */
function hidden(product) {
  const entries = [...product.lots, ...Object.values(product.products), ...product.way.map((stop) => stop.entry)];
  const counted = entries.reduce((sum, entry) => sum + Math.max(0, (entry.facts?.count ?? 0) - 64), 0);
  return counted;
}

function adverseAndNewestFirst(one, other) {
  return Number(other.adverse) - Number(one.adverse) || other.signed.record.at - one.signed.record.at;
}

function record(view, { subject, adverse, signed }) {
  const { words } = view;
  const remark = signed.record.text ?? signed.record.reason;
  return [
    el("b", {}, actName(words, signed)),
    adverse && signed.element.act === "FACT" ? [" ", el("span", { class: "tag bad" }, words.adverse)] : null,
    remark ? [words.colon, said(remark)] : null,
    el("div", { class: "small" },
      span(words, signed.record), signed.record.document ? [phrase(words.document, { text: signed.record.document }), " · "] : null,
      phrase(words.about, { subject: view.subject(subject) })),
    el("div", { class: "small" }, signature(view, signed)),
  ];
}

/** A hold or recall that is bounded by production dates. */
function span(words, { made_from: from, made_until: until }) {
  if (!from && !until) return null;
  const values = { from: from ? day(from) : words.anyDay, until: until ? day(until) : words.anyDay };
  return [phrase(words.madeSpan, values), " · "];
}

export function actName(words, { element, record }) {
  const name = element.act === "FACT" ? record.kind : element.act;
  return (words.acts[name] ?? words.acts.OTHER).replace("{n}", record.grade ?? "");
}

/** Who signed, and when it happened; if it was told a day later or more, when the ledger learned of it. */
export function signature(view, { element, record, member }) {
  const { words } = view;
  const late = element.time - record.at >= DAY_MS;
  return [
    moment(record.at), " · ",
    phrase(words.signedBy, { member: view.member(member), kind: view.kindOf(member) }),
    late ? [" · ", words.recordedLater.replace("{time}", moment(element.time))] : null,
  ];
}
