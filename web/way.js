// The way of the goods as a timeline, from where they began to the position that the voucher opens.

import { el, phrase, said, section } from "./dom.js";
import { celsius, moment } from "./format.js";
import { actName, isMeasure } from "./records.js";
import { routeView } from "./route.js";
import { BITS } from "./verify/index.js";

/** What a position's status bits say, in the words of the findings; the worst first. */
const FLAGS = [
  "RECALLED", "HELD", "FAILED_TEST", "BREACHED", "DISPUTED_CLAIM", "DISPUTED_CLAIM_BEHIND", "OPEN_CLAIM", "OPEN_CLAIM_BEHIND",
  "ADVERSE_FACT", "MORE_OUT_THAN_IN", "NOT_COMMISSIONED", "ONE_SIGNATURE", "REENTRY", "WEIGHT_LOST",
];

export function wayView(view) {
  const { words, product } = view;
  if (!product.lots.length) return [];
  if (!product.way.length) {
    return [section(words.way, el("p", {}, view.closed ? words.wayClosed[1] : words.noWay), el("p", {}, words.noWayHow))];
  }
  const stops = inOrder(product.way);
  return [section(words.way,
    el("p", {}, words.wayBegins),
    routeView(view, stops),
    el("ol", { class: "timeline" }, stops.map((stop, place) => stopView(view, stop, place))))];
}

/** The stops with where their goods came from, the first first: by how far from the end they stand, then by time. */
function inOrder(way) {
  const key = (lot, owner, site) => [lot, owner, site].join("\0");
  const stops = new Map(way.map((stop) => [key(stop.lot, stop.owner, stop.site), { ...stop, distance: 0, sources: [] }]));
  for (const stop of stops.values()) {
    for (const name of stop.ways.flatMap((one) => sourcesOf(stop, one))) {
      const source = stops.get(key(...name));
      if (source && source !== stop && !stop.sources.includes(source)) stop.sources.push(source);
    }
  }
  const [end] = stops.values();
  const todo = [end];
  const seen = new Set(todo);
  for (const stop of todo) {
    for (const source of stop.sources.filter((one) => !seen.has(one))) {
      source.distance = stop.distance + 1;
      seen.add(source);
      todo.push(source);
    }
  }
  return todo.sort((one, other) => other.distance - one.distance || arrival(one) - arrival(other));
}

/** The positions that a way in leads back to, as the verifier followed them. */
function sourcesOf({ lot, owner, site }, { kind, newest: [{ record, member }] }) {
  if (kind === "HANDOVER") return [[lot, record.owner ?? member, record.site]];
  if (kind === "MOVE") return [[lot, owner, record.site]];
  if (kind === "RELABEL") return [[record.lot, owner, site]];
  return kind === "TRANSFORM" ? record.inputs.map((input) => [input, owner, site]) : [];
}

const arrival = (stop) => Math.max(...stop.ways.map((way) => way.newest.at(-1).record.at));

function stopView(view, stop, place) {
  const { words } = view;
  const [keeper] = stop.site.split("/");
  const flags = FLAGS.filter((flag) => stop.entry.bits & BITS[flag]).map((flag) => flag.toLowerCase());
  return el("li", { class: flags.length ? "flagged" : "" },
    el("h3", {}, said(view.site(stop.site)), " ", el("span", { class: "small" }, view.regionOf(keeper)),
      stop.distance === 0 ? [" ", el("span", { class: "tag here" }, words.here)] : null),
    keeper !== stop.owner ? el("p", {}, phrase(words.ownedBy, { member: view.member(stop.owner) })) : null,
    stop.lot !== view.product.lots[0].lot ? el("p", {}, said(view.lot(stop.lot))) : null,
    flags.length ? el("p", {}, flags.map((name) => [el("span", { class: "tag bad" }, words.details[name]), " "])) : null,
    el("ul", { class: "events" }, stop.ways.flatMap((way) => events(view, way)), facts(view, stop)));
}

/** A line for each record of a way in: a handover has two, by its two sides. */
function events(view, { kind, newest, earlier }) {
  const { words } = view;
  const templates = words.ways[kind];
  const from = sender(view, kind, newest[0]);
  const lines = newest.map((signed, number) => {
    const claimed = kind === "HANDOVER" && signed.element.act === "CLAIM";
    return el("li", {}, el("time", {}, moment(signed.record.at)), " ",
      claimed ? words.claimed : phrase(templates[number] ?? templates[0], { from }),
      el("span", { class: "small" }, " · ", phrase(words.signedBy, { member: view.member(signed.member), kind: view.kindOf(signed.member) })));
  });
  const before = Math.floor(earlier / newest.length);
  if (before > 0) lines.push(el("li", { class: "small" }, words.earlier.replace("{n}", before)));
  return lines;
}

function sender(view, kind, { record, member }) {
  if (["HANDOVER", "RETURN", "MOVE"].includes(kind)) return view.site(record.site);
  if (kind === "CLAIM") return view.member(record.supplier);
  return kind === "RELABEL" ? view.lotNumber(record.lot) : view.member(member);
}

/** What was inspected or measured there. */
function facts(view, { lot, owner, site }) {
  const here = view.product.facts.filter(({ subject, signed: { record } }) =>
    subject === `${lot} at ${site}` && (record.subject?.owner ?? owner) === owner);
  return here.map(({ signed, adverse }) => el("li", { class: adverse ? "bad" : "" },
    el("time", {}, moment(signed.record.at)), " ", el("b", {}, actName(view.words, signed)),
    isMeasure({ signed }) ? ` ${celsius(signed.record.window.min_mc)} – ${celsius(signed.record.window.max_mc)}` : null,
    adverse ? [" ", el("span", { class: "tag bad" }, isMeasure({ signed }) ? view.words.breach : view.words.adverse)] : null,
    signed.record.text ?? signed.record.reason ? [view.words.colon, said(signed.record.text ?? signed.record.reason)] : null));
}
