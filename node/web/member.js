// The member's page. It reads what is the member's own with a token that `suyuan member-link` signed, which stands behind
// the # of the address and so never travels in one; it holds no key and signs nothing. A voucher that is typed in for a
// label is drawn as a QR code here and never sent.

import { WORDS, actWord, statusWord } from "./member-words.js";
import { svg } from "./qr.js";

const VIEWS = ["positions", "kept", "handovers", "claims", "against", "envelopes", "labels"];
const SHEET_LABELS = 21; // three columns of seven on A4
const state = { language: "zh", token: "", me: null, view: "positions" };
const $ = (id) => document.getElementById(id);
const word = (name) => WORDS[state.language][name];

// An element with text and children. Whatever the ledger holds becomes text, never markup.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

async function ask(path) {
  const answer = await fetch(`/member/api/${path}`, { headers: { authorization: `Bearer ${state.token}` } });
  const data = await answer.json();
  if (!answer.ok) throw new Error(`${data.error.what}. ${data.error.do}`);
  return data;
}

const moment = (ms) => new Date(ms).toLocaleString(state.language === "zh" ? "zh-CN" : "en-GB");
const day = (number) => (number ? String(number).replace(/^(....)(..)(..)$/, "$1-$2-$3") : "");
const goods = (row) => [row.name, row.specification].filter(Boolean).join(" ");
const status = (row) => [row.in_force ? word("inForce") : "", ...row.flags.map((flag) => statusWord(state.language, flag))]
  .filter(Boolean).join(word("comma"));
const record = (one) => [actWord(state.language, one.act), one.quantity, one.lot, one.ref].filter(Boolean).join(" ");

// View -> [path of its list, columns: name -> value, which is text or an element].
const LISTS = {
  positions: ["positions", { product: goods, lot: (r) => r.lot, site: (r) => r.site, held: (r) => r.stock.held || 0, status }],
  kept: ["positions?kept=1", { product: goods, lot: (r) => r.lot, owner: (r) => r.owner, site: (r) => r.site, held: (r) => r.stock.held || 0, status }],
  handovers: ["handovers", { product: goods, lot: (r) => r.lot, sender: (r) => r.sender, open: (r) => r.open, ref: (r) => r.ref, time: (r) => moment(r.at_ms) }],
  claims: ["claims", { product: goods, lot: (r) => r.lot, supplier: (r) => r.supplier, open: (r) => r.open, ref: (r) => r.ref, disputed: (r) => word(r.disputed ? "yes" : "no") }],
  against: ["claims?against=1", { product: goods, lot: (r) => r.lot, claimant: (r) => r.claimant, open: (r) => r.open, ref: (r) => r.ref, disputed: (r) => word(r.disputed ? "yes" : "no") }],
  envelopes: ["envelopes", {
    time: (r) => moment(r.time_ms),
    records: (r) => el("span", {}, ...r.records.slice(0, 20).map((one) => el("div", {}, record(one)))),
    receipt: (r) => el("a", { href: r.receipt, download: `${r.leaf}.tlog-proof` }, String(r.leaf)),
  }],
};

const cell = (name, value) => el("td", { class: typeof value === "number" ? "number" : name === "status" ? "flags" : null },
  typeof value === "number" ? value.toLocaleString() : value);

async function list(view, place) {
  const [path, columns] = LISTS[view];
  const body = el("tbody");
  const more = el("button", { type: "button", class: "screen" }, word("more"));
  const page = async (after) => {
    const data = await ask(`${path}${path.includes("?") ? "&" : "?"}after=${after}`);
    for (const row of data.rows) body.append(el("tr", {}, ...Object.entries(columns).map(([name, value]) => cell(name, value(row)))));
    more.hidden = !data.next;
    more.onclick = () => guarded(() => page(data.next));
  };
  await page("");
  if (!body.childElementCount) return place.replaceChildren(el("p", {}, word("none")));
  const heads = Object.keys(columns).map((name) => el("th", { scope: "col" }, word(name)));
  const table = el("table", {}, el("caption", {}, word(view)), el("thead", {}, el("tr", {}, ...heads)), body);
  return place.replaceChildren(el("div", { class: "scroll" }, table), more);
}

async function everyPosition() {
  const rows = [];
  for (let after = "", pages = 0; pages < 20; pages++) {
    const data = await ask(`positions?after=${after}`);
    rows.push(...data.rows);
    after = data.next;
    if (!after) break;
  }
  return rows.filter((row) => row.path);
}

// The link of a label: with the voucher, or with the site where that is public. undefined: no voucher at all.
function link(row, voucher) {
  const join = row.path.includes("?") ? "&" : "?";
  const opens = row.public ? `${join}site=${encodeURIComponent(row.site)}` : voucher ? `${join}voucher=${voucher}` : "";
  return state.me.links + row.path + opens;
}

function label(row, kind, address) {
  const lines = [[goods(row), "name"], [`${word("number")} ${row.number.slice(1)}`], [`${word("made")} ${day(row.production)}`],
    [row.expiry ? `${word("expiry")} ${day(row.expiry)}` : ""]];
  const text = el("div", {}, ...lines.filter(([line]) => line).map(([line, name]) => el("p", { class: name || null }, line)));
  const image = svg(address);
  image.setAttribute("aria-label", "QR");
  return el("div", { class: `label ${kind}` }, image, text);
}

async function labels(place) {
  const rows = await everyPosition();
  if (!rows.length) return place.replaceChildren(el("p", {}, word("none")));
  const option = (row, at) => el("option", { value: at }, `${goods(row)} ${row.lot} · ${row.site}`);
  const which = el("select", { id: "which" }, ...rows.map(option));
  const kind = el("select", { id: "kind" }, ...["shelf", "carton", "sheet"].map((name) => el("option", { value: name }, word(name))));
  const voucher = el("input", { id: "voucher", autocomplete: "off", spellcheck: "false" });
  const hint = el("p", { id: "hint" });
  const out = el("div", { class: "labels" });
  const chosen = () => rows[Number(which.value)];
  const tell = () => {
    voucher.disabled = chosen().public;
    hint.textContent = word(chosen().public ? "publicSite" : "voucherHint");
  };
  const make = (event) => {
    event.preventDefault();
    const typed = voucher.value.trim();
    const found = /^[0-9a-f]{32}$/i.exec(typed) || /[?&]voucher=([0-9a-f]{32})(?:&|$)/i.exec(typed);
    out.replaceChildren();
    if (typed && !found && !chosen().public) return void (hint.textContent = word("voucherBad"));
    tell();
    const address = link(chosen(), found ? found[found.length - 1].toLowerCase() : "");
    try {
      const count = kind.value === "sheet" ? SHEET_LABELS : 1;
      for (let i = 0; i < count; i++) out.append(label(chosen(), kind.value, address));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      hint.textContent = word("long");
    }
  };
  which.addEventListener("change", tell);
  const field = (name, input) => el("label", { for: input.id }, word(name), input);
  const form = el("form", { class: "screen", onsubmit: make }, field("goods", which), field("kind", kind), field("voucher", voucher), hint,
    el("div", {}, el("button", { type: "submit" }, word("make")), " ", el("button", { type: "button", onclick: () => window.print() }, word("print"))));
  place.replaceChildren(form, out);
  return tell();
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    $("main").replaceChildren(el("p", { class: "problem", role: "alert" }, `${word("failed")}: ${error.message}`));
  }
}

async function show(view) {
  state.view = view;
  document.documentElement.lang = state.language;
  document.title = `溯源 · ${word("title")}`;
  $("language").textContent = word("language");
  $("title").textContent = state.me ? `${word("title")} ${state.me.name}` : word("title");
  const button = (name) => el("button", { type: "button", "aria-current": name === view ? "page" : null, onclick: () => show(name) }, word(name));
  $("views").replaceChildren(...(state.me ? VIEWS.map(button) : []));
  if (!state.token) return $("main").replaceChildren(el("p", {}, word("noToken")));
  const shortage = state.me && state.me.read_only ? el("p", { class: "problem" }, `${word("readOnly")} ${state.me.read_only}`) : null;
  const place = el("div");
  $("main").replaceChildren(...[shortage, place].filter(Boolean));
  return guarded(() => (view === "labels" ? labels(place) : list(view, place)));
}

$("language").addEventListener("click", () => {
  state.language = state.language === "zh" ? "en" : "zh";
  show(state.view);
});

// Out of the address bar and the history at once; a reload needs a new link.
state.token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
if (state.token) await guarded(async () => { state.me = await ask("me"); });
if (state.me || !state.token) await show("positions");
else { $("language").textContent = word("language"); $("title").textContent = word("title"); }
