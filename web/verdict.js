// The verdict, first: in words and colour, with a sign that is told apart without colour, and why.

import { el, opens, phrase, said, section, svg } from "./dom.js";
import { day, moment } from "./format.js";
import { actName } from "./records.js";

const SIGNS = {
  good: ["M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20z", "M7.5 12.5l3 3 6-6.5"],
  careful: ["M12 2.5 22.5 21h-21z", "M12 9.5v5M12 17.4v.2"],
  bad: ["M8 2h8l6 6v8l-6 6H8l-6-6V8z", "M8.5 8.5l7 7M15.5 8.5l-7 7"],
};

/** good, careful or bad; a bad verdict is one to stop at. */
export function levelOf(verdict) {
  const good = ["GOOD", "FACTS_NOTED"];
  const careful = [
    "WAY_SHOWN_IN_PART", "SUPPLIER_NOT_CONFIRMED", "ENTERED_BY_ONE_SIGNATURE", "NOT_COMMISSIONED_BY_MAKER",
    "MEMBER_SUSPENDED", "KEY_SUSPECT",
  ];
  return good.includes(verdict) ? "good" : careful.includes(verdict) ? "careful" : "bad";
}

export function sign(level) {
  const [shape, mark] = SIGNS[level];
  return svg("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { class: "shape", d: shape }), svg("path", { class: "mark", d: mark }));
}

export function banner(level, words, title, ...below) {
  return el("section", { class: `verdict ${level}` },
    sign(level),
    el("div", {}, el("p", { class: "level" }, words.levels[level]), el("h1", { tabindex: "-1" }, title), ...below));
}

export function verdictView(view, saved) {
  const { words, product } = view;
  const isWorse = product.verdict !== "WAY_SHOWN_IN_PART";
  const [title, advice] = view.closed && !isWorse ? words.wayClosed : words.verdicts[product.verdict];
  const asOf = (saved ? words.asOfSaved : words.asOf).replace("{time}", moment(product.as_of_ms));
  return [
    banner(levelOf(product.verdict), words, title,
      el("p", { class: "advice" }, advice), view.closed && isWorse ? el("p", {}, words.wayClosed.join(words.colon)) : null, subject(view), didYouMean(view), el("p", { class: "small" }, asOf)),
    ...reasons(view),
  ];
}

function subject(view) {
  const { words, product, query } = view;
  const [own] = product.lots;
  if (own) return el("p", { class: "subject" }, said(view.lot(own.lot)));
  const values = { code: query.product, lot: view.lotNumber(query.product + query.lot) };
  return el("p", { class: "subject" }, phrase(words.compare, values));
}

function didYouMean({ words, meant }) {
  if (!meant.length) return null;
  const links = meant.flatMap(({ number, path }, place) => [place ? words.comma : null, el("a", { href: path }, said(number))]);
  return el("p", { id: "meant" }, phrase(words.meant, { lots: links }));
}

/** The reasons for the verdict, the worst first; mere remarks behind a heading where there is worse. */
function reasons(view) {
  const { words, product } = view;
  const findings = product.findings.filter((found) => !isSaidTwice(found, product.findings));
  const grave = findings.filter((found) => levelOf(found.verdict) !== "good");
  const remarks = findings.filter((found) => levelOf(found.verdict) === "good");
  if (!findings.length) return [];
  const list = (found) => el("ul", { class: "findings" }, found.map((one) => finding(view, one)));
  const rest = grave.length && remarks.length
    ? opens(words.more.replace("{n}", remarks.length), list(remarks))
    : remarks.length ? list(remarks) : null;
  return [section(words.why, grave.length ? list(grave) : null, rest)];
}

/** The status bit of a subject whose adverse facts are a finding of their own, with what they say. */
function isSaidTwice({ verdict, subject, detail }, findings) {
  return detail === "adverse_fact" && findings.some((one) => one.verdict === verdict && one.subject === subject && !one.detail);
}

function finding(view, found) {
  const level = levelOf(found.verdict);
  const { words } = view;
  return el("li", { class: level },
    sign(level),
    el("div", {},
      el("b", {}, found.verdict === "FACTS_NOTED" ? words.remark : words.verdicts[found.verdict][0]),
      view.isIngredient(found.subject) ? [" ", el("span", { class: "tag" }, words.ofIngredient)] : null,
      el("br"), said(view.subject(found.subject)), detail(view, found)));
}

/** Details that the verifier words by itself are translated; a reason that somebody gave is quoted. */
const OWN_WORDS = [
  [/^no inspection, test or certificate of it is shown$/, (view) => view.words.details.noCertificate],
  [/^(\S+) booked its ([a-z_]+) late$/, (view, member, act) => phrase(view.words.details.late, { member: view.member(member), act: view.words.bookedActs[act] ?? act })],
  [/^best before (\d{8})$/, (view, date) => phrase(view.words.details.bestBefore, { day: day(date) })],
  [/^by ([A-Z0-9-]+)$/, (view, member) => phrase(view.words.details.by, { member: view.member(member) })],
  [/^its keeper (\S+) has not signed for it$/, (view, member) => phrase(view.words.details.keeper, { member: view.member(member) })],
  [/^a key of it, (.+)$/s, (view, key) => phrase(view.words.details.key, { key })],
  [/^more positions than are shown$/, (view) => view.words.details.morePositions],
  [/^more ancestors than are shown$/, (view) => view.words.details.moreAncestors],
  [/^no such lot stands in the ledger$/, (view) => view.words.details.unknownLot],
];

function detail(view, { verdict, subject, detail: text }) {
  if (!text) return records(view, subject);
  if (verdict === "MEMBER_SUSPENDED") return null; // whose detail is the name that stands there already
  const { details, colon } = view.words;
  if (/^[a-z_]+$/.test(text) && Object.hasOwn(details, text)) return [colon, details[text]];
  const given = ["HELD", "RECALLED"].includes(verdict); // of a product or maker: the reason that was given
  for (const [pattern, tell] of given ? [] : OWN_WORDS) {
    const match = pattern.exec(text);
    if (match) return [colon, tell(view, ...match.slice(1))];
  }
  return [colon, phrase(details.reason, { text })];
}

/** What was said of a subject that a finding names without detail. */
function records(view, subject) {
  const facts = view.product.facts.filter((fact) => fact.adverse && fact.subject === subject);
  const told = facts.map(({ signed }) => {
    const text = signed.record.text ?? signed.record.reason;
    return el("li", {}, actName(view.words, signed), text ? [view.words.colon, said(text)] : null);
  });
  return told.length ? el("ul", {}, told) : null;
}
