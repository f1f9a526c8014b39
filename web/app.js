// The page: where the records come from, their verification, and what is shown of it, in either language.

import { askLotView, unitView } from "./ask.js";
import { temperatureView } from "./chart.js";
import { checksView, trustView } from "./checks.js";
import { el } from "./dom.js";
import { en } from "./en.js";
import { cannotView, errorView, failedView } from "./failed.js";
import { goodsView } from "./goods.js";
import { answerTo, asked, scanned } from "./link.js";
import { declared } from "./meant.js";
import { View } from "./names.js";
import { openView } from "./open.js";
import { recordsView } from "./records.js";
import { actions } from "./save.js";
import { VerifyFailed, readBundle, support } from "./verify/index.js";
import { verdictView } from "./verdict.js";
import { wayView } from "./way.js";
import { zh } from "./zh.js";

const main = document.getElementById("main");
const toggle = document.getElementById("language");

const LOTS_VERIFIED_MAX = 64; // of a pallet's, at once

const supported = support(); // asked while the data are on their way

let words = zh;
let screen = null; // a function from words to what is shown
let drawing = null; // the parts of it

/** Draws a screen; what of it is a function is drawn one frame later, so that the verdict need not wait for it. */
function show(next) {
  screen = next;
  draw((rest) => requestAnimationFrame(() => setTimeout(() => {
    rest();
    main.querySelector("h1").focus({ preventScroll: true });
  })));
}

function draw(later) {
  const isLater = (part) => typeof part === "function";
  const drawn = (drawing = flat(screen(words)));
  main.replaceChildren(...drawn.filter((part) => !isLater(part)));
  document.documentElement.lang = words.language;
  document.title = `${main.querySelector("h1").textContent} · ${words.title}`;
  later(() => {
    if (drawn !== drawing) return; // another one was drawn meanwhile
    main.append(...flat(drawn.filter(isLater).map((part) => part())));
    // Where a drawing is wider than the screen, its newest end is what matters here.
    for (const wide of main.querySelectorAll(".route, .chart")) wide.scrollLeft = wide.scrollWidth;
    main.removeAttribute("aria-busy");
  });
}

const flat = (parts) => [parts].flat(Infinity).filter(Boolean);

toggle.addEventListener("click", () => {
  words = words === zh ? en : zh;
  toggle.textContent = words.other;
  toggle.lang = (words === zh ? en : zh).language;
  if (screen) draw((rest) => rest());
});

/** `answer` is the response to the page's own request; null where the page carries its records or its policy. */
export async function start(answer) {
  try {
    await begin(answer);
  } catch (error) {
    console.error(error);
    show((words) => errorView(words, { what: error.message, do: words.brokenDo }, () => location.reload()));
  }
}

async function begin(answer) {
  const bundle = document.getElementById("bundle");
  if (answer) return served(answer);
  if (bundle) return check({ ...readBundle(bundle.textContent), mode: "saved", nowMs: null });
  return site(JSON.parse(document.getElementById("policy").textContent));
}

/** A page that a node serves: its own address says what was scanned. */
async function served(answer) {
  const scan = scanned(location.pathname + location.search);
  if (location.pathname === "/") return show((words) => askLotView(words, {}, {}));
  const retry = () => location.reload();
  let text;
  try {
    text = await (await answer).text();
  } catch (error) {
    return show((words) => errorView(words, { what: error.message }, retry));
  }
  const body = JSON.parse(text);
  if (body.error || !scan) return show((words) => errorView(words, body.error ?? { what: words.notACode }, retry));
  if (body.needs) return show((words) => askLotView(words, scan, body));
  if (body.lots) return unit(body);
  const read = readBundle(text);
  return check({ ...read, query: asked(scan, read.query), serial: scan.serial, mode: "served", nowMs: Date.now() });
}

/** What lies on a carton or pallet: the list is its packer's word, each lot on it is verified. */
async function unit(body) {
  show((words) => unitView(words, body, null));
  const { missing } = await supported;
  const found = missing ? body.lots.map(() => null) : await Promise.all(body.lots.map(({ path }, place) => (place < LOTS_VERIFIED_MAX ? verdictOf(path) : null)));
  show((words) => unitView(words, body, found));
}

/** The verdict on the goods that a link of this node leads to; null where there is none. */
async function verdictOf(path) {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    const read = readBundle(await answer.text());
    const query = asked(scanned(path), read.query);
    return (await answerTo(read.policy, query, read.proof, Date.now())).product.verdict;
  } catch {
    return null;
  }
}

/** A verifier site: the policy is its own, the rest is brought by the reader. */
function site(policy) {
  const open = () => show((words) => openView(words, policy, (found) =>
    check({ ...found, policy, mode: "site", nowMs: found.live ? Date.now() : null, again: open })));
  open();
}

async function check(source) {
  const { missing } = await supported;
  if (missing) return show((words) => cannotView(words, words.cannotBecause[missing], source));
  try {
    const began = performance.now();
    const { product, closed } = await answerTo(source.policy, source.query, source.proof, source.nowMs);
    const tookMs = performance.now() - began;
    const draw = (meant) => show((words) => productScreen(words, product, { ...source, closed, tookMs, meant }));
    draw([]);
    if (source.mode !== "served" || product.verdict !== "UNKNOWN_CODE") return;
    const meant = await declared(source.query, verdictOf);
    if (meant.length) draw(meant);
  } catch (error) {
    if (!(error instanceof VerifyFailed)) throw error;
    show((words) => [failedView(words, error, source), again(words, source)]);
  }
}

function productScreen(words, product, source) {
  const view = new View(words, product, source);
  return [
    verdictView(view, source.nowMs === null),
    () => [
      goodsView(view),
      recordsView(view),
      wayView(view),
      temperatureView(view),
      checksView(view, source),
      trustView(view, source.mode, actions(words, source, product.as_of_ms)),
      again(words, source),
    ],
  ];
}

const again = (words, { again: open }) =>
  open ? el("p", { class: "buttons" }, el("button", { type: "button", click: open }, words.openAgain)) : null;
