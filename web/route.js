// A simple drawing of the route: a column for each step from the beginning, a place for each position, a line for
// each way between two. The timeline below says the same in words.

import { el, svg } from "./dom.js";
import { BITS } from "./verify/index.js";

const [COLUMN_MIN, COLUMN_MAX, ROW, NODE, PADDING] = [94, 140, 92, 15, 4];
const HALF = 6.6; // the width of half a Chinese character
const MARGINS = 70; // of the page, beside the drawing
const BAD = BITS.RECALLED | BITS.HELD | BITS.FAILED_TEST | BITS.BREACHED | BITS.DISPUTED_CLAIM | BITS.ADVERSE_FACT | BITS.MORE_OUT_THAN_IN;

export function routeView(view, stops) {
  const { words } = view;
  const columns = stops[0].distance + 1;
  const column = Math.max(COLUMN_MIN, Math.min(COLUMN_MAX, (Math.min(innerWidth, 736) - MARGINS) / columns));
  const places = placed(stops, column);
  const width = column * columns + 2 * PADDING;
  const height = ROW * Math.max(...[...places.values()].map(({ row }) => row + 1)) + 2 * PADDING;
  const label = words.routeLabel.replace("{stops}", () => stops.map((stop) => view.site(stop.site)).join(" → "));
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    stops.flatMap((stop) => stop.sources.map((source) => line(places.get(source), places.get(stop)))),
    stops.map((stop) => place(view, stop, places.get(stop), Math.floor(column / HALF))));
  return el("div", { class: "route", tabindex: "0", role: "group", "aria-label": words.route }, drawing);
}

/** Column by distance from the end, row by order within the column. */
function placed(stops, width) {
  const last = stops[0].distance;
  const filled = new Map();
  return new Map(stops.map((stop) => {
    const row = filled.get(stop.distance) ?? 0;
    filled.set(stop.distance, row + 1);
    const column = last - stop.distance;
    return [stop, { row, x: PADDING + width * (column + 0.5), y: PADDING + ROW * row + NODE + 8 }];
  }));
}

/** From one place to another, with an arrow at its middle. */
function line(from, to) {
  const [start, end] = [from.x + NODE, to.x - NODE];
  const middle = (start + end) / 2;
  const [x, y] = [middle, (from.y + to.y) / 2];
  const path = `M${start} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${end} ${to.y}`;
  const slope = Math.atan2(to.y - from.y, (end - start) / 2) * (180 / Math.PI);
  return [
    svg("path", { class: "way", d: path }),
    svg("path", { class: "arrow", d: "M-5-5 5 0-5 5z", transform: `translate(${x} ${y}) rotate(${slope})` }),
  ];
}

/** A place: where goods begin a diamond, where they are kept for others a square, else a circle; the last one filled. */
function place(view, stop, { x, y }, chars) {
  const bad = Boolean(stop.entry.bits & BAD);
  const kind = `place${stop.distance === 0 ? " here" : ""}${bad ? " bad" : ""}`;
  const [name, second] = lines(view.site(stop.site), chars);
  return svg("g", { transform: `translate(${x} ${y})` },
    shape(stop, kind),
    bad ? svg("text", { class: "mark", y: 5 }, "!") : null,
    svg("text", { class: "name", y: NODE + 18 }, name),
    second ? svg("text", { class: "name", y: NODE + 33 }, second) : null,
    svg("text", { class: "where", y: NODE + (second ? 48 : 33) }, view.regionOf(stop.site.split("/")[0])));
}

function shape(stop, kind) {
  if (!stop.sources.length) return svg("path", { class: kind, d: `M0-${NODE + 2}L${NODE + 2} 0 0 ${NODE + 2}-${NODE + 2} 0z` });
  if (!stop.site.startsWith(`${stop.owner}/`)) {
    return svg("rect", { class: kind, x: -NODE + 2, y: -NODE + 2, width: 2 * NODE - 4, height: 2 * NODE - 4 });
  }
  return svg("circle", { class: kind, r: NODE - 1 });
}

/** A name on two short lines at most; the timeline has it whole. */
function lines(name, chars) {
  const [first, rest] = cut(name, chars);
  const [second, more] = cut(rest, chars);
  return [first, more ? `${second.slice(0, -1)}…` : second];
}

function cut(text, chars) {
  let width = 0;
  const characters = Array.from(text);
  const end = characters.findIndex((character) => (width += /[\u0000-\u024f]/.test(character) ? 1 : 2) > chars);
  return end < 0 ? [text, ""] : [characters.slice(0, end).join(""), characters.slice(end).join("")];
}
