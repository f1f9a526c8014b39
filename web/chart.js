// Temperatures: a bar from the lowest to the highest reading of each record, the limits across, and between two
// records the time for which there is none.

import { el, opens, said, section, svg } from "./dom.js";
import { celsius, dateOf, duration, moment } from "./format.js";
import { isMeasure } from "./records.js";

const [LEFT, TOP, PLOT, BOTTOM, BAR, GAP] = [48, 20, 160, 64, 64, 30];
const GAP_MS = 3_600_000; // what is longer than this without a reading is drawn

export function temperatureView(view) {
  const { words, product } = view;
  const windows = product.facts.filter(isMeasure).map((fact) => measured(view, fact));
  if (!windows.length) return [];
  windows.sort((one, other) => one.start - other.start || one.until - other.until);
  return [section(words.temperature,
    el("p", {}, summary(words, windows)),
    el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": words.temperature }, chart(view, windows)),
    limitsOf(words, windows),
    opens(words.asTable, tableOf(view, windows)))];
}

function summary(words, windows) {
  const values = {
    n: windows.length, min: celsius(Math.min(...windows.map((one) => one.min_mc))),
    max: celsius(Math.max(...windows.map((one) => one.max_mc))), breaches: windows.filter((one) => one.breach).length,
  };
  return words.chartLabel.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** What the dashed lines mean, or that there are none. */
function limitsOf(words, windows) {
  const told = (name, values) => [...new Set(values)].filter((limit) => limit !== null)
    .map((limit) => words[name].replace("{at}", celsius(limit)));
  const limits = [...told("limitMin", windows.map(({ low }) => low)), ...told("limitMax", windows.map(({ high }) => high))];
  return limits.length ? el("p", { class: "limits" }, limits.join(words.comma)) : el("p", {}, words.noLimits);
}

/** A window with the limits of the product that it is about. */
function measured(view, { subject, signed }) {
  const entry = view.productEntry(subject.split(" at ")[0]) ?? view.product.products[subject];
  const window = signed.record.window;
  const [low, high] = [entry?.temp_min_mc ?? null, entry?.temp_max_mc ?? null];
  const breach = (low !== null && window.min_mc < low) || (high !== null && window.max_mc > high);
  return { ...window, low, high, breach, member: signed.member };
}

function chart(view, windows) {
  const { words } = view;
  const limits = [...new Set(windows.flatMap(({ low, high }) => [low, high]))].filter((limit) => limit !== null);
  const scale = scaleOf([...limits, ...windows.flatMap(({ min_mc, max_mc }) => [min_mc, max_mc])]);
  const columns = layout(windows);
  const width = LEFT + columns.at(-1).x + columns.at(-1).width + 8;
  const height = TOP + PLOT + BOTTOM;
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(words, windows) },
    scale.ticks.map((tick) => axis(scale, tick, width)),
    columns.map((column) => (column.window ? bar(words, scale, column) : gap(words, column))),
    limits.map((limit) => svg("path", { class: "limit", d: `M${LEFT} ${scale.y(limit)}H${width}` })));
}

/** Even steps that hold all values, with room above and below. */
function scaleOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = [500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000].find((size) => (high - low) / size <= 4) ?? 200_000;
  const [bottom, top] = [Math.floor(low / step - 0.3) * step, Math.ceil(high / step + 0.3) * step];
  const ticks = Array.from({ length: (top - bottom) / step + 1 }, (_, number) => bottom + number * step);
  return { ticks, y: (value) => TOP + (PLOT * (top - value)) / (top - bottom) };
}

/** Records and the gaps between them, side by side in the order of time. */
function layout(windows) {
  const columns = [];
  let [x, until] = [0, null];
  for (const window of windows) {
    if (until !== null && window.start - until > GAP_MS) {
      columns.push({ x, width: GAP, missing: (window.start - until) / 1000 });
      x += GAP;
    }
    columns.push({ x, width: BAR, window });
    x += BAR;
    until = Math.max(until ?? 0, window.until);
  }
  return columns;
}

function axis(scale, tick, width) {
  const y = scale.y(tick);
  return [
    svg("path", { class: "grid", d: `M${LEFT} ${y}H${width}` }),
    svg("text", { class: "tick", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, celsius(tick).replace(" °C", "°")),
  ];
}

function bar(words, scale, { x, width, window }) {
  const middle = LEFT + x + width / 2;
  const [top, bottom, mean] = [scale.y(window.max_mc), scale.y(window.min_mc), scale.y(window.mean_mc)];
  const below = TOP + PLOT;
  return svg("g", { class: window.breach ? "bar bad" : "bar" },
    svg("rect", { x: middle - 11, y: top - 1, width: 22, height: Math.max(3, bottom - top + 2), rx: 3 }),
    svg("path", { class: "mean", d: `M${middle - 15} ${mean}h30` }),
    window.breach ? svg("text", { class: "breach", x: middle, y: Math.max(12, top - 6), "text-anchor": "middle" }, `! ${words.breach}`) : null,
    svg("text", { class: "tick", x: middle, y: below + 18, "text-anchor": "middle" }, dateOf(window.start).slice(5)),
    svg("text", { class: "tick", x: middle, y: below + 34, "text-anchor": "middle" }, moment(window.start).slice(11)),
    window.gap_s * 1000 > GAP_MS
      ? svg("text", { class: "breach", x: middle, y: below + 51, "text-anchor": "middle" }, words.gapInside.replace("{time}", duration(window.gap_s, words)))
      : null);
}

function gap(words, { x, width, missing }) {
  const middle = LEFT + x + width / 2;
  return svg("g", { class: "gap" },
    svg("rect", { x: LEFT + x + 4, y: TOP, width: width - 8, height: PLOT }),
    svg("text", { transform: `translate(${middle + 4} ${TOP + PLOT / 2}) rotate(-90)`, "text-anchor": "middle" },
      words.gap.replace("{time}", duration(missing, words))));
}

function tableOf(view, windows) {
  const { words } = view;
  const row = (one) => el("tr", { class: one.breach ? "bad" : "" }, [
    `${moment(one.start)} – ${moment(one.until)}`, celsius(one.min_mc), celsius(one.mean_mc),
    [celsius(one.max_mc), one.breach ? ` ! ${words.breach}` : ""], one.count, duration(one.gap_s, words),
    said(one.device), said(view.member(one.member)),
  ].map((cell) => el("td", {}, Array.isArray(cell) || cell instanceof Node ? cell : String(cell))));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": words.asTable },
    el("table", {},
      el("thead", {}, el("tr", {}, words.columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, windows.map(row))));
}
