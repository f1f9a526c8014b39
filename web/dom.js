// Elements, made from text alone. What a record says never becomes markup, and never changes how the text around it
// reads: no innerHTML, every foreign text isolated, its invisible characters named.

const SVG = "http://www.w3.org/2000/svg";
const INVISIBLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const MARKS = /(\p{M}{3})\p{M}+/gu;

/** Foreign text made harmless: control and direction characters by their numbers, at most three marks on a letter. */
export function plain(text) {
  const named = (character) => `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
  return String(text).replace(INVISIBLE, named).replace(MARKS, "$1");
}

/** Foreign text, isolated from the direction of what surrounds it. */
export const said = (text) => el("bdi", {}, plain(text));

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** A phrase with foreign texts in it: phrase("{a} → {b}", {a: "x", b: "y"}). A value may be an element. */
export function phrase(template, values) {
  return template.split(/\{(\w+)\}/).map((part, place) => {
    if (place % 2 === 0) return part;
    const value = values[part];
    return value instanceof Node || Array.isArray(value) ? value : said(value ?? "");
  });
}

export function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), ...children);
}

/** The first section of a page that has no verdict. */
export function leading(title, ...children) {
  return el("section", {}, el("h1", { tabindex: "-1" }, title), ...children);
}

/** What can be opened: a heading line, and what stands behind it. */
export function opens(summary, ...children) {
  return el("details", {}, el("summary", {}, summary), el("div", { class: "inside" }, ...children));
}

/** Names and values; what has no value is left out. */
export function table(rows) {
  const shown = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el("dl", {}, shown.map(([name, value]) => [
    el("dt", {}, name),
    el("dd", {}, value instanceof Node || Array.isArray(value) ? value : said(value)),
  ]));
}
